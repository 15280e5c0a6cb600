#include "membership/corosync_cpg.h"

#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

#include <corosync/cpg.h>

#include "membership/corosync_error.h"

namespace fairlead::membership {
namespace {

std::vector<GroupPart> parts_of(const cpg_address* list, std::size_t count) {
  std::vector<GroupPart> out;
  for (std::size_t i = 0; i < count; ++i) {
    const bool known = list[i].reason <= static_cast<std::uint32_t>(GroupReason::kProcessDown);
    out.push_back({{NodeId{list[i].nodeid}, list[i].pid}, known ? static_cast<GroupReason>(list[i].reason) : GroupReason::kUndefined});
  }
  return out;
}

}  // namespace

struct CpgGroup::Callbacks {
  static CpgGroup* owner(cpg_handle_t handle) {
    void* context = nullptr;
    return cpg_context_get(handle, &context) == CS_OK ? static_cast<CpgGroup*>(context) : nullptr;
  }
  static void deliver(cpg_handle_t handle, const cpg_name* /*group*/, std::uint32_t node, std::uint32_t pid, void* bytes,
                      std::size_t length) {
    if (CpgGroup* self = owner(handle)) { self->sink_->on_bytes({NodeId{node}, pid}, {static_cast<const std::byte*>(bytes), length}); }
  }
  static void members(cpg_handle_t handle, const cpg_name* /*group*/, const cpg_address* members, std::size_t member_count,
                      const cpg_address* left, std::size_t left_count, const cpg_address* joined, std::size_t joined_count) {
    CpgGroup* self = owner(handle);
    if (self == nullptr) return;
    GroupChange change{{}, parts_of(left, left_count), parts_of(joined, joined_count)};
    for (std::size_t i = 0; i < member_count; ++i) change.members.push_back({NodeId{members[i].nodeid}, members[i].pid});
    self->sink_->on_group(change);
  }
  static void ring(cpg_handle_t handle, cpg_ring_id id, std::uint32_t count, const std::uint32_t* nodes) {
    CpgGroup* self = owner(handle);
    if (self == nullptr) return;
    RingChange change{{NodeId{id.nodeid}, id.seq}, {}};
    for (std::uint32_t i = 0; i < count; ++i) change.nodes.push_back(NodeId{nodes[i]});
    self->sink_->on_ring(change);
  }
};

Result<std::unique_ptr<CpgGroup>> CpgGroup::join(const std::string& group) {
  cpg_name name{};
  if (group.size() > sizeof name.value) return Error{Errc::kInvalidArgument, "group name is too long"};
  name.length = static_cast<std::uint32_t>(group.size());
  std::memcpy(name.value, group.data(), group.size());

  std::unique_ptr<CpgGroup> self(new CpgGroup);
  cpg_model_v1_data_t model{};
  model.model = CPG_MODEL_V1;
  model.cpg_deliver_fn = &Callbacks::deliver;
  model.cpg_confchg_fn = &Callbacks::members;
  model.cpg_totem_confchg_fn = &Callbacks::ring;
  model.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF;
  cpg_handle_t handle = 0;
  cs_error_t rc = cpg_model_initialize(&handle, CPG_MODEL_V1, reinterpret_cast<cpg_model_data_t*>(&model), self.get());
  if (rc != CS_OK) return corosync_error("cpg_model_initialize", rc);
  self->handle_ = handle;
  rc = cpg_fd_get(handle, &self->fd_);
  if (rc != CS_OK) return corosync_error("cpg_fd_get", rc);
  unsigned node = 0;
  rc = cpg_local_get(handle, &node);
  if (rc != CS_OK) return corosync_error("cpg_local_get", rc);
  self->self_ = {NodeId{node}, static_cast<std::uint32_t>(::getpid())};
  rc = cpg_join(handle, &name);
  if (rc != CS_OK) return corosync_error("cpg_join", rc);
  return self;
}

CpgGroup::~CpgGroup() {
  leave();
  if (handle_ != 0) cpg_finalize(handle_);
}

void CpgGroup::leave() {
  if (loop_ != nullptr) loop_->remove(fd_);
  loop_ = nullptr;
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

Status CpgGroup::watch(QbLoop& loop, CpgSink& sink) {
  sink_ = &sink;
  Status watched = loop.add_readable(fd_, [this] { dispatch(); });
  if (watched) loop_ = &loop;
  return watched;
}

SendOutcome CpgGroup::send(std::span<const std::byte> message) {
  iovec part{};
  part.iov_base = const_cast<std::byte*>(message.data());  // Read only.
  part.iov_len = message.size();
  switch (cpg_mcast_joined(handle_, CPG_TYPE_AGREED, &part, 1)) {
    case CS_OK: return SendOutcome::kSent;
    case CS_ERR_TRY_AGAIN: return SendOutcome::kTryAgain;
    default: return SendOutcome::kFailed;
  }
}

void CpgGroup::dispatch() {
  for (int n = 0; n < kDispatchesPerTurn; ++n) {
    const cs_error_t rc = cpg_dispatch(handle_, CS_DISPATCH_ONE_NONBLOCKING);
    if (rc == CS_ERR_TRY_AGAIN) break;
    if (rc != CS_OK) {
      sink_->on_cpg_failed(corosync_error("cpg_dispatch", rc).context);
      return;
    }
  }
  sink_->on_turn_done();
}

}  // namespace fairlead::membership
