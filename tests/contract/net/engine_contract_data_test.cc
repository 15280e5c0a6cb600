// Contract: bytes in both directions, ends of file, pausing and back-pressure (C2, C4, C5).
#include <cerrno>
#include <vector>

#include "base/sockaddr.h"
#include "tests/contract/net/engine_contract.h"

namespace fairlead::net {
namespace {

using namespace support;

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST_P(EngineContract, EchoesMegabytesByteExactInRandomChunks) {
  struct Flow {
    Life* life;
    Peer* peer;
  };
  std::vector<Flow> flows;
  for (const std::size_t chunk : {50'000UL, 5'000UL, 20'000UL, 700UL}) {
    auto [ours, theirs] = make_tcp_pair(family());
    Life& life = driver().adopt(std::move(ours));
    life.echo = true;
    Peer& peer = driver().add_peer(std::move(theirs), life);
    peer.chunk_max = chunk;
    peer.send_more(chunk < 1000 ? kMiB / 8 : 2 * kMiB);
    peer.fin_after_send = true;
    driver().want_read(life, true);
    flows.push_back({&life, &peer});
  }

  ASSERT_TRUE(driver().run_until([&] {
    return std::all_of(flows.begin(), flows.end(), [](const Flow& f) { return f.life->eof && f.peer->received() == f.peer->sent(); });
  }));

  driver().settle();
  for (const Flow& f : flows) {
    EXPECT_EQ(f.life->received, f.peer->sent());
    EXPECT_EQ(f.peer->first_wrong(), std::nullopt);
    EXPECT_EQ(f.life->sent, f.life->received);
  }
}

TEST_P(EngineContract, SendsAndReceivesAtTheSameTimeByteExact) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  life.to_send = 3 * kMiB;
  peer.send_more(3 * kMiB);

  ASSERT_TRUE(driver().run_until([&life = life] { return life.received == 3 * kMiB && life.sent == 3 * kMiB; }));
  ASSERT_TRUE(driver().run_until([&peer = peer] { return peer.received() == 3 * kMiB; }));

  EXPECT_EQ(peer.first_wrong(), std::nullopt);
}

TEST_P(EngineContract, ReportsTheEndOfFileOnceAfterAllData) {
  auto [life, peer] = driver().make_pair(family());
  peer.send_more(300'000);
  peer.fin_after_send = true;
  driver().want_read(life, true);

  ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; }));
  EXPECT_EQ(life.received, 300'000U);
  driver().settle();  // A second kEof would fail in the driver.
}

// The whole stream and its FIN lie in the socket before the first byte is read: no edge will announce the end.
TEST_P(EngineContract, FindsAnEndOfFileThatCameBeforeReadingBegan) {
  for (const std::uint64_t bytes : {0UL, 1UL, 100UL, kBufferBytes, kBufferBytes + 1, 3 * kBufferBytes}) {
    auto [life, peer] = driver().make_pair(family());
    peer.send_more(bytes);
    peer.fin_after_send = true;
    ASSERT_TRUE(driver().run_until([&peer = peer] { return peer.unsent() == 0; }));
    driver().settle();
    ASSERT_EQ(life.data_events, 0U);

    driver().want_read(life, true);

    ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; })) << bytes << " bytes";
    EXPECT_EQ(life.received, bytes);
  }
}

TEST_P(EngineContract, APeerThatHalfClosedStillReceives) {
  auto [life, peer] = driver().make_pair(family());
  peer.send_more(10'000);
  peer.fin_after_send = true;
  driver().want_read(life, true);
  ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; }));

  life.to_send = 2 * kMiB;
  ASSERT_TRUE(driver().run_until([&peer = peer] { return peer.received() == 2 * kMiB; }));
  ASSERT_TRUE(driver().run_until([&life = life] { return life.in_flight == 0; }));
  driver().shutdown_write(life);

  ASSERT_TRUE(driver().run_until([&peer = peer] { return peer.eof(); }));
  EXPECT_EQ(peer.first_wrong(), std::nullopt);
  EXPECT_FALSE(life.error.has_value());
}

