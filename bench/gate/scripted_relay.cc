#include "bench/gate/scripted_relay.h"

#include <algorithm>
#include <string>

#include "lb/maglev.h"
#include "lb/rotation.h"

namespace fairlead::bench {

using lb::RelayOpKind;
using lb::Side;

lb::RoutePool make_gate_pool(config::Balance balance, std::size_t servers) {
  lb::RoutePool pool;
  pool.balance = balance;
  pool.counters = std::make_shared<lb::PoolCounters>();
  std::vector<lb::MaglevServer> maglev;
  for (std::size_t i = 0; i < servers; ++i) {
    lb::RouteServer server;
    server.id = static_cast<lb::ServerId>(i + 1);
    server.name = "server-" + std::to_string(i);
    server.weight = 100;
    server.usable = true;
    server.max_connections = 100'000;
    server.counters = std::make_shared<lb::ServerCounters>();
    maglev.push_back({lb::server_key("pool", server.name, "a:1"), 100, static_cast<std::uint16_t>(i)});
    pool.servers.push_back(std::move(server));
  }
  pool.rotation = lb::build_rotation(std::vector<std::uint32_t>(servers, 100));
  pool.maglev = lb::build_maglev(maglev, lb::maglev_size_for(servers));
  return pool;
}

ScriptedRelay::ScriptedRelay(std::uint32_t connections)
    : pool_(make_gate_pool(config::Balance::kLeastConnections, 3)),
      wheel_(Instant(std::chrono::hours(1))),
      now_(std::chrono::hours(1)),
      policy_{.connect_timeout = std::chrono::seconds(5),
              .idle_timeout = std::chrono::hours(1),
              .half_close_timeout = std::chrono::minutes(1),
              .max_connection_age = {}},
      marks_{.high = 256 * 1024, .low = 128 * 1024, .full_read = net::kBufferBytes},
      connections_(connections) {}

void ScriptedRelay::open(std::uint32_t id) {
  connections_[id] = Connection{};
  lb::RelayOps ops;
  connections_[id].core.opened(now_, static_cast<std::uint8_t>(id));
  connections_[id].core.start(now_, ops);
  carry_out(id, ops);
  ops.clear();
  connections_[id].core.connected(/*prefix=*/0, now_, ops);
  carry_out(id, ops);
}

void ScriptedRelay::deliver(std::uint32_t id, Side from, std::uint32_t bytes) {
  const net::BufferIndex buffer = buffers_.take();
  buffers_.meta(buffer).length = bytes;
  connections_[id].queue[static_cast<std::size_t>(other(from))].append(buffers_, buffer);
  lb::RelayOps ops;
  connections_[id].core.data(from, bytes, marks_, now_, ops);
  carry_out(id, ops);
}

void ScriptedRelay::end(std::uint32_t id, Side from) {
  lb::RelayOps ops;
  connections_[id].core.eof(from, now_, ops);
  carry_out(id, ops);
}

void ScriptedRelay::move(std::uint32_t id, Side from, std::uint32_t bytes) {
  connections_[id].core.moved(from, bytes, now_);
  delivered_ += bytes;
}

void ScriptedRelay::end_bulk(std::uint32_t id, Side from) {
  connections_[id].bulk[static_cast<std::size_t>(from)] = false;
  lb::RelayOps ops;
  connections_[id].core.bulk_ended(from, ops);
  carry_out(id, ops);
}

void ScriptedRelay::pass(Duration time) {
  now_ += time;
  wheel_.advance(now_, [&](std::uint32_t id) {
    lb::RelayOps ops;
    connections_[id].core.timer(policy_, now_, ops);
    carry_out(id, ops);
  });
}

void ScriptedRelay::carry_out(std::uint32_t id, const lb::RelayOps& ops) {
  for (const lb::RelayOp op : ops) carry_out(id, op);
}

void ScriptedRelay::send(std::uint32_t id, Side to) {
  net::BufferChain chain;
  std::swap(chain, connections_[id].queue[static_cast<std::size_t>(to)]);
  const std::size_t sent = chain.consume(buffers_, ~std::size_t{0});
  delivered_ += sent;
  lb::RelayOps ops;
  connections_[id].core.sent(to, static_cast<std::uint32_t>(sent), marks_, now_, ops);
  carry_out(id, ops);
}

void ScriptedRelay::carry_out(std::uint32_t id, lb::RelayOp op) {
  Connection& connection = connections_[id];
  lb::RelayOps ops;
  switch (op.kind) {
    case RelayOpKind::kConnect: {
      const lb::Pick chosen = pick(pool_, IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(id)}), {}, prng_);
      connection.server = chosen.server;
      connection.placed = true;
      connection.core.connecting(now_, ops);
      break;
    }
    case RelayOpKind::kReadOn:
    case RelayOpKind::kReadOff:
    case RelayOpKind::kShutdown: return;
    case RelayOpKind::kSend: return send(id, op.side);
    case RelayOpKind::kBulkPrepare: connection.core.bulk_ready(op.side, ops); break;
    case RelayOpKind::kBulkStart: connection.bulk[static_cast<std::size_t>(op.side)] = true; return;
    case RelayOpKind::kCloseClean:
    case RelayOpKind::kCloseReset:
      connection.queue[static_cast<std::size_t>(op.side)].clear(buffers_);
      connection.core.closed(op.side, ops);
      break;
    case RelayOpKind::kArmTimer: wheel_.arm(id, connection.core.next_deadline(policy_)); return;
    case RelayOpKind::kFinish:
      wheel_.cancel(id);
      if (connection.placed) release(pool_.servers[connection.server]);
      connection.placed = false;
      ++finished_;
      return;
  }
  carry_out(id, ops);
}

}  // namespace fairlead::bench
