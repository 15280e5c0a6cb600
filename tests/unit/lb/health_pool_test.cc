// A pool's health: who is the last server, what a reload keeps, slow start, and the invariants on random histories.
#include "lb/health_pool.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

Endpoint endpoint(std::uint8_t last, std::uint16_t port = 6443) { return {IpAddress::v4({10, 0, 0, last}), port}; }

PoolHealthSettings pool_settings() {
  PoolHealthSettings s;
  s.health.type = config::HealthType::kHttps;
  return s;
}

class PoolHealthTest : public ::testing::Test {
 protected:
  HealthActions configure(std::initializer_list<ServerId> ids) {
    servers.clear();
    for (const ServerId id : ids) servers.push_back({.id = id, .weight = 100, .endpoint = endpoint(static_cast<std::uint8_t>(id))});
    return apply(pool.configure(settings, servers, now));
  }
  HealthActions apply(HealthActions actions) {
    for (const StartProbe& p : actions.probes) asked[p.server] = p.token;
    return actions;
  }
  HealthActions answer(ServerId id, ProbeOutcome outcome) {
    return apply(pool.probe_done({.server = id, .token = asked.at(id), .outcome = outcome}, now));
  }
  /// Lets time pass to the next deadline.
  HealthActions wait() {
    now = std::max(now, pool.next_deadline().value());
    return apply(pool.tick(now));
  }
  bool usable(ServerId id) { return pool.find(id)->usable; }

  Instant now{1h};
  PoolHealthSettings settings = pool_settings();
  PoolHealth pool{settings, 1};
  std::vector<HealthServer> servers;
  std::map<ServerId, std::uint64_t> asked;
};

TEST_F(PoolHealthTest, ProbesEveryServerAtOnceAtStartAndTrustsNone) {
  const HealthActions actions = configure({1, 2, 3});

  EXPECT_EQ(actions.probes.size(), 3U);
  EXPECT_EQ(actions.probes[1].endpoint, endpoint(2));
  EXPECT_EQ(pool.usable_count(), 0U);
}

TEST_F(PoolHealthTest, PublishesAnewOnlyWhenRoutingChanges) {
  (void)configure({1, 2});
  EXPECT_TRUE(answer(1, ProbeOutcome::kOk).routes_changed);
  (void)wait();
  EXPECT_FALSE(answer(1, ProbeOutcome::kOk).routes_changed);
  EXPECT_TRUE(apply(pool.set_admin(1, AdminState::kDrain, now)).routes_changed);
  EXPECT_TRUE(apply(pool.set_weight(2, 7, now)).routes_changed);
  EXPECT_FALSE(apply(pool.set_weight(2, 7, now)).routes_changed);
}

TEST_F(PoolHealthTest, EjectsByReportsUntilOneIsLeft) {
  (void)configure({1, 2, 3});
  for (const ServerId id : {1U, 2U, 3U}) (void)answer(id, ProbeOutcome::kOk);

  for (const ServerId id : {1U, 2U, 3U}) (void)apply(pool.connect_failed(id, ConnectCause::kRefused, now));

  EXPECT_FALSE(usable(1));
  EXPECT_FALSE(usable(2));
  EXPECT_TRUE(usable(3));
  EXPECT_EQ(answer(3, ProbeOutcome::kRefused).changes.size(), 0U);
}

TEST_F(PoolHealthTest, AWeightlessOrDrainedNeighbourDoesNotCountAsAnother) {
  (void)configure({1, 2, 3});
  for (const ServerId id : {1U, 2U, 3U}) (void)answer(id, ProbeOutcome::kOk);
  (void)apply(pool.set_weight(2, 0, now));
  (void)apply(pool.set_admin(3, AdminState::kDrain, now));

  (void)apply(pool.connect_failed(1, ConnectCause::kRefused, now));

  EXPECT_TRUE(usable(1));
}

TEST_F(PoolHealthTest, ReportsHardDownOncePerOutage) {
  (void)configure({1, 2});
  (void)answer(1, ProbeOutcome::kOk);
  now += 500ms;
  EXPECT_TRUE(apply(pool.connect_failed(1, ConnectCause::kRefused, now)).changes.empty()) << "server 2 is not up yet";
  (void)answer(2, ProbeOutcome::kOk);
  EXPECT_EQ(apply(pool.connect_failed(1, ConnectCause::kRefused, now)).changes.size(), 1U);
  EXPECT_EQ(answer(1, ProbeOutcome::kRefused).hard_down, std::vector<ServerId>{1});
  (void)wait();
  (void)wait();
  EXPECT_TRUE(answer(1, ProbeOutcome::kRefused).hard_down.empty());
}

