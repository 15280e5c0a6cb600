// The fixture of this suite: one RelayRig over {epoll, io_uring, fault(epoll), fault(io_uring)} x {IPv4, IPv6}. After every case it demands
// that no connection, place, block or descriptor is left.
//
// FL_FAULT_SEED=7 replays the fault engines with another seed.
#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "lb/listener_socket.h"
#include "tests/contract/lb/relay_rig.h"

namespace fairlead::lb {

/// Fails (or skips, where the kernel has no io_uring) and is false when the engine of this case cannot run.
[[nodiscard]] bool engine_runs(const support::EngineCase& engine_case);
[[nodiscard]] std::vector<support::EngineCase> every_engine();
[[nodiscard]] net::FaultPlan fault_plan();
[[nodiscard]] std::string name_of_case(const testing::TestParamInfo<support::EngineCase>& info);

/// The descriptor of this process that stands for that connection; -1: there is none.
[[nodiscard]] int find_socket(const Endpoint& local, const Endpoint& peer);
/// Expects keepalive and TCP_USER_TIMEOUT of a socket to be these.
void expect_leg_options(int fd, const LegOptions& options);
[[nodiscard]] std::string congestion_control_of(int fd);
/// One that this kernel lets everybody use, and that is not its default. Empty: there is none.
[[nodiscard]] std::string other_congestion_control();

class RelayContract : public testing::TestWithParam<support::EngineCase> {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Makes the rig; without it there is none.
  RelayRig& make(RigOptions options = {});
  [[nodiscard]] RelayRig& rig() { return *rig_; }
  [[nodiscard]] bool v4() const { return GetParam().family == IpAddress::Family::kV4; }

 private:
  std::unique_ptr<RelayRig> rig_;
  std::size_t fds_before_ = 0;
};

}  // namespace fairlead::lb
