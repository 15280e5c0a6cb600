// What operators, and the control thread about a whole server, want of a worker's connections.
//
// What looks at all connections does so in parts, one a loop turn: however many there are, no other client waits for all of them.
#include <algorithm>

#include "base/sockaddr.h"
#include "lb/relay_table.h"

namespace fairlead::lb {

void RelayTable::close_server_connections(ServerId server, EndCause cause) {
  ServerClosing closing{.server = server, .cause = cause};
  close_server_connections(closing, connections_.high_mark());
}

void RelayTable::close_server_connections(ServerClosing& closing, std::uint32_t slots) {
  const std::uint32_t end = std::min(connections_.high_mark(), closing.next + slots);
  for (; closing.next < end; ++closing.next) {
    const std::uint32_t slot = closing.next;
    if (!connections_.is_live(slot)) continue;
    Connection& c = connections_[slot];
    if (c.server == Connection::kNoServer || pool_of(c).servers[c.server].id != closing.server || c.core.is_closing()) continue;
    if (c.core.started() > closing.before) continue;
    if (c.core.is_connecting()) {  // Nothing was sent: another server takes it. No failure of the server's: the order came from control.
      leave_server(slot, closing.cause);
      continue;
    }
    pool_of(c).servers[c.server].counters->resets_sent.fetch_add(1, std::memory_order_relaxed);
    abort(slot, closing.cause);
  }
  closing.is_done = closing.next >= connections_.high_mark();
}

void RelayTable::close_idle(ServerId server) {
  IdleClosing closing{.server = server};
  close_idle(closing, connections_.high_mark());
}

void RelayTable::close_idle(IdleClosing& closing, std::uint32_t slots) {
  const auto is_idle = [this](const Connection& c, ServerId server) {
    if (c.server == Connection::kNoServer || pool_of(c).servers[c.server].id != server) return false;
    return c.core.is_open() && c.core.is_idle_moment(now_);
  };
  closing.is_done = env_.pool.available() == 0;  // Silence says nothing while no block is free.
  if (closing.is_done) return;
  const std::uint32_t end = std::min(connections_.high_mark(), closing.next + slots);
  for (; closing.next < end; ++closing.next) {
    const std::uint32_t slot = closing.next;
    if (!connections_.is_live(slot) || !is_idle(connections_[slot], closing.server)) continue;
    const Instant active = connections_[slot].core.last_activity();
    if (!closing.longest || active < closing.longest->active) closing.longest = {slot, connections_[slot].serial, active};
  }
  closing.is_done = closing.next >= connections_.high_mark();
  if (!closing.is_done || !closing.longest) return;
  // Found in an earlier turn, perhaps: it may have gone, or be busy by now. The next tick of the rebalancer asks anew.
  const std::uint32_t slot = closing.longest->slot;
  if (!connections_.is_live(slot) || connections_[slot].serial != closing.longest->serial) return;
  Connection& c = connections_[slot];
  if (!is_idle(c, closing.server) || c.core.last_activity() != closing.longest->active) return;
  RelayOps ops;
  c.core.close_idle(EndCause::kRebalanced, ops);
  run(slot, ops);
}

std::size_t RelayTable::kill(const ConnectionQuery& query, EndCause cause) {
  ConnectionKilling killing{.query = query, .cause = cause};
  kill(killing, connections_.high_mark());
  return killing.killed;
}

void RelayTable::kill(ConnectionKilling& killing, std::uint32_t slots) {
  const std::uint32_t end = std::min(connections_.high_mark(), killing.next + slots);
  for (; killing.next < end; ++killing.next) {
    const std::uint32_t slot = killing.next;
    if (!connections_.is_live(slot) || connections_[slot].core.is_closing() || !matches(slot, killing.query)) continue;
    abort(slot, killing.cause);
    ++killing.killed;
  }
  killing.is_done = killing.next >= connections_.high_mark();
}

bool RelayTable::matches(std::uint32_t slot, const ConnectionQuery& query) const {
  const Connection& c = connections_[slot];
  const RoutePool& pool = pool_of(c);
  if (query.id != 0 && query.id != id_of(slot)) return false;
  if (!query.listener.empty() && query.listener != listener_of(c).name) return false;
  if (!query.pool.empty() && query.pool != pool.name) return false;
  if (!query.server.empty() && (c.server == Connection::kNoServer || query.server != pool.servers[c.server].name)) return false;
  return query.client.empty() || query.client == c.client.address.to_string();
}

/// Worker, serial and slot in one number: never zero, unique among live connections of the process.
std::uint64_t RelayTable::id_of(std::uint32_t slot) const {
  return (static_cast<std::uint64_t>(env_.index + 1) << 52) | (static_cast<std::uint64_t>(connections_[slot].serial & 0xfffffffU) << 24) |
         (slot & 0xffffffU);
}

std::vector<ConnectionView> RelayTable::list(const ConnectionQuery& query, std::size_t limit) const {
  ConnectionListing listing{.query = query, .limit = limit, .next = 0, .found = {}, .is_done = false};
  list(listing, connections_.high_mark());
  return std::move(listing.found);
}

void RelayTable::list(ConnectionListing& listing, std::uint32_t slots) const {
  const std::uint32_t end = std::min(connections_.high_mark(), listing.next + slots);
  for (; listing.next < end && listing.found.size() < listing.limit; ++listing.next) {
    const std::uint32_t slot = listing.next;
    if (!connections_.is_live(slot) || !matches(slot, listing.query)) continue;
    const Connection& c = connections_[slot];
    const RoutePool& pool = pool_of(c);
    ConnectionView view{
        .id = id_of(slot), .listener = listener_of(c).name, .client = c.client, .pool = pool.name, .server = {}, .local = {}, .state = {}};
    if (c.server != Connection::kNoServer) view.server = pool.servers[c.server].name;
    if (c.socket[1] != net::kNoSocket && !c.core.is_closing()) view.local = local_of(env_.engine.fd_of(c.socket[1]));
    view.state = c.core.is_closing() ? "closing" : c.core.is_connecting() ? "connecting" : c.core.is_half_closed() ? "half_closed" : "open";
    view.age = now_ - c.core.started();
    view.idle = now_ - c.core.last_activity();
    view.bytes_in = c.core.delivered(Side::kClient);
    view.bytes_out = c.core.delivered(Side::kServer);
    listing.found.push_back(std::move(view));
  }
  listing.is_done = listing.next >= connections_.high_mark() || listing.found.size() >= listing.limit;
}

}  // namespace fairlead::lb
