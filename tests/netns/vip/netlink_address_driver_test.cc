// NetlinkAddressDriver against the real kernel. Every case runs for both protocols where both have the matter.
#include "vip/netlink_address_driver.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <memory>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/net_namespace.h"

namespace fairlead::vip {
namespace {

using std::chrono::seconds;
using test::eventually;
using test::shell;

bool drop_net_admin() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  data[0].effective &= ~(1U << CAP_NET_ADMIN);
  return ::syscall(SYS_capset, &header, data) == 0;
}
bool regain_net_admin() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  data[0].effective |= 1U << CAP_NET_ADMIN;
  return ::syscall(SYS_capset, &header, data) == 0;
}

class NetlinkAddressDriverTest : public test::NetNamespaceTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    test::NetNamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto opened = NetlinkAddressDriver::open();
    ASSERT_TRUE(opened);
    driver_ = std::move(*opened);
    what_ = {.device = "va", .index = link_of("va").index, .address = prefix(9), .lease = seconds(2)};
    ASSERT_TRUE(driver_->take_events());
  }
  [[nodiscard]] bool v4() const { return GetParam(); }
  [[nodiscard]] IpPrefix prefix(std::uint8_t last) const {
    if (v4()) return {IpAddress::v4({10, 0, 0, last}), 24};
    return {IpAddress::v6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}), 64};
  }
  [[nodiscard]] std::optional<PresentAddress> present(const IpPrefix& address) {
    auto all = driver_->addresses();
    EXPECT_TRUE(all);
    const auto at = std::find_if(all->begin(), all->end(), [&](const PresentAddress& p) { return p.address == address; });
    return at == all->end() ? std::nullopt : std::optional(*at);
  }
  [[nodiscard]] std::vector<AddressEvent> events() {
    auto out = driver_->take_events();
    EXPECT_TRUE(out);
    return out ? *out : std::vector<AddressEvent>{};
  }
  // Events about addresses alone: the link itself may still be settling.
  [[nodiscard]] std::vector<AddressEvent> gone() {
    auto out = events();
    std::erase_if(out, [](const AddressEvent& e) { return !std::holds_alternative<AddressGone>(e); });
    return out;
  }
  [[nodiscard]] static int gone_count(const std::vector<AddressEvent>& all, const LeasedAddress& what) {
    return static_cast<int>(std::count(all.begin(), all.end(), AddressEvent(AddressGone{what.index, what.address})));
  }
  // By what the kernel would do: `ip route show` also shows IPv6 routes that have expired.
  [[nodiscard]] bool reaches_subnet() { return ip("route get " + prefix(77).address.to_string() + " 2>/dev/null | grep -q 'dev va'") == 0; }
  int ip(const std::string& arguments) { return shell("ip " + std::string(v4() ? "" : "-6 ") + arguments); }

  std::unique_ptr<NetlinkAddressDriver> driver_;
  LeasedAddress what_;
};
INSTANTIATE_TEST_SUITE_P(Both, NetlinkAddressDriverTest, ::testing::Values(true, false),
                         [](const auto& i) { return i.param ? "V4" : "V6"; });

/// What only one of the two families has.
class NetlinkAddressDriverV4Test : public NetlinkAddressDriverTest {};
INSTANTIATE_TEST_SUITE_P(Of, NetlinkAddressDriverV4Test, ::testing::Values(true));
class NetlinkAddressDriverV6Test : public NetlinkAddressDriverTest {};
INSTANTIATE_TEST_SUITE_P(Of, NetlinkAddressDriverV6Test, ::testing::Values(false));

TEST_P(NetlinkAddressDriverTest, AddsWithALifetimeAndOurMark) {
  ASSERT_TRUE(driver_->add(what_));

  const auto there = present(what_.address);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->device, "va");
  ASSERT_TRUE(there->remaining);
  EXPECT_LE(*there->remaining, seconds(2));
  EXPECT_EQ(there->protocol, kFairleadProtocol);  // Linux 5.18 and later.
  EXPECT_TRUE(gone().empty());
}

TEST_P(NetlinkAddressDriverTest, TheNodeItselfNeverChoosesIpv6VipsAndNoDetectionDelaysThem) {
  ASSERT_TRUE(driver_->add(what_));
  if (v4()) return;
  EXPECT_EQ(shell("ip -6 addr show dev va | grep -q 'nodad deprecated'"), 0);
  EXPECT_NE(shell("ip -6 addr show dev va | grep -q tentative"), 0);
}

