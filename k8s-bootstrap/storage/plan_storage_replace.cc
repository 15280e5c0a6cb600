// fairlead: pure
// `storage replace`: a machine that was installed anew takes its place, bricks on new file systems get their part, or another machine
// takes bricks over. Each of these is a plan of its own where the next one depends on what is read then:
//
//   installed anew   bricks, their directories (ST6), the name and peers that it had          -> read again
//   glusterd down    directories likewise, and it is started                                  -> read again
//   a member         per volume: directory, reset-brick (or replace-brick) onto the same place or to the other machine, until it serves
//
// What tells how far it came are the facts: a brick that bears the volume's id and was served is done; one with the id that never was
// served is one whose reset was interrupted, and is reset again: started as it is, it would serve as if it were a right copy.
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "k8s-bootstrap/storage/storage_change.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kOldestOpVersion = "100000";  ///< Of Gluster 10, when the pool's is not told.

/// "stor-1.kube.demo" of "stor-1.kube.demo:/srv/...".
std::string host_of(const std::string& brick) { return brick.substr(0, brick.find(':')); }
std::string path_of(const std::string& brick) { return brick.substr(brick.find(':') + 1); }

bool belongs_to(const Site& site, const std::string& brick, const std::string& machine) {
  const std::string host = host_of(brick);
  return host == machine || host == machine + "." + site.domain;
}

std::string bare_id(std::string id) {
  std::erase(id, '-');
  return id;
}

/// Told by a machine, and to be written into a script of another.
bool is_plain(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':' || c == '_';
  });
}

/// What a brick's directory is to its volume.
enum class OnBrick : std::uint8_t { kNothing, kBegun, kServed };

/// Its file system is there or comes with this plan; else an obstacle.
std::optional<OnBrick> on_brick(PlanBuilder& plan, const Machine& machine, const Brick& brick, const GlusterVolume& volume,
                                const GlusterVolumeInfo& info) {
  const MachineFacts* f = plan.in.facts.find(machine.name);
  const auto& bricks = f != nullptr && f->storage ? f->storage->bricks : std::map<std::string, BrickFact>{};
  const auto found = bricks.find(brick.name);
  const BrickFact* fact = found == bricks.end() ? nullptr : &found->second;
  if (fact != nullptr && fact->mounted == Known::kNo && plan.has(machine.name + "/brick-" + brick.name)) return OnBrick::kNothing;
  if (fact == nullptr || fact->mounted != Known::kYes || fact->directories_known != Known::kYes) {
    plan.obstacle({machine.name}, fmt::format("brick {} is not ready, or could not be read", brick.name),
                  "mount its file system, or let fairlead bootstrap apply prepare its disk; the package attr must be there");
    return std::nullopt;
  }
  const std::string directory = brick_directory(brick, volume);
  const auto id = fact->directories.find(volume.name);
  if (id == fact->directories.end()) return OnBrick::kNothing;
  if (id->second.empty() && !fact->filled.contains(volume.name)) return OnBrick::kNothing;
  if (id->second == bare_id(info.id)) return fact->served.contains(volume.name) ? OnBrick::kServed : OnBrick::kBegun;
  plan.obstacle({machine.name},
                id->second.empty() ? fmt::format("{} has something in it, and is no brick of volume {}", directory, volume.name)
                                   : fmt::format("{} bears the id {} of another volume", directory, id->second),
                "look what is in it; move it away, or remove it if nothing is wanted");
  return std::nullopt;
}

/// A directory for a brick, where its file system is mounted and nowhere else.
void add_directory(PlanBuilder& plan, const Machine& machine, const Brick& brick, const GlusterVolume& volume, std::string because) {
  Step step = plan.step(&machine, fmt::format("directory-{}", volume.name), Phase::kStorage,
                        fmt::format("makes the directory of a brick of {}", volume.name), std::move(because));
  step.needs = plan.all_of(machine);
  step.operations.emplace_back(
      script(fmt::format("mountpoint -q {} || {{ echo '{} is not mounted' >&2; exit 1; }}\nmkdir -p {}\n", sh_quote(brick_mount(brick)),
                         brick_mount(brick), sh_quote(brick_directory(brick, volume)))));
  plan.add(std::move(step));
}

/// `start` ends a process of the old disk; where there is none it may fail, and `commit` tells. A brick of which glusterd was told by
/// others (its machine was installed anew) is a new one to reset-brick; replace-brick then takes the same place: both seen with 10.3.
RunScript reset_script(const GlusterVolume& volume, const std::string& brick) {
  return script(fmt::format(R"sh(gluster --mode=script volume reset-brick {0} {1} start 2>&1 || true
if said=$(gluster --mode=script volume reset-brick {0} {1} {1} commit force 2>&1); then echo "$said"; exit 0; fi
echo "$said"
case $said in *'destination brick is new'*) gluster --mode=script volume replace-brick {0} {1} {1} commit force 2>&1 ;; *) exit 1 ;; esac
)sh",
                            volume.name, brick));
}

