// The command line of `fairlead`: every verb of this version, and a word about those of later ones.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"

namespace fairlead::cli {

/// Runs the program; `arguments` without its name. Returns the exit code. Never throws.
[[nodiscard]] int run_cli(const std::vector<std::string>& arguments, CliEnvironment& environment);

/// docs/reference/cli.md
[[nodiscard]] std::string cli_reference_page();

}  // namespace fairlead::cli
