#include "dnsdhcp/config_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"
#include "tests/unit/dnsdhcp/any_site.h"

namespace fairlead::dnsdhcp {
namespace {

namespace fs = std::filesystem;

/// Debian keeps it where PATH of an ordinary user does not look.
std::string dnsmasq() {
  for (const char* path : {"/usr/sbin/dnsmasq", "/usr/bin/dnsmasq"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return "";
}
#define SKIP_WITHOUT_DNSMASQ() \
  if (dnsmasq().empty()) GTEST_SKIP() << "dnsmasq is not installed"

class ConfigFilesTest : public ::testing::Test {
 protected:
  ConfigFilesTest() : files(temp.path("dhcp"), dnsmasq()) {
    wanted.conf = "port=0\n";
    wanted.conf_keys = {"dnsdhcp"};
    wanted.hosts = {{"mast.net", "192.168.1.11 mast-1\n"}};
    wanted.dhcp_hosts = {{"mast-1", "52:54:00:00:01:01,192.168.1.11,mast-1\n"}};
  }
  std::vector<std::string> listing() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(files.directory())) {
      if (entry.is_regular_file()) out.push_back(fs::relative(entry.path(), files.directory()).string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  test::TempDir temp;
  ConfigFiles files;
  Rendered wanted;
};

TEST_F(ConfigFilesTest, WhatWasWrittenIsReadBack) {
  ASSERT_TRUE(files.prepare());
  ASSERT_FALSE(files.read()->has_value()) << "nothing was written yet";
  ASSERT_TRUE(files.write(plan_apply(std::nullopt, wanted)));
  const auto read = files.read();
  ASSERT_TRUE(read);
  ASSERT_TRUE(read->has_value());
  EXPECT_EQ(**read, wanted);
  EXPECT_EQ(listing(), (std::vector<std::string>{"dhcp-hosts/mast-1", "dnsmasq.conf", "hosts/mast.net"}));
}

TEST_F(ConfigFilesTest, NobodyElseMayReadThem) {
  ASSERT_TRUE(files.prepare());
  ASSERT_TRUE(files.write(plan_apply(std::nullopt, wanted)));
  struct stat seen {};
  ASSERT_EQ(::stat((files.directory() + "/dnsmasq.conf").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777U, 0600U);
}

TEST_F(ConfigFilesTest, AFailedWriteChangesNoFileAndLeavesNothingBehind) {
  ASSERT_TRUE(files.prepare());
  ASSERT_TRUE(files.write(plan_apply(std::nullopt, wanted)));
  const auto before = listing();
  ApplyPlan plan;
  plan.writes = {{"hosts/mast.net", "new\n"}, {"gone/x", "x\n"}};  // No such folder: as a full disk, found at the second file.

  const auto failed = files.write(plan);

  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message().find("gone/.x"), std::string::npos) << failed.error().message();
  EXPECT_EQ(**files.read(), wanted);
  EXPECT_EQ(listing(), before);
}

TEST_F(ConfigFilesTest, LeftoversOfAnInterruptedWriteAreRemoved) {
  ASSERT_TRUE(files.prepare());
  for (const char* name : {"/.dnsmasq.conf", "/hosts/.mast.net", "/dhcp-hosts/.mast-1"}) std::ofstream(files.directory() + name) << "half";
  std::ofstream(files.directory() + "/leases") << "somebody else's";
  ASSERT_TRUE(files.prepare());
  EXPECT_EQ(listing(), std::vector<std::string>{"leases"});
}

TEST_F(ConfigFilesTest, ALinkIsNeverWrittenThrough) {
  ASSERT_TRUE(files.prepare());
  std::ofstream(temp.path("victim")) << "untouched";
  fs::create_symlink(temp.path("victim"), files.directory() + "/hosts/.mast.net");
  ASSERT_TRUE(files.write(plan_apply(std::nullopt, wanted)));
  EXPECT_EQ(test::TempDir::read(temp.path("victim")), "untouched");
}

TEST_F(ConfigFilesTest, AProgramThatIsNotThereIsSaid) {
  const ConfigFiles none(temp.path("dhcp"), temp.path("no-dnsmasq"));
  const auto tested = none.test(wanted, temp.path("scratch"));
  ASSERT_FALSE(tested);
  EXPECT_EQ(tested.error().code, Errc::kNotFound);
  EXPECT_NE(tested.error().message().find("no-dnsmasq"), std::string::npos);
}

TEST_F(ConfigFilesTest, AProgramThatHangsIsEnded) {
  std::ofstream(temp.path("hangs")) << "#!/bin/sh\nexec sleep 60\n";
  fs::permissions(temp.path("hangs"), fs::perms::owner_all);
  const ConfigFiles hangs(temp.path("dhcp"), temp.path("hangs"));
  // Ten seconds would be long for a test: what is asked is that it ends at all, and by which word.
  EXPECT_EQ(hangs.test(wanted, temp.path("scratch"), std::chrono::milliseconds(50)).error().code, Errc::kTimeout);
}

TEST_F(ConfigFilesTest, DnsmasqsComplaintNamesTheLineAndTheKey) {
  SKIP_WITHOUT_DNSMASQ();
  wanted.conf = "port=0\ndhcp-range=1.2.3.4,nonsense\n";
  wanted.conf_keys = {"", "dnsdhcp.networks[0].pool"};
  const auto tested = files.test(wanted, temp.path("scratch"));
  ASSERT_FALSE(tested);
  EXPECT_EQ(tested.error().code, Errc::kInvalidConfig);
  EXPECT_EQ(tested.error().message(), "dnsmasq refuses dnsdhcp.networks[0].pool: bad dhcp-range at line 2 (dhcp-range=1.2.3.4,nonsense)");
}

TEST_F(ConfigFilesTest, MachinesLinesAreTestedToo) {
  SKIP_WITHOUT_DNSMASQ();
  wanted.dhcp_hosts["thief"] = "52:54:00:00:01:02,192.168.1.11,thief\n";
  const auto tested = files.test(wanted, temp.path("scratch"));
  ASSERT_FALSE(tested);
  EXPECT_NE(tested.error().message().find("dnsdhcp.hosts: thief"), std::string::npos) << tested.error().message();
  EXPECT_NE(tested.error().message().find("duplicate"), std::string::npos) << tested.error().message();
}

TEST_F(ConfigFilesTest, EachLineOfAMachineInTwoNetworksIsTested) {
  SKIP_WITHOUT_DNSMASQ();
  wanted.dhcp_hosts["mast-1"] += "52:54:00:00:01:01,[fd00:1::11],mast-1\n";
  EXPECT_TRUE(files.test(wanted, temp.path("scratch")));
  wanted.dhcp_hosts["mast-1"] += "52:54:00:00:01:02,192.168.1.11,mast-1\n";
  const auto tested = files.test(wanted, temp.path("scratch"));
  ASSERT_FALSE(tested);
  EXPECT_NE(tested.error().message().find("dnsdhcp.hosts: mast-1"), std::string::npos) << tested.error().message();
}

TEST_F(ConfigFilesTest, TestingTouchesNothing) {
  SKIP_WITHOUT_DNSMASQ();
  ASSERT_TRUE(files.prepare());
  ASSERT_TRUE(files.test(wanted, temp.path("scratch")));
  EXPECT_TRUE(listing().empty());
  EXPECT_TRUE(fs::is_empty(temp.path("scratch")));
}

TEST_F(ConfigFilesTest, DnsmasqAcceptsWhatAnyValidSiteRendersTo) {
  SKIP_WITHOUT_DNSMASQ();
  const RenderPlace place{files.directory(), "/usr/lib/fairlead/fairlead-dhcp-event", "root", "root", true};
  EXPECT_TRUE(rc::check("dnsmasq --test", [&] {
    const auto rendered = render(testing::any_site(), place);
    RC_ASSERT(rendered.has_value());
    const auto tested = files.test(*rendered, temp.path("scratch"));
    if (!tested) RC_FAIL(tested.error().message());
  }));
}

TEST(DnsmasqComplaint, SaysItsLine) {
  EXPECT_EQ(line_of_complaint("dnsmasq: bad dhcp-range at line 12 of /x y/dnsmasq.conf"), 12U);
  EXPECT_EQ(line_of_complaint("dnsmasq: bad option at line 7 of /an at line 9/c"), 7U) << "a path may say so too";
  EXPECT_EQ(line_of_complaint("dnsmasq: syntax check OK."), std::nullopt);
  EXPECT_EQ(line_of_complaint("at line "), std::nullopt);
  EXPECT_EQ(line_of_complaint(" at line 99999999999999999999999 of x"), std::nullopt);
}

}  // namespace
}  // namespace fairlead::dnsdhcp
