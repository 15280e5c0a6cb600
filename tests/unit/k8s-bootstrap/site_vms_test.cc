// Sites with VMs: what is read, and what is told about them.
#include <gtest/gtest.h>

#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"

namespace fairlead::bootstrap {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

/// What `init` writes, with VMs.
std::string vm_text(const std::string& vms = "vms: {driver: libvirt, image: base}\n") {
  return replaced(init_text(), "external: true, router: 10.0.2.1}", "external: true, router: 10.0.2.1, attach: br0}") + vms;
}

SiteLoad load(const std::string& text) {
  SiteContext context;
  context.today = "2026-11-27";
  return load_site(text, "site.yaml", context);
}

std::string problems(const std::string& text) {
  std::string out;
  for (const auto& problem : load(text).problems) out += config::format(problem) + "\n";
  return out;
}

void expect_said(const std::string& text, std::string_view what) {
  const std::string said = problems(text);
  EXPECT_NE(said.find(what), std::string::npos) << what << "\n" << said;
}

TEST(SiteVms, AreReadWithTheMachinesOwnKeys) {
  const SiteLoad result =
      load(replaced(vm_text("vms: {driver: qemu, image: base, sizes: {worker: {cpus: 2, memory: 4GiB, disk: 60GiB}}}\n"), "{name: node-3, ",
                    "{name: node-3, cpus: 4, memory: 2GiB, disk: 30GiB, uuid: 6f9619ff-8b86-4d11-b42d-00c04fc964ff, "
                    "mac: {node: \"52:54:00:00:00:01\"}, "));
  ASSERT_TRUE(result.site) << problems(vm_text());
  EXPECT_TRUE(result.problems.empty());
  ASSERT_TRUE(result.site->vms);
  EXPECT_EQ(result.site->vms->driver, "qemu");
  EXPECT_EQ(result.site->vms->sizes.worker.disk, 60ULL << 30U);
  const Machine& node = *result.site->find("node-3");
  EXPECT_EQ(node.size, (VmSize{4, 2ULL << 30U, 30ULL << 30U}));
  EXPECT_EQ(node.macs.front().second, "52:54:00:00:00:01");
}

TEST(SiteVms, AnExternalNetworkNeedsAWayIn) {
  expect_said(init_text() + "vms: {driver: libvirt, image: base}\n", "network uplink is external, and nothing says how VMs get into it");
}

TEST(SiteVms, NothingIsTaggedForThem) {
  expect_said(replaced(vm_text(), "attach: br0", "attach: br0, vlan: 41"), "are attached to br0 and not tagged");
}

TEST(SiteVms, NeedAnImage) { expect_said(vm_text("vms: {driver: libvirt}\n"), "VMs without an image"); }

TEST(SiteVms, OfTheLabAreNotInThisRelease) {
  expect_said(vm_text("vms: {driver: namespaces, image: base}\n"), "driver namespaces, which makes no VMs, is not in this release");
}

TEST(SiteVms, TooLittleMemoryIsTold) {
  expect_said(vm_text("vms: {driver: libvirt, image: base, sizes: {worker: {memory: 64MiB}}}\n"), "64MiB of memory is too little");
  expect_said(replaced(vm_text(), "{name: node-3, ", "{name: node-3, memory: 64MiB, "), "64MiB of memory is too little");
}

TEST(SiteVms, MacsAndUuidsAreOneMachines) {
  const std::string mac = "mac: {mast: \"52:54:00:00:00:01\"}, ";
  expect_said(replaced(replaced(vm_text(), "{name: mast-1, ", "{name: mast-1, " + mac), "{name: mast-2, ", "{name: mast-2, " + mac),
              "52:54:00:00:00:01 is a MAC address of machine mast-1");
  expect_said(replaced(vm_text(), "{name: mast-1, ", "{name: mast-1, mac: {node: \"52:54:00:00:00:01\"}, "),
              "machine mast-1 has no address in network node");
  expect_said(replaced(vm_text(), "{name: mast-1, ", "{name: mast-1, mac: {mast: \"53:54:00:00:00:01\"}, "), "its first byte is odd");
  expect_said(replaced(replaced(vm_text(), "{name: mast-1, ", "{name: mast-1, uuid: 6F9619FF-8B86-4D11-B42D-00C04FC964FF, "),
                       "{name: mast-2, ", "{name: mast-2, uuid: 6f9619ff-8b86-4d11-b42d-00c04fc964ff, "),
              "is the UUID of machine mast-1");
}

TEST(SiteVms, SizesOfMachinesThatExistAreTold) {
  expect_said(replaced(init_text(), "{name: node-3, ", "{name: node-3, cpus: 4, "), "warning: cpus has no effect without the section vms");
}

TEST(SiteVms, AMacOfAMachineThatExistsIsFine) {
  EXPECT_EQ(problems(replaced(init_text(), "{name: node-3, ", "{name: node-3, mac: {node: \"52:54:00:00:00:01\"}, ")), "");
}

TEST(SiteVms, BricksWithoutADiskAreOnDisksOfTheVmFoundByASerialOfItsOwn) {
  const auto with_bricks = [](const std::string& brick) {
    std::string text = replaced(vm_text(), "networks:", "networks:\n  - {name: storage, cidr: 192.168.3.0/24}");
    std::string machines;
    for (const char* n : {"1", "2", "3"})
      machines +=
          fmt::format("\n  - {{name: stor-{0}, roles: [storage], addresses: {{storage: 192.168.3.1{0}}}, bricks: [{1}]}}", n, brick);
    text = replaced(text, "machines:", "machines:" + machines);
    return text + "storage: {gluster: {volumes: [{name: pods, bricks: brick-1}]}}\n";
  };
  const SiteLoad result = load(with_bricks("{name: brick-1, size: 500GiB}"));
  ASSERT_TRUE(result.site) << problems(with_bricks("{name: brick-1, size: 500GiB}"));
  const std::string& serial = result.site->find("stor-1")->bricks.front().serial;
  EXPECT_EQ(serial.size(), 20U);
  EXPECT_NE(serial, result.site->find("stor-2")->bricks.front().serial);
  expect_said(with_bricks("{name: brick-1}"), "how large is the VM's disk?");
}

TEST(SiteVms, SeedsByHttpNeedAFoldersUrl) {
  EXPECT_TRUE(load(vm_text("vms: {driver: qemu, image: base, seed_url: \"http://192.168.1.5/seeds/\"}\n")).site);
  expect_said(vm_text("vms: {driver: qemu, image: base, seed_url: \"http://192.168.1.5/seeds\"}\n"), "is no URL of a folder");
  expect_said(vm_text("vms: {driver: qemu, image: base, seed_url: \"ftp://192.168.1.5/\"}\n"), "is no URL of a folder");
}

TEST(SiteImage, IsReadAndItsVolumesMustFit) {
  const auto image = [](const std::string& keys) { return init_text() + "image: {name: base, release: bookworm" + keys + "}\n"; };
  const SiteLoad result = load(image(", disk: 20GiB, volumes: {root: 2GiB, var: 4GiB}, grow: {var: 60%, root: 40%}, packages: [curl]"));
  ASSERT_TRUE(result.site) << problems(image(""));
  EXPECT_EQ(result.site->image->volumes.size(), 2U);
  EXPECT_TRUE(load(image("")).site) << problems(image(""));
  expect_said(image(", disk: 5GiB, volumes: {root: 2GiB, var: 4GiB}"), "the image's disk has 5GiB");
  expect_said(image(", volumes: {var: 4GiB}"), "an image without a volume root");
  expect_said(image(", volumes: {root: 2GiB, data: 1GiB}"), "'data' is no volume of an image");
  expect_said(image(", volumes: {root: 2GiB}, grow: {vra: 100%}"), "the image has no volume 'vra'");
  expect_said(image(", volumes: {root: 2GiB, var: 2GiB}, grow: {root: 60%, var: 60%}"), "shares of new space make 120%");
  expect_said(init_text() + "image: {name: base, release: noble}\n", "no image of 'noble' is made");
}

}  // namespace
}  // namespace fairlead::bootstrap
