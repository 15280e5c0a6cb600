// DhcpRunner as operators see it.
#include <algorithm>

#include "admin/dhcp_codec.h"
#include "config/derived_vips.h"
#include "daemon/dhcp_runner.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kCountersEvery = std::chrono::seconds(2);
constexpr Duration kRecount = std::chrono::seconds(1);

admin::DnsmasqState state_of(const dnsdhcp::SupervisionCore& core) {
  if (core.in_crash_loop()) return admin::DnsmasqState::kFailed;
  switch (core.phase()) {
    case dnsdhcp::DnsmasqPhase::kStopped:
    case dnsdhcp::DnsmasqPhase::kStopping: return admin::DnsmasqState::kStopped;
    case dnsdhcp::DnsmasqPhase::kStarting: return admin::DnsmasqState::kStarting;
    case dnsdhcp::DnsmasqPhase::kRunning: return admin::DnsmasqState::kReady;
    case dnsdhcp::DnsmasqPhase::kWaiting: return admin::DnsmasqState::kRestarting;
  }
  return admin::DnsmasqState::kStopped;
}

std::uint64_t size_of(const config::DhcpPool& pool) {
  if (!pool.first.is_v4()) return 0;
  const auto number = [](const IpAddress& a) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) n = n << 8 | a.bytes()[i];
    return n;
  };
  return number(pool.last) - number(pool.first) + 1;
}

bool is_in(const std::optional<config::DhcpPool>& pool, const IpAddress& address) {
  return pool && pool->first <= address && address <= pool->last;
}

std::string text_of(const std::optional<IpAddress>& address) { return address ? address->to_string() : ""; }

}  // namespace

/// dnsmasq's counters by its own names, as ours.
void DhcpRunner::ask_counters() {
  if (!keeper_ || !keeper_->bus().is_ready() || clock_.now() < counters_due_) return;
  counters_due_ = clock_.now() + kCountersEvery;
  keeper_->bus().get_metrics([this, alive = alive_](const Result<std::map<std::string, std::uint32_t>>& result) {
    if (!*alive || !result) return;
    const auto get = [&](const char* name) -> std::uint64_t {
      const auto found = result->find(name);
      return found == result->end() ? 0 : found->second;
    };
    admin::DnsmasqCounters out;
    out.forwarded = get("dns_queries_forwarded");
    out.local = get("dns_local_answered");
    out.authoritative = get("dns_auth_answered");
    out.stale = get("dns_stale_answered");
    out.unanswered = get("dns_unanswered");
    out.cache_insertions = get("dns_cache_inserted");
    out.cache_evictions = get("dns_cache_live_freed");
    out.messages = {.discover = get("dhcp_discover"),
                    .offer = get("dhcp_offer"),
                    .request = get("dhcp_request"),
                    .ack = get("dhcp_ack"),
                    .nak = get("dhcp_nak"),
                    .decline = get("dhcp_decline"),
                    .release = get("dhcp_release"),
                    .inform = get("dhcp_inform"),
                    .bootp = get("bootp"),
                    .pxe = get("pxe")};
    counters_ = out;
  });
}

/// Walks the book: not for every report.
void DhcpRunner::recount() {
  const Instant now = clock_.now();
  if (now < counted_at_ + kRecount) return;
  counted_at_ = now;
  counts_.clear();
  for (const dnsdhcp::Lease& lease : book_.records()) {
    LeaseCounts& counts = counts_[lease.network];
    const bool held = lease.state == dnsdhcp::LeaseState::kHeld && lease.expires > now;
    (held ? counts.held : counts.released) += 1;
    const auto network = networks_.find(lease.network);
    if (held && network != networks_.end() && is_in(network->second.settings.pool, lease.address)) ++counts.in_pool;
  }
}

