// `fairleadd --guard FD`: the guard's process (ha-rules R10), a program of its own inside the same binary.
#pragma once

#include <string>

#include "vip/guard_link.h"

namespace fairlead::daemon {

/// What the daemon starts as its guard. `cluster`: whose group it joins; empty: alone, there is nobody to tell.
[[nodiscard]] vip::GuardProgram guard_program(const std::string& cluster);

/// Runs it. Returns the process's exit code.
int guard_main(const std::string& cluster, int first_fd);

}  // namespace fairlead::daemon
