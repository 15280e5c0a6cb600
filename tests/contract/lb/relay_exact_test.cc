// Every byte arrives once and in order, whatever sizes it is written and read in, while directions go into bulk and out of it again.
//
// FL_RELAY_SEED=7 replays one seed; a failure names it. FL_LONG=1 runs twenty.
#include <cstdlib>

#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;

constexpr std::uint64_t kKiB = 1024;

std::vector<std::uint64_t> seeds() {
  if (const char* seed = std::getenv("FL_RELAY_SEED"); seed != nullptr) return {std::strtoull(seed, nullptr, 10)};
  std::vector<std::uint64_t> all = {1, 2};
  if (std::getenv("FL_LONG") != nullptr) {
    for (std::uint64_t seed = 3; seed <= 20; ++seed) all.push_back(seed);
  }
  return all;
}

/// What one end does: sends bulk, crumbs and bulk again, and reads with pauses.
class Performer {
 public:
  Performer(std::uint64_t seed, Peer& peer) : prng_(seed), peer_(peer) {
    const auto size = [this](std::uint32_t most) { return 1 + prng_.below(most); };
    phases_ = {{size(300) * kKiB, 2000 + size(40'000)}, {size(600), size(40)}, {size(400) * kKiB, 2000 + size(60'000)}, {size(50), 1}};
    if (prng_.below(4) == 0) phases_.clear();  // Only listens.
    next_phase();
  }
  /// Once per turn.
  void play() {
    if (!done_ && peer_.unsent() == 0) next_phase();
    if (done_) return;
    if (turns_left_ > 0 && --turns_left_ > 0) return;
    peer_.reading = prng_.below(3) != 0 || !peer_.reading;
    turns_left_ = prng_.below(30);
  }

 private:
  struct Phase {
    std::uint64_t bytes;
    std::uint32_t chunk_max;
  };
  void next_phase() {
    if (phases_.empty()) {
      done_ = true;
      peer_.fin_after_send = true;
      peer_.reading = true;
      peer_.chunk_max = 20'000;  // Reads in chunks of it, too.
      return;
    }
    peer_.chunk_max = phases_.front().chunk_max;
    peer_.send_more(phases_.front().bytes);
    phases_.erase(phases_.begin());
  }

  Prng prng_;
  Peer& peer_;
  std::vector<Phase> phases_;
  std::uint32_t turns_left_ = 0;
  bool done_ = false;
};

class RelayExact : public RelayContract {
 protected:
  /// `count` connections at once, each with a play of its own.
  void play(RelayRig& rig, std::uint64_t seed, std::size_t count) {
    SCOPED_TRACE("FL_RELAY_SEED=" + std::to_string(seed) + " replays what the ends do");
    Prng prng(seed);
    std::vector<Link*> links;
    for (std::size_t i = 0; i < count; ++i) links.push_back(&rig.connect());
    rig.run_until([&] { return std::all_of(links.begin(), links.end(), [](const Link* l) { return l->server.has_value(); }); });
    if (HasFailure()) return;
    std::vector<Performer> performers;
    for (Link* link : links) {
      performers.emplace_back(prng.next(), link->client);
      performers.emplace_back(prng.next(), *link->server);
    }
    rig.run_until([&] {
      for (Performer& performer : performers) performer.play();
      return std::all_of(links.begin(), links.end(), [](const Link* l) { return ended(l->client) && ended(*l->server); });
    });
    for (std::size_t i = 0; i < links.size(); ++i) {
      EXPECT_TRUE(links[i]->whole()) << "connection " << i;
      EXPECT_EQ(links[i]->client.error(), 0) << "connection " << i;
      EXPECT_EQ(links[i]->server->error(), 0) << "connection " << i;
    }
    rig.expect_nothing_left();
  }

 private:
  [[nodiscard]] static bool ended(const Peer& peer) { return peer.eof() || peer.error() != 0; }
};

TEST_P(RelayExact, ManyConnectionsAtOnceInAllSizes) {
  for (const std::uint64_t seed : seeds()) {
    RelayRig& rig = make();
    play(rig, seed, 16);
    EXPECT_GT(rig.engine().counters().bulk_starts, 0U);
    if (HasFailure()) return;
  }
}

TEST_P(RelayExact, WithSmallSocketBuffersAndASmallPool) {
  for (const std::uint64_t seed : seeds()) {
    RigOptions options = small_sockets();
    options.blocks = 48;
    play(make(options), seed, 8);
    if (HasFailure()) return;
  }
}

TEST_P(RelayExact, WithFewerPipesThanBulkDirections) { play(make({.pipes = 1}), seeds().front(), 8); }

TEST_P(RelayExact, WithoutBulk) {
  RelayRig& rig = make({.pipes = 0});
  play(rig, seeds().front(), 8);
  EXPECT_EQ(rig.engine().counters().bulk_starts, 0U);
}

// Both directions go to bulk and back, again and again, on one connection.
TEST_P(RelayExact, BulkThenCrumbsThenBulkAgain) {
  RelayRig& rig = make();
  Link& link = rig.connect_through();
  const int rounds = GetParam().faulty ? 1 : 2;  // Faults make full receives rare.
  for (int round = 0; round < rounds; ++round) {
    for (const Side source : {Side::kClient, Side::kServer}) {
      const std::uint64_t starts = rig.engine().counters().bulk_starts;
      Peer& peer = link.end(source);
      peer.chunk_max = 60'000;
      rig.run_until([&] {
        if (peer.unsent() < 64 * kKiB) peer.send_more(256 * kKiB);
        return rig.engine().counters().bulk_starts > starts;
      });
      rig.run_until([&] { return link.whole() && peer.unsent() == 0; });
      peer.chunk_max = 3;
      for (int crumb = 0; crumb < 40 && !HasFailure(); ++crumb) {
        peer.send_more(3);
        rig.turn(Duration::zero());
      }
      rig.run_until([&] { return link.whole() && peer.unsent() == 0; });
    }
  }
  expect_finishes(rig, link);
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayExact, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
