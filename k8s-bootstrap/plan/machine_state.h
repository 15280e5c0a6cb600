// fairlead: pure
// What one machine is to Kubernetes, told from facts alone: the part of planning that decides between join, repair and refusal.
//
//                    no trace of Kubernetes here            traces here
//   in no list       kBlank: joins                          kOwnHalf (our init or join did not end), else kForeignHalf: refused
//   in Node or etcd  kWiped: reset by hand                  kMember when everything agrees, else kOwnHalf, kNodeMissing, kSick
//
//   M1  A machine that was not read, or did not tell one of the facts its roles turn on, is kUnread: neither blank nor anything else.
//   M2  kOwnHalf, the only state that is reset without being asked for, takes a record of ours of an init or join that failed or was
//       interrupted, and no later record that it was settled.
//   M3  Facts win over records: what is whole is kMember, whatever the record says (its record is then settled by a step).
#pragma once

#include <map>
#include <string>

#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {

enum class MachineState : std::uint8_t {
  kUnread,
  kBlank,
  kMember,
  kOwnHalf,
  kForeignHalf,
  kRunning,      ///< A step of ours still runs on it.
  kNodeMissing,  ///< kubelet.conf, but the API knows no node of this name.
  kSick,         ///< It has joined, and now not everything of it answers.
  kWiped,        ///< The cluster lists it, but nothing is on it.
  kUnclear       ///< Traces, and no API or etcd that says whether it belongs.
};

struct MachineVerdict {
  MachineState state = MachineState::kUnread;
  std::string why;                     ///< "no kubelet.conf, and the API knows no node of this name"
  bool unsettled = false;              ///< kMember whose init or join is recorded as failed or interrupted.
  const EtcdMember* member = nullptr;  ///< Of the stacked or external etcd; in the facts.
  const NodeFact* node = nullptr;
};

/// The cluster as a plan sees it. Points into site and facts.
struct ClusterView {
  std::map<std::string, MachineVerdict> machines;  ///< Of roles control-plane, worker, etcd.
  const Machine* primary = nullptr;                ///< A control plane that was read, is a member, and whose API answers.
  std::vector<const Machine*> deciders;            ///< Control planes and machines of etcd: G4 asks them all.

  [[nodiscard]] const MachineVerdict& of(const Machine& machine) const;
  [[nodiscard]] bool is(const Machine& machine, MachineState state) const;
};
[[nodiscard]] ClusterView view_of(const Site& site, const Facts& facts);

/// It is of this step: "mast-2/join", or of one of its operations, "mast-2/join.1".
[[nodiscard]] bool is_record_of(const StepRecord& record, std::string_view step);
/// The last record of ours for a step of this machine; nullptr: none.
[[nodiscard]] const StepRecord* last_record(const MachineFacts& facts, std::string_view step);

struct EtcdVotes {
  std::size_t voters = 0;
  std::size_t healthy = 0;  ///< Of them.
  bool all_healthy = true;  ///< Learners and members that never started, too.
  [[nodiscard]] bool quorate() const { return voters > 0 && healthy > voters / 2; }
};
/// The cluster answers, and etcd on its control planes does not: which members it has is not known (M1 holds for the cluster, too).
[[nodiscard]] bool etcd_unread(const Site& site, const Facts& facts);
/// Members that were not read are not healthy. As they are, or as they would be without the member `left_out`.
[[nodiscard]] EtcdVotes count_votes(const ClusterFacts& cluster, std::string_view left_out = {});
/// The member of this machine: by name, or, where it never started, by its peer's address.
[[nodiscard]] const EtcdMember* member_of(const ClusterFacts& cluster, const Machine& machine);
[[nodiscard]] const NodeFact* node_of(const ClusterFacts& cluster, const Machine& machine);

}  // namespace fairlead::bootstrap
