#include "base/mac_address.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(MacAddress, PrintsWhatItParses) {
  for (const char* text : {"52:54:00:00:01:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "0a:bc:de:f1:23:45"}) {
    const auto mac = parse_mac_address(text);
    ASSERT_TRUE(mac) << text;
    EXPECT_EQ(mac->to_string(), text);
  }
  EXPECT_EQ(parse_mac_address("0A-BC-DE-F1-23-45")->to_string(), "0a:bc:de:f1:23:45");
}

TEST(MacAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "52:54:00:00:01", "52:54:00:00:01:0", "52:54:00:00:01:011", "52:54:00:00:01:0g", "52:54-00:00:01:01",
                           "52.54.00.00.01.01", "525400000101", " 2:54:00:00:01:01"})
    EXPECT_FALSE(parse_mac_address(text)) << text;
}

TEST(MacAddress, KnowsGroupsFromStations) {
  EXPECT_TRUE(MacAddress::broadcast().is_group());
  EXPECT_TRUE(parse_mac_address("33:33:00:00:00:01")->is_group());
  EXPECT_FALSE(parse_mac_address("52:54:00:00:01:01")->is_group());
  EXPECT_TRUE(MacAddress{}.is_zero());
  EXPECT_FALSE(MacAddress::broadcast().is_zero());
}

}  // namespace
}  // namespace fairlead
