#include "base/qb_log.h"

#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <qb/qblog.h>

#include "base/fd.h"
#include "base/system_clock.h"
#include "tests/support/event_capture.h"
#include "tests/support/temp_dir.h"

namespace fairlead {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

struct Pipe {
  Fd read;
  Fd write;
};
Pipe make_pipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

/// Fills the pipe as any process may that shares our standard error: until not one more byte fits. Returns how many bytes went in.
std::size_t fill(int fd) {
  Fd other(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  const std::string junk(4096, 'j');
  std::size_t total = 0;
  for (const std::size_t chunk : {std::size_t{4096}, std::size_t{1}}) {
    ssize_t n = 0;
    while ((n = ::write(other.get(), junk.data(), chunk)) > 0) total += static_cast<std::size_t>(n);
    EXPECT_EQ(errno, EAGAIN);
  }
  return total;
}

std::string read_exactly(int fd, std::size_t size) {
  std::string out(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t n = ::read(fd, out.data() + got, size - got);
    if (n <= 0) break;
    got += static_cast<std::size_t>(n);
  }
  out.resize(got);
  return out;
}

/// Reads lines until `wanted` says stop or nothing comes for ten seconds.
std::vector<std::string> read_lines(int fd, const std::function<bool(const std::vector<std::string>&)>& enough) {
  std::vector<std::string> lines;
  std::string rest;
  while (!enough(lines)) {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 10'000) != 1) break;
    char buffer[65536];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    rest.append(buffer, static_cast<std::size_t>(n));
    for (std::size_t end = 0; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) lines.push_back(rest.substr(0, end));
  }
  return lines;
}

std::size_t count_lines(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

LogEvent event(MessageId id, std::vector<LogField> fields = {}) { return {SystemClock().wall(), id, std::move(fields)}; }

LogOptions to_stderr(LogLevel level = LogLevel::kNotice, LogFormat format = LogFormat::kText) {
  return {.level = level, .target = LogTargetKind::kStderr, .path = {}, .format = format};
}
LogOptions to_file(std::string path, LogLevel level = LogLevel::kNotice, LogFormat format = LogFormat::kText) {
  return {.level = level, .target = LogTargetKind::kFile, .path = std::move(path), .format = format};
}

std::string format_number(std::span<const std::byte> data, LogFormat format) {
  int number = 0;
  std::memcpy(&number, data.data(), sizeof number);
  return format == LogFormat::kJson ? "{\"n\":" + std::to_string(number) + "}" : "line n=" + std::to_string(number);
}
void write_number(LogThread& log, int number) { log.write_line(&format_number, std::as_bytes(std::span(&number, 1))); }

TEST(LogThreadTest, WritesEventsToStandardErrorInOrder) {
  Pipe pipe = make_pipe();
  LogThreadSettings settings;
  settings.places.stderr_fd = pipe.write.get();
  LogThread log(to_stderr(), settings);
  log.write(event(MessageId::SERVER_UP, {{"server", "mast-1"}}));
  log.write(event(MessageId::SERVER_DOWN, {{"server", "mast-1"}}));
  ASSERT_TRUE(log.flush(seconds(10)));

  const auto lines = read_lines(pipe.read.get(), [](const auto& l) { return l.size() == 2; });
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr(" notice SERVER_UP server=mast-1"));
  EXPECT_THAT(lines[1], HasSubstr(" warning SERVER_DOWN server=mast-1"));
  EXPECT_EQ(log.dropped(), 0U);
}

TEST(LogThreadTest, ReachesTheSinkThroughTheMacro) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log")));
  set_log_sink(&log);
  FL_LOG(SERVER_DOWN, "pool", "masters", "after_ms", 12);
  set_log_sink(nullptr);
  ASSERT_TRUE(log.stop(seconds(10)));
  EXPECT_THAT(test::TempDir::read(dir.path("log")), HasSubstr("SERVER_DOWN pool=masters after_ms=12\n"));
}

TEST(LogThreadTest, LeavesOutEventsAboveItsLevelButNoConnectionLine) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log"), LogLevel::kWarning));
  log.write(event(MessageId::SERVER_UP));
  log.write(event(MessageId::SERVER_DOWN));
  write_number(log, 7);
  ASSERT_TRUE(log.stop(seconds(10)));

