// fairlead: pure
// virtual_server: a listener and a pool in place of LVS.
#include <algorithm>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/keepalived_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using Act = KeepalivedAct;
using Place = KeepalivedPlace;
using namespace std::chrono_literals;

std::optional<Endpoint> endpoint_of(const Block& block) {
  const auto address = parse_ip_address(block.word(1));
  const auto port = parse_number(block.word(2));
  if (!address || !port || *port == 0 || *port > 65535 || address->is_unspecified() || address->is_multicast()) return std::nullopt;
  return Endpoint{address->unmapped(), static_cast<std::uint16_t>(*port)};
}

}  // namespace

void KeepalivedReader::virtual_server(const Block& block) {
  const std::string reason = "only virtual_server ADDRESS PORT of TCP is carried over";
  const auto endpoint = endpoint_of(block);
  if (!endpoint) return leave_out_block(ledger_, block, reason, "a listener for each address");
  for (const Block& line : block.children) {
    if (line.word(0) == "protocol" && line.word(1) != "TCP") return leave_out_block(ledger_, block, reason, "Fairlead carries TCP");
  }
  // Another node's file has the same servers.
  const bool known = std::any_of(wanted_.listeners.begin(), wanted_.listeners.end(),
                                 [&](const ListenerWish& l) { return l.settings.bind == std::vector{*endpoint}; });
  if (known) return carry_block(ledger_, block);
  if (wanted_.pools.size() >= config::kPoolsMax || wanted_.listeners.size() >= config::kListenersMax)
    return leave_out_block(ledger_, block, "too many listeners or pools", "split the file");
  ledger_.approximated(block.at, "a listener and a pool instead of LVS: servers see the gateway's address",
                       "send_proxy: v2 tells them the client's");
  PoolWish pool;
  pool.at = block.at;
  pool.settings.name = name_from(fmt::format("{}-{}", block.word(1), block.word(2)));
  std::replace(pool.settings.name.begin(), pool.settings.name.end(), '.', '-');
  pool.settings.name = wanted_.free_pool_name(pool.settings.name);
  pool.settings.balance = config::Balance::kRoundRobin;
  for (const Block& line : block.children) virtual_server_line(line, pool);
  if (!pool.check_given) {
    pool.settings.health = {};
    pool.settings.health.type = config::HealthType::kNone;
  }
  ListenerWish listener;
  listener.at = block.at;
  listener.settings.name = pool.settings.name;
  listener.settings.pool = pool.settings.name;
  listener.settings.bind = {*endpoint};
  wanted_.listeners.push_back(std::move(listener));
  wanted_.pools.push_back(std::move(pool));
}

void KeepalivedReader::virtual_server_line(const Block& line, PoolWish& pool) {
  const KeepalivedKeyword* keyword = find_keepalived_keyword(Place::kVirtualServer, line.word(0));
  const std::string_view value = line.word(1);
  switch (keyword->act) {
    case Act::kProtocol: return ledger_.carried(line.at);
    case Act::kBalance:
      if (value == "rr" || value == "wrr") {
        pool.settings.balance = config::Balance::kRoundRobin;
      } else if (value == "sh" || value == "mh" || value == "dh") {
        pool.settings.balance = config::Balance::kSourceHash;
      } else {
        pool.settings.balance = config::Balance::kLeastConnections;
        if (value != "lc" && value != "wlc") return ledger_.approximated(line.at, "balance: least_connections");
      }
      return ledger_.carried(line.at);
    case Act::kForwarding:
      return ledger_.approximated(line.at, "connections go through the proxy, both ways", "servers need no address of the VIP any more");
    case Act::kDelayLoop:
      if (const auto seconds = parse_number(value); seconds && *seconds >= 1 && *seconds <= 3600) {
        pool.settings.health.interval = std::chrono::seconds(*seconds);
        return ledger_.carried(line.at);
      }
      return ledger_.left_out(line.at, "not a number of seconds", "pools[].health.interval");
    case Act::kPersistence:
      pool.settings.balance = config::Balance::kSourceHash;
      return ledger_.approximated(line.at, "balance: source_hash: the same client, the same server, without a time limit");
    case Act::kRealServerBlock: return real_server(line, pool);
    case Act::kSorryServer: {
      const auto endpoint = endpoint_of(line);
      if (!endpoint) return ledger_.left_out(line.at, "no address and port");
      config::Server server;
      server.name = "sorry";
      server.address = {endpoint->address.to_string(), endpoint->port};
      server.backup = true;
      pool.settings.servers.push_back(server);
      pool.server_at.push_back(line.at);
      return ledger_.carried(line.at);
    }
    default: return leave_out(line, *keyword);
  }
}

