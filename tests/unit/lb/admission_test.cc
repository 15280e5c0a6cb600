#include "lb/admission.h"

#include <latch>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    listener.id = 1;
    listener.name = "kube-api";
    listener.counters = std::make_shared<ListenerCounters>();
  }
  static IpAddress client(std::uint8_t n) { return IpAddress::v4({10, 0, 0, n}); }
  Admission ask(std::uint8_t n = 1, Duration later = {}) { return admit(listener, client(n), now + later, sources); }
  std::uint32_t current() const { return listener.counters->current.load(); }
  std::uint64_t shed() const { return listener.counters->shed.load(); }

  RouteListener listener;
  SourceCounts sources{1000, 42};
  Instant now{1h};
};

TEST_F(AdmissionTest, LetsEverybodyInWithoutLimits) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(), (Admission{Refusal::kNone, false}));
  EXPECT_EQ(current(), 100U);
  EXPECT_EQ(listener.counters->total.load(), 0U) << "the caller's to count";
  EXPECT_EQ(shed(), 0U);
  EXPECT_EQ(sources.used(), 0U);
}

TEST_F(AdmissionTest, DeniesWhoIsNotAllowedOrIsDenied) {
  listener.allow = PrefixSet{parse_ip_prefix("10.0.0.0/24").value()};
  listener.deny = PrefixSet{parse_ip_prefix("10.0.0.7/32").value()};

  EXPECT_TRUE(ask(1));
  EXPECT_EQ(ask(7).refusal, Refusal::kDenied);
  EXPECT_EQ(admit(listener, IpAddress::v4({10, 1, 0, 1}), now, sources).refusal, Refusal::kDenied);
  EXPECT_EQ(current(), 1U);
  EXPECT_EQ(shed(), 2U);
}

TEST_F(AdmissionTest, RefusesWhenTheListenerIsFullUntilOneLeaves) {
  listener.max_connections = 2;
  EXPECT_TRUE(ask());
  EXPECT_TRUE(ask());
  EXPECT_EQ(ask().refusal, Refusal::kListenerFull);

  leave(listener, client(1), false, sources);
  EXPECT_TRUE(ask());
}

TEST_F(AdmissionTest, RefusesBeyondTheRateOfTheListener) {
  listener.max_connection_rate = 3;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ask());
  EXPECT_EQ(ask().refusal, Refusal::kListenerRate);
  EXPECT_TRUE(ask(1, 2s));
  EXPECT_EQ(current(), 4U);
}

TEST_F(AdmissionTest, LimitsTheConnectionsOfOneSource) {
  listener.per_source_connections = 1;
  const Admission first = ask(1);
  EXPECT_EQ(first, (Admission{Refusal::kNone, true}));
  EXPECT_EQ(ask(1).refusal, Refusal::kSourceConnections);
  EXPECT_TRUE(ask(2));

  leave(listener, client(1), first.source_counted, sources);
  EXPECT_TRUE(ask(1));
  EXPECT_EQ(current(), 2U);
}

TEST_F(AdmissionTest, LimitsTheRateOfOneSource) {
  listener.per_source_rate = 2;
  EXPECT_TRUE(ask(1));
  EXPECT_TRUE(ask(1));
  EXPECT_EQ(ask(1).refusal, Refusal::kSourceRate);
  EXPECT_TRUE(ask(2));
}

TEST_F(AdmissionTest, HoldsNothingForARefusedConnection) {
  listener.per_source_connections = 100;
  listener.per_source_rate = 2;
  listener.max_connection_rate = 1;
  const Admission first = ask(1);
  EXPECT_TRUE(first);
  EXPECT_EQ(ask(1).refusal, Refusal::kListenerRate);
  EXPECT_EQ(ask(1).refusal, Refusal::kSourceRate);
  EXPECT_EQ(current(), 1U);
  EXPECT_EQ(sources.current(sources.key_of(listener.id, client(1))), 1U);

  leave(listener, client(1), first.source_counted, sources);
  EXPECT_EQ(sources.used(), 0U);
  EXPECT_EQ(current(), 0U);
}

TEST_F(AdmissionTest, SparesTheListenersRateFromASourceOverItsOwn) {
  listener.per_source_rate = 1;
  listener.max_connection_rate = 2;
  EXPECT_TRUE(ask(1));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(1).refusal, Refusal::kSourceRate);
  EXPECT_TRUE(ask(2));
}

TEST_F(AdmissionTest, AsksInTwoStepsWhenTheClientComesWithAProxyHeader) {
  listener.per_source_connections = 1;
  listener.max_connections = 2;
  listener.deny = PrefixSet{parse_ip_prefix("10.0.0.9/32").value()};

  ASSERT_EQ(admit_to_listener(listener, now), Refusal::kNone);
  const Admission first = admit_source(listener, client(1), now, sources);
  EXPECT_EQ(first, (Admission{Refusal::kNone, true}));

  ASSERT_EQ(admit_to_listener(listener, now), Refusal::kNone);
  EXPECT_EQ(admit_to_listener(listener, now), Refusal::kListenerFull);
  const Admission second = admit_source(listener, client(1), now, sources);
  EXPECT_EQ(second.refusal, Refusal::kSourceConnections);
  leave(listener, client(1), second.source_counted, sources);

  ASSERT_EQ(admit_to_listener(listener, now), Refusal::kNone);
  EXPECT_EQ(admit_source(listener, client(9), now, sources).refusal, Refusal::kDenied);
  leave(listener, client(9), false, sources);

  EXPECT_EQ(current(), 1U);
  EXPECT_EQ(shed(), 3U);
  leave(listener, client(1), first.source_counted, sources);
  EXPECT_EQ(current(), 0U);
  EXPECT_EQ(sources.used(), 0U);
}

TEST_F(AdmissionTest, HoldsEveryLimitWithFourThreads) {
  constexpr int kThreads = 4;
  listener.max_connections = 10;
  listener.max_connection_rate = 1000;
  listener.per_source_connections = 4;
  std::atomic<std::uint32_t> worst{0};
  std::atomic<int> admitted{0};
  std::atomic<int> refused{0};
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::pair<std::uint8_t, bool>> held;
      start.arrive_and_wait();
      for (int i = 0; i < 3000; ++i) {
        const auto n = static_cast<std::uint8_t>((i * 7 + t) % 5);
        if (const Admission a = admit(listener, client(n), now, sources)) {
          held.emplace_back(n, a.source_counted);
          admitted.fetch_add(1);
        } else {
          refused.fetch_add(1);
        }
        const std::uint32_t seen = current();
        if (seen > worst.load()) worst.store(seen);
        if (held.size() > 2) {
          leave(listener, client(held.back().first), held.back().second, sources);
          held.pop_back();
        }
      }
      for (const auto& [n, counted] : held) leave(listener, client(n), counted, sources);
    });
  }
  for (std::thread& t : threads) t.join();

  EXPECT_LE(worst.load(), 10U);
  EXPECT_EQ(current(), 0U);
  EXPECT_EQ(sources.used(), 0U);
  EXPECT_EQ(admitted.load(), 1000);  // All in one second.
  EXPECT_EQ(shed(), static_cast<std::uint64_t>(refused.load()));
}

TEST(Refusal, HasANameForEveryCause) {
  for (const auto refusal : {Refusal::kDenied, Refusal::kListenerFull, Refusal::kListenerRate, Refusal::kSourceConnections,
                             Refusal::kSourceRate, Refusal::kProcessFull}) {
    EXPECT_NE(to_string(refusal), "unknown");
  }
}

}  // namespace
}  // namespace fairlead::lb
