// fairlead: pure
// Events and lines as bytes: `TIME level ID key=value ...` or one JSON object. What an outsider put into a value (a host name, the text
// of a certificate, a server's answer) can neither begin a line of its own nor send a terminal escape sequence: control characters are
// escaped, bytes that are no UTF-8 too.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/log.h"

namespace fairlead {

/// Longer values are cut and end in "...", so that a line stays below a socket's datagram limit and valid JSON.
inline constexpr std::size_t kLogValueBytesMax = 1024;

/// "2026-11-24T02:13:50.123Z"
[[nodiscard]] std::string format_log_time(WallTime time);

/// Appends the value as it stands in text lines: bare when harmless, else in double quotes with \" \\ \n \r \t and \xHH.
void append_text_value(std::string& out, std::string_view value);
/// Appends the value as a JSON string, quotes included; invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view value);

/// Builds one line, without the newline at its end.
///
///   return LogLine(format, time, LogLevel::kInfo, "CONNECTION").add("listener", name).add("ms", 12.5).take();
class LogLine {
 public:
  LogLine(LogFormat format, WallTime time, LogLevel level, std::string_view id);
  LogLine& add(std::string_view key, std::string_view value);
  LogLine& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  template <std::integral T>
  LogLine& add(std::string_view key, T value) {
    if constexpr (std::is_same_v<T, bool>) {
      return add_bare(key, value ? "true" : "false");
    } else {
      return add_bare(key, std::to_string(value));
    }
  }
  LogLine& add(std::string_view key, double value);  ///< Three decimals; what is no number becomes a string.
  [[nodiscard]] std::string take();

 private:
  LogLine& add_bare(std::string_view key, std::string_view value);
  void begin(std::string_view key);
  const LogFormat format_;
  std::string text_;
};

/// The event as a line. In JSON its fields are strings, beside "time", "level" and "id".
[[nodiscard]] std::string format_event(const LogEvent& event, LogFormat format);

/// "SERVER_DOWN pool=masters server=mast-1": without time and level, for targets that keep those themselves.
[[nodiscard]] std::string format_event_body(const LogEvent& event);

}  // namespace fairlead
