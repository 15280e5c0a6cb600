#include "daemon/hooks.h"

#include <gmock/gmock.h>

namespace fairlead::daemon {
namespace {

using ::testing::ElementsAre;

config::Vip vip() {
  config::Vip out;
  out.name = "api";
  out.address = *parse_ip_prefix("192.168.4.20/24");
  return out;
}

TEST(HookEnvironment, TellsWhatHappenedWhereAndNothingOfTheDaemonsOwn) {
  const std::vector<std::string> inherited{"PATH=/bin", "NOTIFY_SOCKET=/run/systemd/notify", "FAIRLEAD_VIP=other", "LANG=C"};
  EXPECT_THAT(hook_environment(inherited, vip(), HookEvent::kRelease, "eth0"),
              ElementsAre("PATH=/bin", "LANG=C", "FAIRLEAD_EVENT=release", "FAIRLEAD_VIP=api", "FAIRLEAD_ADDRESS=192.168.4.20/24",
                          "FAIRLEAD_INTERFACE=eth0"));
}

/// Without a loop that runs: what is posted is kept, and nothing is started.
class HookRunnerTest : public ::testing::Test {
 protected:
  HookHost host() {
    return {.post_job =
                [this](std::function<void()> job) {
                  jobs.push_back(std::move(job));
                  return takes;
                },
            .on_control = [](std::function<void()>) {}};
  }
  config::Vip with_hooks(std::size_t count) {
    config::Vip out = vip();
    out.on_acquire.assign(count, config::Hook{.command = {"/bin/true"}});
    return out;
  }
  QbLoop loop;
  std::vector<std::function<void()>> jobs;
  bool takes = true;
};

TEST_F(HookRunnerTest, OneHookOfAVipIsStartedAtATime) {
  HookRunner hooks(loop, host());
  hooks.run(with_hooks(3), HookEvent::kAcquire, "eth0");
  hooks.run(with_hooks(3), HookEvent::kAcquire, "eth0");
  EXPECT_EQ(jobs.size(), 1U);
  config::Vip other = with_hooks(1);
  other.name = "ingress";
  hooks.run(other, HookEvent::kAcquire, "eth0");
  EXPECT_EQ(jobs.size(), 2U) << "another VIP's does not wait";
  EXPECT_FALSE(hooks.is_idle());
}

TEST_F(HookRunnerTest, NoHooksIsNothingToDo) {
  HookRunner hooks(loop, host());
  hooks.run(with_hooks(3), HookEvent::kRelease, "eth0");
  EXPECT_TRUE(jobs.empty());
  EXPECT_TRUE(hooks.is_idle());
}

TEST_F(HookRunnerTest, WhereNoJobIsTakenEachHookFailsAndNoneIsLeft) {
  takes = false;
  HookRunner hooks(loop, host());
  hooks.run(with_hooks(16), HookEvent::kAcquire, "eth0");
  EXPECT_EQ(jobs.size(), 16U);
  EXPECT_TRUE(hooks.is_idle());
}

TEST_F(HookRunnerTest, WhatWaitsIsBounded) {
  HookRunner hooks(loop, host());
  for (int i = 0; i < 100; ++i) hooks.run(with_hooks(16), HookEvent::kAcquire, "eth0");
  EXPECT_EQ(jobs.size(), 1U);
}

}  // namespace
}  // namespace fairlead::daemon
