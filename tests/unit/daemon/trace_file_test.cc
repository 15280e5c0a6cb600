// TraceFile: the disk's side of --trace-takeover, with a jobs thread that the test turns by hand.
#include "daemon/trace_file.h"

#include <array>
#include <deque>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/event_capture.h"

namespace fairlead::daemon {
namespace {

class TraceFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
    disk_.reset(ends[0]);
    file_ = std::make_unique<TraceFile>(Fd(ends[1]), post());
  }
  TraceFile::PostJob post() {
    return [this](std::function<void()> job) {
      if (full_) return false;
      jobs_.push_back(std::move(job));
      return true;
    };
  }
  void work() {
    while (!jobs_.empty()) {
      jobs_.front()();
      jobs_.pop_front();
    }
  }
  std::string written() {
    std::string out;
    std::array<char, 4096> piece{};
    for (ssize_t n = 0; (n = ::read(disk_.get(), piece.data(), piece.size())) > 0;) out.append(piece.data(), static_cast<std::size_t>(n));
    return out;
  }

  test::EventCapture events_;
  Fd disk_;
  std::deque<std::function<void()>> jobs_;
  bool full_ = false;
  std::unique_ptr<TraceFile> file_;
};

TEST_F(TraceFileTest, WritesWhatWasAddedInOrderOnePieceAtATime) {
  file_->add("a\n");
  file_->flush();
  file_->add("b\n");
  file_->flush();
  EXPECT_EQ(jobs_.size(), 1U) << "the first is not written yet";
  work();
  file_->flush();
  work();
  EXPECT_EQ(written(), "a\nb\n");
  file_->add("c\n");
  file_.reset();
  work();
  EXPECT_EQ(written(), "c\n") << "what was not flushed is, at the end";
  EXPECT_FALSE(events_.has(MessageId::TRACE_ENDED));
}

TEST_F(TraceFileTest, EndsOnceWhenTheDiskRefuses) {
  file_ = std::make_unique<TraceFile>(Fd(::open("/dev/full", O_WRONLY | O_CLOEXEC)), post());
  for (int i = 0; i < 3; ++i) {
    file_->add("a\n");
    file_->flush();
    work();
  }
  EXPECT_FALSE(file_->is_on());
  EXPECT_EQ(events_.count(MessageId::TRACE_ENDED), 1U);
  EXPECT_NE(events_.value(MessageId::TRACE_ENDED, "reason").find("ENOSPC"), std::string::npos);
}

TEST_F(TraceFileTest, EndsWhenMoreWaitsThanMayWait) {
  const std::string line(64 * 1024, 'x');
  for (std::size_t bytes = 0; bytes <= 2 * kTraceWaitingMax; bytes += line.size()) file_->add(line);
  EXPECT_FALSE(file_->is_on());
  EXPECT_EQ(events_.count(MessageId::TRACE_ENDED), 1U);
  EXPECT_EQ(events_.value(MessageId::TRACE_ENDED, "reason"), "the disk is too slow");
}

TEST_F(TraceFileTest, EndsWhenNoJobIsTaken) {
  full_ = true;
  file_->add("a\n");
  file_->flush();
  EXPECT_FALSE(file_->is_on());
  EXPECT_EQ(events_.count(MessageId::TRACE_ENDED), 1U);
}

}  // namespace
}  // namespace fairlead::daemon
