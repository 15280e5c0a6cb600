// fairlead: pure
// The table, part 2: pools and what is in them.
#include "config/schema_types.h"

namespace fairlead::config::schema {
namespace {

const Section& keepalive_section() {
  static const Section section = make_section<Keepalive>(
      "pools[].keepalive", "TCP keepalive on both legs of a connection.",
      {
          field("idle", &Keepalive::idle, duration({.min = 1s, .max = 12h, .zero = "keepalive off", .whole_seconds = false}),
                "Silence before the first probe."),
          field("interval", &Keepalive::interval, duration({.min = 1s, .max = 1h, .zero = {}, .whole_seconds = false}),
                "Between two probes."),
          field("count", &Keepalive::count, number<std::uint32_t>(1, 127), "Probes without an answer until the connection is given up."),
      });
  return section;
}

const Section& rebalance_section() {
  static const Section section = make_section<Rebalance>(
      "pools[].rebalance", "Closes connections at idle moments so that clients connect again and spread evenly.",
      {
          field("when", &Rebalance::when, choice<RebalanceWhen>({{"off", RebalanceWhen::kOff}, {"server_up", RebalanceWhen::kServerUp}}),
                "server_up: after a server came back."),
          field("rate", &Rebalance::rate, rate(1, 100'000), "Connections closed per second."),
      });
  return section;
}

const Section& health_section() {
  static const auto interval = [](Duration min) { return duration({.min = min, .max = 1h, .zero = {}, .whole_seconds = false}); };
  static const Section section = make_section<Health>(
      "pools[].health", "The active check of every server. No server is taken for up before its first check passed.",
      {
          field("type", &Health::type,
                choice<HealthType>({{"tcp", HealthType::kTcp},
                                    {"tls", HealthType::kTls},
                                    {"http", HealthType::kHttp},
                                    {"https", HealthType::kHttps},
                                    {"none", HealthType::kNone}}),
                "What a check does: connect; a full TLS handshake; a request in clear text or over TLS; nothing."),
          field("path", &Health::path, text({.rule = TextRule::kUrlPath, .may_be_empty = false, .example = "/readyz"}),
                "What http and https ask for."),
          field("host", &Health::host, text({.rule = TextRule::kHost, .may_be_empty = true, .example = "api.kube.demo"}),
                "Host header. Empty: the server's address."),
          field("server_name", &Health::server_name, text({.rule = TextRule::kHost, .may_be_empty = true, .example = "api.kube.demo"}),
                "SNI and the name that the certificate must carry. Empty: the server's host name, else its IP address (no SNI)."),
          field("port", &Health::port, number<std::uint16_t>(0, 65535, "the server's"), "Port to check."),
          field("expect", &Health::expect, list(number<std::uint16_t>(100, 599), kExpectedStatusMax, "status codes"),
                "HTTP status codes that mean healthy."),
          field("verify", &Health::verify, flag(), "Verify the server's certificate (tls, https)."),
          field("ca", &Health::ca, path("/etc/fairlead/ca.crt"), "CA certificates the server's must come from, PEM. Empty: the system's."),
          field("cert", &Health::cert, path("/etc/fairlead/health.crt"), "Client certificate, PEM. With key; not with token_file."),
          field("key", &Health::key, path("/etc/fairlead/health.key"), "Private key of cert, PEM."),
          field("token_file", &Health::token_file, path("/etc/fairlead/health.token"),
                "File with a bearer token, sent by https only; read anew at every check."),
          field("source", &Health::source, optional(address()),
                "Local address that checks come from. Never a VIP: a standby must be able to check."),
          field("interval", &Health::interval, interval(10ms), "Between two checks of a server that is up, with jitter."),
          field("fast_interval", &Health::fast_interval, interval(10ms), "The same while a server changes its state."),
          field("down_interval", &Health::down_interval, interval(10ms), "The same while a server is down."),
          field("timeout", &Health::timeout, duration({.min = 1ms, .max = 5min, .zero = {}, .whole_seconds = false}),
                "A check that takes longer has failed."),
          field("rise", &Health::rise, number<std::uint32_t>(1, 100), "Checks in a row that bring a server up."),
          field("fall", &Health::fall, number<std::uint32_t>(1, 100), "Failed checks in a row that take it down."),
      });
  return section;
}

const Section& passive_section() {
  static const Section section = make_section<Passive>(
      "pools[].passive", "What clients' connections tell about a server. Never takes out the last server that its active check calls up.",
      {
          field("connect_failures", &Passive::connect_failures, number<std::uint32_t>(0, 1000, "off"),
                "Connections refused, reset or unreachable in a row that take a server down. Timeouts only start fast checks; local errors "
                "never count."),
          field("fast_check", &Passive::fast_check, flag(), "Check a suspected server at fast_interval at once."),
      });
  return section;
}

const Section& resolve_section() {
  static const Section section = make_section<Resolve>(
      "pools[].resolve", "For servers given by name (A, AAAA and SRV records).",
      {
          field("interval", &Resolve::interval, duration({.min = 100ms, .max = 24h, .zero = {}, .whole_seconds = false}),
                "Between two lookups."),
          field("hold", &Resolve::hold, duration({.min = {}, .max = 7 * 24h, .zero = {}, .whole_seconds = false}),
                "An address that vanished from the answers is kept so long. A resolver that does not answer takes nothing away."),
      });
  return section;
}

std::vector<Field> setting_fields() {
  const auto timeout = [](std::string zero) {
    return duration({.min = 1ms, .max = kDurationMax, .zero = std::move(zero), .whole_seconds = false});
  };
  return {
      field("balance", &Pool::balance,
            choice<Balance>({{"round_robin", Balance::kRoundRobin},
                             {"least_connections", Balance::kLeastConnections},
                             {"random_two", Balance::kRandomTwo},
                             {"source_hash", Balance::kSourceHash}}),
            "How a server is chosen: in turn by weight; the one with the fewest connections for its weight; the better of two at random; "
            "by the client's address (Maglev)."),
      field("source", &Pool::source, optional(address()),
            "Local address of connections to the servers. A VIP counts only while held here; else, or when an address is not this host's, "
            "the kernel chooses, and it is counted."),
      field("connect_timeout", &Pool::connect_timeout, duration({.min = 1ms, .max = 5min, .zero = {}, .whole_seconds = false}),
            "A server that takes longer to accept is given up for this connection."),
      field("retries", &Pool::retries, number<std::uint32_t>(0, kRetriesMax, "none"),
            "Other servers tried after a failed connect; never the same twice, and only before a byte of the client was sent."),
      field("idle_timeout", &Pool::idle_timeout, timeout("never"), "A connection silent in both directions so long is closed."),
      field("half_close_timeout", &Pool::half_close_timeout, timeout("never"),
            "After one side finished: silence of the other until the connection is closed."),
      field("keepalive", &Pool::keepalive, section<Keepalive>(keepalive_section()), "TCP keepalive on both legs."),
      field("tcp_user_timeout", &Pool::tcp_user_timeout, duration({.min = 1ms, .max = 1h, .zero = "the kernel's", .whole_seconds = false}),
            "Sent data not acknowledged so long ends the connection; both legs. It also ends one whose reader takes nothing for so long (a "
            "closed window), such as `kubectl logs -f` behind a pager."),
      field("congestion_control", &Pool::congestion_control, congestion_control_name(),
            "TCP congestion control of connections to the servers. bbr paces by timers, which costs CPU. Empty: the "
            "host's."),
      field("max_connection_age", &Pool::max_connection_age, timeout("off"),
            "Older connections are closed at an idle moment, with jitter."),
      field("rebalance", &Pool::rebalance, section<Rebalance>(rebalance_section()), "Spread connections anew when a server comes back."),
      field("send_proxy", &Pool::send_proxy, choice<SendProxy>({{"off", SendProxy::kOff}, {"v1", SendProxy::kV1}, {"v2", SendProxy::kV2}}),
            "Begin each connection to a server with a PROXY header that names the client."),
      field("health", &Pool::health, section<Health>(health_section()), "The active check."),
      field("passive", &Pool::passive, section<Passive>(passive_section()), "Failures of clients' connections."),
      field("on_server_down", &Pool::on_server_down, choice<OnServerDown>({{"reset", OnServerDown::kReset}, {"keep", OnServerDown::kKeep}}),
            "Open connections of a server that went down: reset them so that clients notice at once, or keep them."),
      field("slow_start", &Pool::slow_start, timeout("off"), "A server that came up gets its full share only after so long."),
      field("resolve", &Pool::resolve, section<Resolve>(resolve_section()), "Lookups of servers given by name."),
  };
}

}  // namespace

const Section& server_section() {
  static const Section section = make_section<Server>(
      "pools[].servers[]", "One server. Its identity over reloads is pool, name and address.",
      {
          field("name", &Server::name, name(), "Unique in the pool.", {.required = true}),
          field("address", &Server::address, server_address(), "Where it listens. A name is looked up again and again (resolve).",
                {.required = true}),
          field("weight", &Server::weight, number<std::uint32_t>(0, kWeightMax, "no new connections"),
                "Its share relative to the others'."),
          field("max_connections", &Server::max_connections, number<std::uint32_t>(0, kConnectionsMax, "no limit"),
                "Open connections at most. Full: the next server; all full: the connection is reset and counted, there is no queue."),
          field("backup", &Server::backup, flag(), "Used only when no other server of the pool is up."),
      });
  return section;
}

const Section& pool_defaults_section() {
  static const Section section = make_section<Pool>("defaults.pool", "Every key of a pool but name and servers.", setting_fields());
  return section;
}

const Section& pool_section() {
  static const Section section = [] {
    std::vector<Field> fields = setting_fields();
    fields.insert(fields.begin(), field("name", &Pool::name, name(), "Unique among the pools.", {.required = true}));
    fields.push_back(field("servers", &Pool::servers, list(schema::section<Server>(server_section()), kServersPerPoolMax, "servers"),
                           "The servers, in order."));
    return make_section<Pool>("pools[]", "Servers of one kind and how they are chosen, checked and used.", std::move(fields));
  }();
  return section;
}

}  // namespace fairlead::config::schema
