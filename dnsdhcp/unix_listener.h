// Sockets of the daemon's own that only its own children connect to: dnsmasq's bus and the script's events.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace fairlead::dnsdhcp {

/// Listens at `path`, for its own user only (mode 0600); what an earlier life left there is removed first. Non-blocking.
/// `type`: SOCK_STREAM or SOCK_SEQPACKET. Errors: kInvalidArgument (the path is too long for a socket), kConflict (something that is no
/// socket lies there), those of socket(2), bind(2), listen(2).
[[nodiscard]] Result<Fd> listen_unix(const std::string& path, int type);

/// The next connection; an invalid Fd when none waits. Of another user's none is taken: it is closed, and the next one looked at.
[[nodiscard]] Fd accept_own(int listener);

}  // namespace fairlead::dnsdhcp