TEST_P(EngineContract, AfterOurHalfCloseThePeerIsStillRead) {
  auto [life, peer] = driver().make_pair(family());
  life.to_send = 10'000;
  ASSERT_TRUE(driver().run_until([&life = life] { return life.sent == 10'000; }));
  driver().shutdown_write(life);
  ASSERT_TRUE(driver().run_until([&peer = peer] { return peer.eof(); }));
  EXPECT_EQ(peer.received(), 10'000U);

  driver().want_read(life, true);
  peer.send_more(2 * kMiB);
  peer.fin_after_send = true;

  ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; }));
  EXPECT_EQ(life.received, 2 * kMiB);
  EXPECT_FALSE(life.error.has_value());
}

TEST_P(EngineContract, BothSidesMayHalfCloseAtTheSameTime) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);

  driver().shutdown_write(life);
  peer.shutdown_write();

  ASSERT_TRUE(driver().run_until([&life = life, &peer = peer] { return life.eof && peer.eof(); }));
  driver().settle();
  EXPECT_FALSE(life.error.has_value());
}

// C5, data: a paused socket gives nothing that came after the pause took hold.
TEST_P(EngineContract, WithholdsDataWhileReadingIsOff) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  peer.send_more(5000);
  ASSERT_TRUE(driver().run_until([&life = life] { return life.received == 5000; }));
  driver().want_read(life, false);
  driver().settle();

  peer.send_more(7000);
  driver().settle();
  EXPECT_EQ(peer.unsent(), 0U);
  EXPECT_EQ(life.received, 5000U);

  driver().want_read(life, true);
  ASSERT_TRUE(driver().run_until([&life = life] { return life.received == 12'000; }));
}

TEST_P(EngineContract, NothingIsReadBeforeReadingIsAskedFor) {
  auto [life, peer] = driver().make_pair(family());
  peer.send_more(100);
  peer.fin_after_send = true;

  driver().settle();

  EXPECT_EQ(life.data_events, 0U);
  EXPECT_FALSE(life.eof);
}

// C5, end of file: withheld (the driver fails on a kEof while reading is off), then reported.
TEST_P(EngineContract, WithholdsTheEndOfFileWhileReadingIsOff) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  driver().settle();
  driver().want_read(life, false);
  driver().settle();
  peer.send_more(3000);
  peer.fin_after_send = true;
  driver().settle();
  EXPECT_EQ(life.received, 0U);
  EXPECT_FALSE(life.eof);

  driver().want_read(life, true);

  ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; }));
  EXPECT_EQ(life.received, 3000U);
}

// The FIN and the pause cross: reading is switched off in the turn in which the end is found.
TEST_P(EngineContract, APauseAndAnEndOfFileThatCrossLoseNothing) {
  for (int round = 0; round < 50; ++round) {
    auto [life, peer] = driver().make_pair(family());
    peer.send_more(100);
    peer.fin_after_send = true;
    driver().want_read(life, true);
    if (round % 2 == 0) driver().turn();
    driver().want_read(life, false);
    driver().turn();
    driver().turn();

    driver().want_read(life, true);

    ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; })) << "round " << round;
    ASSERT_EQ(life.received, 100U);
    driver().close(life);
  }
}

TEST_P(EngineContract, SwitchingReadingOffAndOnInOneTurnLosesNothing) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  peer.send_more(2 * kMiB);
  peer.fin_after_send = true;
  Prng prng(3);
  life.then = [&, &life = life](Life&, const Event& event) {
    if (event.kind != EventKind::kData) return;
    for (std::uint32_t i = prng.below(4); i > 0; --i) driver().want_read(life, !life.reads);
  };

  ASSERT_TRUE(driver().run_until([&, &life = life] {
    if (!life.reads && prng.below(2) == 0) driver().want_read(life, true);
    return life.eof;
  }));

  EXPECT_EQ(life.received, 2 * kMiB);
}

