// fairlead: pure
#include "k8s-bootstrap/plan/plan_etcd_restore.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/etcd_snapshot.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_rule.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kManifests = "/etc/kubernetes/manifests";

std::string peer_url(const Machine& machine) { return fmt::format("https://{}:2380", url_host(machine.address())); }

std::string initial_cluster(const std::vector<const Machine*>& members) {
  std::string out;
  for (const Machine* member : members) out += fmt::format("{}{}={}", out.empty() ? "" : ",", member->name, peer_url(*member));
  return out;
}

bool is_there(const MachineFacts& facts, const std::string& path) {
  const auto found = facts.files.find(path);
  return found != facts.files.end() && found->second.present;
}

bool has_pod(const MachineFacts& facts, std::string_view pod) {
  return std::find(facts.manifests.begin(), facts.manifests.end(), pod) != facts.manifests.end();
}

/// One machine that runs etcd, or an API server.
struct Place {
  const Machine* machine = nullptr;
  const MachineFacts* facts = nullptr;
  bool member = false;    ///< It will be one of the etcd that is restored.
  bool runs = false;      ///< A static pod of it is in its place.
  bool stopped = false;   ///< One was moved away.
  bool restored = false;  ///< ER3
  bool done = false;      ///< This restore has ended on it.
};

/// The data of a member that lives must be known to be no member of a majority.
std::string stop_script(bool discard) {
  std::string out = "umask 077\n";
  if (!discard)
    out += R"sh(pki=/etc/kubernetes/pki/etcd
if [ -f $pki/server.key ] && curl -sk --noproxy '*' --max-time 3 --cert $pki/server.crt --key $pki/server.key \
  https://localhost:2379/metrics 2>/dev/null | grep -q '^etcd_server_has_leader 1'; then
  echo 'etcd has a leader again, so a majority of it lives: it is not stopped' >&2
  exit 1
fi
)sh";
  // A restore of the same snapshot that has ended is not this one.
  return out + fmt::format(R"sh(mkdir -p {1}
rm -f {2}
for pod in kube-apiserver kube-controller-manager kube-scheduler etcd; do
  if [ -f {0}/$pod.yaml ]; then mv -f {0}/$pod.yaml {1}/$pod.yaml; fi
done
sync
tries=0
while :; do
  # A container that has just failed is in no list, and its pod is, until kubelet has seen that the manifest is gone.
  left=$(crictl ps -q --name '^(etcd|kube-apiserver)$'; crictl pods -q --state ready --name '^(etcd|kube-apiserver)-')
  [ -n "$left" ] || break
  tries=$((tries + 1))
  if [ $tries -gt 120 ]; then echo 'etcd or the API server still runs though its manifest is gone: does kubelet run?' >&2; exit 1; fi
  sleep 1
done
)sh",
                           kManifests, fmt::format("{}/stopped", kWorkPath), kRestoreDone);
}

/// kubelet reads no file whose name begins with a dot; started again it has forgotten how often a pod has failed.
std::string start_script() {
  return fmt::format(R"sh(for pod in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  if [ -f {1}/$pod.yaml ]; then
    cp -p {1}/$pod.yaml {0}/.$pod.yaml.new
    sync {0}/.$pod.yaml.new
    mv -f {0}/.$pod.yaml.new {0}/$pod.yaml
    rm -f {1}/$pod.yaml
  fi
done
systemctl restart kubelet
)sh",
                     kManifests, fmt::format("{}/stopped", kWorkPath));
}

class Restore {
 public:
  Restore(PlanBuilder& plan, const EtcdRestoreWish& wish) : plan_(plan), wish_(wish) {}

  void run() {
    if (!find_places() || !may_begin()) return;
    if (is_done()) return plan_.warn("etcd was restored from this snapshot already, and serves what was written since, too");
    tell();
    const bool all_restored = std::all_of(places_.begin(), places_.end(), [](const Place& p) { return !p.member || p.restored; });
    if (!all_restored) {
      stop();
      replace();
    }
    start(all_restored);
    finish();
  }

