// fairlead: pure
#include "lb/maglev.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/assert.h"

namespace fairlead::lb {
namespace {

constexpr std::array<std::uint32_t, 3> kSizes{4093, 16'381, 65'521};
constexpr std::size_t kPositionsPerServer = 100;
constexpr std::uint32_t kFree = 0xffff'ffff;

std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  std::uint64_t h = seed ^ 0xcbf2'9ce4'8422'2325ULL;  // FNV-1a, then mixed
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3ULL;
  return mix64(h ^ text.size());
}

struct Turn {
  const MaglevServer* server;
  std::uint32_t next;  ///< Position of its permutation to try next.
  std::uint32_t step;
  std::uint64_t credit;  ///< Takes a turn when it reaches the greatest weight.
};

}  // namespace

std::uint64_t server_key(std::string_view pool, std::string_view server, std::string_view address) {
  return hash_text(address, hash_text(server, hash_text(pool, 0)));
}

std::uint32_t maglev_size_for(std::size_t servers_configured) {
  for (const std::uint32_t size : kSizes) {
    if (servers_configured * kPositionsPerServer <= size) return size;
  }
  return kSizes.back();
}

std::vector<std::uint16_t> build_maglev(std::span<const MaglevServer> servers, std::uint32_t size) {
  FL_ASSERT(size > 2);
  std::vector<Turn> turns;
  std::uint64_t weight_max = 0;
  for (const MaglevServer& s : servers) {
    if (s.weight == 0) continue;
    const std::uint64_t h = mix64(s.key);
    turns.push_back({&s, static_cast<std::uint32_t>(h % size), static_cast<std::uint32_t>(mix64(h) % (size - 1) + 1), 0});
    weight_max = std::max<std::uint64_t>(weight_max, s.weight);
  }
  if (turns.empty()) return {};
  std::sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) {  // I1
    return std::tie(a.server->key, a.server->weight, a.server->index) < std::tie(b.server->key, b.server->weight, b.server->index);
  });

  for (Turn& turn : turns) turn.credit = weight_max - turn.server->weight;  // Everybody has a turn in the first round: no share is zero.

  std::vector<std::uint32_t> owner(size, kFree);
  for (std::uint32_t filled = 0; filled < size;) {
    for (Turn& turn : turns) {
      turn.credit += turn.server->weight;
      if (turn.credit < weight_max) continue;
      turn.credit -= weight_max;
      while (owner[turn.next] != kFree) turn.next = (turn.next + turn.step) % size;
      owner[turn.next] = turn.server->index;
      if (++filled == size) break;
    }
  }
  return {owner.begin(), owner.end()};
}

}  // namespace fairlead::lb
