#include "lb/relay_table.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>

#include "base/log.h"
#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "lb/connection_record.h"
#include "lb/listener_socket.h"
#include "lb/termination.h"
#include "net/chain_io.h"

namespace fairlead::lb {
namespace {

constexpr std::uint32_t kHighWaterMax = 256 * 1024;
/// Keepalive and TCP_USER_TIMEOUT of the server leg act after many seconds; setting them late spares a short connection five system calls.
constexpr Duration kLegOptionsAfter = std::chrono::seconds(5);
/// accept_proxy: the balancer in front sends its header at once; who does not is no balancer.
constexpr Duration kHeaderTimeout = std::chrono::seconds(5);
/// Between two looks at who keeps the blocks.
constexpr Duration kReliefPause = std::chrono::milliseconds(250);
/// How long a connection waits for a block before it asks again.
constexpr Duration kBlockPause = std::chrono::milliseconds(10);

EndCause cause_of(ConnectCause cause) {
  switch (cause) {
    case ConnectCause::kTimeout: return EndCause::kConnectTimeout;
    case ConnectCause::kLocal: return EndCause::kConnectLocal;
    default: return EndCause::kConnectRefused;
  }
}

}  // namespace

RelayTable::RelayTable(Environment environment, Instant now)
    : env_(std::move(environment)), connections_(std::min(env_.limit, kOwnersReserved >> 1)), wheel_(now), now_(now), prng_(env_.seed) {}

RelayTable::~RelayTable() {
  for (std::uint32_t slot = 0; slot < connections_.high_mark(); ++slot) {
    if (connections_.is_live(slot)) give_places_back(connections_[slot]);
  }
}

// ---- loop ----

void RelayTable::begin_turn(Instant now) {
  now_ = now;
  ++turn_;
  // A queue may grow to half of what is free beyond a reserve: with n stalled readers each settles at a fair share, and directions with an
  // empty queue always find a block (design, "Data plane"; the rule is Choudhury and Hahne's dynamic threshold).
  const std::size_t available = env_.pool.available();
  const std::size_t reserve = env_.pool.count() / 4;
  const std::size_t usable = available > reserve ? available - reserve : 0;
  marks_.high = static_cast<std::uint32_t>(std::min<std::size_t>(kHighWaterMax, usable * env_.pool.block_bytes() / 2));
  marks_.low = marks_.high / 2;
  // Without a free pipe nothing is prepared for one: that stops a stream until its queue is empty.
  marks_.full_read = env_.bulk && env_.engine.can_bulk() ? static_cast<std::uint32_t>(env_.pool.block_bytes()) : 0;
  if (available >= reserve / 2)
    relieve_at_ = Instant::max();
  else
    relieve_at_ = std::min(relieve_at_, now + kStallMin);
}

void RelayTable::run_timers() {
  wheel_.advance(now_, [this](std::uint32_t slot) { fire(slot); });
  if (!partings_.empty()) tell_partings();
  if (now_ < relieve_at_) return;
  relieve();
  relieve_at_ = now_ + kReliefPause;
}

void RelayTable::fire(std::uint32_t slot) {
  if (!connections_.is_live(slot) || connections_[slot].was_reset) return;
  Connection& c = connections_[slot];
  if (c.wants_header) return abort(slot, EndCause::kProxyHeader);
  const RelayPolicy policy = policy_of(c);
  if (c.core.is_connecting()) {
    const bool too_late = now_ >= c.core.next_deadline(policy);
    if (c.wants_block) return too_late ? abort(slot, EndCause::kConnectLocal) : established(slot);
    if (too_late) return connect_failed(slot, ConnectCause::kTimeout);
    return wheel_.arm(slot, c.core.next_deadline(policy));
  }
  if (c.core.is_open() && !c.has_leg_options && now_ >= c.core.started() + kLegOptionsAfter) {
    c.has_leg_options = true;
    const RoutePool& pool = pool_of(c);
    apply_leg_options(env_.engine.fd_of(c.socket[1]),
                      {.keepalive = pool.keepalive, .tcp_user_timeout = pool.tcp_user_timeout, .congestion_control = {}});
  }
  RelayOps ops;
  c.core.timer(policy, now_, ops, /*can_read=*/env_.pool.available() > 0);
  run(slot, ops);
}

void RelayTable::arm_timer(std::uint32_t slot) {
  const Connection& c = connections_[slot];
  Instant next = c.core.next_deadline(policy_of(c));
  if (c.core.is_open() && !c.has_leg_options) next = std::min(next, c.core.started() + kLegOptionsAfter);
  wheel_.arm(slot, next);
}

/// A connection that drains is over its age, whatever that is: it waits for an idle moment and is closed in order.
RelayPolicy RelayTable::policy_of(const Connection& c) const {
  const RoutePool& pool = pool_of(c);
  return {.connect_timeout = pool.connect_timeout,
          .idle_timeout = pool.idle_timeout,
          .half_close_timeout = pool.half_close_timeout,
          .max_connection_age = c.draining ? Duration(1) : pool.max_connection_age,
          .age_cause = c.draining ? EndCause::kVipDrained : EndCause::kMaxAge};
}

// ---- tables ----

void RelayTable::set_routes(std::shared_ptr<const RouteTable> table) {
  const auto before = current_;
  current_ = tables_.insert(tables_.end(), HeldTable{std::move(table), 0});
  if (before != tables_.end() && before->users == 0) tables_.erase(before);
}

void RelayTable::hold(Connection& c) {
  c.held = current_;
  ++current_->users;
}

void RelayTable::let_go(HeldTables::iterator held) {
  if (--held->users == 0 && held != current_) tables_.erase(held);
}

// ---- beginning ----

void RelayTable::shed(Fd client, ListenerId listener, Refusal why) {
  env_.stats.listeners[listener].shed[static_cast<std::size_t>(why)].add();
  net::reset_on_close(client.get());
}

void RelayTable::count_turned_away(ListenerId listener) {
  env_.stats.listeners[listener].shed[static_cast<std::size_t>(Refusal::kProcessFull)].add();
  const RouteListener* route = routes() == nullptr ? nullptr : routes()->find_listener(listener);
  if (route == nullptr) return;
  route->counters->total.fetch_add(1, std::memory_order_relaxed);
  route->counters->shed.fetch_add(1, std::memory_order_relaxed);
}

void RelayTable::accept(Fd client, ListenerId listener) {
  const RouteTable* table = routes();
  const RouteListener* route = table == nullptr ? nullptr : table->find_listener(listener);
  if (route == nullptr) return shed(std::move(client), listener, Refusal::kListenerClosed);
  route->counters->total.fetch_add(1, std::memory_order_relaxed);
  if (!holds_.empty()) {
    if (is_held_back(local_of(client.get()).address.unmapped())) {
      route->counters->shed.fetch_add(1, std::memory_order_relaxed);
      return shed(std::move(client), listener, Refusal::kVipReleased);
    }
    hold_back_syns(client.get(), {});  // It came to another address, and inherited its listener's filter.
  }
  if (!env_.process.take()) {
    route->counters->shed.fetch_add(1, std::memory_order_relaxed);
    return shed(std::move(client), listener, Refusal::kProcessFull);
  }
  const Endpoint peer = peer_of(client.get());
  const Admission admission =
      route->accept_proxy ? Admission{admit_to_listener(*route, now_), false} : admit(*route, peer.address, now_, env_.sources);
  if (!admission) {
    env_.process.give_back();
    return shed(std::move(client), listener, admission.refusal);
  }
  if (!take_slot(std::move(client), *route, peer, admission.source_counted)) {
    leave(*route, peer.address, admission.source_counted, env_.sources);
    env_.process.give_back();
    route->counters->shed.fetch_add(1, std::memory_order_relaxed);
    env_.stats.listeners[listener].shed[static_cast<std::size_t>(Refusal::kProcessFull)].add();
  }
}

bool RelayTable::take_slot(Fd client, const RouteListener& route, const Endpoint& peer, bool source_counted) {
  const std::uint32_t slot = connections_.acquire();
  if (slot == kNoSlot) {
    net::reset_on_close(client.get());
    return false;
  }
  auto socket = env_.engine.adopt(std::move(client), owner_of(slot, Side::kClient));
  if (!socket) {
    connections_.release(slot);
    return false;
  }
  Connection& c = connections_[slot];
  c.socket[0] = *socket;
  hold(c);
  c.client = peer;
  c.serial = ++serial_;
  c.listener = static_cast<std::uint16_t>(&route - current_->table->listeners.data());
  c.source_counted = source_counted;
  c.wants_header = route.accept_proxy;
  c.core.opened(now_, static_cast<std::uint8_t>(prng_.next()));
  env_.stats.connections.store(connections_.live(), std::memory_order_relaxed);
  if (c.wants_header) {
    env_.engine.want_read(c.socket[0], true);
    wheel_.arm(slot, now_ + kHeaderTimeout);
  } else {
    begin(slot);
  }
  return true;
}

void RelayTable::begin(std::uint32_t slot) {
  RelayOps ops;
  connections_[slot].core.start(now_, ops);
  run(slot, ops);
}

/// Placing uses what is known now: while the connection waited (for its PROXY header, for a server that did not answer) servers may have
/// gone down or come up. Not where its listener is gone: that one's connections finish by the rules they began with.
/// Requires: it has no server.
void RelayTable::move_to_current_table(Connection& c) {
  if (c.held == current_) return;
  const RouteListener& before = listener_of(c);
  const RouteListener* now = current_->table->find_listener(before.id);
  if (now == nullptr || now->counters != before.counters) return;  // Another listener may have its id by now.
  const auto old = c.held;
  hold(c);
  c.listener = static_cast<std::uint16_t>(now - current_->table->listeners.data());
  let_go(old);  // `before` with it.
}

void RelayTable::connect_next(std::uint32_t slot) {
  Connection& c = connections_[slot];
  move_to_current_table(c);
  const RoutePool& pool = pool_of(c);
  const Pick picked = pick(pool, c.client.address, c.tried, prng_);
  if (!picked) {
    const bool none_tried = c.tried.size() == 0;
    const EndCause cause = !none_tried                            ? c.last_failure
                           : picked.failure == PickFailure::kFull ? EndCause::kServersFull
                                                                  : EndCause::kNoServer;
    RelayOps ops;
    c.core.no_server(cause, ops);
    return run(slot, ops);
  }
  if (c.tried.size() > 0) stats_of(c).retries.add();
  c.server = picked.server;
  c.tried.add(pool.servers[picked.server].id);
  if (!start_connect(slot, pool.source && !is_held_back(*pool.source))) connect_failed(slot, ConnectCause::kLocal);
}

/// Without `from_source` the kernel chooses our address, as it does where the pool's `source` is not (any more) this node's.
bool RelayTable::start_connect(std::uint32_t slot, bool from_source) {
  Connection& c = connections_[slot];
  const RoutePool& pool = pool_of(c);
  const RouteServer& server = pool.servers[c.server];
  const auto family = server.endpoint.address.family();
  auto leg = open_server_leg(family, from_source ? pool.source : std::nullopt, pool.source_ports, pool.congestion_control);
  if (!leg && from_source && is_source_trouble(leg.error().sys_errno)) {
    from_source = false;
    leg = open_server_leg(family, std::nullopt, std::nullopt, pool.congestion_control);
  }
  if (!leg) return false;
  auto socket = env_.engine.connect(std::move(*leg), server.endpoint, owner_of(slot, Side::kServer));
  if (!socket) return false;
  c.socket[1] = *socket;
  c.from_source = from_source;
  if (pool.wants_source && !from_source) pool.counters->source_fallbacks.fetch_add(1, std::memory_order_relaxed);
  RelayOps ops;
  c.core.connecting(now_, ops);
  run(slot, ops);
  return true;
}

void RelayTable::connect_ended(std::uint32_t slot, int error) {
  if (error == 0) return established(slot);
  Connection& c = connections_[slot];
  if (!c.from_source || !is_source_trouble(error)) return connect_failed(slot, connect_cause_of(error));
  // bind(2) took an address that is not here (ip_nonlocal_bind), or its ports are used up.
  env_.engine.close(std::exchange(c.socket[1], net::kNoSocket), /*reset=*/true);
  if (!start_connect(slot, /*from_source=*/false)) connect_failed(slot, ConnectCause::kLocal);
}

void RelayTable::give_server_back(Connection& c) {
  if (c.server == Connection::kNoServer) return;
  release(pool_of(c).servers[c.server]);
  c.server = Connection::kNoServer;
}

void RelayTable::connect_failed(std::uint32_t slot, ConnectCause cause) {
  Connection& c = connections_[slot];
  const RoutePool& pool = pool_of(c);
  const RouteServer& server = pool.servers[c.server];
  server.counters->failed_by_cause[static_cast<std::size_t>(cause)].fetch_add(1, std::memory_order_relaxed);
  if (cause != ConnectCause::kLocal) {  // That says nothing about the server.
    server.counters->connect_failures.fetch_add(1, std::memory_order_relaxed);
    server.counters->failing.store(true, std::memory_order_relaxed);
    env_.report(ConnectFailed{server.id, cause});
  }
  leave_server(slot, cause_of(cause));
}

/// The server is given up before a byte was sent to it; another one takes the connection while `retries` allow. Every server is tried once
/// at most, which bounds how deep connect_next() and this may call each other.
void RelayTable::leave_server(std::uint32_t slot, EndCause cause) {
  Connection& c = connections_[slot];
  c.last_failure = cause;
  c.wants_block = false;
  if (c.socket[1] != net::kNoSocket) {
    env_.engine.close(c.socket[1], /*reset=*/true);
    c.socket[1] = net::kNoSocket;  // Its kClosed is nobody's: on_event() compares.
  }
  give_server_back(c);
  const bool retry = c.tried.size() <= pool_of(c).retries;
  RelayOps ops;
  c.core.connect_failed(c.last_failure, retry, ops);
  run(slot, ops);
}

void RelayTable::established(std::uint32_t slot) {
  Connection& c = connections_[slot];
  std::uint32_t prefix = 0;
  if (!put_first(c, prefix)) {
    c.wants_block = true;
    return wheel_.arm(slot, now_ + kBlockPause);
  }
  c.wants_block = false;
  const RouteServer& server = pool_of(c).servers[c.server];
  if (server.counters->failing.load(std::memory_order_relaxed) && server.counters->failing.exchange(false, std::memory_order_relaxed)) {
    env_.report(ConnectWorked{server.id});
  }
  const Duration took = now_ - c.core.last_activity();
  server.counters->connect_times.add(took);
  c.connect_ms = static_cast<std::int32_t>(to_ms(took));
  RelayOps ops;
  c.core.connected(prefix, now_, ops);
  run(slot, ops);
}

// ---- events ----

void RelayTable::on_event(const net::Event& event) {
  const std::uint32_t slot = event.owner >> 1;
  const Side side = static_cast<Side>(event.owner & 1U);
  // A server socket given up after a failed connect reports its kClosed to a connection that has moved on, or to none.
  if (!connections_.is_live(slot) || connections_[slot].socket[event.owner & 1U] != event.socket) {
    if (event.kind == net::EventKind::kData) env_.pool.give_back(event.buffer);
    return;
  }
  Connection& c = connections_[slot];
  if (c.was_reset && event.kind != net::EventKind::kClosed) {
    if (event.kind == net::EventKind::kData) env_.pool.give_back(event.buffer);
    return;
  }
  RelayOps ops;
  switch (event.kind) {
    case net::EventKind::kData: return data(slot, side, event);
    case net::EventKind::kSent: {
      const std::uint64_t before = c.core.delivered(other(side));
      c.core.sent(side, event.bytes, marks_, now_, ops);
      count_bytes(c, other(side), c.core.delivered(other(side)) - before);
      break;
    }
    case net::EventKind::kConnected: return connect_ended(slot, event.error);
    case net::EventKind::kEof:
      if (c.wants_header) return abort(slot, EndCause::kProxyHeader);
      c.core.eof(side, now_, ops);
      break;
    case net::EventKind::kError:
      if (c.wants_header) return abort(slot, EndCause::kProxyHeader);
      if (side == Side::kServer && c.core.is_connecting()) return connect_failed(slot, connect_cause_of(event.error));  // wants_block
      c.core.error(side, ops);
      break;
    case net::EventKind::kBulkReady: c.core.bulk_ready(side, ops); break;
    case net::EventKind::kBulkEnded: c.core.bulk_ended(side, ops); break;
    case net::EventKind::kMoved:
      count_bytes(c, side, event.bytes);
      c.core.moved(side, event.bytes, now_);
      break;
    case net::EventKind::kClosed:
      c.socket[event.owner & 1U] = net::kNoSocket;
      c.core.closed(side, ops);
      break;
    case net::EventKind::kAccepted:
    case net::EventKind::kAcceptFailed:
    case net::EventKind::kReadable: return;  // Never for a connection's socket.
  }
  run(slot, ops);
}

void RelayTable::data(std::uint32_t slot, Side from, const net::Event& event) {
  Connection& c = connections_[slot];
  if (c.core.is_closing()) return env_.pool.give_back(event.buffer);
  if (c.wants_header) return header_data(slot, event.buffer);
  if (from == Side::kServer || !keep_outside(c, event.buffer)) enqueue(c.queue[static_cast<std::size_t>(from)], event.buffer);
  RelayOps ops;
  c.core.data(from, event.bytes, marks_, now_, ops);
  run(slot, ops);
}

/// Small receives that have to wait share a block: the marks count bytes, but what runs out is blocks. Without this a peer that sends
/// single bytes to a stalled reader takes the whole pool. So a queue holds at most two blocks per block's worth of bytes, and one.
void RelayTable::enqueue(net::BufferChain& queue, net::BufferIndex buffer) {
  if (!queue.empty()) {
    const auto bytes = env_.pool.bytes(buffer);
    net::BufferMeta& tail = env_.pool.meta(queue.tail);
    const std::size_t end = tail.offset + tail.length;
    if (end + bytes.size() <= env_.pool.block_bytes()) {
      std::memcpy(env_.pool.block(queue.tail) + end, bytes.data(), bytes.size());
      tail.length += static_cast<std::uint32_t>(bytes.size());
      return env_.pool.give_back(buffer);
    }
  }
  queue.append(env_.pool, buffer);
}

void RelayTable::run(std::uint32_t slot, const RelayOps& ops) {
  for (const RelayOp op : ops) {
    Connection& c = connections_[slot];
    const auto side = static_cast<std::size_t>(op.side);
    switch (op.kind) {
      case RelayOpKind::kConnect: connect_next(slot); break;
      case RelayOpKind::kReadOn: env_.engine.want_read(c.socket[side], true); break;
      case RelayOpKind::kReadOff: env_.engine.want_read(c.socket[side], false); break;
      case RelayOpKind::kSend: env_.engine.send(c.socket[side], std::exchange(c.queue[1 - side], {})); break;
      case RelayOpKind::kBulkPrepare: env_.engine.bulk_prepare(c.socket[side]); break;
      case RelayOpKind::kBulkStart:
        if (!env_.engine.bulk_start(c.socket[side], c.socket[1 - side])) {
          RelayOps back;
          c.core.bulk_refused(op.side, back);
          run(slot, back);
        }
        break;
      case RelayOpKind::kShutdown: env_.engine.shutdown_write(c.socket[side]); break;
      case RelayOpKind::kCloseClean:
      case RelayOpKind::kCloseReset:
        log_end(c, c.core.cause());
        env_.engine.close(c.socket[side], op.kind == RelayOpKind::kCloseReset);
        break;
      case RelayOpKind::kArmTimer: arm_timer(slot); break;
      case RelayOpKind::kFinish: finish(slot); return;
    }
  }
}

// ---- ending ----

void RelayTable::abort(std::uint32_t slot, EndCause cause) {
  RelayOps ops;
  connections_[slot].core.abort(cause, ops);
  run(slot, ops);
}

/// Writes the connection's line. Its end is decided and its sockets are still open, so that our address towards the server can be asked
/// for.
void RelayTable::log_end(Connection& c, EndCause cause) {
  const RouteListener& listener = listener_of(c);
  if (!listener.log || c.logged) return;
  c.logged = true;
  LogSink* sink = log_sink();
  if (sink == nullptr) return;
  const RoutePool& pool = pool_of(c);
  ConnectionRecord record{};
  record.ended = SystemClock().wall();
  set_name(record.listener, listener.name);
  set_name(record.pool, pool.name);
  record.client = c.client;
  if (const RouteServer* server = last_server(c)) {
    set_name(record.server, server->name);
    record.server_connections = server->counters->current.load(std::memory_order_relaxed);
  }
  if (c.socket[1] != net::kNoSocket) record.local = local_of(env_.engine.fd_of(c.socket[1]));
  record.connect_ms = c.connect_ms;
  record.total_ms = static_cast<std::uint64_t>(to_ms(now_ - c.core.started()));
  record.bytes_in = c.core.delivered(Side::kClient);
  record.bytes_out = c.core.delivered(Side::kServer);
  record.letters = letters_of(cause);
  record.listener_connections = listener.counters->current.load(std::memory_order_relaxed);
  record.retries = static_cast<std::uint8_t>(c.tried.size() > 0 ? c.tried.size() - 1 : 0);
  sink->write_line(&format_connection_record, std::as_bytes(std::span(&record, 1)));
}

/// The one it is at, or the last it tried in vain. Null when there was none, or when a reload took that one away.
const RouteServer* RelayTable::last_server(const Connection& c) const {
  const RoutePool& pool = pool_of(c);
  if (c.server != Connection::kNoServer) return &pool.servers[c.server];
  if (c.tried.size() == 0) return nullptr;
  const auto found = std::find_if(pool.servers.begin(), pool.servers.end(), [&](const RouteServer& s) { return s.id == c.tried.last(); });
  return found == pool.servers.end() ? nullptr : &*found;
}

void RelayTable::give_places_back(Connection& c) {
  give_server_back(c);
  leave(listener_of(c), c.client.address, c.source_counted, env_.sources);
  env_.process.give_back();
  for (net::BufferChain& queue : c.queue) queue.clear(env_.pool);
  c.first_bytes.reset();
}

void RelayTable::finish(std::uint32_t slot) {
  Connection& c = connections_[slot];
  const auto cause = static_cast<std::size_t>(c.core.cause());
  stats_of(c).ended[cause].add();
  if (const RouteServer* server = last_server(c)) server->counters->shares[env_.index].ended[cause].add();
  if (!shed_name_of(c.core.cause()).empty()) listener_of(c).counters->shed.fetch_add(1, std::memory_order_relaxed);
  give_places_back(c);
  leave_parting(c);
  wheel_.cancel(slot);
  const auto held = c.held;
  connections_.release(slot);
  env_.stats.connections.store(connections_.live(), std::memory_order_relaxed);
  let_go(held);
}

}  // namespace fairlead::lb