  const std::string text = test::TempDir::read(dir.path("log"));
  EXPECT_THAT(text, Not(HasSubstr("SERVER_UP")));
  EXPECT_THAT(text, HasSubstr("SERVER_DOWN"));
  EXPECT_THAT(text, HasSubstr("line n=7\n"));
  EXPECT_EQ(log.dropped(), 0U);  // Left out is not lost.
}

TEST(LogThreadTest, WritesOneJsonObjectPerLine) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log"), LogLevel::kTrace, LogFormat::kJson));
  log.write(event(MessageId::CONFIG_REFUSED, {{"message", "bad \"thing\"\nat\x01 line 2"}}));
  write_number(log, 3);
  ASSERT_TRUE(log.stop(seconds(10)));

  std::istringstream in(test::TempDir::read(dir.path("log")));
  std::vector<boost::json::object> objects;
  for (std::string line; std::getline(in, line);) objects.push_back(boost::json::parse(line).as_object());
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(objects[0].at("id").as_string(), "CONFIG_REFUSED");
  EXPECT_EQ(objects[0].at("message").as_string(), "bad \"thing\"\nat\x01 line 2");
  EXPECT_EQ(objects[1].at("n").as_int64(), 3);
}

TEST(LogThreadTest, DoesNotCutLinesWhereLibqbWould) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log")));
  std::vector<LogField> fields;
  for (int i = 0; i < 8; ++i) fields.push_back({"message", std::string(1000, static_cast<char>('a' + i))});
  log.write(event(MessageId::CONFIG_REFUSED, fields));
  ASSERT_TRUE(log.stop(seconds(10)));
  const std::string text = test::TempDir::read(dir.path("log"));
  EXPECT_GT(text.size(), 8000U);
  EXPECT_THAT(text, HasSubstr(std::string(1000, 'h') + "\n"));
}

TEST(LogThreadTest, AFullPipeNeverBlocksWritersAndTheLossIsCountedAndReported) {
  Pipe pipe = make_pipe();
  const std::size_t junk = fill(pipe.write.get());
  LogThreadSettings settings;
  settings.places.stderr_fd = pipe.write.get();
  settings.queue_capacity = 16;
  settings.report_interval = milliseconds(1);
  LogThread log(to_stderr(), settings);

  constexpr int kEvents = 10'000;
  for (int i = 0; i < kEvents; ++i) log.write(event(MessageId::SERVER_DOWN, {{"n", std::to_string(i)}}));  // Would hang here.
  const std::uint64_t lost = log.dropped();
  EXPECT_GE(lost, kEvents - 16U - 1U);  // The queue's bound and the one record the thread holds.
  EXPECT_LT(lost, static_cast<std::uint64_t>(kEvents));

  EXPECT_EQ(read_exactly(pipe.read.get(), junk).size(), junk);  // The reader comes back.
  const auto lines =
      read_lines(pipe.read.get(), [](const auto& l) { return !l.empty() && l.back().find("LOG_LINES_DROPPED") != std::string::npos; });
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines.front(), HasSubstr("SERVER_DOWN n=0"));  // Stalled, not lost, not torn.
  EXPECT_THAT(lines.back(), HasSubstr("LOG_LINES_DROPPED count=" + std::to_string(lost)));
  EXPECT_EQ(lines.size() - 1 + lost, static_cast<std::size_t>(kEvents));  // I2: every record is one or the other.
  EXPECT_TRUE(log.stop(seconds(10)));
}

