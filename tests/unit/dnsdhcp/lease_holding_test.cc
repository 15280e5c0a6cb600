// LeaseBook: sweep, gate, barrier, synchronisation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/dnsdhcp/lease_book_fixture.h"

namespace fairlead::dnsdhcp {
namespace {

// ---- sweep, gate, barrier ----

TEST_F(LeaseBookTest, AnAdoptedAddressIsLeasedToWhoAnsweredForAWholeLease) {
  hold(book, 7);
  EXPECT_EQ(book.adopt(kMast, ip(100), {mac(9)}, 12h, now, out), Adoption::kNew);
  EXPECT_THAT(take<FeedAdd>(), SizeIs(1));
  EXPECT_EQ(book.find(ip(100))->mac, mac(9));
  EXPECT_EQ(book.find(ip(100))->expires, now + 12h);
  EXPECT_EQ(book.adopt(kMast, ip(100), {mac(8), mac(9)}, 12h, now, out), Adoption::kNothing) << "known";
  EXPECT_EQ(book.adopt("node", ip(101), {mac(8)}, 12h, now, out), Adoption::kNothing) << "not held here";
  EXPECT_EQ(book.adopt(kMast, ip(101), {MacAddress::broadcast()}, 12h, now, out), Adoption::kNothing);
}

TEST_F(LeaseBookTest, WhoAnswersHasTheAddressWhateverAnOldLeaseSays) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {5, 1})}, {}, false}, now, out);
  hold(book, 7);
  out.clear();
  EXPECT_EQ(book.adopt(kMast, ip(100), {mac(9)}, 12h, now, out), Adoption::kNew);
  EXPECT_EQ(book.find(ip(100))->mac, mac(9));
  EXPECT_TRUE(std::any_of(out.begin(), out.end(), [](const BookAction& a) { return std::holds_alternative<FeedDelete>(a); }));
  EXPECT_THAT(take<LeaseConflict>(), SizeIs(1));
}

TEST_F(LeaseBookTest, AKnownClientThatAnswersMayHaveRenewedUnheard) {
  hold(book, 7);
  give(book, 100, 1);
  now += 3000s;
  out.clear();
  EXPECT_EQ(book.adopt(kMast, ip(100), {mac(1)}, 3600s, now, out), Adoption::kLonger);
  const auto lease = book.find(ip(100));
  EXPECT_EQ(lease->expires, now + 3600s);
  EXPECT_EQ(lease->name, "host-1") << "what else is known of it stays";
  EXPECT_THAT(take<SendUpdate>(), SizeIs(1));
}

TEST_F(LeaseBookTest, I3AKnownClientThatAnswersStandsAgainstAnOldRecordWithAHigherStamp) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {5, 1})}, {}, false}, now, out);
  hold(book, 1);
  EXPECT_EQ(book.adopt(kMast, ip(100), {mac(1)}, 3600s, now, out), Adoption::kLonger);
  book.delivered(n3, LeaseUpdate{{record(100, 2, {9, 1})}, {}, false}, now, out);
  EXPECT_EQ(book.find(ip(100))->mac, mac(1));
}

TEST_F(LeaseBookTest, ASweepOfManyIsToldInFewMessages) {
  hold(book, 7);
  out.clear();
  for (std::uint8_t i = 1; i <= 200; ++i) EXPECT_EQ(book.adopt(kMast, ip(i), {mac(i)}, 12h, now, out), Adoption::kNew);
  const auto sent = take<SendUpdate>();
  ASSERT_THAT(sent, SizeIs(200 / kBatchRecordsMax));
  for (const SendUpdate& s : sent) EXPECT_THAT(s.update.records, SizeIs(kBatchRecordsMax));
}

TEST_F(LeaseBookTest, TheGateOpensOnlyWhenEverybodyHasHeardThatItDoes) {
  hold(book, 7);
  book.open(kMast, out);
  const auto word = take<SendUpdate>();
  ASSERT_THAT(word, SizeIs(1));
  EXPECT_FALSE(book.may_open(kMast));
  book.delivered(n1, word[0].update, now, out);
  EXPECT_TRUE(book.may_open(kMast));
}

TEST_F(LeaseBookTest, AWordThatWasLostWithTheGroupIsSaidAgain) {
  hold(book, 7);
  book.open(kMast, out);
  (void)take<SendUpdate>();  // Nobody gets it: this node fell out of the group.
  book.view_changed({}, now, out);
  EXPECT_FALSE(book.may_open(kMast));
  book.view_changed({n1}, now, out);
  const auto again = take<SendUpdate>();
  ASSERT_EQ(again.size(), 1U);
  book.delivered(n1, again.front().update, now, out);
  EXPECT_TRUE(book.may_open(kMast)) << "one word, and it came back";
}

