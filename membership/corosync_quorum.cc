#include "membership/corosync_quorum.h"

#include <sys/socket.h>

#include <corosync/quorum.h>

#include "membership/corosync_error.h"

namespace fairlead::membership {

struct QuorumTrack::Callbacks {
  static void quorum(quorum_handle_t handle, std::uint32_t quorate, quorum_ring_id ring, std::uint32_t /*count*/,
                     const std::uint32_t* /*nodes*/) {
    const void* context = nullptr;
    if (quorum_context_get(handle, &context) != CS_OK || context == nullptr) return;
    static_cast<const QuorumTrack*>(context)->sink_->on_quorum({{NodeId{ring.nodeid}, ring.seq}, quorate != 0});
  }
  /// Not used: CPG tells the nodes of the ring in which messages are delivered (ViewBuilder I1).
  static void nodes(quorum_handle_t, quorum_ring_id, std::uint32_t, const std::uint32_t*, std::uint32_t, const std::uint32_t*,
                    std::uint32_t, const std::uint32_t*) {}
};

Result<std::unique_ptr<QuorumTrack>> QuorumTrack::open() {
  std::unique_ptr<QuorumTrack> self(new QuorumTrack);
  quorum_model_v1_data_t model{};
  model.model = QUORUM_MODEL_V1;
  model.quorum_notify_fn = &Callbacks::quorum;
  model.nodelist_notify_fn = &Callbacks::nodes;
  quorum_handle_t handle = 0;
  std::uint32_t type = QUORUM_FREE;
  cs_error_t rc = quorum_model_initialize(&handle, QUORUM_MODEL_V1, reinterpret_cast<quorum_model_data_t*>(&model), &type, self.get());
  if (rc != CS_OK) return corosync_error("quorum_model_initialize", rc);
  self->handle_ = handle;
  if (type != QUORUM_SET) return Error{Errc::kUnavailable, "corosync.conf has no quorum provider (corosync_votequorum)"};
  rc = quorum_fd_get(handle, &self->fd_);
  if (rc != CS_OK) return corosync_error("quorum_fd_get", rc);
  rc = quorum_trackstart(handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES);
  if (rc != CS_OK) return corosync_error("quorum_trackstart", rc);
  return self;
}

QuorumTrack::~QuorumTrack() {
  leave();
  if (handle_ != 0) quorum_finalize(handle_);
}

void QuorumTrack::leave() {
  if (loop_ != nullptr) loop_->remove(fd_);
  loop_ = nullptr;
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

Status QuorumTrack::watch(QbLoop& loop, QuorumSink& sink) {
  sink_ = &sink;
  Status watched = loop.add_readable(fd_, [this] { dispatch(); });
  if (watched) loop_ = &loop;
  return watched;
}

void QuorumTrack::dispatch() {
  for (int n = 0; n < kDispatchesPerTurn; ++n) {
    const cs_error_t rc = quorum_dispatch(handle_, CS_DISPATCH_ONE_NONBLOCKING);
    if (rc == CS_ERR_TRY_AGAIN) return;
    if (rc != CS_OK) {
      sink_->on_quorum_failed(corosync_error("quorum_dispatch", rc).context);
      return;
    }
  }
}

}  // namespace fairlead::membership