/// The seed is connected to the machines of these bricks: one of them may just have been started.
void sees(Step& step, const Site& site, const Machine& seed, const std::vector<std::string>& bricks) {
  for (const std::string& brick : bricks) {
    if (host_of(brick) != site.fqdn(seed)) step.operations.emplace_back(peer_is_in(host_of(brick)));
  }
}

/// As the seed tells it.
WaitFor brick_serves(const GlusterVolume& volume, const std::string& brick) {
  return wait_for(fmt::format("{} serves", brick),
                  fmt::format("gluster --mode=script --xml volume status {} detail | tr -d '\\n' | sed 's/<node>/\\n<node>/g' | "
                              "grep -F '<hostname>{}</hostname>' | grep -F '<path>{}</path>' | grep -q '<status>1</status>'",
                              volume.name, host_of(brick), path_of(brick)),
                  2min);
}

/// ST4. `brick` goes, or is filled anew; false: an obstacle says why not now.
bool may_go(PlanBuilder& plan, const GlusterVolumeInfo& info, const std::string& brick, bool has_data) {
  std::vector<std::string> others = copies_of(info, brick);
  std::erase(others, brick);
  if (!all_serve(plan, info, others, "replacing a brick")) return false;
  if (const auto split = split_brains(plan.in.facts, info.name); split > 0) {
    plan.obstacle({}, fmt::format("volume {}: {} files are in split brain: the copy that goes could be the right one", info.name, split),
                  split_brain_remedy(info.name));
    return false;
  }
  const VolumeFacts& facts = plan.in.facts.pool->volumes.at(info.name);  // all_serve has read it.
  if (facts.rebalance && facts.rebalance->status == "in progress") {
    plan.obstacle({}, fmt::format("volume {}: a rebalance is under way", info.name),
                  "fairlead storage status shows it; again when it is done");
    return false;
  }
  if (!has_data || brick_online(plan.in.facts, info.name, brick) != Known::kYes) return true;
  const auto pending = heal_pending(plan.in.facts, info.name);
  if (pending && *pending == 0) return true;
  plan.obstacle({},
                fmt::format("volume {}: {} entries wait to be healed, and the copy that goes could be the right one", info.name,
                            pending ? std::to_string(*pending) : "an unknown number of"),
                "fairlead storage heal; again when it is done");
  return false;
}

/// One file for each other member, as glusterd keeps them. Empty: an obstacle.
std::string peer_files(PlanBuilder& plan, const Machine& seed, const StorageFacts& of_seed, const GlusterPeer& own) {
  std::string out;
  std::vector<GlusterPeer> peers{{of_seed.uuid, {plan.in.site.fqdn(seed)}, true, kPeerInCluster, {}}};
  for (const GlusterPeer& peer : *of_seed.peers) {
    if (peer.uuid != own.uuid && peer.state == kPeerInCluster) peers.push_back(peer);
  }
  for (const GlusterPeer& peer : peers) {
    std::string names;
    for (std::size_t i = 0; i < peer.names.size(); ++i) names += fmt::format("hostname{}={}\\n", i + 1, peer.names[i]);
    const bool plain = is_plain(peer.uuid) && is_plain(own.uuid) && std::all_of(peer.names.begin(), peer.names.end(), is_plain);
    if (!plain) {
      plan.obstacle({seed.name}, "what its glusterd says of its peers is not understood", "look at gluster pool list there");
      return {};
    }
    out += fmt::format("printf 'uuid={0}\\nstate=3\\n{1}' >peers.new/{0}\n", peer.uuid, names);
  }
  return out;
}

