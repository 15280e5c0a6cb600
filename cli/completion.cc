#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <vector>

namespace fairlead::cli {
namespace {

std::vector<const CLI::App*> visible_children(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  for (const auto* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!child->get_group().empty()) out.push_back(child);
  }
  return out;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  }
  return out;
}

/// Calls `visit(path, app)` for the program and each verb below it; the program's path is "".
template <class Visit>
void walk(const CLI::App& app, const std::string& path, Visit visit) {
  visit(path, app);
  for (const auto* child : visible_children(app)) walk(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), visit);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string bash_script(const CLI::App& app) {
  const std::string globals = joined(option_names(app));
  std::string known;
  std::string choices;
  walk(app, "", [&](const std::string& path, const CLI::App& at) {
    if (!path.empty()) known += (known.empty() ? "" : "|") + fmt::format("\"{}\"", path);
    std::vector<std::string> words;
    for (const auto* child : visible_children(at)) words.push_back(child->get_name());
    if (!path.empty()) {
      for (const auto& name : option_names(at)) words.push_back(name);
    }
    choices += fmt::format("    \"{}\") words=\"{}\" ;;\n", path, joined(words));
  });
  return fmt::format(R"(# fairlead: completion for bash. Load it with: source <(fairlead completion bash)
_fairlead() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" next word words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    next="${{path:+$path }}$word"
    case "$next" in {0}) path="$next" ;; esac
  done
  case "$path" in
{1}  esac
  case "$current" in -*) words="$words {2}" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _fairlead fairlead
)",
                     known, choices, globals);
}

std::string fish_script(const CLI::App& app) {
  std::string out = "# fairlead: completion for fish. Load it with: fairlead completion fish | source\ncomplete -c fairlead -f\n";
  walk(app, "", [&](const std::string& path, const CLI::App& at) {
    std::string condition = "__fish_use_subcommand";
    if (!path.empty()) {
      condition.clear();
      std::string word;
      for (std::size_t begin = 0; begin <= path.size();) {
        const auto end = std::min(path.find(' ', begin), path.size());
        condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + path.substr(begin, end - begin));
        begin = end + 1;
      }
    }
    for (const auto* child : visible_children(at)) {
      std::string text = child->get_description();
      for (auto quote = text.find('\''); quote != std::string::npos; quote = text.find('\'', quote + 2)) text.insert(quote, "\\");
      out += fmt::format("complete -c fairlead -n '{}' -a {} -d '{}'\n", condition, child->get_name(), text);
    }
    for (const auto& name : option_names(at))
      out += fmt::format("complete -c fairlead {}-l {}\n", path.empty() ? "" : "-n '" + condition + "' ", name.substr(2));
  });
  return out;
}

std::string option_table(const CLI::App& app) {
  std::string out;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty() || option->get_single_name() == "help") continue;
    std::string names = option->get_name(true, true);
    for (auto comma = names.find(','); comma != std::string::npos; comma = names.find(',', comma + 2)) names.insert(comma + 1, " ");
    std::string type = option->get_type_name().empty() || option->get_positional() ? "" : " " + option->get_type_name();
    out += fmt::format("| `{}{}` | {} |\n", names, type, option->get_description());
  }
  return out.empty() ? out : "| | |\n|---|---|\n" + out + "\n";
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "fish") return fish_script(app);
  if (shell == "bash") return bash_script(app);
  return "#compdef fairlead\n# fairlead: completion for zsh. Load it with: source <(fairlead completion zsh)\nautoload -U +X bashcompinit "
         "&& bashcompinit\n" +
         bash_script(app);
}

std::string cli_reference(const CLI::App& app) {
  std::string out = fmt::format(
      "# fairlead\n\n{}\n\nMade from the program itself; a test compares. `fairlead VERB --help` shows the same.\n\n    fairlead [OPTIONS] "
      "VERB [ARGUMENTS]\n\n"
      "Options that stand before or after the verb:\n\n{}"
      "Colour only on a terminal; `NO_COLOR` is honoured. With `--server http://...` only reading is possible.\n\n"
      "| exit | means |\n|---|---|\n| 0 | done |\n| 1 | failed |\n| 2 | wrong usage |\n| 3 | invalid configuration |\n| 4 | daemon not "
      "reachable |\n| 5 | refused: not an operator, or it wants --force |\n\n## Verbs\n\n",
      app.get_description(), option_table(app));
  walk(app, "", [&](const std::string& path, const CLI::App& at) {
    if (path.empty() || at.get_require_subcommand_min() > 0) return;  // only verbs that do something by themselves
    std::string arguments;
    for (const auto* option : at.get_options()) {
      if (option->get_positional())
        arguments += option->get_required() ? " " + option->get_name(true) : " [" + option->get_name(true) + "]";
    }
    out += fmt::format("### fairlead {}{}\n\n{}\n\n{}", path, arguments, at.get_description(), option_table(at));
  });
  return out;
}

}  // namespace fairlead::cli
