#include "admin/api_dispatcher.h"

#include <algorithm>
#include <charconv>

#include "admin/api_document.h"
#include "admin/api_problem.h"
#include "admin/command_codec.h"
#include "admin/dhcp_codec.h"
#include "admin/router_codec.h"
#include "admin/status_codec.h"
#include "admin/web_assets.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "config/load.h"
#include "generated/version.h"

namespace fairlead::admin {
namespace {

constexpr std::size_t kListedDefault = 1000;
constexpr std::size_t kListedMax = 10000;
constexpr std::size_t kTargetLogged = 200;
constexpr std::string_view kOtherSite = "a page of another site";  // In events; not the name a stranger gave it.

std::string parameter(const ApiTarget& target, const std::string& key) {
  const auto found = target.query.find(key);
  return found == target.query.end() ? std::string() : found->second;
}

Result<std::uint64_t> number(const ApiTarget& target, const std::string& key, std::uint64_t fallback) {
  const std::string text = parameter(target, key);
  if (text.empty()) return fallback;
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size())
    return Error{Errc::kInvalidArgument, "query " + key + ": '" + text + "' is not a number"};
  return value;
}

Result<std::size_t> listed(const ApiTarget& target) {
  const auto limit = number(target, "limit", kListedDefault);
  if (!limit) return limit.error();
  if (*limit == 0 || *limit > kListedMax) return Error{Errc::kInvalidArgument, "query limit: 1 to " + std::to_string(kListedMax)};
  return static_cast<std::size_t>(*limit);
}

/// A misspelt filter would list or close more than was meant.
Status check_query(const ApiRoute& route, const ApiTarget& target) {
  const std::string known = " " + std::string(route.query) + " ";
  for (const auto& [key, value] : target.query) {
    if (key.find(' ') != std::string::npos || known.find(" " + key + " ") == std::string::npos) {
      return Error{Errc::kInvalidArgument,
                   "query " + key + ": unknown (known here: " + (route.query.empty() ? "none" : std::string(route.query)) + ")"};
    }
  }
  return {};
}

/// Probes add what they like to these ("/livez?verbose", "/readyz?exclude=..."), and Prometheus has its `params`.
bool takes_any_query(ApiCall call) { return call == ApiCall::kLivez || call == ApiCall::kReadyz || call == ApiCall::kMetrics; }

/// The name a browser was sent to, of "gate-1.kube.demo:9440" or "[::1]:9440".
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.rfind(':'));
}

/// A page whose own name was made to point here reads and, over a forwarded unix socket, changes as its visitor. Over TLS the certificate's
/// name is in the way of that; without TLS we answer only to names that no stranger's name server can give out.
Status check_host(const ApiRequest& request) {
  const std::string_view name = host_name(request.host);
  const bool local = name.find('.') == std::string_view::npos || name.ends_with(".localhost") || parse_ip_address(name);
  if (request.tls || local) return {};
  return Error{Errc::kPermission, "Host '" + request.host +
                                      "': without TLS this API answers to localhost, addresses and names without a dot only; " +
                                      "use http://localhost:PORT (a reverse proxy in front sends Host: localhost)"};
}

/// Served to browsers: nothing but our own files is run, shown or talked to, and nobody shows us inside his page.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

