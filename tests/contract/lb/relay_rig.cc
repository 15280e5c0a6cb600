#include "tests/contract/lb/relay_rig.h"

#include <algorithm>
#include <csignal>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "base/overloaded.h"
#include "base/sockaddr.h"

namespace fairlead::lb {

using support::monotonic_now;
using support::Peer;

namespace {

constexpr Duration kPatience = std::chrono::seconds(20);
constexpr Duration kTurn = std::chrono::microseconds(100);  // So that what waits for a moment only is not forgotten.
constexpr int kBacklog = 1024;
constexpr int kQuietTurns = 16;  // More than FaultPlan::turns_max, twice.
constexpr std::uint32_t kDoor = RelayTable::kOwnersReserved;
constexpr int kOverdueTurnsMax = 3;  // A timer that fired may be armed for the past once; a loop of that is a busy worker.

[[nodiscard]] bool is_data(const net::Event& event) { return event.kind == net::EventKind::kData; }

}  // namespace

ConnectionQuery with_id(std::uint64_t id) {
  ConnectionQuery query;
  query.id = id;
  return query;
}

ConnectionQuery with(std::string ConnectionQuery::*field, std::string value) {
  ConnectionQuery query;
  query.*field = std::move(value);
  return query;
}

bool Link::whole() const {
  return server && !client.first_wrong() && !server->first_wrong() && client.received() == server->sent() &&
         server->received() == client.sent();
}

RelayRig::RelayRig(const support::EngineCase& engine_case, const RigOptions& options)
    : case_(engine_case),
      options_(options),
      buffers_(options.blocks, options.block_bytes),
      stats_(std::make_unique<WorkerStats>()),
      process_(options.process),
      engine_(support::make_engine(engine_case, buffers_, {.pipes_max = options.pipes}, options.faults)) {
  std::signal(SIGPIPE, SIG_IGN);  // As in a worker: splice(2) knows no MSG_NOSIGNAL.
  table_ = std::make_unique<RelayTable>(RelayTable::Environment{.engine = *engine_,
                                                                .pool = buffers_,
                                                                .stats = *stats_,
                                                                .sources = sources_,
                                                                .process = process_,
                                                                .report = [this](WorkerReport report) { reports_.push_back(report); },
                                                                .bulk = options.pipes > 0,
                                                                .limit = options.connections},
                                        now_);
  Fd door = support::make_listener(case_.family, kBacklog, options.socket_bytes);
  front_ = local_of(door.get());
  auto id = engine_->listen(std::move(door), kDoor);
  FL_ASSERT(id.has_value());
  door_ = *id;
  pool.name = "masters";
  pool.connect_timeout = std::chrono::seconds(1);
  pool.retries = 3;
  pool.counters = std::make_shared<PoolCounters>();
  listener.name = "kube-api";
  listener.counters = std::make_shared<ListenerCounters>();
  for (std::size_t i = 0; i < options.servers; ++i) add_server(ServerKind::kServes);
  publish();
}

RelayRig::~RelayRig() { finish(); }

// ---- what the table is told ----

void RelayRig::publish() {
  auto table = std::make_shared<RouteTable>();
  table->version = ++version_;
  pool.rotation.clear();
  for (std::size_t i = 0; i < pool.servers.size(); ++i) {
    if (pool.servers[i].usable && pool.servers[i].weight > 0) pool.rotation.push_back(static_cast<std::uint16_t>(i));
  }
  table->listeners = {listener};
  table->pools = {std::make_shared<const RoutePool>(pool)};
  table_->set_routes(std::move(table));
}

TestServer& RelayRig::add_server(ServerKind kind) {
  TestServer& server = servers_.emplace_back();
  server.kind = kind;
  const auto number = static_cast<ServerId>(servers_.size());
  server.listener = kind == ServerKind::kRefuses
                        ? support::make_bound_socket(case_.family)
                        : support::make_listener(case_.family, kind == ServerKind::kSilent ? 0 : kBacklog, options_.socket_bytes);
  const Endpoint endpoint = local_of(server.listener.get());
  if (kind == ServerKind::kSilent) server.plug = support::start_connect(endpoint);
  pool.servers.push_back({.id = number,
                          .name = "mast-" + std::to_string(number),
                          .endpoint = endpoint,
                          .weight = 100,
                          .usable = true,
                          .counters = std::make_shared<ServerCounters>()});
  return server;
}

// ---- connections ----

Link& RelayRig::connect() {
  Link& link = links_.emplace_back(support::start_connect(front_, options_.socket_bytes), 1000 + links_.size());
  link.address = local_of(link.client.fd());
  return link;
}

Link& RelayRig::connect_through() {
  Link& link = connect();
  run_until([&] { return link.server.has_value() && state_of(link) == "open"; });
  return link;
}

bool RelayRig::accept_servers() {
  bool any = false;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].kind != ServerKind::kServes) continue;
    for (;;) {
      Fd fd(::accept4(servers_[i].listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd.valid()) break;
      any = true;
      ++servers_[i].accepted;
      if (!ending_) pair_up(i, std::move(fd));
    }
  }
  return any;
}

