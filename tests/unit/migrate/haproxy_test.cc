#include <algorithm>
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
  [[nodiscard]] bool said(int line, std::string_view reason) const {
    return std::any_of(made.notes.begin(), made.notes.end(),
                       [&](const Note& note) { return note.line == line && note.reason.find(reason) != std::string::npos; });
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

constexpr const char* kListen = "listen a\n bind :1\n server s 10.0.0.1:1\n";

TEST_F(HaproxyImport, AnAcceptThatIsNotReadNeverMakesTheRejectBehindItRejectAll) {
  for (const std::string set : {"connection", "session", "content"}) {
    import(kListen + (" tcp-request " + set + " accept if { req.ssl_hello_type 1 }\n tcp-request " + set + " reject\n"));
    EXPECT_TRUE(snapshot.listeners.at(0).deny.empty());
    EXPECT_TRUE(snapshot.listeners.at(0).allow.empty());
    EXPECT_EQ(fate(4), Fate::kLeftOut);
    EXPECT_EQ(fate(5), Fate::kLeftOut);
  }
  import(
      kListen +
      std::string(" acl lan src -f /etc/lan\n tcp-request connection accept if lan\n tcp-request connection reject unless { src 10.0.0.0/8 "
                  "}\n tcp-request connection reject if { src 10.6.6.6 }\n"));
  EXPECT_TRUE(snapshot.listeners[0].allow.empty());
  EXPECT_EQ(snapshot.listeners[0].deny.size(), 1U);
  EXPECT_EQ(fate(7), Fate::kApproximated);
}

TEST_F(HaproxyImport, RulesAreWalkedInTheirOrder) {
  import(kListen +
         std::string(" tcp-request connection accept if { src 10.1.1.1 }\n tcp-request connection reject if { src 10.1.1.0/31 }\n"));
  ASSERT_EQ(snapshot.listeners[0].deny.size(), 1U) << "10.1.1.1 was accepted before it";
  EXPECT_EQ(snapshot.listeners[0].deny[0].to_string(), "10.1.1.0/32");
  import(kListen + std::string(" tcp-request connection reject\n tcp-request connection accept if { src 10.1.1.1 }\n") +
         "listen b\n bind :2\n server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.listeners.size(), 1U) << "who rejects everybody is left out, not opened";
  EXPECT_EQ(snapshot.listeners[0].name, "b");
  // One set's accept is nothing to another set.
  import(kListen + std::string(" tcp-request connection accept\n tcp-request content reject if { src 10.6.6.6 }\n"));
  EXPECT_EQ(snapshot.listeners[0].deny.size(), 1U);
}

TEST_F(HaproxyImport, ARateRuleWithMoreThanTheRateIsNotCarried) {
  const std::string table =
      " stick-table type ip size 1m expire 10s store conn_rate(10s),conn_cur\n tcp-request connection track-sc0 src\n";
  import(kListen + table + " tcp-request connection reject if { sc0_conn_rate gt 100 } !{ src 10.0.0.0/8 }\n" +
         " tcp-request connection reject if { src_conn_cur gt 5 } or { src 10.0.0.1 }\n tcp-request connection reject if { sc1_conn_rate "
         "gt 100 }\n");
  EXPECT_EQ(snapshot.listeners[0].per_source_rate, 0U);
  EXPECT_EQ(snapshot.listeners[0].per_source_connections, 0U);
  for (const int line : {6, 7, 8}) EXPECT_EQ(fate(line), Fate::kLeftOut);
  import(kListen + table + " tcp-request connection reject if { sc0_conn_rate gt 100 }\n");
  EXPECT_EQ(snapshot.listeners[0].per_source_rate, 10U);
}

TEST_F(HaproxyImport, ATableOfAnotherSectionSaysThePeriod) {
  import(kListen +
         std::string(
             " tcp-request connection track-sc1 src table st\n tcp-request connection reject if { sc_conn_rate(1) gt 40 }\nbackend st\n "
             "stick-table type ip size 1m store conn_rate(20s)\n"));
  EXPECT_EQ(snapshot.listeners[0].per_source_rate, 2U);
  EXPECT_EQ(snapshot.pools.size(), 1U) << "a table is no pool";
}

TEST_F(HaproxyImport, AcceptProxyIsOfItsBind) {
  import("listen a\n bind :1\n bind :2 accept-proxy\n bind :3\n server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.listeners.size(), 2U);
  EXPECT_FALSE(snapshot.listeners[0].accept_proxy);
  EXPECT_EQ(snapshot.listeners[0].bind.size(), 2U);
  EXPECT_TRUE(snapshot.listeners[1].accept_proxy);
  EXPECT_EQ(snapshot.listeners[1].bind[0].port, 2);
}

/// What HAProxy asks before it reads the PROXY header, about the balancer in front.
constexpr const char* kPeerRules =
    " stick-table type ip size 1m expire 10s store conn_rate(10s),conn_cur\n tcp-request connection track-sc0 src\n"
    " tcp-request connection reject if { src_conn_cur gt 50 }\n tcp-request session reject if { sc0_conn_rate gt 100 }\n"
    " tcp-request connection accept if { src 10.0.0.5 }\n tcp-request connection reject\n";

TEST_F(HaproxyImport, RulesOnWhoeverConnectsAreNotThoseOnTheClientOfAProxyHeader) {
  for (const char* binds : {" bind :1 accept-proxy\n", " bind :1\n tcp-request connection expect-proxy layer4\n"}) {
    import(std::string("listen a\n server s 10.0.0.1:1\n") + kPeerRules + binds);
    ASSERT_EQ(snapshot.listeners.size(), 1U);
    const config::Listener& listener = snapshot.listeners[0];
    EXPECT_TRUE(listener.accept_proxy);
    EXPECT_TRUE(listener.allow.empty()) << "every client would be refused: the rule lets the balancer in";
    EXPECT_TRUE(listener.deny.empty());
    EXPECT_EQ(listener.per_source_connections, 0U);
    EXPECT_EQ(listener.per_source_rate, 0U) << "its counter counts whoever connects";
    for (const int line : {4, 5, 6, 7, 8}) {
      EXPECT_EQ(fate(line), Fate::kLeftOut) << line;
      EXPECT_TRUE(said(line, "it goes by whoever connects")) << line;
    }
  }
}

TEST_F(HaproxyImport, RulesAfterAProxyHeaderAreCarriedWithIt) {
  import(
      "listen a\n bind :1 accept-proxy\n server s 10.0.0.1:1\n stick-table type ip size 1m expire 10s store conn_cur\n"
      " tcp-request session track-sc1 src\n tcp-request session reject if { sc1_conn_cur gt 7 }\n"
      " tcp-request content reject if { src 10.6.6.6 }\n");
  EXPECT_EQ(snapshot.listeners.at(0).per_source_connections, 7U);
  EXPECT_EQ(snapshot.listeners[0].deny.size(), 1U);
  for (const int line : {5, 6, 7}) EXPECT_EQ(fate(line), Fate::kCarried) << line;
}

TEST_F(HaproxyImport, ACounterCountsWhatItIsGivenFirst) {
  const std::string peer = " tcp-request connection track-sc0 src\n";
  const std::string client = " tcp-request session track-sc0 src\n";
  for (const std::string& tracks : {peer + client, client + peer}) {
    import(kListen + std::string(" stick-table type ip size 1m expire 10s store conn_cur\n bind :2 accept-proxy\n") + tracks +
           " tcp-request session reject if { sc0_conn_cur gt 7 }\n");
    ASSERT_EQ(snapshot.listeners.size(), 2U);
    EXPECT_EQ(snapshot.listeners[0].per_source_connections, 7U);
    EXPECT_TRUE(snapshot.listeners[1].accept_proxy);
    EXPECT_EQ(snapshot.listeners[1].per_source_connections, 0U) << tracks;
  }
}

TEST_F(HaproxyImport, BindsWithAndWithoutAcceptProxyHaveRulesOfTheirOwn) {
  import(std::string("listen a\n bind :1\n bind :2 accept-proxy\n server s 10.0.0.1:1\n") + kPeerRules +
         " tcp-request content reject if { src 10.6.6.6 }\n");
  ASSERT_EQ(snapshot.listeners.size(), 2U);
  ASSERT_EQ(snapshot.listeners[0].allow.size(), 1U);
  EXPECT_EQ(snapshot.listeners[0].allow[0].to_string(), "10.0.0.5/32");
  EXPECT_EQ(snapshot.listeners[0].per_source_connections, 50U);
  EXPECT_EQ(snapshot.listeners[0].per_source_rate, 10U);
  EXPECT_TRUE(snapshot.listeners[1].accept_proxy);
  EXPECT_TRUE(snapshot.listeners[1].allow.empty());
  EXPECT_EQ(snapshot.listeners[1].deny.size(), 1U);
  EXPECT_EQ(snapshot.listeners[1].per_source_connections, 0U);
  EXPECT_EQ(snapshot.listeners[1].per_source_rate, 0U);
  for (const int line : {6, 7, 8, 9, 10}) {
    EXPECT_EQ(fate(line), Fate::kApproximated) << line;
    EXPECT_TRUE(said(line, "not at binds with accept-proxy")) << line;
  }
  import(std::string("listen a\n bind :1\n bind :2 accept-proxy\n server s 10.0.0.1:1\n") + kPeerRules +
         " tcp-request session accept if { src 10.8.0.0/16 }\n tcp-request session reject\n");
  ASSERT_EQ(snapshot.listeners.size(), 1U) << "without a header 10.0.0.5 is rejected as well";
  EXPECT_TRUE(snapshot.listeners[0].accept_proxy);
  ASSERT_EQ(snapshot.listeners[0].allow.size(), 1U);
  EXPECT_EQ(snapshot.listeners[0].allow[0].to_string(), "10.8.0.0/16");
  EXPECT_TRUE(said(1, "without its binds without accept-proxy: its rules reject every client"));
}

TEST_F(HaproxyImport, WhoLetsNotEvenTheBalancerConnectIsLeftOutNotOpened) {
  import(
      "listen a\n bind :1 accept-proxy\n tcp-request connection reject\n server s 10.0.0.1:1\nlisten b\n bind :2\n"
      " server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.listeners.size(), 1U);
  EXPECT_EQ(snapshot.listeners[0].name, "b");
  EXPECT_TRUE(said(1, "its rules reject every client"));
}

TEST_F(HaproxyImport, TheSmallestOfSeveralLimitsHolds) {
  import(
      "listen a\n bind :1\n server s 10.0.0.1:1\n stick-table type ip size 1m expire 10s store conn_rate(10s),conn_cur\n"
      " tcp-request connection track-sc0 src\n tcp-request connection reject if { src_conn_cur gt 20 }\n"
      " tcp-request connection reject if { src_conn_cur gt 50 }\n tcp-request connection reject if { sc0_conn_rate gt 100 }\n"
      " tcp-request content reject if { sc0_conn_rate gt 900 }\n");
  EXPECT_EQ(snapshot.listeners.at(0).per_source_connections, 20U);
  EXPECT_EQ(snapshot.listeners[0].per_source_rate, 10U);
  EXPECT_EQ(fate(6), Fate::kCarried);
  EXPECT_TRUE(said(7, "a smaller limit holds"));
  EXPECT_FALSE(said(8, "a smaller limit holds"));
  EXPECT_TRUE(said(9, "a smaller limit holds"));
}

TEST_F(HaproxyImport, SeveralFilesAreOneConfiguration) {
  made = migrate({{Kind::kHaproxy, "1.cfg", "global\n maxconn 100\ndefaults\n mode tcp\n balance leastconn\n"},
                  {Kind::kHaproxy, "2.cfg", "frontend f\n bind :1\n default_backend b\n"},
                  {Kind::kHaproxy, "3.cfg", " server lost 10.0.0.9:1\nbackend b\n server s 10.0.0.1:1\n"}});
  ASSERT_TRUE(made.yaml.has_value());
  const auto loaded = config::load_text(*made.yaml, "made", config::Environment{});
  ASSERT_TRUE(loaded.snapshot.has_value());
  EXPECT_EQ(loaded.snapshot->pools.at(0).balance, config::Balance::kLeastConnections);
  EXPECT_EQ(loaded.snapshot->pools[0].servers.size(), 1U) << "a file begins with a section";
  EXPECT_EQ(loaded.snapshot->listeners.size(), 1U);
}

TEST_F(HaproxyImport, TheFirstUseBackendWithoutAConditionWinsOverDefaultBackend) {
  const std::string pools = "backend b\n server s 10.0.0.1:1\nbackend c\n server s 10.0.0.2:1\nbackend d\n server s 10.0.0.3:1\n";
  import(pools +
         "frontend f\n bind :1\n use_backend d if { req.len gt 0 }\n use_backend %[src]\n use_backend b\n use_backend c\n default_backend "
         "c\n");
  EXPECT_EQ(snapshot.listeners[0].pool, "b");
  for (const int line : {9, 10, 12, 13}) EXPECT_EQ(fate(line), Fate::kLeftOut) << line;
  import("defaults\n mode tcp\n default_backend c\n" + pools + "frontend f\n bind :1\nlisten g\n bind :2\n server own 10.0.0.4:1\n");
  EXPECT_EQ(snapshot.listeners[0].pool, "c") << "of the defaults";
  EXPECT_EQ(snapshot.listeners[1].pool, "c") << "HAProxy prefers it to the section's own servers, too";
  EXPECT_EQ(fate(12), Fate::kApproximated);
}

TEST_F(HaproxyImport, ATimeoutOfZeroIsNever) {
  import(
      "defaults\n mode tcp\n timeout client 50s\n timeout server 50s\nlisten a\n bind :1\n timeout client 0\n timeout server 0\n server s "
      "10.0.0.1:1\n"
      "listen b\n bind :2\n timeout client 0\n server s 10.0.0.1:1\n");
  EXPECT_EQ(snapshot.pools[0].idle_timeout, Duration{});
  EXPECT_EQ(snapshot.pools[1].idle_timeout, 50s);
}

TEST_F(HaproxyImport, ABackendIsNotCutByTheClientTimeoutOfItsDefaults) {
  import(
      "defaults\n mode tcp\n timeout client 1m\n timeout server 1h\nfrontend f\n bind :1\n timeout client 2h\n timeout client-fin 7s\n "
      "default_backend b\n"
      "backend b\n server s 10.0.0.1:1\n");
  EXPECT_EQ(snapshot.pools[0].idle_timeout, 1h);
  EXPECT_EQ(snapshot.pools[0].half_close_timeout, 7s);
}

TEST_F(HaproxyImport, WritesWhatACheckIsByDefault) {
  import("backend b\n option httpchk\n server s 10.0.0.1:1 check\n" + std::string(kListen));
  const config::Health& health = snapshot.pools[0].health;
  EXPECT_EQ(health.expect.size(), 15U) << "2xx and 3xx";
  EXPECT_EQ(health.timeout, 2s) << "inter bounds it";
  EXPECT_EQ(health.fast_interval, 2s);
  EXPECT_EQ(health.down_interval, 2s);
  import(
      "backend b\n timeout connect 1s\n timeout check 3s\n option httpchk\n http-check expect status 200-399\n server s 10.0.0.1:1 check "
      "inter 4s fastinter 1s\n");
  EXPECT_EQ(snapshot.pools[0].health.timeout, 4s) << "a second to connect, three to answer";
  EXPECT_EQ(snapshot.pools[0].health.fast_interval, 1s);
  EXPECT_EQ(snapshot.pools[0].health.down_interval, 4s);
  EXPECT_EQ(snapshot.pools[0].health.expect.size(), 15U);
  EXPECT_EQ(fate(5), Fate::kApproximated);
}

TEST_F(HaproxyImport, ACheckOverTlsIsOneWhereverTheLineStands) {
  for (const std::string rules :
       {" option httpchk\n http-check connect ssl sni k\n", " option tcp-check\n tcp-check connect port 7 ssl\n"}) {
    import("listen a\n bind :1\n" + rules + " server s 10.0.0.1:1 check\n");
    const config::Health before = snapshot.pools[0].health;
    import("listen a\n bind :1\n server s 10.0.0.1:1 check\n" + rules);
    EXPECT_EQ(snapshot.pools[0].health, before);
    EXPECT_NE(before.type, config::HealthType::kTcp);
    EXPECT_NE(before.type, config::HealthType::kHttp);
  }
  import("listen a\n bind :1\n server s 10.0.0.1:1 check\n http-check connect ssl\n");
  EXPECT_EQ(snapshot.pools[0].health.type, config::HealthType::kTcp) << "without `option httpchk` the rule is not used";
  EXPECT_EQ(fate(4), Fate::kLeftOut);
}

TEST_F(HaproxyImport, ASectionsOwnCheckRulesTakeThePlaceOfThoseOfItsDefaults) {
  import(
      "defaults\n mode tcp\n option httpchk GET /readyz\n http-check connect ssl\n http-check expect status 204\nlisten a\n bind :1\n "
      "http-check expect "
      "status 200\n server s 10.0.0.1:1 check\nlisten b\n bind :2\n server s 10.0.0.1:1 check\n");
  EXPECT_EQ(snapshot.pools[0].health.type, config::HealthType::kHttp);
  EXPECT_EQ(snapshot.pools[0].health.expect, std::vector<std::uint16_t>{200});
  EXPECT_EQ(snapshot.pools[1].health.type, config::HealthType::kHttps);
  EXPECT_EQ(snapshot.pools[1].health.expect, std::vector<std::uint16_t>{204});
}

TEST_F(HaproxyImport, WhatDefaultsSayHoldsForAllSectionsBehindThem) {
  import(
      "defaults\n mode tcp\n balance leastconn\n retries 5\n maxconn 700\n option tcplog\n option httpchk GET /readyz\n timeout connect "
      "300ms\n"
      " timeout server 1h\n default-server check inter 7s rise 4 maxconn 9\n source 10.0.0.200\nfrontend f\n bind :1\n default_backend b\n"
      "backend b\n server s 10.0.0.1:1\n server t 10.0.0.2:1 inter 7s maxconn 3\n");
  const config::Pool& pool = snapshot.pools.at(0);
  EXPECT_EQ(pool.balance, config::Balance::kLeastConnections);
  EXPECT_EQ(pool.retries, 5U);
  EXPECT_EQ(pool.connect_timeout, 300ms);
  EXPECT_EQ(pool.idle_timeout, 1h);
  EXPECT_EQ(pool.source, parse_ip_address("10.0.0.200").value());
  EXPECT_EQ(pool.health.type, config::HealthType::kHttp);
  EXPECT_EQ(pool.health.path, "/readyz");
  EXPECT_EQ(pool.health.interval, 7s);
  EXPECT_EQ(pool.health.rise, 4U);
  EXPECT_EQ(pool.servers.at(0).max_connections, 9U);
  EXPECT_EQ(pool.servers.at(1).max_connections, 3U);
  EXPECT_EQ(snapshot.listeners.at(0).max_connections, 700U);
  EXPECT_TRUE(snapshot.listeners[0].log);
}

TEST_F(HaproxyImport, LaterDefaultsTakeThePlaceOfEarlierOnesAndNamedOnesAreChosen) {
  import(
      "defaults slow\n mode tcp\n balance source\n retries 7\ndefaults quick from slow\n retries 2\ndefaults\n mode tcp\n maxconn 50\n"
      "listen plain\n bind :1\n server s 10.0.0.1:1\nlisten chosen from slow\n bind :2\n server s 10.0.0.1:1\n"
      "listen heir from quick\n bind :3\n server s 10.0.0.1:1\nlisten lost from nowhere\n bind :4\n server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.pools.size(), 4U);
  EXPECT_EQ(snapshot.pools[0].balance, config::Balance::kRoundRobin) << "nothing of the earlier ones is left";
  EXPECT_EQ(snapshot.pools[0].retries, config::Pool{}.retries);
  EXPECT_EQ(snapshot.listeners[0].max_connections, 50U);
  EXPECT_EQ(snapshot.pools[1].balance, config::Balance::kSourceHash);
  EXPECT_EQ(snapshot.pools[1].retries, 7U);
  EXPECT_NE(snapshot.listeners[1].max_connections, 50U);
  EXPECT_EQ(snapshot.pools[2].balance, config::Balance::kSourceHash) << "through the defaults it begins with";
  EXPECT_EQ(snapshot.pools[2].retries, 2U);
  EXPECT_TRUE(said(19, "there is no defaults section nowhere"));
  EXPECT_EQ(snapshot.listeners[3].max_connections, 50U) << "the last ones, then";
}

TEST_F(HaproxyImport, RulesOfDefaultsComeBeforeAFrontendsOwn) {
  import(
      "defaults inside\n mode tcp\n acl office src 10.1.0.0/16\n tcp-request connection accept if office\n"
      " tcp-request connection reject if { src 10.0.0.0/8 }\n tcp-request connection reject if { src_conn_cur gt 20 }\n"
      " tcp-request session track-sc0 src\n tcp-request session reject if { sc0_conn_rate gt 50 }\n"
      "frontend f from inside\n bind :1\n stick-table type ip size 1k store conn_rate(10s)\n tcp-request connection reject if { src "
      "192.168.0.0/16 }\n"
      " default_backend b\nfrontend g from inside\n bind :2\n tcp-request connection reject\n default_backend b\n"
      "defaults\n mode tcp\nfrontend h\n bind :3\n default_backend b\nbackend b\n server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.listeners.size(), 3U);
  const auto networks = [](const std::vector<IpPrefix>& list) {
    std::string out;
    for (const IpPrefix& network : list) out += network.to_string() + " ";
    return out;
  };
  // All of 10/8 but 10.1/16, and the frontend's own.
  const std::string denied = networks(snapshot.listeners[0].deny);
  EXPECT_NE(denied.find("10.128.0.0/9 "), std::string::npos) << denied;
  EXPECT_NE(denied.find("192.168.0.0/16 "), std::string::npos) << denied;
  EXPECT_EQ(denied.find("10.1.0.0/16 "), std::string::npos) << denied;
  EXPECT_EQ(snapshot.listeners[0].per_source_connections, 20U);
  EXPECT_EQ(snapshot.listeners[0].per_source_rate, 5U) << "by the frontend's own table";
  EXPECT_EQ(networks(snapshot.listeners[1].allow), "10.1.0.0/16 ");
  EXPECT_TRUE(snapshot.listeners[2].deny.empty() && snapshot.listeners[2].allow.empty()) << "of other defaults";
  EXPECT_EQ(snapshot.listeners[2].per_source_connections, 0U);
  EXPECT_EQ(fate(4), Fate::kCarried);
  EXPECT_EQ(fate(5), Fate::kCarried);
}

TEST_F(HaproxyImport, RulesOfDefaultsThatNoFrontendHasAreSaidToBeLeftOut) {
  import(
      "defaults rules\n mode tcp\n tcp-request content reject if { src 10.0.0.0/8 }\nbackend b from rules\n server s 10.0.0.1:1\n"
      "defaults\n mode tcp\nfrontend f\n bind :1\n default_backend b\n");
  EXPECT_TRUE(said(3, "none begins with these defaults"));
  EXPECT_TRUE(snapshot.listeners.at(0).deny.empty());
}

TEST_F(HaproxyImport, ACopyOfEveryRuleForEverySectionIsBounded) {
  std::string text = "defaults\n mode tcp\n";
  for (int i = 0; i < 100; ++i) text += " tcp-request connection reject if { src 10.0." + std::to_string(i) + ".0/24 }\n";
  for (int i = 0; i < 200; ++i)
    text += "listen l" + std::to_string(i) + "\n bind :" + std::to_string(1000 + i) + "\n server s 10.0.0.1:1\n";
  import(text);
  ASSERT_EQ(snapshot.listeners.size(), 200U);
  EXPECT_EQ(snapshot.listeners.front().deny.size(), 100U);
  EXPECT_TRUE(snapshot.listeners.back().deny.empty());
  EXPECT_TRUE(said(103 + 3 * 199, "too many sections have them")) << "and says so";
}

TEST_F(HaproxyImport, DefaultsMayDisableAndASectionEnableItself) {
  import("defaults\n mode tcp\n disabled\nlisten a\n bind :1\n server s 10.0.0.1:1\nlisten b\n enabled\n bind :2\n server s 10.0.0.1:1\n");
  ASSERT_EQ(snapshot.listeners.size(), 1U);
  EXPECT_EQ(snapshot.listeners[0].name, "b");
  EXPECT_TRUE(said(4, "it is disabled"));
  EXPECT_EQ(fate(8), Fate::kCarried);
}

TEST_F(HaproxyImport, AServerThatTracksAnotherIsCheckedAsThatIs) {
  import(
      "backend a\n option httpchk GET /healthz\n server s 10.0.0.1:80 check inter 3s\nbackend b\n server s 10.0.0.1:443 track a/s\n"
      "backend c\n server s 10.0.0.1:443 track nobody/s\n");
  EXPECT_EQ(snapshot.pools[1].health.type, config::HealthType::kHttp);
  EXPECT_EQ(snapshot.pools[1].health.port, 80);
  EXPECT_EQ(snapshot.pools[1].health.interval, 3s);
  EXPECT_EQ(snapshot.pools[2].health.type, config::HealthType::kNone);
  EXPECT_EQ(fate(7), Fate::kApproximated);
}

TEST_F(HaproxyImport, AServerWithoutAPortTakesThatOfTheFrontend) {
  import("frontend f\n bind :6443\n default_backend b\nbackend b\n server s 10.0.0.1\n");
  EXPECT_EQ(snapshot.pools[0].servers.at(0).address.port, 6443);
  import(
      "frontend f\n bind :6443\n default_backend b\nlisten g\n bind :7443\n use_backend b\nbackend b\n server s 10.0.0.1\n server t "
      "10.0.0.2:1\n");
  ASSERT_EQ(snapshot.pools[0].servers.size(), 1U);
  EXPECT_EQ(fate(8), Fate::kLeftOut);
}

TEST_F(HaproxyImport, AnAddressBehindTheSectionsNameIsABind) {
  import("listen api 10.0.0.5:6443\n server s 10.0.0.1:6443\n");
  EXPECT_EQ(snapshot.listeners[0].bind[0].to_string(), "10.0.0.5:6443");
  EXPECT_EQ(fate(1), Fate::kCarried);
}

TEST_F(HaproxyImport, StatsLinesDoNotMakeAPageOfAListenerThatServes) {
  import(kListen + std::string(" stats enable\n stats uri /x\nlisten stats\n bind 127.0.0.1:9000\n mode http\n stats enable\n"));
  ASSERT_EQ(snapshot.listeners.size(), 1U);
  EXPECT_EQ(fate(4), Fate::kLeftOut);
  EXPECT_EQ(snapshot.admin.listen, "127.0.0.1:9000");
}

TEST_F(HaproxyImport, NoOptionTakesNothingInThatItNames) {
  import(kListen + std::string(" no option httpchk\n no option tcpka\n no option nolinger\n no option tcplog\n"));
  EXPECT_EQ(snapshot.pools[0].health.type, config::HealthType::kNone);
  EXPECT_EQ(fate(4), Fate::kLeftOut);
  EXPECT_EQ(fate(5), Fate::kApproximated) << "keepalive is on all the same";
  EXPECT_EQ(fate(6), Fate::kCarried);
  EXPECT_FALSE(snapshot.listeners[0].log);
}

TEST_F(HaproxyImport, OfSeveralLogsTheOneThatWantsMostDecides) {
  import("global\n log /dev/log local0 info warning\n log /dev/log len 800 local1 err\n" + std::string(kListen));
  EXPECT_EQ(snapshot.log.level, LogLevel::kInfo);
}

TEST_F(HaproxyImport, TokensStayInTheFile) {
  import(kListen +
         std::string(
             " option httpchk\n http-check send hdr Authorization \"Bearer top-s3cret\"\n http-check send hdr authorization top-s3cret\n"));
  ASSERT_FALSE(made.notes.empty());
  for (const Note& note : made.notes) EXPECT_EQ(format(note).find("s3cret"), std::string::npos) << format(note);
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
