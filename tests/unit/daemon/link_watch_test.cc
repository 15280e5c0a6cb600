#include "daemon/link_watch.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow{1h};
constexpr membership::LinkState kUp{.node = NodeId{2}, .link = 1, .connected = true};
constexpr membership::LinkState kDown{.node = NodeId{2}, .link = 1, .connected = false};

TEST(LinkWatchTest, ALossIsToldOnceAndItsEndToo) {
  LinkWatch watch;
  EXPECT_EQ(watch.see(kUp, true, kNow), LinkNews::kNone);
  EXPECT_EQ(watch.see(kDown, true, kNow + 1s), LinkNews::kDown);
  EXPECT_EQ(watch.see(kDown, true, kNow + 20s), LinkNews::kNone);
  EXPECT_EQ(watch.see(kUp, true, kNow + 21s), LinkNews::kUp);
  EXPECT_EQ(watch.see(kUp, true, kNow + 22s), LinkNews::kNone);
}

TEST(LinkWatchTest, WhileCorosyncStartsALinkComesUpWithoutAWord) {
  LinkWatch watch;
  EXPECT_EQ(watch.see(kDown, true, kNow), LinkNews::kNone);
  EXPECT_EQ(watch.see(kDown, true, kNow + 9s), LinkNews::kNone);
  EXPECT_EQ(watch.see(kUp, true, kNow + 9500ms), LinkNews::kNone);
}

TEST(LinkWatchTest, OneThatNeverCameUpIsToldOfWhenItsNodeIsThere) {
  LinkWatch watch;
  EXPECT_EQ(watch.see(kDown, true, kNow), LinkNews::kNone);
  EXPECT_EQ(watch.see(kDown, false, kNow + 11s), LinkNews::kNone) << "the node is off";
  EXPECT_EQ(watch.see(kDown, true, kNow + 12s), LinkNews::kDown);
  EXPECT_EQ(watch.see(kUp, true, kNow + 13s), LinkNews::kUp);
}

TEST(LinkWatchTest, AfterCorosyncsEndItBeginsAnew) {
  LinkWatch watch;
  EXPECT_EQ(watch.see(kUp, true, kNow), LinkNews::kNone);
  watch.forget();
  EXPECT_EQ(watch.see(kDown, true, kNow + 1s), LinkNews::kNone);
}

}  // namespace
}  // namespace fairlead::daemon
