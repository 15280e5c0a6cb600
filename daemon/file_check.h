// `fairleadd --check`: whether this process can use the files that its configuration names, as the daemon would at its start and at each
// reload. As whom it asks is the caller's business (--user, daemon/privileges.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/load.h"

namespace fairlead::daemon {

/// Whether everything is as it should be, or (`--check-start`) whether a restart now does harm.
enum class CheckFor : std::uint8_t { kUse, kStart };

/// Errors, by place: a certificate, key or token that cannot be opened or is none; state_dir, or a file in it or beside admin.socket, that
/// belongs to somebody else. Warnings: what the daemon does without, a hook's program and the log's file. Empty: all can be used.
/// kStart: errors are only what keeps a daemon from starting, takes servers out of service (health.*: a check that cannot be made calls no
/// server up) or forgets VIPs and operators' wishes; the rest are warnings.
/// `user`: how this process's user is called in remedies; empty: nobody in particular asked, and what the daemon writes is not looked at.
[[nodiscard]] std::vector<config::Problem> check_named_files(const std::string& file, const config::Snapshot& snapshot,
                                                             const std::vector<config::NamedFile>& named, const std::string& user,
                                                             CheckFor purpose);

}  // namespace fairlead::daemon
