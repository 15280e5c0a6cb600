#include "tests/contract/net/engine_contract.h"

#include <cstdlib>
#include <iostream>
#include <string>

namespace fairlead::net {

using support::EngineCase;
using support::EngineDriver;
using support::EngineKind;

FaultPlan fault_plan() {
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

void EngineContract::SetUp() {
  static const auto uring_refusal = support::engine_refusal({.kind = EngineKind::kUring});
  if (GetParam().kind != EngineKind::kEpoll && uring_refusal) {
    if (uring_refusal->by_kernel) GTEST_SKIP() << "io_uring is not to be had here: " << uring_refusal->reason;
    FAIL() << "the kernel has io_uring, but the engine refuses it: " << uring_refusal->reason;
  }
  fds_before_ = support::open_fds();
  remake({.faults = fault_plan()});
}

EngineDriver& EngineContract::remake(EngineDriver::Options options) {
  driver_.reset();
  driver_ = std::make_unique<EngineDriver>(GetParam(), options);
  const std::string plain = GetParam().kind == EngineKind::kEpoll ? "epoll" : "io_uring";
  EXPECT_EQ(driver_->engine().name(), GetParam().faulty ? "fault(" + plain + ")" : plain);
  return *driver_;
}

void EngineContract::report_counters() {
  const EngineCounters& c = engine().counters();
  RecordProperty("engine", std::string(engine().name()));
  RecordProperty("operations", std::to_string(c.operations));
  RecordProperty("turns", std::to_string(c.turns));
  std::cout << "[ ENGINE   ] " << engine().name() << ": turns=" << c.turns << " operations=" << c.operations << " accepts=" << c.accepts
            << " connects=" << c.connects << " reads=" << c.reads << " sends=" << c.sends << " batched_sends=" << c.batched_sends
            << " blocked_sends=" << c.blocked_sends << " starved=" << c.starved << " cancels=" << c.cancels << std::endl;
}

void EngineContract::TearDown() {
  if (!driver_) return;
  if (!driver_->finished()) report_counters();
  driver_->finish();
  driver_.reset();
  EXPECT_EQ(support::open_fds(), fds_before_) << "descriptors lost";
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineContract, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace fairlead::net
