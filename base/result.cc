#include "base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace fairlead {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::kInvalidConfig: return "invalid_config";
    case Errc::kInvalidArgument: return "invalid_argument";
    case Errc::kNotFound: return "not_found";
    case Errc::kConflict: return "conflict";
    case Errc::kLimitExceeded: return "limit_exceeded";
    case Errc::kUnavailable: return "unavailable";
    case Errc::kTimeout: return "timeout";
    case Errc::kPermission: return "permission";
    case Errc::kUnsupported: return "unsupported";
    case Errc::kRefused: return "refused";
  }
  return "unknown";
}

std::string Error::message() const {
  if (sys_errno == 0) return context;
  const char* name = ::strerrorname_np(sys_errno);
  const char* text = ::strerrordesc_np(sys_errno);
  return context + ": " + (text != nullptr ? text : "unknown error") + " (" + (name != nullptr ? name : std::to_string(sys_errno)) + ")";
}

namespace {
Errc code_of(int sys_errno) {
  switch (sys_errno) {
    case EACCES:
    case EPERM: return Errc::kPermission;
    case ENOENT:
    case ESRCH:
    case ENODEV: return Errc::kNotFound;
    case EADDRINUSE:
    case EEXIST:
    case EBUSY: return Errc::kConflict;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
    case ENOBUFS: return Errc::kLimitExceeded;
    case ETIMEDOUT: return Errc::kTimeout;
    case EINVAL: return Errc::kInvalidArgument;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT: return Errc::kUnsupported;
    default: return Errc::kUnavailable;
  }
}
}  // namespace

Error errno_error(std::string context) { return errno_error(std::move(context), errno); }

Error errno_error(std::string context, int sys_errno) { return Error{code_of(sys_errno), std::move(context), sys_errno}; }

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  char text[512];
  const int n = std::snprintf(text, sizeof text, "fairlead: assertion failed: %s (%s:%d)\n", expression, file, line);
  if (n > 0) {
    const auto size = static_cast<std::size_t>(n) < sizeof text ? static_cast<std::size_t>(n) : sizeof text - 1;
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, size);
  }
  std::abort();
}

}  // namespace fairlead
