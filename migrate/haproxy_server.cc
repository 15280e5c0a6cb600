// fairlead: pure
// bind, server, server-template, default-server.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/host_name.h"
#include "config/limits.h"
#include "config/proxy_loop.h"
#include "migrate/haproxy_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPortsMax = 64;  ///< Of one `bind`.

/// A name that may stand in health.server_name: letters, digits, '.', '_', '-', ':'.
bool is_server_name(std::string_view text) { return !text.empty() && text.size() <= config::kHostLengthMax && is_dns_name(text); }

/// "str(api.kube.demo)" or the plain name.
std::string_view sni_of(std::string_view text) {
  if (text.starts_with("str(") && text.ends_with(')')) return text.substr(4, text.size() - 5);
  return text;
}

bool same_checks(const ServerOptions& a, const ServerOptions& b) {
  return a.check == b.check && a.check_tls == b.check_tls && a.health == b.health && a.send_proxy == b.send_proxy &&
         a.slow_start == b.slow_start && a.source == b.source && a.tcp_user_timeout == b.tcp_user_timeout && a.error_limit == b.error_limit;
}

}  // namespace

// ---- bind ----

void HaproxyReader::bind(const HaproxyLine& line) {
  if (section().kind == SectionKind::kBackend || section().kind == SectionKind::kDefaults)
    return ledger_.left_out(line.at, "a bind belongs to a frontend");
  BindOptions options;
  bool tls = false;
  for (std::size_t at = 2; at < line.words.size(); ++at) {
    const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kBind, line.word(at));
    if (keyword == nullptr) {
      ledger_.approximated(line.at, fmt::format("without the unknown option {}", shown(line.word(at))));
      continue;
    }
    const std::string word = shown(line.word(at));
    const std::string_view value = keyword->arguments > 0 ? line.word(at + 1) : std::string_view();
    at += static_cast<std::size_t>(keyword->arguments);
    switch (keyword->act) {
      case Act::kSoAnyway: break;
      case Act::kAcceptProxy: options.accept_proxy = true; break;
      case Act::kBothFamilies: options.both = true; break;
      case Act::kOnlyIpv6: options.only_v6 = true; break;
      case Act::kTls: tls = true; break;
      case Act::kBindMaxconn:
        if (const auto number = parse_number(value); number && *number <= config::kConnectionsMax) {
          settings().max_connections = static_cast<std::uint32_t>(*number);
          ledger_.approximated(line.at, "maxconn counts for the whole listener");
        }
        break;
      default: ledger_.approximated(line.at, fmt::format("without {}: {}", word, keyword->reason), std::string(keyword->remedy));
    }
  }
  if (tls) return ledger_.left_out(line.at, "TLS passes through, it is not ended here", "let the servers have the certificates");
  bind_addresses(line, line.word(1), options);
  ledger_.carried(line.at);
}

void HaproxyReader::bind_addresses(const HaproxyLine& line, std::string_view addresses, const BindOptions& options) {
  for (std::size_t begin = 0; begin <= addresses.size();) {
    const std::size_t end = std::min(addresses.find(',', begin), addresses.size());
    bind_address(line, addresses.substr(begin, end - begin), options);
    begin = end + 1;
  }
}

