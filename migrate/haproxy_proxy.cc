// fairlead: pure
// What stands in defaults, frontend, backend and listen, but for addresses, servers and rules.
#include <algorithm>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/haproxy_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kHttpOnly = "it works on HTTP, and Fairlead passes TCP through";

bool is_url_path(std::string_view text) {
  return text.starts_with('/') && is_plain(text) && text.find(' ') == std::string_view::npos && text.size() <= config::kTextLengthMax;
}
bool is_host_header(std::string_view text) {
  return !text.empty() && text.size() <= config::kHostLengthMax && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == ':';
  });
}

/// "200", "200,204", "200-203"; of a range that is longer than `expect` takes those that are in use. Empty: not understood, or too many.
std::vector<std::uint16_t> read_status_codes(std::string_view text, bool& only_used) {
  std::vector<std::uint16_t> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const auto dash = part.find('-');
    const auto first = parse_number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1));
    if (!first || !last || *first < 100 || *last > 599 || *last < *first) return {};
    if (*last - *first >= config::kExpectedStatusMax) {
      only_used = true;
      for (const std::uint16_t code : kSuccessCodes) {
        if (code >= *first && code <= *last) out.push_back(code);
      }
      if (*last > 399) return {};
    } else {
      for (std::uint64_t code = *first; code <= *last; ++code) out.push_back(static_cast<std::uint16_t>(code));
    }
    if (out.size() > config::kExpectedStatusMax) return {};
    begin = end + 1;
  }
  return out;
}

}  // namespace

void HaproxyReader::proxy(const HaproxyLine& line) {
  const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kProxy, line.word(0));
  if (keyword == nullptr) return ledger_.left_out(line.at, fmt::format("unknown to this reader: {}", shown(line.word(0))));
  const auto number = parse_number(line.word(1));
  switch (keyword->act) {
    case Act::kSoAnyway: return ledger_.carried(line.at);
    case Act::kMode: return mode(line);
    case Act::kOptionWord: return option(line, 1, true);
    case Act::kNegate: return negated(line);
    case Act::kTimeoutWord: return timeout(line, line.word(1), line.word(2));
    case Act::kOldTimeout: {
      const std::string_view word = line.word(0);
      return timeout(line, word == "clitimeout" ? "client" : word == "srvtimeout" ? "server" : "connect", line.word(1));
    }
    case Act::kMaxconn:
      if (!number || *number > config::kConnectionsMax) return ledger_.left_out(line.at, "not a number of connections");
      settings().max_connections = static_cast<std::uint32_t>(*number);
      return ledger_.carried(line.at);
    case Act::kRetries:
      if (!number) return ledger_.left_out(line.at, "not a number");
      settings().pool.retries = static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, config::kRetriesMax));
      if (*number > config::kRetriesMax) return ledger_.approximated(line.at, fmt::format("at most {}", config::kRetriesMax));
      return ledger_.carried(line.at);
    default: break;
  }
  proxy_more(line, *keyword);
}

void HaproxyReader::proxy_more(const HaproxyLine& line, const HaproxyKeyword& keyword) {
  switch (keyword.act) {
    case Act::kBalance: return balance(line);
    case Act::kLog: return log_statement(line);
    case Act::kBind: return bind(line);
    case Act::kServerLine: return server_line(line);
    case Act::kServerTemplate: return server_template(line);
    case Act::kDefaultServer: return server_options(line, 1, settings().default_server);
    case Act::kDefaultBackend: settings().default_backend = {std::string(line.word(1)), line.at}; return ledger_.carried(line.at);
    case Act::kUseBackend: return use_backend(line);
    case Act::kAcl: return acl(line);
    case Act::kTcpRequest: return tcp_request(line);
    case Act::kHttpCheck: return http_check(line);
    case Act::kTcpCheck: return tcp_check(line);
    case Act::kStickTable: return stick_table(line);
    case Act::kStickOn: return stick_on(line);
    case Act::kSource: return proxy_source(line);
    case Act::kKeepaliveTime: return keepalive_time(line);
    case Act::kRateLimit: {
      const auto rate = parse_number(line.word(2));
      if (line.word(1) != "sessions" || !rate || *rate > config::kListenerRateMax)
        return ledger_.left_out(line.at, "not a rate of sessions");
      settings().connection_rate = static_cast<std::uint32_t>(*rate);
      return ledger_.approximated(line.at, "HAProxy lets connections above it wait; here they are reset and counted");
    }
    case Act::kStats:
      section().stats_page = section().kind != SectionKind::kDefaults;
      return ledger_.left_out(line.at, "the page is admin.listen");
    case Act::kMonitor: return ledger_.left_out(line.at, "a listener answers nothing itself", "/readyz of admin.listen");
    case Act::kDisabled:
      settings().disabled = true;
      if (section().kind == SectionKind::kDefaults) return ledger_.left_out(line.at, "sections that do not say `enabled` are left out");
      return ledger_.left_out(line.at, "the section is disabled");
    case Act::kEnabled: settings().disabled = false; return ledger_.carried(line.at);
    default: return ledger_.left_out(line.at, std::string(keyword.reason), std::string(keyword.remedy));
  }
}

