// Every check by its name: what triggers it, that all are told at once, and what ignoring one leaves visible.
#include "k8s-bootstrap/plan/plan_preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/site/preflight_names.h"
#include "k8s-bootstrap/site/versions.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Case {
  const char* check;
  const char* machine;
  std::function<void(Site&, MachineFacts&)> spoil;
  const char* says;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.check; }

const std::vector<Case> kCases{
    {"os", "mast-1", [](Site&, MachineFacts& f) { f.os_version = "11"; }, "debian 11"},
    {"arch", "mast-1", [](Site&, MachineFacts& f) { f.arch = "aarch64"; }, "aarch64"},
    {"kernel", "node-1", [](Site&, MachineFacts& f) { f.kernel = "4.9.0"; }, "4.9.0"},
    {"systemd", "gate-1", [](Site&, MachineFacts& f) { f.systemd = Known::kNo; }, "does not run"},
    {"systemd", "gate-1", [](Site&, MachineFacts& f) { f.systemd = Known::kUnknown; }, "could not be read"},
    {"cgroup-v2", "node-1", [](Site&, MachineFacts& f) { f.cgroup_version = 1; }, "cgroup v1"},
    {"cpus", "mast-1", [](Site&, MachineFacts& f) { f.cpus = 1; }, "1 CPU"},
    {"memory", "mast-1", [](Site&, MachineFacts& f) { f.memory_bytes = 1ULL << 30U; }, "1073 MB"},
    {"disk", "node-1", [](Site&, MachineFacts& f) { f.disk_free_bytes = 1ULL << 30U; }, "1024 MiB"},
    {"clock", "mast-1", [](Site&, MachineFacts& f) { f.clock_offset = -90s; }, "90 s behind"},
    {"host-name", "mast-1", [](Site&, MachineFacts& f) { f.host_name = "debian"; }, "'debian'"},
    {"address", "node-1", [](Site&, MachineFacts& f) { f.cards.front().addresses = {"10.0.0.9/24"}; }, "192.168.2.11"},
    {"name-resolution", "mast-1", [](Site&, MachineFacts& f) { f.resolves["node-1"] = "10.9.9.9"; }, "10.9.9.9"},
    {"port-6443", "mast-1", [](Site&, MachineFacts& f) { f.listening[6443] = "haproxy"; }, "haproxy"},
    {"port-10250", "node-1", [](Site&, MachineFacts& f) { f.listening[10250] = "?"; }, "another program"},
    {"port-6443", "gate-1", [](Site&, MachineFacts& f) { f.listening[6443] = "haproxy"; }, "haproxy"},
    {"machine-id", "node-1", [](Site&, MachineFacts& f) { f.machine_id = "id-mast-1"; }, "mast-1"},
    {"product-uuid", "node-1", [](Site&, MachineFacts& f) { f.product_uuid = "uuid-mast-1"; }, "mast-1"},
    {"runtime", "",
     [](Site& s, MachineFacts&) {
       s.versions.kubernetes = "1.37.0";
       s.versions.containerd->version = "1.7.30";
     },
     "1.7.30"},
    {"vip-in-use", "node-1", [](Site&, MachineFacts& f) { f.cards.front().addresses.emplace_back("192.168.4.20/24"); }, "192.168.4.20"},
    {"own-preparation", "node-1",
     [](Site& s, MachineFacts& f) {
       for (Machine& machine : s.machines) machine.prepare = machine.name != "node-1";
       f.programs["kubelet"] = "1.36.4";
     },
     "kubeadm is not installed there"},
    {"fairlead", "gate-1", [](Site&, MachineFacts& f) { f.programs.clear(); }, "not installed"}};

class PreflightCheck : public ::testing::TestWithParam<Case> {};

