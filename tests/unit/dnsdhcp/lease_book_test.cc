#include "dnsdhcp/lease_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "tests/unit/dnsdhcp/lease_book_fixture.h"

namespace fairlead::dnsdhcp {
namespace {

// ---- events of the own dnsmasq ----

TEST_F(LeaseBookTest, AnEventOfTheHolderBecomesARecordForEverybody) {
  hold(book, 7);
  give(book, 100, 1);
  const auto sent = take<SendUpdate>();
  ASSERT_THAT(sent, SizeIs(1));
  ASSERT_THAT(sent[0].update.records, SizeIs(1));
  const LeaseRecord& r = sent[0].update.records[0];
  EXPECT_EQ(r.address, ip(100));
  EXPECT_EQ(r.epoch, 7U);
  EXPECT_EQ(r.sequence, 1U);
  EXPECT_EQ(r.holder, n1);
  EXPECT_EQ(r.seconds_left, 3600U);
  EXPECT_EQ(r.name, "host-1");
}

TEST_F(LeaseBookTest, I1AnEventWhereTheNetworkIsNotHeldIsAnEcho) {
  give(book, 100, 1);
  EXPECT_THAT(out, IsEmpty());
  EXPECT_THAT(book.leases(now), IsEmpty());
}

TEST_F(LeaseBookTest, I1AnEventFromBeforeTheFenceIsOfAnotherTime) {
  book.hold(kMast, 7, now, out);
  const auto fences = take<FeedFence>();
  give(book, 100, 1);
  EXPECT_THAT(out, IsEmpty());
  EXPECT_FALSE(book.fenced(kMast));
  book.local_event(fence(fences.at(0).number), now, out);
  EXPECT_TRUE(book.fenced(kMast));
  give(book, 100, 1);
  EXPECT_THAT(take<SendUpdate>(), SizeIs(1));
}

TEST_F(LeaseBookTest, AFenceOfAnEarlierHoldingDoesNotCountForThisOne) {
  book.hold(kMast, 7, now, out);
  const auto first = take<FeedFence>();
  book.let_go(kMast);
  book.hold(kMast, 9, now, out);
  book.local_event(fence(first.at(0).number), now, out);
  EXPECT_FALSE(book.fenced(kMast));
}

TEST_F(LeaseBookTest, AFenceThatNobodyAskedForAndAForeignMacAreIgnored) {
  book.hold(kMast, 7, now, out);
  book.local_event(fence(99), now, out);
  LeaseEvent odd = fence(1);
  odd.mac = mac(1);
  book.local_event(odd, now, out);
  EXPECT_FALSE(book.fenced(kMast));
}

TEST_F(LeaseBookTest, AnotherDnsmasqIsAskedForItsOwnFence) {
  book.hold(kMast, 7, now, out);
  const auto first = take<FeedFence>();
  book.dnsmasq_started(out);
  const auto second = take<FeedFence>();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_GT(second[0].number, first.at(0).number);
  book.local_event(fence(second[0].number), now, out);
  EXPECT_TRUE(book.fenced(kMast));
}

TEST_F(LeaseBookTest, AnAddressOfNoNetworkIsNoLeaseOfOurs) {
  hold(book, 7);
  LeaseEvent e = add(100, 1);
  e.address = IpAddress::v4({10, 0, 0, 1});
  book.local_event(e, now, out);
  EXPECT_THAT(out, IsEmpty());
}

TEST_F(LeaseBookTest, WhatTheBookSaysAlreadyIsNotSaidAgain) {
  hold(book, 7);
  give(book, 100, 1);
  out.clear();
  now += 10s;
  book.local_event(event(LeaseEventKind::kOld, 100, 1, 3590), now, out);
  EXPECT_THAT(take<SendUpdate>(), IsEmpty());
  book.local_event(event(LeaseEventKind::kOld, 100, 1, 3600), now, out);
  EXPECT_THAT(take<SendUpdate>(), SizeIs(1)) << "renewed";
}

TEST_F(LeaseBookTest, AnEchoOfWhatTheHoldersDnsmasqWasFedIsNotSentAgain) {
  hold(book, 7);
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1})}, {}, false}, now, out);
  const auto fed = take<FeedAdd>();
  ASSERT_THAT(fed, SizeIs(1));
  LeaseEvent echo;
  echo.address = ip(100);
  echo.kind = LeaseEventKind::kAdd;
  echo.mac = mac(1);
  echo.client_id = fed[0].lease.client_id;
  echo.seconds = seconds_left(fed[0].lease, now);
  book.local_event(echo, now + 300ms, out);
  EXPECT_THAT(take<SendUpdate>(), IsEmpty());
}

