// fairlead: pure
#include "cli/cli_reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fairlead::cli {
namespace {

/// A cell of a table: a bar would end it.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string option_table(const VerbModel& verb) {
  std::string out;
  for (const OptionModel& argument : verb.arguments) out += fmt::format("| `{}` | {} |\n", cell(argument.value), cell(argument.text));
  for (const OptionModel& option : verb.options) {
    if (long_name(option) == "--help") continue;
    out += fmt::format("| `{}{}` | {} |\n", fmt::join(option.names, ", "), option.value.empty() ? "" : " " + cell(option.value),
                       cell(option.text));
  }
  return out.empty() ? out : "| | |\n|---|---|\n" + out + "\n";
}

}  // namespace

std::string cli_reference(const VerbModel& program) {
  std::string out = fmt::format(
      "# fairlead\n\n{}\n\nMade from the program itself; a test compares. `fairlead VERB --help` shows the same, and so do the manual "
      "pages: fairlead(1), and one for each verb that has verbs of its own, as fairlead-vip(1).\n\n    fairlead [OPTIONS] "
      "VERB [ARGUMENTS]\n\n"
      "Options that stand before or after the verb:\n\n{}"
      "Colour only on a terminal; `NO_COLOR` is honoured. With `--server http://...` only reading is possible.\n\n"
      "| exit | means |\n|---|---|\n| 0 | done |\n| 1 | failed |\n| 2 | wrong usage |\n| 3 | invalid configuration |\n| 4 | daemon not "
      "reachable |\n| 5 | refused: not an operator, or it wants --force |\n\n## Verbs\n\n",
      program.text, option_table(program));
  walk(program, "", [&](const std::string& path, const VerbModel& verb) {
    if (path.empty() || !verb.acts) return;
    out += fmt::format("### fairlead {}{}\n\n{}\n\n{}", path, arguments_text(verb), verb.text, option_table(verb));
  });
  return out;
}

}  // namespace fairlead::cli