TEST_P(NetlinkAddressDriverTest, TheKernelRemovesItAloneWhenNobodyRefreshesAndWeAreTold) {
  what_.lease = seconds(1);
  ASSERT_TRUE(driver_->add(what_));
  std::vector<AddressEvent> all;
  ASSERT_TRUE(eventually(driver_->fd(), [&] {
    for (auto& event : events()) all.push_back(event);
    return !all.empty();
  }));
  EXPECT_EQ(gone_count(all, what_), 1);
  EXPECT_FALSE(present(what_.address));
}

TEST_P(NetlinkAddressDriverTest, StaysWhileItIsRefreshed) {
  what_.lease = seconds(1);
  ASSERT_TRUE(driver_->add(what_));
  const auto end = std::chrono::steady_clock::now() + seconds(3);  // Three lifetimes.
  int refreshed = 0;
  ASSERT_TRUE(eventually(driver_->fd(), [&] {
    EXPECT_TRUE(driver_->refresh(what_));
    ++refreshed;
    return std::chrono::steady_clock::now() > end || ::testing::Test::HasFailure();
  }));
  EXPECT_TRUE(present(what_.address));
  EXPECT_TRUE(gone().empty());
}

TEST_P(NetlinkAddressDriverTest, RefreshingKeepsMarkFlagsAndRoutesAsTheyWere) {
  ASSERT_EQ(ip("addr add " + prefix(1).to_string() + " dev va"), 0);
  ASSERT_TRUE(driver_->add(what_));
  const std::string see = "ip -o addr show dev va | grep '" + what_.address.address.to_string() + "/' | grep -q noprefixroute";
  ASSERT_EQ(shell(see), 0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(driver_->refresh(what_));
  EXPECT_EQ(shell(see), 0);
  EXPECT_EQ(present(what_.address)->protocol, kFairleadProtocol);
}

TEST_P(NetlinkAddressDriverTest, RemovesItAndRemovingAgainIsDoneToo) {
  ASSERT_TRUE(driver_->add(what_));
  EXPECT_TRUE(driver_->remove(what_));
  EXPECT_FALSE(present(what_.address));
  EXPECT_TRUE(driver_->remove(what_));
  EXPECT_TRUE(gone().empty());  // What we did ourselves is nobody else's deed.
}

TEST_P(NetlinkAddressDriverTest, AddingAndRemovingInARowTellsOfNothing) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(driver_->add(what_));
    ASSERT_TRUE(driver_->refresh(what_));
    ASSERT_TRUE(driver_->remove(what_));
  }
  ASSERT_TRUE(driver_->add(what_));
  EXPECT_TRUE(gone().empty());
}

TEST_P(NetlinkAddressDriverTest, TellsWhenSomebodyDeletesItAndNeverRefreshesItBack) {
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_EQ(ip("addr del " + what_.address.to_string() + " dev va"), 0);

  const auto refused = driver_->refresh(what_);

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kNotFound);
  EXPECT_FALSE(present(what_.address));
  EXPECT_EQ(gone_count(events(), what_), 1);
}

TEST_P(NetlinkAddressDriverTest, SaysThatAnotherCallReadTheEvents) {
  ASSERT_TRUE(driver_->add(what_));
  (void)events();
  EXPECT_FALSE(driver_->has_events());
  ASSERT_EQ(ip("addr flush dev va"), 0);
  ASSERT_TRUE(driver_->links());  // Reads on the way; the descriptor has nothing more to show.
  EXPECT_TRUE(driver_->has_events());
  EXPECT_EQ(gone_count(events(), what_), 1);
  EXPECT_FALSE(driver_->has_events());
}

TEST_P(NetlinkAddressDriverTest, CanBeAddedAgainAfterSomebodyDeletedIt) {
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_EQ(ip("addr flush dev va"), 0);
  ASSERT_TRUE(eventually(driver_->fd(), [&] { return gone_count(events(), what_) == 1; }));
  ASSERT_TRUE(driver_->add(what_));
  EXPECT_TRUE(present(what_.address));
}

