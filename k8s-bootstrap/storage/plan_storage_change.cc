// fairlead: pure
// What changes a pool that exists: bricks more, bricks anew, healing asked for.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_preflight.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

bool runs_steps(PlanBuilder& plan) {
  bool runs = false;
  for (const auto& [name, facts] : plan.in.facts.machines) {
    for (const StepRecord& record : facts.steps) {
      if (record.state != "running") continue;
      plan.obstacle({name}, record.step + " of an earlier run is still at work", "wait until it has ended, then again");
      runs = true;
    }
  }
  return runs;
}

Step change_step(const PlanBuilder& plan, const Machine& at, const std::string& verb, std::string title, std::string because) {
  Step step = plan.step(&at, verb, Phase::kStorage, std::move(title), std::move(because));
  for (const Machine& machine : plan.in.site.machines) {
    if (!has_storage(plan.in.site, machine)) continue;
    if (machine.has(Role::kStorage) && plan.in.facts.find(machine.name) != nullptr) step.concerns.push_back(machine.name);
    // Clients, too: they must know the names of new servers before the volume tells of them.
    for (const std::string& id : plan.all_of(machine)) step.needs.push_back(id);
  }
  step.usual = 4s;
  return step;
}

/// "stor-1.kube.demo" of "stor-1.kube.demo:/srv/...".
std::string host_of(const std::string& brick) { return brick.substr(0, brick.find(':')); }

bool belongs_to(const Site& site, const std::string& brick, const std::string& machine) {
  const std::string host = host_of(brick);
  return host == machine || host == machine + "." + site.domain;
}

/// Every brick of the volume serves; else an obstacle: `what` waits.
bool all_serve(PlanBuilder& plan, const GlusterVolumeInfo& info, const std::vector<std::string>& bricks, std::string_view what) {
  std::vector<std::string> down;
  bool unknown = false;
  for (const std::string& brick : bricks) {
    const Known online = brick_online(plan.in.facts, info.name, brick);
    if (online == Known::kNo) down.push_back(brick);
    unknown = unknown || online == Known::kUnknown;
  }
  if (unknown)
    plan.obstacle({}, fmt::format("which bricks of volume {} serve could not be read", info.name), "fairlead storage status says why");
  if (!down.empty())
    plan.obstacle({}, fmt::format("{} of volume {} waits: not serving: {}", what, info.name, fmt::join(down, ", ")),
                  fmt::format("bring them back first (gluster volume start {} force starts bricks whose process is gone)", info.name));
  return !unknown && down.empty();
}

/// Which of the site's volumes the pool has, with the machine to run its commands on.
struct Pool {
  PoolView view;
  const Machine& seed;
};

// ---- expand ----