 private:
  /// Whom it concerns; false: an obstacle.
  bool find_places() {
    const Site& site = plan_.in.site;
    for (const std::string& name : wish_.lost) {
      const Machine* machine = site.find(name);
      const auto facts = plan_.in.facts.find(name);
      if (machine == nullptr || (!machine->has(Role::kControlPlane) && !machine->has(Role::kEtcd))) {
        plan_.obstacle({name}, "it is no control plane and no machine of etcd of the site", "look at its spelling: --lost NAME");
      } else if (facts != nullptr && (has_etcd_pod(*facts) || has_pod(*facts, "kube-apiserver") || facts->etcd_data == Known::kYes)) {
        plan_.obstacle({name}, "it is said to be lost, and answers with its etcd or API server on it",
                       "switch it off, or leave --lost out");
      }
    }
    std::vector<std::string> without_etcd;
    const auto members = site.etcd_machines();
    for (const Machine* machine : plan_.view.deciders) {
      if (wish_.lost.contains(machine->name)) continue;
      const MachineFacts* facts = plan_.in.facts.find(machine->name);
      if (facts == nullptr) {
        if (FL_PLAN_RULE(kRestoreReadsAll, false)) continue;
        const std::string why = "not read: " + plan_.view.of(*machine).why;
        plan_.obstacle({machine->name}, why, "make it reachable; if it is gone for good and stays off: --lost " + machine->name);
        continue;
      }
      Place place;
      place.machine = machine;
      place.facts = facts;
      const bool votes = std::find(members.begin(), members.end(), machine) != members.end();
      place.member = votes && (has_etcd_pod(*facts) || is_there(*facts, stopped_pod_path("etcd")));
      place.runs = has_etcd_pod(*facts) || has_pod(*facts, "kube-apiserver");
      place.stopped = is_there(*facts, stopped_pod_path("etcd")) || is_there(*facts, stopped_pod_path("kube-apiserver"));
      if (place.member || place.runs || place.stopped) places_.push_back(place);
      if (votes && !place.member) without_etcd.push_back(machine->name);
    }
    for (const Place& place : places_)
      if (place.member) members_.push_back(place.machine);
    const std::string mark = sha256(restored_mark_text(members_, wish_.sha256));
    for (Place& place : places_) {
      const auto is = [&](std::string_view path) {
        return is_there(*place.facts, std::string(path)) && place.facts->files.at(std::string(path)).sha256 == mark;
      };
      place.restored = place.member && is(kRestoredMark) && !FL_PLAN_RULE(kRestoreOnce, false);
      place.done = place.member && is(kRestoreDone);
    }
    if (plan_.so_far().obstacles.empty() && members_.empty())
      plan_.obstacle({}, "no machine has etcd set up", "fairlead bootstrap restore --from ARCHIVE brings up machines that are empty");
    if (!without_etcd.empty() && !members_.empty())
      plan_.warn(comma(without_etcd) + ": no etcd is set up there; fairlead bootstrap apply lets it join the restored one");
    return plan_.so_far().obstacles.empty();
  }

  /// ER1
  bool may_begin() {
    for (const Place& place : places_) {
      for (const StepRecord& record : place.facts->steps)
        if (record.state == "running")
          plan_.obstacle({place.machine->name}, record.step + " of an earlier run is still at work", "wait until it has ended");
    }
    begun_ = std::any_of(places_.begin(), places_.end(), [](const Place& p) { return p.restored; });
    for (Place& place : places_) place.restored = place.restored || (begun_ && place.done);
    if (begun_ || wish_.discard) return plan_.so_far().obstacles.empty();
    if (is_done()) return true;
    for (const Place& place : places_) {
      if (!place.member) continue;
      const Known leads = place.facts->etcd_leads;
      if (!FL_PLAN_RULE(kRestoreUnknown, leads != Known::kUnknown))
        plan_.obstacle({place.machine->name}, "whether its etcd is one of a living majority could not be read",
                       "end it (move /etc/kubernetes/manifests/etcd.yaml away), or see why it does not answer: crictl logs");
      if (!FL_PLAN_RULE(kRestoreMajority, leads != Known::kYes))
        plan_.obstacle({place.machine->name}, "a majority of etcd is alive: what it holds would be lost",
                       fmt::format("mend or replace the members that are ill; to go back to the snapshot all the same: --discard {}",
                                   plan_.in.site.name));
    }
    return plan_.so_far().obstacles.empty();
  }

  [[nodiscard]] bool is_done() const {
    return std::all_of(places_.begin(), places_.end(), [](const Place& p) { return !p.stopped && (!p.member || p.done); }) &&
           std::any_of(places_.begin(), places_.end(), [](const Place& p) { return p.member && p.facts->etcd_leads == Known::kYes; });
  }

  void tell() {
    plan_.warn(fmt::format("what was written after the snapshot is lost; the data of now is moved to {} on each machine", kEtcdBefore));
    if (!wish_.lost.empty()) plan_.warn(fmt::format("never switch on again as it is: {}", comma({wish_.lost.begin(), wish_.lost.end()})));
  }

  Step step(const Place& place, std::string_view verb, std::string title, std::string because) const {
    Step out = plan_.step(place.machine, verb, Phase::kRestore, std::move(title), std::move(because));
    for (const Place& each : places_) out.concerns.push_back(each.machine->name);
    return out;
  }

