// What a bundle is made of, and how machines take it: steps as recorded (tests/golden/k8s-bootstrap/bundle), words, refusals.
#include "k8s-bootstrap/bundle/bundle_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/package_scripts.h"
#include "k8s-bootstrap/render/sha256.h"
#include "tests/unit/k8s-bootstrap/render_site.h"

namespace fairlead::bootstrap {
namespace {

using render_test::expect_golden;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Site classic_site() {
  Site site = render_test::classic_site();
  site.mirrors.debian = "http://mirror.example/debian";
  return site;
}

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
  const auto steps = plan_bundle(site, texts, {.folder = "/srv/demo.bundle", .release = "bookworm", .images = {}});
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
  const auto steps = plan_bundle(classic_site(), texts, {.folder = "/srv/demo.bundle", .release = "bookworm", .images = {}});
  ASSERT_FALSE(steps);
  EXPECT_THAT(steps.error().context, HasSubstr("addon ingress: the image registry.example/controller:v1@sha256:"));
}

TEST(BundlePlan, AReleaseThatIsNotKnownNamesThoseThatAre) {
  const auto steps = plan_bundle(classic_site(), {}, {.folder = "/srv/demo.bundle", .release = "buster", .images = {}});
  ASSERT_FALSE(steps);
  EXPECT_EQ(steps.error().context, "'buster' is no release that Fairlead knows: bookworm, trixie, jammy, noble");
}

TEST(BundlePlan, AnArchiveWithoutASumIsRefused) {
  const auto steps = plan_bundle(classic_site(), {}, {.folder = "/srv/demo.bundle", .release = "bookworm", .images = {}});
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

TEST(BundlePlan, OfAMachineThatSomebodyElsePreparesKubernetesPackagesAreThere) {
  Site site = classic_site();
  for (Machine& machine : site.machines) machine.prepare = false;
  EXPECT_THAT(bundle_packages(site, "debian"),
              ElementsAre("kubeadm=" + site.versions.kubernetes + "-*", "kubectl=" + site.versions.kubernetes + "-*",
                          "kubelet=" + site.versions.kubernetes + "-*"));
}

TEST(BundlePlan, ImagesInOneLineAndOfJsonAreSeen) {
  EXPECT_THAT(bundle_images({{"a", "containers: [{name: one, image: quay.io/a/b:1}, {image: \"quay.io/c:2\"}]\n"},
                             {"b", R"({"containers":[{"image":"quay.io/d:3","imagePullPolicy":"Always"}]})"},
                             {"c", "myimage: quay.io/no:1\nimages: {}\n"}}),
              ElementsAre("docker.io/library/busybox:1.36", "quay.io/a/b:1", "quay.io/c:2", "quay.io/d:3"));
}

TEST(BundlePlan, WhereTheSystemsPackagesComeFromHasToBeSaid) {
  const auto steps = plan_bundle(render_test::classic_site(), {}, {.folder = "/srv/demo.bundle", .release = "bookworm", .images = {}});
  ASSERT_FALSE(steps);
  EXPECT_THAT(steps.error().context, HasSubstr("mirrors.debian is not in the site"));
}

TEST(BundlePlan, AFolderWithWhiteSpaceIsRefused) {
  const auto steps = plan_bundle(classic_site(), {}, {.folder = "/srv/my bundle", .release = "bookworm", .images = {}});
  ASSERT_FALSE(steps);
  EXPECT_THAT(steps.error().context, HasSubstr("white space"));
}

struct WithBundle {
  Site site = classic_site();
  Facts facts;
  Rendered texts;
  PlanInput in{site, facts, texts};

  WithBundle() {
    site.mirrors.bundle = "/srv/demo.bundle";
    texts.bundle = BundleFacts{{{"packages.tar", std::string(64, '1')}, {"images.tar", std::string(64, '2')}},
                               {"kubeadm_" + site.versions.kubernetes + "-1.1_amd64.deb"}};
  }
};

TEST(PackageScripts, ASiteWithoutABundleAsksTheArchives) {
  const Site site = classic_site();
  const Facts facts;
  const Rendered texts;
  const PlanInput in{site, facts, texts};
  EXPECT_TRUE(package_operations(in).empty());
  EXPECT_TRUE(image_operations(in).empty());
  EXPECT_FALSE(lacks_images(in, {}));
  EXPECT_THAT(package_script(site, "chrony"), HasSubstr("apt-get update -q\napt-get install"));
  EXPECT_THAT(package_script(site, "chrony", false), Not(HasSubstr("update")));
}

TEST(PackageScripts, ABundleIsCopiedWithItsSumAndTheOnlySource) {
  WithBundle with;
  ASSERT_EQ(package_operations(with.in).size(), 1U);
  const auto copied = std::get<CopyFile>(package_operations(with.in).front());
  EXPECT_EQ(copied.from, "/srv/demo.bundle/packages.tar");
  EXPECT_EQ(copied.sha256, std::string(64, '1'));
  const std::string script = package_script(with.site, "chrony");
  EXPECT_THAT(script, HasSubstr("-oDir::Etc::sourceparts=-"));
  EXPECT_THAT(script, HasSubstr("$bundle chrony\n"));
  with.site.versions.containerd.reset();
  with.site.versions.cri_dockerd = CriDockerd{};
  EXPECT_THAT(std::get<RunScript>(image_operations(with.in).back()).script, HasSubstr("docker load -q -i \"$archive\""));
}

TEST(PackageScripts, ImagesAreImportedAgainWhenTheBundleHasOthers) {
  WithBundle with;
  MachineFacts facts;
  EXPECT_TRUE(lacks_images(with.in, facts));
  facts.files[imported_images_path()] = {.present = true, .sha256 = sha256(std::string(64, '2') + "\n"), .mode = 0644};
  EXPECT_FALSE(lacks_images(with.in, facts));
  with.texts.bundle->sums["images.tar"] = std::string(64, '3');
  EXPECT_TRUE(lacks_images(with.in, facts));
}

TEST(PackageScripts, ABundleThatIsNotWholeOrOfAnotherVersionIsAnObstacle) {
  WithBundle with;
  PlanBuilder fine(with.in);
  check_bundle(fine);
  EXPECT_TRUE(fine.so_far().obstacles.empty());
  with.texts.bundle->packages = {"kubeadm_1.20.1-1.1_amd64.deb"};
  PlanBuilder old(with.in);
  check_bundle(old);
  ASSERT_EQ(old.so_far().obstacles.size(), 1U);
  EXPECT_THAT(old.so_far().obstacles.front().reason, HasSubstr("the bundle has no kubeadm " + with.site.versions.kubernetes));
  with.texts.bundle.reset();
  PlanBuilder none(with.in);
  check_bundle(none);
  ASSERT_EQ(none.so_far().obstacles.size(), 1U);
  EXPECT_THAT(none.so_far().obstacles.front().reason, HasSubstr("/srv/demo.bundle is no whole bundle"));
}

}  // namespace
}  // namespace fairlead::bootstrap