TEST_F(LeaseBookTest, ARenewalOfALeaseThatTheNewHolderNeverHeardOfIsALease) {
  hold(book, 8);
  book.local_event(event(LeaseEventKind::kOld, 100, 1), now, out);
  EXPECT_THAT(take<SendUpdate>(), SizeIs(1));
  EXPECT_THAT(book.leases(now), SizeIs(1));
}

TEST_F(LeaseBookTest, AReleaseLeavesANoteThatKeepsOlderRecordsAway) {
  hold(book, 7);
  give(book, 100, 1);
  const LeaseRecord old = take<SendUpdate>().at(0).update.records[0];
  book.local_event(del(100, 1), now, out);
  const auto sent = take<SendUpdate>();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_TRUE(sent[0].update.records[0].released);
  EXPECT_THAT(book.leases(now), IsEmpty());
  book.let_go(kMast);
  book.delivered(n2, LeaseUpdate{{old}, {}, false}, now, out);
  EXPECT_THAT(book.leases(now), IsEmpty()) << "I5";
  EXPECT_THAT(take<LeaseConflict>(), IsEmpty());
  now += 3605s;
  book.tick(now, out);
  EXPECT_THAT(book.records(), IsEmpty()) << "nobody can hold the old record any more";
}

TEST_F(LeaseBookTest, ADeleteOfAnotherClientsLeaseIsNotBelieved) {
  hold(book, 7);
  give(book, 100, 1);
  book.local_event(del(100, 2), now, out);
  EXPECT_THAT(book.leases(now), SizeIs(1));
}

TEST_F(LeaseBookTest, TheEchoOfADeleteThatWasFedIsNoRelease) {
  hold(book, 7);
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1})}, {}, false}, now, out);
  LeaseRecord gone = record(100, 1, {6, 2});
  gone.released = true;
  book.delivered(n2, LeaseUpdate{{gone}, {}, false}, now, out);
  EXPECT_THAT(take<FeedDelete>(), SizeIs(1));
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 3})}, {}, false}, now, out);
  book.local_event(del(100, 1), now, out);
  EXPECT_THAT(book.leases(now), SizeIs(1)) << "the first one's echo";
  book.local_event(del(100, 1), now, out);
  EXPECT_THAT(book.leases(now), IsEmpty()) << "the client's own release";
}

// On a node that did not hold the network the echo came and was nothing; the client's release a little later, when it holds it, is one.
// Taken for the echo it would leave a lease in the book that dnsmasq does not know.
TEST_F(LeaseBookTest, AnEchoThatCameBeforeTheHoldingTakesNoReleaseAway) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1})}, {}, false}, now, out);
  LeaseRecord gone = record(100, 1, {6, 2});
  gone.released = true;
  book.delivered(n2, LeaseUpdate{{gone}, {}, false}, now, out);
  ASSERT_THAT(take<FeedDelete>(), SizeIs(1));
  book.local_event(del(100, 1), now, out);
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 3})}, {}, false}, now, out);
  hold(book, 7);
  book.local_event(del(100, 1), now, out);
  EXPECT_THAT(book.leases(now), IsEmpty());
}

TEST_F(LeaseBookTest, NoEchoIsExpectedOfWhatWasNotThere) {
  hold(book, 7);
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1})}, {}, false}, now, out);
  LeaseRecord gone = record(100, 1, {6, 2});
  gone.released = true;
  book.delivered(n2, LeaseUpdate{{gone}, {}, false}, now, out);
  book.had_none(ip(100));
  give(book, 100, 1);
  book.local_event(del(100, 1), now, out);
  EXPECT_THAT(book.leases(now), IsEmpty());
}

