// fairlead: pure
#include "migrate/haproxy_reader.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/haproxy_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

struct SectionWord {
  std::string_view word;
  SectionKind kind;
  std::string_view reason;  ///< kOther: why it is left out.
  std::string_view remedy;
};
constexpr std::array kSections{
    SectionWord{"global", SectionKind::kGlobal, {}, {}},
    SectionWord{"defaults", SectionKind::kDefaults, {}, {}},
    SectionWord{"frontend", SectionKind::kFrontend, {}, {}},
    SectionWord{"backend", SectionKind::kBackend, {}, {}},
    SectionWord{"listen", SectionKind::kListen, {}, {}},
    SectionWord{"resolvers", SectionKind::kResolvers, {}, {}},
    SectionWord{"peers", SectionKind::kPeers, {}, {}},
    SectionWord{"userlist", SectionKind::kOther, "there are no passwords", "members of group fairlead, or client certificates"},
    SectionWord{"mailers", SectionKind::kOther, "no mail is sent", "alarms of Prometheus on /metrics"},
    SectionWord{"program", SectionKind::kOther, "other programs are systemd's", "a unit of its own"},
    SectionWord{"ring", SectionKind::kOther, "events and logs have rings of their own", "`fairlead events`"},
    SectionWord{"cache", SectionKind::kOther, "it works on HTTP", ""},
    SectionWord{"http-errors", SectionKind::kOther, "it works on HTTP", ""},
    SectionWord{"fcgi-app", SectionKind::kOther, "it works on HTTP", ""},
    SectionWord{"log-forward", SectionKind::kOther, "no logs are passed on", "the journal or a syslog daemon"},
    SectionWord{"log-profile", SectionKind::kOther, "a connection's line has its own format", ""},
    SectionWord{"crt-store", SectionKind::kOther, "TLS passes through, it is not ended here", ""},
    SectionWord{"acme", SectionKind::kOther, "TLS passes through, it is not ended here", ""},
    SectionWord{"traces", SectionKind::kOther, "HAProxy's own debugging", "log.level: trace"},
};

const SectionWord* find_section(std::string_view word) {
  const auto found = std::find_if(kSections.begin(), kSections.end(), [&](const SectionWord& known) { return known.word == word; });
  return found == kSections.end() ? nullptr : &*found;
}

/// "log ADDRESS [len N] [format F] [sample S] FACILITY [LEVEL [LEAST]]"
std::optional<LogLevel> log_level_of(const HaproxyLine& line) {
  std::size_t at = 2;
  while (line.word(at) == "len" || line.word(at) == "format" || line.word(at) == "sample") at += 2;
  const std::string_view level = line.word(at + 1);
  if (level == "debug") return LogLevel::kDebug;
  if (level == "info") return LogLevel::kInfo;
  if (level == "notice") return LogLevel::kNotice;
  if (level == "warning") return LogLevel::kWarning;
  if (level == "err" || level == "crit" || level == "alert" || level == "emerg") return LogLevel::kError;
  return std::nullopt;
}

/// The shorter one; 0 is never.
std::optional<Duration> shorter(const std::optional<Duration>& a, const std::optional<Duration>& b) {
  if (!a || !b) return a ? a : b;
  if (*a == Duration{} || *b == Duration{}) return std::max(*a, *b);
  return std::min(*a, *b);
}

bool is_proxy(SectionKind kind) { return kind == SectionKind::kFrontend || kind == SectionKind::kBackend || kind == SectionKind::kListen; }

}  // namespace

/// The section whose settings this one begins with: the one it names, else the last before it. A `defaults` begins with nothing, unless it
/// names one.
std::optional<std::size_t> HaproxyReader::defaults_of(const HaproxyLine& line, SectionKind kind) {
  const auto from = std::find(line.words.begin(), line.words.end(), "from");
  if (from != line.words.end() && from + 1 != line.words.end()) {
    const auto named = named_defaults_.find(*(from + 1));
    if (named != named_defaults_.end()) return named->second;
    ledger_.approximated(line.at, fmt::format("there is no defaults section {}", shown(*(from + 1))));
    return last_defaults_;
  }
  return kind == SectionKind::kDefaults ? std::nullopt : last_defaults_;
}

