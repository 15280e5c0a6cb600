#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "k8s-bootstrap/site/site_reference.h"
#include "tests/contract/admin/reference_page.h"
#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

using admin::parse_server_url;

TEST_F(CliTest, StatusShowsTheNodeOnOneScreen) {
  ASSERT_EQ(run({"status"}), kExitDone) << err.str();
  for (const char* text : {"gate-1", "fairlead 0.1.0", "io_uring", "READY", "kube-api", "192.168.4.20:6443",
                           "pool masters (least_connections): 2 of 3 up", "mast-3", "refused"}) {
    EXPECT_TRUE(printed(text)) << text << "\n" << out.str();
  }
  EXPECT_EQ(out.str().find('\x1b'), std::string::npos) << "colour without being asked";
  EXPECT_EQ(out.str().find(" \n"), std::string::npos) << "trailing blanks";
}

TEST_F(CliTest, StatusSaysWhyTheNodeIsNotReady) {
  auto report = testing::sample_report();
  report.ready = false;
  report.ready_reasons[1] = {"pool masters", false, "no server is up"};
  node.set_report(report);
  ASSERT_EQ(run({"status"}), kExitDone);
  EXPECT_TRUE(printed("NOT READY"));
  EXPECT_TRUE(printed("pool masters: no server is up"));
}

TEST_F(CliTest, ColourIsForTerminals) {
  color = true;
  ASSERT_EQ(run({"status"}), kExitDone);
  EXPECT_TRUE(printed("\x1b[32mup\x1b[0m")) << out.str();
}

