// fairlead: pure
// Every file that Fairlead writes on a machine of the site, as text. What a user's `override`, `kubernetes.kubeadm`, `kubelet` or `files`
// says is merged last, in here; so what these functions return is what stands on the machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct RenderedFile {
  std::string path;
  std::string text;
  std::uint32_t mode = 0644;
  std::string applies;  ///< A script that makes a change of the file take effect ("sysctl --system"); may be empty.
  bool operator==(const RenderedFile&) const = default;
};

/// Files of node preparation: /etc/hosts (a marked block of it, see hosts_block.h), modules-load.d, sysctl.d, chrony, containerd's
/// config.toml (or cri-dockerd's units), crictl.yaml, apt's source of Kubernetes and pins, the site's own `files` that have their content
/// with them (those with a `source` are copied). Each path once, in the order to be written.
/// What a role does not need is not there: gateways and bastions get no containerd. What depends on the machine's system: apt_files.h.
[[nodiscard]] std::vector<RenderedFile> machine_files(const Site& site, const Machine& machine);

/// fairlead.yaml of every gateway: the same text on all. It passes `fairlead check`. Devices: see gateway_devices.h.
[[nodiscard]] std::string gateway_yaml(const Site& site);

/// kubeadm's configuration, v1beta4 (v1beta3 up to Kubernetes 1.30), several documents. Placeholders of plan.h stand for what does not
/// exist yet; `ca-hash` is the hexadecimal part, "sha256:" stands before it. reset and upgrade: empty for v1beta3, which has no documents
/// for them (flags do it).
[[nodiscard]] std::string init_config(const Site& site, const Machine& machine);  ///< Of a machine of etcd only: etcd_config.
[[nodiscard]] std::string join_config(const Site& site, const Machine& machine);  ///< Control plane or worker, by its roles.
[[nodiscard]] std::string reset_config(const Site& site, const Machine& machine);
[[nodiscard]] std::string upgrade_config(const Site& site, const Machine& machine);
/// Of a machine with role etcd, for `kubeadm init phase certs etcd-*` and `kubeadm init phase etcd local` there: the members are all
/// machines of that role; `joins`: it is added to a cluster that runs. It is no configuration for a whole `kubeadm init`.
[[nodiscard]] std::string etcd_config(const Site& site, const Machine& machine, bool joins);

/// What is wrong with a text of kubeadm documents, by a schema as strict as kubeadm's own: one line a problem, with the field's path.
/// Empty: nothing. (kubeadm config validate is asked, too, where there is a kubeadm.)
[[nodiscard]] std::vector<std::string> check_kubeadm_config(std::string_view text);

}  // namespace fairlead::bootstrap