/// The same machine, installed anew: it takes the UUID by which the pool knows it, and is told who the others are. They tell it the rest.
void take_place(PlanBuilder& plan, const PoolView& view, const Machine& machine) {
  const MachineFacts* f = plan.in.facts.find(machine.name);
  const MachineFacts* of_seed = plan.in.facts.find(view.seed->name);
  const GlusterPeer* entry = peer_entry(plan.in.site, *of_seed->storage, machine);
  if (entry == nullptr || of_seed->storage->uuid.empty() || !f->storage) {
    plan.obstacle({machine.name}, "it cannot be told which member it was", "fairlead storage status says what the pool knows of it");
    return;
  }
  if (f->storage->has_volumes != Known::kNo || f->storage->has_peers != Known::kNo) {
    plan.obstacle({machine.name}, "its own glusterd knows a pool or volumes: it is not a machine installed anew",
                  "if nothing of that is wanted: stop glusterd on it and rm -rf /var/lib/glusterd");
    return;
  }
  const std::string peers = peer_files(plan, *view.seed, *of_seed->storage, *entry);
  if (peers.empty()) return;
  const std::string& told = of_seed->storage->op_version;
  Step step = plan.step(&machine, "take-place", Phase::kStorage, fmt::format("becomes the member that {} was", machine.name),
                        view.machines.at(machine.name).why);
  step.concerns = {machine.name, view.seed->name};
  step.needs = plan.all_of(machine);
  // The UUID first: with peers and another UUID it would look like a member of some other pool.
  step.operations.emplace_back(
      script(fmt::format(R"sh(cd /var/lib/glusterd 2>/dev/null || {{ mkdir -p /var/lib/glusterd; cd /var/lib/glusterd; }}
if [ -n "$(ls -A peers vols 2>/dev/null | grep -v -e ':$' -e '^$')" ]; then echo 'this glusterd knows a pool' >&2; exit 1; fi
systemctl stop glusterd
printf 'UUID={}\noperating-version={}\n' >glusterd.info.new
mv glusterd.info.new glusterd.info
rm -rf peers.new
mkdir peers.new
{}rm -rf peers
mv peers.new peers
systemctl enable glusterd
systemctl start glusterd
)sh",
                         entry->uuid, is_plain(told) ? told : std::string(kOldestOpVersion), peers),
             2min));
  std::string volumes = "gluster --mode=script volume list";
  for (const GlusterVolumeInfo& volume : *of_seed->storage->volumes)
    volumes += fmt::format(" && gluster --mode=script volume list | grep -q -x -F {}", sh_quote(volume.name));
  step.operations.emplace_back(wait_for("the pool has told it of its volumes", volumes, 2min));
  step.operations.emplace_back(peer_is_in(plan.in.site.fqdn(*view.seed)));
  step.usual = 20s;
  plan.add(std::move(step));
}

/// A brick of the volume whose file system is new.
void reset_brick(PlanBuilder& plan, const Machine& seed, const Machine& machine, const GlusterVolume& volume,
                 const GlusterVolumeInfo& info) {
  const std::string name = brick_name(plan.in.site, machine, volume);
  const Brick* brick = find_brick(machine, volume.bricks);
  if (brick == nullptr || copies_of(info, name).empty()) return;
  const auto state = on_brick(plan, machine, *brick, volume, info);
  if (!state) return;
  if (*state == OnBrick::kServed) {
    if (brick_online(plan.in.facts, volume.name, name) != Known::kNo) return;  // It is as it should be.
    Step step = change_step(plan, seed, "start-" + volume.name, fmt::format("starts the bricks of volume {}", volume.name),
                            name + " does not serve");
    step.operations.emplace_back(script(gluster(fmt::format("volume start {} force", volume.name))));
    step.operations.emplace_back(brick_serves(volume, name));
    return plan.add(std::move(step));
  }
  if (!may_go(plan, info, name, false)) return;
  add_directory(plan, machine, *brick, volume, "its file system has no brick of this volume");
  Step step =
      change_step(plan, seed, "replace-" + volume.name, fmt::format("gives {} its part of volume {} anew", machine.name, volume.name),
                  *state == OnBrick::kBegun ? fmt::format("{} was begun and never served; the other copies serve", name)
                                            : fmt::format("{} is empty; the other copies serve", name));
  sees(step, plan.in.site, seed, copies_of(info, name));
  step.operations.emplace_back(reset_script(volume, name));
  step.operations.emplace_back(brick_serves(volume, name));
  plan.add(std::move(step));
}

/// The brick of `machine` goes to `with`.
void move_brick(PlanBuilder& plan, const Machine& seed, const std::string& machine, const Machine& with, const GlusterVolume& volume,
                const GlusterVolumeInfo& info) {
  std::vector<std::string> theirs;
  for (const GlusterBrick& brick : info.bricks) {
    if (belongs_to(plan.in.site, brick.name, machine)) theirs.push_back(brick.name);
  }
  if (theirs.empty()) return;
  const Brick* brick = find_brick(with, volume.bricks);
  if (brick == nullptr || theirs.size() > 1) {
    plan.obstacle({with.name},
                  brick == nullptr ? fmt::format("{} has no brick {} for volume {}", with.name, volume.bricks, volume.name)
                                   : fmt::format("{} has {} bricks of volume {}", machine, theirs.size(), volume.name),
                  brick == nullptr ? "write it into the site's machine" : "move them by hand: gluster volume replace-brick");
    return;
  }
  const std::string& old = theirs.front();
  const std::string name = brick_name(plan.in.site, with, volume);
  const auto taken = std::any_of(info.bricks.begin(), info.bricks.end(), [&](const GlusterBrick& each) { return each.name == name; });
  if (taken) {
    plan.obstacle({with.name}, fmt::format("{} is a brick of volume {} already", name, volume.name), "take another machine");
    return;
  }
  const auto state = on_brick(plan, with, *brick, volume, info);
  if (!state) return;
  if (*state == OnBrick::kServed) {
    plan.obstacle({with.name}, fmt::format("{} was a brick of volume {} before", brick_directory(*brick, volume), volume.name),
                  "what is in it may be old: remove it, then again");
    return;
  }
  if (!may_go(plan, info, old, true)) return;
  add_directory(plan, with, *brick, volume, fmt::format("it is to take over from {}", machine));
  Step step = change_step(plan, seed, "replace-" + volume.name,
                          fmt::format("moves the part of {} in volume {} to {}", machine, volume.name, with.name),
                          fmt::format("{} gives way to {}; the other copies serve", old, name));
  std::vector<std::string> seen = copies_of(info, old);
  std::replace(seen.begin(), seen.end(), old, name);
  sees(step, plan.in.site, seed, seen);
  step.operations.emplace_back(script(gluster(fmt::format("volume replace-brick {} {} {} commit force", volume.name, old, name))));
  step.operations.emplace_back(brick_serves(volume, name));
  plan.add(std::move(step));
}

