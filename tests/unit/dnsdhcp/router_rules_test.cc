// tests/golden/router/NAME.yaml -> NAME.nft. FL_UPDATE_GOLDEN=1 rewrites what is expected; read the difference.
#include "dnsdhcp/router_rules.h"
#include "generated/source_dir.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "config/derived_vips.h"
#include "config/load.h"

namespace fairlead::dnsdhcp {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

config::Snapshot snapshot_of(const std::string& text) {
  const auto loaded = config::load_text(text, "test.yaml", {});
  for (const auto& problem : loaded.problems) {
    if (problem.severity == config::Severity::kError) ADD_FAILURE() << config::format(problem);
  }
  return loaded.snapshot.value_or(config::Snapshot{});
}

const fs::path kGolden = fs::path(FL_SOURCE_DIR) / "tests/golden/router";

TEST(RouterRules, AreTheExpectedOnes) {
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() != ".yaml") continue;
    ++seen;
    SCOPED_TRACE(entry.path().filename().string());
    const auto snapshot = snapshot_of(read_text(entry.path()));
    ASSERT_TRUE(snapshot.router);
    const auto rules = render_router_rules(snapshot, std::nullopt);
    ASSERT_TRUE(rules) << rules.error().message();
    auto expected = entry.path();
    expected.replace_extension(".nft");
    if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) std::ofstream(expected) << *rules;
    EXPECT_EQ(*rules, read_text(expected));
  }
  EXPECT_GE(seen, 3);
}

config::Snapshot classic() { return snapshot_of(read_text(kGolden / "classic.yaml")); }

std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) {
    if (line.find(part) != std::string::npos) out.push_back(line);
  }
  return out;
}

// Defect 12 of the set-up that Fairlead replaces: a gateway's firewall as commands at each boot that flush nat, mangle and filter: not
// idempotent, without IPv6, and wiping what other tools put there.
TEST(SeedDefects, Number12TheFirewallIsOneTransactionOnATableOfItsOwnForBothIpVersions) {
  const auto rules = render_router_rules(classic(), std::nullopt);
  ASSERT_TRUE(rules);
  EXPECT_TRUE(lines_with(*rules, "flush").empty());
  for (const std::string& line : lines_with(*rules, "table ")) EXPECT_NE(line.find("inet fairlead_router"), std::string::npos) << line;
  EXPECT_EQ(lines_with(*rules, "table ").size(), 3U) << "added, so that it can be deleted; deleted; made anew";
  EXPECT_FALSE(lines_with(*rules, " ip6 saddr fd00:1::/64 ").empty());
  EXPECT_EQ(*rules, *render_router_rules(classic(), std::nullopt)) << "the same file, the same text";
}

TEST(RouterRules, NameDevicesByNameAndNeverByIndex) {
  const auto rules = render_router_rules(classic(), std::nullopt);
  ASSERT_TRUE(rules);
  EXPECT_TRUE(lines_with(*rules, " iif ").empty());
  EXPECT_TRUE(lines_with(*rules, " oif ").empty());
  EXPECT_FALSE(lines_with(*rules, "\"ens3\"").empty()) << "this node's device for the name 'world'";
  EXPECT_TRUE(lines_with(*rules, "\"world\"").empty());
}

TEST(RouterRules, NameTheDeviceOfAVlanAndNotTheOneBelowIt) {
  const auto snapshot = snapshot_of(read_text(kGolden / "vlan.yaml"));
  const auto rules = render_router_rules(snapshot, std::nullopt);
  ASSERT_TRUE(rules);
  for (const config::DhcpNetwork& network : snapshot.dnsdhcp->networks)
    EXPECT_FALSE(lines_with(*rules, "\"" + config::network_device(snapshot, network) + "\"").empty()) << network.name;
  EXPECT_TRUE(lines_with(*rules, "\"trunk\"").empty());
  EXPECT_TRUE(lines_with(*rules, "\"enp0s16\"").empty());
}

TEST(RouterRules, DropNothingAndTouchNothingThatTheGatewaySends) {
  const auto rules = render_router_rules(classic(), std::nullopt);
  ASSERT_TRUE(rules);
  EXPECT_TRUE(lines_with(*rules, "drop").empty());
  EXPECT_TRUE(lines_with(*rules, "hook output").empty());
  for (const std::string& line : lines_with(*rules, "snat ip")) EXPECT_NE(line.find("iifname"), std::string::npos) << line;
}

TEST(RouterRules, RefuseDnsDhcpAndTftpFromTheUplinkBeforeAnythingOpensAPort) {
  auto snapshot = classic();
  snapshot.router->open.push_back({53, config::Transport::kUdp});  // The file's check refuses it; the rules do not rely on that.
  snapshot.listeners.front().bind.push_back({IpAddress::v4({203, 0, 113, 9}), 53});
  const auto rules = render_router_rules(snapshot, std::nullopt);
  ASSERT_TRUE(rules);
  const auto refused = rules->find("udp dport { 53, 67, 69, 547 } goto refuse");
  ASSERT_NE(refused, std::string::npos);
  EXPECT_LT(refused, rules->find("udp dport 53 accept"));
  EXPECT_LT(refused, rules->find("the other gateways"));
  EXPECT_EQ(rules->find("tcp dport 53 accept"), std::string::npos);
}

TEST(RouterRules, LetTheSessionInThatAppliesThemAndAreTheSameRulesBesides) {
  const auto session = parse_ssh_session("198.51.100.7 40022 203.0.113.10 2222");
  ASSERT_TRUE(session);
  const auto with = render_router_rules(classic(), *session);
  const auto without = render_router_rules(classic(), std::nullopt);
  ASSERT_TRUE(with);
  EXPECT_EQ(lines_with(*with, "ip saddr 198.51.100.7 tcp dport 2222 accept").size(), 1U);
  EXPECT_NE(*with, *without);
  EXPECT_TRUE(same_rules(*with, *without));
  auto other = classic();
  other.router->open.clear();
  EXPECT_FALSE(same_rules(*with, *render_router_rules(other, std::nullopt)));
}

TEST(RouterRules, AreNoneForADeviceThatNftCannotName) {
  for (const char* name : {"eth\"0", "eth*", "e\\", "a\nb", ""}) {
    auto snapshot = classic();
    snapshot.dnsdhcp->networks.front().interface = name;
    EXPECT_FALSE(render_router_rules(snapshot, std::nullopt)) << name;
    snapshot = classic();
    snapshot.router->uplink = name;
    EXPECT_FALSE(render_router_rules(snapshot, std::nullopt)) << name;
  }
}

TEST(SshSession, IsReadAsSshdWritesIt) {
  const auto session = parse_ssh_session("fe80::1%eth0 40022 ::ffff:10.0.0.1 22");
  ASSERT_TRUE(session);
  EXPECT_EQ(session->peer.to_string(), "[fe80::1]:40022");
  EXPECT_EQ(session->local.to_string(), "10.0.0.1:22");
  for (const char* text :
       {"", " ", "10.0.0.1", "10.0.0.1 1 10.0.0.2", "10.0.0.1 1 10.0.0.2 22 ", "10.0.0.1 1 10.0.0.2 0", "10.0.0.1 x 10.0.0.2 22",
        "10.0.0.1  1 10.0.0.2 22", "host 1 10.0.0.2 22", "10.0.0.1 70000 10.0.0.2 22", "10.0.0.1 1 10.0.0.2 22; flush ruleset"}) {
    EXPECT_FALSE(parse_ssh_session(text)) << text;
  }
}

}  // namespace
}  // namespace fairlead::dnsdhcp