TEST(LogThreadTest, AFullPipeDoesNotHoldUpTheEnd) {
  Pipe pipe = make_pipe();
  fill(pipe.write.get());
  LogThreadSettings settings;
  settings.places.stderr_fd = pipe.write.get();
  LogThread log(to_stderr(), settings);
  for (int i = 0; i < 10; ++i) log.write(event(MessageId::SERVER_DOWN));

  const Instant start = SystemClock().now();
  EXPECT_FALSE(log.stop(milliseconds(100)));
  EXPECT_LT(SystemClock().now() - start, seconds(5));
  EXPECT_EQ(log.dropped(), 10U);
  log.write(event(MessageId::SERVER_DOWN));  // After the end: harmless.
}

TEST(LogThreadTest, LeavesTheFlagsOfASharedStandardErrorAlone) {
  Pipe pipe = make_pipe();
  LogThreadSettings settings;
  settings.places.stderr_fd = pipe.write.get();
  LogThread log(to_stderr(), settings);
  log.write(event(MessageId::SERVER_DOWN));
  ASSERT_TRUE(log.stop(seconds(10)));
  EXPECT_EQ(::fcntl(pipe.write.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(LogThreadTest, AFullSocketAsStandardErrorNeverBlocks) {
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const Fd ours(pair[0]);
  const Fd theirs(pair[1]);
  const std::string junk(1000, 'j');
  while (::send(ours.get(), junk.data(), junk.size(), MSG_DONTWAIT) > 0) {}
  LogThreadSettings settings;
  settings.places.stderr_fd = ours.get();
  settings.queue_capacity = 16;
  LogThread log(to_stderr(), settings);
  for (int i = 0; i < 1000; ++i) log.write(event(MessageId::SERVER_DOWN));
  EXPECT_GT(log.dropped(), 0U);
  EXPECT_FALSE(log.stop(milliseconds(50)));
}

TEST(LogThreadTest, AReaderThatWentAwayIsALossAndNoSignal) {
  Pipe pipe = make_pipe();
  LogThreadSettings settings;
  settings.places.stderr_fd = pipe.write.get();
  LogThread log(to_stderr(), settings);
  pipe.read.reset();
  log.write(event(MessageId::SERVER_DOWN));  // SIGPIPE would end the test program.
  ASSERT_TRUE(log.flush(seconds(10)));
  EXPECT_EQ(log.dropped(), 1U);
}

TEST(LogThreadTest, AStalledTargetCanBeReplaced) {
  Pipe pipe = make_pipe();
  test::TempDir dir;
  fill(pipe.write.get());
  LogThreadSettings settings;
  settings.places.stderr_fd = pipe.write.get();
  LogThread log(to_stderr(), settings);
  log.write(event(MessageId::SERVER_DOWN, {{"n", "1"}}));
  EXPECT_FALSE(log.flush(milliseconds(20)));

  log.reconfigure(to_file(dir.path("log")));
  ASSERT_TRUE(log.flush(seconds(10)));
  EXPECT_THAT(test::TempDir::read(dir.path("log")), HasSubstr("SERVER_DOWN n=1\n"));
  EXPECT_EQ(log.dropped(), 0U);
}

TEST(LogThreadTest, WritesToANewFileAfterARotation) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log"), LogLevel::kInfo));
  log.write(event(MessageId::SERVER_UP));
  ASSERT_TRUE(log.flush(seconds(10)));
  std::filesystem::rename(dir.path("log"), dir.path("log.1"));
  log.reopen();
  log.write(event(MessageId::SERVER_DOWN));
  ASSERT_TRUE(log.stop(seconds(10)));

  EXPECT_THAT(test::TempDir::read(dir.path("log.1")), HasSubstr("SERVER_UP"));
  const std::string fresh = test::TempDir::read(dir.path("log"));
  EXPECT_THAT(fresh, HasSubstr("SERVER_DOWN"));
  EXPECT_THAT(fresh, HasSubstr("LOG_REOPENED"));
}

TEST(LogThreadTest, KeepsTheOldFileWhenTheNewOneCannotBeOpened) {
  test::TempDir dir;
  std::filesystem::create_directory(dir.path("sub"));
  LogThread log(to_file(dir.path("sub/log")));
  ASSERT_TRUE(log.flush(seconds(10)));
  std::filesystem::rename(dir.path("sub"), dir.path("moved"));
  log.reopen();
  log.write(event(MessageId::SERVER_DOWN));
  ASSERT_TRUE(log.stop(seconds(10)));
  const std::string text = test::TempDir::read(dir.path("moved/log"));
  EXPECT_THAT(text, HasSubstr("LOG_TARGET_FAILED"));
  EXPECT_THAT(text, HasSubstr("SERVER_DOWN"));
}

TEST(LogThreadTest, AppendsToAFileThatIsThere) {
  test::TempDir dir;
  { std::ofstream(dir.path("log")) << "before\n"; }
  LogThread log(to_file(dir.path("log")));
  log.write(event(MessageId::SERVER_DOWN));
  ASSERT_TRUE(log.stop(seconds(10)));
  EXPECT_TRUE(test::TempDir::read(dir.path("log")).starts_with("before\n2"));
}

TEST(LogThreadTest, FallsBackToStandardErrorWhenItsFirstTargetCannotBeOpened) {
  Pipe pipe = make_pipe();
  LogThreadSettings settings;
  settings.places.stderr_fd = pipe.write.get();
  LogThread log(to_file("/nonexistent/dir/log"), settings);
  const auto lines = read_lines(pipe.read.get(), [](const auto& l) { return !l.empty(); });
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("LOG_TARGET_FAILED target=file path=/nonexistent/dir/log"));
  EXPECT_THAT(lines[0], HasSubstr("using=stderr"));
}

TEST(LogThreadTest, KeepsItsTargetButTakesTheLevelWhenANewTargetCannotBeOpened) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log")));
  log.reconfigure(to_file("/nonexistent/dir/log", LogLevel::kInfo));
  ASSERT_TRUE(log.flush(seconds(10)));
  log.write(event(MessageId::SERVER_RESOLVED));
  ASSERT_TRUE(log.stop(seconds(10)));
  const std::string text = test::TempDir::read(dir.path("log"));
  EXPECT_THAT(text, HasSubstr("LOG_TARGET_FAILED"));
  EXPECT_THAT(text, HasSubstr("SERVER_RESOLVED"));
}

