// A seeded adversary plays whole connections against RelayCore: random chunks, short sends, late completions, FIN and RST at any moment,
// failed connects. A model of the two sockets checks the core's invariants after every step. FL_SIM_SEED=7 replays one seed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "lb/relay_core.h"

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

constexpr auto kC = Side::kClient;
constexpr auto kS = Side::kServer;

class Adversary {
 public:
  explicit Adversary(unsigned seed) : rng_(seed) {
    marks_ = {.high = 1 + below(5000), .low = 0};
    marks_.low = marks_.high / 2;
    marks_.full_read = below(2) == 0 ? 0 : 1 + below(600);
    for (auto& side : to_write_) side = below(60000);
  }

  void play() {
    core_.opened(now_, static_cast<std::uint8_t>(below(256)));
    run([&](RelayOps& o) { core_.start(now_, o); });
    for (int i = 0; i < 5000 && !finished_ && !testing::Test::HasFailure(); ++i) step(/*calm=*/i > 400);
    EXPECT_TRUE(finished_) << "the connection never ends";
    if (core_.cause() == EndCause::kFinished) {
      EXPECT_EQ(delivered_[0], written_[0]) << "client's bytes lost or invented";
      EXPECT_EQ(delivered_[1], written_[1]) << "server's bytes lost or invented";
      EXPECT_TRUE(fin_written_[0] && fin_written_[1]);
    }
  }

 private:
  std::uint32_t below(std::uint32_t n) { return n == 0 ? 0 : static_cast<std::uint32_t>(rng_() % n); }
  static std::size_t at(Side s) { return static_cast<std::size_t>(s); }

  void run(auto&& call) {
    RelayOps ops;
    call(ops);
    for (const RelayOp op : ops) carry_out(op);
  }

  void carry_out(RelayOp op) {
    const std::size_t side = at(op.side);
    switch (op.kind) {
      case RelayOpKind::kConnect:
        ASSERT_FALSE(connecting_ || connected_) << "I3: connects once at a time and never after success";
        if (++tries_ > 4) return run([&](RelayOps& o) { core_.no_server(EndCause::kConnectRefused, o); });
        connecting_ = true;
        return run([&](RelayOps& o) { core_.connecting(now_, o); });
      case RelayOpKind::kReadOn: reading_[side] = true; return;
      case RelayOpKind::kReadOff: reading_[side] = false; return;
      case RelayOpKind::kSend:
        ASSERT_TRUE(op.side == kC || connected_) << "I3: nothing is sent to a server that has not answered";
        ASSERT_EQ(in_flight_[side], 0U) << "I1";
        ASSERT_FALSE(bulk_[1 - side]) << "I6";
        ASSERT_FALSE(fin_passed_[side]) << "I2: nothing follows a FIN";
        in_flight_[side] = taken_[1 - side] - handed_[1 - side];
        handed_[1 - side] = taken_[1 - side];
        ASSERT_GT(in_flight_[side], 0U);
        return;
      case RelayOpKind::kShutdown:
        ASSERT_EQ(delivered_[1 - side], written_[1 - side]) << "I2: every byte before the FIN";
        ASSERT_TRUE(fin_written_[1 - side]) << "I2: a FIN nobody sent";
        ASSERT_FALSE(fin_passed_[side]);
        fin_passed_[side] = true;
        return;
      case RelayOpKind::kCloseClean: ASSERT_FALSE(broken_) << "I2: an error must not become a FIN"; [[fallthrough]];
      case RelayOpKind::kCloseReset:
        ASSERT_FALSE(closing_[side]) << "I4: closed twice";
        closing_[side] = true;
        return;
      case RelayOpKind::kBulkPrepare:
        reading_[side] = false;
        bulk_asked_[side] = true;
        return;
      case RelayOpKind::kBulkStart:
        ASSERT_EQ(delivered_[side], taken_[side]) << "I6: nothing queued or in flight";
        ASSERT_FALSE(fin_passed_[1 - side]);
        if (below(3) == 0) return run([&](RelayOps& o) { core_.bulk_refused(op.side, o); });
        bulk_[side] = true;
        return;
      case RelayOpKind::kArmTimer: return;
      case RelayOpKind::kFinish:
        ASSERT_FALSE(finished_) << "I4";
        ASSERT_TRUE(!closing_[0] && !closing_[1]) << "I4: before the last kClosed";
        finished_ = true;
        return;
    }
  }

