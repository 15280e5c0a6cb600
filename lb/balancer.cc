// fairlead: pure
#include "lb/balancer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "lb/bounded_count.h"
#include "lb/maglev.h"

namespace fairlead::lb {
namespace {

constexpr int kRescans = 16;
// Positions of a rotation or Maglev table looked at before a plain walk over the servers, which needs one look at each.
constexpr std::uint32_t kProbes = 64;

std::uint32_t current_of(const RouteServer& server) { return server.counters->current.load(std::memory_order_relaxed); }

/// What a connection asks of a pool, together: keeps the helpers' signatures short.
struct Request {
  const RoutePool& pool;
  const TriedServers& tried;

  [[nodiscard]] bool is_candidate(std::uint16_t index) const {
    const RouteServer& s = pool.servers[index];
    return s.usable && s.weight > 0 && s.backup == pool.use_backups && !tried.contains(s.id);
  }
  [[nodiscard]] std::uint32_t next_turn() const { return pool.counters->cursor.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint16_t in_rotation(std::uint32_t turn) const { return pool.rotation[turn % pool.rotation.size()]; }
};

Pick taken(std::uint16_t server) { return {server, PickFailure::kNone}; }

// Looks at every server once, from `start` on. The last resort of every algorithm, and what tells kFull from kNoServer (I4).
Pick take_any(const Request& request, std::uint32_t start) {
  const auto count = static_cast<std::uint32_t>(request.pool.servers.size());
  bool candidates = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint16_t>((start + i) % count);
    if (!request.is_candidate(index)) continue;
    candidates = true;
    if (acquire(request.pool.servers[index])) return taken(index);
  }
  return {0, candidates ? PickFailure::kFull : PickFailure::kNoServer};
}

Pick pick_round_robin(const Request& request) {
  if (request.pool.rotation.empty()) return take_any(request, 0);
  // A server passed over costs a turn, so that its share falls to all others and not to its successor alone.
  const auto probes = std::min<std::size_t>(kProbes, request.pool.rotation.size() * 2);
  std::uint16_t index = 0;
  for (std::size_t i = 0; i < probes; ++i) {
    index = request.in_rotation(request.next_turn());
    if (request.is_candidate(index) && acquire(request.pool.servers[index])) return taken(index);
  }
  return take_any(request, index);
}

// current / weight as a fraction. Weights are at most 2^32 - 1 and counts too: products fit 64 bits.
struct Load {
  std::uint32_t current;
  std::uint32_t weight;
  [[nodiscard]] bool less_than(const Load& other) const {
    return std::uint64_t{current} * other.weight < std::uint64_t{other.current} * weight;
  }
  [[nodiscard]] bool same_as(const Load& other) const {
    return std::uint64_t{current} * other.weight == std::uint64_t{other.current} * weight;
  }
};
Load load_of(const RouteServer& server) { return {current_of(server), server.weight}; }

struct Least {
  std::uint16_t index = 0;
  Load load{0, 0};
  std::uint32_t equals = 0;  ///< How many are as little loaded; 0 = none to be had.
};

bool has_room(const RouteServer& server, std::uint32_t current) { return server.max_connections == 0 || current < server.max_connections; }

Least find_least(const Request& request) {
  Least least;
  const auto count = static_cast<std::uint16_t>(request.pool.servers.size());
  for (std::uint16_t i = 0; i < count; ++i) {
    if (!request.is_candidate(i)) continue;
    const Load load = load_of(request.pool.servers[i]);
    if (!has_room(request.pool.servers[i], load.current)) continue;
    if (least.equals == 0 || load.less_than(least.load)) {
      least = {i, load, 1};
    } else if (load.same_as(least.load)) {
      ++least.equals;
    }
  }
  return least;
}

// Among several as little loaded as `least`: the first in the rotation from the cursor.
Least break_tie(const Request& request, const Least& least) {
  if (least.equals < 2 || request.pool.rotation.empty()) return least;
  const std::uint32_t turn = request.next_turn();
  const auto probes = std::min<std::size_t>(kProbes, request.pool.rotation.size());
  for (std::uint32_t i = 0; i < probes; ++i) {
    const std::uint16_t index = request.in_rotation(turn + i);
    if (!request.is_candidate(index)) continue;
    const RouteServer& server = request.pool.servers[index];
    const Load load = load_of(server);
    if (load.same_as(least.load) && has_room(server, load.current)) return {index, load, 1};
  }
  return least;
}

Pick pick_least_connections(const Request& request) {
  Least chosen;
  for (int scan = 0; scan < kRescans; ++scan) {
    const Least least = find_least(request);
    if (least.equals == 0) break;
    chosen = break_tie(request, least);
    ServerCounters& counters = *request.pool.servers[chosen.index].counters;
    std::uint32_t expected = chosen.load.current;
    if (counters.current.compare_exchange_strong(expected, expected + 1, std::memory_order_relaxed)) {  // I3
      counters.total.fetch_add(1, std::memory_order_relaxed);
      return taken(chosen.index);
    }
  }
  return take_any(request, chosen.index);
}

Pick pick_random_two(const Request& request, Prng& prng) {
  const auto length = static_cast<std::uint32_t>(request.pool.rotation.size());
  if (length == 0) return take_any(request, 0);
  std::array<std::uint16_t, 2> found{};
  std::size_t count = 0;
  constexpr int kDraws = 16;  // A weighted draw may hit the same server, or tried ones, for a while.
  for (int draw = 0; draw < kDraws && count < found.size(); ++draw) {
    const std::uint16_t index = request.pool.rotation[prng.below(length)];
    if (!request.is_candidate(index) || (count == 1 && index == found[0])) continue;
    found[count++] = index;
  }
  if (count == 2 && load_of(request.pool.servers[found[1]]).less_than(load_of(request.pool.servers[found[0]])))
    std::swap(found[0], found[1]);
  for (std::size_t i = 0; i < count; ++i) {
    if (acquire(request.pool.servers[found[i]])) return taken(found[i]);
  }
  return take_any(request, prng.below(static_cast<std::uint32_t>(request.pool.servers.size())));
}

Pick pick_source_hash(const Request& request, const IpAddress& client) {
  const auto& table = request.pool.maglev;
  if (table.empty()) return take_any(request, 0);
  std::size_t position = maglev_position(table, client);
  const std::uint16_t home = table[position];
  std::uint16_t passed = std::numeric_limits<std::uint16_t>::max();
  for (std::uint32_t i = 0; i < kProbes; ++i, position = position + 1 == table.size() ? 0 : position + 1) {
    const std::uint16_t index = table[position];
    if (index == passed) continue;
    if (request.is_candidate(index) && acquire(request.pool.servers[index])) return taken(index);
    passed = index;
  }
  return take_any(request, home);
}

}  // namespace

std::string_view to_string(PickFailure failure) {
  switch (failure) {
    case PickFailure::kNone: return "none";
    case PickFailure::kNoServer: return "no_server";
    case PickFailure::kFull: return "servers_full";
  }
  return "unknown";
}

Pick pick(const RoutePool& pool, const IpAddress& client, const TriedServers& tried, Prng& prng) {
  if (pool.servers.empty() || tried.full()) return {0, PickFailure::kNoServer};
  const Request request{pool, tried};
  switch (pool.balance) {
    case config::Balance::kRoundRobin: return pick_round_robin(request);
    case config::Balance::kLeastConnections: return pick_least_connections(request);
    case config::Balance::kRandomTwo: return pick_random_two(request, prng);
    case config::Balance::kSourceHash: return pick_source_hash(request, client);
  }
  return {0, PickFailure::kNoServer};
}

bool acquire(const RouteServer& server) {
  if (!try_take(server.counters->current, server.max_connections)) return false;
  server.counters->total.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void release(const RouteServer& server) { give_back(server.counters->current); }

}  // namespace fairlead::lb