void expand(PlanBuilder& plan, const Pool& pool, const GlusterVolume& volume, const GlusterVolumeInfo& info) {
  std::set<std::string> there;
  for (const GlusterBrick& brick : info.bricks) there.insert(brick.name);
  std::vector<std::string> more;
  std::vector<const Machine*> owners;
  for (const Machine* machine : brick_owners(plan.in.site, volume)) {
    const std::string name = brick_name(plan.in.site, *machine, volume);
    if (there.erase(name) > 0) continue;
    more.push_back(name);
    owners.push_back(machine);
  }
  if (!there.empty()) {
    plan.obstacle({}, fmt::format("volume {} has bricks that the site has not: {}", volume.name, fmt::join(there, ", ")),
                  "fairlead storage replace moves them; or put them back into the site");
    return;
  }
  const auto facts =
      plan.in.facts.pool ? plan.in.facts.pool->volumes.find(volume.name) : std::map<std::string, VolumeFacts>::const_iterator{};
  const bool known = plan.in.facts.pool && facts != plan.in.facts.pool->volumes.end() && facts->second.rebalance;
  const std::string rebalance = known ? facts->second.rebalance->status : std::string();
  const std::string start = gluster(fmt::format("volume rebalance {} start", volume.name));
  if (more.empty()) {
    const bool several = info.bricks.size() > info.replica;
    if (!several || !known || rebalance != "not started") return;
    Step step = change_step(plan, pool.seed, "rebalance-" + volume.name, fmt::format("spreads the files of volume {}", volume.name),
                            "it has several sets of copies, and was never rebalanced");
    step.operations.emplace_back(script(start));
    return plan.add(std::move(step));
  }
  if (more.size() % kCopies != 0) {
    plan.obstacle({}, fmt::format("volume {} would get {} bricks", volume.name, more.size()),
                  fmt::format("each {} are copies of one another", kCopies));
    return;
  }
  std::vector<std::string> all;
  for (const GlusterBrick& brick : info.bricks) all.push_back(brick.name);
  if (!all_serve(plan, info, all, "expanding")) return;
  if (!known || rebalance == "in progress") {
    plan.obstacle({},
                  fmt::format("volume {}: a rebalance {}", volume.name, known ? "is under way" : "may be under way: it could not be read"),
                  "fairlead storage status shows it; expand when it is done");
    return;
  }
  const auto pending = heal_pending(plan.in.facts, volume.name);
  if (!pending || *pending > 0) {
    plan.obstacle(
        {},
        fmt::format("volume {}: {} entries wait to be healed", volume.name, pending ? std::to_string(*pending) : "an unknown number of"),
        "fairlead storage heal; expand when it is done");
    return;
  }
  for (const Machine* machine : owners) {
    const Brick* brick = find_brick(*machine, volume.bricks);
    const MachineFacts* f = plan.in.facts.find(machine->name);
    const auto fact =
        f != nullptr && f->storage ? f->storage->bricks.find(brick->name) : std::map<std::string, BrickFact>::const_iterator{};
    if (f == nullptr || !f->storage || fact == f->storage->bricks.end()) return;
    const bool made = plan.has(machine->name + "/brick-" + brick->name);
    if (!made && (fact->second.mounted != Known::kYes || fact->second.directories_known != Known::kYes)) {
      plan.obstacle({machine->name}, fmt::format("brick {} is not ready, or could not be read", brick->name),
                    "fairlead bootstrap apply prepares it");
      return;
    }
    const auto id = fact->second.directories.find(volume.name);
    if (id != fact->second.directories.end() && !id->second.empty()) {
      plan.obstacle({machine->name}, fmt::format("{} bears the id {} of a volume already", brick_directory(*brick, volume), id->second),
                    "look what is in it; remove it if nothing is wanted");
      return;
    }
  }
  Step step = change_step(plan, pool.seed, "expand-" + volume.name,
                          fmt::format("adds {} bricks to volume {}, and spreads its files", more.size(), volume.name),
                          fmt::format("the site has them, the volume has not: {}", comma(names(owners))));
  step.operations.emplace_back(script(gluster(fmt::format("volume add-brick {} {}", volume.name, fmt::join(more, " "))) + start));
  plan.add(std::move(step));
}

// ---- replace ----

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

const BrickFact* brick_fact(const PlanBuilder& plan, const Machine& machine, const Brick& brick) {
  const MachineFacts* f = plan.in.facts.find(machine.name);
  if (f == nullptr || !f->storage) return nullptr;
  const auto found = f->storage->bricks.find(brick.name);
  return found == f->storage->bricks.end() ? nullptr : &found->second;
}

/// Its file system is there or comes with this plan, and is told whether a brick of `volume` is on it: "" none.
std::optional<std::string> id_on(PlanBuilder& plan, const Machine& machine, const Brick& brick, const GlusterVolume& volume) {
  const BrickFact* fact = brick_fact(plan, machine, brick);
  if (fact != nullptr && fact->mounted == Known::kNo && plan.has(machine.name + "/brick-" + brick.name)) return "";
  if (fact == nullptr || fact->mounted != Known::kYes || fact->directories_known != Known::kYes) {
    plan.obstacle({machine.name}, fmt::format("brick {} is not ready, or could not be read", brick.name),
                  "mount its file system, or let fairlead bootstrap apply prepare its disk; the package attr must be there");
    return std::nullopt;
  }
  const auto id = fact->directories.find(volume.name);
  return id == fact->directories.end() ? std::string() : id->second;
}

