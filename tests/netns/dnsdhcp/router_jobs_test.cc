// The router's jobs against the real nft and the real kernel: what they leave, what they bring back, what a failure leaves.
#include "dnsdhcp/router_jobs.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "dnsdhcp/router_rules.h"
#include "tests/support/net_namespace.h"
#include "tests/support/temp_dir.h"

namespace fairlead::dnsdhcp {
namespace {

using test::shell;

constexpr RoutedVersions kBoth{true, true};

std::string table_with(const std::string& rule) {
  return render_router_removal() +
         "table inet fairlead_router {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\t" + rule +
         "\n\t}\n}\n";
}

class RouterJobsTest : public test::NetNamespaceTest {
 protected:
  [[nodiscard]] RouterJobs jobs(const std::string& nft = std::string(NftTool::kProgram)) const {
    return RouterJobs(state_.path("."), NftTool(nft));
  }
  [[nodiscard]] static std::string setting(const std::string& key) {
    const auto text = read_small_file("/proc/sys/" + key);
    return text && *text ? (*text)->substr(0, (*text)->find('\n')) : "absent";
  }
  [[nodiscard]] std::string listing() const {
    const auto listed = jobs().list(/*counters=*/false);
    EXPECT_TRUE(listed) << listed.error().message();
    return listed ? listed->rules : "";
  }
  [[nodiscard]] bool has_file(const std::string& name) const { return std::filesystem::exists(state_.path("router/" + name)); }

