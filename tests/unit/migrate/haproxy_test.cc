#include <gtest/gtest.h>

#include "config/load.h"
#include "migrate/haproxy_lines.h"
#include "migrate/haproxy_state.h"
#include "migrate/migrate.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> words_of(std::string_view line) {
  Ledger ledger;
  const auto lines = read_haproxy_lines("f", line, ledger);
  return lines.empty() ? std::vector<std::string>{} : lines.front().words;
}
bool is_usable(std::string_view line) {
  Ledger ledger;
  return read_haproxy_lines("f", line, ledger).front().usable;
}

class HaproxyImport : public testing::Test {
 protected:
  void import(const std::string& text) {
    made = migrate({{Kind::kHaproxy, "haproxy.cfg", text}});
    ASSERT_TRUE(made.yaml.has_value()) << (made.problems.empty() ? "" : config::format(made.problems.front()));
    auto loaded = config::load_text(*made.yaml, "made", config::Environment{});
    ASSERT_TRUE(loaded.snapshot.has_value()) << config::format(loaded.problems.front());
    snapshot = std::move(*loaded.snapshot);
  }
  [[nodiscard]] Fate fate(int line) const {
    for (const LineFate& one : made.lines) {
      if (one.line == line) return one.fate;
    }
    return Fate::kCarried;
  }
  Migration made;
  config::Snapshot snapshot;
};