std::string bare_id(std::string id) {
  std::erase(id, '-');
  return id;
}

/// The same machine, installed anew: it takes the name by which the pool knows it, and gets the pool's state from a member.
bool take_name(PlanBuilder& plan, const Pool& pool, const Machine& machine) {
  const PoolState state = pool.view.of(machine);
  if (state == PoolState::kMember) return false;
  const MachineFacts* f = plan.in.facts.find(machine.name);
  const MachineFacts* of_seed = plan.in.facts.find(pool.seed.name);
  const GlusterPeer* entry = of_seed != nullptr && of_seed->storage ? peer_entry(plan.in.site, *of_seed->storage, machine) : nullptr;
  if (state != PoolState::kRenewed || entry == nullptr || f == nullptr || !f->storage) {
    plan.obstacle({machine.name}, "it cannot be told to be a member that was installed anew",
                  "fairlead storage status says what the pool knows of it");
    return true;
  }
  if (f->storage->has_volumes != Known::kNo || f->storage->has_peers != Known::kNo) {
    plan.obstacle({machine.name}, "its own glusterd knows a pool or volumes: it is not a machine installed anew",
                  "if nothing of that is wanted: stop glusterd on it and rm -rf /var/lib/glusterd");
    return true;
  }
  const std::string seed = plan.in.site.fqdn(pool.seed);
  Step step = plan.step(&machine, "take-name", Phase::kStorage, fmt::format("becomes the member that {} was", machine.name),
                        pool.view.machines.at(machine.name).why);
  step.concerns = {machine.name, pool.seed.name};
  step.needs = plan.all_of(machine);
  // The pool's state comes when it probes a member; peers take it as theirs after one more start.
  step.operations.emplace_back(
      script(fmt::format(R"sh([ -z "$(ls /var/lib/glusterd/peers /var/lib/glusterd/vols 2>/dev/null | grep -v ':$')" ] || {{
  echo 'this glusterd knows a pool' >&2
  exit 1
}}
systemctl enable glusterd
systemctl stop glusterd
version=$(sed -n 's/^operating-version=//p' /var/lib/glusterd/glusterd.info 2>/dev/null)
mkdir -p /var/lib/glusterd
printf 'UUID={0}\noperating-version=%s\n' "${{version:-100000}}" >/var/lib/glusterd/glusterd.info.new
mv /var/lib/glusterd/glusterd.info.new /var/lib/glusterd/glusterd.info
systemctl start glusterd
n=0; until gluster --mode=script pool list >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 60 ]; sleep 1; done
gluster --mode=script peer probe {1} 2>&1
n=0; until [ -n "$(ls /var/lib/glusterd/vols 2>/dev/null)" ] || [ $n -ge 3 ]; do n=$((n + 1)); sleep 1; done
systemctl restart glusterd
)sh",
                         entry->uuid, seed),
             3min));
  step.operations.emplace_back(wait_for(
      "the pool has taken it back",
      "gluster --mode=script --xml peer status 2>/dev/null | tr -d '\\n' | grep -q '<connected>1</connected> *<state>3</state>' && "
      "[ -n \"$(gluster --mode=script volume list 2>/dev/null)\" ]",
      1min));
  step.usual = 20s;
  plan.add(std::move(step));
  return true;
}

