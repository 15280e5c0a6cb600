// What is planned for a pool that exists: more bricks, bricks anew, bricks elsewhere; and when nothing of it is.
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/k8s-bootstrap/storage_world.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(ExpandStorage, AddsSetsOfThreeAndRebalances) {
  World w(6);
  w.facts = pool_facts(w.site, 3);
  const Plan plan = w.expand();
  EXPECT_THAT(plan.obstacles, IsEmpty()) << obstacles_of(plan);
  const Step* step = plan.find("stor-1/expand-pods");
  ASSERT_NE(step, nullptr);
  EXPECT_THAT(text_of(*step),
              AllOf(HasSubstr("add-brick pods stor-4.kube.demo:/srv/bricks/brick-1/pods stor-5"), HasSubstr("rebalance pods start")));
  EXPECT_THAT(step->needs, Contains("stor-1/probe-stor-6"));
}

TEST(ExpandStorage, WaitsForBricksHealingAndRebalance) {
  const auto refused = [](const std::function<void(World&)>& change) {
    World w(6);
    w.facts = pool_facts(w.site, 3);
    change(w);
    const Plan plan = w.expand();
    EXPECT_EQ(plan.find("stor-1/expand-pods"), nullptr);
    return obstacles_of(plan);
  };
  EXPECT_THAT(refused([](World& w) { w.online("stor-2", false); }), HasSubstr("expanding of volume pods waits: not serving: stor-2"));
  EXPECT_THAT(refused([](World& w) { (*w.pods().heal)[0].pending = 7; }), HasSubstr("7 entries wait to be healed"));
  EXPECT_THAT(refused([](World& w) { (*w.pods().heal)[0].pending.reset(); }), HasSubstr("an unknown number of entries"));
  EXPECT_THAT(refused([](World& w) { w.pods().rebalance->status = "in progress"; }), HasSubstr("a rebalance is under way"));
  EXPECT_THAT(refused([](World& w) { w.pods().rebalance.reset(); }), HasSubstr("may be under way"));
  EXPECT_THAT(refused([](World& w) { w.facts.pool.reset(); }), HasSubstr("could not be read"));
  const auto mounted = [](World& w) {
    for (const char* name : {"stor-4", "stor-5", "stor-6"}) {
      BrickFact& brick = w.brick(name);
      brick.mounted = brick.directories_known = Known::kYes;
      brick.source = "/dev/mapper/fl--brick--1-brick";
      brick.directories["pods"] = "";
    }
  };
  EXPECT_THAT(refused([&](World& w) {
                mounted(w);
                w.brick("stor-5").filled = {"pods"};
              }),
              HasSubstr("stor-5 /srv/bricks/brick-1/pods has something in it, and is no brick"));
}

TEST(ReplaceStorage, AnEmptyBrickIsFilledAgainWhileTheOthersServe) {
  World w(3, true);
  w.brick("stor-2").directories.clear();
  w.online("stor-2", false);
  const Plan plan = w.replace("stor-2");
  EXPECT_THAT(plan.obstacles, IsEmpty()) << obstacles_of(plan);
  EXPECT_THAT(ids(plan), AllOf(Contains("stor-2/directory-pods"), Contains("stor-1/replace-pods")));
  EXPECT_THAT(
      text_of(*plan.find("stor-1/replace-pods")),
      HasSubstr("reset-brick pods stor-2.kube.demo:/srv/bricks/brick-1/pods stor-2.kube.demo:/srv/bricks/brick-1/pods commit force"));
  EXPECT_THAT(text_of(*plan.find("stor-2/directory-pods")), HasSubstr("mountpoint -q /srv/bricks/brick-1"));
  w.online("stor-3", false);
  const Plan waits = w.replace("stor-2");
  EXPECT_EQ(waits.find("stor-1/replace-pods"), nullptr);
  EXPECT_THAT(obstacles_of(waits), HasSubstr("not serving: stor-3"));
  w.pods().processes.reset();
  EXPECT_EQ(w.replace("stor-2").find("stor-1/replace-pods"), nullptr);
}

