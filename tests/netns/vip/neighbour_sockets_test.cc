// ArpSocket and NdpSocket on a real LAN of two namespaces. Every case runs for both protocols.
#include <gtest/gtest.h>
#include <memory>

#include "base/system_clock.h"
#include "tests/support/net_namespace.h"
#include "vip/arp_socket.h"
#include "vip/ndp_socket.h"

namespace fairlead::vip {
namespace {

using test::Entered;
using test::eventually;
using test::shell;

struct Said final : NeighbourListener {
  std::vector<NeighbourEvent> events;
  void on_neighbour(const NeighbourEvent& event) override { events.push_back(event); }
  [[nodiscard]] int count(NeighbourEventKind kind, const IpAddress& address, const MacAddress& mac) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(),
                                          [&](const NeighbourEvent& e) { return e.kind == kind && e.address == address && e.mac == mac; }));
  }
};

const MacAddress kMacA{{2, 0, 0, 0, 0, 0x0a}};
const MacAddress kMacB{{2, 0, 0, 0, 0, 0x0b}};

class NeighbourSockets : public test::NetNamespaceTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    test::NetNamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    here_port_ = open(link_of("va"), here_);
    const Entered other(there());
    there_port_ = open(link_of("vb"), there_said_);
  }
  [[nodiscard]] bool v4() const { return GetParam(); }
  [[nodiscard]] std::unique_ptr<NeighbourPort> open(const LinkState& link, NeighbourListener& listener) {
    if (v4()) {
      auto port = ArpSocket::open(link, listener, clock_);
      EXPECT_TRUE(port);
      return port ? std::move(*port) : nullptr;
    }
    auto port = NdpSocket::open(link, listener, clock_);
    EXPECT_TRUE(port);
    return port ? std::move(*port) : nullptr;
  }
  [[nodiscard]] IpAddress vip() const { return v4() ? IpAddress::v4({10, 0, 0, 9}) : *parse_ip_address("2001:db8::9"); }
  [[nodiscard]] IpAddress nobody() const { return IpAddress::any(vip().family()); }
  [[nodiscard]] IpAddress own() const { return v4() ? IpAddress::v4({10, 0, 0, 1}) : *parse_ip_address("2001:db8::1"); }
  [[nodiscard]] std::string text(const IpAddress& address) const { return address.to_string() + (v4() ? "/24" : "/64 nodad"); }
  // The other side has the VIP and answers for it. The kernel joins a new IPv6 address's group only afterwards, from a work queue.
  void give_vip_there() {
    ASSERT_EQ(shell_there("ip addr add " + text(vip()) + " dev vb"), 0);
    if (v4()) return;
    ASSERT_TRUE(eventually(-1, [&] { return shell_there("grep -q 'vb .*ff0200000000000000000001ff000009' /proc/net/igmp6") == 0; }));
  }
  // Waits on this side's port until `done`.
  bool heard(NeighbourPort& port, const std::function<bool()>& done) {
    return eventually(port.fd(), [&] { return port.receive() && done(); });
  }
  // A frame that both sides see, after everything sent before it: what was not heard by then was not said.
  void flush_to(NeighbourPort& from, NeighbourPort& to, Said& said, const MacAddress& from_mac) {
    const IpAddress marker = v4() ? IpAddress::v4({10, 0, 0, 250}) : *parse_ip_address("2001:db8::fa");
    ASSERT_TRUE(to.watch(marker));
    ASSERT_TRUE(from.announce(marker));
    ASSERT_TRUE(heard(to, [&] { return said.count(NeighbourEventKind::kClaim, marker, from_mac) > 0; }));
  }

  SystemClock clock_;
  Said here_;
  Said there_said_;
  std::unique_ptr<NeighbourPort> here_port_;
  std::unique_ptr<NeighbourPort> there_port_;
};

INSTANTIATE_TEST_SUITE_P(Both, NeighbourSockets, ::testing::Values(true, false), [](const auto& i) { return i.param ? "Arp" : "Ndp"; });

