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
  std::set<IpAddress> waiting;
  std::size_t waiting_max = 0;
  int ticks = 0;
  Instant end{};
};

/// `answer` is asked at each question, and may call heard().
template <class Answer>
SweepRun play(PoolSweep& sweep, Answer answer) {
  SweepRun run;
  Instant now = kBegin;
  SweepActions out;
  while (!sweep.done()) {
    sweep.tick(now, out);
    for (const SweepAction& action : out) {
      if (const auto* ask = std::get_if<Ask>(&action)) {
        EXPECT_TRUE(run.waiting.insert(ask->address).second) << "I2";
        ++run.asked[ask->address];
        answer(ask->address, run.asked[ask->address]);
      } else {
        EXPECT_EQ(run.waiting.erase(std::get<Forget>(action).address), 1U) << "I2";
      }
    }
    out.clear();
    run.waiting_max = std::max(run.waiting_max, run.waiting.size());
    if (sweep.done()) break;
    EXPECT_LT(++run.ticks, 100'000);
    EXPECT_GT(sweep.next_tick(), now) << "a shell that waits for it would turn for ever";
    now = std::max(sweep.next_tick(), now + 1ms);
  }
  EXPECT_THAT(run.waiting, IsEmpty());
  run.end = now;
  return run;
}
const auto kSilence = [](const IpAddress&, int) {};

TEST(PoolSweep, ASlash24IsDoneWithin300MillisecondsAndAskedTwice) {
  PoolSweep sweep(slash_24(), kBegin);
  const SweepRun run = play(sweep, kSilence);
  EXPECT_LE(run.end - kBegin, 300ms);
  EXPECT_THAT(run.asked, SizeIs(254));
  for (const auto& [address, times] : run.asked) EXPECT_EQ(times, 2) << address.to_string();
  EXPECT_LE(run.waiting_max, 120U);
  EXPECT_THAT(sweep.result().live, IsEmpty());
  EXPECT_EQ(sweep.result().asked, 254U);
  EXPECT_EQ(sweep.result().took, run.end - kBegin);
}

TEST(PoolSweep, APoolOf4096TakesThreeAndAHalfSeconds) {
  SweepSettings settings;
  settings.pools = {{ip(0, 0), ip(15, 255)}};
  PoolSweep sweep(settings, kBegin);
  const SweepRun run = play(sweep, kSilence);
  EXPECT_THAT(run.asked, SizeIs(4096));
  EXPECT_LE(run.end - kBegin, 3500ms);
}

TEST(PoolSweep, I3WhatCouldNotBeAskedIsAskedAgainUntilItCould) {
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
  EXPECT_EQ(left.at(ip(0, 9)), 3) << "one of its two was lost: two more";
  EXPECT_EQ(left.at(ip(0, 8)), 2) << "the others are not asked again";
  EXPECT_EQ(sweep.retries(), 2U);
  EXPECT_GE(run.end - kBegin, 2s) << "not in a hurry";
}

TEST(PoolSweep, OneThatCannotAskAtAllIsNeverDone) {
  PoolSweep sweep(slash_24(), kBegin);
  SweepActions out;
  std::size_t asked = 0;
  for (Instant now = kBegin; now < kBegin + 60s; now = std::max(sweep.next_tick(), now + 1ms)) {
    sweep.tick(now, out);
    for (const SweepAction& action : std::exchange(out, {})) {
      if (const auto* ask = std::get_if<Ask>(&action)) ++asked, sweep.not_asked(ask->address);
    }
    ASSERT_FALSE(sweep.done());
  }
  EXPECT_GE(sweep.retries(), 40U);
  EXPECT_LT(asked, 60U * 2 * 254U);
}

TEST(PoolSweep, FindsWhoAnswersTheFirstOrTheSecondQuestion) {
  PoolSweep sweep(slash_24(), kBegin);
  const SweepRun run = play(sweep, [&](const IpAddress& address, int times) {
    if (address == ip(0, 7)) { EXPECT_TRUE(sweep.heard(address, mac(7))); }
    if (address == ip(0, 254) && times == 2) { EXPECT_TRUE(sweep.heard(address, mac(9))); }
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

TEST(PoolSweep, ALateAnswerCountsUntilTheEndAndNoLonger) {
  PoolSweep sweep(slash_24(), kBegin);
  IpAddress first;
  const SweepRun run = play(sweep, [&](const IpAddress& address, int) {
    if (first.is_unspecified()) first = address;
    if (address == ip(0, 200)) { EXPECT_TRUE(sweep.heard(first, mac(1))); }
  });
  EXPECT_THAT(sweep.result().live, SizeIs(1));
  EXPECT_FALSE(sweep.heard(ip(0, 100), mac(2)));
  EXPECT_LE(run.end - kBegin, 300ms);
}

TEST(PoolSweep, NothingToAskIsDoneAtOnce) {
  PoolSweep sweep(SweepSettings{}, kBegin);
  EXPECT_LE(play(sweep, kSilence).end - kBegin, 50ms);
}

TEST(PoolSweep, PoolsOfIpv6AndWhatIsTooMuchAreLeftOut) {
  SweepSettings settings;
  settings.pools = {{IpAddress::v6({0xfd}), IpAddress::v6({0xfe})}, {ip(0, 0), IpAddress::v4({10, 1, 0, 9})}};
  settings.wait = 1ms;
  settings.burst_gap = 1ms;
  settings.burst = settings.in_flight = 10'000;
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
  settings.in_flight = *rc::gen::inRange<std::size_t>(1, 40);
  settings.wait = std::chrono::milliseconds(*rc::gen::inRange(1, 60));
  settings.burst_gap = std::chrono::milliseconds(*rc::gen::inRange(1, 30));
  const auto answering = *rc::gen::container<std::set<std::uint8_t>>(rc::gen::inRange<std::uint8_t>(0, 60));
  PoolSweep sweep(settings, kBegin);
  const SweepRun run = play(sweep, [&](const IpAddress& address, int times) {
    if (answering.count(address.bytes()[3]) != 0 && times == settings.rounds) sweep.heard(address, mac(address.bytes()[3]));
  });
  RC_ASSERT(run.waiting_max <= settings.in_flight);
  RC_ASSERT(run.asked.size() == sweep.result().asked);
  for (const auto& [address, times] : run.asked) RC_ASSERT(times == settings.rounds);
}

}  // namespace
}  // namespace fairlead::dnsdhcp
