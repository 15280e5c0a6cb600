#include "cli/progress.h"

#include <chrono>
#include <ostream>

#include "base/units.h"
#include "cli/text_screen.h"
#include "cli/text_table.h"

namespace fairlead::cli {
namespace {

constexpr auto kSilent = std::chrono::milliseconds(400);  ///< What is over by then shows nothing.
constexpr auto kInterval = std::chrono::milliseconds(200);
constexpr const char* kClear = "\r\x1b[2K";

}  // namespace

Progress::Progress(CliEnvironment& environment, std::string what, std::optional<Duration> limit)
    : environment_(environment), what_(std::move(what)), limit_(limit), begun_(environment.clock.now()) {
  if (environment_.progress) writer_ = std::thread([this] { run(); });
}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  if (writer_.joinable()) writer_.join();
  if (drawn_) environment_.err << kClear << std::flush;
}

void Progress::detail(std::string text) {
  const std::lock_guard lock(mutex_);
  detail_ = std::move(text);
}

void Progress::say(const std::string& line) {
  const std::lock_guard lock(terminal_);
  environment_.err << (drawn_ ? kClear : "") << line << std::endl;
  drawn_ = false;
}

void Progress::run() {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, kSilent, [this] { return over_; })) return;
  do {
    const std::string detail = detail_;
    lock.unlock();
    draw(detail);
    lock.lock();
  } while (!changed_.wait_for(lock, kInterval, [this] { return over_; }));
}

void Progress::draw(const std::string& detail) {
  std::string line = what_ + (detail.empty() ? "" : ": " + detail) + "  " + age_text(to_seconds(environment_.clock.now() - begun_));
  if (limit_) line += " of " + format_duration(*limit_) + " at most";
  const std::size_t columns = environment_.screen().columns;
  const std::lock_guard lock(terminal_);
  environment_.err << kClear << cut_line(line, columns > 1 ? columns - 1 : 1) << std::flush;
  drawn_ = true;
}

}  // namespace fairlead::cli
