#include "daemon/machine.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/descriptors.h"

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
