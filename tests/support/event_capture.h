// Collects what is logged while it lives; tests ask for identifiers and values, never for text.
//
//   EventCapture seen;
//   ...
//   EXPECT_TRUE(seen.has(MessageId::SERVER_DOWN));
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"

namespace fairlead::test {

class EventCapture final : public LogSink {
 public:
  EventCapture() : before_(log_sink()) { set_log_sink(this); }
  ~EventCapture() override { set_log_sink(before_); }
  EventCapture(const EventCapture&) = delete;
  EventCapture& operator=(const EventCapture&) = delete;

  void write(LogEvent event) noexcept override {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  void write_line(LineFormatter formatter, std::span<const std::byte> data) noexcept override {
    const std::lock_guard lock(mutex_);
    lines_.push_back(formatter(data, LogFormat::kText));
  }

  [[nodiscard]] std::size_t count(MessageId id) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(events_.begin(), events_.end(), [id](const LogEvent& e) { return e.id == id; }));
  }
  [[nodiscard]] bool has(MessageId id) const { return count(id) > 0; }
  /// The field's value in the newest event with this identifier; empty when there is none.
  [[nodiscard]] std::string value(MessageId id, std::string_view key) const {
    const std::lock_guard lock(mutex_);
    for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
      if (event->id != id) continue;
      for (const LogField& field : event->fields) {
        if (field.key == key) return field.value;
      }
      break;
    }
    return {};
  }
  [[nodiscard]] std::vector<LogEvent> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    events_.clear();
    lines_.clear();
  }

 private:
  LogSink* before_;
  mutable std::mutex mutex_;
  std::vector<LogEvent> events_;
  std::vector<std::string> lines_;
};

}  // namespace fairlead::test
