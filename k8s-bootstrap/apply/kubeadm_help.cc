// fairlead: pure
#include "k8s-bootstrap/apply/kubeadm_help.h"

#include <array>

namespace fairlead::bootstrap {
namespace {

struct Known {
  std::string_view text;
  std::string_view cause;
  std::string_view remedy;
};

// The more special ones first: several can stand in one output.
constexpr std::array kKnown = {
    Known{"error decoding secret data with provided key", "the certificate key does not fit the kubeadm-certs Secret (it is another run's)",
          "run apply again: it uploads the certificates with a new key"},
    Known{"Secret \"kubeadm-certs\" was not found", "the uploaded certificates are gone: they live for two hours",
          "run apply again: it uploads them with a new key"},
    Known{"could not find a JWS signature in the cluster-info ConfigMap", "the join token is unknown or has expired",
          "run apply again: it makes a new one; if it stays so, look at the clocks of the machines"},
    Known{"cluster CA found in cluster-info ConfigMap is invalid", "the cluster behind the VIP has another CA than this site's",
          "look at who holds the VIP's address: another cluster may answer there"},
    Known{"Port-6443", "something listens on port 6443 here already",
          "see `ss -ltnp 'sport = :6443'` on the machine; end it or reset the machine"},
    Known{"DirAvailable--var-lib-etcd", "/var/lib/etcd is not empty: an etcd member was here",
          "if its data is not needed: fairlead bootstrap reset --machine NAME; if it is: restore it first"},
    Known{"FileAvailable--etc-kubernetes", "/etc/kubernetes has files of an earlier join or init",
          "if that one is not needed: fairlead bootstrap reset --machine NAME"},
    Known{"failCgroupV1", "the machine has cgroup v1, which this kubelet refuses",
          "boot it with cgroup v2 (systemd.unified_cgroup_hierarchy=1)"},
    Known{"running with swap on is not supported", "swap is on", "swapoff -a, and take it out of /etc/fstab"},
    Known{"unknown service runtime.v1.RuntimeService", "containerd runs without its CRI part",
          "take \"cri\" out of disabled_plugins in /etc/containerd/config.toml; apply writes that file"},
    Known{"etcdserver: re-configuration failed due to not enough started members", "etcd has not enough started members to take another",
          "fairlead bootstrap status shows which member is missing; bring it back or remove it"},
    Known{"etcdserver: can only promote a learner member which is in sync with leader", "the new etcd member has not caught up",
          "look at the network and disk of the machine, and run apply again"},
    Known{"couldn't validate the identity of the API Server", "the API server did not answer, or not with the cluster's certificate",
          "fairlead status on a gateway shows the VIP's holder and the servers behind it"},
    Known{"only supports deploying clusters with the control plane version", "this kubeadm is of another release than versions.kubernetes",
          "see kubeadm version on the machine; apply installs the right one unless the package is held by somebody else"},
    Known{"strict decoding error", "kubeadm does not know a field of its configuration", "see kubernetes.kubeadm in the site file"},
    Known{"No space left on device", "the disk is full", "df -h on the machine shows which; free some space"},
    Known{"Could not get lock", "another program is installing packages", "wait for it (unattended-upgrades?) and run apply again"},
    Known{"Unable to locate package", "the package source does not have the package",
          "see mirrors in the site file, and apt-cache policy on the machine"},
    Known{"is not signed", "the package source is not signed by a key the machine trusts", "see mirrors.kubernetes in the site file"},
    Known{"x509: certificate has expired or is not yet valid", "a certificate is out of date, or a clock is wrong",
          "compare the clocks (timedatectl); fairlead bootstrap certs shows the days left"},
};

}  // namespace

std::optional<Help> help_for(std::string_view said) {
  for (const Known& known : kKnown) {
    if (said.find(known.text) != std::string_view::npos) return Help{std::string(known.cause), std::string(known.remedy)};
  }
  return std::nullopt;
}

}  // namespace fairlead::bootstrap
