#include "dnsdhcp/lease_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Instant kNow{std::chrono::hours(1)};
constexpr std::int64_t kWall = 1'764'000'000;

Lease lease(std::uint8_t last) {
  Lease l;
  l.network = "mast";
  l.address = IpAddress::v4({192, 168, 1, last});
  l.mac = {{0x52, 0x54, 0, 0, 1, last}};
  l.client_id = "01:52:54:00:00:01:64";
  l.name = "laptop";
  l.expires = kNow + 12h;
  l.stamp = {7, 12};
  l.freed = {6, 40};
  l.holder = NodeId{2};
  return l;
}

TEST(LeaseFile, IsOneLineALease) {
  Lease ended = lease(101);
  ended.state = LeaseState::kReleased;
  ended.client_id.clear();
  ended.name = "two words\n";
  EXPECT_EQ(render_lease_file({lease(100), ended}, 7, kNow, kWall),
            "fairlead-leases 2 written=1764000000 epoch=7 lines=2 3651abe2\n"
            "192.168.1.100 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 01:52:54:00:00:01:64 laptop 7b81ccbb\n"
            "192.168.1.101 mast 52:54:00:00:01:65 43200 released 7.12 2 6.40 0 * two%20words%0A a6b2e81c\n");
}

TEST(LeaseFile, OneOfTheVersionBeforeIsReadWithoutChecksums) {
  const LeaseFile file = parse_lease_file(
      "fairlead-leases 1 written=1764000000 epoch=7\n"
      "192.168.1.100 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 01:52:54:00:00:01:64 laptop\n",
      kNow, kWall + 3600);
  EXPECT_THAT(file.damaged, IsEmpty());
  EXPECT_EQ(file.epoch, 7U);
  ASSERT_THAT(file.leases, SizeIs(1));
  EXPECT_EQ(file.leases[0].expires, kNow + 11h);
}

// A disk that changes a digit makes a line that reads well, of another address, client or time.
TEST(LeaseFile, NoChangedByteMakesAnotherLease) {
  const std::vector<Lease> all{lease(100), lease(101)};
  const std::string text = render_lease_file(all, 7, kNow, kWall);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char c : {static_cast<char>(text[at] ^ 1), static_cast<char>(text[at] ^ 16), ' ', '0', '\n'}) {
      if (c == text[at]) continue;
      std::string changed = text;
      changed[at] = c;
      const LeaseFile file = parse_lease_file(changed, kNow, kWall + 3600);
      EXPECT_FALSE(file.damaged.empty()) << changed;
      for (const Lease& read : file.leases) {
        const Lease& written = read.address == all[0].address ? all[0] : all[1];
        EXPECT_TRUE(read.address == written.address && read.mac == written.mac && read.stamp == written.stamp) << changed;
      }
    }
  }
}

TEST(LeaseFile, ThatLinesAreMissingAtTheEndIsDamage) {
  std::string text = render_lease_file({lease(100), lease(101), lease(102)}, 7, kNow, kWall);
  text.resize(text.find("192.168.1.101"));
  const LeaseFile file = parse_lease_file(text, kNow, kWall);
  EXPECT_THAT(file.leases, SizeIs(1));
  ASSERT_THAT(file.damaged, SizeIs(1));
  EXPECT_EQ(file.damaged[0].number, 3U);
  EXPECT_EQ(file.damaged[0].reason, "2 lines are missing at the end");
}

TEST(LeaseFile, IsReadAsItWasWritten) {
  Lease v6 = lease(0);
  v6.address = IpAddress::v6({0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x66});
  v6.iaid = 4'000'000'000;
  v6.temporary = true;
  Lease odd = lease(102);
  odd.name = "%*\xff";
  odd.client_id = "*";
  const std::vector<Lease> all{lease(100), odd, v6};
  const LeaseFile file = parse_lease_file(render_lease_file(all, 9, kNow, kWall), kNow, kWall);
  EXPECT_EQ(file.leases, all);
  EXPECT_EQ(file.epoch, 9U);
  EXPECT_THAT(file.damaged, IsEmpty());
}

TEST(LeaseFile, AgesByTheWallClock) {
  const std::string text = render_lease_file({lease(100)}, 7, kNow, kWall);
  const LeaseFile file = parse_lease_file(text, kNow, kWall + 3600);
  ASSERT_THAT(file.leases, SizeIs(1));
  EXPECT_EQ(file.leases[0].expires, kNow + 11h);
}

TEST(LeaseFile, AClockThatWentBackNeverMakesALeaseLonger) {
  const std::string text = render_lease_file({lease(100)}, 7, kNow, kWall);
  for (const std::int64_t wall : {kWall - 1, kWall - 1'000'000, std::int64_t{0}, std::numeric_limits<std::int64_t>::min()}) {
    const LeaseFile file = parse_lease_file(text, kNow, wall);
    ASSERT_THAT(file.leases, SizeIs(1));
    EXPECT_EQ(file.leases[0].expires, kNow + 12h);
  }
}

TEST(LeaseFile, WhatEndedMeanwhileIsCountedAndLeftOut) {
  const std::string text = render_lease_file({lease(100)}, 7, kNow, kWall);
  for (const std::int64_t wall : {kWall + 43'200, kWall + 1'000'000'000, std::numeric_limits<std::int64_t>::max()}) {
    const LeaseFile file = parse_lease_file(text, kNow, wall);
    EXPECT_THAT(file.leases, IsEmpty());
    EXPECT_EQ(file.over, 1U);
  }
}

