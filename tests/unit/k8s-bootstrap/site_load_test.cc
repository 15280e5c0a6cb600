// The way in: text -> Site, every problem at once, values of the environment, and what this release refuses.
#include <algorithm>
#include <gtest/gtest.h>

#include "config/limits.h"
#include "config/parse.h"
#include "generated/source_dir.h"
#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using config::Problem;
using config::Severity;

constexpr std::string_view kToday = "2026-11-01";

std::string golden(const std::string& name) { return test::TempDir::read(std::string(FL_SOURCE_DIR) + "/tests/golden/site/" + name); }

SiteLoad load(std::string_view text, std::map<std::string, std::string, std::less<>> variables = {}) {
  SiteContext context;
  context.today = kToday;
  context.environment = [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  return load_site(text, "site.yaml", context);
}

std::string all(const std::vector<Problem>& problems) {
  std::string out;
  for (const Problem& problem : problems) out += format(problem) + "\n";
  return out;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

TEST(SiteLoad, WhatInitWritesHasNoProblem) {
  const SiteLoad result = load(init_text());
  ASSERT_TRUE(result.site) << all(result.problems);
  EXPECT_EQ(all(result.problems), "");
  EXPECT_EQ(result.site->machines.size(), 9U);
}

TEST(SiteLoad, WhatInitWritesNamesTheOtherSectionsAndHasNoneOfThem) {
  for (const std::string_view section : {"vms:", "image:", "storage:"}) {
    EXPECT_NE(init_text().find("# " + std::string(section)), std::string::npos) << section;
    EXPECT_EQ(init_text().find("\n" + std::string(section)), std::string::npos) << section;
  }
}

TEST(SiteLoad, TheClassicSiteReadsWhole) {
  const SiteLoad result = load(golden("classic.yaml"));
  ASSERT_TRUE(result.site) << all(result.problems);
  const Site& site = *result.site;
  EXPECT_EQ(all(result.problems), "");

  EXPECT_EQ(site.name, "demo");
  EXPECT_EQ(site.ssh.user, "debian");
  EXPECT_EQ(site.ssh.jump, std::vector<std::string>{"bastion"});
  EXPECT_EQ(site.versions.kubernetes, "1.36.4");
  ASSERT_TRUE(site.versions.containerd);
  EXPECT_EQ(site.versions.containerd->source, RuntimeSource::kUpstream);
  ASSERT_EQ(site.networks.size(), 5U);
  EXPECT_EQ(site.networks[0].attach, "br0");
  EXPECT_EQ(*site.networks[3].lease, std::chrono::hours(12));
  const Machine* gate = site.find("gate-1");
  ASSERT_NE(gate, nullptr);
  EXPECT_EQ(gate->address().to_string(), "10.0.2.11");
  ASSERT_EQ(gate->addresses.size(), 5U);
  EXPECT_EQ(site.with(Role::kControlPlane).size(), 3U);
  EXPECT_EQ(site.find("node-1")->labels.at("zone"), "a");
  ASSERT_TRUE(site.find("node-3")->taints);
  EXPECT_TRUE(site.find("node-3")->taints->empty());
  EXPECT_FALSE(site.find("node-2")->taints);
  ASSERT_TRUE(site.gateways);
  ASSERT_NE(site.endpoint(), nullptr);
  EXPECT_EQ(site.endpoint()->address.to_string(), "192.168.4.20");
  EXPECT_EQ(site.gateways->vips[1].send_proxy, "v2");
  EXPECT_EQ(site.gateways->router->forward[1].to, std::vector<std::string>{"node"});
  EXPECT_EQ(site.gateways->router->snat->to_string(), "10.0.2.10");
  EXPECT_EQ(site.gateways->tie_break.size(), 1U);
  EXPECT_NE(site.gateways->override_keys, nullptr);
  EXPECT_EQ(site.kubernetes.kubeadm.size(), 3U);
  EXPECT_EQ(site.kubernetes.addons[1].ready, "deployment/ingress-nginx/ingress-nginx-controller");
  EXPECT_EQ(site.pki.validity, std::chrono::hours(8760));
  EXPECT_TRUE(site.pki.ssh_ca);
}

TEST(SiteLoad, TheWholeClassicSiteIsTaken) {
  const SiteLoad result = load(golden("whole.yaml"));
  EXPECT_TRUE(result.site) << all(result.problems);
}

TEST(SiteLoad, ChecksTheTypesOfEverySection) {
  const SiteLoad result = load(replaced(golden("whole.yaml"), "driver: libvirt ", "driver: libvirrt"));
  const auto said = [&](std::string_view text) { return all(result.problems).find(text) != std::string::npos; };
  EXPECT_TRUE(said("'driver' cannot be 'libvirrt' (did you mean 'libvirt'?")) << all(result.problems);
}

TEST(SiteLoad, ReportsEverythingAtOnceWithPlaceAndHint) {
  const SiteLoad result = load(
      "apiVersion: fairlead/v1\nkind: Site\nname: demo\ndomain: kube.demo\nstate_dir: ./s\nversoins: {kubernetes: 1.36.4}\n"
      "networks:\n  - {name: n, cidr: 192.168.1.0/33}\nmachines:\n  - {name: m, roles: [wroker], addresses: {n: 192.168.1.2}}\n"
      "kubernetes: {pods: 10.244.0.0/16, services: 10.96.0.0/12, uplink: x}\n");
  EXPECT_FALSE(result.site);
  const std::string text = all(result.problems);
  EXPECT_NE(text.find("site.yaml:6:1: error: unknown key 'versoins' (did you mean 'versions'?)"), std::string::npos) << text;
  EXPECT_NE(text.find("site.yaml:8:21: error: 'cidr'"), std::string::npos) << text;
  EXPECT_NE(text.find("site.yaml:10:23: error: 'roles' cannot be 'wroker' (did you mean 'worker'?"), std::string::npos) << text;
  EXPECT_NE(text.find("error: unknown key 'uplink' in kubernetes (it belongs to gateways.router.uplink)"), std::string::npos) << text;
}

TEST(SiteLoad, TellsAGatewaysFileFromASite) {
  const SiteLoad result = load("apiVersion: fairlead/v1\nkind: Gateway\nnode: gate-1\nlisteners: []\n");
  EXPECT_EQ(
      all(result.problems),
      "site.yaml:2:7: error: this is a gateway's file (kind: Gateway), not a site's (`fairlead check` reads it; `fairlead bootstrap init` "
      "writes a site)\n");
}

TEST(SiteLoad, RefusesDamagedTexts) {
  for (const std::string_view text : {"", "- a\n", "name: [\n", "just words", "\tname: x\n", "kind: Site\nkind: Site\n"}) {
    const SiteLoad result = load(text);
    EXPECT_FALSE(result.site) << text;
    EXPECT_TRUE(has_errors(result.problems)) << text;
  }
}

// ---- the environment ----

TEST(SiteEnvironment, PutsValuesInPlaceOfNames) {
  const std::string text =
      replaced(replaced(init_text(), "user: debian", "user: \"${env:WHO}\""), "parallel: 8", "parallel: \"${env:MANY}\"");
  const SiteLoad result = load(text, {{"WHO", "admin"}, {"MANY", "12"}});
  ASSERT_TRUE(result.site) << all(result.problems);
  EXPECT_EQ(result.site->ssh.user, "admin");
  EXPECT_EQ(result.site->ssh.parallel, 12U);
  EXPECT_EQ(result.secrets, (std::vector<std::string>{"admin", "12"}));
}

TEST(SiteEnvironment, PartOfAValueAndSeveralInOne) {
  const std::string text = replaced(init_text(), "key: ~/.ssh/id_ed25519", "key: \"${env:HOME_DIR}/keys/${env:WHO}\"");
  const SiteLoad result = load(text, {{"HOME_DIR", "/srv/op"}, {"WHO", "op"}});
  ASSERT_TRUE(result.site) << all(result.problems);
  EXPECT_EQ(result.site->ssh.key, "/srv/op/keys/op");
}

TEST(SiteEnvironment, AMissingVariableIsOneErrorAtItsPlace) {
  const SiteLoad result = load(replaced(init_text(), "parallel: 8", "parallel: \"${env:NOT_THERE}\""));
  ASSERT_EQ(result.problems.size(), 1U) << all(result.problems);
  EXPECT_EQ(result.problems[0].message, "the environment has no variable NOT_THERE");
  EXPECT_EQ(result.problems[0].line, 11);
}

TEST(SiteEnvironment, ABadNameIsAnError) {
  for (const std::string_view bad : {"\"${env:}\"", "\"${env:A-B}\"", "\"${env:NAME\"", "\"${env:1A}\""}) {
    const SiteLoad result = load(replaced(init_text(), "user: debian", "user: " + std::string(bad)), {{"NAME", "x"}});
    ASSERT_EQ(result.problems.size(), 1U) << bad << all(result.problems);
    EXPECT_NE(result.problems[0].message.find("is not the name of an environment variable"), std::string::npos);
  }
}

TEST(SiteEnvironment, TwoDollarsStandForTheTextItself) {
  const std::string text = replaced(init_text(), "hooks: {before_apply: []", "hooks: {before_apply: [[./notify, \"$${env:HOME}\"]]");
  const SiteLoad result = load(text);
  ASSERT_TRUE(result.site) << all(result.problems);
  EXPECT_EQ(result.site->hooks.before_apply[0][1], "${env:HOME}");
  EXPECT_TRUE(result.secrets.empty());
}

// A value is a value: it cannot add keys, whatever is in it.
TEST(SiteEnvironment, AValueIsNeverYaml) {
  const std::string value = "x\", cpus: 4, y: \"z: [\n- a";
  const std::string text = replaced(init_text(), "  # override: {log: {level: debug}}",
                                    "  override:\n    token: ${env:T}\n    number: ${env:N}\n    quoted: \"${env:N}\"\n    # ");
  const SiteLoad result = load(text, {{"T", value}, {"N", "200"}});
  ASSERT_TRUE(result.site) << all(result.problems);
  const config::DocNode& keys = *result.site->gateways->override_keys;
  ASSERT_EQ(keys.entries.size(), 3U);
  EXPECT_EQ(keys.find("token")->text, value);
  EXPECT_TRUE(keys.find("token")->is_text);
  EXPECT_FALSE(keys.find("number")->is_text);
  EXPECT_TRUE(keys.find("quoted")->is_text);
  const auto again = config::parse(render_yaml(keys) + "more: 1\n", "again").document;
  ASSERT_TRUE(again);
  EXPECT_EQ(again->root->entries.size(), 4U);
  EXPECT_EQ(again->root->find("token")->text, value);
}

TEST(SiteEnvironment, SaysThatBracesNeedQuotes) {
  const SiteLoad result = load(replaced(init_text(), "parallel: 8", "parallel: ${env:MANY}"), {{"MANY", "8"}});
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(result.problems[0].hint, "inside { } and [ ] write it in quotes, as in \"${env:NAME}\"");
}

TEST(SiteEnvironment, NoProblemRepeatsAValue) {
  const std::string secret = "kanarienvogel-4711-" + std::string(80, 'q');
  for (const auto& [from, to] :
       {std::pair{"parallel: 8", "parallel: \"${env:S}\""},
        {"user: debian", "user: \"a b ${env:S}\""},
        {"kubernetes: 1.36.4", "kubernetes: ${env:S}"},
        {"links: [dmz, mast]", "links: [dmz, \"${env:S}\"]"},
        {"roles: [worker], addresses: {node: 192.168.2.11}", "roles: [\"${env:S}\"], addresses: {node: 192.168.2.11}"},
        {"endpoint: api ", "endpoint: \"${env:S}\" "},
        {"pods: 10.244.0.0/16", "pods: ${env:S}"}}) {
    const SiteLoad result = load(replaced(init_text(), from, to), {{"S", secret}});
    EXPECT_TRUE(has_errors(result.problems)) << to;
    EXPECT_EQ(all(result.problems).find("kanarienvogel"), std::string::npos) << all(result.problems);
  }
}

// Also where the value passes its own check, and another one names it.
TEST(SiteEnvironment, ProblemsElsewhereHideValuesToo) {
  const std::string text = replaced(replaced(init_text(), "name: mast-2", "name: \"${env:S}\""), "name: mast-3", "name: kanarie-1");
  const SiteLoad result = load(text, {{"S", "kanarie-1"}});
  EXPECT_TRUE(has_errors(result.problems));
  EXPECT_EQ(all(result.problems).find("kanarie-1"), std::string::npos) << all(result.problems);
}

TEST(SiteEnvironment, HidesTheLongestFirstAndNoWordsOfThreeLetters) {
  EXPECT_EQ(hide_secrets("token=abcdefgh key=abcd no", {"abcdefgh", "abcd", "no"}), "token=*** key=*** no");
  EXPECT_EQ(hide_secrets("****", {"****"}), "***");
}

// ---- the file ----

TEST(SiteFile, ReadsAFileAndItsProcessEnvironment) {
  const test::TempDir dir;
  std::ofstream(dir.path("site.yaml")) << init_text();
  const SiteLoad result = load_site_file(dir.path("site.yaml"));
  ASSERT_TRUE(result.site) << all(result.problems);
  EXPECT_FALSE(load_site_file(dir.path("none.yaml")).site);
  EXPECT_NE(all(load_site_file(dir.path("none.yaml")).problems).find("No such file"), std::string::npos);
  EXPECT_NE(all(load_site_file(dir.path(".")).problems).find("directory"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::bootstrap
