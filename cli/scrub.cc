// fairlead: pure
#include "cli/scrub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace fairlead::cli {
namespace {

constexpr auto kNone = std::string_view::npos;
constexpr std::size_t kLineMin = 12;
constexpr std::string_view kRemoved = "(removed)";

/// What a secret's name has in it, written without '_', '-' and '.'.
constexpr std::array<std::string_view, 18> kParts{"password",   "passwd",    "passphrase",   "secret",     "token",    "apikey",
                                                  "authkey",    "accesskey", "privatekey",   "privkey",    "authpass", "authorization",
                                                  "credential", "cookie",    "presharedkey", "signingkey", "passcode", "sharedkey"};
/// What it ends with: "dbpass", "wpa_psk".
constexpr std::array<std::string_view, 3> kEnds{"pass", "pwd", "psk"};
/// A blank is enough behind these: "auth_pass 1111".
constexpr std::array<std::string_view, 7> kBlankIsEnough{"password", "passwd", "passphrase", "secret", "pass", "pwd", "psk"};
constexpr std::array<std::string_view, 9> kUnits{"", "ns", "us", "ms", "s", "m", "h", "d", "%"};

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
/// Also what escapes a mark within JSON within JSON.
bool is_quote(char c) { return c == '"' || c == '\'' || c == '`' || c == '\\'; }

template <class List>
bool ends_with_any(std::string_view text, const List& ends) {
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return text.ends_with(end); });
}

/// "X-Api-Key" -> "xapikey"
std::string plain_name(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (is_alnum(c)) out += lower(c);
  }
  return out;
}

bool is_secret_name(const std::string& name) {
  return name == "key" || (ends_with_any(name, kEnds) && !name.ends_with("bypass")) ||
         std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) { return name.find(part) != kNone; });
}

bool is_path(std::string_view value) {
  for (const std::string_view root :
       {"/etc/", "/var/", "/run/", "/usr/", "/srv/", "/opt/", "/home/", "/tmp/", "/mnt/", "/dev/", "/proc/"}) {
    if (value.starts_with(root)) return value.find('=') == kNone;
  }
  return false;
}

/// "800", "800ms", "1.5s"
bool is_quantity(std::string_view value) {
  std::size_t at = 0;
  while (at < value.size() && (is_digit(value[at]) || value[at] == '.')) ++at;
  const std::string_view unit = value.substr(at);
  return at > 0 && at <= 7 && std::find(kUnits.begin(), kUnits.end(), unit) != kUnits.end();
}

/// "" or '', and nothing behind it that belongs to it.
bool is_empty_text(std::string_view value) {
  const std::size_t escape = value.starts_with('\\') ? 1 : 0;
  const std::string_view mark = value.substr(0, escape + 1);
  if (value.size() < 2 * mark.size() || mark.empty() || !is_quote(mark.back()) || value.substr(mark.size(), mark.size()) != mark)
    return false;
  value.remove_prefix(2 * mark.size());
  return value.empty() || value.find_first_of(" \t\r,;})]>") == 0;
}

/// Nothing that opens anything. `name` as plain_name() made it.
bool is_harmless(const std::string& name, std::string_view value) {
  if (is_empty_text(value)) return true;
  while (!value.empty() && (is_quote(value.front()) || is_blank(value.front()))) value.remove_prefix(1);
  if (value.starts_with(kRemoved)) return true;
  const std::string_view word = value.substr(0, value.find_first_of(" \t\r\"'\\,;})]&<"));
  if (word.empty()) return false;
  std::string_view rest = value.substr(word.size());
  while (!rest.empty() && (is_quote(rest.front()) || is_blank(rest.front()))) rest.remove_prefix(1);
  const bool alone = rest.empty() || rest.find_first_of(",;})]#<") == 0;
  for (const std::string_view truth : {"yes", "no", "on", "off", "true", "false", "null", "none"}) {
    if (alone && word == truth) return true;
  }
  const bool names_file = name.ends_with("file") || name.ends_with("path") || name.ends_with("dir");
  const bool may_be_file = name == "key" || name == "authkey" || name.ends_with("privatekey");
  if ((names_file && word.front() == '/') || (may_be_file && is_path(word))) return true;
  return name.find("token") != kNone && is_quantity(word);
}

