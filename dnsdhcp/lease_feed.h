// fairlead: pure
// Between dnsmasq's words and the book's: an event of the script as the book takes it, a lease of the book as the bus takes it.
#pragma once

#include <optional>

#include "base/time.h"
#include "dnsdhcp/dhcp_lease.h"
#include "dnsdhcp/dnsmasq_bus.h"
#include "dnsdhcp/lease_event.h"
#include "dnsdhcp/script_event.h"

namespace fairlead::dnsdhcp {

/// Nothing: a client without an Ethernet address and without an identity, which the book cannot name.
[[nodiscard]] std::optional<LeaseEvent> lease_event(const ScriptEvent& said);
[[nodiscard]] BusLease bus_lease(const Lease& lease, Instant now);
/// The fence with this number (dnsdhcp/lease_event.h).
[[nodiscard]] BusLease bus_fence(std::uint32_t number);

}  // namespace fairlead::dnsdhcp
