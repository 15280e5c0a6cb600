// Structured log events: an identifier from the catalogue (base/messages.def), a level, key=value fields. Never free text.
//
//   FL_LOG(SERVER_DOWN, "pool", pool, "server", name, "reason", reason);
//
// The level stands in the catalogue. Any thread may log; the sink decides what happens (daemon: a bounded queue to the `log`
// thread, base/qb_log.h; tests: EventCapture in tests/support). Without a sink events are dropped.
// Names start with FL_ and enumerators are scoped because libqb's headers pull in syslog.h, which owns LOG_... names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/time.h"

namespace fairlead {

/// error: service or safety affected; warning: degraded, or input refused; notice: role, membership, configuration or process
/// change; info: troubleshooting; debug, trace: off in normal use.
enum class LogLevel : std::uint8_t { kError, kWarning, kNotice, kInfo, kDebug, kTrace };
[[nodiscard]] std::string_view to_string(LogLevel level);

enum class MessageId : std::uint16_t {
#define FL_MESSAGE(id, level, keys) id,
#include "base/messages.def"
#undef FL_MESSAGE
};
/// "SERVER_DOWN"
[[nodiscard]] std::string_view to_string(MessageId id);
[[nodiscard]] LogLevel level_of(MessageId id);

struct LogField {
  std::string_view key;  ///< A string literal.
  std::string value;
};

struct LogEvent {
  WallTime time;
  MessageId id;
  std::vector<LogField> fields;
};

enum class LogFormat : std::uint8_t { kText, kJson };

/// Makes one line of bytes that a hot path queued as plain data (a connection's end). Runs on the log thread; must not block.
using LineFormatter = std::string (*)(std::span<const std::byte> data, LogFormat format);
inline constexpr std::size_t kLogLineBytesMax = 256;

/// Where events go. Both calls may come from any thread, never block and never throw; what does not fit is dropped and counted.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(LogEvent event) noexcept = 0;
  /// `data` is copied; at most kLogLineBytesMax bytes.
  virtual void write_line(LineFormatter formatter, std::span<const std::byte> data) noexcept = 0;
};

/// The sink must outlive all logging; nullptr turns logging off. Called at start and by tests.
void set_log_sink(LogSink* sink);
[[nodiscard]] LogSink* log_sink();

namespace log_detail {
[[nodiscard]] std::string text_of(double value);
template <class T>
std::string text_of(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else {
    return std::string(value);
  }
}
inline void append(std::vector<LogField>&) {}
template <class V, class... Rest>
void append(std::vector<LogField>& out, std::string_view key, const V& value, const Rest&... rest) {
  out.push_back({key, text_of(value)});
  append(out, rest...);
}
void emit(MessageId id, std::vector<LogField> fields);
}  // namespace log_detail

/// Likewise, with the fields made elsewhere (a pure core's note).
void log_fields(MessageId id, std::vector<LogField> fields);

template <class... KeysAndValues>
void log_event(MessageId id, const KeysAndValues&... keys_and_values) {
  static_assert(sizeof...(KeysAndValues) % 2 == 0, "a key without a value");
  if (log_sink() == nullptr) return;
  std::vector<LogField> fields;
  fields.reserve(sizeof...(KeysAndValues) / 2);
  log_detail::append(fields, keys_and_values...);
  log_detail::emit(id, std::move(fields));
}

}  // namespace fairlead

#define FL_LOG(ID, ...) ::fairlead::log_event(::fairlead::MessageId::ID __VA_OPT__(, ) __VA_ARGS__)
