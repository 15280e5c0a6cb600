#include "dnsdhcp/router_apply.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

#include "dnsdhcp/router_rules.h"

namespace fairlead::dnsdhcp {
namespace {

using namespace std::chrono_literals;

template <class T>
std::vector<T> of_kind(const std::vector<RouterAction>& actions) {
  std::vector<T> out;
  for (const RouterAction& action : actions) {
    if (const auto* one = std::get_if<T>(&action)) out.push_back(*one);
  }
  return out;
}

class RouterApplyTest : public ::testing::Test {
 protected:
  std::vector<RouterAction> step(const RouterInput& input) { return actions_ = core.step(input, now); }
  std::vector<RouterAction> done() { return step(RouterJobDone{}); }
  std::vector<RouterAction> fail(const std::string& why = "nft refuses") { return step(RouterJobDone{Error{Errc::kInvalidArgument, why}}); }
  [[nodiscard]] std::vector<RouterJob> jobs() const { return of_kind<RouterJob>(actions_); }
  [[nodiscard]] std::vector<RouterNoticeKind> notices() const {
    std::vector<RouterNoticeKind> out;
    for (const auto& notice : of_kind<RouterNotice>(actions_)) out.push_back(notice.kind);
    return out;
  }
  /// Of the last step, which must have given one.
  [[nodiscard]] Result<std::string> answer() const {
    const auto all = of_kind<RouterAnswer>(actions_);
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Result<std::string>(Error{Errc::kNotFound, "no answer"}) : all.front().result;
  }
  void running(const std::string& rules) {
    step(RouterStarted{{}, rules});
    done();
    ASSERT_EQ(core.state(), RouterState::kInForce);
  }
  void on_trial(const std::string& rules, const std::string& session = "a") {
    step(RouterApplyAsked{1, rules, false, session});
    done();
    ASSERT_EQ(core.state(), RouterState::kOnTrial);
  }

  RouterApply core;
  Instant now = Instant{} + 1h;
  std::vector<RouterAction> actions_;
};

TEST_F(RouterApplyTest, AStartPutsTheFilesRulesInForce) {
  step(RouterStarted{{}, "file"});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "file", false}}));
  done();
  EXPECT_EQ(core.state(), RouterState::kInForce);
  EXPECT_EQ(core.rules(), "file");
}

TEST_F(RouterApplyTest, WithoutARouterInTheFileNothingIsTouched) {
  step(RouterStarted{});
  EXPECT_TRUE(actions_.empty());
  step(RouterReloaded{});
  EXPECT_TRUE(actions_.empty());
}

TEST_F(RouterApplyTest, WhatAnEarlierLifeLeftGoesWhenTheFileHasNoRouter) {
  step(RouterStarted{{.confirmed = "old", .trial = {}, .refused = {}, .settings = true}, std::nullopt});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kRemove, "", false}}));
  done();
  EXPECT_EQ(core.state(), RouterState::kOff);
  step(RouterReloaded{});
  EXPECT_TRUE(jobs().empty());
}

TEST_F(RouterApplyTest, AReloadPutsAChangedFileInForceAndLeavesTheSameOneAlone) {
  running("one");
  step(RouterReloaded{"one"});
  EXPECT_TRUE(actions_.empty());
  step(RouterReloaded{"two"});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "two", false}}));
  step(RouterReloaded{"three"});  // While the second is on its way.
  EXPECT_TRUE(jobs().empty());
  done();
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "three", false}}));
  step(RouterReloaded{});
  done();
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kRemove, "", false}}));
}

TEST_F(RouterApplyTest, RulesThatAreNotConfirmedGoAfterAMinute) {
  running("old");
  on_trial("new");
  EXPECT_EQ(core.rules(), "new");
  EXPECT_TRUE(answer());
  now += kTrialTime - 1ms;
  step(RouterTick{});
  EXPECT_TRUE(jobs().empty());
  now += 1ms;
  step(RouterTick{});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kRestore, "", false}}));
  done();
  EXPECT_EQ(notices(), (std::vector<RouterNoticeKind>{RouterNoticeKind::kRestored}));
  EXPECT_EQ(core.rules(), "old");
  EXPECT_TRUE(jobs().empty()) << "what was restored is not put there again";
}

