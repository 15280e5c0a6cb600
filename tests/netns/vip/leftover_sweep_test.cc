// What a start and `fairleadd --release-vips` do with what is really there.
#include "vip/leftover_sweep.h"

#include <filesystem>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "tests/support/net_namespace.h"
#include "tests/support/temp_dir.h"
#include "vip/address_hygiene.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::vip {
namespace {

using test::shell;

class LeftoverSweepTest : public test::NetNamespaceTest {
 protected:
  void SetUp() override {
    test::NetNamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto driver = NetlinkAddressDriver::open();
    ASSERT_TRUE(driver);
    driver_ = std::move(*driver);
    what_ = {.device = "va",
             .index = link_of("va").index,
             .address = *parse_ip_prefix("10.0.0.9/24"),
             .lease = std::chrono::seconds(3600),
             .route = SourceRoute{IpAddress::v4({10, 0, 0, 254}), 1200}};
  }
  static std::string setting(const std::string& key) {
    std::string text = **read_small_file("/proc/sys/net/ipv4/conf/va/" + key);
    text.pop_back();
    return text;
  }

  test::TempDir state_;
  std::unique_ptr<NetlinkAddressDriver> driver_;
  LeasedAddress what_;
};

TEST_F(LeftoverSweepTest, RemovesOurAddressRuleAndRouteAndNobodyElses) {
  ASSERT_EQ(shell("ip addr add 10.0.0.1/24 dev va && ip -6 addr add 2001:db8::1/64 dev va"), 0);
  ASSERT_TRUE(driver_->add(what_));
  LeasedAddress six = what_;
  six.address = *parse_ip_prefix("2001:db8::9/64");
  six.route.reset();
  ASSERT_TRUE(driver_->add(six));

  const SweepReport report = sweep_leftovers(*driver_, state_.path("."));

  EXPECT_TRUE(report.problems.empty());
  EXPECT_EQ(report.removed.size(), 2U);
  EXPECT_NE(shell("ip addr | grep -q -e 10.0.0.9 -e db8::9"), 0);
  EXPECT_EQ(shell("ip addr | grep -q 10.0.0.1/24 && ip addr | grep -q db8::1/64"), 0);
  EXPECT_NE(shell("ip rule | grep -q 1200 || ip route show table 1200 2>/dev/null | grep -q default"), 0);
}

TEST_F(LeftoverSweepTest, RestoresTheSettingsOfAnEarlierLifeAndForgetsThem) {
  auto before = plan_hygiene("va");
  ASSERT_TRUE(before);
  ASSERT_FALSE(before->empty());
  const std::string ignore = setting("arp_ignore");
  ASSERT_TRUE(save_journal(state_.path("."), {.boot_id = read_boot_id(), .addresses = {}, .settings = *before}));
  ASSERT_TRUE(apply_hygiene(*before));
  ASSERT_NE(setting("arp_ignore"), ignore);

  EXPECT_TRUE(sweep_leftovers(*driver_, state_.path(".")).problems.empty());

  EXPECT_EQ(setting("arp_ignore"), ignore);
  EXPECT_FALSE(std::filesystem::exists(journal_path(state_.path("."))));
}

TEST_F(LeftoverSweepTest, SettingsOfAnotherBootAreNotRestored) {
  ASSERT_EQ(shell("sysctl -qw net.ipv4.conf.va.arp_ignore=1"), 0);
  ASSERT_TRUE(save_journal(state_.path("."), {.boot_id = "another", .addresses = {}, .settings = {{"va", "arp_ignore", "0"}}}));
  EXPECT_TRUE(sweep_leftovers(*driver_, state_.path(".")).problems.empty());
  EXPECT_EQ(setting("arp_ignore"), "1");
}

TEST_F(LeftoverSweepTest, ADamagedJournalIsReportedAndTheMarkedAddressGoesAllTheSame) {
  ASSERT_TRUE(driver_->add(what_));
  ASSERT_TRUE(write_file_atomically(journal_path(state_.path(".")), "fairlead-vips 1\nboot"));
  const SweepReport report = sweep_leftovers(*driver_, state_.path("."));
  EXPECT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.removed.size(), 1U);
}

TEST_F(LeftoverSweepTest, HygieneSetsOursKeepsWhatIsStricterAndRestoresExactlyWhatItChanged) {
  ASSERT_EQ(shell("sysctl -qw net.ipv4.conf.va.arp_ignore=2 net.ipv4.conf.va.arp_announce=0 net.ipv4.conf.va.promote_secondaries=0"), 0);
  auto before = plan_hygiene("va");
  ASSERT_TRUE(before);
  ASSERT_TRUE(apply_hygiene(*before));
  EXPECT_EQ(setting("arp_ignore"), "2");
  EXPECT_EQ(setting("arp_announce"), "2");
  EXPECT_EQ(setting("promote_secondaries"), "1");

  ASSERT_EQ(shell("sysctl -qw net.ipv4.conf.va.arp_announce=1"), 0);  // Somebody changes one meanwhile.
  ASSERT_TRUE(restore_settings(*before));
  EXPECT_EQ(setting("arp_ignore"), "2");
  EXPECT_EQ(setting("arp_announce"), "1");
  EXPECT_EQ(setting("promote_secondaries"), "0");
}

TEST_F(LeftoverSweepTest, HygieneOfAnInterfaceThatIsNotThereIsAClearError) {
  EXPECT_EQ(plan_hygiene("nowhere0").error().code, Errc::kNotFound);
  EXPECT_EQ(plan_hygiene("../all").error().code, Errc::kInvalidArgument);
  EXPECT_TRUE(restore_settings({{"nowhere0", "arp_ignore", "0"}}));
  EXPECT_EQ(apply_hygiene({{"va", "forwarding", "0"}}).error().code, Errc::kInvalidArgument);
}

}  // namespace
}  // namespace fairlead::vip
