// The lists that a walk ends in admit the clients that the rules, in their order, admit.
#include <gtest/gtest.h>
#include <random>

#include "config/limits.h"
#include "migrate/access_walk.h"

namespace fairlead::migrate {
namespace {

IpPrefix prefix(std::string_view text) { return *parse_ip_prefix(text); }
bool is_in(const Networks& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(), [&](const IpPrefix& network) { return network.contains(address); });
}

struct Rule {
  enum class Kind { kAccept, kReject, kRejectAllBut } kind = Kind::kAccept;
  Networks who;
};

/// As HAProxy does it.
bool admitted(const std::vector<Rule>& rules, bool rest, const IpAddress& client) {
  for (const Rule& rule : rules) {
    const bool in = is_in(rule.who, client);
    if (rule.kind == Rule::Kind::kAccept && in) return true;
    if (rule.kind == Rule::Kind::kReject && in) return false;
    if (rule.kind == Rule::Kind::kRejectAllBut && !in) return false;
  }
  return rest;
}

TEST(AccessWalk, AdmitsWhomTheRulesAdmit) {
  std::mt19937 random(7);
  const auto draw = [&](unsigned below) { return static_cast<std::uint8_t>(random() % below); };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Rule> rules(1 + draw(6));
    AccessWalk walk;
    for (Rule& rule : rules) {
      rule.kind = static_cast<Rule::Kind>(draw(3));
      for (int i = 1 + draw(3); i > 0; --i)
        rule.who.push_back({IpAddress::v4({10, 0, 0, draw(64)}), static_cast<std::uint8_t>(26 + draw(7))});
      switch (rule.kind) {
        case Rule::Kind::kAccept: (void)walk.accept(rule.who); break;
        case Rule::Kind::kReject: (void)walk.reject(rule.who); break;
        case Rule::Kind::kRejectAllBut: (void)walk.reject_all_but(rule.who); break;
      }
    }
    const bool rest = draw(2) == 0;
    walk.decide_rest(rest);
    const auto lists = walk.lists();
    ASSERT_TRUE(lists.has_value());
    bool anybody = false;
    for (std::uint8_t host = 0; host < 80; ++host) {
      const IpAddress client = IpAddress::v4({10, 0, 0, host});
      const bool allowed = (!lists->allow || is_in(*lists->allow, client)) && !is_in(lists->deny, client);
      ASSERT_EQ(allowed, admitted(rules, rest, client)) << "round " << round << ", " << client.to_string();
      anybody = anybody || allowed;
    }
    EXPECT_FALSE(anybody && lists->nobody());
  }
}

TEST(AccessWalk, WhoeverRejectsAllIsKnownForIt) {
  AccessWalk plain;
  plain.decide_rest(false);
  EXPECT_TRUE(plain.lists()->nobody());
  AccessWalk wide;
  (void)wide.reject({prefix("0.0.0.0/0"), prefix("::/0")});
  EXPECT_TRUE(wide.lists()->nobody());
  AccessWalk emptied;
  (void)emptied.reject({prefix("10.0.0.0/8")});
  (void)emptied.accept({prefix("10.1.0.0/16")});
  emptied.decide_rest(false);
  EXPECT_TRUE(emptied.lists()->nobody());
}

TEST(AccessWalk, WhatNoListCanSayChangesNothing) {
  AccessWalk walk;
  Networks hosts;
  for (int i = 0; i < 200; ++i) {
    std::array<std::uint8_t, 16> bytes{0x20, 0x01};
    bytes[2] = static_cast<std::uint8_t>(i);
    bytes[15] = 1;
    hosts.push_back({IpAddress::v6(bytes), 128});
  }
  EXPECT_EQ(walk.accept(hosts), AccessWalk::Effect::kSome);
  EXPECT_EQ(walk.accept(hosts), AccessWalk::Effect::kNone);
  EXPECT_EQ(walk.reject({prefix("::/0")}), AccessWalk::Effect::kTooMany) << "200 holes in 128 bits";
  EXPECT_TRUE(walk.lists()->deny.empty());
}

}  // namespace
}  // namespace fairlead::migrate
