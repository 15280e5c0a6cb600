// A server's address by name: sticky, and never lost to a dead resolver.
#include "lb/resolver_tracker.h"

#include <gtest/gtest.h>
#include <random>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

Endpoint at(std::uint8_t last) { return {IpAddress::v4({10, 0, 0, last}), 6443}; }
ResolveAnswer found(std::initializer_list<std::uint8_t> hosts) {
  ResolveAnswer answer{.outcome = ResolveOutcome::kFound};
  for (const std::uint8_t h : hosts) answer.endpoints.push_back(at(h));
  return answer;
}
const ResolveAnswer kNoSuchName{.outcome = ResolveOutcome::kNotFound, .error = "Name or service not known"};
const ResolveAnswer kDead{.outcome = ResolveOutcome::kFailed, .error = "Temporary failure in name resolution"};

class ResolveTrackerTest : public ::testing::Test {
 protected:
  ResolveTracker::Change ask(const ResolveAnswer& answer) {
    now = std::max(now, tracker.next_deadline());
    const auto token = tracker.start(now);
    now += 1ms;
    return tracker.answered(token, answer, now);
  }
  Instant now{1h};
  ResolveTracker tracker{config::Resolve{.interval = 5s, .hold = 30s}, now};
};

TEST_F(ResolveTrackerTest, AsksAtOnceThenEveryInterval) {
  EXPECT_TRUE(tracker.due(now));
  EXPECT_TRUE(ask(found({1})).endpoint_changed);
  EXPECT_EQ(tracker.endpoint(), at(1));
  EXPECT_EQ(tracker.next_deadline() - now, 5s);
}

TEST_F(ResolveTrackerTest, AsksEverySecondUntilTheFirstAnswer) {
  const auto change = ask(kDead);
  EXPECT_TRUE(change.failure_began);
  EXPECT_FALSE(change.endpoint_changed);
  EXPECT_EQ(tracker.next_deadline() - now, 1s);
  EXPECT_FALSE(ask(kDead).failure_began) << "one log line is enough";
}

TEST_F(ResolveTrackerTest, KeepsTheAddressWhileItIsAmongTheAnswers) {
  (void)ask(found({1, 2, 3}));
  EXPECT_FALSE(ask(found({3, 2, 1})).endpoint_changed);
  EXPECT_EQ(tracker.endpoint(), at(1));
  EXPECT_TRUE(ask(found({3, 2})).endpoint_changed);
  EXPECT_EQ(tracker.endpoint(), at(3));
}

TEST_F(ResolveTrackerTest, ADeadResolverNeverTakesTheServerAway) {
  (void)ask(found({1}));
  const Instant end = now + 24h;
  while (now < end) EXPECT_FALSE(ask(kDead).endpoint_changed);
  EXPECT_EQ(tracker.endpoint(), at(1));
  EXPECT_EQ(tracker.error(), kDead.error);
}

TEST_F(ResolveTrackerTest, ANameThatIsGoneTakesTheServerAwayAfterHold) {
  (void)ask(found({1}));
  const Instant good = now;
  while (!ask(kNoSuchName).endpoint_changed) EXPECT_EQ(tracker.endpoint(), at(1));
  EXPECT_FALSE(tracker.endpoint());
  EXPECT_GE(now - good, 30s);
  EXPECT_LE(now - good, 36s);
  EXPECT_TRUE(ask(found({2})).endpoint_changed);
  EXPECT_TRUE(tracker.error().empty());
}

TEST_F(ResolveTrackerTest, AnEmptyAnswerIsNoAnswer) {
  (void)ask(found({1}));
  EXPECT_FALSE(ask(found({})).endpoint_changed);
  EXPECT_EQ(tracker.endpoint(), at(1));
}

TEST_F(ResolveTrackerTest, IgnoresAnswersToEarlierQuestions) {
  const auto lost = tracker.start(now);
  EXPECT_FALSE(tracker.due(now + 1min));
  now = tracker.next_deadline();
  const auto token = tracker.start(now);
  EXPECT_FALSE(tracker.answered(lost, found({9}), now).endpoint_changed);
  EXPECT_TRUE(tracker.answered(token, found({1}), now).endpoint_changed);
  EXPECT_FALSE(tracker.answered(token, found({2}), now).endpoint_changed) << "twice";
}

TEST_F(ResolveTrackerTest, TriesAgainSoonWhenTheResolverHadNoRoom) {
  const auto token = tracker.start(now);
  tracker.refused(token, now);
  EXPECT_EQ(tracker.next_deadline() - now, 1s);
}

TEST(ResolveTrackerSim, HoldsInvariantsOnEverySeed) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937_64 rng(seed);
    Instant now{1h};
    const config::Resolve settings{.interval = 5s, .hold = 30s};
    ResolveTracker tracker(settings, now);
    std::optional<Instant> good;
    for (int i = 0; i < 300; ++i) {
      ASSERT_LE(tracker.next_deadline() - now, settings.interval + 1s) << "I4 seed " << seed;
      now = std::max(now, tracker.next_deadline()) + std::chrono::milliseconds(rng() % 1000);
      const auto token = tracker.start(now);
      const auto before = tracker.endpoint();
      const unsigned what = static_cast<unsigned>(rng() % 3);
      const std::uint8_t a = static_cast<std::uint8_t>(rng() % 4);
      const std::uint8_t b = static_cast<std::uint8_t>(rng() % 4);
      (void)tracker.answered(token, what == 0 ? found({a, b}) : what == 1 ? kNoSuchName : kDead, now);
      if (what == 0) {
        ASSERT_TRUE(tracker.endpoint() == at(a) || tracker.endpoint() == at(b)) << "seed " << seed;
        if (before == at(a) || before == at(b)) { ASSERT_EQ(tracker.endpoint(), before) << "I3 seed " << seed; }
        good = now;
      } else if (what == 2 || (good && now - *good < settings.hold)) {
        ASSERT_EQ(tracker.endpoint(), before) << "I1/I2 seed " << seed;
      }
    }
  }
}

TEST(IsSrvName, KnowsServiceNames) {
  EXPECT_TRUE(is_srv_name("_https._tcp.kube.demo"));
  EXPECT_TRUE(is_srv_name("_etcd-server-ssl._tcp.kube.demo"));
  for (const char* host : {"mast-1.kube.demo", "_https.kube.demo", "_tcp.kube.demo", "_", "", "_._tcp.x", "https._tcp.kube.demo"})
    EXPECT_FALSE(is_srv_name(host)) << host;
}

}  // namespace
}  // namespace fairlead::lb
