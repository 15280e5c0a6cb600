#include "dnsdhcp/pool_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Instant kBegin{std::chrono::hours(1)};
IpAddress ip(std::uint8_t third, std::uint8_t last) { return IpAddress::v4({10, 0, third, last}); }
MacAddress mac(std::uint8_t last) { return {{0x52, 0x54, 0, 0, 0, last}}; }
SweepSettings slash_24() {
  SweepSettings settings;
  settings.pools = {{ip(0, 1), ip(0, 254)}};
  return settings;
}

struct SweepRun {
  std::map<IpAddress, int> asked;
  int ticks = 0;
  Instant end{};
};

/// `answer` is asked at each question, and may call heard().
template <class Answer>
SweepRun play(PoolSweep& sweep, Answer answer) {
  SweepRun run;
  Instant now = kBegin;
  std::vector<IpAddress> out;
  while (true) {
    sweep.tick(now, out);
    for (const IpAddress& address : out) {
      ++run.asked[address];
      answer(address, run.asked[address]);
    }
    out.clear();
    if (sweep.done()) break;
    EXPECT_LT(++run.ticks, 100'000);
    EXPECT_GT(sweep.next_tick(), now) << "a shell that waits for it would turn for ever";
    sweep.tick(now, out);
    EXPECT_THAT(out, IsEmpty()) << "an early one";
    now = std::max(sweep.next_tick(), now + 1ms);
  }
  run.end = now;
  return run;
}
const auto kSilence = [](const IpAddress&, int) {};

TEST(PoolSweep, ASlash24IsDoneWithinASecondAndAskedThreeTimes) {
  PoolSweep sweep(slash_24(), kBegin);
  const SweepRun run = play(sweep, kSilence);
  EXPECT_LE(run.end - kBegin, 920ms);
  EXPECT_THAT(run.asked, SizeIs(254));
  for (const auto& [address, times] : run.asked) EXPECT_EQ(times, 3) << address.to_string();
  EXPECT_THAT(sweep.result().live, IsEmpty());
  EXPECT_EQ(sweep.result().asked, 254U);
  EXPECT_EQ(sweep.result().took, run.end - kBegin);
}

TEST(PoolSweep, APoolOf4096TakesLessThanSixSeconds) {
  SweepSettings settings;
  settings.pools = {{ip(0, 0), ip(15, 255)}};
  PoolSweep sweep(settings, kBegin);
  const SweepRun run = play(sweep, kSilence);
  EXPECT_THAT(run.asked, SizeIs(4096));
  EXPECT_LE(run.end - kBegin, 5700ms);
}

TEST(PoolSweep, I2WhatCouldNotBeAskedIsAskedAgainUntilItCould) {
  PoolSweep sweep(slash_24(), kBegin);
  std::map<IpAddress, int> left;
  const SweepRun run = play(sweep, [&](const IpAddress& address, int times) {
    const bool fails = (address == ip(0, 7) && times <= 5) || (address == ip(0, 9) && times == 2);
    if (fails) return sweep.not_asked(address);
    ++left[address];
    if (address == ip(0, 7)) { EXPECT_TRUE(sweep.heard(address, mac(7))); }
  });
  EXPECT_EQ(sweep.result().live, (std::vector<LiveAddress>{{ip(0, 7), {mac(7)}}})) << "it was there all the time";
  EXPECT_EQ(run.asked.at(ip(0, 7)), 6);
  EXPECT_EQ(left.at(ip(0, 9)), 5) << "one of its three was lost: three more";
  EXPECT_EQ(left.at(ip(0, 8)), 3) << "the others are not asked again";
  EXPECT_EQ(sweep.retries(), 1U);
  EXPECT_GE(run.end - kBegin, 1900ms) << "not in a hurry";
}

TEST(PoolSweep, OneThatCannotAskAtAllIsNeverDone) {
  PoolSweep sweep(slash_24(), kBegin);
  std::vector<IpAddress> out;
  std::size_t asked = 0;
  for (Instant now = kBegin; now < kBegin + 60s; now = std::max(sweep.next_tick(), now + 1ms)) {
    sweep.tick(now, out);
    for (const IpAddress& address : std::exchange(out, {})) ++asked, sweep.not_asked(address);
    ASSERT_FALSE(sweep.done());
  }
  EXPECT_GE(sweep.retries(), 25U);
  EXPECT_LT(asked, 60U * 3 * 254U);
}

TEST(PoolSweep, FindsWhoAnswersTheFirstOrTheLastQuestion) {
  PoolSweep sweep(slash_24(), kBegin);
  const SweepRun run = play(sweep, [&](const IpAddress& address, int times) {
    if (address == ip(0, 7)) { EXPECT_TRUE(sweep.heard(address, mac(7))); }
    if (address == ip(0, 254) && times == 3) { EXPECT_TRUE(sweep.heard(address, mac(9))); }
  });
  EXPECT_EQ(run.asked.at(ip(0, 7)), 1) << "it is known now";
  EXPECT_EQ(sweep.result().live, (std::vector<LiveAddress>{{ip(0, 7), {mac(7)}}, {ip(0, 254), {mac(9)}}}));
}

TEST(PoolSweep, I1NeitherAsksNorBelievesWhatIsSkippedOrOutside) {
  SweepSettings settings = slash_24();
  settings.skip = {ip(0, 7)};
  settings.ours = {mac(1)};
  PoolSweep sweep(settings, kBegin);
  const SweepRun run = play(sweep, [&](const IpAddress& address, int) {
    EXPECT_FALSE(sweep.heard(ip(0, 7), mac(7)));
    EXPECT_FALSE(sweep.heard(ip(1, 7), mac(7)));
    EXPECT_FALSE(sweep.heard(address, mac(1))) << "a gateway's own";
    EXPECT_FALSE(sweep.heard(address, MacAddress{}));
    EXPECT_FALSE(sweep.heard(address, MacAddress::broadcast()));
  });
  EXPECT_EQ(run.asked.count(ip(0, 7)), 0U);
  EXPECT_THAT(sweep.result().live, IsEmpty());
}

TEST(PoolSweep, ARouterThatAnswersForAllIsNotBelievedAndAClientBehindItsAnswersIs) {
  PoolSweep sweep(slash_24(), kBegin);
  (void)play(sweep, [&](const IpAddress& address, int) {
    sweep.heard(address, mac(200));
    if (address == ip(0, 9)) sweep.heard(address, mac(9));
  });
  const SweepResult result = sweep.result();
  EXPECT_EQ(result.proxies, (std::vector<ProxyMac>{{mac(200), 254}}));
  EXPECT_EQ(result.live, (std::vector<LiveAddress>{{ip(0, 9), {mac(9)}}}));
}

TEST(PoolSweep, AMachineWithAFewAddressesIsNoRouter) {
  PoolSweep sweep(slash_24(), kBegin);
  (void)play(sweep, [&](const IpAddress& address, int) {
    if (address.bytes()[3] <= kProxyAddressesMax) sweep.heard(address, mac(5));
  });
  EXPECT_THAT(sweep.result().proxies, IsEmpty());
  EXPECT_THAT(sweep.result().live, SizeIs(kProxyAddressesMax));
}

// The last one may answer 200 ms late, one that heard the first question 800 ms.
TEST(PoolSweep, ALateAnswerCountsUntilTheEndAndNoLonger) {
  PoolSweep sweep(slash_24(), kBegin);
  std::vector<IpAddress> out;
  for (Instant now = kBegin; now < kBegin + 800ms; now += 1ms) sweep.tick(now, out);
  EXPECT_TRUE(sweep.heard(ip(0, 1), mac(1)));
  while (!sweep.done()) sweep.tick(sweep.next_tick(), out);
  EXPECT_THAT(sweep.result().live, SizeIs(1));
  EXPECT_FALSE(sweep.heard(ip(0, 100), mac(2)));
}

TEST(PoolSweep, NothingToAskIsDoneAtOnce) {
  PoolSweep sweep(SweepSettings{}, kBegin);
  EXPECT_EQ(play(sweep, kSilence).end, kBegin);
}

TEST(PoolSweep, PoolsOfIpv6AndWhatIsTooMuchAreLeftOut) {
  SweepSettings settings;
  settings.pools = {{IpAddress::v6({0xfd}), IpAddress::v6({0xfe})}, {ip(0, 0), IpAddress::v4({10, 1, 0, 9})}};
  settings.wait = 1ms;
  settings.burst_gap = 1ms;
  settings.burst = 10'000;
  settings.rounds = 1;
  PoolSweep sweep(settings, kBegin);
  EXPECT_EQ(sweep.result().asked, kSweepAddressesMax);
  EXPECT_EQ(sweep.result().left_out, 1U + 10U);
}

TEST(PoolSweep, ThePoolThatEndsWithTheLastAddressOfAllIsFinite) {
  SweepSettings settings;
  settings.pools = {{IpAddress::v4({255, 255, 255, 250}), IpAddress::v4({255, 255, 255, 255})}};
  EXPECT_EQ(PoolSweep(settings, kBegin).result().asked, 6U);
}

RC_GTEST_PROP(PoolSweepProperty, EveryAddressIsAskedAsOftenAsSaidAtAnyPaceAndWithAnyAnswers, ()) {
  SweepSettings settings;
  settings.pools = {{ip(0, 0), ip(0, *rc::gen::inRange<std::uint8_t>(0, 60))}};
  settings.rounds = *rc::gen::inRange(1, 4);
  settings.burst = *rc::gen::inRange<std::size_t>(1, 40);
  settings.wait = std::chrono::milliseconds(*rc::gen::inRange(1, 60));
  settings.burst_gap = std::chrono::milliseconds(*rc::gen::inRange(1, 30));
  const auto answering = *rc::gen::container<std::set<std::uint8_t>>(rc::gen::inRange<std::uint8_t>(0, 60));
  PoolSweep sweep(settings, kBegin);
  const SweepRun run = play(sweep, [&](const IpAddress& address, int times) {
    if (answering.count(address.bytes()[3]) != 0 && times == settings.rounds) sweep.heard(address, mac(address.bytes()[3]));
  });
  RC_ASSERT(run.asked.size() == sweep.result().asked);
  for (const auto& [address, times] : run.asked) RC_ASSERT(times == settings.rounds);
}

}  // namespace
}  // namespace fairlead::dnsdhcp
