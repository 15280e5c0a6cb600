#include "k8s-bootstrap/render/yaml_tree.h"

#include <gtest/gtest.h>

#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

std::string merged(const std::string& base, const std::string& over) {
  return config::render_flow(*merge(render_test::yaml(base), render_test::yaml(over)));
}

TEST(MergedKeys, MapsAreMergedKeyByKeyAndOtherValuesReplaced) {
  EXPECT_EQ(merged("{a: {b: 1, c: 2}, d: [1, 2]}", "{a: {c: 3, e: 4}, d: [5], f: x}"), "{a: {b: 1, c: 3, e: 4}, d: [5], f: x}");
}

TEST(MergedKeys, NullTakesAKeyAway) { EXPECT_EQ(merged("{a: 1, b: {c: 2, d: 3}}", "{a: null, b: {c: ~}, x: null}"), "{b: {d: 3}}"); }

TEST(MergedKeys, ListsOfNamedItemsAreMergedByName) {
  EXPECT_EQ(merged("{args: [{name: a, value: 1}, {name: b, value: 2, more: 3}]}", "{args: [{name: b, value: 9}, {name: c, value: 4}]}"),
            "{args: [{name: a, value: 1}, {name: b, value: 9, more: 3}, {name: c, value: 4}]}");
}

TEST(MergedKeys, ANameGivenSeveralTimesStandsInPlaceOfOurs) {
  EXPECT_EQ(merged("{args: [{name: a, value: 1}, {name: b, value: 2}]}", "{args: [{name: a, value: x}, {name: a, value: y}]}"),
            "{args: [{name: a, value: x}, {name: a, value: y}, {name: b, value: 2}]}");
}

TEST(MergedKeys, AnEmptyListReplacesOurs) { EXPECT_EQ(merged("{taints: [{name: a}]}", "{taints: []}"), "{taints: []}"); }

TEST(MergedKeys, OtherKindsOfValuesReplaceEachOther) {
  EXPECT_EQ(merged("{a: {b: 1}, c: 2}", "{a: text, c: {d: 1}}"), "{a: text, c: {d: 1}}");
  EXPECT_EQ(config::render_flow(*merge(nullptr, render_test::yaml("{a: 1}"))), "{a: 1}");
  EXPECT_EQ(config::render_flow(*merge(render_test::yaml("{a: 1}"), nullptr)), "{a: 1}");
}

TEST(WrittenYaml, IsReadableAndReadsBackAsItWas) {
  std::string long_list = "[aaaaaaaaaaaaaaaaaaaa";
  for (int i = 0; i < 6; ++i) long_list += ", bbbbbbbbbbbbbbbbbbbb" + std::to_string(i);
  const auto tree = render_test::yaml(
      "{a: 1, short: [x, y], empty: {}, none: [], servers: [{name: m, port: 1}, {name: n, deep: [1, {b: 2}]}], names: " + long_list +
      "], lists: [[1, 2], []], \"odd key\": \"on\", nothing: null, one: {k: v}}");
  const std::string text = write_yaml(*tree);
  EXPECT_EQ(text.substr(0, text.find("names:")), R"(a: 1
short: [x, y]
empty: {}
none: []
servers:
  - {name: m, port: 1}
  - name: n
    deep:
      - 1
      - {b: 2}
)");
  EXPECT_NE(text.find("names:\n  - aaaaaaaaaaaaaaaaaaaa\n  - bbbbbbbbbbbbbbbbbbbb0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("lists:\n  - [1, 2]\n  - []\n\"odd key\": \"on\"\nnothing: null\none: {k: v}\n"), std::string::npos) << text;
  EXPECT_EQ(config::render_flow(*render_test::yaml(text)), config::render_flow(*tree));
}

TEST(WrittenYaml, QuotesAUsersTextThatWouldEndWithinBrackets) {
  const auto tree = render_test::yaml(
      "args:\n- name: node-labels\n  value: a=b,c=d\n- name: v\n  value: 4\n- name: odd\n  value: x} # y\n- name: t\n  value: |\n    two\n "
      "   lines\n");
  const std::string text = write_yaml(*tree);
  EXPECT_EQ(text.substr(0, text.find("  - {name: odd")), "args:\n  - {name: node-labels, value: \"a=b,c=d\"}\n  - {name: v, value: 4}\n");
  const auto again = render_test::yaml(text);
  for (const std::size_t i : {0U, 1U, 2U, 3U})
    EXPECT_EQ(again->find("args")->items[i]->find("value")->text, tree->find("args")->items[i]->find("value")->text);
}

TEST(WrittenYaml, OfNothingIsOneLine) {
  EXPECT_EQ(write_yaml(*render_test::yaml("{}")), "{}\n");
  EXPECT_EQ(write_yaml(*text("a b")), "\"a b\"\n");
}

}  // namespace
}  // namespace fairlead::bootstrap
