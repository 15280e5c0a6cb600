// Random messages within the limits, for rapidcheck.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <vector>

#include "membership/message_fields.h"

namespace fairlead::membership::testing {

template <class T>
T any() {
  return *rc::gen::arbitrary<T>();
}
inline std::size_t up_to(std::size_t max) { return *rc::gen::inRange<std::size_t>(0, max + 1); }
inline std::string any_text(std::size_t max) { return *rc::gen::container<std::string>(up_to(max), rc::gen::arbitrary<char>()); }
inline std::string any_name() { return any_text(kNameBytesMax); }
inline NodeId any_node() { return NodeId{any<std::uint32_t>()}; }
inline RingId any_ring() { return {any_node(), any<std::uint64_t>()}; }
inline RoundId any_round() { return {any_ring(), any<std::uint64_t>()}; }
template <class Make>
auto any_list(std::size_t max, Make make) {
  std::vector<decltype(make())> out;
  for (std::size_t n = up_to(max); n > 0; --n) out.push_back(make());
  return out;
}
inline IpPrefix any_prefix() {
  if (any<bool>()) { return {IpAddress::v4(any<std::array<std::uint8_t, 4>>()), *rc::gen::inRange<std::uint8_t>(0, 33)}; }
  return {IpAddress::v6(any<std::array<std::uint8_t, 16>>()), *rc::gen::inRange<std::uint8_t>(0, 129)};
}
inline Override any_override() {
  return {static_cast<OverrideKind>(*rc::gen::inRange(1, 4)), any_name(), any<bool>(), {any<std::uint64_t>(), any_node()}};
}
inline VipState any_vip() {
  VipState v;
  v.name = any_name();
  v.address = any_prefix();
  v.config_hash = any<std::uint64_t>();
  v.able = any<bool>();
  v.serves = any<bool>();
  v.gateway_ok = any<bool>();
  v.serves_for_ms = any<std::uint32_t>();
  v.reason = any_text(kTextBytesMax);
  v.epoch = any<std::uint64_t>();
  v.owner = any_node();
  v.released = any<bool>();
  v.holding = any<bool>();
  v.held_with = any_list(kNodeListMax, any_node);
  v.promises = any_list(kNodeListMax + 1, [] { return PromiseLeft{any_node(), any<std::uint32_t>()}; });
  return v;
}
inline NodeState any_node_state() {
  NodeState s;
  s.round = any_round();
  s.incarnation = any<std::uint64_t>();
  s.version = any_text(kTextBytesMax);
  s.plan_version = any<std::uint16_t>();
  s.token_ms = any<std::uint32_t>();
  s.consensus_ms = any<std::uint32_t>();
  s.cluster_hash = any<std::uint64_t>();
  s.up_ms = any<std::uint32_t>();
  s.settled = any<bool>();
  s.tie_armed = any<bool>();
  s.vips = any_list(4, any_vip);
  s.overrides = any_list(4, any_override);
  return s;
}
inline NodeDigest any_digest() {
  NodeDigest d;
  d.incarnation = any<std::uint64_t>();
  d.uptime_ms = any<std::uint64_t>();
  d.engine = any_text(kTextBytesMax);
  d.ready = any<bool>();
  d.reason = any_text(kTextBytesMax);
  d.config_hash = any_text(kTextBytesMax);
  d.connections = any<std::uint64_t>();
  d.control_late_us = any<std::uint32_t>();
  d.listeners = any_list(4, [] { return ListenerDigest{any_name(), any<bool>(), any<std::uint64_t>()}; });
  d.pools = any_list(4, [] { return PoolDigest{any_name(), any<std::uint32_t>(), any<std::uint32_t>(), any_list(4, any_name)}; });
  return d;
}
inline LeaseRecord any_lease() {
  LeaseRecord r;
  r.network = any_name();
  r.address = any_prefix().address;
  r.mac = {any<std::array<std::uint8_t, 6>>()};
  r.client_id = any_text(kClientIdBytesMax);
  r.name = any_text(kLeaseNameBytesMax);
  r.seconds_left = any<std::uint32_t>();
  r.epoch = any<std::uint64_t>();
  r.sequence = any<std::uint64_t>();
  r.holder = any_node();
  r.released = any<bool>();
  r.freed_epoch = any<std::uint64_t>();
  r.freed_sequence = any<std::uint64_t>();
  r.iaid = any<std::uint32_t>();
  r.temporary = any<bool>();
  return r;
}
inline ClusterMessage any_message() {
  switch (*rc::gen::inRange(0, 12)) {
    case 0: return any_node_state();
    case 1: return GuardHello{any_round()};
    case 2: {
      const auto held = any_list(4, [] { return HeldVip{any_name(), any<std::uint64_t>()}; });
      return Beat{any_ring(), any<std::uint64_t>(), any<std::uint64_t>(), held};
    }
    case 3: return BeatAck{any_ring(), any_node(), any<std::uint64_t>(), any<std::uint64_t>()};
    case 4: {
      const auto table = any_list(4, [] { return Assignment{any_name(), any_node(), any<std::uint64_t>()}; });
      return Assign{any_round(), any<std::uint16_t>(), table};
    }
    case 5: return Released{any_name(), any<std::uint64_t>(), any_node(), any<std::uint64_t>(), any<bool>()};
    case 6: return Exclude{any_round(), {any_node(), any<std::uint32_t>()}};
    case 7: return SetOverride{any_override()};
    case 8: return any_digest();
    case 9: {
      const auto gates = any_list(4, [] { return LeaseGate{any_name(), any<std::uint64_t>(), any<bool>()}; });
      return LeaseUpdate{any_list(4, any_lease), gates, any<bool>()};
    }
    case 10: return LeaseDigest{any<std::uint32_t>(), any<std::uint64_t>()};
    default: return MoveVip{any_name(), any_node()};
  }
}

}  // namespace fairlead::membership::testing
