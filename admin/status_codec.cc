// fairlead: pure
#include "admin/status_codec.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>

#include "admin/cluster_codec.h"
#include "admin/dhcp_codec.h"
#include "admin/json_fields.h"
#include "admin/json_parts.h"
#include "admin/json_text.h"
#include "base/utc_text.h"

namespace fairlead::admin {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 5> kServerStates{"unknown", "up", "down", "drain", "maint"};

json::object causes(const std::vector<CauseCount>& counts) {
  json::object out;
  for (const auto& entry : counts) {
    if (entry.count != 0) out[json_string(entry.cause)] = entry.count;
  }
  return out;
}

json::object bytes_json(const ByteCounts& bytes) { return {{"in", bytes.in}, {"out", bytes.out}}; }

json::object times_json(const TimesTaken& times) { return {{"count", times.count}, {"sum_ms", rounded(times.sum_s * 1000)}}; }

json::object reason_json(const Reason& reason) {
  return {{"what", json_string(reason.what)}, {"ok", reason.ok}, {"detail", json_string(reason.detail)}};
}

json::object server_json(const ServerStatus& s) {
  return {{"name", json_string(s.name)},
          {"address", json_string(s.address)},
          {"endpoint", json_string(s.endpoint)},
          {"state", json_string(to_string(s.state))},
          {"weight", s.weight},
          {"effective_weight", s.effective_weight},
          {"backup", s.backup},
          {"added_at_run_time", s.added_at_run_time},
          {"connections", json::object{{"current", s.connections.current}, {"total", s.connections.total}}},
          {"peak_connections", s.peak_connections},
          {"max_connections", s.max_connections},
          {"bytes", bytes_json(s.bytes)},
          {"connect_failures", s.connect_failures},
          {"connect_failures_by_cause", causes(s.connect_failures_by_cause)},
          {"connect_times", times_json(s.connect_times)},
          {"reset_connections", s.reset_connections},
          {"ended_by_code", causes(s.ended_by_code)},
          {"state_since_s", rounded(s.state_since_s)},
          {"check", json::object{{"result", json_string(s.check.result)},
                                 {"detail", json_string(s.check.detail)},
                                 {"duration_ms", rounded(s.check.duration_ms)}}},
          {"checks", causes(s.checks)},
          {"ups", s.ups},
          {"downs", s.downs},
          {"down_s", rounded(s.down_s)}};
}

json::object pool_json(const PoolStatus& p) {
  return {{"name", json_string(p.name)},
          {"balance", json_string(p.balance)},
          {"servers", each(p.servers, server_json)},
          {"source_fallbacks", p.source_fallbacks},
          {"usable", p.usable},
          {"backups_in_use", p.backups_in_use},
          {"connections", json::object{{"current", p.connections.current}, {"total", p.connections.total}}},
          {"peak_connections", p.peak_connections},
          {"bytes", bytes_json(p.bytes)},
          {"connect_failures", p.connect_failures}};
}

json::object listener_json(const ListenerStatus& l) {
  return {{"name", json_string(l.name)},
          {"bind", texts(l.bind)},
          {"pool", json_string(l.pool)},
          {"accepting", l.accepting},
          {"problem", json_string(l.problem)},
          {"connections", json::object{{"current", l.connections.current}, {"total", l.connections.total}, {"shed", l.connections.shed}}},
          {"bytes", bytes_json(l.bytes)},
          {"retries", l.retries},
          {"peak_connections", l.peak_connections},
          {"max_connections", l.max_connections},
          {"max_connection_rate", l.max_connection_rate},
          {"shed_by_cause", causes(l.shed_by_cause)},
          {"ended_by_code", causes(l.ended_by_code)},
          {"vip_closed", causes(l.vip_closed)}};
}

json::object history_json(const HolderEntry& entry) {
  return {{"at", json_string(entry.at)},
          {"holder", entry.holder ? json::value(json_string(*entry.holder)) : json::value(nullptr)},
          {"first_seen", entry.first_seen}};
}

json::object vip_json(const VipStatus& v) {
  json::object eligible;
  for (const auto& e : v.eligible) eligible[json_string(e.node)] = json::object{{"ok", e.ok}, {"reason", json_string(e.reason)}};
  json::value holder = nullptr;
  if (v.holder) holder = json_string(*v.holder);
  return {{"name", json_string(v.name)},
          {"address", json_string(v.address)},
          {"interface", json_string(v.interface)},
          {"state", json_string(v.state)},
          {"holder", holder},
          {"held_here", v.held_here},
          {"waits_for", json_string(v.waits_for)},
          {"epoch", v.epoch},
          {"lease_ms", v.lease_ms},
          {"enabled", v.enabled},
          {"flapping", v.flapping},
          {"drains_for_ms", v.drains_for_ms},
          {"eligible", eligible},
          {"history", each(v.history, history_json)},
          {"holder_changes", v.holder_changes},
          {"takeovers", times_json(v.takeovers)},
          {"last_takeover_ms", v.last_takeover_ms ? json::value(rounded(*v.last_takeover_ms)) : json::value(nullptr)}};
}

json::value drill_json(const std::vector<DrillResult>& results, std::string_view name) {
  const auto found = std::find_if(results.begin(), results.end(), [&](const DrillResult& r) { return r.name == name; });
  if (found == results.end()) return nullptr;
  return json::object{
      {"at", json_string(utc_text(found->at))}, {"vip", json_string(found->vip)},       {"passed", found->passed},
      {"outage_ms", rounded(found->outage_ms)}, {"bound_ms", or_null(found->bound_ms)}, {"problem", json_string(found->problem)}};
}

json::object worker_json(const WorkerStatus& w) {
  return {{"index", w.index},
          {"connections", w.connections},
          {"buffers_in_use", w.buffers_in_use},
          {"buffers_total", w.buffers_total},
          {"loop_lateness_ms", rounded(w.loop_lateness_ms)},
          {"turns", w.turns},
          {"engine_operations", w.engine_operations},
          {"starved", w.starved},
          {"accept_failures", w.accept_failures}};
}

void read_causes(JsonFields& f, std::string_view key, std::vector<CauseCount>& out) {
  f.members(key, [&](std::string cause, const json::value& value) {
    boost::system::error_code failed;
    const auto count = value.is_number() ? value.to_number<std::uint64_t>(failed) : 0;
    if (!value.is_number() || failed) return f.fail(key, "member '" + cause + "' is not a count");
    out.push_back({std::move(cause), count});
  });
}

void read_bytes(JsonFields& f, ByteCounts& out) {
  f.object("bytes", [&](JsonFields& b) {
    b.get("in", out.in);
    b.get("out", out.out);
  });
}

void read_times(JsonFields& f, std::string_view key, TimesTaken& out) {
  f.object(key, [&](JsonFields& t) {
    double sum_ms = 0;
    t.get("count", out.count);
    t.get("sum_ms", sum_ms);
    out.sum_s = sum_ms / 1000;
  });
}

json::object event_json(const EventInfo& e) {
  json::object fields;
  for (const auto& [key, value] : e.fields) fields[json_string(key)] = json_string(value);
  return {{"sequence", e.sequence},
          {"time", json_string(e.time)},
          {"id", json_string(e.id)},
          {"level", json_string(e.level)},
          {"fields", std::move(fields)}};
}

void read_server(JsonFields& f, ServerStatus& s) {
  f.get("name", s.name);
  f.get("address", s.address);
  f.get("endpoint", s.endpoint);
  std::string state(to_string(s.state));
  f.get("state", state);
  if (const auto parsed = parse_server_state(state)) {
    s.state = *parsed;
  } else {
    f.fail("state", parsed.error().context);
  }
  f.get("weight", s.weight);
  f.get("effective_weight", s.effective_weight);
  f.get("backup", s.backup);
  f.get("added_at_run_time", s.added_at_run_time);
  f.object("connections", [&](JsonFields& c) {
    c.get("current", s.connections.current);
    c.get("total", s.connections.total);
  });
  f.get("peak_connections", s.peak_connections);
  f.get("max_connections", s.max_connections);
  read_bytes(f, s.bytes);
  f.get("connect_failures", s.connect_failures);
  read_causes(f, "connect_failures_by_cause", s.connect_failures_by_cause);
  read_times(f, "connect_times", s.connect_times);
  f.get("reset_connections", s.reset_connections);
  read_causes(f, "ended_by_code", s.ended_by_code);
  f.get("state_since_s", s.state_since_s);
  read_causes(f, "checks", s.checks);
  f.get("ups", s.ups);
  f.get("downs", s.downs);
  f.get("down_s", s.down_s);
  f.object("check", [&](JsonFields& c) {
    c.get("result", s.check.result);
    c.get("detail", s.check.detail);
    c.get("duration_ms", s.check.duration_ms);
  });
}

void read_listener(JsonFields& f, ListenerStatus& l) {
  f.get("name", l.name);
  f.get("bind", l.bind);
  f.get("pool", l.pool);
  f.get("accepting", l.accepting);
  f.get("problem", l.problem);
  f.object("connections", [&](JsonFields& c) {
    c.get("current", l.connections.current);
    c.get("total", l.connections.total);
    c.get("shed", l.connections.shed);
  });
  read_bytes(f, l.bytes);
  f.get("retries", l.retries);
  f.get("peak_connections", l.peak_connections);
  f.get("max_connections", l.max_connections);
  f.get("max_connection_rate", l.max_connection_rate);
  read_causes(f, "shed_by_cause", l.shed_by_cause);
  read_causes(f, "ended_by_code", l.ended_by_code);
  read_causes(f, "vip_closed", l.vip_closed);
}

void read_pool(JsonFields& f, PoolStatus& p) {
  f.get("name", p.name);
  f.get("balance", p.balance);
  f.list("servers", p.servers, read_server);
  f.get("source_fallbacks", p.source_fallbacks);
  f.get("usable", p.usable);
  f.get("backups_in_use", p.backups_in_use);
  f.object("connections", [&](JsonFields& c) {
    c.get("current", p.connections.current);
    c.get("total", p.connections.total);
  });
  f.get("peak_connections", p.peak_connections);
  read_bytes(f, p.bytes);
  f.get("connect_failures", p.connect_failures);
}

void read_vip(JsonFields& f, VipStatus& v) {
  f.get("name", v.name);
  f.get("address", v.address);
  f.get("interface", v.interface);
  f.get("state", v.state);
  f.get("holder", v.holder);
  f.get("held_here", v.held_here);
  f.get("waits_for", v.waits_for);
  f.get("epoch", v.epoch);
  f.get("lease_ms", v.lease_ms);
  f.get("enabled", v.enabled);
  f.get("flapping", v.flapping);
  f.get("drains_for_ms", v.drains_for_ms);
  f.members("eligible", [&](std::string node, const json::value& value) {
    Eligibility e;
    e.node = std::move(node);
    JsonFields fields(value, "eligible." + e.node, f.error());
    fields.get("ok", e.ok);
    fields.get("reason", e.reason);
    v.eligible.push_back(std::move(e));
  });
  f.list("history", v.history, [](JsonFields& h, HolderEntry& entry) {
    h.get("at", entry.at);
    h.get("holder", entry.holder);
    h.get("first_seen", entry.first_seen);
  });
  f.get("holder_changes", v.holder_changes);
  read_times(f, "takeovers", v.takeovers);
  if (f.has_value("last_takeover_ms")) f.get("last_takeover_ms", v.last_takeover_ms.emplace());
}

void read_worker(JsonFields& f, WorkerStatus& w) {
  f.get("index", w.index);
  f.get("connections", w.connections);
  f.get("buffers_in_use", w.buffers_in_use);
  f.get("buffers_total", w.buffers_total);
  f.get("loop_lateness_ms", w.loop_lateness_ms);
  f.get("turns", w.turns);
  f.get("engine_operations", w.engine_operations);
  f.get("starved", w.starved);
  f.get("accept_failures", w.accept_failures);
}

void read_report(JsonFields& f, NodeReport& r) {
  f.get("node", r.node);
  f.get("version", r.version);
  f.get("engine", r.engine);
  f.get("engine_reason", r.engine_reason);
  f.get("ready", r.ready);
  f.list("ready_reasons", r.ready_reasons, [](JsonFields& o, Reason& reason) {
    o.get("what", reason.what);
    o.get("ok", reason.ok);
    o.get("detail", reason.detail);
  });
  f.get("uptime_s", r.uptime_s);
  f.get("report_age_s", r.age_s);
  f.object("cluster", [&](JsonFields& c) { read_cluster(c, r.cluster.emplace()); });
  f.list("vips", r.vips, read_vip);
  f.list("listeners", r.listeners, read_listener);
  f.list("pools", r.pools, read_pool);
  f.list("workers", r.workers, read_worker);
  f.get("max_connections", r.max_connections);
  f.get("peak_connections", r.peak_connections);
  f.get("log_lines_dropped", r.log_lines_dropped);
  f.get("control_lateness_ms", r.control_lateness_ms);
  f.get("control_late_us_by_second", r.control_late_us_by_second);
  f.object("config", [&](JsonFields& c) {
    c.get("file", r.config_file);
    c.get("hash", r.config_hash);
    c.get("reloads", r.config_reloads);
    c.get("last_reload_ok", r.config_last_reload_ok);
    c.get("loaded_at_s", r.config_loaded_at_s);
  });
  f.get("pid", r.pid);
  f.object("log", [&](JsonFields& l) {
    l.get("target", r.log_target);
    l.get("path", r.log_path);
  });
  f.object("dhcp", [&](JsonFields& d) { read_dhcp(d, r.dhcp.emplace()); });
}

void read_connection(JsonFields& f, ConnectionInfo& c) {
  f.get("id", c.id);
  f.get("listener", c.listener);
  f.get("client", c.client);
  f.get("pool", c.pool);
  f.get("server", c.server);
  f.get("local", c.local);
  f.get("state", c.state);
  f.get("age_s", c.age_s);
  f.get("idle_s", c.idle_s);
  f.object("bytes", [&](JsonFields& b) {
    b.get("in", c.bytes.in);
    b.get("out", c.bytes.out);
  });
}

void read_event(JsonFields& f, EventInfo& e) {
  f.get("sequence", e.sequence);
  f.get("time", e.time);
  f.get("id", e.id);
  f.get("level", e.level);
  f.members("fields", [&](std::string key, const json::value& value) {
    if (!value.is_string()) return f.fail("fields", "member '" + key + "' is not a string");
    e.fields.emplace_back(std::move(key), std::string(value.get_string().data(), value.get_string().size()));
  });
}

}  // namespace