/// A brick of the volume whose file system is new.
void reset_brick(PlanBuilder& plan, const Pool& pool, const Machine& machine, const GlusterVolume& volume, const GlusterVolumeInfo& info) {
  const std::string name = brick_name(plan.in.site, machine, volume);
  const auto copies = copies_of(info, name);
  const Brick* brick = find_brick(machine, volume.bricks);
  if (copies.empty() || brick == nullptr) return;
  const auto id = id_on(plan, machine, *brick, volume);
  if (!id) return;
  if (!id->empty() && *id != bare_id(info.id)) {
    plan.obstacle({machine.name}, fmt::format("{} bears the id {} of another volume", brick_directory(*brick, volume), *id),
                  "look what is in it; remove it if nothing is wanted");
    return;
  }
  const Known online = brick_online(plan.in.facts, volume.name, name);
  if (!id->empty()) {
    if (online != Known::kNo) return;  // It is as it should be.
    Step step = change_step(plan, pool.seed, "start-" + volume.name, fmt::format("starts the bricks of volume {}", volume.name),
                            name + " does not serve");
    step.operations.emplace_back(script(gluster(fmt::format("volume start {} force", volume.name))));
    return plan.add(std::move(step));
  }
  std::vector<std::string> others = copies;
  std::erase(others, name);
  if (!all_serve(plan, info, others, "replacing a brick")) return;  // ST4
  add_directory(plan, machine, *brick, volume, "its file system has no brick of this volume");
  Step step =
      change_step(plan, pool.seed, "replace-" + volume.name, fmt::format("gives {} its part of volume {} anew", machine.name, volume.name),
                  fmt::format("{} is empty; the other copies serve", name));
  step.operations.emplace_back(script(gluster(fmt::format("volume reset-brick {} {} start || true", volume.name, name)) +
                                      gluster(fmt::format("volume reset-brick {} {} {} commit force", volume.name, name, name))));
  plan.add(std::move(step));
}

/// The bricks of `machine` go to `with`.
void move_brick(PlanBuilder& plan, const Pool& pool, const std::string& machine, const Machine& with, const GlusterVolume& volume,
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
  std::vector<std::string> others = copies_of(info, old);
  for (const GlusterBrick& each : info.bricks) {
    if (each.name != name) continue;
    plan.obstacle({with.name}, fmt::format("{} is a brick of volume {} already", name, volume.name), "take another machine");
    return;
  }
  std::erase(others, old);
  const auto id = id_on(plan, with, *brick, volume);
  if (!id) return;
  if (!id->empty()) {
    plan.obstacle({with.name}, fmt::format("{} bears the id {} of a volume already", brick_directory(*brick, volume), *id),
                  "look what is in it; remove it if nothing is wanted");
    return;
  }
  if (!all_serve(plan, info, others, "replacing a brick")) return;  // ST4
  add_directory(plan, with, *brick, volume, fmt::format("it is to take over from {}", machine));
  Step step = change_step(plan, pool.seed, "replace-" + volume.name,
                          fmt::format("moves the part of {} in volume {} to {}", machine, volume.name, with.name),
                          fmt::format("{} gives way to {}; the other copies serve", old, name));
  step.operations.emplace_back(script(gluster(fmt::format("volume replace-brick {} {} {} commit force", volume.name, old, name))));
  plan.add(std::move(step));
}

/// Those that there are, with obstacles for the rest.
std::vector<std::pair<const GlusterVolume*, const GlusterVolumeInfo*>> volumes_of(PlanBuilder& plan, const PoolView& view) {
  std::vector<std::pair<const GlusterVolume*, const GlusterVolumeInfo*>> out;
  for (const GlusterVolume& volume : plan.in.site.gluster->volumes) {
    const GlusterVolumeInfo* info = find_volume(view, plan.in.facts, volume.name);
    if (info == nullptr) {
      plan.obstacle({}, fmt::format("the pool has no volume {}, or could not be asked", volume.name),
                    "fairlead bootstrap apply creates it");
    } else {
      out.emplace_back(&volume, info);
    }
  }
  return out;
}