TEST(LogThreadTest, SaysBeforehandWhetherATargetCanBeOpened) {
  test::TempDir dir;
  EXPECT_TRUE(LogThread::check(to_file(dir.path("log"))));
  const Status bad = LogThread::check(to_file("/nonexistent/dir/log"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::kNotFound);
  EXPECT_THAT(bad.error().message(), HasSubstr("/nonexistent/dir/log"));
  EXPECT_EQ(LogThread::check(to_file("")).error().code, Errc::kInvalidArgument);
}

TEST(LogThreadTest, KeepsEventsOfNoticeAndAboveForReadersWhateverTheLevel) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log"), LogLevel::kError));
  log.write(event(MessageId::SERVER_RESOLVED));  // info
  log.write(event(MessageId::SERVER_UP));        // notice
  log.write(event(MessageId::SERVER_DOWN));      // warning
  const auto kept = log.events().after(0, 10);
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].event.id, MessageId::SERVER_UP);
  EXPECT_EQ(kept[1].event.id, MessageId::SERVER_DOWN);
}

TEST(LogThreadTest, LosesNothingWhileOtherThreadsUseLibqbsLogger) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log")));
  ASSERT_TRUE(log.flush(seconds(10)));  // libqb is up.
  std::atomic<bool> ended{false};
  std::atomic<int> noises{0};
  std::thread other([&] {
    for (; !ended.load(); ++noises) qb_log_from_external_source("noise", "other.c", "%s", LOG_ERR, 900, 0, "noise");
  });
  // Ten rounds, each with the other thread seen running: on a busy machine a short run would miss it altogether.
  constexpr int kRounds = 10;
  constexpr int kEvents = 2000;
  for (int round = 0; round < kRounds; ++round) {
    for (const int before = noises.load(); noises.load() == before;) ::sched_yield();
    for (int i = 0; i < kEvents; ++i) log.write(event(MessageId::SERVER_DOWN));
    ASSERT_TRUE(log.flush(seconds(20)));
  }
  ended = true;
  other.join();
  ASSERT_TRUE(log.stop(seconds(10)));

  const std::string text = test::TempDir::read(dir.path("log"));
  EXPECT_EQ(count_lines(text, "SERVER_DOWN"), static_cast<std::size_t>(kRounds * kEvents));
  EXPECT_THAT(text, Not(HasSubstr("noise")));  // What libraries log by themselves stays out.
}

