#include "k8s-bootstrap/transport/local_transport.h"

#include <cerrno>
#include <fmt/format.h>

#include "base/units.h"

namespace fairlead::bootstrap {

Result<RemoteResult> LocalTransport::hold(const std::string& machine, const Session& session) {
  const auto place = places_.find(machine);
  if (place == places_.end()) return Error{Errc::kNotFound, fmt::format("there is no machine {}", machine)};
  SessionOutput output;
  std::string kept;
  ProgramCall call = call_for(session, output, kept);
  if (place->second.inside) {
    call.argv = {"nsenter", "--target", std::to_string(*place->second.inside)};
    call.argv.insert(call.argv.end(), place->second.namespaces.begin(), place->second.namespaces.end());
    call.argv.emplace_back("--");
  }
  const auto shell = session_argv(session.command, /*sudo=*/false);
  call.argv.insert(call.argv.end(), shell.begin(), shell.end());
  auto result = run_program(call);
  if (!result && result.error().code == Errc::kTimeout)
    return Error{Errc::kTimeout, fmt::format("{}: not done in {}, and ended", machine, format_duration(call.timeout))};
  if (!result) return Error{result.error().code, machine + ": " + result.error().context, result.error().sys_errno};
  SessionErrors errors = read_session_errors(result->errors);
  if (errors.exit_code) return RemoteResult{*errors.exit_code, std::move(kept), std::move(errors.errors)};
  if (errors.begun)
    return Error{Errc::kUnavailable, fmt::format("{}: the script was ended from outside: it may have had its effect", machine), ECONNRESET};
  return Error{Errc::kUnavailable, fmt::format("{}: no shell began there: {}", machine, errors.before + std::string(output.noise()))};
}

}  // namespace fairlead::bootstrap