TEST_F(LeaseBookTest, APlannedMoveWaitsForTheFenceAndForTheWord) {
  hold(book, 7);
  book.open(kMast, out);
  for (const auto& word : take<SendUpdate>()) book.delivered(n1, word.update, now, out);
  book.close(kMast, out);
  const auto fences = take<FeedFence>();
  ASSERT_THAT(fences, SizeIs(1));
  give(book, 100, 1);  // Told late.
  book.local_event(fence(fences[0].number), now, out);
  const auto sent = take<SendUpdate>();
  ASSERT_THAT(sent, SizeIs(2)) << "the late lease, and then the word";
  EXPECT_THAT(sent[0].update.records, SizeIs(1));
  ASSERT_THAT(sent[1].update.gates, SizeIs(1));
  EXPECT_TRUE(sent[1].update.gates[0].closed);
  EXPECT_FALSE(book.may_release(kMast));
  for (const auto& s : sent) {
    book.delivered(n1, s.update, now, out);
    other.delivered(n1, s.update, now, out);
  }
  EXPECT_TRUE(book.may_release(kMast));
  other.hold(kMast, 8, now, out);
  EXPECT_TRUE(other.handed_over(kMast));
  EXPECT_EQ(other.find(ip(100))->mac, mac(1));
}

TEST_F(LeaseBookTest, AMoveThatIsTakenBackTellsSoBeforeTheGateOpensAgain) {
  hold(book, 7);
  book.open(kMast, out);
  for (const auto& word : take<SendUpdate>()) book.delivered(n1, word.update, now, out);
  book.close(kMast, out);
  book.local_event(fence(take<FeedFence>().at(0).number), now, out);
  const auto closed = take<SendUpdate>();
  book.open(kMast, out);
  const auto opened = take<SendUpdate>();
  book.delivered(n1, closed.at(0).update, now, out);
  EXPECT_FALSE(book.may_open(kMast)) << "that was the word before";
  book.delivered(n1, opened.at(0).update, now, out);
  EXPECT_TRUE(book.may_open(kMast));
  EXPECT_FALSE(book.may_release(kMast));
  for (const auto& s : {closed, opened}) other.delivered(n1, s.at(0).update, now, out);
  other.hold(kMast, 8, now, out);
  EXPECT_FALSE(other.handed_over(kMast));
}

TEST_F(LeaseBookTest, I7WordsAreForgottenWithTheView) {
  other.delivered(n1, LeaseUpdate{{}, {{kMast, 7, true}}, false}, now, out);
  other.view_changed({n1, n2}, now, out);
  other.hold(kMast, 8, now, out);
  EXPECT_FALSE(other.handed_over(kMast));
}

// The record was on its way when the view changed, and was dropped; the word came through.
TEST_F(LeaseBookTest, I7AWordThatOutranItsRecordsHandsNothingOverBeforeTheBooksAreEqual) {
  hold(book, 7);
  book.open(kMast, out);
  pass_on(book, n1);
  give(book, 100, 1);
  out.clear();  // Nobody hears of it.
  for (LeaseBook* each : {&book, &other}) each->view_changed({n1, n2}, now, out);
  const auto digests = take<SendDigest>();
  book.close(kMast, out);
  book.local_event(fence(take<FeedFence>().at(0).number), now, out);
  pass_on(other, n1);  // The word.
  other.hold(kMast, 8, now, out);
  EXPECT_FALSE(other.find(ip(100)));
  EXPECT_FALSE(other.handed_over(kMast)) << "it would give .100 to somebody else";
  out.clear();
  other.delivered(n1, digests.at(0).digest, now, out);
  book.delivered(n2, digests.at(1).digest, now, out);
  pass_on(other, n1);
  EXPECT_TRUE(other.synchronised());
  EXPECT_TRUE(other.find(ip(100)));
  EXPECT_TRUE(other.handed_over(kMast)) << "now nothing is missing";
}

TEST_F(LeaseBookTest, AGateThatNeverOpenedHandsNothingOver) {
  hold(book, 7);
  book.close(kMast, out);
  EXPECT_THAT(take<SendUpdate>(), IsEmpty());
  EXPECT_TRUE(book.may_release(kMast));
}

