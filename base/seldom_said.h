// fairlead: pure
// For a line about something that may happen often.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
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

 private:
  static constexpr Duration kEach = std::chrono::seconds(60);
  std::optional<Instant> said_at_;
  std::uint64_t since_ = 0;
};

}  // namespace fairlead