void HaproxyReader::bind_address(const HaproxyLine& line, std::string_view text, const BindOptions& options) {
  const HaproxyAddress address = parse_haproxy_address(text);
  if (!address.problem.empty()) return ledger_.left_out(line.at, address.problem, "a listener has an IP address and a port");
  if (!address.first_port) return ledger_.left_out(line.at, "an address without a port");
  if (static_cast<std::size_t>(address.last_port - *address.first_port) >= kPortsMax)
    return ledger_.left_out(line.at, fmt::format("more than {} ports", kPortsMax), "a listener for each port");
  std::vector<IpAddress> hosts;
  if (address.host.empty()) {
    hosts.push_back(IpAddress::any(text.find("ipv6@") == std::string_view::npos ? IpAddress::Family::kV4 : IpAddress::Family::kV6));
  } else if (address.host == "localhost") {
    hosts.push_back(*parse_ip_address("127.0.0.1"));
  } else if (const auto ip = parse_ip_address(address.host)) {
    hosts.push_back(ip->unmapped());
    if (ip->is_unspecified() && !ip->is_v4() && !options.only_v6) {
      hosts.push_back(IpAddress::any(IpAddress::Family::kV4));
      if (!options.both)
        ledger_.approximated(line.at, "IPv4 as well, as with net.ipv6.bindv6only = 0", "remove the IPv4 address if it was 1");
    }
  } else {
    return ledger_.left_out(line.at, fmt::format("{} is no IP address", shown(address.host)), "write the address");
  }
  for (const IpAddress& host : hosts) {
    if (host.is_multicast()) return ledger_.left_out(line.at, "a multicast address");
    for (std::uint32_t port = *address.first_port; port <= address.last_port; ++port) {
      const Endpoint endpoint{host, static_cast<std::uint16_t>(port)};
      auto& binds = section().binds;
      if (binds.size() >= config::kBindsPerListenerMax * 16)
        return ledger_.left_out(line.at, fmt::format("more than {} addresses", config::kBindsPerListenerMax * 16), "split the section");
      const bool known = std::any_of(binds.begin(), binds.end(), [&](const Bind& bind) { return bind.endpoint == endpoint; });
      if (!known) binds.push_back({endpoint, options.accept_proxy});
    }
  }
}

// ---- server ----

bool HaproxyReader::server_address(const HaproxyLine& line, std::string_view text, Section::ServerWish& wish) {
  const HaproxyAddress address = parse_haproxy_address(text);
  const auto leave_out = [&](std::string reason, std::string remedy) {
    ledger_.left_out(line.at, std::move(reason), std::move(remedy));
    return false;
  };
  if (!address.problem.empty()) return leave_out(address.problem, "a server has an address or a name, and a port");
  if (address.first_port && address.last_port != *address.first_port) return leave_out("a server has one port", "a server for each port");
  const auto ip = parse_ip_address(address.host);
  if (address.host.empty() || (ip && (ip->is_unspecified() || ip->is_multicast())))
    return leave_out("no address of one host", "write its address");
  if (!ip && !is_dns_name(address.host))
    return leave_out(fmt::format("{} is no address and no name", shown(address.host)), "write its address");
  if (!ip && !parse_host_port(address.host + ":1"))
    return leave_out(fmt::format("{} is no name", shown(address.host)), "write its address");
  wish.settings.address.host = ip ? ip->unmapped().to_string() : address.host;
  wish.settings.address.port = address.first_port.value_or(0);
  wish.port_given = address.first_port.has_value() || is_srv_name(address.host);
  if (is_srv_name(address.host)) wish.settings.address.port = 0;
  return true;
}

void HaproxyReader::server_line(const HaproxyLine& line) {
  if (section().kind != SectionKind::kBackend && section().kind != SectionKind::kListen)
    return ledger_.left_out(line.at, "a server belongs to a backend");
  Section::ServerWish wish;
  wish.at = line.at;
  wish.settings.name = name_from(line.word(1));
  if (section().servers.size() >= config::kServersPerPoolMax)
    return ledger_.left_out(line.at, fmt::format("more than {} servers", config::kServersPerPoolMax), "split the backend");
  if (!server_address(line, line.word(2), wish)) return;
  if (wish.settings.name != line.word(1)) ledger_.approximated(line.at, fmt::format("the server is called {}", wish.settings.name));
  wish.options = settings().default_server;
  server_options(line, 3, wish.options);
  if (wish.options.tls)
    return ledger_.left_out(line.at, "HAProxy speaks TLS to it by itself, and Fairlead passes bytes through",
                            "let clients speak TLS, and remove `ssl` (check-ssl stays)");
  section().servers.push_back(std::move(wish));
  ledger_.carried(line.at);
}

