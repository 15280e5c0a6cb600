#include "tests/sim/leases/lease_world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/overloaded.h"
#include "dnsdhcp/lease_file.h"

namespace fairlead::dnsdhcp::sim {
namespace {

const std::string kNetwork = "mast";
constexpr std::uint32_t kLeaseSeconds = 60;
constexpr Duration kStep = 2ms;
constexpr Duration kSaved = 500ms;
constexpr Duration kPlay = 6min;
constexpr Duration kQuiet = 150s;
constexpr Duration kTakeover = 250ms;  // From the loss of a holder to the next: nothing is faster but a planned move.
constexpr std::size_t kClients = 12;
constexpr std::size_t kPoolSize = 15;

MacAddress mac_of(std::size_t n) { return {{0x52, 0x54, 0, 0, 0, static_cast<std::uint8_t>(n + 1)}}; }

}  // namespace

void Coverage::add(const Coverage& o) {
  moves += o.moves;
  hasty_moves += o.hasty_moves;
  kills += o.kills;
  kills_at_ack += o.kills_at_ack;
  cuts += o.cuts;
  cuts_at_ack += o.cuts_at_ack;
  merges += o.merges;
  blackouts += o.blackouts;
  crashes += o.crashes;
  restarts += o.restarts;
  sweeps += o.sweeps;
  pauses += o.pauses;
  adopted += o.adopted;
  extended += o.extended;
  handed_over += o.handed_over;
  conflicts += o.conflicts;
  synchronised += o.synchronised;
  acks += o.acks;
  naks += o.naks;
  lost_leases += o.lost_leases;
  moved_clients += o.moved_clients;
}

LeaseWorld::LeaseWorld(std::uint64_t seed, Omission omission) : prng_(seed), omission_(omission) {
  prefix_ = {IpAddress::v4({192, 168, 1, 0}), 24};
  for (std::size_t i = 0; i < kPoolSize; ++i) pool_.push_back(IpAddress::v4({192, 168, 1, static_cast<std::uint8_t>(100 + i)}));
  nodes_.resize(2 + prng_.below(2));
  for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].id = NodeId{static_cast<std::uint32_t>(i + 1)};
  for (std::size_t i = 0; i < kClients; ++i) {
    Client client;
    client.id = {mac_of(i), i % 2 == 0 ? "01:" + mac_of(i).to_string() : ""};
    client.next = now_ + ms(0, 20'000);
    clients_.push_back(client);
  }
  next_strike_ = now_ + ms(4'000, 20'000);
  sequential_ = chance(50);
}

void LeaseWorld::story(const std::string& line) const {
  if (told_) std::printf("%9.3f %s\n", to_seconds(now_.time_since_epoch()) - 3600, line.c_str());
}

void LeaseWorld::violated(const std::string& what) {
  if (violation_.empty()) violation_ = what;
  story("VIOLATED " + what);
}

std::string LeaseWorld::run() {
  for (Node& node : nodes_) start(node);
  change_views();
  const Instant end_of_play = now_ + kPlay;
  const Instant end = end_of_play + kQuiet;
  const Instant begin = now_;
  std::int64_t seconds = 0;
  while (now_ < end && violation_.empty()) {
    now_ = std::min(next_step(begin, end_of_play), end);
    for (; seconds < (now_ - begin) / 1s; ++seconds) ++wall_s_;
    if (striking_ && now_ >= end_of_play) quiet();
    if (striking_) strike();
    step_placement();
    for (Node& node : nodes_) step_node(node);
    for (Client& client : clients_) step_client(client);
  }
  if (violation_.empty()) judge();
  return violation_;
}

/// The next step in which anything can happen: those between would do nothing, and draw nothing.
Instant LeaseWorld::next_step(Instant begin, Instant end_of_play) const {
  const Instant soon = now_ + kStep;
  const bool wanted = holder_ == kNoNode && place_at_ <= soon;
  Instant next = wanted ? soon : striking_ ? std::min(end_of_play, next_strike_) : end_of_play + kQuiet;
  if (holder_ == kNoNode) next = std::min(next, place_at_);
  if (striking_ && merge_at_ != Instant{}) next = std::min(next, merge_at_);
  for (const Node& node : nodes_) next = std::min(next, next_of(node));
  for (const Client& client : clients_) {
    next = std::min(next, client.next);
    if (client.state == State::kBound) next = std::min(next, client.until);
    if (client.state != State::kOff && client.state != State::kAsleep) next = std::min(next, client.retry);
  }
  if (next <= soon) return soon;
  return begin + (next - begin + kStep - Duration(1)) / kStep * kStep;
}

Instant LeaseWorld::next_of(const Node& node) const {
  if (!node.up) return node.back_at;
  const LeaseStep step = node.steps.step();
  if (node.restart_due || node.ends_at != Instant{} || node.gate.next || (step != LeaseStep::kAway && step != LeaseStep::kOpen))
    return now_;
  Instant next = node.book->next_tick();
  if (!node.leaving.empty()) next = std::min(next, node.leaving.front().due);
  if (!node.inbox.empty()) next = std::min(next, node.inbox.front().due);
  next = std::min(next, node.dnsmasq_up ? node.dnsmasq->next_due() : node.dnsmasq_back_at);
  // It is saved when the clock shows a multiple of kSaved.
  if (node.book->revision() != node.saved) next = std::min(next, Instant{} + (now_.time_since_epoch() / kSaved + 1) * kSaved);
  return next;
}

// ---- the group ----

void LeaseWorld::send(Node& node, Message message) {
  const Instant due = now_ + ms(0, 3);
  node.leaving.push_back({node.leaving.empty() ? due : std::max(due, node.leaving.back().due), std::move(message)});
}

void LeaseWorld::order(Node& from, const Message& message) {
  for (Node& node : nodes_) {
    if (!node.up || node.component != from.component) continue;
    const Instant due = now_ + ms(0, 4);
    node.inbox.push_back({node.inbox.empty() ? due : std::max(due, node.inbox.back().due), from.id, message});
  }
}

void LeaseWorld::pump(Node& node) {
  while (node.up && !node.leaving.empty() && node.leaving.front().due <= now_) {
    const Message message = std::move(node.leaving.front().message);
    node.leaving.pop_front();
    order(node, message);
  }
  while (!node.inbox.empty() && node.inbox.front().due <= now_) {
    const Queued queued = std::move(node.inbox.front());
    node.inbox.pop_front();
    BookActions actions;
    std::visit([&](const auto& m) { node.book->delivered(queued.from, m, now_, actions); }, queued.message);
    carry_out(node, actions);
  }
}

/// What was ordered in the old view is delivered before the new one.
void LeaseWorld::change_views() {
  for (Node& node : nodes_) {
    for (Queued& queued : node.inbox) queued.due = now_;
    if (node.up) pump(node);
  }
  for (Node& node : nodes_) {
    if (!node.up) continue;
    std::vector<NodeId> members;
    for (const Node& other : nodes_)
      if (other.up && other.component == node.component) members.push_back(other.id);
    BookActions actions;
    node.book->view_changed(members, now_, actions);
    carry_out(node, actions);
  }
}

void LeaseWorld::carry_out(Node& node, BookActions& actions) {
  for (BookAction& action : actions) {
    std::visit(Overloaded{[&](SendUpdate& a) { send(node, std::move(a.update)); }, [&](SendDigest& a) { send(node, a.digest); },
                          [&](const FeedAdd& a) {
                            if (node.dnsmasq_up) node.dnsmasq->add(a.lease, now_);
                          },
                          [&](const FeedDelete& a) {
                            if (node.dnsmasq_up && !node.dnsmasq->remove(a.address, now_)) node.book->had_none(a.address);
                          },
                          [&](const FeedFence& a) {
                            if (node.dnsmasq_up) node.dnsmasq->fence(a.number, now_);
                          },
                          [&](const LeaseConflict& a) {
                            ++coverage_.conflicts;
                            story("node " + std::to_string(to_number(node.id)) + " conflict " + a.kept.address.to_string());
                          },
                          [&](const BooksEqual&) { ++coverage_.synchronised; },
                          [&](const BookFull&) { violated("a book of " + std::to_string(kPoolSize) + " leases is full"); }},
               action);
  }
  actions.clear();
}

// ---- gateways ----

void LeaseWorld::start(Node& node) {
  node.up = true;
  node.steps = LeaseSteps(kNetwork);
  node.gate = {};
  node.restart_due = false;
  node.ends_at = {};
  node.book = std::make_unique<LeaseBook>(node.id);
  node.book->configure({{kNetwork, prefix_}});
  LeaseFile file = parse_lease_file(node.disk, now_, wall_s_);
  if (!node.disk.empty() && !file.damaged.empty()) violated("a lease file that was written cannot be read");
  node.book->load(std::move(file.leases), file.epoch, now_);
  node.saved = node.book->revision();
  node.dnsmasq = std::make_unique<DnsmasqModel>(DnsmasqModel::Settings{pool_, kLeaseSeconds, sequential_});
  start_dnsmasq(node);
}

void LeaseWorld::start_dnsmasq(Node& node) {
  node.dnsmasq_up = true;
  node.dnsmasq->start(node.book->snapshot(now_), now_);
  node.dnsmasq->set_delay(chance(20) ? ms(100, 1500) : ms(0, 20));
  BookActions actions;
  node.book->dnsmasq_started(actions);
  const bool here = holder_ == node.id && moving_to_ == kNoNode;
  const StepWish wish = here ? node.steps.dnsmasq_ready(*node.book, actions) : StepWish::kNothing;
  carry_out(node, actions);
  if (wish == StepWish::kBegin) begin(node);
}

void LeaseWorld::stop(Node& node) {
  if (holder_ == node.id) lose(node);
  node.up = node.dnsmasq_up = false;
  node.leaving.clear();
  node.inbox.clear();
  node.sweep.reset();
  node.back_at = now_ + ms(2'000, 30'000);
}

/// What it gave and did not tell is lost: the gate closes, and the pool is swept as after a takeover.
void LeaseWorld::crash_dnsmasq(Node& node) {
  ++coverage_.crashes;
  story("dnsmasq of node " + std::to_string(to_number(node.id)) + " ends");
  node.dnsmasq_up = false;
  node.book->dnsmasq_ended();
  node.dnsmasq_back_at = now_ + ms(100, 1'000);
  node.restart_due = false;
  node.ends_at = {};
  node.sweep.reset();
  node.blind = omission_ == Omission::kCrashSweep;
  node.steps.dnsmasq_ended(/*leaving=*/moving_to_ != kNoNode && holder_ == node.id, now_);
}

/// For another configuration: closed in order first.
void LeaseWorld::restart_dnsmasq(Node& node) {
  ++coverage_.restarts;
  story("dnsmasq of node " + std::to_string(to_number(node.id)) + " is to be restarted");
  node.restart_due = true;
  node.sweep.reset();
  node.steps.restart(now_);
}

void LeaseWorld::step_node(Node& node) {
  if (!node.up) {
    if (now_ < node.back_at) return;
    story("node " + std::to_string(to_number(node.id)) + " starts");
    start(node);
    change_views();
  }
  if (node.ends_at != Instant{} && now_ >= node.ends_at) {
    node.ends_at = {};
    node.dnsmasq_up = false;
    node.dnsmasq_back_at = now_ + ms(30, 500);
  }
  if (!node.dnsmasq_up && now_ >= node.dnsmasq_back_at) start_dnsmasq(node);
  pump(node);
  BookActions actions;
  if (node.dnsmasq_up) {
    node.dnsmasq->tick(now_);
    while (const auto event = node.dnsmasq->next_event(now_)) {
      node.book->local_event(*event, now_, actions);
      carry_out(node, actions);
    }
  }
  if (now_ >= node.book->next_tick()) node.book->tick(now_, actions);
  carry_out(node, actions);
  if (node.book->revision() != node.saved && now_.time_since_epoch() % kSaved == Duration{}) {
    node.saved = node.book->revision();
    node.disk = render_lease_file(node.book->records(), node.book->newest_epoch(), now_, wall_s_);
  }
  step_steps(node);
  step_gate(node);
}

StepFacts LeaseWorld::facts_of(const Node& node) const {
  StepFacts facts;
  facts.now = now_;
  facts.here = holder_ == node.id;
  facts.ready = node.dnsmasq_up && node.ends_at == Instant{};  // The bus goes first.
  facts.restart_due = node.restart_due;
  facts.sweeps = true;
  facts.gate_open = node.gate.open;
  facts.gate_closed = !node.gate.open && !node.gate.next;
  facts.queue_empty = true;  // A client that is let in is answered at once.
  return facts;
}

/// The kernel's: a text that is under way comes into force, then the next one begins.
void LeaseWorld::step_gate(Node& node) {
  if (node.gate.next && now_ >= node.gate.due) node.gate.open = *std::exchange(node.gate.next, std::nullopt);
  const bool knows_all = node.dnsmasq_up && node.ends_at == Instant{};
  const bool wanted = node.steps.wants_gate(*node.book) && (node.steps.step() == LeaseStep::kOpen || knows_all);
  if (node.gate.next || wanted == node.gate.open) return;
  node.gate.next = wanted;
  node.gate.due = now_ + ms(1, 12);
}

void LeaseWorld::step_steps(Node& node) {
  if (node.steps.step() == LeaseStep::kSweeping) return step_sweep(node);
  BookActions actions;
  const bool fencing = node.steps.step() == LeaseStep::kFencing;
  const bool open = node.steps.step() == LeaseStep::kOpen;
  const StepWish wish = node.steps.turn(facts_of(node), *node.book, actions);
  carry_out(node, actions);
  if (fencing && node.steps.step() == LeaseStep::kOpening) ++coverage_.handed_over;
  if (open && node.steps.pausing()) ++coverage_.pauses;
  if (wish == StepWish::kBegin) begin(node);
  if (wish == StepWish::kSweep) begin_sweep(node);
  if (holder_ == node.id && moving_to_ != kNoNode && node.steps.step() == LeaseStep::kClosed) {
    (node.steps.told() ? coverage_.moves : coverage_.hasty_moves) += 1;
    prefer_ = moving_to_;
    lose(node);
    place_at_ = now_ + ms(1, 5);
  } else if (node.restart_due && node.steps.may_restart()) {
    node.restart_due = false;
    node.ends_at = now_ + ms(1, 30);
  }
}

void LeaseWorld::begin(Node& node) {
  BookActions actions;
  node.steps.begin(vip_epoch_, now_, *node.book, actions);
  carry_out(node, actions);
}

void LeaseWorld::begin_sweep(Node& node) {
  ++coverage_.sweeps;
  node.steps.sweep_begun();
  SweepSettings settings;
  settings.pools = {{pool_.front(), pool_.back()}};
  node.lost_once.clear();
  node.sweep.emplace(std::move(settings), now_);
}

void LeaseWorld::step_sweep(Node& node) {
  std::vector<IpAddress> asked;
  node.sweep->tick(now_, asked);
  if (omission_ == Omission::kSweep || node.blind) asked.clear();
  for (const IpAddress& address : asked) {
    // One frame of an address may be lost, not all.
    const bool lost = chance(30) && node.lost_once.insert(address).second;
    for (const Client& client : clients_)
      if (!lost && uses(client, address) && client.answers_from <= now_) node.sweep->heard(address, client.id.mac);
  }
  if (node.sweep->done()) finish_sweep(node);
}

void LeaseWorld::finish_sweep(Node& node) {
  BookActions actions;
  for (const LiveAddress& live : node.sweep->result().live) {
    const Adoption found = node.book->adopt(kNetwork, live.address, live.macs, std::chrono::seconds(kLeaseSeconds), now_, actions);
    coverage_.extended += found == Adoption::kLonger ? 1 : 0;
    if (found != Adoption::kNew) continue;
    ++coverage_.adopted;
    story("node " + std::to_string(to_number(node.id)) + " adopts " + live.address.to_string());
  }
  node.sweep.reset();
  node.blind = false;
  node.steps.sweep_done(*node.book, actions);
  carry_out(node, actions);
}

// ---- the VIPs ----

bool LeaseWorld::may_hold(const Node& node) const {
  if (!node.up) return false;
  std::size_t with = 0;
  bool has_first = false;
  for (const Node& other : nodes_) {
    if (!other.up || other.component != node.component) continue;
    ++with;
    has_first = has_first || other.component == 0;
  }
  // Two nodes: one side's router answers (component 0); one alone may go on when the other is off.
  if (nodes_.size() == 2) return with == 2 || has_first;
  return with * 2 > nodes_.size();
}

void LeaseWorld::take(Node& node) {
  ++vip_epoch_;
  holder_ = node.id;
  node.blind = std::exchange(unclean_move_, false);
  story("node " + std::to_string(to_number(node.id)) + " takes the VIPs");
  begin(node);
}

void LeaseWorld::lose(Node& node) {
  story("node " + std::to_string(to_number(node.id)) + " has no VIPs any more");
  node.steps.gone(now_, *node.book);
  node.sweep.reset();
  holder_ = moving_to_ = kNoNode;
  place_at_ = now_ + kTakeover + ms(0, 500);
}

void LeaseWorld::step_placement() {
  if (Node* node = holder()) {
    if (!may_hold(*node)) lose(*node);
    return;
  }
  if (now_ < place_at_) return;
  std::vector<Node*> able;
  for (Node& node : nodes_)
    if (may_hold(node)) able.push_back(&node);
  if (able.empty()) return;
  const auto preferred = std::find_if(able.begin(), able.end(), [&](const Node* n) { return n->id == prefer_; });
  take(preferred != able.end() ? **preferred : *able[prng_.below(static_cast<std::uint32_t>(able.size()))]);
  prefer_ = kNoNode;
}

void LeaseWorld::begin_move(NodeId to) {
  Node& node = *holder();
  story("planned move to node " + std::to_string(to_number(to)));
  moving_to_ = to;
  if (omission_ == Omission::kBarrier) {
    unclean_move_ = true;
    lose(node);
    prefer_ = to;
    place_at_ = now_ + ms(1, 5);
    return;
  }
  if (node.steps.close(now_)) node.sweep.reset();
}

LeaseWorld::Node* LeaseWorld::server() {
  Node* node = holder();
  return node != nullptr && node->gate.open && node->dnsmasq_up ? node : nullptr;
}

}  // namespace fairlead::dnsdhcp::sim
