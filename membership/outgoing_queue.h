// fairlead: pure
// What this process has to tell the group and Corosync does not take yet.
//
// Why it is needed: cpg_mcast_joined answers CS_ERR_TRY_AGAIN while the ring is re-formed, and it must not be called at all when Corosync
// does not run: each message also writes a byte to a socket, and libqb tries that again and again, without a pause, once the socket is
// full (about 280 bytes). So messages are counted until they are delivered back to this process, and only so many may be on their way.
//
// Invariants:
//   I1  Messages leave in the order they came, but for beats, acknowledgements and digests: a newer one takes its older one out (only the
//       newest counts).
//   I2  Nothing else is dropped: at the bound push() says so and the caller gives up Corosync.
//   I3  Not more than kInFlightMax messages are sent and not yet delivered back.
//   I4  A digest, which is large and for people, leaves only when nothing of ours waits or is on its way: no beat waits for one.
// Threading: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/cluster_message.h"

namespace fairlead::membership {

inline constexpr std::size_t kQueuedMessagesMax = 256;
inline constexpr std::size_t kQueuedBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kInFlightMax = 64;

/// The one of digests.
inline constexpr std::uint64_t kDigestKey = std::uint64_t{2} << 32;
/// Messages with equal keys replace each other; nothing for a message that must not be lost.
[[nodiscard]] std::optional<std::uint64_t> replace_key(const ClusterMessage& message);

class OutgoingQueue {
 public:
  /// False at the bound: nothing was added. A digest always finds its place.
  [[nodiscard]] bool push(std::span<const std::byte> message, std::optional<std::uint64_t> key);

  /// What to send next; empty when there is nothing or too much is on its way. Valid until the next call.
  [[nodiscard]] std::span<const std::byte> next() const;
  void sent();      ///< next() was taken by Corosync.
  void returned();  ///< One of ours was delivered.
  void clear();     ///< Corosync is lost, and with it what was on its way.

  [[nodiscard]] std::size_t waiting() const { return queue_.size() + (digest_.empty() ? 0 : 1); }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

 private:
  struct Item {
    std::vector<std::byte> bytes;
    std::optional<std::uint64_t> key;
  };
  std::deque<Item> queue_;
  std::vector<std::byte> digest_;              ///< Empty: none waits.
  std::vector<std::vector<std::byte>> spare_;  ///< Memory of beats that were sent.
  std::size_t bytes_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace fairlead::membership
