// Reads all machines of a site side by side, and the cluster over one of its control planes. Blocks until all have answered or their time
// is over; a machine that did not answer is in `unread` with the cause and the remedy.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/site/site.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

struct CollectOptions {
  /// More files to look at on a machine: those that are rendered for it.
  std::function<std::vector<std::string>(const Machine&)> files;
  /// More packages to ask about: those that the plan installs where they are missing.
  std::function<std::vector<std::string>(const Machine&)> packages;
  /// Only these machines; empty: all. The others are unread.
  std::vector<std::string> only;
  Duration timeout = std::chrono::seconds(30);  ///< Of one machine.
  /// Called from any of the threads as machines answer: name, and the error or nullptr.
  std::function<void(const std::string&, const Error*)> on_answer;
  /// Likewise, one at a time: name, and ProbeAnswer::lock_takes.
  std::function<void(const std::string&, std::uint64_t)> on_lock_takes;
};

[[nodiscard]] Facts collect_facts(const Site& site, Transport& transport, const Clock& clock, const CollectOptions& options);

}  // namespace fairlead::bootstrap