TEST_P(NetlinkAddressDriverTest, AnAddressThatIsNotOursKeepsItOutAndStays) {
  const IpPrefix host{what_.address.address, static_cast<std::uint8_t>(what_.address.address.bits())};
  for (const IpPrefix& other : {what_.address, host}) {
    ASSERT_EQ(ip("addr add " + other.to_string() + " dev va"), 0);
    const auto refused = driver_->add(what_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kConflict);
    EXPECT_NE(refused.error().context.find("va"), std::string::npos);
    EXPECT_TRUE(present(other));
    ASSERT_EQ(ip("addr del " + other.to_string() + " dev va"), 0);
  }
}

TEST_P(NetlinkAddressDriverTest, TakesOverWhatAnEarlierLifeLeft) {
  auto earlier = NetlinkAddressDriver::open();
  ASSERT_TRUE(earlier);
  ASSERT_TRUE((*earlier)->add(what_));
  earlier->reset();

  EXPECT_TRUE(driver_->add(what_));
  EXPECT_TRUE(driver_->refresh(what_));
  EXPECT_TRUE(gone().empty());
}

TEST_P(NetlinkAddressDriverTest, BringsTheSubnetsRouteWhenTheInterfaceHasNone) {
  ASSERT_TRUE(driver_->add(what_));
  EXPECT_EQ(ip("route show dev va | grep -q " + std::string(v4() ? "10.0.0.0/24" : "2001:db8::/64")), 0);
  ASSERT_TRUE(driver_->remove(what_));
  if (v4()) {
    EXPECT_NE(ip("route show dev va | grep -q 10.0.0.0/24"), 0);
  } else {
    EXPECT_NE(ip("route show dev va | grep 2001:db8::/64 | grep -vq expires"), 0);  // Linux leaves it until its own end.
  }
}

// The route that came with an address of ours goes with it: the next one must bring its own.
TEST_P(NetlinkAddressDriverTest, KeepsASubnetsRouteWhenTheVipThatBroughtItGoes) {
  ASSERT_EQ(shell("sysctl -qw net.ipv4.conf.va.promote_secondaries=1"), 0);
  LeasedAddress second = what_;
  second.address = prefix(10);
  what_.lease = second.lease = seconds(1);
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_TRUE(driver_->add(second));

  ASSERT_TRUE(driver_->remove(what_));

  const auto end = std::chrono::steady_clock::now() + seconds(2);  // Beyond the lifetime of what the first one brought.
  ASSERT_TRUE(eventually(driver_->fd(), [&] {
    EXPECT_TRUE(driver_->refresh(second));
    return std::chrono::steady_clock::now() > end || ::testing::Test::HasFailure();
  }));
  EXPECT_TRUE(reaches_subnet());
}

TEST_P(NetlinkAddressDriverTest, BringsTheSubnetsRouteAgainRightAfterItWasRemoved) {
  what_.lease = seconds(1);
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_TRUE(driver_->remove(what_));
  ASSERT_TRUE(driver_->add(what_));
  const auto end = std::chrono::steady_clock::now() + seconds(2);
  ASSERT_TRUE(eventually(driver_->fd(), [&] {
    EXPECT_TRUE(driver_->refresh(what_));
    return std::chrono::steady_clock::now() > end || ::testing::Test::HasFailure();
  }));
  EXPECT_TRUE(reaches_subnet());
}

TEST_P(NetlinkAddressDriverTest, LeavesTheSubnetsRouteAloneWhenItIsThereAlready) {
  const std::string route = v4() ? "10.0.0.0/24" : "2001:db8::/64";
  // Another address, since Linux drops all IPv4 routes of an interface with its last one.
  ASSERT_EQ(ip("addr add " + std::string(v4() ? "192.0.2.1/32" : "2001:db8:1::1/128") + " dev va"), 0);
  ASSERT_EQ(ip("route add " + route + " dev va metric 77"), 0);
  ASSERT_TRUE(driver_->add(what_));
  EXPECT_EQ(ip("route show dev va | grep " + route + " | wc -l | grep -qx 1"), 0);
  ASSERT_TRUE(driver_->remove(what_));
  EXPECT_EQ(ip("route show dev va | grep " + route + " | grep -q 'metric 77'"), 0);
}

