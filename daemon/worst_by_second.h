// fairlead: pure
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fairlead::daemon {

/// The worst value of each of the last seconds, for who asks now and then and wants to know when it was.
class WorstBySecond {
 public:
  static constexpr std::size_t kSeconds = 20;

  /// `second`: of the daemon's life; not before the newest.
  void add(std::uint32_t value, std::uint64_t second) {
    if (worst_.empty()) newest_ = second;
    const std::uint64_t news = worst_.empty() ? 1 : std::min<std::uint64_t>(second - newest_, kSeconds);
    worst_.insert(worst_.end(), news, 0);
    if (worst_.size() > kSeconds) worst_.erase(worst_.begin(), worst_.end() - kSeconds);
    newest_ = second;
    worst_.back() = std::max(worst_.back(), value);
  }
  /// By second without a gap, the newest last.
  [[nodiscard]] const std::vector<std::uint32_t>& values() const { return worst_; }

 private:
  std::vector<std::uint32_t> worst_;
  std::uint64_t newest_ = 0;
};

}  // namespace fairlead::daemon
