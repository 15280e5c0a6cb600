// fairlead: pure
#include "k8s-bootstrap/plan/etcd_snapshot.h"

#include <algorithm>
#include <fmt/format.h>

namespace fairlead::bootstrap {

using namespace std::chrono_literals;

bool has_etcd_pod(const MachineFacts& facts) {
  return std::find(facts.manifests.begin(), facts.manifests.end(), "etcd") != facts.manifests.end();
}

const Machine* snapshot_source(const PlanBuilder& plan) {
  for (const Machine* machine : plan.in.site.etcd_machines()) {
    const MachineFacts* facts = plan.in.facts.find(machine->name);
    if (facts == nullptr) continue;
    if (has_etcd_pod(*facts) && facts->etcd_leads == Known::kYes) return machine;
    const MachineVerdict& verdict = plan.view.of(*machine);
    const bool member = verdict.state == MachineState::kMember && verdict.member != nullptr;
    if (member && verdict.member->healthy && !verdict.member->learner && count_votes(*plan.in.facts.cluster).quorate()) return machine;
  }
  return nullptr;
}

std::string etcd_snapshot_function() {
  // etcdctl knows no snapshots any more since 3.6, and a machine's own tools may be of another version than its etcd.
  return R"sh(etcd_snapshot() {
  image=$(cat /etc/kubernetes/manifests/etcd.yaml /var/lib/fairlead/bootstrap/stopped/etcd.yaml 2>/dev/null |
    sed -n 's/^ *image: *//p' | head -n 1)
  [ -n "$image" ] || image=${etcd_image:-}
  if [ -n "$image" ] && command -v ctr >/dev/null && ctr -n k8s.io images ls -q | grep -qxF "$image"; then
    ctr -n k8s.io run --rm --mount type=bind,src=/var/lib/etcd,dst=/var/lib/etcd,options=rbind:rw "$image" "fairlead-etcdutl-$$" \
      etcdutl snapshot "$@"
  elif [ -n "$image" ] && command -v docker >/dev/null && docker image inspect "$image" >/dev/null 2>&1; then
    docker run --rm -v /var/lib/etcd:/var/lib/etcd "$image" etcdutl snapshot "$@"
  elif command -v etcdutl >/dev/null; then
    etcdutl snapshot "$@"
  elif command -v etcdctl >/dev/null; then
    ETCDCTL_API=3 etcdctl snapshot "$@"
  else
    echo 'neither an image of etcd nor etcdutl (package etcd-client) is on this machine' >&2
    return 1
  fi
}
)sh";
}

void add_snapshot(const Site& site, const Machine& member, const std::string& to, Step& step) {
  const std::string path = fmt::format("{}/fairlead-snapshot.db", kEtcdFolder);
  RunScript take = script(etcdctl_function_of(member) + etcd_snapshot_function() +
                              fmt::format(R"sh(umask 077
rm -f {0} {0}.part {0}.json
etcdctl_here snapshot save {0} >/dev/null
chmod 0600 {0}
status=$(etcd_snapshot status {0} -w json)
case $status in
  *'"totalKey":0,'* | *'"totalKey":0}}'*) echo 'the snapshot holds no keys: it is not taken for one' >&2; exit 1 ;;
  '{{'*'"totalKey":'*) ;;
  *) echo "the snapshot is not to be read: $status" >&2; exit 1 ;;
esac
sum=$(sha256sum {0} | cut -d' ' -f1)
printf '{{"sha256": "%s", "machine": "{1}", "site": "{2}", "kubernetes": "{3}", "at": "%s", "status": %s}}\n' \
  "$sum" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$status" >{0}.json
echo "snapshot-sha256=$sum"
)sh",
                                          path, member.name, site.name, site.versions.kubernetes),
                          10min);
  take.gives = {"snapshot-sha256"};
  step.operations.emplace_back(take);
  FetchFile fetch;
  fetch.path = path;
  fetch.to = to;
  fetch.secret = true;
  fetch.sha256 = "${snapshot-sha256}";
  step.operations.emplace_back(fetch);
  FetchFile note;
  note.path = path + ".json";
  note.to = to + ".json";
  step.operations.emplace_back(note);
  step.operations.emplace_back(script(fmt::format("rm -f {0} {0}.json\n", path)));
  step.usual = 10s;
}

}  // namespace fairlead::bootstrap
