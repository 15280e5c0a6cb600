// fairlead: pure
// Changes in words, by the schema.
#include <algorithm>
#include <fmt/format.h>

#include "base/overloaded.h"
#include "base/units.h"
#include "config/diff.h"
#include "config/schema.h"

namespace fairlead::config {
namespace {

using schema::FieldChange;

std::string list(const std::vector<FieldChange>& changes) {
  std::string out;
  for (const FieldChange& change : changes) {
    const auto shown = [](const std::string& value) { return value.empty() ? std::string("(none)") : value; };
    out += fmt::format("{}{} {} -> {}", out.empty() ? "" : ", ", change.path, shown(change.from), shown(change.to));
  }
  return out;
}

template <class T>
std::string changed(const std::string& what, const schema::Section& section, const T& from, const T& to) {
  return fmt::format("{}: {}", what, list(schema::changed_fields(section, &from, &to)));
}

template <class T>
std::string changed(const std::string& what, const schema::Section& section, const std::optional<T>& from, const std::optional<T>& to) {
  if (!from) return "add " + what;
  if (!to) return "remove " + what;
  return changed(what, section, *from, *to);
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string servers_in_words(std::size_t count) { return count == 1 ? "1 server" : fmt::format("{} servers", count); }

/// Key paths of a change in a section that knows restart-only keys.
template <class T>
void add_restarts(const std::string& prefix, const schema::Section& section, const T& from, const T& to, std::vector<std::string>& out) {
  for (const FieldChange& change : schema::changed_fields(section, &from, &to)) {
    if (change.restart) out.push_back(prefix + "." + change.path);
  }
}

/// High availability follows a reload within one cluster and one node's place in it.
std::vector<std::string> cluster_restarts(const std::optional<Cluster>& from, const std::optional<Cluster>& to) {
  if (from.has_value() != to.has_value()) return {"cluster"};
  std::vector<std::string> out;
  add_restarts("cluster", schema::cluster_section(), *from, *to, out);
  const bool other_id = std::any_of(from->nodes.begin(), from->nodes.end(), [&](const Node& node) {
    return std::any_of(to->nodes.begin(), to->nodes.end(), [&](const Node& n) { return n.name == node.name && n.id != node.id; });
  });
  if (other_id) out.emplace_back("cluster.nodes");
  return out;
}

}  // namespace

std::string describe(const Change& change) {
  const Overloaded visitor{
      [](const AddPool& c) { return fmt::format("add pool {} with {}", c.pool.name, servers_in_words(c.pool.servers.size())); },
      [](const RemovePool& c) { return fmt::format("remove pool {}", c.name); },
      [](const ChangePool& c) { return changed("pool " + c.to.name, schema::pool_section(), c.from, c.to); },
      [](const AddServer& c) { return fmt::format("add server {}/{} at {}", c.pool, c.server.name, to_string(c.server.address)); },
      [](const RemoveServer& c) {
        return fmt::format("remove server {}/{} at {} (drains)", c.pool, c.server.name, to_string(c.server.address));
      },
      [](const ChangeServer& c) { return changed(fmt::format("server {}/{}", c.pool, c.to.name), schema::server_section(), c.from, c.to); },
      [](const OrderServers& c) {
        std::vector<std::string> names;
        for (const ServerKey& key : c.servers) names.push_back(key.name);
        return fmt::format("pool {}: order of servers {}", c.pool, joined(names));
      },
      [](const AddListener& c) {
        return fmt::format("add listener {} on {}", c.listener.name, c.listener.bind.empty() ? "" : c.listener.bind.front().to_string());
      },
      [](const RemoveListener& c) { return fmt::format("remove listener {} (its connections finish)", c.name); },
      [](const ChangeListener& c) { return changed("listener " + c.to.name, schema::listener_section(), c.from, c.to); },
      [](const AddVip& c) { return fmt::format("add VIP {} {}", c.vip.name, c.vip.address.to_string()); },
      [](const RemoveVip& c) { return fmt::format("remove VIP {}", c.name); },
      [](const ChangeVip& c) { return changed("VIP " + c.to.name, schema::vip_section(), c.from, c.to); },
      [](const OrderPools& c) { return fmt::format("order of pools: {}", joined(c.names)); },
      [](const OrderListeners& c) { return fmt::format("order of listeners: {}", joined(c.names)); },
      [](const OrderVips& c) { return fmt::format("order of VIPs: {}", joined(c.names)); },
      [](const SetNode& c) {
        return fmt::format("node: {} -> {}", c.from.empty() ? "(host name)" : c.from, c.to.empty() ? "(host name)" : c.to);
      },
      [](const SetCluster& c) { return changed("cluster", schema::cluster_section(), c.from, c.to); },
      [](const SetGuard& c) { return changed("guard", schema::guard_section(), c.from, c.to); },
      [](const SetProxy& c) { return changed("proxy", schema::proxy_section(), c.from, c.to); },
      [](const SetAdmin& c) { return changed("admin", schema::admin_section(), c.from, c.to); },
      [](const SetLog& c) { return changed("log", schema::log_section(), c.from, c.to); },
      [](const SetShutdownGrace& c) { return fmt::format("shutdown_grace: {} -> {}", format_duration(c.from), format_duration(c.to)); },
      [](const SetStateDir& c) { return fmt::format("state_dir: {} -> {}", c.from, c.to); },
      [](const SetDnsDhcp& c) { return changed("dnsdhcp", schema::dnsdhcp_section(), c.from, c.to); },
      [](const SetRouter& c) { return changed("router", schema::router_section(), c.from, c.to); },
  };
  return std::visit(visitor, change);
}

std::vector<std::string> needs_restart(const Snapshot& from, const Snapshot& to) {
  std::vector<std::string> out;
  const auto root_key = [&](const std::string& name) {
    const schema::Field* field = schema::gateway().find(name);
    if (field != nullptr && field->restart) out.push_back(name);
  };
  bool takeover_waits = from.vips.empty() && !from.cluster && !to.vips.empty();
  const Overloaded visitor{
      [&](const SetNode&) { root_key("node"); },
      [&](const SetStateDir&) { root_key("state_dir"); },
      [&](const SetShutdownGrace&) { root_key("shutdown_grace"); },
      [&](const SetGuard&) { root_key("guard"); },
      [&](const SetCluster& c) {
        const auto waiting = cluster_restarts(c.from, c.to);
        takeover_waits = takeover_waits || !waiting.empty();
        out.insert(out.end(), waiting.begin(), waiting.end());
      },
      [&](const SetProxy& c) { add_restarts("proxy", schema::proxy_section(), c.from, c.to, out); },
      [&](const SetAdmin& c) { add_restarts("admin", schema::admin_section(), c.from, c.to, out); },
      [&](const SetLog& c) { add_restarts("log", schema::log_section(), c.from, c.to, out); },
      [](const auto&) {},  // Listeners, pools, servers: nothing in them waits (schema_test.cc checks that). VIPs: see below.
  };
  for (const Change& change : diff(from, to)) std::visit(visitor, change);
  if (takeover_waits && from.vips != to.vips) out.emplace_back("vips");  // What holds addresses is started with the daemon, or not at all.
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool is_takeover_key(const std::string& key) { return key == "vips" || key == "cluster" || key.starts_with("cluster."); }

}  // namespace fairlead::config
