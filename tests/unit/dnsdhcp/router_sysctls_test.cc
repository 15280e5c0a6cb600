#include "dnsdhcp/router_sysctls.h"

#include <gtest/gtest.h>
#include <random>

namespace fairlead::dnsdhcp {
namespace {

/// The kernel's part: a switch takes others with it (net/ipv4/devinet.c, net/ipv6/addrconf.c).
class Kernel {
 public:
  SysctlValues values{{"net/ipv4/ip_forward", "0"},
                      {"net/ipv4/conf/all/accept_redirects", "1"},
                      {"net/ipv4/conf/default/forwarding", "0"},
                      {"net/ipv4/conf/eth0/forwarding", "0"},
                      {"net/ipv4/conf/eth1/forwarding", "0"},
                      {"net/ipv6/conf/all/forwarding", "0"},
                      {"net/ipv6/conf/default/forwarding", "0"},
                      {"net/ipv6/conf/eth0/forwarding", "0"},
                      {"net/ipv6/conf/eth0/accept_ra", "1"},
                      {"net/ipv6/conf/eth1/forwarding", "0"},
                      {"net/ipv6/conf/eth1/accept_ra", "0"},
                      {"net/ipv6/conf/all/accept_ra", "1"},
                      {"net/netfilter/nf_conntrack_tcp_loose", "1"},
                      {"net/netfilter/nf_conntrack_tcp_be_liberal", "0"}};

