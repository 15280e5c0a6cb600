#include "net/fault_engine.h"

#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "tests/support/engine_script.h"

namespace fairlead::net {
namespace {

using support::ScriptEngine;

constexpr std::size_t kBlock = 256;

struct Recorder final : EventSink {
  explicit Recorder(BufferPool& p) : pool(p) {}
  void on_turn() override { ++turn; }
  void on_event(const Event& event) override {
    kinds.push_back(event.kind);
    const std::string kind = std::to_string(static_cast<int>(event.kind));
    const std::string line = "turn " + std::to_string(turn) + " owner " + std::to_string(event.owner) + " kind " + kind;
    if (event.kind == EventKind::kSent) sent += event.bytes;
    if (event.kind == EventKind::kData) {
      const auto bytes = pool.bytes(event.buffer);
      data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      pool.give_back(event.buffer);
    }
    if (event.kind == EventKind::kAccepted) ::close(event.fd);
    trace.push_back(line + " bytes " + std::to_string(event.bytes));
  }
  BufferPool& pool;
  int turn = 0;
  std::vector<EventKind> kinds;
  std::vector<std::string> trace;
  std::string data;
  std::uint64_t sent = 0;
};

class FaultEngineTest : public testing::Test {
 protected:
  void make(const FaultPlan& plan) {
    auto inner = std::make_unique<ScriptEngine>(pool);
    script = inner.get();
    engine = make_fault_engine(std::move(inner), pool, plan);
    socket = *engine->adopt(Fd(), 7);
  }
  BufferIndex block(std::string_view text) {
    const BufferIndex index = pool.take();
    std::memcpy(pool.block(index), text.data(), text.size());
    pool.meta(index).length = static_cast<std::uint32_t>(text.size());
    return index;
  }
  void put_data(std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    script->put({.kind = EventKind::kData, .socket = SocketId{0}, .owner = 7, .bytes = size, .buffer = block(text)});
  }
  void put(EventKind kind, int error = 0) { script->put({.kind = kind, .socket = SocketId{0}, .owner = 7, .error = error}); }
  void turns(int n) {
    for (int i = 0; i < n; ++i) engine->poll(Instant::max(), sink);
  }