TEST(LogThreadTest, CountsEveryRecordOfManyThreadsOnce) {
  test::TempDir dir;
  LogThreadSettings settings;
  settings.queue_capacity = 256;
  LogThread log(to_file(dir.path("log")), settings);
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t)
    writers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) write_number(log, i);
    });
  for (auto& writer : writers) writer.join();
  ASSERT_TRUE(log.stop(seconds(20)));
  EXPECT_EQ(count_lines(test::TempDir::read(dir.path("log")), "line n=") + log.dropped(), 8000U);
}

/// Keeps what it is given. Waits in its first write until it is let go (a disk that does not answer), and breaks off in the middle of a
/// record when told to.
class SlowStart final : public LogTarget {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool entered = false;
    bool free = false;
    std::size_t takes = std::string::npos;  // Bytes of a record, before it fails.
    std::vector<std::string> records;
  };
  SlowStart(std::shared_ptr<State> state, std::size_t lines_bytes) : state_(std::move(state)), lines_bytes_(lines_bytes) {}
  Outcome write(const LogRecord& record) override {
    std::unique_lock lock(state_->mutex);
    state_->entered = true;
    state_->changed.notify_all();
    state_->changed.wait(lock, [this] { return state_->free; });
    state_->records.push_back(record.line);
    return record.line.size() > state_->takes ? Outcome::kFailed : Outcome::kDone;
  }
  [[nodiscard]] int wait_fd() const override { return -1; }
  [[nodiscard]] std::size_t lines_bytes_max() const override { return lines_bytes_; }
  [[nodiscard]] std::size_t taken() const override { return state_->takes; }

  /// A log whose thread is in the first write, so that what comes next is there at once when it goes on.
  static std::unique_ptr<LogThread> start(const std::shared_ptr<State>& state, std::size_t lines_bytes, LogThreadSettings settings = {}) {
    settings.open = [state, lines_bytes](const LogOptions&, const LogPlaces&) -> Result<std::unique_ptr<LogTarget>> {
      return std::unique_ptr<LogTarget>(std::make_unique<SlowStart>(state, lines_bytes));
    };
    auto log = std::make_unique<LogThread>(to_stderr(), settings);
    log->write(event(MessageId::SERVER_DOWN));
    std::unique_lock lock(state->mutex);
    EXPECT_TRUE(state->changed.wait_for(lock, seconds(10), [&] { return state->entered; }));
    return log;
  }
  static void let_go(State& state) {
    const std::lock_guard lock(state.mutex);
    state.free = true;
    state.changed.notify_all();
  }

 private:
  std::shared_ptr<State> state_;
  std::size_t lines_bytes_;
};

TEST(LogThreadTest, LeavesAThreadThatSitsInASystemCallBehind) {
  auto state = std::make_shared<SlowStart::State>();
  auto log = SlowStart::start(state, 0);
  EXPECT_FALSE(log->stop(milliseconds(20)));
  log.reset();  // The object is gone, the thread is not.
  SlowStart::let_go(*state);
  while (state.use_count() > 1) ::sched_yield();  // Until the thread has ended and let go of its copies.
}

