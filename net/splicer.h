// Bulk directions: bytes go from socket to socket through a borrowed pipe, inside the kernel (splice(2)). Shared by both engines, which
// bring the readiness; this carries the bytes and decides when a direction is no longer worth a pipe.
//
// Invariants:
//   I1  A pipe returns to the stock only empty; one with bytes in it is closed with its link.
//   I2  At most `pipes_max` pipes exist, counting those in stock: each is two descriptors.
//   I3  Bytes leave in the order they came; an end of file is reported only after the last of them was taken by `to`.
// Rationale: plain splice(2) calls on readiness. IORING_OP_SPLICE always goes to a kernel worker thread.
// Threading: the engine's. SIGPIPE must be ignored or blocked: splice(2) to a broken socket raises it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/slab.h"
#include "net/io_engine.h"

namespace fairlead::net {

using LinkId = std::uint16_t;
inline constexpr LinkId kNoLink = 0xffff;
inline constexpr std::size_t kPipeBytes = 256 * 1024;

class Splicer {
 public:
  struct Link {
    SocketId from = kNoSocket;
    SocketId to = kNoSocket;
    int from_fd = -1;
    int to_fd = -1;
    int pipe[2] = {-1, -1};  ///< Read end, write end.
    std::uint32_t in_pipe = 0;
    std::uint8_t dull = 0;  ///< Pumps in a row that brought little.
    bool moved = false;     ///< Since the last sweep.
    bool eof = false;
    bool open = false;
    bool queued = false;  ///< In the engine's list of links with more to do.
  };
  struct Outcome {
    std::uint32_t moved = 0;  ///< Bytes taken by `to`.
    bool eof = false;         ///< Everything moved and `from` has ended.
    bool blocked = false;     ///< `to` is full: pump again when it is writable.
    bool more = false;        ///< The share of this turn is used up: pump again without waiting.
    bool dull = false;        ///< Not bulk any more, and the pipe is empty.
    int from_error = 0;
    int to_error = 0;
  };

  explicit Splicer(std::size_t pipes_max) : pipes_max_(pipes_max) {}
  ~Splicer();
  Splicer(const Splicer&) = delete;
  Splicer& operator=(const Splicer&) = delete;

  /// open() would find one, unless descriptors have run out.
  [[nodiscard]] bool has_pipe() const { return !stock_.empty() || pipes_ < pipes_max_; }
  /// kNoLink when no pipe is to be had.
  [[nodiscard]] LinkId open(SocketId from, int from_fd, SocketId to, int to_fd);
  void close(LinkId id);
  [[nodiscard]] Link& link(LinkId id) { return links_[id]; }
  /// Moves what can be moved now, within a share.
  [[nodiscard]] Outcome pump(LinkId id);
  /// Links that moved nothing since the last call and hold nothing: a paused stream needs no pipe.
  [[nodiscard]] std::vector<LinkId> sweep();
  [[nodiscard]] std::size_t open_links() const { return open_; }

 private:
  [[nodiscard]] bool borrow_pipe(Link& link);

  std::size_t pipes_max_;
  std::size_t pipes_ = 0;
  std::size_t open_ = 0;
  std::vector<Link> links_;
  struct Pipe {
    int read;
    int write;
  };
  std::vector<Pipe> stock_;
};

}  // namespace fairlead::net
