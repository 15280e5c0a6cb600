// fairlead: pure
// What each storage machine is to the pool, and where the pool's commands are run; told from facts alone.
//
//                  knows no peer and no volume      knows some
//   glusterd runs  kBlank: is probed                kMember; kStranger when pools differ; kRenewed when the pool knows it by another UUID
//   it does not    kBlank (it is started first)     kDown: it is started, and the pool looked at again
//
//   PV1  A machine whose lists were not all read is kUnread: neither blank nor anything else.
//   PV2  A pool begins only if every storage machine was read and is blank.
//   PV3  A volume is absent only if every storage machine was read, every pool member runs, and none of them lists it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

enum class PoolState : std::uint8_t { kUnread, kBlank, kDown, kMember, kRenewed, kRejected, kStranger };

struct PoolMember {
  PoolState state = PoolState::kUnread;
  std::string why;
};
/// Points into site and facts.
struct PoolView {
  std::map<std::string, PoolMember> machines;  ///< Of role storage.
  const Machine* seed = nullptr;               ///< Runs the pool's commands; nullptr: nobody may.
  bool begins = false;                         ///< There is no pool yet (PV2).
  std::vector<std::string> foreign;            ///< Names of peers that the site does not have.

  [[nodiscard]] PoolState of(const Machine& machine) const;
  /// Every storage machine was read, and none is down, renewed, rejected or a stranger.
  [[nodiscard]] bool whole() const;
};
[[nodiscard]] PoolView pool_view(const Site& site, const Facts& facts);

/// As the seed lists it; nullptr: it does not, or nobody could tell (see volume_absent).
[[nodiscard]] const GlusterVolumeInfo* find_volume(const PoolView& view, const Facts& facts, std::string_view volume);
[[nodiscard]] bool volume_absent(const PoolView& view, const Facts& facts, std::string_view volume);  ///< PV3

/// Does this brick of the volume serve? Told of the pool as a whole.
[[nodiscard]] Known brick_online(const Facts& facts, std::string_view volume, std::string_view brick);
/// The bricks that have the same files, itself included; empty: it is no brick of the volume.
[[nodiscard]] std::vector<std::string> copies_of(const GlusterVolumeInfo& volume, std::string_view brick);
/// Entries to be healed, over all bricks; absent: not all of them could be asked.
[[nodiscard]] std::optional<std::uint64_t> heal_pending(const Facts& facts, std::string_view volume);
[[nodiscard]] std::uint64_t split_brains(const Facts& facts, std::string_view volume);  ///< Of the bricks that said.
/// What to do about them, for people.
[[nodiscard]] std::string split_brain_remedy(std::string_view volume);

/// How the pool knows this machine: nullptr: not at all.
[[nodiscard]] const GlusterPeer* peer_entry(const Site& site, const StorageFacts& of, const Machine& machine);

}  // namespace fairlead::bootstrap