ApiResponse asset_response(const WebAsset& asset, const std::string& if_none_match) {
  ApiResponse out{200, std::string(asset.content_type), "", ""};
  out.cache_control = "no-cache";
  out.headers = {{"ETag", std::string(asset.etag)},
                 {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                 {"Referrer-Policy", "no-referrer"},
                 {"Cross-Origin-Opener-Policy", "same-origin"},
                 {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (etag_matches(if_none_match, asset.etag))
    out.status = 304;
  else
    out.body = asset.body;
  return out;
}

/// 16 bytes in base64 (RFC 6455 4.1): 22 digits and "==".
bool is_websocket_key(std::string_view key) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return key.size() == 24 && key.ends_with("==") && key.find_first_not_of(kDigits) == 22;
}

ApiResponse plain(unsigned status, std::string body) { return {status, "text/plain; charset=utf-8", std::move(body), ""}; }

ApiResponse readiness(const NodeReport& report, const ApiTarget& target) {
  const unsigned status = report.ready ? 200 : 503;
  if (target.query.contains("verbose")) return {status, "application/json", encode_readiness(report), ""};
  if (report.ready) return plain(200, "ok\n");
  std::string body = "not ready\n";
  for (const auto& reason : report.ready_reasons) {
    if (!reason.ok) body += reason.what + ": " + reason.detail + "\n";
  }
  return plain(status, std::move(body));
}

/// Requests that a web page makes its visitor's browser send, with the visitor's certificate.
Status check_origin(const ApiRequest& request) {
  if (request.origin.empty()) return {};
  const auto scheme = request.origin.find("://");
  if (scheme != std::string::npos && request.origin.substr(scheme + 3) == request.host) return {};
  return Error{Errc::kPermission, "a page of another site (" + request.origin + ") may neither change nor watch anything here"};
}

Status check_content_type(const ApiRequest& request) {
  if (request.body.empty()) return {};
  const std::string type = request.content_type.substr(0, request.content_type.find(';'));
  if (type == "application/json") return {};
  return Error{Errc::kInvalidArgument, "the body is '" + request.content_type + "'; send Content-Type: application/json"};
}

/// Of the active configuration and of the Corosync that runs.
DrillTimes drill_times(const NodePort& node) {
  DrillTimes out;
  const auto loaded = config::load_text(node.config_yaml(), "the active configuration", config::Environment{});
  const config::Snapshot defaults;
  const config::Snapshot& active = loaded.snapshot ? *loaded.snapshot : defaults;
  out.hang = active.guard.hang;
  out.lease = active.vips.empty() ? config::Vip{}.lease : Duration{};
  for (const auto& vip : active.vips) out.lease = std::max(out.lease, vip.lease);
  if (active.cluster) out.start = active.cluster->start_wait;
  const auto report = node.report();
  if (report != nullptr && report->cluster && report->cluster->token_ms != 0)
    out.ring = std::chrono::milliseconds(report->cluster->token_ms + report->cluster->consensus_ms);
  return out;
}

Error no_dhcp() {
  return {Errc::kNotFound,
          "no dnsdhcp is in the configuration of this node: it serves neither DNS nor DHCP; `fairlead explain dnsdhcp` tells "
          "what to write"};
}

/// The network that a query names; empty: all of them. A misspelt one would look like one without leases.
Result<std::string> network_of(const DhcpStatus& dhcp, const ApiTarget& target) {
  std::string wanted = parameter(target, "network");
  std::string known;
  for (const auto& network : dhcp.networks) {
    if (network.name == wanted) return wanted;
    known += (known.empty() ? "" : ", ") + network.name;
  }
  if (wanted.empty()) return wanted;
  return Error{Errc::kNotFound, "no network '" + wanted + "' (there are: " + (known.empty() ? std::string("none") : known) + ")"};
}

Result<LeaseFilter> lease_filter(const DhcpStatus& dhcp, const ApiTarget& target) {
  LeaseFilter out;
  auto network = network_of(dhcp, target);
  if (!network) return network.error();
  out.network = std::move(*network);
  out.name = parameter(target, "name");
  if (const std::string text = parameter(target, "mac"); !text.empty()) {
    const auto mac = parse_mac_address(text);
    if (!mac) return Error{Errc::kInvalidArgument, "query mac: " + mac.error().context};
    out.mac = *mac;
  }
  if (const std::string text = parameter(target, "address"); !text.empty()) {
    const auto address = parse_ip_address(text);
    if (!address) return Error{Errc::kInvalidArgument, "query address: " + address.error().context};
    out.address = *address;
  }
  const std::string released = parameter(target, "released");
  if (!released.empty() && released != "true" && released != "false")
    return Error{Errc::kInvalidArgument, "query released: '" + released + "' is not true or false"};
  out.released = released == "true";
  return out;
}

template <class T>
void audit(const std::string& what, const std::string& who, const Result<T>& result) {
  std::string outcome = "done";
  if (!result) outcome = std::string(to_string(result.error().code)) + ": " + result.error().message();
  FL_LOG(COMMAND_DONE, "command", what, "by", who, "result", outcome);
}

}  // namespace

ApiResponse problem_response(const Error& error, unsigned status) {
  return {status == 0 ? http_status_of(error.code) : status, std::string(kProblemType), encode_problem(error, status), ""};
}

Duration ApiDispatcher::handle(const ApiRequest& request, Respond respond) {
  const auto target = parse_api_target(request.target);
  const auto at_once = [&](ApiResponse response) {
    respond(std::move(response));
    return Duration::zero();
  };
  if (!target) return at_once(problem_response(target.error()));
  const auto answer = find_route(request.method, *target);
  if (std::holds_alternative<RouteUnknown>(answer)) {
    return at_once(problem_response(Error{Errc::kNotFound, "no such path (the paths there are: /openapi.json)"}));
  }
  if (const auto* other = std::get_if<RouteMethodNotAllowed>(&answer)) {
    auto response = problem_response(Error{Errc::kUnsupported, request.method + " is not for this path; use " + other->allow}, 405);
    response.allow = other->allow;
    return at_once(std::move(response));
  }
  const auto& match = std::get<RouteMatch>(answer);
  if (!takes_any_query(match.route->call)) {
    if (const auto checked = check_query(*match.route, *target); !checked) return at_once(problem_response(checked.error()));
  }
  if (!takes_any_query(match.route->call)) {
    if (const auto checked = check_host(request); !checked)
      return at_once(refuse(match, request, "Host of another site", checked.error(), 421));
  }
  if (match.route->call == ApiCall::kAsset)
    return at_once(asset_response(*find_web_asset("/" + target->segments.front()), request.if_none_match));
  if (match.route->call == ApiCall::kWatch) return at_once(watch(match, request, *target));
  if (match.route->role == ApiRole::kOperate && request.caller.role != ApiRole::kOperate) {
    return at_once(
        refuse(match, request, "no operator",
               Error{Errc::kPermission,
                     request.caller.name +
                         " is not an operator. Over the unix socket root and the members of group fairlead are; over TLS the names "
                         "in admin.operators; plain HTTP only reads"}));
  }
  if (match.route->call == ApiCall::kBlackbox) return at_once(blackbox(request.caller.name));
  if (match.route->role == ApiRole::kOperate) return change(match, request, std::move(respond));
  if (match.route->call == ApiCall::kConnections) {
    list_connections(*target, std::move(respond));
    return Duration::zero();
  }
  if (match.route->call == ApiCall::kDhcpLeases) {
    list_leases(*target, std::move(respond));
    return Duration::zero();
  }
  if (match.route->call == ApiCall::kRouter) {
    node_.router([respond = std::move(respond)](const Result<RouterReport>& report) {
      if (!report) return respond(problem_response(report.error()));
      respond({200, "application/json", encode_router(*report), ""});
    });
    return Duration::zero();
  }
  return at_once(read(match, *target));
}

ApiResponse ApiDispatcher::read(const RouteMatch& match, const ApiTarget& target) const {
  const ApiCall call = match.route->call;
  if (call == ApiCall::kLivez) return plain(200, "ok\n");
  if (call == ApiCall::kOpenApi) return {200, "application/json", openapi_json(kVersion), ""};
  if (call == ApiCall::kConfig) return {200, "application/yaml", node_.config_yaml(), ""};
  if (call == ApiCall::kDrills) {
    const auto report = node_.report();
    return {200, "application/json", encode_drills(drill_times(node_), report == nullptr ? std::vector<DrillResult>{} : report->drills),
            ""};
  }
  if (call == ApiCall::kEvents) {
    const auto after = number(target, "after", 0);
    const auto limit = listed(target);
    if (!after) return problem_response(after.error());
    if (!limit) return problem_response(limit.error());
    return {200, "application/json", encode_events({node_.events(*after, *limit), node_.event_stream()}, *after), ""};
  }
  const auto report = node_.report();
  if (report == nullptr) return problem_response(Error{Errc::kUnavailable, "the daemon is starting; ask again"});
  switch (call) {
    case ApiCall::kReadyz: return readiness(*report, target);
    case ApiCall::kMetrics: return {200, std::string(kMetricsType), render_metrics(*report, counters_, read_process_stats()), ""};
    case ApiCall::kStatus: return {200, "application/json", encode_status(*report), ""};
    case ApiCall::kListeners: return {200, "application/json", encode_listeners(*report), ""};
    case ApiCall::kPools: return {200, "application/json", encode_pools(*report), ""};
    case ApiCall::kServers: return {200, "application/json", encode_servers(*report), ""};
    case ApiCall::kVips: return {200, "application/json", encode_vips(*report), ""};
    case ApiCall::kNodes: return {200, "application/json", encode_nodes(*report), ""};
    case ApiCall::kDns:
      return report->dhcp ? ApiResponse{200, "application/json", encode_dns(*report->dhcp), ""} : problem_response(no_dhcp());
    case ApiCall::kDhcpReservations: return report->dhcp ? list_reservations(*report->dhcp, target) : problem_response(no_dhcp());
    default: return problem_response(Error{Errc::kUnsupported, "this call is not in this version"});
  }
}

/// What it holds is for operators: it names who asked for what.
ApiResponse ApiDispatcher::blackbox(const std::string& who) const {
  auto file = node_.blackbox();
  audit("read the flight recorder", who, file);
  if (!file) return problem_response(file.error());
  return {200, "application/octet-stream", std::move(*file), ""};
}

/// Somebody who may not, or a browser sent by somebody who may not: the audit trail has it. Whoever only reads, under a name we do not
/// answer to, is told and no more.
ApiResponse ApiDispatcher::refuse(const RouteMatch& match, const ApiRequest& request, std::string_view why, const Error& error,
                                  unsigned status) {
  if (match.route->role == ApiRole::kOperate || match.route->call == ApiCall::kWatch)
    refusals_.refused(request.caller, std::string(match.route->method) + " " + std::string(match.route->pattern),
                      request.method + " " + request.target.substr(0, std::min(request.target.find('?'), kTargetLogged)), why);
  return problem_response(error, status);
}

ApiResponse ApiDispatcher::watch(const RouteMatch& match, const ApiRequest& request, const ApiTarget& target) {
  const auto asked = parse_watch_request(target);
  if (!asked) return problem_response(asked.error());
  const auto upgrade_to = [](const std::string& what) {
    auto out = problem_response(Error{Errc::kInvalidArgument, what}, 426);
    out.headers = {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}};
    return out;
  };
  if (!request.websocket) return upgrade_to("this path is a WebSocket (RFC 6455); /api/v1/status and /api/v1/events answer once");
  if (request.websocket_version != "13") return upgrade_to("Sec-WebSocket-Version: '" + request.websocket_version + "'; 13 is known here");
  if (!is_websocket_key(request.websocket_key))
    return problem_response(Error{Errc::kInvalidArgument, "Sec-WebSocket-Key is missing or not 16 bytes in base64"});
  if (!request.body.empty()) return problem_response(Error{Errc::kInvalidArgument, "a WebSocket's handshake has no body"});
  if (const auto checked = check_origin(request); !checked) return refuse(match, request, kOtherSite, checked.error());
  if (node_.report() == nullptr) return problem_response(Error{Errc::kUnavailable, "the daemon is starting; ask again"});
  ApiResponse out{101, "", "", ""};
  out.watch = *asked;
  return out;
}