void HaproxyReader::server_template(const HaproxyLine& line) {
  // server-template PREFIX NUMBER NAME:PORT options
  HaproxyLine one;
  one.at = line.at;
  std::string name(line.word(1));
  name.erase(std::min(name.find_last_not_of("-_.") + 1, name.size()));
  one.words = {"server", name, std::string(line.word(3))};
  if (line.words.size() > 4) one.words.insert(one.words.end(), line.words.begin() + 4, line.words.end());
  const std::size_t before = section().servers.size();
  server_line(one);
  if (section().servers.size() == before) return;
  section().servers.back().of_template = true;
  ledger_.approximated(line.at, fmt::format("one server, which has one address of its name at a time, instead of {}", shown(line.word(2))),
                       "list the servers, by address or by a name for each");
}

void HaproxyReader::server_options(const HaproxyLine& line, std::size_t from, ServerOptions& options) {
  for (std::size_t at = from; at < line.words.size(); ++at) {
    const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kServer, line.word(at));
    const std::string_view word = line.word(at);
    if (keyword == nullptr) {
      ledger_.approximated(line.at, fmt::format("without the unknown option {}", shown(word)));
      continue;
    }
    at += static_cast<std::size_t>(keyword->arguments);
    if (keyword->act == Act::kSoAnyway) continue;
    if (keyword->act == Act::kLeaveOut) {
      ledger_.approximated(line.at, fmt::format("without {}: {}", shown(word), keyword->reason), std::string(keyword->remedy));
      continue;
    }
    const std::string_view value = keyword->arguments > 0 ? line.word(at) : std::string_view();
    if (!server_option(line, word, value, options))
      ledger_.approximated(line.at, fmt::format("without {} {}: not understood", shown(word), shown(value)));
    if (word == "source" && (line.word(at + 1) == "usesrc" || line.word(at + 1) == "interface")) {
      ledger_.approximated(line.at, fmt::format("without {}", line.word(at + 1)), "send_proxy: v2 tells servers the client");
      at += 2;
    }
  }
  ledger_.carried(line.at);
}

bool HaproxyReader::server_option(const HaproxyLine& line, std::string_view name, std::string_view value, ServerOptions& options) {
  const auto number = parse_number(value);
  if (name == "check" || name == "no-check") {
    options.check = name == "check";
  } else if (name == "backup" || name == "no-backup") {
    options.backup = name == "backup";
  } else if (name == "disabled" || name == "enabled") {
    options.disabled = name == "disabled";
    if (options.disabled)
      ledger_.approximated(line.at, "it has weight 0, so no new connections", "`fairlead server weight POOL/NAME 100` brings it in");
  } else if (name == "weight") {
    if (!number || *number > 256) return false;
    options.weight = static_cast<std::uint32_t>(*number);
  } else if (name == "maxconn") {
    if (!number || *number > config::kConnectionsMax) return false;
    options.maxconn = static_cast<std::uint32_t>(*number);
    if (options.maxconn > 0) ledger_.approximated(line.at, "maxconn: a full server is passed over, nobody waits for it");
  } else if (name.starts_with("send-proxy") || name.starts_with("no-send-proxy")) {
    options.send_proxy = name.starts_with("no-") ? config::SendProxy::kOff
                         : name == "send-proxy"  ? config::SendProxy::kV1
                                                 : config::SendProxy::kV2;
    if (name.starts_with("send-proxy-v2-")) ledger_.approximated(line.at, "the PROXY header names the client and nothing about TLS");
  } else if (name == "source") {
    const auto ip = parse_ip_address(parse_haproxy_address(value).host);
    if (!ip) return false;
    if (!ip->is_unspecified()) options.source = *ip;
  } else if (name == "on-marked-down") {
    if (value != "shutdown-sessions") return false;  // on_server_down: reset is the default.
  } else if (name == "observe" || name == "on-error") {
    if (value != "layer4" && value != "mark-down" && value != "fastinter")
      ledger_.approximated(line.at, fmt::format("{}: failed connects count", name));
  } else if (name == "error-limit") {
    if (!number || *number < 1 || *number > 1000) return false;
    options.error_limit = static_cast<std::uint32_t>(*number);
  } else if (name == "resolvers") {
    options.resolvers = value;
  } else if (name == "track") {
    options.track = value;
  } else {
    return server_times(line, name, value, options);
  }
  return true;
}

