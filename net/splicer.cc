#include "net/splicer.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace fairlead::net {
namespace {

constexpr std::uint32_t kSharePerPump = 1U << 20;  ///< Bytes before other sockets have their turn.
constexpr std::uint32_t kDullBytes = 16 * 1024;    ///< A pump below it counts as dull.
/// Dull pumps in a row before the direction goes back to buffers. Rationale: a sender that is paced brings little at a time for a while;
/// going back at the first short pump made a stream flip hundreds of times a second.
constexpr std::uint8_t kDullMax = 32;

}  // namespace

Splicer::~Splicer() {
  for (std::size_t id = 0; id < links_.size(); ++id) {
    if (links_[id].open) close(static_cast<LinkId>(id));
  }
  for (const Pipe& pipe : stock_) {
    ::close(pipe.read);
    ::close(pipe.write);
  }
}

bool Splicer::borrow_pipe(Link& link) {
  if (!stock_.empty()) {
    link.pipe[0] = stock_.back().read;
    link.pipe[1] = stock_.back().write;
    stock_.pop_back();
    return true;
  }
  if (pipes_ >= pipes_max_ || ::pipe2(link.pipe, O_NONBLOCK | O_CLOEXEC) != 0) return false;
  ++pipes_;
  (void)::fcntl(link.pipe[1], F_SETPIPE_SZ,
                static_cast<int>(kPipeBytes));  // Refused beyond the user's soft limit: the default then (pipe(7)).
  return true;
}

LinkId Splicer::open(SocketId from, int from_fd, SocketId to, int to_fd) {
  // `moved`: the sweep may be due at once, and a link that has just begun is not a silent one.
  Link link{.from = from, .to = to, .from_fd = from_fd, .to_fd = to_fd, .moved = true, .open = true};
  if (!borrow_pipe(link)) return kNoLink;
  ++open_;
  for (std::size_t id = 0; id < links_.size(); ++id) {
    if (links_[id].open) continue;
    links_[id] = link;
    return static_cast<LinkId>(id);
  }
  links_.push_back(link);
  return static_cast<LinkId>(links_.size() - 1);
}

void Splicer::close(LinkId id) {
  Link& link = links_[id];
  FL_DASSERT(link.open);
  if (link.in_pipe == 0) {  // I1
    stock_.push_back({link.pipe[0], link.pipe[1]});
  } else {
    ::close(link.pipe[0]);
    ::close(link.pipe[1]);
    --pipes_;
  }
  link.open = false;
  --open_;
}

Splicer::Outcome Splicer::pump(LinkId id) {
  Link& link = links_[id];
  Outcome out;
  // EAGAIN on the way in means "nothing to read" only while the pipe is empty: small segments fill its slots (one each) long before its
  // bytes. So it is asked again after every write; the last answer in any case comes with an empty pipe or a full `to`, and no edge is
  // lost.
  while (out.moved < kSharePerPump) {
    if (!link.eof && link.in_pipe < kPipeBytes) {
      const ssize_t n =
          ::splice(link.from_fd, nullptr, link.pipe[1], nullptr, kPipeBytes - link.in_pipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (n > 0) {
        link.in_pipe += static_cast<std::uint32_t>(n);
      } else if (n == 0) {
        link.eof = true;
      } else if (errno == EINTR) {
        continue;
      } else if (errno != EAGAIN) {
        out.from_error = errno;
        return out;
      }
    }
    if (link.in_pipe == 0) break;
    const ssize_t m = ::splice(link.pipe[0], nullptr, link.to_fd, nullptr, link.in_pipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (m < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN)
        out.blocked = true;
      else
        out.to_error = errno;
      break;
    }
    link.in_pipe -= static_cast<std::uint32_t>(m);
    out.moved += static_cast<std::uint32_t>(m);
  }
  link.moved = link.moved || out.moved > 0;
  if (out.to_error != 0) return out;
  out.eof = link.eof && link.in_pipe == 0;
  out.more = !out.eof && !out.blocked && out.moved >= kSharePerPump;
  if (out.moved >= kDullBytes || out.blocked)
    link.dull = 0;
  else if (link.dull < kDullMax)
    ++link.dull;
  out.dull = link.dull >= kDullMax && link.in_pipe == 0 && !link.eof;
  return out;
}

std::vector<LinkId> Splicer::sweep() {
  std::vector<LinkId> still;
  for (std::size_t id = 0; id < links_.size(); ++id) {
    Link& link = links_[id];
    if (!link.open) continue;
    if (!link.moved && link.in_pipe == 0 && !link.eof) still.push_back(static_cast<LinkId>(id));
    link.moved = false;
  }
  return still;
}

}  // namespace fairlead::net