std::string_view to_string(ServerState state) { return kServerStates[static_cast<std::size_t>(state)]; }

Result<ServerState> parse_server_state(std::string_view value) {
  for (std::size_t i = 0; i < kServerStates.size(); ++i) {
    if (kServerStates[i] == value) return static_cast<ServerState>(i);
  }
  return Error{Errc::kInvalidArgument, "'" + std::string(value) + "' is no server state (unknown, up, down, drain, maint)"};
}

std::string encode_status(const NodeReport& r) {
  const json::object out{{"node", json_string(r.node)},
                         {"version", json_string(r.version)},
                         {"engine", json_string(r.engine)},
                         {"engine_reason", json_string(r.engine_reason)},
                         {"ready", r.ready},
                         {"ready_reasons", each(r.ready_reasons, reason_json)},
                         {"uptime_s", rounded(r.uptime_s)},
                         {"report_age_s", rounded(r.age_s)},
                         {"cluster", cluster_json(r.cluster)},
                         {"vips", each(r.vips, vip_json)},
                         {"listeners", each(r.listeners, listener_json)},
                         {"pools", each(r.pools, pool_json)},
                         {"workers", each(r.workers, worker_json)},
                         {"max_connections", r.max_connections},
                         {"peak_connections", r.peak_connections},
                         {"log_lines_dropped", r.log_lines_dropped},
                         {"control_lateness_ms", rounded(r.control_lateness_ms)},
                         {"control_late_us_by_second", json::array(r.control_late_us_by_second.begin(), r.control_late_us_by_second.end())},
                         {"config", json::object{{"file", json_string(r.config_file)},
                                                 {"hash", json_string(r.config_hash)},
                                                 {"reloads", r.config_reloads},
                                                 {"last_reload_ok", r.config_last_reload_ok},
                                                 {"loaded_at_s", rounded(r.config_loaded_at_s)}}},
                         {"pid", r.pid},
                         {"log", json::object{{"target", json_string(r.log_target)}, {"path", json_string(r.log_path)}}},
                         {"dhcp", dhcp_json(r.dhcp)}};
  return json_text(out);
}