/// Whose server leg this is: the relay says, as to an operator. A leg given up meanwhile belongs to nobody.
void RelayRig::pair_up(std::size_t at, Fd fd) {
  const Endpoint leg = peer_of(fd.get());
  for (const ConnectionView& view : table_->list({}, options_.connections)) {
    if (view.local != leg || view.server != pool.servers[at].name) continue;  // The port of a refused leg may be another one's already.
    for (auto i = links_.rbegin(); i != links_.rend(); ++i) {                 // Newest first: a PROXY header may claim an address again.
      Link& link = *i;
      if (link.address != view.client) continue;
      if (link.server) given_up_.push_back(std::move(*link.server));
      link.server.emplace(std::move(fd), link.seeds[1], link.seeds[0]);
      link.server->reading = servers_[at].reads;
      link.at = at;
      return;
    }
  }
}

std::string RelayRig::state_of(const Link& link) const {
  for (const ConnectionView& view : table_->list({}, options_.connections)) {
    if (view.client == link.address) return view.state;
  }
  return {};
}

// ---- turning ----

void RelayRig::advance(Duration by) {
  now_ += by;
  turn(Duration::zero());
}

void RelayRig::turn(Duration wait) {
  now_ += kTurn;
  moved_ = accept_servers();
  for (Link& link : links_) {
    moved_ = link.client.pump() || moved_;
    if (link.server) moved_ = link.server->pump() || moved_;
  }
  engine_->poll(moved_ || wait == Duration::zero() ? Instant{} : monotonic_now() + wait, *this);
  table_->run_timers();
  overdue_turns_ = table_->next_deadline() <= now_ ? overdue_turns_ + 1 : 0;
  if (overdue_turns_ > kOverdueTurnsMax) ADD_FAILURE() << "a timer is armed for the past again and again: the worker would not sleep";
}

bool RelayRig::run_until(const std::function<bool()>& done) {
  const Instant begin = monotonic_now();
  Instant progress = begin;
  while (!done()) {
    if (testing::Test::HasFailure()) return false;
    const Instant now = monotonic_now();
    if (now >= progress + kPatience || now >= begin + 4 * kPatience) {
      ADD_FAILURE() << "nothing more happens after " << turns_ << " turns and " << events_ << " events";
      return false;
    }
    const std::uint64_t before = events_;
    turn();
    if (moved_ || events_ != before) progress = now;
  }
  return true;
}

void RelayRig::settle() {
  for (int quiet = 0; quiet < kQuietTurns && !testing::Test::HasFailure();) {
    const std::uint64_t before = events_;
    turn(std::chrono::milliseconds(1));
    quiet = events_ == before && !moved_ ? quiet + 1 : 0;
  }
}

void RelayRig::on_turn() {
  ++turns_;
  table_->begin_turn(now_);
}

void RelayRig::on_event(const net::Event& event) {
  ++events_;
  if (event.owner == kDoor) {
    if (event.kind == net::EventKind::kAccepted) table_->accept(Fd(event.fd), listener.id);
    if (event.kind == net::EventKind::kClosed) door_ = net::kNoSocket;
    return;
  }
  if (withheld(event)) return;
  const bool leg_connected = event.kind == net::EventKind::kConnected && event.error == 0;
  if (leg_connected && options_.socket_bytes > 0) {  // Not its receive buffer: the window was promised already (make_listener).
    (void)::setsockopt(engine_->fd_of(event.socket), SOL_SOCKET, SO_SNDBUF, &options_.socket_bytes, sizeof options_.socket_bytes);
  }
  if (from_bulk_ && is_data(event) && event.bytes == buffers_.block_bytes()) return deliver_in_two(event);
  table_->on_event(event);
}

