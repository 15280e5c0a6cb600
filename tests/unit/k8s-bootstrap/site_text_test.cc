#include "k8s-bootstrap/site/site_text.h"

#include <gmock/gmock.h>

#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"
#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::HasSubstr;

Site load(const std::string& text) {
  const SiteLoad loaded = load_site(text, "site.yaml", {});
  for (const auto& problem : loaded.problems) {
    if (problem.severity == config::Severity::kError) ADD_FAILURE() << config::format(problem) << "\n" << text;
  }
  return loaded.site.value_or(Site{});
}

/// Read and written once more, it is the same text: nothing was lost on the way.
void expect_round_trip(const Site& site) {
  const std::string once = site_text(site);
  const Site again = load(once);
  EXPECT_EQ(site_text(again), once);
  EXPECT_EQ(again.machines.size(), site.machines.size());
}

TEST(SiteText, LoadsAsTheSiteThatItWas) {
  Site classic = load(init_text());
  expect_round_trip(classic);
  classic.ignored_checks = {"swap", "cpus"};
  classic.machines.back().prepare = false;
  classic.machines.back().taints = std::vector<Taint>{{"dedicated", "db", "NoSchedule"}};
  classic.machines.back().ssh_address = render_test::ip("203.0.113.7");
  classic.machines.back().kubelet = render_test::yaml("maxPods: 200");
  classic.kubernetes.kubeadm["KubeProxyConfiguration"] = render_test::yaml("mode: nftables");
  classic.kubernetes.addons = {{"flannel", "addons/flannel.yml", "daemonset/kube-flannel/kube-flannel-ds"}};
  classic.gateways->override_keys = render_test::yaml("log: {level: debug}");
  expect_round_trip(classic);
  const Site again = load(site_text(classic));
  EXPECT_EQ(again.ignored_checks, classic.ignored_checks);
  EXPECT_FALSE(again.machines.back().prepare);
  EXPECT_EQ(again.machines.back().taints, classic.machines.back().taints);
  EXPECT_EQ(again.kubernetes.addons, classic.kubernetes.addons);
  EXPECT_EQ(again.networks, classic.networks);
}

TEST(SiteText, RemarksStandWhereTheyBelong) {
  SiteRemarks remarks;
  remarks.head = {"Found, not written."};
  remarks.sections["machines"] = {"Look at them."};
  remarks.machines["node-1"] = "left as it was";
  const std::string text = site_text(load(init_text()), remarks);
  EXPECT_TRUE(text.starts_with("# Found, not written.\n"));
  EXPECT_THAT(text, HasSubstr("\n# Look at them.\nmachines:\n"));
  EXPECT_THAT(text, HasSubstr("labels: {zone: a}}    # left as it was\n"));
}

TEST(SiteText, WhatHasItsDefaultIsNotWritten) {
  const std::string text = site_text(load(init_text()));
  for (const char* absent : {"connect_timeout", "prepare", "hooks", "send_proxy: off", "mirrors"})
    EXPECT_EQ(text.find(absent), std::string::npos) << absent << "\n" << text;
}

}  // namespace
}  // namespace fairlead::bootstrap
