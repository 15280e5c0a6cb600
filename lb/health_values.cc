// fairlead: pure
#include "lb/health_values.h"

#include <cerrno>

namespace fairlead::lb {

std::string_view word_of(ProbeOutcome outcome) {
  switch (outcome) {
    case ProbeOutcome::kOk: return "ok";
    case ProbeOutcome::kRefused: return "refused";
    case ProbeOutcome::kReset: return "reset";
    case ProbeOutcome::kUnreachable: return "unreachable";
    case ProbeOutcome::kTimeout: return "timeout";
    case ProbeOutcome::kClosed: return "closed";
    case ProbeOutcome::kTls: return "tls";
    case ProbeOutcome::kProtocol: return "protocol";
    case ProbeOutcome::kStatus: return "status";
    case ProbeOutcome::kLocal: return "local";
    case ProbeOutcome::kUnresolved: return "unresolved";
  }
  return "unknown";
}

std::string_view word_of(ConnectCause cause) {
  switch (cause) {
    case ConnectCause::kRefused: return "refused";
    case ConnectCause::kReset: return "reset";
    case ConnectCause::kUnreachable: return "unreachable";
    case ConnectCause::kTimeout: return "timeout";
    case ConnectCause::kLocal: return "local";
  }
  return "unknown";
}

ConnectCause connect_cause_of(int sys_errno) {
  switch (sys_errno) {
    case ECONNREFUSED: return ConnectCause::kRefused;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED: return ConnectCause::kReset;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENONET: return ConnectCause::kUnreachable;
    case ETIMEDOUT: return ConnectCause::kTimeout;
    default: return ConnectCause::kLocal;
  }
}

std::string_view word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUnknown: return "unknown";
    case Verdict::kUp: return "up";
    case Verdict::kDown: return "down";
  }
  return "unknown";
}

std::string_view word_of(AdminState state) {
  switch (state) {
    case AdminState::kReady: return "ready";
    case AdminState::kDrain: return "drain";
    case AdminState::kMaint: return "maint";
  }
  return "unknown";
}

}  // namespace fairlead::lb
