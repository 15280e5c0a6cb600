#include "membership/message_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/prng.h"
#include "message_gen.h"

namespace fairlead::membership {
namespace {

using Bytes = std::vector<std::byte>;

const MessageCodec kCodec("kube-gateways");

Bytes encoded(const ClusterMessage& message) {
  Bytes out;
  EXPECT_TRUE(kCodec.encode(message, out));
  return out;
}

/// Adds a field to the body and corrects its length.
Bytes with_field(Bytes bytes, std::uint8_t tag, const std::vector<std::uint8_t>& payload) {
  for (const std::size_t b : {std::size_t{tag}, payload.size() & 0xFF, payload.size() >> 8}) bytes.push_back(static_cast<std::byte>(b));
  for (const std::uint8_t b : payload) bytes.push_back(std::byte{b});
  const std::size_t body = bytes.size() - kMessageHeaderBytes;
  for (unsigned i = 0; i < 4; ++i) bytes[8 + i] = static_cast<std::byte>(body >> (8 * i) & 0xFF);
  return bytes;
}

const Beat kBeat{{NodeId{1}, 44}, 7, 9, {{"api", 3}}};

TEST(MessageCodec, ReadsBackWhatItWrote) {
  EXPECT_TRUE(rc::check("decode(encode(m)) == m", [] {
    const ClusterMessage message = testing::any_message();
    const Decoded back = kCodec.decode(encoded(message));
    RC_ASSERT(back.outcome == DecodeOutcome::kMessage);
    RC_ASSERT(back.message == message);
    RC_ASSERT(back.unknown_fields == 0U);
  }));
}

TEST(MessageCodec, AMessageCutShortAnywhereIsMalformed) {
  EXPECT_TRUE(rc::check("every proper beginning is refused", [] {
    const Bytes bytes = encoded(testing::any_message());
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      RC_ASSERT(kCodec.decode(std::span(bytes).first(n)).outcome == DecodeOutcome::kMalformed);
    }
  }));
}

TEST(MessageCodec, BytesBehindTheMessageMakeItMalformed) {
  Bytes bytes = encoded(kBeat);
  bytes.push_back(std::byte{0});

  EXPECT_EQ(kCodec.decode(bytes).outcome, DecodeOutcome::kMalformed);
}

TEST(MessageCodec, AFlippedBitNeverCrashesAndWhatStillReadsWritesBackTheSame) {
  EXPECT_TRUE(rc::check("decode is stable", [] {
    Bytes bytes = encoded(testing::any_message());
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    bytes[at] ^= std::byte{1} << *rc::gen::inRange(0, 8);
    const Decoded once = kCodec.decode(bytes);
    if (!once.message) return;
    RC_ASSERT(kCodec.decode(encoded(*once.message)).message == once.message);
  }));
}

TEST(MessageCodec, SkipsFieldsItDoesNotKnowAndCountsThem) {
  EXPECT_TRUE(rc::check("unknown fields change nothing", [] {
    const ClusterMessage message = testing::any_message();
    const Bytes newer = with_field(encoded(message), *rc::gen::inRange<std::uint8_t>(100, 255), testing::any<std::vector<std::uint8_t>>());
    const Decoded back = kCodec.decode(newer);
    RC_ASSERT(back.message == message);
    RC_ASSERT(back.unknown_fields == 1U);
  }));
}

TEST(MessageCodec, SkipsUnknownFieldsInsideAStructure) {
  // A RingId (tag 1 of a beat) with a third field.
  const Bytes newer = with_field(encoded(kBeat), 1, {1, 1, 0, 1, 2, 1, 0, 44, 3, 2, 0, 9, 9});

  const Decoded back = kCodec.decode(newer);

  EXPECT_EQ(back.message, ClusterMessage{kBeat});
  EXPECT_EQ(back.unknown_fields, 1U);
}

TEST(MessageCodec, MissingFieldsKeepTheirDefaults) {
  Bytes bytes = encoded(Assign{});
  bytes.resize(kMessageHeaderBytes);
  for (unsigned i = 8; i < 12; ++i) bytes[i] = std::byte{0};

  const Decoded back = kCodec.decode(bytes);

  ASSERT_EQ(back.outcome, DecodeOutcome::kMessage);
  EXPECT_EQ(back.message, ClusterMessage{Assign{}});
  EXPECT_EQ(std::get<Assign>(*back.message).plan_version, kPlanVersion);
}

TEST(MessageCodec, AKindOfANewerReleaseIsToldApart) {
  Bytes bytes = encoded(kBeat);
  bytes[3] = std::byte{200};

  EXPECT_EQ(kCodec.decode(bytes).outcome, DecodeOutcome::kUnknownKind);
}

TEST(MessageCodec, AnotherCodecVersionIsToldApart) {
  Bytes bytes = encoded(kBeat);
  bytes[2] = std::byte{kCodecVersion + 1};

  EXPECT_EQ(kCodec.decode(bytes).outcome, DecodeOutcome::kUnknownVersion);
}

TEST(MessageCodec, AnotherClustersMessageIsToldApartWhateverItsVersion) {
  Bytes bytes = encoded(kBeat);
  EXPECT_EQ(MessageCodec("other").decode(bytes).outcome, DecodeOutcome::kForeign);
  bytes[2] = std::byte{kCodecVersion + 1};
  EXPECT_EQ(MessageCodec("other").decode(bytes).outcome, DecodeOutcome::kForeign);
}

TEST(MessageCodec, AWishOfAnUnknownKindIsAnUnknownMessage) {
  Override wish{OverrideKind{9}, "api", true, {1, NodeId{1}}};

  EXPECT_EQ(kCodec.decode(encoded(SetOverride{wish})).outcome, DecodeOutcome::kUnknownKind);
}

TEST(MessageCodec, AStateWithAnUnknownWishIsReadWithoutIt) {
  NodeState state;
  state.overrides = {{OverrideKind{9}, "api", true, {1, NodeId{1}}}, {OverrideKind::kFrozen, "", true, {2, NodeId{1}}}};

  const Decoded back = kCodec.decode(encoded(state));

  ASSERT_EQ(back.outcome, DecodeOutcome::kMessage);
  EXPECT_EQ(std::get<NodeState>(*back.message).overrides, std::vector{state.overrides[1]});
  EXPECT_EQ(back.unknown_fields, 1U);
}

TEST(MessageCodec, RefusesToWriteWhatIsOutOfBounds) {
  Bytes out;
  EXPECT_FALSE(kCodec.encode(MoveVip{std::string(kNameBytesMax + 1, 'x'), NodeId{1}}, out));
  EXPECT_TRUE(out.empty());
  NodeState state;
  state.vips.resize(kVipListMax + 1);
  EXPECT_FALSE(kCodec.encode(state, out));
  state.vips.resize(1);
  state.vips[0].held_with.resize(kNodeListMax + 1);
  EXPECT_FALSE(kCodec.encode(state, out));
}

TEST(MessageCodec, RefusesToReadWhatIsOutOfBounds) {
  const std::vector<std::uint8_t> long_name(kNameBytesMax + 1, 'x');
  EXPECT_EQ(kCodec.decode(with_field(encoded(MoveVip{}), 1, long_name)).outcome, DecodeOutcome::kMalformed);
  const std::vector<std::uint8_t> nine_bytes(9, 1);
  EXPECT_EQ(kCodec.decode(with_field(encoded(kBeat), 3, nine_bytes)).outcome, DecodeOutcome::kMalformed);
  const std::vector<std::uint8_t> more_than_32_bits(5, 1);
  EXPECT_EQ(kCodec.decode(with_field(encoded(MoveVip{}), 2, more_than_32_bits)).outcome, DecodeOutcome::kMalformed);
  Bytes list = encoded(Beat{});
  for (std::size_t i = 0; i < kVipListMax + 1; ++i) list = with_field(std::move(list), 4, {});
  EXPECT_EQ(kCodec.decode(list).outcome, DecodeOutcome::kMalformed);
  NodeState state;
  state.vips.resize(1);
  const std::vector<std::uint8_t> v4_with_33_bits{2, 5, 0, 33, 1, 2, 3, 4};
  EXPECT_EQ(kCodec.decode(with_field(encoded(state), 11, v4_with_33_bits)).outcome, DecodeOutcome::kMalformed);
}

TEST(MessageCodec, WordsForPeopleAreCutAtACharacter) {
  NodeState state;
  state.vips.resize(1);
  for (std::size_t i = 0; i < kTextBytesMax; ++i) state.vips[0].reason += "\u00e4";  // Two bytes each.
  state.vips[0].reason.insert(0, "x");

  const Decoded back = kCodec.decode(encoded(state));

  ASSERT_EQ(back.outcome, DecodeOutcome::kMessage);
  EXPECT_EQ(std::get<NodeState>(*back.message).vips[0].reason, state.vips[0].reason.substr(0, kTextBytesMax - 1));
}

TEST(MessageCodec, TheLargestStateFits) {
  NodeState state;
  VipState vip;
  vip.name = std::string(kNameBytesMax, 'n');
  vip.address = {IpAddress::v6({0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}), 128};
  vip.reason = std::string(kTextBytesMax, 'r');
  vip.config_hash = vip.epoch = ~0ULL;
  vip.serves_for_ms = ~0U;
  vip.promises.assign(kNodeListMax + 1, {NodeId{~0U}, ~0U});
  vip.held_with.assign(kNodeListMax, NodeId{~0U});
  state.vips.assign(kVipListMax, vip);
  state.overrides.assign(kOverrideListMax, {OverrideKind::kVipDisabled, vip.name, true, {~0ULL, NodeId{~0U}}});

  EXPECT_EQ(kCodec.decode(encoded(state)).message, ClusterMessage{state});
}

TEST(MessageCodec, BeatsAreSmallAndTakeNoNewMemoryToWrite) {
  Bytes out;
  ASSERT_TRUE(kCodec.encode(kBeat, out));
  EXPECT_LE(out.size(), 64U);
  const std::byte* const memory = out.data();
  ASSERT_TRUE(kCodec.encode(kBeat, out));
  EXPECT_EQ(out.data(), memory);
}

TEST(MessageCodec, RandomBytesWithAGoodHeaderNeverCrash) {
  Prng prng(3);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = encoded(kBeat);
    bytes[3] = static_cast<std::byte>(1 + prng.below(10));
    bytes.resize(kMessageHeaderBytes + prng.below(64));
    for (std::size_t at = kMessageHeaderBytes; at < bytes.size(); ++at) bytes[at] = static_cast<std::byte>(prng.below(20));
    bytes[8] = static_cast<std::byte>(bytes.size() - kMessageHeaderBytes);
    const Decoded once = kCodec.decode(bytes);
    if (!once.message) continue;
    EXPECT_EQ(kCodec.decode(encoded(*once.message)).message, once.message);
  }
}

}  // namespace
}  // namespace fairlead::membership