void HaproxyReader::mode(const HaproxyLine& line) {
  settings().http = line.word(1) != "tcp";
  if (!settings().http) return ledger_.carried(line.at);
  if (section().kind == SectionKind::kDefaults)
    return ledger_.left_out(line.at, "Fairlead passes TCP through: sections that keep this mode are left out", "mode tcp");
  ledger_.left_out(line.at, "Fairlead passes TCP through", "mode tcp");
}

void HaproxyReader::option(const HaproxyLine& line, std::size_t at, bool on) {
  const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kOption, line.word(at));
  if (keyword == nullptr) return ledger_.left_out(line.at, fmt::format("unknown option: {}", shown(line.word(at))));
  const bool is_check = keyword->act == Act::kHttpchk || keyword->act == Act::kTlsHello || keyword->act == Act::kTcpCheckOption ||
                        keyword->act == Act::kOtherCheck;
  if (!on && is_check) return ledger_.left_out(line.at, "HAProxy has no `no` of a check, either", "write the option that is wanted");
  if (!on && (keyword->act == Act::kSoAnyway || keyword->act == Act::kKeepalive))
    return ledger_.approximated(line.at, fmt::format("{} is done all the same", keyword->name));
  switch (keyword->act) {
    case Act::kLogLines:
      settings().log_lines = on;
      if (keyword->name == "tcplog") return ledger_.carried(line.at);
      return ledger_.approximated(line.at, "a line per connection, not per request");
    case Act::kSoAnyway: return ledger_.carried(line.at);
    case Act::kKeepalive: return ledger_.carried(line.at);
    case Act::kHttpchk: return httpchk(line, at);
    case Act::kTlsHello:
      settings().check = CheckKind::kTls;
      return ledger_.approximated(line.at, "a whole TLS handshake instead of HAProxy's SSLv3 hello", "health.ca to verify the certificate");
    case Act::kTcpCheckOption: settings().check = CheckKind::kTcp; return ledger_.carried(line.at);
    case Act::kOtherCheck:
      settings().check = CheckKind::kPlain;
      return ledger_.approximated(line.at, "the check is that a connection opens", "health.type: tls, http or https");
    default: break;
  }
  if (!on) return ledger_.carried(line.at);  // Nothing of it is done anyway.
  ledger_.left_out(line.at, std::string(keyword->reason), std::string(keyword->remedy));
}

void HaproxyReader::negated(const HaproxyLine& line) {
  if (line.word(1) == "option") return option(line, 2, false);
  if (line.word(1) == "log") {
    settings().log_lines = false;
    return ledger_.carried(line.at);
  }
  ledger_.left_out(line.at, "only `no option` and `no log` are read");
}

void HaproxyReader::timeout(const HaproxyLine& line, std::string_view which, std::string_view value) {
  const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kTimeout, which);
  if (keyword == nullptr) return ledger_.left_out(line.at, fmt::format("unknown timeout: {}", shown(which)));
  if (keyword->act == Act::kLeaveOut) return ledger_.left_out(line.at, std::string(keyword->reason), std::string(keyword->remedy));
  const auto time = parse_haproxy_time(value);
  if (!time) return ledger_.left_out(line.at, fmt::format("{} is no time", shown(value)));
  const bool none = *time == Duration{};
  const bool watches_cut = !none && *time < config::kIdleTimeoutAdvised;
  const auto idle = [&](std::optional<Duration>& into) {
    into = *time;
    if (!watches_cut) return ledger_.carried(line.at);
    ledger_.approximated(line.at, "one idle_timeout, for silence in both directions; so short it cuts quiet watches",
                         "leave idle_timeout out: 1h");
  };
  switch (keyword->act) {
    case Act::kConnect:
      if (none) return ledger_.left_out(line.at, "0 means none in HAProxy; here there always is one", "pools[].connect_timeout");
      settings().connect_given = true;
      settings().pool.connect_timeout = clamped(*time, 1ms, 5min);
      if (*time > 5min) return ledger_.approximated(line.at, "at most 5m");
      return ledger_.carried(line.at);
    case Act::kClient: return idle(settings().client);
    case Act::kServer: return idle(settings().server);
    case Act::kTunnel:
      if (!none) return idle(settings().tunnel);
      settings().tunnel.reset();  // The other two count.
      return ledger_.carried(line.at);
    case Act::kCheck:
      settings().check_time = none ? std::nullopt : std::optional(clamped(*time, 1ms, 5min));
      return ledger_.carried(line.at);
    default: break;
  }
  auto& fin = keyword->name == "client-fin" ? settings().client_fin : settings().server_fin;
  fin = none ? std::nullopt : std::optional(*time);
  ledger_.carried(line.at);
}