TEST_P(NetlinkAddressDriverV4Test, OtherAddressesOfTheSubnetSurviveItsRemoval) {  // IPv6 has no secondary addresses.
  ASSERT_EQ(shell("sysctl -qw net.ipv4.conf.va.promote_secondaries=1"), 0);       // address_hygiene sets it.
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_EQ(ip("addr add 10.0.0.1/24 dev va"), 0);
  LeasedAddress second = what_;
  second.address = prefix(10);
  ASSERT_TRUE(driver_->add(second));

  ASSERT_TRUE(driver_->remove(what_));

  EXPECT_TRUE(present(prefix(1)));
  EXPECT_TRUE(present(second.address));
  EXPECT_TRUE(driver_->refresh(second));
  EXPECT_TRUE(gone().empty());
  EXPECT_EQ(shell("ip route get 10.0.0.77 | grep -q 'dev va'"), 0);
}

TEST_P(NetlinkAddressDriverV4Test, TellsOfEverySecondaryThatGoesWithAPrimary) {
  ASSERT_EQ(shell("sysctl -qw net.ipv4.conf.va.promote_secondaries=0"), 0);
  ASSERT_EQ(ip("addr add 10.0.0.1/24 dev va"), 0);
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_EQ(ip("addr del 10.0.0.1/24 dev va"), 0);
  EXPECT_EQ(gone_count(events(), what_), 1);
}

TEST_P(NetlinkAddressDriverTest, WithoutTheCapabilityTheErrorSaysWhichOne) {
  ASSERT_TRUE(drop_net_admin());
  const auto refused = driver_->add(what_);
  ASSERT_TRUE(regain_net_admin());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kPermission);
  EXPECT_NE(refused.error().context.find("CAP_NET_ADMIN"), std::string::npos);
}