TEST_F(CliTest, OutputFormatsAreTheApisDocuments) {
  ASSERT_EQ(run({"status", "--json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("node"), "gate-1");
  ASSERT_EQ(run({"-o", "json", "server", "list"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("servers").as_array().size(), 3U);
  ASSERT_EQ(run({"pool", "show", "masters", "-o", "json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("balance"), "least_connections");
  ASSERT_EQ(run({"server", "show", "masters/mast-3", "-o", "json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("state"), "down");
  ASSERT_EQ(run({"listener", "list", "-o", "yaml"}), kExitDone);
  EXPECT_TRUE(printed("listeners:\n  - name: kube-api\n    bind:\n      - \"192.168.4.20:6443\"\n")) << out.str();
  ASSERT_EQ(run({"server", "weight", "masters/mast-1", "5", "-o", "json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("summary"), "done as asked");
}

TEST_F(CliTest, ListsAndShows) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"listener", "list"},
                                                                     {"listener", "show", "kube-api"},
                                                                     {"pool", "list"},
                                                                     {"pool", "show", "masters"},
                                                                     {"server", "list"},
                                                                     {"server", "show", "masters/mast-1"},
                                                                     {"connections", "list"},
                                                                     {"events"},
                                                                     {"config", "show"}}) {
    EXPECT_EQ(run(arguments), kExitDone) << arguments[0] << ": " << err.str();
  }
  EXPECT_EQ(run({"pool", "show", "nodes"}), kExitFailed);
  EXPECT_TRUE(complained("no pool 'nodes' (there are: masters)")) << err.str();
  EXPECT_EQ(run({"server", "show", "masters/x", "--json"}), kExitFailed);
  EXPECT_EQ(run({"listener", "show", "x", "--json"}), kExitFailed);
}

TEST_F(CliTest, EveryChangingVerbSendsItsCommand) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"server", "drain", "masters/mast-1"}, "server masters/mast-1 state drain"},
      {{"server", "maint", "masters/mast-1"}, "server masters/mast-1 state maint"},
      {{"server", "ready", "masters/mast-3"}, "server masters/mast-3 state ready"},
      {{"server", "weight", "masters/mast-1", "7"}, "server masters/mast-1 weight 7"},
      {{"server", "add", "masters/mast-4", "10.0.0.4:6443", "--weight", "5", "--backup"}, "server masters/mast-4 add 10.0.0.4:6443"},
      {{"server", "remove", "masters/mast-3"}, "server masters/mast-3 remove"},
      {{"listener", "disable", "kube-api"}, "listener kube-api disable"},
      {{"listener", "enable", "kube-api"}, "listener kube-api enable"},
      {{"connections", "kill", "--server", "masters/mast-1", "--client", "10.0.0.9"},
       "connections kill pool=masters server=mast-1 client=10.0.0.9"},
      {{"connections", "kill", "--all"}, "connections kill all"},
      {{"reload"}, "reload"},
      {{"reload", "--dry-run"}, "reload dry_run"},
  };
  for (const auto& [arguments, command] : cases) {
    EXPECT_EQ(run(arguments), kExitDone) << command << ": " << err.str();
    ASSERT_FALSE(node.commands().empty()) << command;
    EXPECT_EQ(node.commands().back(), command);
    EXPECT_TRUE(printed("done as asked"));
  }
}

TEST_F(CliTest, ReloadShowsTheChangesAndWhatNeedsARestart) {
  node.set_answer(admin::CommandResult{"applied 1 change", {"pool masters: idle_timeout 1h -> 30m"}, {"proxy.workers"}});
  ASSERT_EQ(run({"reload"}), kExitDone);
  EXPECT_EQ(out.str(), "pool masters: idle_timeout 1h -> 30m\napplied 1 change\nneeds restart: proxy.workers\n");
}

TEST_F(CliTest, ExitCodesFollowTheContract) {
  node.set_answer(Error{Errc::kInvalidConfig, "f.yaml:1:2: error: unknown key 'pols' (did you mean 'pools'?)"});
  EXPECT_EQ(run({"reload"}), kExitInvalidConfig);
  EXPECT_TRUE(complained("f.yaml:1:2"));
  node.set_answer(Error{Errc::kNotFound, "pool masters has no server mast-9"});
  EXPECT_EQ(run({"server", "ready", "masters/mast-9"}), kExitFailed);
  EXPECT_TRUE(complained("mast-9"));

  role = admin::ApiRole::kRead;
  EXPECT_EQ(run({"reload"}), kExitRefused);
  EXPECT_TRUE(complained("uid 1000 (jo) is not an operator")) << err.str();

  reachable = false;
  EXPECT_EQ(run({"status"}), kExitUnreachable);
  EXPECT_TRUE(complained("/run/x.sock"));
  EXPECT_EQ(run({"reload"}), kExitUnreachable);
}

const std::vector<std::vector<std::string>> kReadingVerbs{{"status"},
                                                          {"status", "--watch"},
                                                          {"events"},
                                                          {"config", "show"},
                                                          {"config", "show", "--defaults"},
                                                          {"config", "diff"},
                                                          {"config", "diff", "--nodes"},
                                                          {"listener", "list"},
                                                          {"listener", "show", "kube-api"},
                                                          {"pool", "list"},
                                                          {"pool", "show", "masters"},
                                                          {"server", "list"},
                                                          {"server", "show", "masters/mast-1"},
                                                          {"connections", "list"},
                                                          {"vip", "list"},
                                                          {"vip", "explain", "api"},
                                                          {"node", "list"},
                                                          {"cluster", "status"},
                                                          {"drill", "run", "planned"}};
const std::vector<std::vector<std::string>> kChangingVerbs{{"reload"},
                                                           {"listener", "disable", "kube-api"},
                                                           {"listener", "enable", "kube-api"},
                                                           {"server", "drain", "masters/mast-1"},
                                                           {"server", "maint", "masters/mast-1"},
                                                           {"server", "ready", "masters/mast-1"},
                                                           {"server", "weight", "masters/mast-1", "5"},
                                                           {"server", "add", "masters/mast-9", "192.168.1.19:6443"},
                                                           {"server", "remove", "masters/mast-1"},
                                                           {"connections", "kill", "--pool", "masters"},
                                                           {"vip", "move", "api", "--to", "gate-2", "--wait"},
                                                           {"vip", "disable", "api"},
                                                           {"vip", "enable", "api"},
                                                           {"vip", "announce", "api"},
                                                           {"vip", "force", "api", "--i-have-fenced", "gate-3"},
                                                           {"node", "standby", "gate-1"},
                                                           {"node", "online", "gate-1"},
                                                           {"cluster", "freeze"},
                                                           {"cluster", "unfreeze"}};

TEST_F(CliTest, EveryVerbThatAsksEndsWith4WhenNobodyAnswers) {
  reachable = false;
  for (const auto& verbs : {kReadingVerbs, kChangingVerbs}) {
    for (const auto& arguments : verbs) {
      EXPECT_EQ(run(arguments), kExitUnreachable) << arguments.front() << " " << arguments.back() << ": " << err.str();
      EXPECT_EQ(out.str(), "") << "standard output is the result's";
      EXPECT_TRUE(complained("Is fairleadd running here?")) << "what to do next";
    }
  }
}

TEST_F(CliTest, EveryVerbThatChangesEndsWith5ForAViewer) {
  role = admin::ApiRole::kRead;
  for (const auto& arguments : kChangingVerbs) {
    EXPECT_EQ(run(arguments), kExitRefused) << arguments.front() << " " << arguments.back() << ": " << err.str();
    EXPECT_TRUE(complained("is not an operator")) << err.str();
  }
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(CliTest, VerbsWithoutADaemonHaveTheSameCodes) {
  reachable = false;
  EXPECT_EQ(run({"version"}), kExitDone);
  EXPECT_EQ(run({"schema"}), kExitDone);
  EXPECT_EQ(run({"explain", "pools"}), kExitDone);
  EXPECT_EQ(run({"explain", "polls"}), kExitFailed);
  EXPECT_TRUE(complained("did you mean 'pools'?")) << err.str();
  EXPECT_EQ(run({"check", "/nonexistent.yaml"}), kExitInvalidConfig);
  EXPECT_EQ(run({"cluster", "render", "/nonexistent.yaml"}), kExitInvalidConfig);
  EXPECT_EQ(run({"init", "--output", "-"}), kExitUsage);
  EXPECT_EQ(run({"drill", "run", "nonsense"}), kExitFailed);
}

TEST_F(CliTest, WrongUsageIs2AndSendsNothing) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"nonsense"},
                                                                     {"server"},
                                                                     {"server", "drain"},
                                                                     {"server", "drain", "masters"},
                                                                     {"server", "drain", "/x"},
                                                                     {"server", "weight", "a/b", "1001"},
                                                                     {"server", "weight", "a/b", "-1"},
                                                                     {"server", "weight", "a/b", "x"},
                                                                     {"status", "--bogus"},
                                                                     {"-o", "xml", "status"},
                                                                     {"connections", "kill"},
                                                                     {"check"},
                                                                     {"completion", "tcsh"},
                                                                     {"connections", "kill", "--all", "--pool", "p"},
                                                                     {"events", "--since", "yesterday"},
                                                                     {"connections", "list", "--pool", "a", "--server", "b/c"},
                                                                     {"server", "drain", "masters/mast-1", "--timeout", "5"}}) {
    EXPECT_EQ(run(arguments), kExitUsage) << arguments[0] << " " << err.str();
    EXPECT_TRUE(complained("fairlead: "));
  }
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(CliTest, AWrongVerbIsNamedWithThoseThereAre) {
  EXPECT_EQ(run({"sevrer", "list"}), kExitUsage);
  EXPECT_TRUE(complained("fairlead: no verb 'sevrer' (did you mean 'server'?)")) << err.str();
  EXPECT_EQ(run({"server", "drian", "masters/mast-1"}), kExitUsage);
  EXPECT_TRUE(complained("'server' has no verb 'drian' (did you mean 'drain'?)")) << err.str();
  EXPECT_EQ(run({"pool"}), kExitUsage);
  EXPECT_TRUE(complained("'pool' wants a verb: list, show")) << err.str();
  EXPECT_EQ(run({"server", "show"}), kExitUsage);
  EXPECT_TRUE(complained("POOL/NAME is required")) << err.str();
  EXPECT_EQ(run({"status", "now"}), kExitUsage);
  EXPECT_TRUE(complained("now")) << err.str();
}

TEST_F(CliTest, ANodeThatServesMayStillHaveAProblem) {
  auto report = testing::sample_report();
  report.ready_reasons.push_back({"pool spare", false, "0 of 1 server takes connections"});
  report.listeners[0].problem = "bind 192.168.4.20:6443: Address already in use";
  node.set_report(report);
  ASSERT_EQ(run({"status"}), kExitDone);
  EXPECT_TRUE(printed("problem: pool spare: 0 of 1 server takes connections")) << out.str();
  EXPECT_FALSE(printed("not ready"));
  ASSERT_EQ(run({"listener", "show", "kube-api"}), kExitDone);
  EXPECT_TRUE(printed("Address already in use")) << out.str();
}

TEST_F(CliTest, VerbsOfLaterVersionsSaySoAndAreNotAdvertised) {
  ASSERT_EQ(run({"storage", "--help"}), kExitDone);
  const std::string help = out.str();
  ASSERT_EQ(run({"__complete", "bash", "--", "storage", ""}), kExitDone);
  const std::string completion = out.str();
  ASSERT_NE(completion.find("status\t"), std::string::npos) << completion;
  EXPECT_EQ(run({"storage", "expand", "--any", "-x"}), kExitFailed);
  EXPECT_EQ(err.str(), "fairlead: 'storage expand' is not in this version\n");
  EXPECT_EQ(help.find("  expand "), std::string::npos);
  EXPECT_EQ(completion.find("expand\t"), std::string::npos);
}

TEST_F(CliTest, BenchHandsOverToTheHarnessThatBelongsToThisProgram) {
  const auto root = std::filesystem::path(::testing::TempDir()) / "fairlead-bench-verb";
  std::filesystem::create_directories(root / "bench");
  std::ofstream(root / "bench" / "run.py") << "";
  program = (root / "build" / "bin" / "fairlead").string();

  EXPECT_EQ(run({"bench", "--quick", "--workloads", "p64,churn"}), kExitFailed);  // A process that was replaced does not come back.
  EXPECT_EQ(became,
            (std::vector<std::string>{"python3", "-B", (root / "bench" / "run.py").string(), "--quick", "--workloads", "p64,churn"}));
  EXPECT_EQ(run({"bench", "--seconds", "0.5", "--rate", "4000", "--haproxy3", "/opt/haproxy"}), kExitFailed);
  EXPECT_EQ(became, (std::vector<std::string>{"python3", "-B", (root / "bench" / "run.py").string(), "--seconds", "0.5", "--rate", "4000",
                                              "--haproxy3", "/opt/haproxy"}));
  EXPECT_EQ(run({"bench", "compare", "old", "new"}), kExitFailed);
  EXPECT_EQ(became, (std::vector<std::string>{"python3", "-B", (root / "bench" / "compare.py").string(), "old", "new"}));

  EXPECT_EQ(run({"bench", "compare", "old", "new", "--workloads", "p64"}), kExitFailed);
  EXPECT_EQ(became,
            (std::vector<std::string>{"python3", "-B", (root / "bench" / "compare.py").string(), "old", "new", "--workloads", "p64"}));
  EXPECT_EQ(run({"bench", "compare", "old"}), kExitUsage);
  EXPECT_EQ(run({"bench", "--fast"}), kExitUsage);
  std::filesystem::remove_all(root);
}

TEST_F(CliTest, BenchWithoutItsHarnessSaysWhereItIsToBeHad) {
  program = "/nonexistent/bin/fairlead";
  became.clear();

  EXPECT_EQ(run({"bench"}), kExitFailed);
  EXPECT_TRUE(complained("make bench")) << err.str();
  EXPECT_TRUE(became.empty());
}

TEST_F(CliTest, ALabThatCannotBeIsWrongUsageBeforeAnythingIsMade) {
  EXPECT_EQ(run({"lab", "up", "--nodes", "17"}), kExitUsage);
  EXPECT_TRUE(complained("1 to 16 are possible")) << err.str();
  EXPECT_EQ(run({"lab", "up", "--name", "../etc"}), kExitUsage);
  EXPECT_EQ(run({"lab", "--name", "a/b", "down"}), kExitUsage);
  EXPECT_EQ(run({"lab", "exec", "gate-1"}), kExitUsage);
  EXPECT_EQ(run({"lab", "exec"}), kExitUsage);
}

TEST_F(CliTest, HelpIsThereForEveryVerb) {
  EXPECT_EQ(run({}), kExitDone);
  EXPECT_TRUE(printed("status"));
  EXPECT_EQ(run({"server", "drain", "--help"}), kExitDone);
  EXPECT_TRUE(printed("--wait")) << out.str();
  EXPECT_TRUE(printed("Usage: fairlead server drain [OPTIONS]")) << out.str();
  EXPECT_EQ(run({"status", "--help"}), kExitDone);
  EXPECT_TRUE(printed("Usage: fairlead status [OPTIONS]")) << out.str();
  EXPECT_EQ(run({"version"}), kExitDone);
  EXPECT_EQ(out.str(), "fairlead 0.1.0\n");
}

TEST_F(CliTest, AReportOfDrillsShowsWhatWasNotAsPromised) {
  const std::string file = ::testing::TempDir() + "fairlead-drill-report.json";
  std::ofstream(file) << R"([{"case": "planned", "system": "fairlead", "profile": "vm", "nodes": 3, "n": 2,
    "outage_ms": {"min": 4.1, "median": 5, "max": 31.5}, "bound_ms": 20, "requests_failed": 7, "resets": 7, "holders_max": 1,
    "overlap_ms_max": 0, "loop_late_ms_max": 1.5, "not_as_promised": ["outage 31.5 ms, promised 20 ms"]},
   {"case": "planned", "system": "pacemaker", "profile": "-", "nodes": 3, "n": 2,
    "outage_ms": {"min": 900, "median": 1000, "max": 1100}, "bound_ms": null, "requests_failed": 200, "resets": 0, "holders_max": 1,
    "overlap_ms_max": 0, "loop_late_ms_max": null, "not_as_promised": []}])";
  ASSERT_EQ(run({"drill", "report", file}), kExitDone) << err.str();
  EXPECT_TRUE(printed("31.5 ms     20 ms")) << out.str();
  EXPECT_TRUE(printed("1100 ms         -")) << out.str();
  EXPECT_TRUE(printed("0 ms       -\n")) << out.str();
  EXPECT_TRUE(printed("\nNOT AS PROMISED: fairlead planned (3 nodes, vm): outage 31.5 ms, promised 20 ms\n")) << out.str();
  std::ofstream(file) << "{}";
  EXPECT_EQ(run({"drill", "report", file}), kExitFailed);
  EXPECT_TRUE(complained("no report of drills")) << err.str();
  std::filesystem::remove(file);
}

TEST_F(CliTest, TheWayToTheDaemonIsPassedOn) {
  ASSERT_EQ(run({"--socket", "/tmp/a.sock", "status"}), kExitDone);
  EXPECT_EQ(connected.socket, "/tmp/a.sock");
  ASSERT_EQ(run({"status", "--server", "https://gate-1:9440", "--ca", "ca.crt", "--cert", "c", "--key", "k"}), kExitDone);
  EXPECT_EQ(connected.server, "https://gate-1:9440");
  EXPECT_EQ(connected.ca, "ca.crt");
}

TEST_F(CliTest, DrainWaitsUntilTheConnectionsAreGone) {
  set_connections(2);
  int asked = 0;
  on_pause = [&] { set_connections(++asked == 1 ? 1 : 0); };
  ASSERT_EQ(run({"server", "drain", "masters/mast-2", "--wait"}), kExitDone) << err.str();
  EXPECT_TRUE(complained("2 connections left\n"));
  EXPECT_TRUE(complained("1 connection left\n"));
  EXPECT_TRUE(complained("no connections left"));
}

TEST_F(CliTest, DrainDoesNotWaitForEver) {
  set_connections(3);
  EXPECT_EQ(run({"server", "drain", "masters/mast-2", "--wait", "--timeout", "10s"}), kExitFailed);
  EXPECT_TRUE(complained("3 connections are left after 10s")) << err.str();
  EXPECT_TRUE(complained("fairlead connections kill --pool masters --server mast-2"));
  EXPECT_EQ(clock.at, std::chrono::hours(1) + std::chrono::seconds(10));
}

TEST_F(CliTest, ForceGoesToTheDaemonWhichMayRefuseWithout) {
  const std::vector<std::vector<std::string>> verbs{
      {"drain", "masters/mast-2"}, {"maint", "masters/mast-2"}, {"remove", "masters/mast-2"}, {"weight", "masters/mast-2", "0"}};
  for (auto verb : verbs) {
    verb.insert(verb.begin(), "server");
    node.set_answer(Error{Errc::kRefused, "masters/mast-2 is the only server; say --force"});
    EXPECT_EQ(run(verb), kExitRefused) << verb[1];
    EXPECT_TRUE(complained("--force"));
    EXPECT_EQ(node.commands().back().find("force"), std::string::npos);
    node.set_answer(admin::CommandResult{.summary = "done", .details = {}, .needs_restart = {}});
    verb.emplace_back("--force");
    EXPECT_EQ(run(verb), kExitDone) << verb[1];
    EXPECT_NE(node.commands().back().find(" force"), std::string::npos) << node.commands().back();
  }
}

TEST_F(CliTest, AListThatLacksAWorkersConnectionsSaysSo) {
  admin::ConnectionInfo one;
  one.client = "10.0.0.9:5000";
  node.set_connections({one}, {1});
  EXPECT_EQ(run({"connections", "list"}), kExitFailed);
  EXPECT_TRUE(printed("10.0.0.9:5000")) << "what there is";
  EXPECT_TRUE(complained("not complete: worker 1")) << err.str();
  EXPECT_EQ(run({"connections", "list", "--json"}), kExitFailed);
  EXPECT_EQ(boost::json::parse(out.str()).at("silent_workers").as_array().size(), 1U);
}

TEST_F(CliTest, WhatClosesConnectionsIsAskedForAtATerminal) {
  interactive = true;
  typed = "n";
  EXPECT_EQ(run({"server", "maint", "masters/mast-1"}), kExitFailed);
  EXPECT_TRUE(complained("[y/N]"));
  EXPECT_TRUE(node.commands().empty());
  typed = "y";
  EXPECT_EQ(run({"server", "maint", "masters/mast-1"}), kExitDone);
  typed = "n";
  EXPECT_EQ(run({"server", "maint", "masters/mast-1", "--yes"}), kExitDone);
}

TEST_F(CliTest, EventsAreFilteredByTimeAndFollowed) {
  node.set_events({{1, "2024-01-31T11:00:00.000Z", "DAEMON_STARTED", "notice", {{"version", "0.1.0"}}},
                   {2, "2024-01-31T12:59:30.000Z", "SERVER_DOWN", "warning", {{"pool", "masters"}, {"reason", "connection refused"}}}});
  ASSERT_EQ(run({"events"}), kExitDone);
  EXPECT_EQ(out.str(),
            "2024-01-31T11:00:00.000Z notice  DAEMON_STARTED version=0.1.0\n2024-01-31T12:59:30.000Z warning SERVER_DOWN pool=masters "
            "reason=\"connection refused\"\n");
  // The fake clock stands at 13:00.
  ASSERT_EQ(run({"events", "--since", "10m"}), kExitDone) << err.str();
  EXPECT_FALSE(printed("DAEMON_STARTED"));
  EXPECT_TRUE(printed("SERVER_DOWN"));
  ASSERT_EQ(run({"events", "--since", "2024-01-31T12:59:31Z"}), kExitDone) << err.str();
  EXPECT_EQ(out.str(), "");
  for (const char* since :
       {"2024-01-31T12:59:30Z", "2024-01-31 12:59", "2024-01-31T12:59:30.000Z", "2024-01-31T14:59:30+02:00", "2024-01-31t10:29:30-02:30"}) {
    ASSERT_EQ(run({"events", "--since", since}), kExitDone) << err.str();
    EXPECT_TRUE(printed("SERVER_DOWN")) << since;
    EXPECT_FALSE(printed("DAEMON_STARTED")) << since;
  }
  for (const char* since : {"2024-01-31T12:59:30+2", "2024-01-31T12:59:30.Z", "2024-01-31T1", "yesterday", "2024-13-01", "2023-02-29",
                            "2024-01-31T25:00", "2024-01-31T12:59:30Zx"}) {
    EXPECT_EQ(run({"events", "--since", since}), kExitUsage) << since;
    EXPECT_TRUE(complained("--since")) << since;
  }

  pauses = 1;
  on_pause = [&] { node.set_events({{3, "2024-01-31T13:00:01.000Z", "SERVER_UP", "notice", {}}}); };
  ASSERT_EQ(run({"events", "--follow", "-o", "json"}), kExitDone);
  std::istringstream lines(out.str());
  std::vector<std::string> ids;
  for (std::string line; std::getline(lines, line);) ids.emplace_back(boost::json::parse(line).at("id").as_string().c_str());
  EXPECT_EQ(ids, (std::vector<std::string>{"DAEMON_STARTED", "SERVER_DOWN", "SERVER_UP"}));
}

TEST_F(CliTest, WhatEveryProgramIsAskedIsAnswered) {
  ASSERT_EQ(run({"version"}), kExitDone);
  const std::string version = out.str();
  EXPECT_EQ(run({"--version"}), kExitDone) << err.str();
  EXPECT_EQ(out.str(), version);
  ASSERT_EQ(run({"--help"}), kExitDone);
  const std::string help = out.str();
  EXPECT_EQ(run({"help"}), kExitDone) << err.str();
  EXPECT_EQ(out.str(), help);
  ASSERT_EQ(run({"vip", "move", "--help"}), kExitDone);
  const std::string move = out.str();
  EXPECT_EQ(run({"help", "vip", "move"}), kExitDone) << err.str();
  EXPECT_EQ(out.str(), move);
}

// Between two looks: the new daemon has said more than its follower had read of the old one.
TEST_F(CliTest, WhoFollowsEventsFollowsThemOverARestart) {
  node.set_events({{7, "2024-01-31T12:00:00.000Z", "DAEMON_STOPPING", "notice", {}}});
  pauses = 3;
  on_pause = [&, look = 0]() mutable {
    if (++look == 1) reachable = false;
    if (look == 2) {
      reachable = true;
      node.set_life("another", {{1, "2024-01-31T12:00:01.000Z", "DAEMON_STARTED", "notice", {}},
                                {8, "2024-01-31T12:00:01.500Z", "SERVER_UP", "notice", {}}});
    }
  };
  ASSERT_EQ(run({"events", "--follow"}), kExitDone) << err.str();
  EXPECT_TRUE(printed("DAEMON_STOPPING"));
  EXPECT_TRUE(printed("DAEMON_STARTED")) << out.str();
  EXPECT_TRUE(printed("SERVER_UP"));
  EXPECT_TRUE(complained("no answer, waiting for one: cannot reach")) << err.str();
  EXPECT_TRUE(complained("the daemon was started anew")) << err.str();
  reachable = false;
  EXPECT_EQ(run({"events", "--follow"}), kExitUnreachable) << "at first there has to be one";
}

TEST_F(CliTest, WhoFollowsEventsIsToldThatSomeAreLost) {
  node.set_events({{7, "2024-01-31T12:00:00.000Z", "SERVER_DOWN", "notice", {}}});
  pauses = 1;
  on_pause = [&] { node.set_events({{30, "2024-01-31T12:00:01.000Z", "SERVER_UP", "notice", {}}}); };
  ASSERT_EQ(run({"events", "--follow"}), kExitDone) << err.str();
  EXPECT_TRUE(complained("22 events are lost")) << err.str();
  EXPECT_TRUE(printed("SERVER_UP"));
}

TEST_F(CliTest, AReportThatIsOldIsSaidToBe) {
  auto report = testing::sample_report();
  report.age_s = 3.25;
  node.set_report(report);
  ASSERT_EQ(run({"status"}), kExitDone);
  EXPECT_TRUE(printed("report   3.2 s old")) << out.str();
  report.age_s = 0.9;
  node.set_report(report);
  ASSERT_EQ(run({"status"}), kExitDone);
  EXPECT_FALSE(printed("s old")) << out.str();
}

TEST_F(CliTest, WhatIsDoneOnOneNodeOfAClusterIsSaidToBe) {
  node.set_report(testing::sample_cluster_report());
  const std::vector<std::vector<std::string>> verbs{{"server", "drain", "masters/mast-1"},
                                                    {"server", "weight", "masters/mast-1", "50"},
                                                    {"server", "add", "masters/mast-9", "192.0.2.9:6443"},
                                                    {"server", "remove", "masters/mast-1"},
                                                    {"listener", "disable", "kube-api"}};
  for (const auto& verb : verbs) {
    ASSERT_EQ(run(verb), kExitDone) << err.str();
    EXPECT_TRUE(printed("on gate-1 only: gate-2, gate-3 have states of their own\n")) << out.str();
  }
  ASSERT_EQ(run({"server", "drain", "masters/mast-1", "--json"}), kExitDone);
  EXPECT_FALSE(printed("only"));
  node.set_report(testing::sample_report());
  ASSERT_EQ(run({"server", "drain", "masters/mast-1"}), kExitDone);
  EXPECT_FALSE(printed("only")) << "there is no other";
}

TEST_F(CliTest, ChecksAFileAndExplainsKeys) {
  const auto folder =
      std::filesystem::temp_directory_path() /
      ("fairlead-cli-" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string good = (folder / "good.yaml").string();
  const std::string bad = (folder / "bad.yaml").string();
  std::ofstream(good) << "apiVersion: fairlead/v1\nlisteners:\n  - {name: web, bind: [\"127.0.0.1:8080\"], pool: web}\npools:\n  - name: "
                         "web\n    servers:\n"
                         "      - {name: a, address: \"127.0.0.1:8081\"}\n";
  std::ofstream(bad) << "apiVersion: fairlead/v1\npols: []\n";

  EXPECT_EQ(run({"check", good}), kExitDone) << out.str() << err.str();
  EXPECT_TRUE(printed(good + ": valid")) << out.str();
  EXPECT_EQ(run({"check", bad}), kExitInvalidConfig);
  EXPECT_TRUE(printed(bad + ":2:1: error:")) << out.str();
  EXPECT_EQ(run({"check", bad, "--json"}), kExitInvalidConfig);
  EXPECT_EQ(boost::json::parse(out.str()).at("valid"), false);
  EXPECT_EQ(run({"check", (folder / "none.yaml").string()}), kExitInvalidConfig);

  EXPECT_EQ(run({"schema"}), kExitDone);
  EXPECT_TRUE(boost::json::parse(out.str()).is_object());
  EXPECT_EQ(run({"schema", "--kind", "site"}), kExitDone);
  EXPECT_TRUE(printed("before_apply")) << out.str();
  EXPECT_EQ(run({"schema", "--kind", "sight"}), kExitUsage);
  EXPECT_EQ(run({"explain", "--site", "machines.roles"}), kExitDone);
  EXPECT_TRUE(printed("control-plane")) << out.str();
  EXPECT_EQ(run({"explain", "--site", "machines.rolls"}), kExitFailed);
  EXPECT_TRUE(complained("did you mean 'roles'?")) << err.str();
  const std::string site = (folder / "site.yaml").string();
  std::ofstream(site) << bootstrap::init_text();
  EXPECT_EQ(run({"check", site}), kExitDone) << out.str() << err.str();
  std::ofstream(site, std::ios::app) << "mashines: []\n";
  EXPECT_EQ(run({"check", site}), kExitInvalidConfig);
  EXPECT_TRUE(printed("mashines")) << out.str();
  std::string spoilt = bootstrap::init_text();
  const std::string comment = "# override: {log: {level: debug}}";
  ASSERT_NE(spoilt.find(comment), std::string::npos);
  std::ofstream(site) << spoilt.replace(spoilt.find(comment), comment.size(), "override: {pols: []}");
  EXPECT_EQ(run({"check", site}), kExitInvalidConfig);
  EXPECT_TRUE(printed("it renders fairlead.yaml")) << out.str();
  EXPECT_EQ(run({"explain", "pools.idle_timeout"}), kExitDone);
  EXPECT_TRUE(printed("idle_timeout")) << out.str();
  EXPECT_EQ(run({"explain", "pools.idle_tmeout"}), kExitFailed);
  EXPECT_TRUE(complained("idle_timeout")) << err.str();

  std::ifstream in(good);
  std::stringstream text;
  text << in.rdbuf();
  node.set_config(text.str());
  EXPECT_EQ(run({"config", "show"}), kExitDone);
  EXPECT_EQ(out.str(), text.str());
  EXPECT_EQ(run({"config", "show", "--defaults"}), kExitDone);
  EXPECT_TRUE(printed("idle_timeout: 1h")) << out.str();
  EXPECT_EQ(run({"config", "diff", good}), kExitDone) << err.str();
  EXPECT_TRUE(printed("no difference")) << out.str();
  std::ofstream(good, std::ios::app) << "      - {name: b, address: \"127.0.0.1:8082\"}\n";
  EXPECT_EQ(run({"config", "diff", good}), kExitDone) << err.str();
  EXPECT_TRUE(printed("b")) << out.str();
  EXPECT_EQ(run({"config", "diff", bad}), kExitInvalidConfig);

  EXPECT_EQ(run({"config", "diff", good, "-o", "json"}), kExitDone) << err.str();
  EXPECT_EQ(boost::json::parse(out.str()).at("changes").as_array().size(), 1U) << out.str();
  EXPECT_EQ(run({"config", "show", "-o", "json"}), kExitDone) << err.str();
  EXPECT_EQ(boost::json::parse(out.str()).at_pointer("/pools/0/servers/0/name"), "a") << out.str();
  EXPECT_EQ(run({"config", "show", "-o", "yaml"}), kExitDone);
  EXPECT_EQ(out.str(), text.str());
  EXPECT_EQ(run({"explain", "pools.idle_timeout", "-o", "json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("key"), "pools.idle_timeout") << out.str();
  EXPECT_EQ(run({"explain", "pools.idle_timeout", "-o", "yaml"}), kExitDone);
  EXPECT_TRUE(printed("key: pools.idle_timeout")) << out.str();
  std::filesystem::remove_all(folder);
}

TEST(ServerUrlTest, OnlyHttpAndHttpsWithAPort) {
  const auto url = parse_server_url("https://[::1]:9440/");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, "9440");
  for (const char* text : {"", "127.0.0.1:9440", "ftp://a:1", "http://a", "http://a:0", "http://a:1/path", "https://:1"})
    EXPECT_FALSE(parse_server_url(text)) << text;
}

TEST(CliReferenceTest, ThePageIsTheProgram) { testing::expect_reference_page("cli.md", cli_reference_page()); }

}  // namespace
}  // namespace fairlead::cli
