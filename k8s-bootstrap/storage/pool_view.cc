// fairlead: pure
#include "k8s-bootstrap/storage/pool_view.h"

#include <algorithm>
#include <fmt/format.h>

namespace fairlead::bootstrap {
namespace {

const StorageFacts* storage_of(const Facts& facts, const Machine& machine) {
  const MachineFacts* found = facts.find(machine.name);
  return found == nullptr || !found->storage ? nullptr : &*found->storage;
}

/// By itself, without what the others say.
PoolMember alone(const StorageFacts* f) {
  if (f == nullptr) return {PoolState::kUnread, "it was not read"};
  if (f->installed == Known::kUnknown) return {PoolState::kUnread, "whether Gluster is there could not be read"};
  if (f->running == Known::kYes) {
    if (!f->peers || !f->volumes) return {PoolState::kUnread, "its peers or volumes could not be read"};
    const bool blank = f->peers->empty() && f->volumes->empty();
    return {blank ? PoolState::kBlank : PoolState::kMember, blank ? "glusterd runs, and knows no peer and no volume" : "glusterd runs"};
  }
  if (f->running == Known::kUnknown) return {PoolState::kUnread, f->silence.empty() ? "glusterd did not answer" : f->silence};
  if (f->has_peers == Known::kUnknown || f->has_volumes == Known::kUnknown)
    return {PoolState::kUnread, "/var/lib/glusterd could not be read"};
  if (f->has_peers == Known::kYes || f->has_volumes == Known::kYes) return {PoolState::kDown, "glusterd does not run"};
  return {PoolState::kBlank,
          f->installed == Known::kYes ? "glusterd does not run, and knows no peer and no volume" : "glusterd is not installed"};
}

bool lists(const StorageFacts& of, const std::string& uuid) {
  return of.peers && std::any_of(of.peers->begin(), of.peers->end(), [&](const GlusterPeer& p) { return p.uuid == uuid; });
}

/// The pool that most machines are in is the pool; who is in another one, or half in, is told so.
void compare(const Site& site, const Facts& facts, PoolView& view) {
  const StorageFacts* seed = storage_of(facts, *view.seed);
  for (const Machine* machine : site.with(Role::kStorage)) {
    PoolMember& member = view.machines[machine->name];
    const StorageFacts* own = storage_of(facts, *machine);
    if (machine == view.seed || own == nullptr || member.state == PoolState::kUnread) continue;
    const GlusterPeer* entry = peer_entry(site, *seed, *machine);
    if (entry != nullptr && !own->uuid.empty() && entry->uuid != own->uuid) {
      member = {PoolState::kRenewed, fmt::format("{} knows it as {}, and it is {}", view.seed->name, entry->uuid, own->uuid)};
    } else if (entry != nullptr && member.state == PoolState::kBlank) {
      member = {PoolState::kRenewed, fmt::format("{} knows it as a member, and it knows no pool", view.seed->name)};
    } else if (member.state != PoolState::kMember) {
      continue;
    } else if (entry == nullptr || !lists(*own, seed->uuid)) {
      member = {PoolState::kStranger, fmt::format("it and {} are in different pools", view.seed->name)};
    } else if (entry->connected && entry->state != kPeerInCluster) {
      member = {PoolState::kRejected, fmt::format("{} says of it: {}", view.seed->name, entry->state_text)};
    }
  }
  for (const GlusterPeer& peer : *seed->peers) {
    const auto is = [&](const Machine* m) { return peer_entry(site, *seed, *m) == &peer; };
    const auto storage = site.with(Role::kStorage);
    if (std::none_of(storage.begin(), storage.end(), is)) view.foreign.push_back(peer.names.front());
  }
}

/// The member whose pool has most machines; the first of those.
const Machine* choose_seed(const Site& site, const Facts& facts, const PoolView& view) {
  const Machine* best = nullptr;
  std::size_t most = 0;
  for (const Machine* machine : site.with(Role::kStorage)) {
    if (view.of(*machine) != PoolState::kMember) continue;
    const StorageFacts* f = storage_of(facts, *machine);
    std::size_t peers = 1;
    for (const GlusterPeer& peer : *f->peers) peers += peer.state == kPeerInCluster ? 1 : 0;
    if (peers > most) best = machine;
    most = std::max(most, peers);
  }
  return best;
}

}  // namespace

const GlusterPeer* peer_entry(const Site& site, const StorageFacts& of, const Machine& machine) {
  if (!of.peers) return nullptr;
  for (const GlusterPeer& peer : *of.peers) {
    for (const std::string& name : peer.names) {
      const bool address =
          std::any_of(machine.addresses.begin(), machine.addresses.end(), [&](const auto& a) { return a.second.to_string() == name; });
      if (name == site.fqdn(machine) || name == machine.name || address) return &peer;
    }
  }
  return nullptr;
}

PoolState PoolView::of(const Machine& machine) const {
  const auto found = machines.find(machine.name);
  return found == machines.end() ? PoolState::kUnread : found->second.state;
}

bool PoolView::whole() const {
  return seed != nullptr && std::all_of(machines.begin(), machines.end(), [](const auto& m) {
           return m.second.state == PoolState::kBlank || m.second.state == PoolState::kMember;
         });
}

PoolView pool_view(const Site& site, const Facts& facts) {
  PoolView out;
  const auto machines = site.with(Role::kStorage);
  for (const Machine* machine : machines) out.machines[machine->name] = alone(storage_of(facts, *machine));
  out.seed = choose_seed(site, facts, out);
  if (out.seed != nullptr) {
    compare(site, facts, out);
  } else if (!machines.empty() &&
             std::all_of(machines.begin(), machines.end(), [&](const Machine* m) { return out.of(*m) == PoolState::kBlank; })) {
    out.seed = machines.front();  // PV2
    out.begins = true;
  }
  return out;
}

const GlusterVolumeInfo* find_volume(const PoolView& view, const Facts& facts, std::string_view volume) {
  const StorageFacts* seed = view.seed == nullptr ? nullptr : storage_of(facts, *view.seed);
  if (seed == nullptr || !seed->volumes) return nullptr;
  const auto found =
      std::find_if(seed->volumes->begin(), seed->volumes->end(), [&](const GlusterVolumeInfo& v) { return v.name == volume; });
  return found == seed->volumes->end() ? nullptr : &*found;
}

bool volume_absent(const PoolView& view, const Facts& facts, std::string_view volume) {
  if (!view.whole()) return false;
  for (const auto& [name, member] : view.machines) {
    if (member.state == PoolState::kBlank) continue;  // It knows none.
    const MachineFacts* f = facts.find(name);
    if (f == nullptr || !f->storage || !f->storage->volumes) return false;
    const auto& volumes = *f->storage->volumes;
    if (std::any_of(volumes.begin(), volumes.end(), [&](const GlusterVolumeInfo& v) { return v.name == volume; })) return false;
  }
  return true;
}

Known brick_online(const Facts& facts, std::string_view volume, std::string_view brick) {
  if (!facts.pool) return Known::kUnknown;
  const auto found = facts.pool->volumes.find(std::string(volume));
  if (found == facts.pool->volumes.end() || !found->second.processes) return Known::kUnknown;
  for (const GlusterProcess& process : *found->second.processes) {
    if (process.host + ":" + process.path == brick) return known(process.online);
  }
  return Known::kNo;  // Of a machine that is away.
}

std::vector<std::string> copies_of(const GlusterVolumeInfo& volume, std::string_view brick) {
  const std::size_t set = std::max<std::size_t>(volume.replica, 1);
  for (std::size_t i = 0; i < volume.bricks.size(); ++i) {
    if (volume.bricks[i].name != brick) continue;
    std::vector<std::string> out;
    for (std::size_t k = i / set * set; k < std::min(i / set * set + set, volume.bricks.size()); ++k) out.push_back(volume.bricks[k].name);
    return out;
  }
  return {};
}

std::optional<std::uint64_t> heal_pending(const Facts& facts, std::string_view volume) {
  if (!facts.pool) return std::nullopt;
  const auto found = facts.pool->volumes.find(std::string(volume));
  if (found == facts.pool->volumes.end() || !found->second.heal) return std::nullopt;
  std::uint64_t sum = 0;
  for (const GlusterHeal& heal : *found->second.heal) {
    if (!heal.pending) return std::nullopt;
    sum += *heal.pending;
  }
  return sum;
}

std::uint64_t split_brains(const Facts& facts, std::string_view volume) {
  if (!facts.pool) return 0;
  const auto found = facts.pool->volumes.find(std::string(volume));
  if (found == facts.pool->volumes.end() || !found->second.heal) return 0;
  std::uint64_t most = 0;  // Each copy counts the same files.
  for (const GlusterHeal& heal : *found->second.heal) most = std::max(most, heal.split_brain.value_or(0));
  return most;
}

std::string split_brain_remedy(std::string_view volume) {
  return fmt::format(
      "gluster volume heal {0} info split-brain lists them; for each, look which copy is right, then: gluster volume heal {0} split-brain "
      "source-brick HOST:BRICK FILE (or latest-mtime FILE, or bigger-file FILE)",
      volume);
}

}  // namespace fairlead::bootstrap