TEST_P(NeighbourSockets, AProbeIsAnsweredByWhoeverHasTheAddress) {
  give_vip_there();
  ASSERT_TRUE(here_port_->watch(vip()));

  ASSERT_TRUE(here_port_->probe(vip(), nobody()));

  // IPv6 answers a probe from :: to all nodes, which looks like an announcement (neighbour_port.h).
  const auto kind = v4() ? NeighbourEventKind::kAnswer : NeighbourEventKind::kClaim;
  EXPECT_TRUE(heard(*here_port_, [&] { return here_.count(kind, vip(), kMacB) == 1; }));
}

TEST_P(NeighbourSockets, AQuestionWithASourceIsAnsweredToItAlone) {
  ASSERT_EQ(shell("ip addr add " + text(own()) + " dev va"), 0);
  give_vip_there();
  ASSERT_TRUE(here_port_->watch(vip()));

  ASSERT_TRUE(here_port_->probe(vip(), own()));

  EXPECT_TRUE(heard(*here_port_, [&] { return here_.count(NeighbourEventKind::kAnswer, vip(), kMacB) == 1; }));
}

TEST_P(NeighbourSockets, NobodyAnswersForAnAddressThatIsNotThere) {
  ASSERT_TRUE(here_port_->watch(vip()));
  ASSERT_TRUE(here_port_->probe(vip(), nobody()));
  flush_to(*there_port_, *here_port_, here_, kMacB);
  EXPECT_EQ(here_.count(NeighbourEventKind::kAnswer, vip(), kMacB) + here_.count(NeighbourEventKind::kClaim, vip(), kMacB), 0);
}

TEST_P(NeighbourSockets, AnotherNodesProbeAndAnnouncementAreTold) {
  ASSERT_TRUE(here_port_->watch(vip()));

  ASSERT_TRUE(there_port_->probe(vip(), nobody()));
  EXPECT_TRUE(heard(*here_port_, [&] { return here_.count(NeighbourEventKind::kProbe, vip(), kMacB) == 1; }));

  ASSERT_TRUE(there_port_->announce(vip()));
  const int forms = v4() ? 2 : 1;  // Request and reply.
  EXPECT_TRUE(heard(*here_port_, [&] { return here_.count(NeighbourEventKind::kClaim, vip(), kMacB) == forms; }));
}

TEST_P(NeighbourSockets, WhatThisHostSaysItselfIsNotTold) {
  ASSERT_EQ(shell("ip addr add " + text(vip()) + " dev va"), 0);
  ASSERT_TRUE(here_port_->watch(vip()));
  ASSERT_TRUE(there_port_->watch(vip()));
  ASSERT_TRUE(here_port_->announce(vip()));
  ASSERT_TRUE(here_port_->probe(vip(), nobody()));
  ASSERT_TRUE(there_port_->probe(vip(), nobody()));  // The kernel here answers.
  ASSERT_TRUE(heard(*there_port_, [&] { return there_said_.events.size() >= (v4() ? 4U : 3U); }));
  flush_to(*there_port_, *here_port_, here_, kMacB);
  for (const NeighbourEvent& event : here_.events) EXPECT_NE(event.mac, kMacA);
}

// As a pool is swept: hundreds of addresses, whose answers may be late.
TEST_P(NeighbourSockets, ARangeOfAddressesIsWatchedWholeAndNothingOutsideIt) {
  if (!v4()) return;
  ArpSocket& port = static_cast<ArpSocket&>(*here_port_);
  const auto ip = [](std::uint8_t third, std::uint8_t last) { return IpAddress::v4({10, 0, third, last}); };
  EXPECT_FALSE(port.watch_range(ip(0, 9), ip(0, 8)));
  ASSERT_TRUE(port.watch_range(ip(0, 200), ip(1, 100)));
  for (const IpAddress& outside : {ip(0, 199), ip(1, 101), ip(0, 0), ip(255, 255)}) ASSERT_TRUE(there_port_->announce(outside));
  for (const IpAddress& inside : {ip(0, 200), ip(0, 255), ip(1, 7), ip(1, 100)}) ASSERT_TRUE(there_port_->announce(inside));
  ASSERT_TRUE(heard(port, [&] { return here_.count(NeighbourEventKind::kClaim, ip(1, 100), kMacB) == 2; }));
  EXPECT_EQ(here_.events.size(), 8U);

  ASSERT_EQ(shell_there("ip addr add 10.0.0.255/16 dev vb"), 0);
  ASSERT_TRUE(port.probe(ip(0, 255), nobody()));
  EXPECT_TRUE(heard(port, [&] { return here_.count(NeighbourEventKind::kAnswer, ip(0, 255), kMacB) == 1; }));
}

