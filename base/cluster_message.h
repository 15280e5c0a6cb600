// fairlead: pure
// What daemons and guards tell each other over the CPG group, as values (docs/internals/takeover.md tells the story, rules: R1-R22).
// Bytes are made and read by membership/message_codec.h; decisions by vip/takeover_core.h.
//
// Every message is delivered to every process of the group, the sender included, in one agreed order.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/cluster_view.h"
#include "base/ip_address.h"
#include "base/mac_address.h"

namespace fairlead {

/// Per VIP; raised by each assignment that changes its owner.
using Epoch = std::uint64_t;
/// One life of a daemon; larger than the one before on the same node.
using Incarnation = std::uint64_t;
/// Plans this release can make and follow. The plan of a round is made in the lowest version of its members (R1).
inline constexpr std::uint16_t kPlanVersion = 2;

/// A member is bound to `holder`, whose lease it acknowledged, and takes no part in moving the VIP meanwhile (R4).
struct PromiseLeft {
  NodeId holder = kNoNode;  ///< kNoNode: to whomever; the member has just started and knows no better.
  std::uint32_t ms = 0;
  bool operator==(const PromiseLeft&) const = default;
};

/// What a node says of one VIP of its configuration.
struct VipState {
  std::string name;
  IpPrefix address;
  std::uint64_t config_hash = 0;  ///< Over {address, group, prefer, preempt, requires} (R15).
  std::string group;              ///< For a proposer whose configuration has no such VIP; empty: alone.
  std::vector<NodeId> prefer;     ///< Likewise.
  // Eligibility, local facts only.
  bool able = false;                ///< Loops turn, carrier, guard alive, not yielding: could hold it.
  bool serves = false;              ///< Every required listener accepts and has a server up.
  bool gateway_ok = true;           ///< The tracked gateway answers (or none is tracked).
  std::uint32_t serves_for_ms = 0;  ///< How long `serves` has been true (R17).
  std::string reason;               ///< Why not, for people; empty when able and serving.
  // The newest assignment this node delivered.
  Epoch epoch = 0;
  NodeId owner = kNoNode;
  bool released = false;  ///< Its owner has said so, and clear: nobody has the address by this or an earlier epoch.
  // What it holds itself.
  bool holding = false;
  std::vector<NodeId> held_with;      ///< Nodes that were in a view together with this holding before this round (R14).
  std::vector<PromiseLeft> promises;  ///< At the moment of sending.
  bool operator==(const VipState&) const = default;
};

/// Orders operators' wishes: the later one wins, wherever it was said.
struct Stamp {
  std::uint64_t sequence = 0;
  NodeId node = kNoNode;
  friend constexpr auto operator<=>(const Stamp&, const Stamp&) = default;
};
enum class OverrideKind : std::uint8_t { kVipDisabled = 1, kNodeStandby = 2, kFrozen = 3 };
/// A replicated wish of an operator (R16). `name`: the VIP or the node; empty for kFrozen.
struct Override {
  OverrideKind kind{};
  std::string name;
  bool on = false;
  Stamp stamp;
  bool operator==(const Override&) const = default;
};

/// Sent by every daemon at the beginning of a round and whenever it changes (R2).
struct NodeState {
  RoundId round;
  Incarnation incarnation = 0;
  std::string version;  ///< "0.1.0"
  std::uint16_t plan_version = kPlanVersion;
  std::uint32_t token_ms = 0;  ///< Of the running Corosync.
  std::uint32_t consensus_ms = 0;
  std::uint64_t cluster_hash = 0;  ///< Over {name, nodes} (R15).
  std::uint32_t up_ms = 0;         ///< Since the daemon's start.
  bool settled = false;            ///< R13: may take what it has to take.
  bool tie_armed = false;          ///< R11: a target answered within the last 10 s (or there are none to ask: false).
  std::vector<VipState> vips;
  std::vector<Override> overrides;
  bool operator==(const NodeState&) const = default;
};

/// A guard's counterpart of NodeState: it is there, and no daemon.
struct GuardHello {
  RoundId round;
  bool operator==(const GuardHello&) const = default;
};

struct HeldVip {
  std::string name;
  Epoch epoch = 0;
  bool operator==(const HeldVip&) const = default;
};
/// Every 50 ms. With `held` not empty it asks for acknowledgement (R4).
struct Beat {
  RingId ring;
  Incarnation incarnation = 0;
  std::uint64_t sequence = 0;
  std::vector<HeldVip> held;  ///< Held, or assigned to the sender and not yet held.
  bool operator==(const Beat&) const = default;
};
struct BeatAck {
  RingId ring;
  NodeId holder = kNoNode;
  Incarnation incarnation = 0;
  std::uint64_t sequence = 0;
  bool operator==(const BeatAck&) const = default;
};

struct Assignment {
  std::string vip;
  NodeId owner = kNoNode;  ///< kNoNode: nobody.
  Epoch epoch = 0;
  bool operator==(const Assignment&) const = default;
};
/// The proposer's plan (R1).
struct Assign {
  RoundId round;
  std::uint16_t plan_version = kPlanVersion;
  std::vector<Assignment> table;
  bool operator==(const Assign&) const = default;
};

/// `holder` no longer has the VIP it was assigned by `epoch` (R5). Said by its daemon or by its guard.
struct Released {
  std::string vip;
  Epoch epoch = 0;
  NodeId holder = kNoNode;
  Incarnation incarnation = 0;
  /// Nobody before it can have the address either: it held it, or was cleared to take it. False: it gave up waiting.
  bool clear = true;
  bool operator==(const Released&) const = default;
};

/// A process that says nothing is left out of this round until it speaks (R2).
struct Exclude {
  RoundId round;
  ClusterProcess process;
  bool operator==(const Exclude&) const = default;
};

struct SetOverride {
  Override wish;
  bool operator==(const SetOverride&) const = default;
};
/// One-shot (R16). `to` kNoNode: any other node.
struct MoveVip {
  std::string vip;
  NodeId to = kNoNode;
  bool operator==(const MoveVip&) const = default;
};

struct ListenerDigest {
  std::string name;
  bool accepting = false;
  std::uint64_t connections = 0;  ///< Open now.
  bool operator==(const ListenerDigest&) const = default;
};
struct PoolDigest {
  std::string name;
  std::uint32_t servers = 0;
  std::uint32_t up = 0;
  std::vector<std::string> down;  ///< Names of those whose checks fail; not all when there are very many.
  bool operator==(const PoolDigest&) const = default;
};
/// What a node shows of itself to operators who ask another one. Sent each second, and sooner when it changes; no decision reads it.
struct NodeDigest {
  Incarnation incarnation = 0;
  std::uint64_t uptime_ms = 0;
  std::string engine;
  bool ready = false;
  std::string reason;             ///< Why not ready; empty: it is.
  std::string config_hash;        ///< Of the whole file but for `node`.
  std::uint64_t connections = 0;  ///< Open now.
  std::uint32_t control_late_us = 0;
  std::vector<ListenerDigest> listeners;
  std::vector<PoolDigest> pools;
  bool operator==(const NodeDigest&) const = default;
};

/// One DHCP lease, or the note that one ended (dnsdhcp/dhcp_lease.h says what the fields mean). No decision about VIPs reads it.
struct LeaseRecord {
  std::string network;
  IpAddress address;
  MacAddress mac;
  std::string client_id;
  std::string name;
  std::uint32_t seconds_left = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  NodeId holder = kNoNode;
  bool released = false;
  std::uint64_t freed_epoch = 0;
  std::uint64_t freed_sequence = 0;
  std::uint32_t iaid = 0;
  bool temporary = false;
  bool operator==(const LeaseRecord&) const = default;
};
/// The holder of a network's VIPs opens its DHCP gate, or has closed it and said everything that happened before.
struct LeaseGate {
  std::string network;
  std::uint64_t epoch = 0;  ///< Of the leases given under it.
  bool closed = false;
  bool operator==(const LeaseGate&) const = default;
};
/// What happened at the holder, or a part of a node's whole book (dnsdhcp/lease_book.h).
struct LeaseUpdate {
  std::vector<LeaseRecord> records;
  std::vector<LeaseGate> gates;
  bool complete = false;  ///< The last part of the sender's whole book.
  bool operator==(const LeaseUpdate&) const = default;
};
/// What a node's book amounts to. Who sees one that differs from its own sends its whole book, once in a view.
struct LeaseDigest {
  std::uint32_t count = 0;
  std::uint64_t hash = 0;
  bool operator==(const LeaseDigest&) const = default;
};

using ClusterMessage = std::variant<NodeState, GuardHello, Beat, BeatAck, Assign, Released, Exclude, SetOverride, MoveVip, NodeDigest,
                                    LeaseUpdate, LeaseDigest>;

/// False: for people, or about DHCP leases; whoever decides about VIPs leaves it alone.
[[nodiscard]] inline bool concerns_vips(const ClusterMessage& message) {
  return !std::holds_alternative<NodeDigest>(message) && !std::holds_alternative<LeaseUpdate>(message) &&
         !std::holds_alternative<LeaseDigest>(message);
}

}  // namespace fairlead
