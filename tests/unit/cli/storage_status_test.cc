// What `fairlead storage` says while it waits, and of a pool in which something is wrong.
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/storage_status.h"
#include "tests/support/storage_site.h"

namespace fairlead::cli {
namespace {

using namespace bootstrap::test;
using bootstrap::Facts;
using bootstrap::GlusterRebalance;
using bootstrap::Plan;
using bootstrap::Site;
using bootstrap::VolumeFacts;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Pool {
  Site site = storage_site(3);
  Facts facts = pool_facts(site);
  VolumeFacts& pods() { return facts.pool->volumes["pods"]; }
};

TEST(StorageProgress, HealingEndsWhenNothingWaitsAndEveryBrickServes) {
  Pool pool;
  EXPECT_TRUE(heal_progress("pods", 3, pool.pods()).done);
  (*pool.pods().heal)[1].pending = 4;
  const StorageProgress waits = heal_progress("pods", 3, pool.pods());
  EXPECT_FALSE(waits.done);
  EXPECT_EQ(waits.line, "pods: 4 entries to heal, 3 of 3 bricks serve");
  EXPECT_THAT(waits.failure, IsEmpty());
}

TEST(StorageProgress, WhatIsNotToldIsNotDone) {
  Pool pool;
  (*pool.pods().heal)[1].pending.reset();
  EXPECT_FALSE(heal_progress("pods", 3, pool.pods()).done);
  EXPECT_THAT(heal_progress("pods", 3, pool.pods()).line, HasSubstr("at least 0 entries"));
  Pool down;
  (*down.pods().processes)[2].online = false;
  EXPECT_FALSE(heal_progress("pods", 3, down.pods()).done);
  Pool silent;
  silent.pods().heal.reset();
  EXPECT_FALSE(heal_progress("pods", 3, silent.pods()).done);
}

TEST(StorageProgress, SplitBrainIsNotWaitedForButNamedWithItsRemedy) {
  Pool pool;
  (*pool.pods().heal)[0].pending = (*pool.pods().heal)[0].split_brain = 2;
  const StorageProgress split = heal_progress("pods", 3, pool.pods());
  EXPECT_FALSE(split.done);
  EXPECT_THAT(split.failure,
              AllOf(HasSubstr("split brain"), HasSubstr("gluster volume heal pods split-brain source-brick HOST:BRICK FILE")));
  (*pool.pods().heal)[1].pending = 1;  // Something else is still being healed.
  EXPECT_THAT(heal_progress("pods", 3, pool.pods()).failure, IsEmpty());
}

TEST(StorageProgress, SpreadingEndsWhenItIsCompletedWithoutFailures) {
  Pool pool;
  const auto look = [&](const char* status, std::uint64_t failures) {
    pool.pods().rebalance = GlusterRebalance{status, 12, 4096, failures, 0};
    return rebalance_progress("pods", pool.pods());
  };
  EXPECT_FALSE(look("in progress", 0).done);
  EXPECT_THAT(look("in progress", 0).line, HasSubstr("pods: rebalance in progress, 12 files"));
  EXPECT_TRUE(look("completed", 0).done);
  EXPECT_FALSE(look("completed", 1).done);
  EXPECT_THAT(look("completed", 1).failure, HasSubstr("gluster volume rebalance pods start"));
  EXPECT_THAT(look("failed", 0).failure, HasSubstr("nothing is lost"));
  pool.pods().rebalance.reset();
  EXPECT_FALSE(rebalance_progress("pods", pool.pods()).done);
}

TEST(StorageStatus, SaysWhichBrickIsDownAndWhatContradictsItself) {
  Pool pool;
  (*pool.pods().processes)[1].online = false;
  (*pool.pods().heal)[0].split_brain = 2;
  Plan plan;
  plan.warnings = {"volume pods: 2 files are in split brain: their copies contradict one another. gluster volume heal pods ..."};
  const std::string text = storage_status_text(pool.site, pool.facts, plan, false);
  EXPECT_THAT(text, AllOf(HasSubstr("2 in split brain"), HasSubstr("warning: volume pods: 2 files are in split brain")));
  EXPECT_THAT(text, ::testing::ContainsRegex("stor-2\\.kube\\.demo:/srv/bricks/brick-1/pods +no "));
  const auto json = storage_status_json(pool.site, pool.facts, plan);
  const auto& volume = json.at("volumes").at(0);
  EXPECT_FALSE(volume.at("bricks").at(1).at("online").as_bool());
  EXPECT_EQ(volume.at("bricks").at(0).at("split_brain").to_number<int>(), 2);
  EXPECT_EQ(json.at("problems").as_array().size(), 1U);
}

TEST(StorageStatus, AMachineThatWasNotReadIsNoMember) {
  Pool pool;
  pool.facts.machines.erase("stor-2");
  pool.facts.unread["stor-2"] = "no route to host";
  const auto json = storage_status_json(pool.site, pool.facts, Plan{});
  EXPECT_EQ(json.at("machines").at(1).at("state").as_string(), "not read");
  EXPECT_THAT(storage_status_text(pool.site, pool.facts, Plan{}, false), HasSubstr("stor-2: no route to host"));
}

}  // namespace
}  // namespace fairlead::cli