bool HaproxyReader::begin_section(const HaproxyLine& line) {
  const SectionWord* word = find_section(line.word(0));
  if (word == nullptr) return false;
  Section next;
  next.kind = word->kind;
  next.name = line.word(1);
  next.at = line.at;
  next.unreadable = !line.usable;
  if (is_proxy(word->kind) || word->kind == SectionKind::kDefaults) next.base = defaults_of(line, word->kind);
  if (next.base) {
    next.settings = sections_[*next.base].settings;
    next.settings.http_rules_inherited = next.settings.tcp_rules_inherited = true;
    if (word->kind != SectionKind::kBackend) inherit_rules(line, next, sections_[*next.base].access);
  }
  if (is_proxy(word->kind)) {
    if (next.name.empty() && line.usable) {
      ledger_.left_out(line.at, fmt::format("a {} without a name", word->word));
      next.unreadable = true;
    }
  } else if (word->kind == SectionKind::kOther) {
    ledger_.left_out(line.at, std::string(word->reason), std::string(word->remedy));
  } else {
    ledger_.carried(line.at);
  }
  sections_.push_back(std::move(next));
  current_ = sections_.size() - 1;
  if (word->kind == SectionKind::kDefaults) {
    last_defaults_ = current_;
    if (!section().name.empty() && section().name != "from") named_defaults_[section().name] = current_;
  }
  // HAProxy before 1.7 took an address here.
  if (is_proxy(word->kind) && line.words.size() > 2 && line.word(2) != "from") {
    if (word->kind == SectionKind::kBackend) {
      ledger_.approximated(line.at, fmt::format("without {}", shown(line.word(2))));
    } else {
      bind_addresses(line, line.word(2), {});
    }
  }
  return true;
}

/// .if, .else ... : nothing is evaluated; the lines of the first branch count.
void HaproxyReader::preprocessor(const HaproxyLine& line) {
  ledger_.left_out(line.at, "conditions on the configuration are not evaluated",
                   "the lines of the first branch were read: check that they are the ones that hold");
  const std::string_view word = line.word(0);
  if (word == ".else" || word == ".elif") in_else_ = true;
  if (word == ".endif") in_else_ = false;
}

void HaproxyReader::read(const std::vector<HaproxyLine>& lines) {
  sections_.emplace_back().before_first = true;
  current_ = sections_.size() - 1;
  in_else_ = false;
  for (const HaproxyLine& line : lines) {
    if (line.word(0).starts_with('.') && line.usable) {
      preprocessor(line);
      continue;
    }
    if (in_else_) {
      ledger_.left_out(line.at, "it stands in a second branch (.elif, .else)");
      continue;
    }
    if (begin_section(line)) continue;
    section().lines.push_back(line.at);
    if (line.usable && !section().unreadable) statement(line);
  }
}

void HaproxyReader::statement(const HaproxyLine& line) {
  switch (section().kind) {
    case SectionKind::kGlobal: return global(line);
    case SectionKind::kResolvers: return resolvers(line);
    case SectionKind::kPeers: return peers(line);
    case SectionKind::kOther:
      return section().before_first ? ledger_.left_out(line.at, "it stands in no section HAProxy knows", "is this a haproxy.cfg?")
                                    : ledger_.left_out(line.at, "its section is not carried over");
    case SectionKind::kDefaults:
    case SectionKind::kFrontend:
    case SectionKind::kBackend:
    case SectionKind::kListen: return proxy(line);
  }
}

