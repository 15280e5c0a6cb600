// Corosync's error codes as the project's errors. For membership/corosync_*.cc.
#pragma once

#include <string_view>

#include <corosync/corotypes.h>

#include "base/result.h"

namespace fairlead::membership {

/// "cpg_join: Try again"
[[nodiscard]] inline Error corosync_error(std::string_view call, cs_error_t code) {
  const Errc errc = code == CS_ERR_ACCESS ? Errc::kPermission : Errc::kUnavailable;
  return {errc, std::string(call) + ": " + cs_strerror(code)};
}

}  // namespace fairlead::membership