TEST_F(RouterApplyTest, ANewConnectionConfirmsAndTheOldOneDoesNot) {
  running("old");
  on_trial("new", "peer 1");
  step(RouterConfirmAsked{2, "peer 1"});
  EXPECT_EQ(answer().error().code, Errc::kRefused);
  step(RouterConfirmAsked{3, ""});
  EXPECT_EQ(answer().error().code, Errc::kRefused) << "of nobody knows where";
  step(RouterConfirmAsked{4, "peer 2"});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kKeep, "", false}}));
  done();
  EXPECT_TRUE(answer());
  now += 10min;
  step(RouterTick{});
  EXPECT_TRUE(actions_.empty());
  EXPECT_EQ(core.rules(), "new");
  EXPECT_EQ(core.state(), RouterState::kInForce);
}

TEST_F(RouterApplyTest, WhoeverAppliedOnAConsoleMayConfirmThere) {
  running("old");
  on_trial("new", "");
  step(RouterConfirmAsked{2, ""});
  EXPECT_EQ(jobs().size(), 1U);
}

TEST_F(RouterApplyTest, AConfirmationThatComesTooLateIsNone) {
  running("old");
  on_trial("new");
  now += kTrialTime;
  step(RouterConfirmAsked{2, "b"});
  EXPECT_EQ(answer().error().code, Errc::kConflict);
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kRestore, "", false}}));
  step(RouterConfirmAsked{3, "b"});
  EXPECT_EQ(answer().error().code, Errc::kConflict);
  done();
  step(RouterConfirmAsked{4, "b"});
  EXPECT_EQ(answer().error().code, Errc::kNotFound);
}

TEST_F(RouterApplyTest, ARestoreThatFailsIsTriedAgainUntilItWorks) {
  running("old");
  on_trial("new");
  now += kTrialTime;
  step(RouterTick{});
  for (int i = 0; i < 5; ++i) {
    fail();
    EXPECT_EQ(notices(), (std::vector<RouterNoticeKind>{RouterNoticeKind::kFailed}));
    const auto wake = of_kind<RouterWakeAt>(actions_);
    ASSERT_EQ(wake.size(), 1U);
    now = wake.front().at;
    step(RouterTick{});
    ASSERT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kRestore, "", false}})) << i;
  }
  done();
  EXPECT_EQ(core.rules(), "old");
}

TEST_F(RouterApplyTest, ADaemonThatStartsDuringATrialRestoresAndDoesNotPutTheRefusedRulesThereAgain) {
  step(RouterStarted{{.confirmed = "old", .trial = "new", .refused = {}, .settings = true}, "new"});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kRestore, "", false}}));
  done();
  EXPECT_EQ(notices(), (std::vector<RouterNoticeKind>{RouterNoticeKind::kRestored, RouterNoticeKind::kRefusedKept}));
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "old", false}}));
  done();
  EXPECT_EQ(core.rules(), "old");
  EXPECT_TRUE(core.wanted_was_refused());
}

TEST_F(RouterApplyTest, RefusedRulesComeBackByApplyAlone) {
  step(RouterStarted{{.confirmed = "old", .trial = {}, .refused = "new", .settings = true}, "new"});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "old", false}}));
  done();
  step(RouterReloaded{"new"});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "old", false}}));
  done();
  step(RouterApplyAsked{1, "new", true, ""});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "new", true}}));
  done();
  EXPECT_FALSE(core.wanted_was_refused());
  EXPECT_EQ(core.rules(), "new");
}

TEST_F(RouterApplyTest, RefusedRulesOfAFirstTrialLeaveNone) {
  step(RouterStarted{{.confirmed = {}, .trial = {}, .refused = "new", .settings = false}, "new"});
  EXPECT_TRUE(jobs().empty());
  EXPECT_EQ(core.state(), RouterState::kOff);
}

TEST_F(RouterApplyTest, TheSameRulesOnceMoreNeedNoTrial) {
  running("old");
  step(RouterApplyAsked{1, "old", false, "a"});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "old", true}}));
  done();
  EXPECT_TRUE(answer());
  EXPECT_EQ(core.state(), RouterState::kInForce);
}

TEST_F(RouterApplyTest, ASecondApplyDuringATrialIsRefused) {
  running("old");
  on_trial("new");
  step(RouterApplyAsked{2, "newer", true, "b"});
  EXPECT_EQ(answer().error().code, Errc::kConflict);
  EXPECT_TRUE(jobs().empty());
}

TEST_F(RouterApplyTest, AReloadDuringATrialWaitsForItsEnd) {
  running("old");
  on_trial("new");
  step(RouterReloaded{"newest"});
  EXPECT_TRUE(jobs().empty());
  step(RouterConfirmAsked{2, "b"});
  done();
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "newest", false}}));
}

