// Readers that do not read cost their neighbours little: measured in turns of the loop, not in time.
#include <algorithm>

#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;

constexpr std::uint64_t kKiB = 1024;

class RelayStall : public RelayContract {
 protected:
  /// Turns that `count` requests of `bytes`, each way and one after another, take.
  std::uint64_t turns_for_requests(Link& link, int count, std::uint64_t bytes) {
    const std::uint64_t before = rig().turns();
    for (int i = 0; i < count; ++i) {
      link.client.send_more(bytes);
      rig().run_until([&] { return link.client.unsent() == 0 && link.server->received() == link.client.sent(); });
      link.server->send_more(bytes);
      rig().run_until([&] { return link.server->unsent() == 0 && link.client.received() == link.server->sent(); });
      if (HasFailure()) break;
    }
    return rig().turns() - before;
  }
  void read_again(const std::vector<Link*>& links) {
    for (Link* link : links) let_flow(rig(), *link);
    rig().run_until(
        [&] { return std::all_of(links.begin(), links.end(), [](const Link* l) { return l->server->unsent() == 0 && l->whole(); }); });
    for (Link* link : links) expect_finishes(rig(), *link);
  }
};

// Twice as many as would fill the pool if each took its high-water mark (256 KiB).
TEST_P(RelayStall, StalledReadersDoNotSlowANeighbour) {
  RigOptions options = small_sockets();
  options.blocks = 512;
  options.pipes = 0;  // Else their bytes wait in pipes.
  RelayRig& rig = make(options);
  const std::size_t readers = 2 * options.blocks * options.block_bytes / (256 * kKiB);
  Link& neighbour = rig.connect_through();
  const std::uint64_t alone = turns_for_requests(neighbour, 40, 6000);

  std::vector<Link*> stalled;
  for (std::size_t i = 0; i < readers && !HasFailure(); ++i) {
    stalled.push_back(&rig.connect_through());
    stalled.back()->client.reading = false;
    stalled.back()->server->send_more(1024 * kKiB);
  }
  rig.settle();
  // The kernel may let a receive buffer grow, on a busy machine up to its limit of some MiB: until nothing more goes in anywhere.
  const auto all_gone = [](const Link* link) { return link->server->unsent() == 0; };
  for (int more = 0; more < 16 && std::any_of(stalled.begin(), stalled.end(), all_gone); ++more) {
    for (Link* link : stalled) {
      if (all_gone(link)) link->server->send_more(1024 * kKiB);
    }
    rig.settle();
  }
  for (const Link* link : stalled) EXPECT_GT(link->server->unsent(), 0U);
  EXPECT_GT(rig.buffers().available(), options.blocks / 8) << "nothing left for directions with an empty queue";

  EXPECT_LE(turns_for_requests(neighbour, 40, 6000), 2 * alone + 10);

  read_again(stalled);
  expect_finishes(rig, neighbour);
}

// They stall while their direction is in bulk, and a bulk neighbour goes on.
TEST_P(RelayStall, StalledReadersInBulkDoNotSlowABulkNeighbour) {
  RelayRig& rig = make(small_sockets());
  Link& neighbour = rig.connect_through();
  const std::uint64_t alone = turns_for_requests(neighbour, 4, 400 * kKiB);

  std::vector<Link*> stalled;
  for (int i = 0; i < 8 && !HasFailure(); ++i) {
    stalled.push_back(&reach(rig, State::kBulkRunning, Side::kServer));
    stalled.back()->client.reading = false;
    stalled.back()->server->send_more(1024 * kKiB);
  }
  rig.settle();

  EXPECT_LE(turns_for_requests(neighbour, 4, 400 * kKiB), 2 * alone + 10);

  read_again(stalled);
  expect_finishes(rig, neighbour);
}

// Water marks count bytes, the pool counts blocks: single bytes must not take a block each.
TEST_P(RelayStall, CrumbsForAStalledReaderDoNotTakeThePool) {
  RigOptions options = small_sockets();
  options.pipes = 0;
  RelayRig& rig = make(options);
  Link& neighbour = rig.connect_through();
  const std::uint64_t alone = turns_for_requests(neighbour, 20, 2000);
  Link& stalled = reach(rig, State::kQueued, Side::kServer);
  ASSERT_FALSE(HasFailure());
  stalled.server->send_more(100 * kKiB);
  rig.settle();
  const std::size_t before = rig.blocks_in_use();
  ASSERT_GT(before, 10U) << "enough that the kernel does not take it all by and by";

  stalled.server->chunk_max = 1;
  for (int i = 0; i < 2000 && !HasFailure(); ++i) {
    stalled.server->send_more(2);
    rig.turn(Duration::zero());
  }
  rig.run_until([&] { return stalled.server->unsent() == 0; });
  rig.settle();

  EXPECT_LE(rig.blocks_in_use(), before + 4);
  EXPECT_LE(turns_for_requests(neighbour, 20, 2000), 2 * alone + 10);
  read_again({&stalled});
  expect_finishes(rig, neighbour);
}

