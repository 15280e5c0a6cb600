// What the texts of a site take from facts: devices, the system's package sources; and what a plan makes of what is missing.
#include "k8s-bootstrap/plan/plan_input.h"

#include <gmock/gmock.h>

#include "base/run_program.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"
#include "k8s-bootstrap/site/versions.h"
#include "tests/support/bootstrap_site.h"
#include "tests/unit/k8s-bootstrap/render_site.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

/// The classic site, whose gateways' devices are nowhere but on the machines: "eth-NETWORK" has the address there.
struct Classic {
  Site site = render_test::classic_site();
  Facts facts;
  Classic() {
    for (Machine& machine : site.machines) {
      machine.interfaces.clear();
      MachineFacts& read = facts.machines[machine.name] = test::fresh_facts(site, machine);
      read.cards.clear();
      for (const auto& [network, address] : machine.addresses)
        read.cards.push_back({"eth-" + network, machine.name + network, {address.to_string() + "/24"}});
    }
  }
};

std::vector<std::string> paths(const std::vector<RenderedFile>& files) {
  std::vector<std::string> out;
  for (const RenderedFile& file : files) out.push_back(file.path);
  return out;
}

TEST(RenderSite, DevicesOfGatewaysAreThoseThatHaveTheirAddresses) {
  const Classic lab;
  const Rendered texts = render_site(lab.site, lab.facts);
  EXPECT_THAT(texts.gateway_yaml, HasSubstr("eth-mast"));
  EXPECT_THAT(texts.missing_devices, IsEmpty());
  EXPECT_NE(render_site(lab.site, Facts{}).gateway_yaml, texts.gateway_yaml);
}

TEST(RenderSite, ADeviceThatNobodyKnowsKeepsGatewaysAndInitFromBeginning) {
  Classic lab;
  std::erase_if(lab.facts.machines["gate-2"].cards, [](const NetworkCard& card) { return card.device == "eth-node"; });
  const Rendered texts = render_site(lab.site, lab.facts);
  EXPECT_THAT(texts.missing_devices, ElementsAre(Pair("gate-2", "node")));
  lab.site.ignored_checks = {"address"};
  const Plan plan = plan_bring_up(PlanInput{lab.site, lab.facts, texts});
  std::string told;
  for (const Obstacle& obstacle : plan.obstacles) told += obstacle.reason + " (" + obstacle.remedy + ")\n";
  EXPECT_THAT(told, HasSubstr("its device in network node is not known"));
  EXPECT_THAT(told, HasSubstr("interfaces: {node: DEVICE}"));
  for (const Step& step : plan.steps) {
    EXPECT_NE(step.phase, Phase::kGateways) << step.id;
    EXPECT_NE(step.phase, Phase::kInit) << step.id;
  }
}

TEST(RenderSite, PackageSourcesAreThoseOfTheMachinesSystemAndAskedForBeforeItIsKnown) {
  Classic lab;
  lab.site.versions.containerd = Containerd{"2.3.4", RuntimeSource::kDockerRepository, ""};
  lab.site.mirrors.debian = "http://mirror.test/debian";
  lab.facts.machines["node-2"].os_id = "ubuntu";
  lab.facts.machines["node-2"].os_version = "24.04";
  const Rendered texts = render_site(lab.site, lab.facts);
  EXPECT_THAT(paths(texts.machines.at("node-1").files), Contains("/etc/apt/sources.list.d/docker.sources"));
  EXPECT_THAT(paths(texts.machines.at("node-1").files), Contains("/etc/apt/sources.list.d/debian.sources"));
  EXPECT_THAT(paths(texts.machines.at("node-2").files), Contains("/etc/apt/sources.list.d/ubuntu.sources"));
  EXPECT_THAT(paths(texts.machines.at("node-2").files), Not(Contains("/etc/apt/sources.list.d/debian.sources")));
  const Rendered before = render_site(lab.site, Facts{});
  EXPECT_THAT(paths(before.machines.at("node-2").files), Not(Contains("/etc/apt/sources.list.d/docker.sources")));
  const auto asked = files_to_ask(lab.site, *lab.site.find("node-2"), before);
  for (const char* path : {"/etc/apt/sources.list.d/docker.sources", "/etc/apt/sources.list.d/ubuntu.sources",
                           "/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list", "/etc/apt/keyrings/docker.asc"})
    EXPECT_THAT(asked, Contains(path));
}

