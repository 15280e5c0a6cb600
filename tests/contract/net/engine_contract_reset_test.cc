// Contract: an RST that comes together with something else: right behind a FIN, behind data, behind a pipe, into an empty pool or a pause
// (C5, C6). The kernel announces it once; whoever looks at the other thing first must not use the announcement up. The peers act between
// two turns, so that the engine sees everything at once.
#include <algorithm>
#include <cerrno>
#include <sys/socket.h>

#include "base/sockaddr.h"
#include "tests/contract/net/engine_contract.h"

namespace fairlead::net {
namespace {

using namespace support;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr int kLargeSocket = 4 * 1024 * 1024;
constexpr std::size_t kSmallBlock = 1024;  ///< Makes little data more than a socket's share of a turn.

/// Puts all into the connection now, without a turn of the engine.
void send_now(Peer& peer, std::uint64_t bytes) {
  peer.send_more(bytes);
  while (peer.write_some(64 * 1024) > 0) {}
}

/// A FIN, and an RST before anybody has looked at the FIN.
void end_and_reset(Peer& peer) {
  peer.shutdown_write();
  peer.reset();
}

bool is_reset(int error) { return error == ECONNRESET || error == EPIPE; }  // EPIPE: the kernel's word for an RST behind a FIN.

class EngineContractLateReset : public EngineContract {
 protected:
  void expect_error(Life& life) {
    ASSERT_TRUE(driver().run_until([&] { return life.error.has_value(); }));
    EXPECT_TRUE(is_reset(*life.error)) << *life.error;
    driver().settle();
    driver().close(life);
    ASSERT_TRUE(driver().run_until([&] { return life.closed; }));
  }
  /// Of a FIN that an RST has followed. C5 promises the data before the error and not the end of file: when no block is free for looking,
  /// or a send meets the error first, it is passed over. An engine that is left alone comes to it.
  void expect_eof(const Life& life, bool read = true) {
    if (!read || !GetParam().faulty) { EXPECT_EQ(life.eof, read); }
  }
  /// A socket in a state that its engine has a history with: a poll armed, an edge seen.
  EngineDriver::Pair make_pair_with_history(int history) {
    auto pair = driver().make_pair(family());
    driver().want_read(pair.life, true);
    driver().settle();
    if (history == 1) {  // Was paused.
      driver().want_read(pair.life, false);
      driver().settle();
      driver().want_read(pair.life, true);
      driver().settle();
    } else if (history == 2) {  // Has a send that waits for room.
      pair.peer.reading = false;
      pair.life.to_send = 16 * kMiB;
      driver().settle();
      EXPECT_GT(pair.life.in_flight, 0U);
    }
    return pair;
  }
  /// Takes every block, so that nothing can be received.
  Life& exhaust_pool() {
    remake({.blocks = 8, .block_bytes = kSmallBlock, .faults = fault_plan()});
    auto [hog, hog_peer] = driver().make_pair(family());
    hog.keep = true;
    driver().want_read(hog, true);
    hog_peer.send_more(100'000);
    driver().settle();
    EXPECT_EQ(driver().pool().free(), 0U);
    return hog;
  }
  void release_pool(Life& hog) {
    driver().want_read(hog, false);
    driver().settle();
    driver().drop_kept(hog);
  }
};

TEST_P(EngineContractLateReset, RightBehindAFinIsReportedAfterTheEndOfFile) {
  for (const int history : {0, 1, 2}) {
    SCOPED_TRACE(history);
    auto [life, peer] = make_pair_with_history(history);

    end_and_reset(peer);

    expect_error(life);
    expect_eof(life);
  }
}

// More than a share of one turn, and with few blocks more than the pool has: the announcement is long past when the end is met.
TEST_P(EngineContractLateReset, BehindDataAndAFinEverythingIsDeliveredInOrder) {
  for (const std::size_t blocks : {256U, 32U}) {
    for (const int history : {0, 1, 2}) {
      SCOPED_TRACE(testing::Message() << blocks << " blocks, history " << history);
      remake({.blocks = blocks, .block_bytes = kSmallBlock, .faults = fault_plan()});
      auto [life, peer] = make_pair_with_history(history);
      send_now(peer, 60'000);
      ASSERT_EQ(peer.unsent(), 0U);

      end_and_reset(peer);

      expect_error(life);
      EXPECT_EQ(life.received, 60'000U);
      expect_eof(life);
    }
  }
}

// A send that waits for room meets the error too, but what came before it is read first.
TEST_P(EngineContractLateReset, DataBeforeAnRstIsDeliveredFirstAlsoWhenASendIsBlocked) {
  for (const int history : {0, 1, 2}) {
    SCOPED_TRACE(history);
    remake({.blocks = 64, .block_bytes = kSmallBlock, .faults = fault_plan()});
    auto [life, peer] = make_pair_with_history(history);
    send_now(peer, 60'000);
    ASSERT_EQ(peer.unsent(), 0U);

    peer.reset();

    expect_error(life);
    EXPECT_EQ(life.received, 60'000U);
    EXPECT_FALSE(life.eof);  // An RST is no end of file: what came is not all there was to come.
  }
}

// The commonest way to a FIN and an RST at once: we send to a peer that has just closed.
TEST_P(EngineContractLateReset, OfAPeerThatClosedBeforeOurSendIsReportedAfterItsEndOfFile) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  driver().settle();
  peer.close();

  ASSERT_TRUE(driver().send(life, 1));

  expect_error(life);
  expect_eof(life);
}

// The announcement is seen while reading is on; the application pauses at the first bytes, and again at any later ones.
TEST_P(EngineContractLateReset, APauseInFrontOfItDoesNotHideIt) {
  for (const bool with_fin : {false, true}) {
    for (std::uint64_t pause_at = 1; pause_at <= 6; ++pause_at) {
      SCOPED_TRACE(pause_at);
      remake({.blocks = 64, .block_bytes = kSmallBlock, .faults = fault_plan()});
      auto [life, peer] = driver().make_pair(family());
      driver().want_read(life, true);
      driver().settle();
      life.then = [&](Life& l, const Event& event) {
        if (event.kind == EventKind::kData && l.data_events == pause_at) driver().want_read(l, false);
      };
      send_now(peer, 20'000);

      if (with_fin)
        end_and_reset(peer);
      else
        peer.reset();

      expect_error(life);
      EXPECT_FALSE(life.eof);
    }
  }
}

TEST_P(EngineContractLateReset, AfterAnEndOfFileWithReadingOffIsReported) {
  for (const bool off_and_on : {false, true}) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    peer.shutdown_write();
    ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; }));
    driver().want_read(life, false);
    driver().settle();
    if (off_and_on) driver().want_read(life, true);

    peer.reset();

    expect_error(life);
  }
}

TEST_P(EngineContractLateReset, WhileReadingIsOffAFinInFrontOfItDoesNotHideIt) {
  for (const bool with_data : {false, true}) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    driver().settle();
    driver().want_read(life, false);
    if (with_data) driver().settle();  // Else the pause, the FIN and the RST cross.
    if (with_data) send_now(peer, 3000);

    end_and_reset(peer);

    expect_error(life);
    EXPECT_FALSE(life.eof);
  }
}

TEST_P(EngineContractLateReset, ClosingInsideTheEndOfFileInFrontOfItReportsNothingMore) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  driver().settle();
  life.then = [&](Life& l, const Event& event) {
    if (event.kind == EventKind::kEof) driver().close(l);
  };

