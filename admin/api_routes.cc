// fairlead: pure
#include "admin/api_routes.h"

#include <algorithm>
#include <array>
#include <optional>

#include "admin/web_assets.h"

namespace fairlead::admin {
namespace {

constexpr auto kRead = ApiRole::kRead;
constexpr auto kOperate = ApiRole::kOperate;

constexpr std::array kRoutes{
    ApiRoute{ApiCall::kLivez, "GET", "/livez", kRead, "200 while the process answers", "", ""},
    ApiRoute{ApiCall::kReadyz, "GET", "/readyz", kRead,
             "200 when a listener accepts and a server is up, else 503; with ?verbose the reasons as JSON", "verbose", ""},
    ApiRoute{ApiCall::kMetrics, "GET", "/metrics", kRead, "Metrics in Prometheus' text format (docs/reference/metrics.md)", "", ""},
    ApiRoute{ApiCall::kOpenApi, "GET", "/openapi.json", kRead, "This table as OpenAPI 3.1", "", ""},
    ApiRoute{ApiCall::kStatus, "GET", "/api/v1/status", kRead,
             "The whole node: engine, readiness, VIPs, listeners, pools, servers, workers", "", ""},
    ApiRoute{ApiCall::kListeners, "GET", "/api/v1/listeners", kRead, "Listeners with their counters", "", ""},
    ApiRoute{ApiCall::kPools, "GET", "/api/v1/pools", kRead, "Pools with their servers", "", ""},
    ApiRoute{ApiCall::kServers, "GET", "/api/v1/servers", kRead, "Servers of all pools in one list", "", ""},
    ApiRoute{ApiCall::kVips, "GET", "/api/v1/vips", kRead, "Virtual IPs: state, holder, and which nodes could hold them", "", ""},
    ApiRoute{ApiCall::kNodes, "GET", "/api/v1/nodes", kRead, "The cluster's nodes, quorum and timing; without a cluster this node alone",
             "", ""},
    ApiRoute{
        ApiCall::kDrills, "GET", "/api/v1/drills", kRead,
        "The list of drills: what each does, where it can be run, what is promised (bound_ms: with this site's times), how it went last",
        "", ""},
    ApiRoute{ApiCall::kConnections, "GET", "/api/v1/connections", kRead,
             "Open connections, filtered; at most limit (1000; 10000 at the most); silent_workers lists those that did not answer",
             "pool server client listener id limit", ""},
    ApiRoute{ApiCall::kEvents, "GET", "/api/v1/events", kRead,
             "Events of the in-memory ring after a sequence number, oldest first; `newest` is the last there is, and `life` another one "
             "with every start of the daemon, which counts from 1 again",
             "after limit", ""},
    ApiRoute{
        ApiCall::kWatch, "GET", "/api/v1/watch", kRead,
        "A WebSocket: the status now, every interval (1s; 250ms to 60s) and when something changed, and each new event, with after from "
        "an earlier one on",
        "interval after", ""},
    ApiRoute{ApiCall::kConfig, "GET", "/api/v1/config", kRead, "The active configuration as YAML", "", ""},
    ApiRoute{
        ApiCall::kRouter, "GET", "/api/v1/router", kRead,
        "The router's rules in force as nft lists them, those of the active configuration, whether they are on trial, and what conntrackd "
        "does where the configuration has router.sync",
        "", ""},
    ApiRoute{ApiCall::kBlackbox, "GET", "/api/v1/blackbox", kOperate,
             "The flight recorder: the last minutes of everything, as a file for `fairlead blackbox FILE` or qb-blackbox", "", ""},
    ApiRoute{ApiCall::kReload, "POST", "/api/v1/reload", kOperate,
             "Reads the configuration file again; with dry_run only says what would change", "", "dry_run"},
    ApiRoute{ApiCall::kSetServerState, "POST", "/api/v1/servers/{pool}/{server}/state", kOperate,
             "ready, drain (no new connections) or maint (also closes the open ones); the last server of a pool only with force", "",
             "state* force"},
    ApiRoute{ApiCall::kSetServerWeight, "PUT", "/api/v1/servers/{pool}/{server}/weight", kOperate,
             "Sets the weight at run time, 0 to 1000; 0 for the last server of a pool only with force", "", "weight* force"},
    ApiRoute{ApiCall::kAddServer, "POST", "/api/v1/pools/{pool}/servers", kOperate,
             "Adds a server at run time; survives a reload, not a restart", "", "name* address* weight backup max_connections"},
    ApiRoute{ApiCall::kRemoveServer, "DELETE", "/api/v1/servers/{pool}/{server}", kOperate,
             "Removes a server at run time; its connections drain; the last one of a pool only with force", "", "force"},
    ApiRoute{ApiCall::kEnableListener, "POST", "/api/v1/listeners/{listener}/enable", kOperate, "Accepts connections again", "", ""},
    ApiRoute{ApiCall::kDisableListener, "POST", "/api/v1/listeners/{listener}/disable", kOperate, "Stops accepting; open connections go on",
             "", ""},
    ApiRoute{ApiCall::kKillConnections, "POST", "/api/v1/connections/kill", kOperate,
             "Closes the connections that match all keys given; all: true when none is", "", "pool server client listener id all"},
    ApiRoute{ApiCall::kMoveVip, "POST", "/api/v1/vips/{vip}/move", kOperate,
             "Moves the VIP once, to a node or to any other that can; answers when it is held there. With drain (\"10m\", at most 1h; only "
             "where it is held) open connections may close at idle moments first, for so long at most",
             "", "to drain"},
    ApiRoute{ApiCall::kEnableVip, "POST", "/api/v1/vips/{vip}/enable", kOperate, "Lets a node hold the VIP again", "", ""},
    ApiRoute{ApiCall::kDisableVip, "POST", "/api/v1/vips/{vip}/disable", kOperate, "No node holds the VIP, until it is enabled", "", ""},
    ApiRoute{ApiCall::kAnnounceVip, "POST", "/api/v1/vips/{vip}/announce", kOperate,
             "Says by ARP or NDP once more who has the VIP; only where it is held", "", ""},
    ApiRoute{ApiCall::kForceVip, "POST", "/api/v1/vips/{vip}/force", kOperate,
             "Without a majority: takes the VIP here; fenced names every node that cannot be seen and that is switched off", "", "fenced*"},
    ApiRoute{ApiCall::kNodeStandby, "POST", "/api/v1/nodes/{node}/standby", kOperate,
             "The node holds no VIP, until it is online again; the last one only with force", "", "force"},
    ApiRoute{ApiCall::kNodeOnline, "POST", "/api/v1/nodes/{node}/online", kOperate, "The node may hold VIPs again", "", ""},
    ApiRoute{ApiCall::kFreezeCluster, "POST", "/api/v1/cluster/freeze", kOperate, "No VIP moves by itself but on the loss of its holder",
             "", ""},
    ApiRoute{ApiCall::kUnfreezeCluster, "POST", "/api/v1/cluster/unfreeze", kOperate, "VIPs move as configured again", "", ""},
    ApiRoute{
        ApiCall::kRunDrill, "POST", "/api/v1/drills/{drill}", kOperate,
        "The node does it to itself: kill-process, hang-process or delete-vip; only where the VIP is held (vip absent: any; delete-vip "
        "deletes all)",
        "", "vip"},
    ApiRoute{ApiCall::kRecordDrill, "PUT", "/api/v1/drills/{drill}/result", kOperate,
             "Keeps how a drill went, for /metrics and this list, over restarts; `fairlead drill run` calls it", "",
             "passed* outage_ms* bound_ms vip problem"},
    ApiRoute{ApiCall::kDns, "GET", "/api/v1/dns", kRead,
             "DNS: dnsmasq, the addresses that answer and who holds them, upstreams, queries, cache; 404 without dnsdhcp in the "
             "configuration, as all of these",
             "", ""},
    ApiRoute{ApiCall::kDhcpLeases, "GET", "/api/v1/dhcp/leases", kRead,
             "DHCP leases of all gateways, filtered, the newest record first; at most limit (1000; 10000 at the most); with released=true "
             "also those given back or expired",
             "network mac name address released limit", ""},
    ApiRoute{ApiCall::kDhcpReservations, "GET", "/api/v1/dhcp/reservations", kRead,
             "Machines with an address of their own (dnsdhcp.hosts of the active configuration)", "network", ""},
    ApiRoute{
        ApiCall::kReleaseLease, "POST", "/api/v1/dhcp/release", kOperate,
        "Ends the lease of an address on every node; while a machine answers at the address only with force: it is not told and may use "
        "the address until it renews",
        "", "address* force"},
    ApiRoute{ApiCall::kApplyRouter, "POST", "/api/v1/router/apply", kOperate,
             "Puts the router's rules of the file in force, on trial for 60 s; with yes for good. session tells the caller's connections "
             "apart (SSH_CONNECTION)",
             "", "yes session"},
    ApiRoute{ApiCall::kConfirmRouter, "POST", "/api/v1/router/confirm", kOperate,
             "Keeps the rules on trial; only from another session than the one that applied them", "", "session"},
    ApiRoute{ApiCall::kAsset, "GET", "/", kRead, "The dashboard", "", ""},
    ApiRoute{ApiCall::kAsset, "GET", "/{file}", kRead, "What the dashboard is made of", "", ""},
};

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
      const auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : std::nullopt;
      if (!high || !low) return Error{Errc::kInvalidArgument, "bad percent encoding in the request's target"};
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
    }
    if (c == '\0') return Error{Errc::kInvalidArgument, "NUL byte in the request's target"};
    out += c;
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::map<std::string, std::string>> match(std::string_view pattern, const std::vector<std::string>& segments) {
  const auto wanted = split(pattern.substr(1), '/');
  if (wanted.size() != segments.size()) return std::nullopt;
  std::map<std::string, std::string> parameters;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (segments[i].empty()) return std::nullopt;
      parameters.emplace(wanted[i].substr(1, wanted[i].size() - 2), segments[i]);
    } else if (wanted[i] != segments[i]) {
      return std::nullopt;
    }
  }
  return parameters;
}

}  // namespace