TEST_F(PoolHealthTest, AReloadKeepsWhatItKnowsOfServersThatStay) {
  (void)configure({1, 2});
  (void)answer(1, ProbeOutcome::kOk);
  (void)answer(2, ProbeOutcome::kOk);
  (void)apply(pool.set_admin(2, AdminState::kDrain, now));
  settings.health.interval = 5s;

  const HealthActions actions = configure({3, 2, 1});

  EXPECT_TRUE(usable(1));
  EXPECT_EQ(pool.find(2)->admin, AdminState::kDrain);
  EXPECT_EQ(pool.find(3)->verdict, Verdict::kUnknown);
  ASSERT_EQ(actions.probes.size(), 1U);
  EXPECT_EQ(actions.probes[0].server, 3U);
  EXPECT_TRUE(actions.changes.empty());
}

TEST_F(PoolHealthTest, AReloadThatAsksSomethingElseProbesAllAtOnceButKeepsServing) {
  (void)configure({1, 2});
  (void)answer(1, ProbeOutcome::kOk);
  (void)answer(2, ProbeOutcome::kOk);
  settings.health.path = "/readyz?verbose";

  const HealthActions actions = configure({1, 2});

  EXPECT_EQ(actions.probes.size(), 2U);
  EXPECT_EQ(pool.usable_count(), 2U);
}

TEST_F(PoolHealthTest, ARemovedServersLateMessagesAreIgnored) {
  (void)configure({1, 2});
  (void)configure({2});
  EXPECT_TRUE(answer(1, ProbeOutcome::kOk).changes.empty());
  EXPECT_TRUE(pool.connect_failed(1, ConnectCause::kRefused, now).changes.empty());
  EXPECT_FALSE(pool.find(1));
}

TEST_F(PoolHealthTest, RampsAServerThatCameBackAndNotOneThatIsNew) {
  settings.slow_start = 10s;
  (void)configure({1, 2});
  (void)answer(1, ProbeOutcome::kOk);
  (void)answer(2, ProbeOutcome::kOk);
  EXPECT_EQ(pool.find(1)->effective_weight, 100U) << "new: nothing to recover from";
  (void)apply(pool.connect_failed(1, ConnectCause::kReset, now));
  while (!usable(1)) {
    (void)wait();
    (void)answer(1, ProbeOutcome::kOk);
    (void)answer(2, ProbeOutcome::kOk);
  }

  EXPECT_EQ(pool.find(1)->effective_weight, 1U);
  const Instant back = now;
  int steps = 0;
  while (now < back + 10s) {
    if (wait().routes_changed) ++steps;
    (void)answer(1, ProbeOutcome::kOk);
    (void)answer(2, ProbeOutcome::kOk);
  }
  EXPECT_EQ(pool.find(1)->effective_weight, 100U);
  EXPECT_GE(steps, 9);
}

TEST_F(PoolHealthTest, ANewAddressMakesTheServerUnknownAndProbesThere) {
  (void)configure({1, 2});
  (void)answer(1, ProbeOutcome::kOk);

  const HealthActions actions = apply(pool.set_endpoint(1, endpoint(99), "", now));

  EXPECT_FALSE(usable(1));
  ASSERT_EQ(actions.probes.size(), 1U);
  EXPECT_EQ(actions.probes[0].endpoint, endpoint(99));
  EXPECT_TRUE(actions.routes_changed);
  EXPECT_TRUE(apply(pool.set_endpoint(1, endpoint(99), "", now)).probes.empty()) << "the same address again";
}

// ---- random histories -------------------------------------------------------------------------------------------------------------
unsigned sim_seeds() {
  const char* text = std::getenv("FL_SIM_SEEDS");
  return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 400U;
}

