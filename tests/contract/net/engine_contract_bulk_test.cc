// Contract C8: bulk directions move through pipes, byte-exact, and end for the right reasons.
#include <cerrno>

#include "tests/contract/net/engine_contract.h"

namespace fairlead::net {
namespace {

using namespace support;

constexpr std::uint64_t kMiB = 1024 * 1024;

class EngineContractBulk : public EngineContract {
 protected:
  /// Lets the first bytes through by buffers, then asks for bulk and waits until it runs.
  void start_bulk(EngineDriver::Relay& relay) {
    ASSERT_TRUE(driver().run_until([&] { return relay.from.received > 0; }));
    driver().bulk_prepare(relay.from);
    ASSERT_TRUE(driver().run_until([&] { return relay.from.bulk == BulkState::kOn; }));
  }
  void expect_all(const EngineDriver::Relay& relay, std::uint64_t bytes) {
    ASSERT_TRUE(driver().run_until([&] { return relay.drain.eof(); }));
    EXPECT_EQ(relay.drain.received(), bytes);
    EXPECT_EQ(relay.drain.first_wrong(), std::nullopt);
    driver().settle();
    EXPECT_EQ(relay.from.received, bytes);
    EXPECT_EQ(relay.from.moved, engine().counters().bulk_bytes);
  }
};

TEST_P(EngineContractBulk, MovesBytesAndTheEndOfFileByteExact) {
  auto relay = driver().make_relay(family());
  relay.source.chunk_max = relay.drain.chunk_max = 60'000;
  relay.source.send_more(16 * kMiB);
  relay.source.fin_after_send = true;

  start_bulk(relay);
  expect_all(relay, 16 * kMiB);

  EXPECT_GT(relay.from.moved, 8 * kMiB);
  EXPECT_EQ(engine().counters().bulk_starts, 1U);
}

// Asked for again and again, in whatever state the direction is: with a stalling drain, small buffers and a FIN at some moment.
TEST_P(EngineContractBulk, ComesAndGoesInEveryStateWithoutLosingAByte) {
  Prng prng(17);
  for (int round = 0; round < 8; ++round) {
    auto relay = driver().make_relay(family(), round % 2 == 0 ? 32 * 1024 : 0);
    relay.source.chunk_max = round % 4 < 2 ? 20'000 : 500;
    const std::uint64_t bytes = round % 4 < 2 ? 2 * kMiB : kMiB / 8;
    relay.source.send_more(bytes);
    relay.source.fin_after_send = true;
    ASSERT_TRUE(driver().run_until([&] {
      if (prng.below(6) == 0) relay.drain.reading = !relay.drain.reading;
      if (relay.from.reads && relay.from.bulk == BulkState::kOff && !relay.from.eof && prng.below(4) == 0)
        driver().bulk_prepare(relay.from);
      return relay.from.eof;
    })) << "round "
        << round;
    relay.drain.reading = true;
    ASSERT_TRUE(driver().run_until([&] { return relay.drain.eof(); }));
    EXPECT_EQ(relay.drain.received(), bytes);
    EXPECT_EQ(relay.drain.first_wrong(), std::nullopt) << "round " << round;
  }
  EXPECT_GT(engine().counters().bulk_starts, 0U);
}

// Small segments fill the pipe's slots long before its bytes. What stays behind in the socket makes no new edge, and the FIN is there
// already: only looking again after each write finds it. Rescue by the sweep would show as an end of bulk.
TEST_P(EngineContractBulk, APipeFullOfCrumbsDoesNotStall) {
  auto relay = driver().make_relay(family());
  relay.source.chunk_max = relay.drain.chunk_max = 60'000;
  relay.drain.reading = false;
  std::uint64_t bytes = 1000;
  relay.source.send_more(bytes);
  start_bulk(relay);
  for (std::uint64_t before = 0; relay.from.moved > before || before == 0;) {  // Until the drain's side is full.
    before = relay.from.moved;
    relay.source.send_more(kMiB / 2);
    bytes += kMiB / 2;
    driver().settle();
  }
  relay.source.chunk_max = 50;
  relay.source.send_more(50'000);
  bytes += 50'000;
  relay.source.fin_after_send = true;
  ASSERT_TRUE(driver().run_until([&] { return relay.source.unsent() == 0; }));
  driver().settle();

  relay.drain.reading = true;

  expect_all(relay, bytes);
  EXPECT_EQ(relay.from.bulk_ends, 0);
}

TEST_P(EngineContractBulk, EndsWhenItIsNotBulkAnyMore) {
  auto relay = driver().make_relay(family());
  relay.source.send_more(kMiB);
  start_bulk(relay);

  std::uint64_t bytes = kMiB;
  ASSERT_TRUE(driver().run_until([&] {
    if (relay.source.unsent() == 0 && relay.drain.received() == bytes) {
      relay.source.send_more(100);
      bytes += 100;
    }
    return relay.from.bulk_ends > 0;
  }));

  relay.source.send_more(5000);
  relay.source.fin_after_send = true;
  expect_all(relay, bytes + 5000);
  EXPECT_EQ(relay.from.bulk_ends, 1);
}

// A pipe must not be held by a direction that says nothing.
TEST_P(EngineContractBulk, EndsWhenNothingMovesAnyMore) {
  auto relay = driver().make_relay(family());
  relay.source.send_more(kMiB);
  start_bulk(relay);
  ASSERT_TRUE(driver().run_until([&] { return relay.drain.received() == kMiB; }));

  ASSERT_TRUE(driver().run_until([&] { return relay.from.bulk_ends == 1; }));
  relay.source.send_more(1000);
  relay.source.fin_after_send = true;
  expect_all(relay, kMiB + 1000);
}

// The start itself is no reason to end: at least one sweep interval passes before silence counts.
TEST_P(EngineContractBulk, DoesNotEndRightAfterItsStart) {
  auto relay = driver().make_relay(family());
  relay.source.send_more(1000);
  start_bulk(relay);

  driver().settle();

  EXPECT_EQ(relay.from.bulk_ends, 0);
}

TEST_P(EngineContractBulk, WithoutPipesItIsRefusedAndBuffersGoOn) {
  remake({.faults = fault_plan(), .engine = {.pipes_max = 0}});
  auto relay = driver().make_relay(family());
  relay.source.send_more(2 * kMiB);
  relay.source.fin_after_send = true;
  ASSERT_TRUE(driver().run_until([&] { return relay.from.received > 0; }));

  driver().bulk_prepare(relay.from);

  expect_all(relay, 2 * kMiB);
  EXPECT_EQ(relay.from.bulk_refusals, 1);
  EXPECT_EQ(relay.from.moved, 0U);
}

TEST_P(EngineContractBulk, PipesAreReusedAndBounded) {
  remake({.faults = fault_plan(), .engine = {.pipes_max = 2}});
  const std::size_t before = open_fds();
  for (int round = 0; round < 5; ++round) {
    auto one = driver().make_relay(family());
    auto two = driver().make_relay(family());
    auto three = driver().make_relay(family());
    for (auto* relay : {&one, &two, &three}) {
      relay->source.send_more(4 * kMiB);
      relay->source.fin_after_send = true;
      ASSERT_TRUE(driver().run_until([&] { return relay->from.received > 0; }));
      driver().bulk_prepare(relay->from);
    }
    for (auto* relay : {&one, &two, &three}) {
      ASSERT_TRUE(driver().run_until([&] { return relay->drain.eof(); }));
      EXPECT_EQ(relay->drain.received(), 4 * kMiB);
      EXPECT_EQ(relay->drain.first_wrong(), std::nullopt);
      relay->source.close();
      relay->drain.close();
    }
    driver().close_all();
  }
  EXPECT_LE(open_fds(), before + 4);
  EXPECT_GE(engine().counters().bulk_starts, 5U);
}

// RST of either end while bytes move, while the pipe is full, and while nothing moves.
TEST_P(EngineContractBulk, AnRstOfEitherEndIsReported) {
  for (const bool of_source : {true, false}) {
    for (const int state : {0, 1, 2}) {
      SCOPED_TRACE(testing::Message() << (of_source ? "source" : "drain") << " in state " << state);
      auto relay = driver().make_relay(family());
      relay.source.send_more(kMiB);
      start_bulk(relay);
      if (state == 0) relay.source.send_more(64 * kMiB);
      if (state == 1) {
        relay.drain.reading = false;
        relay.source.send_more(64 * kMiB);
        driver().settle();
      }
      const std::uint64_t expected = state == 2 ? kMiB : 0;
      ASSERT_TRUE(driver().run_until([&] { return relay.drain.received() >= expected; }));
      driver().turn();

      (of_source ? relay.source : relay.drain).reset();

      const Life& broken = of_source ? relay.from : relay.to;
      ASSERT_TRUE(driver().run_until([&] { return broken.error.has_value(); }));
      EXPECT_TRUE(broken.error == ECONNRESET || broken.error == EPIPE) << *broken.error;
      relay.source.close();
      relay.drain.close();
      driver().close_all();
    }
  }
}

// Between kBulkReady and the start there may be a long wait for a slow drain; the source's RST must be seen in it.
TEST_P(EngineContractBulk, AnRstBeforeTheStartIsReported) {
  auto relay = driver().make_relay(family());
  relay.drain.reading = false;
  relay.source.send_more(64 * kMiB);
  driver().settle();
  ASSERT_GT(relay.to.in_flight, 0U);
  driver().want_read(relay.from, true);
  driver().bulk_prepare(relay.from);
  driver().settle();
  ASSERT_EQ(relay.from.bulk, BulkState::kReady);

  relay.source.reset();

  EXPECT_TRUE(driver().run_until([&] { return relay.from.error.has_value(); }));
}

TEST_P(EngineContractBulk, EitherEndMayBeClosedAtAnyMoment) {
  for (int round = 0; round < 24; ++round) {
    auto relay = driver().make_relay(family());
    relay.source.send_more(32 * kMiB);
    start_bulk(relay);
    if (round % 4 == 0) relay.drain.reading = false;
    for (int i = round % 3; i > 0; --i) driver().turn();

    Life& first = round % 2 == 0 ? relay.from : relay.to;
    driver().close(first, round % 8 < 4);
    ASSERT_TRUE(driver().run_until([&] { return first.closed; })) << "round " << round;
    const std::uint64_t moved = engine().counters().bulk_bytes;
    driver().settle();
    EXPECT_EQ(engine().counters().bulk_bytes, moved);
    relay.source.close();
    relay.drain.close();
    driver().close_all();
  }
}

// C7 for pipes: the source has sent its FIN, the pipe is full, the drain does not read.
TEST_P(EngineContractBulk, AHalfClosedSourceBehindAFullPipeCostsNoCpu) {
  auto relay = driver().make_relay(family());
  relay.drain.reading = false;
  relay.source.send_more(1000);
  start_bulk(relay);
  relay.source.send_more(8 * kMiB);
  relay.source.fin_after_send = true;
  driver().settle();
  const std::uint64_t turns = driver().turns();
  const Duration cpu = process_cpu();
  const Instant end = monotonic_now() + std::chrono::milliseconds(300);

  while (monotonic_now() < end) driver().turn(end - monotonic_now());

  EXPECT_LT(driver().turns() - turns, 50U);
  EXPECT_LT(process_cpu() - cpu, std::chrono::milliseconds(30));
  relay.drain.reading = true;
  relay.drain.chunk_max = 60'000;
  expect_all(relay, 1000 + 8 * kMiB);
}

TEST_P(EngineContractBulk, DestructionWithAFullPipeGivesEverythingBack) {
  auto relay = driver().make_relay(family());
  relay.drain.reading = false;
  relay.source.send_more(64 * kMiB);
  start_bulk(relay);
  driver().settle();

  driver().finish();

  EXPECT_GT(relay.from.moved, 0U);
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineContractBulk, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::net
