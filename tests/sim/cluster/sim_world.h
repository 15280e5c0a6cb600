// The simulated world's time, chance and wires. Everything happens in one thread, in the order of (time, number).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/time.h"

namespace fairlead::vip::sim {

/// Simulated time, in nanoseconds since the schedule's beginning.
using At = std::int64_t;
inline constexpr At kUs = 1'000;
inline constexpr At kMs = 1'000'000;
inline constexpr At kSecond = 1'000'000'000;
inline constexpr At kNever = INT64_MAX / 4;
inline constexpr int kNodesMax = 5;
inline constexpr int kVipsMax = 3;
inline constexpr int kTargetsMax = 2;

[[nodiscard]] inline At to_at(Duration d) { return d.count(); }

enum class EventKind : std::uint8_t {
  kDaemon,       ///< A turn of the node's control loop.
  kForm,         ///< A ring forms.
  kMergeCheck,   ///< Rings that can hear each other again find out.
  kMessage,      ///< A process multicasts what it made up some time before (arg: of the node's outbox).
  kKernelDone,   ///< The head of the node's kernel queue takes effect.
  kExpire,       ///< A lifetime is over (arg: VIP).
  kGuard,        ///< The guard has something to do.
  kStartDaemon,  ///< After a death.
  kStartGuard,
  kJoin,       ///< A process asks to join the group (arg: 0 daemon, 1 guard).
  kReconnect,  ///< And there again.
  kArp,        ///< An answer or a claim arrives (arg: of the node's frames).
  kFault,      ///< arg: of the schedule.
  kClient,     ///< The client resolves anew (arg: VIP).
  kQnetd,      ///< corosync-qnetd looks at its clients (arg 1: and will again).
  kCheck,      ///< The oracle looks.
};

struct Event {
  At at;
  std::uint64_t number;
  EventKind kind;
  std::uint8_t node;
  std::uint32_t arg;
  std::uint32_t generation;
};

class EventQueue {
 public:
  void push(At at, EventKind kind, int node = 0, std::uint32_t arg = 0, std::uint32_t generation = 0) {
    heap_.push_back({at, ++number_, kind, static_cast<std::uint8_t>(node), arg, generation});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] const Event& next() const { return heap_.front(); }
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event e = heap_.back();
    heap_.pop_back();
    return e;
  }
  /// Of the newest event.
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  static bool later(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.number > b.number; }
  std::vector<Event> heap_;
  std::uint64_t number_ = 0;
};

/// Who hears whom. [from][to]; the client and the routers are places of their own.
struct Wires {
  using Matrix = std::array<std::array<bool, kNodesMax>, kNodesMax>;
  Matrix ring{};
  Matrix lan{};
  std::array<bool, kNodesMax> client_hears{};                     ///< The client hears the node: answers, announcements.
  std::array<bool, kNodesMax> hears_client{};                     ///< The node hears the client: questions, connections.
  std::array<std::array<bool, kTargetsMax>, kNodesMax> target{};  ///< The node and the router hear each other.
  std::array<bool, kNodesMax> qnetd{};                            ///< The node and corosync-qnetd hear each other.

  Wires() {
    for (auto& row : ring) row.fill(true);
    for (auto& row : lan) row.fill(true);
    client_hears.fill(true);
    hears_client.fill(true);
    qnetd.fill(true);
    for (auto& row : target) row.fill(true);
  }
  [[nodiscard]] bool client_both(int node) const {
    return client_hears[static_cast<std::size_t>(node)] && hears_client[static_cast<std::size_t>(node)];
  }
  [[nodiscard]] bool ring_both(int a, int b) const {
    const auto i = static_cast<std::size_t>(a);
    const auto j = static_cast<std::size_t>(b);
    return ring[i][j] && ring[j][i];
  }
};

struct World {
  At now = 0;
  Prng chance{0};
  EventQueue queue;
  Wires wires;
  bool trace = false;
  At hiccup = 20 * kMs;  ///< How long a busy host keeps a process or Corosync waiting, at most.
  At waited = 0;         ///< What it made them wait so far.

  /// Uniform in [low, high).
  At between(At low, At high) { return high <= low ? low : low + static_cast<At>(chance.next() % static_cast<std::uint64_t>(high - low)); }
  bool one_in(std::uint32_t n) { return chance.below(n) == 0; }
  /// Sometimes, in [low, high): a busy host.
  At busy(At low, At high) {
    const At late = one_in(20'000) ? between(low, high) : 0;
    waited += late;
    return late;
  }
  void push(At delay, EventKind kind, int node = 0, std::uint32_t arg = 0, std::uint32_t generation = 0) {
    queue.push(now + delay, kind, node, arg, generation);
  }
};

}  // namespace fairlead::vip::sim
