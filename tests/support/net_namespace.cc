#include "tests/support/net_namespace.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <thread>
#include <unistd.h>

#include "vip/netlink_address_driver.h"

namespace fairlead::test {
namespace {

// /proc/thread-self: setns and unshare are per thread.
int own_namespace() { return ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

std::string wait_for_carrier(const std::string& link) {
  return "for i in $(seq 500); do ip -o link show " + link + " | grep -q 'state UP' && exit 0; sleep 0.01; done; exit 1";
}

}  // namespace

int shell(const std::string& command) {
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe): tests of one thread.
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Entered::Entered(int namespace_fd) : before_(own_namespace()) { EXPECT_EQ(::setns(namespace_fd, CLONE_NEWNET), 0); }
Entered::~Entered() { EXPECT_EQ(::setns(before_.get(), CLONE_NEWNET), 0); }

void NetNamespaceTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "not root";
  home_.reset(own_namespace());
  if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "no network namespaces here: " << std::strerror(errno);
  there_.reset(own_namespace());
  ASSERT_EQ(shell("ip link set lo up"), 0);
  ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
  const std::string other = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(there_.get());
  ASSERT_EQ(shell("ip link set lo up && ip link add va address 02:00:00:00:00:0a type veth peer name vb address 02:00:00:00:00:0b netns " +
                  other),
            0);
  // No addresses but the tests': without link-local ones nothing but what a test does is heard.
  ASSERT_EQ(shell("sysctl -qw net.ipv6.conf.va.addr_gen_mode=1 && ip link set va up"), 0);
  ASSERT_EQ(shell_there("sysctl -qw net.ipv6.conf.vb.addr_gen_mode=1 && ip link set vb up"), 0);
  // Until the kernel has seen the carrier, up to a second on a busy machine, frames are thrown away.
  ASSERT_EQ(shell(wait_for_carrier("va")), 0);
  ASSERT_EQ(shell_there(wait_for_carrier("vb")), 0);
}

void NetNamespaceTest::TearDown() {
  if (!home_.valid()) return;
  EXPECT_EQ(::setns(home_.get(), CLONE_NEWNET), 0);
}

vip::LinkState NetNamespaceTest::link_of(const std::string& name) {
  auto driver = vip::NetlinkAddressDriver::open();
  EXPECT_TRUE(driver);
  auto links = (*driver)->links();
  EXPECT_TRUE(links);
  for (const vip::LinkState& link : *links) {
    if (link.name == name) return link;
  }
  ADD_FAILURE() << "no interface " << name;
  return {};
}

bool eventually(int fd, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    (void)::poll(&wait, 1, 5);
  }
  return true;
}

}  // namespace fairlead::test
