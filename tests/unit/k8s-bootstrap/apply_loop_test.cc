#include "k8s-bootstrap/apply/apply_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>

#include "base/system_clock.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using End = ApplyOutcome::End;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// One machine, "a", whose only fact is which scripts it has run.
class Machine1 : public Hands {
 public:
  Status write(const std::string&, const WriteFile&) override { return {}; }
  Status copy(const std::string&, const CopyFile&) override { return {}; }
  Status fetch(const std::string&, const FetchFile&) override { return {}; }
  Result<RemoteResult> run(const std::string&, const StepKey& key, const RunScript& script) override {
    runs.push_back(key.run + " " + script.script);
    if (script.script == broken) return RemoteResult{1, "", "it broke\n"};
    if (script.script != forgetful) done.insert(script.script);
    return RemoteResult{};
  }
  Result<RemoteResult> ask(const std::string&, const std::string&) override { return RemoteResult{}; }
  Status local(const Step&, const LocalWork& work) override {
    runs.push_back("here " + work.argv.front());
    if (work.argv.front() == broken) return Error{Errc::kUnavailable, "it broke"};
    return {};
  }

  std::vector<std::string> runs;
  std::set<std::string> done;
  std::string broken;     ///< Fails.
  std::string forgetful;  ///< Says that it was done, and was not.
};

class Quiet : public Watcher {
 public:
  void begins(const Step&) override {}
  void says(const Step&, std::string_view line) override { said.emplace_back(line); }
  void ends(const Step&, Duration, const std::string&) override {}

  std::vector<std::string> said;
};

class ApplyLoop : public testing::Test {
 protected:
  /// What `wanted` has and the machine has not done, one script in a plan of its own.
  Plan plan() {
    Plan made;
    made.obstacles = obstacles;
    for (const std::string& text : wanted) {
      if (machine.done.contains(text)) continue;
      RunScript script;
      script.script = text;
      Step step;
      step.id = "a/" + text;
      step.machine = "a";
      step.title = "runs a script";
      step.because = "it is missing";
      step.operations.emplace_back(script);
      if (text == destroys) step.hazard = Hazard::kDestroysData;
      made.steps.push_back(std::move(step));
      break;
    }
    return made;
  }
  ApplyOutcome run(ApplyWishes wishes = {}) {
    auto journal = JournalFile::open(dir.path("journal.jsonl"));
    EXPECT_TRUE(journal);
    const auto read = [this] {
      Facts facts;
      ++reads;
      facts.machines["a"] = {};
      if (at_work > 0 && at_work-- > 0) facts.machines["a"].steps.push_back({"old", "a/one.0", "running", 0});
      return facts;
    };
    ApplyWorld world{read, [this](const Facts&, unsigned) { return plan(); }, machine, *journal, secrets, quiet, clock};
    wishes.fresh_run = "fresh";
    auto outcome = apply(site, world, wishes);
    EXPECT_TRUE(outcome) << outcome.error().message();
    return outcome ? *outcome : ApplyOutcome{};
  }

  test::TempDir dir;
  Site site;
  Machine1 machine;
  SecretBox secrets;
  Quiet quiet;
  SystemClock clock;
  std::vector<std::string> wanted;
  std::vector<Obstacle> obstacles;
  std::string destroys;
  int reads = 0;
  int at_work = 0;  ///< How many more times a script of an earlier run is found at work.
};

TEST_F(ApplyLoop, NothingToDoIsSaidAndDoesNothing) {
  EXPECT_EQ(run().end, End::kNothingToDo);
  EXPECT_THAT(machine.runs, IsEmpty());
}

TEST_F(ApplyLoop, PlansAgainUntilNothingIsLeftEachPlanARunOfItsOwn) {
  wanted = {"one", "two"};
  const ApplyOutcome outcome = run();
  EXPECT_EQ(outcome.end, End::kDone);
  EXPECT_EQ(outcome.rounds, 2U);
  EXPECT_EQ(outcome.steps_done, 2U);
  EXPECT_THAT(machine.runs, ElementsAre("fresh one", "fresh-2 two"));
}

TEST_F(ApplyLoop, HooksAreRunOnceBeforeAfterEachMachineAndAfterAll) {
  site.hooks = {{{"before"}}, {{"machine"}}, {{"after"}}};
  wanted = {"one", "two"};
  ApplyWishes wishes;
  wishes.hooks = true;
  EXPECT_EQ(run(wishes).end, End::kDone);
  EXPECT_THAT(machine.runs, ElementsAre("here before", "fresh one", "here machine", "fresh-2 two", "here machine", "here after"));
  machine.runs.clear();
  EXPECT_EQ(run(wishes).end, End::kNothingToDo);
  EXPECT_THAT(machine.runs, IsEmpty());
}

TEST_F(ApplyLoop, AHookThatFailsBeforeStopsItWithNothingChanged) {
  site.hooks.before_apply = {{"before"}};
  wanted = {"one"};
  machine.broken = "before";
  ApplyWishes wishes;
  wishes.hooks = true;
  const ApplyOutcome outcome = run(wishes);
  EXPECT_EQ(outcome.end, End::kFailed);
  EXPECT_THAT(outcome.failure, HasSubstr("operator/before-apply-1"));
  EXPECT_THAT(machine.runs, ElementsAre("here before"));
}

