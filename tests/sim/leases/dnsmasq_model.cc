#include "tests/sim/leases/dnsmasq_model.h"

#include <algorithm>

namespace fairlead::dnsdhcp::sim {
namespace {

bool is_client(const ClientId& a, const ClientId& b) {
  if (!a.client_id.empty() && a.client_id == b.client_id) return true;
  return (a.client_id.empty() || b.client_id.empty()) && a.mac == b.mac;
}

std::uint64_t hash_of_mac(const MacAddress& mac) {
  std::uint64_t hash = 0;
  for (const std::uint8_t byte : mac.bytes) hash = mix64(hash ^ byte);
  return hash;
}

}  // namespace

void DnsmasqModel::start(const std::vector<Lease>& snapshot, Instant now) {
  leases_.clear();
  events_.clear();
  for (const Lease& lease : snapshot) {
    if (lease.address == kFenceAddress) continue;
    const Held held{{lease.mac, lease.client_id}, now + std::chrono::seconds(seconds_left(lease, now))};
    leases_[lease.address] = held;
    tell(LeaseEventKind::kOld, lease.address, held, now);
  }
}

DnsmasqModel::Leases::iterator DnsmasqModel::lease_of(const ClientId& client) {
  return std::find_if(leases_.begin(), leases_.end(), [&](const auto& l) { return is_client(l.second.client, client); });
}
DnsmasqModel::Leases::const_iterator DnsmasqModel::lease_of(const ClientId& client) const {
  return std::find_if(leases_.begin(), leases_.end(), [&](const auto& l) { return is_client(l.second.client, client); });
}

bool DnsmasqModel::in_pool(const IpAddress& address) const {
  return std::find(settings_.pool.begin(), settings_.pool.end(), address) != settings_.pool.end();
}

std::optional<IpAddress> DnsmasqModel::discover(const ClientId& client, const std::optional<IpAddress>& wanted) const {
  if (const auto own = lease_of(client); own != leases_.end()) return own->first;
  if (wanted && in_pool(*wanted) && leases_.count(*wanted) == 0) return wanted;
  const std::size_t start = settings_.sequential ? 0 : hash_of_mac(client.mac) % settings_.pool.size();
  for (std::size_t i = 0; i < settings_.pool.size(); ++i) {
    const IpAddress& address = settings_.pool[(start + i) % settings_.pool.size()];
    if (leases_.count(address) == 0) return address;
  }
  return std::nullopt;
}

DnsmasqModel::Answer DnsmasqModel::select(const ClientId& client, const IpAddress& address, Instant now) {
  const auto taken = leases_.find(address);
  if (!in_pool(address) || (taken != leases_.end() && !is_client(taken->second.client, client))) return Answer::kNak;
  if (const auto own = lease_of(client); own != leases_.end() && own->first != address) prune(own, now);
  give(client, address, now);
  return Answer::kAck;
}

DnsmasqModel::Answer DnsmasqModel::renew(const ClientId& client, const IpAddress& address, Instant now) {
  const auto own = lease_of(client);
  if (own != leases_.end() && own->first != address) return Answer::kNak;
  const auto taken = leases_.find(address);
  if (!in_pool(address) || (taken != leases_.end() && !is_client(taken->second.client, client))) return Answer::kNak;
  give(client, address, now);
  return Answer::kAck;
}

void DnsmasqModel::release(const ClientId& client, const IpAddress& address, Instant now) {
  const auto own = lease_of(client);
  if (own != leases_.end() && own->first == address) prune(own, now);
}

void DnsmasqModel::give(const ClientId& client, const IpAddress& address, Instant now) {
  const bool had = leases_.count(address) != 0;
  const Held held{client, now + std::chrono::seconds(settings_.lease_s)};
  leases_[address] = held;
  tell(had ? LeaseEventKind::kOld : LeaseEventKind::kAdd, address, held, now);
}

void DnsmasqModel::prune(Leases::iterator lease, Instant now) {
  tell(LeaseEventKind::kDelete, lease->first, lease->second, now);
  leases_.erase(lease);
}

void DnsmasqModel::add(const Lease& lease, Instant now) {
  const bool had = leases_.count(lease.address) != 0;
  Held held{{lease.mac, lease.client_id}, now + std::chrono::seconds(seconds_left(lease, now))};
  if (had && lease.client_id.empty()) held.client.client_id = leases_[lease.address].client.client_id;  // As lease_set_hwaddr does.
  leases_[lease.address] = held;
  tell(had ? LeaseEventKind::kOld : LeaseEventKind::kAdd, lease.address, held, now);
}

bool DnsmasqModel::remove(const IpAddress& address, Instant now) {
  const auto found = leases_.find(address);
  if (found == leases_.end()) return false;
  prune(found, now);
  return true;
}

void DnsmasqModel::fence(std::uint32_t number, Instant now) {
  tell(LeaseEventKind::kOld, kFenceAddress, {{fence_mac(number), {}}, now + std::chrono::seconds(kEndlessSeconds)}, now);
}

void DnsmasqModel::tick(Instant now) {
  for (auto it = leases_.begin(); it != leases_.end();) {
    const auto next = std::next(it);
    if (it->second.expires <= now) prune(it, now);
    it = next;
  }
}

void DnsmasqModel::tell(LeaseEventKind kind, const IpAddress& address, const Held& held, Instant now) {
  LeaseEvent event;
  event.kind = kind;
  event.address = address;
  event.mac = held.client.mac;
  event.client_id = held.client.client_id;
  event.seconds = static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(std::max(held.expires - now, Duration{})).count());
  const Instant due = now + delay_;
  events_.push_back({events_.empty() ? due : std::max(due, events_.back().due), std::move(event)});
}

std::optional<LeaseEvent> DnsmasqModel::next_event(Instant now) {
  if (events_.empty() || events_.front().due > now) return std::nullopt;
  LeaseEvent event = std::move(events_.front().event);
  events_.pop_front();
  return event;
}

}  // namespace fairlead::dnsdhcp::sim