  BufferPool pool{32, kBlock};
  Recorder sink{pool};
  ScriptEngine* script = nullptr;
  std::unique_ptr<FaultEngine> engine;
  SocketId socket{};
};

TEST_F(FaultEngineTest, ForwardsWithoutFaults) {
  make(kNoFaults);

  engine->want_read(socket, true);
  put_data("hello");
  put(EventKind::kEof);
  turns(1);
  engine->close(socket, true);
  put(EventKind::kClosed);
  turns(1);

  EXPECT_EQ(script->calls(), (std::vector<std::string>{"turn 0 socket 0: adopt", "turn 0 socket 0: read on", "turn 1 socket 0: reset"}));
  EXPECT_EQ(sink.kinds, (std::vector{EventKind::kData, EventKind::kEof, EventKind::kClosed}));
  EXPECT_EQ(sink.data, "hello");
  EXPECT_EQ(engine->open_sockets(), 0U);
  EXPECT_TRUE(script->waited());
}

TEST_F(FaultEngineTest, CutsASendIntoPartsThatAddUp) {
  FaultPlan plan = kNoFaults;
  plan.short_send = 700;
  make(plan);
  BufferChain chain;
  chain.append(pool, block(std::string(200, 'a')));
  chain.append(pool, block(std::string(100, 'b')));

  engine->send(socket, chain);
  for (int i = 0; i < 100 && script->in_flight(0) > 0; ++i) {
    script->take_sent(0, script->in_flight(0));
    turns(1);
  }

  EXPECT_EQ(sink.sent, 300U);
  EXPECT_GT(engine->faults().short_sends, 0U);
  EXPECT_EQ(pool.used(), 0U);
}

TEST_F(FaultEngineTest, AnErrorGivesTheUnsentRestBack) {
  FaultPlan plan = kNoFaults;
  plan.short_send = 1000;
  make(plan);
  BufferChain chain;
  for (int i = 0; i < 4; ++i) chain.append(pool, block(std::string(200, 'a')));
  engine->send(socket, chain);
  ASSERT_LT(script->in_flight(0), 800U);

  put(EventKind::kError, ECONNRESET);
  turns(1);
  engine->close(socket, true);  // The script gives back what it had, like any engine.

  EXPECT_EQ(sink.kinds, std::vector{EventKind::kError});
  EXPECT_EQ(pool.used(), 0U);
}

TEST_F(FaultEngineTest, DataInCrumbsKeepsItsOrder) {
  FaultPlan plan = kNoFaults;
  plan.split_data = 1000;
  plan.late_event = 500;
  make(plan);
  engine->want_read(socket, true);

  put_data("abcdefghijklmnopqrstuvwxyz");
  put_data("0123456789");
  put(EventKind::kEof);
  turns(100);

  EXPECT_EQ(sink.data, "abcdefghijklmnopqrstuvwxyz0123456789");
  EXPECT_EQ(sink.kinds.back(), EventKind::kEof);
  EXPECT_GT(sink.kinds.size(), 5U);
  EXPECT_EQ(pool.used(), 0U);
}

TEST_F(FaultEngineTest, DoesNotWaitWhileAnEventIsHeldAndWaitsAfterwards) {
  FaultPlan plan = kNoFaults;
  plan.late_event = 1000;
  make(plan);
  engine->want_read(socket, true);
  put_data("x");
  turns(1);
  ASSERT_TRUE(sink.kinds.empty());

  turns(1);
  EXPECT_FALSE(script->waited());
  turns(static_cast<int>(plan.turns_max) + 1);

  EXPECT_EQ(sink.data, "x");
  EXPECT_TRUE(script->waited());
}

// C3: events that were held when close() came are dropped, their blocks and descriptors not lost.
TEST_F(FaultEngineTest, HeldEventsOfAClosedSocketAreDiscarded) {
  FaultPlan plan = kNoFaults;
  plan.late_event = 1000;
  make(plan);
  const int accepted = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(accepted, 0);
  put_data("never seen");
  script->put({.kind = EventKind::kAccepted, .socket = SocketId{0}, .owner = 7, .fd = accepted});
  turns(1);

  engine->close(socket, false);
  put(EventKind::kClosed);
  turns(2 * static_cast<int>(plan.turns_max) + 2);

  EXPECT_EQ(sink.kinds, std::vector{EventKind::kClosed});
  EXPECT_EQ(pool.used(), 0U);
  EXPECT_EQ(::fcntl(accepted, F_GETFD), -1);
}

// C5: the inner engine met the end while reading was on; the pause came before the sink was told.
TEST_F(FaultEngineTest, WithholdsAnEndOfFileThatAPauseOvertook) {
  FaultPlan plan = kNoFaults;
  plan.late_event = 1000;
  make(plan);
  engine->want_read(socket, true);
  put(EventKind::kEof);
  turns(1);

  engine->want_read(socket, false);
  turns(20);
  EXPECT_TRUE(sink.kinds.empty());
  EXPECT_TRUE(script->waited());  // A withheld end of file is no reason to stay awake.

  engine->want_read(socket, true);
  turns(1);
  EXPECT_EQ(sink.kinds, std::vector{EventKind::kEof});
}

// C6: the end of file was kept back, then the inner engine met an RST. Nothing follows the error, however late it is told.
TEST_F(FaultEngineTest, AnEndOfFileKeptBackIsForgottenOnceAnErrorIsUnderWay) {
  FaultPlan plan = kNoFaults;
  plan.late_event = 1000;
  make(plan);
  engine->want_read(socket, true);
  put(EventKind::kEof);
  turns(1);
  engine->want_read(socket, false);
  put(EventKind::kError, ECONNRESET);
  for (int i = 0; i < 20; ++i) {  // Whenever reading is switched on while the error is held.
    engine->want_read(socket, true);
    engine->want_read(socket, false);
    turns(1);
  }
  engine->want_read(socket, true);
  turns(20);

  EXPECT_EQ(sink.kinds.back(), EventKind::kError);
}

TEST_F(FaultEngineTest, NoEndOfFileFollowsAnError) {
  make(kNoFaults);
  put(EventKind::kEof);  // Reading is off: withheld.
  turns(1);
  put(EventKind::kError, ECONNRESET);
  turns(1);

  engine->want_read(socket, true);
  turns(3);

  EXPECT_EQ(sink.kinds, std::vector{EventKind::kError});
}

TEST_F(FaultEngineTest, TakesEveryFreeBlockForSomeTurnsAndGivesThemBack) {
  FaultPlan plan = kNoFaults;
  plan.starve = 1000;
  make(plan);
  engine->want_read(socket, true);
  put_data("x");
  turns(1);  // Eventful: the next turn may starve.
  turns(1);
  EXPECT_EQ(pool.free(), 0U);

  turns(static_cast<int>(plan.turns_max) + 1);

  EXPECT_EQ(pool.used(), 0U);
  EXPECT_EQ(engine->faults().starvations, 1U);
}

TEST_F(FaultEngineTest, DestructionGivesBackWhatIsHeld) {
  FaultPlan plan = kNoFaults;
  plan.late_event = 1000;
  plan.short_send = 1000;
  make(plan);
  put_data("held");
  turns(1);
  BufferChain chain;
  for (int i = 0; i < 4; ++i) chain.append(pool, block(std::string(200, 'a')));
  engine->send(socket, chain);

  engine.reset();

  EXPECT_EQ(pool.used(), 0U);
}

/// A fixed conversation of four sockets; what the sink saw and what the inner engine was asked, turn by turn.
std::string play(std::uint64_t seed) {
  BufferPool pool(32, kBlock);
  Recorder sink(pool);
  auto inner = std::make_unique<ScriptEngine>(pool);
  ScriptEngine* script = inner.get();
  FaultEngine engine(std::move(inner), pool, {.seed = seed});
  std::vector<SocketId> sockets;
  for (std::uint32_t i = 0; i < 4; ++i) sockets.push_back(*engine.adopt(Fd(), i));
  for (const SocketId s : sockets) engine.want_read(s, true);
  for (int round = 0; round < 30; ++round) {
    for (std::uint32_t i = 0; i < 4; ++i) {
      const BufferIndex block = pool.take();
      if (block == kNoBuffer) continue;
      pool.meta(block).length = 100;
      std::memset(pool.block(block), static_cast<int>('a' + i), 100);
      script->put({.kind = EventKind::kData, .socket = SocketId{i}, .owner = i, .bytes = 100, .buffer = block});
    }
    engine.poll(Instant::max(), sink);
  }
  for (int i = 0; i < 10; ++i) engine.poll(Instant::max(), sink);
  EXPECT_EQ(pool.used(), 0U);
  std::string all;
  for (const std::string& line : sink.trace) all += line + "\n";
  for (const std::string& line : script->calls()) all += line + "\n";
  return all;
}

TEST(FaultEngine, OneSeedIsOneSchedule) {
  EXPECT_EQ(play(5), play(5));
  EXPECT_NE(play(5), play(6));
}

}  // namespace
}  // namespace fairlead::net
