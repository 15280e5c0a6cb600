// difference() is merge()'s way back.
#include <gmock/gmock.h>

#include "k8s-bootstrap/render/yaml_tree.h"
#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

using render_test::yaml;

struct Case {
  const char* base;
  const char* wanted;
  const char* over;  ///< nullptr: they are the same.
};

TEST(YamlDifference, IsWhatMergeHasToLayOver) {
  const Case cases[] = {
      {"a: 1\nb: {c: x}", "b: {c: x}\na: 1", nullptr},
      {"a: 1", "a: 2", "a: 2\n"},
      {"a: 1\nb: 2", "a: 1", "b: null\n"},
      {"a: {b: {c: 1, d: 2}}", "a: {b: {c: 1, d: 3}}", "a: {b: {d: 3}}\n"},
      {"a: [1, 2]", "a: [2, 1]", "a: [2, 1]\n"},
      {"a: [1]", "a: []", "a: []\n"},
      {"l: [{name: x, v: 1}, {name: y, v: 2}]", "l: [{name: y, v: 2}, {name: x, v: 3}]", "l: [{name: x, v: 3}]\n"},
      {"l: [{name: x, v: 1, w: 2}]", "l: [{name: x, v: 1}, {name: z}]", "l: [{name: x, w: null}, {name: z}]\n"},
      {"a: {b: 1}", "a: text", "a: text\n"},
      {"a: \"1\"", "a: 1", nullptr},  // What is quoted is the reader's business.
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.wanted);
    const auto base = yaml(one.base);
    const auto wanted = yaml(one.wanted);
    const Difference found = difference(base, wanted, true);
    EXPECT_TRUE(found.lost.empty());
    if (one.over == nullptr) {
      EXPECT_EQ(found.over, nullptr);
      continue;
    }
    ASSERT_NE(found.over, nullptr);
    EXPECT_EQ(write_yaml(*found.over), write_yaml(*yaml(one.over)));
    // Lists of named items may come in another order.
    if (std::string_view(one.base).find("name:") == std::string_view::npos) { EXPECT_TRUE(same_value(*merge(base, found.over), *wanted)); }
  }
}

TEST(YamlDifference, TellsWhatNoMergingBrings) {
  const Difference found = difference(yaml("l: [{name: x}, {name: y}]"), yaml("l: [{name: x}]"), true);
  EXPECT_THAT(found.lost, ::testing::ElementsAre("l.y"));
  EXPECT_EQ(found.over, nullptr);
}

TEST(YamlDifference, LeavesWhatOnlyTheBaseHasWithoutRemovals) {
  EXPECT_EQ(difference(yaml("a: 1\nb: 2"), yaml("a: 1"), false).over, nullptr);
  EXPECT_TRUE(difference(yaml("l: [{name: x}, {name: y}]"), yaml("l: [{name: x}]"), false).lost.empty());
}

}  // namespace
}  // namespace fairlead::bootstrap