// As many first bytes as there are blocks three times over wait for a server that answers nothing, while a neighbour goes on.
TEST_P(RelayStall, FirstBytesForAVanishedServerDoNotTakeThePool) {
  RigOptions options = small_sockets();
  options.blocks = 64;
  options.pipes = 0;
  RelayRig& rig = make(options);
  Link& neighbour = rig.connect_through();
  const std::uint64_t alone = turns_for_requests(neighbour, 20, 2000);
  rig.add_server(ServerKind::kSilent);
  rig.pool.servers[0].usable = false;
  rig.pool.connect_timeout = std::chrono::seconds(30);
  rig.publish();
  std::vector<Link*> waiting;
  for (int i = 0; i < 200; ++i) {
    waiting.push_back(&rig.connect());
    waiting.back()->client.send_more(300);
  }
  rig.run_until([&] { return std::all_of(waiting.begin(), waiting.end(), [](const Link* l) { return l->client.unsent() == 0; }); });
  rig.run_until([&] { return rig.table().size() == 201; });
  rig.settle();
  EXPECT_GT(rig.buffers().available(), options.blocks / 8) << "nothing left for directions with an empty queue";

  EXPECT_LE(turns_for_requests(neighbour, 20, 2000), 2 * alone + 10);

  rig.pool.servers[0].usable = true;
  rig.publish();
  rig.advance(std::chrono::seconds(31));
  for (Link* link : waiting) link->client.fin_after_send = true;
  rig.run_until([&] {
    for (Link* link : waiting) {
      if (link->server) link->server->fin_after_send = true;
    }
    return std::all_of(waiting.begin(), waiting.end(), [](const Link* l) { return l->client.eof() && l->whole(); });
  });
  EXPECT_EQ(rig.ended(EndCause::kConnectLocal), 0U);
  expect_finishes(rig, neighbour);
}

// More stalled readers than there are blocks: those that have stalled longest make room.
TEST_P(RelayStall, ReadersThatStallBeyondThePoolMakeRoom) {
  RigOptions options = small_sockets();
  options.blocks = 64;
  options.pipes = 0;
  RelayRig& rig = make(options);
  Link& neighbour = rig.connect_through();
  expect_relays(rig, neighbour);
  for (int i = 0; i < 100 && !HasFailure(); ++i) {
    Link& link = rig.connect_through();
    link.client.reading = false;
    link.server->send_more(256 * kKiB);
  }
  rig.settle();

  neighbour.client.send_more(6000);
  neighbour.server->send_more(6000);
  rig.run_until([&] {
    rig.advance(std::chrono::milliseconds(100));
    return neighbour.client.received() == neighbour.server->sent() && neighbour.server->received() == neighbour.client.sent() &&
           neighbour.client.unsent() + neighbour.server->unsent() == 0;
  });

  EXPECT_GT(rig.ended(EndCause::kStalled), 0U);
  EXPECT_GT(rig.table().size(), 1U) << "not more than it takes";
  EXPECT_EQ(rig.state_of(neighbour), "open");
}

// Blocks are short, but not because of this one.
TEST_P(RelayStall, AStalledReaderThatHoldsLittleKeepsItsConnection) {
  RelayRig& rig = make(small_sockets());
  Link& stalled = reach(rig, State::kQueued, Side::kServer);
  {
    const Hoard hoard(rig);
    for (int i = 0; i < 10; ++i) rig.advance(std::chrono::seconds(1));
    EXPECT_EQ(rig.state_of(stalled), "open");
  }
  read_again({&stalled});
}

// A stream that can have no pipe is not stopped to prepare for one.
TEST_P(RelayStall, WithoutAFreePipeNothingIsPreparedForOne) {
  RigOptions options = small_sockets();
  options.pipes = 1;
  RelayRig& rig = make(options);
  Link& first = reach(rig, State::kBulkRunning, Side::kServer);
  if (HasFailure()) return;
  Link& second = rig.connect_through();
  rig.hold(net::EventKind::kBulkReady);
  second.server->send_more(1024 * kKiB);
  rig.run_until([&] { return second.server->unsent() == 0 && second.client.received() == second.server->sent(); });
  EXPECT_EQ(rig.held(), 0U);
  rig.release();
  expect_finishes(rig, second);
  let_flow(rig, first);
  expect_finishes(rig, first);
}

// Few blocks, and every reader stalls by turns: whoever reads gets on, in the end all.
TEST_P(RelayStall, EveryByteArrivesThroughATinyPool) {
  RigOptions options = small_sockets();
  options.blocks = 24;
  RelayRig& rig = make(options);
  std::vector<Link*> links;
  for (int i = 0; i < 6 && !HasFailure(); ++i) {
    links.push_back(&rig.connect_through());
    links.back()->client.reading = false;
    links.back()->server->send_more(300 * kKiB);
  }
  rig.settle();
  for (Link* link : links) {
    link->client.reading = true;
    rig.run_until([&] { return link->server->unsent() == 0 && link->client.received() == link->server->sent(); });
  }
  for (Link* link : links) expect_finishes(rig, *link);
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayStall, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
