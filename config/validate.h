// fairlead: pure
// Document -> Snapshot. First the schema's checks of every key (read), then what only shows when sections are seen together:
// dangling and duplicate names, overlapping binds, addresses that cannot work, settings that are legal but suspicious.
//
// All problems of both steps are reported at once; a value that could not be read silences the cross-checks that depend on it.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "config/document.h"
#include "config/environment.h"
#include "config/named_files.h"
#include "config/problem.h"
#include "config/settings.h"

namespace fairlead::config {

struct ValidateResult {
  std::optional<Snapshot> snapshot;  ///< Absent when there is an error among the problems.
  std::vector<Problem> problems;
  std::vector<NamedFile> files{};  ///< As in LoadResult, also the rest.
  Snapshot rest{};
};
[[nodiscard]] ValidateResult validate(const Document& document, const Environment& environment);

/// A server outside a file, under the rules of pools[].servers[]: for `server add`.
struct ServerText {
  std::string name;
  std::string address;
  std::uint32_t weight = 100;
  std::uint32_t max_connections = 0;
  bool backup = false;
};
/// Errors: kInvalidArgument, with every problem.
[[nodiscard]] Result<Server> read_server(const ServerText& text);

/// Only the schema's checks. For tests of the schema; everybody else wants validate().
[[nodiscard]] ValidateResult read_unchecked(const Document& document);

}  // namespace fairlead::config