bool has_gluster(PlanBuilder& plan) {
  if (plan.in.site.gluster && !plan.in.site.gluster->volumes.empty()) return true;
  plan.obstacle({}, "the site has no storage", "add storage.gluster.volumes (docs/operating/storage.md)");
  return false;
}

}  // namespace

Plan plan_storage_expand(const PlanInput& input) {
  PlanBuilder plan(input);
  if (!has_gluster(plan) || runs_steps(plan) || !plan_preflight(plan)) return plan.take();
  plan_prepare(plan);
  const bool whole = plan_pool(plan);
  const PoolView view = pool_view(input.site, input.facts);
  if (!whole || view.seed == nullptr) return plan.take();
  const Pool pool{view, *view.seed};
  for (const auto& [volume, info] : volumes_of(plan, view)) expand(plan, pool, *volume, *info);
  return plan.take();
}

Plan plan_storage_replace(const PlanInput& input, const std::string& name, const std::string& with) {
  PlanBuilder plan(input);
  if (!has_gluster(plan) || runs_steps(plan)) return plan.take();
  const Machine* machine = input.site.find(name);
  const Machine* other = with.empty() ? nullptr : input.site.find(with);
  const PoolView view = pool_view(input.site, input.facts);
  const Machine* subject = with.empty() ? machine : other;
  if (subject == nullptr || !subject->has(Role::kStorage)) {
    plan.obstacle({}, fmt::format("the site has no storage machine {}", with.empty() ? name : with), "write it into the site first");
    return plan.take();
  }
  if (view.seed == nullptr || view.begins || view.seed == subject) {
    plan.obstacle({subject->name}, "no other member of a pool answers, so nothing is known of what it was",
                  "bring another storage machine back first");
    return plan.take();
  }
  if (input.facts.find(subject->name) == nullptr) {
    plan.obstacle({subject->name}, "it did not answer", "fairlead bootstrap status says why");
    return plan.take();
  }
  plan_prepare(plan);
  if (with.empty() && view.of(*subject) == PoolState::kRenewed) {
    const Pool pool{view, *view.seed};
    if (take_name(plan, pool, *subject)) return plan.take();  // What it then knows is read first.
  }
  const std::size_t before = plan.so_far().obstacles.size();
  static_cast<void>(plan_pool(plan));
  // A machine that is gone does not keep its bricks from being moved: what others lack is none of this plan's business.
  const auto& obstacles = plan.so_far().obstacles;
  for (std::size_t i = before; i < obstacles.size(); ++i) {
    const auto& whose = obstacles[i].machines;
    if (std::find(whose.begin(), whose.end(), subject->name) != whose.end()) return plan.take();
  }
  const Pool pool{view, *view.seed};
  for (const auto& [volume, info] : volumes_of(plan, view)) {
    if (with.empty()) {
      reset_brick(plan, pool, *subject, *volume, *info);
    } else {
      move_brick(plan, pool, name, *subject, *volume, *info);
    }
  }
  return plan.take();
}

Plan plan_storage_heal(const PlanInput& input, const std::string& volume, bool full) {
  PlanBuilder plan(input);
  if (!has_gluster(plan)) return plan.take();
  const PoolView view = pool_view(input.site, input.facts);
  if (view.seed == nullptr || view.begins) {
    plan.obstacle({}, "no member of the pool answers", "fairlead storage status says what was read");
    return plan.take();
  }
  for (const auto& [each, info] : volumes_of(plan, view)) {
    if (!volume.empty() && each->name != volume) continue;
    Step step = plan.step(view.seed, "heal-" + each->name, Phase::kStorage, fmt::format("has volume {} healed", each->name),
                          full ? "every file was asked for" : "it was asked for");
    step.operations.emplace_back(script(gluster(fmt::format("volume heal {}{}", each->name, full ? " full" : ""))));
    plan.add(std::move(step));
  }
  return plan.take();
}

}  // namespace fairlead::bootstrap
