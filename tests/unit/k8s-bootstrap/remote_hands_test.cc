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
  LocalTransport transport{{{"mast-1", LocalTransport::Place{}}}};
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

TEST_F(OperatorsWork, FilesAreWrittenTogetherEachWholeOrNotAtAll) {
  const auto file = [this](const char* name, std::string text, unsigned mode) { return WriteFile{temp.path(name), std::move(text), mode}; };
  const std::string large(300000, 'x');
  ASSERT_TRUE(hands.write_all("mast-1", {file("it's here/a", "one\n", 0640), file("empty", "", 0600), file("b", large, 0644)}));
  EXPECT_EQ(fairlead::test::TempDir::read(temp.path("it's here/a")), "one\n");
  EXPECT_EQ(fairlead::test::TempDir::read(temp.path("empty")), "");
  EXPECT_EQ(fairlead::test::TempDir::read(temp.path("b")), large);
  EXPECT_EQ(std::filesystem::status(temp.path("it's here/a")).permissions(), std::filesystem::perms(0640));
  const auto time = std::filesystem::last_write_time(temp.path("b"));
  const auto failed =
      hands.write_all("mast-1", {file("b", large, 0600), file("b/c", "no place\n", 0644), file("d", "not reached\n", 0644)});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr(temp.path("b/c") + " of mast-1"));
  EXPECT_EQ(std::filesystem::last_write_time(temp.path("b")), time) << "an equal file is left alone, but for its mode";
  EXPECT_EQ(std::filesystem::status(temp.path("b")).permissions(), std::filesystem::perms(0600));
  EXPECT_FALSE(std::filesystem::exists(temp.path("d")));
  EXPECT_FALSE(std::filesystem::exists(temp.path("b.fairlead-new")));
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
