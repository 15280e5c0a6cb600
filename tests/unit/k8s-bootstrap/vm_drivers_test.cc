// What each hypervisor is told (tests/golden/k8s-bootstrap/vms/DRIVER.txt; FL_UPDATE_GOLDEN=1 rewrites them), and how answers are read.
#include <algorithm>

#include "k8s-bootstrap/machines/drivers.h"
#include "vm_site.h"

namespace fairlead::bootstrap {
namespace {

using vm_test::empty_host;
using vm_test::kPlace;
using vm_test::lines;
using vm_test::model;
using vm_test::running_host;
using vm_test::vm_site;

HostAnswer ran(int exit_code, std::string output, std::string errors = {}) {
  return {true, exit_code, std::move(output), std::move(errors)};
}
HostAnswer there(std::string text = {}) { return {true, 0, std::move(text), {}}; }
const HostAnswer kNotThere{};

constexpr const char* kCapabilities =
    "<capabilities><guest><os_type>hvm</os_type><arch name='i686'><domain type='qemu'/></arch></guest>"
    "<guest><os_type>hvm</os_type><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>";

std::unique_ptr<VmDriver> driver_of(const std::string& name) {
  auto made = make_vm_driver(name, "");
  EXPECT_TRUE(made);
  if (name != "virtualbox") {
    EXPECT_TRUE((*made)->learn_host({name == "libvirt" ? ran(0, kCapabilities) : ran(kProbeExit, "")}));
  }
  return std::move(*made);
}

class VmDriverGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(VmDriverGolden, LifeOfAGatewayAndAWorker) {
  const std::string name = GetParam();
  const VmSite site = model(vm_site(name));
  const auto driver = driver_of(name);
  const MachineNames names{"gate-1", "node-1"};
  std::string text;
  const auto part = [&](const std::string& title, const HostPlan& plan) {
    EXPECT_TRUE(plan.obstacles.empty()) << title;
    text += "## " + title + "\n" + lines(plan.steps) + "\n";
  };
  HostPlan create = plan_create(site, empty_host(site), *driver, names);
  std::erase_if(create.steps,
                [](const HostStep& step) { return step.kind == HostStep::Kind::kWrite; });  // Seeds have goldens of their own.
  part("create", create);
  HostFacts off = running_host(site);
  for (const char* machine : {"gate-1", "node-1"}) off.vms[machine].state = VmState::kStopped;
  part("start", plan_start(site, off, *driver, names));
  part("stop", plan_stop(site, running_host(site), *driver, names, false));
  part("stop --force", plan_stop(site, running_host(site), *driver, names, true));
  MachineNames all;
  for (const Vm& vm : site.vms) all.insert(vm.machine);
  HostFacts two = empty_host(site);
  two.networks = running_host(site).networks;
  for (const char* machine : {"gate-1", "node-1"}) two.vms[machine] = running_host(site).vms[machine];
  part("destroy", plan_destroy(site, two, *driver, all));
  text += "## console\n";
  for (const std::string& word : driver->console(*site.find("gate-1"))) text += word + " ";
  text.back() = '\n';
  render_test::expect_golden("vms/" + name + ".txt", text);
}
INSTANTIATE_TEST_SUITE_P(Each, VmDriverGolden, ::testing::Values("libvirt", "qemu", "virtualbox"));

TEST(VmDrivers, ASeedByHttpIsNamedByTheSystemsSerialNumberAndNoIsoIsAttached) {
  for (const char* name : {"libvirt", "qemu", "virtualbox"}) {
    Site of = vm_site(name);
    of.vms->seed_url = "http://192.168.1.5/seeds/";
    const VmSite site = model(of);
    const std::string text = lines(plan_create(site, empty_host(site), *driver_of(name), {"mast-1"}).steps);
    EXPECT_NE(text.find("ds=nocloud-net;s=http://192.168.1.5/seeds/mast-1/"), std::string::npos) << text;
    for (const char* attached :
         {"file=/srv/demo.state/vms/mast-1/seed.iso", "dvddrive", "<source file=\"/srv/demo.state/vms/mast-1/seed.iso\""})
      EXPECT_EQ(text.find(attached), std::string::npos) << text;
  }
}

class Reads : public ::testing::Test {
 protected:
  explicit Reads(const std::string& name) : site(model(vm_site(name))), driver(driver_of(name)), vm(*site.find("mast-1")) {}
  Result<VmFound> read(std::vector<HostAnswer> own, bool files = true) {
    for (int i = 0; i < 4; ++i) own.push_back(files ? there(i == 0 ? site.seeds.at("mast-1").meta_data : "") : kNotThere);
    return driver->read(vm, own);
  }
  VmSite site;
  std::unique_ptr<VmDriver> driver;
  const Vm& vm;
};

class Libvirt : public Reads {
 protected:
  Libvirt() : Reads("libvirt") {}
  [[nodiscard]] HostAnswer dump() const { return ran(0, "<domain><uuid>" + vm.uuid + "</uuid></domain>"); }
};

TEST_F(Libvirt, ADomainWithOurUuidIsOurs) {
  EXPECT_EQ(read({dump(), ran(0, "running\n")})->state, VmState::kRunning);
  EXPECT_EQ(read({dump(), ran(0, "shut off\n")})->state, VmState::kStopped);
  EXPECT_EQ(read({dump(), ran(0, "paused\n")})->state, VmState::kPaused);
  EXPECT_EQ(read({dump(), ran(0, "in shutdown\n")})->state, VmState::kRunning);
}

TEST_F(Libvirt, ADomainOfTheSameNameIsSomebodyElses) {
  const auto found = read({ran(0, "<domain><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid></domain>"), ran(0, "running\n")});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state, VmState::kForeign);
  EXPECT_NE(found->detail.find("6695eb01"), std::string::npos);
}

TEST_F(Libvirt, OnlyItsOwnWordsMeanThatThereIsNone) {
  EXPECT_EQ(read({ran(1, "", "error: failed to get domain 'demo-mast-1'\n"), ran(1, "")}, false)->state, VmState::kAbsent);
  const auto refused = read({ran(1, "", "error: failed to connect to the hypervisor\n"), ran(1, "")});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().context.find("failed to connect"), std::string::npos);
  EXPECT_FALSE(read({ran(0, "no xml <"), ran(0, "running\n")}));
  EXPECT_FALSE(read({dump(), ran(0, "dancing\n")}));
  EXPECT_FALSE(read({dump(), ran(1, "", "error: timeout\n")}));
}

