// One daemon at a time per admin socket and, where there are VIPs or a cluster, per state_dir. Taken before anything touches addresses or
// listeners: SO_REUSEPORT would give a second daemon a share of the first one's clients.
//
// flock(2) on files beside the socket and in state_dir: the kernel lets go of them with the process, however it ends. The descriptors are
// closed by exec, so the guard never holds them. The files stay: removing one would let two daemons lock two files of one name.
#pragma once

#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/settings.h"

namespace fairlead::daemon {

/// Held as long as it lives.
using InstanceLock = std::vector<Fd>;

/// Waits for nobody. `with_state_dir`: also the one there. A place where no file is or can be made is not locked: who serves finds out by
/// itself that it cannot use it. What cannot be looked at is no free place.
/// Errors: kConflict, naming the file: another daemon runs, or may.
[[nodiscard]] Result<InstanceLock> take_instance_lock(const config::Snapshot& snapshot, bool with_state_dir);

/// A daemon with VIPs holds this as long as it lives: what is swept is known by the kernel's mark alone, whoever set it, so a sweep is for
/// the whole network namespace. Not valid: no lock could be had, and none is missed but by who asks for the next one.
[[nodiscard]] Fd keep_sweeps_away();
/// Until it is dropped no daemon with VIPs is here, as far as they say so. Errors: kConflict: one runs in this network namespace.
[[nodiscard]] Result<Fd> be_alone_to_sweep();

}  // namespace fairlead::daemon
