// `fairlead init`: what becomes of flags and answers, and what is refused before anything is written.
#include "cli/app.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "config/load.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace fairlead::cli {
namespace {

using Arguments = std::vector<std::string>;

IpAddress address(std::string_view text) { return *parse_ip_address(text); }

class InitTest : public ::testing::Test {
 protected:
  int run(Arguments arguments, bool terminal = false) {
    out.str("");
    err.str("");
    CliEnvironment environment{.out = out,
                               .err = err,
                               .clock = clock,
                               .read_line =
                                   [this] {
                                     std::string line;
                                     std::getline(typed, line);
                                     return line;
                                   },
                               .pause = [](Duration) { return true; }};
    environment.interactive = terminal;
    environment.cluster_paths = {etc.path("corosync"), file()};
    environment.host = [this] { return host; };
    environment.default_router = [this] { return router; };
    arguments.insert(arguments.begin(), "init");
    return run_cli(arguments, environment);
  }
  [[nodiscard]] std::string file() const { return etc.path("fairlead/fairlead.yaml"); }
  [[nodiscard]] bool written() const { return std::filesystem::exists(file()); }
  [[nodiscard]] config::Snapshot snapshot() const {
    auto loaded = config::load_file(file(), {});
    for (const auto& problem : loaded.problems) ADD_FAILURE() << config::format(problem);
    return loaded.snapshot.value_or(config::Snapshot{});
  }
  [[nodiscard]] bool complained(const std::string& text) const { return err.str().find(text) != std::string::npos; }

