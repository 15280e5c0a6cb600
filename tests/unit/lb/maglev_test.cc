#include "lb/maglev.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::lb {
namespace {

std::vector<MaglevServer> make_servers(std::size_t count, std::uint32_t weight = 100) {
  std::vector<MaglevServer> servers;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = "server-" + std::to_string(i);
    servers.push_back({server_key("pool", name, name + ":6443"), weight, static_cast<std::uint16_t>(i)});
  }
  return servers;
}

std::map<std::uint16_t, std::size_t> shares_of(const std::vector<std::uint16_t>& table) {
  std::map<std::uint16_t, std::size_t> shares;
  for (const std::uint16_t s : table) ++shares[s];
  return shares;
}

std::size_t moved(const std::vector<std::uint16_t>& before, const std::vector<std::uint16_t>& after, std::uint16_t except) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < before.size(); ++i) count += before[i] != except && after[i] != except && before[i] != after[i] ? 1U : 0U;
  return count;
}

TEST(Maglev, SharesEquallyAmongEqualServers) {
  for (const std::size_t count : {1U, 3U, 7U, 40U}) {
    const auto table = build_maglev(make_servers(count), maglev_size_for(count));
    const auto shares = shares_of(table);

    ASSERT_EQ(shares.size(), count);
    for (const auto& [server, share] : shares) EXPECT_NEAR(static_cast<double>(share), 4093.0 / static_cast<double>(count), 1.0);
  }
}

TEST(Maglev, SharesByWeight) {
  auto servers = make_servers(3);
  servers[0].weight = 200;
  servers[2].weight = 1;
  const auto shares = shares_of(build_maglev(servers, 4093));

  EXPECT_NEAR(static_cast<double>(shares.at(0)), 4093 * 200.0 / 301, 3);
  EXPECT_NEAR(static_cast<double>(shares.at(1)), 4093 * 100.0 / 301, 3);
  EXPECT_NEAR(static_cast<double>(shares.at(2)), 4093 * 1.0 / 301, 3);
}

TEST(Maglev, LeavesOutServersWithoutWeight) {
  auto servers = make_servers(2);
  servers[0].weight = 0;
  EXPECT_EQ(shares_of(build_maglev(servers, 4093)).count(0), 0U);

  servers[1].weight = 0;
  EXPECT_TRUE(build_maglev(servers, 4093).empty());
}

TEST(Maglev, GivesAServerOfTinyWeightAPositionToo) {
  auto servers = make_servers(40, 1000);
  servers[17].weight = 1;
  EXPECT_EQ(shares_of(build_maglev(servers, 4093)).at(17), 1U);
}

TEST(Maglev, DoesNotDependOnTheOrderOfConfiguration) {
  auto servers = make_servers(9);
  servers[4].weight = 30;
  const auto table = build_maglev(servers, 4093);
  std::shuffle(servers.begin(), servers.end(), std::minstd_rand(1));
  EXPECT_EQ(build_maglev(servers, 4093), table);
}

TEST(Maglev, MovesLittleWhenAServerLeavesOrReturns) {
  for (const std::size_t count : {3U, 5U, 20U}) {
    auto servers = make_servers(count);
    const auto all = build_maglev(servers, 4093);
    for (std::uint16_t gone = 0; gone < count; ++gone) {
      servers[gone].weight = 0;
      const auto without = build_maglev(servers, 4093);
      servers[gone].weight = 100;
      // The paper reports a few per cent for tables a hundred times larger than the number of servers.
      EXPECT_LT(moved(all, without, gone), all.size() * 15 / 100) << count << " servers, without " << gone;
    }
  }
}

TEST(Maglev, MovesLittleWhenAWeightChanges) {
  auto servers = make_servers(5);
  const auto before = build_maglev(servers, 4093);
  servers[2].weight = 90;
  const auto after = build_maglev(servers, 4093);

  EXPECT_LT(moved(before, after, 2), before.size() * 10 / 100);
}

TEST(Maglev, ChoosesASizeByTheNumberOfServers) {
  EXPECT_EQ(maglev_size_for(0), 4093U);
  EXPECT_EQ(maglev_size_for(40), 4093U);
  EXPECT_EQ(maglev_size_for(41), 16'381U);
  EXPECT_EQ(maglev_size_for(164), 65'521U);
  EXPECT_EQ(maglev_size_for(5000), 65'521U);
}

TEST(Maglev, TellsServersApartByPoolNameAndAddress) {
  const auto key = server_key("p", "a", "1:1");
  EXPECT_EQ(key, server_key("p", "a", "1:1"));
  EXPECT_NE(key, server_key("q", "a", "1:1"));
  EXPECT_NE(key, server_key("p", "b", "1:1"));
  EXPECT_NE(key, server_key("p", "a", "1:2"));
  EXPECT_NE(server_key("ab", "c", ""), server_key("a", "bc", ""));
}

TEST(Maglev, MapsAClientAlikeWhetherMappedOrNot) {
  const auto table = build_maglev(make_servers(5), 4093);
  const IpAddress plain = parse_ip_address("10.1.2.3").value();
  const IpAddress mapped = parse_ip_address("::ffff:10.1.2.3").value();
  EXPECT_EQ(maglev_position(table, plain), maglev_position(table, mapped));
}

TEST(Maglev, SpreadsClientsOverThePositions) {
  const auto table = build_maglev(make_servers(3), 4093);
  std::map<std::uint16_t, int> clients;
  for (std::uint8_t a = 0; a < 40; ++a) {
    for (std::uint8_t b = 0; b < 100; ++b) ++clients[table[maglev_position(table, IpAddress::v4({10, 0, a, b}))]];
  }
  for (const auto& [server, count] : clients) EXPECT_NEAR(count, 4000.0 / 3, 150);
}

RC_GTEST_PROP(MaglevProperty, FillsEveryPositionAndIsOrderIndependent, ()) {
  auto servers = make_servers(*rc::gen::inRange<std::size_t>(1, 12));
  for (auto& s : servers) s.weight = *rc::gen::inRange<std::uint32_t>(0, 1001);
  const auto table = build_maglev(servers, 1021);
  std::reverse(servers.begin(), servers.end());
  RC_ASSERT(build_maglev(servers, 1021) == table);

  double sum = 0;
  for (const auto& s : servers) sum += s.weight;
  RC_ASSERT(table.size() == (sum > 0 ? 1021U : 0U));
  const auto shares = shares_of(table);
  for (const auto& s : servers) {
    const double share = shares.contains(s.index) ? static_cast<double>(shares.at(s.index)) : 0;
    if (sum > 0) RC_ASSERT(std::abs(share - 1021 * s.weight / sum) <= 12.0);
    RC_ASSERT((share > 0) == (s.weight > 0));
  }
}

}  // namespace
}  // namespace fairlead::lb
