#include "k8s-bootstrap/pki/run_keygen.h"

#include <fmt/format.h>

#include "base/run_program.h"

namespace fairlead::bootstrap {

Result<std::string> run_keygen(const std::vector<std::string>& argv) {
  ProgramCall call;
  call.argv = argv;
  call.environment = {"LC_ALL=C", "SSH_ASKPASS_REQUIRE=never"};
  auto ran = run_program(call);
  if (!ran) return ran.error();
  if (ran->exit_code != 0) return Error{Errc::kUnavailable, fmt::format("{} ended with {}: {}", argv.front(), ran->exit_code, ran->errors)};
  return std::move(ran->output);
}

}  // namespace fairlead::bootstrap
