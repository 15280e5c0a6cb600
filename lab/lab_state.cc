// fairlead: pure
#include "lab/lab_state.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace fairlead::lab {
namespace {

constexpr std::string_view kHead = "fairlead-lab 1";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    if (end > 0) out.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

template <class Number>
bool read(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_option(std::string_view word, LabOptions& options) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos) return false;
  const auto key = word.substr(0, equals);
  const auto value = word.substr(equals + 1);
  unsigned flag = 0;
  if (key == "name")
    options.name = value;
  else if (key == "nodes")
    return read(value, options.nodes);
  else if (key == "backends")
    return read(value, options.backends);
  else if (key == "clients")
    return read(value, options.clients);
  else if (key == "profile")
    options.profile = value;
  else if (key == "one_link" && read(value, flag))
    options.one_link = flag != 0;
  else if (key == "qdevice" && read(value, flag))
    options.qdevice = flag != 0;
  else if (key == "dhcp" && read(value, flag))
    options.dhcp = flag != 0;
  else
    return false;
  return true;
}

bool read_process(std::string_view pid, std::string_view start, ProcessId& into) {
  return read(pid, into.pid) && into.pid > 1 && read(start, into.start);
}

/// The next line of `text`, which loses it.
std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool read_line(std::string_view line, LabState& state) {
  const auto words = words_of(line);
  if (words.empty()) return true;
  ProcessId process;
  if (words[0] == "options")
    return std::all_of(words.begin() + 1, words.end(), [&](auto word) { return read_option(word, state.options); });
  if (words[0] == "keeper" && words.size() == 4 && read_process(words[2], words[3], process)) {
    state.keepers.push_back({std::string(words[1]), process});
    return true;
  }
  if (words[0] == "program" && words.size() == 5 && read_process(words[3], words[4], process)) {
    state.programs.push_back({std::string(words[1]), std::string(words[2]), process});
    return true;
  }
  return false;
}

}  // namespace

std::optional<ProcessId> LabState::keeper(std::string_view node) const {
  const auto found = std::find_if(keepers.begin(), keepers.end(), [&](const Keeper& k) { return k.node == node; });
  return found == keepers.end() ? std::nullopt : std::optional(found->process);
}

std::optional<ProcessId> LabState::program(std::string_view node, std::string_view name) const {
  const auto found = std::find_if(programs.begin(), programs.end(), [&](const Program& p) { return p.node == node && p.name == name; });
  return found == programs.end() ? std::nullopt : std::optional(found->process);
}

void LabState::set_keeper(const std::string& node, ProcessId process) {
  forget(node);
  keepers.push_back({node, process});
}

void LabState::set_program(const std::string& node, const std::string& name, ProcessId process) {
  std::erase_if(programs, [&](const Program& p) { return p.node == node && p.name == name; });
  programs.push_back({node, name, process});
}

void LabState::forget(std::string_view node) {
  std::erase_if(keepers, [&](const Keeper& k) { return k.node == node; });
  std::erase_if(programs, [&](const Program& p) { return p.node == node; });
}

std::string print_state(const LabState& state) {
  const LabOptions& o = state.options;
  std::string out = fmt::format("{}\noptions name={} nodes={} backends={} clients={} profile={} one_link={} qdevice={} dhcp={}\n", kHead,
                                o.name, o.nodes, o.backends, o.clients, o.profile, o.one_link ? 1 : 0, o.qdevice ? 1 : 0, o.dhcp ? 1 : 0);
  for (const auto& k : state.keepers) out += fmt::format("keeper {} {} {}\n", k.node, k.process.pid, k.process.start);
  for (const auto& p : state.programs) out += fmt::format("program {} {} {} {}\n", p.node, p.name, p.process.pid, p.process.start);
  return out;
}

Result<LabState> parse_state(std::string_view text) {
  LabState out;
  unsigned number = 0;
  while (!text.empty()) {
    const auto line = take_line(text);
    ++number;
    if (number == 1 ? line != kHead : !read_line(line, out))
      return Error{Errc::kInvalidArgument, fmt::format("state file, line {}: '{}' is not of this version", number, line)};
  }
  if (number == 0) return Error{Errc::kInvalidArgument, "state file: empty"};
  return out;
}

LabState salvage_state(std::string_view text) {
  LabState out;
  while (!text.empty()) {
    const auto words = words_of(take_line(text));
    ProcessId process;
    // Another version may say more behind what this one knows.
    if (words.size() >= 4 && words[0] == "keeper" && read_process(words[2], words[3], process))
      out.keepers.push_back({std::string(words[1]), process});
    else if (words.size() >= 5 && words[0] == "program" && read_process(words[3], words[4], process))
      out.programs.push_back({std::string(words[1]), std::string(words[2]), process});
  }
  return out;
}

}  // namespace fairlead::lab
