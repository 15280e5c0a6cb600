// fairlead: pure
#include "daemon/wishes_file.h"

#include <array>
#include <charconv>
#include <sstream>

namespace fairlead::daemon {
namespace {

constexpr std::string_view kHead = "fairlead-wishes 1";
constexpr std::string_view kEnd = "end";
constexpr std::array<std::pair<OverrideKind, std::string_view>, 3> kKinds{
    {{OverrideKind::kVipDisabled, "vip_disabled"}, {OverrideKind::kNodeStandby, "node_standby"}, {OverrideKind::kFrozen, "frozen"}}};

template <class Number>
bool read_number(const std::string& text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_wish(const std::string& line, Override& out) {
  std::istringstream words(line);
  std::string kind;
  std::string name;
  std::string on;
  std::string sequence;
  std::string node;
  std::string more;
  if (!(words >> kind >> name >> on >> sequence >> node) || (words >> more)) return false;
  bool known = false;
  for (const auto& [value, word] : kKinds) {
    if (word == kind) out.kind = value, known = true;
  }
  std::uint32_t id = 0;
  if (!known || (on != "on" && on != "off") || !read_number(sequence, out.stamp.sequence) || !read_number(node, id)) return false;
  out.name = name == "-" ? "" : name;
  out.on = on == "on";
  out.stamp.node = NodeId{id};
  return true;
}

}  // namespace

std::string render_wishes(const std::vector<Override>& wishes) {
  std::string out(kHead);
  out += '\n';
  for (const Override& wish : wishes) {
    for (const auto& [value, word] : kKinds) {
      if (value == wish.kind) out += word;
    }
    out += ' ' + (wish.name.empty() ? "-" : wish.name) + (wish.on ? " on " : " off ") + std::to_string(wish.stamp.sequence) + ' ' +
           std::to_string(to_number(wish.stamp.node)) + '\n';
  }
  out += kEnd;
  out += '\n';
  return out;
}

Result<std::vector<Override>> parse_wishes(std::string_view text) {
  std::vector<Override> out;
  std::istringstream lines{std::string(text)};
  std::string line;
  if (!std::getline(lines, line) || line != kHead) return Error{Errc::kInvalidArgument, "line 1: not a file of wishes"};
  for (int number = 2; std::getline(lines, line); ++number) {
    if (line == kEnd) return out;
    Override wish;
    if (!read_wish(line, wish)) return Error{Errc::kInvalidArgument, "line " + std::to_string(number) + ": not a wish: " + line};
    out.push_back(std::move(wish));
  }
  return Error{Errc::kInvalidArgument, "the end is missing"};
}

}  // namespace fairlead::daemon
