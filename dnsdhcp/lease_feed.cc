// fairlead: pure
#include "dnsdhcp/lease_feed.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>
#include <vector>

namespace fairlead::dnsdhcp {
namespace {

LeaseEventKind kind_of(ScriptAction action) {
  switch (action) {
    case ScriptAction::kAdd: return LeaseEventKind::kAdd;
    case ScriptAction::kOld: return LeaseEventKind::kOld;
    case ScriptAction::kDel: return LeaseEventKind::kDelete;
  }
  return LeaseEventKind::kOld;
}

/// "01:52:54" -> {0x01, 0x52, 0x54}; stops at what is no byte: the book holds checked texts only.
std::vector<std::uint8_t> bytes_of(std::string_view hexadecimal) {
  std::vector<std::uint8_t> out;
  while (!hexadecimal.empty()) {
    const std::string_view byte = hexadecimal.substr(0, hexadecimal.find(':'));
    std::uint8_t value = 0;
    const auto [end, error] = std::from_chars(byte.data(), byte.data() + byte.size(), value, 16);
    if (error != std::errc() || end != byte.data() + byte.size()) break;
    out.push_back(value);
    hexadecimal.remove_prefix(std::min(byte.size() + 1, hexadecimal.size()));
  }
  return out;
}

}  // namespace

std::optional<LeaseEvent> lease_event(const ScriptEvent& said) {
  LeaseEvent out;
  out.kind = kind_of(said.action);
  out.address = said.address;
  const auto mac = said.hardware.mac();
  out.client_id = said.address.is_v4() ? said.client_id : said.duid;
  if (!mac && out.client_id.empty()) return std::nullopt;
  out.mac = mac.value_or(MacAddress{});
  out.name = said.name;
  out.seconds = said.forever ? kEndlessSeconds : said.seconds_left.value_or(0);
  out.interface = said.interface;
  out.iaid = said.iaid;
  out.temporary = said.temporary;
  return out;
}

BusLease bus_lease(const Lease& lease, Instant now) {
  return {.address = lease.address,
          .hardware = lease.mac.is_zero() ? std::string() : lease.mac.to_string(),
          .name = lease.name,
          .client_id = bytes_of(lease.client_id),
          .seconds = seconds_left(lease, now),
          .iaid = lease.iaid,
          .temporary = lease.temporary};
}

BusLease bus_fence(std::uint32_t number) {
  BusLease out;
  out.address = kFenceAddress;
  out.hardware = fence_mac(number).to_string();
  out.seconds = kLeaseForever;
  return out;
}

}  // namespace fairlead::dnsdhcp
