#include "daemon/node_port_inbox.h"

#include <mutex>

#include "base/utc_text.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kReportPatience = std::chrono::milliseconds(50);

Error busy() { return {Errc::kUnavailable, "the control thread has too much to do; try again"}; }

}  // namespace

void refuse(ControlMessage&& message) {
  std::visit(
      [](auto&& m) {
        if constexpr (requires { m.done(Error{Errc::kUnavailable, ""}); }) {
          if (m.done) m.done(Error{Errc::kUnavailable, "the daemon is stopping"});
        }
      },
      std::move(message));
}

void NodePortInbox::publish(std::shared_ptr<const admin::NodeReport> report) {
  {
    const std::lock_guard lock(mutex_);
    report_.swap(report);
    published_at_ = clock_.now();
  }
  if (waits_.exchange(false)) news_.release();
}

void NodePortInbox::publish_config(std::string yaml) {
  auto next = std::make_shared<const std::string>(std::move(yaml));
  const std::lock_guard lock(mutex_);
  yaml_.swap(next);
}

std::shared_ptr<const admin::NodeReport> NodePortInbox::last() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

std::shared_ptr<const admin::NodeReport> NodePortInbox::report() const {
  asked_.store(true, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    if (clock_.now() - published_at_ <= kReportAge) return report_;
  }
  while (news_.try_acquire()) {}  // Of somebody who did not wait to the end.
  waits_.store(true);
  if (control_.post(ReportWanted{})) (void)news_.try_acquire_for(kReportPatience);
  return last();
}

/// Not copied below the lock: it may be long, and the control thread publishes.
std::string NodePortInbox::config_yaml() const {
  std::shared_ptr<const std::string> yaml;
  {
    const std::lock_guard lock(mutex_);
    yaml = yaml_;
  }
  return *yaml;
}

Result<std::string> NodePortInbox::blackbox() const {
  if (log_.recorder() == nullptr) return Error{Errc::kUnavailable, "no flight recorder is kept"};
  return log_.recorder()->dump();
}

void NodePortInbox::execute(admin::Command command, admin::Actor actor, CommandDone done) {
  if (!control_.post(CommandRequest{std::move(command), std::move(actor), done})) done(busy());
}

void NodePortInbox::connections(admin::ConnectionFilter filter, std::size_t limit, ConnectionsDone done) {
  if (!control_.post(ListRequest{std::move(filter), limit, done})) done(busy());
}

void NodePortInbox::router(std::function<void(Result<admin::RouterReport>)> done) {
  if (!control_.post(RouterRequest{done})) done(busy());
}

void NodePortInbox::leases(admin::LeaseFilter filter, std::size_t limit, LeasesDone done) {
  if (!control_.post(LeasesRequest{std::move(filter), limit, done})) done(busy());
}

std::vector<admin::EventInfo> NodePortInbox::events(std::uint64_t after, std::size_t limit) const {
  std::vector<admin::EventInfo> out;
  for (const EventRing::Entry& entry : log_.events().after(after, limit)) {
    admin::EventInfo info{.sequence = entry.sequence,
                          .time = utc_text(entry.event->time),
                          .id = std::string(to_string(entry.event->id)),
                          .level = std::string(to_string(level_of(entry.event->id))),
                          .fields = {}};
    for (const LogField& field : entry.event->fields) info.fields.emplace_back(std::string(field.key), field.value);
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace fairlead::daemon
