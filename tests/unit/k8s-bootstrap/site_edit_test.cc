#include "k8s-bootstrap/site/site_edit.h"

#include <gmock/gmock.h>

#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::HasSubstr;

const NewMachine kWorker{"node-4", {"worker"}, {{"node", "192.168.2.14"}}, {{"zone", "d"}}, {"dedicated=db:NoSchedule"}};
constexpr const char* kLine =
    "{name: node-4, roles: [worker], addresses: {node: 192.168.2.14}, labels: {zone: d}, taints: [\"dedicated=db:NoSchedule\"]}";

TEST(SiteEdit, AMachineComesBehindTheLastOfItsRoleAndAllElseStays) {
  const std::string before = init_text();
  const auto after = with_machine(before, kWorker);
  ASSERT_TRUE(after) << after.error().message();
  const std::string line = std::string("  - ") + kLine + "\n";
  const auto at = after->find(line);
  ASSERT_NE(at, std::string::npos) << *after;
  std::string without = *after;
  without.erase(at, line.size());
  EXPECT_EQ(without, before);
  EXPECT_TRUE(after->substr(0, at).ends_with("- {name: node-3, roles: [worker], addresses: {node: 192.168.2.13}}\n"))
      << after->substr(0, at);
  const auto loaded = load_site(*after, "site.yaml", {});
  ASSERT_TRUE(loaded.site);
  EXPECT_EQ(loaded.site->find("node-4")->labels.at("zone"), "d");
}

TEST(SiteEdit, ItemsOfSeveralLinesAndOtherIndentation) {
  const auto in = [](const std::string& machines) { return "name: x\n" + machines + "hooks: {}\n"; };
  const auto edited = [&](const std::string& machines) {
    const auto out = with_machine(in(machines), {"b", {"worker"}, {{"lan", "10.0.0.2"}}, {}, {}});
    return out ? *out : out.error().message();
  };
  const std::string line = "- {name: b, roles: [worker], addresses: {lan: 10.0.0.2}}\n";
  EXPECT_EQ(edited("machines:\n- name: a\n  roles: [worker]\n  # its own\n  labels:\n    x: y\n\n# last words\n"),
            in("machines:\n- name: a\n  roles: [worker]\n  # its own\n  labels:\n    x: y\n" + line + "\n# last words\n"));
  EXPECT_EQ(edited("machines:\n    - name: a\n      roles: [worker]\n    - {name: g, roles: [gateway]}\n"),
            in("machines:\n    - name: a\n      roles: [worker]\n    " + line + "    - {name: g, roles: [gateway]}\n"));
  EXPECT_EQ(edited("machines:\n  - {name: g,\n     roles: [gateway]}\n"),
            in("machines:\n  - {name: g,\n     roles: [gateway]}\n  " + line));
}

TEST(SiteEdit, TheLastLineMayLackItsEnd) {
  const auto out = with_machine("machines:\n  - {name: a, roles: [worker]}", {"b", {"worker"}, {{"lan", "10.0.0.2"}}, {}, {}});
  ASSERT_TRUE(out);
  EXPECT_EQ(*out, "machines:\n  - {name: a, roles: [worker]}\n  - {name: b, roles: [worker], addresses: {lan: 10.0.0.2}}\n");
}

TEST(SiteEdit, WhatItCannotEditItSaysInWords) {
  for (const char* text :
       {"machines: [{name: a, roles: [worker]}]\n", "machines: []\n", "name: x\n", "machines:\n  -\n    name: a\n", ": [\n", ""}) {
    SCOPED_TRACE(text);
    const auto out = with_machine(text, kWorker);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Errc::kUnsupported);
    EXPECT_THAT(out.error().context, HasSubstr(std::string("\n  - ") + kLine));
  }
}

}  // namespace
}  // namespace fairlead::bootstrap
