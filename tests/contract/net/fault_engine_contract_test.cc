// What only the fault engine promises: that its faults really happen, each kind of them, and that the inner engine is what it says.
#include <algorithm>
#include <vector>

#include "base/sockaddr.h"
#include "tests/contract/net/engine_contract.h"

namespace fairlead::net {
namespace {

using namespace support;

class FaultEngineContract : public EngineContract {
 protected:
  /// Connects, echoes, ends and closes, with fewer blocks than it would like.
  void run_mixed_load() {
    const Fd listener = make_listener(family());
    std::vector<std::pair<Life*, Peer*>> flows;
    for (int i = 0; i < 40; ++i) {
      Life& life = driver().connect(make_socket(family()), local_of(listener.get()));
      life.echo = true;
      life.then = [&](Life& l, const Event& event) {
        if (event.kind == EventKind::kConnected) driver().want_read(l, true);
      };
      driver().turn();
      auto accepted = accept_one(listener.get());
      ASSERT_TRUE(accepted.has_value());
      Peer& peer = driver().add_peer(std::move(*accepted), life);
      peer.send_more(100'000);
      peer.fin_after_send = true;
      flows.push_back({&life, &peer});
    }
    const auto done = [](const auto& f) { return f.second->received() == 100'000 && f.first->eof; };
    ASSERT_TRUE(driver().run_until([&] { return std::all_of(flows.begin(), flows.end(), done); }));
    for (const auto& [life, peer] : flows) EXPECT_EQ(peer->first_wrong(), std::nullopt);
    driver().close_all();
    driver().settle();
  }
};

// The rare kinds may need more than one load, depending on the seed.
TEST_P(FaultEngineContract, EveryKindOfFaultStrikesAMixedLoad) {
  remake({.blocks = 24, .faults = fault_plan()});
  const auto rare = [this] {
    const FaultCounters& f = *driver().faults();
    return std::min({f.late_connects, f.late_closes, f.starvations, f.spurious_turns, engine().counters().starved});
  };
  for (int load = 0; load < 20 && (load == 0 || rare() == 0); ++load) ASSERT_NO_FATAL_FAILURE(run_mixed_load());

  const FaultCounters& f = *driver().faults();
  EXPECT_GT(f.short_sends, 0U);
  EXPECT_GT(f.late_sends, 0U);
  EXPECT_GT(f.split_data, 0U);
  EXPECT_GT(f.split_sents, 0U);
  EXPECT_GT(f.late_events, 0U);
  EXPECT_GT(f.late_connects, 0U);
  EXPECT_GT(f.late_closes, 0U);
  EXPECT_GT(f.late_reads, 0U);
  EXPECT_GT(f.reordered, 0U);
  EXPECT_GT(f.starvations, 0U);
  EXPECT_GT(f.spurious_turns, 0U);
  EXPECT_GT(engine().counters().starved, 0U) << "the inner engine never met an empty pool";
}

// The same load under many seeds: another schedule each time, the same bytes.
TEST_P(FaultEngineContract, BytesSurviveManySeeds) {
  for (std::uint64_t seed = 100; seed < 120; ++seed) {
    SCOPED_TRACE(testing::Message() << "FL_FAULT_SEED=" << seed);
    remake({.blocks = 12, .faults = {.seed = seed, .short_send = 500, .split_data = 500, .late_event = 300, .starve = 200}});
    std::vector<std::pair<Life*, Peer*>> flows;
    for (int i = 0; i < 6; ++i) {
      auto [ours, theirs] = make_tcp_pair(family());
      Life& life = driver().adopt(std::move(ours));
      life.echo = true;
      Peer& peer = driver().add_peer(std::move(theirs), life);
      peer.send_more(60'000);
      peer.fin_after_send = true;
      driver().want_read(life, true);
      flows.push_back({&life, &peer});
    }
    const auto done = [](const auto& f) { return f.second->received() == 60'000 && f.first->eof; };
    ASSERT_TRUE(driver().run_until([&] { return std::all_of(flows.begin(), flows.end(), done); }));
    for (const auto& [life, peer] : flows) EXPECT_EQ(peer->first_wrong(), std::nullopt);
    driver().close_all();
  }
}

// Without a chance of any fault it only forwards.
TEST_P(FaultEngineContract, AnEmptyPlanChangesNothing) {
  remake({.faults = kNoFaults});
  auto [life, peer] = driver().make_pair(family());
  driver().want_read(life, true);
  peer.send_more(100'000);
  life.to_send = 100'000;

  ASSERT_TRUE(driver().run_until([&life = life, &peer = peer] { return life.received == 100'000 && peer.received() == 100'000; }));

  const FaultCounters& f = *driver().faults();
  EXPECT_EQ(f.short_sends + f.late_sends + f.split_data + f.split_sents + f.late_events, 0U);
  EXPECT_EQ(f.late_reads + f.reordered + f.starvations + f.spurious_turns, 0U);
}

std::vector<EngineCase> faulty_engines() {
  std::vector<EngineCase> cases = every_engine();
  std::erase_if(cases, [](const EngineCase& c) { return !c.faulty; });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Engines, FaultEngineContract, testing::ValuesIn(faulty_engines()), name_of_case);

}  // namespace
}  // namespace fairlead::net
