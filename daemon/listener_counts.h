// fairlead: pure
// What the workers counted of one listener, and how connections of one server ended, put together for a report.
#pragma once

#include <span>
#include <vector>

#include "admin/status.h"
#include "lb/server_counters.h"
#include "lb/worker_stats.h"

namespace fairlead::daemon {

/// `of_workers`: each worker's. Every cause has its count, also of what never happened: a series that is there from the start shows its
/// first increase.
void add_counts(std::span<const lb::ListenerStats* const> of_workers, admin::ListenerStatus& to);
/// Likewise.
[[nodiscard]] std::vector<admin::CauseCount> ended_by_code(const lb::ServerCounters& counters);

}  // namespace fairlead::daemon
