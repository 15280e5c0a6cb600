// Contract: how connections end. close() at every point, RST at every point, destruction (C2, C3, C6).
#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <vector>

#include "base/sockaddr.h"
#include "tests/contract/net/engine_contract.h"

namespace fairlead::net {
namespace {

using namespace support;

constexpr std::uint64_t kMiB = 1024 * 1024;

bool gone(const Peer& peer) { return peer.eof() || peer.error() != 0; }

TEST_P(EngineContract, ClosePlainlyIsAnEndOfFileForThePeer) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  driver().settle();

  driver().close(life, /*reset=*/false);

  ASSERT_TRUE(driver().run_until([&life = life, &peer = peer] { return life.closed && gone(peer); }));
  EXPECT_TRUE(peer.eof());
  EXPECT_EQ(peer.error(), 0);
}

TEST_P(EngineContract, CloseWithResetIsAnRstForThePeer) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  driver().settle();

  driver().close(life, /*reset=*/true);

  ASSERT_TRUE(driver().run_until([&life = life, &peer = peer] { return life.closed && gone(peer); }));
  EXPECT_EQ(peer.error(), ECONNRESET);
}

TEST_P(EngineContract, CloseRightAfterAdopting) {
  for (const bool reset : {false, true}) {
    for (const bool reading : {false, true}) {
      auto [life, peer] = driver().make_pair(family());
      if (reading) driver().want_read(life, true);

      driver().close(life, reset);

      ASSERT_TRUE(driver().run_until([&life = life, &peer = peer] { return life.closed && gone(peer); }));
      EXPECT_EQ(peer.error(), reset ? ECONNRESET : 0);
    }
  }
}

TEST_P(EngineContract, CloseWhileDataArrives) {
  for (int round = 0; round < 40; ++round) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    peer.send_more(200'000);
    for (int i = round % 5; i > 0; --i) driver().turn();

    driver().close(life, round % 2 == 0);

    ASSERT_TRUE(driver().run_until([&life = life, &peer = peer] { return life.closed && gone(peer); })) << "round " << round;
  }
}

/// Were the block back in the pool with close(), the next one would send from it: an engine that has not handed the send over by then would
/// send the wrong bytes.
TEST_P(EngineContract, WhatWasSentRightBeforeACloseIsNotOverwritten) {
  constexpr std::size_t kReply = 8000;
  for (const bool reset : {false, true}) {
    std::vector<EngineDriver::Pair> pairs;
    for (int i = 0; i < 16; ++i) {
      pairs.push_back(driver().make_pair(family()));
      Life& life = pairs.back().life;
      driver().want_read(life, true);
      life.then = [this, reset](Life& l, const Event& event) {
        if (event.kind != EventKind::kData || l.closing) return;
        ASSERT_TRUE(driver().send(l, kReply));
        driver().close(l, reset);
      };
    }
    driver().settle();
    for (const auto& pair : pairs) pair.peer.send_more(100);  // All in one turn.

    ASSERT_TRUE(driver().run_until(
        [&] { return std::all_of(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.life.closed && gone(pair.peer); }); }));
    for (const auto& pair : pairs) {
      EXPECT_EQ(pair.peer.first_wrong(), std::nullopt);
      if (!reset && !GetParam().faulty) { EXPECT_EQ(pair.peer.received(), kReply); }
    }
  }
  if (GetParam().kind == EngineKind::kUringBatched) { EXPECT_GT(engine().counters().batched_sends, 0U); }
}

TEST_P(EngineContract, CloseGivesTheBlocksOfASendInFlightBack) {
  for (const bool reset : {false, true}) {
    auto [life, peer] = driver().make_pair(family());
    driver().settle();
    const std::size_t before = driver().pool().used();
    peer.reading = false;
    life.to_send = 16 * kMiB;
    driver().settle();
    ASSERT_GT(life.in_flight, 0U);
    const std::uint64_t taken = life.sent;

    driver().close(life, reset);
    ASSERT_TRUE(driver().run_until([&life = life] { return life.closed; }));
    driver().settle();

    EXPECT_LE(driver().pool().used(), before);
    peer.reading = true;
    ASSERT_TRUE(driver().run_until([&peer = peer] { return gone(peer); }));
    EXPECT_EQ(peer.first_wrong(), std::nullopt);
    EXPECT_GE(peer.received(), reset ? 0 : taken);  // What kSent reported was the kernel's to deliver.
  }
}

