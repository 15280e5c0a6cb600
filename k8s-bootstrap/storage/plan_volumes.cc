// fairlead: pure
// Volumes, their mounts, and the directories of persistent volumes.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/render/sha256.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "k8s-bootstrap/storage/storage_files.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

Step volume_step(const PlanBuilder& plan, const Machine& seed, const GlusterVolume& volume, std::string_view verb, std::string title,
                 std::string because) {
  Step step = plan.step(&seed, fmt::format("volume-{}{}", volume.name, verb), Phase::kStorage, std::move(title), std::move(because));
  for (const Machine* machine : plan.in.site.with(Role::kStorage)) {
    if (plan.in.facts.find(machine->name) != nullptr) step.concerns.push_back(machine->name);
  }
  step.usual = 3s;
  return step;
}

std::string set_options(const GlusterVolume& volume, const std::map<std::string, std::string>& options) {
  std::string words;
  for (const auto& [name, value] : options) words += fmt::format(" {} {}", sh_quote(name), sh_quote(value));
  return gluster(fmt::format("volume set {}{}", volume.name, words));
}

WaitFor bricks_serve(const GlusterVolume& volume, std::size_t count) {
  return wait_for(fmt::format("the bricks of {} serve", volume.name),
                  fmt::format("[ \"$(gluster --mode=script --xml volume status {} detail | grep -c '<status>1</status>')\" -ge {} ]",
                              volume.name, count),
                  1min);
}

/// ST3. False: an obstacle, or a brick that is not ready yet and whose step is not in this plan.
bool bricks_ready(PlanBuilder& plan, const GlusterVolume& volume) {
  bool ready = true;
  for (const Machine* machine : brick_owners(plan.in.site, volume)) {
    const Brick* brick = find_brick(*machine, volume.bricks);
    const MachineFacts* f = plan.in.facts.find(machine->name);
    const auto found =
        f != nullptr && f->storage ? f->storage->bricks.find(brick->name) : std::map<std::string, BrickFact>::const_iterator{};
    if (f == nullptr || !f->storage || found == f->storage->bricks.end()) return false;
    const BrickFact& fact = found->second;
    if (fact.mounted == Known::kNo && plan.has(machine->name + "/brick-" + brick->name)) continue;  // A new file system: nothing is in it.
    if (fact.mounted != Known::kYes) return false;
    if (fact.directories_known != Known::kYes) {
      const auto wanted = f->packages.find("attr");
      if (wanted == f->packages.end() && plan.has(machine->name + "/packages"))
        continue;  // What could tell comes with this plan; gluster looks, too.
      plan.obstacle({machine->name}, fmt::format("whether {} was a brick before could not be read", brick_directory(*brick, volume)),
                    "getfattr of the package attr must be there, and run as root");
      ready = false;
      continue;
    }
    const auto id = fact.directories.find(volume.name);
    if (id != fact.directories.end() && !id->second.empty()) {
      plan.obstacle({machine->name},
                    fmt::format("{} is a brick of another volume, or of an earlier one: it bears the id {}",
                                brick_directory(*brick, volume), id->second),
                    fmt::format("look what is in it; rm -rf {} if nothing is wanted", brick_directory(*brick, volume)));
      ready = false;
    } else if (id != fact.directories.end() && fact.filled.contains(volume.name)) {
      plan.obstacle({machine->name}, fmt::format("{} has something in it, and is no brick", brick_directory(*brick, volume)),
                    "move it away: what is in a volume is written through its mount");
      ready = false;
    }
  }
  return ready;
}

void plan_create(PlanBuilder& plan, const Machine& seed, const GlusterVolume& volume) {
  if (!bricks_ready(plan, volume)) return;
  const auto bricks = brick_names(plan.in.site, volume);
  const std::string kind = volume.arbiter > 0 ? "two copies and an arbiter" : "three copies";
  Step step = volume_step(plan, seed, volume, "",
                          fmt::format("creates volume {}: {}{}", volume.name, kind,
                                      bricks.size() > kCopies ? fmt::format(", {} times", bricks.size() / kCopies) : ""),
                          "no machine of the pool knows it, and its bricks are empty");
  for (const Machine* machine : plan.in.site.with(Role::kStorage)) {
    for (const std::string& id : plan.all_of(*machine)) step.needs.push_back(id);
  }
  step.operations.emplace_back(script(gluster(fmt::format("volume create {} replica {}{} {}", volume.name, kCopies,
                                                          volume.arbiter > 0 ? " arbiter 1" : "", fmt::join(bricks, " "))) +
                                      set_options(volume, volume_options(plan.in.site, volume)) +
                                      gluster(fmt::format("volume start {}", volume.name))));
  step.operations.emplace_back(bricks_serve(volume, bricks.size()));
  step.usual = 8s;
  plan.add(std::move(step));
}