  void stop() {
    for (const Place& place : places_) {
      if (!place.runs) continue;
      Step out = step(place, "etcd-stop", place.member ? "stops etcd and the API server" : "stops the API server",
                      "etcd's data is replaced, on all machines at once");
      out.operations.emplace_back(script(stop_script(wish_.discard), 5min));
      out.usual = 10s;
      stops_.push_back(out.id);
      plan_.add(std::move(out));
    }
  }

  void replace() {
    for (const Place& place : places_) {
      if (!place.member || place.restored) continue;
      Step out = step(place, "etcd-restore", "etcd's data is replaced by the snapshot's", "its data is not that of this snapshot");
      out.needs = stops_;
      if (FL_PLAN_RULE(kRestoreAllStopped, false)) out.needs = {place.machine->name + "/etcd-stop"};
      out.hazard = Hazard::kDestroysData;
      CopyFile copied = copy_secret(wish_.snapshot, restore_snapshot_path());
      copied.sha256 = wish_.sha256;
      out.operations.emplace_back(copied);
      out.operations.emplace_back(script(etcd_snapshot_function() + restore_data_script(*place.machine, members_, wish_.sha256), 30min));
      out.usual = 20s;
      restores_.push_back(out.id);
      plan_.add(std::move(out));
    }
  }

  void start(bool all_restored) {
    for (const Place& place : places_) {
      const bool will_be_stopped = plan_.has(place.machine->name + "/etcd-stop");
      if (!place.stopped && !will_be_stopped) continue;
      Step out = step(place, "etcd-start", place.member ? "starts etcd and the API server" : "starts the API server",
                      all_restored ? "every member has the snapshot's data" : "it was stopped for the restore");
      out.needs = restores_;
      if (FL_PLAN_RULE(kRestoreAllRestored, false)) out.needs = {place.machine->name + "/etcd-restore", place.machine->name + "/etcd-stop"};
      for (const std::string& id : stops_) out.needs.push_back(id);
      out.operations.emplace_back(script(start_script()));
      out.usual = 5s;
      plan_.add(std::move(out));
    }
  }

  void finish() {
    const auto first = std::find_if(places_.begin(), places_.end(), [](const Place& p) { return p.member; });
    Step healthy = step(*first, "etcd-healthy", "every member of etcd is healthy", "etcd was restored");
    healthy.needs = plan_.all_of(Phase::kRestore);
    healthy.operations.emplace_back(
        wait_for("every member of etcd is healthy",
                 etcdctl_function_of(*first->machine) + "etcdctl_here endpoint health --cluster >/dev/null 2>&1"));
    healthy.usual = 20s;
    std::vector<std::string> ends{healthy.id};
    plan_.add(std::move(healthy));
    api_answers(ends);
    for (const Place& place : places_) {
      if (!place.member) continue;
      Step out = step(place, "etcd-restored", "notes that the restore has ended", "it serves the snapshot's data");
      out.needs = ends;
      out.operations.emplace_back(
          script(fmt::format("if [ -f {0} ]; then mv -f {0} {1}; fi\nrm -f {2}\nrmdir {3}/stopped 2>/dev/null || true\n", kRestoredMark,
                             kRestoreDone, restore_snapshot_path(), kWorkPath)));
      plan_.add(std::move(out));
    }
  }

  void api_answers(std::vector<std::string>& ends) {
    const Place* host = nullptr;
    std::vector<Operation> waits;
    for (const Place& place : places_) {
      if (!place.machine->has(Role::kControlPlane)) continue;
      if (host == nullptr) host = &place;
      waits.emplace_back(wait_for(
          fmt::format("the API server of {} is ready", place.machine->name),
          fmt::format("curl -skf --noproxy '*' --max-time 3 https://{}:6443/readyz >/dev/null", url_host(place.machine->address()))));
    }
    if (host == nullptr) return;
    Step out = step(*host, "etcd-api", "the API answers", "etcd was restored");
    out.needs = ends;
    out.operations = std::move(waits);
    out.operations.emplace_back(wait_for("the API answers through the endpoint", kubectl("get --raw /readyz >/dev/null")));
    out.usual = 5s;
    ends.push_back(out.id);
    plan_.add(std::move(out));
  }

  PlanBuilder& plan_;
  const EtcdRestoreWish& wish_;
  std::vector<Place> places_;
  std::vector<const Machine*> members_;
  std::vector<std::string> stops_;
  std::vector<std::string> restores_;
  bool begun_ = false;
};

}  // namespace

std::string stopped_pod_path(std::string_view pod) { return fmt::format("{}/stopped/{}.yaml", kWorkPath, pod); }

