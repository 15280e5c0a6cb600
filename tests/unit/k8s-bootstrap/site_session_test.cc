// What a session takes from files beside the site's, and what it refuses before a machine is asked.
#include "k8s-bootstrap/apply/site_session.h"

#include <fstream>
#include <gmock/gmock.h>

#include "base/system_clock.h"
#include "k8s-bootstrap/render/sha256.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/k8s-bootstrap/render_site.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Quiet : public Watcher {
 public:
  void begins(const Step&) override {}
  void says(const Step&, std::string_view) override {}
  void ends(const Step&, Duration, const std::string&) override {}
};

class Sessions : public testing::Test {
 protected:
  Result<std::unique_ptr<SiteSession>> open() {
    SessionOptions options;
    options.site_file = temp.path("site.yaml");
    return SiteSession::open(site, options, clock);
  }
  test::TempDir temp;
  Site site = render_test::classic_site();
  SystemClock clock;
};

TEST_F(Sessions, FilesWithASourceAreCopiedWithTheirDigest) {
  std::ofstream(temp.path("motd")) << "welcome\n";
  render_test::of(site, "node-1").files = {{"/etc/motd", "", "motd", 0600}};
  auto session = open();
  ASSERT_TRUE(session) << session.error().message();
  CopyFile wanted;
  wanted.from = temp.path("motd");
  wanted.path = "/etc/motd";
  wanted.mode = 0600;
  wanted.secret = true;
  wanted.sha256 = sha256("welcome\n");
  EXPECT_THAT((*session)->texts(Facts{}).machines.at("node-1").copies, ElementsAre(wanted));
  EXPECT_TRUE((*session)->texts(Facts{}).machines.at("node-2").copies.empty());
}

TEST_F(Sessions, ASourceThatIsNotThereIsNamed) {
  render_test::of(site, "node-1").files = {{"/etc/motd", "", "none", 0644}};
  const auto session = open();
  ASSERT_FALSE(session);
  EXPECT_THAT(session.error().message(), HasSubstr("/etc/motd of node-1: " + temp.path("none")));
}

TEST_F(Sessions, HooksWithAPathLieBesideTheSite) {
  site.hooks = {{{"./ask", "x"}, {"logger"}}, {{"/opt/tell"}}, {}};
  auto session = open();
  ASSERT_TRUE(session);
  const SiteHooks& hooks = (*session)->site().hooks;
  EXPECT_THAT(hooks.before_apply, ElementsAre(ElementsAre(temp.path("./ask"), "x"), ElementsAre("logger")));
  EXPECT_THAT(hooks.after_machine, ElementsAre(ElementsAre("/opt/tell")));
}

TEST_F(Sessions, WhatWouldBeRefusedIsNotAppliedAndNoMachineIsAsked) {
  site.gateways->override_keys = render_test::yaml("pols: []\n");
  auto session = open();
  ASSERT_TRUE(session) << session.error().message();
  Quiet quiet;
  const auto done = (*session)->apply([](const PlanInput&, unsigned) -> Plan { throw std::logic_error("planned"); }, quiet, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kInvalidConfig);
  EXPECT_THAT(done.error().message(), HasSubstr("fairlead.yaml: fairlead.yaml:"));
  EXPECT_THAT(done.error().message(), HasSubstr("pols"));
}

}  // namespace
}  // namespace fairlead::bootstrap