// What a gateway says that comes back: by now a holder's dnsmasq may have given the address to another client, or again to the one before,
// and not told so yet. It would be that client's lease with another's name on it, or none.
TEST_F(LeaseBookTest, I8ADnsmasqThatGivesAddressesIsToldNothingOfOthers) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1}, 100), record(101, 2, {6, 2})}, {}, false}, now, out);
  hold(book, 7);
  book.open(kMast, out);
  book.delivered(n1, take<SendUpdate>().at(0).update, now, out);
  LeaseRecord gone = record(101, 2, {6, 3});
  gone.released = true;
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1}, 200), gone, record(102, 3, {6, 4})}, {}, false}, now, out);
  book.tick(now, out);
  EXPECT_THAT(out, IsEmpty());
  EXPECT_GT(book.find(ip(100))->expires, now + 190s) << "the book is right";
  EXPECT_TRUE(book.has_news(kMast));
  book.local_event(event(LeaseEventKind::kOld, 101, 2), now, out);  // It had been given again before all that.

  book.close(kMast, out);
  book.tick(now, out);
  book.local_event(fence(take<FeedFence>().at(0).number), now, out);
  const auto word = take<SendUpdate>();
  book.delivered(n1, word.at(0).update, now, out);
  ASSERT_TRUE(book.may_release(kMast));
  EXPECT_THAT(out, IsEmpty());
  book.tick(now, out);
  EXPECT_THAT(take_feeds(), ElementsAre("delete 192.168.1.100", "add 192.168.1.100", "delete 192.168.1.102", "add 192.168.1.102"));
  EXPECT_FALSE(book.has_news(kMast));
}

TEST_F(LeaseBookTest, I8WhatWaitedIsToldWhenTheNetworkIsNotHeldAnyMore) {
  hold(book, 7);
  book.open(kMast, out);
  book.delivered(n2, LeaseUpdate{{record(102, 3, {6, 4})}, {}, false}, now, out);
  book.let_go(kMast);
  out.clear();
  book.tick(now, out);
  EXPECT_THAT(take<FeedAdd>(), SizeIs(1));
}

TEST_F(LeaseBookTest, AnAddressThatIsGivenAgainAfterItsReleaseIsNoConflict) {
  hold(book, 7);
  give(book, 100, 1);
  const LeaseRecord first = take<SendUpdate>().at(0).update.records[0];
  book.local_event(del(100, 1), now, out);
  give(book, 100, 2);
  const auto sent = take<SendUpdate>();
  ASSERT_THAT(sent, SizeIs(1)) << "what happens in one step is one message";
  const LeaseRecord second = sent.back().update.records.back();
  // A gateway that was away knows the first lease only.
  other.delivered(n1, LeaseUpdate{{first}, {}, false}, now, out);
  out.clear();
  other.delivered(n1, LeaseUpdate{{second}, {}, false}, now, out);
  EXPECT_THAT(take<LeaseConflict>(), IsEmpty());
  EXPECT_EQ(other.find(ip(100))->mac, mac(2));
}

TEST_F(LeaseBookTest, AnotherClientAtAnAddressThatIsLeasedIsAConflict) {
  hold(book, 7);
  give(book, 100, 1);
  out.clear();
  give(book, 100, 2);
  const auto conflicts = take<LeaseConflict>();
  ASSERT_THAT(conflicts, SizeIs(1));
  EXPECT_EQ(conflicts[0].kept.mac, mac(2));
  EXPECT_EQ(conflicts[0].dropped.mac, mac(1));
}

TEST_F(LeaseBookTest, AMachineThatStartsItsSystemWithAnotherClientIdIsNoConflict) {
  hold(book, 7);
  LeaseEvent by_network = add(100, 1);
  by_network.client_id.clear();
  book.local_event(by_network, now, out);
  give(book, 100, 1);
  EXPECT_THAT(take<LeaseConflict>(), IsEmpty());
}

// ---- what others tell ----

TEST_F(LeaseBookTest, ARemoteLeaseIsFedToTheOwnDnsmasq) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {7, 1})}, {}, false}, now, out);
  const auto fed = take<FeedAdd>();
  ASSERT_THAT(fed, SizeIs(1));
  EXPECT_GE(fed[0].lease.expires, now + 3600s) << "I4";
  EXPECT_LE(fed[0].lease.expires, now + 3604s);
}

