// What helps when something is wrong: events explained, the flight recorder, the log, the bundle.
#include <boost/json.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <thread>
#include <sys/wait.h>
#include <unistd.h>

#include "base/flight_files.h"
#include "base/flight_recorder.h"
#include "base/system_clock.h"
#include "cli/event_guide.h"
#include "cli/gather.h"
#include "cli/logs_verb.h"
#include "cli/support_bundle.h"
#include "cli/when.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::string a_flight(int entries) {
  FlightRecorder recorder({.ring = "", .state_dir = "", .bytes = kFlightBytes});
  for (int i = 0; i < entries; ++i) {
    recorder.append({WallTime(std::chrono::seconds(1706702400 + 60 * i)),
                     i % 2 == 0 ? MessageId::SERVER_DOWN : MessageId::NODE_BEAT,
                     {{"pool", "masters"}, {"server", "mast-" + std::to_string(i)}}});
  }
  return recorder.dump();
}

class DiagnosisTest : public CliTest {
 protected:
  std::string config(const std::string& more = "") {
    const std::string path = dir.path("fairlead.yaml");
    write(path, "apiVersion: fairlead/v1\nstate_dir: " + dir.path("state") + "\nadmin: {socket: " + dir.path("fl.sock") + "}\n" + more);
    fs::create_directory(dir.path("state"));
    return path;
  }
  TempDir dir;
};

// ---- times ----

TEST(When, TakesDurationsAndRfc3339) {
  const WallTime now = WallTime(std::chrono::seconds(1706702400));  // 2024-01-31T12:00:00Z
  for (const auto& [text, seconds] : std::vector<std::pair<std::string, double>>{{"10m", -600},
                                                                                 {"2024-01-31T11:00:00Z", -3600},
                                                                                 {"2024-01-31t11:00:00.250z", -3599.75},
                                                                                 {"2024-01-31T13:30:00+01:30", 0},
                                                                                 {"2024-01-31T07:00:00-05:00", 0},
                                                                                 {"2024-01-31 11:59", -60},
                                                                                 {"2024-01-31", -43200}}) {
    const auto at = parse_when(text, now);
    ASSERT_TRUE(at.has_value()) << text;
    EXPECT_DOUBLE_EQ(to_seconds(*at - now), seconds) << text;
  }
  for (const char* text : {"", "5", "-5m", "tomorrow", "2024-02-30", "2024-01-31T12", "2024-01-31T12:00:00+1", "2024-01-31T12:00:00Z ",
                           "20240131", "99999-01-01", "2024-01-31T12:00:00.Z", "2024-1-31"})
    EXPECT_FALSE(parse_when(text, now).has_value()) << text;
}

// ---- events explained ----

TEST_F(DiagnosisTest, EveryEventOfThisReleaseCanBeExplained) {
  const std::vector<std::pair<std::string, LogLevel>> all{
#define FL_MESSAGE(id, level, keys) {#id, LogLevel::level},
#include "base/messages.def"
#undef FL_MESSAGE
  };
  for (const auto& [id, level] : all) {
    const auto guide = find_event_guide(id);
    ASSERT_TRUE(guide.has_value()) << id;
    EXPECT_EQ(guide->level, to_string(level)) << id;
    for (const char* part : {"Clients:", "Look at:", "Do:", "Harmless when:"})
      EXPECT_NE(guide->text.find(part), std::string::npos) << id << " lacks " << part;
  }
}