// A close from inside each kind of event, of the socket that the event is about.
TEST_P(EngineContract, CloseFromInsideAnyEvent) {
  for (const EventKind at : {EventKind::kConnected, EventKind::kData, EventKind::kSent, EventKind::kEof, EventKind::kError}) {
    const Fd listener = make_listener(family());
    Life& life = driver().connect(make_socket(family()), local_of(listener.get()));
    life.then = [&, at](Life& l, const Event& event) {
      if (event.kind == at) return driver().close(l, /*reset=*/true);
      if (event.kind != EventKind::kConnected) return;
      driver().want_read(l, true);
      l.to_send = 1000;
    };
    driver().turn();
    auto accepted = accept_one(listener.get());
    ASSERT_TRUE(accepted.has_value());
    Peer& peer = driver().add_peer(std::move(*accepted), life);
    if (at == EventKind::kError) {
      ASSERT_TRUE(driver().run_until([&] { return life.connected.has_value(); }));
      peer.reset();
    } else {
      peer.send_more(50'000);
      peer.fin_after_send = at == EventKind::kEof;
    }

    ASSERT_TRUE(driver().run_until([&] { return life.closed; })) << "in event " << static_cast<int>(at);
  }
}

// One socket's event closes its neighbour, whose own events may already be waiting in the same turn.
TEST_P(EngineContract, CloseOfANeighbourFromInsideAnEvent) {
  for (int round = 0; round < 30; ++round) {
    auto [one, one_peer] = driver().make_pair(family());
    auto [two, two_peer] = driver().make_pair(family());
    const auto close_other = [&](Life& other) {
      return [&](Life& l, const Event& event) {
        if (event.kind == EventKind::kData && !l.closing && !other.closing) driver().close(other, round % 2 == 0);
      };
    };
    one.then = close_other(two);
    two.then = close_other(one);
    driver().want_read(one, true);
    driver().want_read(two, true);
    one_peer.send_more(5000);
    two_peer.send_more(5000);

    ASSERT_TRUE(driver().run_until([&one = one, &two = two] { return one.closed || two.closed; }));
    EXPECT_NE(one.closed, two.closed);
    driver().close(one.closed ? two : one);
  }
}

TEST_P(EngineContract, ANewSocketMayStartInsideAClosedEvent) {
  const Fd listener = make_listener(family());
  Life& first = driver().connect(make_socket(family()), local_of(listener.get()));
  Life* second = nullptr;
  first.then = [&](Life& l, const Event& event) {
    if (event.kind == EventKind::kConnected) driver().close(l, /*reset=*/true);
    if (event.kind == EventKind::kClosed) second = &driver().connect(make_socket(family()), local_of(listener.get()));
  };

  ASSERT_TRUE(driver().run_until([&] { return second != nullptr && second->connected.has_value(); }));
  EXPECT_EQ(second->connected, 0);
  EXPECT_EQ(engine().open_sockets(), 1U);
}

TEST_P(EngineContract, ClosingTwiceIsAProgrammingError) {
  Life& life = driver().make_pair(family()).life;
  driver().close(life);

  EXPECT_DEATH(engine().close(life.id, false), "assertion failed");
}

// RST at every point. Each state is prepared, then the peer resets; the error must come exactly once (the driver sees to that) and close
// must end the socket.
struct ResetCase {
  const char* name;
  bool reading;
  std::uint64_t peer_sends;  ///< Before the RST.
  bool blocked_send;
  bool peer_half_closed;
  bool we_half_closed;
};

constexpr ResetCase kResets[] = {
    {"never read", false, 0, false, false, false},
    {"reading, idle", true, 0, false, false, false},
    {"paused with unread data", false, 20'000, false, false, false},
    {"reading, send blocked", true, 0, true, false, false},
    {"paused, send blocked", false, 0, true, false, false},
    {"paused with unread data, send blocked", false, 20'000, true, false, false},
    {"peer half-closed and read to the end", true, 1000, false, true, false},
    {"peer half-closed and paused", false, 1000, false, true, false},
    {"peer half-closed, send blocked", true, 1000, true, true, false},
    {"peer half-closed and paused, send blocked", false, 1000, true, true, false},
    {"we half-closed, reading", true, 0, false, false, true},
    {"we half-closed, paused", false, 0, false, false, true},
};

class EngineContractReset : public EngineContract {
 protected:
  void run(const ResetCase& c, bool pause_first) {
    SCOPED_TRACE(c.name);
    auto [life, peer] = driver().make_pair(family());
    driver().settle();
    const std::size_t before = driver().pool().used();
    if (c.reading || pause_first) driver().want_read(life, true);
    if (pause_first && !c.reading) {
      driver().settle();
      driver().want_read(life, false);
      driver().settle();
    }
    peer.send_more(c.peer_sends);
    peer.fin_after_send = c.peer_half_closed;
    if (c.blocked_send) {
      peer.reading = false;
      life.to_send = 16 * kMiB;
    }
    driver().settle();
    if (c.we_half_closed) driver().shutdown_write(life);
    driver().settle();
    ASSERT_EQ(life.eof, c.peer_half_closed && c.reading);
    ASSERT_EQ(life.in_flight > 0, c.blocked_send);

    peer.reset();

    ASSERT_TRUE(driver().run_until([&life = life] { return life.error.has_value(); }));
    EXPECT_TRUE(life.error == ECONNRESET || life.error == EPIPE) << *life.error;
    driver().settle();
    EXPECT_LE(driver().pool().used(), before);
    driver().close(life, /*reset=*/true);
    ASSERT_TRUE(driver().run_until([&life = life] { return life.closed; }));
  }
};

TEST_P(EngineContractReset, IsReportedInEveryState) {
  for (const ResetCase& c : kResets) run(c, /*pause_first=*/false);
}

TEST_P(EngineContractReset, IsReportedInEveryStateAfterAPause) {
  for (const ResetCase& c : kResets) {
    if (!c.reading) run(c, /*pause_first=*/true);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineContractReset, testing::ValuesIn(every_engine()), name_of_case);

// The peer's RST and our close cross.
TEST_P(EngineContract, ClosingASocketThatIsResetAtTheSameTime) {
  for (int round = 0; round < 40; ++round) {
    auto [life, peer] = driver().make_pair(family());
    if (round % 2 == 0) driver().want_read(life, true);
    if (round % 4 < 2) life.to_send = 10'000;
    driver().turn();

    peer.reset();
    driver().close(life, round % 8 < 4);

    ASSERT_TRUE(driver().run_until([&life = life] { return life.closed; })) << "round " << round;
    EXPECT_FALSE(life.error.has_value());
  }
}

TEST_P(EngineContract, ASendOnABrokenConnectionGivesItsBlocksBack) {
  for (const std::size_t bytes : {10'000U, 40'000U}) {  // One block, several.
    auto [life, peer] = driver().make_pair(family());
    driver().settle();
    const std::size_t before = driver().pool().used();
    peer.reset();

    ASSERT_TRUE(driver().send(life, bytes));  // The RST is there, but nobody has looked.

    ASSERT_TRUE(driver().run_until([&life = life] { return life.error.has_value(); }));
    EXPECT_TRUE(life.error == EPIPE || life.error == ECONNRESET) << *life.error;
    driver().settle();
    EXPECT_LE(driver().pool().used(), before);
  }
}

TEST_P(EngineContract, AnErrorThatComesRightBehindASendGivesItsBlocksBack) {
  std::vector<EngineDriver::Pair> pairs;
  for (int i = 0; i < 16; ++i) {
    pairs.push_back(driver().make_pair(family()));
    driver().want_read(pairs.back().life, true);
    pairs.back().life.then = [this](Life& l, const Event& event) {
      if (event.kind != EventKind::kData || l.in_flight != 0) return;
      ASSERT_TRUE(driver().send(l, 8000));
    };
  }
  driver().settle();
  const std::size_t before = driver().pool().used();
  for (const auto& pair : pairs) {
    pair.peer.send_more(100);
    pair.peer.write_some(100);
    pair.peer.reset();  // In one turn: bytes, the answer to them, and the error.
  }

  ASSERT_TRUE(driver().run_until(
      [&] { return std::all_of(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.life.error.has_value(); }); }));
  driver().settle();
  EXPECT_LE(driver().pool().used(), before);
}

TEST_P(EngineContract, DataSentBeforeAnRstIsReadFirstOrDroppedButNeverWrong) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  peer.send_more(100'000);
  ASSERT_TRUE(driver().run_until([&peer = peer] { return peer.unsent() == 0; }));

  peer.reset();

  ASSERT_TRUE(driver().run_until([&life = life] { return life.error.has_value(); }));
  EXPECT_EQ(life.error, ECONNRESET);
  EXPECT_LE(life.received, 100'000U);
}

TEST_P(EngineContract, ShutdownOfABrokenConnectionIsHarmless) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  peer.reset();

  driver().shutdown_write(life);

  ASSERT_TRUE(driver().run_until([&life = life] { return life.error.has_value(); }));
  driver().close(life);
  EXPECT_TRUE(driver().run_until([&life = life] { return life.closed; }));
}

// Destruction with everything under way: the fixture counts blocks and descriptors afterwards.
TEST_P(EngineContract, DestructionGivesEverythingBack) {
  const Fd other = make_listener(family());
  Life& listener = driver().listen(make_listener(family()));
  std::vector<Fd> unaccepted;
  for (int i = 0; i < 3; ++i) unaccepted.push_back(start_connect(local_of(engine().fd_of(listener.id))));
  auto [blocked, blocked_peer] = driver().make_pair(family());
  blocked_peer.reading = false;
  blocked.to_send = 16 * kMiB;
  auto [busy, busy_peer] = driver().make_pair(family());
  driver().want_read(busy, true);
  busy_peer.send_more(100'000);
  auto [paused, paused_peer] = driver().make_pair(family());
  driver().want_read(paused, true);
  driver().turn();
  driver().want_read(paused, false);
  auto [closing, closing_peer] = driver().make_pair(family());
  driver().want_read(closing, true);
  driver().turn();
  driver().close(closing);
  driver().connect(make_socket(family()), local_of(other.get()));

  driver().finish();

  EXPECT_EQ(driver().pool().used(), 0U);
  EXPECT_FALSE(closing.closed);
}

}  // namespace
}  // namespace fairlead::net
