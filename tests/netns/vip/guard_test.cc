// The guard with real processes: a daemon reduced to its VIP (guard_stand_in.h), killed, stopped and let go.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/net_namespace.h"
#include "tests/support/temp_dir.h"
#include "vip/guard_link.h"
#include "vip/netlink_address_driver.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace fairlead::vip {
namespace {

using std::chrono::steady_clock;
using test::eventually;

Fd pidfd_of(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

class GuardTest : public test::NetNamespaceTest {
 protected:
  void SetUp() override {
    test::NetNamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ::setenv("FL_TEST_VOICE", voice_.c_str(), 1);
    auto driver = NetlinkAddressDriver::open(NetlinkAddressDriver::Events::kNone);
    ASSERT_TRUE(driver);
    driver_ = std::move(*driver);
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    // A guard ends with its daemon; one that is stopped has to go on for that.
    if (guard_.valid()) {
      (void)::syscall(SYS_pidfd_send_signal, guard_.get(), SIGCONT, nullptr, 0);
      EXPECT_TRUE(ended(guard_)) << "the guard outlives its daemon";
    }
    test::NetNamespaceTest::TearDown();
  }

  void start(const char* lease) {
    int in[2];
    int out[2];
    ASSERT_EQ(::pipe2(in, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::string words[] = {"stand-in", "--stand-in", "va", "10.0.0.9/24", lease};
    char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), words[4].data(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    in_.reset(in[1]);
    out_.reset(out[0]);
    ::close(in[0]);
    ::close(out[1]);
    ASSERT_NE(wait_for("guard "), "");
    ASSERT_NE(wait_for("held"), "");
    ASSERT_TRUE(present());
  }

  // The next line that begins so; those before it are forgotten. Empty after ten seconds or at the end.
  std::string wait_for(const std::string& beginning) {
    std::string found;
    const bool seen = eventually(out_.get(), [&] {
      for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        if (line.starts_with("guard ")) {
          guard_pid_ = std::atoi(line.c_str() + 6);
          guard_ = pidfd_of(guard_pid_);
        }
        if (line.starts_with(beginning)) {
          found = std::move(line);
          return true;
        }
      }
      char buffer[4096];
      pollfd on{.fd = out_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&on, 1, 0) <= 0) return false;
      const auto got = ::read(out_.get(), buffer, sizeof buffer);
      if (got <= 0) return true;
      text_.append(buffer, static_cast<std::size_t>(got));
      return false;
    });
    return seen ? found : "";
  }
  void turns(int tens) {
    for (int i = 0; i < tens; ++i) ASSERT_NE(wait_for("turns "), "");
  }
  static bool ended(const Fd& pidfd) {
    pollfd on{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    return eventually(pidfd.get(), [&] { return ::poll(&on, 1, 0) > 0; });
  }
  bool present() {
    const auto all = driver_->addresses();
    return std::any_of(all->begin(), all->end(), [](const PresentAddress& p) { return p.address.to_string() == "10.0.0.9/24"; });
  }
  // How long until the address is gone, in ms; negative when it stays.
  double gone_after(steady_clock::time_point begin) {
    while (present()) {
      if (steady_clock::now() - begin > std::chrono::seconds(10)) return -1;
    }
    return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
  }
  [[nodiscard]] std::string said() const { return test::TempDir::read(voice_); }

  test::TempDir dir_;
  std::string voice_ = dir_.path("voice");
  std::unique_ptr<NetlinkAddressDriver> driver_;
  pid_t pid_ = -1;
  pid_t guard_pid_ = -1;
  Fd guard_;
  Fd in_;
  Fd out_;
  std::string text_;
};

// The lifetime is an hour: whatever removes the address here is the guard.
constexpr const char* kHour = "3600";

TEST_F(GuardTest, AKilledDaemonsAddressGoesAndTheOthersHearOfIt) {
  start(kHour);
  const auto begin = steady_clock::now();
  ::kill(pid_, SIGKILL);
  const double ms = gone_after(begin);
  ASSERT_GE(ms, 0);
  std::printf("address gone %.2f ms after the daemon's SIGKILL\n", ms);
  EXPECT_TRUE(ended(guard_));
  EXPECT_EQ(said(), "api 5 7 77\n");
}

TEST_F(GuardTest, AHungDaemonsAddressGoesAndItIsKilled) {
  start(kHour);
  turns(1);
  const auto begin = steady_clock::now();
  ::kill(pid_, SIGSTOP);
  const double ms = gone_after(begin);
  ASSERT_GE(ms, 0);
  std::printf("address gone %.0f ms after the daemon's SIGSTOP (hang limit 1000 ms)\n", ms);
  int status = 0;
  ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_TRUE(ended(guard_));
  EXPECT_EQ(said(), "api 5 7 77\n");
}

TEST_F(GuardTest, AKilledGuardIsReplacedByOneThatKnowsAndWorks) {
  start(kHour);
  const pid_t first = guard_pid_;
  const auto begin = steady_clock::now();
  ::kill(first, SIGKILL);
  ASSERT_NE(wait_for("lost "), "");
  ASSERT_NE(wait_for("known again"), "");
  std::printf("guarded again %.1f ms after the guard's SIGKILL\n",
              std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count());
  EXPECT_NE(guard_pid_, first);
  EXPECT_TRUE(present());

  ::kill(pid_, SIGKILL);
  EXPECT_GE(gone_after(steady_clock::now()), 0);
  EXPECT_TRUE(ended(guard_));
  EXPECT_EQ(said(), "api 5 7 77\n");
}

TEST_F(GuardTest, GuardsThatKeepDyingAreReported) {
  start(kHour);
  for (int i = 0; i < 5; ++i) {
    ::kill(guard_pid_, SIGKILL);
    ASSERT_NE(wait_for("lost "), "");
    if (i == 4) break;
    ASSERT_NE(wait_for("known again"), "");
  }
  EXPECT_NE(wait_for("too often"), "");
  std::string again;  // The next one comes after kGuardBackOff, as long as wait_for() waits.
  for (int i = 0; i < 2 && again.empty(); ++i) again = wait_for("known again");
  EXPECT_NE(again, "");
}

TEST_F(GuardTest, TheKernelRemovesTheAddressWhenBothAreKilled) {
  start("1");
  ::kill(guard_pid_, SIGSTOP);  // So that neither sees the other die.
  ::kill(pid_, SIGKILL);
  ::kill(guard_pid_, SIGKILL);
  const double ms = gone_after(steady_clock::now());
  EXPECT_GE(ms, 0);
  std::printf("address gone %.0f ms after both were killed (lifetime 1000 ms)\n", ms);
  EXPECT_EQ(said(), "");
}

TEST_F(GuardTest, AGuardThatStoodStillDoesNotKillAHealthyDaemon) {
  start(kHour);
  const pid_t guard = guard_pid_;
  ::kill(guard, SIGSTOP);
  turns(4);  // Two seconds of the daemon's.
  ::kill(guard, SIGCONT);
  turns(3);
  EXPECT_TRUE(present());
  EXPECT_EQ(guard_pid_, guard);
  EXPECT_EQ(said(), "");
}

TEST_F(GuardTest, AGuardThatStandsStillForGoodIsReplaced) {
  start(kHour);
  const pid_t guard = guard_pid_;
  ::kill(guard, SIGSTOP);
  ASSERT_NE(wait_for("lost "), "");
  ASSERT_NE(wait_for("known again"), "");
  EXPECT_NE(guard_pid_, guard);
  EXPECT_TRUE(present());
}

TEST_F(GuardTest, BothEndInOrderAndNothingIsSaid) {
  start(kHour);
  ASSERT_EQ(::write(in_.get(), "q", 1), 1);
  int status = -1;
  ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(ended(guard_));
  EXPECT_FALSE(present());
  EXPECT_EQ(said(), "");
}

TEST_F(GuardTest, TheDaemonsSignalsDoNotEndTheGuard) {
  start(kHour);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) ::kill(guard_pid_, number);
  turns(2);
  ::kill(pid_, SIGKILL);
  EXPECT_GE(gone_after(steady_clock::now()), 0);
  EXPECT_TRUE(ended(guard_));
  EXPECT_EQ(said(), "api 5 7 77\n");
}

TEST_F(GuardTest, NoDescriptorOfTheDaemonsIsOpenInTheGuard) {
  start(kHour);
  const std::string folder = "/proc/" + std::to_string(guard_pid_) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    EXPECT_NE(std::filesystem::read_symlink(entry.path()), "/dev/zero") << "the stand-in leaves that one open over exec";
}

/// Whether it says that it cannot do what it is for. In a child: what is given up there is given up for good.
TEST_F(GuardTest, AGuardWithoutTheRightToDeleteAddressesSaysSo) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0) != 0) ::_exit(2);
    auto guard = spawn_guard({.path = "/proc/self/exe", .arguments = {"stand-in", "--guard"}});
    if (!guard) ::_exit(3);
    pollfd on{.fd = guard->link(), .events = POLLIN, .revents = 0};
    (void)::poll(&on, 1, 10'000);
    std::array<std::byte, kGuardMessageBytesMax> buffer{};
    const auto got = ::recv(guard->link(), buffer.data(), buffer.size(), 0);
    const auto word = got > 0 ? parse_guard_word(std::span(buffer).first(static_cast<std::size_t>(got))) : std::nullopt;
    const auto* ready = word ? std::get_if<GuardReady>(&*word) : nullptr;
    const bool said = ready != nullptr && ready->notes.find("CAP_NET_ADMIN is missing") != std::string::npos;
    (void)::waitpid(guard->kill(), nullptr, 0);
    ::_exit(said ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace fairlead::vip
