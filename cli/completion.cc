// fairlead: pure
#include "cli/completion.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "admin/drill_cases.h"
#include "cli/event_guide.h"
#include "config/reference.h"

namespace fairlead::cli {
namespace {

constexpr std::string_view kBash = R"shell(# fairlead: completion for bash. Load it with: source <(fairlead completion bash)
_fairlead() {
  local line
  local program="${COMP_WORDS[0]/#\~\//$HOME/}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :files) compopt -o default ;;
      :dirs) compopt -o dirnames ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done < <("$program" __complete bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _fairlead fairlead
)shell";

constexpr std::string_view kZsh = R"shell(#compdef fairlead
# fairlead: completion for zsh. Load it after compinit with: source <(fairlead completion zsh)
_fairlead() {
  local line value
  local -a found
  for line in "${(@f)$(${(Q)~words[1]} __complete zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      '') ;;
      :files) _files; return ;;
      :dirs) _files -/; return ;;
      *)
        value="${line%%$'\t'*}"
        if [[ "$value" == "$line" ]]; then found+=("${value//:/\\:}"); else found+=("${value//:/\\:}:${line#*$'\t'}"); fi ;;
    esac
  done
  _describe 'fairlead' found
}
if [[ "${funcstack[1]}" == _fairlead ]]; then _fairlead "$@"; else compdef _fairlead fairlead; fi
)shell";

constexpr std::string_view kFish = R"shell(# fairlead: completion for fish. Load it with: fairlead completion fish | source
function __fairlead_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete fish -- $words[2..] "$(commandline -ct)" 2>/dev/null)
    switch "$found[-1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :dirs
            __fish_complete_directories (commandline -ct)
        case '*'
            test -n "$found"; and printf '%s\n' $found
    end
end
complete -c fairlead -f -a '(__fairlead_complete)'
)shell";

/// bash takes "--vip=api" and "http://x" for several words; here they are one again.
std::vector<std::string> rejoined(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  bool glue = false;
  for (const std::string& word : words) {
    const bool breaks = !word.empty() && word.find_first_not_of("=:") == std::string::npos;
    if ((breaks || glue) && !out.empty()) {
      out.back() += word;
    } else {
      out.push_back(word);
    }
    glue = breaks;
  }
  return out;
}

const OptionModel* find_option(const std::vector<OptionModel>& options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const OptionModel& option) {
    return std::find(option.names.begin(), option.names.end(), name) != option.names.end();
  });
  return found == options.end() ? nullptr : &*found;
}

const VerbModel* find_verb(const VerbModel& at, const std::string& name) {
  const auto found = std::find_if(at.verbs.begin(), at.verbs.end(), [&](const VerbModel& verb) { return verb.name == name; });
  return found == at.verbs.end() ? nullptr : &*found;
}

/// Walks the finished words of a line.
class LineReader {
 public:
  LineReader(const VerbModel& program, CompletionLine& out) : program_(program), at_(&program), out_(out) {}

  void word(const std::string& word) {
    if (pending_ != nullptr) {
      out_.options[long_name(*pending_)] = word;
      pending_ = nullptr;
      return;
    }
    if (!out_.only_arguments && word == "--") {
      out_.only_arguments = true;
      return;
    }
    if (!out_.only_arguments && word.size() > 1 && word.front() == '-') return option(word);
    const VerbModel* next = place_ == 0 ? find_verb(*at_, word) : nullptr;
    if (next == nullptr) {
      ++place_;
      return;
    }
    parents_.push_back(at_);
    at_ = next;
    out_.path.push_back(word);
  }

  void last(const std::string& word) {
    out_.word = word;
    out_.verb = at_;
    out_.verb_may_come = place_ == 0;
    out_.shown_options = at_->options;
    for (auto parent = parents_.rbegin(); parent != parents_.rend(); ++parent)
      out_.shown_options.insert(out_.shown_options.end(), (*parent)->options.begin(), (*parent)->options.end());
    if (pending_ != nullptr) {
      out_.wanted = pending_;
      return;
    }
    const auto equals = word.find('=');
    if (!out_.only_arguments && word.starts_with("--") && equals != std::string::npos) {
      out_.wanted = known(word.substr(0, equals));
      out_.before = word.substr(0, equals + 1);
      out_.word = word.substr(equals + 1);
      return;
    }
    const auto& arguments = at_->arguments;
    if (place_ < arguments.size()) {
      out_.wanted = &arguments[place_];
    } else if (!arguments.empty() && arguments.back().repeated) {
      out_.wanted = &arguments.back();
    }
  }

 private:
  const OptionModel* known(const std::string& name) const {
    if (const OptionModel* own = find_option(at_->options, name)) return own;
    for (auto parent = parents_.rbegin(); parent != parents_.rend(); ++parent) {
      if (const OptionModel* found = find_option((*parent)->options, name)) return found;
    }
    return nullptr;
  }
  void option(const std::string& word) {
    const auto equals = word.find('=');
    const OptionModel* found = known(word.substr(0, equals));
    if (found == nullptr || found->value.empty()) return;
    if (equals == std::string::npos) {
      pending_ = found;
    } else {
      out_.options[long_name(*found)] = word.substr(equals + 1);
    }
  }