  void write(const SysctlWrite& write) {
    const bool moved = values.at(write.key) != write.value;
    values.at(write.key) = write.value;
    if (!moved) return;
    const auto all = [&](const std::string& prefix) {
      for (auto& [key, value] : values) {
        if (key.starts_with(prefix) && key.ends_with("/forwarding")) value = write.value;
      }
    };
    if (write.key == "net/ipv4/ip_forward") {
      all("net/ipv4/conf/");
      values["net/ipv4/conf/all/accept_redirects"] = write.value == "1" ? "0" : "1";
    }
    if (write.key == "net/ipv6/conf/all/forwarding") all("net/ipv6/conf/");
  }
  void write(const std::vector<SysctlWrite>& all) {
    for (const SysctlWrite& one : all) write(one);
  }
};

TEST(RouterSysctls, SwitchForwardingOnAndEverythingIsAsBeforeAfterwards) {
  Kernel kernel;
  kernel.values["net/ipv4/conf/all/accept_redirects"] = "0";
  kernel.values["net/ipv4/conf/eth1/forwarding"] = "1";
  kernel.values["net/ipv6/conf/eth1/forwarding"] = "1";
  const SysctlValues before = kernel.values;
  const auto plan = plan_sysctls({true, true}, kernel.values, {});
  kernel.write(plan.writes);
  EXPECT_EQ(kernel.values["net/ipv4/ip_forward"], "1");
  EXPECT_EQ(kernel.values["net/ipv6/conf/all/forwarding"], "1");
  EXPECT_EQ(kernel.values["net/netfilter/nf_conntrack_tcp_be_liberal"], "1");
  EXPECT_EQ(kernel.values["net/ipv6/conf/eth0/accept_ra"], "2") << "its default route by advertisements stays";
  EXPECT_EQ(kernel.values["net/ipv6/conf/eth1/accept_ra"], "0");

  kernel.write(plan_restore(plan.journal, kernel.values));
  EXPECT_EQ(kernel.values, before);
}

TEST(RouterSysctls, AcceptAdvertisementsBeforeForwardingEndsThem) {
  const Kernel kernel;
  const auto plan = plan_sysctls({false, true}, kernel.values, {});
  const auto at = [&](const std::string& key) {
    return std::find_if(plan.writes.begin(), plan.writes.end(), [&](const SysctlWrite& w) { return w.key == key; }) - plan.writes.begin();
  };
  EXPECT_LT(at("net/ipv6/conf/eth0/accept_ra"), at("net/ipv6/conf/all/forwarding"));
  EXPECT_LT(at("net/ipv6/conf/all/forwarding"), static_cast<std::ptrdiff_t>(plan.writes.size()));
  EXPECT_EQ(at("net/ipv4/ip_forward"), static_cast<std::ptrdiff_t>(plan.writes.size())) << "only the versions of the networks";
}

TEST(RouterSysctls, LeaveWhatSomebodyChangedSince) {
  Kernel kernel;
  const auto plan = plan_sysctls({true, false}, kernel.values, {});
  kernel.write(plan.writes);
  kernel.values["net/netfilter/nf_conntrack_tcp_be_liberal"] = "0";
  kernel.write(SysctlWrite{"net/ipv4/ip_forward", "0"});
  kernel.values["net/ipv4/conf/all/accept_redirects"] = "0";
  const SysctlValues now = kernel.values;
  EXPECT_TRUE(plan_restore(plan.journal, now).empty());
}

TEST(RouterSysctls, TakeNothingBackThatWasThereBefore) {
  Kernel kernel;
  kernel.write(SysctlWrite{"net/ipv4/ip_forward", "1"});
  const auto plan = plan_sysctls({true, false}, kernel.values, {});
  kernel.write(plan.writes);
  kernel.write(plan_restore(plan.journal, kernel.values));
  EXPECT_EQ(kernel.values["net/ipv4/ip_forward"], "1") << "the machine routed before us";
}

TEST(RouterSysctls, RememberTheFirstValueOverASecondApplyAndARestart) {
  Kernel kernel;
  const SysctlValues before = kernel.values;
  const auto first = plan_sysctls({true, true}, kernel.values, {});
  kernel.write(first.writes);
  const auto journal = parse_sysctl_journal(write_sysctl_journal(first.journal));
  EXPECT_EQ(journal.damaged, 0U);
  EXPECT_EQ(journal.changes, first.journal);
  const auto second = plan_sysctls({true, true}, kernel.values, journal.changes);
  EXPECT_TRUE(second.writes.empty());
  kernel.write(plan_restore(second.journal, kernel.values));
  EXPECT_EQ(kernel.values, before);
}

TEST(RouterSysctls, NeedNothingThatThisKernelHasNot) {
  Kernel kernel;
  std::erase_if(kernel.values,
                [](const auto& entry) { return entry.first.starts_with("net/ipv6/") || entry.first.starts_with("net/netfilter/"); });
  const auto plan = plan_sysctls({true, true}, kernel.values, {});
  ASSERT_EQ(plan.writes.size(), 1U);
  EXPECT_EQ(plan.writes.front(), (SysctlWrite{"net/ipv4/ip_forward", "1"}));
}

TEST(RouterSysctls, WriteNoOtherKeyWhateverAJournalSays) {
  const auto journal = parse_sysctl_journal(
      "net/ipv4/ip_forward 0 1\nkernel/core_pattern 0 1\nnet/ipv6/conf/../../kernel/panic/accept_ra 0 1\nnet/ipv6/conf/a/b/accept_ra 1 2\n"
      "net/ipv4/ip_forward x 1\nnet/ipv4/ip_forward 0 1 2\n\nnet/ipv6/conf/eth0/accept_ra 1 2\nhalf");
  ASSERT_EQ(journal.changes.size(), 2U);
  EXPECT_EQ(journal.changes[0].key, "net/ipv4/ip_forward");
  EXPECT_EQ(journal.changes[1].key, "net/ipv6/conf/eth0/accept_ra");
  EXPECT_EQ(journal.damaged, 6U);
  const std::vector<SysctlChange> forged{{"kernel/panic", "1", "0"}};
  EXPECT_TRUE(plan_restore(forged, {{"kernel/panic", "0"}}).empty());
}

TEST(RouterSysctlsProperty, AnyMachineIsAsBeforeAfterwards) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    Kernel kernel;
    const auto one_of = [&](unsigned most) { return std::to_string(random() % (most + 1)); };
    for (auto& [key, value] : kernel.values) value = one_of(key.ends_with("accept_ra") ? 2 : 1);
    // The kernel's own invariant: the switch and all/forwarding of IPv4 are one value; here the switch stands for both.
    const SysctlValues before = kernel.values;
    std::vector<SysctlChange> journal;
    for (unsigned times = 1 + random() % 3; times > 0; --times) {
      const auto plan = plan_sysctls({random() % 2 == 0, random() % 2 == 0}, kernel.values, journal);
      journal = parse_sysctl_journal(write_sysctl_journal(plan.journal)).changes;
      ASSERT_EQ(journal, plan.journal);
      kernel.write(plan.writes);
    }
    kernel.write(plan_restore(journal, kernel.values));
    ASSERT_EQ(kernel.values, before) << "seed " << seed;
  }
}

}  // namespace
}  // namespace fairlead::dnsdhcp