void HaproxyReader::global(const HaproxyLine& line) {
  const bool negated = line.word(0) == "no";
  const std::string_view word = negated ? line.word(1) : line.word(0);
  const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kGlobal, word);
  if (keyword == nullptr) return ledger_.left_out(line.at, fmt::format("unknown in `global`: {}", shown(word)));
  if (negated && keyword->act != Act::kLeaveOut && keyword->act != Act::kSoAnyway)
    return ledger_.left_out(line.at, fmt::format("`no` of {} is not read", word), "remove the lines that it takes back");
  const auto number = parse_number(line.word(1));
  config::Proxy& proxy = wanted_.process.proxy;
  switch (keyword->act) {
    case Act::kSoAnyway: return ledger_.carried(line.at);
    case Act::kProcessMaxconn:
      if (!number || *number == 0 || *number > config::kConnectionsMax) return ledger_.left_out(line.at, "not a number of connections");
      proxy.max_connections = static_cast<std::uint32_t>(*number);
      return ledger_.carried(line.at);
    case Act::kWorkers:
      if (!number || *number == 0 || *number > config::kWorkersMax)
        return ledger_.left_out(line.at, fmt::format("not a number from 1 to {}", config::kWorkersMax));
      proxy.workers = static_cast<std::uint32_t>(std::max<std::uint64_t>(*number, proxy.workers.value_or(1)));
      if (keyword->name == "nbproc") return ledger_.approximated(line.at, "there is one process, with so many workers");
      return ledger_.carried(line.at);
    case Act::kHardStop: {
      const auto time = parse_haproxy_time(line.word(1));
      if (!time) return ledger_.left_out(line.at, "not a time");
      wanted_.process.shutdown_grace = clamped(*time, Duration{}, std::chrono::hours(24));
      return ledger_.carried(line.at);
    }
    case Act::kNoSplice: proxy.splice = config::Splice::kOff; return ledger_.carried(line.at);
    case Act::kSharedLog: return global_log(line);
    case Act::kStatsSocket: return stats_socket(line);
    case Act::kCaBase: ca_base_ = line.word(1); return ledger_.carried(line.at);
    case Act::kCrtBase: crt_base_ = line.word(1); return ledger_.carried(line.at);
    case Act::kServerVerify: verify_none_ = line.word(1) == "none"; return ledger_.carried(line.at);
    default: return ledger_.left_out(line.at, std::string(keyword->reason), std::string(keyword->remedy));
  }
}

void HaproxyReader::global_log(const HaproxyLine& line) {
  const std::string_view target = line.word(1);
  config::Log& log = wanted_.process.log;
  if (target.starts_with("stdout") || target.starts_with("stderr") || target.starts_with("fd@")) {
    ledger_.approximated(line.at, "started by systemd the log goes to the journal, else to stderr", "log.target");
  } else if (target.starts_with('/')) {
    log.target = config::LogTarget::kSyslog;
    ledger_.approximated(line.at, "log.target: syslog, facility daemon", "`journal` keeps the fields apart");
  } else {
    return ledger_.left_out(line.at, "no log is sent over the network", "let the syslog daemon or the journal pass it on");
  }
  const auto level = log_level_of(line);
  if (!level) return;
  // Of several logs the one that wants most decides: there is one here.
  log.level = log_level_ ? std::max(*log_level_, *level) : *level;
  log_level_ = log.level;
}

void HaproxyReader::stats_socket(const HaproxyLine& line) {
  if (line.word(1) == "socket") {
    return ledger_.approximated(line.at, "the command `fairlead` uses admin.socket; it speaks Fairlead's API, not HAProxy's commands",
                                "docs/operating/from-haproxy.md has both side by side");
  }
  ledger_.left_out(line.at, "the API has its own limits");
}

