#include "net/buffer_ring.h"

#include <algorithm>
#include <bit>
#include <sys/mman.h>

namespace fairlead::net {
namespace {

constexpr std::size_t kScarce = 2;  ///< Published while the pool runs low.

}  // namespace

BufferRing::~BufferRing() {
  for (BufferIndex buffer = 0; buffer < in_ring_.size(); ++buffer) {
    if (in_ring_[buffer]) pool_.give_back(buffer);
  }
  pool_.set_parked(0);
  if (ring_ != nullptr) ::munmap(ring_, entries_ * sizeof(io_uring_buf));
}

Status BufferRing::open() {
  entries_ = std::bit_ceil(pool_.count());
  void* memory = ::mmap(nullptr, entries_ * sizeof(io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno_error("mmap of the buffer ring");
  ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(ring_);
  in_ring_.resize(pool_.count());
  return {};
}

Status BufferRing::register_with(io_uring& uring) {
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(ring_);
  registration.ring_entries = static_cast<unsigned>(entries_);
  registration.bgid = kGroup;
  const int rc = io_uring_register_buf_ring(&uring, &registration, 0);
  if (rc < 0) return errno_error("io_uring_register (buffer ring)", -rc);
  publish();
  return {};
}

std::size_t BufferRing::target() const {
  // At most a sixteenth of the pool (of a small one, half): the rest serves queues, and a block never published is never resident.
  const std::size_t limit = std::max(std::min(kPublishMin, pool_.count() / 2), pool_.count() / 16);
  // The last quarter is for sockets with nothing queued. One multishot receive takes all that lies in the ring before it can be turned off,
  // so of that quarter little lies there at a time.
  if (is_scarce()) return std::min(kScarce, limit);
  return std::min(wanted_, std::max<std::size_t>(1, limit));
}

void BufferRing::publish() {
  if (++quiet_turns_ >= kQuietTurns) {
    quiet_turns_ = 0;
    wanted_ = std::max(kPublishMin, wanted_ / 2);
  }
  const std::size_t goal = target();
  if (published_ >= goal) return;
  int added = 0;
  while (published_ < goal) {
    const BufferIndex buffer = pool_.take();
    if (buffer == kNoBuffer) break;
    io_uring_buf_ring_add(ring_, pool_.block(buffer), static_cast<unsigned>(pool_.block_bytes()), static_cast<unsigned short>(buffer),
                          io_uring_buf_ring_mask(static_cast<unsigned>(entries_)), added);
    in_ring_[buffer] = true;
    ++added;
    ++published_;
  }
  if (added > 0) io_uring_buf_ring_advance(ring_, added);
  pool_.set_parked(published_);
}

void BufferRing::met_empty() {
  quiet_turns_ = 0;
  if (!is_scarce()) wanted_ = std::min(wanted_ * 2, entries_);  // Too few were published.
}

}  // namespace fairlead::net