  test::TempDir etc;
  test::ManualClock clock;
  std::ostringstream out;
  std::ostringstream err;
  std::istringstream typed;
  config::Environment host = [] {
    config::Environment here;
    here.host_name = "gate-1";
    here.local_addresses = {address("127.0.0.1"), address("192.168.4.130")};
    return here;
  }();
  std::optional<IpAddress> router;
};

const Arguments kPair{"--vip",     "192.168.4.20/24", "--peer",   "gate-1=192.168.4.130",    "--peer", "gate-2=192.168.4.131",
                      "--gateway", "192.168.4.254",   "--server", "mast-1=192.168.1.11:6443"};

Arguments with(Arguments out, const Arguments& more) {
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

TEST_F(InitTest, AFewFlagsBecomeAFileThatPassesTheCheck) {
  ASSERT_EQ(run(with(kPair, {"--server", "mast-2=mast-2.kube.demo:7443", "--server", "mast-3=192.168.1.13"})), kExitDone) << err.str();

  const auto found = snapshot();
  ASSERT_TRUE(found.cluster);
  ASSERT_EQ(found.cluster->nodes.size(), 2U);
  EXPECT_EQ(found.cluster->nodes[1].name, "gate-2");
  EXPECT_EQ(found.cluster->nodes[1].id, 2U);
  EXPECT_EQ(found.cluster->tie_break->targets, std::vector{address("192.168.4.254")});
  EXPECT_EQ(found.vips[0].address.to_string(), "192.168.4.20/24");
  EXPECT_EQ(found.vips[0].interface, "auto");
  EXPECT_EQ(found.listeners[0].bind[0].to_string(), "192.168.4.20:6443");
  ASSERT_EQ(found.pools[0].servers.size(), 3U);
  EXPECT_EQ(to_string(found.pools[0].servers[1].address), "mast-2.kube.demo:7443");
  EXPECT_EQ(to_string(found.pools[0].servers[2].address), "192.168.1.13:6443");
  EXPECT_EQ(found.node, "") << "the same file for every node";
  EXPECT_NE(out.str().find("fairlead cluster setup --invite "), std::string::npos) << out.str();
  EXPECT_EQ(err.str(), "");
}

TEST_F(InitTest, WhatIsThereIsNotOverwritten) {
  ASSERT_EQ(run(kPair), kExitDone);
  const std::string first = test::TempDir::read(file());
  ASSERT_EQ(run(kPair), kExitDone);
  EXPECT_NE(out.str().find("unchanged"), std::string::npos) << out.str();

  EXPECT_EQ(run(with(kPair, {"--port", "8443"})), kExitRefused);
  EXPECT_TRUE(complained("is there already")) << err.str();
  EXPECT_TRUE(complained("--force"));
  EXPECT_EQ(test::TempDir::read(file()), first);

  ASSERT_EQ(run(with(kPair, {"--port", "8443", "--force"})), kExitDone) << err.str();
  EXPECT_EQ(test::TempDir::read(file() + ".before-fairlead"), first);
  EXPECT_EQ(snapshot().listeners[0].bind[0].port, 8443);
}

TEST_F(InitTest, ASinglePeerIsTheOtherOne) {
  ASSERT_EQ(run({"--vip", "192.168.4.20/24", "--peer", "gate-2=192.168.4.131", "--server", "m=192.168.1.11", "--gateway", "192.168.4.254"}),
            kExitDone)
      << err.str();
  const auto found = snapshot();
  ASSERT_EQ(found.cluster->nodes.size(), 2U);
  EXPECT_EQ(found.cluster->nodes[0].name, "gate-1");
  EXPECT_EQ(found.cluster->nodes[0].links, std::vector{address("192.168.4.130")});
}

TEST_F(InitTest, OfThreeGatewaysTheMajorityDecidesAndARouterThatWasGivenIsSaidToBeUnused) {
  ASSERT_EQ(run({"--vip", "192.168.4.20/24", "--peer", "gate-1=192.168.4.130", "--peer", "gate-2=192.168.4.131", "--peer",
                 "gate-3=192.168.4.132", "--server", "m=192.168.1.11", "--gateway", "192.168.4.254"}),
            kExitDone)
      << err.str();
  EXPECT_TRUE(complained("--gateway 192.168.4.254 is not used")) << err.str();
  EXPECT_FALSE(snapshot().cluster->tie_break);
}

TEST_F(InitTest, TheFolderIsOpenToTheDaemonWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  const int code = run(kPair);
  ::umask(before);
  ASSERT_EQ(code, kExitDone) << err.str();
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(std::filesystem::path(file()).parent_path()).permissions(), static_cast<perms>(0755));
  EXPECT_EQ(std::filesystem::status(file()).permissions(), static_cast<perms>(0644));
}

TEST_F(InitTest, AMachineOfAnotherNameSaysWhichNodeItIs) {
  host.host_name = "debian";
  ASSERT_EQ(run(kPair), kExitDone) << err.str();
  EXPECT_EQ(snapshot().node, "gate-1");
}

TEST_F(InitTest, AMachineOutsideIsToldHowToBeAmongTheGateways) {
  host.local_addresses = {{address("192.168.4.132")}};
  host.host_name = "gate-3";
  ASSERT_EQ(run(kPair), kExitDone) << err.str();
  EXPECT_TRUE(complained("--node NAME=ADDRESS")) << err.str();
  ASSERT_EQ(run(with(kPair, {"--node", "gate-3", "--force"})), kExitDone) << err.str();
  EXPECT_FALSE(complained("is none of the gateways")) << err.str();
  const auto loaded = config::load_file(file(), {});
  ASSERT_TRUE(loaded.snapshot);
  EXPECT_EQ(loaded.snapshot->cluster->nodes[0].links, std::vector{address("192.168.4.132")});
}

TEST_F(InitTest, TheDefaultRouteBreaksTheTieWhereItCan) {
  const Arguments flags{"--vip", "192.168.4.20/24", "--peer", "gate-2=192.168.4.131", "--server", "m=192.168.1.11"};
  router = address("192.168.4.254");
  ASSERT_EQ(run(flags), kExitDone);
  EXPECT_TRUE(complained("took 192.168.4.254")) << err.str();
  EXPECT_EQ(snapshot().cluster->tie_break->targets, std::vector{address("192.168.4.254")});

  for (const char* unusable : {"10.0.0.1", "192.168.4.131", "192.168.4.20"}) {
    router = address(unusable);
    ASSERT_EQ(run(with(flags, {"--force"})), kExitDone) << err.str();
    EXPECT_TRUE(complained("two nodes without tie_break")) << unusable << err.str();
    EXPECT_FALSE(config::load_file(file(), {}).snapshot->cluster->tie_break) << unusable;
  }
}

TEST_F(InitTest, WithoutPeersItIsOneGateway) {
  ASSERT_EQ(run({"--vip", "192.168.4.20/24", "--vip", "fd00::20/64", "--server", "m=192.168.1.11", "--ca", "/etc/fairlead/ca.crt"}),
            kExitDone)
      << err.str();
  const auto found = snapshot();
  EXPECT_FALSE(found.cluster);
  EXPECT_EQ(found.vips.size(), 2U);
  EXPECT_EQ(found.listeners[0].bind[1].to_string(), "[fd00::20]:6443");
  EXPECT_EQ(found.pools[0].health.ca, "/etc/fairlead/ca.crt");
  EXPECT_TRUE(found.pools[0].health.verify);

  ASSERT_EQ(run({"--server", "m=192.168.1.11", "--force"}), kExitDone) << err.str();
  EXPECT_EQ(snapshot().listeners[0].bind[0].to_string(), "0.0.0.0:6443");
}

TEST_F(InitTest, EveryWrongFlagIsNamedAndNothingIsWritten) {
  const auto pair_with = [](const char* vip, const char* one, const char* other) {
    return Arguments{"--vip", vip, "--peer", one, "--peer", other, "--gateway", "192.168.4.254", "--server", "m=192.168.1.11"};
  };
  const std::vector<std::pair<Arguments, std::string>> cases{
      {{}, "no --server"},
      {{"--server", "m=192.168.1.11", "--peer", "gate-2=192.168.4.131"}, "no --vip"},
      {{"--server", "m=192.168.1.11", "--gateway", "192.168.4.254"}, "name them with --peer"},
      {{"--server", "192.168.1.11"}, "write NAME=HOST:PORT"},
      {{"--server", "m=192.168.1.11:99999"}, "the port is 0 to 65535"},
      {{"--server", "m=192.168.1.11:0"}, "port 0 is none"},
      {{"--server", "m=192.168.1.11", "--port", "70000"}, "--port '70000'"},
      {{"--server", "m=192.168.1.11", "--vip", "192.168.4.20"}, "as in 192.168.4.20/24"},
      {{"--server", "m=192.168.1.11", "--vip", "192.168.4.300/24"}, "--vip '192.168.4.300/24'"},
      {{"--server", "m=192.168.1.11", "--ca", "ca.crt"}, "absolute"},
      {{"--server", "m=192.168.1.11", "--server", "m=192.168.1.12"}, "a second server 'm'"},
      {pair_with("192.168.4.130/24", "gate-1=192.168.4.130", "gate-2=192.168.4.131"), "the VIP is an address of node gate-1"},
      {pair_with("192.168.4.0/24", "gate-1=192.168.4.130", "gate-2=192.168.4.131"), "is the address of its network"},
      {pair_with("192.168.4.255/24", "gate-1=192.168.4.130", "gate-2=192.168.4.131"), "is the broadcast address"},
      {pair_with("192.168.4.20/24", "gate-1=192.168.4.130", "gate-1=192.168.4.131"), "a second node 'gate-1'"},
      {pair_with("192.168.4.20/24", "gate-1=192.168.4.130", "gate-2=192.168.4.130"), "is already a link of gate-1"},
      {pair_with("192.168.4.20/24", "gate-1=192.168.4.130", "Gate_2!=192.168.4.131"), "Gate_2!"},
      {pair_with("192.168.4.20/24", "gate-1", "gate-2=192.168.4.131"), "write NAME=ADDRESS"},
      {with(kPair, {"--profile", "slow"}), "one of: vm, fast, min"},
      {with(kPair, {"--interface", "eth 0"}), "eth 0"},
      {with(kPair, {"--cluster-name", "a: b\nkind: c"}), "a: b"},
      {{"--vip", "192.168.4.20/24", "--peer", "gate-1=192.168.4.130", "--server", "m=192.168.1.11"}, "is the only gateway"},
      {{"--vip", "10.0.0.20/24", "--peer", "gate-2=10.0.0.2", "--server", "m=192.168.1.11"}, "--node gate-1=ADDRESS"},
      {with(kPair, {"--node", "gate-1=192.168.4.140"}), "differ"},
  };
  for (const auto& [arguments, wanted] : cases) {
    EXPECT_EQ(run(arguments), kExitUsage) << wanted << out.str();
    EXPECT_TRUE(complained(wanted)) << wanted << "\n" << err.str();
    EXPECT_TRUE(complained("nothing was written")) << err.str();
    EXPECT_FALSE(written());
  }
  EXPECT_EQ(run({"--server", "x", "--vip", "y", "--port", "z"}), kExitUsage);
  for (const char* each : {"--server 'x'", "--vip 'y'", "--port 'z'"}) EXPECT_TRUE(complained(each)) << "all of them, not the first";
}

TEST_F(InitTest, AGatewayThatIsAlsoAServerIsWarnedOfItsPort) {
  ASSERT_EQ(run(with(kPair, {"--server", "own=192.168.4.131:6443"})), kExitDone) << err.str();
  EXPECT_TRUE(complained("--port 8443")) << err.str();
}

TEST_F(InitTest, AFolderThatIsNotToBeWrittenIsNamed) {
  EXPECT_EQ(run(with(kPair, {"--output", "/proc/fairlead/fairlead.yaml"})), kExitFailed);
  EXPECT_TRUE(complained("/proc/fairlead")) << err.str();
}

TEST_F(InitTest, StandardOutputGetsOnlyTheFile) {
  ASSERT_EQ(run(with(kPair, {"--output", "-"})), kExitDone) << err.str();
  EXPECT_TRUE(config::load_text(out.str(), "stdout", {}).snapshot);
  EXPECT_FALSE(written());

  ASSERT_EQ(run(with(kPair, {"--json"})), kExitDone);
  EXPECT_NE(out.str().find("\"change\": \"created\""), std::string::npos) << out.str();
}

TEST_F(InitTest, AtATerminalWithoutFlagsItAsks) {
  router = address("192.168.4.254");
  typed.str("192.168.4.20/24\ngate-2=192.168.4.131\n\n\n  mast-1=192.168.1.11 mast-2=192.168.1.12 \n\n");
  ASSERT_EQ(run({}, /*terminal=*/true), kExitDone) << err.str();
  const auto found = snapshot();
  EXPECT_EQ(found.cluster->nodes[0].name, "gate-1");
  EXPECT_EQ(found.cluster->tie_break->targets, std::vector{*router});
  EXPECT_EQ(found.pools[0].servers.size(), 2U);

  typed.clear();
  typed.str("192.168.4.20/24\ngate-2=192.168.4.131 gate-3=192.168.4.132\n\nmast-1=192.168.1.11\n/etc/fairlead/ca.crt\n");
  ASSERT_EQ(run({"--profile", "fast", "--force"}, true), kExitDone) << err.str();
  EXPECT_EQ(snapshot().cluster->nodes.size(), 3U);
  EXPECT_EQ(snapshot().cluster->profile, config::TimingProfile::kFast) << "flags that no question is about stay";
  EXPECT_EQ(snapshot().pools[0].health.ca, "/etc/fairlead/ca.crt");

  typed.clear();
  typed.str("");
  EXPECT_EQ(run({}, true), kExitUsage) << "the terminal is gone: no endless questions";
  EXPECT_EQ(run({"--server", "m=192.168.1.11", "--force"}, true), kExitDone);
  EXPECT_FALSE(complained("brackets")) << "who gives flags is asked nothing";
}

}  // namespace
}  // namespace fairlead::cli