TEST_F(RouterApplyTest, RulesThatNftRefusesChangeNothingAndSayWhy) {
  running("old");
  step(RouterApplyAsked{1, "bad", false, "a"});
  fail("nft refuses: syntax error");
  EXPECT_EQ(answer().error().context, "nft refuses: syntax error");
  EXPECT_EQ(core.state(), RouterState::kInForce);
  EXPECT_EQ(core.rules(), "old");
}

TEST_F(RouterApplyTest, AStartThatFailsIsTriedAgain) {
  step(RouterStarted{{}, "file"});
  fail("the router needs nft");
  EXPECT_EQ(core.failure(), "the router needs nft");
  EXPECT_TRUE(jobs().empty());
  now += kRouterRetry;
  step(RouterTick{});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "file", false}}));
  done();
  EXPECT_TRUE(core.failure().empty());
}

TEST_F(RouterApplyTest, R6RulesThatSomebodyRemovedArePutInForceAgain) {
  running("file");
  step(RouterLost{});
  EXPECT_EQ(notices(), (std::vector<RouterNoticeKind>{RouterNoticeKind::kLost}));
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "file", false}}));
  step(RouterLost{});
  EXPECT_TRUE(actions_.empty()) << "one at a time";
  fail();
  EXPECT_TRUE(jobs().empty());
  now += kRouterRetry;
  step(RouterTick{});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "file", false}}));
  done();
  EXPECT_TRUE(jobs().empty());
}

TEST_F(RouterApplyTest, R6NotTheFilesRulesButTheOnesThatWereInForceComeBack) {
  running("file");
  step(RouterApplyAsked{1, "newer", true, "a"});
  done();
  step(RouterLost{});
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "newer", false}}));
}

TEST_F(RouterApplyTest, R6RulesOnTrialComeBackWhenTheyAreConfirmed) {
  running("old");
  on_trial("new");
  step(RouterLost{});
  EXPECT_TRUE(jobs().empty());
  step(RouterConfirmAsked{2, "b"});
  done();
  EXPECT_EQ(jobs(), (std::vector<RouterJob>{{RouterJobKind::kPutInForce, "new", false}}));
}

TEST_F(RouterApplyTest, R6WithoutARouterNothingIsLost) {
  step(RouterStarted{});
  step(RouterLost{});
  EXPECT_TRUE(actions_.empty());
}

TEST(RouterListing, LosesALineButNotByAnother) {
  const std::string before = "table inet t {\n\tchain a {\n\t\tdrop\n\t}\n\tchain b {\n\t\tdrop\n\t}\n}\n";
  EXPECT_FALSE(has_lost_rules(before, before));
  EXPECT_TRUE(has_lost_rules(before, ""));
  EXPECT_TRUE(has_lost_rules(before, "table inet t {\n\tchain a {\n\t\tdrop\n\t}\n\tchain b {\n\t}\n}\n")) << "one drop of two";
  EXPECT_FALSE(has_lost_rules(before, "table inet t {\n\tchain a {\n\t\tdrop\n\t}\n\tchain b {\n\t\taccept\n\t\tdrop\n\t}\n}\n"))
      << "somebody added one";
  EXPECT_FALSE(has_lost_rules("", "anything\n"));
}

/// What the jobs do, and a shadow of what the rules say must be in force.
class Machine {
 public:
  explicit Machine(unsigned seed) : random_(seed) {}

  void run(int steps) {
    start();
    for (int i = 0; i < steps; ++i) {
      now_ += std::chrono::milliseconds(random_() % 20000);
      switch (random_() % 9) {
        case 0: feed(RouterReloaded{any_file()}); break;
        case 1:
        case 2: feed(RouterApplyAsked{++ticket_, *any_rules(), random_() % 4 == 0, any_session()}); break;
        case 3: feed(RouterConfirmAsked{++ticket_, any_session()}); break;
        case 4:
          if (random_() % 8 == 0) restart();
          break;
        case 5: feed(RouterTick{}); break;
        case 6:
          if (!job_ && kernel_) flush();
          break;
        default: finish(random_() % 5 != 0);
      }
      check();
    }
    settle_down();
  }

 private:
  std::optional<std::string> any_rules() { return std::string(1, static_cast<char>('a' + random_() % 4)); }
  std::optional<std::string> any_file() { return random_() % 5 == 0 ? std::nullopt : any_rules(); }
  std::string any_session() { return random_() % 4 == 0 ? "" : "s" + std::to_string(random_() % 3); }

