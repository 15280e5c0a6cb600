#include "tests/contract/lb/relay_contract.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/sockaddr.h"

namespace fairlead::lb {

using support::EngineCase;
using support::EngineKind;

net::FaultPlan fault_plan() {
  const char* seed = std::getenv("FL_FAULT_SEED");
  return {.seed = seed != nullptr ? std::strtoull(seed, nullptr, 10) : 1};
}

std::vector<EngineCase> every_engine() {
  std::vector<EngineCase> cases;
  for (const bool faulty : {false, true}) {
    for (const EngineKind kind : {EngineKind::kEpoll, EngineKind::kUring}) {
      for (const auto family : {IpAddress::Family::kV4, IpAddress::Family::kV6}) cases.push_back({kind, faulty, family});
    }
    cases.push_back({EngineKind::kUringBatched, faulty, IpAddress::Family::kV4});
  }
  return cases;
}

std::string name_of_case(const testing::TestParamInfo<EngineCase>& info) { return support::to_string(info.param); }

bool engine_runs(const EngineCase& engine_case) {
  static const auto uring_refusal = support::engine_refusal({.kind = EngineKind::kUring});
  if (engine_case.kind == EngineKind::kEpoll || !uring_refusal) return true;
  const auto refuse = [&] {
    if (uring_refusal->by_kernel) GTEST_SKIP() << "io_uring is not to be had here: " << uring_refusal->reason;
    FAIL() << "the kernel has io_uring, but the engine refuses it: " << uring_refusal->reason;
  };
  refuse();
  return false;
}

int find_socket(const Endpoint& local, const Endpoint& peer) {
  constexpr int kDescriptorsMax = 4096;
  for (int fd = 0; fd < kDescriptorsMax; ++fd) {
    if (peer_of(fd) == peer && local_of(fd) == local) return fd;
  }
  return -1;
}

void expect_leg_options(int fd, const LegOptions& options) {
  const auto option = [fd](int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0) << "option " << name << " of descriptor " << fd;
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), to_ms(options.keepalive.idle) / 1000);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), to_ms(options.keepalive.interval) / 1000);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), static_cast<int>(options.keepalive.count));
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), to_ms(options.tcp_user_timeout));
}

std::string congestion_control_of(int fd) {
  std::array<char, 17> name{};
  socklen_t size = name.size() - 1;
  EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size), 0);
  return name.data();
}

std::string other_congestion_control() {
  const Fd fresh(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string preset = congestion_control_of(fresh.get());
  std::ifstream allowed("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
  for (std::string name; allowed >> name;) {
    if (name != preset) return name;
  }
  return "";
}

void RelayContract::SetUp() {
  if (!engine_runs(GetParam())) return;
  fds_before_ = support::open_fds();
}

RelayRig& RelayContract::make(RigOptions options) {
  rig_.reset();
  options.faults = fault_plan();
  rig_ = std::make_unique<RelayRig>(GetParam(), options);
  const std::string plain = GetParam().kind == EngineKind::kEpoll ? "epoll" : "io_uring";
  EXPECT_EQ(rig_->engine().name(), GetParam().faulty ? "fault(" + plain + ")" : plain);
  return *rig_;
}

void RelayContract::TearDown() {
  if (!rig_) return;
  rig_->finish();
  rig_.reset();
  EXPECT_EQ(support::open_fds(), fds_before_) << "descriptors lost";
}

}  // namespace fairlead::lb
