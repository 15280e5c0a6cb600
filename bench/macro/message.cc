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

ssize_t MessageWriter::send_some(int fd, const Header& front) const {
  constexpr std::uint64_t kCopyMax = 4096;
  if (sent_ == 0 && front.length <= kCopyMax) {
    // A short message as one piece: send(2) costs less than a vector of two, and both ends must stay cheaper than any proxy.
    std::byte whole[kCopyMax];
    std::memcpy(whole, &front, sizeof front);
    const auto body = Pattern::get().slice(sizeof front, front.length - sizeof front);
    std::memcpy(whole + sizeof front, body.data(), body.size());
    return ::send(fd, whole, static_cast<std::size_t>(front.length), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (sent_ >= sizeof(Header)) {
    const auto body = Pattern::get().slice(sent_, front.length - sent_);
    return ::send(fd, body.data(), body.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  const auto skip = static_cast<std::size_t>(sent_);
  const auto body = Pattern::get().slice(sizeof(Header), front.length - sizeof(Header));
  iovec parts[2] = {{const_cast<std::byte*>(reinterpret_cast<const std::byte*>(&front)) + skip, sizeof(Header) - skip},
                    {const_cast<std::byte*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

MessageWriter::Progress MessageWriter::flush(int fd, std::uint64_t budget) {
  Progress progress;
  while (!queue_.empty()) {
    const Header& front = queue_.front();
    const ssize_t n = send_some(fd, front);
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
