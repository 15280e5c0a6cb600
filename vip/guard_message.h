// fairlead: pure
// What daemon and guard tell each other over their socket pair, and the page they share. Both are the same binary (the guard is
// /proc/self/exe), so there are no versions.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/cluster_message.h"
#include "vip/address_driver.h"

namespace fairlead::vip {

/// Where the two count their turns. One cache line each; the page is zero at first.
struct SharedBeats {
  alignas(64) std::atomic<std::uint64_t> daemon;  ///< Raised by the daemon each 50 ms while its loops turn.
  alignas(64) std::atomic<std::uint64_t> guard;   ///< Raised by the guard each turn.
};

// ---- the daemon's orders ----
/// First of all.
struct GuardSetup {
  NodeId node = kNoNode;
  Duration hang{};
  bool operator==(const GuardSetup&) const = default;
};
/// The daemon may have this address from now on: it adds it only after the acknowledgement.
struct GuardHold {
  std::uint64_t serial = 0;
  std::string vip;
  Epoch epoch = 0;
  Incarnation incarnation = 0;
  LeasedAddress address;
  bool operator==(const GuardHold&) const = default;
};
/// It has it no longer, and has said Released itself.
struct GuardDrop {
  std::uint64_t serial = 0;
  std::string vip;
  Epoch epoch = 0;
  bool operator==(const GuardDrop&) const = default;
};
/// The daemon ends in order.
struct GuardGoodbye {
  bool operator==(const GuardGoodbye&) const = default;
};
using GuardOrder = std::variant<GuardSetup, GuardHold, GuardDrop, GuardGoodbye>;

// ---- the guard's words ----
struct GuardReady {
  std::string notes;  ///< What it was not allowed (real-time, locked memory, oom score), for the log; empty: nothing.
  bool operator==(const GuardReady&) const = default;
};
struct GuardAck {
  std::uint64_t serial = 0;
  bool operator==(const GuardAck&) const = default;
};
using GuardWord = std::variant<GuardReady, GuardAck>;

inline constexpr std::size_t kGuardMessageBytesMax = 1024;
using GuardBytes = std::vector<std::byte>;

[[nodiscard]] GuardBytes build_guard_order(const GuardOrder& order);
[[nodiscard]] std::optional<GuardOrder> parse_guard_order(std::span<const std::byte> bytes);
[[nodiscard]] GuardBytes build_guard_word(const GuardWord& word);
[[nodiscard]] std::optional<GuardWord> parse_guard_word(std::span<const std::byte> bytes);

}  // namespace fairlead::vip
