// Verbs about a cluster that need no daemon: corosync.conf and authkey from fairlead.yaml, a new node let in, timing advice.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "cli/invocation.h"
#include "config/settings.h"

namespace fairlead::cli {

/// `file` empty, here and below: the node's own (ClusterPaths).
void render_cluster(const std::string& file, CliEnvironment& environment);

struct SetupOptions {
  std::string file;
  bool dry_run = false;
  bool invite = false;
  std::string listen;  ///< ADDRESS or ADDRESS:PORT; empty: this node's first link, a free port.
  std::string ttl = "10m";
  std::string to_file;
  bool no_start = false;  ///< Where systemd runs: write only.
};
void setup_cluster(const SetupOptions& setup, const GlobalOptions& options, CliEnvironment& environment);

struct JoinOptions {
  std::string token;   ///< "-": a line of standard input.
  std::string file;    ///< Instead of a token.
  std::string config;  ///< Where this node's configuration is, or goes; empty: ClusterPaths.
  bool no_start = false;
};
void join_cluster(const JoinOptions& join, const GlobalOptions& options, CliEnvironment& environment);

void advise_cluster(const std::string& duration, const std::string& file, const GlobalOptions& options, CliEnvironment& environment);

/// A document as -o json or -o yaml say. Not for kText.
void print_document(const boost::json::value& document, OutputFormat format, CliEnvironment& environment);
/// The configuration with its `cluster`; problems go to standard error. Throws VerbFailure.
[[nodiscard]] config::Snapshot load_cluster(const std::string& file, CliEnvironment& environment);

}  // namespace fairlead::cli
