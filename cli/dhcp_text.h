// fairlead: pure
// DNS, DHCP and leases as text for people.
#pragma once

#include <string>
#include <vector>

#include "admin/dhcp_codec.h"
#include "admin/dhcp_status.h"
#include "cli/dns_query.h"

namespace fairlead::cli {

/// A part of `status`: dnsmasq, networks with their pools, the lease book.
[[nodiscard]] std::string dhcp_text(const admin::DhcpStatus& dhcp, bool color);
[[nodiscard]] std::string dns_text(const admin::DhcpStatus& dhcp, bool color);
/// By network and address, whatever their order.
[[nodiscard]] std::string leases_text(std::vector<admin::LeaseInfo> leases, bool color);
[[nodiscard]] std::string reservations_text(const std::vector<admin::Reservation>& reservations, bool color);

/// What one server said, and where it stands.
struct ServerAnswer {
  admin::DnsServer server;  ///< network empty: it was given on the command line.
  DnsAnswer answer;
};
[[nodiscard]] std::string answers_text(const DnsQuestion& question, const std::vector<ServerAnswer>& answers, bool color);
[[nodiscard]] std::string answers_json(const DnsQuestion& question, const std::vector<ServerAnswer>& answers);

}  // namespace fairlead::cli