  end_and_reset(peer);

  ASSERT_TRUE(driver().run_until([&life = life] { return life.closed; }));
  EXPECT_FALSE(life.error.has_value());
}

// Both have ended; the peer's RST meets a connection that is over. A hang-up without an error is no error.
TEST_P(EngineContractLateReset, AfterBothEndsOfFileThereIsNothingLeftToReset) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  driver().settle();
  driver().shutdown_write(life);
  driver().settle();

  end_and_reset(peer);

  ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; }));
  driver().settle();
  EXPECT_FALSE(life.error.has_value());
}

TEST_P(EngineContractLateReset, OnAConnectThatWasNotSeenYetIsReported) {
  for (const std::uint64_t bytes : {0U, 1000U}) {
    const Fd listener = make_listener(family());
    Life& life = driver().connect(make_socket(family()), local_of(listener.get()));
    life.then = [&](Life& l, const Event& event) {
      if (event.kind == EventKind::kConnected && event.error == 0) driver().want_read(l, true);
    };
    driver().turn();  // io_uring starts the connect here.
    auto accepted = accept_one(listener.get());
    ASSERT_TRUE(accepted.has_value());
    Peer& peer = driver().add_peer(std::move(*accepted), life);
    send_now(peer, bytes);

    end_and_reset(peer);

    // Either the connect itself failed, or it succeeded and the error came after it.
    ASSERT_TRUE(driver().run_until([&] { return life.error.has_value() || life.connected.value_or(0) != 0; }));
    EXPECT_TRUE(is_reset(life.error.value_or(*life.connected)));
  }
}

// ---- an empty pool ----

TEST_P(EngineContractLateReset, NeedsNoBlockToBeReported) {
  exhaust_pool();
  for (const bool with_fin : {false, true}) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    driver().settle();

    if (with_fin)
      end_and_reset(peer);
    else
      peer.reset();

    expect_error(life);
  }
}

