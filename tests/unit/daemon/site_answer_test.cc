#include "daemon/site_answer.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

IpAddress address(const char* text) { return parse_ip_address(text).value(); }

TEST(SiteAnswer, MachinesOfTheSiteAreKnownWithoutAResolver) {
  const std::map<std::string, std::vector<IpAddress>> names{{"mast-1", {address("192.168.1.11")}},
                                                            {"mast-1.kube.demo", {address("192.168.1.11")}},
                                                            {"api.kube.demo", {address("192.168.4.20"), address("fd00::20")}}};
  const auto ask = [&](const char* host, std::optional<IpAddress::Family> family = {}) {
    return site_answer(names, {.host = host, .port = 6443, .family = family, .name_server = {}});
  };
  const auto known = ask("Mast-1.Kube.Demo.");
  ASSERT_TRUE(known);
  EXPECT_EQ(known->outcome, lb::ResolveOutcome::kFound);
  ASSERT_EQ(known->endpoints.size(), 1U);
  EXPECT_EQ(known->endpoints[0].to_string(), "192.168.1.11:6443");
  EXPECT_EQ(ask("api.kube.demo")->endpoints.size(), 2U);
  EXPECT_EQ(ask("api.kube.demo", IpAddress::Family::kV6)->endpoints[0].to_string(), "[fd00::20]:6443");
  EXPECT_FALSE(ask("mast-1", IpAddress::Family::kV6)) << "whoever asks may ask on";
  EXPECT_FALSE(ask("mast-2.kube.demo"));
}

}  // namespace
}  // namespace fairlead::daemon
