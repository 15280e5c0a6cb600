#include "base/run_program.h"

#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/system_clock.h"
#include "tests/support/temp_dir.h"

namespace fairlead {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

ProgramCall program(std::vector<std::string> argv) {
  ProgramCall out;
  out.argv = std::move(argv);
  return out;
}
ProgramCall shell(std::string script) { return program({"sh", "-c", std::move(script)}); }

bool has_children() { return ::waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG | WNOWAIT) == 0; }

bool is_there(const std::string& pid) { return ::kill(static_cast<pid_t>(std::stol(pid)), 0) == 0; }

/// Until it is gone, or a deadline.
bool goes(const std::string& pid) {
  for (const Instant deadline = SystemClock().now() + seconds(10); SystemClock().now() < deadline; std::this_thread::yield())
    if (!is_there(pid)) return true;
  return false;
}

TEST(RunProgram, GivesWhatItSaidAndHowItEnded) {
  auto done = run_program(shell("cat; echo wrong >&2; exit 3"));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->exit_code, 3);
  EXPECT_EQ(done->output, "");
  EXPECT_EQ(done->errors, "wrong\n");

  ProgramCall call = shell("tr a-z A-Z");
  call.input = "hello";
  done = run_program(call);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->output, "HELLO");
  EXPECT_EQ(done->signal, 0);

  done = run_program(shell("kill -TERM $$"));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->signal, SIGTERM);
  EXPECT_EQ(done->exit_code, 128 + SIGTERM);
}

TEST(RunProgram, MovesMoreThanAPipeHoldsBothWaysAtOnce) {
  ProgramCall call = shell("cat; cat >&2 </dev/null");
  call.input.assign(std::size_t{3} << 20, 'x');
  auto done = run_program(call);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->output, call.input);
}

TEST(RunProgram, ReadsOnFromAFile) {
  const test::TempDir folder;
  const std::string path = folder.path("input");
  std::ofstream(path) << "and a file";
  std::FILE* file = std::fopen(path.c_str(), "r");
  ProgramCall call = shell("cat");
  call.input = "text ";
  call.input_fd = ::fileno(file);
  auto done = run_program(call);
  std::fclose(file);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->output, "text and a file");
}

TEST(RunProgram, AProgramThatReadsNothingIsNoError) {
  ProgramCall call = shell("exit 0");
  call.input.assign(std::size_t{1} << 20, 'x');
  auto done = run_program(call);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_code, 0);
}

TEST(RunProgram, AnOverdueOneIsEndedWithItsGroup) {
  ProgramCall call = shell("sh -c 'echo $$ >&2; exec tail -f /dev/null' & echo $! >&2; echo last words >&2; wait");
  call.timeout = milliseconds(300);
  auto done = run_program(call);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kTimeout);
  EXPECT_THAT(done.error().context, HasSubstr("300ms"));
  EXPECT_THAT(done.error().context, HasSubstr("last words"));
  const std::string words = done.error().context.substr(done.error().context.find(": ") + 2);
  EXPECT_TRUE(goes(words.substr(0, words.find(' ')))) << words;
  EXPECT_FALSE(has_children());
}

TEST(RunProgram, WhatItLeavesInTheBackgroundIsNotWaitedFor) {
  ProgramCall call = shell("tail -f /dev/null & echo $!");
  const Instant begun = SystemClock().now();
  auto done = run_program(call);
  ASSERT_TRUE(done) << "although the output stays open: " << done.error().message();
  EXPECT_LT(SystemClock().now() - begun, seconds(20));
  EXPECT_TRUE(is_there(done->output));
  ::kill(static_cast<pid_t>(std::stol(done->output)), SIGKILL);
}

TEST(RunProgram, DropsWhatIsTooMuchAndSaysSo) {
  ProgramCall call = shell("yes | head -c 100000; echo end >&2");
  call.output_max = 1000;
  auto done = run_program(call);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->output.size(), 1000U);
  EXPECT_TRUE(done->cut);
  EXPECT_EQ(done->errors, "end\n");
}

