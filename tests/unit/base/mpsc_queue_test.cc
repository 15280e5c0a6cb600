#include "base/mpsc_queue.h"

#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <sched.h>
#include <thread>
#include <vector>

#include "base/inbox.h"

namespace fairlead {
namespace {

TEST(MpscQueueTest, KeepsOrderAndItsBound) {
  MpscQueue<int> queue(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.push(i));
  EXPECT_FALSE(queue.push(4));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(queue.pop(), i);
  EXPECT_EQ(queue.pop(), std::nullopt);
  EXPECT_TRUE(queue.push(5));
  EXPECT_EQ(queue.pop(), 5);
}

TEST(MpscQueueTest, RoundsItsCapacityUpToAPowerOfTwo) {
  MpscQueue<int> queue(5);
  int fitted = 0;
  while (queue.push(1)) ++fitted;
  EXPECT_EQ(fitted, 8);
}

TEST(MpscQueueTest, LeavesAValueItCannotTakeUntouched) {
  MpscQueue<std::unique_ptr<int>> queue(2);
  EXPECT_TRUE(queue.push(std::make_unique<int>(1)));
  EXPECT_TRUE(queue.push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(queue.push(std::move(third)));
  ASSERT_NE(third, nullptr);  // NOLINT(bugprone-use-after-move): that is the contract.
  EXPECT_EQ(**queue.pop(), 1);
}

TEST(MpscQueueTest, ReleasesAValueWhenItIsPopped) {
  auto value = std::make_shared<int>(1);
  MpscQueue<std::shared_ptr<int>> queue(4);
  EXPECT_TRUE(queue.push(value));
  (void)queue.pop();
  EXPECT_EQ(value.use_count(), 1);
}

TEST(MpscQueueTest, LosesAndRepeatsNothingUnderManyProducers) {
  constexpr int kProducers = 4;
  constexpr int kEach = 20'000;
  MpscQueue<std::pair<int, int>> queue(64);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kEach;) {
        if (queue.push(std::pair{p, i})) {
          ++i;
        } else {
          ::sched_yield();
        }
      }
    });
  }
  std::vector<int> next(kProducers, 0);
  for (int seen = 0; seen < kProducers * kEach;) {
    const auto value = queue.pop();
    if (!value) {
      ::sched_yield();
      continue;
    }
    ++seen;
    ASSERT_EQ(value->second, next[static_cast<std::size_t>(value->first)]++);  // In the order of its producer, each once.
  }
  for (auto& producer : producers) producer.join();
  EXPECT_FALSE(queue.pop());
}

bool readable(int fd, int timeout_ms = 0) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&p, 1, timeout_ms) == 1;
}

TEST(InboxTest, WakesItsOwnerAndGoesQuietWhenDrained) {
  Inbox<int> inbox(8);
  EXPECT_FALSE(readable(inbox.event_fd()));
  EXPECT_TRUE(inbox.post(1));
  EXPECT_TRUE(inbox.post(2));
  EXPECT_TRUE(readable(inbox.event_fd()));

  std::vector<int> got;
  EXPECT_EQ(inbox.drain([&](int v) { got.push_back(v); }), 2U);
  EXPECT_EQ(got, (std::vector<int>{1, 2}));
  EXPECT_FALSE(readable(inbox.event_fd()));
  EXPECT_TRUE(inbox.post(3));
  EXPECT_TRUE(readable(inbox.event_fd()));
}

TEST(InboxTest, StaysReadableWhileMoreThanTheLimitIsQueued) {
  Inbox<int> inbox(8);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(inbox.post(i));
  int got = 0;
  EXPECT_EQ(inbox.drain([&](int) { ++got; }, 3), 3U);
  EXPECT_TRUE(readable(inbox.event_fd()));
  inbox.drain([&](int) { ++got; }, 3);
  EXPECT_EQ(got, 5);
}

TEST(InboxTest, TakesWhatIsPostedWhileItDrains) {
  Inbox<int> inbox(8);
  EXPECT_TRUE(inbox.post(0));
  int got = 0;
  for (int turn = 0; turn < 10 && readable(inbox.event_fd()); ++turn) {
    inbox.drain(
        [&](int v) {
          ++got;
          if (v < 3) { EXPECT_TRUE(inbox.post(v + 1)); }
        },
        1);
  }
  EXPECT_EQ(got, 4);
}

TEST(InboxTest, NeverSleepsOnAPostedValue) {
  constexpr int kEach = 20'000;
  Inbox<int> inbox(32);
  std::vector<std::thread> producers;
  for (int p = 0; p < 3; ++p) {
    producers.emplace_back([&] {
      for (int i = 0; i < kEach;) {
        if (inbox.post(i)) {
          ++i;
        } else {
          ::sched_yield();
        }
      }
    });
  }
  int got = 0;
  while (got < 3 * kEach) {
    ASSERT_TRUE(readable(inbox.event_fd(), 10'000)) << "a wake-up was lost after " << got;
    inbox.drain([&](int) { ++got; }, 16);
  }
  for (auto& producer : producers) producer.join();
}

}  // namespace
}  // namespace fairlead
