#include "dnsdhcp/port_owner.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sockaddr.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr const char* kUdp =
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
    "  412: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 18722 2 0000000000000000 0\n"
    "  413: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18723 2 0000000000000000 0\n"
    "  414: 0000000000000000FFFF00000100A8C0:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 "
    "18724 2\n"
    "nonsense\n"
    "  415: 0000:0035 0:0 07\n";

TEST(PortOwner, ReadsTheKernelsListOfSockets) {
  const auto dns = parse_bound_sockets(kUdp, 53);
  ASSERT_EQ(dns.size(), 2U);
  EXPECT_EQ(dns[0].address.to_string(), "127.0.0.53");
  EXPECT_EQ(dns[0].uid, 101U);
  EXPECT_EQ(dns[0].inode, 18722U);
  EXPECT_EQ(dns[1].address.to_string(), "192.168.0.1");
  EXPECT_EQ(parse_bound_sockets(kUdp, 67).size(), 1U);
  EXPECT_TRUE(parse_bound_sockets("", 53).empty());
}

TEST(PortOwner, NamesThisProcessForItsOwnSocket) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const SocketAddress any = to_sockaddr({*parse_ip_address("127.0.0.1"), 0});
  ASSERT_EQ(::bind(socket.get(), any.get(), any.size), 0);
  const Endpoint bound = local_of(socket.get());
  const std::string self = "(process " + std::to_string(::getpid()) + ") has " + bound.to_string();
  EXPECT_NE(describe_port_owners(bound).find(self), std::string::npos) << describe_port_owners(bound);
  EXPECT_NE(describe_port_owners({{}, bound.port}).find(self), std::string::npos);
  EXPECT_EQ(describe_port_owners({*parse_ip_address("127.0.0.2"), bound.port}).find(self), std::string::npos) << "another address's port";
}

}  // namespace
}  // namespace fairlead::dnsdhcp
