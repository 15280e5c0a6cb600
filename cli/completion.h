// Shell completion and the reference page, both read off the command tree, so that they cannot name a verb that is not there.
#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's own
class App;
}

namespace fairlead::cli {

/// `shell`: bash, zsh or fish.
[[nodiscard]] std::string completion_script(const CLI::App& app, const std::string& shell);
/// docs/reference/cli.md; a test compares.
[[nodiscard]] std::string cli_reference(const CLI::App& app);

}  // namespace fairlead::cli
