// What a TAB is answered, what a manual page escapes, and how text is cut to a screen.
#include "cli/completion.h"

#include <gmock/gmock.h>

#include "cli/man_pages.h"
#include "cli/man_text.h"
#include "cli/text_screen.h"
#include "cli/watch_verb.h"
#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

class CompletionTest : public CliTest {
 protected:
  /// The candidates, without their texts.
  std::vector<std::string> offered(const std::vector<std::string>& words, const std::string& shell = "zsh") {
    std::vector<std::string> arguments{"__complete", shell, "--"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    EXPECT_EQ(run(arguments), kExitDone);
    EXPECT_EQ(err.str(), "") << "a person is in the middle of a line";
    std::vector<std::string> lines;
    std::istringstream text(out.str());
    for (std::string line; std::getline(text, line);) lines.push_back(line.substr(0, line.find('\t')));
    return lines;
  }
};

TEST_F(CompletionTest, VerbsAndOptionsComeFromTheTree) {
  EXPECT_THAT(offered({"serv"}), ElementsAre("server"));
  EXPECT_THAT(offered({"server", "dr"}), ElementsAre("drain"));
  EXPECT_THAT(offered({"server", "drain", "--w"}), ElementsAre("--wait"));
  EXPECT_THAT(offered({"server", "drain", "--so"}), ElementsAre("--socket")) << "global ones, too";
  EXPECT_THAT(offered({"--json", "vip", "mo"}), ElementsAre("move"));
  EXPECT_THAT(offered({"bench", ""}), ElementsAre("compare"));
  EXPECT_THAT(offered({"nonsense", ""}), IsEmpty());
}

TEST_F(CompletionTest, NamesComeFromTheRunningNode) {
  node.set_report(testing::sample_cluster_report());
  EXPECT_THAT(offered({"server", "drain", "masters/mast-"}), ElementsAre("masters/mast-1", "masters/mast-2", "masters/mast-3"));
  EXPECT_THAT(offered({"pool", "show", ""}), ElementsAre("masters"));
  EXPECT_THAT(offered({"listener", "disable", ""}), ElementsAre("kube-api"));
  EXPECT_THAT(offered({"vip", "move", ""}), ElementsAre("api", "ingress"));
  EXPECT_THAT(offered({"vip", "move", "api", "--to", ""}), ElementsAre("gate-1", "gate-2", "gate-3"));
  EXPECT_THAT(offered({"vip", "move", "api", "--to=gate-2"}), ElementsAre("--to=gate-2"));
  EXPECT_THAT(offered({"node", "standby", ""}), ElementsAre("gate-1", "gate-2", "gate-3"));
  EXPECT_THAT(offered({"connections", "kill", "--pool", ""}), ElementsAre("masters"));
  EXPECT_THAT(offered({"server", "add", ""}), IsEmpty()) << "a new name is nobody's";
}

TEST_F(CompletionTest, WhatIsNoNameIsNotOfferedAsOne) {
  auto report = testing::sample_cluster_report();
  report.vips[0].name = "x\n:files";
  report.vips[1].name = "$(reboot)";
  node.set_report(report);
  EXPECT_THAT(offered({"vip", "move", ""}), IsEmpty());
}

TEST_F(CompletionTest, KindsAndEventsAreWordsOfTheProgram) {
  EXPECT_THAT(offered({"import", "k"}), ElementsAre("keepalived"));
  EXPECT_THAT(offered({"explain", "SERVER_DO"}), ElementsAre("SERVER_DOWN"));
}

TEST_F(CompletionTest, ItAsksTheDaemonThatTheLineSpeaksOfAndNotForLong) {
  (void)offered({"--socket", "/tmp/x.sock", "vip", "move", ""});
  EXPECT_EQ(connected.socket, "/tmp/x.sock");
  EXPECT_LE(connected.timeout, std::chrono::seconds(1));
  (void)offered({"--server=https://gate-2:9440", "pool", "show", ""});
  EXPECT_EQ(connected.server, "https://gate-2:9440");
}

TEST_F(CompletionTest, ADaemonThatIsNotThereIsSilence) {
  reachable = false;
  EXPECT_THAT(offered({"pool", "show", ""}), IsEmpty());
}

TEST_F(CompletionTest, ValuesThatAreKnownWithoutADaemon) {
  reachable = false;
  EXPECT_THAT(offered({"-o", ""}), ElementsAre("text", "json", "yaml"));
  EXPECT_THAT(offered({"--color", "a"}), ElementsAre("auto", "always"));
  EXPECT_THAT(offered({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
  EXPECT_THAT(offered({"explain", "pools.health.fast"}), ElementsAre("pools.health.fast_interval"));
  EXPECT_THAT(offered({"drill", "run", ""}), IsSupersetOf({std::string("planned"), std::string("kill-process")}));
  EXPECT_THAT(offered({"check", ""}), ElementsAre(":files"));
  EXPECT_THAT(offered({"bench", "--out", ""}), ElementsAre(":dirs"));
  EXPECT_THAT(offered({"lab", "exec", "gate-1", ""}), IsEmpty());
}

TEST_F(CompletionTest, BashSplitsWordsWhereOthersDoNot) {
  node.set_report(testing::sample_cluster_report());
  EXPECT_THAT(offered({"vip", "move", "api", "--to", "=", "gate-2"}, "bash"), ElementsAre("gate-2"));
  EXPECT_THAT(offered({"vip", "move", "api", "--to", "="}, "bash"), ElementsAre("gate-1", "gate-2", "gate-3"));
  (void)offered({"--server", "http", ":", "//127.0.0.1", ":", "9440", "pool", "show", ""}, "bash");
  EXPECT_EQ(connected.server, "http://127.0.0.1:9440");
}

TEST_F(CompletionTest, WrongQuestionsOfScriptsAreWrongUsage) {
  EXPECT_EQ(run({"__complete"}), kExitUsage);
  EXPECT_EQ(run({"__complete", "bash", "x"}), kExitUsage);
}

TEST(ManTextTest, WhatRoffWouldTakeForItsOwnIsEscaped) {
  EXPECT_EQ(roff(".TH"), "\\&.TH");
  EXPECT_EQ(roff("'quoted'"), "\\&\\(aqquoted\\(aq");
  EXPECT_EQ(roff("a\\nb --wait"), "a\\enb \\-\\-wait");
  EXPECT_EQ(roff("`~^\""), "\\(ga\\(ti\\(ha\\(dq");
  EXPECT_EQ(roff("\xe2\x86\x92"), "\\[u2192]");
  EXPECT_EQ(roff("\xff\x1b"), "\\[uFFFD]");
}

TEST(ManTextTest, AWrappedLineNeverBeginsWithARequest) {
  ManPage page("x", "1", "2026-01-31", "0.1.0");
  std::string text = "a long line that is wrapped somewhere before it ends and goes on with ";
  for (int i = 0; i < 40; ++i) text += ".so 'x ";
  page.paragraph(text);
  std::istringstream lines(page.text());
  std::size_t requests = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
    if (line.starts_with('.') || line.starts_with('\'')) ++requests;
  }
  EXPECT_EQ(requests, 3U) << page.text();  // The comment, .TH and .PP
}

TEST(ManTextTest, AnExampleKeepsItsLines) {
  ManPage page("x", "1", "2026-01-31", "0.1.0");
  page.example("fairlead a \\\n  --b\n\n.c");
  EXPECT_THAT(page.text(), HasSubstr(".nf\nfairlead a \\e\n  \\-\\-b\n\\&\n\\&.c\n.fi\n"));
}

TEST(ScreenTest, LinesAreCutWithTheirColours) {
  EXPECT_EQ(cut_line("hello", 3), "hel");
  EXPECT_EQ(cut_line("hello", 5), "hello");
  EXPECT_EQ(cut_line("\x1b[32mhello\x1b[0m there", 3), "\x1b[32mhel\x1b[0m");
  EXPECT_EQ(cut_line("\xc3\xa4\xc3\xb6\xc3\xbc", 2), "\xc3\xa4\xc3\xb6");
  EXPECT_EQ(cut_line("", 0), "");
}

TEST(ScreenTest, WhatDoesNotFitIsSaid) {
  const std::string three = screen_of("one\ntwo\nthree\n", {.rows = 3, .columns = 10});
  EXPECT_THAT(three, HasSubstr("three"));
  EXPECT_EQ(three.find("\x1b[2J"), std::string::npos) << "cleared first, it would flicker";
  const std::string two = screen_of("one\ntwo\nthree\n", {.rows = 2, .columns = 10});
  EXPECT_THAT(two, HasSubstr("(2 more li"));
  EXPECT_THAT(two, Not(HasSubstr("two")));
  EXPECT_THAT(screen_of("one\ntwo\n", {.rows = 1, .columns = 1}), HasSubstr("("));
  EXPECT_THAT(screen_of("", {.rows = 0, .columns = 0}), HasSubstr("\x1b[J"));
}

class WatchTest : public CliTest {
 protected:
  [[nodiscard]] static std::size_t count(const std::string& text, const std::string& of) {
    std::size_t found = 0;
    for (auto at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++found;
    return found;
  }
};

TEST_F(WatchTest, OffATerminalThereIsABlockForEachChangeAndNoneForCounters) {
  int turn = 0;
  pauses = 4;
  on_pause = [&] {
    auto report = testing::sample_report();
    report.uptime_s += ++turn;
    report.listeners[0].connections.total += 100;
    report.pools[0].servers[0].state_since_s += turn;
    if (turn >= 3) report.pools[0].servers[0].state = admin::ServerState::kDown;
    node.set_report(report);
  };
  ASSERT_EQ(run({"status", "--watch"}), kExitDone);
  EXPECT_EQ(count(out.str(), "--- 2024-01-31T"), 2U) << out.str();
  EXPECT_EQ(count(out.str(), "\x1b"), 0U);
}

TEST_F(WatchTest, JsonIsOneLineForEachChange) {
  pauses = 2;
  on_pause = [&] {
    auto report = testing::sample_report();
    report.ready = false;
    node.set_report(report);
  };
  ASSERT_EQ(run({"status", "--watch", "--json"}), kExitDone);
  EXPECT_EQ(count(out.str(), "\n"), 2U) << out.str();
  EXPECT_EQ(count(out.str(), "\"ready\":false"), 1U);
}

TEST_F(WatchTest, ADaemonThatGoesAwayIsWaitedFor) {
  pauses = 3;
  int turn = 0;
  on_pause = [&] { reachable = ++turn != 1; };
  ASSERT_EQ(run({"status", "--watch"}), kExitDone);
  EXPECT_EQ(count(err.str(), "no answer: "), 1U) << err.str();
  EXPECT_EQ(count(out.str(), "---"), 2U) << "it is told that it is back";

  reachable = false;
  EXPECT_EQ(run({"status", "--watch"}), kExitUnreachable) << "one that was never there is not";
}

TEST_F(CliTest, ConfigDiffOfNodesNamesThoseThatDiffer) {
  EXPECT_EQ(run({"config", "diff", "--nodes"}), kExitFailed);
  EXPECT_TRUE(complained("stands alone")) << err.str();
  auto report = testing::sample_cluster_report();
  node.set_report(report);
  EXPECT_EQ(run({"config", "diff", "--nodes"}), kExitFailed);
  EXPECT_TRUE(complained("gate-2: another configuration")) << err.str();
  EXPECT_TRUE(printed("what differs on gate-2: ssh gate-2 fairlead config show | fairlead config diff -")) << out.str();
  EXPECT_TRUE(printed("not known")) << out.str();
  for (auto& each : report.cluster->nodes) {
    each.config_match = true;
    if (each.digest) each.digest->config_hash = report.config_hash;
  }
  node.set_report(report);
  EXPECT_EQ(run({"config", "diff", "--nodes"}), kExitDone) << err.str();
  EXPECT_FALSE(printed("what differs on")) << out.str();
  ASSERT_TRUE(report.cluster->nodes[1].online);
  report.cluster->nodes[1].digest.emplace().config_hash = "0badc0de";
  node.set_report(report);
  EXPECT_EQ(run({"config", "diff", "--nodes"}), kExitDone) << "of the rest nodes may differ on purpose";
  EXPECT_TRUE(printed("rest differs")) << out.str();
  EXPECT_TRUE(printed("0badc0de")) << out.str();
  EXPECT_EQ(run({"config", "diff", "--nodes", "some.yaml"}), kExitUsage);
}

TEST_F(CliTest, ColourCanBeForcedAndForbidden) {
  ASSERT_EQ(run({"status", "--color", "always"}), kExitDone);
  EXPECT_TRUE(printed("\x1b["));
  color = true;
  ASSERT_EQ(run({"status", "--color", "never"}), kExitDone);
  EXPECT_FALSE(printed("\x1b["));
  EXPECT_EQ(run({"status", "--color", "pink"}), kExitUsage);
}

}  // namespace
}  // namespace fairlead::cli