void HaproxyReader::balance(const HaproxyLine& line) {
  const std::string_view name = line.word(1);
  ProxySettings& into = settings();
  into.balance_given = true;
  if (name == "roundrobin" || name == "static-rr") {
    into.pool.balance = config::Balance::kRoundRobin;
  } else if (name == "leastconn") {
    into.pool.balance = config::Balance::kLeastConnections;
  } else if (name == "source") {
    into.pool.balance = config::Balance::kSourceHash;
  } else if (name.starts_with("random")) {
    into.pool.balance = config::Balance::kRandomTwo;
    if (name != "random" && name != "random(2)") return ledger_.approximated(line.at, "the better of two at random");
  } else if (name == "first") {
    into.pool.balance = config::Balance::kLeastConnections;
    return ledger_.approximated(line.at, "the server with the fewest connections, not the first with room",
                                "backup: true for servers held in reserve");
  } else {
    into.balance_given = false;
    return ledger_.left_out(line.at, kHttpOnly.data(), "balance: source_hash, by the client's address");
  }
  ledger_.carried(line.at);
}

void HaproxyReader::httpchk(const HaproxyLine& line, std::size_t at) {
  ProxySettings& into = settings();
  into.check = CheckKind::kHttp;
  // [METHOD] URI [VERSION]
  const std::string_view first = line.word(at + 1);
  const bool has_method = !line.word(at + 2).empty();
  const std::string_view path = has_method ? line.word(at + 2) : first;
  if (!path.empty()) {
    if (!is_url_path(path)) return ledger_.left_out(line.at, fmt::format("{} is no path", shown(path)));
    into.check_path = path;
  }
  const std::string_view method = has_method ? first : "OPTIONS";
  if (method != "GET") return ledger_.approximated(line.at, fmt::format("the check asks with GET, not with {}", shown(method)));
  ledger_.carried(line.at);
}

void HaproxyReader::http_check(const HaproxyLine& line) {
  const std::string_view what = line.word(1);
  ProxySettings& into = settings();
  if (what == "send" || what == "expect" || what == "connect") {
    if (into.http_rules_inherited) {
      into.check_host.clear();
      into.check_expect.clear();
      into.http_connect = {};
      into.http_rules_inherited = false;
    }
    section().check_rules.emplace_back(line.at, CheckKind::kHttp);
  }
  if (what == "send") return http_check_send(line, 2);
  if (what == "expect") return http_check_expect(line, 2);
  if (what == "connect") return check_connect(line, 2, into.http_connect);
  if (what == "disable-on-404")
    return ledger_.left_out(line.at, "a server that answers 404 is down", "`fairlead server drain` takes one out of service");
  if (what == "send-state") return ledger_.left_out(line.at, "checks carry no state");
  ledger_.left_out(line.at, "a check asks once and looks at the status");
}

void HaproxyReader::http_check_send(const HaproxyLine& line, std::size_t at) {
  ledger_.carried(line.at);
  for (; at < line.words.size(); at += 2) {
    const std::string_view key = line.word(at);
    const std::string_view value = line.word(at + 1);
    if (key == "uri" && is_url_path(value)) {
      settings().check_path = value;
    } else if (key == "meth") {
      if (value != "GET") ledger_.approximated(line.at, fmt::format("the check asks with GET, not with {}", shown(value)));
    } else if (key == "ver") {
      if (value != "HTTP/1.1") ledger_.approximated(line.at, "the check speaks HTTP/1.1");
    } else if (key == "hdr") {
      const std::string_view content = line.word(at + 2);
      at += 1;
      if (lower(value) == "host" && is_host_header(content)) {
        settings().check_host = content;
      } else if (lower(value) != "connection" && lower(value) != "user-agent") {
        ledger_.approximated(line.at, fmt::format("without the header {}", shown(value)), "health.token_file sends a bearer token");
      }
    } else {
      ledger_.approximated(line.at, fmt::format("without {}", shown(key)));
    }
  }
}