std::size_t skip(std::string_view line, std::size_t at, bool (*what)(char)) {
  while (at < line.size() && what(line[at])) ++at;
  return at;
}

/// Past ':', '=', "=>", '>' or their form in a URL; kNone: none stands at `at`.
std::size_t past_sign(std::string_view line, std::size_t at) {
  std::size_t end = at;
  while (end < line.size() && (line[end] == ':' || line[end] == '=' || line[end] == '>')) ++end;
  if (end > at) return end;
  const std::string_view escaped = line.substr(std::min(at, line.size()), 3);
  return escaped == "%3D" || escaped == "%3d" || escaped == "%3A" || escaped == "%3a" ? at + 3 : kNone;
}

/// "name": "PASSWORD", "value": "x": where the value of the next field begins, if it is called so.
std::size_t value_of_next(std::string_view line, std::size_t at) {
  at = skip(line, at, [](char c) { return is_quote(c) || is_blank(c) || c == ','; });
  if (line.substr(std::min(at, line.size()), 5) != "value") return kNone;
  const std::size_t past = past_sign(line, skip(line, at + 5, [](char c) { return is_quote(c) || is_blank(c); }));
  return past == kNone ? kNone : skip(line, past, is_blank);
}

/// Where the value begins whose name is `line` from `begin` to `end`; kNone: it has none here.
std::size_t value_after(std::string_view line, std::size_t begin, std::size_t end, const std::string& name) {
  const std::size_t quoted = skip(line, end, is_quote);
  const std::size_t at = skip(line, quoted, is_blank);
  const bool is_option = line[begin] == '-';
  const bool in_path = begin > 0 && line[begin - 1] == '/';
  if (const std::size_t past = past_sign(line, at); past != kNone && !(in_path && at < line.size() && line[at] == ':'))
    return skip(line, past, is_blank);
  if (const std::size_t next = value_of_next(line, quoted); next != kNone) return next;
  if (is_option) return skip(line, at, [](char c) { return is_quote(c) || is_blank(c) || c == ','; });
  const bool blank_is_enough = ends_with_any(name, kBlankIsEnough) && !in_path;
  return blank_is_enough && at > quoted && at < line.size() ? at : kNone;
}

