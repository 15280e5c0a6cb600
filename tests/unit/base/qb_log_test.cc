#include "base/qb_log.h"

#include <atomic>
#include <boost/json.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <qb/qblog.h>

#include "base/fd.h"
#include "base/system_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/base/log_rig.h"

namespace fairlead {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::count_lines;
using test::event;
using test::fill;
using test::make_pipe;
using test::Pipe;
using test::read_exactly;
using test::read_lines;
using test::to_file;
using test::to_stderr;
using test::write_number;
using testing::HasSubstr;
using testing::Not;

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

TEST(LogThreadTest, WritesToItsTargetOnceThatCanBeOpened) {
  test::TempDir dir;
  for (const bool by_reload : {false, true}) {
    const std::string folder = dir.path(by_reload ? "a" : "b");
    Pipe pipe = make_pipe();
    LogThreadSettings settings;
    settings.places.stderr_fd = pipe.write.get();
    LogThread log(to_file(folder + "/log"), settings);
    ASSERT_TRUE(log.flush(seconds(10)));
    by_reload ? log.reconfigure(to_file(folder + "/log")) : log.reopen();
    const auto lines = read_lines(pipe.read.get(), [](const auto& l) { return l.size() == 2; });
    EXPECT_THAT(lines.back(), HasSubstr("LOG_TARGET_FAILED")) << "it says so each time";
    std::filesystem::create_directory(folder);

    by_reload ? log.reconfigure(to_file(folder + "/log")) : log.reopen();
    ASSERT_TRUE(log.flush(seconds(10)));
    log.write(event(MessageId::SERVER_DOWN));

    ASSERT_TRUE(log.stop(seconds(10)));
    EXPECT_THAT(test::TempDir::read(folder + "/log"), HasSubstr("SERVER_DOWN"));
  }
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
  EXPECT_EQ(kept[0].event->id, MessageId::SERVER_UP);
  EXPECT_EQ(kept[1].event->id, MessageId::SERVER_DOWN);
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

}  // namespace
}  // namespace fairlead