TEST(ReplaceStorage, ABrickThatHasItsDataIsStartedAndNotEmptied) {
  World w(3, true);
  EXPECT_THAT(ids(w.replace("stor-2")), Not(Contains(HasSubstr("replace"))));
  w.online("stor-2", false);
  EXPECT_THAT(ids(w.replace("stor-2")), AllOf(Contains("stor-1/start-pods"), Not(Contains("stor-1/replace-pods"))));
  w.brick("stor-2").directories_known = Known::kUnknown;
  EXPECT_THAT(ids(w.replace("stor-2")), Not(Contains(HasSubstr("pods"))));
}

TEST(ReplaceStorage, TheMachineThatRunsThePoolsCommandsCanHaveANewDisk) {
  World w(3, true);
  w.brick("stor-1").directories.clear();
  w.online("stor-1", false);
  EXPECT_THAT(ids(w.replace("stor-1")), AllOf(Contains("stor-1/directory-pods"), Contains("stor-1/replace-pods")));
}

TEST(ReplaceStorage, ABrickWhoseResetWasInterruptedIsResetAndNotStarted) {
  World w(3, true);
  w.brick("stor-2").served.clear();  // It bears the id, and no process was ever at work there.
  w.online("stor-2", false);
  const Plan plan = w.replace("stor-2");
  EXPECT_THAT(ids(plan), AllOf(Contains("stor-1/replace-pods"), Not(Contains("stor-1/start-pods")))) << obstacles_of(plan);
}

TEST(ReplaceStorage, WhatIsInADirectoryWithoutAnIdIsLeftAlone) {  // ST6
  World w(3, true);
  w.brick("stor-2").directories["pods"].clear();
  w.online("stor-2", false);
  const Plan plan = w.replace("stor-2");
  EXPECT_THAT(ids(plan), Not(Contains("stor-1/replace-pods")));
  EXPECT_THAT(obstacles_of(plan), HasSubstr("stor-2 /srv/bricks/brick-1/pods has something in it, and is no brick of volume pods"));
  w.brick("stor-2").filled.clear();
  EXPECT_THAT(ids(w.replace("stor-2")), Contains("stor-1/replace-pods"));
}

TEST(ReplaceStorage, NothingIsBegunWhileTheBricksFileSystemIsNotMounted) {
  World w(3, true);
  Brick own;
  own.name = "brick-1";
  own.path = "/srv/brick";
  w.machine("stor-2").bricks = {own};
  w.brick("stor-2").mounted = Known::kNo;
  w.storage("stor-2").running = Known::kNo;
  w.storage("stor-2").peers.reset();
  w.storage("stor-2").volumes.reset();
  const Plan plan = w.replace("stor-2");
  EXPECT_THAT(ids(plan), IsEmpty());
  EXPECT_THAT(obstacles_of(plan), HasSubstr("stor-2 nothing is mounted at /srv/brick"));
}

TEST(ReplaceStorage, AMachineWhoseGlusterdIsDownIsStartedAndLookedAtAgain) {
  World w(3, true);
  w.brick("stor-2").directories.clear();
  w.storage("stor-2").running = Known::kNo;
  w.storage("stor-2").peers.reset();
  w.storage("stor-2").volumes.reset();
  w.online("stor-2", false);
  const Plan plan = w.replace("stor-2");
  EXPECT_THAT(ids(plan), AllOf(Contains("stor-2/glusterd"), Not(Contains("stor-1/replace-pods")))) << obstacles_of(plan);
  EXPECT_THAT(plan.find("stor-2/glusterd")->needs, Contains("stor-2/directory-pods"));
}

