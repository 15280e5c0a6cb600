// fairlead: pure
// Who held one VIP lately, as this node saw it, and how long this node took whenever it took it over.
//
//   a view without the holder's daemon ----+        kernel and announcement done
//                                          +------> taken: from the earlier of the two to here
//   this node is assigned ----------------->
//
// Threading: control. Limits: kEntriesMax changes are kept.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/cluster_view.h"
#include "base/time.h"

namespace fairlead::vip {

/// Upper bounds, included, of the buckets of takeover times. What is promised is 20 ms for a move and about T + C + 350 ms for a lost node.
inline constexpr std::array<std::int64_t, 11> kTakeoverBoundsMs{5, 10, 25, 50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000};

struct HolderChange {
  WallTime at{};
  NodeId holder = kNoNode;  ///< kNoNode: nobody.
  bool first_seen = false;  ///< The first entry of a life: whoever holds it may have held it long before.
  bool operator==(const HolderChange&) const = default;
};

/// Takeovers by this node.
struct TakeoverTimes {
  std::array<std::uint64_t, kTakeoverBoundsMs.size() + 1> counts{};  ///< By bucket; the last one: longer than any bound.
  Duration sum{};
  std::optional<Duration> last;
};

class HolderHistory {
 public:
  static constexpr std::size_t kEntriesMax = 16;

  /// Whom this node sees holding it now. Nobody at the very beginning is no entry: then nothing is known yet.
  void see(NodeId holder, WallTime at);
  /// The daemon that holds it is no member any more. Nothing when a takeover is waited for already, or nobody held it.
  void holder_lost(Instant now);
  /// This node has it and has announced it; `assigned`: when it was told to take it.
  void taken(Instant assigned, Instant announced);

  [[nodiscard]] NodeId holder() const { return entries_.empty() ? kNoNode : entries_.back().holder; }
  [[nodiscard]] const std::deque<HolderChange>& entries() const { return entries_; }  ///< The newest last.
  /// How often it was seen on another node than the one before; whether nobody held it in between does not matter.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  [[nodiscard]] const TakeoverTimes& takeovers() const { return takeovers_; }

 private:
  std::deque<HolderChange> entries_;
  NodeId last_node_ = kNoNode;
  std::uint64_t changes_ = 0;
  std::optional<Instant> lost_;
  TakeoverTimes takeovers_;
};

}  // namespace fairlead::vip
