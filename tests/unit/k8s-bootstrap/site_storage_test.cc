// Storage in a site: read whole, and one fault at a time, each reported alone where it stands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kText = R"yaml(apiVersion: fairlead/v1
kind: Site
name: demo
domain: kube.demo
state_dir: ./demo.state
versions: {kubernetes: 1.36.4, containerd: {version: 2.3.4}}
networks:
  - {name: mast, cidr: 192.168.1.0/24}
  - {name: storage, cidr: 192.168.3.0/24}
machines:
  - {name: mast-1, roles: [control-plane], addresses: {mast: 192.168.1.11}}
  - {name: node-1, roles: [worker], addresses: {mast: 192.168.1.21, storage: 192.168.3.21}}
  - {name: stor-1, roles: [storage], addresses: {storage: 192.168.3.11}, bricks: [{name: brick-1, device: /dev/sdb, serial: A1}]}
  - {name: stor-2, roles: [storage], addresses: {storage: 192.168.3.12}, bricks: [{name: brick-1, serial: A2, size: 500GiB, wipe: true}]}
  - {name: stor-3, roles: [storage], addresses: {storage: 192.168.3.13}, bricks: [{name: brick-1, path: /srv/brick}]}
kubernetes: {pods: 10.244.0.0/16, services: 10.96.0.0/12}
storage:
  gluster:
    volumes:
      - {name: pods, bricks: brick-1, allow: [storage], options: {network.ping-timeout: 5}, mount: {path: /srv/pods}}
    persistent_volumes: [{name: shared, volume: pods, size: 10GiB}]
    storage_classes: [{name: shared-files, volume: pods}]
)yaml";

SiteLoad load(const std::string& text) {
  SiteContext context;
  context.today = "2026-11-01";
  return load_site(text, "site.yaml", context);
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}
std::string all(const SiteLoad& load) {
  std::string out;
  for (const config::Problem& problem : load.problems) out += config::format(problem) + "\n";
  return out;
}

TEST(SiteStorage, IsReadWhole) {
  const SiteLoad result = load(kText);
  ASSERT_TRUE(result.site) << all(result);
  EXPECT_EQ(all(result), "");
  const Site& site = *result.site;
  ASSERT_TRUE(site.gluster);
  const GlusterVolume& pods = *site.volume("pods");
  EXPECT_EQ(pods.replica, 3U);
  EXPECT_EQ(pods.mount_on, Role::kWorker);
  EXPECT_TRUE(site.find("stor-2")->bricks[0].wipe);
  EXPECT_EQ(site.find("stor-2")->bricks[0].size, 500ULL << 30U);
  EXPECT_THAT(brick_names(site, pods), ElementsAre("stor-1.kube.demo:/srv/bricks/brick-1/pods", "stor-2.kube.demo:/srv/bricks/brick-1/pods",
                                                   "stor-3.kube.demo:/srv/brick/pods"));
  EXPECT_EQ(volume_options(site, pods).at("network.ping-timeout"), "5");
  EXPECT_EQ(volume_options(site, pods).at("auth.allow"), "192.168.3.0/24");
  EXPECT_EQ(site.gluster->persistent_volumes[0].size, 10ULL << 30U);
}

struct Fault {
  std::string from;
  std::string to;
  std::string message;  ///< What the only problem has in it.
  bool warning = false;
};
class StorageFault : public testing::TestWithParam<Fault> {};
TEST_P(StorageFault, IsReportedAloneAtItsLineWithAHint) {
  const std::string text = replaced(kText, GetParam().from, GetParam().to);
  const SiteLoad result = load(text);
  ASSERT_EQ(result.problems.size(), 1U) << all(result);
  EXPECT_THAT(result.problems[0].message, HasSubstr(GetParam().message));
  EXPECT_FALSE(result.problems[0].hint.empty());
  EXPECT_EQ(result.problems[0].severity == config::Severity::kWarning, GetParam().warning) << all(result);
  EXPECT_EQ(result.site.has_value(), GetParam().warning);
}
TEST(SiteStorage, AMachineThatIsToMountAVolumeMustBeInANetworkThatMay) {
  const SiteLoad result = load(replaced(kText, ", storage: 192.168.3.21}", "}"));
  EXPECT_FALSE(result.site);
  EXPECT_THAT(all(result), HasSubstr("which no network of allow lets in"));
}