void HaproxyReader::resolvers(const HaproxyLine& line) {
  const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kResolvers, line.word(0));
  if (keyword == nullptr) return ledger_.left_out(line.at, fmt::format("unknown in `resolvers`: {}", shown(line.word(0))));
  if (keyword->act == Act::kSoAnyway) return ledger_.carried(line.at);
  if (keyword->act != Act::kHold) return ledger_.left_out(line.at, std::string(keyword->reason), std::string(keyword->remedy));
  const auto time = parse_haproxy_time(line.word(2));
  if (!time) return ledger_.left_out(line.at, "not a time");
  config::Resolve& resolve = resolvers_.try_emplace(section().name).first->second;
  using namespace std::chrono_literals;
  if (line.word(1) == "valid") {
    resolve.interval = clamped(*time, 100ms, 24h);
    return ledger_.carried(line.at);
  }
  if (line.word(1) == "obsolete") {
    resolve.hold = clamped(*time, Duration{}, 7 * 24h);
    return ledger_.carried(line.at);
  }
  ledger_.left_out(line.at, "a resolver that does not answer takes no address away", "resolve.hold is for addresses that left the answer");
}

void HaproxyReader::peers(const HaproxyLine& line) {
  const std::string reason = "there are no tables to share between nodes: source_hash chooses alike on all of them";
  if (line.word(0) == "peer" || line.word(0) == "server") {
    const HaproxyAddress address = parse_haproxy_address(line.word(2));
    const auto ip = parse_ip_address(address.host);
    if (ip && !line.word(1).empty()) {
      wanted_.host_names[*ip] = name_from(line.word(1));
      return ledger_.approximated(line.at, fmt::format("{}; only the node's name was taken", reason));
    }
  }
  ledger_.left_out(line.at, reason);
}

void HaproxyReader::leave_out_section(const Section& left, const std::string& reason, const std::string& remedy) {
  ledger_.left_out(left.at, reason, remedy);
  for (const Ledger::Line line : left.lines)
    ledger_.left_out_too(line, fmt::format("{} is not carried over", left.name.empty() ? "its section" : shown(left.name)));
}

/// A page for people: admin.listen is it, on loopback or behind TLS.
void HaproxyReader::stats_section(const Section& stats) {
  const bool loopback = !stats.binds.empty() && stats.binds.front().endpoint.address.is_loopback();
  if (loopback) wanted_.process.admin.listen = stats.binds.front().endpoint.to_string();
  ledger_.approximated(stats.at, fmt::format("statistics, /metrics and /readyz are on admin.listen, {}", wanted_.process.admin.listen),
                       loopback ? "" : "elsewhere than on loopback it wants admin.tls with client certificates");
  for (const Ledger::Line line : stats.lines) ledger_.left_out_too(line, "admin.listen has its own pages and rights");
}

namespace {

bool passes_tcp(const Section& section) {
  return is_proxy(section.kind) && !section.unreadable && !section.settings.disabled && !section.settings.http;
}
bool listens(const Section& section) { return passes_tcp(section) && section.kind != SectionKind::kBackend && !section.binds.empty(); }
/// HAProxy writes its page in mode http only.
bool is_stats_page(const Section& section) {
  return section.stats_page &&
         (section.settings.http || (section.servers.empty() && !section.always_target && !section.settings.default_backend));
}
/// The backend that gets the connections which no condition sends elsewhere; "": none.
std::string target_of(const Section& section) {
  if (section.always_target) return section.always_target->first;
  if (section.settings.default_backend) return section.settings.default_backend->first;
  return section.kind == SectionKind::kListen ? section.name : "";
}

}  // namespace

void HaproxyReader::find_client_ports() {
  for (const Section& section : sections_) {
    if (!listens(section) || is_stats_page(section)) continue;
    for (const Bind& bind : section.binds) client_ports_[target_of(section)].insert(bind.endpoint.port);
  }
}

