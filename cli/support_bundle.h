// `fairlead support bundle`: one archive with what a maintainer asks for, from this machine and, when it answers, its daemon.
//
// Invariants:
//   I1  Nothing of the contents of key files, token files and Corosync's authkey is in it, wherever else it may have been written.
//   I2  What could not be gathered is no failure: the manifest names it and why.
//   I3  Each program has kCommandLimit, each part kPartBytesMax. Nothing is left beside the archive, whatever fails.
#pragma once

#include <string>
#include <vector>

#include "cli/daemon_calls.h"
#include "cli/local_node.h"

namespace fairlead::cli {

inline constexpr Duration kCommandLimit = std::chrono::seconds(10);
inline constexpr std::size_t kPartBytesMax = std::size_t{4} << 20;

struct BundleRequest {
  std::string out;     ///< Empty: fairlead-support-NODE-TIME.tar.gz in the working folder.
  std::string config;  ///< Empty: /etc/fairlead/fairlead.yaml.
};
void make_support_bundle(const BundleRequest& request, DaemonCalls& calls);

}  // namespace fairlead::cli
