// The tree of verbs while it is made: CLI11's parser, and which of the verbs was chosen. CLI11 is a heavy header: only the files that add
// verbs include it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/verb_model.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's own
class App;
}

namespace fairlead::cli {

class VerbTree {
 public:
  using Action = std::function<void()>;

  explicit VerbTree(CLI::App& root) : root_(root) {}

  /// A verb that does something. `parent` null: of the program itself.
  CLI::App* verb(CLI::App* parent, const std::string& name, const std::string& description, Action action);
  /// A verb that wants another one behind it.
  CLI::App* group(const std::string& name, const std::string& description);
  /// A verb of the contract that a later version brings: it answers, but neither help nor completion names it.
  void later(CLI::App* parent, const std::string& name);
  /// What the verb that was parsed does; empty: none was.
  [[nodiscard]] Action& chosen() { return chosen_; }
  [[nodiscard]] CLI::App& root() { return root_; }

 private:
  CLI::App& root_;
  Action chosen_;
};

/// What help shows of the tree.
[[nodiscard]] VerbModel model_of(const CLI::App& app);

}  // namespace fairlead::cli
