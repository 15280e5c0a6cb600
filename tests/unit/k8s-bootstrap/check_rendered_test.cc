#include "k8s-bootstrap/render/check_rendered.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

std::string shown(const std::vector<RenderProblem>& problems) {
  std::string out;
  for (const RenderProblem& p : problems) out += fmt::format("{}: {}: {}\n", p.where, p.error ? "error" : "warning", p.text);
  return out;
}

TEST(RenderedCheck, FindsNothingInWhatWeRenderOurselves) {
  Site old = render_test::classic_site();
  old.versions.kubernetes = "1.30.14";
  for (const Site& site : {render_test::classic_site(), render_test::external_etcd_site(), render_test::ipv6_site(), old})
    EXPECT_EQ(shown(check_rendered(site)), "");
}

TEST(RenderedCheck, FindsWhatAUsersKeysSpoilAndTellsItOnce) {
  Site site = render_test::classic_site();
  site.kubernetes.kubeadm = {{"ClusterConfiguraton", render_test::yaml("{a: 1}")},
                             {"JoinConfiguration", render_test::yaml("{nodeRegistration: {imagePullPolicy: Sometimes}}")},
                             {"ClusterConfiguration", render_test::yaml("{networking: {podSubnt: 10.0.0.0/8}}")}};
  render_test::of(site, "node-2").kubelet = render_test::yaml("{maxPodz: 3}");
  render_test::of(site, "node-2").labels = {{"zone", "b"}};
  site.gateways->override_keys = render_test::yaml("{listners: []}");

  const std::string said = shown(check_rendered(site));

  EXPECT_NE(said.find("kubernetes.kubeadm: error: kubeadm has no kind 'ClusterConfiguraton'; did you mean 'ClusterConfiguration'?"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("kubeadm init of mast-1: error: ClusterConfiguration, line "), std::string::npos) << said;
  EXPECT_NE(said.find("unknown field \"networking.podSubnt\""), std::string::npos) << said;
  EXPECT_NE(said.find("kubelet of node-2: error: KubeletConfiguration, line 3: unknown field \"maxPodz\""), std::string::npos) << said;
  EXPECT_NE(said.find("fairlead.yaml: error: fairlead.yaml:"), std::string::npos) << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 5) << said;
}

TEST(RenderedCheck, FindsAMachineInADhcpPool) {
  Site site = render_test::classic_site();
  render_test::of(site, "node-1").addresses.front().second = render_test::ip("192.168.2.200");
  EXPECT_NE(shown(check_rendered(site)).find("192.168.2.200 lies in the pool of network node"), std::string::npos);
}

TEST(RenderedCheck, TakesAHundredMachinesWithoutHurry) {
  Site site = render_test::classic_site();
  for (int i = 0; i < 100; ++i) {
    site.machines.push_back(
        render_test::machine(fmt::format("more-{}", i), {Role::kWorker}, {{"node", fmt::format("192.168.2.{}", 20 + i)}}));
    site.machines.back().labels = {{"number", std::to_string(i)}};
  }
  EXPECT_EQ(shown(check_rendered(site)), "");
}

}  // namespace
}  // namespace fairlead::bootstrap