  test::TempDir state_;
};

TEST_F(RouterJobsTest, RulesComeGoAndComeBackAndLeaveNothing) {
  ASSERT_EQ(shell("nft add table inet theirs && nft add chain inet theirs c && nft add rule inet theirs c tcp dport 1 drop"), 0);
  const auto put = jobs().run({RouterJobKind::kPutInForce, table_with("tcp dport 81 accept"), false}, kBoth);
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_NE(put->rules.find("tcp dport 81 accept"), std::string::npos) << put->rules;
  EXPECT_EQ(setting("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(setting("net/ipv6/conf/all/forwarding"), "1");
  EXPECT_EQ(setting("net/netfilter/nf_conntrack_tcp_be_liberal"), "1");

  ASSERT_EQ(shell("nft add rule inet fairlead_router input tcp dport 7 accept"), 0);  // By hand.
  const std::string by_hand = listing();
  ASSERT_TRUE(jobs().run({RouterJobKind::kTry, table_with("tcp dport 82 accept"), false}, kBoth));
  EXPECT_NE(listing().find("tcp dport 82 accept"), std::string::npos);
  EXPECT_TRUE(jobs().recall().memory.trial);
  ASSERT_TRUE(jobs().run({RouterJobKind::kRestore, "", false}, kBoth));
  EXPECT_EQ(listing(), by_hand) << "what was there, not what once was written";
  EXPECT_EQ(setting("net/ipv4/ip_forward"), "1");
  EXPECT_TRUE(jobs().recall().memory.refused);

  ASSERT_TRUE(jobs().run({RouterJobKind::kTry, table_with("tcp dport 83 accept"), false}, kBoth));
  ASSERT_TRUE(jobs().run({RouterJobKind::kKeep, "", false}, kBoth));
  EXPECT_EQ(jobs().recall().memory.confirmed, table_with("tcp dport 83 accept"));
  EXPECT_FALSE(jobs().recall().memory.refused);

  ASSERT_TRUE(jobs().run({RouterJobKind::kRemove, "", false}, kBoth));
  EXPECT_EQ(listing(), "");
  EXPECT_FALSE(std::filesystem::exists(state_.path("router")));
  EXPECT_EQ(setting("net/ipv4/ip_forward"), "0");
  EXPECT_EQ(setting("net/ipv6/conf/all/forwarding"), "0");
  EXPECT_EQ(setting("net/netfilter/nf_conntrack_tcp_be_liberal"), "0");
  EXPECT_EQ(shell("nft list table inet theirs | grep -q 'tcp dport 1 drop'"), 0);
}

TEST_F(RouterJobsTest, AFirstTrialThatEndsLeavesNoTableAndNoForwarding) {
  ASSERT_TRUE(jobs().run({RouterJobKind::kTry, table_with("accept"), false}, kBoth));
  EXPECT_EQ(setting("net/ipv4/ip_forward"), "1");
  ASSERT_TRUE(jobs().run({RouterJobKind::kRestore, "", false}, kBoth));
  EXPECT_EQ(listing(), "");
  EXPECT_EQ(setting("net/ipv4/ip_forward"), "0");
}

TEST_F(RouterJobsTest, RulesThatNftRefusesChangeNothingAndItsLineIsTold) {
  ASSERT_TRUE(jobs().run({RouterJobKind::kPutInForce, table_with("tcp dport 81 accept"), false}, kBoth));
  const std::string before = listing();
  for (const auto kind : {RouterJobKind::kPutInForce, RouterJobKind::kTry}) {
    const auto result = jobs().run({kind, table_with("tcp dport nowhere accept"), false}, kBoth);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kInvalidArgument);
    EXPECT_NE(result.error().context.find("tcp dport nowhere accept"), std::string::npos) << result.error().context;
    EXPECT_EQ(listing(), before);
    EXPECT_EQ(jobs().recall().memory.confirmed, table_with("tcp dport 81 accept"));
    EXPECT_FALSE(has_file("trial.nft"));
    EXPECT_FALSE(has_file("confirmed.nft.new"));
  }
}

TEST_F(RouterJobsTest, WithoutNftNothingHappensAndTheRemedyIsTold) {
  const auto result = jobs("/no/such/nft").run({RouterJobKind::kPutInForce, table_with("accept"), false}, kBoth);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kUnavailable);
  EXPECT_NE(result.error().context.find("apt install nftables"), std::string::npos) << result.error().context;
  EXPECT_EQ(setting("net/ipv4/ip_forward"), "0");
}

TEST_F(RouterJobsTest, AnNftThatHangsIsEnded) {
  const std::string program = state_.path("nft");
  std::ofstream(program) << "#!/bin/sh\nexec tail -f /dev/null\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const NftTool slow(program, std::chrono::milliseconds(200));
  const auto result = slow.apply("table inet x {}\n");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kTimeout);
}

TEST_F(RouterJobsTest, ADiskThatTakesNothingStopsATrialBeforeItBegins) {
  ASSERT_TRUE(jobs().run({RouterJobKind::kPutInForce, table_with("tcp dport 81 accept"), false}, kBoth));
  const std::string before = listing();
  std::filesystem::create_directories(state_.path("router/trial.nft.new/full"));  // Cannot be replaced by a file.
  const auto result = jobs().run({RouterJobKind::kTry, table_with("tcp dport 82 accept"), false}, kBoth);
  ASSERT_FALSE(result);
  EXPECT_EQ(listing(), before);
  EXPECT_FALSE(jobs().recall().memory.trial);
}

// ---- any valid model ----

template <class T>
const T& one_of(std::mt19937& random, const std::vector<T>& all) {
  return all[random() % all.size()];
}

config::Snapshot any_model(std::mt19937& random) {
  config::Snapshot out;
  out.node = "g0";
  config::Router& router = out.router.emplace();
  config::DnsDhcp& dnsdhcp = out.dnsdhcp.emplace();
  router.uplink = one_of<std::string>(random, {"eth0", "wan", "br-0.20", "@!#$%&", "ünïcode"});
  const unsigned networks = random() % 8;
  std::vector<std::string> names{"uplink"};
  for (unsigned i = 0; i < networks; ++i) {
    config::DhcpNetwork network;
    network.name = fmt::format("n{}{}", i, one_of<std::string>(random, {"", ".a", "_b", "-c"}));
    network.interface = one_of<std::string>(random, {"eth1", "lan", "eth2.42", "a'b", "x;y", "{z}", "absent0"});
    network.cidr = random() % 3 == 0
                       ? IpPrefix{*parse_ip_address(fmt::format("fd00:{}::", i + 1)), 64}
                       : IpPrefix{IpAddress::v4({10, static_cast<std::uint8_t>(i), 0, 0}), static_cast<std::uint8_t>(16 + random() % 15)};
    names.push_back(network.name);
    dnsdhcp.networks.push_back(network);
  }
  for (unsigned i = random() % 8; i > 0; --i) {
    config::ForwardRule rule{one_of(random, names), {}};
    for (unsigned k = random() % 4; k > 0; --k) rule.to.push_back(one_of(random, names));
    router.forward.push_back(rule);
  }
  if (random() % 3 == 0) router.masquerade = true;
  if (!router.masquerade && random() % 2 == 0)
    router.snat = random() % 2 == 0 ? IpAddress::v4({203, 0, 113, 9}) : *parse_ip_address("2001:db8::9");
  for (unsigned i = random() % 4; i > 0; --i)
    router.open.push_back(
        {static_cast<std::uint16_t>(1 + random() % 65535), random() % 2 == 0 ? config::Transport::kTcp : config::Transport::kUdp});
  for (unsigned i = random() % 4; i > 0; --i) {
    config::Listener listener;
    listener.name = fmt::format("l{}", i);
    listener.bind = {
        {one_of<IpAddress>(random, {IpAddress(), IpAddress::v4({192, 0, 2, 1}), *parse_ip_address("2001:db8::1"), *parse_ip_address("::")}),
         static_cast<std::uint16_t>(random() % 3 == 0 ? 443 : random() % 65536)}};
    out.listeners.push_back(listener);
  }
  out.admin.listen = one_of<std::string>(random, {"", "127.0.0.1:9440", "0.0.0.0:9440", "[2001:db8::1]:9440"});
  if (random() % 2 == 0) {
    config::Cluster& cluster = out.cluster.emplace();
    for (std::uint32_t i = 0; i < 1 + random() % 4; ++i) {
      config::Node node;
      node.name = fmt::format("g{}", i);
      node.id = i + 1;
      for (unsigned k = 0; k < 1 + random() % 3; ++k)
        node.links.push_back(random() % 3 == 0 ? *parse_ip_address(fmt::format("fd09::{}:{}", i, k))
                                               : IpAddress::v4({192, 168, static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(i + 1)}));
      node.interfaces = {{"wan", "ens3"}, {"lan", "ens4"}};
      cluster.nodes.push_back(node);
    }
  }
  return out;
}

TEST_F(RouterJobsTest, NftAcceptsTheRulesOfAnyValidModel) {
  const NftTool nft;
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto model = any_model(random);
    const auto session =
        random() % 2 == 0
            ? std::nullopt
            : std::optional(*parse_ssh_session(random() % 2 == 0 ? "192.0.2.7 4000 192.0.2.1 22" : "2001:db8::7 4000 2001:db8::1 2222"));
    const auto rules = render_router_rules(model, session);
    ASSERT_TRUE(rules) << rules.error().message();
    const auto applied = nft.apply(*rules);
    ASSERT_TRUE(applied) << "seed " << seed << ": " << applied.error().message() << "\n" << *rules;
  }
  // Applied again it is the same, and what nft lists can be given back to it.
  std::mt19937 random(7);
  const auto rules = render_router_rules(any_model(random), std::nullopt);
  ASSERT_TRUE(nft.apply(*rules));
  const std::string once = listing();
  ASSERT_TRUE(nft.apply(*rules));
  EXPECT_EQ(listing(), once);
  ASSERT_TRUE(nft.apply(restoring_text(once)));
  EXPECT_EQ(listing(), once);
}

}  // namespace
}  // namespace fairlead::dnsdhcp
