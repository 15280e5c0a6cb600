// fairlead: pure
#include "admin/cluster_codec.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "admin/json_parts.h"
#include "admin/json_text.h"

namespace fairlead::admin {
namespace json = boost::json;
namespace {

json::object link_json(const LinkStatus& l) { return {{"link", l.number}, {"up", l.up}}; }

json::object listener_digest_json(const ListenerDigest& l) {
  return {{"name", json_string(l.name)}, {"accepting", l.accepting}, {"connections", l.connections}};
}

json::object pool_digest_json(const PoolDigest& p) {
  return {{"name", json_string(p.name)}, {"servers", p.servers}, {"up", p.up}, {"down", texts(p.down)}};
}

json::value digest_json(const NodeStatus& n) {
  if (!n.digest) return nullptr;
  return json::object{{"age_s", rounded(n.digest_age_s)},
                      {"uptime_s", rounded(static_cast<double>(n.digest->uptime_ms) / 1000)},
                      {"engine", json_string(n.digest->engine)},
                      {"ready", n.digest->ready},
                      {"reason", json_string(n.digest->reason)},
                      {"config_hash", json_string(n.digest->config_hash)},
                      {"connections", n.digest->connections},
                      {"control_late_us", n.digest->control_late_us},
                      {"listeners", each(n.digest->listeners, listener_digest_json)},
                      {"pools", each(n.digest->pools, pool_digest_json)}};
}

void read_digest(JsonFields& f, NodeStatus& node) {
  NodeDigest& digest = node.digest.emplace();
  f.get("age_s", node.digest_age_s);
  double uptime_s = 0;
  f.get("uptime_s", uptime_s);
  digest.uptime_ms = static_cast<std::uint64_t>(std::llround(std::clamp(uptime_s, 0.0, 1e12) * 1000));
  f.get("engine", digest.engine);
  f.get("ready", digest.ready);
  f.get("reason", digest.reason);
  f.get("config_hash", digest.config_hash);
  f.get("connections", digest.connections);
  f.get("control_late_us", digest.control_late_us);
  f.list("listeners", digest.listeners, [](JsonFields& l, ListenerDigest& listener) {
    l.get("name", listener.name);
    l.get("accepting", listener.accepting);
    l.get("connections", listener.connections);
  });
  f.list("pools", digest.pools, [](JsonFields& p, PoolDigest& pool) {
    p.get("name", pool.name);
    p.get("servers", pool.servers);
    p.get("up", pool.up);
    p.get("down", pool.down);
  });
}

}  // namespace

json::object node_json(const NodeStatus& n) {
  return {{"name", json_string(n.name)},
          {"id", n.id},
          {"online", n.online},
          {"standby", n.standby},
          {"version", json_string(n.version)},
          {"config_match", n.config_match},
          {"links", each(n.links, link_json)},
          {"digest", digest_json(n)}};
}

json::value cluster_json(const std::optional<ClusterStatus>& cluster) {
  if (!cluster) return nullptr;
  return json::object{{"quorate", cluster->quorate},
                      {"ring", json_string(cluster->ring)},
                      {"votes", cluster->votes},
                      {"tie_break", json_string(cluster->tie_break)},
                      {"qdevice", json_string(cluster->qdevice)},
                      {"frozen", cluster->frozen},
                      {"token_ms", cluster->token_ms},
                      {"consensus_ms", cluster->consensus_ms},
                      {"lease_ms", cluster->lease_ms},
                      {"lease_low_ms", or_null(cluster->lease_low_ms)},
                      {"view_changes", cluster->view_changes},
                      {"problem", json_string(cluster->problem)},
                      {"nodes", each(cluster->nodes, node_json)}};
}

void read_cluster(JsonFields& f, ClusterStatus& c) {
  f.get("quorate", c.quorate);
  f.get("ring", c.ring);
  f.get("votes", c.votes);
  f.get("tie_break", c.tie_break);
  f.get("qdevice", c.qdevice);
  f.get("frozen", c.frozen);
  f.get("token_ms", c.token_ms);
  f.get("consensus_ms", c.consensus_ms);
  f.get("lease_ms", c.lease_ms);
  if (f.has_value("lease_low_ms")) f.get("lease_low_ms", c.lease_low_ms.emplace());
  f.get("view_changes", c.view_changes);
  f.get("problem", c.problem);
  f.list("nodes", c.nodes, [](JsonFields& n, NodeStatus& node) {
    n.get("name", node.name);
    n.get("id", node.id);
    n.get("online", node.online);
    n.get("standby", node.standby);
    n.get("version", node.version);
    n.get("config_match", node.config_match);
    n.list("links", node.links, [](JsonFields& l, LinkStatus& link) {
      l.get("link", link.number);
      l.get("up", link.up);
    });
    n.object("digest", [&](JsonFields& d) { read_digest(d, node); });
  });
}

}  // namespace fairlead::admin
