#include "base/qb_log.h"

#include <condition_variable>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "base/fd.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/base/log_rig.h"

namespace fairlead {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::datagram_server;
using test::event;
using test::fill;
using test::make_pipe;
using test::Pipe;
using test::to_file;
using test::to_stderr;
using test::write_number;
using testing::HasSubstr;

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
  const Fd server = datagram_server(settings.places.syslog_socket);
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

}  // namespace
}  // namespace fairlead
