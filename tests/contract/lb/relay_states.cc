#include "tests/contract/lb/relay_states.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace fairlead::lb {

using support::Peer;

namespace {

constexpr std::uint64_t kKiB = 1024;

/// After these turns no fault lasts any more.
void some_turns(RelayRig& rig) {
  for (int i = 0; i < 12; ++i) rig.turn(Duration::zero());
}

void fill_a_little(RelayRig& rig, Peer& source) {
  rig.keep_from_bulk(true);
  rig.run_until([&] {
    some_turns(rig);
    if (rig.blocks_in_use() > 0) return true;
    source.send_more(8 * kKiB);
    return false;
  });
  rig.keep_from_bulk(false);
}

void fill_up(RelayRig& rig, Peer& source) {
  rig.keep_from_bulk(true);
  source.send_more(2048 * kKiB);
  rig.settle();
  rig.keep_from_bulk(false);
  EXPECT_GT(source.unsent(), 0U);
  EXPECT_GT(rig.blocks_in_use(), 0U);
}

/// Until `done` the source always has more, and the drain reads no more than is needed for the relay to read on, so that the relay's queue
/// is never empty: below its low-water mark (32 blocks), or further when it was stopped while a fault held most of the pool.
void flood(RelayRig& rig, Peer& source, Peer& drain, const std::function<bool()>& done) {
  constexpr std::size_t kBelowLow = 24;
  constexpr int kStuckTurns = 20;
  std::uint64_t sent = 0;
  int still = 0;
  rig.run_until([&] {
    if (done()) return true;
    if (source.unsent() < 64 * kKiB) source.send_more(64 * kKiB);
    still = std::exchange(sent, source.sent()) == source.sent() ? still + 1 : 0;
    if (still > 0 && (rig.blocks_in_use() > kBelowLow || still % kStuckTurns == 0)) (void)drain.read_some(8 * kKiB);
    return false;
  });
}

}  // namespace

std::string to_string(State state) {
  switch (state) {
    case State::kConnecting: return "connecting";
    case State::kIdle: return "idle";
    case State::kQueued: return "queued";
    case State::kBackPressured: return "back-pressured";
    case State::kBulkAsked: return "bulk asked";
    case State::kBulkReady: return "bulk ready";
    case State::kBulkRunning: return "bulk running";
  }
  return "?";
}

RigOptions small_sockets() { return {.socket_bytes = 32 * 1024}; }

Link& reach(RelayRig& rig, State state, Side side) {
  if (state == State::kConnecting) {
    rig.hold(net::EventKind::kConnected);
    Link& link = rig.connect();
    rig.run_until([&] { return link.server && rig.held() == 1; });
    return link;
  }
  Link& link = rig.connect_through();
  if (!link.server) return link;
  Peer& source = link.end(side);
  Peer& drain = link.end(other(side));
  const std::uint64_t starts = rig.engine().counters().bulk_starts;
  switch (state) {
    case State::kConnecting:
    case State::kIdle: break;
    case State::kQueued:
      drain.reading = false;
      fill_a_little(rig, source);
      break;
    case State::kBackPressured:
      drain.reading = false;
      fill_up(rig, source);
      break;
    case State::kBulkAsked:
    case State::kBulkReady:
      drain.reading = false;
      fill_up(rig, source);  // Else it becomes bulk before the queue has ever been full.
      rig.hold(net::EventKind::kBulkReady);
      flood(rig, source, drain, [&] { return rig.held() == 1; });
      if (state == State::kBulkAsked) break;
      rig.release();
      rig.settle();
      if (rig.faulty()) break;  // The queue may have run empty meanwhile; then it runs already.
      EXPECT_GT(rig.blocks_in_use(), 0U);
      EXPECT_EQ(rig.engine().counters().bulk_starts, starts);
      break;
    case State::kBulkRunning:
      rig.run_until([&] {
        if (source.unsent() < 64 * kKiB) source.send_more(256 * kKiB);
        return rig.engine().counters().bulk_starts > starts;
      });
      break;
  }
  return link;
}

void in_every_state(RelayRig& rig, const std::function<void(Link&, Side source)>& act) {
  for (const State state : kEveryState) {
    for (const Side source : {Side::kClient, Side::kServer}) {
      SCOPED_TRACE(to_string(state) + (source == Side::kClient ? ", loaded by the client" : ", loaded by the server"));
      Link& link = reach(rig, state, source);
      if (testing::Test::HasFailure() || !link.server) return;
      act(link, source);
      rig.expect_nothing_left();
      if (testing::Test::HasFailure()) return;
    }
  }
}

void let_flow(RelayRig& rig, Link& link) {
  rig.release();
  link.client.reading = true;
  link.server->reading = true;
}

void expect_fin_passed(RelayRig& rig, Link& link, Side from) {
  Peer& source = link.end(from);
  Peer& drain = link.end(other(from));
  source.fin_after_send = true;
  rig.run_until([&] { return drain.eof() || drain.error() != 0; });
  EXPECT_EQ(drain.error(), 0);
  EXPECT_EQ(source.unsent(), 0U);
  EXPECT_EQ(drain.received(), source.sent()) << "the end of file overtook bytes";
  EXPECT_EQ(drain.first_wrong(), std::nullopt);
}

void expect_reset(RelayRig& rig, Link& link, Side at) {
  Peer& peer = link.end(at);
  peer.reading = true;
  rig.run_until([&] { return peer.eof() || peer.error() != 0; });
  EXPECT_FALSE(peer.eof()) << "a cut stream looks complete";
  EXPECT_TRUE(peer.error() == ECONNRESET || peer.error() == EPIPE) << peer.error();
  EXPECT_EQ(peer.first_wrong(), std::nullopt);
  EXPECT_LE(peer.received(), link.end(other(at)).sent());
}

void expect_relays(RelayRig& rig, Link& link) {
  link.client.send_more(20'000);
  link.server->send_more(20'000);
  rig.run_until([&] { return link.client.unsent() == 0 && link.server->unsent() == 0 && link.whole(); });
}

void expect_finishes(RelayRig& rig, Link& link) {
  expect_fin_passed(rig, link, Side::kClient);
  expect_fin_passed(rig, link, Side::kServer);
  EXPECT_TRUE(link.whole());
}

}  // namespace fairlead::lb
