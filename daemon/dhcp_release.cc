// DhcpRunner ends a lease for an operator: not under a machine that is there, unless it is told to.
//
// dnsmasq gives a free address away without a look at it (no-ping): the lease is what keeps two machines from one address.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/refusal.h"
#include "daemon/dhcp_runner.h"
#include "vip/arp_socket.h"

namespace fairlead::daemon {
namespace {

constexpr std::size_t kQuestionsMax = 16;

}  // namespace

void DhcpRunner::release_lease(const IpAddress& address, bool force, const ReleaseDone& done) {
  const auto lease = book_.find(address);
  if (!lease || lease->state != dnsdhcp::LeaseState::kHeld)
    return done(Error{Errc::kNotFound, "there is no lease of " + address.to_string() + "; `fairlead dhcp leases` lists them"});
  const auto network = networks_.find(lease->network);
  if (!book_.holds(lease->network) || network == networks_.end())
    return done(Error{Errc::kRefused, "network " + lease->network + " is served by another gateway; ask that one"});
  if (force || !address.is_v4()) return end_lease(*lease, done);
  if (questions_.size() >= kQuestionsMax) return done(Error{Errc::kUnavailable, "too many leases are being ended; try again"});
  auto port = open_port(network->second, {address, address});
  if (!port) return done(refused_without_force("whether its machine is there cannot be asked: " + port.error().message()));
  dnsdhcp::SweepSettings settings;
  settings.pools = {{address, address}};
  auto question = std::make_unique<Question>(
      Question{.lease = *lease, .done = done, .sweep = {std::move(settings), clock_.now()}, .port = std::move(*port), .failure = {}});
  Question& asked = *questions_.emplace_back(std::move(question));
  const auto receive = [&asked] {
    if (auto received = asked.port->receive(); !received) asked.failure = received.error().message();
  };
  if (auto watched = loop_.add_readable(asked.port->fd(), receive); !watched) asked.failure = watched.error().message();
  ask(asked);
}

void DhcpRunner::ask(Question& question) {
  std::vector<IpAddress> to_ask;
  question.sweep.tick(clock_.now(), to_ask);
  for (const IpAddress& address : to_ask) {
    const auto asked = question.port->probe(address, IpAddress::any(IpAddress::Family::kV4));
    if (!asked) question.failure = asked.error().message();
  }
  if (!question.sweep.done() && question.failure.empty()) {
    question.timer = loop_.at(question.sweep.next_tick(), [this, &question] { ask(question); });
    return;
  }
  const auto at = std::find_if(questions_.begin(), questions_.end(), [&](const auto& each) { return each.get() == &question; });
  const std::unique_ptr<Question> over = std::move(*at);
  questions_.erase(at);
  loop_.remove(over->port->fd());
  if (!over->failure.empty()) return over->done(refused_without_force("whether its machine is there cannot be asked: " + over->failure));
  const auto live = over->sweep.result().live;
  if (live.empty()) return end_lease(over->lease, over->done);
  over->done(refused_without_force(over->lease.address.to_string() + " is in use by " + live.front().macs.front().to_string() +
                                   ", which is not told and goes on using it: dnsmasq may give it to another machine as well. Release it "
                                   "there (dhclient -r), or switch that machine off"));
}

void DhcpRunner::end_lease(const dnsdhcp::Lease& lease, const ReleaseDone& done) {
  if (!keeper_ || !keeper_->bus().is_ready()) return done(Error{Errc::kUnavailable, "dnsmasq is not ready; try again"});
  keeper_->bus().delete_lease(lease.address, [done, lease](const Result<bool>& result) {
    if (!result) return done(result.error());
    const std::string who = lease.name.empty() ? lease.mac.to_string() : lease.name;
    done("the lease of " + lease.address.to_string() + " (" + who + ") is ended; its machine keeps the address until it asks again");
  });
}

void DhcpRunner::end_questions() {
  for (const auto& question : std::exchange(questions_, {})) {
    loop_.cancel(question->timer);
    loop_.remove(question->port->fd());
    question->done(Error{Errc::kUnavailable, "the daemon is stopping"});
  }
}

void DhcpRunner::on_neighbour(const vip::NeighbourEvent& event) {
  if (event.kind == vip::NeighbourEventKind::kProbe) return;  // Who asks does not have it yet.
  for (auto& [name, network] : networks_) {
    if (network.sweep && network.settings.cidr.contains(event.address)) (void)network.sweep->heard(event.address, event.mac);
  }
  for (const auto& question : questions_) (void)question->sweep.heard(event.address, event.mac);
}

}  // namespace fairlead::daemon