TEST_P(NeighbourSockets, WhatConcernsOtherAddressesDoesNotEvenWakeUs) {
  const IpAddress other = v4() ? IpAddress::v4({10, 0, 0, 8}) : *parse_ip_address("2001:db8::8");
  ASSERT_TRUE(here_port_->watch(vip()));
  ASSERT_TRUE(here_port_->watch(other));
  here_port_->unwatch(other);
  ASSERT_TRUE(there_port_->announce(other));
  ASSERT_TRUE(there_port_->probe(other, nobody()));
  ASSERT_TRUE(there_port_->announce(vip()));
  ASSERT_TRUE(heard(*here_port_, [&] { return here_.count(NeighbourEventKind::kClaim, vip(), kMacB) > 0; }));
  for (const NeighbourEvent& event : here_.events) EXPECT_EQ(event.address, vip());
}

TEST_P(NeighbourSockets, EveryWatchedAddressIsHeardUpToTheLimitAndTheNextIsRefused) {
  const auto address = [&](std::size_t i) {
    const auto last = static_cast<std::uint8_t>(i + 1);
    return v4() ? IpAddress::v4({10, 0, 1, last}) : IpAddress::v6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, last});
  };
  for (std::size_t i = 0; i < kWatchedAddressesMax; ++i) ASSERT_TRUE(here_port_->watch(address(i))) << i;
  ASSERT_TRUE(here_port_->watch(address(0)));
  const auto refused = here_port_->watch(address(kWatchedAddressesMax));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kLimitExceeded);
  for (std::size_t i = 0; i < kWatchedAddressesMax; ++i) {
    ASSERT_TRUE(there_port_->probe(address(i), nobody())) << i;
    ASSERT_TRUE(there_port_->announce(address(i))) << i;
    ASSERT_TRUE(heard(*here_port_, [&] {
      return here_.count(NeighbourEventKind::kProbe, address(i), kMacB) == 1 &&
             here_.count(NeighbourEventKind::kClaim, address(i), kMacB) > 0;
    })) << i;
  }
}

TEST_P(NeighbourSockets, AnInterfaceThatIsDownIsAClearErrorAndWorksAgainWhenItIsUp) {
  ASSERT_TRUE(here_port_->watch(vip()));
  ASSERT_EQ(shell("ip link set va down"), 0);

  const auto failed = here_port_->receive();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kUnavailable);
  EXPECT_NE(failed.error().context.find("va"), std::string::npos);
  EXPECT_TRUE(here_port_->receive());  // Told once, no busy loop.
  EXPECT_EQ(here_port_->announce(vip()).error().code, Errc::kUnavailable);

  ASSERT_EQ(shell("ip link set va up"), 0);
  ASSERT_TRUE(eventually(-1, [&] { return there_port_->announce(vip()) && here_port_->receive() && !here_.events.empty(); }));
}

TEST_P(NeighbourSockets, AnInterfaceThatIsGoneIsAClearErrorAndAnotherCanTakeItsPlace) {
  ASSERT_TRUE(here_port_->watch(vip()));
  ASSERT_EQ(shell("ip link del va"), 0);
  (void)here_port_->receive();
  const auto failed = here_port_->probe(vip(), nobody());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kNotFound);

  const std::string other = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(there());
  ASSERT_EQ(shell("ip link add va address 02:00:00:00:00:0a type veth peer name vb address 02:00:00:00:00:0b netns " + other), 0);
  ASSERT_EQ(shell("ip link set va up"), 0);
  ASSERT_EQ(shell_there("ip link set vb up"), 0);
  ASSERT_TRUE(here_port_->bind_to(link_of("va")));
  {
    const Entered inside(there());
    ASSERT_TRUE(there_port_->bind_to(link_of("vb")));
  }
  ASSERT_TRUE(eventually(-1, [&] {
    return there_port_->announce(vip()) && here_port_->receive() && here_.count(NeighbourEventKind::kClaim, vip(), kMacB) > 0;
  }));
}

TEST_P(NeighbourSockets, AnInterfaceWithoutEthernetIsRefused) {
  LinkState loopback = link_of("lo");
  loopback.mac.reset();
  const auto refused = here_port_->bind_to(loopback);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnsupported);
}