/// Directories of the bricks that the pool says it has: ST6. False: an obstacle.
bool brick_directories(PlanBuilder& plan, const PoolView& view, const Machine& machine) {
  const std::size_t before = plan.so_far().obstacles.size();
  for (const auto& [volume, info] : volumes_of(plan, view)) {
    const Brick* brick = find_brick(machine, volume->bricks);
    if (brick == nullptr || copies_of(*info, brick_name(plan.in.site, machine, *volume)).empty()) continue;
    const auto state = on_brick(plan, machine, *brick, *volume, *info);
    if (state == OnBrick::kNothing)
      add_directory(plan, machine, *brick, *volume, "glusterd takes over no volume whose brick has no directory");
  }
  return plan.so_far().obstacles.size() == before;
}

/// Nothing of it is done while something is in the way: a machine is not half brought back.
Plan without_steps(Plan plan) {
  plan.steps.clear();
  return plan;
}

}  // namespace

Plan plan_storage_replace(const PlanInput& input, const std::string& name, const std::string& with) {
  PlanBuilder plan(input);
  if (!has_gluster(plan) || runs_steps(plan)) return plan.take();
  const Machine* subject = input.site.find(with.empty() ? name : with);
  const PoolView view = pool_view(input.site, input.facts);
  if (subject == nullptr || !subject->has(Role::kStorage)) {
    plan.obstacle({}, fmt::format("the site has no storage machine {}", with.empty() ? name : with), "write it into the site first");
    return plan.take();
  }
  if (view.seed == nullptr || view.begins) {
    plan.obstacle({subject->name}, "no member of a pool answers, so nothing is known of what it was",
                  "bring another storage machine back first");
    return plan.take();
  }
  const MachineFacts* facts = input.facts.find(subject->name);
  if (facts == nullptr || !facts->storage) {
    plan.obstacle({subject->name}, "it did not answer, or what it has could not be read", "fairlead bootstrap status says why");
    return plan.take();
  }
  // A machine that is gone does not keep its bricks from being moved: what others lack is none of this plan's business.
  const PoolState state = view.of(*subject);
  if (state != PoolState::kRenewed) refuse_state(plan, view, subject->name);
  static_cast<void>(refuse_twins(plan));
  if (!plan.so_far().obstacles.empty()) return plan.take();
  const auto in_the_way = [&] {
    const auto& all = plan.so_far().obstacles;
    return std::any_of(all.begin(), all.end(), [&](const Obstacle& each) {
      return std::find(each.machines.begin(), each.machines.end(), subject->name) != each.machines.end();
    });
  };
  plan_prepare(plan);
  plan_machine_bricks(plan, *subject);
  if (in_the_way()) return without_steps(plan.take());
  if (state == PoolState::kRenewed) {
    if (brick_directories(plan, view, *subject)) take_place(plan, view, *subject);
    return in_the_way() ? without_steps(plan.take()) : plan.take();  // What it then knows is read first.
  }
  if (state == PoolState::kDown) {
    if (brick_directories(plan, view, *subject)) plan_machine_daemon(plan, *subject);
    return in_the_way() ? without_steps(plan.take()) : plan.take();
  }
  plan_machine_daemon(plan, *subject);
  if (state == PoolState::kBlank) plan_machine_probe(plan, *view.seed, *subject);
  for (const auto& [volume, info] : volumes_of(plan, view)) {
    if (with.empty()) {
      reset_brick(plan, *view.seed, *subject, *volume, *info);
    } else {
      move_brick(plan, *view.seed, name, *subject, *volume, *info);
    }
  }
  return plan.take();
}

}  // namespace fairlead::bootstrap
