// The SSH authority, read back with ssh-keygen.
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "k8s-bootstrap/pki/ssh_ca.h"
#include "tests/support/run_tool.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using test::run_tool;

class SshCa : public testing::Test {
 protected:
  void SetUp() override {
    if (!run_tool({"sh", "-c", "command -v ssh-keygen"})) GTEST_SKIP() << "no ssh-keygen here";
    ASSERT_TRUE(dir) << dir.error().message();
    ASSERT_TRUE(run_tool({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "host", "-f", temp.path("host")}));
    public_key = test::TempDir::read(temp.path("host.pub"));
    public_key.pop_back();
  }
  std::string show(const std::string& certificate) {
    std::ofstream(temp.path("cert.pub")) << certificate << "\n";
    const auto out = run_tool({"ssh-keygen", "-L", "-f", temp.path("cert.pub")});
    return out ? *out : out.error().message();
  }
  test::TempDir temp;
  Result<StateDir> dir = StateDir::open(temp.path("state"));
  std::string public_key;
};

TEST_F(SshCa, MakesTwoAuthoritiesOnceAndKeepsThem) {
  const auto made = make_ssh_ca(*dir, "demo", run_tool);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(made->host_ca.starts_with("ssh-ed25519 AAAA"));
  EXPECT_TRUE(made->host_ca.ends_with(" demo host CA"));
  EXPECT_TRUE(made->user_ca.ends_with(" demo user CA"));
  struct stat info {};
  ASSERT_EQ(::stat(temp.path("state/ssh/host_ca").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  const auto again = make_ssh_ca(*dir, "demo", run_tool);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->host_ca, made->host_ca);
  EXPECT_EQ(again->user_ca, made->user_ca);
}

TEST_F(SshCa, SignsHostKeysForTheirNames) {
  ASSERT_TRUE(make_ssh_ca(*dir, "demo", run_tool));
  const auto certificate = sign_host_key(
      *dir, {public_key, "mast-1.kube.demo", {"mast-1", "mast-1.kube.demo", "192.168.1.11"}, std::chrono::hours(24)}, run_tool);
  ASSERT_TRUE(certificate) << certificate.error().message();
  const std::string text = show(*certificate);
  EXPECT_NE(text.find("host certificate"), std::string::npos) << text;
  EXPECT_NE(text.find("Key ID: \"mast-1.kube.demo\""), std::string::npos) << text;
  EXPECT_NE(text.find("                mast-1\n                mast-1.kube.demo\n                192.168.1.11\n"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("forever"), std::string::npos) << text;
  std::size_t left = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(temp.path("state/ssh"))) ++left;
  EXPECT_EQ(left, 4U) << "work folders must not stay";
}

TEST_F(SshCa, SignsUserKeysByTheOtherAuthority) {
  const auto made = make_ssh_ca(*dir, "demo", run_tool);
  ASSERT_TRUE(made);
  const auto certificate = sign_user_key(*dir, {public_key, "operator", {"debian"}, std::chrono::hours(8)}, run_tool);
  ASSERT_TRUE(certificate) << certificate.error().message();
  const std::string text = show(*certificate);
  EXPECT_NE(text.find("user certificate"), std::string::npos) << text;
  std::ofstream(temp.path("user_ca.pub")) << made->user_ca << "\n";
  const auto print = run_tool({"ssh-keygen", "-l", "-f", temp.path("user_ca.pub")});
  ASSERT_TRUE(print);
  const auto at = print->find("SHA256:");
  EXPECT_NE(text.find("Signing CA: ED25519 " + print->substr(at, print->find(' ', at) - at)), std::string::npos) << text << *print;
}

TEST_F(SshCa, RefusesWhatWouldSignTooMuch) {
  ASSERT_TRUE(make_ssh_ca(*dir, "demo", run_tool));
  const auto hour = std::chrono::hours(1);
  for (const SshCertificate& bad : {SshCertificate{public_key, "x", {}, hour},
                                    {public_key, "x", {"a,b"}, hour},
                                    {public_key, "x", {"*"}, hour},
                                    {public_key, "x", {""}, hour},
                                    {public_key, "", {"a"}, hour},
                                    {"", "x", {"a"}, hour},
                                    {public_key + "\n" + public_key, "x", {"a"}, hour},
                                    {public_key, "x", {"a"}, Duration{}}}) {
    const auto certificate = sign_host_key(*dir, bad, run_tool);
    ASSERT_FALSE(certificate);
    EXPECT_EQ(certificate.error().code, Errc::kInvalidArgument) << certificate.error().message();
  }
  const auto nonsense = sign_host_key(*dir, {"ssh-ed25519 nonsense", "x", {"a"}, hour}, run_tool);
  EXPECT_FALSE(nonsense);
}

TEST_F(SshCa, WithoutAnAuthorityNothingIsSigned) {
  EXPECT_EQ(sign_host_key(*dir, {public_key, "x", {"a"}, std::chrono::hours(1)}, run_tool).error().code, Errc::kNotFound);
}

TEST_F(SshCa, HalvesThatDoNotBelongTogetherAreRefused) {
  ASSERT_TRUE(make_ssh_ca(*dir, "demo", run_tool));
  ASSERT_TRUE(dir->write_public("ssh/host_ca.pub", public_key + "\n"));
  EXPECT_EQ(make_ssh_ca(*dir, "demo", run_tool).error().code, Errc::kConflict);
  ASSERT_EQ(::unlink(temp.path("state/ssh/host_ca.pub").c_str()), 0);
  const auto half = make_ssh_ca(*dir, "demo", run_tool);
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().code, Errc::kConflict);
}

TEST(HostPrincipals, AreEveryNameAndAddressOfAMachine) {
  Site site;
  site.domain = "kube.demo";
  Machine gate;
  gate.name = "gate-1";
  gate.addresses = {{"dmz", *parse_ip_address("192.168.4.130")}};
  gate.ssh_address = parse_ip_address("203.0.113.7").value();
  site.machines = {gate};
  EXPECT_EQ(host_principals(site, gate), (std::vector<std::string>{"gate-1", "gate-1.kube.demo", "192.168.4.130", "203.0.113.7"}));
}

}  // namespace
}  // namespace fairlead::bootstrap
