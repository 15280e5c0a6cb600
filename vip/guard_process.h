// The guard's process (ha-rules R10): `fairleadd --guard FD`, started by spawn_guard() (vip/guard_link.h). One thread that polls.
//
//   FD      the socket pair to the daemon        FD + 1  the page of beats (vip/guard_message.h)        FD + 2  a pidfd of the daemon
//
// What to do is decided in vip/guard_core.h. Here it is carried out: netlink by itself (waiting for the kernel is its job), the kill by
// pidfd, Released by a voice. Memory is locked and the thread real-time where that is allowed; what was not is told to the daemon.
#pragma once

#include "vip/release_voice.h"

namespace fairlead::vip {

inline constexpr int kGuardPriority = 1;  ///< Of SCHED_RR: above everything ordinary, below Corosync.

/// Runs until the core says that all is done; returns the process's exit code (0; 1 when it could not even begin, with the reason on
/// standard error). Signals meant for the daemon (SIGTERM, SIGINT, SIGHUP, ...) are ignored: its end is the daemon's.
int run_guard(int first_fd, ReleaseVoice& voice);

}  // namespace fairlead::vip