TEST_P(EngineContract, APausedReaderStopsItsSender) {
  auto [ours, theirs] = make_tcp_pair(family(), 32 * 1024);
  Life& life = driver().adopt(std::move(ours));
  Peer& peer = driver().add_peer(std::move(theirs), life);
  driver().want_read(life, true);
  driver().settle();
  driver().want_read(life, false);
  driver().settle();
  peer.send_more(4 * kMiB);
  driver().settle();
  driver().settle();
  EXPECT_LT(peer.sent(), kMiB);
  EXPECT_EQ(life.received, 0U);

  driver().want_read(life, true);

  ASSERT_TRUE(driver().run_until([&] { return life.received == 4 * kMiB; }));
}

TEST_P(EngineContract, ASenderStopsWhenThePeerDoesNotReadAndGoesOnWhenItDoes) {
  for (const std::uint32_t blocks : {1U, 4U}) {
    auto [life, peer] = driver().make_pair(family());
    const std::uint64_t blocked = engine().counters().blocked_sends;
    const std::uint64_t batched = engine().counters().batched_sends;
    peer.reading = false;
    life.blocks_per_send_max = blocks;
    life.to_send = 16 * kMiB;
    driver().settle();
    EXPECT_LT(life.sent, 16 * kMiB);
    EXPECT_GT(life.in_flight, 0U);
    EXPECT_GT(engine().counters().blocked_sends, blocked);

    peer.reading = true;
    peer.chunk_max = 60'000;

    ASSERT_TRUE(driver().run_until([&peer = peer, &life = life] { return peer.received() == 16 * kMiB && life.sent == 16 * kMiB; }));
    EXPECT_EQ(peer.first_wrong(), std::nullopt);
    EXPECT_EQ(life.in_flight, 0U);
    if (GetParam().kind == EngineKind::kUringBatched) { EXPECT_GT(engine().counters().batched_sends, batched); }
  }
}

// The echo with a reader that stalls again and again: queues fill, reading is paused and resumed, sends block, all interleaved.
TEST_P(EngineContract, AnEchoToAStallingReaderStaysByteExact) {
  auto [ours, theirs] = make_tcp_pair(family(), 32 * 1024);
  Life& life = driver().adopt(std::move(ours));
  life.echo = true;
  Peer& peer = driver().add_peer(std::move(theirs), life);
  peer.send_more(2 * kMiB);
  peer.fin_after_send = true;
  driver().want_read(life, true);
  Prng prng(11);

  ASSERT_TRUE(driver().run_until([&] {
    if (prng.below(8) == 0) peer.reading = !peer.reading;
    return peer.received() == 2 * kMiB && life.eof;
  }));

  EXPECT_EQ(peer.first_wrong(), std::nullopt);
}

// C4 with a chain longer than one sendmsg takes, of blocks with odd lengths; the driver adds kSent up.
TEST_P(EngineContract, SendsALongChainInOrder) {
  auto [life, peer] = driver().make_pair(family());
  const std::size_t bytes = 150 * 1013;

  ASSERT_TRUE(driver().send(life, bytes, /*block_max=*/1013));
  ASSERT_TRUE(driver().run_until([&peer = peer] { return peer.received() == bytes; }));
  ASSERT_TRUE(driver().run_until([&life = life] { return life.in_flight == 0; }));

  EXPECT_EQ(life.sent, bytes);
  EXPECT_EQ(peer.first_wrong(), std::nullopt);
}

// C2: a sender's blocks come back as the bytes leave, before the peer has read them.
TEST_P(EngineContract, BlocksOfACompletedSendAreBack) {
  auto [life, peer] = driver().make_pair(family());
  driver().settle();
  peer.reading = false;
  const std::size_t before = driver().pool().used();

  ASSERT_TRUE(driver().send(life, 20'000, /*block_max=*/1000));
  ASSERT_TRUE(driver().run_until([&life = life] { return life.in_flight == 0; }));
  driver().settle();

  EXPECT_EQ(driver().pool().used(), before);
}

}  // namespace
}  // namespace fairlead::net
