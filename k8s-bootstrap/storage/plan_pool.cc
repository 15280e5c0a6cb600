// fairlead: pure
// Bricks and the trusted pool.
#include <algorithm>
#include <fmt/format.h>

#include "base/units.h"
#include "k8s-bootstrap/storage/brick_script.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

constexpr int kOldestMajor = 10;
constexpr int kNewestMajor = 11;

const char* const kLook = "fairlead storage status says what was read; lsblk and blkid on the machine say more";

/// "/dev/mapper/fl--brick--1-brick" is "/dev/fl-brick-1/brick".
bool is_device_of(const Brick& brick, const std::string& source) {
  std::string group;
  for (const char c : brick_group(brick)) group += c == '-' ? std::string("--") : std::string(1, c);
  return source == brick_device(brick) || source == "/dev/mapper/" + group + "-brick";
}

struct Bricks {
  PlanBuilder& plan;
  const Machine& machine;

  void refuse(const std::string& reason, const std::string& remedy) const { plan.obstacle({machine.name}, reason, remedy); }

  /// Of a file system that the operator prepares.
  void own(const Brick& brick, const BrickFact& f) const {
    if (f.mounted == Known::kUnknown) return refuse(fmt::format("whether {} is mounted could not be read", brick.path), kLook);
    if (f.mounted == Known::kNo)
      return refuse(fmt::format("nothing is mounted at {}, the path of brick {}", brick.path, brick.name),
                    "mount its file system there (XFS, by /etc/fstab or a mount unit): Fairlead prepares no disk for a brick with path");
    if (f.filesystem != "xfs" && f.filesystem != "ext4")
      refuse(fmt::format("{} at {} is no file system for a brick", f.filesystem, brick.path), "XFS; ext4 works, too");
  }
  /// Why the disk may not be written to; "" when it may.
  [[nodiscard]] std::pair<std::string, std::string> refusal(const Brick& brick, const BrickFact& f, bool& wipes) const {
    const std::string disk = brick.device.empty() ? fmt::format("the disk with serial {}", brick.serial) : brick.device;
    if (f.disk_there == Known::kUnknown) return {fmt::format("whether {} is there could not be read", disk), kLook};
    if (f.disk_there == Known::kNo)
      return {fmt::format("{} is not there", disk), "correct the brick's device or serial (lsblk -o NAME,SIZE,SERIAL)"};
    if (!brick.serial.empty() && f.disk_serial != brick.serial)
      return {fmt::format("{} has the serial '{}', the site says '{}'", disk, f.disk_serial, brick.serial),
              "it is another disk: correct the site"};
    if (f.disk_bytes < std::max(brick.size, kBrickBytesMin))
      return {fmt::format("{} has {} MiB, brick {} needs {}", disk, f.disk_bytes >> 20U, brick.name,
                          format_size(std::max(brick.size, kBrickBytesMin))),
              "take a larger disk, or say a smaller size"};
    if (f.disk_in_use == Known::kUnknown || f.disk_has_data == Known::kUnknown)
      return {fmt::format("whether {} has data could not be read", disk), kLook};
    if (f.disk_in_use == Known::kYes && (!brick.wipe || f.disk_data.empty()))
      return {fmt::format("{} is in use{}", disk, f.disk_data.empty() ? "" : ": " + f.disk_data),
              "take another disk, or free this one by hand"};
    if (f.disk_has_data == Known::kNo) return {};
    if (brick.wipe && !brick.serial.empty()) {
      wipes = true;
      return {};
    }
    return {fmt::format("{} has data: {}", disk, f.disk_data),
            "if it may go, write the brick's serial and wipe: true, and name the machine with --yes-destroy"};
  }
  void disk(const Brick& brick, const BrickFact& f) const {
    if (f.mounted == Known::kYes) {
      if (!is_device_of(brick, f.source))
        refuse(fmt::format("{} is mounted at {}, and not brick {}", f.source, brick_mount(brick), brick.name),
               "unmount it; that place is the brick's");
      return;
    }
    if (f.mounted == Known::kUnknown) return refuse(fmt::format("whether brick {} is mounted could not be read", brick.name), kLook);
    if (!machine.prepare)
      return refuse(fmt::format("brick {} is a disk, and the machine says prepare: false", brick.name),
                    "prepare it yourself and give its path");
    bool wipes = false;
    const bool begun = f.disk_group == brick_group(brick);
    if (!begun) {
      if (f.volume_there == Known::kYes)
        return refuse(fmt::format("the volume group {} is on another disk than brick {}", brick_group(brick), brick.name), kLook);
      const auto [reason, remedy] = refusal(brick, f, wipes);
      if (!reason.empty()) return refuse(reason, remedy);
    }
    const bool made = f.filesystem_there == Known::kYes;
    std::string because = fmt::format("{} is empty", f.disk);
    if (wipes) because = fmt::format("{} has data ({}), and the site says wipe for serial {}", f.disk, f.disk_data, brick.serial);
    if (begun) because = made ? "its file system is not mounted" : fmt::format("{} was begun and not finished", brick_group(brick));
    Step step = plan.step(&machine, "brick-" + brick.name, Phase::kStorage,
                          made ? fmt::format("mounts brick {}", brick.name)
                               : fmt::format("makes brick {} of {} ({})", brick.name, f.disk, format_size(f.disk_bytes >> 20U << 20U)),
                          because);
    step.hazard = wipes ? Hazard::kDestroysData : Hazard::kNone;
    step.concerns = {machine.name};
    step.needs = plan.all_of(machine);
    step.operations.emplace_back(script(brick_script(brick, plan.in.site.gluster->brick, f.disk, wipes), 10min));
    step.usual = 10s;
    plan.add(std::move(step));
  }
};