INSTANTIATE_TEST_SUITE_P(
    Storage, StorageFault,
    testing::Values(Fault{"name: pods, bricks", "name: pods, replica: 2, bricks", "volume pods with two copies"},
                    Fault{"bricks: brick-1, allow", "bricks: brick-2, allow", "no machine has a brick 'brick-2'"},
                    Fault{"bricks: [{name: brick-1, path: /srv/brick}]", "bricks: []", "2 machines have a brick brick-1"},
                    Fault{"bricks: [{name: brick-1, path: /srv/brick}]", "bricks: [{name: brick-1}]",
                          "brick brick-1 of stor-3 is on no disk"},
                    Fault{"path: /srv/brick}]", "path: /srv/brick, size: 1GiB}]", "with a path and keys of a disk"},
                    Fault{"path: /srv/brick}]", "path: /srv/brick/}]", "'/srv/brick/' is no mount point of a brick"},
                    Fault{"{name: brick-1, device: /dev/sdb, serial: A1}", "{name: brick-1, device: /dev/sdb, wipe: true}",
                          "wipe without the disk's serial"},
                    Fault{"{name: brick-1, device: /dev/sdb, serial: A1}", "{name: brick-1, serial: A1}, {name: brick-1, serial: A9}",
                          "a second brick 'brick-1' of stor-1"},
                    Fault{"{name: brick-1, device: /dev/sdb, serial: A1}", "{name: brick-1, serial: A1}, {name: brick-2, serial: A1}",
                          "A1 is two bricks of stor-1"},
                    Fault{"{name: node-1, roles: [worker],", "{name: node-1, roles: [worker], bricks: [{name: b, serial: x}],",
                          "has bricks, and not the role storage"},
                    Fault{"allow: [storage]", "allow: [storag]", "there is no network 'storag'"},
                    Fault{"network.ping-timeout: 5", "auth.allow: \"*\"", "allow and the option auth.allow"},
                    Fault{"path: /srv/pods}", "path: /srv/bricks/x}", "is where bricks are"},
                    Fault{"path: /srv/pods}", "path: /srv/pods/}", "'/srv/pods/' is no mount point"},
                    Fault{"name: shared, volume: pods", "name: shared, volume: pds", "there is no volume 'pds'"},
                    Fault{"name: shared, volume", "name: dynamic, volume", "'dynamic' is the directory of storage classes"},
                    Fault{"size: 10GiB", "size: 0", "a persistent volume without size"},
                    Fault{"storage_classes:", "kadalu: [pods]\n    storage_classes:", "Kadalu has had no release", true}));

TEST(SiteStorage, WhoWouldMountThroughAGatewayIsWarnedOf) {
  const SiteLoad result = load(replaced(replaced(kText, ", storage: 192.168.3.21}", "}"), "allow: [storage], ", ""));
  ASSERT_EQ(result.problems.size(), 1U) << all(result);
  EXPECT_EQ(result.problems[0].severity, config::Severity::kWarning);
  EXPECT_THAT(result.problems[0].message, HasSubstr("node-1 would reach the bricks of volume pods through a gateway"));
}

TEST(StorageLayout, UnitNamesAreEscapedAsSystemdWantsThem) {
  EXPECT_EQ(mount_unit("/srv/pods"), "srv-pods.mount");
  EXPECT_EQ(mount_unit("/srv/bricks/brick-1"), "srv-bricks-brick\\x2d1.mount");
  EXPECT_EQ(mount_unit("/srv/a b"), "srv-a\\x20b.mount");
  EXPECT_EQ(mount_unit("/.x/.y"), "\\x2ex-.y.mount");
}

}  // namespace
}  // namespace fairlead::bootstrap
