// `bootstrap certs --sign-user`, read back with ssh-keygen.
#include <fstream>

#include "k8s-bootstrap/pki/run_keygen.h"
#include "k8s-bootstrap/pki/ssh_ca.h"
#include "k8s-bootstrap/site/site_reference.h"
#include "tests/support/run_tool.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

using test::run_tool;

class BootstrapSshUser : public CliTest {
 protected:
  void SetUp() override {
    if (!run_tool({"sh", "-c", "command -v ssh-keygen"})) GTEST_SKIP() << "no ssh-keygen here";
    ASSERT_TRUE(run_tool({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", temp.path("anna")}));
    write(bootstrap::init_text());
  }
  void write(const std::string& text) const { std::ofstream(site) << text; }
  void make_ca() const {
    const auto dir = bootstrap::StateDir::open(temp.path("demo.state"));
    ASSERT_TRUE(dir) << dir.error().message();
    ASSERT_TRUE(bootstrap::make_ssh_ca(*dir, "demo", bootstrap::run_keygen));
  }
  int sign(const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"bootstrap", "certs", site, "--sign-user", temp.path("anna.pub"), "--identity", "anna"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  test::TempDir temp;
  std::string site = temp.path("site.yaml");
};

TEST_F(BootstrapSshUser, AColleaguesKeyIsGoodForATimeAndForTheSitesUserAlone) {
  make_ca();
  ASSERT_EQ(sign({"--for", "2h", "--output", temp.path("anna-cert.pub")}), kExitDone) << err.str();
  EXPECT_TRUE(printed("anna may log in as debian for 2h")) << out.str();
  const auto shown = run_tool({"ssh-keygen", "-L", "-f", temp.path("anna-cert.pub")});
  ASSERT_TRUE(shown) << shown.error().message();
  for (const char* text : {"user certificate", "Key ID: \"anna\"", "Principals: \n                debian\n"})
    EXPECT_NE(shown->find(text), std::string::npos) << text << "\n" << *shown;
  EXPECT_EQ(shown->find("forever"), std::string::npos) << *shown;
  ASSERT_EQ(sign(), kExitDone) << err.str();
  EXPECT_TRUE(out.str().starts_with("ssh-ed25519-cert-v01@openssh.com ")) << out.str();
}

TEST_F(BootstrapSshUser, WhatCannotBeSignedIsSaid) {
  EXPECT_EQ(sign(), kExitFailed);
  EXPECT_TRUE(complained("make the SSH CA first")) << err.str();
  make_ca();
  EXPECT_EQ(run({"bootstrap", "certs", site, "--sign-user", temp.path("anna")}), kExitUsage);
  EXPECT_TRUE(complained("is a private key")) << err.str();
  EXPECT_EQ(run({"bootstrap", "certs", site, "--sign-user", temp.path("nobody.pub")}), kExitFailed);
  EXPECT_TRUE(complained("is not there")) << err.str();
  EXPECT_EQ(sign({"--for", "9000h"}), kExitUsage);
  EXPECT_TRUE(complained("--for")) << err.str();
  EXPECT_EQ(sign({"--for", "soon"}), kExitUsage);
  std::string text = bootstrap::init_text();
  const std::string key = "ssh_ca: true";
  ASSERT_NE(text.find(key), std::string::npos);
  write(text.replace(text.find(key), key.size(), "ssh_ca: false"));
  EXPECT_EQ(sign(), kExitFailed);
  EXPECT_TRUE(complained("pki.ssh_ca is false")) << err.str();
}

}  // namespace
}  // namespace fairlead::cli
