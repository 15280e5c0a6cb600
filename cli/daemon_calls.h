// What every verb that asks the daemon needs: calls, the newest report, -o, and questions to the operator.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/node_port.h"
#include "cli/invocation.h"

namespace fairlead::cli {

inline constexpr Duration kHungAfter = std::chrono::seconds(2);

[[noreturn]] void fail(int code, std::string message);

/// The value, or VerbFailure: the daemon speaks another language.
template <class T>
T decoded(Result<T> result) {
  if (!result)
    fail(kExitFailed,
         "the daemon's answer is not understood (" + result.error().message() + "). Are fairlead and fairleadd of one version?");
  return std::move(*result);
}

/// The one of that name, or VerbFailure naming those that there are.
template <class T>
const T& find_named(const std::vector<T>& all, const std::string& name, const std::string& what) {
  std::string known;
  for (const auto& item : all) {
    if (item.name == name) return item;
    known += (known.empty() ? "" : ", ") + item.name;
  }
  fail(kExitFailed, "no " + what + " '" + name + "' (there are: " + (known.empty() ? std::string("none") : known) + ")");
}

/// Every function throws VerbFailure with the exit code of the contract. options and environment outlive it.
class DaemonCalls {
 public:
  DaemonCalls(const GlobalOptions& options, CliEnvironment& environment) : options_(options), environment_(environment) {}

  /// On this machine a daemon that does not answer within kHungAfter is taken for one that hangs: for verbs that then read what lies on the
  /// disk. Before the first call.
  void expect_a_hung_daemon() { expects_hung_ = true; }
  /// The body of a GET.
  [[nodiscard]] std::string fetch(const std::string& target);
  [[nodiscard]] admin::NodeReport report();
  /// Runs a changing command; the body of its answer. `shown`: with its progress on a terminal.
  std::string send(const admin::Command& command, bool shown = true);
  /// Likewise, and prints its result.
  void execute(const admin::Command& command);
  /// Asks on a terminal, unless --yes.
  void confirm(const std::string& question);
  /// Prints a JSON document as -o says; false when text is wanted. With `array` only its element whose `key` is `name`.
  [[nodiscard]] bool print_document(const std::string& document, const std::string& array = "", const std::string& key = "",
                                    const std::string& name = "");

  [[nodiscard]] const GlobalOptions& options() const { return options_; }
  [[nodiscard]] CliEnvironment& environment() { return environment_; }

 private:
  [[nodiscard]] ApiPort& api();

  const GlobalOptions& options_;
  CliEnvironment& environment_;
  bool expects_hung_ = false;
  std::unique_ptr<ApiPort> api_;
};

}  // namespace fairlead::cli
