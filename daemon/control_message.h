// What other threads hand to the control thread.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "admin/node_port.h"
#include "config/load.h"
#include "lb/health_values.h"
#include "lb/resolver.h"
#include "lb/worker_messages.h"

namespace fairlead::daemon {

/// Called exactly once, on whichever thread has the answer.
using CommandDone = std::function<void(Result<admin::CommandResult>)>;
using ConnectionsDone = std::function<void(Result<admin::LateConnections>)>;
using LeasesDone = std::function<void(Result<admin::LateLeases>)>;

struct CommandRequest {
  admin::Command command;
  admin::Actor actor;
  CommandDone done;
};
struct ListRequest {
  admin::ConnectionFilter filter;
  std::size_t limit = 0;
  ConnectionsDone done;
};
struct LeasesRequest {
  admin::LeaseFilter filter;
  std::size_t limit = 0;
  LeasesDone done;
};
/// A configuration file was read by the jobs thread.
struct Loaded {
  config::LoadResult result;
  bool dry_run = false;
  std::string actor;
  CommandDone done;
  config::Environment machine;      ///< At that time.
  std::vector<Error> vip_problems;  ///< Of prepare_vips().
};
/// The rest of something that went to another thread and back.
struct OnControl {
  std::function<void()> run;
};
struct RouterRequest {
  std::function<void(Result<admin::RouterReport>)> done;
};
/// Somebody reads the node's report, and the newest one is old.
struct ReportWanted {};
using ControlMessage = std::variant<lb::WorkerReport, lb::ProbeResult, lb::ResolveResult, CommandRequest, ListRequest, LeasesRequest,
                                    Loaded, OnControl, RouterRequest, ReportWanted>;

/// Tells whoever waits for the answer that there will be none: the daemon stops.
void refuse(ControlMessage&& message);

}  // namespace fairlead::daemon