std::vector<const Machine*> restored_members(const Site& site) {
  auto out = site.etcd_machines();
  if (site.kubernetes.etcd == EtcdPlace::kStacked && out.size() > 1) out.resize(1);
  return out;
}

std::string restore_snapshot_path() { return fmt::format("{}/fairlead-restore.db", kEtcdFolder); }

std::string restored_mark_text(const std::vector<const Machine*>& members, const std::string& sha256) {
  return fmt::format("snapshot {}\nmembers {}\n", sha256, initial_cluster(members));
}

std::string restore_data_script(const Machine& machine, const std::vector<const Machine*>& members, const std::string& sha256) {
  const std::string mark = restored_mark_text(members, sha256);
  // The revision must not go back: who watches would take what is new for old. etcdutl knows how since 3.5.17.
  return fmt::format(R"sh(umask 077
data={0}
snapshot={1}
mark={2}
if [ -f {3} ] && [ "$(cat {3})" = "$mark" ]; then rm -f $snapshot; exit 0; fi
if ss -Hltn '( sport = :2379 or sport = :2380 )' | grep -q .; then echo 'something still listens on 2379 or 2380' >&2; exit 1; fi
rm -rf $data/fairlead-new
bump=
case $(etcd_snapshot restore --help 2>&1) in *--bump-revision*) bump='--bump-revision 1000000000 --mark-compacted' ;; esac
etcd_snapshot restore $snapshot --name {4} --initial-cluster {5} --initial-cluster-token fairlead-{6} \
  --initial-advertise-peer-urls {7} --data-dir $data/fairlead-new $bump >/dev/null
printf '%s\n' "$mark" >$data/fairlead-new/member/fairlead-restored
sync
if [ -f {3} ]; then
  rm -rf $data/member   # Of a restore that did not end: what was before it lies aside already.
elif [ -e $data/member ]; then
  rm -rf {8}
  mkdir -m 0700 {8}
  mv $data/member {8}/member
fi
mv $data/fairlead-new/member $data/member
rm -rf $data/fairlead-new $snapshot
sync
)sh",
                     kEtcdFolder, restore_snapshot_path(), sh_quote(mark.substr(0, mark.size() - 1)), kRestoredMark, machine.name,
                     initial_cluster(members), sha256.substr(0, 12), peer_url(machine), kEtcdBefore);
}

Plan plan_etcd_restore(const PlanInput& input, const EtcdRestoreWish& wish) {
  PlanBuilder plan(input);
  Restore(plan, wish).run();
  Plan out = plan.take();
  if (!out.obstacles.empty()) out.steps.clear();
  return out;
}

Plan plan_etcd_snapshot(const PlanInput& input, const SnapshotWish& wish) {
  PlanBuilder plan(input);
  const Machine* source = nullptr;
  if (wish.machine.empty()) {
    source = snapshot_source(plan);
    if (source == nullptr)
      plan.obstacle({}, "etcd is not saved: " + std::string(kNoSnapshotSource),
                    "mend etcd; what one member has can be had with --machine NAME, also without a majority");
  } else {
    const Machine* machine = input.site.find(wish.machine);
    const MachineFacts* facts = input.facts.find(wish.machine);
    const auto members = input.site.etcd_machines();
    if (machine == nullptr || std::find(members.begin(), members.end(), machine) == members.end()) {
      plan.obstacle({wish.machine}, "it runs no etcd of the site", "name one of " + comma(names(members)));
    } else if (facts == nullptr) {
      plan.obstacle({wish.machine}, "not read: " + plan.view.of(*machine).why, "make it reachable");
    } else if (!has_etcd_pod(*facts)) {
      plan.obstacle({wish.machine}, "etcd's static pod is not there", "name another machine");
    } else {
      source = machine;
      if (facts->etcd_leads != Known::kYes)
        plan.warn(
            fmt::format("etcd has no majority: it is saved what {} has. What the others had not yet told it is not in it", machine->name));
    }
  }
  if (source == nullptr) return plan.take();
  Step step = plan.step(source, "etcd-snapshot", Phase::kBackup, "etcd is saved to state_dir", "asked for");
  step.concerns = {source->name};
  add_snapshot(input.site, *source, in_state(input.site, "backups/" + wish.name), step);
  if (wish.keep > 0) {
    LocalWork keep;
    keep.kind = LocalWork::Kind::kKeepNewest;
    keep.argv = {in_state(input.site, "backups"), "etcd-2", ".db", std::to_string(wish.keep)};
    step.operations.emplace_back(keep);
  }
  plan.add(std::move(step));
  return plan.take();
}

}  // namespace fairlead::bootstrap