bool HaproxyReader::server_times(const HaproxyLine& line, std::string_view name, std::string_view value, ServerOptions& options) {
  const auto time = parse_haproxy_time(value);
  const auto number = parse_number(value);
  config::Health& health = options.health;
  if (name == "rise" || name == "fall") {
    if (!number || *number < 1) return false;
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, 100));
    (name == "rise" ? health.rise : health.fall) = count;
    options.fall_given = options.fall_given || name == "fall";
  } else if (name == "port") {
    if (!number || *number < 1 || *number > 65535) return false;
    health.port = static_cast<std::uint16_t>(*number);
  } else if (name == "inter" || name == "fastinter" || name == "downinter") {
    if (!time || *time == Duration{}) return false;
    const Duration interval = clamped(*time, 10ms, 1h);
    if (name == "inter") health.interval = interval;
    if (name == "fastinter") health.fast_interval = interval;
    if (name == "downinter") health.down_interval = interval;
    options.inter_given = options.inter_given || name == "inter";
    options.fastinter_given = options.fastinter_given || name == "fastinter";
    options.downinter_given = options.downinter_given || name == "downinter";
  } else if (name == "slowstart") {
    if (!time) return false;
    options.slow_start = clamped(*time, Duration{}, config::kDurationMax);
  } else if (name == "tcp-ut") {
    if (!time || *time < 1ms) return false;
    options.tcp_user_timeout = clamped(*time, 1ms, 1h);
    ledger_.approximated(line.at, "tcp-ut: for both sides of a connection");
  } else {
    return server_tls(line, name, value, options);
  }
  return true;
}

std::optional<std::string> HaproxyReader::file_path(std::string_view path, const std::string& base) const {
  const std::string full = path.starts_with('/') || base.empty() ? std::string(path) : base + "/" + std::string(path);
  return is_file_path(full) ? std::optional(full) : std::nullopt;
}

bool HaproxyReader::server_tls(const HaproxyLine& line, std::string_view name, std::string_view value, ServerOptions& options) {
  config::Health& health = options.health;
  if (name == "ssl" || name == "no-ssl") {
    options.tls = name == "ssl";
  } else if (name == "check-ssl" || name == "no-check-ssl") {
    options.check_tls = name == "check-ssl";
  } else if (name == "verify") {
    health.verify = value != "none";
    if (!health.verify) ledger_.approximated(line.at, "checks do not verify certificates, as here", "health.ca: a file is safer");
  } else if (name == "ca-file") {
    if (value == "@system-ca") return true;
    const auto path = file_path(value, ca_base_);
    if (!path) return false;
    health.ca = *path;
  } else if (name == "crt") {
    const auto path = file_path(value, crt_base_);
    if (!path) return false;
    health.cert = *path;
    health.key = *path;
  } else if (name == "check-sni" || name == "sni" || name == "verifyhost") {
    const std::string_view host = sni_of(value);
    if (!is_server_name(host)) return false;
    if (name == "verifyhost" || health.server_name.empty() || name == "check-sni") health.server_name = host;
  } else {
    return false;
  }
  return true;
}

/// Checks and a few other things belong to the pool here: the first server says what.
void HaproxyReader::pool_checks(const Section& done, const ServerOptions& first, config::Pool& into) {
  const ProxySettings& from = done.settings;
  into.health = first.health;
  config::Health& health = into.health;
  if (!first.inter_given) health.interval = 2s;
  if (!first.fastinter_given) health.fast_interval = health.interval;
  if (!first.downinter_given) health.down_interval = health.interval;
  if (!first.fall_given) health.fall = 3;
  // `inter` bounds a check; with `timeout check` it bounds the connect, and the answer has that time more.
  const Duration connect = from.connect_given ? std::min(from.pool.connect_timeout, health.interval) : health.interval;
  health.timeout = from.check_time ? clamped(*from.check_time + connect, 1ms, 5min) : clamped(health.interval, 1ms, 5min);
  const CheckConnect by_rule = from.check == CheckKind::kHttp  ? from.http_connect
                               : from.check == CheckKind::kTcp ? from.tcp_connect
                                                               : CheckConnect{};
  if (by_rule.port != 0) health.port = by_rule.port;
  if (!by_rule.server_name.empty()) health.server_name = by_rule.server_name;
  const bool tls = first.check_tls || by_rule.tls || from.check == CheckKind::kTls;
  if (from.check == CheckKind::kTls) health.verify = false;
  if (!first.check && !done.servers.empty()) {
    into.health = {};
    health.type = config::HealthType::kNone;
    return;
  }
  if (from.check == CheckKind::kHttp) {
    health.type = tls ? config::HealthType::kHttps : config::HealthType::kHttp;
    health.path = from.check_path;
    health.host = from.check_host;
    health.expect = from.check_expect.empty() ? std::vector<std::uint16_t>(kSuccessCodes.begin(), kSuccessCodes.end()) : from.check_expect;
  } else {
    health.type = tls ? config::HealthType::kTls : config::HealthType::kTcp;
  }
  if (!tls) {
    health.verify = true;
    health.ca = health.cert = health.key = health.server_name = "";
  } else if (verify_none_ && health.ca.empty()) {
    health.verify = false;
  }
  if (!health.verify) health.ca.clear();
}

