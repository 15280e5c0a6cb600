// What a bundle is made of, and how machines take it: steps as recorded (tests/golden/k8s-bootstrap/bundle), words, refusals.
#include "k8s-bootstrap/bundle/bundle_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/package_scripts.h"
#include "tests/unit/k8s-bootstrap/render_site.h"

namespace fairlead::bootstrap {
namespace {

using render_test::classic_site;
using render_test::expect_golden;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kIngress = R"(apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers:
        - image: "ghcr.io/flannel-io/flannel:v0.27.4"   # a comment
      containers:
        - name: one
          image: docker.io/library/nginx:1.29
        - image: 'traefik/whoami:v1.11'
        - image: nginx:1.29
          imagePullPolicy: Always
)";

std::string lines(const std::vector<HostStep>& steps) {
  std::string out;
  for (const HostStep& step : steps) out += "# " + step.what + "\n" + step_text(step) + "\n";
  return out;
}

TEST(BundlePlan, OfTheClassicSiteIsAsRecorded) {
  const Site site = classic_site();
  Rendered texts;
  texts.manifests["ingress"] = kIngress;
  texts.runtime_sha256 = std::string(64, 'a');
  texts.fairlead = FairleadPackage{"/srv/fairlead_0.1.0_amd64.deb", "0.1.0", std::string(64, 'b')};
  const auto steps = plan_bundle(site, texts, {.folder = "/srv/demo.bundle", .release = "bookworm"});
  ASSERT_TRUE(steps) << steps.error().message();
  expect_golden("bundle/classic.txt", lines(*steps));
}

TEST(BundlePlan, ImagesOfManifestsHaveTheirRegistry) {
  EXPECT_THAT(bundle_images({{"ingress", kIngress}}), ElementsAre("docker.io/library/busybox:1.36", "docker.io/library/nginx:1.29",
                                                                  "docker.io/traefik/whoami:v1.11", "ghcr.io/flannel-io/flannel:v0.27.4"));
}

TEST(BundlePlan, AnImageThatIsPinnedByItsDigestIsRefusedByTheAddonsName) {
  Rendered texts;
  texts.manifests["ingress"] = "  image: registry.example/controller:v1@sha256:" + std::string(64, '1') + "\n";
  texts.runtime_sha256 = std::string(64, 'a');
  const auto steps = plan_bundle(classic_site(), texts, {.folder = "/srv/demo.bundle", .release = "bookworm"});
  ASSERT_FALSE(steps);
  EXPECT_THAT(steps.error().context, HasSubstr("addon ingress: the image registry.example/controller:v1@sha256:"));
}

TEST(BundlePlan, AReleaseThatIsNotKnownNamesThoseThatAre) {
  const auto steps = plan_bundle(classic_site(), {}, {.folder = "/srv/demo.bundle", .release = "buster"});
  ASSERT_FALSE(steps);
  EXPECT_EQ(steps.error().context, "'buster' is no release that Fairlead knows: bookworm, trixie, jammy, noble");
}

TEST(BundlePlan, AnArchiveWithoutASumIsRefused) {
  const auto steps = plan_bundle(classic_site(), {}, {.folder = "/srv/demo.bundle", .release = "bookworm"});
  ASSERT_FALSE(steps);
  EXPECT_THAT(steps.error().context, HasSubstr("no SHA-256 is known of containerd"));
}

TEST(BundlePlan, PackagesAreThoseOfAllMachinesThatArePrepared) {
  Site site = classic_site();
  const auto all = bundle_packages(site, "debian");
  EXPECT_THAT(all, Contains("kubeadm=" + site.versions.kubernetes + "-*"));
  EXPECT_THAT(all, Contains("dnsmasq-base"));
  for (Machine& machine : site.machines) machine.prepare = !machine.has(Role::kGateway);
  EXPECT_THAT(bundle_packages(site, "debian"), Not(Contains("dnsmasq-base")));
}

TEST(PackageScripts, ASiteWithoutABundleAsksTheArchives) {
  const Site site = classic_site();
  EXPECT_TRUE(package_operations(site).empty());
  EXPECT_TRUE(image_operations(site).empty());
  EXPECT_THAT(package_script(site, "chrony"), HasSubstr("apt-get update -q\napt-get install"));
  EXPECT_THAT(package_script(site, "chrony", false), Not(HasSubstr("update")));
}

TEST(PackageScripts, ABundleIsCopiedAndTheOnlySource) {
  Site site = classic_site();
  site.mirrors.bundle = "/srv/demo.bundle";
  ASSERT_EQ(package_operations(site).size(), 1U);
  EXPECT_EQ(std::get<CopyFile>(package_operations(site).front()).from, "/srv/demo.bundle/packages.tar");
  const std::string script = package_script(site, "chrony");
  EXPECT_THAT(script, HasSubstr("-oDir::Etc::sourceparts=-"));
  EXPECT_THAT(script, HasSubstr("$bundle chrony\n"));
  site.versions.containerd.reset();
  site.versions.cri_dockerd = CriDockerd{};
  EXPECT_THAT(std::get<RunScript>(image_operations(site).back()).script, HasSubstr("docker load -q -i \"$archive\""));
}

}  // namespace
}  // namespace fairlead::bootstrap
