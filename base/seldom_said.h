// fairlead: pure
// For a line about something that may happen often.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"

namespace fairlead {

/// Once a minute, with how often it has happened since the line before.
class SeldomSaid {
 public:
  /// It happened again. The count to say now; nothing: not yet.
  [[nodiscard]] std::optional<std::uint64_t> again(Instant now) {
    ++since_;
    if (said_at_ && now - *said_at_ < kEach) return std::nullopt;
    said_at_ = now;
    return std::exchange(since_, 0);
  }
  /// Nothing was said for so long that the next time will be.
  [[nodiscard]] bool is_over(Instant now) const { return !said_at_ || now - *said_at_ >= kEach; }

 private:
  static constexpr Duration kEach = std::chrono::seconds(60);
  std::optional<Instant> said_at_;
  std::uint64_t since_ = 0;
};

/// Likewise for each of those who do it, so that one who does it all the time hides nobody. `known_max` are told apart; who comes beyond
/// them counts as one. Those whose time is over make room, and what they did since their last line is forgotten.
class SeldomSaidBy {
 public:
  static constexpr std::size_t kKnownMax = 64;
  explicit SeldomSaidBy(std::size_t known_max = kKnownMax) : known_max_(known_max) {}

  [[nodiscard]] std::optional<std::uint64_t> again(const std::string& who, Instant now) {
    auto found = known_.find(who);
    if (found == known_.end()) {
      if (known_.size() == known_max_) std::erase_if(known_, [now](const auto& one) { return one.second.is_over(now); });
      if (known_.size() == known_max_) return others_.again(now);
      found = known_.try_emplace(who).first;
    }
    return found->second.again(now);
  }

 private:
  std::size_t known_max_;
  std::map<std::string, SeldomSaid> known_;
  SeldomSaid others_;
};

}  // namespace fairlead