ApiResponse too_many_lists() {
  return problem_response(
      Error{Errc::kUnavailable, "lists that were asked for wait for clients to take them: try again, with a filter or a smaller limit"});
}

void ApiDispatcher::list_connections(const ApiTarget& target, Respond respond) {
  if (counters_.answer_bytes > kAnswerBytesMax) return respond(too_many_lists());
  const auto limit = listed(target);
  if (!limit) return respond(problem_response(limit.error()));
  ConnectionFilter filter{.pool = parameter(target, "pool"),
                          .server = parameter(target, "server"),
                          .client = parameter(target, "client"),
                          .listener = parameter(target, "listener"),
                          .id = parameter(target, "id")};
  node_.connections(std::move(filter), *limit, [respond = std::move(respond), limit = *limit](Result<LateConnections> result) {
    if (!result) return respond(problem_response(result.error()));
    respond({200, "application/json", "", "", [list = std::move(*result), limit] { return encode_connections(list(), limit); }});
  });
}

/// Of the configuration that is active, where they stand whether dnsmasq runs or not.
ApiResponse ApiDispatcher::list_reservations(const DhcpStatus& dhcp, const ApiTarget& target) const {
  const auto network = network_of(dhcp, target);
  if (!network) return problem_response(network.error());
  const auto loaded = config::load_text(node_.config_yaml(), "the active configuration", config::Environment{});
  if (!loaded.snapshot || !loaded.snapshot->dnsdhcp)
    return problem_response(Error{Errc::kUnavailable, "the configuration is just changing; ask again"});
  return {200, "application/json", encode_reservations(reservations_of(*loaded.snapshot->dnsdhcp, *network)), ""};
}

