#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"
#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

class ImportVerbTest : public CliTest {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    const std::string path = dir.path(name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  test::TempDir dir;
  const std::string haproxy =
      "listen kube-api\n  bind 192.168.4.20:6443\n  mode tcp\n  colour blue\n  server mast-1 192.168.1.11:6443 check\n";
  const std::string keepalived = "vrrp_instance api {\n  interface eth0\n  virtual_ipaddress {\n    192.168.4.20/24\n  }\n}\n";
};

TEST_F(ImportVerbTest, PrintsTheFileAndListsWhatItLeftOut) {
  const std::string path = file("haproxy.cfg", haproxy);
  ASSERT_EQ(run({"import", "haproxy", path}), kExitDone) << err.str();
  EXPECT_TRUE(printed("apiVersion: fairlead/v1"));
  EXPECT_TRUE(printed("192.168.1.11:6443"));
  EXPECT_TRUE(complained(path + ":4: colour blue: unknown"));
  EXPECT_TRUE(complained("5 lines: 4 carried over, 0 approximated, 1 left out"));
}

TEST_F(ImportVerbTest, WhatItPrintsPassesCheck) {
  ASSERT_EQ(run({"import", "haproxy", file("haproxy.cfg", haproxy), "--keepalived", file("keepalived.conf", keepalived)}), kExitDone);
  const std::string made = file("fairlead.yaml", out.str());
  EXPECT_EQ(run({"check", made}), kExitDone) << out.str() << err.str();
}

TEST_F(ImportVerbTest, NoClusterIsSetUpWithAddressesThatNobodyHas) {
  corosync = dir.path("corosync");
  std::filesystem::create_directory(corosync);
  const auto gate = [&](const std::string& name) {
    return file(name + ".conf", "global_defs {\n  router_id " + name + "\n}\n" + keepalived);  // Multicast: no address of its own.
  };
  ASSERT_EQ(run({"import", "keepalived", gate("gate-1"), gate("gate-2")}), kExitDone) << err.str();
  std::string text = out.str();
  const std::string made = file("fairlead.yaml", text);
  EXPECT_EQ(run({"check", made}), kExitDone) << err.str();
  for (const char* more : {"--dry-run", "--no-start", "--force"}) {
    EXPECT_EQ(run({"cluster", "setup", made, more}), kExitFailed) << more;
    EXPECT_TRUE(complained("192.0.2.1 of gate-1, 192.0.2.2 of gate-2")) << err.str();
    EXPECT_TRUE(complained("grep -n CHANGE: " + made)) << err.str();
    EXPECT_TRUE(std::filesystem::is_empty(corosync)) << more;
  }
  for (const std::string last : {"1", "2"}) text.replace(text.find("links: [192.0.2." + last) + 8, 9, "192.0.3." + last);
  EXPECT_EQ(run({"cluster", "setup", file("fairlead.yaml", text), "--dry-run"}), kExitDone) << err.str();
  EXPECT_TRUE(printed("ring0_addr: 192.0.3.2")) << out.str();
}

TEST_F(ImportVerbTest, FilesOfSeveralKindsMakeOne) {
  ASSERT_EQ(run({"import", "haproxy", file("haproxy.cfg", haproxy), "--keepalived", file("a.conf", keepalived), "--keepalived",
                 file("b.conf", keepalived)}),
            kExitDone)
      << err.str();
  EXPECT_TRUE(printed("listeners:"));
  EXPECT_TRUE(printed("vips:"));
  EXPECT_TRUE(printed("cluster:"));
}

TEST_F(ImportVerbTest, SaysItAsJsonToo) {
  ASSERT_EQ(run({"import", "haproxy", file("haproxy.cfg", haproxy), "--json"}), kExitDone);
  const auto document = boost::json::parse(out.str()).as_object();
  EXPECT_NE(document.at("fairlead_yaml").as_string().find("listeners:"), std::string::npos);
  EXPECT_EQ(document.at("notes").as_array().at(0).as_object().at("line").as_int64(), 4);
}

TEST_F(ImportVerbTest, EachWayItCanFailHasItsExitCode) {
  EXPECT_EQ(run({"import", "haproxy", dir.path("missing.cfg")}), kExitFailed);
  EXPECT_TRUE(complained("cannot read " + dir.path("missing.cfg") + ": No such file"));
  EXPECT_EQ(run({"import", "haproxy", dir.path(".")}), kExitFailed);
  EXPECT_EQ(run({"import", "haproxy"}), kExitUsage);
  EXPECT_EQ(run({"import", "nginx", file("nginx.conf", "x")}), kExitUsage);
  EXPECT_EQ(run({"import", "haproxy", file("binary", std::string("a\0b", 3))}), kExitInvalidConfig);
  EXPECT_TRUE(complained("binary:1:2: error: the byte 0x00 is no text"));
  EXPECT_EQ(out.str(), "");
  EXPECT_EQ(run({"import", "keepalived", file("haproxy.cfg", haproxy)}), kExitInvalidConfig);
  EXPECT_TRUE(complained("nothing of it can be carried over"));
}

}  // namespace
}  // namespace fairlead::cli