/// A world with servers that are really up or down, a prober that is late, loses results and repeats them, workers that report what
/// they meet, an operator and a resolver. The model below knows nothing of counters: it checks the invariants from outside.
class HealthSim {
 public:
  explicit HealthSim(unsigned seed) : seed_(seed), rng_(seed), settings_(random_settings()), pool_(settings_, seed) {
    for (ServerId id = 1; id <= 1 + pick(4); ++id) add(id);
    settings_ = pool_.settings();
    apply(pool_.configure(settings_, servers(), now_), /*passive=*/false);
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) step();
    settle_down();
  }

 private:
  struct Truth {
    HealthServer server;
    bool alive = true;
    bool good_check_of_this_address = false;  ///< Delivered with the current token.
    std::optional<StartProbe> outstanding;
    std::optional<Instant> last_probe;
  };

  std::uint32_t pick(std::uint32_t bound) { return static_cast<std::uint32_t>(rng_() % bound); }

  PoolHealthSettings random_settings() {
    PoolHealthSettings s;
    s.health.type = pick(6) == 0 ? config::HealthType::kNone : config::HealthType::kTcp;
    s.health.rise = 1 + pick(3);
    s.health.fall = 1 + pick(3);
    s.passive.connect_failures = pick(4);
    s.passive.fast_check = pick(4) != 0;
    s.slow_start = pick(2) == 0 ? Duration{} : Duration{10s};
    return s;
  }

  void add(ServerId id) {
    Truth& t = truth_[id];
    t.server = {.id = id, .weight = 100, .endpoint = endpoint(static_cast<std::uint8_t>(id))};
    t.alive = pick(3) != 0;
  }
  std::vector<HealthServer> servers() const {
    std::vector<HealthServer> out;
    for (const auto& [id, t] : truth_) out.push_back(t.server);
    return out;
  }
  Truth& any() {
    auto at = truth_.begin();
    std::advance(at, pick(static_cast<std::uint32_t>(truth_.size())));
    return at->second;
  }
  bool checked() const { return settings_.health.type != config::HealthType::kNone; }

  std::map<ServerId, ServerHealth> look() {
    std::map<ServerId, ServerHealth> out;
    for (const auto& [id, t] : truth_) {
      if (const auto h = pool_.find(id)) out[id] = *h;
    }
    return out;
  }

  void apply(const HealthActions& actions, bool passive) {
    for (const StartProbe& p : actions.probes) {
      Truth& t = truth_.at(p.server);
      ASSERT_EQ(p.endpoint, t.server.endpoint) << "seed " << seed_;
      ASSERT_TRUE(checked()) << "seed " << seed_;
      ASSERT_NE(pool_.find(p.server)->admin, AdminState::kMaint) << "seed " << seed_;
      if (passive && t.last_probe) { ASSERT_GE(now_ - *t.last_probe, settings_.health.fast_interval * 9 / 10) << "I5 seed " << seed_; }
      t.outstanding = p;
      t.last_probe = now_;
    }
    for (const ServerChange& c : actions.changes) {
      if (c.change.to == Verdict::kUp && c.change.from == Verdict::kUnknown && checked()) {
        ASSERT_TRUE(truth_.at(c.server).good_check_of_this_address) << "I1 seed " << seed_;
      }
    }
    for (const auto& [id, h] : look()) {
      const auto before = seen_.find(id);
      const bool same = before != seen_.end() && before->second.usable == h.usable &&
                        before->second.effective_weight == h.effective_weight && before->second.endpoint == h.endpoint;
      if (!same) { ASSERT_TRUE(actions.routes_changed) << "P3 seed " << seed_ << " server " << id; }
    }
    seen_ = look();
  }

  void report(Truth& t) {
    const auto cause = static_cast<ConnectCause>(pick(5));
    const auto before = look();
    const std::uint32_t usable_before = pool_.usable_count();
    const HealthActions actions = pool_.connect_failed(t.server.id, cause, now_);
    if (usable_before > 0) { ASSERT_GT(pool_.usable_count(), 0U) << "P1/I2 seed " << seed_; }
    if (cause == ConnectCause::kLocal || cause == ConnectCause::kTimeout) { ASSERT_TRUE(actions.changes.empty()) << "I3 seed " << seed_; }
    for (const auto& [id, h] : look()) {
      if (id != t.server.id) { ASSERT_EQ(h.verdict, before.at(id).verdict) << "seed " << seed_; }
    }
    apply(actions, true);
  }

  void deliver(Truth& t) {
    if (!t.outstanding) return;
    ProbeResult result{.server = t.server.id, .token = t.outstanding->token};
    result.outcome = pick(10) == 0 ? ProbeOutcome::kLocal : t.alive ? ProbeOutcome::kOk : static_cast<ProbeOutcome>(1 + pick(8));
    if (pick(8) == 0) result.token -= 1 + pick(2);  // Late from an earlier life.
    const bool current = result.token == t.outstanding->token;
    if (current && result.outcome == ProbeOutcome::kOk) t.good_check_of_this_address = true;
    const auto before = pool_.find(t.server.id)->verdict;
    const HealthActions actions = pool_.probe_done(result, now_);
    const auto after = pool_.find(t.server.id)->verdict;
    if (!current) { ASSERT_EQ(before, after) << "I4 seed " << seed_; }
    if (result.outcome == ProbeOutcome::kLocal && before == Verdict::kUp) { ASSERT_EQ(after, Verdict::kUp) << "I3 seed " << seed_; }
    if (before != Verdict::kUnknown) { ASSERT_NE(after, Verdict::kUnknown) << "I6 seed " << seed_; }
    if (current) t.outstanding.reset();
    apply(actions, false);
    if (pick(8) == 0) apply(pool_.probe_done(result, now_), false);  // Twice: must change nothing.
    ASSERT_EQ(pool_.find(t.server.id)->verdict, after) << "I4 seed " << seed_;
  }

  void operate(Truth& t) {
    const auto state = static_cast<AdminState>(pick(3));
    if (state == AdminState::kMaint) t.good_check_of_this_address = false;
    apply(pool_.set_admin(t.server.id, state, now_), false);
  }

  void move_address(Truth& t) {
    t.good_check_of_this_address = false;
    t.outstanding.reset();
    if (pick(3) == 0)
      t.server.endpoint.reset();
    else
      t.server.endpoint = endpoint(static_cast<std::uint8_t>(pick(250)), static_cast<std::uint16_t>(1 + pick(60000)));
    apply(pool_.set_endpoint(t.server.id, t.server.endpoint, "gone", now_), false);
  }

  void reload() {
    if (pick(2) == 0) settings_ = random_settings();
    if (truth_.size() > 1 && pick(3) == 0) truth_.erase(truth_.begin());
    if (truth_.size() < 6 && pick(3) == 0) add(truth_.rbegin()->first + 1);
    const auto before = look();
    const bool was_checked = pool_.settings().health.type != config::HealthType::kNone;
    const HealthActions actions = pool_.configure(settings_, servers(), now_);
    for (const auto& [id, h] : look()) {
      const auto known = before.find(id);
      if (known == before.end()) continue;
      ASSERT_EQ(h.admin, known->second.admin) << "P2 seed " << seed_;
      if (was_checked == checked()) { ASSERT_EQ(h.verdict, known->second.verdict) << "P2 seed " << seed_; }
    }
    apply(actions, false);
  }

  void step() {
    switch (pick(12)) {
      case 0: any().alive = pick(2) == 0; break;
      case 1: operate(any()); break;
      case 2:
        if (pick(6) == 0) move_address(any());
        break;
      case 3:
        if (pick(6) == 0) reload();
        break;
      case 4: apply(pool_.set_weight(any().server.id, pick(3) * 50, now_), false); break;
      case 5: pool_.connect_succeeded(any().server.id); break;
      case 6:
      case 7: report(any()); break;
      case 8:
      case 9:
      case 10: deliver(any()); break;
      default: {
        now_ += std::chrono::milliseconds(pick(700));
        apply(pool_.tick(now_), true);
      }
    }
  }

  /// Liveness: when the noise ends and everybody lives, everybody serves within a bounded time.
  void settle_down() {
    if (::testing::Test::HasFatalFailure()) return;
    for (auto& [id, t] : truth_) {
      t.alive = true;
      if (!t.server.endpoint) t.server.endpoint = endpoint(static_cast<std::uint8_t>(id));
      t.good_check_of_this_address = true;
      apply(pool_.set_endpoint(id, t.server.endpoint, "", now_), false);
      apply(pool_.set_admin(id, AdminState::kReady, now_), false);
      apply(pool_.set_weight(id, 100, now_), false);
    }
    const Instant end = now_ + 200s;  // Lost results are asked for again after a minute.
    while (now_ < end && !::testing::Test::HasFatalFailure()) {
      for (auto& [id, t] : truth_) {
        if (!t.outstanding) continue;
        const auto token = std::exchange(t.outstanding, std::nullopt)->token;
        apply(pool_.probe_done({.server = id, .token = token, .outcome = ProbeOutcome::kOk}, now_), false);
      }
      const auto next = pool_.next_deadline();
      if (!next) break;
      now_ = std::max(now_, *next);
      apply(pool_.tick(now_), false);
    }
    for (const auto& [id, h] : look()) ASSERT_TRUE(h.usable) << "liveness seed " << seed_ << " server " << id;
    for (const auto& [id, h] : look()) ASSERT_EQ(h.effective_weight, 100U) << "ramp ends, seed " << seed_;
  }

  unsigned seed_;
  std::mt19937_64 rng_;
  Instant now_{1h};
  PoolHealthSettings settings_;
  PoolHealth pool_;
  std::map<ServerId, Truth> truth_;
  std::map<ServerId, ServerHealth> seen_;
};

TEST(PoolHealthSim, HoldsInvariantsOnEverySeed) {  // FL_SIM_SEED=7 replays one, FL_SIM_SEEDS=100000 runs more.
  if (const char* one = std::getenv("FL_SIM_SEED")) {
    HealthSim(static_cast<unsigned>(std::strtoul(one, nullptr, 10))).run(400);
    return;
  }
  for (unsigned seed = 0; seed < sim_seeds() && !HasFatalFailure(); ++seed) HealthSim(seed).run(400);
}

}  // namespace
}  // namespace fairlead::lb
