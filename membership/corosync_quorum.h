// Quorum's word on each ring (libquorum, model v1).
//
// What may block: open() waits for Corosync's answers, and the destructor gives shared memory back: a helper thread's work. The rest
// returns at once.
// Threading: open() and the destructor on any thread; the rest on the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/qb_loop.h"
#include "base/result.h"
#include "membership/view_builder.h"

namespace fairlead::membership {

class QuorumSink {
 public:
  virtual ~QuorumSink() = default;
  virtual void on_quorum(const QuorumChange& change) = 0;
  /// Corosync hung up or the handle is broken: destroy the track.
  virtual void on_quorum_failed(const std::string& reason) = 0;
};

class QuorumTrack {
 public:
  static constexpr int kDispatchesPerTurn = 16;

  /// Errors: kUnavailable (no Corosync, not yet, or without a quorum provider), kPermission.
  [[nodiscard]] static Result<std::unique_ptr<QuorumTrack>> open();
  ~QuorumTrack();
  QuorumTrack(const QuorumTrack&) = delete;
  QuorumTrack& operator=(const QuorumTrack&) = delete;

  /// Both outlive this object. The sink may destroy it in on_quorum_failed() only.
  [[nodiscard]] Status watch(QbLoop& loop, QuorumSink& sink);
  /// Takes in what is there. The loop calls it, and whoever needs quorum's word now.
  void dispatch();
  /// No more calls to the sink; only the destructor is left to call.
  void leave();

 private:
  struct Callbacks;
  QuorumTrack() = default;

  std::uint64_t handle_ = 0;
  int fd_ = -1;
  QbLoop* loop_ = nullptr;
  QuorumSink* sink_ = nullptr;
};

}  // namespace fairlead::membership