TEST(ReplaceStorage, ACopyThatCouldBeTheOnlyRightOneDoesNotGo) {  // ST4
  const auto refused = [](const std::function<void(World&)>& change) {
    World w(4);
    w.facts = pool_facts(w.site, 3);
    change(w);
    const Plan plan = w.replace("stor-3", "stor-4");
    EXPECT_EQ(plan.find("stor-1/replace-pods"), nullptr);
    return obstacles_of(plan);
  };
  EXPECT_THAT(refused([](World& w) { (*w.pods().heal)[0].pending = 7; }), HasSubstr("7 entries wait to be healed"));
  EXPECT_THAT(refused([](World& w) { w.pods().heal.reset(); }), HasSubstr("an unknown number of entries"));
  EXPECT_THAT(refused([](World& w) { (*w.pods().heal)[0].split_brain = 1; }), HasSubstr("1 files are in split brain"));
  EXPECT_THAT(refused([](World& w) { w.pods().rebalance->status = "in progress"; }), HasSubstr("a rebalance is under way"));
  EXPECT_THAT(refused([](World& w) { w.online("stor-2", false); }), HasSubstr("not serving: stor-2"));
  EXPECT_THAT(refused([](World& w) {
                w.brick("stor-4").mounted = w.brick("stor-4").directories_known = Known::kYes;
                w.brick("stor-4").source = "/dev/mapper/fl--brick--1-brick";
                w.brick("stor-4").directories["pods"] = volume_id();
                w.brick("stor-4").served = {"pods"};
              }),
              HasSubstr("/srv/bricks/brick-1/pods was a brick of volume pods before"));
  World sound(4);
  sound.facts = pool_facts(sound.site, 3);
  EXPECT_THAT(ids(sound.replace("stor-3", "stor-4")), Contains("stor-1/replace-pods"));
  sound.online("stor-3", false);  // It is gone: what waits, waits for it.
  (*sound.pods().heal)[0].pending = 7;
  EXPECT_THAT(ids(sound.replace("stor-3", "stor-4")), Contains("stor-1/replace-pods"));
}

TEST(ReplaceStorage, AMachineInstalledAnewTakesItsPlaceFirst) {
  World w(3, true);
  w.storage("stor-2") = fresh_storage(w.machine("stor-2"));
  w.online("stor-2", false);
  const Plan plan = w.replace("stor-2");
  ASSERT_NE(plan.find("stor-2/take-place"), nullptr) << obstacles_of(plan);
  // ST6: its brick and the directory come before it is told of the pool.
  EXPECT_THAT(plan.find("stor-2/take-place")->needs, Contains("stor-2/directory-pods"));
  EXPECT_THAT(plan.find("stor-2/directory-pods")->needs, Contains("stor-2/brick-brick-1"));
  EXPECT_THAT(text_of(*plan.find("stor-2/take-place")),
              AllOf(HasSubstr("UUID=uuid-stor-2\\noperating-version=100000\\n"),
                    HasSubstr("'uuid=uuid-stor-1\\nstate=3\\nhostname1=stor-1.kube.demo\\n' >peers.new/uuid-stor-1"),
                    HasSubstr("'uuid=uuid-stor-3\\nstate=3\\nhostname1=stor-3.kube.demo\\n' >peers.new/uuid-stor-3"),
                    Not(HasSubstr("peers.new/uuid-stor-2"))));
  EXPECT_EQ(plan.find("stor-1/replace-pods"), nullptr);
  w.storage("stor-2").has_volumes = Known::kYes;
  EXPECT_EQ(w.replace("stor-2").find("stor-2/take-place"), nullptr);
}

TEST(ReplaceStorage, WhatAMachineSaysOfItsPeersIsNoScript) {
  World w(3, true);
  w.storage("stor-2") = fresh_storage(w.machine("stor-2"));
  for (GlusterPeer& peer : *w.storage("stor-1").peers) {
    if (peer.uuid == "uuid-stor-3") peer.names.push_back("x' >/etc/passwd; '");
  }
  const Plan plan = w.replace("stor-2");
  EXPECT_EQ(plan.find("stor-2/take-place"), nullptr);
  EXPECT_THAT(obstacles_of(plan), HasSubstr("what its glusterd says of its peers is not understood"));
}

TEST(ReplaceStorage, BricksMoveToAnotherMachineThoughTheirOwnIsGone) {
  World w(3, true);
  w.site.machines.back().name = "stor-4";  // stor-3 left the site; stor-4 has its place.
  w.facts.machines["stor-4"] = fresh_storage_facts(w.site).machines["stor-4"];
  w.facts.machines.erase("stor-3");
  w.online("stor-3", false);
  const Plan plan = w.replace("stor-3", "stor-4");
  EXPECT_THAT(ids(plan), AllOf(Contains("stor-1/probe-stor-4"), Contains("stor-4/directory-pods"), Contains("stor-1/replace-pods")))
      << obstacles_of(plan);
  EXPECT_THAT(
      text_of(*plan.find("stor-1/replace-pods")),
      HasSubstr("replace-brick pods stor-3.kube.demo:/srv/bricks/brick-1/pods stor-4.kube.demo:/srv/bricks/brick-1/pods commit force"));
}

}  // namespace
}  // namespace fairlead::bootstrap
