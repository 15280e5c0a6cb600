// The API's way to the node: values in and out, from the `admin` thread to the control thread.
//
// A report costs more than all else an idle node does, so it is made while somebody reads. Who comes first after a pause asks for one.
#pragma once

#include <atomic>
#include <memory>
#include <semaphore>
#include <string>

#include "admin/node_port.h"
#include "base/inbox.h"
#include "base/priority_mutex.h"
#include "base/qb_log.h"
#include "base/system_clock.h"
#include "daemon/control_message.h"

namespace fairlead::daemon {

inline constexpr Duration kReportAge = std::chrono::milliseconds(200);
inline constexpr Duration kStandsAfter = std::chrono::seconds(1);

class NodePortInbox final : public admin::NodePort {
 public:
  /// Both outlive this object's users.
  NodePortInbox(Inbox<ControlMessage>& control, const LogThread& log);

  /// Control thread: what report() and config_yaml() show from now on.
  void publish(std::shared_ptr<const admin::NodeReport> report);
  /// Control thread, at every turn of its housekeeping: it lives.
  void beat() { beat_.store(clock_.now().time_since_epoch().count(), std::memory_order_relaxed); }
  /// Whether report() was called since the last time this was asked.
  [[nodiscard]] bool take_asked() { return asked_.exchange(false, std::memory_order_relaxed); }
  /// What was published last, however old.
  [[nodiscard]] std::shared_ptr<const admin::NodeReport> last() const;
  void publish_config(std::string yaml);

  /// One thread at a time, not the control thread. Waits up to 50 ms for a new one when the last is older than kReportAge; a control thread
  /// that has no time for that leaves the old one, with its age. One that has not turned for kStandsAfter: the node is not ready.
  [[nodiscard]] std::shared_ptr<const admin::NodeReport> report() const override;
  void execute(admin::Command command, admin::Actor actor, std::function<void(Result<admin::CommandResult>)> done) override;
  void connections(admin::ConnectionFilter filter, std::size_t limit, std::function<void(Result<admin::LateConnections>)> done) override;
  [[nodiscard]] std::vector<admin::EventInfo> events(std::uint64_t after, std::size_t limit) const override;
  [[nodiscard]] admin::EventStream event_stream() const override { return {life_, log_.events().last_sequence()}; }
  [[nodiscard]] std::string config_yaml() const override;
  [[nodiscard]] Result<std::string> blackbox() const override;
  void router(std::function<void(Result<admin::RouterReport>)> done) override;
  void leases(admin::LeaseFilter filter, std::size_t limit, std::function<void(Result<admin::LateLeases>)> done) override;

 private:
  [[nodiscard]] std::shared_ptr<const admin::NodeReport> aged() const;

  Inbox<ControlMessage>& control_;
  const LogThread& log_;
  const std::string life_;
  SystemClock clock_;
  std::atomic<Duration::rep> beat_{0};  ///< When the control thread turned last; 0: not yet.
  mutable std::atomic<bool> asked_{false};
  mutable std::atomic<bool> waits_{false};     ///< report() waits for news_.
  mutable std::counting_semaphore<> news_{0};  ///< Unlike a condition's, its signal never makes the control thread wait.
  mutable PriorityMutex mutex_;                // Guards the three below, for as long as taking a pointer takes.
  std::shared_ptr<const admin::NodeReport> report_ = std::make_shared<admin::NodeReport>();
  Instant published_at_{};
  std::shared_ptr<const std::string> yaml_ = std::make_shared<const std::string>();
};

}  // namespace fairlead::daemon