TEST(LeaseFile, KeepsTheGoodLinesAndReturnsTheDamagedOnesWithTheirNumbers) {
  std::string text = render_lease_file({lease(100), lease(101), lease(102)}, 7, kNow, kWall);
  text.replace(text.find("192.168.1.101"), 13, "192.168.1.x01");
  const LeaseFile file = parse_lease_file(text, kNow, kWall);
  ASSERT_THAT(file.leases, SizeIs(2));
  EXPECT_EQ(file.leases[1].address, lease(102).address);
  ASSERT_THAT(file.damaged, SizeIs(1));
  EXPECT_EQ(file.damaged[0].number, 3U);
  EXPECT_EQ(file.damaged[0].reason, "its checksum is another one");
  EXPECT_EQ(file.damaged[0].text.substr(0, 13), "192.168.1.x01");
}

TEST(LeaseFile, EachKindOfDamageHasItsReason) {
  const std::string good = "192.168.1.100 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 * laptop";
  const std::pair<std::string, std::string> cases[] = {
      {"", "it is not the first line of a lease file of this version"},
      {"192.168.1.100 mast", "it has fewer than 11 words"},
      {good + " more", "it has more than 11 words"},
      {"0.0.0.0 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 * laptop", "word 1 is no address"},
      {"192.168.1.100 * 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 * laptop", "word 2 is no network"},
      {"192.168.1.100 mast 52:54:00:00:01 43200 held 7.12 2 6.40 0 * laptop", "word 3 is no MAC address"},
      {"192.168.1.100 mast 52:54:00:00:01:64 -1 held 7.12 2 6.40 0 * laptop", "word 4 is no number of seconds"},
      {"192.168.1.100 mast 52:54:00:00:01:64 43200 lost 7.12 2 6.40 0 * laptop", "word 5 is neither held nor released"},
      {"192.168.1.100 mast 52:54:00:00:01:64 43200 held 7 2 6.40 0 * laptop", "words 6 to 8 are no stamp, node and stamp"},
      {"192.168.1.100 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 X * laptop", "word 9 is no IAID"},
      {"192.168.1.100 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 %4 laptop", "word 10 is no client id"},
      {"192.168.1.100 mast 52:54:00:00:01:64 43200 held 7.12 2 6.40 0 * lap/top", "word 11 is no name"},
      {std::string(10'000, 'x'), "it is too long"},
  };
  for (const auto& [line, reason] : cases) {
    const std::string head = line.empty() ? "fairlead-leases 3 written=1 epoch=1\n" : "fairlead-leases 1 written=1764000000 epoch=7\n";
    const LeaseFile file = parse_lease_file(head + line + "\n", kNow, kWall);
    ASSERT_THAT(file.damaged, SizeIs(1)) << line;
    EXPECT_EQ(file.damaged[0].reason, reason);
    EXPECT_THAT(file.leases, IsEmpty());
  }
}

TEST(LeaseFile, ALineThatIsCutIsNotUsed) {
  std::string text = render_lease_file({lease(100)}, 7, kNow, kWall);
  text.resize(text.size() - 3);
  const LeaseFile file = parse_lease_file(text, kNow, kWall);
  EXPECT_THAT(file.leases, IsEmpty());
  ASSERT_THAT(file.damaged, SizeIs(1));
  EXPECT_EQ(file.damaged[0].reason, "it is cut");
}

TEST(LeaseFile, WithoutItsFirstLineNothingIsAged) {
  std::string text = render_lease_file({lease(100)}, 7, kNow, kWall);
  text[0] = 'F';
  const LeaseFile file = parse_lease_file(text, kNow, kWall + 3600);
  ASSERT_THAT(file.leases, SizeIs(1));
  EXPECT_EQ(file.leases[0].expires, kNow + 12h);
  EXPECT_THAT(file.damaged, SizeIs(1));
}

TEST(LeaseFile, NoFileAndAnEmptyOneAreNoDamage) {
  const LeaseFile file = parse_lease_file("", kNow, kWall);
  EXPECT_THAT(file.leases, IsEmpty());
  EXPECT_THAT(file.damaged, IsEmpty());
}

RC_GTEST_PROP(LeaseFileProperty, AnyLeaseIsReadAsItWasWritten, ()) {
  Lease l = lease(100);
  l.network = "n" + *rc::gen::container<std::string>(20, rc::gen::arbitrary<char>());
  l.name = *rc::gen::container<std::string>(*rc::gen::inRange<std::size_t>(0, kLeaseNameMax + 1), rc::gen::arbitrary<char>());
  l.client_id = *rc::gen::container<std::string>(*rc::gen::inRange<std::size_t>(0, kClientIdTextMax + 1), rc::gen::arbitrary<char>());
  l.stamp = {*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>()};
  l.expires = kNow + std::chrono::seconds(*rc::gen::inRange<std::uint32_t>(1, kEndlessSeconds));
  const LeaseFile file = parse_lease_file(render_lease_file({l}, 1, kNow, kWall), kNow, kWall);
  RC_ASSERT(file.damaged.empty());
  RC_ASSERT(file.leases == std::vector<Lease>{l});
}

}  // namespace
}  // namespace fairlead::dnsdhcp
