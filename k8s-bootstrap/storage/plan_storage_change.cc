// fairlead: pure
// What changes a pool that exists: more bricks, healing asked for, and what is shared with plan_storage_replace.cc.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_preflight.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "k8s-bootstrap/storage/storage_change.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

// ---- expand ----

/// ST3, of bricks that a volume gets; false: an obstacle, or they were not read.
bool can_be_added(PlanBuilder& plan, const GlusterVolume& volume, const std::vector<const Machine*>& owners) {
  for (const Machine* machine : owners) {
    const Brick* brick = find_brick(*machine, volume.bricks);
    const MachineFacts* f = plan.in.facts.find(machine->name);
    const auto fact =
        f != nullptr && f->storage ? f->storage->bricks.find(brick->name) : std::map<std::string, BrickFact>::const_iterator{};
    if (f == nullptr || !f->storage || fact == f->storage->bricks.end()) return false;
    const bool made = plan.has(machine->name + "/brick-" + brick->name);
    if (!made && (fact->second.mounted != Known::kYes || fact->second.directories_known != Known::kYes)) {
      plan.obstacle({machine->name}, fmt::format("brick {} is not ready, or could not be read", brick->name),
                    "fairlead bootstrap apply prepares it");
      return false;
    }
    const auto id = fact->second.directories.find(volume.name);
    if (id != fact->second.directories.end() && !id->second.empty()) {
      plan.obstacle({machine->name}, fmt::format("{} bears the id {} of a volume already", brick_directory(*brick, volume), id->second),
                    "look what is in it; remove it if nothing is wanted");
      return false;
    }
    if (id != fact->second.directories.end() && fact->second.filled.contains(volume.name)) {
      plan.obstacle({machine->name}, fmt::format("{} has something in it, and is no brick", brick_directory(*brick, volume)),
                    "move it away: what is in a volume is written through its mount");
      return false;
    }
  }
  return true;
}

void expand(PlanBuilder& plan, const Machine& seed, const GlusterVolume& volume, const GlusterVolumeInfo& info) {
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
    Step step = change_step(plan, seed, "rebalance-" + volume.name, fmt::format("spreads the files of volume {}", volume.name),
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
  if (!can_be_added(plan, volume, owners)) return;
  Step step = change_step(plan, seed, "expand-" + volume.name,
                          fmt::format("adds {} bricks to volume {}, and spreads its files", more.size(), volume.name),
                          fmt::format("the site has them, the volume has not: {}", comma(names(owners))));
  step.operations.emplace_back(script(gluster(fmt::format("volume add-brick {} {}", volume.name, fmt::join(more, " "))) + start));
  plan.add(std::move(step));
}

}  // namespace

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

Plan plan_storage_expand(const PlanInput& input) {
  PlanBuilder plan(input);
  if (!has_gluster(plan) || runs_steps(plan) || !plan_preflight(plan)) return plan.take();
  plan_prepare(plan);
  const bool whole = plan_pool(plan);
  const PoolView view = pool_view(input.site, input.facts);
  if (!whole || view.seed == nullptr) return plan.take();
  for (const auto& [volume, info] : volumes_of(plan, view)) expand(plan, *view.seed, *volume, *info);
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