TEST_P(NeighbourSockets, TheOtherProtocolsAddressIsRefused) {
  const IpAddress wrong = v4() ? *parse_ip_address("2001:db8::9") : IpAddress::v4({10, 0, 0, 9});
  EXPECT_EQ(here_port_->watch(wrong).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(here_port_->probe(wrong, nobody()).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(here_port_->announce(wrong).error().code, Errc::kInvalidArgument);
}

// A kernel that has the address itself believes an announcement only when it is right in every field: its neighbour entry moves.
TEST_P(NeighbourSockets, LinuxBelievesAnAnnouncement) {
  ASSERT_EQ(shell_there("ip addr add " + text(own()) + " dev vb && ip neigh add " + vip().to_string() +
                        " lladdr 02:00:00:00:00:77 nud stale dev vb"),
            0);
  ASSERT_TRUE(here_port_->announce(vip()));
  EXPECT_TRUE(eventually(-1, [&] { return shell_there("ip neigh show " + vip().to_string() + " | grep -q 02:00:00:00:00:0a") == 0; }));
}

// Hosts drop a default router that stops saying that it is one (RFC 4861 7.2.5).
class NeighbourRouters : public NeighbourSockets {};
INSTANTIATE_TEST_SUITE_P(Ndp, NeighbourRouters, ::testing::Values(false));

TEST_P(NeighbourRouters, AnAnnouncementSaysWhetherThisNodeForwards) {
  const std::string entry = "ip neigh show " + vip().to_string() + " | grep ";
  for (const char* forwarding : {"1", "0"}) {
    ASSERT_EQ(shell("sysctl -qw net.ipv6.conf.va.forwarding=" + std::string(forwarding)), 0);
    ASSERT_EQ(shell_there("ip neigh replace " + vip().to_string() + " lladdr 02:00:00:00:00:77 nud stale dev vb"), 0);
    ASSERT_TRUE(here_port_->announce(vip()));
    EXPECT_TRUE(eventually(-1, [&] { return shell_there(entry + "-q 02:00:00:00:00:0a") == 0; }));
    EXPECT_EQ(shell_there(entry + "-q router") == 0, *forwarding == '1');
  }
}

// A switch that snoops passes a group's frames on to its members alone: a standby that is none hears no other node's probe. Linux's bridge
// is such a switch, and its table says whom it knows.
class NeighbourGroups : public NeighbourSockets {};
INSTANTIATE_TEST_SUITE_P(Ndp, NeighbourGroups, ::testing::Values(false));

TEST_P(NeighbourGroups, ASwitchThatSnoopsLearnsWhoWatches) {
  ASSERT_EQ(shell_there("ip link add br0 type bridge mcast_snooping 1 && ip link set br0 up && ip link set vb master br0"), 0);
  const IpAddress alike = *parse_ip_address("2001:db8:0:1::9");  // The same group.
  const auto known = [&] { return shell_there("bridge mdb show dev br0 | grep -q 'port vb grp ff02::1:ff00:9'") == 0; };
  EXPECT_FALSE(known());

  ASSERT_TRUE(here_port_->watch(vip()));
  ASSERT_TRUE(here_port_->watch(alike));
  EXPECT_TRUE(eventually(-1, known));

  // IPv6 goes and comes back, which the link says nothing of; what does is told with bind_to().
  ASSERT_EQ(shell("sysctl -qw net.ipv6.conf.va.disable_ipv6=1 && ip link set va mtu 1000 && ip link set va mtu 1500 && sysctl -qw "
                  "net.ipv6.conf.va.disable_ipv6=0"),
            0);
  ASSERT_TRUE(here_port_->bind_to(link_of("va")));
  EXPECT_EQ(shell("grep -q 'va .*ff0200000000000000000001ff000009' /proc/net/igmp6"), 0);

  here_port_->unwatch(alike);
  EXPECT_EQ(shell("grep -q 'va .*ff0200000000000000000001ff000009' /proc/net/igmp6"), 0);
  here_port_->unwatch(vip());
  EXPECT_NE(shell("grep -q 'va .*ff0200000000000000000001ff000009' /proc/net/igmp6"), 0);
}

}  // namespace
}  // namespace fairlead::vip