void ApiDispatcher::list_leases(const ApiTarget& target, Respond respond) {
  if (counters_.answer_bytes > kAnswerBytesMax) return respond(too_many_lists());
  const auto limit = listed(target);
  if (!limit) return respond(problem_response(limit.error()));
  const auto report = node_.report();
  if (report == nullptr) return respond(problem_response(Error{Errc::kUnavailable, "the daemon is starting; ask again"}));
  if (!report->dhcp) return respond(problem_response(no_dhcp()));
  auto filter = lease_filter(*report->dhcp, target);
  if (!filter) return respond(problem_response(filter.error()));
  node_.leases(std::move(*filter), *limit, [respond = std::move(respond), limit = *limit](Result<LateLeases> result) {
    if (!result) return respond(problem_response(result.error()));
    respond({200, "application/json", "", "", [list = std::move(*result), limit] { return encode_leases(list(), limit); }});
  });
}

Duration ApiDispatcher::change(const RouteMatch& match, const ApiRequest& request, Respond respond) {
  const auto at_once = [&](ApiResponse response) {
    respond(std::move(response));
    return Duration::zero();
  };
  if (const auto checked = check_origin(request); !checked) return at_once(refuse(match, request, kOtherSite, checked.error()));
  if (const auto checked = check_content_type(request); !checked) return at_once(problem_response(checked.error(), 415));
  auto command = decode_command(match.route->call, match.parameters, request.body);
  if (!command) return at_once(problem_response(command.error()));
  if (std::holds_alternative<ReleaseLease>(*command)) {
    const auto report = node_.report();
    if (report == nullptr || !report->dhcp) return at_once(problem_response(no_dhcp()));
  }
  const auto* move = std::get_if<MoveVip>(&*command);
  const Duration takes = move == nullptr ? Duration::zero() : move->drain;
  std::string what = describe(*command);
  node_.execute(std::move(*command), Actor{request.caller.name},
                [respond = std::move(respond), what = std::move(what), who = request.caller.name](Result<CommandResult> result) {
                  audit(what, who, result);
                  if (!result) return respond(problem_response(result.error()));
                  respond({200, "application/json", encode_result(*result), ""});
                });
  return takes;
}

}  // namespace fairlead::admin