void HaproxyReader::http_check_expect(const HaproxyLine& line, std::size_t at) {
  while (line.word(at).starts_with("min-recv") || line.word(at) == "comment" || line.word(at).ends_with("-status") ||
         line.word(at).ends_with("-fmt"))
    at += 2;
  if (line.word(at) == "status") {
    bool only_used = false;
    auto codes = read_status_codes(line.word(at + 1), only_used);
    if (!codes.empty()) {
      settings().check_expect = std::move(codes);
      if (only_used) return ledger_.approximated(line.at, "those of these codes that servers answer with", "health.expect");
      return ledger_.carried(line.at);
    }
    settings().check_expect = {200};
    return ledger_.approximated(line.at, fmt::format("at most {} status codes: only 200 is taken for healthy", config::kExpectedStatusMax),
                                "health.expect: [200, 204]");
  }
  settings().check_expect = {200};
  if (line.word(at) == "!")
    return ledger_.approximated(line.at, "what is healthy is listed, not what is not: only 200 is", "health.expect: [200, 204]");
  if (line.word(at) == "rstatus") return ledger_.approximated(line.at, "only 200 is taken for healthy", "health.expect: [200, 204]");
  ledger_.left_out(line.at, "a check looks at the status, not at the answer's text", "health.expect");
}

void HaproxyReader::check_connect(const HaproxyLine& line, std::size_t at, CheckConnect& into) {
  if (into.given) return ledger_.left_out(line.at, "a check opens one connection: the first one", "a pool of its own for another port");
  into.given = true;
  ledger_.carried(line.at);
  for (; at < line.words.size(); ++at) {
    const std::string_view word = line.word(at);
    if (word == "ssl") {
      into.tls = true;
    } else if (word == "sni") {
      if (is_host_header(line.word(++at))) into.server_name = line.word(at);
    } else if (word == "port") {
      const auto port = parse_number(line.word(++at));
      if (port && *port > 0 && *port <= 65535) {
        into.port = static_cast<std::uint16_t>(*port);
      } else {
        ledger_.approximated(line.at, fmt::format("without port {}: not a number", shown(line.word(at))), "pools[].health.port");
      }
    } else if (word == "addr" || word == "alpn" || word == "proto" || word == "via-socks4" || word == "comment") {
      ledger_.approximated(line.at, fmt::format("without {}", word));
      if (word != "via-socks4") ++at;
    } else if (word != "default" && word != "linger" && word != "send-proxy") {
      ledger_.approximated(line.at, fmt::format("without {}", shown(word)));
    }
  }
}

void HaproxyReader::tcp_check(const HaproxyLine& line) {
  if (line.word(1) == "connect") {
    ProxySettings& into = settings();
    if (into.tcp_rules_inherited) into.tcp_connect = {};
    into.tcp_rules_inherited = false;
    section().check_rules.emplace_back(line.at, CheckKind::kTcp);
    return check_connect(line, 2, into.tcp_connect);
  }
  if (line.word(1) == "comment") return ledger_.carried(line.at);
  ledger_.left_out(line.at, "a check of type tcp opens a connection and sends nothing", "health.type: tls, http or https");
}

void HaproxyReader::proxy_source(const HaproxyLine& line) {
  const HaproxyAddress address = parse_haproxy_address(line.word(1));
  const auto ip = parse_ip_address(address.host);
  if (!ip || ip->is_unspecified()) return ledger_.left_out(line.at, "the kernel chooses the address", "pools[].source");
  settings().pool.source = *ip;
  if (line.words.size() > 2 || address.first_port) return ledger_.approximated(line.at, "only the address was taken");
  ledger_.carried(line.at);
}

void HaproxyReader::keepalive_time(const HaproxyLine& line) {
  const std::string_view word = line.word(0);
  config::Keepalive& keepalive = settings().pool.keepalive;
  if (word.ends_with("-cnt")) {
    const auto count = parse_number(line.word(1));
    if (!count || *count < 1 || *count > 127) return ledger_.left_out(line.at, "not a number from 1 to 127");
    keepalive.count = static_cast<std::uint32_t>(*count);
    return ledger_.approximated(line.at, "for both sides of a connection");
  }
  const auto time = parse_haproxy_time(line.word(1));
  if (!time || *time < 1s) return ledger_.left_out(line.at, "not a time of a second or more");
  if (word.ends_with("-idle")) {
    keepalive.idle = clamped(*time, 1s, 12h);
  } else {
    keepalive.interval = clamped(*time, 1s, 1h);
  }
  ledger_.approximated(line.at, "for both sides of a connection");
}

void HaproxyReader::log_statement(const HaproxyLine& line) {
  if (line.word(1) == "global") return ledger_.carried(line.at);
  ledger_.left_out(line.at, "there is one log for all", "log.target");
}

void HaproxyReader::use_backend(const HaproxyLine& line) {
  const bool by_condition = line.words.size() > 2 || line.word(1).find("%[") != std::string_view::npos;
  if (section().always_target) return ledger_.left_out(line.at, "the one without a condition before it takes all connections");
  if (by_condition) return ledger_.left_out(line.at, "a listener has one pool", "a listener with an address or port of its own");
  section().always_target = {std::string(line.word(1)), line.at};
  ledger_.carried(line.at);
}

}  // namespace fairlead::migrate
