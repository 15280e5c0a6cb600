#include "base/qb_log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <optional>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <utility>
#include <variant>

#include <qb/qblog.h>

#include "base/assert.h"
#include "base/crash_stack.h"
#include "base/event_fd.h"
#include "base/inbox.h"
#include "base/log_format.h"
#include "base/overloaded.h"
#include "base/system_clock.h"

namespace fairlead {
namespace {

/// The "file name" our records carry in libqb. The target's filter names it, so that what libqb and Corosync's libraries log by
/// themselves, on whatever thread, never reaches our target.
constexpr const char* kQbSource = "fairlead";

/// The thread gives up at stop()'s deadline; this much longer its caller waits for it to end by itself.
constexpr Duration kStopMargin = std::chrono::milliseconds(50);

constexpr std::size_t kRecordsPerTurn = 256;

struct QueuedLine {
  LineFormatter formatter;
  std::uint16_t size;
  std::array<std::byte, kLogLineBytesMax> data;
};
using Item = std::variant<LogEvent, QueuedLine>;

struct Command {
  std::optional<LogOptions> options;
  bool reopen = false;
  std::optional<Instant> stop_by;
  std::uint64_t merged = 0;  // How many command() calls stand here; flush() waits for them too.
};

/// Once in a process, and no qb_log_fini(): that is for who knows that no other thread is inside libqb, and the one that closes a session
/// with Corosync may be at any time, also when the daemon ends.
void init_qb_once(const char* identifier) {
  static const bool done = [identifier] {
    qb_log_init(identifier, LOG_DAEMON, LOG_EMERG);
    qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);  // qb_log_init switches it on.
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

class LogThread::Core {
 public:
  Core(LogOptions options, LogThreadSettings settings)
      : settings_(std::move(settings)),
        level_(options.level),
        inbox_(settings_.queue_capacity),
        ring_(settings_.ring_capacity),
        options_(std::move(options)) {
    open_qb();  // Before there is a second thread: libqb makes its locks here, and its loop takes them on the caller's.
  }

  // ---- any thread ----
  void post_event(LogEvent event) {
    const LogLevel level = level_of(event.id);
    if (settings_.recorder != nullptr) settings_.recorder->append(event);
    if (level <= LogLevel::kNotice) ring_.append(event);
    if (level > level_.load(std::memory_order_relaxed)) return;
    if (post(std::move(event), settings_.queue_capacity)) wake();
  }
  void post_line(QueuedLine line) { (void)post(line, settings_.queue_capacity - settings_.queue_capacity / 8); }
  void command(Command command);
  bool flush(Duration deadline);
  [[nodiscard]] bool wait_until_ended(Duration deadline);
  [[nodiscard]] bool wrote_everything() const { return !gave_up_; }  ///< Once wait_until_ended() said true.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  EventRing& ring() { return ring_; }
  [[nodiscard]] const FlightRecorder* recorder() const { return settings_.recorder.get(); }

  // ---- the log thread ----
  void run();

 private:
  /// False when more than `limit` records wait: dropped and counted.
  bool post(Item item, std::size_t limit) {
    const std::uint64_t posted = posted_.fetch_add(1, std::memory_order_acq_rel) + 1;
    // Signed: others' records may have come and been settled since.
    const auto waiting = static_cast<std::int64_t>(posted - settled_.load(std::memory_order_acquire));
    if (waiting > static_cast<std::int64_t>(limit) || !inbox_.post(std::move(item))) {
      drop();
      return false;
    }
    if (waiting > static_cast<std::int64_t>(settings_.queue_capacity / 4)) wake();
    return true;
  }
  /// Ends a wait for more lines. Once until the next drain: a target that is stalled is not looked at again for each event.
  void wake() {
    if (!urgent_.exchange(true, std::memory_order_acq_rel)) command_event_.signal();
  }
  void drop(std::uint64_t count = 1) {
    dropped_.fetch_add(count, std::memory_order_relaxed);
    settle(count);
  }
  void settle(std::uint64_t count = 1) { settled_.fetch_add(count, std::memory_order_acq_rel); }
  void wake_flush();
  void open_qb();
  void close_qb();
  void wait(int timeout_ms);
  void take_commands();
  void apply_options(LogOptions options);
  void apply_reopen();
  void open_first_target();
  void consume(Item&& item);
  void emit(MessageId id, std::vector<LogField> fields);
  void gather(const std::string& line);
  void write_lines();
  void gather_again(std::string_view lines);
  void deliver(const LogRecord& record, std::uint64_t lines = 1);
  LogTarget::Outcome write_through_qb(const LogRecord& record);
  bool wait_for_room();
  void report_drops(bool now);
  [[nodiscard]] LogRecord render(const LogEvent& event) const;

  const LogThreadSettings settings_;
  const SystemClock clock_;
  std::atomic<LogLevel> level_;
  Inbox<Item> inbox_;
  EventRing ring_;
  std::atomic<std::uint64_t> posted_{1};   // Opening the first target counts as one.
  std::atomic<std::uint64_t> settled_{0};  // Written or dropped.
  std::atomic<std::uint64_t> dropped_{0};

  EventFd command_event_;            // A command, or something that shall not wait.
  std::atomic<bool> urgent_{false};  // wake() signalled, and the inbox was not drained since.
  std::mutex mutex_;                 // Guards command_, ended_; with changed_ for flush() and stop().
  std::condition_variable changed_;
  std::atomic<int> waiters_{0};
  Command command_;
  bool ended_ = false;

  // The log thread's own.
  LogOptions options_;
  std::optional<LogOptions> wanted_;  // At the start it could not be opened.
  std::unique_ptr<LogTarget> target_;
  int qb_target_ = -1;
  std::string lines_;  // Of connections, not written yet.
  std::uint64_t line_count_ = 0;
  const LogRecord* current_ = nullptr;  // What libqb is carrying to qb_write() right now.
  std::optional<LogTarget::Outcome> outcome_;
  std::optional<Instant> stop_by_;
  bool gave_up_ = false;
  bool healthy_ = true;  // The last record was written.
  std::uint64_t reported_ = 0;
  Instant next_report_{};

  static void qb_write(int32_t target, qb_log_callsite* site, timespec* time, const char* text);
};

void LogThread::Core::wake_flush() {
  if (waiters_.load(std::memory_order_acquire) == 0) return;
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void LogThread::Core::command(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (command.options) command_.options = std::move(command.options);
    command_.reopen = command_.reopen || command.reopen;
    if (command.stop_by) command_.stop_by = command.stop_by;
    ++command_.merged;
    posted_.fetch_add(1, std::memory_order_acq_rel);
  }
  command_event_.signal();
}

bool LogThread::Core::flush(Duration deadline) {
  const std::uint64_t goal = posted_.load(std::memory_order_acquire);
  std::unique_lock lock(mutex_);
  waiters_.fetch_add(1, std::memory_order_acq_rel);
  // Woken when the log thread goes to sleep, and every 20 ms for what producers dropped by themselves.
  const Instant until = clock_.now() + deadline;
  bool done = false;
  while (!(done = settled_.load(std::memory_order_acquire) >= goal) && clock_.now() < until) {
    changed_.wait_for(lock, std::min<Duration>(std::chrono::milliseconds(20), std::max<Duration>(until - clock_.now(), Duration(1))));
  }
  waiters_.fetch_sub(1, std::memory_order_acq_rel);
  return done;
}

bool LogThread::Core::wait_until_ended(Duration deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, deadline + kStopMargin, [this] { return ended_; });
}

void LogThread::Core::run() {
  open_first_target();
  settle();
  for (;;) {
    take_commands();
    urgent_.exchange(false, std::memory_order_acq_rel);  // Pairs with wake(): whoever comes second sees the other.
    const std::size_t handled = inbox_.drain([this](Item&& item) { consume(std::move(item)); }, kRecordsPerTurn);
    write_lines();
    report_drops(/*now=*/false);
    if (handled == kRecordsPerTurn || (stop_by_ && handled > 0)) continue;
    if (stop_by_) break;
    wake_flush();
    wait(dropped() != reported_ ? static_cast<int>(to_ms(settings_.report_interval)) : -1);
  }
  report_drops(/*now=*/true);
  target_.reset();
  close_qb();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void LogThread::Core::open_qb() {
  init_qb_once(settings_.places.identifier.c_str());
  qb_target_ = qb_log_custom_open(&Core::qb_write, nullptr, nullptr, this);
  FL_ASSERT(qb_target_ >= 0);  // 28 free slots at this point (qblog.h).
  qb_log_filter_ctl(qb_target_, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, kQbSource, LOG_TRACE);
  qb_log_ctl(qb_target_, QB_LOG_CONF_ENABLED, QB_TRUE);
}

void LogThread::Core::close_qb() { qb_log_custom_close(qb_target_); }

void LogThread::Core::wait(int timeout_ms) {
  std::array<pollfd, 2> fds{{{inbox_.event_fd(), POLLIN, 0}, {command_event_.get(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), timeout_ms);  // EINTR and a time-out are answered alike: by another turn.
  // Lines. As long as the inbox is not drained, whoever posts more of them signals nothing.
  if (fds[0].revents != 0 && fds[1].revents == 0) ::poll(&fds[1], 1, static_cast<int>(to_ms(settings_.gather)));
}

void LogThread::Core::take_commands() {
  Command command;
  {
    const std::lock_guard lock(mutex_);
    command = std::exchange(command_, {});
    command_event_.clear();
  }
  if (command.stop_by) stop_by_ = command.stop_by;
  if (command.options) apply_options(std::move(*command.options));
  if (command.reopen) apply_reopen();
  settle(command.merged);
}

void LogThread::Core::open_first_target() {
  auto target = settings_.open(options_, settings_.places);
  if (target) {
    target_ = std::move(*target);
    return;
  }
  const LogOptions wanted = options_;
  wanted_ = options_;
  options_.target = LogTargetKind::kStderr;
  auto fallback = open_log_target(options_, settings_.places);
  FL_ASSERT(fallback.has_value());  // Standard error needs nothing opened.
  target_ = std::move(*fallback);
  emit(
      MessageId::LOG_TARGET_FAILED,
      {{"target", std::string(to_string(wanted.target))}, {"path", wanted.path}, {"error", target.error().message()}, {"using", "stderr"}});
}

void LogThread::Core::apply_options(LogOptions options) {
  level_.store(options.level, std::memory_order_relaxed);
  const bool stood_in = std::exchange(wanted_, std::nullopt).has_value();
  if (options == options_) return;
  auto target = settings_.open(options, settings_.places);
  if (target) {
    target_ = std::move(*target);
    options_ = std::move(options);
    return;
  }
  options_.level = options.level;
  if (stood_in) wanted_ = options;
  emit(MessageId::LOG_TARGET_FAILED, {{"target", std::string(to_string(options.target))},
                                      {"path", options.path},
                                      {"error", target.error().message()},
                                      {"using", std::string(to_string(options_.target))}});
}

void LogThread::Core::apply_reopen() {
  if (wanted_) {  // Standard error stands in for it since the start.
    auto target = settings_.open(*wanted_, settings_.places);
    if (target) {
      target_ = std::move(*target);
      options_ = *std::exchange(wanted_, std::nullopt);
      return emit(MessageId::LOG_REOPENED, {{"path", options_.path}});
    }
    return emit(MessageId::LOG_TARGET_FAILED, {{"target", std::string(to_string(wanted_->target))},
                                               {"path", wanted_->path},
                                               {"error", target.error().message()},
                                               {"using", std::string(to_string(options_.target))}});
  }
  if (auto status = target_->reopen(); !status) {
    emit(MessageId::LOG_TARGET_FAILED, {{"target", std::string(to_string(options_.target))},
                                        {"path", options_.path},
                                        {"error", status.error().message()},
                                        {"using", "the file opened before"}});
  } else if (options_.target == LogTargetKind::kFile) {
    emit(MessageId::LOG_REOPENED, {{"path", options_.path}});
  }
}

/// Our own events: through the queue like everybody's, so that they never interrupt a half-written record.
void LogThread::Core::emit(MessageId id, std::vector<LogField> fields) { post_event(LogEvent{clock_.wall(), id, std::move(fields)}); }

LogRecord LogThread::Core::render(const LogEvent& event) const {
  LogRecord record{.level = level_of(event.id), .event = &event, .line = format_event(event, options_.format), .body = {}};
  record.line += '\n';
  if (target_->wants_body()) record.body = format_event_body(event);
  return record;
}

void LogThread::Core::consume(Item&& item) {
  if (stop_by_ && clock_.now() >= *stop_by_) gave_up_ = true;
  if (gave_up_) return drop();
  std::visit(Overloaded{
                 [this](const LogEvent& event) {
                   write_lines();
                   deliver(render(event));
                 },
                 [this](const QueuedLine& line) { gather(line.formatter(std::span(line.data).first(line.size), options_.format)); },
             },
             item);
}

void LogThread::Core::gather(const std::string& line) {
  if (lines_.size() + line.size() + 1 > target_->lines_bytes_max()) write_lines();
  lines_ += line;
  lines_ += '\n';
  ++line_count_;
  if (target_->lines_bytes_max() == 0) write_lines();
}

void LogThread::Core::write_lines() {
  if (line_count_ == 0) return;
  LogRecord record{.level = LogLevel::kInfo, .event = nullptr, .line = std::exchange(lines_, {}), .body = {}};
  if (target_->wants_body()) record.body = record.line.substr(0, record.line.size() - 1);
  deliver(record, std::exchange(line_count_, 0));
}

void LogThread::Core::gather_again(std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    gather(std::string(lines.substr(0, end)));
    lines.remove_prefix(end + 1);
  }
  write_lines();
}

/// `lines`: how many stand in the record.
void LogThread::Core::deliver(const LogRecord& record, std::uint64_t lines) {
  const std::string_view text = record.line;
  for (;;) {
    const LogTarget* target = target_.get();
    const LogTarget::Outcome outcome = write_through_qb(record);
    const std::string_view taken = text.substr(0, target->taken());
    const bool goes_on = outcome == LogTarget::Outcome::kBlocked && wait_for_room();
    if (goes_on && (lines == 1 || target_.get() == target)) continue;
    healthy_ = outcome == LogTarget::Outcome::kDone;
    const auto written = healthy_ ? lines : static_cast<std::uint64_t>(std::count(taken.begin(), taken.end(), '\n'));
    settle(written);
    // Another target may take fewer at once: the rest is put together for it.
    if (goes_on) return gather_again(text.substr(taken.rfind('\n') + 1));
    if (written < lines) drop(lines - written);
    return;
  }
}

/// False when stop()'s deadline has passed: the record is given up. Commands are obeyed meanwhile, so a stalled target can be replaced.
bool LogThread::Core::wait_for_room() {
  take_commands();
  int timeout_ms = -1;
  if (stop_by_) {
    const Duration left = *stop_by_ - clock_.now();
    if (left <= Duration::zero()) {
      gave_up_ = true;
      return false;
    }
    timeout_ms = static_cast<int>(to_ms(left)) + 1;
  }
  std::array<pollfd, 2> fds{{{target_->wait_fd(), POLLOUT, 0}, {command_event_.get(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), timeout_ms);
  return true;
}

void LogThread::Core::qb_write(int32_t target, qb_log_callsite* /*site*/, timespec* /*time*/, const char* /*text*/) {
  auto* self = static_cast<Core*>(qb_log_target_user_data_get(target));
  self->outcome_ = self->target_->write(*self->current_);
}

LogTarget::Outcome LogThread::Core::write_through_qb(const LogRecord& record) {
  static constexpr std::array<std::uint8_t, 6> kPriorities{LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG, LOG_TRACE};
  static constexpr int kAttemptsMax = 100;
  const auto level = static_cast<std::size_t>(record.level);
  const std::string_view name = record.event != nullptr ? to_string(record.event->id) : "CONNECTION";
  current_ = &record;
  outcome_.reset();
  // Rationale: libqb drops a message without a word while any other thread is inside its logger (its guard against recursion is one global
  // flag), and its loop and IPC code log on their own. So look whether ours arrived, try again, and in the end write without it.
  for (int attempt = 0; !outcome_ && attempt < kAttemptsMax; ++attempt) {
    if (attempt > 0) ::sched_yield();
    qb_log_from_external_source("log", kQbSource, "%s", kPriorities[level], static_cast<std::uint32_t>(level) + 1, 0, name.data());
  }
  if (!outcome_) outcome_ = target_->write(record);
  current_ = nullptr;
  return *outcome_;
}

void LogThread::Core::report_drops(bool now) {
  const std::uint64_t lost = dropped();
  if (lost == reported_ || !healthy_ || gave_up_) return;
  const Instant at = clock_.now();
  if (!now && at < next_report_) return;
  next_report_ = at + settings_.report_interval;
  const LogEvent event{clock_.wall(), MessageId::LOG_LINES_DROPPED, {{"count", std::to_string(lost - reported_)}}};
  posted_.fetch_add(1, std::memory_order_acq_rel);
  deliver(render(event));
  if (!healthy_) return;  // Lost as well: the next report counts it too.
  reported_ = lost;
  ring_.append(event);
  if (settings_.recorder != nullptr) settings_.recorder->append(event);
}

LogThread::LogThread(LogOptions options, LogThreadSettings settings)
    : core_(std::make_shared<Core>(std::move(options), std::move(settings))) {
  // The thread starts with every signal blocked: handlers and signalfds belong to others, and a reader that went away must be EPIPE here.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([core = core_] {
    const CrashStack stack;
    ::pthread_setname_np(::pthread_self(), "log");
    core->run();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogThread::~LogThread() { stop(std::chrono::seconds(1)); }

Status LogThread::check(const LogOptions& options, const LogPlaces& places) {
  auto target = open_log_target(options, places);
  return target ? Status{} : Status(target.error());
}

void LogThread::write(LogEvent event) noexcept { core_->post_event(std::move(event)); }

void LogThread::write_line(LineFormatter formatter, std::span<const std::byte> data) noexcept {
  FL_DASSERT(data.size() <= kLogLineBytesMax);
  QueuedLine line{.formatter = formatter, .size = static_cast<std::uint16_t>(std::min(data.size(), kLogLineBytesMax)), .data = {}};
  std::memcpy(line.data.data(), data.data(), line.size);
  core_->post_line(line);
}

void LogThread::reconfigure(LogOptions options) {
  core_->command({.options = std::move(options), .reopen = false, .stop_by = {}, .merged = 0});
}
void LogThread::reopen() { core_->command({.options = {}, .reopen = true, .stop_by = {}, .merged = 0}); }
bool LogThread::flush(Duration deadline) { return core_->flush(deadline); }

bool LogThread::stop(Duration deadline) {
  if (stopped_) return true;
  stopped_ = true;
  core_->command({.options = {}, .reopen = false, .stop_by = SystemClock().now() + deadline, .merged = 0});
  if (!core_->wait_until_ended(deadline)) {
    thread_.detach();  // It sits in a system call. Core is its own as well, and nothing of *this is.
    return false;
  }
  thread_.join();
  return core_->wrote_everything();
}

std::uint64_t LogThread::dropped() const { return core_->dropped(); }
EventRing& LogThread::events() { return core_->ring(); }
const EventRing& LogThread::events() const { return core_->ring(); }
const FlightRecorder* LogThread::recorder() const { return core_->recorder(); }

}  // namespace fairlead
