// fairlead: pure
#include "migrate/words.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/import_limits.h"

namespace fairlead::migrate {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";

constexpr bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; }

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kHaproxy: return "haproxy";
    case Kind::kKeepalived: return "keepalived";
    case Kind::kCorosync: return "corosync";
    case Kind::kPacemaker: return "pacemaker";
  }
  return "haproxy";
}

std::optional<Kind> parse_kind(std::string_view name) {
  for (const Kind kind : {Kind::kHaproxy, Kind::kKeepalived, Kind::kCorosync, Kind::kPacemaker}) {
    if (to_string(kind) == name) return kind;
  }
  return std::nullopt;
}

std::string_view to_string(Fate fate) {
  switch (fate) {
    case Fate::kCarried: return "carried";
    case Fate::kApproximated: return "approximated";
    case Fate::kLeftOut: return "left out";
  }
  return "left out";
}

std::string format(const Note& note) {
  return fmt::format("{}:{}: {}: {}{}", note.file, note.line, note.text, note.reason,
                     note.remedy.empty() ? "" : fmt::format(" ({})", note.remedy));
}

std::optional<config::Problem> check_input(const Input& input) {
  const auto problem = [&](int line, int column, std::string message, std::string hint) {
    return config::Problem{input.name, line, column, config::Severity::kError, std::move(message), std::move(hint)};
  };
  if (input.text.size() > kInputBytesMax)
    return problem(1, 1, fmt::format("more than {} MiB", kInputBytesMax >> 20),
                   fmt::format("is it really a file of {}?", to_string(input.kind)));
  int line = 1;
  std::size_t begin = 0;
  for (std::size_t at = 0; at <= input.text.size(); ++at) {
    if (at < input.text.size() && input.text[at] != '\n') {
      const auto byte = static_cast<unsigned char>(input.text[at]);
      if (byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\f') {
        return problem(line, static_cast<int>(at - begin) + 1, fmt::format("the byte 0x{:02x} is no text", byte),
                       fmt::format("give a configuration file of {}", to_string(input.kind)));
      }
      continue;
    }
    if (at - begin > kLineBytesMax)
      return problem(line, 1, fmt::format("a line of {} bytes", at - begin), fmt::format("at most {}", kLineBytesMax));
    begin = at + 1;
    ++line;
  }
  return std::nullopt;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.push_back(line);
    begin = end + 1;
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos && out.size() <= kWordsMax;) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlanks, end);
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : trimmed(text)) {
    if (out.size() >= kNoteTextMax) return out + "...";
    const auto byte = static_cast<unsigned char>(c);
    out += byte == '\t' ? ' ' : byte < 0x20 || byte >= 0x7f ? '?' : c;
  }
  return out;
}

std::string shown(std::string_view line) {
  line = trimmed(line);
  // A note is passed on more lightly than the file: what follows these words stays in the file.
  const std::string small = lower(line);
  std::size_t secret_at = line.size();
  for (const std::string_view secret : {"auth_pass", "stats auth", "password", "passwd", "authorization", "bearer", "hdr cookie", "api-key",
                                        "token ", "secret", "community"}) {
    const auto at = small.find(secret);
    if (at != std::string::npos) secret_at = std::min(secret_at, at + secret.size());
  }
  // In XML the value may stand before the name.
  const auto value = small.find("value=");
  if (secret_at < line.size() && line.starts_with('<') && value != std::string::npos) secret_at = std::min(secret_at, value + 6);
  return printable(line.substr(0, secret_at)) + (secret_at < line.size() ? " ..." : "");
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f; });
}

bool is_file_path(std::string_view text) { return text.starts_with('/') && is_plain(text) && text.size() <= config::kPathLengthMax; }

bool is_device(std::string_view text) {
  return !text.empty() && text.size() <= config::kDeviceLengthMax && text != "." && text != ".." && is_plain(text) &&
         text.find_first_of(" /:") == std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(), [&](std::string_view start) { return text.starts_with(start); });
}

std::string name_from(std::string_view text) {
  std::string out = lower(text.substr(0, config::kNameLengthMax));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !is_name_char(c); }, '-');
  const auto first = std::find_if(out.begin(), out.end(), [](char c) { return c != '.' && c != '_' && c != '-'; });
  out.erase(out.begin(), first);
  return out.empty() ? "x" : out;
}

std::string UniqueNames::take(const std::string& name) {
  std::string out = name;
  std::size_t last = taken_.contains(name) ? taken_[name] : 1;
  while (taken_.contains(out)) {
    const std::string tail = fmt::format("-{}", ++last);
    out = name.substr(0, config::kNameLengthMax - tail.size()) + tail;
  }
  taken_[name] = last;
  taken_.emplace(out, 1);
  return out;
}

Duration clamped(Duration value, Duration min, Duration max) { return std::clamp(value, min, max); }

}  // namespace fairlead::migrate