void RelayRig::deliver_in_two(const net::Event& event) {
  net::Event last = event;
  last.buffer = buffers_.take();
  if (last.buffer == net::kNoBuffer) return table_->on_event(event);
  net::BufferMeta& meta = buffers_.meta(event.buffer);
  --meta.length;
  *buffers_.block(last.buffer) = buffers_.block(event.buffer)[meta.offset + meta.length];
  buffers_.meta(last.buffer).length = 1;
  net::Event first = event;
  --first.bytes;
  last.bytes = 1;
  table_->on_event(first);
  table_->on_event(last);
}

// ---- events that wait ----

std::size_t RelayRig::held() const {
  return static_cast<std::size_t>(std::count_if(held_events_.begin(), held_events_.end(),
                                                [this](const net::Event& event) { return held_kind_ && event.kind == *held_kind_; }));
}

/// Nothing but kClosed of a socket that is being closed may reach the table (C3), so what waited for it is dropped.
bool RelayRig::withheld(const net::Event& event) {
  const auto of_this_socket = [&](const net::Event& other) { return other.socket == event.socket; };
  if (event.kind == net::EventKind::kClosed) {
    for (const net::Event& other : held_events_) {
      if (of_this_socket(other) && is_data(other)) buffers_.give_back(other.buffer);
    }
    std::erase_if(held_events_, of_this_socket);
    return false;
  }
  const bool follows = std::any_of(held_events_.begin(), held_events_.end(), of_this_socket);
  if (!follows && (!held_kind_ || event.kind != *held_kind_)) return false;
  held_events_.push_back(event);
  return true;
}

void RelayRig::release() {
  held_kind_.reset();
  for (const net::Event& event : std::exchange(held_events_, {})) {
    const auto view = view_of_slot(event.owner >> 1);
    if (view && view->state != "closing")
      table_->on_event(event);
    else if (is_data(event))
      buffers_.give_back(event.buffer);
  }
}

std::optional<ConnectionView> RelayRig::view_of_slot(std::uint32_t slot) const {
  for (ConnectionView& view : table_->list({}, options_.connections)) {
    if ((view.id & 0xffffffU) == slot) return std::move(view);
  }
  return std::nullopt;
}

// ---- bytes beside the streams ----

std::string RelayRig::read_raw(Peer& peer, std::size_t bytes) {
  std::string got;
  run_until([&] {
    std::array<char, 512> part{};
    const ssize_t n = ::recv(peer.fd(), part.data(), std::min(part.size(), bytes - got.size()), 0);
    if (n > 0) got.append(part.data(), static_cast<std::size_t>(n));
    return got.size() == bytes;
  });
  return got;
}

void RelayRig::write_raw(Peer& peer, std::string_view bytes) {
  run_until([&] {
    const ssize_t n = ::send(peer.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    return bytes.empty();
  });
}

// ---- the end ----

void RelayRig::expect_nothing_left() {
  run_until([this] { return table_->size() == 0; });
  expect_places_back();
}

void RelayRig::expect_ended(EndCause cause, std::uint64_t count) {
  run_until([&] { return ended(cause) >= count; });
  EXPECT_EQ(ended(cause), count);
}

void RelayRig::expect_places_back() {
  EXPECT_EQ(process_.current(), 0U) << "places of the process";
  EXPECT_EQ(listener.counters->current.load(), 0U) << "places of the listener";
  EXPECT_EQ(sources_.used(), 0U) << "sources";
  for (const RouteServer& server : pool.servers) EXPECT_EQ(server.counters->current.load(), 0U) << "places of " << server.name;
}

void RelayRig::finish() {
  if (!engine_) return;
  if (testing::Test::HasFailure()) return abandon();  // Enough was said.
  ending_ = true;
  release();
  for (Link& link : links_) {
    link.client.close();
    if (link.server) link.server->close();
  }
  expect_nothing_left();
  engine_->close(door_, /*reset=*/false);
  run_until([this] { return engine_->open_sockets() == 0; });
  take_down();
}

void RelayRig::abandon() {
  for (const net::Event& event : std::exchange(held_events_, {})) {
    if (is_data(event)) buffers_.give_back(event.buffer);
  }
  take_down();
  expect_places_back();
}

void RelayRig::take_down() {
  engine_.reset();
  table_.reset();
  EXPECT_EQ(buffers_.used(), 0U) << "blocks lost";
  servers_.clear();
  links_.clear();
  given_up_.clear();
}

Hoard::Hoard(RelayRig& rig) : pool_(rig.buffers()) {
  for (int i = 0; i < kQuietTurns; ++i) {
    for (net::BufferIndex block = pool_.take(); block != net::kNoBuffer; block = pool_.take()) chain_.append(pool_, block);
    rig.turn(Duration::zero());
  }
}

}  // namespace fairlead::lb
