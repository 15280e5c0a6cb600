#include "daemon/machine.h"

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/fd.h"
#include "config/descriptors.h"
#include "tests/support/temp_dir.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::daemon {
namespace {

// Needs a child: the limit of this process is not to be changed.
TEST(Machine, TheDescriptorLimitIsRaisedAsFarAsThisProcessMay) {
  const bool may = ::geteuid() == 0 && ::prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 1;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit low{.rlim_cur = 200, .rlim_max = 300};
    if (::setrlimit(RLIMIT_NOFILE, &low) != 0) ::_exit(2);
    ::_exit(raise_descriptor_limit() == (may ? config::kDescriptorsWanted : 300U) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// What changes the calling process for good. Its exit code.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLocks = false;  // Their runtimes answer mlockall() themselves, and lock nothing.
#else
constexpr bool kLocks = true;
#endif

long locked_kb() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    long kb = 0;
    if (word == "VmLck:" && file >> kb) return kb;
  }
  return -1;
}

TEST(Machine, TheControlThreadIsRealTimeAndItsThreadsAreNot) {
  const int code = in_child([] {
    if (!harden_control_thread().empty()) return 77;
    if ((::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) != SCHED_RR) return 1;
    if (kLocks && locked_kb() <= 0) return 2;
    int other = -1;
    std::thread([&] { other = ::sched_getscheduler(0); }).join();
    return other == SCHED_OTHER ? 0 : 3;
  });
  if (code == 77) GTEST_SKIP() << "not allowed here";
  EXPECT_EQ(code, 0);
}

TEST(Machine, WhatHardeningIsRefusedIsSaid) {
  EXPECT_EQ(in_child([] {
              const rlimit none{.rlim_cur = 0, .rlim_max = 0};
              if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || ::setrlimit(RLIMIT_RTPRIO, &none) != 0) return 2;
              if (::geteuid() == 0 && ::setuid(65534) != 0) return 3;
              const std::string refused = harden_control_thread();
              return (refused.find("lock memory") != std::string::npos) == kLocks && refused.find("real-time") != std::string::npos ? 0 : 1;
            }),
            0);
}

TEST(Machine, AddressesCanBeChangedWithCapNetAdminOnly) {
  EXPECT_EQ(in_child([] {
              __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
              __user_cap_data_struct data[2]{};
              if (::syscall(SYS_capget, &header, data) != 0) return 2;
              const bool has = (data[0].effective & (1U << CAP_NET_ADMIN)) != 0;
              if (vip::may_change_addresses() != has) return 3;
              data[0].effective &= ~(1U << CAP_NET_ADMIN);
              if (::syscall(SYS_capset, &header, data) != 0) return 4;
              return vip::may_change_addresses() ? 1 : 0;
            }),
            0);
}

/// A socket that stands for systemd's and takes as much as fits.
class NotifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path = dir.path("notify");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    systemd.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(systemd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override { ::unsetenv("NOTIFY_SOCKET"); }
  std::string read() {
    char text[64] = "";
    const auto n = ::recv(systemd.get(), text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
  }
  test::TempDir dir;
  std::string path;
  Fd systemd;
};

TEST_F(NotifyTest, ASystemdThatDoesNotReadIsNotWaitedForAndAskedAgain) {
  ASSERT_TRUE(notify_systemd("READY=1"));
  int said = 1;
  while (said < 100'000 && notify_systemd("WATCHDOG=1")) ++said;  // Would hang here.
  ASSERT_LT(said, 100'000);

  EXPECT_EQ(read(), "READY=1");
  EXPECT_TRUE(notify_systemd("STOPPING=1"));
}

TEST_F(NotifyTest, WhereNobodyListensNothingIsToBeSaid) {
  systemd.reset();
  EXPECT_TRUE(notify_systemd("READY=1"));
  for (const char* nobody : {"", "relative", "/", "/no/such/socket"}) {
    ::setenv("NOTIFY_SOCKET", nobody, 1);
    EXPECT_TRUE(notify_systemd("READY=1")) << nobody;
  }
  ::setenv("NOTIFY_SOCKET", std::string(200, '/').c_str(), 1);
  EXPECT_TRUE(notify_systemd("READY=1"));
}

TEST(Notify, AnAbstractSocketIsReached) {
  const std::string name = "fairlead-test-" + std::to_string(::getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, sizeof address.sun_path - 2);
  const Fd systemd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(systemd.get(), reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
            0);
  ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  EXPECT_TRUE(notify_systemd("READY=1"));
  ::unsetenv("NOTIFY_SOCKET");
  char text[64] = "";
  EXPECT_EQ(::recv(systemd.get(), text, sizeof text, MSG_DONTWAIT), 7);
}

TEST(Machine, ThereIsACpuAndTheEpollEngineIsAlwaysToBeHad) {
  EXPECT_FALSE(allowed_cpus().empty());
  const auto engine = choose_engine(config::EngineChoice::kEpoll);
  ASSERT_TRUE(engine);
  EXPECT_FALSE(engine->uring);
  const auto automatic = choose_engine(config::EngineChoice::kAuto);
  ASSERT_TRUE(automatic);
  EXPECT_FALSE(automatic->reason.empty());
}

}  // namespace
}  // namespace fairlead::daemon
