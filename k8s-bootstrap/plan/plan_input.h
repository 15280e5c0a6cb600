// fairlead: pure
// What a plan is made from: the site, what was read, and the texts that the site renders. The texts are an argument, so that the order of
// steps knows nothing of how a file looks.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// The texts for one machine (render/render.h). What its roles do not need is empty.
struct MachineTexts {
  std::vector<RenderedFile> files;
  std::vector<CopyFile> copies;  ///< `files` of the machine that have a `source`; each with its SHA-256.
  std::string init;              ///< Control planes; machines of etcd: what makes their member.
  std::string join;              ///< Control planes and workers.
  std::string etcd_join;         ///< Machines of etcd: what makes their member of an etcd that runs.
  std::string reset;             ///< Those and machines of etcd.
  std::string upgrade;           ///< Control planes and workers.
};
/// A package of Fairlead's own, on the operator's machine.
struct FairleadPackage {
  std::string path;
  std::string version;
  std::string sha256;
};
/// What the site's bundle says of itself. Read when the site is opened.
struct BundleFacts {
  std::map<std::string, std::string> sums;  ///< File -> SHA-256: "packages.tar", "images.tar", archives.
  std::vector<std::string> packages;        ///< File names: "kubeadm_1.36.4-1.1_amd64.deb".
};
struct Rendered {
  std::map<std::string, MachineTexts> machines;
  std::string gateway_yaml;
  std::vector<std::pair<std::string, std::string>> missing_devices;  ///< Gateway, network: gateway_yaml cannot be written yet.
  std::map<std::string, std::string> manifests;                      ///< Name of an addon -> the text of its manifest.
  std::optional<FairleadPackage> fairlead;                           ///< Absent: gateways have theirs already.
  std::optional<std::string> kubeconfig_sha256;  ///< Of the one in state_dir, "" where there is none; absent: not looked at.
  std::optional<BundleFacts> bundle;             ///< Absent: the site names none, or there is none whole.
  std::string runtime_sha256;  ///< Of the upstream archive of containerd or cri-dockerd: the site's, or the one this release knows.
};
/// Everything but what comes from files of the operator's machine: manifests, `copies` and the package. What depends on a machine's system
/// or cards is as far as `facts` tell: rendered again after each reading.
[[nodiscard]] Rendered render_site(const Site& site, const Facts& facts);

/// An archive of `backup`, unpacked and looked at (apply/backup_files.h).
struct ClusterBackup {
  std::string folder;
  std::map<std::string, std::string> files;  ///< Path in it -> SHA-256.
  std::string kubernetes;
};

struct PlanInput {
  const Site& site;
  const Facts& facts;
  const Rendered& texts;
  const ClusterBackup* backup = nullptr;  ///< A bring-up from this archive: its keys, and etcd's data from its snapshot.
};

// ---- where things lie on a machine ----
inline constexpr std::string_view kWorkPath = "/var/lib/fairlead/bootstrap";
/// Files there that hold a secret while a step works with them. What an interrupted step leaves of them, apply/leftover_secrets.h clears.
inline constexpr std::array<std::string_view, 7> kSecretWorkFiles{"ca.yaml",  "etcd.yaml",         "kubeadm.yaml", "kubeconfig.new",
                                                                  "node.p12", "upload-certs.yaml", "upgrade.yaml"};
inline constexpr std::string_view kAdminConf = "/etc/kubernetes/admin.conf";
/// SHA-256 of what kubeadm wrote here at last: static pods, kubelet's settings. The probe compares.
inline constexpr std::string_view kKubeadmSums = "/var/lib/fairlead/bootstrap/kubeadm.sums";
inline constexpr std::string_view kClusterCa = "/etc/kubernetes/pki/ca.crt";
inline constexpr std::string_view kGatewayConfig = "/etc/fairlead/fairlead.yaml";
/// The cluster's CA on a gateway; its checks of the API servers verify against it.
inline constexpr std::string_view kGatewayCa = "/etc/fairlead/ca.crt";
/// On the machine whose kubectl applied it last; its SHA-256 says which text that was.
[[nodiscard]] std::string applied_manifest_path(const std::string& addon);
/// There while files are written and not yet applied; `verb` of the step: "sources", "files".
[[nodiscard]] std::string files_marker_path(const std::string& verb);
inline constexpr std::string_view kHostCertificate = "/etc/ssh/ssh_host_ed25519_key-cert.pub";
inline constexpr std::string_view kUserCa = "/etc/ssh/fairlead_user_ca.pub";
inline constexpr std::string_view kSshdSettings = "/etc/ssh/sshd_config.d/50-fairlead.conf";
/// On a gateway, while `verify` has a control plane in maintenance there: that server's name. Gone
/// after a boot, as what the daemon remembers of it.
inline constexpr std::string_view kVerifyMaint = "/run/fairlead/verify-maint";
/// Made by `fairlead cluster setup` or taken over by `join`, and by no package: a gateway that has it is a node of the gateways' cluster.
inline constexpr std::string_view kGatewayKey = "/etc/corosync/authkey";
/// A gateway's certificates for the witness (corosync-qdevice-net-certutil(8)).
inline constexpr std::string_view kQdeviceCertificates = "/etc/corosync/qdevice/net/nssdb/cert9.db";
inline constexpr std::string_view kGatewayLeases = "/var/lib/fairlead/dhcp/leases";
/// A user's kubeconfig as it was brought to a bastion.
[[nodiscard]] std::string bastion_kubeconfig_path();

/// A keyring that a rendered apt source names and that is no rendered file itself.
struct AptKeyring {
  std::string path;
  std::string url;
  std::string fingerprint;  ///< Pinned: what is fetched has this one or is refused.
};
[[nodiscard]] std::vector<AptKeyring> apt_keyrings(const Site& site, const MachineTexts& texts);

// ---- what the probe has to ask a machine about, beyond what it always tells ----
/// Paths whose presence and SHA-256 the plan goes by; on this machine.
[[nodiscard]] std::vector<std::string> files_to_ask(const Site& site, const Machine& machine, const Rendered& texts);
/// Packages of this machine that the plan installs where they are missing, with the version they must have ("": any).
[[nodiscard]] std::map<std::string, std::string> wanted_packages(const Site& site, const Machine& machine);

}  // namespace fairlead::bootstrap
