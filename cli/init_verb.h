// `fairlead init`: flags, or a few questions, become a first fairlead.yaml that passes `fairlead check`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "cli/invocation.h"

namespace fairlead::cli {

struct InitRequest {
  std::vector<std::string> vips;     ///< ADDRESS/LENGTH
  std::vector<std::string> peers;    ///< NAME=ADDRESS
  std::vector<std::string> servers;  ///< NAME=HOST[:PORT]
  std::string node;                  ///< NAME or NAME=ADDRESS
  std::string gateway;
  std::string interface;
  std::string port;
  std::string ca;
  std::string cluster_name;
  std::string profile;
  std::string output;  ///< "-": standard output; empty: ClusterPaths.
};

/// Asks where somebody sits at a terminal and gave no flag. Throws VerbFailure; nothing is written then.
void init_config(InitRequest request, const GlobalOptions& options, CliEnvironment& environment);

}  // namespace fairlead::cli
