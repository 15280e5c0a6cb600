// The way in: a site's text -> Site, or every problem there is.
//
// First the text (YAML, config/parse.h), then ${env:NAME} (site_environment.h), then every key (site_schema.h), then what only shows when
// sections are seen together (site_check_*.cc). A value that could not be read silences the checks that depend on it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"
#include "k8s-bootstrap/site/site.h"
#include "k8s-bootstrap/site/site_environment.h"

namespace fairlead::bootstrap {

struct SiteContext {
  EnvironmentLookup environment;  ///< Null: no variable is set.
  /// "2026-11-27": versions past their end of life are warned about. Empty: dates are not looked at.
  std::string today;
};

struct SiteLoad {
  std::optional<Site> site;               ///< Absent when there is an error among the problems; warnings alone leave it.
  std::vector<config::Problem> problems;  ///< By place in the file. No value of the environment stands in them.
  std::vector<std::string> secrets;       ///< Values taken from the environment: for hide_secrets() on everything that is shown.
};

/// Pure. `file` is a name for messages.
[[nodiscard]] SiteLoad load_site(std::string_view text, std::string file, const SiteContext& context);

/// A text with the process's environment and the wall clock's date (UTC).
[[nodiscard]] SiteLoad load_site_text(std::string_view text, const std::string& path);
/// The same of a file, with the process's environment and the wall clock's date (UTC). A file that cannot be read is a problem that names
/// it and the kernel's reason. Blocks on the file system.
[[nodiscard]] SiteLoad load_site_file(const std::string& path);

}  // namespace fairlead::bootstrap