TEST_P(PreflightCheck, IsToldByNameAndNothingIsBegun) {
  const Case& c = GetParam();
  Site site = lab_site({.control_planes = 1, .workers = 1, .gateways = 1});
  Facts facts = fresh_site_facts(site);
  c.spoil(site, facts.machines[*c.machine == '\0' ? "mast-1" : c.machine]);
  const Rendered texts = lab_texts(site);
  const Plan plan = plan_bring_up({site, facts, texts});
  ASSERT_THAT(plan.obstacles, SizeIs(1));
  EXPECT_EQ(plan.obstacles[0].check, c.check);
  EXPECT_THAT(plan.obstacles[0].reason, HasSubstr(c.says));
  EXPECT_NE(plan.obstacles[0].remedy, "");
  if (*c.machine != '\0') { EXPECT_THAT(plan.obstacles[0].machines, ElementsAre(c.machine)); }
  EXPECT_THAT(plan.steps, IsEmpty());

  site.ignored_checks = {c.check};
  const Plan ignoring = plan_bring_up({site, facts, texts});
  EXPECT_THAT(ignoring.obstacles, IsEmpty());
  EXPECT_THAT(ignoring.warnings, Contains(AllOf(HasSubstr(c.check), HasSubstr(c.says))));
  EXPECT_FALSE(ignoring.steps.empty());
}
INSTANTIATE_TEST_SUITE_P(All, PreflightCheck, ::testing::ValuesIn(kCases));

TEST(Preflight, CgroupV1EndsWhereTheListOfVersionsSaysSo) {
  Site site = lab_site();
  Facts facts = fresh_site_facts(site);
  facts.machines["node-1"].cgroup_version = 1;
  const Rendered texts = lab_texts(site);
  const auto refused = [&](std::uint32_t minor) {
    site.versions.kubernetes = "1." + std::to_string(minor) + ".0";
    return !plan_bring_up({site, facts, texts}).obstacles.empty();
  };
  EXPECT_FALSE(refused(kCgroupV2Minor - 1));
  EXPECT_TRUE(refused(kCgroupV2Minor));
}

TEST(Preflight, AFreshSitePasses) {
  const Site site = lab_site({.bastion = true});
  const Facts facts = fresh_site_facts(site);
  const Rendered texts = lab_texts(site);
  const Plan plan = plan_bring_up({site, facts, texts});
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_THAT(plan.warnings, IsEmpty());
}

TEST(Preflight, TellsAllAtOnceAndOneThingOfManyMachinesOnce) {
  const Site site = lab_site();
  Facts facts = fresh_site_facts(site);
  for (auto& [name, machine] : facts.machines) machine.os_version = "11";
  facts.machines["mast-2"].cpus = 1;
  facts.machines["node-1"].clock_offset = 10s;
  const Rendered texts = lab_texts(site);
  const Plan plan = plan_bring_up({site, facts, texts});
  EXPECT_THAT(plan.obstacles, SizeIs(3));
  EXPECT_THAT(plan.obstacles[0].machines, SizeIs(7));
}

TEST(Preflight, ClocksAreJudgedNoFinerThanTheyWereRead) {
  const Site site = lab_site();
  Facts facts = fresh_site_facts(site);
  facts.machines["mast-1"].clock_offset = 6s;
  facts.machines["mast-1"].clock_error = 5s;
  const Rendered texts = lab_texts(site);
  EXPECT_THAT(plan_bring_up({site, facts, texts}).obstacles, IsEmpty());
}

TEST(Preflight, StandInsAndWhatCouldNotBeReadAreShown) {
  const Site site = lab_site();
  Facts facts = fresh_site_facts(site);
  facts.machines["mast-1"].stand_ins = {"systemd"};
  facts.machines["mast-1"].unsuitable = {"lsblk: not found"};
  const Rendered texts = lab_texts(site);
  EXPECT_THAT(plan_bring_up({site, facts, texts}).warnings,
              ElementsAre("mast-1: stand-in facts instead of its own: systemd", "mast-1: lsblk: not found"));
}

TEST(Preflight, EveryCheckIsInTheListOfNames) {
  for (const Case& c : kCases) { EXPECT_TRUE(is_own_check(c.check)) << c.check; }
  EXPECT_FALSE(is_own_check("port-http"));
}

TEST(Preflight, WhatKubeadmIsToldToIgnoreIsSaidInEveryPlan) {
  Site site = lab_site();
  site.ignored_checks = {"numcpu"};
  const Facts facts = fresh_site_facts(site);
  const Rendered texts = lab_texts(site);
  EXPECT_THAT(plan_bring_up({site, facts, texts}).warnings, Contains("preflight.ignore numcpu: kubeadm does not make this check"));
}

}  // namespace
}  // namespace fairlead::bootstrap
