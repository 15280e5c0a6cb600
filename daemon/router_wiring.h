// The router's answers as a command's, and where the daemon's children find their sockets.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "config/settings.h"
#include "daemon/control_message.h"

namespace fairlead::daemon {

/// One line for people becomes the summary.
[[nodiscard]] std::function<void(Result<std::string>)> as_summary(CommandDone done);

/// Beside the admin socket: a unix socket's path is short (sun_path, unix(7)), and that one's fits.
[[nodiscard]] std::string socket_folder(const config::Snapshot& snapshot);

}  // namespace fairlead::daemon
