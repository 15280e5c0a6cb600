#include "k8s-bootstrap/apply/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <set>

#include "base/system_clock.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Machines that do what the test says, and remember what they were told.
class FakeHands : public Hands {
 public:
  Status write(const std::string& machine, const WriteFile& file) override {
    return told("write " + machine + " " + file.path + " " + file.text);
  }
  Status copy(const std::string& machine, const CopyFile& file) override { return told("copy " + machine + " " + file.path); }
  Status fetch(const std::string& machine, const FetchFile& file) override { return told("fetch " + machine + " " + file.path); }
  Result<RemoteResult> run(const std::string& machine, const StepKey& key, const RunScript& script) override {
    (void)told("run " + machine + " " + key.run + "/" + key.step + "." + std::to_string(key.operation) + " " + script.script);
    const std::lock_guard<std::mutex> lock(mutex);
    const auto answer = answers.find(script.script);
    return answer == answers.end() ? RemoteResult{} : answer->second;
  }
  Result<RemoteResult> ask(const std::string& machine, const std::string& script) override {
    (void)told("ask " + machine + " " + script);
    const std::lock_guard<std::mutex> lock(mutex);
    return RemoteResult{asks_until_yes > 0 ? (--asks_until_yes, 1) : 0, "", "not yet\n"};
  }
  Status local(const Step&, const LocalWork&) override { return told("local"); }

  Status told(const std::string& what) {
    const std::lock_guard<std::mutex> lock(mutex);
    log.push_back(what);
    return {};
  }
  std::mutex mutex;
  std::vector<std::string> log;
  std::map<std::string, RemoteResult> answers;  ///< By script.
  int asks_until_yes = 0;
};

class Notes : public Watcher {
 public:
  void begins(const Step& step) override { lines.push_back("begins " + step.id); }
  void says(const Step& step, std::string_view line) override { lines.push_back(step.id + " " + std::string(line)); }
  void ends(const Step& step, Duration, const std::string& failure) override { lines.push_back("ends " + step.id + " " + failure); }
  std::vector<std::string> lines;
};

Step step(std::string id, std::string machine, std::vector<Operation> operations, std::vector<std::string> needs = {}) {
  Step made;
  made.id = std::move(id);
  made.machine = std::move(machine);
  made.operations = std::move(operations);
  made.needs = std::move(needs);
  return made;
}
RunScript script(std::string text, std::vector<std::string> gives = {}) {
  RunScript made;
  made.script = std::move(text);
  made.gives = std::move(gives);
  return made;
}

class Executor : public testing::Test {
 protected:
  Result<RunSummary> run(const Plan& plan, RunOptions options = {}) {
    auto journal = JournalFile::open(path());
    EXPECT_TRUE(journal);
    return run_plan(plan, "r1", hands, *journal, secrets, notes, clock, options);
  }
  [[nodiscard]] std::string path() const { return dir.path("journal.jsonl"); }
  [[nodiscard]] std::string written() const { return test::TempDir::read(path()); }

  test::TempDir dir;
  FakeHands hands;
  Notes notes;
  SecretBox secrets;
  SystemClock clock;
};

TEST_F(Executor, DoesEveryOperationInOrderAndSaysSo) {
  const Plan plan{
      {step("a/prepare", "a", {WriteFile{"/etc/x", "text"}, script("true")}), step("a/join", "a", {script("join")}, {"a/prepare"})},
      {},
      {}};
  const auto summary = run(plan);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->done, 2U);
  EXPECT_EQ(summary->failed + summary->not_begun, 0U);
  EXPECT_THAT(hands.log, ElementsAre("write a /etc/x text", "run a r1/a/prepare.1 true", "run a r1/a/join.0 join"));
  EXPECT_THAT(notes.lines, ElementsAre("begins a/prepare", "ends a/prepare ", "begins a/join", "ends a/join "));
  EXPECT_EQ(parse_journal(written()).unfinished_run(), std::nullopt);
}

TEST_F(Executor, WhatAScriptGivesIsFilledInLaterAndShownNowhere) {
  hands.answers["token create"] = {0, "noise\njoin-token=CANARY.0123456789\n", ""};
  hands.answers["join CANARY.0123456789"] = {1, "", "refused token CANARY.0123456789\n"};
  const Plan plan{
      {step("a/token", "a", {script("token create", {"join-token"})}), step("b/join", "b", {script("join ${join-token}")}, {"a/token"})},
      {},
      {}};
  const auto summary = run(plan);
  ASSERT_TRUE(summary);
  EXPECT_EQ(hands.log.back(), "run b r1/b/join.0 join CANARY.0123456789");
  EXPECT_EQ(summary->first_failure, "b/join: exit code 1: refused token ********");
  EXPECT_THAT(written(), Not(HasSubstr("CANARY")));
  for (const std::string& line : notes.lines) EXPECT_THAT(line, Not(HasSubstr("CANARY")));
}

