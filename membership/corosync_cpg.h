// This process in one CPG group: what is delivered to it, and what it sends. Needs neither quorum nor cmap.
//
// What may block: join() waits for Corosync's answers, for ever when Corosync is stopped (SIGSTOP) or starved: a helper thread's work.
// Everything else does not wait for Corosync:
//   dispatch  reads what is there (CS_DISPATCH_ONE_NONBLOCKING), at most kDispatchesPerTurn events, then the loop has its turn. It runs
//             whatever the owner does: Corosync keeps for a client what the client does not read.
//   send()    copies into shared memory and writes one byte to a socket. Corosync not reading, that socket fills and libqb spins on it:
//             the caller keeps to OutgoingQueue's kInFlightMax.
//   leave()   shuts the socket down. The others see a dead process (PROCDOWN); what was sent last may get lost: wait for its delivery.
//   destructor  cpg_finalize() asks Corosync and waits for the answer. After leave() it finds a dead connection instead, but giving the
//             shared memory back still takes some 10 ms and more: the helper thread's work, too.
// Threading: join() and the destructor on any thread; the rest on the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/qb_loop.h"
#include "base/result.h"
#include "membership/view_builder.h"

namespace fairlead::membership {

class CpgSink {
 public:
  virtual ~CpgSink() = default;
  virtual void on_group(const GroupChange& change) = 0;
  virtual void on_ring(const RingChange& change) = 0;
  virtual void on_bytes(const ClusterProcess& from, std::span<const std::byte> bytes) = 0;
  /// After each turn in which something was delivered.
  virtual void on_turn_done() = 0;
  /// Corosync hung up or the handle is broken: destroy the group.
  virtual void on_cpg_failed(const std::string& reason) = 0;
};

enum class SendOutcome : std::uint8_t { kSent, kTryAgain, kFailed };

class CpgGroup {
 public:
  static constexpr int kDispatchesPerTurn = 64;

  /// Errors: kUnavailable (no Corosync, or not yet), kPermission.
  [[nodiscard]] static Result<std::unique_ptr<CpgGroup>> join(const std::string& group);
  ~CpgGroup();
  CpgGroup(const CpgGroup&) = delete;
  CpgGroup& operator=(const CpgGroup&) = delete;

  [[nodiscard]] ClusterProcess self() const { return self_; }
  /// Starts delivering. Both outlive this object; the sink may destroy it in on_turn_done() and on_cpg_failed() only.
  [[nodiscard]] Status watch(QbLoop& loop, CpgSink& sink);
  [[nodiscard]] SendOutcome send(std::span<const std::byte> message);
  /// Out of the group, at once. No more calls to the sink; only the destructor is left to call.
  void leave();

 private:
  struct Callbacks;  // Corosync's C callbacks.
  CpgGroup() = default;
  void dispatch();

  std::uint64_t handle_ = 0;
  int fd_ = -1;  ///< Corosync's.
  ClusterProcess self_;
  QbLoop* loop_ = nullptr;
  CpgSink* sink_ = nullptr;
};

}  // namespace fairlead::membership
