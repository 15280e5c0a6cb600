// `fairlead image`: images of a site file, built on the machine where this runs; `grow` speaks to a machine over SSH. No daemon is asked.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"

namespace fairlead::cli {

struct ImageRequest {
  std::string site = "site.yaml";
  std::vector<std::string> machines;  ///< grow
  bool dry_run = false;
};

void image_build(const ImageRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void image_list(const ImageRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void image_grow(const ImageRequest& request, const GlobalOptions& global, CliEnvironment& environment);

}  // namespace fairlead::cli
