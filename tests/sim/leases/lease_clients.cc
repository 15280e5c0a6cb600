// LeaseWorld's clients, adversary and oracle.
#include <algorithm>
#include <utility>

#include "tests/sim/leases/lease_world.h"

namespace fairlead::dnsdhcp::sim {
namespace {

constexpr std::uint32_t kFrameLossPercent = 8;
constexpr std::uint32_t kConfigureMs = 40;

}  // namespace

// ---- clients ----

bool LeaseWorld::uses(const Client& client, const IpAddress& address) const {
  return client.state == State::kBound && client.address == address && now_ < client.until;
}

void LeaseWorld::acked(Client& client, const IpAddress& address, DnsmasqModel& dnsmasq) {
  ++coverage_.acks;
  const bool new_here = client.state != State::kBound;
  if (client.last && *client.last != address) ++coverage_.moved_clients;
  client.last = address;
  client.state = State::kBound;
  client.address = address;
  client.until = now_ + std::chrono::seconds(dnsmasq.lease_s());
  if (new_here) client.answers_from = now_ + ms(1, kConfigureMs);
  client.retry = now_ + std::chrono::seconds(dnsmasq.lease_s()) / 2;
  for (const Client& other : clients_) {
    if (&other == &client || !uses(other, address)) continue;
    violated(address.to_string() + " was given to " + client.id.mac.to_string() + " while " + other.id.mac.to_string() + " uses it");
  }
  story(client.id.mac.to_string() + (new_here ? " has " : " renews ") + address.to_string());
  after_ack(client);
}

/// A person, or a machine's own life.
void LeaseWorld::stirred(Client& client) {
  client.next = now_ + ms(5'000, 60'000);
  switch (client.state) {
    case State::kOff:
      client.state = State::kWanting;
      client.retry = now_;
      break;
    case State::kWanting:
    case State::kOffered: break;
    case State::kBound:
      if (chance(30)) {
        story(client.id.mac.to_string() + " leaves " + client.address->to_string());
        if (Node* node = server(); node != nullptr && !chance(kFrameLossPercent)) node->dnsmasq->release(client.id, *client.address, now_);
        client.state = State::kOff;
        if (chance(50)) client.address.reset();
      } else if (chance(30)) {
        story(client.id.mac.to_string() + " sleeps");
        client.state = State::kAsleep;
      }
      break;
    case State::kAsleep:
      client.state = State::kWanting;  // Asks for its address before it uses it again.
      client.retry = now_;
      break;
  }
}

void LeaseWorld::step_client(Client& client) {
  if (now_ >= client.next) stirred(client);
  if (client.state == State::kBound && now_ >= client.until) {
    story(client.id.mac.to_string() + "'s lease of " + client.address->to_string() + " is over");
    client.state = State::kWanting;
    client.retry = now_;
  }
  if (client.state == State::kOff || client.state == State::kAsleep || now_ < client.retry) return;
  client.retry = now_ + ms(500, 3'000);
  Node* node = server();
  if (node == nullptr || chance(kFrameLossPercent)) return;
  const bool answer_lost = chance(kFrameLossPercent);
  DnsmasqModel& dnsmasq = *node->dnsmasq;
  const bool reboots = client.state == State::kWanting && client.address;
  if (client.state == State::kBound || reboots) {
    const auto answer = dnsmasq.renew(client.id, *client.address, now_);
    if (answer_lost) return;
    if (answer == DnsmasqModel::Answer::kAck) return acked(client, *client.address, dnsmasq);
    ++coverage_.naks;
    story(client.id.mac.to_string() + " is refused " + client.address->to_string());
    client.state = State::kWanting;
    client.address.reset();
    client.retry = now_;
    return;
  }
  if (client.state == State::kWanting) {
    client.address = dnsmasq.discover(client.id, std::nullopt);
    if (!client.address || answer_lost) return client.address.reset();
    client.state = State::kOffered;
    client.retry = now_ + ms(2, 20);
    return;
  }
  const auto answer = dnsmasq.select(client.id, *client.address, now_);
  client.state = State::kWanting;
  if (answer == DnsmasqModel::Answer::kAck && !answer_lost) return acked(client, *client.address, dnsmasq);
  client.address.reset();
}

// ---- adversary ----

void LeaseWorld::after_ack(Client& client) {
  if (holder() == nullptr) return;
  if (std::exchange(armed_cut_, false)) {
    ++coverage_.cuts_at_ack;
    return cut(*holder());
  }
  if (!armed_kill_) {
    if (std::exchange(armed_move_, false)) move_somewhere();
    return;
  }
  armed_kill_ = false;
  if (chance(50)) {
    story(client.id.mac.to_string() + " sleeps at once");
    client.state = State::kAsleep;
    const bool known = std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& node) {
      const auto lease = node.book->find(*client.address);
      return lease && lease->mac == client.id.mac;
    });
    coverage_.lost_leases += known ? 0 : 1;
  }
  ++coverage_.kills_at_ack;
  story("the holder dies right after that");
  stop(*holder());
  change_views();
}

