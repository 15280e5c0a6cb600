// DhcpRunner's look at a pool before it opens it: who has its addresses (dnsdhcp/pool_sweep.h)?
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "daemon/dhcp_runner.h"
#include "vip/arp_socket.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kSweepRetry = std::chrono::seconds(1);
constexpr Duration kSweepLook = std::chrono::seconds(5);  ///< Of a node that could not, and has the VIPs no more.
const IpAddress kNobody = IpAddress::any(IpAddress::Family::kV4);

}  // namespace

bool DhcpRunner::needs_sweep(const Network& network) const {
  return network.settings.pool.has_value() && network.settings.cidr.address.is_v4();
}

Result<std::unique_ptr<vip::NeighbourPort>> DhcpRunner::open_port(const Network& network, const config::DhcpPool& range) {
  const auto link = host_.link_of(*network.vips.begin());
  if (!link) return Error{Errc::kNotFound, network.device + " is not there"};
  auto port = vip::ArpSocket::open(*link, *this, clock_);
  if (!port) return port.error();
  if (auto watched = (*port)->watch_range(range.first, range.last); !watched) return watched.error();
  return std::unique_ptr<vip::NeighbourPort>(std::move(*port));
}

void DhcpRunner::begin_sweep(const std::string& name, Network& network) {
  const Instant now = clock_.now();
  auto port = open_port(network, *network.settings.pool);
  if (!port) return sweep_failed(name, network, port.error().message());
  dnsdhcp::SweepSettings settings;
  settings.pools = {{network.settings.pool->first, network.settings.pool->last}};
  for (const config::DhcpHost& host : options_.snapshot.dnsdhcp->hosts) settings.skip.insert(host.address);
  if (const auto link = host_.link_of(*network.vips.begin()); link && link->mac) settings.ours.insert(*link->mac);
  network.port = std::move(*port);
  network.deaf.clear();
  const auto receive = [this, name, port = network.port.get()] {
    const auto received = port->receive();
    if (!received) networks_.at(name).deaf = "answers may have been lost: " + received.error().message();
  };
  if (auto watched = loop_.add_readable(network.port->fd(), receive); !watched) {
    network.port = nullptr;  // Not watched.
    return sweep_failed(name, network, watched.error().message());
  }
  network.sweep = std::make_unique<dnsdhcp::PoolSweep>(std::move(settings), now);
  network.steps.sweep_begun();
}

/// D7
void DhcpRunner::say_unswept(const std::string& name, Network& network, const std::string& why) {
  network.sweep_problem = why;
  if (network.unswept_since) return;
  network.unswept_since = clock_.now();
  FL_LOG(DHCP_GATE_PROBLEM, "network", name, "error",
         "its pool cannot be searched for leases that nobody told of, and stays closed: " + why);
}

void DhcpRunner::swept_after_all(Network& network) {
  network.sweep_problem.clear();
  network.unswept_since.reset();
}

void DhcpRunner::sweep_failed(const std::string& name, Network& network, const std::string& why) {
  end_sweep(network);
  network.steps.sweep_failed(clock_.now() + kSweepRetry);
  say_unswept(name, network, why);
}

void DhcpRunner::sweep_turn(const std::string& name, Network& network, dnsdhcp::BookActions& out) {
  if (!network.deaf.empty()) return sweep_failed(name, network, network.deaf);
  std::vector<IpAddress> ask;
  const Instant now = clock_.now();
  const std::size_t retries = network.sweep->retries();
  network.sweep->tick(now, ask);
  for (const IpAddress& address : ask) {
    const auto asked = network.port->probe(address, kNobody);
    if (asked) continue;
    network.sweep->not_asked(address);
    network.unasked = asked.error().message();
  }
  if (network.sweep->retries() > retries) say_unswept(name, network, network.unasked);
  if (!network.sweep->done()) return;
  const dnsdhcp::SweepResult found = network.sweep->result();
  end_sweep(network);
  swept_after_all(network);
  for (const dnsdhcp::ProxyMac& proxy : found.proxies)
    FL_LOG(LEASE_SWEEP_PROXY, "network", name, "mac", proxy.mac.to_string(), "addresses", proxy.addresses);
  for (const dnsdhcp::LiveAddress& live : found.live) {
    if (book_.adopt(name, live.address, live.macs, network.settings.lease, now, out) != dnsdhcp::Adoption::kNew) continue;
    ++network.adopted;
    FL_LOG(LEASE_ADOPTED, "network", name, "address", live.address.to_string(), "mac", live.macs.front().to_string(), "lease_s",
           static_cast<std::int64_t>(to_seconds(network.settings.lease)));
  }
  FL_LOG(LEASE_SWEEP_DONE, "network", name, "asked", found.asked, "found", found.live.size(), "took_ms", to_ms(found.took));
  network.steps.sweep_done(book_, out);
}

void DhcpRunner::end_sweep(Network& network) {
  if (network.port) loop_.remove(network.port->fd());
  network.port = nullptr;
  network.sweep = nullptr;
}

/// Of a node that gave its VIPs up because it could not search: whether it could now. Else it would be given them again, and again.
void DhcpRunner::look_at_sweeps() {
  const Instant now = clock_.now();
  for (auto& [name, network] : networks_) {
    const Step step = network.steps.step();
    if (!network.unswept_since || step == Step::kFencing || step == Step::kSweeping || now < network.sweep_look) continue;
    network.sweep_look = now + kSweepLook;
    Status asked;
    if (needs_sweep(network)) {
      const auto port = open_port(network, *network.settings.pool);
      asked = port ? (*port)->probe(network.settings.pool->first, kNobody) : Status(port.error());
    }
    if (asked) swept_after_all(network);
  }
}

}  // namespace fairlead::daemon
