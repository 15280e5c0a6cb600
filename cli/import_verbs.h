// fairlead import: files of other programs -> fairlead.yaml on standard output, what was not carried over on standard error.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"

namespace fairlead::cli {

struct ImportRequest {
  std::string kind;                                                   ///< haproxy, keepalived, corosync, pacemaker: what `files` are.
  std::vector<std::string> files;                                     ///< "-" is standard input.
  std::vector<std::string> haproxy, keepalived, corosync, pacemaker;  ///< More files, of these kinds.
};

/// Throws VerbFailure: kExitFailed when a file cannot be read, kExitInvalidConfig when nothing can be made of them.
void import_files(const ImportRequest& request, const GlobalOptions& options, CliEnvironment& environment);

}  // namespace fairlead::cli