void LeaseWorld::move_somewhere() {
  Node* node = holder();
  if (node == nullptr || moving_to_ != kNoNode) return;
  Node& to = nodes_[prng_.below(static_cast<std::uint32_t>(nodes_.size()))];
  if (to.up && to.id != node->id && to.component == node->component) begin_move(to.id);
}

void LeaseWorld::strike() {
  if (merge_at_ != Instant{} && now_ >= merge_at_) {
    merge_at_ = {};
    ++coverage_.merges;
    story("merge");
    for (Node& node : nodes_) node.component = 0;
    change_views();
  }
  if (now_ < next_strike_) return;
  next_strike_ = now_ + ms(1'000, 20'000);
  Node* node = holder();
  const std::uint32_t what = prng_.below(100);
  if (what < 30) {
    if (chance(50)) return move_somewhere();
    armed_move_ = true;  // Right after an ACK.
  } else if (what < 45) {
    if (node == nullptr) return;
    ++coverage_.kills;
    story("the holder dies");
    stop(*node);
    change_views();
  } else if (what < 60) {
    armed_kill_ = true;
  } else if (what < 68) {
    Node& other = nodes_[prng_.below(static_cast<std::uint32_t>(nodes_.size()))];
    if (!other.up || other.id == holder_) return;
    story("node " + std::to_string(to_number(other.id)) + ", a standby, dies");
    stop(other);
    change_views();
  } else if (what < 83) {
    if (merge_at_ != Instant{}) return;
    ++coverage_.cuts;
    if (chance(30)) {
      armed_cut_ = true;  // Right after an ACK.
      return;
    }
    cut(nodes_[prng_.below(static_cast<std::uint32_t>(nodes_.size()))]);
  } else if (what < 88) {
    ++coverage_.blackouts;
    story("all gateways are off");
    for (Node& each : nodes_) {
      if (each.up) stop(each);
      each.component = 0;
    }
    merge_at_ = {};
    vip_epoch_ = 0;
    const std::uint32_t clock = prng_.below(4);
    if (clock == 0) wall_s_ += 3600;  // A clock that is wrong after the start.
    if (clock == 1) wall_s_ -= 3600;
  } else if (node != nullptr && node->dnsmasq_up && node->ends_at == Instant{}) {
    if (chance(50)) return restart_dnsmasq(*node);
    crash_dnsmasq(*node);
  }
}

void LeaseWorld::cut(Node& node) {
  if (merge_at_ != Instant{}) return;
  story("cut: node " + std::to_string(to_number(node.id)) + " is alone");
  node.component = 1;
  merge_at_ = now_ + ms(1'000, 40'000);
  change_views();
}

void LeaseWorld::quiet() {
  story("quiet");
  striking_ = armed_kill_ = armed_move_ = armed_cut_ = false;
  for (Node& node : nodes_) {
    node.component = 0;
    node.back_at = std::min(node.back_at, now_ + ms(0, 1'000));
  }
  change_views();
  for (Client& client : clients_) {
    client.next = now_ + 24h;
    if (client.state == State::kAsleep || client.state == State::kOff) stirred(client);
    client.next = now_ + 24h;
  }
}

// ---- the end ----

void LeaseWorld::judge() {
  // What is on its way arrives; the clients keep still.
  for (int i = 0; i < 2'000; ++i) {
    now_ += 2ms;
    for (Node& node : nodes_) step_node(node);
  }
  constexpr Duration kFar = 10s;  // Ends differ by seconds, and what is about to end is here already over and there not yet.
  for (const Client& client : clients_)
    if (client.state != State::kBound) violated(client.id.mac.to_string() + " has no address after a quiet time");
  for (const Node& node : nodes_) {
    if (!node.up) return violated("a node did not come back");
    for (const Node& other : nodes_) {
      for (const Lease& lease : node.book->records()) {
        if (lease.expires < now_ + kFar) continue;
        const auto there = other.book->find(lease.address);
        const bool equal = there && there->stamp == lease.stamp && there->mac == lease.mac && there->state == lease.state;
        if (!equal) violated("books differ about " + lease.address.to_string());
      }
    }
    for (const Lease& lease : node.book->leases(now_)) {
      if (lease.expires < now_ + kFar) continue;
      const auto known = node.dnsmasq->leases().find(lease.address);
      if (known == node.dnsmasq->leases().end() || known->second.client.mac != lease.mac)
        violated("a dnsmasq does not know the lease of " + lease.address.to_string());
    }
  }
  for (const Client& client : clients_) {
    const auto lease = nodes_.front().book->find(client.address.value_or(IpAddress()));
    if (client.state == State::kBound && (!lease || lease->mac != client.id.mac)) violated("the books lack the lease of a client");
  }
}

}  // namespace fairlead::dnsdhcp::sim
