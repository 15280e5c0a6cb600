// fairlead: pure
// A small seeded generator (SplitMix64) for jitter, random_two and tests. Not for secrets.
#pragma once

#include <cstdint>

#include "base/ip_address.h"

namespace fairlead {

class Prng {
 public:
  explicit constexpr Prng(std::uint64_t seed) : state_(seed) {}
  constexpr std::uint64_t next() {
    const std::uint64_t out = mix64(state_);
    state_ += 0x9e3779b97f4a7c15ULL;
    return out;
  }
  /// Uniform in [0, bound); bound > 0.
  constexpr std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32); }

 private:
  std::uint64_t state_;
};

}  // namespace fairlead
