// The API's way to the node: values in and out, from the `admin` thread to the control thread.
#pragma once

#include <memory>
#include <string>

#include "admin/node_port.h"
#include "base/inbox.h"
#include "base/priority_mutex.h"
#include "base/qb_log.h"
#include "daemon/control_message.h"

namespace fairlead::daemon {

class NodePortInbox final : public admin::NodePort {
 public:
  /// Both outlive this object's users.
  NodePortInbox(Inbox<ControlMessage>& control, const LogThread& log) : control_(control), log_(log) {}

  /// Control thread: what report() and config_yaml() show from now on.
  void publish(std::shared_ptr<const admin::NodeReport> report);
  void publish_config(std::string yaml);

  [[nodiscard]] std::shared_ptr<const admin::NodeReport> report() const override;
  void execute(admin::Command command, admin::Actor actor, std::function<void(Result<admin::CommandResult>)> done) override;
  void connections(admin::ConnectionFilter filter, std::size_t limit, std::function<void(Result<admin::LateConnections>)> done) override;
  [[nodiscard]] std::vector<admin::EventInfo> events(std::uint64_t after, std::size_t limit) const override;
  [[nodiscard]] std::string config_yaml() const override;
  [[nodiscard]] Result<std::string> blackbox() const override;

 private:
  Inbox<ControlMessage>& control_;
  const LogThread& log_;
  mutable PriorityMutex mutex_;  // Guards the two below, for as long as taking a pointer takes.
  std::shared_ptr<const admin::NodeReport> report_ = std::make_shared<admin::NodeReport>();
  std::shared_ptr<const std::string> yaml_ = std::make_shared<const std::string>();
};

}  // namespace fairlead::daemon
