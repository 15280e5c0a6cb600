#include "daemon/listener_counts.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>

#include "lb/admission.h"

namespace fairlead::daemon {
namespace {

std::uint64_t at(const std::vector<admin::CauseCount>& counts, std::string_view cause) {
  const auto found = std::find_if(counts.begin(), counts.end(), [&](const admin::CauseCount& c) { return c.cause == cause; });
  return found == counts.end() ? ~std::uint64_t{0} : found->count;
}
std::size_t index(auto cause) { return static_cast<std::size_t>(cause); }

TEST(ListenerCounts, WhatNeverHappenedIsThereFromTheStartAndNothingTwice) {
  const lb::ListenerStats none;
  admin::ListenerStatus listener;
  add_counts(std::vector<const lb::ListenerStats*>{&none}, listener);

  for (const auto* counts : {&listener.shed_by_cause, &listener.ended_by_code, &listener.vip_closed}) {
    std::set<std::string> names;
    for (const admin::CauseCount& one : *counts) {
      EXPECT_TRUE(names.insert(one.cause).second) << one.cause;
      EXPECT_FALSE(one.cause.empty());
      EXPECT_EQ(one.count, 0U) << one.cause;
    }
  }
  for (auto why = 1; why <= static_cast<int>(lb::kRefusalLast); ++why)
    EXPECT_EQ(at(listener.shed_by_cause, lb::to_string(static_cast<lb::Refusal>(why))), 0U) << why;
  for (const auto* cause : {"no_server", "servers_full"}) EXPECT_EQ(at(listener.shed_by_cause, cause), 0U) << cause;
  for (const auto* how : {"reset", "drained", "lost"}) EXPECT_EQ(at(listener.vip_closed, how), 0U) << how;
  EXPECT_EQ(at(listener.ended_by_code, "--"), 0U);
}

TEST(ListenerCounts, AreTheSumOverWorkersUnderTheNameOfTheirCause) {
  const auto one = std::make_unique<lb::ListenerStats>();
  const auto other = std::make_unique<lb::ListenerStats>();
  one->bytes_in.add(10);
  other->bytes_in.add(5);
  other->bytes_out.add(7);
  one->retries.add(3);
  one->shed[index(lb::Refusal::kDenied)].add(2);
  other->shed[index(lb::Refusal::kDenied)].add(1);
  other->shed[index(lb::kRefusalLast)].add(4);
  one->ended[index(lb::EndCause::kFinished)].add(20);
  other->ended[index(lb::EndCause::kNoServer)].add(6);
  other->ended[index(lb::EndCause::kVipDrained)].add(9);
  admin::ListenerStatus listener;
  add_counts(std::vector<const lb::ListenerStats*>{one.get(), other.get()}, listener);

  EXPECT_EQ(listener.bytes.in, 15U);
  EXPECT_EQ(listener.bytes.out, 7U);
  EXPECT_EQ(listener.retries, 3U);
  EXPECT_EQ(at(listener.shed_by_cause, "denied"), 3U);
  EXPECT_EQ(at(listener.shed_by_cause, lb::to_string(lb::kRefusalLast)), 4U);
  EXPECT_EQ(at(listener.shed_by_cause, "no_server"), 6U);
  EXPECT_EQ(at(listener.vip_closed, "drained"), 9U);
  std::uint64_t ended = 0;
  for (const admin::CauseCount& code : listener.ended_by_code) ended += code.count;
  EXPECT_EQ(ended, 35U);
}

}  // namespace
}  // namespace fairlead::daemon