TEST(RunProgram, ASinkThatHasEnoughEndsIt) {
  ProgramCall call = shell("yes");
  std::size_t got = 0;
  call.on_output = [&](std::string_view bytes) { return (got += bytes.size()) < 100'000; };
  auto done = run_program(call);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kUnavailable);
  EXPECT_GE(got, 100'000U);
  EXPECT_FALSE(has_children());
}

TEST(RunProgram, SaysWhatIsNotThereAndWhatMayNotBeRun) {
  auto done = run_program(program({"no-such-program-here"}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kNotFound);
  EXPECT_THAT(done.error().context, HasSubstr("no-such-program-here"));
  done = run_program(program({"/etc/passwd"}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kPermission);
  done = run_program(program({"/no/such/file"}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kNotFound);
  EXPECT_FALSE(run_program(program({})));
  EXPECT_FALSE(has_children());
}

TEST(RunProgram, TheEnvironmentIsOursWithTheChanges) {
  ::setenv("FL_RUN_PROGRAM_TEST", "old", 1);
  ::setenv("FL_RUN_PROGRAM_GONE", "x", 1);
  ProgramCall call = shell("echo $FL_RUN_PROGRAM_TEST ${FL_RUN_PROGRAM_GONE-none} ${PATH:+path}");
  call.environment = {"FL_RUN_PROGRAM_TEST=new=er", "FL_RUN_PROGRAM_GONE"};
  auto done = run_program(call);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->output, "new=er none path\n");
}

TEST(RunProgram, HasNoDescriptorOfOursAndNoIgnoredSignal) {
  const int leaked = ::dup(STDERR_FILENO);  // Without close-on-exec.
  ::signal(SIGPIPE, SIG_IGN);
  auto done = run_program(shell("ls /proc/self/fd | wc -l; grep SigIgn /proc/self/status"));
  ::signal(SIGPIPE, SIG_DFL);
  ::close(leaked);
  ASSERT_TRUE(done);
  EXPECT_THAT(done->output, HasSubstr("4\n")) << "the three, and the one that ls opens";
  // Of the 31 standard signals none; 32 and 33 are the C library's own, and it lets nobody change them.
  const auto ignored = done->output.find("SigIgn:\t");
  ASSERT_NE(ignored, std::string::npos) << done->output;
  EXPECT_EQ(std::stoull(done->output.substr(ignored + 8), nullptr, 16) & 0x7fffffffU, 0U) << done->output;
}

TEST(RunProgram, ManyAtOnceFromManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&right, t] {
      for (int round = 0; round < 10; ++round) {
        ProgramCall call = shell("cat");
        call.input = std::string(100'000, static_cast<char>('a' + t));
        auto done = run_program(call);
        if (done && done->output == call.input) ++right;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
  EXPECT_FALSE(has_children());
}

TEST(RunProgram, EndsWithItsParent) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    ::dup2(ends[1], 9);
    (void)run_program(shell("echo $$ > /proc/$PPID/fd/9; exec tail -f /dev/null"));
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string pid(32, '\0');
  const ssize_t count = ::read(ends[0], pid.data(), pid.size());
  ASSERT_GT(count, 0);
  pid.resize(static_cast<std::size_t>(count));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  ::close(ends[0]);
  EXPECT_TRUE(goes(pid));
}

TEST(HeldProgram, StaysUntilItsInputEnds) {
  const test::TempDir folder;
  auto held = HeldProgram::start(shell("echo $$ >" + folder.path("pid") + "; echo noise; echo not ready; echo ready; exec cat"), "ready");
  ASSERT_TRUE(held) << held.error().message();
  const std::string pid = test::TempDir::read(folder.path("pid"));
  EXPECT_TRUE(held->running());
  EXPECT_TRUE(is_there(pid));
  held->end(seconds(10));
  EXPECT_FALSE(held->running());
  EXPECT_FALSE(is_there(pid));
  EXPECT_FALSE(has_children());
}

TEST(HeldProgram, IsKilledWhenItDoesNotEnd) {
  const test::TempDir folder;
  {
    auto held = HeldProgram::start(shell("trap '' TERM; echo $$ >" + folder.path("pid") + "; echo ready; exec tail -f /dev/null"), "ready");
    ASSERT_TRUE(held);
    held->end(milliseconds(50));
  }
  EXPECT_FALSE(is_there(test::TempDir::read(folder.path("pid"))));
}

TEST(HeldProgram, OneThatEndsAtOnceGivesItsWords) {
  auto held = HeldProgram::start(shell("echo because >&2; echo of this; exit 1"), "ready");
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Errc::kUnavailable);
  EXPECT_EQ(held.error().context, "because\nof this\n");
  ProgramCall mute = shell("echo too early; exec tail -f /dev/null");
  mute.timeout = milliseconds(100);
  held = HeldProgram::start(mute, "ready");
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Errc::kTimeout);
  EXPECT_THAT(held.error().context, HasSubstr("too early"));
  EXPECT_FALSE(has_children());
}

}  // namespace
}  // namespace fairlead
