// The operator's own work: hooks, and the SSH authority read back with ssh-keygen.
#include "k8s-bootstrap/apply/remote_hands.h"

#include <filesystem>
#include <gmock/gmock.h>

#include "base/system_clock.h"
#include "k8s-bootstrap/transport/local_transport.h"
#include "tests/support/bootstrap_site.h"
#include "tests/support/run_tool.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::HasSubstr;

class OperatorsWork : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(dir) << dir.error().message(); }
  Status local(const std::string& machine, LocalWork::Kind kind, std::vector<std::string> argv = {}) {
    Step step;
    step.machine = machine;
    LocalWork work;
    work.kind = kind;
    work.argv = std::move(argv);
    return hands.local(step, work);
  }
  fairlead::test::TempDir temp;
  Result<StateDir> dir = StateDir::open(temp.path("state"));
  Site site = test::lab_site();
  LocalTransport transport{{}};
  SystemClock clock;
  RemoteHands hands{{site, transport, *dir, clock, "attempt", {}}};
};

TEST_F(OperatorsWork, AHookIsToldOfItsMachineByTheEnvironmentAndRunByNoShell) {
  const std::string script =
      "printf '%s\\n' \"$1\" $FAIRLEAD_MACHINE $FAIRLEAD_ADDRESS $FAIRLEAD_ROLES $FAIRLEAD_SITE >" + temp.path("told");
  ASSERT_TRUE(local("mast-1", LocalWork::Kind::kHook, {"/bin/sh", "-c", script, "sh", "$(false) *"}));
  EXPECT_EQ(fairlead::test::TempDir::read(temp.path("told")), "$(false) *\nmast-1\n192.168.1.11\ncontrol-plane\ndemo\n");
  ASSERT_TRUE(local("", LocalWork::Kind::kHook, {"/bin/sh", "-c", "test -z \"${FAIRLEAD_MACHINE+set}\""}));
}

TEST_F(OperatorsWork, AHookThatFailsIsAnErrorWithItsWords) {
  const auto failed = local("", LocalWork::Kind::kHook, {"/bin/sh", "-c", "echo the window is closed >&2; exit 3"});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().context, HasSubstr("hook /bin/sh ended with 3: the window is closed"));
  const auto none = local("", LocalWork::Kind::kHook, {"/nonexistent/hook"});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("/nonexistent/hook"));
}

TEST_F(OperatorsWork, HostKeysAreSignedForEveryNameOfTheMachine) {
  if (!fairlead::test::run_tool({"sh", "-c", "command -v ssh-keygen"})) GTEST_SKIP() << "no ssh-keygen here";
  ASSERT_TRUE(dir->make_folder("ssh/hosts"));
  const std::string key = dir->path("ssh/hosts/mast-1");
  ASSERT_TRUE(fairlead::test::run_tool({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "host", "-f", key}));
  const std::vector<std::string> files{key + ".pub", key + "-cert.pub"};
  EXPECT_FALSE(local("mast-1", LocalWork::Kind::kSignHostKey, files));  // There is no CA yet.
  ASSERT_TRUE(local("", LocalWork::Kind::kMakeSshCa));
  const auto done = local("mast-1", LocalWork::Kind::kSignHostKey, files);
  ASSERT_TRUE(done) << done.error().message();
  const auto shown = fairlead::test::run_tool({"ssh-keygen", "-L", "-f", key + "-cert.pub"});
  ASSERT_TRUE(shown);
  EXPECT_THAT(*shown, HasSubstr("host certificate"));
  for (const char* name : {"mast-1\n", "mast-1.kube.demo", "192.168.1.11"}) EXPECT_THAT(*shown, HasSubstr(name));
  EXPECT_FALSE(local("mast-1", LocalWork::Kind::kSignHostKey, {key + ".pub", temp.path("elsewhere")}));
  EXPECT_FALSE(std::filesystem::exists(temp.path("elsewhere")));
}

}  // namespace
}  // namespace fairlead::bootstrap
