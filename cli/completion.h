// fairlead: pure
// Shell completion. The scripts are a few lines each: they hand the words of the line to `fairlead __complete SHELL -- WORD...`, which
// answers a line per candidate, so that all shells complete the same, and names come from the daemon that the line speaks of.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/verb_model.h"

namespace fairlead::cli {

/// For `fairlead completion SHELL`: bash, zsh or fish.
[[nodiscard]] std::string completion_script(const std::string& shell);

/// Things of the running node that have names.
enum class Named : std::uint8_t { kPool, kServer, kListener, kVip, kNode, kNetwork };

struct CompletionRequest {
  std::string shell;
  std::vector<std::string> words;  ///< Behind the program's name; the last one is being written.
};

struct CompletionLine {
  std::vector<std::string> path;               ///< "server", "drain"
  std::map<std::string, std::string> options;  ///< Those with values that stand in the line: "--socket" -> its value.
  std::vector<OptionModel> shown_options;      ///< Options that may stand here.
  const OptionModel* wanted = nullptr;         ///< What the word that is being written is a value of; null: none.
  const VerbModel* verb = nullptr;             ///< Where the line has come to. Of the model that was handed in.
  std::string before;                          ///< "--vip=" where the word holds option and value.
  std::string word;                            ///< What is to be completed, without `before`.
  bool verb_may_come = true;                   ///< No other argument stands before it.
  bool only_arguments = false;                 ///< "--" stood in the line.
};
/// `program` outlives the answer.
[[nodiscard]] CompletionLine read_line(const VerbModel& program, const CompletionRequest& request);

/// The answer: lines "CANDIDATE" or "CANDIDATE<tab>TEXT", then ":files" or ":dirs" where the shell is to offer those.
/// `names`: of the running node; nothing when it cannot be asked.
[[nodiscard]] std::string complete(const VerbModel& program, const CompletionRequest& request,
                                   const std::function<std::vector<std::string>(const CompletionLine&, Named)>& names);

}  // namespace fairlead::cli
