// tests/golden/k8s-bootstrap/machines/NAME.files: every file of a machine. FL_UPDATE_GOLDEN=1 rewrites them; read the difference.
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>

#include "k8s-bootstrap/render/apt_files.h"
#include "k8s-bootstrap/render/container_runtime.h"
#include "k8s-bootstrap/render/machine_roles.h"
#include "k8s-bootstrap/render/render.h"
#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

std::string shown(const std::vector<RenderedFile>& files) {
  std::string out;
  for (const RenderedFile& file : files) {
    out += fmt::format("== {} {:04o}\n{}", file.path, file.mode, file.text);
    if (!file.applies.empty()) out += "-- takes effect by\n" + file.applies;
  }
  return out;
}

std::string files_of(const Site& site, const std::string& name) { return shown(machine_files(site, *site.find(name))); }

const RenderedFile* find(const std::vector<RenderedFile>& files, const std::string& path) {
  for (const RenderedFile& file : files) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

TEST(MachineFiles, OfEachRoleAreTheExpectedOnes) {
  Site site = render_test::classic_site();
  render_test::of(site, "node-1").kubelet = render_test::yaml("{maxPods: 200, systemReserved: {memory: 500Mi}}");
  render_test::expect_golden("machines/gateway.files", files_of(site, "gate-1"));
  render_test::expect_golden("machines/bastion-and-witness.files", files_of(site, "bastion"));
  render_test::expect_golden("machines/control-plane.files", files_of(site, "mast-1"));
  render_test::expect_golden("machines/worker.files", files_of(site, "node-1"));
  render_test::expect_golden("machines/storage.files", files_of(site, "stor-1"));
}

TEST(MachineFiles, OfExternalEtcdAreTheExpectedOnes) {
  render_test::expect_golden("machines/etcd.files", files_of(render_test::external_etcd_site(), "etcd-1"));
}

TEST(MachineFiles, OfContainerd1FromDebianWithMirrorsAreTheExpectedOnes) {
  Site site = render_test::classic_site();
  site.versions.kubernetes = "1.30.14";
  site.versions.containerd = Containerd{"1.6.20", RuntimeSource::kDebian, ""};
  site.mirrors.kubernetes = "https://mirror.example/kubernetes/";
  site.mirrors.images = {{"docker.io", "https://mirror.example"}, {"registry.k8s.io", "mirror.example/v2/k8s"}};
  render_test::expect_golden("machines/containerd-1-with-mirrors.files", files_of(site, "node-2"));
}

TEST(MachineFiles, OfDockerAreTheExpectedOnes) {
  Site site = render_test::classic_site();
  site.versions.containerd.reset();
  site.versions.cri_dockerd = CriDockerd{"0.4.1", ""};
  site.mirrors.images = {{"docker.io", "https://mirror.example"}, {"registry.k8s.io", "https://mirror.example/k8s"}};
  render_test::expect_golden("machines/cri-dockerd.files", files_of(site, "node-2"));
}

TEST(MachineFiles, OfAnIpv6SiteWithIpvsAreTheExpectedOnes) {
  Site site = render_test::ipv6_site();
  site.kubernetes.kubeadm["KubeProxyConfiguration"] = render_test::yaml("{mode: ipvs}");
  render_test::expect_golden("machines/ipv6-ipvs.files", files_of(site, "mast-1"));
}

TEST(MachineFiles, GatewaysBastionsWitnessesAndStorageGetNoRuntime) {
  const Site site = render_test::classic_site();
  for (const std::string name : {"gate-1", "bastion", "stor-1"}) {
    for (const RenderedFile& file : machine_files(site, *site.find(name))) {
      EXPECT_EQ(file.path.find("containerd"), std::string::npos) << name << ": " << file.path;
      EXPECT_EQ(file.path.find("sysctl"), std::string::npos) << name << ": " << file.path;
    }
  }
}

TEST(MachineFiles, AUsersFileStandsInPlaceOfOursAndTakesEffectLikeIt) {
  Site site = render_test::classic_site();
  Machine& machine = render_test::of(site, "node-1");
  machine.files = {
      {"/etc/containerd/config.toml", "version = 3\n", "", 0600}, {"/etc/motd", "hello\n", "", 0644}, {"/etc/copied", "", "motd", 0644}};
  const auto files = machine_files(site, machine);
  const RenderedFile* config = find(files, "/etc/containerd/config.toml");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->text, "version = 3\n");
  EXPECT_EQ(config->mode, 0600U);
  EXPECT_NE(config->applies.find("restart containerd"), std::string::npos);
  EXPECT_EQ(files.back().path, "/etc/motd");
  EXPECT_EQ(find(files, "/etc/copied"), nullptr) << "it is copied from beside the site";
}