void plan_bricks(PlanBuilder& plan, const Machine& machine, const StorageFacts& facts) {
  const Bricks bricks{plan, machine};
  for (const Brick& brick : machine.bricks) {
    const auto found = facts.bricks.find(brick.name);
    static const BrickFact kNothing;
    const BrickFact& f = found == facts.bricks.end() ? kNothing : found->second;
    is_on_disk(brick) ? bricks.disk(brick, f) : bricks.own(brick, f);
  }
}

void check_version(PlanBuilder& plan, const Machine& machine, const StorageFacts& facts) {
  if (facts.installed != Known::kYes) return;
  const int major = minor_of(facts.version).major;
  if (major == 0) {
    plan.obstacle({machine.name}, "the version of Gluster there could not be read", "run gluster --version there");
  } else if (major < kOldestMajor) {
    plan.obstacle({machine.name}, fmt::format("Gluster {} is there", facts.version),
                  "10 and 11 are known: upgrade it by hand, one machine at a time");
  } else if (major > kNewestMajor) {
    plan.warn(fmt::format("{}: Gluster {} is newer than what this release was tested with", machine.name, facts.version));
  }
}

void check_tls(PlanBuilder& plan, const Machine& machine, const MachineFacts& facts) {
  if (!uses_tls(plan.in.site, machine)) return;
  std::vector<std::string> missing;
  for (const std::string_view path : kGlusterTls) {
    const auto found = facts.files.find(std::string(path));
    if (found == facts.files.end() || !found->second.present) missing.emplace_back(path);
  }
  if (!missing.empty())
    plan.obstacle({machine.name}, fmt::format("a volume has TLS, and {} is missing", comma(missing)),
                  "bring certificate, key and CA of each machine yourself: `files` of the machine with a source");
}

/// The seed was known by an address only: others learn its name when one of them probes it.
void plan_probe_back(PlanBuilder& plan, const Machine& seed, const Machine& other, const std::string& because) {
  Step step = plan.step(&other, "probe-" + seed.name, Phase::kStorage, fmt::format("learns the name of {}", seed.name), because);
  step.concerns = {seed.name, other.name};
  step.needs = {seed.name + "/probe-" + other.name, other.name + "/files"};
  step.operations.emplace_back(script(gluster("peer probe " + plan.in.site.fqdn(seed))));
  plan.add(std::move(step));
}

void plan_peers(PlanBuilder& plan, const PoolView& view) {
  const Site& site = plan.in.site;
  bool told = false;
  for (const Machine* machine : site.with(Role::kStorage)) {
    if (machine == view.seed) continue;
    const MachineFacts* f = plan.in.facts.find(machine->name);
    if (view.of(*machine) == PoolState::kBlank) {
      plan_machine_probe(plan, *view.seed, *machine);
      if (view.begins && !told) plan_probe_back(plan, *view.seed, *machine, "a pool begins: the others know the first one by its address");
      told = true;
      continue;
    }
    if (view.of(*machine) != PoolState::kMember) continue;
    const GlusterPeer* entry = peer_entry(site, *f->storage, *view.seed);
    const bool named = entry != nullptr && std::find(entry->names.begin(), entry->names.end(), site.fqdn(*view.seed)) != entry->names.end();
    if (!named) plan_probe_back(plan, *view.seed, *machine, fmt::format("it knows {} by another name", view.seed->name));
  }
}

}  // namespace

void plan_machine_bricks(PlanBuilder& plan, const Machine& machine) {
  const MachineFacts* f = plan.in.facts.find(machine.name);
  if (f == nullptr || !f->storage) return;
  check_version(plan, machine, *f->storage);
  check_tls(plan, machine, *f);
  plan_bricks(plan, machine, *f->storage);
}

