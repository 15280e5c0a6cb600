// fairlead: pure
#include <algorithm>
#include <map>

#include "base/units.h"
#include "config/checks.h"
#include "config/proxy_loop.h"

namespace fairlead::config {
namespace {

std::string_view word(HealthType type) {
  switch (type) {
    case HealthType::kNone: return "none";
    case HealthType::kTcp: return "tcp";
    case HealthType::kTls: return "tls";
    case HealthType::kHttp: return "http";
    case HealthType::kHttps: return "https";
  }
  return "none";
}

void check_health_credentials(Checks& checks, const Health& health, const std::string& path) {
  if (!checks.sound(path + ".cert") || !checks.sound(path + ".key") || !checks.sound(path + ".type")) return;
  const bool tls = health.type == HealthType::kTls || health.type == HealthType::kHttps;
  // Paths may come from defaults.pool; then the nearest place in the file is the pool itself.
  if (health.cert.empty() != health.key.empty()) {
    checks.error(path + (health.cert.empty() ? ".key" : ".cert"),
                 health.cert.empty() ? "health.key without health.cert" : "health.cert without health.key",
                 "a client certificate needs both");
  }
  if (!health.token_file.empty() && !health.cert.empty()) {
    checks.error(path + ".token_file", "health has a client certificate and a token_file", "use one of them");
  }
  if (!health.token_file.empty() && health.type == HealthType::kHttp) {
    checks.error(path + ".token_file", "a token would be sent in clear text", "use type: https");
  }
  if (!health.token_file.empty() && health.type == HealthType::kHttps && !health.verify) {
    checks.warning(path + ".token_file", "the token is sent to servers whose certificate is not verified",
                   "set ca, and remove verify: false");
  }
  if (tls && !health.verify && !health.ca.empty())
    checks.warning(path + ".ca", "health.ca has no effect with verify: false", "remove one of them");
}

void check_health(Checks& checks, const Pool& pool, std::size_t i) {
  const Health& health = pool.health;
  const std::string path = path_of("pools[{}].health", i);
  check_health_credentials(checks, health, path);
  const bool tls = health.type == HealthType::kTls || health.type == HealthType::kHttps;
  const bool http = health.type == HealthType::kHttp || health.type == HealthType::kHttps;
  const auto without_effect = [&](std::string_view key, std::string_view wanted) {
    const std::string full = fmt::format("{}.{}", path, key);
    if (checks.has(full))
      checks.warning(full, fmt::format("health.{} has no effect with type {}", key, word(health.type)),
                     fmt::format("it is for type {}", wanted));
  };
  if (checks.sound(path + ".type")) {
    for (const std::string_view key : {"path", "host", "expect"}) {
      if (!http) without_effect(key, "http and https");
    }
    for (const std::string_view key : {"server_name", "verify", "ca", "cert", "key"}) {
      if (!tls) without_effect(key, "tls and https");
    }
    if (health.type != HealthType::kHttps && health.type != HealthType::kHttp) without_effect("token_file", "https");
  }
  if (http && health.expect.empty() && checks.sound(path + ".type"))
    checks.error(path + ".expect", "health.expect is empty: no answer would be healthy", "as in expect: [200]");
  if (health.fast_interval > health.interval)
    checks.warning(path + ".fast_interval", "health.fast_interval is longer than health.interval", "it should be the shorter one");
  if (!health.source) return;
  checks.host_address(*health.source, path + ".source", "health.source");
  if (const VipAddress* vip = checks.vip_of(*health.source)) {
    checks.error(path + ".source", fmt::format("health.source is the {}", vip->what),
                 "checks run on every node, also where the VIP is not; give an address of this node, or leave it out");
  }
}

void check_family(Checks& checks, const Pool& pool, const std::optional<IpAddress>& source, const std::string& path,
                  std::string_view what) {
  if (!source) return;
  for (const Server& server : pool.servers) {
    const auto address = parse_ip_address(server.address.host);
    if (!address || address->family() == source->family()) continue;
    checks.error(path, fmt::format("{} {} cannot reach server {} ({})", what, source->to_string(), server.name, address->to_string()),
                 "source and servers must be of one IP version");
    return;
  }
}

void check_servers(Checks& checks, const Pool& pool, std::size_t i, const std::vector<Endpoint>& own_binds) {
  const std::vector<IpAddress> own = checks.own_addresses();
  std::vector<std::string> names;
  std::map<HostPort, std::string> addresses;
  bool weighted = false;
  bool regular = false;
  for (std::size_t k = 0; k < pool.servers.size(); ++k) {
    const Server& server = pool.servers[k];
    const std::string path = path_of("pools[{}].servers[{}].address", i, k);
    names.push_back(server.name);
    weighted = weighted || server.weight > 0;
    regular = regular || !server.backup;
    if (!checks.sound(path)) continue;
    if (!addresses.emplace(server.address, server.name).second) {
      checks.warning(path, fmt::format("{} is also the address of server {}", to_string(server.address), addresses[server.address]),
                     "it gets a double share; use weight instead");
    }
    const auto address = parse_ip_address(server.address.host);
    if (!address) continue;
    checks.host_address(*address, path, fmt::format("server {}", server.name));
    if (catches(own_binds, server.address, own)) {
      checks.error(
          path,
          fmt::format("server {} is the address of a listener that uses this pool: connections would go round in circles", server.name),
          "give the server's own address");
    }
  }
  checks.unique(names, path_of("pools[{}].servers", i), "name", "server");
  if (!checks.sound(path_of("pools[{}].name", i))) return;
  if (pool.servers.empty()) {
    checks.warning(path_of("pools[{}].servers", i), fmt::format("pool {} has no server; its connections are reset", quoted(pool.name)),
                   "list servers, or add them at run time with `fairlead server add`");
  } else if (!weighted) {
    checks.warning(path_of("pools[{}].servers", i),
                   fmt::format("every server of pool {} has weight 0; its connections are reset", quoted(pool.name)),
                   "give one of them a weight");
  } else if (!regular) {
    checks.warning(path_of("pools[{}].servers", i), fmt::format("every server of pool {} is a backup", quoted(pool.name)),
                   "remove `backup: true` from one of them");
  }
}

void check_timeouts(Checks& checks, const Pool& pool, std::size_t i) {
  if (pool.idle_timeout != Duration{} && pool.idle_timeout < kIdleTimeoutAdvised) {
    checks.warning(path_of("pools[{}].idle_timeout", i),
                   fmt::format("idle_timeout {} is below {}: watches that are silent so long are cut", format_duration(pool.idle_timeout),
                               format_duration(kIdleTimeoutAdvised)),
                   "1h is the default; 0 = never");
  }
  const std::string rate = path_of("pools[{}].rebalance.rate", i);
  if (pool.rebalance.when == RebalanceWhen::kOff && checks.has(rate))
    checks.warning(rate, "rebalance.rate has no effect without rebalance.when", "add when: server_up");
  if (!pool.source) return;
  const std::string path = path_of("pools[{}].source", i);
  checks.host_address(*pool.source, path, "source");
  if (checks.vip_of(*pool.source) == nullptr && checks.environment.local_addresses && !checks.is_local(*pool.source)) {
    checks.warning(path, fmt::format("source {} is neither a VIP nor an address of this machine", pool.source->to_string()),
                   "the kernel chooses while it is not here");
  }
}

}  // namespace

void check_pools(Checks& checks) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<Endpoint>> binds;
  for (const Listener& listener : checks.snapshot.listeners) {
    auto& of_pool = binds[listener.pool];
    of_pool.insert(of_pool.end(), listener.bind.begin(), listener.bind.end());
  }
  for (std::size_t i = 0; i < checks.snapshot.pools.size(); ++i) {
    const Pool& pool = checks.snapshot.pools[i];
    names.push_back(pool.name);
    check_health(checks, pool, i);
    check_family(checks, pool, pool.source, path_of("pools[{}].source", i), "source");
    check_family(checks, pool, pool.health.source, path_of("pools[{}].health.source", i), "health.source");
    check_servers(checks, pool, i, binds[pool.name]);
    check_timeouts(checks, pool, i);
    checks.congestion_control(pool.congestion_control, path_of("pools[{}].congestion_control", i));
  }
  checks.unique(names, "pools", "name", "pool");
}

}  // namespace fairlead::config
