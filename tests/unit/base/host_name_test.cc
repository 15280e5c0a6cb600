#include "base/host_name.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(HostName, LabelsOfLettersDigitsAndInnerDashes) {
  for (const char* name : {"a", "mast-1.kube.demo", "MAST-1", "mast_1", "a.b.", "_kube-api._tcp.kube.demo", "1a.2"})
    EXPECT_TRUE(is_dns_name(name)) << name;
  for (const char* name : {"", ".", "a..b", "-a", "a-", "a.-b", "a b", "m\xc3\xbcnchen", ".a", "a..", "a:b"})
    EXPECT_FALSE(is_dns_name(name)) << name;
  EXPECT_TRUE(is_dns_name(std::string(63, 'a')));
  EXPECT_FALSE(is_dns_name(std::string(64, 'a')));
}

TEST(HostName, AServiceHasAProtocolAndADomain) {
  EXPECT_TRUE(is_srv_name("_https._tcp.kube.demo"));
  EXPECT_TRUE(is_srv_name("_sip._udp.x"));
  for (const char* name : {"_foo2", "https._tcp.x", "_._tcp.x", "_a._tcp", "_a.b._tcp.x"}) EXPECT_FALSE(is_srv_name(name)) << name;
}

}  // namespace
}  // namespace fairlead
