// fairlead: pure
// The phases of a bring-up, each in a file of its own, in the order they are planned. Each adds to the plan what facts say is missing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_builder.h"

namespace fairlead::bootstrap {

void plan_prepare(PlanBuilder& plan);   ///< Files, packages, runtime, kernel.
void plan_ssh(PlanBuilder& plan);       ///< Host keys signed by the site's SSH CA.
void plan_pki(PlanBuilder& plan);       ///< The pairs of the CAs.
void plan_gateways(PlanBuilder& plan);  ///< Up to the gate: VIP held, listener accepting.
void plan_witness(PlanBuilder& plan);   ///< corosync-qnetd and the gateways' certificates for it.
void plan_etcd(PlanBuilder& plan);      ///< External etcd.
/// What an init or join left half-made, and machines that cannot be told: steps of repair, obstacles. True: repair is all this plan
/// does to the cluster.
[[nodiscard]] bool plan_repairs(PlanBuilder& plan);
void plan_settle(PlanBuilder& plan);  ///< What an interrupted init or join has left whole is finished and recorded.
void plan_init(PlanBuilder& plan);
void plan_control_planes(PlanBuilder& plan);
void plan_workers(PlanBuilder& plan);
void plan_cleanup(PlanBuilder& plan);      ///< The Secret of the certificates and the tokens go.
void plan_nodes(PlanBuilder& plan);        ///< Labels and taints.
void plan_kubeconfigs(PlanBuilder& plan);  ///< The administrator's, in state_dir and on bastions.
void plan_addons(PlanBuilder& plan);
void plan_pool_again(PlanBuilder& plan);  ///< Gateways where a `verify` that was killed has left a control plane in maintenance.
/// `patience`: nodes may need so long until they are Ready.
void plan_verify(PlanBuilder& plan, Duration patience);

// ---- shared between phases and verbs ----
/// The machine that initialises the cluster, or did: the first control plane of the site that may.
[[nodiscard]] const Machine* first_control_plane(const PlanBuilder& plan);
/// Where kubectl and kubeadm of the cluster are run: the primary, or in a plan that initialises it, the machine that does.
[[nodiscard]] const Machine* cluster_machine(const PlanBuilder& plan);
/// kubeadm's file for `init` names a certificate key, whether it is used or not: a step that makes one comes first.
void need_key(PlanBuilder& plan, const Machine& machine, Phase phase, const std::string& config, Step& step);
/// `apt-get install` of the Kubernetes packages at a version, held afterwards.
[[nodiscard]] std::string install_kubernetes(const Site& site, const std::vector<std::string>& packages);
/// "1.36.4" is installed as "1.36.4-1.1".
[[nodiscard]] bool is_version(const std::string& installed, const std::string& wanted);
/// What brings a machine's container runtime to the site's version: its files, its package or archive, its restart.
struct RuntimeChange {
  std::string because;  ///< "containerd is 1.7.24"
  std::string version;
  std::vector<Operation> operations;  ///< Empty: no SHA-256 is known of the archive.
};
/// Nothing: it has that version, or none at all (preparation installs it).
[[nodiscard]] std::optional<RuntimeChange> runtime_change(const PlanInput& in, const Machine& machine, const MachineFacts& facts);
/// `kubeadm reset` of the machine, with its configuration where it has one.
void add_reset(const PlanBuilder& plan, const Machine& machine, Step& step);
/// Steps that remove what is left of a machine that is no member: etcd member (guarded), kubeadm reset, Node. False: an obstacle instead.
struct Removal {
  const Machine& machine;
  Phase phase = Phase::kRemove;
  bool asked_for = false;  ///< By the operator, by name: destroys data.
  std::string because;
};
void warn_certificates(PlanBuilder& plan);
void warn_changed(PlanBuilder& plan);  ///< Files of kubeadm's that somebody changed.
/// Shell text after a kubeadm that wrote its files: how they are now.
[[nodiscard]] std::string note_kubeadm_files();
[[nodiscard]] bool plan_removal(PlanBuilder& plan, const Removal& removal);

}  // namespace fairlead::bootstrap
