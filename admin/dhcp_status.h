// fairlead: pure
// DNS and DHCP as operators see them, a part of the node's report: dnsmasq, the networks it serves, the lease book; and the leases and
// reservations as lists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/mac_address.h"

namespace fairlead::admin {

enum class DnsmasqState : std::uint8_t {
  kStopped,     ///< Not wanted, or not started yet.
  kStarting,    ///< It runs and has not answered yet.
  kReady,       ///< It answers.
  kRestarting,  ///< It ended and comes again after a back-off.
  kFailed,      ///< It ended too often, or cannot be started: `problem` says why.
};

struct DnsmasqStatus {
  DnsmasqState state = DnsmasqState::kStopped;
  std::uint32_t pid = 0;  ///< 0: none runs.
  std::string version;    ///< "2.90"; empty: not known yet.
  double since_s = 0;     ///< Seconds in this state.
  std::uint64_t restarts = 0;
  std::string problem;  ///< What is wrong, and what to do; empty: nothing.
};

/// DHCP messages by kind: those of clients that came, those of dnsmasq that went.
struct DhcpMessages {
  std::uint64_t discover = 0;
  std::uint64_t offer = 0;
  std::uint64_t request = 0;
  std::uint64_t ack = 0;
  std::uint64_t nak = 0;
  std::uint64_t decline = 0;
  std::uint64_t release = 0;
  std::uint64_t inform = 0;
  std::uint64_t bootp = 0;
  std::uint64_t pxe = 0;
};

/// dnsmasq's own (GetMetrics over its D-Bus, with their names there): they begin at 0 when it starts.
struct DnsmasqCounters {
  std::uint64_t forwarded = 0;         ///< DNS queries that went upstream (dns_queries_forwarded).
  std::uint64_t local = 0;             ///< Answered from hosts, leases, records or the cache (dns_local_answered).
  std::uint64_t authoritative = 0;     ///< dns_auth_answered
  std::uint64_t stale = 0;             ///< Answered from the cache beyond their time (dns_stale_answered).
  std::uint64_t unanswered = 0;        ///< Of the forwarded ones: no upstream answered (dns_unanswered).
  std::uint64_t cache_insertions = 0;  ///< dns_cache_inserted
  std::uint64_t cache_evictions = 0;   ///< Entries that were still good, thrown out for new ones (dns_cache_live_freed).
  DhcpMessages messages{};             ///< dhcp_discover and so on, bootp, pxe.
};

/// The look for addresses in use that precedes the first new lease after an unplanned takeover.
enum class SweepState : std::uint8_t { kNone, kRunning, kDone };

struct DhcpNetworkStatus {
  std::string name;
  std::string cidr;       ///< "192.168.1.0/24"
  std::string interface;  ///< As configured.
  std::string device;     ///< What that is on this node; empty: there is none.
  std::string router;     ///< Empty: none is configured; likewise below.
  std::string dns;
  std::vector<std::string> pool;      ///< First and last address.
  bool serving = false;               ///< Clients' DHCP messages are let in here.
  bool held_here = false;             ///< This node holds the network's VIPs.
  std::optional<std::string> holder;  ///< nullopt: nobody does.
  std::uint64_t pool_size = 0;        ///< Addresses; 0: no pool.
  std::uint64_t pool_leased = 0;      ///< Of these: held by a client now.
  std::uint64_t leases_held = 0;      ///< Reserved addresses included.
  std::uint64_t leases_released = 0;  ///< Given back or expired; remembered for a while.
  std::uint64_t reservations = 0;     ///< Hosts of the configuration in it.
  SweepState sweep = SweepState::kNone;
  std::uint64_t adopted = 0;  ///< Addresses in use that no record knew, found by sweeps.
  std::string problem;        ///< Why it is not served though its VIPs are here; empty: nothing.
};

/// What all gateways know of the leases, and how they came to know it.
struct LeaseBookStatus {
  std::uint64_t held = 0;
  std::uint64_t released = 0;
  std::uint64_t conflicts = 0;           ///< Records of one address that named two clients; the newer one won.
  std::uint64_t damaged_lines = 0;       ///< Of the lease file, set aside.
  std::uint64_t sent = 0;                ///< Records told to the other nodes.
  std::uint64_t received = 0;            ///< Records told by them.
  std::optional<double> synchronised_s;  ///< Seconds since this node's book was last the same as the others'; nullopt: never, or alone.
  std::string problem;                   ///< Why it cannot be kept on disk; empty: it is.
};

struct DhcpStatus {
  std::string group;   ///< The VIPs it follows.
  std::string domain;  ///< Empty: none.
  std::vector<std::string> upstream;
  DnsmasqStatus dnsmasq;
  std::vector<DhcpNetworkStatus> networks;
  LeaseBookStatus leases;
  std::optional<std::uint64_t> cache_size;  ///< Names that dnsmasq's cache can hold; nullopt: not known yet, likewise below.
  std::optional<DnsmasqCounters> counters;
};

enum class LeaseRecordState : std::uint8_t { kHeld, kReleased };

/// One lease, for `dhcp leases`.
struct LeaseInfo {
  std::string network;
  IpAddress address;
  std::string mac;
  std::string client_id;  ///< Empty: none.
  std::string name;       ///< Empty: none.
  std::uint32_t seconds_left = 0;
  LeaseRecordState state = LeaseRecordState::kHeld;
  std::string holder;  ///< The node that gave it.
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  bool reserved = false;  ///< The address is one of a host of the configuration.
};

/// Of the leases; empty or absent: any.
struct LeaseFilter {
  std::string network;
  std::optional<MacAddress> mac;
  std::string name;  ///< Whole, in any case.
  std::optional<IpAddress> address;
  bool released = false;  ///< Also those given back or expired.
};

/// A host of the configuration.
struct Reservation {
  std::string name;
  std::string network;
  std::string mac;
  IpAddress address;
  std::vector<std::string> aliases;
};

}  // namespace fairlead::admin