std::string encode_readiness(const NodeReport& r) {
  return json_text(json::object{{"ready", r.ready}, {"reasons", each(r.ready_reasons, reason_json)}});
}

std::string encode_listeners(const NodeReport& r) { return json_text(json::object{{"listeners", each(r.listeners, listener_json)}}); }
std::string encode_pools(const NodeReport& r) { return json_text(json::object{{"pools", each(r.pools, pool_json)}}); }

std::string encode_servers(const NodeReport& r) {
  json::array servers;
  for (const auto& pool : r.pools) {
    for (const auto& server : pool.servers) {
      json::object entry{{"pool", json_string(pool.name)}};
      for (const auto& member : server_json(server)) entry.insert(member);
      servers.emplace_back(std::move(entry));
    }
  }
  return json_text(json::object{{"servers", std::move(servers)}});
}

std::string encode_vips(const NodeReport& r) { return json_text(json::object{{"vips", each(r.vips, vip_json)}}); }

std::string encode_nodes(const NodeReport& r) {
  if (r.cluster) return json_text(cluster_json(r.cluster));
  NodeStatus alone;
  alone.name = r.node;
  alone.online = true;
  alone.version = r.version;
  return json_text(json::object{{"nodes", json::array{node_json(alone)}}});
}

std::string encode_drills(const DrillTimes& times, const std::vector<DrillResult>& last) {
  static constexpr std::array<std::string_view, 3> kPlaces{"cluster", "lab", "later"};
  json::array cases;
  for (const DrillCase& c : drill_cases()) {
    const auto bound = c.bound ? outage_max(*c.bound, times) : std::nullopt;
    cases.push_back(json::object{{"name", json_string(c.name)},
                                 {"place", json_string(kPlaces[static_cast<std::size_t>(c.place)])},
                                 {"safe", c.safe},
                                 {"what", json_string(c.what)},
                                 {"promise", json_string(c.bound ? to_string(*c.bound) : "")},
                                 {"bound_ms", bound ? json::value(to_ms(*bound)) : json::value(nullptr)},
                                 {"last", drill_json(last, c.name)}});
  }
  return json_text(json::object{{"drills", std::move(cases)}});
}