TEST_F(Libvirt, NetworksAreToldApartByTheirUuid) {
  const VmNetwork& mast = site.networks[2];
  const auto network = [&](HostAnswer dumped, const std::string& info) {
    return driver->read_network(mast, {std::move(dumped), ran(0, info)});
  };
  const HostAnswer ours = ran(0, "<network><uuid>" + mast.uuid + "</uuid></network>");
  EXPECT_EQ(network(ours, "Name: x\nActive:         yes\n")->state, NetworkState::kUp);
  EXPECT_EQ(network(ours, "Name: x\nActive:         no\n")->state, NetworkState::kDown);
  EXPECT_EQ(network(ran(0, "<network><uuid>dd8fe884-6c02-601e-7551-cca97df1c5df</uuid></network>"), "")->state, NetworkState::kForeign);
  EXPECT_EQ(network(ran(1, "", "error: failed to get network 'demo-mast'\n"), "")->state, NetworkState::kAbsent);
  EXPECT_FALSE(network(ran(1, "", "error: Cannot recv data\n"), ""));
  EXPECT_FALSE(network(ours, "Active: perhaps\n"));
}

TEST_F(Libvirt, AHypervisorThatDoesNotAnswerIsSaid) {
  const auto learned = driver->learn_host({ran(1, "", "error: failed to connect to the hypervisor\n")});
  ASSERT_FALSE(learned);
  EXPECT_NE(learned.error().context.find("is libvirtd running"), std::string::npos);
  EXPECT_FALSE(driver->learn_host({ran(0, "<capabilities/>")})) << "no machines of type hvm";
}

TEST_F(Libvirt, ChoosesKvmOnlyWhereAGuestRunsByIt) {
  const auto type = [&](HostAnswer probed) {
    EXPECT_TRUE(driver->learn_host({ran(0, kCapabilities), std::move(probed)}));
    const std::string text = lines(driver->create(vm, {}));
    const auto at = text.find("<domain type=");
    return text.substr(at, text.find('>', at) - at + 1);
  };
  EXPECT_EQ(type(ran(kProbeExit, "")), "<domain type=\"kvm\">");
  EXPECT_EQ(type(ran(134, "", "failed to set MSR 0x10a\n")), "<domain type=\"qemu\">");
  EXPECT_EQ(type({true, -1, "", ""}), "<domain type=\"qemu\">") << "it hung";
  EXPECT_EQ(type(ran(1, "", "Could not access KVM kernel module: Permission denied\n")), "<domain type=\"kvm\">") << "libvirtd may";
  EXPECT_EQ(type(kNotThere), "<domain type=\"kvm\">") << "no qemu beside libvirt's own";
}

class Qemu : public Reads {
 protected:
  Qemu() : Reads("qemu") {}
  [[nodiscard]] HostAnswer said(const std::string& uuid, const std::string& status) const {
    return there("{\"return\": {\"UUID\": \"" + uuid + "\"}}\n{\"return\": {\"status\": \"" + status + "\", \"running\": true}}\n");
  }
};

