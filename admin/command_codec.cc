// fairlead: pure
#include "admin/command_codec.h"

#include <array>
#include <boost/json.hpp>

#include "admin/json_fields.h"
#include "admin/json_text.h"
#include "base/overloaded.h"
#include "base/units.h"
#include "config/validate.h"

namespace fairlead::admin {
namespace {

namespace json = boost::json;
using Parameters = std::map<std::string, std::string>;

constexpr std::array<std::string_view, 3> kAdminStates{"ready", "drain", "maint"};

std::string at(const Parameters& parameters, const std::string& key) {
  const auto found = parameters.find(key);
  return found == parameters.end() ? std::string() : found->second;
}

/// Names come from people and go into logs and file formats: printable, without the separator, of a bounded length.
Status check_name(std::string_view what, std::string_view name) {
  if (name.empty()) return Error{Errc::kInvalidArgument, std::string(what) + ": is missing"};
  if (name.size() > kNameBytesMax)
    return Error{Errc::kInvalidArgument, std::string(what) + ": longer than " + std::to_string(kNameBytesMax) + " bytes"};
  for (const char c : name) {
    if (static_cast<unsigned char>(c) <= 0x20U || c == 0x7F || c == '/') {
      return Error{Errc::kInvalidArgument, std::string(what) + ": has a blank, a control character or a '/'"};
    }
  }
  return {};
}

Result<Command> add_server(JsonFields& fields, const Parameters& parameters) {
  AddServer out;
  out.pool = at(parameters, "pool");
  fields.get("name", out.server);
  fields.get("address", out.address);
  fields.get("weight", out.weight);
  fields.get("backup", out.backup);
  fields.get("max_connections", out.max_connections);
  if (fields.error()) return *fields.error();
  const auto server = config::read_server(
      {.name = out.server, .address = out.address, .weight = out.weight, .max_connections = out.max_connections, .backup = out.backup});
  if (!server) return server.error();
  return Command{std::move(out)};
}

Result<Command> kill_connections(JsonFields& fields) {
  KillConnections out;
  bool all = false;
  fields.get("pool", out.filter.pool);
  fields.get("server", out.filter.server);
  fields.get("client", out.filter.client);
  fields.get("listener", out.filter.listener);
  fields.get("id", out.filter.id);
  fields.get("all", all);
  if (fields.error()) return *fields.error();
  if (is_empty(out.filter) != all) {
    return Error{Errc::kInvalidArgument, all ? "all: true beside a filter; give one of them"
                                             : "no filter: give pool, server, client, listener or id, or \"all\": true"};
  }
  return Command{std::move(out)};
}

Result<Command> record_drill(JsonFields& fields, const Parameters& parameters) {
  DrillResult out;
  out.name = at(parameters, "drill");
  fields.get("passed", out.passed);
  fields.get("outage_ms", out.outage_ms);
  if (double bound = 0; fields.has_value("bound_ms")) {
    fields.get("bound_ms", bound);
    out.bound_ms = bound;
  }
  fields.get("vip", out.vip);
  fields.get("problem", out.problem);
  for (const std::string_view key : {"passed", "outage_ms"}) {
    if (!fields.has(key)) return Error{Errc::kInvalidArgument, std::string(key) + ": is missing"};
  }
  return Command{RecordDrill{std::move(out)}};
}

Result<Command> release_lease(JsonFields& fields) {
  std::string text;
  ReleaseLease out;
  fields.get("address", text);
  fields.get("force", out.force);
  if (fields.error()) return *fields.error();
  if (!fields.has("address")) return Error{Errc::kInvalidArgument, "address: is missing"};
  const auto address = parse_ip_address(text);
  if (!address) return Error{Errc::kInvalidArgument, "address: " + address.error().context};
  out.address = *address;
  return Command{out};
}

/// Goes into a log line, and is compared with another one.
Result<std::string> session_of(JsonFields& fields) {
  std::string session;
  fields.get("session", session);
  if (session.size() > kSessionBytesMax)
    return Error{Errc::kInvalidArgument, "session: longer than " + std::to_string(kSessionBytesMax) + " bytes"};
  for (const char c : session) {
    if (static_cast<unsigned char>(c) < 0x20U || c == 0x7F) return Error{Errc::kInvalidArgument, "session: has a control character"};
  }
  return session;
}

Result<Command> read_router_command(ApiCall call, JsonFields& fields) {
  auto session = session_of(fields);
  if (!session) return session.error();
  if (call == ApiCall::kConfirmRouter) return Command{ConfirmRouter{std::move(*session)}};
  ApplyRouter out{false, std::move(*session)};
  fields.get("yes", out.yes);
  return Command{std::move(out)};
}

Result<Command> read_cluster_command(ApiCall call, const Parameters& parameters, JsonFields& fields) {
  const std::string vip = at(parameters, "vip");
  const std::string node = at(parameters, "node");
  switch (call) {
    case ApiCall::kMoveVip: {
      MoveVip out{vip, {}};
      std::string drain;
      fields.get("to", out.to);
      fields.get("drain", drain);
      if (!fields.has("drain") || fields.error()) return Command{std::move(out)};
      const auto parsed = parse_drain(drain);
      if (!parsed) return Error{Errc::kInvalidArgument, "drain: " + parsed.error().context};
      out.drain = *parsed;
      return Command{std::move(out)};
    }
    case ApiCall::kEnableVip: return Command{SetVipEnabled{vip, true}};
    case ApiCall::kDisableVip: return Command{SetVipEnabled{vip, false}};
    case ApiCall::kAnnounceVip: return Command{AnnounceVip{vip}};
    case ApiCall::kForceVip: {
      ForceVip out{vip, {}};
      fields.get("fenced", out.fenced);
      if (!fields.has("fenced")) return Error{Errc::kInvalidArgument, "fenced: is missing (the nodes that are switched off)"};
      return Command{std::move(out)};
    }
    case ApiCall::kNodeStandby: {
      SetNodeStandby out{node, true, false};
      fields.get("force", out.force);
      return Command{std::move(out)};
    }
    case ApiCall::kNodeOnline: return Command{SetNodeStandby{node, false, false}};
    case ApiCall::kRecordDrill: return record_drill(fields, parameters);
    case ApiCall::kRunDrill: {
      RunDrill out{at(parameters, "drill"), {}};
      fields.get("vip", out.vip);
      return Command{std::move(out)};
    }
    case ApiCall::kApplyRouter:
    case ApiCall::kConfirmRouter: return read_router_command(call, fields);
    case ApiCall::kFreezeCluster: return Command{SetClusterFrozen{true}};
    case ApiCall::kUnfreezeCluster: return Command{SetClusterFrozen{false}};
    case ApiCall::kReleaseLease: return release_lease(fields);
    default: return Error{Errc::kUnsupported, "this call changes nothing"};
  }
}

Result<Command> read_command(ApiCall call, const Parameters& parameters, JsonFields& fields) {
  const std::string pool = at(parameters, "pool");
  const std::string server = at(parameters, "server");
  switch (call) {
    case ApiCall::kReload: {
      Reload out;
      fields.get("dry_run", out.dry_run);
      return Command{out};
    }
    case ApiCall::kSetServerState: {
      std::string state;
      bool force = false;
      fields.get("state", state);
      fields.get("force", force);
      if (fields.error()) return *fields.error();
      const auto parsed = parse_admin_state(state);
      if (!parsed) return Error{Errc::kInvalidArgument, "state: " + parsed.error().context};
      return Command{SetServerState{pool, server, *parsed, force}};
    }
    case ApiCall::kSetServerWeight: {
      SetServerWeight out{pool, server};
      fields.get("weight", out.weight);
      fields.get("force", out.force);
      if (!fields.has("weight")) return Error{Errc::kInvalidArgument, "weight: is missing"};
      if (out.weight > kWeightMax) return Error{Errc::kInvalidArgument, "weight: above " + std::to_string(kWeightMax)};
      return Command{std::move(out)};
    }
    case ApiCall::kAddServer: return add_server(fields, parameters);
    case ApiCall::kRemoveServer: {
      RemoveServer out{pool, server};
      fields.get("force", out.force);
      return Command{std::move(out)};
    }
    case ApiCall::kEnableListener: return Command{SetListenerEnabled{at(parameters, "listener"), true}};
    case ApiCall::kDisableListener: return Command{SetListenerEnabled{at(parameters, "listener"), false}};
    case ApiCall::kKillConnections: return kill_connections(fields);
    default: return read_cluster_command(call, parameters, fields);
  }
}

CommandCall call_of(std::string_view method, std::string target, const json::object& body) {
  return {std::string(method), std::move(target), body.empty() ? std::string() : json_text(body)};
}

json::object with_force(json::object body, bool force) {
  if (force) body["force"] = true;
  return body;
}

std::string vip_target(const std::string& vip) { return "/api/v1/vips/" + percent_encode(vip); }

std::string server_target(const std::string& pool, const std::string& server) {
  return "/api/v1/servers/" + percent_encode(pool) + "/" + percent_encode(server);
}

}  // namespace

std::string_view to_string(AdminState state) { return kAdminStates[static_cast<std::size_t>(state)]; }

Result<AdminState> parse_admin_state(std::string_view value) {
  for (std::size_t i = 0; i < kAdminStates.size(); ++i) {
    if (kAdminStates[i] == value) return static_cast<AdminState>(i);
  }
  return Error{Errc::kInvalidArgument, "'" + std::string(value) + "' is not ready, drain or maint"};
}

Result<Duration> parse_drain(std::string_view text) {
  const auto drain = parse_duration(text);
  if (!drain) return drain.error();
  if (*drain <= Duration::zero() || *drain > kDrainMax)
    return Error{Errc::kInvalidArgument, "'" + std::string(text) + "' is not above 0 and at most " + format_duration(kDrainMax)};
  return *drain;
}

bool is_empty(const ConnectionFilter& f) {
  return f.pool.empty() && f.server.empty() && f.client.empty() && f.listener.empty() && f.id.empty();
}

Result<Command> decode_command(ApiCall call, const Parameters& parameters, std::string_view body) {
  for (const auto& [key, value] : parameters) {
    if (auto checked = check_name(key, value); !checked) return checked.error();
  }
  json::value document = json::object{};
  if (!body.empty()) {
    auto parsed = parse_json(body);
    if (!parsed) return parsed.error();
    document = std::move(*parsed);
  }
  std::optional<Error> error;
  JsonFields fields(document, "", error);
  auto command = read_command(call, parameters, fields);
  // A misspelt key explains a missing one, so it is reported first.
  fields.refuse_unknown();
  if (error) return *error;
  return command;
}

CommandCall encode_command(const Command& command) {
  return std::visit(
      Overloaded{
          [](const Reload& c) {
            return call_of("POST", "/api/v1/reload", json::object{{"dry_run", c.dry_run}});
          },
          [](const SetServerState& c) {
            return call_of("POST", server_target(c.pool, c.server) + "/state",
                           with_force({{"state", json_string(to_string(c.state))}}, c.force));
          },
          [](const SetServerWeight& c) {
            return call_of("PUT", server_target(c.pool, c.server) + "/weight", with_force({{"weight", c.weight}}, c.force));
          },
          [](const AddServer& c) {
            return call_of("POST", "/api/v1/pools/" + percent_encode(c.pool) + "/servers",
                           json::object{{"name", json_string(c.server)},
                                        {"address", json_string(c.address)},
                                        {"weight", c.weight},
                                        {"backup", c.backup},
                                        {"max_connections", c.max_connections}});
          },
          [](const RemoveServer& c) { return call_of("DELETE", server_target(c.pool, c.server), with_force({}, c.force)); },
          [](const SetListenerEnabled& c) {
            return call_of("POST", "/api/v1/listeners/" + percent_encode(c.listener) + (c.enabled ? "/enable" : "/disable"), {});
          },
          [](const KillConnections& c) {
            json::object body;
            if (is_empty(c.filter)) body["all"] = true;
            if (!c.filter.pool.empty()) body["pool"] = json_string(c.filter.pool);
            if (!c.filter.server.empty()) body["server"] = json_string(c.filter.server);
            if (!c.filter.client.empty()) body["client"] = json_string(c.filter.client);
            if (!c.filter.listener.empty()) body["listener"] = json_string(c.filter.listener);
            if (!c.filter.id.empty()) body["id"] = json_string(c.filter.id);
            return call_of("POST", "/api/v1/connections/kill", body);
          },
          [](const MoveVip& c) {
            json::object body;
            if (!c.to.empty()) body["to"] = json_string(c.to);
            if (c.drain > Duration::zero()) body["drain"] = json_string(format_duration(c.drain));
            return call_of("POST", vip_target(c.vip) + "/move", body);
          },
          [](const SetVipEnabled& c) { return call_of("POST", vip_target(c.vip) + (c.enabled ? "/enable" : "/disable"), {}); },
          [](const AnnounceVip& c) { return call_of("POST", vip_target(c.vip) + "/announce", {}); },
          [](const ForceVip& c) {
            json::array fenced;
            for (const auto& node : c.fenced) fenced.emplace_back(json_string(node));
            return call_of("POST", vip_target(c.vip) + "/force", json::object{{"fenced", std::move(fenced)}});
          },
          [](const SetNodeStandby& c) {
            return call_of("POST", "/api/v1/nodes/" + percent_encode(c.node) + (c.standby ? "/standby" : "/online"),
                           with_force({}, c.force));
          },
          [](const RunDrill& c) {
            return call_of("POST", "/api/v1/drills/" + percent_encode(c.name),
                           c.vip.empty() ? json::object{} : json::object{{"vip", json_string(c.vip)}});
          },
          [](const RecordDrill& c) {
            json::object body{{"passed", c.result.passed}, {"outage_ms", c.result.outage_ms}};
            if (c.result.bound_ms) body["bound_ms"] = *c.result.bound_ms;
            if (!c.result.vip.empty()) body["vip"] = json_string(c.result.vip);
            if (!c.result.problem.empty()) body["problem"] = json_string(c.result.problem);
            return call_of("PUT", "/api/v1/drills/" + percent_encode(c.result.name) + "/result", body);
          },
          [](const ApplyRouter& c) {
            json::object body;
            if (c.yes) body["yes"] = true;
            if (!c.session.empty()) body["session"] = json_string(c.session);
            return call_of("POST", "/api/v1/router/apply", body);
          },
          [](const ConfirmRouter& c) {
            return call_of("POST", "/api/v1/router/confirm",
                           c.session.empty() ? json::object{} : json::object{{"session", json_string(c.session)}});
          },
          [](const SetClusterFrozen& c) {
            return call_of("POST", std::string("/api/v1/cluster/") + (c.frozen ? "freeze" : "unfreeze"), {});
          },
          [](const ReleaseLease& c) {
            return call_of("POST", "/api/v1/dhcp/release", with_force({{"address", json_string(c.address.to_string())}}, c.force));
          },
      },
      command);
}

std::string describe(const ConnectionFilter& f) {
  std::string out;
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out += (out.empty() ? "" : " ") + std::string(key) + "=" + value;
  };
  add("pool", f.pool);
  add("server", f.server);
  add("client", f.client);
  add("listener", f.listener);
  add("id", f.id);
  return out.empty() ? "all" : out;
}