void plan_machine_daemon(PlanBuilder& plan, const Machine& machine) {
  const MachineFacts* f = plan.in.facts.find(machine.name);
  if (f == nullptr || !f->storage) return;
  const StorageFacts& storage = *f->storage;
  const auto unit = f->units.find("glusterd");
  const bool enabled = unit != f->units.end() && unit->second.find("enabled") != std::string::npos;
  if (storage.running == Known::kYes && enabled) return;
  Step step = plan.step(&machine, "glusterd", Phase::kStorage, "runs glusterd",
                        storage.running == Known::kYes     ? "it is not enabled"
                        : storage.installed == Known::kYes ? "it does not run"
                                                           : "it is not installed");
  step.needs = plan.all_of(machine);
  step.operations.emplace_back(script("systemctl enable glusterd\nsystemctl start glusterd\n"));
  step.operations.emplace_back(wait_for("glusterd answers", "gluster --mode=script pool list >/dev/null 2>&1", 1min));
  step.usual = 5s;
  plan.add(std::move(step));
}

WaitFor peer_is_in(const std::string& name) {
  return wait_for(fmt::format("{} is in the pool", name),
                  fmt::format("gluster --mode=script --xml peer status | tr -d '\\n' | sed 's/<peer>/\\n<peer>/g' | "
                              "grep -F '<hostname>{}</hostname>' | grep -q '<connected>1</connected> *<state>3</state>'",
                              name),
                  1min);
}

void plan_machine_probe(PlanBuilder& plan, const Machine& seed, const Machine& machine) {
  const Site& site = plan.in.site;
  const std::string name = site.fqdn(machine);
  Step step =
      plan.step(&seed, "probe-" + machine.name, Phase::kStorage, fmt::format("takes {} into the pool", machine.name), "it is in no pool");
  step.concerns = {seed.name, machine.name};
  step.needs = {seed.name + "/glusterd", machine.name + "/glusterd", machine.name + "/files", seed.name + "/files"};
  step.operations.emplace_back(script(gluster(fmt::format("peer probe {}", name))));
  step.operations.emplace_back(peer_is_in(name));
  step.usual = 3s;
  plan.add(std::move(step));
}

void refuse_state(PlanBuilder& plan, const PoolView& view, const std::string& name) {
  const auto found = view.machines.find(name);
  if (found == view.machines.end()) return;
  const PoolMember& member = found->second;
  if (member.state == PoolState::kUnread && plan.in.facts.find(name) != nullptr)
    plan.obstacle({name}, "what Gluster it has could not be read: " + member.why,
                  "look at /var/log/glusterfs/glusterd.log there; then again");
  if (member.state == PoolState::kUnread && plan.in.facts.find(name) == nullptr)
    plan.obstacle({name}, "it did not answer: what it has of the pool is not known", "fairlead bootstrap status says why");
  if (member.state == PoolState::kStranger)
    plan.obstacle({name}, member.why,
                  "two pools are not made one: gluster peer detach on the one that is to go, when none of its volumes are wanted");
  if (member.state == PoolState::kRenewed)
    plan.obstacle(
        {name}, "it was installed anew: " + member.why,
        fmt::format(
            "fairlead storage replace {} is not in this version: docs/operating/storage.md, \"Day two\", has Gluster's own commands",
            name));
  if (member.state == PoolState::kRejected)
    plan.obstacle({name}, member.why,
                  "its copy of the pool's state differs: on it, stop glusterd, empty /var/lib/glusterd but for glusterd.info, start it, "
                  "gluster peer probe a member, and start it once more");
}

bool refuse_twins(PlanBuilder& plan) {
  std::map<std::string, std::string> seen;
  bool any = false;
  for (const Machine* machine : plan.in.site.with(Role::kStorage)) {
    const MachineFacts* f = plan.in.facts.find(machine->name);
    if (f == nullptr || !f->storage || f->storage->uuid.empty()) continue;
    const auto [first, fresh] = seen.emplace(f->storage->uuid, machine->name);
    if (fresh) continue;
    plan.obstacle({machine->name}, fmt::format("its glusterd has the UUID of {}: it was copied", first->second),
                  "stop glusterd on it, rm -rf /var/lib/glusterd, start it again");
    any = true;
  }
  return any;
}

std::string gluster(std::string_view words) { return fmt::format("gluster --mode=script {} 2>&1\n", words); }

bool plan_pool(PlanBuilder& plan) {
  const Site& site = plan.in.site;
  const std::size_t before = plan.so_far().obstacles.size();
  bool down = false;
  for (const Machine* machine : site.with(Role::kStorage)) {
    plan_machine_bricks(plan, *machine);
    plan_machine_daemon(plan, *machine);
  }
  const PoolView view = pool_view(site, plan.in.facts);
  for (const auto& [name, member] : view.machines) down = down || member.state == PoolState::kDown;
  for (const auto& [name, member] : view.machines) refuse_state(plan, view, name);
  for (const std::string& name : view.foreign)
    plan.warn(fmt::format("the pool has a member that the site has not: {} (gluster peer detach {}, when it has no brick)", name, name));
  if (refuse_twins(plan) || view.seed == nullptr) return false;
  // What a daemon that is only being started knows is looked at when it runs.
  const bool sound = plan.so_far().obstacles.size() == before;
  if (sound || !view.begins) plan_peers(plan, view);
  return sound && !down;
}

}  // namespace fairlead::bootstrap
