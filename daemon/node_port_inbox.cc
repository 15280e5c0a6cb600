#include "daemon/node_port_inbox.h"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>
#include <random>

#include "base/utc_text.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kReportPatience = std::chrono::milliseconds(50);

Error busy() { return {Errc::kUnavailable, "the control thread has too much to do; try again"}; }

/// A process id would not do: in a container it is the same each time.
std::string new_life() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}", source(), source());
}

}  // namespace

NodePortInbox::NodePortInbox(Inbox<ControlMessage>& control, const LogThread& log) : control_(control), log_(log), life_(new_life()) {}

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
  return aged();
}

/// The last one, and what its age says about this node now: the report itself cannot.
std::shared_ptr<const admin::NodeReport> NodePortInbox::aged() const {
  std::shared_ptr<const admin::NodeReport> last;
  Instant made{};
  {
    const std::lock_guard lock(mutex_);
    last = report_;
    made = published_at_;
  }
  const Instant now = clock_.now();
  if (made == Instant{} || now - made <= kReportAge) return last;
  auto out = std::make_shared<admin::NodeReport>(*last);
  out->age_s = to_seconds(now - made);
  const Duration::rep beat = beat_.load(std::memory_order_relaxed);
  const Duration stands = beat == 0 ? Duration::zero() : now - Instant(Duration(beat));
  if (stands <= kStandsAfter) return out;
  out->control_lateness_ms = std::max(out->control_lateness_ms, to_seconds(stands) * 1000);
  out->ready = false;
  out->ready_reasons.push_back(
      {"control thread", false, fmt::format("has not turned for {:.1f} s; all else is from before", to_seconds(stands))});
  return out;
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
