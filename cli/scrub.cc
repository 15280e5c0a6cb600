// fairlead: pure
#include "cli/scrub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace fairlead::cli {
namespace {

constexpr std::array<std::string_view, 9> kNames{"password", "passwd", "passphrase", "secret",       "token",
                                                 "api_key",  "apikey", "authkey",    "authorization"};
constexpr std::size_t kLineMin = 12;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// A number, a time, a yes or a no, a path: nothing that opens anything.
bool is_harmless(std::string_view value) {
  while (!value.empty() && (value.front() == '"' || value.front() == '\'')) value.remove_prefix(1);
  if (value.empty() || value.front() == '/') return true;
  const std::string_view word = value.substr(0, value.find_first_of(" \t\"',;}"));
  if (word == "yes" || word == "no" || word == "on" || word == "off" || word == "true" || word == "false" || word == "null") return true;
  return word.size() <= 10 && std::isdigit(static_cast<unsigned char>(word.front())) != 0;
}

/// Where the value begins whose name ends at `at`; npos: no value.
std::size_t value_after(std::string_view line, bool is_option, std::size_t at) {
  if (at < line.size() && (line[at] == '"' || line[at] == '\'')) ++at;
  std::size_t value = at;
  while (value < line.size() && is_blank(line[value])) ++value;
  const bool sign = value < line.size() && (line[value] == ':' || line[value] == '=');
  if (!sign && !(is_option && value > at)) return std::string_view::npos;
  if (sign) ++value;
  while (value < line.size() && is_blank(line[value])) ++value;
  return value;
}

/// Past the whole word that a name stands in: "client_secret_id".
std::size_t end_of_word(std::string_view line, std::size_t at) {
  while (at < line.size() && is_word(line[at])) ++at;
  return at;
}

std::string scrub_line(std::string_view line) {
  std::string lower(line);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::size_t cut = std::string::npos;
  for (const std::string_view name : kNames) {
    for (std::size_t at = lower.find(name); at != std::string::npos; at = lower.find(name, at + 1)) {
      std::size_t begin = at;
      while (begin > 0 && is_word(line[begin - 1])) --begin;
      const std::size_t value = value_after(line, line.substr(begin, 2) == "--", end_of_word(line, at));
      if (value < line.size() && !is_harmless(line.substr(value))) cut = std::min(cut, value);
    }
  }
  return cut == std::string::npos ? std::string(line) : std::string(line.substr(0, cut)) + "(removed)";
}

}  // namespace

void blot_out(std::string& text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretBytesMin) continue;
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + secret.size()))
      std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(at), secret.size(), '*');
  }
}

std::string scrub(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  bool in_key = false;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const bool begins = line.find("-----BEGIN") != std::string_view::npos && line.find("PRIVATE KEY") != std::string_view::npos;
    if (begins && !in_key) out += "(a private key was removed)\n";
    in_key = (in_key || begins) && line.find("-----END") == std::string_view::npos;
    const bool of_key =
        in_key || begins || (line.find("-----END") != std::string_view::npos && line.find("PRIVATE KEY") != std::string_view::npos);
    if (!of_key) {
      out += scrub_line(line);
      if (end < text.size()) out += '\n';
    }
    begin = end + 1;
  }
  return out;
}

std::vector<std::string> secrets_in(const std::string& file) {
  std::vector<std::string> out{file};
  for (std::size_t begin = 0; begin < file.size();) {
    const std::size_t end = std::min(file.find('\n', begin), file.size());
    std::string line = file.substr(begin, end - begin);
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.pop_back();
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())) != 0) line.erase(0, 1);
    const bool frame = line.starts_with("-----");
    if (!frame && line.size() >= kLineMin)
      out.push_back(std::move(line));
    else if (!frame && file.size() < 256 && line.size() >= kSecretBytesMin)
      out.push_back(std::move(line));
    begin = end + 1;
  }
  return out;
}

std::vector<std::string> secret_paths_in(const std::string& yaml) {
  std::vector<std::string> out;
  for (const std::string_view name : {"key", "token_file", "keyfile"}) {
    for (std::size_t at = yaml.find(name); at != std::string::npos; at = yaml.find(name, at + 1)) {
      if (at > 0 && is_word(yaml[at - 1])) continue;
      std::size_t value = value_after(yaml, /*is_option=*/false, at + name.size());
      if (value < yaml.size() && (yaml[value] == '"' || yaml[value] == '\'')) ++value;
      if (value >= yaml.size() || yaml[value] != '/') continue;
      out.push_back(yaml.substr(value, yaml.find_first_of(" \t\r\n\"',}]", value) - value));
    }
  }
  return out;
}

}  // namespace fairlead::cli
