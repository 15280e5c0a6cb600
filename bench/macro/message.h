// What the load generator and its backend say to each other, and how each proves that it got exactly what was sent.
//
//   message = header (32 bytes) + body; a request names the length of the reply it wants, a reply repeats the request's tag.
//   A request with kFlagWatch is answered by events, each as a reply of that length whose tag is one higher than the last one's, until
//   an ordinary request comes on the same connection: its reply stands behind the last event.
//   A request with kFlagHoldEvents or kFlagGoOn is answered like any other; from then on the backend sends no events, or does again.
//   body byte at message offset o = pattern[o % kPeriod]
//
// Invariants:
//   I1  A lost, doubled, swapped or foreign piece of any size is found: by the body's bytes, by the next header's magic, by the tag.
//   I2  Messages up to kFullCheckMax are compared byte by byte; longer ones at one word in each 4 KiB of the message (a lost or moved
//       piece shifts every word after it), so that checking gigabytes costs the load side little.
// Both sides run on one machine: integers are in host order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <sys/types.h>

namespace fairlead::bench {

inline constexpr std::uint32_t kRequestMagic = 0x31514c46;  // "FLQ1"
inline constexpr std::uint32_t kReplyMagic = 0x31524c46;    // "FLR1"
inline constexpr std::uint32_t kFlagDamaged = 1;            ///< In a reply: the request's body was not what the pattern says.
inline constexpr std::uint32_t kFlagWatch = 2;              ///< In a request: send events.
inline constexpr std::uint32_t kFlagHoldEvents = 4;         ///< In a request: send nobody any.
inline constexpr std::uint32_t kFlagGoOn = 8;               ///< In a request: send them again.
inline constexpr std::uint64_t kEventTag = 1ULL << 63;      ///< In the tags of a watch, so that no reply is taken for an event.
inline constexpr std::uint64_t kFullCheckMax = 64 * 1024;
inline constexpr std::uint64_t kMessageMax = 1ULL << 32;

struct Header {
  std::uint32_t magic = 0;
  std::uint32_t flags = 0;
  std::uint64_t length = 0;        ///< Of this message, header included.
  std::uint64_t reply_length = 0;  ///< Wanted (request); 0 in a reply.
  std::uint64_t tag = 0;
};
static_assert(sizeof(Header) == 32);

/// The stream all bodies are cut from; one copy per process, read only.
class Pattern {
 public:
  static constexpr std::size_t kPeriod = 1048573;  // a prime: no power-of-two sized loss keeps the phase
  static constexpr std::size_t kSliceMax = 256 * 1024;

  [[nodiscard]] static const Pattern& get();
  /// The bytes at message offset `offset`: at most `want`, at most kSliceMax.
  [[nodiscard]] std::span<const std::byte> slice(std::uint64_t offset, std::uint64_t want) const {
    return {bytes_ + offset % kPeriod, static_cast<std::size_t>(std::min<std::uint64_t>(want, kSliceMax))};
  }
  /// Whether `piece` is what stands at `offset` of a message of `length` bytes (see I2).
  [[nodiscard]] bool matches(std::uint64_t offset, std::span<const std::byte> piece, std::uint64_t length) const;

 private:
  Pattern();
  std::byte bytes_[kPeriod + kSliceMax]{};
};

/// Cuts a byte stream into messages and checks their bodies. Feed it what recv(2) gave.
class MessageReader {
 public:
  explicit MessageReader(std::uint32_t magic) : magic_(magic) {}

  /// Calls `on_message(header, intact)` at each message's last byte. False: the stream is not ours any more (wrong magic or length).
  template <class F>
  [[nodiscard]] bool feed(std::span<const std::byte> in, F&& on_message) {
    while (!in.empty()) {
      if (have_ < sizeof(Header)) {
        const std::size_t n = std::min(in.size(), static_cast<std::size_t>(sizeof(Header) - have_));
        std::memcpy(reinterpret_cast<std::byte*>(&header_) + have_, in.data(), n);
        have_ += n;
        in = in.subspan(n);
        if (have_ < sizeof(Header)) return true;
        if (header_.magic != magic_ || header_.length < sizeof(Header) || header_.length > kMessageMax) return false;
      }
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), header_.length - have_));
      if (n > 0) {
        intact_ = Pattern::get().matches(have_, in.first(n), header_.length) && intact_;
        have_ += n;
        in = in.subspan(n);
      }
      if (have_ == header_.length) {
        const Header done = header_;
        const bool intact = intact_;
        have_ = 0;
        intact_ = true;
        on_message(done, intact);
      }
    }
    return true;
  }
  /// Bytes of a message whose end has not come yet.
  [[nodiscard]] std::uint64_t partial() const { return have_; }

 private:
  std::uint32_t magic_;
  Header header_;
  std::uint64_t have_ = 0;
  bool intact_ = true;
};

/// Messages on their way out. Their bodies are never copied: they are sent from the pattern.
class MessageWriter {
 public:
  enum class Outcome : std::uint8_t { kDone, kBlocked, kBudget, kFailed };
  struct Progress {
    Outcome outcome = Outcome::kDone;
    std::uint64_t bytes = 0;
    int sys_errno = 0;
  };
  void add(const Header& header) { queue_.push_back(header); }
  [[nodiscard]] bool empty() const { return queue_.empty(); }
  /// Sends until all is sent, the socket is full, or `budget` bytes went out (others want a turn).
  [[nodiscard]] Progress flush(int fd, std::uint64_t budget);

 private:
  [[nodiscard]] ssize_t send_some(int fd, const Header& front) const;

  std::deque<Header> queue_;
  std::uint64_t sent_ = 0;  ///< Of queue_.front().
};

}  // namespace fairlead::bench
