#include <boost/json.hpp>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace fairlead::cli
