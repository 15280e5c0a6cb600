// fairlead: pure
#include "k8s-bootstrap/plan/machine_state.h"

#include <algorithm>

#include "base/assert.h"
#include "k8s-bootstrap/plan/plan_rule.h"

namespace fairlead::bootstrap {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

constexpr std::string_view kNoAnswer = "its API server's answer";

struct Reading {
  const Site& site;
  const Machine& machine;
  const MachineFacts& facts;
  const ClusterFacts* cluster;  ///< May be null.
  bool control_plane = machine.has(Role::kControlPlane);
  bool stacked = control_plane && site.kubernetes.etcd == EtcdPlace::kStacked;
  bool etcd_only = machine.has(Role::kEtcd) && !control_plane;
  bool etcd_read = cluster != nullptr && FL_PLAN_RULE(kEtcdUnread, !cluster->etcd.empty());
};

/// M1: the first fact that the decision turns on and that is not known; empty: all are.
std::string unknown_fact(const Reading& r) {
  const auto said = [](Known known) { return FL_PLAN_RULE(kUnknown, known != Known::kUnknown); };
  if (!said(r.facts.kubelet_conf)) return "/etc/kubernetes/kubelet.conf";
  if (r.control_plane && !said(r.facts.admin_conf)) return "/etc/kubernetes/admin.conf";
  if ((r.stacked || r.etcd_only) && !said(r.facts.etcd_data)) return "/var/lib/etcd/member";
  return {};
}

/// What is there of Kubernetes, as a list for people; empty: nothing. Certificates do not count: kubeadm takes those that are there.
std::string traces(const Reading& r) {
  std::string out;
  const auto add = [&](bool there, std::string_view what) {
    if (there) out += (out.empty() ? "" : ", ") + std::string(what);
  };
  add(r.facts.kubelet_conf == Known::kYes, "kubelet.conf");
  add(r.control_plane && r.facts.admin_conf == Known::kYes, "admin.conf");
  add(!r.facts.manifests.empty(), "static pods");
  add((r.stacked || r.etcd_only) && r.facts.etcd_data == Known::kYes, "etcd data");
  return out;
}

std::string missing(const Reading& r, const MachineVerdict& v) {
  if (r.facts.kubelet_conf != Known::kYes) return "kubelet.conf";
  if (r.cluster != nullptr && v.node == nullptr) return "its Node";
  if (!r.control_plane) return {};
  if (r.facts.admin_conf != Known::kYes) return "admin.conf";
  if (!contains(r.facts.manifests, "kube-apiserver")) return "the API server's manifest";
  if (r.facts.api_here != Known::kYes) return std::string(kNoAnswer);
  if (r.cluster != nullptr && r.cluster->kubeadm_config == Known::kNo) return "the ConfigMap kubeadm-config";
  if (r.stacked && r.etcd_read && (v.member == nullptr || v.member->name.empty() || v.member->learner)) return "its voting member of etcd";
  return {};
}

/// M2: of the steps that make a node, the last one that has a record.
struct Attempt {
  const StepRecord* record = nullptr;
  bool unfinished = false;
};
Attempt last_attempt(const Reading& r) {
  Attempt out;
  for (const StepRecord& record : r.facts.steps) {
    const bool makes = is_record_of(record, r.machine.name + "/init") || is_record_of(record, r.machine.name + "/join");
    const bool settles = is_record_of(record, r.machine.name + "/settle") && record.state == "done";
    if (makes) out = {&record, record.state == "failed" || record.state == "interrupted"};
    if (FL_PLAN_RULE(kSettled, false)) continue;
    if (settles) out.unfinished = false;
    if (is_record_of(record, r.machine.name + "/reset") && record.state == "done") out.unfinished = false;
  }
  return out;
}

MachineVerdict etcd_verdict(const Reading& r, MachineVerdict v) {
  const bool data = r.facts.etcd_data == Known::kYes;
  const bool pod = contains(r.facts.manifests, "etcd");
  // A member without a name was added for this machine and has not started: it still joins.
  if (!data && !pod && v.member != nullptr && !v.member->name.empty())
    return v.state = MachineState::kWiped, v.why = "nothing of etcd is on it, but etcd lists it", v;
  if (!data && !pod) return v.state = MachineState::kBlank, v.why = "no etcd here", v;
  if (data && pod) return v.state = MachineState::kMember, v.why = "etcd is here", v;
  const StepRecord* record = last_record(r.facts, r.machine.name + "/etcd");
  v.state = record != nullptr && record->state != "done" ? MachineState::kOwnHalf : MachineState::kForeignHalf;
  v.why = data ? "etcd data without its static pod" : "etcd's static pod without data";
  return v;
}

MachineVerdict verdict(const Reading& r) {
  MachineVerdict v;
  if (r.cluster != nullptr) {
    v.member = member_of(*r.cluster, r.machine);
    v.node = node_of(*r.cluster, r.machine);
  }
  if (const std::string unknown = unknown_fact(r); !unknown.empty()) return v.why = "whether " + unknown + " is there could not be read", v;
  const bool runs = std::any_of(r.facts.steps.begin(), r.facts.steps.end(), [](const StepRecord& s) { return s.state == "running"; });
  if (runs) return v.state = MachineState::kRunning, v.why = "a step of an earlier run is still at work on it", v;
  if (r.etcd_only) return etcd_verdict(r, v);
  const std::string here = traces(r);
  const Attempt attempt = last_attempt(r);
  if (here.empty()) {
    const bool listed = v.node != nullptr || (r.stacked && v.member != nullptr);
    v.state = listed ? MachineState::kWiped : MachineState::kBlank;
    v.why = listed ? "nothing of Kubernetes is on it, but the cluster lists it" : "no kubelet.conf, and the API knows no node of this name";
    return v;
  }
  const std::string lacks = missing(r, v);
  if (r.stacked && r.cluster != nullptr && !r.etcd_read && attempt.unfinished)
    return v.state = MachineState::kUnclear, v.why = attempt.record->step + " did not end, and the members of etcd could not be read", v;
  if (lacks.empty() && r.cluster != nullptr)
    return v.state = MachineState::kMember, v.why = "it is a node", v.unsettled = attempt.unfinished, v;
  v.why = "it has " + here + (lacks.empty() ? "" : ", but lacks " + lacks);
  // A voter whose Node is there has joined, whatever its record says: an API server that is silent now comes back, or is replaced by name.
  const bool votes = !r.stacked || (v.member != nullptr && !v.member->name.empty() && !v.member->learner);
  if (lacks == kNoAnswer && v.node != nullptr && votes) return v.state = MachineState::kSick, v;
  if (FL_PLAN_RULE(kResetOwnOnly, attempt.unfinished)) {
    if (attempt.record != nullptr)
      v.why = attempt.record->step + " was " + (attempt.record->state == "failed" ? "failed" : "interrupted") + ": " + v.why;
    return v.state = MachineState::kOwnHalf, v;
  }
  if (r.cluster == nullptr) return v.state = MachineState::kUnclear, v.why += "; no API server answers", v;
  if (v.node != nullptr) return v.state = MachineState::kSick, v;
  v.state = r.facts.kubelet_conf == Known::kYes && attempt.record != nullptr ? MachineState::kNodeMissing : MachineState::kForeignHalf;
  return v;
}

}  // namespace

