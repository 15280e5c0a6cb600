// One non-blocking TCP socket that talks in messages, and the epoll set it lives in. Shared by both ends of the load.
//
// Edge-triggered and registered once, for reading and writing: a round trip costs one recv, one send and a share of an epoll_wait, so
// that the load side stays cheaper than any proxy it measures. A socket that uses up its turn is kept in a list and goes on after the
// others.
#pragma once

#include <cstdint>
#include <span>
#include <sys/epoll.h>
#include <vector>

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"
#include "bench/macro/message.h"

namespace fairlead::bench {

inline constexpr std::uint64_t kTurnBytes = 512 * 1024;
inline constexpr std::size_t kReceiveBytes = 128 * 1024;
inline constexpr std::size_t kEventsPerWait = 256;

/// Listening, non-blocking. Errors: as bind(2) and listen(2).
[[nodiscard]] Result<Fd> listen_on(const Endpoint& endpoint);
/// Non-blocking, TCP_NODELAY, connection under way. `source` with port 0 picks the address only. Errors: as socket(2), bind(2), connect(2).
[[nodiscard]] Result<Fd> start_connect(const Endpoint& target, const Endpoint* source);

struct Link {
  explicit Link(std::uint32_t magic) : reader(magic) {}
  Fd fd;
  MessageReader reader;
  MessageWriter writer;
  std::uint32_t generation = 0;  ///< Part of the epoll token: an event of an earlier socket in this slot is recognised.
};

enum class ReadOutcome : std::uint8_t { kMore, kDrained, kEof, kFailed, kNotOurs };
struct ReadProgress {
  ReadOutcome outcome = ReadOutcome::kDrained;
  std::uint64_t bytes = 0;
  int sys_errno = 0;
};

/// Bytes for recv(2), shared by all links of a loop: nothing stays in it between two calls.
std::span<std::byte> receive_buffer();
/// recv(2) once; the meaning of its answer. `until_end`: a hang-up was reported, so a short read is not the end.
ReadProgress receive_once(int fd, std::span<std::byte> into, bool until_end);

/// Reads at most one turn. `on_message(header, intact)` must not close the link.
template <class F>
ReadProgress receive_messages(Link& link, bool until_end, F&& on_message) {
  ReadProgress total;
  const auto buffer = receive_buffer();
  do {
    const ReadProgress one = receive_once(link.fd.get(), buffer, until_end);
    total.bytes += one.bytes;
    total.outcome = one.outcome;
    total.sys_errno = one.sys_errno;
    if (one.bytes > 0 && !link.reader.feed(buffer.first(one.bytes), on_message)) total.outcome = ReadOutcome::kNotOurs;
  } while (total.outcome == ReadOutcome::kMore && total.bytes < kTurnBytes);
  return total;
}

class Poller {
 public:
  [[nodiscard]] static Result<Poller> create();
  [[nodiscard]] Status add(int fd, std::uint64_t token);                  ///< Edge-triggered, in and out.
  [[nodiscard]] Status add_level_triggered(int fd, std::uint64_t token);  ///< In only: listeners, signals.
  /// Fills `events`; waits at most `timeout`, to the accuracy of the thread's timer slack. EINTR is zero events.
  [[nodiscard]] Result<std::span<epoll_event>> wait(std::span<epoll_event> events, Duration timeout);

 private:
  explicit Poller(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// Token of slot `index` at `generation`, and back.
constexpr std::uint64_t token_of(std::uint32_t index, std::uint32_t generation) { return std::uint64_t{generation} << 32 | index; }
constexpr std::uint32_t index_of(std::uint64_t token) { return static_cast<std::uint32_t>(token); }
constexpr std::uint32_t generation_of(std::uint64_t token) { return static_cast<std::uint32_t>(token >> 32); }

/// Timers of this thread expire within a microsecond of their time, not the 50 the kernel allows itself: for those who keep a rate.
void ask_for_exact_timers();

}  // namespace fairlead::bench