TEST(LogThreadTest, LinesGoTogetherUpToWhatTheTargetTakesAndAnEventKeepsItsPlace) {
  auto state = std::make_shared<SlowStart::State>();
  const auto log = SlowStart::start(state, 30);
  for (int i = 0; i < 5; ++i) write_number(*log, i);  // 9 bytes each.
  log->write(event(MessageId::SERVER_UP));
  write_number(*log, 5);
  SlowStart::let_go(*state);
  ASSERT_TRUE(log->stop(seconds(10)));

  const std::vector<std::string>& records = state->records;
  ASSERT_EQ(records.size(), 5U);
  EXPECT_THAT(records[0], HasSubstr("SERVER_DOWN"));
  EXPECT_EQ(records[1], "line n=0\nline n=1\nline n=2\n");
  EXPECT_EQ(records[2], "line n=3\nline n=4\n");
  EXPECT_THAT(records[3], HasSubstr("SERVER_UP"));
  EXPECT_EQ(records[4], "line n=5\n");
  EXPECT_EQ(log->dropped(), 0U);
}

TEST(LogThreadTest, ATargetForSingleLinesGetsThemOneByOne) {
  auto state = std::make_shared<SlowStart::State>();
  const auto log = SlowStart::start(state, 0);
  for (int i = 0; i < 3; ++i) write_number(*log, i);
  SlowStart::let_go(*state);
  ASSERT_TRUE(log->stop(seconds(10)));
  EXPECT_EQ(std::vector<std::string>(state->records.begin() + 1, state->records.end()),
            (std::vector<std::string>{"line n=0\n", "line n=1\n", "line n=2\n"}));
}

TEST(LogThreadTest, OfLinesThatBreakOffTheWholeOnesAreNotLost) {
  auto state = std::make_shared<SlowStart::State>();
  const auto log = SlowStart::start(state, 1000);
  for (int i = 0; i < 4; ++i) write_number(*log, i);
  state->takes = 9 + 9 + 4;  // Two lines, and half the third. Whoever reads it waits for let_go().
  SlowStart::let_go(*state);
  ASSERT_TRUE(log->stop(seconds(10)));
  EXPECT_EQ(log->dropped(), 1U + 2U);  // The event, which is longer than that, and the lines that were not written whole.
}

TEST(LogThreadTest, AnEighthOfTheQueueIsForEvents) {
  auto state = std::make_shared<SlowStart::State>();
  LogThreadSettings settings;
  settings.queue_capacity = 16;
  const auto log = SlowStart::start(state, 1000, settings);  // One event waits already.
  for (int i = 0; i < 30; ++i) write_number(*log, i);
  log->write(event(MessageId::SERVER_UP));
  log->write(event(MessageId::POOL_SERVES));
  SlowStart::let_go(*state);
  ASSERT_TRUE(log->stop(seconds(10)));
  EXPECT_EQ(log->dropped(), 30U - 13U);
  const std::string all = testing::PrintToString(state->records);
  EXPECT_THAT(all, HasSubstr("SERVER_UP"));
  EXPECT_THAT(all, HasSubstr("POOL_SERVES"));
}

/// A log that waits for more lines as good as for ever.
LogThreadSettings patient(std::size_t queue_capacity = 4096) {
  LogThreadSettings settings;
  settings.gather = std::chrono::hours(1);
  settings.queue_capacity = queue_capacity;
  return settings;
}

TEST(LogThreadTest, ALineWaitsForOthersAndAnEventForNothing) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log")), patient());
  ASSERT_TRUE(log.flush(seconds(10)));
  write_number(log, 1);
  EXPECT_FALSE(log.flush(milliseconds(50)));
  log.write(event(MessageId::SERVER_UP));
  ASSERT_TRUE(log.flush(seconds(10)));
  EXPECT_THAT(test::TempDir::read(dir.path("log")), testing::MatchesRegex("line n=1\n[^\n]* SERVER_UP\n"));

  write_number(log, 2);
  ASSERT_TRUE(log.stop(seconds(10)));
  EXPECT_THAT(test::TempDir::read(dir.path("log")), testing::EndsWith("\nline n=2\n"));
}

