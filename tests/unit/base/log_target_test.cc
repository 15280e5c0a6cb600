#include "base/log_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/base/log_rig.h"

namespace fairlead {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::datagram_server;
using test::event;
using test::make_pipe;
using test::Pipe;
using test::read_exactly;
using test::to_stderr;
using testing::HasSubstr;

TEST(LogTargetTest, SendsSyslogDatagrams) {
  test::TempDir dir;
  const std::string path = dir.path("syslog");
  const Fd server = datagram_server(path);
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
  const Fd server = datagram_server(path);
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
