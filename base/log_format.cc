// fairlead: pure
#include "base/log_format.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace fairlead {
namespace {

/// Length of the UTF-8 character that begins at `text`; 0 when the bytes there are none (overlong, surrogate, cut off).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0U) != 0x80U) return 0;
  }
  const unsigned second = at(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return length;
}

/// C0, DEL and the C1 controls U+0080..U+009F, which terminals obey as well; `length` is that of the character.
bool is_control(std::string_view text, std::size_t length) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (length == 1) return first < 0x20 || first == 0x7f;
  return length == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
}

struct Cut {
  std::string_view text;
  bool cut;
};
/// At most kLogValueBytesMax bytes, never half a character.
Cut cut_value(std::string_view value) {
  if (value.size() <= kLogValueBytesMax) return {value, false};
  std::size_t end = kLogValueBytesMax;
  for (int i = 0; i < 3 && end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0U) == 0x80U; ++i) --end;
  return {value.substr(0, end), true};
}

void append_hex(std::string& out, std::string_view prefix, char byte) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  out += prefix;
  out += kDigits[value >> 4];
  out += kDigits[value & 15];
}

}  // namespace

std::string format_log_time(WallTime time) {
  using namespace std::chrono;
  const auto ms = floor<milliseconds>(time);
  const auto day = floor<days>(ms);
  const year_month_day date(day);
  const hh_mm_ss clock(ms - day);
  std::array<char, 48> text{};
  const int n = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                              static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                              static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                              static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(n)};
}

void append_text_value(std::string& out, std::string_view value) {
  const auto harmless = [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '='; };
  if (!value.empty() && value.size() <= kLogValueBytesMax && std::all_of(value.begin(), value.end(), harmless)) {
    out += value;
    return;
  }
  auto [rest, cut] = cut_value(value);
  bool quote = rest.empty() || cut;
  std::string escaped;
  escaped.reserve(rest.size());
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    const char c = rest.front();
    if (length == 0 || is_control(rest, length)) {
      quote = true;
      if (c == '\n' || c == '\r' || c == '\t') {
        escaped += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
      } else {
        for (std::size_t i = 0; i < (length == 0 ? 1 : length); ++i) append_hex(escaped, "\\x", rest[i]);
      }
    } else {
      if (c == '"' || c == '\\') escaped += '\\';
      if (c == '"' || c == '\\' || c == ' ' || c == '=') quote = true;
      escaped.append(rest.substr(0, length));
    }
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  if (quote) out += '"';
  out += escaped;
  if (cut) out += "...";
  if (quote) out += '"';
}

void append_json_string(std::string& out, std::string_view value) {
  auto [rest, cut] = cut_value(value);
  out += '"';
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    const char c = rest.front();
    if (length == 0) {
      out += "\\ufffd";
    } else if (is_control(rest, length)) {
      append_hex(out, "\\u00", rest[length - 1]);  // Two-byte controls are U+0080 + the low bits: 0xc2 0xNN.
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out.append(rest.substr(0, length));
    }
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  if (cut) out += "...";
  out += '"';
}

LogLine::LogLine(LogFormat format, WallTime time, LogLevel level, std::string_view id) : format_(format) {
  text_.reserve(256);
  if (format_ == LogFormat::kJson) {
    text_ = R"({"time":")" + format_log_time(time) + R"(","level":")" + std::string(to_string(level)) + R"(","id":)";
    append_json_string(text_, id);
  } else {
    text_ = format_log_time(time) + ' ' + std::string(to_string(level)) + ' ' + std::string(id);
  }
}

void LogLine::begin(std::string_view key) {
  if (format_ == LogFormat::kJson) {
    text_ += ',';
    append_json_string(text_, key);
    text_ += ':';
  } else {
    text_ += ' ';
    text_ += key;
    text_ += '=';
  }
}

LogLine& LogLine::add(std::string_view key, std::string_view value) {
  begin(key);
  format_ == LogFormat::kJson ? append_json_string(text_, value) : append_text_value(text_, value);
  return *this;
}

LogLine& LogLine::add(std::string_view key, double value) {
  const std::string text = log_detail::text_of(value);
  return std::isfinite(value) ? add_bare(key, text) : add(key, text);
}

LogLine& LogLine::add_bare(std::string_view key, std::string_view value) {
  begin(key);
  text_ += value;
  return *this;
}

std::string LogLine::take() {
  if (format_ == LogFormat::kJson) text_ += '}';
  return std::move(text_);
}

std::string format_event(const LogEvent& event, LogFormat format) {
  LogLine line(format, event.time, level_of(event.id), to_string(event.id));
  for (const LogField& field : event.fields) line.add(field.key, field.value);
  return line.take();
}

std::string format_event_body(const LogEvent& event) {
  std::string out(to_string(event.id));
  for (const LogField& field : event.fields) {
    out += ' ';
    out += field.key;
    out += '=';
    append_text_value(out, field.value);
  }
  return out;
}

}  // namespace fairlead
