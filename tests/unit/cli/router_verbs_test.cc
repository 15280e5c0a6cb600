// router show and apply: what they print, what they ask the daemon for, and how they tell connections apart.
#include <boost/json.hpp>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/ssh_session.h"
#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

class RouterVerbsTest : public CliTest {};

TEST_F(RouterVerbsTest, ShowPrintsTheRulesOnceWhenTheyAreThoseOfTheFile) {
  ASSERT_EQ(run({"router", "show"}), kExitDone) << err.str();
  EXPECT_EQ(out.str(), "the file's rules are in force\n\nin force:\ntable inet fairlead_router {\n}\n");
  ASSERT_EQ(run({"router", "show", "--json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("state"), "in force");
}

TEST_F(RouterVerbsTest, ShowPrintsBothWhenTheyDiffer) {
  node.set_router(admin::RouterReport{"on trial", "on trial for 42 s more", "table new\n", "table old\n", 42});
  ASSERT_EQ(run({"router", "show"}), kExitDone) << err.str();
  EXPECT_EQ(out.str(), "on trial for 42 s more\n\nin force:\ntable new\n\nof the file:\ntable old\n");
  ASSERT_EQ(run({"router", "show", "--json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("trial_left_s"), 42);
  node.set_router(admin::RouterReport{"missing", "somebody removed the rules", "", "table old\n", 0});
  ASSERT_EQ(run({"router", "show"}), kExitDone);
  EXPECT_EQ(out.str(), "somebody removed the rules\n\nin force: no rules\n\nof the file:\ntable old\n");
}

TEST_F(RouterVerbsTest, ShowSaysWhatConntrackdDoesWhereTheFileHasSync) {
  const std::string line = "sync: conntrackd does not run, and the router goes on without: /usr/sbin/conntrackd is not there";
  node.set_router(admin::RouterReport{"in force", "the file's rules are in force", "table x\n", "table x\n", 0, line, "cache internal:\n"});
  ASSERT_EQ(run({"router", "show"}), kExitDone) << err.str();
  EXPECT_EQ(out.str(), "the file's rules are in force\n" + line + "\n\nin force:\ntable x\n");
  ASSERT_EQ(run({"router", "show", "--json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("sync").as_string(), line);
  EXPECT_EQ(boost::json::parse(out.str()).at("sync_statistics"), "cache internal:\n");
}

TEST_F(RouterVerbsTest, ShowSaysWhyItCannot) {
  node.set_router(Error{Errc::kUnavailable, "the router needs nft, and /usr/sbin/nft is not there (apt install nftables)"});
  EXPECT_EQ(run({"router", "show"}), kExitFailed);
  EXPECT_TRUE(complained("apt install nftables")) << err.str();
}

TEST_F(RouterVerbsTest, EachVerbIsOneCommandAndSaysByWhichLoginItCame) {
  ssh_session = "10.0.0.9 40000 10.0.0.1 22";
  ASSERT_EQ(run({"router", "apply"}), kExitDone) << err.str();
  EXPECT_EQ(node.commands().back(), "router apply");
  EXPECT_EQ(node.session(), ssh_session);
  EXPECT_TRUE(printed("done as asked")) << out.str();
  ASSERT_EQ(run({"router", "apply", "--yes"}), kExitDone);
  EXPECT_EQ(node.commands().back(), "router apply yes");
  ssh_session = "10.0.0.9 40001 10.0.0.1 22";
  ASSERT_EQ(run({"router", "apply", "--confirm"}), kExitDone);
  EXPECT_EQ(node.commands().back(), "router apply confirm");
  EXPECT_EQ(node.session(), ssh_session);
}

TEST_F(RouterVerbsTest, OverTheNetworkEachCallIsAConnectionOfItsOwn) {
  ssh_session = "10.0.0.9 40000 10.0.0.1 22";
  ASSERT_EQ(run({"--server", "https://gate-1:9440", "router", "apply"}), kExitDone) << err.str();
  const std::string first = node.session();
  ASSERT_EQ(run({"--server", "https://gate-1:9440", "router", "apply", "--confirm"}), kExitDone) << err.str();
  EXPECT_FALSE(first.empty());
  EXPECT_NE(node.session(), first);
  EXPECT_NE(first, ssh_session);
}

TEST_F(RouterVerbsTest, WhatIsRefusedEndsWithFive) {
  node.set_answer(Error{Errc::kRefused, "this is not a new connection"});
  EXPECT_EQ(run({"router", "apply", "--confirm"}), kExitRefused);
}

// sudo takes SSH_CONNECTION out of the environment: the shell that started it still has it.
TEST(SshSessionOfTheShell, IsFoundInTheEnvironmentOfWhoStartedUs) {
  const pid_t shell = ::fork();
  ASSERT_GE(shell, 0);
  if (shell == 0) {
    // The kernel shows the environment that a program began with, so it begins anew, and this test once more within.
    ::setenv("SSH_CONNECTION", "10.0.0.9 40000 10.0.0.1 22", 1);
    const std::string self = "/proc/" + std::to_string(::getppid()) + "/exe";
    const std::string script =
        "env -u SSH_CONNECTION FL_WITHIN=1 " + self + " --gtest_filter=SshSessionOfTheShell.Within > /dev/null; exit $?";
    ::execl("/bin/sh", "sh", "-c", script.c_str(), static_cast<char*>(nullptr));
    std::_Exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(shell, &status, 0), shell);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SshSessionOfTheShell, Within) {
  if (std::getenv("FL_WITHIN") == nullptr) GTEST_SKIP() << "a part of the test above";
  ASSERT_EQ(std::getenv("SSH_CONNECTION"), nullptr);
  EXPECT_EQ(ssh_session(), "10.0.0.9 40000 10.0.0.1 22");
}

}  // namespace
}  // namespace fairlead::cli
