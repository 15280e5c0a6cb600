// fairlead: pure
// DNS and DHCP <-> JSON: a part of the status (status_codec.h), and the lists of leases and reservations.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/dhcp_status.h"
#include "admin/json_fields.h"
#include "base/result.h"
#include "config/settings.h"

namespace fairlead::admin {

/// "stopped", "starting", "ready", "restarting", "failed"
[[nodiscard]] std::string_view to_string(DnsmasqState state);
/// "none", "running", "done"
[[nodiscard]] std::string_view to_string(SweepState state);
/// "held", "released"
[[nodiscard]] std::string_view to_string(LeaseRecordState state);

/// "discover" -> its count, and so on, in the order of a client's conversation.
[[nodiscard]] std::vector<std::pair<std::string_view, std::uint64_t>> by_kind(const DhcpMessages& messages);

/// null: there is none.
[[nodiscard]] boost::json::value dhcp_json(const std::optional<DhcpStatus>& dhcp);
void read_dhcp(JsonFields& fields, DhcpStatus& out);

/// What concerns DNS: dnsmasq, where queries are answered, upstreams, cache.
[[nodiscard]] std::string encode_dns(const DhcpStatus& dhcp);
[[nodiscard]] std::string encode_leases(const std::vector<LeaseInfo>& leases, std::size_t limit);
[[nodiscard]] std::string encode_reservations(const std::vector<Reservation>& reservations);

/// A DNS server of the site, as encode_dns() names it.
struct DnsServer {
  std::string network;
  std::string address;
  std::optional<std::string> holder;
};
struct DnsStatus {
  std::string domain;
  std::vector<DnsServer> servers;
};
/// Errors: kInvalidArgument with the path of what is wrong. Absent keys keep their defaults.
[[nodiscard]] Result<DnsStatus> decode_dns(std::string_view document);
[[nodiscard]] Result<std::vector<LeaseInfo>> decode_leases(std::string_view document);
[[nodiscard]] Result<std::vector<Reservation>> decode_reservations(std::string_view document);

[[nodiscard]] bool matches(const LeaseFilter& filter, const LeaseInfo& lease);
/// The hosts of a configuration, in its order; `network` empty: of all networks.
[[nodiscard]] std::vector<Reservation> reservations_of(const config::DnsDhcp& dnsdhcp, std::string_view network);

}  // namespace fairlead::admin