  void start() {
    core_ = RouterApply();
    file_ = any_file();
    feed(RouterStarted{{disk_.confirmed, disk_.trial, disk_.refused, disk_.confirmed.has_value()}, file_});
  }
  void flush() {
    kernel_.reset();
    flushed_ = true;
    feed(RouterLost{});
  }
  void restart() {
    if (job_ && random_() % 2 == 0) carry_out(*job_);  // It ended in the middle: before the job, or after it.
    job_.reset();
    asked_.clear();
    start();
  }
  void feed(const RouterInput& input) {
    if (const auto* asked = std::get_if<RouterApplyAsked>(&input)) asked_[asked->ticket] = true;
    if (const auto* asked = std::get_if<RouterConfirmAsked>(&input)) asked_[asked->ticket] = true;
    for (const RouterAction& action : core_.step(input, now_)) {
      if (const auto* job = std::get_if<RouterJob>(&action)) {
        ASSERT_FALSE(job_) << "R4";
        job_ = *job;
      }
      if (const auto* answer = std::get_if<RouterAnswer>(&action)) {
        ASSERT_EQ(asked_.erase(answer->ticket), 1U) << "R4: every ticket once";
      }
      if (const auto* wake = std::get_if<RouterWakeAt>(&action)) wake_ = wake->at;
    }
  }
  void carry_out(const RouterJob& job) {
    switch (job.kind) {
      case RouterJobKind::kPutInForce:
        ASSERT_TRUE(!disk_.refused || *disk_.refused != job.rules || job.forgive) << "R3";
        kernel_ = disk_.confirmed = job.rules;
        flushed_ = false;
        if (job.forgive) disk_.refused.reset();
        break;
      case RouterJobKind::kTry:
        before_ = kernel_;
        kernel_ = disk_.trial = job.rules;
        break;
      case RouterJobKind::kKeep:
        disk_.confirmed = std::exchange(disk_.trial, std::nullopt);
        disk_.refused.reset();
        break;
      case RouterJobKind::kRestore:
        kernel_ = before_;
        disk_.refused = std::exchange(disk_.trial, std::nullopt);
        break;
      case RouterJobKind::kRemove:
        kernel_.reset();
        flushed_ = false;
        disk_ = {};
        break;
    }
  }
  void finish(bool works) {
    if (!job_) return;
    const RouterJob job = *std::exchange(job_, std::nullopt);
    if (works) carry_out(job);
    feed(RouterJobDone{works ? Status() : Status(Error{Errc::kUnavailable, "no"})});
  }
  void check() {
    if (!job_ && core_.state() != RouterState::kOnTrial) { ASSERT_FALSE(disk_.trial) << "R1: a trial nobody will end"; }
    if (!job_ && core_.rules() && !flushed_) { ASSERT_EQ(core_.rules(), kernel_); }
  }
  /// From now on everything works: what the file says is in force, or what was before it was refused.
  void settle_down() {
    feed(RouterReloaded{any_file()});
    for (int i = 0; i < 20; ++i) {
      finish(true);
      if (job_) continue;
      now_ = std::max(now_, wake_);
      feed(RouterTick{});
    }
    ASSERT_FALSE(job_);
    ASSERT_TRUE(asked_.empty()) << "R4";
    ASSERT_FALSE(disk_.trial) << "R1";
    if (!core_.wanted()) { ASSERT_FALSE(kernel_); }
    ASSERT_EQ(core_.failure(), "");
    if (core_.wanted() && !core_.wanted_was_refused()) { ASSERT_EQ(kernel_, core_.wanted()); }
  }

  std::mt19937 random_;
  RouterApply core_;
  Instant now_ = Instant{} + 1h;
  Instant wake_{};
  std::uint64_t ticket_ = 0;
  std::optional<RouterJob> job_;
  std::optional<std::string> file_;
  std::optional<std::string> kernel_;
  bool flushed_ = false;  ///< And not mended: its job fails, or the trial has to end first.
  std::optional<std::string> before_;
  RouterMemory disk_;
  std::map<std::uint64_t, bool> asked_;
};

TEST(RouterApplySim, HoldsInvariantsOnEverySeed) {
  for (unsigned seed = 0; seed < 3000 && !::testing::Test::HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Machine(seed).run(60);
  }
}

}  // namespace
}  // namespace fairlead::dnsdhcp