void DhcpRunner::describe(admin::NodeReport& report) {
  const Instant now = clock_.now();
  ask_counters();
  recount();
  const config::DnsDhcp& model = *options_.snapshot.dnsdhcp;
  admin::DhcpStatus out;
  out.group = model.follows;
  out.domain = model.domain;
  for (const IpAddress& upstream : model.upstream) out.upstream.push_back(upstream.to_string());
  if (keeper_) {
    const admin::DnsmasqState state = state_of(keeper_->core());
    if (std::exchange(state_seen_, state) != state) state_since_ = now;
    out.dnsmasq = {.state = state,
                   .pid = static_cast<std::uint32_t>(std::max(keeper_->pid(), 0)),
                   .version = keeper_->version(),
                   .since_s = to_seconds(now - state_since_),
                   .restarts = restarts_,
                   .problem = !files_problem_.empty()              ? files_problem_
                              : restart_due_ && !gate_guards_all() ? "it waits for the DHCP gate: " + gate_problem_
                                                                   : problem_};
  }
  out.counters = counters_;
  std::uint64_t released = 0;
  for (const config::DhcpNetwork& settings : model.networks) {
    const auto found = networks_.find(settings.name);
    if (found == networks_.end()) continue;
    out.networks.push_back(describe(found->second));
    for (const config::DhcpHost& host : model.hosts) out.networks.back().reservations += host.network == settings.name ? 1 : 0;
    const std::string& vip = *found->second.vips.begin();
    const auto status = std::find_if(report.vips.begin(), report.vips.end(), [&](const auto& v) { return v.name == vip; });
    if (status != report.vips.end()) out.networks.back().holder = status->holder;
    out.leases.held += out.networks.back().leases_held;
    released += out.networks.back().leases_released;
  }
  out.leases.released = released;
  out.leases.conflicts = conflicts_;
  out.leases.damaged_lines = damaged_;
  out.leases.sent = sent_;
  out.leases.received = received_;
  if (equal_since_) out.leases.synchronised_s = to_seconds(now - *equal_since_);
  out.leases.problem = save_problem_;
  report.dhcp = std::move(out);
}

admin::DhcpNetworkStatus DhcpRunner::describe(const Network& network) const {
  const config::DhcpNetwork& settings = network.settings;
  admin::DhcpNetworkStatus out;
  out.name = settings.name;
  out.cidr = settings.cidr.to_string();
  out.interface = settings.interface;
  out.device = network.device;
  out.router = text_of(settings.router);
  out.dns = text_of(settings.dns);
  if (settings.pool) {
    out.pool = {settings.pool->first.to_string(), settings.pool->last.to_string()};
    out.pool_size = size_of(*settings.pool);
  }
  out.serving = network.steps.step() == Step::kOpen && keeper_ && keeper_->bus().is_ready();
  out.held_here = network.is_here();
  if (const auto counts = counts_.find(settings.name); counts != counts_.end()) {
    out.pool_leased = counts->second.in_pool;
    out.leases_held = counts->second.held;
    out.leases_released = counts->second.released;
  }
  if (network.steps.step() == Step::kSweeping)
    out.sweep = admin::SweepState::kRunning;
  else if (network.steps.swept())
    out.sweep = admin::SweepState::kDone;
  out.adopted = network.adopted;
  if (out.held_here && !out.serving) {
    out.problem = !keeper_ || !keeper_->bus().is_ready() ? "dnsmasq is not ready"
                  : !gate_problem_.empty()               ? "the DHCP gate: " + gate_problem_
                  : network.unswept_since                ? "its pool cannot be searched: " + network.sweep_problem
                                                         : "its leases are being brought together";
  }
  return out;
}

/// Here only what the control thread has is copied: choosing and sorting is the reader's.
admin::LateLeases DhcpRunner::leases(admin::LeaseFilter filter, std::size_t limit) const {
  std::map<NodeId, std::string> names;
  if (options_.snapshot.cluster) {
    for (const config::Node& node : options_.snapshot.cluster->nodes) names.emplace(NodeId{node.id}, node.name);
  }
  std::set<IpAddress> reserved;
  for (const config::DhcpHost& host : options_.snapshot.dnsdhcp->hosts) reserved.insert(host.address);
  return [records = book_.records(), names = std::move(names), reserved = std::move(reserved), filter = std::move(filter), limit,
          own = options_.snapshot.node, now = clock_.now()] {
    std::vector<admin::LeaseInfo> out;
    for (const dnsdhcp::Lease& lease : records) {
      const bool held = lease.state == dnsdhcp::LeaseState::kHeld && lease.expires > now;
      const auto holder = names.find(lease.holder);
      admin::LeaseInfo info{.network = lease.network,
                            .address = lease.address,
                            .mac = lease.mac.to_string(),
                            .client_id = lease.client_id,
                            .name = lease.name,
                            .seconds_left = held ? dnsdhcp::seconds_left(lease, now) : 0,
                            .state = held ? admin::LeaseRecordState::kHeld : admin::LeaseRecordState::kReleased,
                            .holder = holder == names.end() ? own : holder->second,
                            .epoch = lease.stamp.epoch,
                            .sequence = lease.stamp.sequence,
                            .reserved = reserved.contains(lease.address)};
      if (admin::matches(filter, info)) out.push_back(std::move(info));
    }
    std::sort(out.begin(), out.end(), [](const admin::LeaseInfo& a, const admin::LeaseInfo& b) {
      return std::tie(b.epoch, b.sequence, a.address) < std::tie(a.epoch, a.sequence, b.address);
    });
    if (out.size() > limit) out.resize(limit);
    return out;
  };
}

}  // namespace fairlead::daemon