TEST_P(NetlinkAddressDriverTest, AnInterfaceThatIsDownRefusesAndSaysSo) {
  ASSERT_EQ(shell("ip link set va down"), 0);
  const auto refused = driver_->add(what_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_FALSE(present(what_.address));
}

TEST_P(NetlinkAddressDriverV6Test, AnInterfaceWhereIpv6IsOffRefusesWithTheKernelsWords) {  // IPv4 cannot be switched off.
  ASSERT_EQ(shell("sysctl -qw net.ipv6.conf.va.disable_ipv6=1"), 0);
  const auto refused = driver_->add(what_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_NE(refused.error().context.find("kernel:"), std::string::npos) << refused.error().message();
}

TEST_P(NetlinkAddressDriverTest, LifetimesThatAreNoWholeSecondsAreRefused) {
  for (const Duration lease : {Duration{}, Duration(std::chrono::milliseconds(1500)), Duration(std::chrono::milliseconds(999))}) {
    what_.lease = lease;
    EXPECT_EQ(driver_->add(what_).error().code, Errc::kInvalidArgument);
  }
}

TEST_P(NetlinkAddressDriverTest, CarrierAndTheAdministratorsSwitchAreEvents) {
  const auto newest = [&]() -> std::optional<LinkState> {
    std::optional<LinkState> out;
    for (const AddressEvent& event : events()) {
      if (const auto* changed = std::get_if<LinkChanged>(&event); changed != nullptr && changed->link.name == "va") out = changed->link;
    }
    return out;
  };
  ASSERT_TRUE(eventually(driver_->fd(), [&] {  // The kernel tells of a new carrier a moment later.
    const auto links = driver_->links();
    return std::any_of(links->begin(), links->end(), [](const LinkState& l) { return l.name == "va" && l.carrier; });
  }));
  ASSERT_EQ(shell_there("ip link set vb down"), 0);
  ASSERT_TRUE(eventually(driver_->fd(), [&] {
    auto l = newest();
    return l && l->up && !l->carrier;
  }));
  ASSERT_EQ(shell_there("ip link set vb up"), 0);
  ASSERT_TRUE(eventually(driver_->fd(), [&] {
    auto l = newest();
    return l && l->up && l->carrier;
  }));
  ASSERT_EQ(shell("ip link set va down"), 0);
  ASSERT_TRUE(eventually(driver_->fd(), [&] {
    auto l = newest();
    return l && !l->up && !l->carrier;
  }));
}

TEST_P(NetlinkAddressDriverTest, AnInterfaceThatGoesAndComesBackHasAnotherIndexAndTheAddressIsTold) {
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_EQ(shell("ip link del va && ip link add va type veth peer name vx && ip link set va up"), 0);

  const auto all = events();
  EXPECT_EQ(gone_count(all, what_), 1);
  std::vector<std::uint32_t> indexes;
  for (const AddressEvent& event : all) {
    if (const auto* changed = std::get_if<LinkChanged>(&event); changed != nullptr && changed->link.name == "va")
      indexes.push_back(changed->link.index);
  }
  EXPECT_NE(std::find(indexes.begin(), indexes.end(), 0U), indexes.end());
  ASSERT_FALSE(indexes.empty());
  EXPECT_NE(indexes.back(), 0U);
  EXPECT_NE(indexes.back(), what_.index);
  EXPECT_EQ(driver_->refresh(what_).error().code, Errc::kNotFound);
  EXPECT_TRUE(driver_->remove(what_));
  what_.index = indexes.back();
  EXPECT_TRUE(driver_->add(what_));
}

TEST_P(NetlinkAddressDriverTest, ARenamedInterfaceIsGoneByItsOldNameAndThereByItsNewOne) {
  ASSERT_EQ(shell("ip link set va down && ip link set va name vz && ip link set vz up"), 0);
  std::vector<std::pair<std::string, bool>> seen;
  for (const AddressEvent& event : events()) {
    if (const auto* changed = std::get_if<LinkChanged>(&event)) seen.emplace_back(changed->link.name, changed->link.index != 0);
  }
  EXPECT_NE(std::find(seen.begin(), seen.end(), std::pair(std::string("va"), false)), seen.end());
  EXPECT_NE(std::find(seen.begin(), seen.end(), std::pair(std::string("vz"), true)), seen.end());
}

TEST_P(NetlinkAddressDriverTest, AddressesOfOthersThatComeAndGoAreToldOnceAndOursAreNot) {
  const auto changes = [this] {
    const auto all = events();
    return std::count(all.begin(), all.end(), AddressEvent(AddressesChanged{}));
  };
  (void)events();
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_TRUE(driver_->refresh(what_));
  EXPECT_EQ(changes(), 0);

  ASSERT_EQ(ip("addr add " + prefix(20).to_string() + " dev va"), 0);
  ASSERT_EQ(ip("addr add " + prefix(21).to_string() + " dev va"), 0);
  EXPECT_EQ(changes(), 1);
  EXPECT_EQ(changes(), 0);
  ASSERT_EQ(ip("addr del " + prefix(20).to_string() + " dev va"), 0);
  EXPECT_TRUE(driver_->addresses());
  EXPECT_EQ(changes(), 1);
}

TEST_P(NetlinkAddressDriverTest, NotificationsTheKernelDroppedAreFoundByComparing) {
  ASSERT_TRUE(driver_->add(what_));
  // Overflows the queue; what is deleted behind that is not told any more.
  ASSERT_EQ(
      shell("ip link add vd type veth peer name ve && ip -batch - <<E\n$(for i in $(seq 1500); do echo link set vd up; echo link set vd "
            "down; done)\nE"),
      0);
  ASSERT_EQ(ip("addr del " + what_.address.to_string() + " dev va"), 0);
  ASSERT_EQ(shell("ip link del vd"), 0);
  std::vector<AddressEvent> all;
  ASSERT_TRUE(eventually(-1, [&] {
    for (AddressEvent& event : events()) all.push_back(std::move(event));
    return gone_count(all, what_) > 0;
  }));
  EXPECT_EQ(gone_count(all, what_), 1);
}

TEST_P(NetlinkAddressDriverTest, ARuleAndARouteComeAndGoWithTheAddress) {
  const std::string table = "ip " + std::string(v4() ? "" : "-6 ");
  ASSERT_EQ(shell("sysctl -qw net.ipv4.conf.va.promote_secondaries=1"), 0);
  what_.route = SourceRoute{prefix(1).address, 1200};
  const std::string rule = table + "rule show | grep -q 'from " + what_.address.address.to_string() + " lookup 1200'";
  const std::string route =
      table + "route show table 1200 2>/dev/null | grep -q 'default via " + prefix(1).address.to_string() + " dev va'";

  ASSERT_TRUE(driver_->add(what_));
  EXPECT_EQ(shell(rule), 0);
  EXPECT_EQ(shell(route), 0);

  LeasedAddress second = what_;
  second.address = prefix(10);
  ASSERT_TRUE(driver_->add(second));
  ASSERT_TRUE(driver_->remove(what_));
  EXPECT_NE(shell(rule), 0);
  EXPECT_EQ(shell(route), 0);  // The other one's too.

  ASSERT_TRUE(driver_->remove(second));
  EXPECT_NE(shell(route), 0);
}

TEST_P(NetlinkAddressDriverV4Test, TheRouteComesBackWithTheNextRefreshAfterTheLinkWasDown) {  // IPv6 addresses go away with the link.
  what_.route = SourceRoute{prefix(1).address, 1200};
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_EQ(shell("ip link set va down && ip link set va up"), 0);
  ASSERT_NE(shell("ip route show table 1200 | grep -q default"), 0);
  ASSERT_TRUE(driver_->refresh(what_));
  EXPECT_EQ(shell("ip route show table 1200 | grep -q default"), 0);
}

TEST_P(NetlinkAddressDriverTest, StrayRoutesOfAnEarlierLifeAreRemovedAndNobodyElses) {
  const std::string table = "ip " + std::string(v4() ? "" : "-6 ");
  what_.route = SourceRoute{prefix(1).address, 1200};
  LeasedAddress second = what_;
  second.address = prefix(10);
  second.route = SourceRoute{prefix(2).address, 120};
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_TRUE(driver_->add(second));
  ASSERT_EQ(shell(table + "rule add from " + prefix(99).address.to_string() + " lookup 130 && " + table + "route add default via " +
                  prefix(3).address.to_string() + " dev va table 130 onlink"),
            0);

  auto later = NetlinkAddressDriver::open();
  ASSERT_TRUE(later);
  ASSERT_TRUE((*later)->remove_stray_routes({second}));

  EXPECT_NE(shell(table + "rule show | grep -qw 'lookup 1200'"), 0);
  EXPECT_NE(shell(table + "route show table 1200 2>/dev/null | grep -q default"), 0);
  EXPECT_EQ(shell(table + "rule show | grep -qw 'lookup 120'"), 0);
  EXPECT_EQ(shell(table + "route show table 120 | grep -q default"), 0);
  EXPECT_EQ(shell(table + "rule show | grep -qw 'lookup 130'"), 0);
  EXPECT_EQ(shell(table + "route show table 130 | grep -q default"), 0);
}

// R22: figures, not assertions. Prediction: each call below 1 ms at p99.9, since it waits for nobody but the kernel's own lock (RTNL).
// Beside it three processes take that lock all the time, and hold it for milliseconds when they switch a link.
TEST_P(NetlinkAddressDriverTest, ReportsWhatItCosts) {
  std::vector<pid_t> noise;
  for (int i = 0; i < 3; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string n = "n" + std::to_string(i);
      ::execl("/bin/sh", "sh", "-c",
              ("ip link add " + n + " type veth peer name p" + n + "; while :; do ip link set " + n + " up; ip addr add 10.9.9." +
               std::to_string(i + 1) + "/24 dev " + n + "; ip addr flush dev " + n + "; ip link set " + n + " down; done")
                  .c_str(),
              nullptr);
      ::_exit(127);
    }
    noise.push_back(child);
  }
  ASSERT_TRUE(driver_->add(what_));
  std::vector<double> micros;
  // As the control thread runs; without it the figures are about who else wants this processor.
  const sched_param real_time{.sched_priority = 1};
  const bool is_real_time = ::sched_setscheduler(0, SCHED_RR, &real_time) == 0;
  for (int i = 0; i < 4000; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(driver_->refresh(what_));
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    if (i % 100 == 0) (void)events();
  }
  std::vector<double> pairs;
  for (int i = 0; i < 1000; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(driver_->remove(what_));
    ASSERT_TRUE(driver_->add(what_));
    pairs.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    (void)events();
  }
  const sched_param ordinary{.sched_priority = 0};
  ::sched_setscheduler(0, SCHED_OTHER, &ordinary);
  for (const pid_t child : noise) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  const auto report = [is_real_time](const char* name, std::vector<double>& all) {
    std::sort(all.begin(), all.end());
    const auto at = [&](double q) { return all[static_cast<std::size_t>(q * static_cast<double>(all.size() - 1))]; };
    std::printf("%s%s: median %.0f us, p99 %.0f us, p99.9 %.0f us, worst %.0f us (%zu calls)\n", name, is_real_time ? ", real-time" : "",
                at(0.5), at(0.99), at(0.999), at(1), all.size());
  };
  report("refresh", micros);
  report("remove and add", pairs);
}

}  // namespace
}  // namespace fairlead::vip