TEST_F(ApplyLoop, AHookThatFailsAfterItIsAFailureAndOtherVerbsHaveNone) {
  site.hooks.after_apply = {{"after"}};
  wanted = {"one"};
  machine.broken = "after";
  ApplyWishes wishes;
  wishes.hooks = true;
  EXPECT_EQ(run(wishes).end, End::kFailed);
  wanted = {"two"};
  machine.runs.clear();
  EXPECT_EQ(run().end, End::kDone);
  EXPECT_EQ(machine.runs.size(), 1U);
}

TEST_F(ApplyLoop, AFailedRunIsTakenUpByItsId) {
  wanted = {"one"};
  machine.broken = "one";
  const ApplyOutcome outcome = run();
  EXPECT_EQ(outcome.end, End::kFailed);
  EXPECT_THAT(outcome.failure, HasSubstr("it broke"));
  machine.broken = "";
  machine.runs.clear();
  EXPECT_EQ(run().end, End::kDone);
  EXPECT_THAT(machine.runs, ElementsAre("fresh one"));
}

TEST_F(ApplyLoop, WhatIsAtWorkIsWaitedForBeforeAnythingIsPlanned) {
  wanted = {"one"};
  at_work = 2;
  EXPECT_EQ(run().end, End::kDone);
  EXPECT_EQ(at_work, 0);
  EXPECT_THAT(quiet.said, ElementsAre("waits: a/one.0 of an earlier run is still at work"));
  EXPECT_THAT(machine.runs, ElementsAre("fresh one"));
}

TEST_F(ApplyLoop, AStopEndsTheWaitForWhatIsAtWorkAndNothingIsBegun) {
  wanted = {"one"};
  at_work = 1000;
  ApplyWishes wishes;
  wishes.run.stop = [this] { return !quiet.said.empty(); };
  EXPECT_EQ(run(wishes).end, End::kStopped);
  EXPECT_THAT(machine.runs, IsEmpty());
}

TEST_F(ApplyLoop, WhatDoesNotStayDoneEndsItWithItsName) {
  wanted = {"one"};
  machine.forgetful = "one";
  const ApplyOutcome outcome = run();
  EXPECT_EQ(outcome.end, End::kGoesInCircles);
  EXPECT_EQ(outcome.rounds, 1U);
  EXPECT_THAT(outcome.failure, HasSubstr("a/one was done and is needed again"));
}

TEST_F(ApplyLoop, WhatAMachineOnlyRemembersIsDoneOnceMoreByANewRun) {
  {
    auto journal = JournalFile::open(dir.path("journal.jsonl"));
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->append({"2026-01-01T00:00:00.000Z", "old", JournalLine::Event::kRun, "", {}, ""}));
  }
  wanted = {"one"};
  machine.forgetful = "one";
  EXPECT_EQ(run().end, End::kGoesInCircles);
  EXPECT_THAT(machine.runs, ElementsAre("old one", "fresh-2 one"));
}

TEST_F(ApplyLoop, ObstaclesAreLeft) {
  wanted = {"one"};
  obstacles = {Obstacle{{"b"}, "not read", "make it reachable", ""}};
  const ApplyOutcome outcome = run();
  EXPECT_EQ(outcome.end, End::kObstacles);
  EXPECT_EQ(outcome.steps_done, 1U);
  EXPECT_EQ(outcome.left.obstacles.size(), 1U);
}

TEST_F(ApplyLoop, DataIsDestroyedOnlyOfMachinesThatWereNamed) {
  wanted = {"wipe"};
  destroys = "wipe";
  const ApplyOutcome outcome = run();
  EXPECT_EQ(outcome.end, End::kUnconfirmed);
  EXPECT_THAT(outcome.failure, HasSubstr("data of a would be destroyed"));
  EXPECT_THAT(machine.runs, IsEmpty());
  ApplyWishes named;
  named.may_destroy = {"a"};
  EXPECT_EQ(run(named).end, End::kDone);
}

TEST_F(ApplyLoop, WhatIsNoStateIsDoneOnceAndNothingIsReadAgain) {
  wanted = {"one", "two"};
  ApplyWishes wishes;
  wishes.once = true;
  const ApplyOutcome outcome = run(wishes);
  EXPECT_EQ(outcome.end, End::kDone);
  EXPECT_EQ(outcome.rounds, 1U);
  EXPECT_EQ(reads, 1);
  EXPECT_THAT(outcome.left.steps, IsEmpty());
}

TEST_F(ApplyLoop, AsksBeforeItCarriesOut) {
  wanted = {"one"};
  ApplyWishes wishes;
  wishes.go_on = [](const Plan&) { return false; };
  EXPECT_EQ(run(wishes).end, End::kDeclined);
  EXPECT_THAT(machine.runs, IsEmpty());
}

}  // namespace
}  // namespace fairlead::bootstrap
