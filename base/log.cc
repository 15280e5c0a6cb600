#include "base/log.h"

#include <array>
#include <atomic>
#include <cstdio>

#include "base/system_clock.h"

namespace fairlead {
namespace {

struct MessageInfo {
  std::string_view name;
  LogLevel level;
};
constexpr std::array kMessages{
#define FL_MESSAGE(id, level, keys) MessageInfo{#id, LogLevel::level},
#include "base/messages.def"
#undef FL_MESSAGE
};

std::atomic<LogSink*> g_sink{nullptr};

}  // namespace

std::string_view to_string(LogLevel level) {
  static constexpr std::array<std::string_view, 6> kNames{"error", "warning", "notice", "info", "debug", "trace"};
  return kNames[static_cast<std::size_t>(level)];
}

std::string_view to_string(MessageId id) { return kMessages[static_cast<std::size_t>(id)].name; }
LogLevel level_of(MessageId id) { return kMessages[static_cast<std::size_t>(id)].level; }

void set_log_sink(LogSink* sink) { g_sink.store(sink, std::memory_order_release); }
LogSink* log_sink() { return g_sink.load(std::memory_order_acquire); }

namespace log_detail {

std::string text_of(double value) {
  std::array<char, 32> text{};
  const int n = std::snprintf(text.data(), text.size(), "%.3f", value);
  return {text.data(), static_cast<std::size_t>(n)};
}

void emit(MessageId id, std::vector<LogField> fields) {
  if (LogSink* sink = log_sink()) sink->write(LogEvent{SystemClock().wall(), id, std::move(fields)});
}

}  // namespace log_detail

void log_fields(MessageId id, std::vector<LogField> fields) { log_detail::emit(id, std::move(fields)); }
}  // namespace fairlead