TEST_F(LeaseBookTest, OnlyAHigherStampReplacesWhatIsThere) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {7, 5})}, {}, false}, now, out);
  book.delivered(n2, LeaseUpdate{{record(100, 2, {7, 4})}, {}, false}, now, out);
  EXPECT_EQ(book.find(ip(100))->mac, mac(1));
  out.clear();
  book.delivered(n2, LeaseUpdate{{record(100, 2, {8, 1})}, {}, false}, now, out);
  EXPECT_EQ(book.find(ip(100))->mac, mac(2)) << "a later placement, whatever its number";
  EXPECT_THAT(take<LeaseConflict>(), SizeIs(1));
}

TEST_F(LeaseBookTest, ALeaseOfAnotherClientIsDeletedFirstSinceDnsmasqKeepsItsClientId) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {7, 5})}, {}, false}, now, out);
  out.clear();
  book.delivered(n2, LeaseUpdate{{record(100, 2, {8, 1})}, {}, false}, now, out);
  EXPECT_THAT(take_feeds(), ElementsAre("delete 192.168.1.100", "add 192.168.1.100"));
}

TEST_F(LeaseBookTest, ALeaseOfANetworkThatIsNotConfiguredHereIsKeptButNotFed) {
  LeaseRecord r = record(100, 1, {7, 1});
  r.network = "elsewhere";
  book.delivered(n2, LeaseUpdate{{r}, {}, false}, now, out);
  EXPECT_THAT(take<FeedAdd>(), IsEmpty());
  EXPECT_THAT(book.records(), SizeIs(1));
  EXPECT_THAT(book.snapshot(now), SizeIs(1)) << "the fence";
}

TEST_F(LeaseBookTest, RecordsThatCannotBeAreDropped) {
  std::vector<LeaseRecord> odd(7, record(100, 1, {7, 1}));
  odd[0].network.clear();
  odd[1].address = IpAddress();
  odd[2].address = IpAddress::v4({224, 0, 0, 1});
  odd[3].epoch = ~std::uint64_t{0};
  odd[4].name = std::string(300, 'x');
  odd[5].seconds_left = 0;
  odd[6].address = kFenceAddress;
  book.delivered(n2, LeaseUpdate{odd, {}, false}, now, out);
  EXPECT_THAT(out, IsEmpty());
  EXPECT_THAT(book.records(), IsEmpty());
  book.delivered(n2, LeaseUpdate{{}, {{kMast, ~std::uint64_t{0}, false}}, false}, now, out);
  EXPECT_EQ(book.newest_epoch(), 0U);
}

TEST_F(LeaseBookTest, OfTwoEqualRecordsTheLaterEndCounts) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {7, 1}, 60)}, {}, false}, now, out);
  out.clear();
  book.delivered(n2, LeaseUpdate{{record(100, 1, {7, 1}, 62)}, {}, false}, now, out);
  EXPECT_THAT(out, IsEmpty()) << "copies of copies do not make it longer";
  book.delivered(n2, LeaseUpdate{{record(100, 1, {7, 1}, 600)}, {}, false}, now, out);
  EXPECT_THAT(take<FeedAdd>(), SizeIs(1)) << "ours was aged by a clock that was ahead";
  EXPECT_EQ(seconds_left(*book.find(ip(100)), now), 602U);
}

TEST_F(LeaseBookTest, I3TheHolderStandsByWhatItGave) {
  hold(book, 3);  // After a restart of all gateways the VIP's epochs began anew.
  give(book, 100, 1);
  out.clear();
  book.delivered(n2, LeaseUpdate{{record(100, 2, {9, 40})}, {}, false}, now, out);
  EXPECT_EQ(book.find(ip(100))->mac, mac(1));
  const auto said = out;
  const auto sent = take<SendUpdate>();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_GT(sent[0].update.records[0].epoch, 9U);
  EXPECT_TRUE(std::any_of(said.begin(), said.end(), [](const BookAction& a) { return std::holds_alternative<LeaseConflict>(a); }));
  other.delivered(n1, sent[0].update, now, out);
  EXPECT_EQ(other.find(ip(100))->mac, mac(1));
}

