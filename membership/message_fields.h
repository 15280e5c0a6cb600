// fairlead: pure
// Which field of which message stands under which tag: one table for writing and for reading.
//
// A tag is never given another meaning and never used again. A field that a later release adds gets the next number here and a default in
// base/cluster_message.h that means "as before". A kind likewise. tests/golden/messages/ keeps what each release has sent.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/cluster_message.h"

namespace fairlead::membership {

inline constexpr std::size_t kNameBytesMax = 63;   ///< config/limits.h: kNameLengthMax.
inline constexpr std::size_t kTextBytesMax = 256;  ///< Words for people; longer ones are cut.
inline constexpr std::size_t kVipListMax = 64;     ///< config/limits.h: kVipsMax.
inline constexpr std::size_t kNodeListMax = 16;    ///< config/limits.h: kNodesMax.
inline constexpr std::size_t kOverrideListMax = 128;
inline constexpr std::size_t kListenerListMax = 256;  ///< config/limits.h: kListenersMax.
inline constexpr std::size_t kPoolListMax = 256;      ///< config/limits.h: kPoolsMax.
inline constexpr std::size_t kDownListMax = 64;
inline constexpr std::size_t kClientIdBytesMax = 764;  ///< dnsdhcp/dhcp_lease.h: 255 bytes as hexadecimal text with colons.
inline constexpr std::size_t kLeaseNameBytesMax = 253;
inline constexpr std::size_t kLeaseListMax = 512;  ///< dnsdhcp/lease_book.h sends fewer at once.
inline constexpr std::size_t kGateListMax = 64;    ///< config/limits.h: kNetworksMax.
static_assert(kOverrideListMax > kVipListMax + kNodeListMax + 1, "a wish for each VIP, each node and the freeze");

template <class Message>
inline constexpr std::uint8_t kKindOf = 0;
template <>
inline constexpr std::uint8_t kKindOf<NodeState> = 1;
template <>
inline constexpr std::uint8_t kKindOf<GuardHello> = 2;
template <>
inline constexpr std::uint8_t kKindOf<Beat> = 3;
template <>
inline constexpr std::uint8_t kKindOf<BeatAck> = 4;
template <>
inline constexpr std::uint8_t kKindOf<Assign> = 5;
template <>
inline constexpr std::uint8_t kKindOf<Released> = 6;
template <>
inline constexpr std::uint8_t kKindOf<Exclude> = 7;
template <>
inline constexpr std::uint8_t kKindOf<SetOverride> = 8;
template <>
inline constexpr std::uint8_t kKindOf<MoveVip> = 9;
template <>
inline constexpr std::uint8_t kKindOf<NodeDigest> = 10;
template <>
inline constexpr std::uint8_t kKindOf<LeaseUpdate> = 11;
template <>
inline constexpr std::uint8_t kKindOf<LeaseDigest> = 12;

/// `T` is `U` or `const U`.
template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

// F has: value(tag, number, bool, enumeration, IpPrefix, IpAddress, MacAddress or structure), name(tag, string[, max]), text(tag, string),
// list(tag, vector, max), names(tag, vector of strings, max).

template <class F, Is<RingId> T>
void fields(F& f, T& v) {
  f.value(1, v.representative);
  f.value(2, v.sequence);
}
template <class F, Is<RoundId> T>
void fields(F& f, T& v) {
  f.value(1, v.ring);
  f.value(2, v.digest);
}
template <class F, Is<ClusterProcess> T>
void fields(F& f, T& v) {
  f.value(1, v.node);
  f.value(2, v.pid);
}
template <class F, Is<Stamp> T>
void fields(F& f, T& v) {
  f.value(1, v.sequence);
  f.value(2, v.node);
}
template <class F, Is<Override> T>
void fields(F& f, T& v) {
  f.value(1, v.kind);
  f.name(2, v.name);
  f.value(3, v.on);
  f.value(4, v.stamp);
}
template <class F, Is<PromiseLeft> T>
void fields(F& f, T& v) {
  f.value(1, v.holder);
  f.value(2, v.ms);
}
template <class F, Is<VipState> T>
void fields(F& f, T& v) {
  f.name(1, v.name);
  f.value(2, v.address);
  f.value(3, v.config_hash);
  f.value(4, v.able);
  f.value(5, v.serves);
  f.value(6, v.gateway_ok);
  f.value(7, v.serves_for_ms);
  f.text(8, v.reason);
  f.value(9, v.epoch);
  f.value(10, v.owner);
  f.value(11, v.released);
  f.value(12, v.holding);
  f.list(13, v.held_with, kNodeListMax);
  f.list(14, v.promises, kNodeListMax + 1);  // Every node, and whomever.
  f.text(15, v.group);
  f.list(16, v.prefer, kNodeListMax);
}
template <class F, Is<NodeState> T>
void fields(F& f, T& v) {
  f.value(1, v.round);
  f.value(2, v.incarnation);
  f.text(3, v.version);
  f.value(4, v.plan_version);
  f.value(5, v.token_ms);
  f.value(6, v.consensus_ms);
  f.value(7, v.cluster_hash);
  f.value(8, v.up_ms);
  f.value(9, v.settled);
  f.value(10, v.tie_armed);
  f.list(11, v.vips, kVipListMax);
  f.list(12, v.overrides, kOverrideListMax);
}
template <class F, Is<GuardHello> T>
void fields(F& f, T& v) {
  f.value(1, v.round);
}
template <class F, Is<HeldVip> T>
void fields(F& f, T& v) {
  f.name(1, v.name);
  f.value(2, v.epoch);
}
template <class F, Is<Beat> T>
void fields(F& f, T& v) {
  f.value(1, v.ring);
  f.value(2, v.incarnation);
  f.value(3, v.sequence);
  f.list(4, v.held, kVipListMax);
}
template <class F, Is<BeatAck> T>
void fields(F& f, T& v) {
  f.value(1, v.ring);
  f.value(2, v.holder);
  f.value(3, v.incarnation);
  f.value(4, v.sequence);
}
template <class F, Is<Assignment> T>
void fields(F& f, T& v) {
  f.name(1, v.vip);
  f.value(2, v.owner);
  f.value(3, v.epoch);
}
template <class F, Is<Assign> T>
void fields(F& f, T& v) {
  f.value(1, v.round);
  f.value(2, v.plan_version);
  f.list(3, v.table, kVipListMax);
}
template <class F, Is<Released> T>
void fields(F& f, T& v) {
  f.name(1, v.vip);
  f.value(2, v.epoch);
  f.value(3, v.holder);
  f.value(4, v.incarnation);
  f.value(5, v.clear);
}
template <class F, Is<Exclude> T>
void fields(F& f, T& v) {
  f.value(1, v.round);
  f.value(2, v.process);
}
template <class F, Is<SetOverride> T>
void fields(F& f, T& v) {
  f.value(1, v.wish);
}
template <class F, Is<MoveVip> T>
void fields(F& f, T& v) {
  f.name(1, v.vip);
  f.value(2, v.to);
}

template <class F, Is<ListenerDigest> T>
void fields(F& f, T& v) {
  f.name(1, v.name);
  f.value(2, v.accepting);
  f.value(3, v.connections);
}
template <class F, Is<PoolDigest> T>
void fields(F& f, T& v) {
  f.name(1, v.name);
  f.value(2, v.servers);
  f.value(3, v.up);
  f.names(4, v.down, kDownListMax);
}
template <class F, Is<NodeDigest> T>
void fields(F& f, T& v) {
  f.value(1, v.incarnation);
  f.value(2, v.uptime_ms);
  f.text(3, v.engine);
  f.value(4, v.ready);
  f.text(5, v.reason);
  f.text(6, v.config_hash);
  f.value(7, v.connections);
  f.value(8, v.control_late_us);
  f.list(9, v.listeners, kListenerListMax);
  f.list(10, v.pools, kPoolListMax);
}

template <class F, Is<LeaseRecord> T>
void fields(F& f, T& v) {
  f.name(1, v.network);
  f.value(2, v.address);
  f.value(3, v.mac);
  f.name(4, v.client_id, kClientIdBytesMax);
  f.name(5, v.name, kLeaseNameBytesMax);
  f.value(6, v.seconds_left);
  f.value(7, v.epoch);
  f.value(8, v.sequence);
  f.value(9, v.holder);
  f.value(10, v.released);
  f.value(11, v.freed_epoch);
  f.value(12, v.freed_sequence);
  f.value(13, v.iaid);
  f.value(14, v.temporary);
}
template <class F, Is<LeaseGate> T>
void fields(F& f, T& v) {
  f.name(1, v.network);
  f.value(2, v.epoch);
  f.value(3, v.closed);
}
template <class F, Is<LeaseUpdate> T>
void fields(F& f, T& v) {
  f.list(1, v.records, kLeaseListMax);
  f.list(2, v.gates, kGateListMax);
  f.value(3, v.complete);
}
template <class F, Is<LeaseDigest> T>
void fields(F& f, T& v) {
  f.value(1, v.count);
  f.value(2, v.hash);
}

}  // namespace fairlead::membership