TEST_F(Executor, WhatAWatcherSeesOfAStepIsMasked) {
  class Titles : public Notes {
   public:
    void begins(const Step& step) override { lines.push_back(step.title + " because " + step.because); }
    void ends(const Step& step, Duration, const std::string&) override { lines.push_back(step.title); }
  } titles;
  secrets.hide("CANARY");
  Step hook = step("a/hook", "a", {WaitFor{"CANARY is there", "true"}});
  hook.title = "runs ./notify CANARY";
  hook.because = "it lacks the label token=CANARY";
  auto journal = JournalFile::open(path());
  ASSERT_TRUE(journal);
  ASSERT_TRUE(run_plan({{hook}, {}, {}}, "r1", hands, *journal, secrets, titles, clock, {}));
  EXPECT_THAT(titles.lines, ElementsAre("runs ./notify ******** because it lacks the label token=********",
                                        "a/hook waits: ******** is there", "runs ./notify ********"));
}

TEST_F(Executor, AnAnswerWithoutWhatItShouldGiveIsAFailure) {
  const Plan plan{{step("a/token", "a", {script("token create", {"join-token"})})}, {}, {}};
  const auto summary = run(plan);
  ASSERT_TRUE(summary);
  EXPECT_THAT(summary->first_failure, HasSubstr("no line join-token="));
}

TEST_F(Executor, AfterAFailureTheRestIsNotBegunAndTheRunIsNotComplete) {
  hands.answers["bad"] = {1, "", "Port-6443 is in use\n"};
  const Plan plan{{step("a/1", "a", {script("bad")}), step("a/2", "a", {script("good")}, {"a/1"})}, {}, {}};
  const auto summary = run(plan);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->failed, 1U);
  EXPECT_EQ(summary->not_begun, 1U);
  EXPECT_THAT(summary->first_failure, HasSubstr("something listens on port 6443"));
  EXPECT_EQ(parse_journal(written()).unfinished_run(), "r1");
}

TEST_F(Executor, WaitsUntilTheAnswerIsYes) {
  hands.asks_until_yes = 2;
  const Plan plan{{step("a/wait", "a", {WaitFor{"the API answers", "probe", milliseconds(1), std::chrono::seconds(30)}})}, {}, {}};
  ASSERT_TRUE(run(plan));
  EXPECT_THAT(hands.log, ElementsAre("ask a probe", "ask a probe", "ask a probe"));
  EXPECT_THAT(notes.lines, ElementsAre("begins a/wait", "a/wait waits: the API answers", "ends a/wait "));
}

TEST_F(Executor, AWaitThatIsOverSaysTheLastAnswer) {
  hands.asks_until_yes = 1000000;
  const Plan plan{{step("a/wait", "a", {WaitFor{"the API answers", "probe", milliseconds(1), milliseconds(20)}})}, {}, {}};
  const auto summary = run(plan);
  ASSERT_TRUE(summary);
  EXPECT_THAT(summary->first_failure, HasSubstr("the API answers: not so within 0 s; last answer: not yet"));
}

TEST_F(Executor, AStopEndsAWaitAndBeginsNothing) {
  const Plan plan{{step("a/1", "a", {script("x")})}, {}, {}};
  const auto summary = run(plan, {8, [] { return true; }});
  ASSERT_TRUE(summary);
  EXPECT_TRUE(summary->stopped);
  EXPECT_EQ(summary->not_begun, 1U);
  EXPECT_THAT(hands.log, IsEmpty());
}

TEST_F(Executor, MachinesWorkAtTheSameTime) {
  // Each waits for the other's mark: with one after the other this would time out.
  class Meeting : public FakeHands {
   public:
    Result<RemoteResult> ask(const std::string& machine, const std::string&) override {
      const std::lock_guard<std::mutex> lock(mutex);
      here.insert(machine);
      return RemoteResult{here.size() == 2 ? 0 : 1, "", ""};
    }
    std::set<std::string> here;
  } meeting;
  const WaitFor both{"both are here", "x", milliseconds(1), std::chrono::seconds(30)};
  const Plan plan{{step("a/meet", "a", {both}), step("b/meet", "b", {both})}, {}, {}};
  auto journal = JournalFile::open(path());
  ASSERT_TRUE(journal);
  const auto summary = run_plan(plan, "r1", meeting, *journal, secrets, notes, clock, {});
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->done, 2U);
}

}  // namespace
}  // namespace fairlead::bootstrap