TEST_F(LeaseBookTest, I3AHoldingBeginsAboveEverythingHeardOf) {
  book.delivered(n2, LeaseUpdate{{record(100, 2, {9, 40})}, {}, false}, now, out);
  hold(book, 3);
  out.clear();
  give(book, 101, 1);
  EXPECT_EQ(take<SendUpdate>().at(0).update.records[0].epoch, 10U);
}

TEST_F(LeaseBookTest, I3TheHolderGoesAboveWhatItHearsLater) {
  hold(book, 3);
  book.delivered(n2, LeaseUpdate{{record(100, 2, {9, 40})}, {}, false}, now, out);
  out.clear();
  book.local_event(del(100, 2), now, out);
  const auto sent = take<SendUpdate>();
  ASSERT_THAT(sent, SizeIs(1)) << "its client id was not known, its MAC is";
  EXPECT_GT(sent[0].update.records[0].epoch, 9U);
}

TEST_F(LeaseBookTest, AClientWithTwoAddressesKeepsTheNewerAsDnsmasqKnowsOnlyOne) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {5, 1}), record(101, 1, {6, 1})}, {}, false}, now, out);
  hold(book, 7);
  EXPECT_EQ(book.find(ip(100))->state, LeaseState::kReleased);
  EXPECT_EQ(book.find(ip(101))->state, LeaseState::kHeld);
}