std::span<const ApiRoute> api_routes() { return kRoutes; }

Result<ApiTarget> parse_api_target(std::string_view target) {
  // A proxy's absolute form ("http://host/path") is allowed by RFC 9112 3.2.2.
  if (const auto scheme = target.find("://"); scheme != std::string_view::npos && scheme < target.find('/')) {
    const auto path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  const auto mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (!path.starts_with('/')) return Error{Errc::kInvalidArgument, "the request's target does not start with '/'"};

  ApiTarget out;
  for (const auto part : split(path.substr(1), '/')) {
    auto segment = percent_decode(part);
    if (!segment) return segment.error();
    out.segments.push_back(std::move(*segment));
  }
  if (mark == std::string_view::npos) return out;
  for (const auto part : split(target.substr(mark + 1), '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto key = percent_decode(part.substr(0, equals));
    auto value = percent_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!key) return key.error();
    if (!value) return value.error();
    out.query[std::move(*key)] = std::move(*value);
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 15U];
    }
  }
  return out;
}

RouteAnswer find_route(std::string_view method, const ApiTarget& target) {
  std::vector<std::string_view> allowed;
  for (const auto& route : kRoutes) {
    auto parameters = match(route.pattern, target.segments);
    if (!parameters) continue;
    if (route.call == ApiCall::kAsset && find_web_asset("/" + target.segments.front()) == nullptr) continue;
    if (route.method == method || (route.method == "GET" && method == "HEAD")) return RouteMatch{&route, std::move(*parameters)};
    allowed.push_back(route.method);
    if (route.method == "GET") allowed.emplace_back("HEAD");
  }
  if (allowed.empty()) return RouteUnknown{};
  std::string allow;
  for (const auto name : allowed) allow += (allow.empty() ? "" : ", ") + std::string(name);
  return RouteMethodNotAllowed{std::move(allow)};
}

}  // namespace fairlead::admin