void KeepalivedReader::real_server(const Block& block, PoolWish& pool) {
  const auto endpoint = endpoint_of(block);
  if (!endpoint) return leave_out_block(ledger_, block, "no address and port", "pools[].servers[].address");
  if (pool.settings.servers.size() >= config::kServersPerPoolMax)
    return leave_out_block(ledger_, block, fmt::format("more than {} servers", config::kServersPerPoolMax));
  config::Server server;
  server.name = name_from(fmt::format("server-{}", pool.settings.servers.size() + 1));
  server.address = {endpoint->address.to_string(), endpoint->port};
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    const KeepalivedKeyword* keyword = find_keepalived_keyword(Place::kRealServer, line.word(0));
    const auto number = parse_number(line.word(1));
    if (keyword->act == Act::kWeight && number && *number <= 1000) {
      if (*number != 1) server.weight = static_cast<std::uint32_t>(*number);
      ledger_.carried(line.at);
    } else if (keyword->act == Act::kCheckBlock) {
      check(line, pool);
    } else if (keyword->act == Act::kSoAnyway) {
      ledger_.carried(line.at);
    } else {
      leave_out_block(ledger_, line, keyword->reason.empty() ? "not understood" : std::string(keyword->reason),
                      std::string(keyword->remedy));
    }
  }
  pool.settings.servers.push_back(std::move(server));
  pool.server_at.push_back(block.at);
}

/// The check is the pool's: what the first server says holds for all.
void KeepalivedReader::check(const Block& block, PoolWish& pool) {
  const std::string_view kind = block.word(0);
  const auto type = kind == "HTTP_GET"  ? config::HealthType::kHttp
                    : kind == "SSL_GET" ? config::HealthType::kHttps
                                        : config::HealthType::kTcp;
  if (pool.check_given) {
    ledger_.approximated(block.at, "checks belong to the pool: those of its first server hold for all",
                         "a pool of its own for servers that differ");
    for (const Block& line : block.children) leave_out_block(ledger_, line, "the first server's check holds");
    return;
  }
  pool.check_given = true;
  config::Health& health = pool.settings.health;
  health.type = type;
  if (health.type == config::HealthType::kHttps) {
    health.verify = false;
    ledger_.approximated(block.at, "checks do not verify certificates, as here", "health.ca: a file is safer");
  }
  ledger_.carried(block.at);
  for (const Block& line : block.children) {
    const auto number = parse_number(line.word(1));
    if (line.word(0) == "connect_timeout" && number && *number >= 1 && *number <= 300) {
      health.timeout = std::chrono::seconds(*number);
      ledger_.carried(line.at);
    } else if (line.word(0) == "connect_port" && number && *number >= 1 && *number <= 65535) {
      health.port = static_cast<std::uint16_t>(*number);
      ledger_.carried(line.at);
    } else if (line.word(0) == "url" && line.is_block && health.type != config::HealthType::kTcp) {
      ledger_.carried(line.at);
      for (const Block& inner : line.children) {
        const auto code = parse_number(inner.word(1));
        if (inner.word(0) == "path" && inner.word(1).starts_with('/') && is_plain(inner.word(1)) &&
            inner.word(1).size() <= config::kTextLengthMax) {
          health.path = inner.word(1);
          ledger_.carried(inner.at);
        } else if (inner.word(0) == "status_code" && code && *code >= 100 && *code <= 599) {
          health.expect = {static_cast<std::uint16_t>(*code)};
          ledger_.carried(inner.at);
        } else {
          leave_out_block(ledger_, inner, "a check looks at the status", "pools[].health");
        }
      }
    } else {
      leave_out_block(ledger_, line, "rise and fall of the pool count instead", "pools[].health");
    }
  }
}

}  // namespace fairlead::migrate