/// Where the first secret behind its name begins. `opens`: deeper lines below belong to it. `next`: all of the next line does. `named`: the
/// line ends with such a name, as the value of "name".
struct Found {
  std::size_t cut = kNone;
  bool opens = false;
  bool next = false;
  bool named = false;
};
Found find_by_name(std::string_view line) {
  Found out;
  for (std::size_t at = 0; at < line.size();) {
    if (!is_word(line[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    at = skip(line, at, is_word);
    const std::string name = plain_name(line.substr(begin, at - begin));
    if (!is_secret_name(name)) continue;
    const std::size_t value = value_after(line, begin, at, name);
    out.named = skip(line, at, [](char c) { return is_quote(c) || is_blank(c) || c == ','; }) >= line.size();
    if (value == kNone) continue;
    if (value >= line.size()) out.opens = out.next = true;
    if (value >= line.size() || is_harmless(name, line.substr(value))) continue;
    out.cut = value;
    out.opens = true;
    out.next = line.find_first_not_of("|>+-0123456789 \t\r", value) == kNone;  // YAML: the text begins on the next line.
    return out;
  }
  return out;
}

/// A stretch of a line; none: `begin` is kNone.
struct Stretch {
  std::size_t begin = kNone;
  std::size_t end = kNone;
};
/// With every stretch that `find(line, from)` names replaced. Linear, as far as `find` is.
std::string without(std::string_view line, Stretch (*find)(std::string_view line, std::size_t from)) {
  std::string out;
  std::size_t at = 0;
  for (Stretch next = find(line, at); next.begin != kNone; next = find(line, at)) {
    out.append(line.substr(at, next.begin - at)).append(kRemoved);
    at = next.end;
  }
  return out.append(line.substr(at));
}

bool is_in_url(char c) { return !is_blank(c) && c != '"' && c != '<' && c != '>'; }
bool is_in_token(char c) { return is_in_url(c) && c != '\'' && c != '\\' && c != '`'; }

/// user:password of "//user:password@".
Stretch url_user(std::string_view line, std::size_t from) {
  for (std::size_t at = line.find("//", from); at != kNone; at = line.find("//", at)) {
    const std::size_t begin = at + 2;
    at = skip(line, begin, is_in_url);
    const std::size_t host = line.substr(begin, at - begin).rfind('@');
    if (host != kNone && host > 0) return {begin, begin + host};
  }
  return {};
}

/// curl's `-u user:password`.
Stretch option_user(std::string_view line, std::size_t from) {
  for (std::size_t at = line.find('-', from); at != kNone; at = line.find('-', at + 1)) {
    if (at > 0 && is_word(line[at - 1])) continue;
    for (const std::string_view option : {"--proxy-user", "--user", "-u", "-U"}) {
      if (line.substr(at, option.size()) != option) continue;
      const std::size_t end_of_option = at + option.size();
      const std::size_t begin = skip(line, end_of_option, [](char c) { return is_quote(c) || is_blank(c) || c == '=' || c == ','; });
      const std::size_t end = skip(line, begin, is_in_url);
      if (line.substr(begin, end - begin).find(':') != kNone) return {begin, end};
    }
  }
  return {};
}

/// What follows Bearer and Basic.
Stretch credentials(std::string_view line, std::size_t from) {
  const auto is_scheme = [&](std::size_t at, std::string_view scheme) {
    return line.size() - at > scheme.size() && std::equal(scheme.begin(), scheme.end(), line.begin() + static_cast<std::ptrdiff_t>(at),
                                                          [](char a, char b) { return a == lower(b); });
  };
  for (std::size_t at = line.find_first_of("bB", from); at != kNone; at = line.find_first_of("bB", at + 1)) {
    for (const std::string_view scheme : {"bearer", "basic"}) {
      if (!is_scheme(at, scheme)) continue;
      const std::size_t begin = skip(line, at + scheme.size(), is_blank);
      const std::size_t end = skip(line, begin, is_in_token);
      if (begin > at + scheme.size() && end - begin >= 8) return {begin, end};
    }
  }
  return {};
}

/// "eyJhbGciOi...": JWT. "abcdef.0123456789abcdef": kubeadm's.
bool is_known_token(std::string_view word) {
  if (word.starts_with("eyJ") && word.size() > 20 && word.find('.') != kNone) return true;
  const auto small = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); };
  return word.size() == 23 && word[6] == '.' && std::all_of(word.begin(), word.begin() + 6, small) &&
         std::all_of(word.begin() + 7, word.end(), small);
}

Stretch known_token(std::string_view line, std::size_t from) {
  for (std::size_t at = from; at < line.size(); ++at) {
    const std::size_t end = skip(line, at, is_word);
    if (is_known_token(line.substr(at, end - at))) return {at, end};
    at = end;
  }
  return {};
}

std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(" \t"), line.size()); }

constexpr int kValueWithin = 3;

/// Line after line: a secret may begin on one and go on on the next.
class LineScrubber {
 public:
  /// False: the line is left out.
  bool scrub(std::string_view line, std::string& out) {
    if (goes_on(line)) return false;
    Found found = find_by_name(line);
    if (value_within_ > 0 && found.cut == kNone) found = find_value(line);
    value_within_ = found.cut != kNone ? 0 : found.named ? kValueWithin : std::max(value_within_ - 1, 0);
    if (found.opens) {
      below_ = indent_of(line);
      // Of a list of maps the keys of one item are as deep as the first of them: "- name: X".
      in_list_ = below_ < line.size() && line[below_] == '-';
      continues_ = found.next || line.ends_with('\\');
    }
    out = line.substr(0, found.cut);
    for (const auto find : {url_user, option_user, credentials, known_token}) out = without(out, find);
    if (found.cut != kNone) out += kRemoved;
    return true;
  }

