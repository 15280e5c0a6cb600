#include "dnsdhcp/files_on_trial.h"

#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

Rendered files(const std::string& conf, const std::string& machine = "") {
  Rendered out;
  out.conf = conf;
  if (!machine.empty()) out.dhcp_hosts[machine] = machine;
  return out;
}

class FilesOnTrialTest : public ::testing::Test {
 protected:
  FilesOnTrialTest() {
    trial.applied(files("good"));
    EXPECT_FALSE(trial.ready());
  }
  /// As often as it takes.
  std::optional<Rendered> ends() {
    for (int i = 1; i < kStartsTried; ++i) EXPECT_FALSE(trial.ended("exit code 2"));
    return trial.ended("exit code 2");
  }
  FilesOnTrial trial;
};

TEST_F(FilesOnTrialTest, GoesBackFromFilesThatItNeverStartedWith) {
  trial.applied(files("new"));
  EXPECT_EQ(ends(), files("good"));
  trial.applied(files("good"));
  EXPECT_EQ(trial.problem(), "dnsmasq does not start with it, and has the files of before again: exit code 2");
  EXPECT_FALSE(trial.ready()) << "the new ones were to blame";
  EXPECT_NE(trial.problem(), "") << "until another configuration comes";
  trial.applied(files("newer"));
  EXPECT_EQ(trial.problem(), "");
}

TEST_F(FilesOnTrialTest, OneThatWasReadyOnceAndDiesIsNoMatterOfItsFiles) {
  trial.applied(files("new"));
  EXPECT_FALSE(trial.ready());
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(trial.ended("signal 9"));
}

TEST_F(FilesOnTrialTest, AnEndNowAndThenIsNone) {
  trial.applied(files("new"));
  EXPECT_FALSE(trial.ended("signal 9"));
  EXPECT_FALSE(trial.ready());
  EXPECT_FALSE(trial.ended("signal 9"));
}

TEST_F(FilesOnTrialTest, WhatWasNeverReadyHasNothingToGoBackTo) {
  FilesOnTrial first;
  first.applied(files("first"));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(first.ended("exit code 2"));
}

TEST_F(FilesOnTrialTest, WhenItDoesNotStartWithTheFormerOnesEitherTheNewOnesAreTriedAgain) {
  trial.applied(files("new"));
  ASSERT_TRUE(ends());
  trial.applied(files("good"));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(trial.ended("port 67 is taken")) << "they are the good ones";
  EXPECT_TRUE(trial.ready());
  EXPECT_EQ(trial.problem(), "");
  trial.applied(files("new"));
  EXPECT_FALSE(trial.ready());
}

TEST_F(FilesOnTrialTest, MachinesAreNeverOnTrialAndComeAlong) {
  trial.applied(files("good", "mast-1"));
  EXPECT_FALSE(ends());
  EXPECT_FALSE(trial.ready());
  trial.applied(files("good", "mast-2"));
  trial.applied(files("new", "mast-2"));
  EXPECT_EQ(ends(), files("good", "mast-2"));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