TEST(LogThreadTest, LinesThatFillAQuarterOfTheQueueWaitNoLonger) {
  test::TempDir dir;
  LogThread log(to_file(dir.path("log")), patient(/*queue_capacity=*/16));
  ASSERT_TRUE(log.flush(seconds(10)));
  write_number(log, 0);
  EXPECT_FALSE(log.flush(milliseconds(50)));  // It waits.
  for (int i = 1; i < 5; ++i) write_number(log, i);
  ASSERT_TRUE(log.flush(seconds(10)));
  EXPECT_EQ(test::TempDir::read(dir.path("log")), "line n=0\nline n=1\nline n=2\nline n=3\nline n=4\n");
}

TEST(LogThreadTest, AFileThatIsFullKeepsTheWholeLinesAndGoesOnWithALineOfItsOwn) {
  test::TempDir dir;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit two_lines_and_a_half{.rlim_cur = 9 + 9 + 4, .rlim_max = before.rlim_max};
  LogThread log(to_file(dir.path("log")), patient(/*queue_capacity=*/16));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &two_lines_and_a_half), 0);  // The log's thread has SIGXFSZ blocked.
  for (int i = 0; i < 5; ++i) write_number(log, i);
  const bool done = log.flush(seconds(10));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_TRUE(done);
  EXPECT_EQ(log.dropped(), 3U);
  EXPECT_EQ(test::TempDir::read(dir.path("log")), "line n=0\nline n=1\nline");

  for (int i = 5; i < 10; ++i) write_number(log, i);
  ASSERT_TRUE(log.stop(seconds(10)));
  EXPECT_THAT(test::TempDir::read(dir.path("log")), testing::StartsWith("line n=0\nline n=1\nline\nline n=5\nline n=6\n"));
}

TEST(LogThreadTest, LinesThatAreStuckGoToTheNextTargetEachOnItsOwn) {
  test::TempDir dir;
  Pipe pipe = make_pipe();
  (void)fill(pipe.write.get());
  LogThreadSettings settings = patient(/*queue_capacity=*/16);
  settings.places.stderr_fd = pipe.write.get();
  settings.places.syslog_socket = dir.path("syslog");
  const Fd server(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  settings.places.syslog_socket.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  LogThread log(to_stderr(), settings);
  for (int i = 0; i < 5; ++i) write_number(log, i);
  EXPECT_FALSE(log.flush(milliseconds(50)));
  LogOptions syslog = to_stderr();
  syslog.target = LogTargetKind::kSyslog;
  log.reconfigure(syslog);
  ASSERT_TRUE(log.flush(seconds(10)));
  for (int i = 0; i < 5; ++i) {
    char bytes[512];
    const ssize_t n = ::recv(server.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    ASSERT_GT(n, 0) << i;
    EXPECT_THAT(std::string(bytes, static_cast<std::size_t>(n)), testing::EndsWith("]: line n=" + std::to_string(i)));
  }
  EXPECT_EQ(log.dropped(), 0U);
}

TEST(LogTargetTest, SendsSyslogDatagrams) {
  test::TempDir dir;
  const std::string path = dir.path("syslog");
  const Fd server(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);

  LogThreadSettings settings;
  settings.places.syslog_socket = path;
  LogThread log({.level = LogLevel::kNotice, .target = LogTargetKind::kSyslog, .path = {}, .format = LogFormat::kText}, settings);
  log.write(event(MessageId::SERVER_DOWN, {{"pool", "masters"}}));
  ASSERT_TRUE(log.flush(seconds(10)));
  char buffer[2048];
  const ssize_t n = ::recv(server.get(), buffer, sizeof buffer, 0);
  ASSERT_GT(n, 0);
  const std::string text(buffer, static_cast<std::size_t>(n));
  EXPECT_TRUE(text.starts_with("<28>"));  // daemon.warning
  EXPECT_TRUE(text.ends_with("fairleadd[" + std::to_string(::getpid()) + "]: SERVER_DOWN pool=masters")) << text;
}

TEST(LogTargetTest, AFullJournalSocketNeverBlocks) {
  test::TempDir dir;
  const std::string path = dir.path("journal");
  const Fd server(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);

  LogThreadSettings settings;
  settings.places.journal_socket = path;
  settings.queue_capacity = 16;
  LogThread log({.level = LogLevel::kNotice, .target = LogTargetKind::kJournal, .path = {}, .format = LogFormat::kText}, settings);
  for (int i = 0; i < 5000; ++i) log.write(event(MessageId::SERVER_DOWN, {{"pool", "masters"}}));
  EXPECT_GT(log.dropped(), 0U);
  char buffer[2048];
  const ssize_t n = ::recv(server.get(), buffer, sizeof buffer, 0);
  ASSERT_GT(n, 0);
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(n)),
            "MESSAGE=SERVER_DOWN pool=masters\nPRIORITY=4\nSYSLOG_IDENTIFIER=fairleadd\nFAIRLEAD_ID=SERVER_DOWN\nPOOL=masters\n");
  EXPECT_FALSE(log.stop(milliseconds(50)));
}