void HaproxyReader::finish() {
  find_client_ports();
  leave_out_unused_rules();
  for (Section& done : sections_) {
    if (!is_proxy(done.kind)) continue;
    if (done.unreadable) {
      leave_out_section(done, "its name could not be read", "write the name itself");
    } else if (is_stats_page(done)) {
      stats_section(done);
    } else if (done.settings.disabled) {
      leave_out_section(done, "it is disabled", "remove `disabled` and import again");
    } else if (done.settings.http) {
      leave_out_section(done, "mode http, and Fairlead passes TCP through",
                        done.kind == SectionKind::kBackend ? "mode tcp in the backend and what leads to it"
                                                           : "mode tcp if it may pass through; /readyz of admin.listen if it tells health");
    } else if (done.kind != SectionKind::kFrontend) {
      finish_backend(done);
    }
  }
  settle_tracks();
  for (Section& done : sections_) {
    if (passes_tcp(done) && done.kind != SectionKind::kBackend && !is_stats_page(done)) finish_frontend(done);
  }
}

void HaproxyReader::finish_backend(Section& done) {
  if (wanted_.pools.size() >= config::kPoolsMax)
    return leave_out_section(done, fmt::format("more than {} pools", config::kPoolsMax), "split the file");
  if (done.servers.empty() && !client_ports_.contains(done.name)) {
    if (done.kind == SectionKind::kListen && target_of(done) != done.name) return;  // A frontend by another name.
    return leave_out_section(done, "it has no server, and no listener leads to it", "");
  }
  if (pool_of_.contains(done.name)) return leave_out_section(done, "a second section of this name", "rename it");
  PoolWish pool;
  pool.at = done.at;
  pool.settings = done.settings.pool;
  pool.settings.name = wanted_.free_pool_name(name_from(done.name));
  if (pool.settings.name != done.name) ledger_.approximated(done.at, fmt::format("the pool is called {}", pool.settings.name));
  if (!done.settings.balance_given) pool.settings.balance = config::Balance::kRoundRobin;
  for (const auto& [line, kind] : done.check_rules) {
    if (kind != done.settings.check)
      ledger_.left_out(line, fmt::format("HAProxy uses it with `option {}` only", kind == CheckKind::kHttp ? "httpchk" : "tcp-check"));
  }
  PoolOf known;
  known.pool = wanted_.pools.size();
  const ProxySettings& from = done.settings;
  known.tunnel = from.tunnel.has_value();
  // A frontend's timeout is the client's, a backend's the server's.
  known.idle = from.tunnel ? from.tunnel : from.server;
  known.fin = from.server_fin;
  finish_servers(done, pool, known);
  ledger_.carried(done.at);
  wanted_.pools.push_back(std::move(pool));
  pool_of_[done.name] = known;
  take_timeouts(done, done.name);
}

/// `section`: the backend itself, or a frontend that leads there.
void HaproxyReader::take_timeouts(const Section& section, const std::string& backend) {
  PoolOf& known = pool_of_[backend];
  config::Pool& pool = wanted_.pools[known.pool].settings;
  if (section.kind != SectionKind::kBackend) {
    if (!known.tunnel) known.idle = shorter(known.idle, section.settings.client);
    if (section.settings.client_fin) known.fin = std::max(known.fin.value_or(Duration{}), *section.settings.client_fin);
  }
  constexpr Duration kLeast = std::chrono::milliseconds(1);
  if (known.idle) pool.idle_timeout = *known.idle == Duration{} ? Duration{} : clamped(*known.idle, kLeast, config::kDurationMax);
  if (known.fin) pool.half_close_timeout = clamped(*known.fin, kLeast, config::kDurationMax);
}

/// `track`: the health of another backend's server counts. Here that server's check is made, of this pool's servers.
void HaproxyReader::settle_tracks() {
  for (const auto& [name, known] : pool_of_) {
    if (!known.track) continue;
    const auto& [what, line] = *known.track;
    const auto slash = what.find('/');
    const auto other = pool_of_.find(slash == std::string::npos ? name : what.substr(0, slash));
    PoolWish& pool = wanted_.pools[known.pool];
    const config::Pool* tracked = other == pool_of_.end() || other->second.track ? nullptr : &wanted_.pools[other->second.pool].settings;
    if (tracked == nullptr || tracked->health.type == config::HealthType::kNone) {
      ledger_.approximated(line, fmt::format("without track: there is no check of {} here, so the servers have none", shown(what)),
                           "pools[].health");
      continue;
    }
    pool.settings.health = tracked->health;
    const std::string server = name_from(what.substr(slash == std::string::npos ? 0 : slash + 1));
    const auto found = std::find_if(tracked->servers.begin(), tracked->servers.end(), [&](const auto& one) { return one.name == server; });
    if (found != tracked->servers.end() && pool.settings.health.port == 0 && !pool.settings.servers.empty() &&
        found->address.port != pool.settings.servers.front().address.port)
      pool.settings.health.port = found->address.port;
    ledger_.approximated(line, fmt::format("it is not told by {}, but checked as that is", shown(what)), "pools[].health");
  }
}