/// What differs in its bricks is told: ST5.
bool same_bricks(PlanBuilder& plan, const GlusterVolume& volume, const GlusterVolumeInfo& info) {
  if (info.replica != kCopies || (info.arbiter > 0) != (volume.arbiter > 0)) {
    plan.obstacle({},
                  fmt::format("volume {} has {} copies{}, the site says otherwise", volume.name, info.replica,
                              info.arbiter > 0 ? " with an arbiter" : ""),
                  "correct the site: what a volume is made of does not change");
    return false;
  }
  std::set<std::string> there;
  for (const GlusterBrick& brick : info.bricks) there.insert(brick.name);
  std::vector<std::string> more;
  for (const std::string& name : brick_names(plan.in.site, volume)) {
    if (there.erase(name) == 0) more.push_back(name);
  }
  if (!there.empty()) {
    plan.warn(
        fmt::format("volume {} has bricks that the site has not: {} (put them back into the site, or replace them with Gluster's own "
                    "commands: docs/operating/storage.md, \"Day two\")",
                    volume.name, fmt::join(there, ", ")));
  } else if (!more.empty()) {
    plan.warn(
        fmt::format("volume {} could have {} bricks more: fairlead storage expand is not in this version, docs/operating/storage.md, \"Day "
                    "two\", has Gluster's own commands",
                    volume.name, more.size()));
  }
  return true;
}

void plan_existing(PlanBuilder& plan, const Machine& seed, const GlusterVolume& volume, const GlusterVolumeInfo& info) {
  if (!same_bricks(plan, volume, info)) return;
  std::map<std::string, std::string> wrong;
  std::vector<std::string> why;
  for (const auto& [name, value] : volume_options(plan.in.site, volume)) {
    const auto found = info.options.find(name);
    if (found != info.options.end() && found->second == value) continue;
    wrong[name] = value;
    why.push_back(found == info.options.end() ? fmt::format("{} is not set", name) : fmt::format("{} is {}", name, found->second));
  }
  if (!wrong.empty()) {
    Step step = volume_step(plan, seed, volume, "-options", fmt::format("sets options of volume {}", volume.name), comma(why));
    step.operations.emplace_back(script(set_options(volume, wrong)));
    plan.add(std::move(step));
  }
  if (info.status == GlusterVolumeInfo::Status::kStopped)
    plan.warn(fmt::format("volume {} was stopped: gluster volume start {} on {} starts it", volume.name, volume.name, seed.name));
  if (info.status != GlusterVolumeInfo::Status::kCreated) return;
  Step step = volume_step(plan, seed, volume, "-start", fmt::format("starts volume {}", volume.name), "it was created and never started");
  step.needs = {fmt::format("{}/volume-{}-options", seed.name, volume.name)};
  step.operations.emplace_back(script(gluster(fmt::format("volume start {}", volume.name))));
  step.operations.emplace_back(bricks_serve(volume, info.bricks.size()));
  plan.add(std::move(step));
}

void warn_health(PlanBuilder& plan, const GlusterVolume& volume, const GlusterVolumeInfo& info) {
  std::vector<std::string> down;
  for (const GlusterBrick& brick : info.bricks) {
    if (brick_online(plan.in.facts, volume.name, brick.name) == Known::kNo) down.push_back(brick.name);
  }
  if (!down.empty() && info.status == GlusterVolumeInfo::Status::kStarted)
    plan.warn(fmt::format("volume {}: not serving: {}", volume.name, fmt::join(down, ", ")));
  if (const auto split = split_brains(plan.in.facts, volume.name); split > 0)
    plan.warn(fmt::format("volume {}: {} files are in split brain: their copies contradict one another. {}", volume.name, split,
                          split_brain_remedy(volume.name)));
}

// ---- mounts and what is in them ----

