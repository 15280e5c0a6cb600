#include "base/qb_loop.h"

#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <unistd.h>

namespace fairlead {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Ends a loop that would otherwise hang the test.
class QbLoopTest : public testing::Test {
 protected:
  QbLoopTest() {
    loop.after(seconds(20), [this] {
      ADD_FAILURE() << "the loop did not end by itself";
      loop.stop();
    });
  }
  QbLoop loop;
};

struct Pipe {
  Pipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
  void put() const { EXPECT_EQ(::write(write.get(), "x", 1), 1); }
  [[nodiscard]] bool take() const {
    char c = 0;
    return ::read(read.get(), &c, 1) == 1;
  }
  Fd read;
  Fd write;
};

TEST_F(QbLoopTest, FiresTimersInOrderAndNeverEarly) {
  std::string order;
  const Instant start = loop.now();
  loop.at(start + milliseconds(20), [&] {
    order += 'c';
    EXPECT_GE(loop.now() - start, milliseconds(20));
    loop.stop();
  });
  loop.at(start + milliseconds(5), [&] { order += 'a'; });
  loop.at(start + milliseconds(5), [&] { order += 'b'; });
  loop.run();
  EXPECT_EQ(order, "abc");
}

TEST_F(QbLoopTest, FiresADeadlineThatHasPassed) {
  bool fired = false;
  loop.at(Instant{}, [&] {
    fired = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(fired);
}

TEST_F(QbLoopTest, TellsHowLateATimerWas) {
  const Instant start = loop.now();
  loop.at(start, [&] {
    while (loop.now() < start + milliseconds(40)) {}
  });
  loop.at(start + milliseconds(10), [&] { loop.stop(); });
  loop.run();
  EXPECT_GE(loop.take_lateness(), milliseconds(30));
  EXPECT_EQ(loop.take_lateness(), Duration::zero()) << "since the last call";

  loop.at(Instant{}, [&] { loop.stop(); });
  loop.run();
  EXPECT_LT(loop.take_lateness(), seconds(10)) << "one that was late when it was asked for counts from then";
}

TEST_F(QbLoopTest, DoesNotFireACancelledTimerEvenWhenItIsDue) {
  QbLoop::TimerId second = 0;
  bool fired = false;
  loop.at(Instant{}, [&] { loop.cancel(second); });
  second = loop.at(Instant{}, [&] { fired = true; });
  loop.after(milliseconds(2), [&] { loop.stop(); });
  loop.run();
  EXPECT_FALSE(fired);
}

TEST_F(QbLoopTest, ATimerMayCancelItselfAndUnknownOnes) {
  QbLoop::TimerId self = 0;
  self = loop.after(Duration::zero(), [&] {
    loop.cancel(self);
    loop.cancel(0);
    loop.cancel(12345);
    loop.stop();
  });
  loop.run();
}

TEST_F(QbLoopTest, TimersThatAlwaysAddAnotherDoNotStarveDescriptors) {
  Pipe pipe;
  pipe.put();
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    loop.at(Instant{}, again);
  };
  again();
  ASSERT_TRUE(loop.add_readable(pipe.read.get(), [&] {
    EXPECT_TRUE(pipe.take());
    loop.stop();
  }));
  loop.run();
  EXPECT_LT(rounds, 1000);
}

TEST_F(QbLoopTest, CallsBackAsLongAsADescriptorIsReadable) {
  Pipe pipe;
  pipe.put();
  pipe.put();
  pipe.put();
  int calls = 0;
  ASSERT_TRUE(loop.add_readable(pipe.read.get(), [&] {
    EXPECT_TRUE(pipe.take());
    if (++calls == 3) loop.stop();
  }));
  loop.run();
  EXPECT_EQ(calls, 3);
}

TEST_F(QbLoopTest, TellsOfAHangUp) {
  Pipe pipe;
  pipe.write.reset();
  bool told = false;
  ASSERT_TRUE(loop.add_readable(pipe.read.get(), [&] {
    told = true;
    loop.remove(pipe.read.get());
    loop.stop();
  }));
  loop.run();
  EXPECT_TRUE(told);
}

TEST_F(QbLoopTest, ADescriptorRemovedByAnotherIsNotCalledBackEvenWhenItIsDue) {
  Pipe one;
  Pipe two;
  one.put();
  two.put();
  int calls = 0;
  const auto first_come = [&](int other) {
    ++calls;
    loop.remove(other);
  };
  ASSERT_TRUE(loop.add_readable(one.read.get(), [&] {
    (void)one.take();
    first_come(two.read.get());
  }));
  ASSERT_TRUE(loop.add_readable(two.read.get(), [&] {
    (void)two.take();
    first_come(one.read.get());
  }));
  loop.after(milliseconds(5), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST_F(QbLoopTest, ADescriptorMayRemoveItselfAndItsNumberMayBeUsedAgain) {
  auto pipe = std::make_unique<Pipe>();
  pipe->put();
  int fresh_calls = 0;
  std::unique_ptr<Pipe> fresh;
  ASSERT_TRUE(loop.add_readable(pipe->read.get(), [&] {
    const int number = pipe->read.get();
    loop.remove(number);
    pipe.reset();
    fresh = std::make_unique<Pipe>();  // Gets the same numbers.
    EXPECT_EQ(fresh->read.get(), number);
    fresh->put();
    EXPECT_TRUE(loop.add_readable(fresh->read.get(), [&] {
      ++fresh_calls;
      EXPECT_TRUE(fresh->take());
      loop.stop();
    }));
  }));
  loop.run();
  EXPECT_EQ(fresh_calls, 1);
}

TEST_F(QbLoopTest, RefusesADescriptorTwiceAndOneThatIsClosed) {
  Pipe pipe;
  ASSERT_TRUE(loop.add_readable(pipe.read.get(), [] {}));
  const Status twice = loop.add_readable(pipe.read.get(), [] {});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, Errc::kConflict);
  EXPECT_FALSE(loop.add_readable(987654, [] {}));
  loop.remove(987654);
}

TEST_F(QbLoopTest, DrainsAnInboxFilledByOtherThreads) {
  Inbox<int> inbox(64);
  long sum = 0;
  int seen = 0;
  ASSERT_TRUE(loop.add_inbox(
      inbox,
      [&](int value) {
        sum += value;
        if (++seen == 2000) loop.stop();
      },
      /*limit=*/8));
  const auto produce = [&] {
    for (int i = 1; i <= 1000;) {
      if (inbox.post(i)) ++i;
    }
  };
  std::thread one(produce);
  std::thread two(produce);
  loop.run();
  one.join();
  two.join();
  EXPECT_EQ(sum, 2 * 500'500);
}

TEST_F(QbLoopTest, StopsWhenAnotherThreadAsks) {
  std::thread other([&] { loop.request_stop(); });
  loop.run();
  other.join();
}

TEST_F(QbLoopTest, RunsAgainAfterAStop) {
  int turns = 0;
  for (int i = 0; i < 2; ++i) {
    loop.after(Duration::zero(), [&] {
      ++turns;
      loop.stop();
    });
    loop.run();
  }
  EXPECT_EQ(turns, 2);
}

TEST_F(QbLoopTest, DeliversSignalsAsCallbacks) {
  sigset_t before;
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, nullptr, &before), 0);
  QbLoop::block_signals({SIGHUP, SIGUSR1});
  std::vector<int> seen;
  ASSERT_TRUE(loop.on_signals({SIGHUP, SIGUSR1}, [&](int signal) {
    seen.push_back(signal);
    if (seen.size() == 2) loop.stop();
  }));
  EXPECT_FALSE(loop.on_signals({SIGTERM}, [](int) {}));
  ::raise(SIGHUP);
  ::raise(SIGUSR1);
  loop.run();
  EXPECT_EQ(seen, (std::vector<int>{SIGHUP, SIGUSR1}));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace fairlead
