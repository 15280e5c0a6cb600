// `fairleadd --guard FD`: the guard's process (ha-rules R10), a program of its own inside the same binary.
#pragma once

#include <string>

#include "base/result.h"
#include "vip/guard_link.h"

namespace fairlead::daemon {

/// Starts the daemon's guard, with its capabilities (daemon/privileges.h). `cluster`: whose group it joins; empty: alone, there is nobody
/// to tell. Errors: those of vip::spawn_guard.
[[nodiscard]] Result<vip::GuardChild> start_guard(const std::string& cluster);

/// Runs it. Returns the process's exit code.
int guard_main(const std::string& cluster, int first_fd);

}  // namespace fairlead::daemon