TEST_F(LeaseBookTest, AFullBookRefusesAndDropsNotesOfWhatIsOverFirst) {
  hold(book, 7);
  for (std::size_t i = 0; i < kLeasesHeldMax; ++i) {
    LeaseRecord r = record(0, 1, {6, i + 1});
    r.network = "wide";
    r.address = IpAddress::v4({10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
    r.mac = {{0x52, 0x54, 1, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
    if (r.address.bytes()[2] == 0 && r.address.bytes()[3] == 0) r.address = IpAddress::v4({10, 2, 0, 1});
    book.delivered(n2, LeaseUpdate{{r}, {}, false}, now, out);
  }
  out.clear();
  give(book, 100, 1);
  EXPECT_THAT(take<BookFull>(), SizeIs(1));
  LeaseRecord gone = record(50, 1, {6, 1});
  gone.released = true;
  for (std::size_t i = 0; i < kRecordsMax - kLeasesHeldMax + 10; ++i) {
    gone.address = IpAddress::v4({10, 3, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(1 + i % 250)});
    book.delivered(n2, LeaseUpdate{{gone}, {}, false}, now, out);
  }
  EXPECT_LE(book.records().size(), kRecordsMax);
  EXPECT_THAT(book.leases(now), SizeIs(kLeasesHeldMax)) << "no lease was dropped for a note";
}

// ---- what is in it ----

TEST_F(LeaseBookTest, ASnapshotBeginsWithTheFenceAndHasWhatIsHeld) {
  hold(book, 7);
  give(book, 100, 1);
  give(book, 101, 2);
  book.local_event(del(101, 2), now, out);
  const auto all = book.snapshot(now);
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].address, kFenceAddress);
  EXPECT_EQ(seconds_left(all[0], now), kEndlessSeconds);
  EXPECT_EQ(all[1].address, ip(100));
}

TEST_F(LeaseBookTest, ALeaseIsOverAtItsEnd) {
  hold(book, 7);
  give(book, 100, 1);
  now += 3600s;
  EXPECT_THAT(book.leases(now), IsEmpty());
  book.tick(now, out);
  EXPECT_FALSE(book.find(ip(100)));
}

TEST_F(LeaseBookTest, TheRevisionGrowsWithEachChange) {
  hold(book, 7);
  const auto before = book.revision();
  give(book, 100, 1);
  EXPECT_GT(book.revision(), before);
}

// I2: after the same records, in whatever order, all books are equal.
RC_GTEST_PROP(LeaseBookProperty, TheSameRecordsInAnyOrderMakeTheSameBook, ()) {
  const Instant now{std::chrono::hours(1)};
  const auto record = rc::gen::exec([] {
    LeaseRecord r;
    r.network = kMast;
    r.address = ip(*rc::gen::inRange<std::uint8_t>(100, 105));
    r.mac = mac(*rc::gen::inRange<std::uint8_t>(1, 4));
    r.seconds_left = *rc::gen::inRange<std::uint32_t>(1000, 1010);
    r.epoch = *rc::gen::inRange<std::uint64_t>(1, 4);
    r.sequence = *rc::gen::inRange<std::uint64_t>(1, 4);
    r.holder = NodeId{*rc::gen::inRange<std::uint32_t>(1, 3)};
    r.released = *rc::gen::arbitrary<bool>();
    return r;
  });
  auto records = *rc::gen::container<std::vector<LeaseRecord>>(record);
  const auto digest_after = [&](const std::vector<LeaseRecord>& given) {
    LeaseBook book(n3);
    book.configure({{kMast, {ip(0), 24}}});
    BookActions out;
    for (const LeaseRecord& r : given) book.delivered(n1, LeaseUpdate{{r}, {}, false}, now, out);
    return book.digest();
  };
  const LeaseDigest first = digest_after(records);
  std::reverse(records.begin(), records.end());
  RC_ASSERT(digest_after(records) == first);
  std::rotate(records.begin(), records.begin() + static_cast<std::ptrdiff_t>(records.size() / 2), records.end());
  records.insert(records.end(), records.begin(), records.begin() + static_cast<std::ptrdiff_t>(records.size() / 2));
  RC_ASSERT(digest_after(records) == first);
}

// What a walk over the whole book would find after it: no client of a held network with two leases, and of several the newest stays.
RC_GTEST_PROP(LeaseBookProperty, AClientHasOneLeaseWhateverWasHeardAndThatIsItsNewest, ()) {
  Instant now{std::chrono::hours(1)};
  LeaseBook book(n1);
  book.configure({{kMast, {ip(0), 24}}});
  BookActions out;
  book.hold(kMast, 2, now, out);
  const auto newest_of = [&](const std::string& client) {
    std::optional<Lease> newest;
    std::size_t count = 0;
    for (const Lease& lease : book.records()) {
      if (lease.state != LeaseState::kHeld || (lease.client_id.empty() ? lease.mac.to_string() : lease.client_id) != client) continue;
      ++count;
      if (!newest || lease.stamp > newest->stamp) newest = lease;
    }
    return std::pair(count, newest);
  };
  const std::vector<std::string> clients{"01:01", "01:02", mac(1).to_string(), mac(2).to_string(), mac(3).to_string()};
  for (int steps = *rc::gen::inRange(1, 40); steps > 0; --steps) {
    LeaseUpdate update;
    for (int records = *rc::gen::inRange(0, 4); records > 0; --records) {
      LeaseRecord r;
      r.network = kMast;
      r.address = ip(*rc::gen::inRange<std::uint8_t>(100, 110));
      r.mac = mac(*rc::gen::inRange<std::uint8_t>(1, 4));
      if (*rc::gen::arbitrary<bool>()) r.client_id = "01:0" + std::to_string(*rc::gen::inRange(1, 3));
      r.seconds_left = *rc::gen::inRange<std::uint32_t>(1, 30);
      r.epoch = *rc::gen::inRange<std::uint64_t>(1, 9);
      r.sequence = *rc::gen::inRange<std::uint64_t>(1, 99);
      r.holder = n2;
      r.released = *rc::gen::inRange(0, 4) == 0;
      update.records.push_back(r);
    }
    if (*rc::gen::inRange(0, 3) == 0)
      (void)book.adopt(kMast, ip(*rc::gen::inRange<std::uint8_t>(100, 110)), {mac(*rc::gen::inRange<std::uint8_t>(1, 4))}, 20s, now, out);
    book.delivered(n2, update, now, out);
    std::map<std::string, std::optional<Lease>> before;
    for (const std::string& client : clients) before[client] = newest_of(client).second;
    book.hold(kMast, 2, now, out);  // Looks through it whatever was news.
    for (const auto& [client, newest] : before) {
      const auto [count, left] = newest_of(client);
      RC_ASSERT(count == (newest ? 1U : 0U));
      RC_ASSERT(!newest || left->address == newest->address);
    }
    now += std::chrono::seconds(*rc::gen::inRange(0, 12));
    book.tick(now, out);
  }
}

TEST_F(LeaseBookTest, OfAClientsTwoLeasesTheNewerOneStaysWhenTheSecondIsHeardOf) {
  hold(book, 7);
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1})}, {}, false}, now, out);
  book.delivered(n2, LeaseUpdate{{record(101, 1, {6, 2}), record(102, 2, {6, 3})}, {}, false}, now, out);
  const auto left = book.leases(now);
  ASSERT_THAT(left, SizeIs(2));
  EXPECT_EQ(left[0].address, ip(101));
  EXPECT_EQ(left[1].address, ip(102));
  EXPECT_EQ(book.find(ip(100))->state, LeaseState::kReleased);
}