std::string describe(const Command& command) {
  return std::visit(
      Overloaded{
          [](const Reload& c) { return std::string(c.dry_run ? "reload dry_run" : "reload"); },
          [](const SetServerState& c) {
            return "server " + c.pool + "/" + c.server + " state " + std::string(to_string(c.state)) + (c.force ? " force" : "");
          },
          [](const SetServerWeight& c) {
            return "server " + c.pool + "/" + c.server + " weight " + std::to_string(c.weight) + (c.force ? " force" : "");
          },
          [](const AddServer& c) { return "server " + c.pool + "/" + c.server + " add " + c.address; },
          [](const RemoveServer& c) { return "server " + c.pool + "/" + c.server + " remove" + (c.force ? " force" : ""); },
          [](const SetListenerEnabled& c) { return "listener " + c.listener + (c.enabled ? " enable" : " disable"); },
          [](const KillConnections& c) { return "connections kill " + describe(c.filter); },
          [](const MoveVip& c) {
            return "vip " + c.vip + " move" + (c.to.empty() ? "" : " to " + c.to) +
                   (c.drain == Duration::zero() ? "" : " drain " + format_duration(c.drain));
          },
          [](const SetVipEnabled& c) { return "vip " + c.vip + (c.enabled ? " enable" : " disable"); },
          [](const AnnounceVip& c) { return "vip " + c.vip + " announce"; },
          [](const ForceVip& c) {
            std::string out = "vip " + c.vip + " force, fenced:";
            for (const auto& node : c.fenced) out += " " + node;
            return out;
          },
          [](const SetNodeStandby& c) { return "node " + c.node + (c.standby ? " standby" : " online") + (c.force ? " force" : ""); },
          [](const RunDrill& c) { return "drill " + c.name + (c.vip.empty() ? "" : " vip " + c.vip); },
          [](const RecordDrill& c) { return "drill " + c.result.name + " result " + (c.result.passed ? "passed" : "failed"); },
          [](const ApplyRouter& c) { return std::string(c.yes ? "router apply yes" : "router apply"); },
          [](const ConfirmRouter&) { return std::string("router apply confirm"); },
          [](const SetClusterFrozen& c) { return std::string(c.frozen ? "cluster freeze" : "cluster unfreeze"); },
          [](const ReleaseLease& c) { return "dhcp release " + c.address.to_string() + (c.force ? " force" : ""); },
      },
      command);
}

}  // namespace fairlead::admin