void HaproxyReader::finish_servers(Section& done, PoolWish& pool, PoolOf& known) {
  const std::set<std::uint16_t>& ports = client_ports_[done.name];
  const Section::ServerWish* leader = nullptr;
  for (const auto& server : done.servers) {
    if (leader == nullptr || (server.options.check && !leader->options.check)) leader = &server;
  }
  if (leader != nullptr && !leader->options.check) {
    const auto tracks =
        std::find_if(done.servers.begin(), done.servers.end(), [](const auto& server) { return !server.options.track.empty(); });
    if (tracks != done.servers.end()) known.track = {tracks->options.track, tracks->at};
  }
  config::Pool& into = pool.settings;
  const ServerOptions& first = leader != nullptr ? leader->options : done.settings.default_server;
  pool_checks(done, first, into);
  into.send_proxy = first.send_proxy;
  into.slow_start = first.slow_start;
  if (first.source) into.source = first.source;
  if (first.tcp_user_timeout) into.tcp_user_timeout = *first.tcp_user_timeout;
  if (first.error_limit > 0) into.passive.connect_failures = first.error_limit;
  const auto named = resolvers_.find(first.resolvers);
  if (named != resolvers_.end()) into.resolve = named->second;
  // HAProxy's weights begin at 1, ours are 100: they are written where they differ.
  const auto weight_of = [](const Section::ServerWish& server) { return server.options.weight.value_or(1); };
  const bool weighted = std::any_of(done.servers.begin(), done.servers.end(), [&](const Section::ServerWish& server) {
    return weight_of(server) == 0 || weight_of(server) != weight_of(done.servers.front());
  });
  UniqueNames names;
  for (auto& server : done.servers) {
    if (!server.port_given) {
      if (ports.size() != 1) {
        ledger_.left_out(server.at,
                         ports.empty() ? "a server without a port, and no listener leads to it"
                                       : "a server without a port, where clients come in by several",
                         "a server for each port");
        continue;
      }
      server.settings.address.port = *ports.begin();
      ledger_.approximated(server.at, fmt::format("its port is the client's, {}", *ports.begin()));
    }
    const std::string name = names.take(server.settings.name);
    if (name != server.settings.name) ledger_.approximated(server.at, fmt::format("a second server of this name is called {}", name));
    server.settings.name = name;
    if (weighted) server.settings.weight = server.options.weight.value_or(1);
    if (server.options.disabled) server.settings.weight = 0;
    server.settings.max_connections = server.options.maxconn;
    server.settings.backup = server.options.backup;
    if (!same_checks(server.options, first))
      ledger_.approximated(
          server.at, fmt::format("checks and PROXY header belong to the pool: those of server {} hold for all", leader->settings.name),
          "a pool of its own for servers that differ");
    if (server.of_template)
      pool.remark = fmt::format("CHANGE: list the servers that {} stands for; here it is one of them.", server.settings.address.host);
    pool.settings.servers.push_back(server.settings);
    pool.server_at.push_back(server.at);
  }
}

}  // namespace fairlead::migrate
