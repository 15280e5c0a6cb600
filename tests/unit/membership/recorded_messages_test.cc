// The messages that releases have sent, kept in tests/golden/messages/<release>/: every later release reads them as they were meant.
// FL_UPDATE_GOLDEN=1 writes those of this release anew; once it is out they never change again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "generated/source_dir.h"
#include "membership/message_codec.h"

namespace fairlead::membership {
namespace {

constexpr std::string_view kThisRelease = "0.1.0";

RoundId round() { return {{NodeId{1}, 0x2c}, 0x0123456789abcdef}; }

NodeState node_state() {
  VipState held;
  held.name = "api";
  held.address = {IpAddress::v4({192, 168, 4, 20}), 24};
  held.config_hash = 0xfeedface;
  held.able = held.serves = true;
  held.serves_for_ms = 65000;
  held.epoch = 7;
  held.owner = NodeId{2};
  held.holding = true;
  held.held_with = {NodeId{1}, NodeId{2}, NodeId{3}};
  VipState refused;
  refused.name = "ingress";
  refused.address = {IpAddress::v6({0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20}), 64};
  refused.gateway_ok = false;
  refused.reason = "no carrier on lan (ens192)";
  refused.epoch = 3;
  refused.released = true;
  refused.promises = {{NodeId{2}, 1910}, {kNoNode, 250}};
  NodeState state;
  state.round = round();
  state.incarnation = 1764000000123;
  state.version = "0.1.0";
  state.token_ms = 800;
  state.consensus_ms = 960;
  state.cluster_hash = 0xc0ffee;
  state.up_ms = 12500;
  state.settled = true;
  state.vips = {held, refused};
  state.overrides = {{OverrideKind::kVipDisabled, "ingress", true, {4, NodeId{1}}},
                     {OverrideKind::kNodeStandby, "gate-2", false, {5, NodeId{2}}},
                     {OverrideKind::kFrozen, "", true, {6, NodeId{3}}}};
  return state;
}

NodeDigest node_digest() {
  NodeDigest digest;
  digest.incarnation = 1764000000123;
  digest.uptime_ms = 12500;
  digest.engine = "io_uring";
  digest.reason = "pool ingress: 0 of 2 servers take connections";
  digest.config_hash = "00c0ffee00c0ffee";
  digest.connections = 1000;
  digest.control_late_us = 40;
  digest.listeners = {{"kube-api", true, 990}, {"ingress", true, 10}};
  digest.pools = {{"masters", 3, 2, {"mast-2"}}, {"ingress", 2, 0, {"work-1", "work-2"}}};
  return digest;
}

LeaseRecord lease(std::uint8_t last) {
  LeaseRecord record;
  record.network = "mast";
  record.address = IpAddress::v4({192, 168, 1, last});
  record.mac = {{0x52, 0x54, 0, 0, 1, last}};
  record.client_id = "01:52:54:00:00:01:64";
  record.name = "laptop";
  record.seconds_left = 43200;
  record.epoch = 7;
  record.sequence = 12;
  record.holder = NodeId{2};
  record.freed_epoch = 6;
  record.freed_sequence = 40;
  return record;
}

LeaseUpdate lease_update() {
  LeaseRecord ended = lease(101);
  ended.released = true;
  LeaseRecord v6 = lease(102);
  v6.address = IpAddress::v6({0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x66});
  v6.mac = {};
  v6.client_id = "00:01:00:01:2a:3b:4c:5d:52:54:00:00:01:66";
  v6.iaid = 305419896;
  v6.temporary = true;
  return {{lease(100), ended, v6}, {}, true};
}

std::map<std::string, ClusterMessage> this_release() {
  return {
      {"node_state", node_state()},
      {"node_state_empty", NodeState{}},
      {"guard_hello", GuardHello{round()}},
      {"beat_idle", Beat{round().ring, 1764000000123, 1, {}}},
      {"beat_holder", Beat{round().ring, 1764000000123, 70000, {{"api", 7}, {"ingress", 3}}}},
      {"beat_ack", BeatAck{round().ring, NodeId{2}, 1764000000123, 70000}},
      {"assign", Assign{round(), 1, {{"api", NodeId{2}, 7}, {"ingress", kNoNode, 4}}}},
      {"released", Released{"api", 7, NodeId{2}, 1764000000123}},
      {"released_unclear", Released{"api", 8, NodeId{3}, 1764000000123, /*clear=*/false}},
      {"exclude", Exclude{round(), {NodeId{3}, 4711}}},
      {"set_override", SetOverride{{OverrideKind::kNodeStandby, "gate-1", true, {7, NodeId{2}}}}},
      {"move_vip", MoveVip{"api", NodeId{3}}},
      {"move_vip_anywhere", MoveVip{"api", kNoNode}},
      {"node_digest", node_digest()},
      {"node_digest_empty", NodeDigest{}},
      {"lease_update", lease_update()},
      {"lease_update_gates", LeaseUpdate{{}, {{"mast", 7, true}, {"node", 8, false}}, false}},
      {"lease_update_empty", LeaseUpdate{}},
      {"lease_digest", LeaseDigest{250, 0xfeedface}},
  };
}

std::filesystem::path folder() { return std::filesystem::path(FL_SOURCE_DIR) / "tests/golden/messages" / kThisRelease; }

std::string hex(const std::vector<std::byte>& bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += kDigits[std::to_integer<unsigned>(bytes[i]) >> 4];
    out += kDigits[std::to_integer<unsigned>(bytes[i]) & 15];
    out += i % 32 == 31 || i + 1 == bytes.size() ? '\n' : ' ';
  }
  return out;
}

std::vector<std::byte> read_hex(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::byte> out;
  for (std::string two; in >> two;) out.push_back(static_cast<std::byte>(std::stoul(two, nullptr, 16)));
  return out;
}

TEST(RecordedMessages, AreReadAsTheyWereMeant) {
  const MessageCodec codec("kube-gateways");
  for (const auto& [name, message] : this_release()) {
    const Decoded back = codec.decode(read_hex(folder() / (name + ".hex")));
    EXPECT_EQ(back.outcome, DecodeOutcome::kMessage) << name;
    EXPECT_EQ(back.message, message) << name;
    EXPECT_EQ(back.unknown_fields, 0U) << name;
  }
}

TEST(RecordedMessages, AreWhatThisReleaseSends) {
  const MessageCodec codec("kube-gateways");
  const bool update = std::getenv("FL_UPDATE_GOLDEN") != nullptr;
  for (const auto& [name, message] : this_release()) {
    std::vector<std::byte> bytes;
    ASSERT_TRUE(codec.encode(message, bytes)) << name;
    const std::filesystem::path path = folder() / (name + ".hex");
    if (update) std::ofstream(path) << hex(bytes);
    std::ostringstream kept;
    kept << std::ifstream(path).rdbuf();
    EXPECT_EQ(kept.str(), hex(bytes)) << name;
  }
}

}  // namespace
}  // namespace fairlead::membership