  const VerbModel& program_;
  const VerbModel* at_;
  std::vector<const VerbModel*> parents_;
  const OptionModel* pending_ = nullptr;
  std::size_t place_ = 0;
  CompletionLine& out_;
};

struct Candidates {
  std::vector<std::pair<std::string, std::string>> values;  ///< With a text each, or none.
  std::string directive;
};

void add_words(Candidates& out, std::initializer_list<const char*> words) {
  for (const char* word : words) out.values.emplace_back(word, "");
}

bool may_be_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/';
  });
}

/// What a value of this name can be.
Candidates values_of(const std::string& name, const CompletionLine& line,
                     const std::function<std::vector<std::string>(const CompletionLine&, Named)>& names) {
  Candidates out;
  const auto add_named = [&](Named what) {
    // A line of the answer is a candidate, a tab ends it: what the daemon says is held to names that can be.
    for (std::string& found : names(line, what)) {
      if (may_be_name(found)) out.values.emplace_back(std::move(found), "");
    }
  };
  const bool of_lab = !line.path.empty() && line.path.front() == "lab";
  static constexpr std::array kFiles{"FILE", "PATH", "BEFORE", "AFTER"};
  if (std::find(kFiles.begin(), kFiles.end(), name) != kFiles.end()) out.directive = ":files";
  if (name == "DIR") out.directive = ":dirs";
  if (name == "POOL") add_named(Named::kPool);
  if (name == "POOL/NAME" || name == "SERVER") add_named(Named::kServer);
  if (name == "LISTENER") add_named(Named::kListener);
  if (name == "VIP") add_named(Named::kVip);
  if (name == "NODE" && !of_lab) add_named(Named::kNode);
  if (name == "NETWORK") add_named(Named::kNetwork);
  if (name == "TYPE") add_words(out, {"A", "AAAA", "PTR"});
  if (name == "FORMAT") add_words(out, {"text", "json", "yaml"});
  if (name == "MODE") add_words(out, {"auto", "always", "never"});
  if (name == "KIND") add_words(out, {"haproxy", "keepalived", "corosync", "pacemaker"});
  if (name == "SHELL") add_words(out, {"bash", "zsh", "fish"});
  if (name == "PROFILE") add_words(out, {"vm", "fast", "min"});
  if (name == "CASE") {
    for (const auto& each : admin::drill_cases()) {
      if (each.place == admin::DrillPlace::kCluster) out.values.emplace_back(each.name, each.what);
    }
  }
  if (name == "KEY.PATH") {
    for (std::string& path : config::key_paths()) out.values.emplace_back(std::move(path), "");
    for (std::string& event : event_ids()) out.values.emplace_back(std::move(event), "");
  }
  return out;
}

}  // namespace

std::string completion_script(const std::string& shell) { return std::string(shell == "fish" ? kFish : shell == "zsh" ? kZsh : kBash); }

CompletionLine read_line(const VerbModel& program, const CompletionRequest& request) {
  CompletionLine out;
  LineReader reader(program, out);
  const auto words = request.shell == "bash" ? rejoined(request.words) : request.words;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) reader.word(words[i]);
  reader.last(words.empty() ? std::string() : words.back());
  return out;
}

std::string complete(const VerbModel& program, const CompletionRequest& request,
                     const std::function<std::vector<std::string>(const CompletionLine&, Named)>& names) {
  const CompletionLine line = read_line(program, request);
  Candidates found;
  const bool writes_option =
      line.before.empty() && !line.only_arguments && line.word.starts_with('-') && (line.wanted == nullptr || line.wanted->names.empty());
  if (writes_option) {
    for (const OptionModel& option : line.shown_options) found.values.emplace_back(long_name(option), option.text);
  } else {
    if (line.wanted != nullptr) found = values_of(line.wanted->value, line, names);
    const bool verb_may_come = line.wanted == nullptr || (line.wanted->names.empty() && !line.wanted->required);
    if (verb_may_come && line.verb_may_come && line.before.empty() && !line.only_arguments) {
      for (const VerbModel& verb : line.verb->verbs) found.values.emplace_back(verb.name, verb.text);
    }
  }
  // bash replaces only what stands behind the last "=" or ":".
  const std::string whole = line.before + line.word;
  const auto last_break = request.shell == "bash" ? whole.find_last_of("=:") : std::string::npos;
  const std::size_t cut = last_break == std::string::npos ? 0 : last_break + 1;
  std::string out;
  for (const auto& [value, text] : found.values) {
    if (!value.starts_with(line.word)) continue;
    out += (line.before + value).substr(cut);
    if (!text.empty()) out += "\t" + text.substr(0, text.find('\n'));
    out += "\n";
  }
  return found.directive.empty() ? out : out + found.directive + "\n";
}

}  // namespace fairlead::cli