TEST(RenderSite, AFileOfTheSitesOwnIsNotWrittenTwice) {
  Classic lab;
  lab.site.mirrors.debian = "http://mirror.test/debian";
  render_test::of(lab.site, "node-1").files = {{"/etc/apt/sources.list", "# mine\n", "", 0644}};
  const auto files = render_site(lab.site, lab.facts).machines.at("node-1").files;
  EXPECT_EQ(std::count_if(files.begin(), files.end(), [](const auto& f) { return f.path == "/etc/apt/sources.list"; }), 1);
  EXPECT_THAT(files, Contains(RenderedFile{"/etc/apt/sources.list", "# mine\n", 0644, ""}));
}

TEST(RenderSite, TheExampleThatInitWritesNeedsNoSum) {
  Classic lab;
  lab.site = *load_site(init_text(), "site.yaml", {}).site;
  lab.facts = test::fresh_site_facts(lab.site);
  const Rendered texts = render_site(lab.site, lab.facts);
  const Plan plan = plan_bring_up(PlanInput{lab.site, lab.facts, texts});
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_NE(plan.find("node-3/containerd"), nullptr);
}

TEST(RenderSite, TheDigestOfTheRuntimeIsTheSitesOrAnObstacle) {
  Classic lab;
  EXPECT_EQ(render_site(lab.site, lab.facts).runtime_sha256, "");
  const Rendered texts = render_site(lab.site, lab.facts);
  const Plan plan = plan_bring_up(PlanInput{lab.site, lab.facts, texts});
  EXPECT_THAT(plan.obstacles, Contains(::testing::Field(&Obstacle::reason, HasSubstr("no SHA-256 is known of containerd 2.3.4"))));
  lab.site.versions.containerd->version = "2.3.5";
  EXPECT_EQ(render_site(lab.site, lab.facts).runtime_sha256, containerd_sha256({2, 3, 5}));
  lab.site.versions.containerd->sha256 = std::string(64, 'b');
  EXPECT_EQ(render_site(lab.site, lab.facts).runtime_sha256, std::string(64, 'b'));
  lab.site.versions = {"1.36.4", {}, CriDockerd{"0.4.0", std::string(64, 'd')}};
  EXPECT_EQ(render_site(lab.site, lab.facts).runtime_sha256, std::string(64, 'd'));
}

TEST(RenderSite, ControlPlanesOfAnExternalEtcdGetAClientOfIt) {
  const Site outside = test::lab_site({.etcd = 3});
  EXPECT_THAT(wanted_packages(outside, *outside.find("mast-1")), Contains(Pair("etcd-client", "")));
  EXPECT_EQ(wanted_packages(outside, *outside.find("etcd-1")).count("etcd-client"), 0U);  // It has the one in etcd's pod.
  const Site stacked = test::lab_site();
  EXPECT_EQ(wanted_packages(stacked, *stacked.find("mast-1")).count("etcd-client"), 0U);
}

TEST(RenderSite, GatewaysGetPingAndWithoutItNoVipIsTakenForFree) {
  const Site site = test::lab_site();
  EXPECT_THAT(wanted_packages(site, *site.find("gate-1")), Contains(Pair("iputils-ping", "")));
  const Facts facts = test::fresh_site_facts(site);
  const Rendered texts = test::lab_texts(site);
  const Plan plan = plan_bring_up(PlanInput{site, facts, texts});
  const Step* setup = plan.find("gate-1/setup");
  ASSERT_NE(setup, nullptr);
  ProgramCall call;
  call.argv = {"/bin/sh", "-c", std::get<RunScript>(setup->operations.front()).script};
  call.environment = {"PATH=/nonexistent"};
  const auto ran = run_program(call);
  ASSERT_TRUE(ran) << ran.error().message();
  EXPECT_EQ(ran->exit_code, 1);
  EXPECT_THAT(ran->errors, HasSubstr("ping is missing (package iputils-ping)"));
}

}  // namespace
}  // namespace fairlead::bootstrap