TEST_F(Qemu, IsWhatItsMonitorSays) {
  EXPECT_EQ(read({said(vm.uuid, "running")})->state, VmState::kRunning);
  EXPECT_EQ(read({said(vm.uuid, "prelaunch")})->state, VmState::kPaused);
  EXPECT_EQ(read({said(vm.uuid, "paused")})->state, VmState::kPaused);
  EXPECT_EQ(read({said("00000000-0000-0000-0000-000000000000", "running")})->state, VmState::kForeign);
  EXPECT_FALSE(read({there("{\"return\": {}}\n")})) << "VD2";
  EXPECT_FALSE(read({there("nonsense\n")}));
}

TEST_F(Qemu, WithoutAMonitorItsFilesDecide) {
  EXPECT_EQ(read({kNotThere})->state, VmState::kStopped);
  EXPECT_EQ(read({kNotThere}, false)->state, VmState::kAbsent);
}

TEST_F(Qemu, ABridgeWithoutOurMarkIsSomebodyElses) {
  const VmNetwork& mast = site.networks[2];
  const auto bridge = [&](const std::string& address, const char* flags) {
    return driver->read_network(mast,
                                {ran(0, "[{\"ifname\":\"x\",\"flags\":[" + std::string(flags) + "],\"address\":\"" + address + "\"}]")});
  };
  EXPECT_EQ(bridge(bridge_mark(mast), "\"BROADCAST\",\"UP\"")->state, NetworkState::kUp);
  EXPECT_EQ(bridge(bridge_mark(mast), "\"BROADCAST\"")->state, NetworkState::kDown);
  EXPECT_EQ(bridge("52:54:00:00:00:01", "\"UP\"")->state, NetworkState::kForeign);
  EXPECT_EQ(driver->read_network(mast, {ran(1, "", "Device \"flb\" does not exist.\n")})->state, NetworkState::kAbsent);
  EXPECT_FALSE(driver->read_network(mast, {ran(255, "", "Cannot open netlink socket\n")}));
}

TEST_F(Qemu, WithoutAWorkingKvmItEmulates) {
  const auto starts = [&](int exit_code) {
    EXPECT_TRUE(driver->learn_host({ran(exit_code, "")}));
    return lines(driver->start(vm, {}));
  };
  EXPECT_NE(starts(kProbeExit).find("-accel kvm -cpu host"), std::string::npos);
  for (const int wrong : {-1, 0, 1, 134}) EXPECT_NE(starts(wrong).find("-accel tcg -cpu max"), std::string::npos) << wrong;
}

TEST_F(Qemu, ACommaInAPathEndsNoOption) {
  Vm odd = vm;
  odd.disks.front().file = "/srv/a,b/system";
  EXPECT_NE(lines(driver->start(odd, {})).find("file=/srv/a,,b/system.qcow2"), std::string::npos);
}

class VirtualBox : public Reads {
 protected:
  VirtualBox() : Reads("virtualbox") {}
  [[nodiscard]] HostAnswer info(const std::string& uuid, const std::string& state, const std::string& description) const {
    return ran(0, "name=\"demo-mast-1\"\nUUID=\"" + uuid + "\"\nVMState=\"" + state + "\"\ndescription=\"" + description + "\"\n");
  }
};

TEST_F(VirtualBox, IsWhatShowvminfoSays) {
  EXPECT_EQ(read({info(vm.uuid, "running", vm.mark())})->state, VmState::kRunning);
  EXPECT_EQ(read({info(vm.uuid, "stopping", vm.mark())})->state, VmState::kRunning);
  EXPECT_EQ(read({info(vm.uuid, "poweroff", vm.mark())})->state, VmState::kStopped);
  EXPECT_EQ(read({info(vm.uuid, "aborted", vm.mark())})->state, VmState::kStopped);
  EXPECT_EQ(read({info(vm.uuid, "paused", vm.mark())})->state, VmState::kPaused);
  EXPECT_EQ(read({info(vm.uuid, "poweroff", "")})->state, VmState::kHalfMade) << "its last step was not reached";
  EXPECT_EQ(read({info("6695eb01-f6a4-8304-79aa-97f2502e193f", "running", "mine")})->state, VmState::kForeign);
  EXPECT_EQ(read({ran(1, "", "VBoxManage: error: Could not find a registered machine named 'demo-mast-1'\n")}, false)->state,
            VmState::kAbsent);
  EXPECT_FALSE(read({ran(1, "", "VBoxManage: error: Failed to create the VirtualBox object!\n")}));
  EXPECT_FALSE(read({ran(0, "name=\"x\"\n")}));
}

TEST(VmDriver, OfAnotherNameIsRefused) {
  const auto none = make_vm_driver("namespaces", "");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace fairlead::bootstrap