std::vector<std::string> directories_of(const Gluster& gluster, const GlusterVolume& volume) {
  std::vector<std::string> out;
  for (const PersistentVolume& each : gluster.persistent_volumes) {
    if (each.volume == volume.name) out.push_back(each.name);
  }
  for (const SharedClass& each : gluster.storage_classes) {
    if (each.volume == volume.name) out.emplace_back(kSharedFolder);
  }
  return out;
}

/// The volume serves, or will when the steps of this plan are done.
std::vector<std::string> volume_steps(const PlanBuilder& plan, const Machine& seed, const GlusterVolume& volume) {
  std::vector<std::string> out;
  for (const char* verb : {"", "-options", "-start"}) out.push_back(fmt::format("{}/volume-{}{}", seed.name, volume.name, verb));
  std::erase_if(out, [&](const std::string& id) { return !plan.has(id); });
  return out;
}

void plan_mount(PlanBuilder& plan, const Machine& machine, const GlusterVolume& volume, const std::vector<std::string>& needs) {
  const MachineFacts* f = plan.in.facts.find(machine.name);
  if (f == nullptr) return;
  const auto found = f->storage ? f->storage->mounts.find(volume.mount_path) : std::map<std::string, MountFact>::const_iterator{};
  if (!f->storage || found == f->storage->mounts.end() || found->second.mounted == Known::kUnknown)
    return plan.warn(fmt::format("{}: whether {} is mounted could not be read", machine.name, volume.mount_path));
  const MountFact& mount = found->second;
  if (mount.mounted == Known::kYes) {
    if (mount.filesystem != "fuse.glusterfs" || !mount.source.ends_with(":/" + volume.name)) {
      plan.obstacle({machine.name},
                    fmt::format("{} is mounted at {}, where volume {} is to be", mount.source, volume.mount_path, volume.name),
                    "unmount it, or give the volume another path");
    } else if (mount.answers == Known::kNo) {
      plan.warn(fmt::format("{}: volume {} is mounted at {} and does not answer: are its servers reached from there?", machine.name,
                            volume.name, volume.mount_path));
    }
    return;
  }
  if (!machine.prepare)
    return plan.warn(fmt::format("{}: volume {} is not mounted, and the machine says prepare: false", machine.name, volume.name));
  Step step = plan.step(&machine, "mount-" + volume.name, Phase::kStorage,
                        fmt::format("mounts volume {} at {}", volume.name, volume.mount_path), "it is not mounted");
  step.needs = plan.all_of(machine);
  step.needs.insert(step.needs.end(), needs.begin(), needs.end());
  const std::string unit = sh_quote(mount_unit(volume.mount_path));
  step.operations.emplace_back(script(fmt::format(
      "mkdir -p {0}\nsystemctl daemon-reload\nsystemctl enable {1}\nsystemctl reset-failed {1} 2>/dev/null || true\nsystemctl start {1}\n"
      "mountpoint -q {0}\n",
      sh_quote(volume.mount_path), unit)));
  step.usual = 2s;
  plan.add(std::move(step));
}

/// Directories that any machine with the mount says are missing, made by the first one that has it.
void plan_directories(PlanBuilder& plan, const GlusterVolume& volume) {
  const auto wanted = directories_of(*plan.in.site.gluster, volume);
  if (wanted.empty()) return;
  for (const Machine* machine : mounting_machines(plan.in.site, volume)) {
    const MachineFacts* f = plan.in.facts.find(machine->name);
    if (f == nullptr || !f->storage) continue;
    const bool planned = plan.has(machine->name + "/mount-" + volume.name);
    const auto mount = f->storage->mounts.find(volume.mount_path);
    const bool mounted = mount != f->storage->mounts.end() && mount->second.mounted == Known::kYes && mount->second.answers == Known::kYes;
    if (!planned && !mounted) continue;
    const auto missing = planned ? wanted : mount->second.missing;
    if (missing.empty()) return;
    Step step =
        plan.step(machine, "directories-" + volume.name, Phase::kStorage, fmt::format("makes directories in volume {}", volume.name),
                  planned ? "the volume is mounted now" : "missing: " + comma(missing));
    step.needs = {machine->name + "/mount-" + volume.name};
    std::string text = fmt::format("mountpoint -q {}\n", sh_quote(volume.mount_path));
    for (const std::string& name : missing) text += fmt::format("mkdir -p {}\n", sh_quote(volume.mount_path + "/" + name));
    step.operations.emplace_back(script(text));
    plan.add(std::move(step));
    return;
  }
}

