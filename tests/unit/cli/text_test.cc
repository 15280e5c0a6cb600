#include <algorithm>
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

#include "cli/text_diff.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"

namespace fairlead::cli {
namespace {

TEST(TextTable, AlignsColumnsAndLeavesNoTrailingBlanks) {
  TextTable table({"NAME", ">COUNT", "NOTE"});
  table.row({{"a"}, {"1"}, {""}});
  table.row({{"längere"}, {"1000"}, {"x"}});
  EXPECT_EQ(table.text(false),
            "NAME     COUNT  NOTE\n"
            "a            1  -\n"
            "längere   1000  x\n");
}

TEST(TextTable, ColourDoesNotMoveColumns) {
  TextTable table({"STATE", "X"});
  table.row({{"up", Tone::kGood}, {"1"}});
  EXPECT_NE(table.text(true).find("\x1b[32mup\x1b[0m     1\n"), std::string::npos) << table.text(true);
}

TEST(Units, BytesAndAgesAreShort) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text((1ULL << 20U) - 1), "1.0 MiB");
  EXPECT_EQ(bytes_text(~0ULL), "16384.0 PiB");
  EXPECT_EQ(age_text(-1), "0s");
  EXPECT_EQ(age_text(59.9), "59s");
  EXPECT_EQ(age_text(185), "3m05s");
  EXPECT_EQ(age_text(7980), "2h13m");
  EXPECT_EQ(age_text(352800), "4d02h");
}

TEST(YamlText, QuotesWhatYamlWouldMisread) {
  const auto value = boost::json::parse(
      R"({"a":"yes","b":"1.5","c":"plain-word","d":"","e":"a: b","f":null,"g":[],"h":{},"i":[1,[2,3],{"k":"v","l":true}],"no":1.5})");
  EXPECT_EQ(yaml_text(value),
            "a: \"yes\"\nb: \"1.5\"\nc: plain-word\nd: \"\"\ne: \"a: b\"\nf: null\ng: []\nh: {}\n"
            "i:\n  - 1\n  - - 2\n    - 3\n  - k: v\n    l: true\n\"no\": 1.5\n");
}

TEST(TextDiff, ShowsWhatGoesAndWhatComesWithTwoLinesAround) {
  const std::string before = "a\nb\nc\nd\ne\nf\ng\nh\n";
  EXPECT_EQ(text_diff(before, before), "");
  EXPECT_EQ(text_diff(before, "a\nb\nc\nd\nE\nf\ng\nh\n"), "  c\n  d\n- e\n+ E\n  f\n  g\n");
  EXPECT_EQ(text_diff("", "x\n"), "+ x\n");
  EXPECT_EQ(text_diff("x\n", ""), "- x\n");
  EXPECT_EQ(text_diff("1\na\nb\nc\nd\ne\nf\n2\n", "a\nb\nc\nd\ne\nf\n"), "- 1\n  a\n  b\n  ...\n  e\n  f\n- 2\n");
}

TEST(TextDiff, GoingAndComingLinesRebuildBothTexts) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> all{"", ""};
    for (std::string& text : all) {
      for (unsigned i = random() % 12; i > 0; --i) text += std::string(1, static_cast<char>('a' + random() % 4)) + "\n";
    }
    std::string gone;
    std::string come;
    std::istringstream lines(text_diff(all[0], all[1]));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("- ")) gone += line.substr(2);
      if (line.starts_with("+ ")) come += line.substr(2);
    }
    // What is left of each text without its marked lines is the same text.
    const auto without = [](std::string text, const std::string& letters) {
      for (const char c : letters) text.erase(text.find(c), 2);
      return text;
    };
    auto left = without(all[0], gone);
    auto right = without(all[1], come);
    std::sort(left.begin(), left.end());
    std::sort(right.begin(), right.end());
    EXPECT_EQ(left, right) << all[0] << "|" << all[1];
  }
}

}  // namespace
}  // namespace fairlead::cli
