#include "k8s-bootstrap/machines/machine_plan.h"

#include <algorithm>

#include "k8s-bootstrap/machines/drivers.h"
#include "vm_site.h"

namespace fairlead::bootstrap {
namespace {

using vm_test::empty_host;
using vm_test::lines;
using vm_test::model;
using vm_test::running_host;
using vm_test::vm_site;

class MachinePlan : public ::testing::Test {
 protected:
  MachinePlan() {
    for (const Vm& vm : site.vms) all.insert(vm.machine);
  }
  [[nodiscard]] static bool touches(const HostPlan& plan, const std::string& machine) {
    return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const HostStep& step) { return step.machine == machine; });
  }
  VmSite site = model(vm_site("qemu"));
  std::unique_ptr<VmDriver> driver = make_qemu_driver();
  MachineNames all;
};

TEST_F(MachinePlan, WhatIsDoneIsNotPlannedAgain) {  // MP1
  EXPECT_TRUE(plan_create(site, running_host(site), *driver, all).steps.empty());
  EXPECT_TRUE(plan_start(site, running_host(site), *driver, all).steps.empty());
  HostFacts off = running_host(site);
  for (auto& [name, vm] : off.vms) vm.state = VmState::kStopped;
  EXPECT_TRUE(plan_stop(site, off, *driver, all, false).steps.empty());
  HostFacts gone = empty_host(site);
  EXPECT_TRUE(plan_destroy(site, gone, *driver, all).steps.empty());
}

TEST_F(MachinePlan, ForeignThingsAreLeftAloneAndTheRestIsDone) {  // MP2, MP3
  HostFacts facts = empty_host(site);
  facts.vms["mast-1"] = {VmState::kForeign, "a domain demo-mast-1 is there", {}, false, {}};
  for (const bool destroy : {false, true}) {
    const HostPlan plan = destroy ? plan_destroy(site, facts, *driver, all) : plan_create(site, facts, *driver, all);
    ASSERT_EQ(plan.obstacles.size(), 1U);
    EXPECT_EQ(plan.obstacles[0].machine, "mast-1");
    EXPECT_NE(plan.obstacles[0].remedy.find("another name"), std::string::npos);
    EXPECT_FALSE(touches(plan, "mast-1"));
    EXPECT_EQ(touches(plan, "mast-2"), !destroy);
  }
  HostFacts networks = empty_host(site);
  networks.networks["storage"] = {NetworkState::kForeign, "the device flb1 has no mark"};
  const HostPlan plan = plan_create(site, networks, *driver, all);
  ASSERT_EQ(plan.obstacles.size(), 1U) << "said once, for all machines in it";
  EXPECT_EQ(plan.obstacles[0].machine, "network storage");
  EXPECT_FALSE(touches(plan, "gate-1"));
  EXPECT_TRUE(touches(plan, "mast-1")) << "it is not in that network";
  HostFacts running = running_host(site);
  running.networks["storage"] = {NetworkState::kForeign, "x"};
  EXPECT_EQ(lines(plan_destroy(site, running, *driver, all).steps).find(site.networks[4].device), std::string::npos);
}

TEST_F(MachinePlan, ABridgeOfTheHostsMustBeThereAndIsNeverRemoved) {
  HostFacts facts = empty_host(site);
  facts.networks["uplink"].state = NetworkState::kAbsent;
  const HostPlan plan = plan_create(site, facts, *driver, all);
  ASSERT_EQ(plan.obstacles.size(), 1U);
  EXPECT_NE(plan.obstacles[0].reason.find("no bridge br0"), std::string::npos);
  EXPECT_EQ(lines(plan_destroy(site, running_host(site), *driver, all).steps).find("delete dev br0"), std::string::npos);
}

TEST_F(MachinePlan, NetworksGoWithTheLastVmInThem) {  // MP4
  const auto removed = [&](const MachineNames& names, const std::string& network) {
    const auto found = std::find_if(site.networks.begin(), site.networks.end(), [&](const VmNetwork& n) { return n.name == network; });
    return lines(plan_destroy(site, running_host(site), *driver, names).steps).find("delete dev " + found->device) != std::string::npos;
  };
  EXPECT_FALSE(removed({"mast-1", "mast-2", "mast-3"}, "mast")) << "the gateways are in it";
  EXPECT_TRUE(removed(all, "mast"));
  MachineNames but_one = all;
  but_one.erase("mast-2");
  EXPECT_FALSE(removed(but_one, "mast"));
  EXPECT_TRUE(removed(but_one, "node"));
}