TEST(HaproxyLines, AreCutAsHaproxyCutsThem) {
  EXPECT_EQ(words_of("  server a 10.0.0.1:80 # comment"), (std::vector<std::string>{"server", "a", "10.0.0.1:80"}));
  EXPECT_EQ(words_of("bind 127.0.0.1:80#x"), (std::vector<std::string>{"bind", "127.0.0.1:80"}));
  EXPECT_EQ(words_of(R"(a "b c" 'd "e' f\ g \#h we"igh"t)"), (std::vector<std::string>{"a", "b c", "d \"e", "f g", "#h", "weight"}));
  EXPECT_EQ(words_of(R"(a "\x41\t" '\x41' "")"), (std::vector<std::string>{"a", "A\t", "\\x41", ""}));
  EXPECT_EQ(words_of("# only a comment"), std::vector<std::string>{});
}

TEST(HaproxyLines, WithoutAnEndOrWithUnknownVariablesAreNotUsed) {
  EXPECT_FALSE(is_usable("server \"a"));
  EXPECT_FALSE(is_usable("server a\\"));
  EXPECT_FALSE(is_usable(R"(server a "$ADDRESS":80)"));
  EXPECT_FALSE(is_usable(R"(server a "${ADDRESS":80)"));
  EXPECT_FALSE(is_usable(R"(log "\x4")"));
  EXPECT_TRUE(is_usable(R"(server a '$ADDRESS' \$B "\$C" "${D-1.2.3.4}")"));
  EXPECT_EQ(words_of(R"("${D-1.2.3.4}:80")"), std::vector<std::string>{"1.2.3.4:80"});
}

TEST(HaproxyTime, WithoutAUnitIsMilliseconds) {
  EXPECT_EQ(parse_haproxy_time("500"), 500ms);
  EXPECT_EQ(parse_haproxy_time("3s"), 3s);
  EXPECT_EQ(parse_haproxy_time("1d"), 24h);
  EXPECT_EQ(parse_haproxy_time("50us"), 50us);
  EXPECT_EQ(parse_haproxy_time("1w"), std::nullopt);
  EXPECT_EQ(parse_haproxy_time(""), std::nullopt);
  EXPECT_EQ(parse_haproxy_time("99999999999999999999"), std::nullopt);
}

TEST_F(HaproxyImport, TakesTheShorterOfClientAndServerTimeoutUnlessThereIsATunnel) {
  import(
      "defaults\n mode tcp\n timeout client 20m\n timeout server 30m\nlisten a\n bind :1\n server s 10.0.0.1:1\nlisten b\n bind :2\n "
      "timeout tunnel 2h\n server s 10.0.0.1:1\n");
  EXPECT_EQ(snapshot.pools[0].idle_timeout, 20min);
  EXPECT_EQ(snapshot.pools[1].idle_timeout, 2h);
}

TEST_F(HaproxyImport, TakesAFrontendsTimeoutForItsPool) {
  import("frontend a\n bind :1\n timeout client 15m\n default_backend b\nbackend b\n timeout server 1h\n server s 10.0.0.1:1\n");
  EXPECT_EQ(snapshot.pools[0].idle_timeout, 15min);
}

TEST_F(HaproxyImport, WritesHaproxysOwnDefaultsWhereTheyShow) {
  import("listen a\n bind :1\n server s 10.0.0.1:1 check\n");
  EXPECT_EQ(snapshot.pools[0].balance, config::Balance::kRoundRobin);
  EXPECT_EQ(snapshot.pools[0].health.interval, 2s);
  EXPECT_EQ(snapshot.pools[0].health.fall, 3U);
}

TEST_F(HaproxyImport, WithoutCheckThereIsNone) {
  import("listen a\n bind :1\n server s 10.0.0.1:1\n");
  EXPECT_EQ(snapshot.pools[0].health.type, config::HealthType::kNone);
}

TEST_F(HaproxyImport, SplitsMoreAddressesThanAListenerTakes) {
  import("listen a\n bind 10.0.0.1:7000-7019\n server s 10.0.0.9:1\n");
  ASSERT_EQ(snapshot.listeners.size(), 2U);
  EXPECT_EQ(snapshot.listeners[0].bind.size() + snapshot.listeners[1].bind.size(), 20U);
  EXPECT_EQ(snapshot.listeners[1].name, "a-2");
}

TEST_F(HaproxyImport, LeavesOutWhatWouldGoRoundInCircles) {
  import("listen a\n bind :6443\n server own 127.0.0.1:6443\n server other 10.0.0.1:6443\n");
  ASSERT_EQ(snapshot.pools[0].servers.size(), 1U);
  EXPECT_EQ(fate(3), Fate::kLeftOut);
}

TEST_F(HaproxyImport, GivesTheAdminPortWayToAListener) {
  import("listen a\n bind :9440\n server s 10.0.0.1:1\n");
  EXPECT_EQ(snapshot.admin.listen, "127.0.0.1:9441");
}

TEST_F(HaproxyImport, KeepsOneOfTwoBindsThatOverlap) {
  import("listen a\n bind :80\n server s 10.0.0.1:1\nlisten b\n bind 10.0.0.5:80\n bind 10.0.0.5:81\n server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.listeners.size(), 2U);
  EXPECT_EQ(snapshot.listeners[1].bind.size(), 1U);
}

TEST_F(HaproxyImport, ReadsWhoMayConnect) {
  import(
      "listen a\n bind :1\n tcp-request connection reject if !{ src 10.0.0.0/8 }\n tcp-request connection reject if { src 10.1.1.1 }\n "
      "server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.listeners[0].allow.size(), 1U);
  EXPECT_EQ(snapshot.listeners[0].allow[0].to_string(), "10.0.0.0/8");
  ASSERT_EQ(snapshot.listeners[0].deny.size(), 1U);
}

TEST_F(HaproxyImport, AcceptMeansNothingWithoutAReject) {
  import("listen a\n bind :1\n tcp-request connection accept if { src 10.0.0.0/8 }\n server s 10.0.0.1:1\n");
  EXPECT_TRUE(snapshot.listeners[0].allow.empty());
  EXPECT_EQ(fate(3), Fate::kApproximated);
}

TEST_F(HaproxyImport, TwoAclsInOneConditionAreAnAndAndNotCarried) {
  import(
      "listen a\n bind :1\n acl x src 10.0.0.0/8\n acl y src 10.1.0.0/16\n tcp-request connection reject if x y\n tcp-request connection "
      "reject if x or y\n server s 1.1.1.1:1\n");
  EXPECT_EQ(fate(5), Fate::kLeftOut);
  EXPECT_EQ(snapshot.listeners[0].deny.size(), 2U);
}

TEST_F(HaproxyImport, ReadsOnlyTheFirstBranchOfACondition) {
  import("listen a\n bind :1\n.if defined(X)\n server s 10.0.0.1:1\n.else\n server t 10.0.0.2:1\n.endif\n");
  ASSERT_EQ(snapshot.pools[0].servers.size(), 1U);
  EXPECT_EQ(fate(6), Fate::kLeftOut);
}

TEST_F(HaproxyImport, WritesWeightsOnlyWhereTheyDiffer) {
  import(
      "listen a\n bind :1\n server s 10.0.0.1:1 weight 1\n server t 10.0.0.2:1\nlisten b\n bind :2\n server s 10.0.0.1:1 weight 5\n server "
      "t 10.0.0.2:1\n");
  EXPECT_EQ(snapshot.pools[0].servers[0].weight, 100U);
  EXPECT_EQ(snapshot.pools[1].servers[0].weight, 5U);
  EXPECT_EQ(snapshot.pools[1].servers[1].weight, 1U);
}

}  // namespace
}  // namespace fairlead::migrate
