#include <filesystem>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "k8s-bootstrap/pki/state_dir.h"
#include "tests/support/run_tool.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

unsigned mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0;
}

TEST(StateDir, IsTheOwnersOnlyWhateverTheUmask) {
  const test::TempDir temp;
  const mode_t before = ::umask(0);
  const auto dir = StateDir::open(temp.path("state"));
  ASSERT_TRUE(dir) << dir.error().message();
  ASSERT_TRUE(dir->write_secret("pki/etcd/ca.key", "secret"));
  ASSERT_TRUE(dir->write_public("pki/etcd/ca.crt", "open"));
  ::umask(before);
  EXPECT_EQ(mode_of(temp.path("state")), 0700U);
  EXPECT_EQ(mode_of(temp.path("state/pki")), 0700U);
  EXPECT_EQ(mode_of(temp.path("state/pki/etcd")), 0700U);
  EXPECT_EQ(mode_of(temp.path("state/pki/etcd/ca.key")), 0600U);
  EXPECT_EQ(mode_of(temp.path("state/pki/etcd/ca.crt")), 0644U);
  EXPECT_EQ(**dir->read_secret("pki/etcd/ca.key"), "secret");
  EXPECT_FALSE(*dir->read_secret("pki/none"));
}

TEST(StateDir, ANarrowUmaskTakesNothingAway) {
  const test::TempDir temp;
  const mode_t before = ::umask(0777);
  const auto dir = StateDir::open(temp.path("state"));
  ::umask(before);
  ASSERT_TRUE(dir) << dir.error().message();
  EXPECT_EQ(mode_of(temp.path("state")), 0700U);
}

TEST(StateDir, OneThatOthersMayEnterIsRefusedAndNotRepaired) {
  const test::TempDir temp;
  ASSERT_TRUE(StateDir::open(temp.path("state")));
  ASSERT_EQ(::chmod(temp.path("state").c_str(), 0750), 0);
  const auto again = StateDir::open(temp.path("state"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kPermission);
  EXPECT_NE(again.error().context.find("chmod 700"), std::string::npos);
  EXPECT_EQ(mode_of(temp.path("state")), 0750U);
}

TEST(StateDir, ASecretThatOthersMayReadIsRefused) {
  const test::TempDir temp;
  const auto dir = StateDir::open(temp.path("state"));
  ASSERT_TRUE(dir);
  ASSERT_TRUE(dir->write_secret("key", "x"));
  ASSERT_EQ(::chmod(dir->path("key").c_str(), 0640), 0);
  const auto read = dir->read_secret("key");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kPermission);
}

TEST(StateDir, AFileInItsPlaceOrNoParentIsAnError) {
  const test::TempDir temp;
  std::ofstream(temp.path("file")) << "x";
  EXPECT_EQ(StateDir::open(temp.path("file")).error().code, Errc::kConflict);
  EXPECT_EQ(StateDir::open(temp.path("no/state")).error().code, Errc::kNotFound);
}

TEST(StateDir, AnothersFolderIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  const test::TempDir temp;
  ASSERT_TRUE(StateDir::open(temp.path("state")));
  ASSERT_EQ(::chown(temp.path("state").c_str(), 12345, 12345), 0);
  const auto again = StateDir::open(temp.path("state"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kPermission);
  EXPECT_NE(again.error().context.find("belongs to user 12345"), std::string::npos);
}

TEST(StateDir, StaysOutOfTheWorkTreeItLiesIn) {
  const test::TempDir temp;
  const auto git = test::run_tool({"git", "init", "-q", temp.path("tree")});
  ASSERT_TRUE(git) << git.error().message();
  const auto dir = StateDir::open(temp.path("tree/state"));
  ASSERT_TRUE(dir);
  ASSERT_TRUE(dir->write_secret("pki/ca.key", "secret"));
  EXPECT_TRUE(dir->warnings().empty());
  const auto status = test::run_tool({"git", "-C", temp.path("tree"), "status", "--porcelain", "--untracked-files=all"});
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(*status, "");

  std::ofstream(temp.path("tree/state/.gitignore")) << "# emptied\n";
  const auto again = StateDir::open(temp.path("tree/state"));
  ASSERT_TRUE(again);
  ASSERT_EQ(again->warnings().size(), 1U);
  EXPECT_NE(again->warnings()[0].find("lies in a git work tree"), std::string::npos);
}

TEST(StateDir, LiesBesideTheSitesFile) {
  EXPECT_EQ(state_dir_path("site.yaml", "./demo.state"), "./demo.state");
  EXPECT_EQ(state_dir_path("sites/demo.yaml", "demo.state"), "sites/demo.state");
  EXPECT_EQ(state_dir_path("/site.yaml", "s"), "/s");
  EXPECT_EQ(state_dir_path("/etc/site.yaml", "/srv/s"), "/srv/s");
}

}  // namespace
}  // namespace fairlead::bootstrap