TEST_F(DiagnosisTest, ExplainTakesEventsInEitherCaseAndNamesTheNearest) {
  reachable = false;  // It needs no daemon.
  ASSERT_EQ(run({"explain", "SERVER_DOWN"}), kExitDone) << err.str();
  EXPECT_TRUE(printed("SERVER_DOWN  warning")) << out.str();
  EXPECT_TRUE(printed("\n- Clients: ")) << out.str();
  EXPECT_FALSE(printed("**")) << out.str();
  const std::string text = out.str();
  ASSERT_EQ(run({"explain", "server_down"}), kExitDone);
  EXPECT_EQ(out.str(), text);
  ASSERT_EQ(run({"explain", "SERVER_DOWN", "-o", "json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at("level"), "warning");
  EXPECT_EQ(run({"explain", "SERVER_DWN"}), kExitFailed);
  EXPECT_TRUE(complained("SERVER_DOWN")) << err.str();
  EXPECT_EQ(run({"explain", "pools.health"}), kExitDone) << "keys as before";
}

// ---- flight recorder ----

TEST_F(DiagnosisTest, BlackboxShowsTheNewestEntriesOfTheDaemon) {
  node.set_blackbox(a_flight(10));
  ASSERT_EQ(run({"blackbox"}), kExitDone) << err.str();
  EXPECT_TRUE(printed("2024-01-31T12:08:00.000Z warning SERVER_DOWN pool=masters server=mast-8\n")) << out.str();
  EXPECT_TRUE(printed("debug   NODE_BEAT")) << out.str();
  ASSERT_EQ(run({"blackbox", "--last", "2"}), kExitDone);
  EXPECT_FALSE(printed("mast-7"));
  EXPECT_TRUE(printed("mast-9"));
  EXPECT_TRUE(complained("the newest 2 of 10")) << err.str();
  ASSERT_EQ(run({"blackbox", "--last", "3m", "-o", "json"}), kExitDone) << err.str();
  EXPECT_EQ(boost::json::parse(out.str()).at("entries").as_array().size(), 4U);
  for (const char* last : {"0", "-1", "x", "0s", ""}) EXPECT_EQ(run({"blackbox", "--last", last}), kExitUsage) << last;
}

TEST_F(DiagnosisTest, BlackboxIsForOperators) {
  node.set_blackbox(a_flight(1));
  role = admin::ApiRole::kRead;
  EXPECT_EQ(run({"blackbox"}), kExitRefused);
  EXPECT_EQ(out.str(), "");
}

TEST_F(DiagnosisTest, BlackboxReadsWhatADeadDaemonLeft) {
  reachable = false;
  const std::string file = config();
  EXPECT_EQ(run({"blackbox", "--config", file, "--socket", dir.path("fl.sock")}), kExitUnreachable);
  EXPECT_TRUE(complained(dir.path("state") + "/blackbox")) << err.str();

  fs::create_directory(dir.path("state/blackbox"));
  write(dir.path("state/blackbox/20240131T110000Z-7.fdata"), a_flight(4));
  ASSERT_EQ(run({"blackbox", "--config", file, "--socket", dir.path("fl.sock")}), kExitDone) << err.str();
  EXPECT_TRUE(printed("mast-2"));
  EXPECT_TRUE(complained("20240131T110000Z-7.fdata")) << err.str();

  ASSERT_EQ(run({"blackbox", dir.path("state/blackbox/20240131T110000Z-7.fdata"), "--last", "1", "--out", dir.path("copy")}), kExitDone);
  EXPECT_EQ(TempDir::read(dir.path("copy")), a_flight(4));
  EXPECT_EQ(run({"blackbox", file}), kExitFailed) << "not such a file";
}

TEST_F(DiagnosisTest, BlackboxReadsTheRingOfAKilledDaemon) {
  std::string memory = "/dev/shm/fairlead-test-XXXXXX";
  if (::mkdtemp(memory.data()) == nullptr) GTEST_SKIP() << "needs /dev/shm";
  const std::string socket = memory + "/fl.sock";
  if (const pid_t child = ::fork(); child == 0) {
    FlightRecorder recorder({.ring = socket + std::string(kFlightRingSuffix), .state_dir = "", .bytes = kFlightBytes});
    recorder.append({SystemClock().wall(), MessageId::GUARD_UP, {{"pid", "77"}}});
    ::kill(::getpid(), SIGKILL);
  } else {
    ::waitpid(child, nullptr, 0);
  }
  reachable = false;

  EXPECT_EQ(run({"blackbox", "--socket", socket}), kExitDone) << err.str();
  EXPECT_TRUE(printed("GUARD_UP pid=77")) << out.str();
  fs::remove_all(memory);
}

// ---- log ----

TEST_F(DiagnosisTest, LogsBecomesTheProgramThatReadsThem) {
  const std::string log = dir.path("fairleadd.log");
  write(log, "one\n");
  auto report = testing::sample_report();
  report.log_target = "file";
  report.log_path = log;
  node.set_report(report);
  EXPECT_EQ(run({"logs", "--follow", "-n", "5"}), kExitFailed);  // The fixture's replace_process() returns.
  EXPECT_EQ(became, (std::vector<std::string>{"tail", "-n", "5", "-F", "--", log}));

  report.log_target = "journal";
  node.set_report(report);
  (void)run({"logs"});
  EXPECT_EQ(became, (std::vector<std::string>{"journalctl", "--no-hostname", "-n", "200", "-u", "fairleadd", "--no-pager"}));

  report.log_target = "file";
  report.log_path = dir.path("none");
  node.set_report(report);
  became.clear();
  EXPECT_EQ(run({"logs"}), kExitFailed);
  EXPECT_TRUE(complained("none, which cannot be read")) << err.str();
  EXPECT_TRUE(became.empty());
  EXPECT_EQ(run({"--server", "http://127.0.0.1:1", "logs"}), kExitUsage);
}

TEST_F(DiagnosisTest, LogsOfADeadDaemonAreWhereItsFileSays) {
  reachable = false;
  const std::string log = dir.path("old.log");
  write(log, "one\n");
  (void)run({"logs", "--config", config("log: {target: file, path: " + log + "}\n")});
  EXPECT_EQ(became.back(), log) << err.str();
  EXPECT_EQ(run({"logs", "--config", dir.path("none.yaml")}), kExitFailed);
  EXPECT_TRUE(complained("--config")) << err.str();
}

TEST_F(DiagnosisTest, StandardErrorIsReadWhereItIsAFile) {
  const std::string log = dir.path("stderr");
  write(log, "x\n");
  fs::create_directories(dir.path("proc/77/fd"));
  fs::create_symlink(log, dir.path("proc/77/fd/2"));
  fs::create_directories(dir.path("proc/78/fd"));
  fs::create_symlink("/dev/null", dir.path("proc/78/fd/2"));
  const LogPlace place{.target = "stderr", .path = "", .daemon = 77};

  const auto reader = log_reader(place, false, 9, dir.path(""));
  ASSERT_TRUE(reader.has_value()) << reader.error().message();
  EXPECT_EQ(reader->command.back(), log);
  EXPECT_FALSE(log_reader({.target = "stderr", .path = "", .daemon = 78}, false, 9, dir.path("")).has_value());
  EXPECT_FALSE(log_reader({.target = "stderr", .path = "", .daemon = 0}, false, 9, dir.path("")).has_value());
  EXPECT_FALSE(log_reader({.target = "syslog", .path = "", .daemon = 0}, false, 9, dir.path("")).has_value());
}

// ---- gathering ----

TEST(Gather, TellsHowAProgramEnded) {
  const auto good = gather({"sh", "-c", "echo out; echo err >&2"}, std::chrono::seconds(10), 100);
  EXPECT_EQ(good.output, "out\nerr\n");
  EXPECT_EQ(good.problem, "");
  EXPECT_EQ(gather({"sh", "-c", "exit 3"}, std::chrono::seconds(10), 100).problem, "exit 3");
  EXPECT_EQ(gather({"sh", "-c", "kill -9 $$"}, std::chrono::seconds(10), 100).problem, "ended by signal 9");
  EXPECT_NE(gather({"no-such-program-here"}, std::chrono::seconds(10), 100).problem.find("no such program"), std::string::npos);
  const auto much = gather({"sh", "-c", "yes | head -c 100000"}, std::chrono::seconds(10), 1000);
  EXPECT_EQ(much.output.size(), 1000U);
  EXPECT_TRUE(much.cut);
}

TEST(Gather, EndsWhatTakesTooLongWithItsChildren) {
  TempDir dir;
  const std::string pid = dir.path("pid");
  const auto got = gather({"sh", "-c", "sleep 1000 & echo $! > " + pid + "; echo started; wait"}, std::chrono::milliseconds(300), 100);
  EXPECT_EQ(got.output, "started\n");
  EXPECT_NE(got.problem.find("took longer"), std::string::npos);
  const auto child = std::stol(TempDir::read(pid));
  // Killed it was; the kernel may still be at it.
  std::string stat;
  for (int tries = 0; tries < 500; ++tries) {
    stat = TempDir::read("/proc/" + std::to_string(child) + "/stat");
    if (stat.empty() || stat.find(") Z") != std::string::npos) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // tidy: polls
  }
  ADD_FAILURE() << "a child is left: " << stat;
}

// ---- bundle ----

class BundleTest : public DiagnosisTest {
 protected:
  /// Everything in the archive, one after the other.
  std::string unpacked(const std::string& archive) {
    const std::string to = dir.path("unpacked");
    fs::remove_all(to);
    fs::create_directory(to);
    EXPECT_EQ(gather({"tar", "-C", to, "-xzf", archive}, std::chrono::seconds(60), 4096).problem, "");
    std::string all;
    for (const auto& entry : fs::recursive_directory_iterator(to)) {
      if (!entry.is_regular_file()) continue;
      all += "\n==== " + fs::relative(entry.path(), to).string() + "\n" + TempDir::read(entry.path().string());
    }
    return all;
  }
  /// A folder with scripts of these names.
  std::string programs(const std::vector<std::pair<std::string, std::string>>& scripts) {
    fs::create_directories(dir.path("bin"));
    for (const auto& [name, script] : scripts) {
      write(dir.path("bin/" + name), "#!/bin/sh\n" + script + "\n");
      fs::permissions(dir.path("bin/" + name), fs::perms::owner_all);
    }
    return dir.path("bin");
  }
};

/// Secrets in every place they are kept in, and written where they should not be.
class PlantedBundleTest : public BundleTest {
 protected:
  std::string bundle(const std::string& type) {
    write(dir.path("token"), token + "\n");
    write(dir.path("client.key"), "-----BEGIN EC PRIVATE KEY-----\n" + key_line + "\n-----END EC PRIVATE KEY-----\n");
    write(dir.path("authkey"), std::string("\x01\x02\0KEYOFCOROSYNC\xff", 17));
    write(dir.path("corosync.conf"), "totem {\n  version: 2\n  token: 800\n  key: INLINEKEYOFCOROSYNC\n}\n");
    if (!fs::exists(dir.path("log"))) write(dir.path("log"), "started with token " + token + "\nand " + key_line + "\n");
    const auto pool = [](const std::string& name, const std::string& checks) {
      return "  - name: " + name + "\n    health: {" + checks + "}\n    servers:\n      - {name: a, address: \"127.0.0.1:8081\"}\n";
    };
    const std::string file =
        config("# password hunter2 in a comment\nlog: {target: file, path: " + dir.path("log") + "}\npools:\n" +
               pool("web", type + ", verify: false, token_file: " + dir.path("token")) +
               pool("api", "type: https, verify: false, cert: " + dir.path("client.crt") + ", key: " + dir.path("client.key")) + more);
    auto report = testing::sample_report();
    report.config_file = file;
    report.log_path = dir.path("log");
    report.pid = static_cast<std::uint32_t>(::getpid());
    if (serves_dhcp) report.dhcp = testing::sample_dhcp();
    node.set_report(report);
    node.set_config(active);
    FlightRecorder recorder({.ring = "", .state_dir = "", .bytes = kFlightBytes});
    recorder.append({WallTime{}, MessageId::CONFIG_REFUSED, {{"message", "token " + token + " is not understood"}}});
    node.set_blackbox(recorder.dump());
    corosync = dir.path("");
    EXPECT_EQ(run({"support", "bundle", "--out", dir.path("b.tar.gz")}), kExitDone) << err.str();
    return unpacked(dir.path("b.tar.gz"));
  }
  void expect_no_secret(const std::string& all) const {
    for (const std::string& secret : {token, key_line, std::string("KEYOFCOROSYNC"), std::string("hunter2"), std::string("PRIVATE KEY")})
      EXPECT_EQ(all.find(secret), std::string::npos) << secret;
  }
  std::string more;  ///< Sections of the file.
  bool serves_dhcp = false;
  std::string active = "apiVersion: fairlead/v1\nnode: gate-1\n";
  const std::string token = "kube-TOKEN-9d8f7e6c5b4a";
  const std::string key_line = "MHcCAQEEIBm3dThisIsTheKeysOwnLine0123456789";
};

TEST_F(PlantedBundleTest, HoldsWhatAMaintainerNeedsAndNoSecret) {
  const std::string all = bundle("type: https");

  for (const char* part : {"MANIFEST.txt", "daemon/status.json", "daemon/events.json", "daemon/metrics.txt", "daemon/proc-limits.txt",
                           "config/fairlead.yaml", "recorder/newest.txt", "recorder/daemon.fdata", "log.txt", "corosync/corosync.conf",
                           "system/version.txt", "system/sysctl.txt", "token_file: ", "token: 800", "CONFIG_REFUSED"})
    EXPECT_NE(all.find(part), std::string::npos) << part;
  expect_no_secret(all);
  EXPECT_TRUE(printed("Left out on purpose")) << out.str();
  struct stat what {};
  ASSERT_EQ(::stat(dir.path("b.tar.gz").c_str(), &what), 0);
  EXPECT_EQ(what.st_mode & 0777U, 0600U);
}

TEST_F(PlantedBundleTest, HoldsLeasesAndRouterAndWhatWasWrittenForTheirPrograms) {
  for (const char* folder : {"state/dhcp", "state/router", "state/sync"}) fs::create_directories(dir.path(folder));
  write(dir.path("state/dhcp/dnsmasq.conf"),
        "# Written by fairleadd from fairlead.yaml.\nbind-dynamic\ndhcp-option=252,password=hunter2\n");
  write(dir.path("elsewhere"), "# Written by fairleadd, and not for others\n");
  fs::create_symlink(dir.path("elsewhere"), dir.path("state/sync/conntrackd.conf"));
  serves_dhcp = true;
  node.set_router(
      admin::RouterReport{"in force", "in force", "table inet fairlead_router\n", "", 0, "sync: conntrackd runs", "cache internal:\n"});

  const std::string all = bundle("type: https");

  for (const char* part : {"==== fairlead-support-", "/dnsdhcp/leases.json\n", "192.168.1.101", "/dnsdhcp/dnsmasq.conf\n", "bind-dynamic",
                           "/router/router.json\n", "table inet fairlead_router", "cache internal:"})
    EXPECT_NE(all.find(part), std::string::npos) << part;
  EXPECT_EQ(all.find("hunter2"), std::string::npos);
  EXPECT_EQ(all.find("not for others"), std::string::npos) << "a link in the daemon's folder";
  write(dir.path("state/dhcp/dnsmasq.conf"), "somebody else's\n");
  fs::remove(dir.path("b.tar.gz"));
  EXPECT_EQ(bundle("type: https").find("somebody else's"), std::string::npos);
}
TEST_F(PlantedBundleTest, HoldsNoSecretEitherWhenTheFileIsNotValid) {
  const std::string all = bundle("type: htps");

  EXPECT_NE(all.find("htps"), std::string::npos) << "its problems are there";
  expect_no_secret(all);
}

TEST_F(BundleTest, WorksWithoutADaemonAndSaysWhatIsMissing) {
  reachable = false;
  const std::string file = config();

  ASSERT_EQ(run({"support", "bundle", "--config", file, "--out", dir.path("b.tar.gz")}), kExitDone) << err.str();

  const std::string all = unpacked(dir.path("b.tar.gz"));
  const auto missing = out.str().find("Not gathered:");
  ASSERT_NE(missing, std::string::npos);
  EXPECT_NE(out.str().find("daemon/status.json", missing), std::string::npos) << out.str();
  EXPECT_NE(all.find("config/check.txt"), std::string::npos);
  EXPECT_NE(all.find("system/kernel.txt"), std::string::npos);
}

TEST_F(BundleTest, NeverWritesOverAFileAndLeavesNothingWhenItFails) {
  reachable = false;
  write(dir.path("mine"), "precious");
  fs::create_directory(dir.path("scratch"));
  ::setenv("TMPDIR", dir.path("scratch").c_str(), 1);  // Other tests use the common one at this moment.
  const auto left = [this] {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(dir.path("scratch")))
      count += entry.path().filename().string().starts_with("fairlead-bundle-");
    return count;
  };

  EXPECT_EQ(run({"support", "bundle", "--config", config(), "--out", dir.path("mine")}), kExitFailed);

  EXPECT_EQ(TempDir::read(dir.path("mine")), "precious");
  EXPECT_EQ(run({"support", "bundle", "--config", config(), "--out", "/dev/full/x"}), kExitFailed);
  EXPECT_EQ(left(), 0U);
  ::unsetenv("TMPDIR");
  EXPECT_EQ(run({"--server", "http://127.0.0.1:1", "support", "bundle"}), kExitUsage);
}

TEST_F(PlantedBundleTest, HooksAreThereWithoutTheirArguments) {
  more =
      "vips:\n  - name: api\n    address: 10.0.0.1/24\n    interface: lo\n    on_acquire:\n"
      "      - command: [/usr/local/bin/up, hook-argument-1, \"--with=hook-argument-2\", 10.0.0.7, x]\n";
  write(dir.path("log"), "ran /usr/local/bin/up hook-argument-1 --with=hook-argument-2 10.0.0.7\n");
  active = "apiVersion: fairlead/v1\n" + more;
  const std::string all = bundle("type: https");

  EXPECT_EQ(all.find("hook-argument"), std::string::npos);
  EXPECT_NE(all.find("/usr/local/bin/up"), std::string::npos);
  EXPECT_NE(all.find("10.0.0.7"), std::string::npos) << "an address is no secret";
}

TEST_F(PlantedBundleTest, UnitsAreThereWithoutTheProcessesThatRunInThem) {
  const std::string path = std::getenv("PATH");
  const std::string systemctl =
      "case \"$*\" in *status*) echo 'CGroup: 77 /usr/local/bin/up s3cret -pw /from/a/hook' ;; *show*MainPID*fairleadd*) echo MainPID=4711 "
      ";; esac";
  ::setenv("PATH", (programs({{"systemctl", systemctl}}) + ":" + path).c_str(), 1);
  const std::string all = bundle("type: htps");
  ::setenv("PATH", path.c_str(), 1);

  EXPECT_NE(all.find("MainPID=4711"), std::string::npos);
  EXPECT_EQ(all.find("s3cret"), std::string::npos);
}

TEST_F(PlantedBundleTest, RecordersHaveNoSecretEitherWhereOnlyItsNameIsKnown) {
  fs::create_directories(dir.path("state/blackbox"));
  FlightRecorder recorder({.ring = "", .state_dir = "", .bytes = kFlightBytes});
  recorder.append({WallTime{}, MessageId::CONFIG_REFUSED, {{"message", "http://bob:planted-in-url@host/ and password=planted-by-name"}}});
  write(dir.path("state/blackbox/20240131T110000Z-7.fdata"), recorder.dump());
  const std::string all = bundle("type: https");

  EXPECT_EQ(all.find("planted-"), std::string::npos);
  EXPECT_NE(all.find("20240131T110000Z-7.fdata"), std::string::npos);
  EXPECT_NE(all.find("(removed)@host/"), std::string::npos) << "what is no secret is there";
}

TEST_F(PlantedBundleTest, ASecretThatTheCutGoesThroughDoesNotComeOutInHalf) {
  write(dir.path("said"), std::string(kPartBytesMax - token.size() / 2 - 1, 'x') + "\n" + token + "\n" + std::string(1000, 'y') + "\n");
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (programs({{"ip", "cat " + dir.path("said")}}) + ":" + path).c_str(), 1);
  const std::string all = bundle("type: https");
  ::setenv("PATH", path.c_str(), 1);

  EXPECT_NE(all.find(std::string(1000, 'x')), std::string::npos) << "the rest is there";
  EXPECT_TRUE(printed("cut at")) << out.str();
  EXPECT_EQ(all.find(token.substr(0, token.size() / 2 - 1)), std::string::npos);
  EXPECT_EQ(all.find(token.substr(token.size() / 2 + 1)), std::string::npos);
}

TEST_F(BundleTest, TakesNothingOutOfTheDaemonsFolderButRecorders) {
  const std::string file = config("log: {target: file, path: " + dir.path("log") + "}\n");
  write(dir.path("elsewhere"), "not for others\n");
  fs::create_symlink(dir.path("elsewhere"), dir.path("log"));
  fs::create_directories(dir.path("state/blackbox"));
  fs::create_symlink(dir.path("elsewhere"), dir.path("state/blackbox/20240131T110000Z-7.fdata"));
  write(dir.path("state/blackbox/20240131T110000Z-8.fdata"), "not for others\n");
  fs::create_directory(dir.path("state/blackbox/20240131T110000Z-9.fdata"));
  write(dir.path("state/blackbox/20240131T110000Z-10.fdata"), a_flight(3));
  reachable = false;

  ASSERT_EQ(run({"support", "bundle", "--config", file, "--out", dir.path("b.tar.gz")}), kExitDone) << err.str();

  const std::string all = unpacked(dir.path("b.tar.gz"));
  EXPECT_EQ(all.find("not for others"), std::string::npos);
  EXPECT_NE(all.find("/recorder/20240131T110000Z-10.fdata\n"), std::string::npos) << "what is one is there";
  for (const char* said : {"-7.fdata: ", "is a symbolic link", "-8.fdata: ", "not a file of the flight recorder", "-9.fdata: "})
    EXPECT_NE(out.str().find(said, out.str().find("Not gathered:")), std::string::npos) << said << out.str();
}

TEST_F(DiagnosisTest, OfALogThatAllWriteToOnlyOurLinesAreShown) {
  fs::create_directories(dir.path("var/log"));
  write(dir.path("var/log/syslog"),
        "h sshd[7]: Accepted key\nh fairleadd[8]: one\nh sudo: x\nh fairleadd[8]: two\nh fairleadd[8]: three\nh cron\n");
  const auto reader = log_reader({.target = "syslog", .path = "", .daemon = 0}, false, 2, dir.path(""));
  ASSERT_TRUE(reader.has_value()) << reader.error().message();

  EXPECT_EQ(gather(reader->command, std::chrono::seconds(20), 4096).output, "h fairleadd[8]: two\nh fairleadd[8]: three\n");
}

TEST_F(BundleTest, ASignalEndsItAndLeavesNothing) {
  reachable = false;
  const std::string file = config();
  const std::string folder = dir.path("tmp");
  fs::create_directory(folder);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("TMPDIR", folder.c_str(), 1);
    // One of the bundle's programs asks for the end.
    ::setenv("PATH", (programs({{"ip", "kill -TERM $PPID\nexec sleep 60"}}) + ":/usr/bin:/bin").c_str(), 1);
    const int code = run({"support", "bundle", "--config", file, "--out", dir.path("b.tar.gz")});
    ::_exit(code == kExitFailed && complained("interrupted") ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);

  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_FALSE(fs::exists(dir.path("b.tar.gz")));
}

}  // namespace
}  // namespace fairlead::cli
