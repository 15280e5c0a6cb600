#include "k8s-bootstrap/apply/site_lock.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <map>
#include <set>

#include "base/run_program.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

/// Machines that are folders: scripts run here, with another /var/lib/fairlead.
class Folders : public Transport {
 public:
  Result<RemoteResult> run(const std::string& machine, const RemoteCommand& command) override {
    {
      const std::lock_guard guard(mutex_);
      ++calls_[machine];
      if (away.contains(machine)) return Error{Errc::kUnavailable, machine + " is away"};
    }
    std::string script = command.script;
    const std::string_view from = "/var/lib/fairlead";
    const std::string to = dir.path(machine);
    for (std::size_t at = script.find(from); at != std::string::npos; at = script.find(from, at + to.size()))
      script.replace(at, from.size(), to);
    ProgramCall call;
    call.argv = {"sh"};
    call.input = script;
    auto done = run_program(call);
    if (!done) return done.error();
    return RemoteResult{done->exit_code, done->output, done->errors};
  }
  Status put(const std::string&, const std::string&, const std::string&, unsigned) override { return {}; }
  Status fetch(const std::string&, const std::string&, const std::string&) override { return {}; }

  [[nodiscard]] bool locked(const std::string& machine) const { return std::filesystem::exists(dir.path(machine + "/bootstrap/lock")); }
  int calls(const std::string& machine) {
    const std::lock_guard guard(mutex_);
    return calls_[machine];
  }

  test::TempDir dir;
  std::set<std::string> away;

 private:
  std::mutex mutex_;
  std::map<std::string, int> calls_;
};

LockOwner owner(const std::string& name) {
  return {.user = name, .host = "laptop", .since = "2026-11-27T00:00:00Z", .token = name + "0123456789"};
}

TEST(SiteLockTest, EachMachineCountsHowOftenItWasTaken) {
  Folders machines;
  {
    auto anna = SiteLock::take(machines, {"a", "b"}, owner("anna"));
    ASSERT_TRUE(anna) << anna.error().message();
    EXPECT_THAT((*anna)->takes_before(), UnorderedElementsAre(Pair("a", 0), Pair("b", 0)));
    const auto bert = SiteLock::take(machines, {"a", "b"}, owner("bert"));
    ASSERT_FALSE(bert);
    EXPECT_THAT(bert.error().context, HasSubstr("a is locked by anna on laptop"));
  }
  EXPECT_FALSE(machines.locked("a"));
  { ASSERT_TRUE(SiteLock::take(machines, {"b"}, owner("bert"))); }
  auto anna = SiteLock::take(machines, {"a", "b"}, owner("anna"));
  ASSERT_TRUE(anna);
  EXPECT_THAT((*anna)->takes_before(), UnorderedElementsAre(Pair("a", 1), Pair("b", 2))) << "whom nobody had in between counts as before";
}

TEST(SiteLockTest, AMachineThatAnswersLaterIsLockedToo) {
  Folders machines;
  auto bert = SiteLock::take(machines, {"c"}, owner("bert"));
  ASSERT_TRUE(bert);
  {
    auto anna = SiteLock::take(machines, {"a"}, owner("anna"));
    ASSERT_TRUE(anna);
    EXPECT_TRUE((*anna)->extend("b"));
    EXPECT_TRUE(machines.locked("b"));
    const auto refused = (*anna)->extend("c");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kConflict);
    EXPECT_THAT(refused.error().context, HasSubstr("c is locked by bert on laptop"));
    EXPECT_THAT((*anna)->takes_before(), UnorderedElementsAre(Pair("a", 0), Pair("b", 0)));
  }
  EXPECT_FALSE(machines.locked("b")) << "given back with the others";
  EXPECT_TRUE(machines.locked("c"));
}

TEST(SiteLockTest, WhoSleptAsksBeforeItSaysThatItHoldsIt) {
  Folders machines;
  Duration now = seconds(1000);
  auto anna = SiteLock::take(machines, {"a"}, owner("anna"), [&now] { return now; });
  ASSERT_TRUE(anna);
  const int asked = machines.calls("a");
  EXPECT_TRUE((*anna)->holds());
  EXPECT_EQ(machines.calls("a"), asked) << "a heartbeat that is recent is enough";

  now += seconds(3600);
  EXPECT_TRUE((*anna)->holds());
  EXPECT_EQ(machines.calls("a"), asked + 1);
  EXPECT_TRUE((*anna)->holds());
  EXPECT_EQ(machines.calls("a"), asked + 1);

  now += seconds(3600);
  LockOwner bert = owner("bert");
  bert.former = {"anna0123456789"};
  auto taken = SiteLock::take(machines, {"a"}, bert);
  ASSERT_TRUE(taken) << "as a stale one is";
  EXPECT_FALSE((*anna)->holds());
  EXPECT_THAT((*anna)->lost_to(), HasSubstr("bert on laptop"));
}

TEST(SiteLockTest, AMachineThatIsAwayWhenItIsAskedIsNoLoss) {
  Folders machines;
  Duration now = seconds(1000);
  auto anna = SiteLock::take(machines, {"a", "b"}, owner("anna"), [&now] { return now; });
  ASSERT_TRUE(anna);
  machines.away = {"b"};
  now += seconds(3600);
  EXPECT_TRUE((*anna)->holds());
}

}  // namespace
}  // namespace fairlead::bootstrap