TEST_P(EngineContractLateReset, BehindDataThatWaitsForABlockComesAfterIt) {
  for (const bool with_fin : {false, true}) {
    Life& hog = exhaust_pool();
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    send_now(peer, 3000);
    driver().settle();

    if (with_fin)
      end_and_reset(peer);
    else
      peer.reset();
    driver().settle();
    EXPECT_FALSE(life.error.has_value());
    release_pool(hog);

    expect_error(life);
    EXPECT_EQ(life.received, 3000U);
    expect_eof(life, with_fin);
  }
}

// Announced while there were blocks; the data before it took the last one.
TEST_P(EngineContractLateReset, BehindDataThatTookTheLastBlockNeedsNoneMore) {
  FaultPlan whole = fault_plan();
  whole.split_data = 0;  // Crumbs take blocks of their own.
  for (const bool with_fin : {false, true}) {
    remake({.blocks = 8, .block_bytes = kSmallBlock, .faults = whole});
    auto [life, peer] = driver().make_pair(family());
    life.keep = true;
    driver().want_read(life, true);
    driver().settle();
    send_now(peer, 8 * kSmallBlock);

    if (with_fin)
      end_and_reset(peer);
    else
      peer.reset();

    expect_error(life);
    EXPECT_EQ(life.received, 8 * kSmallBlock);
  }
}

TEST_P(EngineContractLateReset, BehindDataThatWaitsForABlockIsReportedWhenReadingIsSwitchedOff) {
  for (const bool off_first : {false, true}) {
    exhaust_pool();
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    send_now(peer, 3000);
    driver().settle();
    if (off_first) driver().want_read(life, false);
    if (off_first) driver().settle();

    peer.reset();
    driver().settle();
    if (!off_first) driver().want_read(life, false);

    expect_error(life);
    EXPECT_EQ(life.received, 0U);
  }
}

// ---- bulk ----

class EngineContractBulkReset : public EngineContractLateReset {
 protected:
  /// Lets `bytes` through, then asks for bulk and waits until it runs and is idle.
  void start_bulk(EngineDriver::Relay& relay, std::uint64_t bytes) {
    relay.source.send_more(bytes);
    relay.source.chunk_max = relay.drain.chunk_max = 60'000;
    ASSERT_TRUE(driver().run_until([&] { return relay.from.received > 0; }));
    driver().bulk_prepare(relay.from);
    ASSERT_TRUE(driver().run_until([&] { return relay.from.bulk == BulkState::kOn && relay.drain.received() == bytes; }));
    driver().turn();
  }
  /// Has the kernel open the windows of a relay with large buffers: they widen with the traffic.
  void widen(EngineDriver::Relay& relay) {
    for (int round = 0; round < 10; ++round) {
      send_now(relay.source, 4 * kMiB);
      ASSERT_TRUE(driver().run_until([&] { return relay.source.unsent() == 0 && relay.drain.received() == relay.source.sent(); }));
      if (relay.from.bulk == BulkState::kOff) driver().bulk_prepare(relay.from);
    }
    ASSERT_TRUE(driver().run_until([&] { return relay.from.bulk == BulkState::kOn; }));
  }
};

