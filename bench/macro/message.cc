#include "bench/macro/message.h"

#include <cerrno>
#include <memory>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/prng.h"

namespace fairlead::bench {

Pattern::Pattern() {
  Prng prng(/*seed=*/20240607);
  for (std::size_t i = 0; i < kPeriod; i += sizeof(std::uint64_t)) {
    const std::uint64_t word = prng.next();
    std::memcpy(bytes_ + i, &word, std::min(sizeof word, kPeriod - i));
  }
  std::memcpy(bytes_ + kPeriod, bytes_, kSliceMax);
}

const Pattern& Pattern::get() {
  static const std::unique_ptr<const Pattern> pattern(new Pattern);
  return *pattern;
}

bool Pattern::matches(std::uint64_t offset, std::span<const std::byte> piece, std::uint64_t length) const {
  constexpr std::uint64_t kStride = 4096;
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  if (length > kFullCheckMax) {
    for (std::uint64_t at = (kStride - offset % kStride) % kStride; at + kWord <= piece.size(); at += kStride) {
      if (std::memcmp(piece.data() + at, bytes_ + (offset + at) % kPeriod, kWord) != 0) return false;
    }
    return true;
  }
  while (!piece.empty()) {
    const auto want = slice(offset, piece.size());
    if (std::memcmp(piece.data(), want.data(), want.size()) != 0) return false;
    offset += want.size();
    piece = piece.subspan(want.size());
  }
  return true;
}

MessageWriter::Progress MessageWriter::flush(int fd, std::uint64_t budget) {
  Progress progress;
  while (!queue_.empty()) {
    const Header& front = queue_.front();
    // Header and the first of the body leave in one call, so that a short message is one segment.
    iovec parts[2];
    std::size_t count = 0;
    std::uint64_t body_at = sent_;
    if (sent_ < sizeof(Header)) {
      const auto skip = static_cast<std::size_t>(sent_);
      parts[count++] = {const_cast<Header*>(&front), sizeof(Header)};
      parts[0].iov_base = static_cast<std::byte*>(parts[0].iov_base) + skip;
      parts[0].iov_len -= skip;
      body_at = sizeof(Header);
    }
    if (body_at < front.length) {
      const auto body = Pattern::get().slice(body_at, front.length - body_at);
      parts[count++] = {const_cast<std::byte*>(body.data()), body.size()};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t n = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      progress.sys_errno = errno;
      progress.outcome = errno == EAGAIN ? Outcome::kBlocked : Outcome::kFailed;
      return progress;
    }
    sent_ += static_cast<std::uint64_t>(n);
    progress.bytes += static_cast<std::uint64_t>(n);
    if (sent_ == front.length) {
      queue_.pop_front();
      sent_ = 0;
    }
    if (progress.bytes >= budget && !queue_.empty()) {
      progress.outcome = Outcome::kBudget;
      return progress;
    }
  }
  return progress;
}

}  // namespace fairlead::bench