  void step(bool calm) {
    now_ += std::chrono::milliseconds(below(3));
    if (closing_[0] || closing_[1]) return close_one();
    const Side side = below(2) == 0 ? kC : kS;
    if (connecting_ && below(4) == 0) return end_connect(calm);
    if (side == kS && !connected_) return;
    if (!calm && below(300) == 0) {
      broken_ = true;
      return run([&](RelayOps& o) { core_.error(side, o); });
    }
    if (bulk_asked_[at(side)] && below(2) == 0) {
      bulk_asked_[at(side)] = false;
      return run([&](RelayOps& o) { core_.bulk_ready(side, o); });
    }
    if (bulk_[at(side)]) return move(side);
    if (below(2) == 0) return complete_send(side);
    receive(side);
  }

  void close_one() {
    const Side side = closing_[0] && (!closing_[1] || below(2) == 0) ? kC : kS;
    closing_[at(side)] = false;
    run([&](RelayOps& o) { core_.closed(side, o); });
  }

  void end_connect(bool calm) {
    connecting_ = false;
    if (!calm && below(3) == 0) return run([&](RelayOps& o) { core_.connect_failed(EndCause::kConnectRefused, true, o); });
    connected_ = true;
    run([&](RelayOps& o) { core_.connected(0, now_, o); });
  }

  void complete_send(Side to) {
    std::uint32_t& left = in_flight_[at(to)];
    if (left == 0) return;
    const std::uint32_t n = 1 + below(left);
    left -= n;
    delivered_[1 - at(to)] += n;
    run([&](RelayOps& o) { core_.sent(to, n, marks_, now_, o); });
  }

  /// The engine moves bytes by itself.
  void move(Side from) {
    const std::size_t s = at(from);
    if (to_write_[s] > 0 && below(6) == 0) {
      bulk_[s] = false;
      return run([&](RelayOps& o) { core_.bulk_ended(from, o); });
    }
    if (to_write_[s] == 0) {
      bulk_[s] = false;
      fin_written_[s] = true;
      return run([&](RelayOps& o) { core_.eof(from, now_, o); });
    }
    const std::uint32_t n = std::min(to_write_[s], 1 + below(9000));
    to_write_[s] -= n;
    for (auto* count : {&written_[s], &taken_[s], &handed_[s], &delivered_[s]}) *count += n;
    core_.moved(from, n, now_);
  }

  void receive(Side from) {
    const std::size_t s = at(from);
    if (!reading_[s] || fin_written_[s]) return;
    if (to_write_[s] == 0) {
      fin_written_[s] = true;
      return run([&](RelayOps& o) { core_.eof(from, now_, o); });
    }
    const std::uint32_t n = std::min(to_write_[s], 1 + below(3000));
    to_write_[s] -= n;
    written_[s] += n;
    taken_[s] += n;
    run([&](RelayOps& o) { core_.data(from, n, marks_, now_, o); });
    if (core_.held(from) > marks_.high && !core_.is_closing()) { ASSERT_FALSE(reading_[s]) << "I5"; }
  }

  std::mt19937 rng_;
  RelayCore core_;
  Instant now_{1h};
  WaterMarks marks_;
  int tries_ = 0;
  bool connecting_ = false;
  bool connected_ = false;
  bool broken_ = false;
  bool finished_ = false;
  // By side: what its peer still has to write, wrote, we took, handed to a send, and had sent to the other side.
  std::uint32_t to_write_[2] = {0, 0};
  std::uint32_t written_[2] = {0, 0};
  std::uint32_t taken_[2] = {0, 0};
  std::uint32_t handed_[2] = {0, 0};
  std::uint32_t delivered_[2] = {0, 0};
  std::uint32_t in_flight_[2] = {0, 0};  ///< By the side it goes to.
  bool reading_[2] = {false, false};
  bool bulk_asked_[2] = {false, false};
  bool bulk_[2] = {false, false};
  bool fin_written_[2] = {false, false};
  bool fin_passed_[2] = {false, false};  ///< By the side it goes to.
  bool closing_[2] = {false, false};
};

TEST(RelaySim, HoldsInvariantsOnEverySeed) {
  const char* one = std::getenv("FL_SIM_SEED");
  const unsigned first = one == nullptr ? 0U : static_cast<unsigned>(std::atoi(one));
  const unsigned count = one != nullptr ? 1U : std::getenv("FL_LONG") != nullptr ? 2'000'000U : 20'000U;
  for (unsigned seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("FL_SIM_SEED=" + std::to_string(seed));
    Adversary(seed).play();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace fairlead::lb