const MachineVerdict& ClusterView::of(const Machine& machine) const {
  const auto found = machines.find(machine.name);
  FL_ASSERT(found != machines.end());
  return found->second;
}

bool ClusterView::is(const Machine& machine, MachineState state) const { return of(machine).state == state; }

ClusterView view_of(const Site& site, const Facts& facts) {
  ClusterView out;
  const ClusterFacts* cluster = facts.cluster ? &*facts.cluster : nullptr;
  for (const Machine& machine : site.machines) {
    const bool decides = machine.has(Role::kControlPlane) || machine.has(Role::kEtcd);
    if (!decides && !machine.has(Role::kWorker)) continue;
    if (decides) out.deciders.push_back(&machine);
    MachineVerdict& v = out.machines[machine.name];
    if (const MachineFacts* found = facts.find(machine.name)) {
      v = verdict({site, machine, *found, cluster});
    } else {
      const auto cause = facts.unread.find(machine.name);
      v.why = cause == facts.unread.end() ? "it was not read" : cause->second;
      if (cluster != nullptr) v.member = member_of(*cluster, machine);
      if (cluster != nullptr) v.node = node_of(*cluster, machine);
    }
    if (out.primary == nullptr && machine.has(Role::kControlPlane) && v.state == MachineState::kMember) out.primary = &machine;
  }
  return out;
}

bool is_record_of(const StepRecord& record, std::string_view step) {
  const std::string_view name = record.step;
  if (!name.starts_with(step)) return false;
  const std::string_view rest = name.substr(step.size());
  return rest.empty() || (rest.size() > 1 && rest.front() == '.' && rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

const StepRecord* last_record(const MachineFacts& facts, std::string_view step) {
  const auto found = std::find_if(facts.steps.rbegin(), facts.steps.rend(), [&](const StepRecord& s) { return is_record_of(s, step); });
  return found == facts.steps.rend() ? nullptr : &*found;
}

bool etcd_unread(const Site& site, const Facts& facts) {
  return !FL_PLAN_RULE(kEtcdUnread, site.kubernetes.etcd != EtcdPlace::kStacked || !facts.cluster || !facts.cluster->etcd.empty());
}

EtcdVotes count_votes(const ClusterFacts& cluster, std::string_view left_out) {
  EtcdVotes out;
  out.all_healthy = FL_PLAN_RULE(kEtcdUnread, !cluster.etcd.empty());
  for (const EtcdMember& member : cluster.etcd) {
    if (member.id == left_out) continue;
    if (!member.learner) ++out.voters;
    if (!member.learner && member.healthy) ++out.healthy;
    out.all_healthy = out.all_healthy && member.healthy && !member.learner;
  }
  return out;
}

const EtcdMember* member_of(const ClusterFacts& cluster, const Machine& machine) {
  for (const EtcdMember& member : cluster.etcd) {
    if (!member.name.empty() && member.name == machine.name) return &member;
    if (!member.name.empty()) continue;
    for (const auto& [network, address] : machine.addresses) {
      const std::string text = address.is_v4() ? address.to_string() : "[" + address.to_string() + "]";
      if (member.peer_url == "https://" + text + ":2380") return &member;
    }
  }
  return nullptr;
}

const NodeFact* node_of(const ClusterFacts& cluster, const Machine& machine) {
  const auto found = std::find_if(cluster.nodes.begin(), cluster.nodes.end(), [&](const NodeFact& n) { return n.name == machine.name; });
  return found == cluster.nodes.end() ? nullptr : &*found;
}

}  // namespace fairlead::bootstrap