void plan_quota(PlanBuilder& plan, const Machine& seed, const GlusterVolume& volume) {
  const bool fresh = plan.has(fmt::format("{}/volume-{}", seed.name, volume.name));
  const auto pool =
      plan.in.facts.pool ? plan.in.facts.pool->volumes.find(volume.name) : std::map<std::string, VolumeFacts>::const_iterator{};
  const bool known = plan.in.facts.pool && pool != plan.in.facts.pool->volumes.end() && pool->second.quotas;
  std::string text;
  std::vector<std::string> why;
  bool wanted = false;
  for (const PersistentVolume& each : plan.in.site.gluster->persistent_volumes) {
    if (each.volume != volume.name) continue;
    wanted = true;
    const std::string path = "/" + each.name;
    const auto is = [&](const GlusterQuota& quota) { return quota.path == path && quota.limit_bytes == each.size; };
    if (known && std::any_of(pool->second.quotas->limits.begin(), pool->second.quotas->limits.end(), is)) continue;
    why.push_back(fmt::format("{} has no limit of {}", path, each.size));
    text += gluster(fmt::format("volume quota {} limit-usage {} {}", volume.name, sh_quote(path), each.size));
  }
  if (!wanted || why.empty()) return;
  if (!fresh && !known) return plan.warn(fmt::format("volume {}: its quotas could not be read, and are left as they are", volume.name));
  Step step = volume_step(plan, seed, volume, "-quota", fmt::format("limits directories of volume {}", volume.name), comma(why));
  for (const Machine* machine : mounting_machines(plan.in.site, volume))
    step.needs.push_back(machine->name + "/directories-" + volume.name);
  for (const std::string& id : volume_steps(plan, seed, volume)) step.needs.push_back(id);
  const bool enabled = known && pool->second.quotas->enabled;
  step.operations.emplace_back(script((enabled ? std::string() : gluster(fmt::format("volume quota {} enable", volume.name))) + text));
  plan.add(std::move(step));
}

}  // namespace

void plan_storage(PlanBuilder& plan) {
  const Site& site = plan.in.site;
  if (!site.gluster || site.gluster->volumes.empty()) return;
  const bool whole = plan_pool(plan);
  const PoolView view = pool_view(site, plan.in.facts);
  if (view.seed == nullptr) return;
  for (const GlusterVolume& volume : site.gluster->volumes) {
    const GlusterVolumeInfo* info = find_volume(view, plan.in.facts, volume.name);
    if (info != nullptr) {
      plan_existing(plan, *view.seed, volume, *info);
      warn_health(plan, volume, *info);
    } else if (whole && volume_absent(view, plan.in.facts, volume.name)) {  // ST2
      plan_create(plan, *view.seed, volume);
    }
    const auto made = volume_steps(plan, *view.seed, volume);
    if (made.empty() && (info == nullptr || info->status != GlusterVolumeInfo::Status::kStarted)) continue;
    for (const Machine* machine : mounting_machines(site, volume)) plan_mount(plan, *machine, volume, made);
    plan_directories(plan, volume);
    plan_quota(plan, *view.seed, volume);
  }
}

void plan_storage_manifests(PlanBuilder& plan) {
  const std::string text = storage_manifest(plan.in.site);
  const Machine* host = cluster_machine(plan);
  if (text.empty() || host == nullptr) return;
  const std::string path = applied_manifest_path(std::string(kStorageAddon));
  const MachineFacts* f = plan.in.facts.find(host->name);
  const auto found = f == nullptr ? std::map<std::string, FileFact>::const_iterator{} : f->files.find(path);
  if (f != nullptr && found != f->files.end() && found->second.present && found->second.sha256 == sha256(text)) return;
  Step step = plan.step(host, "", Phase::kAddons, "applies PersistentVolumes and StorageClasses", "this manifest was not applied yet");
  step.id = fmt::format("addons/{}", kStorageAddon);
  for (const Step& other : plan.so_far().steps) step.needs.push_back(other.id);
  step.operations.emplace_back(script("mkdir -p " + in_work("addons") + "\n"));
  step.operations.emplace_back(file(path + ".new", text));
  step.operations.emplace_back(
      script(kubectl(fmt::format("apply --server-side --force-conflicts --field-manager=fairlead -f {}.new\n", path))));
  step.operations.emplace_back(script(fmt::format("mv {0}.new {0}\n", path)));
  step.usual = 3s;
  plan.add(std::move(step));
}

}  // namespace fairlead::bootstrap