TEST_F(LeaseBookTest, I3OfAClientsTwoLeasesTheOneOfThisHoldingStaysWhateverStampTheOtherHas) {
  hold(book, 7);
  give(book, 101, 1);
  // After all gateways were off epochs begin anew: another's may be above this one's, and older all the same.
  book.delivered(n2, LeaseUpdate{{record(100, 1, {9, 1})}, {}, false}, now, out);
  const auto left = book.leases(now);
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].address, ip(101));
  EXPECT_EQ(book.find(ip(100))->state, LeaseState::kReleased);
}

TEST_F(LeaseBookTest, WhatIsAdoptedIsFirstTakenFromWhomDnsmasqMayHaveGivenItUntold) {
  hold(book, 7);
  out.clear();
  ASSERT_EQ(book.adopt(kMast, ip(100), {mac(1)}, 3600s, now, out), Adoption::kNew);
  EXPECT_THAT(take_feeds(), ElementsAre("delete 192.168.1.100", "add 192.168.1.100"));
  book.had_none(ip(100));
  book.local_event(del(100, 1), now, out);
  EXPECT_EQ(book.find(ip(100))->state, LeaseState::kReleased) << "its client's own word, and no echo";
}

// ---- what dnsmasq did not take ----

TEST_F(LeaseBookTest, ALeaseThatDnsmasqRefusedIsFedAgainAsTheBookHasItThen) {
  book.delivered(n2, LeaseUpdate{{record(100, 1, {6, 1})}, {}, false}, now, out);
  book.delivered(n2, LeaseUpdate{{record(100, 2, {6, 2})}, {}, false}, now, out);
  out.clear();
  book.feed_again(ip(100), /*deletion=*/false, now, out);
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(std::get<FeedAdd>(out[0]).lease.mac, mac(2));
  out.clear();
  book.feed_again(ip(100), /*deletion=*/true, now, out);
  ASSERT_THAT(out, SizeIs(2)) << "the client before it may be there";
  EXPECT_EQ(out[0], BookAction(FeedDelete{ip(100)}));
}

TEST_F(LeaseBookTest, WhatIsOverIsNotFedAgainAndWhatWasGivenBackIsDeleted) {
  hold(book, 7);
  give(book, 100, 1);
  give(book, 101, 2);
  book.local_event(del(101, 2), now, out);
  out.clear();
  book.feed_again(ip(101), /*deletion=*/false, now, out);
  EXPECT_EQ(take<FeedDelete>(), std::vector<FeedDelete>{FeedDelete{ip(101)}});
  book.feed_again(ip(109), /*deletion=*/false, now, out);
  book.feed_again(ip(100), /*deletion=*/false, now + 3600s, out);
  EXPECT_THAT(out, IsEmpty());
}

TEST_F(LeaseBookTest, I8DnsmasqMayGiveFromTheWordOfOpeningUntilItsGateIsClosedAndAllIsTold) {
  EXPECT_FALSE(book.may_give(ip(100)));
  hold(book, 7);
  EXPECT_FALSE(book.may_give(ip(100)));
  book.open(kMast, out);
  EXPECT_TRUE(book.may_give(ip(100))) << "whoever opens does not ask again";
  EXPECT_FALSE(book.may_give(IpAddress::v4({10, 9, 9, 9}))) << "no network of ours";
  book.close(kMast, out);
  EXPECT_TRUE(book.may_give(ip(100))) << "what it gave may not be told yet";
  book.dnsmasq_ended();
  EXPECT_FALSE(book.may_give(ip(100)));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
