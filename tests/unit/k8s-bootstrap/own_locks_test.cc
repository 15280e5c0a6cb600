#include "k8s-bootstrap/apply/own_locks.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class OwnLocksFile : public testing::Test {
 protected:
  std::vector<std::string> opened(const std::string& token, const std::string& boot = "boot-1") {
    auto locks = OwnLocks::open(path, boot, token);
    EXPECT_TRUE(locks) << locks.error().message();
    return locks ? locks->former() : std::vector<std::string>{"an error"};
  }
  test::TempDir dir;
  std::string path = dir.path("locks");
};

TEST_F(OwnLocksFile, KnowsTheTokensOfRunsThatAreOver) {
  EXPECT_THAT(opened("a1"), IsEmpty());
  EXPECT_THAT(opened("b2"), ElementsAre("a1"));
  EXPECT_THAT(opened("c3"), ElementsAre("a1", "b2"));
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(OwnLocksFile, KnowsNoneWhileAnotherRunIsAliveAndWritesNothing) {
  auto alive = OwnLocks::open(path, "boot-1", "a1");
  ASSERT_TRUE(alive);
  EXPECT_THAT(opened("b2"), IsEmpty());
  alive = Error{Errc::kUnavailable, "it is over"};
  EXPECT_THAT(opened("c3"), ElementsAre("a1"));
}

TEST_F(OwnLocksFile, TakesNothingOverThatIsOfAnotherBoot) {
  EXPECT_THAT(opened("a1"), IsEmpty());
  EXPECT_THAT(opened("b2", "boot-2"), IsEmpty());
  EXPECT_THAT(opened("c3", "boot-2"), ElementsAre("b2"));
}

TEST_F(OwnLocksFile, KeepsTheLastOnesOnly) {
  for (int i = 0; i < 40; ++i) (void)opened("t" + std::to_string(i));
  const auto last = opened("end");
  EXPECT_EQ(last.size(), 15U);
  EXPECT_EQ(last.back(), "t39");
}

TEST_F(OwnLocksFile, WhatIsNoTokenIsPassedOver) {
  std::ofstream(path) << "boot-1\nboot-1 $(reboot)\nboot-1 a'b\n\nboot-1 good\nboot-1 " << std::string(65, 'x') << "\nboot-1 to";
  EXPECT_THAT(opened("a1"), ElementsAre("good", "to"));
}

}  // namespace
}  // namespace fairlead::bootstrap