 private:
  bool goes_on(std::string_view line) {
    if (continues_) {
      continues_ = line.ends_with('\\');
      return true;
    }
    if (below_ == kNone) return false;
    const std::size_t indent = indent_of(line);
    if (indent == line.size()) return true;
    if (indent > below_ && !in_list_) return true;
    if (in_list_ && indent > below_ + 2) return true;
    if (!in_list_ && indent == below_ && line.substr(indent, 2) == "- ") return true;
    below_ = kNone;
    return false;
  }
  /// "value: x" behind a line "name: PASSWORD".
  static Found find_value(std::string_view line) {
    const std::size_t at = value_of_next(line, 0);
    if (at == kNone || at >= line.size()) return {};
    return {.cut = at, .opens = true, .next = false, .named = false};
  }

  std::size_t below_ = kNone;  ///< Lines deeper than this belong to a secret.
  bool in_list_ = false;
  bool continues_ = false;  ///< The next line belongs to it, however deep.
  int value_within_ = 0;    ///< Lines in which the "value" of a "name" is looked for.
};

/// Each becomes one line, or a word where it stood within one.
std::string without_private_keys(const std::string& text) {
  static constexpr std::string_view kBegin = "-----BEGIN";
  static constexpr std::string_view kEnd = "-----END";
  static constexpr std::size_t kFrameMax = 64;
  std::string out;
  std::size_t at = 0;
  for (std::size_t begin = text.find(kBegin); begin != std::string::npos; begin = text.find(kBegin, begin + 1)) {
    if (begin < at) continue;
    if (std::string_view(text).substr(begin, kFrameMax).find("PRIVATE KEY") == kNone) continue;
    out.append(text, at, begin - at).append("(a private key was removed)");
    const std::size_t end = text.find(kEnd, begin);
    at = end == std::string::npos ? text.size() : std::min(text.find("-----", end + kEnd.size()), text.size());
    at = std::min(at + 5, text.size());
  }
  return out.append(text, at, std::string::npos);
}

/// As a string of JSON, or of a log line, writes it.
std::string escaped(const std::string& secret) {
  std::string out;
  for (const char c : secret) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

void overwrite(std::string& text, const std::string& secret) {
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + secret.size()))
    std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(at), secret.size(), '*');
}

}  // namespace

void blot_out(std::string& text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretBytesMin) continue;
    overwrite(text, secret);
    if (const std::string written = escaped(secret); written != secret) overwrite(text, written);
  }
}

std::string scrub(const std::string& text) {
  const std::string keyless = without_private_keys(text);
  LineScrubber lines;
  std::string out;
  out.reserve(keyless.size());
  for (std::size_t begin = 0; begin < keyless.size();) {
    const std::size_t end = std::min(keyless.find('\n', begin), keyless.size());
    std::string line;
    if (lines.scrub(std::string_view(keyless).substr(begin, end - begin), line)) {
      out += line;
      if (end < keyless.size()) out += '\n';
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
    const std::size_t least = file.size() < 256 ? kSecretBytesMin : kLineMin;
    if (!frame && line.size() >= least) out.push_back(std::move(line));
    begin = end + 1;
  }
  return out;
}

std::vector<std::string> secret_paths_in(const std::string& yaml) {
  const auto is_space = [](char c) { return is_blank(c) || c == '\n'; };
  std::vector<std::string> out;
  for (const std::string_view name : {"key", "token_file", "keyfile"}) {
    for (std::size_t at = yaml.find(name); at != std::string::npos; at = yaml.find(name, at + 1)) {
      if (at > 0 && is_word(yaml[at - 1])) continue;
      std::size_t value = past_sign(yaml, skip(yaml, at + name.size(), [](char c) { return is_quote(c) || is_blank(c); }));
      if (value == kNone) continue;
      value = skip(yaml, value, is_space);
      value = skip(yaml, value, is_quote);
      if (value >= yaml.size() || yaml[value] != '/') continue;
      out.push_back(yaml.substr(value, yaml.find_first_of(" \t\r\n\"',}]", value) - value));
    }
  }
  return out;
}

}  // namespace fairlead::cli
