// fairlead: pure
// What was read from the machines, once, at the beginning of every verb. A fact is yes, no or unknown: a machine that did not answer has no
// facts, which is never the same as facts that say "absent".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "k8s-bootstrap/facts/known.h"
#include "k8s-bootstrap/storage/storage_facts.h"

namespace fairlead::bootstrap {

/// A file that the site renders or kubeadm makes; absent ones are listed, too.
struct FileFact {
  bool present = false;
  std::string sha256;
  std::uint32_t mode = 0;
  bool operator==(const FileFact&) const = default;
};
struct CertificateFact {
  std::string path;
  std::int64_t days_left = 0;
  std::string serial;
  std::string public_key_sha256;
  bool operator==(const CertificateFact&) const = default;
};
struct NetworkCard {
  std::string device;
  std::string mac;
  std::vector<std::string> addresses;  ///< With lengths: "192.168.1.11/24".
  bool operator==(const NetworkCard&) const = default;
};
/// What a run of `apply` left on the machine about one of its steps (k8s-bootstrap/apply/step_record.h).
struct StepRecord {
  std::string run;
  std::string step;
  std::string state;  ///< running | done | failed | interrupted
  int exit_code = 0;
  bool operator==(const StepRecord&) const = default;
};

/// One machine that was read. Members that its system did not tell stay at their defaults or kUnknown.
struct MachineFacts {
  // ---- the system ----
  std::string os_id;       ///< "debian"
  std::string os_version;  ///< "12"
  std::string kernel;      ///< "6.1.0-13-amd64"
  std::string arch;        ///< "x86_64"
  std::string host_name;
  std::string boot_id;
  std::string machine_id;
  std::string product_uuid;
  unsigned cpus = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t disk_free_bytes = 0;  ///< Below /var/lib.
  Known swap = Known::kUnknown;
  unsigned cgroup_version = 0;
  Known systemd = Known::kUnknown;
  Duration clock_offset{};  ///< Its clock minus the operator's, half the round trip taken off.
  Duration clock_error{};   ///< Half the round trip.
  std::vector<NetworkCard> cards;
  std::map<std::string, bool> modules;             ///< Of those that are needed.
  std::map<std::string, std::string> sysctls;      ///< Likewise.
  std::map<std::uint16_t, std::string> listening;  ///< TCP port -> program, or "?".
  std::map<std::string, std::string> resolves;     ///< Name -> address, empty when it does not resolve.
  std::map<std::string, std::string> packages;     ///< Installed, of those that matter: name -> version.
  std::vector<std::string> held;                   ///< Of them, held back.
  std::map<std::string, std::string> programs;     ///< kubeadm, kubelet, kubectl, containerd, runc, fairleadd, corosync, etcd -> version.
  std::map<std::string, std::string> units;        ///< "kubelet" -> "active enabled"
  std::map<std::string, FileFact> files;           ///< Those asked for.
  std::vector<CertificateFact> certificates;       ///< /etc/kubernetes/pki, kubeconfigs' client certificates, gateways' check certificate.
  std::vector<std::string> unsuitable;             ///< What could not be read, one line each: shown, never guessed at.
  std::vector<std::string> stand_ins;              ///< Facts supplied in place of the system's own (namespaces of a lab).

  // ---- Kubernetes on this machine ----
  Known admin_conf = Known::kUnknown;
  Known kubelet_conf = Known::kUnknown;
  Known etcd_data = Known::kUnknown;   ///< "member" below etcd_folder()
  Known api_here = Known::kUnknown;    ///< https://127.0.0.1:6443/readyz answers 200.
  Known etcd_leads = Known::kUnknown;  ///< The etcd that runs here has a leader: a majority of its members lives.
  std::vector<std::string> manifests;  ///< Static pods: "kube-apiserver".
  std::string api_version;             ///< Of the API server here; empty: none.
  std::string kubelet_version;
  std::vector<std::string> changed;  ///< Files of kubeadm's that are not as it left them (kKubeadmSums).

  // ---- a gateway ----
  Known corosync_conf = Known::kUnknown;
  Known gateway_serves = Known::kUnknown;  ///< fairleadd answers on its socket.
  std::vector<std::string> vips_held;

  // ---- storage ----
  std::optional<StorageFacts> storage;  ///< Absent: not asked for, or it could not be read.

  // ---- our own traces ----
  std::vector<StepRecord> steps;  ///< In the order they began: the last one of a step is what counts.
  std::string lock_owner;         ///< Empty: nobody's, or stale.

  bool operator==(const MachineFacts&) const = default;
};

struct NodeFact {
  std::string name;
  bool ready = false;
  bool unschedulable = false;
  std::string kubelet_version;
  std::map<std::string, std::string> labels;
  std::vector<std::string> taints;  ///< "key=value:Effect"
  std::string address;              ///< The first InternalIP; empty: it has none.
  std::string runtime;              ///< "containerd://1.7.24"
  bool operator==(const NodeFact&) const = default;
};
struct EtcdMember {
  std::string id;    ///< Hexadecimal.
  std::string name;  ///< Empty: it was added and has not started.
  std::string peer_url;
  bool learner = false;
  bool healthy = false;
  bool operator==(const EtcdMember&) const = default;
};
/// What one control plane's API and etcd said; absent when none did.
struct ClusterFacts {
  std::string from;  ///< The machine that was asked.
  std::string kubernetes_version;
  std::vector<NodeFact> nodes;
  std::vector<EtcdMember> etcd;
  Known kubeadm_config = Known::kUnknown;  ///< The ConfigMap is there.
  Known certs_secret = Known::kUnknown;    ///< kubeadm-certs is (still) there.
  std::vector<std::string> tokens;         ///< Ids only, never the secret half.
  std::map<std::string, Known> addons;     ///< Name -> ready.
  bool operator==(const ClusterFacts&) const = default;
};

struct Facts {
  std::map<std::string, MachineFacts> machines;  ///< Only those that were read.
  std::map<std::string, std::string> unread;     ///< The others: machine -> cause and remedy.
  std::optional<ClusterFacts> cluster;
  std::optional<PoolFacts> pool;  ///< Absent: no machine of a Gluster pool could be asked.

  [[nodiscard]] const MachineFacts* find(std::string_view machine) const;
  bool operator==(const Facts&) const = default;
};

}  // namespace fairlead::bootstrap
