// dnsmasq's part as far as leases go: which address a client gets, what it tells its script, what it takes over its bus. It follows the
// manual and what was seen of version 2.90: an offer reserves nothing; a client that asks for an address without a lease of it gets it when
// it is free (dhcp-authoritative); one that has a lease of another address is refused; changed leases are told one by one, late, in order.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/prng.h"
#include "dnsdhcp/dhcp_lease.h"
#include "dnsdhcp/lease_event.h"

namespace fairlead::dnsdhcp::sim {

struct ClientId {
  MacAddress mac;
  std::string client_id;
};

class DnsmasqModel {
 public:
  struct Settings {
    std::vector<IpAddress> pool;
    std::uint32_t lease_s = 60;
    bool sequential = false;  ///< dhcp-sequential-ip: the first free address, which more clients compete for.
  };
  explicit DnsmasqModel(Settings settings) : settings_(std::move(settings)) {}

  /// A new process; what the old one had not told is lost.
  void start(const std::vector<Lease>& snapshot, Instant now);
  [[nodiscard]] std::uint32_t lease_s() const { return settings_.lease_s; }

  // ---- clients ----
  [[nodiscard]] std::optional<IpAddress> discover(const ClientId& client, const std::optional<IpAddress>& wanted) const;
  enum class Answer { kAck, kNak };
  /// After an offer.
  [[nodiscard]] Answer select(const ClientId& client, const IpAddress& address, Instant now);
  /// Renewing, rebinding, or after a reboot.
  [[nodiscard]] Answer renew(const ClientId& client, const IpAddress& address, Instant now);
  void release(const ClientId& client, const IpAddress& address, Instant now);

  // ---- its bus ----
  void add(const Lease& lease, Instant now);
  /// False: it had none.
  bool remove(const IpAddress& address, Instant now);
  void fence(std::uint32_t number, Instant now);

  void tick(Instant now);
  /// Told from now on at least so much later.
  void set_delay(Duration delay) { delay_ = delay; }
  [[nodiscard]] std::optional<LeaseEvent> next_event(Instant now);
  [[nodiscard]] bool owes_events() const { return !events_.empty(); }
  /// When tick() or next_event() has something to do.
  [[nodiscard]] Instant next_due() const {
    Instant due = events_.empty() ? Instant::max() : events_.front().due;
    for (const auto& [address, held] : leases_) due = std::min(due, held.expires);
    return due;
  }
  struct Held {
    ClientId client;
    Instant expires;
  };
  [[nodiscard]] const std::map<IpAddress, Held>& leases() const { return leases_; }

 private:
  struct Told {
    Instant due;
    LeaseEvent event;
  };
  using Leases = std::map<IpAddress, Held>;
  [[nodiscard]] Leases::iterator lease_of(const ClientId& client);
  [[nodiscard]] Leases::const_iterator lease_of(const ClientId& client) const;
  [[nodiscard]] bool in_pool(const IpAddress& address) const;
  void give(const ClientId& client, const IpAddress& address, Instant now);
  void prune(Leases::iterator lease, Instant now);
  void tell(LeaseEventKind kind, const IpAddress& address, const Held& held, Instant now);

  Settings settings_;
  Leases leases_;
  std::deque<Told> events_;
  Duration delay_{};
};

}  // namespace fairlead::dnsdhcp::sim
