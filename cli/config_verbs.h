// Verbs about the configuration: check, schema, explain (in this process), config show and diff (against the daemon).
#pragma once

#include <string>

#include "cli/daemon_calls.h"
#include "cli/invocation.h"

namespace fairlead::cli {

/// Of a gateway's configuration, or of a site (`kind: Site`) and what it renders. Prints every problem; throws VerbFailure (invalid
/// configuration) when one is an error.
void check_file(const std::string& path, const GlobalOptions& options, CliEnvironment& environment);
/// `kind`: "gateway" or "site".
void print_schema(const std::string& kind, CliEnvironment& environment);
/// `of_site`: a key of the site file; else of the configuration, or an event.
void explain_key(const std::string& path, bool of_site, const GlobalOptions& options, CliEnvironment& environment);
/// The daemon's active configuration as YAML, or JSON.
void show_config(bool with_defaults, const GlobalOptions& options, DaemonCalls& calls, CliEnvironment& environment);
/// What `file` (empty: the daemon's own file) would change, without asking the daemon to change anything.
void diff_config(std::string file, const GlobalOptions& options, DaemonCalls& calls, CliEnvironment& environment);
/// Which nodes have another configuration of what they must agree on. `file`: wrong usage. Fails when one has.
void diff_nodes(const std::string& file, const GlobalOptions& options, DaemonCalls& calls, CliEnvironment& environment);

}  // namespace fairlead::cli
