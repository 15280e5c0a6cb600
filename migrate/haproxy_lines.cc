// fairlead: pure
#include "migrate/haproxy_lines.h"

#include <fmt/format.h>

#include "migrate/import_limits.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f'; }
constexpr bool is_variable_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// One line at a time.
class Cutter {
 public:
  explicit Cutter(std::string_view line) : line_(line) {}

  void run() {
    while (at_ < line_.size() && problem.empty()) step();
    if (problem.empty() && quote_ != 0) problem = fmt::format("a {} without its end", quote_);
    end_word();
    if (words.size() >= kWordsMax) problem = fmt::format("more than {} words", kWordsMax);
  }

  std::vector<std::string> words;
  std::string problem;
  std::string unknown_variable;
  std::string default_of;  ///< A variable whose default was taken.

 private:
  void step() {
    const char c = line_[at_];
    if (c == '\\' && quote_ != '\'') return escape();
    ++at_;
    if (c == '"' && quote_ != '\'') return toggle(c);
    if (c == '\'' && quote_ != '"') return toggle(c);
    if (quote_ == 0 && c == '#') {
      at_ = line_.size();
    } else if (quote_ == 0 && is_blank(c)) {
      end_word();
    } else if (quote_ == '"' && c == '$') {
      variable();
    } else {
      put(c);
    }
  }
  void toggle(char c) {
    quote_ = quote_ == 0 ? c : '\0';
    in_word_ = true;
  }
  void escape() {
    if (at_ + 1 >= line_.size()) {
      problem = "a backslash at its end: HAProxy joins no lines";
      return;
    }
    const char next = line_[at_ + 1];
    at_ += 2;
    switch (next) {
      case 'n': return put('\n');
      case 'r': return put('\r');
      case 't': return put('\t');
      case ' ':
      case '#':
      case '\\':
      case '"':
      case '\'': return put(next);
      case '$':
        if (quote_ == '"') return put('$');
        break;
      case 'x': {
        const int high = at_ < line_.size() ? hex_digit(line_[at_]) : -1;
        const int low = at_ + 1 < line_.size() ? hex_digit(line_[at_ + 1]) : -1;
        if (high < 0 || low < 0) {
          problem = "\\x without two hexadecimal digits";
          return;
        }
        at_ += 2;
        return put(static_cast<char>(high * 16 + low));
      }
      default: break;
    }
    put('\\');
    put(next);
  }
  /// After the '$': NAME, {NAME} or {NAME-default}.
  void variable() {
    const bool braces = at_ < line_.size() && line_[at_] == '{';
    if (braces) ++at_;
    const std::size_t begin = at_;
    while (at_ < line_.size() && is_variable_char(line_[at_])) ++at_;
    const std::string name(line_.substr(begin, at_ - begin));
    in_word_ = true;
    if (braces) {
      const std::size_t end = line_.find('}', at_);
      if (end == std::string_view::npos) {
        problem = "a ${ without its }";
        return;
      }
      const std::string_view rest = line_.substr(at_, end - at_);
      at_ = end + 1;
      if (rest.starts_with('-')) {
        default_of = name;
        for (const char c : rest.substr(1)) put(c);
        return;
      }
    }
    unknown_variable = name.empty() ? "$" : name;
  }
  void put(char c) {
    word_ += c;
    in_word_ = true;
  }
  void end_word() {
    if (in_word_ && words.size() < kWordsMax) words.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  std::string_view line_;
  std::size_t at_ = 0;
  std::string word_;
  bool in_word_ = false;
  char quote_ = 0;
};

}  // namespace

std::vector<HaproxyLine> read_haproxy_lines(std::string_view file, std::string_view text, Ledger& ledger) {
  std::vector<HaproxyLine> out;
  int number = 0;
  for (const std::string_view raw : split_lines(text)) {
    ++number;
    Cutter cutter(raw);
    cutter.run();
    if (cutter.words.empty() && cutter.problem.empty()) continue;
    HaproxyLine line;
    line.at = ledger.add(file, number, raw);
    line.words = cutter.words.empty() ? std::vector<std::string>{""} : std::move(cutter.words);
    if (!cutter.problem.empty()) {
      line.usable = false;
      ledger.left_out(line.at, cutter.problem);
    } else if (!cutter.unknown_variable.empty()) {
      line.usable = false;
      ledger.left_out(line.at, fmt::format("the value of ${} is not known here", shown(cutter.unknown_variable)), "write the value itself");
    } else if (!cutter.default_of.empty()) {
      ledger.approximated(line.at, fmt::format("the default of ${} was taken", shown(cutter.default_of)));
    }
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace fairlead::migrate
