// fairlead: pure
// The verbs as data: what help, completion, the reference page and the manual pages are made from. Read off the command tree (verb_tree.h).
#pragma once

#include <string>
#include <vector>

namespace fairlead::cli {

/// An option, or an argument by its place.
struct OptionModel {
  std::vector<std::string> names;  ///< "-o", "--output"; empty: an argument by its place.
  std::string value;               ///< What it takes: "FILE", "POOL/NAME"; empty: nothing.
  std::string text;
  bool required = false;
  bool repeated = false;  ///< Takes more than one value.
};

struct VerbModel {
  std::string name;
  std::string text;
  bool acts = true;  ///< It does something without a further verb.
  std::vector<OptionModel> options;
  std::vector<OptionModel> arguments;
  std::vector<VerbModel> verbs;
};

/// "--output" of "-o,--output"; the last one where there is no long name.
[[nodiscard]] inline std::string long_name(const OptionModel& option) {
  for (const std::string& name : option.names) {
    if (name.starts_with("--")) return name;
  }
  return option.names.empty() ? std::string() : option.names.back();
}

/// " NODE [FILE] [SERVER...]": the arguments behind a verb.
[[nodiscard]] inline std::string arguments_text(const VerbModel& verb) {
  std::string out;
  for (const OptionModel& argument : verb.arguments) {
    const std::string name = argument.value + (argument.repeated ? "..." : "");
    out += argument.required ? " " + name : " [" + name + "]";
  }
  return out;
}

/// Calls `visit(path, verb)` for the program, whose path is "", and each verb below it, parents first.
template <class Visit>
void walk(const VerbModel& verb, const std::string& path, const Visit& visit) {
  visit(path, verb);
  for (const VerbModel& child : verb.verbs) walk(child, path.empty() ? child.name : path + " " + child.name, visit);
}

}  // namespace fairlead::cli