void HaproxyReader::finish_frontend(Section& done) {
  const std::string target = target_of(done);
  const auto pool = pool_of_.find(target);
  if (done.always_target && done.settings.default_backend && done.settings.default_backend->second > done.at)
    ledger_.left_out(done.settings.default_backend->second, "a use_backend without a condition takes all connections");
  if (pool == pool_of_.end()) {
    return leave_out_section(
        done, target.empty() ? "no backend takes all its connections" : fmt::format("its backend {} is not carried over", shown(target)),
        "write default_backend");
  }
  if (done.binds.empty()) {
    if (done.kind == SectionKind::kListen) return;  // A backend by another name.
    return leave_out_section(done, "nothing is left to listen on", "write bind with an address and a port");
  }
  if (done.kind == SectionKind::kListen && target != done.name && !done.servers.empty())
    ledger_.approximated(done.at, fmt::format("its own servers get no connection: all go to {}", shown(target)));
  if (const std::string problem = settle_rules(done); !problem.empty())
    return leave_out_section(done, problem, "a listener with allow or deny of its own");
  if (target != done.name) take_timeouts(done, target);
  add_listeners(done, wanted_.pools[pool->second.pool].settings.name);
}

/// Binds with and without accept-proxy are listeners of their own, and no listener has too many.
void HaproxyReader::add_listeners(const Section& done, const std::string& pool) {
  const std::string name = name_from(done.name);
  if (name != done.name) ledger_.approximated(done.at, fmt::format("the listener is called {}", name));
  const std::uint32_t process_max = wanted_.process.proxy.max_connections.value_or(0);
  std::vector<ListenerWish> made;
  for (const Bind& bind : done.binds) {
    const auto fits = [&](const ListenerWish& wish) {
      return wish.settings.accept_proxy == bind.accept_proxy && wish.settings.bind.size() < config::kBindsPerListenerMax;
    };
    auto into = std::find_if(made.begin(), made.end(), fits);
    if (into == made.end()) {
      if (wanted_.listeners.size() + made.size() >= config::kListenersMax) {
        ledger_.left_out(done.at, fmt::format("more than {} listeners", config::kListenersMax), "split the file");
        break;
      }
      ListenerWish wish;
      wish.at = done.at;
      wish.settings = bind.accept_proxy ? done.proxied_rules : done.rules;
      wish.settings.name = name;
      wish.settings.pool = pool;
      // A frontend without a limit of its own may fill the process.
      wish.settings.max_connections = done.settings.max_connections.value_or(std::max(process_max, config::Listener{}.max_connections));
      wish.settings.max_connection_rate = done.settings.connection_rate;
      wish.settings.accept_proxy = bind.accept_proxy;
      wish.settings.log = done.settings.log_lines;
      into = made.insert(made.end(), std::move(wish));
    }
    into->settings.bind.push_back(bind.endpoint);
  }
  wanted_.listeners.insert(wanted_.listeners.end(), made.begin(), made.end());
  ledger_.carried(done.at);
}

void read_haproxy(const std::vector<const Input*>& inputs, Ledger& ledger, Wanted& wanted) {
  HaproxyReader reader(ledger, wanted);
  for (const Input* input : inputs) reader.read(read_haproxy_lines(input->name, input->text, ledger));
  reader.finish();
}

}  // namespace fairlead::migrate
