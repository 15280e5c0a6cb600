#include "daemon/instance_lock.h"

#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

namespace fairlead::daemon {
namespace {

class InstanceLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    snapshot.admin.socket = dir.path("run/fl.sock");
    snapshot.state_dir = dir.path("state");
    for (const char* folder : {"run", "state"}) std::filesystem::create_directory(dir.path(folder));
    ASSERT_EQ(::chmod(dir.path("").c_str(), 0755), 0);
  }
  /// As another user: exit code of `body`.
  static int as_nobody(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::setgid(65534) == 0 && ::setuid(65534) == 0 ? body() : 99);
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  /// 0: it is free; 1: it is not, and `file` is blamed.
  std::function<int()> tries(const std::string& file) {
    return [this, file] {
      const auto lock = take_instance_lock(snapshot, true);
      if (lock) return 0;
      return lock.error().code == Errc::kConflict && lock.error().message().find(file) != std::string::npos ? 1 : 2;
    };
  }
  test::TempDir dir;
  config::Snapshot snapshot;
};

TEST_F(InstanceLockTest, OneAtATime) {
  const auto first = take_instance_lock(snapshot, true);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size(), 2U);
  EXPECT_EQ(tries("fl.sock.lock")(), 1);
  snapshot.admin.socket = dir.path("run/other.sock");
  EXPECT_EQ(tries("state/lock")(), 1);
  EXPECT_TRUE(take_instance_lock(snapshot, false)) << "without VIPs a state_dir is nobody's";
}

TEST_F(InstanceLockTest, ALockThatBelongsToAnotherUserIsNotFree) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  ASSERT_TRUE(take_instance_lock(snapshot, true));  // Of root, 0600; and let go of, which nobody else can know.
  EXPECT_EQ(as_nobody(tries("fl.sock.lock")), 1);
}

TEST_F(InstanceLockTest, AFolderThatCannotBeLookedIntoIsNotFree) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  ASSERT_EQ(::chmod(snapshot.state_dir.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(dir.path("run").c_str(), 0777), 0);
  EXPECT_EQ(as_nobody(tries("state/lock")), 1);
}

TEST_F(InstanceLockTest, WhereNoLockIsAndNoneCanBeMadeNobodyHoldsOne) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  EXPECT_EQ(as_nobody(tries("")), 0) << "folders that can be read and not written";
  snapshot.admin.socket = "/no/such/folder/fl.sock";
  snapshot.state_dir = "/no/such/state";
  EXPECT_EQ(as_nobody(tries("")), 0);
}

TEST(SweepLock, NobodySweepsWhereADaemonHasVips) {
  if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root, for a network of its own";
  ASSERT_TRUE(be_alone_to_sweep());
  {
    const Fd daemon = keep_sweeps_away();
    ASSERT_TRUE(daemon.valid());
    EXPECT_TRUE(keep_sweeps_away().valid()) << "of another socket and state_dir";
    const auto refused = be_alone_to_sweep();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kConflict);
  }
  EXPECT_TRUE(be_alone_to_sweep()) << "it has ended";
}

}  // namespace
}  // namespace fairlead::daemon