TEST_P(EngineContractBulkReset, OfTheSourceBehindAFinIsReportedAfterTheEndOfFile) {
  for (const std::uint64_t bytes : {0U, 60'000U}) {
    SCOPED_TRACE(bytes);
    auto relay = driver().make_relay(family());
    start_bulk(relay, 1000);
    send_now(relay.source, bytes);

    end_and_reset(relay.source);

    expect_error(relay.from);
    expect_eof(relay.from);
    ASSERT_TRUE(driver().run_until([&] { return relay.drain.eof(); }));
    EXPECT_EQ(relay.drain.received(), 1000 + bytes);
    EXPECT_EQ(relay.drain.first_wrong(), std::nullopt);
  }
}

TEST_P(EngineContractBulkReset, OfTheSinkBehindAFinIsReportedWhileItIsReadAndWhileItIsNot) {
  for (const bool reading : {false, true}) {
    for (const bool blocked : {false, true}) {
      SCOPED_TRACE(testing::Message() << "reading " << reading << ", blocked " << blocked);
      auto relay = driver().make_relay(family());
      driver().want_read(relay.to, reading);
      start_bulk(relay, 1000);
      relay.drain.reading = !blocked;
      if (blocked) relay.source.send_more(64 * kMiB);
      driver().settle();

      end_and_reset(relay.drain);

      expect_error(relay.to);
      expect_eof(relay.to, reading);
    }
  }
}

/// Both directions are bulk, so each socket is a source and a sink.
TEST_P(EngineContractBulkReset, BehindAFinIsReportedWhenBothDirectionsAreBulk) {
  for (const bool blocked : {false, true}) {
    SCOPED_TRACE(blocked);
    auto relay = driver().make_relay(family());
    relay.to.forward_to = &relay.from;
    relay.from.fed_by = &relay.to;
    driver().want_read(relay.to, true);
    relay.drain.send_more(1000);
    start_bulk(relay, 1000);
    driver().bulk_prepare(relay.to);
    ASSERT_TRUE(driver().run_until([&] { return relay.to.bulk == BulkState::kOn; }));
    relay.drain.reading = !blocked;
    if (blocked) relay.source.send_more(64 * kMiB);
    driver().settle();

    end_and_reset(relay.drain);

    expect_error(relay.to);
  }
}

TEST_P(EngineContractBulkReset, OfBothEndsAtOnceIsReportedForBoth) {
  for (const bool with_fin : {false, true}) {
    for (const bool sink_first : {false, true}) {
      auto relay = driver().make_relay(family());
      start_bulk(relay, 1000);
      relay.drain.reading = false;
      relay.source.send_more(64 * kMiB);
      driver().settle();

      for (Peer* peer : {sink_first ? &relay.drain : &relay.source, sink_first ? &relay.source : &relay.drain}) {
        if (with_fin) peer->shutdown_write();
        peer->reset();
      }

      expect_error(relay.from);
      expect_error(relay.to);
    }
  }
}

// Announced while more bytes wait than one share of a turn. The kernel has to be brought to take that many (as far as this machine allows).
TEST_P(EngineContractBulkReset, BehindMoreThanAShareIsReportedAfterTheEndOfFile) {
  auto relay = driver().make_relay(family(), kLargeSocket);
  start_bulk(relay, 1000);
  widen(relay);
  send_now(relay.source, 3 * kMiB);

  end_and_reset(relay.source);

  expect_error(relay.from);
}

// Likewise, and the pipe fills up in front of it: nobody reads the source any more.
TEST_P(EngineContractBulkReset, IsReportedWhenThePipeFillsUpAfterItWasAnnounced) {
  auto relay = driver().make_relay(family(), kLargeSocket);
  start_bulk(relay, 1000);
  widen(relay);
  relay.drain.reading = false;
  relay.source.send_more(64 * kMiB);
  driver().settle();
  ASSERT_FALSE(relay.from.error.has_value());
  for (int room = 0; room < 32 && relay.drain.read_some(64 * 1024) > 0; ++room) {  // For less than what waits before the RST.
  }

  relay.source.reset();

  expect_error(relay.from);
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineContractLateReset, testing::ValuesIn(every_engine()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Engines, EngineContractBulkReset, testing::ValuesIn(every_engine()), name_of_case);

// ---- further events that could be used up ----

// What an application asks for before it was told of the end: nothing may follow the error.
TEST_P(EngineContractLateReset, NothingFollowsAnErrorThatTheApplicationHasNotSeenYet) {
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  driver().settle();
  peer.reset();

  ASSERT_TRUE(driver().send(life, 1));  // Fails, but is reported by the next poll only.
  driver().bulk_prepare(life);
  driver().want_read(life, true);

  expect_error(life);  // The driver fails on anything behind the error.
}

TEST_P(EngineContract, AnEndOfFileIsKeptBackWhenReadingIsOffAgainBeforeItWasTold) {
  for (int round = 0; round < 20; ++round) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    if (round % 2 == 0) driver().turn();
    peer.shutdown_write();
    driver().want_read(life, false);
    driver().turn();
    driver().want_read(life, true);
    driver().want_read(life, false);
    driver().settle();
    ASSERT_FALSE(life.eof) << "round " << round;

    driver().want_read(life, true);

    ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; })) << "round " << round;
    driver().close(life);
  }
}

// recv(2) stops in front of the urgent mark: a short read that does not mean that all was read.
TEST_P(EngineContract, UrgentDataInTheMiddleOfAStreamStopsNothing) {
  for (const std::uint64_t after : {0U, 1000U}) {
    SCOPED_TRACE(after);
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    driver().settle();
    send_now(peer, 1000);
    ASSERT_EQ(::send(peer.fd(), "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
    send_now(peer, after);

    ASSERT_TRUE(driver().run_until([&, &life = life] { return life.received == 1000 + after; }));

    send_now(peer, 1000);
    peer.shutdown_write();
    ASSERT_TRUE(driver().run_until([&life = life] { return life.eof; }));
    EXPECT_EQ(life.received, 2000 + after);
  }
}

}  // namespace
}  // namespace fairlead::net