TEST(MachineFiles, EachPathStandsOnce) {
  const Site site = render_test::external_etcd_site();
  for (const Machine& machine : site.machines) {
    std::set<std::string> paths;
    for (const RenderedFile& file : machine_files(site, machine))
      EXPECT_TRUE(paths.insert(file.path).second) << machine.name << ": " << file.path;
  }
}

TEST(MachineFiles, WithABundleThereIsNoSourceOfPackages) {
  Site site = render_test::classic_site();
  site.mirrors.bundle = "/srv/bundle";
  site.mirrors.debian = "http://mirror.example/debian";
  for (const Machine& machine : site.machines) {
    for (const RenderedFile& file : machine_files(site, machine)) EXPECT_EQ(file.path.find("sources.list"), std::string::npos) << file.path;
    EXPECT_TRUE(apt_files(site, machine, "debian", "12").empty());
  }
}

// Defect 3 of the set-up that Fairlead replaces: a CNI file that was no JSON, and configuration nobody needs.
TEST(SeedDefects, Number3EveryFileParsesBackAndNothingIsPutIntoCniNetD) {
  Site docker = render_test::classic_site();
  docker.versions.containerd.reset();
  docker.versions.cri_dockerd = CriDockerd{"0.4.1", ""};
  docker.mirrors.images = {{"docker.io", "https://mirror.example"}};
  int json = 0;
  int yaml = 0;
  for (const Site& site : {render_test::classic_site(), docker, render_test::external_etcd_site(), render_test::ipv6_site()}) {
    for (const Machine& machine : site.machines) {
      for (const RenderedFile& file : machine_files(site, machine)) {
        EXPECT_FALSE(file.path.starts_with("/etc/cni")) << file.path;
        EXPECT_TRUE(file.text.ends_with('\n')) << file.path;
        if (file.path.ends_with(".json")) {
          boost::system::error_code error;
          boost::json::parse(file.text, error);
          EXPECT_FALSE(error) << file.path << ": " << error.message();
          ++json;
        }
        if (file.path.ends_with(".yaml")) {
          EXPECT_TRUE(config::parse(file.text, file.path).problems.empty()) << file.path;
          ++yaml;
        }
      }
    }
  }
  EXPECT_GT(json, 0);
  EXPECT_GT(yaml, 0);
}

TEST(AptFiles, OfADebianWithAMirrorAndDockersRepositoryAreTheExpectedOnes) {
  Site site = render_test::classic_site();
  site.versions.containerd = Containerd{"2.3.4", RuntimeSource::kDockerRepository, ""};
  site.mirrors.debian = "http://mirror.example/debian/";
  render_test::expect_golden("machines/debian-13-sources.files", shown(apt_files(site, *site.find("node-1"), "debian", "13")));
  render_test::expect_golden("machines/ubuntu-24.04-sources.files", shown(apt_files(site, *site.find("node-1"), "ubuntu", "24.04")));
  EXPECT_TRUE(apt_files(site, *site.find("node-1"), "fedora", "40").empty());
}

TEST(AptFiles, PinsHoldTheRuntimeThatComesFromARepository) {
  Site site = render_test::classic_site();
  site.versions.containerd = Containerd{"2.3.4", RuntimeSource::kDockerRepository, ""};
  const auto files = kubernetes_apt_files(site, *site.find("node-1"));
  const RenderedFile* pins = find(files, "/etc/apt/preferences.d/fairlead-kubernetes");
  ASSERT_NE(pins, nullptr);
  EXPECT_NE(pins->text.find("Package: containerd.io\nPin: version 2.3.4-*\n"), std::string::npos);
}

TEST(NodeLabels, OnlyThoseThatAKubeletMayGiveItselfAreGivenByIt) {
  for (const char* label : {"zone", "example.org/zone", "topology.kubernetes.io/zone", "node.kubernetes.io/pool", "kubelet.kubernetes.io/a",
                            "team.node.kubernetes.io/x", "notkubernetes.io/a"})
    EXPECT_TRUE(kubelet_may_set(label)) << label;
  for (const char* label :
       {"node-role.kubernetes.io/worker", "kubernetes.io/role", "x.k8s.io/a", "k8s.io/a", "node-restriction.kubernetes.io/a"})
    EXPECT_FALSE(kubelet_may_set(label)) << label;
}

TEST(VersionNumbers, AreReadByTheirFirstNumbers) {
  EXPECT_EQ(minor_number("1.36.4"), 36U);
  EXPECT_EQ(major_number("2.3.4"), 2U);
  EXPECT_EQ(minor_number("1"), 0U);
  EXPECT_EQ(major_number(""), 0U);
}

}  // namespace
}  // namespace fairlead::bootstrap
