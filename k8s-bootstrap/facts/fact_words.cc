// fairlead: pure
#include "k8s-bootstrap/facts/fact_words.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <functional>
#include <map>

#include "base/units.h"

namespace fairlead::bootstrap {
namespace {

namespace json = boost::json;

constexpr std::size_t kPrintedMax = 300;

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<json::value> parse_json(std::string_view text) {
  boost::system::error_code problem;
  json::parse_options options;
  options.max_depth = 32;
  json::value out = json::parse(text, problem, {}, options);
  if (problem) return std::nullopt;
  return out;
}

}  // namespace

void Words::skip() {
  while (!left_.empty() && is_blank(left_.front())) left_.remove_prefix(1);
}
std::string_view Words::next() {
  const auto end = left_.find_first_of(" \t");
  const std::string_view out = left_.substr(0, end);
  left_.remove_prefix(out.size());
  skip();
  return out;
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> out;
  for (Words words(line); !words.done();) out.push_back(words.next());
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string printable(std::string_view text) {
  std::string out(trimmed(text).substr(0, kPrintedMax));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return out;
}

Known truth(std::string_view word) { return word == "yes" ? Known::kYes : word == "no" ? Known::kNo : Known::kUnknown; }

std::optional<PrintedTime> seconds(std::string_view text) {
  constexpr std::int64_t kSecondsMax = 4'000'000'000;
  const auto dot = text.find('.');
  const auto whole = number<std::int64_t>(text.substr(0, dot));
  if (!whole || *whole < 0 || *whole > kSecondsMax) return std::nullopt;
  PrintedTime out{std::chrono::seconds(*whole), std::chrono::seconds(1)};
  if (dot == std::string_view::npos) return out;
  std::string fraction(text.substr(dot + 1));
  if (fraction.empty() || fraction.size() > 9) return std::nullopt;
  const auto digits = fraction.size();
  fraction.resize(9, '0');
  const auto nanoseconds = number<std::int64_t>(fraction);
  if (!nanoseconds || *nanoseconds < 0) return std::nullopt;
  out.value += Duration(*nanoseconds);
  out.resolution = Duration(1);
  for (auto at = digits; at < 9; ++at) out.resolution *= 10;
  return out;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

std::string version_in(std::string_view text) {
  for (std::string_view word : split(text)) {
    while (!word.empty() && (word.front() == '\'' || word.front() == '"' || word.front() == 'v')) word.remove_prefix(1);
    if (word.empty() || !is_digit(word.front())) continue;
    const auto end = std::find_if(word.begin(), word.end(), [](char c) {
      return !(is_digit(c) || c == '.' || c == '-' || c == '+' || c == '~' || (c >= 'a' && c <= 'z'));
    });
    const std::string_view version = word.substr(0, static_cast<std::size_t>(end - word.begin()));
    const auto dot = version.find('.');
    if (dot != std::string_view::npos && dot + 1 < version.size() && is_digit(version[dot + 1])) return std::string(version.substr(0, 64));
  }
  return {};
}

/// "LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))"
std::optional<ListeningPort> listening_of_ss(std::string_view line) {
  Words words(line);
  if (words.next() != "LISTEN") return std::nullopt;
  (void)words.next();
  (void)words.next();
  const std::string_view local = words.next();
  const auto colon = local.rfind(':');
  const auto port = colon == std::string_view::npos ? std::nullopt : number<std::uint16_t>(local.substr(colon + 1));
  if (!port) return std::nullopt;
  ListeningPort out{*port, "?"};
  const std::string_view users = words.rest();
  const auto quote = users.find("((\"");
  if (quote == std::string_view::npos) return out;
  const std::string_view name = users.substr(quote + 3);
  out.program = printable(name.substr(0, name.find('"')));
  return out;
}

/// "   0: 00000000:0016 00000000:0000 0A ...": state 0A listens.
std::optional<ListeningPort> listening_of_proc(std::string_view line) {
  Words words(line);
  (void)words.next();
  const std::string_view local = words.next();
  (void)words.next();
  if (words.next() != "0A") return std::nullopt;
  const auto colon = local.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = local.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port, 16);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return ListeningPort{port, "?"};
}

std::string git_version(std::string_view text) {
  const auto value = parse_json(text);
  if (!value || !value->is_object()) return {};
  const json::value* version = value->as_object().if_contains("gitVersion");
  if (version == nullptr || !version->is_string()) return {};
  return version_in(printable(std::string_view(version->as_string())));
}

std::optional<std::vector<std::string>> vips_held(std::string_view text) {
  const auto value = parse_json(text);
  if (!value || !value->is_object()) return std::nullopt;
  const json::value* vips = value->as_object().if_contains("vips");
  if (vips == nullptr || !vips->is_array()) return std::nullopt;
  std::vector<std::string> out;
  for (const json::value& vip : vips->as_array()) {
    if (!vip.is_object()) continue;
    const json::value* name = vip.as_object().if_contains("name");
    const json::value* held = vip.as_object().if_contains("held_here");
    if (name != nullptr && name->is_string() && held != nullptr && held->is_bool() && held->as_bool())
      out.push_back(printable(std::string_view(name->as_string())));
  }
  return out;
}

std::vector<std::string> apply_stand_ins(std::string_view text, MachineFacts& facts) {
  using Setter = std::function<bool(const std::string&)>;
  const auto word = [](std::string& into) { return Setter([&into](const std::string& v) { return into = v, true; }); };
  const auto yes_no = [](Known& into) { return Setter([&into](const std::string& v) { return (into = truth(v)) != Known::kUnknown; }); };
  const auto size = [](std::uint64_t& into) {
    return Setter([&into](const std::string& v) {
      auto bytes = parse_size(v);
      if (bytes) into = *bytes;
      return bytes.has_value();
    });
  };
  const auto small = [](unsigned& into) {
    return Setter([&into](const std::string& v) {
      const auto n = number<unsigned>(v);
      if (n) into = *n;
      return n.has_value();
    });
  };
  const std::map<std::string_view, Setter> members = {{"os_id", word(facts.os_id)},
                                                      {"os_version", word(facts.os_version)},
                                                      {"kernel", word(facts.kernel)},
                                                      {"arch", word(facts.arch)},
                                                      {"host_name", word(facts.host_name)},
                                                      {"boot_id", word(facts.boot_id)},
                                                      {"machine_id", word(facts.machine_id)},
                                                      {"product_uuid", word(facts.product_uuid)},
                                                      {"cpus", small(facts.cpus)},
                                                      {"memory", size(facts.memory_bytes)},
                                                      {"disk_free", size(facts.disk_free_bytes)},
                                                      {"swap", yes_no(facts.swap)},
                                                      {"cgroup_version", small(facts.cgroup_version)},
                                                      {"systemd", yes_no(facts.systemd)},
                                                      {"clock_offset", [&](const std::string& v) {
                                                         auto offset = parse_duration(v);
                                                         if (offset) facts.clock_offset = *offset;
                                                         return offset.has_value();
                                                       }}};
  std::vector<std::string> problems;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    const auto equal = line.find('=');
    const std::string key = printable(line.substr(0, equal));
    const std::string value = equal == std::string_view::npos ? "" : printable(line.substr(equal + 1));
    const auto dot = key.find('.');
    const std::string list = key.substr(0, dot);
    const std::string name = dot == std::string::npos ? "" : key.substr(dot + 1);
    bool taken = equal != std::string_view::npos;
    if (const auto member = members.find(key); taken && member != members.end()) {
      taken = member->second(value);
    } else if (taken && list == "modules" && !name.empty() && truth(value) != Known::kUnknown) {
      facts.modules[name] = truth(value) == Known::kYes;
    } else if (taken && list == "sysctls" && !name.empty()) {
      facts.sysctls[name] = value;
    } else if (taken && list == "units" && !name.empty()) {
      facts.units[name] = value;
    } else if (taken && list == "packages" && !name.empty()) {
      facts.packages[name] = value;
    } else {
      taken = false;
    }
    if (taken) {
      facts.stand_ins.push_back(key);
    } else {
      problems.push_back(fmt::format("/etc/fairlead/stand-in-facts: '{}' is no fact that can be supplied", printable(line)));
    }
  }
  std::sort(facts.stand_ins.begin(), facts.stand_ins.end());
  facts.stand_ins.erase(std::unique(facts.stand_ins.begin(), facts.stand_ins.end()), facts.stand_ins.end());
  return problems;
}

}  // namespace fairlead::bootstrap
