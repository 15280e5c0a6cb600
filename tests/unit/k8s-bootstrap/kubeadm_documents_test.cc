// tests/golden/k8s-bootstrap/kubeadm/NAME.yaml. FL_UPDATE_GOLDEN=1 rewrites them; read the difference.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/render/api_endpoint.h"
#include "k8s-bootstrap/render/machine_roles.h"
#include "k8s-bootstrap/render/render.h"
#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

/// As expected, and accepted by the schema.
void expect_documents(const std::string& name, const std::string& text) {
  render_test::expect_golden("kubeadm/" + name, text);
  EXPECT_EQ(joined(check_kubeadm_config(text)), "") << name;
}

bool has_line(const std::string& text, const std::string& line) { return ("\n" + text).find("\n" + line + "\n") != std::string::npos; }

TEST(KubeadmDocuments, OfTheClassicSiteAreTheExpectedOnes) {
  Site site = render_test::classic_site();
  render_test::of(site, "node-1").labels = {{"zone", "a"}, {"node-role.kubernetes.io/worker", ""}};
  render_test::of(site, "node-1").taints = std::vector<Taint>{{"dedicated", "batch", "NoSchedule"}};
  expect_documents("init.yaml", init_config(site, *site.find("mast-1")));
  expect_documents("join-control-plane.yaml", join_config(site, *site.find("mast-2")));
  expect_documents("join-worker.yaml", join_config(site, *site.find("node-1")));
  expect_documents("reset.yaml", reset_config(site, *site.find("mast-1")));
  expect_documents("upgrade.yaml", upgrade_config(site, *site.find("mast-1")));
}

TEST(KubeadmDocuments, UpTo130AreThoseOfV1Beta3) {
  Site site = render_test::classic_site();
  site.versions.kubernetes = "1.30.14";
  expect_documents("v1beta3-init.yaml", init_config(site, *site.find("mast-1")));
  expect_documents("v1beta3-join.yaml", join_config(site, *site.find("mast-2")));
  EXPECT_EQ(reset_config(site, *site.find("mast-1")), "") << "v1beta3 has no such document";
  EXPECT_EQ(upgrade_config(site, *site.find("mast-1")), "");
  site.versions.kubernetes = "1.31.0";
  EXPECT_TRUE(init_config(site, *site.find("mast-1")).starts_with("apiVersion: kubeadm.k8s.io/v1beta4\n"));
}

TEST(KubeadmDocuments, WithExternalEtcdAreTheExpectedOnes) {
  const Site site = render_test::external_etcd_site();
  expect_documents("external-etcd-init.yaml", init_config(site, *site.find("mast-1")));
  expect_documents("etcd.yaml", etcd_config(site, *site.find("etcd-2"), false));
  EXPECT_EQ(init_config(site, *site.find("etcd-2")), etcd_config(site, *site.find("etcd-2"), false));
  EXPECT_NE(etcd_config(site, *site.find("etcd-2"), true).find("existing"), std::string::npos);
}

TEST(KubeadmDocuments, OfAnIpv6SiteAreTheExpectedOnes) {
  const Site site = render_test::ipv6_site();
  expect_documents("ipv6-init.yaml", init_config(site, *site.find("mast-1")));
  expect_documents("ipv6-join.yaml", join_config(site, *site.find("node-1")));
}

TEST(KubeadmDocuments, TheUsersKeysAreMergedLast) {
  Site site = render_test::classic_site();
  site.ignored_checks = {"NumCPU", "Mem"};
  site.kubernetes.kubeadm = {
      {"InitConfiguration",
       render_test::yaml("{nodeRegistration: {kubeletExtraArgs: [{name: node-ip, value: 192.168.1.99}, {name: v, value: \"4\"}]}}")},
      {"ClusterConfiguration",
       render_test::yaml(
           "{apiServer: {extraArgs: [{name: audit-log-path, value: /var/log/audit.log}]}, networking: {dnsDomain: demo.local}, "
           "certificatesDir: null, encryptionAlgorithm: RSA-4096}")},
      {"KubeletConfiguration", render_test::yaml("{maxPods: 200, evictionHard: {memory.available: 200Mi}}")},
      {"KubeProxyConfiguration", render_test::yaml("{mode: nftables, conntrack: {maxPerCore: 65536}}")},
      {"JoinConfiguration", render_test::yaml("{timeouts: {discovery: 2m0s}}")}};
  render_test::of(site, "mast-1").kubelet = render_test::yaml("{maxPods: 50}");
  expect_documents("user-keys-init.yaml", init_config(site, *site.find("mast-1")));
  expect_documents("user-keys-join.yaml", join_config(site, *site.find("node-1")));
  expect_documents("user-keys-upgrade.yaml", upgrade_config(site, *site.find("mast-1")));
}

