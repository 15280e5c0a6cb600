#include <gtest/gtest.h>

#include "cli/lab_verbs.h"

namespace fairlead::cli {
namespace {

TEST(LabVerbsTest, AGatewayServesWhenItIsReadyKnowsAHolderAndAllNodes) {
  const std::string whole = R"({"ready":true,"vips":[{"holder":"gate-1"}],"cluster":{"nodes":[{"online":true},{"online":true}]}})";
  EXPECT_EQ(what_is_missing(whole, 2), "");
  EXPECT_EQ(what_is_missing(whole, 3), "2 of 3 nodes are online");
  EXPECT_EQ(what_is_missing(R"({"ready":true,"vips":[{"holder":"gate-1"}]})", 1), "");
  EXPECT_EQ(what_is_missing(R"({"ready":true,"vips":[{"holder":"gate-1"}]})", 2), "no cluster yet");
  EXPECT_EQ(what_is_missing(R"({"ready":true,"vips":[{"holder":null}]})", 1), "nobody holds the VIP yet");
  EXPECT_EQ(what_is_missing(R"({"ready":true,"vips":[]})", 1), "it knows no VIP yet");
  EXPECT_EQ(what_is_missing(R"({"ready":false})", 1), "not ready to serve yet");
  for (const char* text : {"", "[]", "{", "7"}) EXPECT_EQ(what_is_missing(text, 1), "its daemon's answer is not understood") << text;
}

TEST(LabVerbsTest, TheGatewayThatHoldsTheVipsServesItsNetworks) {
  const auto status = [](std::string_view here, std::string_view networks) {
    return std::string(R"({"ready":true,"vips":[{"holder":"g","held_here":true},{"holder":"g","held_here":)") + std::string(here) +
           R"(}],"dhcp":{"networks":)" + std::string(networks) + "}}";
  };
  EXPECT_EQ(what_is_missing(status("true", R"([{"serving":true},{"serving":true}])"), 1), "");
  EXPECT_EQ(what_is_missing(status("true", R"([{"serving":true},{"serving":false}])"), 1), "a network is not served yet");
  EXPECT_EQ(what_is_missing(status("false", R"([{"serving":false}])"), 1), "");
  EXPECT_EQ(what_is_missing(status("true", "7"), 1), "");
  EXPECT_EQ(what_is_missing(status("true", "[7]"), 1), "a network is not served yet");
}

}  // namespace
}  // namespace fairlead::cli
