// The router's answers as a command's.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "daemon/control_message.h"

namespace fairlead::daemon {

/// One line for people becomes the summary.
[[nodiscard]] std::function<void(Result<std::string>)> as_summary(CommandDone done);

}  // namespace fairlead::daemon
