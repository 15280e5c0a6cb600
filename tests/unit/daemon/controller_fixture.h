// A NodeController with the time in the test's hands, short ways to write snapshots, and a mirror of what a shell would have done.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/node_controller.h"

namespace fairlead::daemon::test {

using namespace std::chrono_literals;

inline Endpoint endpoint(const std::string& text) {
  const auto parsed = parse_host_port(text);
  return {*parse_ip_address(parsed->host), parsed->port};
}
inline config::Server server(const std::string& name, const std::string& address, std::uint32_t weight = 100) {
  return {.name = name, .address = *parse_host_port(address), .weight = weight, .max_connections = 0, .backup = false};
}
inline config::Pool pool(const std::string& name, std::vector<config::Server> servers) {
  config::Pool out;
  out.name = name;
  out.servers = std::move(servers);
  return out;
}
inline config::Listener listener(const std::string& name, const std::vector<std::string>& binds, const std::string& pool_name) {
  config::Listener out;
  out.name = name;
  out.pool = pool_name;
  for (const std::string& bind : binds) out.bind.push_back(endpoint(bind));
  return out;
}
inline config::Snapshot snapshot(std::vector<config::Listener> listeners, std::vector<config::Pool> pools) {
  config::Snapshot out;
  out.node = "gw-1";
  out.listeners = std::move(listeners);
  out.pools = std::move(pools);
  return out;
}
/// One listener on 10.0.0.1:6443 and the pool "masters" of a, b and c.
inline config::Snapshot usual() {
  return snapshot({listener("api", {"10.0.0.1:6443"}, "masters")},
                  {pool("masters", {server("a", "10.1.0.1:6443"), server("b", "10.1.0.2:6443"), server("c", "10.1.0.3:6443")})});
}

/// What a shell would have after carrying the actions out.
struct Shell {
  NodeController node{7};
  Instant now{1h};
  std::shared_ptr<const lb::RouteTable> routes;
  std::map<lb::BindId, BindOpen> open;
  std::map<lb::ServerId, ProbeStart> probes;  ///< The newest one of each server.
  std::map<lb::ServerId, LookupStart> lookups;
  std::vector<Notice> notices;      ///< Of the last carry().
  std::vector<std::string> faults;  ///< What no shell may ever be asked for.

  const ControlActions& carry(ControlActions actions) {
    if (actions.routes != nullptr) {
      if (routes != nullptr && actions.routes->version <= routes->version) faults.push_back("the version did not rise");
      routes = actions.routes;
    }
    if (actions.routes != nullptr) {
      for (auto& [id, bind] : open) {
        const auto owner = routes->listener_of(id);
        if (!owner || routes->find_listener(*owner) == nullptr) continue;  // It is being closed.
        bind.listener = *owner;
        bind.name = routes->find_listener(*owner)->name;
      }
    }
    for (const BindOpen& bind : actions.open) {
      if (!open.emplace(bind.bind, bind).second) faults.push_back("a bind's id was used twice");
    }
    for (const BindChange& change : actions.change) {
      if (!open.contains(change.bind)) faults.push_back("options for a bind that is not open");
    }
    for (const auto& [bind, said] : actions.close) {
      if (open.erase(bind) == 0) faults.push_back("a bind was closed that is not open");
    }
    for (const ProbeStart& probe : actions.probes) probes[probe.server] = probe;
    for (const LookupStart& lookup : actions.lookups) lookups[lookup.server] = lookup;
    notices = actions.notices;
    last = std::move(actions);
    return last;
  }
  const ControlActions& apply(const config::Snapshot& next) { return carry(node.apply(next, now)); }
  Result<admin::CommandResult> command(const admin::Command& c) {
    auto answer = node.command(c, {"tester"}, now);
    carry(std::move(answer.actions));
    return std::move(answer.result);
  }
  /// Late enough after the last table for the next one to come at once.
  const ControlActions& checked(lb::ServerId id, lb::ProbeOutcome outcome) {
    now += kTablePause;
    return carry(node.probe_done({.server = id, .token = probes.at(id).token, .outcome = outcome, .detail = "", .duration = 1ms}, now));
  }
  /// Lets time pass until the server is checked again, and answers that check.
  const ControlActions& check_again(lb::ServerId id, lb::ProbeOutcome outcome) {
    const auto before = probes.at(id).token;
    for (int i = 0; i < 100 && probes.at(id).token == before; ++i) {
      now += 100ms;
      carry(node.tick(now));
    }
    return checked(id, outcome);
  }
  /// Every server of the table is up.
  void all_up() {
    const std::map<lb::ServerId, ProbeStart> pending = probes;
    for (const auto& [id, probe] : pending) checked(id, lb::ProbeOutcome::kOk);
  }
  [[nodiscard]] const lb::RouteServer* find(const std::string& pool_name, const std::string& name) const {
    for (const auto& p : routes->pools) {
      for (const lb::RouteServer& s : p->servers) {
        if (p->name == pool_name && s.name == name) return &s;
      }
    }
    return nullptr;
  }
  [[nodiscard]] lb::ServerId id(const std::string& pool_name, const std::string& name) const { return find(pool_name, name)->id; }
  [[nodiscard]] std::multiset<std::string> addresses() const {
    std::multiset<std::string> out;
    for (const auto& [id, bind] : open) out.insert(bind.name + " " + bind.address.to_string());
    return out;
  }
  [[nodiscard]] std::size_t said(MessageId id) const {
    return static_cast<std::size_t>(std::count_if(notices.begin(), notices.end(), [id](const Notice& n) { return n.id == id; }));
  }
  [[nodiscard]] std::string said(MessageId id, std::string_view key) const {
    for (const Notice& n : notices) {
      if (n.id != id) continue;
      for (const LogField& f : n.fields) {
        if (f.key == key) return f.value;
      }
    }
    return {};
  }
  [[nodiscard]] admin::NodeReport report() const {
    admin::NodeReport out;
    node.describe(out, now);
    return out;
  }
  ControlActions last;
};

}  // namespace fairlead::daemon::test