TEST(LogTargetTest, WritesJournalFieldsWithNewlinesByLength) {
  const LogEvent e = event(MessageId::SERVER_DOWN, {{"reason", "a\nPRIORITY=0"}});
  LogRecord record{.level = LogLevel::kWarning, .event = &e, .line = "l\n", .body = "b"};
  const std::string bytes = build_journal_datagram(record, "x");
  EXPECT_THAT(bytes, HasSubstr(std::string("REASON\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n", 27)));
}

TEST(LogTargetTest, FailsWithThePathWhenNoJournalListens) {
  LogPlaces places;
  places.journal_socket = "/nonexistent/journal";
  const auto target =
      open_log_target({.level = LogLevel::kNotice, .target = LogTargetKind::kJournal, .path = {}, .format = LogFormat::kText}, places);
  ASSERT_FALSE(target);
  EXPECT_THAT(target.error().message(), HasSubstr("/nonexistent/journal"));
}

TEST(LogTargetTest, KnowsTheJournalStreamByDeviceAndInode) {
  Pipe pipe = make_pipe();
  struct stat info {};
  ASSERT_EQ(::fstat(pipe.write.get(), &info), 0);
  ::unsetenv("JOURNAL_STREAM");
  EXPECT_FALSE(is_journal_stream(pipe.write.get()));
  ::setenv("JOURNAL_STREAM", (std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino)).c_str(), 1);
  EXPECT_TRUE(is_journal_stream(pipe.write.get()));
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_FALSE(is_journal_stream(pipe.write.get()));
  ::unsetenv("JOURNAL_STREAM");
}

TEST(LogTargetTest, FinishesALineThatAFullPipeInterrupted) {
  Pipe pipe = make_pipe();
  LogPlaces places;
  places.stderr_fd = pipe.write.get();
  auto target = open_log_target(to_stderr(), places);
  ASSERT_TRUE(target);
  LogRecord record{
      .level = LogLevel::kInfo, .event = nullptr, .line = std::string(300'000, 'x') + "\n", .body = {}};  // More than a pipe holds.
  std::string got;
  while ((*target)->write(record) == LogTarget::Outcome::kBlocked) got += read_exactly(pipe.read.get(), 4096);
  pipe.write.reset();
  target->reset();
  got += read_exactly(pipe.read.get(), 400'000);
  EXPECT_EQ(got, record.line);
}

}  // namespace
}  // namespace fairlead
