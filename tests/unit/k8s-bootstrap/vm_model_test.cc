#include "k8s-bootstrap/machines/vm_model.h"

#include <algorithm>
#include <set>

#include "k8s-bootstrap/machines/vm_names.h"
#include "vm_site.h"

namespace fairlead::bootstrap {
namespace {

using vm_test::kPlace;
using vm_test::vm_site;

// Values that machines carry for years: whoever changes how they are derived makes every VM of every site a stranger (VN1).
TEST(VmNames, AreTheSameForEver) {
  const Site site = vm_site("qemu");
  const Machine& gate = *site.find("gate-1");
  EXPECT_EQ(vm_name(site, gate), "demo-gate-1");
  EXPECT_EQ(vm_uuid(site, gate), "0e373985-f230-86a7-97b4-8d3cb7b389f4");
  EXPECT_EQ(vm_mac(site, gate, "mast"), "02:f7:b7:c2:31:8c");
  EXPECT_EQ(vm_disk_serial(site, gate, "system"), "fl0666226171f5916bb2");
  EXPECT_EQ(vm_network_uuid(site, "mast"), "b586db80-7371-8302-af1b-340c35ab317c");
  EXPECT_EQ(host_device("flb", site, "", "mast"), "flb63ba84a7b8de");
}

TEST(VmNames, DifferByEveryNameTheyAreMadeOf) {
  Site site = vm_site("qemu");
  Site other = site;
  other.name = "demo2";
  std::set<std::string> uuids;
  std::set<std::string> macs;
  std::size_t count = 0;
  std::size_t cards = 0;
  for (const Site* one : {&site, &other}) {
    for (const Machine& machine : one->machines) {
      uuids.insert(vm_uuid(*one, machine));
      ++count;
      for (const auto& [network, address] : machine.addresses) {
        macs.insert(vm_mac(*one, machine, network));
        ++cards;
      }
    }
  }
  EXPECT_EQ(uuids.size(), count);
  EXPECT_EQ(macs.size(), cards);
}

TEST(VmNames, AreWhatTheirKindsAllow) {
  const Site site = vm_site("qemu");
  for (const Machine& machine : site.machines) {
    const std::string uuid = vm_uuid(site, machine);
    EXPECT_EQ(uuid.size(), 36U);
    EXPECT_EQ(uuid[14], '8') << "version 8 of RFC 9562";
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << uuid;
    EXPECT_LE(vm_disk_serial(site, machine, "system").size(), 20U);
    for (const auto& [network, address] : machine.addresses) {
      const auto mac = parse_mac_address(vm_mac(site, machine, network));
      ASSERT_TRUE(mac);
      EXPECT_FALSE(mac->is_group());
      EXPECT_EQ(mac->bytes[0] & 2U, 2U) << "locally administered";
      EXPECT_LE(host_device("flt", site, machine.name, network).size(), 15U);
    }
  }
}

TEST(VmNames, OfTheSiteWin) {
  Site site = vm_site("qemu");
  Machine& gate = render_test::of(site, "gate-1");
  gate.uuid = "6F9619FF-8B86-4D11-B42D-00C04FC964FF";
  gate.macs = {{"mast", "52:54:00:00:01:01"}};
  EXPECT_EQ(vm_uuid(site, gate), "6f9619ff-8b86-4d11-b42d-00c04fc964ff");
  EXPECT_EQ(vm_mac(site, gate, "mast"), "52:54:00:00:01:01");
  EXPECT_NE(vm_mac(site, gate, "dmz"), "52:54:00:00:01:01");
}

TEST(VmNames, AMachineThatExistsHasNoMacButItsOwn) {
  Site site = render_test::classic_site();
  EXPECT_EQ(mac_of(site, *site.find("mast-1"), "mast"), "");
  render_test::of(site, "mast-1").macs = {{"mast", "52:54:00:00:01:01"}};
  EXPECT_EQ(mac_of(site, *site.find("mast-1"), "mast"), "52:54:00:00:01:01");
}

TEST(VmModel, TakesSizesByRoleAndTheMachinesOwnFirst) {
  Site site = vm_site("libvirt");
  render_test::of(site, "node-2").size = {8, 0, 0};
  EXPECT_EQ(vm_size(site, *site.find("node-1")), (VmSize{2, 4ULL << 30U, 60ULL << 30U}));
  EXPECT_EQ(vm_size(site, *site.find("node-2")), (VmSize{8, 4ULL << 30U, 60ULL << 30U}));
  EXPECT_EQ(vm_size(site, *site.find("bastion")), (VmSize{1, 512ULL << 20U, kVmDisk})) << "the larger of bastion and witness";
  EXPECT_EQ(vm_size(site, *site.find("stor-1")), (VmSize{kVmCpus, kVmMemory, kVmDisk})) << "nothing is said of it";
}

TEST(VmModel, HasACardForEveryAddressInItsOrder) {
  const Site site = vm_site("libvirt");
  const std::vector<Vm> vms = vms_of(site, kPlace);
  ASSERT_EQ(vms.size(), site.machines.size());
  const Vm& gate = vms.front();
  ASSERT_EQ(gate.nics.size(), 5U);
  EXPECT_EQ(gate.nics[0].network.host, "br0");
  EXPECT_FALSE(gate.nics[0].network.ours);
  EXPECT_EQ(gate.nics[2].network.host, "demo-mast");
  EXPECT_EQ(gate.nics[2].card, "mast");
  EXPECT_EQ(gate.folder, "/srv/demo.state/vms/gate-1");
  EXPECT_EQ(gate.image, "/srv/demo.state/images/base.qcow2");
}

TEST(VmModel, ABrickThatNamesNoDiskIsADiskOfTheVmWithItsSerial) {
  Site site = vm_site("qemu");
  Machine& stor = render_test::of(site, "stor-1");
  stor.bricks = {{.name = "brick-1", .size = 500ULL << 30U, .device = {}, .serial = {}, .path = {}},
                 {.name = "own", .size = 0, .device = {}, .serial = {}, .path = "/srv/own"}};
  name_vm_disks(site);
  EXPECT_EQ(stor.bricks[1].serial, "");
  const auto vms = vms_of(site, kPlace);
  const auto vm = std::find_if(vms.begin(), vms.end(), [](const Vm& one) { return one.machine == "stor-1"; });
  ASSERT_EQ(vm->disks.size(), 2U);
  EXPECT_EQ(vm->disks[1], (VmDisk{"brick-brick-1", vm_disk_serial(site, stor, "brick-1"), vm->folder + "/brick-brick-1", 500ULL << 30U}));
  EXPECT_EQ(stor.bricks[0].serial, vm->disks[1].serial);
}

}  // namespace
}  // namespace fairlead::bootstrap
