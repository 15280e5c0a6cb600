// fairlead: pure
// The frames of a WebSocket's client (RFC 6455 5.2), counted in its bytes as they begin. A library counts messages: of continuation frames,
// which may be empty, it puts any number together to one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace fairlead::admin {

class FrameCounter {
 public:
  /// How many frames begin in these bytes, which follow those of the call before. A close frame is none: it is the end.
  [[nodiscard]] std::size_t begun_in(std::span<const std::byte> bytes) {
    std::size_t frames = 0;
    while (!bytes.empty()) {
      if (skip_ > 0) {
        const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
        skip_ -= skipped;
        bytes = bytes.subspan(skipped);
        continue;
      }
      head_[head_size_++] = std::to_integer<std::uint8_t>(bytes.front());
      bytes = bytes.subspan(1);
      if (head_size_ == 1 && (head_[0] & 15U) != kClose) ++frames;
      if (head_size_ == head_bytes()) end_head();
    }
    return frames;
  }

 private:
  static constexpr std::uint8_t kClose = 8;
  static constexpr std::uint64_t kMaskBytes = 4;

  /// Up to the end of the length; as long as only one byte is there, at least two.
  [[nodiscard]] std::size_t head_bytes() const {
    if (head_size_ < 2) return 2;
    const unsigned length = head_[1] & 127U;
    return length == 127U ? 10 : length == 126U ? 4 : 2;
  }

  void end_head() {
    std::uint64_t length = head_[1] & 127U;
    if (head_size_ > 2) {
      length = 0;
      for (std::size_t i = 2; i < head_size_; ++i) length = length << 8U | head_[i];
    }
    const std::uint64_t mask = (head_[1] & 128U) != 0 ? kMaskBytes : 0;
    skip_ = std::min(length, std::numeric_limits<std::uint64_t>::max() - mask) + mask;
    head_size_ = 0;
  }

  std::array<std::uint8_t, 10> head_{};
  std::size_t head_size_ = 0;
  std::uint64_t skip_ = 0;  ///< Of mask and payload: bytes still to come.
};

}  // namespace fairlead::admin