TEST_F(MachinePlan, WithoutTheImageNothingIsMade) {
  HostFacts facts = empty_host(site);
  facts.image = false;
  const HostPlan plan = plan_create(site, facts, *driver, {"mast-1"});
  ASSERT_EQ(plan.obstacles.size(), 1U);
  EXPECT_NE(plan.obstacles[0].reason.find("/srv/demo.state/images/base.qcow2"), std::string::npos);
  EXPECT_TRUE(plan.steps.empty());
  facts.vms["mast-1"].disks = {"system"};  // Its disk is there already: an earlier create was cut.
  EXPECT_TRUE(plan_create(site, facts, *driver, {"mast-1"}).obstacles.empty());
}

// VD3: cut anywhere, what is whole is kept, and what is half is made anew.
TEST_F(MachinePlan, GoesOnWhereItWasCut) {
  HostFacts facts = empty_host(site);
  const std::string whole = lines(plan_create(site, facts, *driver, {"mast-1"}).steps);
  EXPECT_NE(whole.find("qemu-img convert"), std::string::npos);
  EXPECT_NE(whole.find("xorriso"), std::string::npos);
  facts.vms["mast-1"].disks = {"system"};
  facts.vms["mast-1"].folder = true;
  const std::string rest = lines(plan_create(site, facts, *driver, {"mast-1"}).steps);
  EXPECT_EQ(rest.find("qemu-img"), std::string::npos) << "a disk that is there is never written over";
  EXPECT_NE(rest.find("xorriso"), std::string::npos);
  facts.vms["mast-1"] = {VmState::kPaused, {}, {"system"}, true, site.seeds.at("mast-1").meta_data};
  const std::string last = lines(plan_create(site, facts, *driver, {"mast-1"}).steps);
  EXPECT_EQ(last.find("-daemonize"), std::string::npos);
  EXPECT_NE(last.find("cont"), std::string::npos);
}

TEST_F(MachinePlan, HalfMadeIsRemovedAndMadeAnew) {
  const auto vbox = make_virtualbox_driver();
  HostFacts facts = empty_host(site);
  facts.vms["mast-1"] = {VmState::kHalfMade, {}, {"system"}, true, {}};
  const std::string text = lines(plan_create(site, facts, *vbox, {"mast-1"}).steps);
  EXPECT_LT(text.find("unregistervm demo-mast-1 --delete"), text.find("createvm"));
  EXPECT_NE(text.find("qemu-img convert"), std::string::npos);
}

TEST_F(MachinePlan, ANewSeedIsWrittenAndSaidToWaitForABoot) {
  HostFacts facts = running_host(site);
  facts.vms["mast-1"].meta_data = "instance-id: demo-mast-1-000000000000\n";
  const HostPlan plan = plan_create(site, facts, *driver, all);
  EXPECT_TRUE(touches(plan, "mast-1"));
  EXPECT_FALSE(touches(plan, "mast-2"));
  ASSERT_EQ(plan.remarks.size(), 1U);
  EXPECT_NE(plan.remarks[0].find("at its next boot"), std::string::npos);
}

TEST_F(MachinePlan, SomethingPausedIsNotAskedToShutDown) {
  HostFacts facts = running_host(site);
  facts.vms["mast-1"].state = VmState::kPaused;
  EXPECT_EQ(plan_stop(site, facts, *driver, {"mast-1"}, false).obstacles.size(), 1U);
  EXPECT_TRUE(plan_stop(site, facts, *driver, {"mast-1"}, true).obstacles.empty());
}

TEST_F(MachinePlan, StartMakesNothing) {
  const HostPlan plan = plan_start(site, empty_host(site), *driver, {"mast-1"});
  EXPECT_TRUE(plan.steps.empty());
  ASSERT_EQ(plan.obstacles.size(), 1U);
  EXPECT_NE(plan.obstacles[0].remedy.find("machine create"), std::string::npos);
}

TEST_F(MachinePlan, AllAreAskedToShutDownBeforeOneIsWaitedFor) {
  const HostPlan plan = plan_stop(site, running_host(site), *driver, all, false);
  const auto is_wait = [](const HostStep& step) { return step.kind == HostStep::Kind::kAwait; };
  EXPECT_TRUE(std::is_partitioned(plan.steps.begin(), plan.steps.end(), [&](const HostStep& step) { return !is_wait(step); }));
  EXPECT_EQ(std::count_if(plan.steps.begin(), plan.steps.end(), is_wait), static_cast<std::ptrdiff_t>(all.size()));
}

}  // namespace
}  // namespace fairlead::bootstrap
