// fairlead: pure
#include "membership/outgoing_queue.h"

#include <algorithm>
#include <utility>

namespace fairlead::membership {
namespace {

constexpr std::size_t kSpareMax = 4;
constexpr std::size_t kSpareBytesMax = 4096;

}  // namespace

std::optional<std::uint64_t> replace_key(const ClusterMessage& message) {
  if (std::holds_alternative<Beat>(message)) return std::uint64_t{1} << 32;
  if (const auto* ack = std::get_if<BeatAck>(&message)) return to_number(ack->holder);
  if (std::holds_alternative<NodeDigest>(message)) return kDigestKey;
  return std::nullopt;
}

bool OutgoingQueue::push(std::span<const std::byte> message, std::optional<std::uint64_t> key) {
  if (key == kDigestKey) {
    digest_.assign(message.begin(), message.end());
    return true;
  }
  if (key) {
    const auto older = std::find_if(queue_.begin(), queue_.end(), [&](const Item& item) { return item.key == key; });
    if (older != queue_.end()) {
      bytes_ -= older->bytes.size();
      queue_.erase(older);
    }
  }
  if (queue_.size() == kQueuedMessagesMax || bytes_ + message.size() > kQueuedBytesMax) return false;
  Item item{{}, key};
  if (!spare_.empty()) {
    item.bytes = std::move(spare_.back());
    spare_.pop_back();
  }
  item.bytes.assign(message.begin(), message.end());
  bytes_ += message.size();
  queue_.push_back(std::move(item));
  return true;
}

std::span<const std::byte> OutgoingQueue::next() const {
  if (queue_.empty()) return in_flight_ == 0 ? digest_ : std::span<const std::byte>();
  return in_flight_ < kInFlightMax ? queue_.front().bytes : std::span<const std::byte>();
}

void OutgoingQueue::sent() {
  ++in_flight_;
  if (queue_.empty()) return digest_.clear();
  Item& item = queue_.front();
  bytes_ -= item.bytes.size();
  if (spare_.size() < kSpareMax && item.bytes.capacity() <= kSpareBytesMax) spare_.push_back(std::move(item.bytes));
  queue_.pop_front();
}

void OutgoingQueue::returned() {
  if (in_flight_ > 0) --in_flight_;
}

void OutgoingQueue::clear() {
  queue_.clear();
  digest_.clear();
  bytes_ = 0;
  in_flight_ = 0;
}

}  // namespace fairlead::membership
