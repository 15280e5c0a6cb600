// ssh-keygen as pki/ssh_ca.h wants its RunTool: no questions asked, in plain words.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace fairlead::bootstrap {

/// Standard output. Errors: those of run_program; kUnavailable with what it said when it did not end with 0.
[[nodiscard]] Result<std::string> run_keygen(const std::vector<std::string>& argv);

}  // namespace fairlead::bootstrap
