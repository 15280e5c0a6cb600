// LeaseBook: what its dnsmasq is told, of which dnsmasq may know more than the book.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dnsdhcp/lease_book_fixture.h"

namespace fairlead::dnsdhcp {
namespace {

class LeaseFeedsTest : public LeaseBookTest {
 protected:
  /// As dhclient: dnsmasq knows it by its MAC.
  void hear_nameless(std::uint8_t client, LeaseStamp stamp, bool released = false) {
    LeaseRecord r = record(100, client, stamp);
    r.client_id.clear();
    r.released = released;
    book.delivered(n2, LeaseUpdate{{r}, {}, false}, now, out);
  }
  void open_gate() {
    book.open(kMast, out);
    for (const auto& word : take<SendUpdate>()) book.delivered(n1, word.update, now, out);
  }
};

// As the VIPs went dnsmasq gave 100 to client 1, and told so too late (I1). Added over that lease the one of client 2 would have the id of
// client 1, who would be given the address that client 2 uses.
TEST_F(LeaseFeedsTest, ALeaseWithoutAClientIdIsAddedOverNoneThatNobodyHeardOf) {
  hold(book, 7);
  open_gate();
  book.let_go(kMast);
  give(book, 100, 1);
  ASSERT_THAT(out, IsEmpty());
  hear_nameless(2, {8, 1});
  EXPECT_THAT(take_feeds(), ElementsAre("delete 192.168.1.100", "add 192.168.1.100")) << "of no lease before";
  hear_nameless(2, {8, 2}, /*released=*/true);
  EXPECT_THAT(take_feeds(), ElementsAre("delete 192.168.1.100"));
  hear_nameless(3, {8, 3});
  EXPECT_THAT(take_feeds(), ElementsAre("delete 192.168.1.100", "add 192.168.1.100")) << "after one that is over";
}

TEST_F(LeaseFeedsTest, ALeaseWithAClientIdReplacesWhateverIsThere) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {7, 1})}, {}, false}, now, out);
  EXPECT_THAT(take_feeds(), ElementsAre("add 192.168.1.100"));
}

// Client 1 gave 100 back as the VIPs went, client 2 got it, and neither was told; client 1 gets it again elsewhere.
TEST_F(LeaseFeedsTest, WhereTheGateWasOpenToTheEndNoRenewalIsTakenForOne) {
  hear_nameless(1, {6, 1});
  hold(book, 7);
  open_gate();
  book.let_go(kMast);
  hear_nameless(1, {8, 1});
  EXPECT_THAT(take_feeds(), ElementsAre("delete 192.168.1.100", "add 192.168.1.100"));
  book.dnsmasq_ended();
  book.dnsmasq_started(out);
  out.clear();
  hear_nameless(1, {8, 2});
  EXPECT_THAT(take_feeds(), ElementsAre("add 192.168.1.100")) << "this one knows what the book knows";
}

TEST_F(LeaseFeedsTest, ADnsmasqThatWasStartedAnewInOrderKnowsWhatTheBookKnowsToo) {
  hear_nameless(1, {6, 1});
  hold(book, 7);
  open_gate();
  book.let_go(kMast);
  book.dnsmasq_started(out);
  out.clear();
  hear_nameless(1, {8, 1});
  EXPECT_THAT(take_feeds(), ElementsAre("add 192.168.1.100"));
}

TEST_F(LeaseFeedsTest, ALostFenceThatIsAskedForAgainForgetsNothingThatWasFed) {
  hear_nameless(1, {6, 1});
  hold(book, 7);
  open_gate();
  book.delivered(n2, LeaseUpdate{{record(105, 5, {9, 1})}, {}, false}, now, out);
  ASSERT_TRUE(book.has_news(kMast));
  book.close(kMast, out);
  const auto lost = take<FeedFence>();
  book.fence_again(out);
  const auto again = take<FeedFence>();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_GT(again[0].number, lost.at(0).number);
  EXPECT_TRUE(book.has_news(kMast));
  book.local_event(fence(again[0].number), now, out);
  for (const auto& word : take<SendUpdate>()) book.delivered(n1, word.update, now, out);
  EXPECT_TRUE(book.may_release(kMast)) << "the later one stands for both";
}

TEST_F(LeaseFeedsTest, AfterAPlannedMoveARenewalIsOne) {
  hear_nameless(1, {6, 1});
  hold(book, 7);
  open_gate();
  book.close(kMast, out);
  book.local_event(fence(take<FeedFence>().at(0).number), now, out);
  for (const auto& word : take<SendUpdate>()) book.delivered(n1, word.update, now, out);
  ASSERT_TRUE(book.may_release(kMast));
  book.let_go(kMast);
  hear_nameless(1, {8, 1});
  EXPECT_THAT(take_feeds(), ElementsAre("add 192.168.1.100"));
}

TEST_F(LeaseFeedsTest, EachDeletionThatWasFedHasAnEchoOfItsOwn) {
  hold(book, 7);
  hear_nameless(1, {6, 1});
  hear_nameless(1, {6, 2}, /*released=*/true);
  hear_nameless(1, {6, 3});
  ASSERT_THAT(take<FeedDelete>(), SizeIs(3));
  book.had_none(ip(100));  // Answers to the first and the third.
  book.had_none(ip(100));
  LeaseEvent gone = del(100, 1);
  gone.client_id.clear();
  book.local_event(gone, now, out);
  EXPECT_THAT(book.leases(now), SizeIs(1)) << "the echo of the second";
  book.local_event(gone, now, out);
  EXPECT_THAT(book.leases(now), IsEmpty()) << "the client's own release";
}

}  // namespace
}  // namespace fairlead::dnsdhcp
