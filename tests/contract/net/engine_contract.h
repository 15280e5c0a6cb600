// The fixture of the contract suite: one engine over {epoll, io_uring, fault(epoll), fault(io_uring)} x {IPv4, IPv6} and real loopback
// sockets. Around every case it checks that no descriptor and no block is lost (C2, C3), and prints which engine ran and what it did.
//
// FL_FAULT_SEED=7 replays the fault engines with another seed.
#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "tests/support/engine_driver.h"

namespace fairlead::net {

class EngineContract : public testing::TestWithParam<support::EngineCase> {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Makes the engine anew, for a case that needs another pool or other faults.
  support::EngineDriver& remake(support::EngineDriver::Options options);
  [[nodiscard]] support::EngineDriver& driver() { return *driver_; }
  [[nodiscard]] IoEngine& engine() { return driver_->engine(); }
  [[nodiscard]] IpAddress::Family family() const { return GetParam().family; }

 private:
  void report_counters();

  std::unique_ptr<support::EngineDriver> driver_;
  std::size_t fds_before_ = 0;
};

[[nodiscard]] FaultPlan fault_plan();
[[nodiscard]] std::vector<support::EngineCase> every_engine();
[[nodiscard]] std::string name_of_case(const testing::TestParamInfo<support::EngineCase>& info);

}  // namespace fairlead::net