TEST_F(LeaseBookTest, ADnsmasqThatDiedDuringAMoveHandsNothingOver) {
  hold(book, 7);
  book.open(kMast, out);
  for (const auto& word : take<SendUpdate>()) book.delivered(n1, word.update, now, out);
  book.close(kMast, out);
  out.clear();
  book.dnsmasq_ended();
  book.dnsmasq_started(out);
  EXPECT_THAT(take<FeedFence>(), IsEmpty());
  EXPECT_FALSE(book.may_release(kMast));
  book.close(kMast, out);
  EXPECT_TRUE(book.may_release(kMast));
  EXPECT_THAT(take<SendUpdate>(), IsEmpty()) << "no word: the next holder sweeps";
}

// ---- synchronisation ----

TEST_F(LeaseBookTest, BooksThatDifferAreExchangedOnceInAView) {
  hold(book, 7);
  for (std::uint8_t i = 1; i <= 20; ++i) give(book, static_cast<std::uint8_t>(100 + i), i);
  out.clear();
  book.view_changed({n1, n2}, now, out);
  const auto mine = take<SendDigest>();
  other.view_changed({n1, n2}, now, out);
  const auto theirs = take<SendDigest>();
  EXPECT_FALSE(book.synchronised());
  book.delivered(n2, theirs.at(0).digest, now, out);
  auto book_sent = take<SendUpdate>();
  ASSERT_THAT(book_sent, SizeIs(1));
  EXPECT_TRUE(book_sent[0].update.complete);
  book.delivered(n2, theirs.at(0).digest, now, out);
  EXPECT_THAT(take<SendUpdate>(), IsEmpty()) << "once";
  other.delivered(n1, mine.at(0).digest, now, out);
  const auto other_sent = take<SendUpdate>();
  other.delivered(n1, book_sent[0].update, now, out);
  EXPECT_THAT(take<BooksEqual>(), SizeIs(1));
  EXPECT_TRUE(other.synchronised());
  book.delivered(n2, other_sent.at(0).update, now, out);
  EXPECT_TRUE(book.synchronised());
  EXPECT_EQ(book.digest(), other.digest());
}

TEST_F(LeaseBookTest, EqualBooksAreNotSent) {
  book.view_changed({n1, n2, n3}, now, out);
  const LeaseDigest empty = take<SendDigest>().at(0).digest;
  book.delivered(n2, empty, now, out);
  EXPECT_FALSE(book.synchronised());
  book.delivered(n3, empty, now, out);
  EXPECT_TRUE(book.synchronised());
  EXPECT_THAT(take<SendUpdate>(), IsEmpty());
}

TEST_F(LeaseBookTest, ALargeBookGoesInPartsWithGapsBetweenThem) {
  std::vector<Lease> many;
  for (std::size_t i = 0; i < kLeasesHeldMax; ++i) {
    Lease lease;
    lease.network = kMast;
    lease.address = IpAddress::v4({10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
    lease.mac = mac(1);
    lease.name = std::string(63, 'n');
    lease.client_id = std::string(kClientIdTextMax, 'f');
    lease.expires = now + 1h;
    lease.stamp = {5, i + 1};
    many.push_back(lease);
  }
  book.load(many, 5, now);
  book.view_changed({n1, n2}, now, out);
  out.clear();
  book.delivered(n2, LeaseDigest{}, now, out);
  std::size_t records = 0;
  std::size_t parts = 0;
  bool complete = false;
  while (!complete) {
    const auto sent = take<SendUpdate>();
    ASSERT_THAT(sent, SizeIs(1)) << "one at a time";
    ++parts;
    records += sent[0].update.records.size();
    complete = sent[0].update.complete;
    EXPECT_LE(sent[0].update.records.size() * (kClientIdTextMax + 200), 40U * 1024);
    other.delivered(n1, sent[0].update, now, out);
    out.clear();
    book.tick(now, out);
    EXPECT_TRUE(complete || out.empty()) << "not before its time";
    if (complete) break;
    now = book.next_tick();
    book.tick(now, out);
  }
  EXPECT_EQ(records, kLeasesHeldMax);
  EXPECT_GT(parts, 200U);
  EXPECT_EQ(book.digest(), other.digest());
}

TEST_F(LeaseBookTest, AViewAloneIsSynchronised) {
  book.view_changed({n1}, now, out);
  EXPECT_THAT(out, IsEmpty());
  EXPECT_TRUE(book.synchronised());
}

}  // namespace
}  // namespace fairlead::dnsdhcp
