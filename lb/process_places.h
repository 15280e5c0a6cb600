// fairlead: pure
// How many connections the process may have: each takes two descriptors, and a reserve stays for control, checks, admin and accept.
// Threading: any worker; one relaxed atomic, touched once when a connection begins and once when it ends.
#pragma once

#include <atomic>
#include <cstdint>

namespace fairlead::lb {

class ProcessPlaces {
 public:
  explicit ProcessPlaces(std::uint32_t limit) : limit_(limit) {}

  /// False at the limit. The count passes it for an instant, the number of admitted connections never does.
  [[nodiscard]] bool take() {
    if (current_.fetch_add(1, std::memory_order_relaxed) < limit_.load(std::memory_order_relaxed)) return true;
    give_back();
    return false;
  }
  void give_back() { current_.fetch_sub(1, std::memory_order_relaxed); }
  void set_limit(std::uint32_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t current() const { return current_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> current_{0};
  std::atomic<std::uint32_t> limit_;
};

}  // namespace fairlead::lb