std::string encode_connections(const ConnectionList& list, std::size_t limit) {
  const auto one = [](const ConnectionInfo& c) {
    return json::object{{"id", json_string(c.id)},         {"listener", json_string(c.listener)},
                        {"client", json_string(c.client)}, {"pool", json_string(c.pool)},
                        {"server", json_string(c.server)}, {"local", json_string(c.local)},
                        {"state", json_string(c.state)},   {"age_s", rounded(c.age_s)},
                        {"idle_s", rounded(c.idle_s)},     {"bytes", json::object{{"in", c.bytes.in}, {"out", c.bytes.out}}}};
  };
  json::array silent(list.silent_workers.begin(), list.silent_workers.end());
  return json_text(json::object{{"connections", each(list.connections, one)}, {"limit", limit}, {"silent_workers", std::move(silent)}});
}

std::string encode_events(const EventPage& page, std::uint64_t after) {
  const std::uint64_t last = page.events.empty() ? after : page.events.back().sequence;
  // Of two questions: events may have come in between.
  const std::uint64_t newest = page.events.empty() ? page.stream.newest : std::max(last, page.stream.newest);
  return json_text(
      json::object{{"events", each(page.events, event_json)}, {"last", last}, {"newest", newest}, {"life", json_string(page.stream.life)}});
}

std::string encode_event(const EventInfo& event) { return json_text(event_json(event)); }

std::string encode_result(const CommandResult& result) {
  return json_text(json::object{
      {"summary", json_string(result.summary)}, {"details", texts(result.details)}, {"needs_restart", texts(result.needs_restart)}});
}

Result<NodeReport> decode_status(std::string_view document) { return read_document<NodeReport>(document, read_report); }

Result<ConnectionList> decode_connections(std::string_view document) {
  return read_document<ConnectionList>(document, [](JsonFields& f, ConnectionList& out) {
    f.list("connections", out.connections, read_connection);
    f.get("silent_workers", out.silent_workers);
  });
}

Result<EventPage> decode_events(std::string_view document) {
  return read_document<EventPage>(document, [](JsonFields& f, EventPage& out) {
    f.list("events", out.events, read_event);
    f.get("newest", out.stream.newest);
    f.get("life", out.stream.life);
  });
}

Result<CommandResult> decode_result(std::string_view document) {
  return read_document<CommandResult>(document, [](JsonFields& f, CommandResult& out) {
    f.get("summary", out.summary);
    f.get("details", out.details);
    f.get("needs_restart", out.needs_restart);
  });
}

}  // namespace fairlead::admin
