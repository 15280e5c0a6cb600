#include "membership/timing_advice.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "membership/pause_meter.h"

namespace fairlead::membership {
namespace {

using namespace std::chrono_literals;
using config::TimingProfile;
using Verdict = TimingAdvice::Verdict;

PauseFacts metal(Duration longest) { return {.measured = 60s, .longest = longest, .virtual_machine = false}; }
ConfiguredTiming profile(TimingProfile which) {
  config::Cluster cluster;
  cluster.profile = which;
  return configured_timing(cluster);
}
ConfiguredTiming own_token(Duration token) {
  config::Cluster cluster;
  cluster.timing = {{"token", token}};
  return configured_timing(cluster);
}

TEST(TimingAdvice, AQuietMachineOfItsOwnMayBeFast) {
  const auto advice = advise_timing(metal(3ms), profile(TimingProfile::kVm));
  EXPECT_EQ(advice.verdict, Verdict::kUseProfile);
  EXPECT_EQ(advice.profile, TimingProfile::kFast);
  EXPECT_FALSE(advice.configured_too_short);
}

TEST(TimingAdvice, ALongPauseChangesTheAdvice) {
  EXPECT_EQ(advise_timing(metal(100ms), std::nullopt).profile, TimingProfile::kFast);
  EXPECT_EQ(advise_timing(metal(101ms), std::nullopt).profile, TimingProfile::kVm) << "more than a quarter of fast's 400 ms";
  EXPECT_EQ(advise_timing(metal(400ms), std::nullopt).verdict, Verdict::kUseProfile);
  const auto beyond = advise_timing(metal(401ms), std::nullopt);
  EXPECT_EQ(beyond.verdict, Verdict::kUseToken) << "more than half of vm's 800 ms";
  EXPECT_EQ(beyond.token, 1100ms);
}

TEST(TimingAdvice, APauseAboveHalfTheConfiguredTokenIsAWarning) {
  const auto at_half = advise_timing(metal(200ms), profile(TimingProfile::kFast));
  EXPECT_FALSE(at_half.configured_too_short);
  EXPECT_EQ(at_half.verdict, Verdict::kKeep);
  const auto above = advise_timing(metal(201ms), profile(TimingProfile::kFast));
  EXPECT_TRUE(above.configured_too_short);
  EXPECT_EQ(above.verdict, Verdict::kUseProfile);
  EXPECT_EQ(above.profile, TimingProfile::kVm);
}

TEST(TimingAdvice, OwnTimesThatFitAreKept) {
  EXPECT_EQ(advise_timing(metal(600ms), own_token(3s)).verdict, Verdict::kKeep);
  const auto short_token = advise_timing(metal(600ms), own_token(1s));
  EXPECT_TRUE(short_token.configured_too_short);
  EXPECT_EQ(short_token.token, 1500ms);
}

TEST(TimingAdvice, MinIsNeverAdvised) {
  EXPECT_EQ(advise_timing(metal(0ms), std::nullopt).profile, TimingProfile::kFast);
  EXPECT_TRUE(advise_timing(metal(0ms), std::nullopt).profiles[2].fits);
  EXPECT_EQ(advise_timing(metal(0ms), profile(TimingProfile::kMin)).verdict, Verdict::kKeep);
}

TEST(TimingAdvice, AVirtualMachineIsBelievedAfterTenMinutes) {
  EXPECT_EQ(advise_timing({60s, 1ms, true}, profile(TimingProfile::kVm)).verdict, Verdict::kKeep);
  EXPECT_EQ(advise_timing({60s, 1ms, true}, std::nullopt).profile, TimingProfile::kVm);
  EXPECT_EQ(advise_timing({10min, 1ms, true}, profile(TimingProfile::kVm)).profile, TimingProfile::kFast);
}

TEST(PauseRecord, QuantilesAreAtMostASixteenthTooLong) {
  std::mt19937_64 random(7);
  PauseRecord record;
  std::vector<Duration> all;
  for (int i = 0; i < 20'000; ++i) {
    const Duration late = std::chrono::microseconds(random() % 10 == 0 ? random() % 3'000'000 : random() % 300);
    all.push_back(late);
    record.add(std::chrono::milliseconds(i), late);
  }
  std::sort(all.begin(), all.end());
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(all.size()))) - 1;
    EXPECT_GE(record.quantile(share), all[rank]) << share;
    EXPECT_LE(record.quantile(share), all[rank] + all[rank] / 16 + 1us) << share;
  }
  EXPECT_EQ(record.longest(), all.back());
  ASSERT_EQ(record.longest_pauses().size(), PauseRecord::kLongestMax);
  for (std::size_t i = 0; i < PauseRecord::kLongestMax; ++i) EXPECT_EQ(record.longest_pauses()[i].length, all[all.size() - 1 - i]);
}

TEST(PauseRecord, NothingMeasuredIsNoPause) {
  EXPECT_EQ(PauseRecord().quantile(0.999), Duration{});
  EXPECT_EQ(PauseRecord().longest(), Duration{});
}

TEST(PauseRecord, ATurnThatIsEarlyOrAYearLateIsCounted) {
  PauseRecord record;
  record.add(1ms, -1ms);
  record.add(2ms, 24h * 365);
  EXPECT_EQ(record.turns(), 2U);
  EXPECT_EQ(record.quantile(0.5), 1us);
  EXPECT_EQ(record.longest(), 24h * 365);
}

TEST(CpuTimes, StolenTimeIsTheEighthColumn) {
  EXPECT_EQ(parse_cpu_times("cpu  10 1 20 300 4 5 6 77 8 9\ncpu0 1 1 1 1\n"), (CpuTimes{423, 77}));
  EXPECT_EQ(parse_cpu_times("cpu  10 1 20 300\n"), std::nullopt);
  EXPECT_EQ(parse_cpu_times(""), std::nullopt);
  EXPECT_EQ(parse_cpu_times("intr 5"), std::nullopt);
}

TEST(PauseMeter, MeasuresUntilItIsToldToStop) {
  int asked = 0;
  const auto measured = measure_pauses(1h, [&] { return ++asked < 2; });
  EXPECT_GT(measured.record.turns(), 0U);
  EXPECT_LT(measured.measured, 1h);
}

}  // namespace
}  // namespace fairlead::membership