TEST(KubeadmDocuments, KeysOfEveryJoinMakeNoControlPlaneOfAWorker) {
  Site site = render_test::classic_site();
  site.kubernetes.kubeadm = {{"JoinConfiguration", render_test::yaml("{controlPlane: {localAPIEndpoint: {bindPort: 7443}}}")}};
  EXPECT_EQ(join_config(site, *site.find("node-1")).find("controlPlane"), std::string::npos);
  EXPECT_NE(join_config(site, *site.find("mast-2")).find("bindPort: 7443"), std::string::npos);
}

TEST(KubeadmDocuments, TaintsFollowTheRoles) {
  Site site = render_test::classic_site();
  const auto taints = [&](const std::string& name) { return join_config(site, *site.find(name)).find("taints: []") != std::string::npos; };
  EXPECT_FALSE(taints("mast-2")) << "kubeadm's own taint";
  render_test::of(site, "mast-2").taints = std::vector<Taint>{};
  EXPECT_TRUE(taints("mast-2"));
  render_test::of(site, "mast-3").roles = {Role::kControlPlane, Role::kWorker};
  EXPECT_TRUE(taints("mast-3"));
}

TEST(KubeadmDocuments, WithoutGatewaysTheEndpointIsTheFirstControlPlane) {
  Site site = render_test::classic_site();
  site.gateways.reset();
  EXPECT_EQ(api_endpoint(site), "192.168.1.11:6443");
  EXPECT_TRUE(has_line(init_config(site, *site.find("mast-1")), "controlPlaneEndpoint: \"192.168.1.11:6443\""));
  site.kubernetes.endpoint = "lb.example.org:443";
  const std::string init = init_config(site, *site.find("mast-1"));
  EXPECT_TRUE(has_line(init, "controlPlaneEndpoint: \"lb.example.org:443\"")) << init;
  EXPECT_NE(init.find("lb.example.org\n"), std::string::npos) << "it is a name of the certificate: " << init;
}

TEST(KubeadmDocuments, WithDockerImagesAreTakenFromTheMirrorByName) {
  Site site = render_test::classic_site();
  site.versions.containerd.reset();
  site.versions.cri_dockerd = CriDockerd{"0.4.1", ""};
  site.mirrors.images = {{"registry.k8s.io", "https://mirror.example/k8s/"}};
  const std::string text = init_config(site, *site.find("mast-1"));
  EXPECT_TRUE(has_line(text, "imageRepository: mirror.example/k8s")) << text;
  EXPECT_TRUE(has_line(text, "dns: {imageRepository: mirror.example/k8s/coredns}")) << text;
  EXPECT_NE(text.find("unix:///run/cri-dockerd.sock"), std::string::npos);
  EXPECT_EQ(joined(check_kubeadm_config(text)), "");
}

// Defects 1 and 9 of the set-up that Fairlead replaces: secrets in files that are kept; one token printed and another one used.
TEST(SeedDefects, Number1And9SecretsArePlaceholdersAndEveryJoinHasATokenOfItsOwn) {
  const Site site = render_test::classic_site();
  const std::string init = init_config(site, *site.find("mast-1"));
  const std::string join = join_config(site, *site.find("mast-2"));
  for (const std::string& text : {init, join}) EXPECT_NE(text.find("certificateKey: \"${certificate-key}\""), std::string::npos);
  EXPECT_EQ(init.find("token:"), std::string::npos) << "kubeadm makes one, and nobody uses it";
  EXPECT_NE(init.find("ttl: \"15m0s\""), std::string::npos);
  EXPECT_NE(join.find("token: \"${join-token}\""), std::string::npos);
  EXPECT_NE(join.find("[\"sha256:${ca-hash}\"]"), std::string::npos);
  EXPECT_EQ(join.find("unsafeSkipCAVerification"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::bootstrap
