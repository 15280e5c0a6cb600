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

bool is_proxy(SectionKind kind) { return kind == SectionKind::kFrontend || kind == SectionKind::kBackend || kind == SectionKind::kListen; }

}  // namespace

bool HaproxyReader::begin_section(const HaproxyLine& line) {
  const SectionWord* word = find_section(line.word(0));
  if (word == nullptr) return false;
  Section next;
  next.kind = word->kind;
  next.name = line.word(1);
  next.at = line.at;
  next.unreadable = !line.usable;
  const auto from = std::find(line.words.begin(), line.words.end(), "from");
  if (from != line.words.end() && from + 1 != line.words.end()) {
    const auto named = named_defaults_.find(*(from + 1));
    if (named != named_defaults_.end()) {
      next.settings = named->second;
    } else {
      ledger_.approximated(line.at, fmt::format("there is no defaults section {}", shown(*(from + 1))));
      next.settings = defaults_;
    }
  } else if (is_proxy(word->kind)) {
    next.settings = defaults_;
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
  sections_.clear();
  sections_.emplace_back();  // Lines before the first section.
  current_ = 0;
  for (const HaproxyLine& line : lines) {
    if (line.word(0).starts_with('.') && line.usable) {
      preprocessor(line);
      continue;
    }
    if (in_else_) {
      ledger_.left_out(line.at, "it stands in a second branch (.elif, .else)");
      continue;
    }
    const SectionKind before = section().kind;
    if (find_section(line.word(0)) != nullptr && before == SectionKind::kDefaults) {
      defaults_ = settings();
      if (!section().name.empty() && section().name != "from") named_defaults_[section().name] = defaults_;
    }
    if (begin_section(line)) continue;
    section().lines.push_back(line.at);
    if (line.usable && !section().unreadable) statement(line);
  }
  finish();
}

void HaproxyReader::statement(const HaproxyLine& line) {
  switch (section().kind) {
    case SectionKind::kGlobal: return global(line);
    case SectionKind::kResolvers: return resolvers(line);
    case SectionKind::kPeers: return peers(line);
    case SectionKind::kOther:
      return current_ == 0 ? ledger_.left_out(line.at, "it stands in no section HAProxy knows", "is this a haproxy.cfg?")
                           : ledger_.left_out(line.at, "its section is not carried over");
    case SectionKind::kDefaults:
    case SectionKind::kFrontend:
    case SectionKind::kBackend:
    case SectionKind::kListen: return proxy(line);
  }
}

void HaproxyReader::global(const HaproxyLine& line) {
  const std::string_view word = line.word(0) == "no" ? line.word(1) : line.word(0);
  const HaproxyKeyword* keyword = find_haproxy_keyword(Place::kGlobal, word);
  if (keyword == nullptr) return ledger_.left_out(line.at, fmt::format("unknown in `global`: {}", shown(word)));
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
  const std::string_view level = line.words.back();
  const auto set = [&](config::Log& into, LogLevel value) { into.level = value; };
  if (level == "debug") set(log, LogLevel::kDebug);
  if (level == "info") set(log, LogLevel::kInfo);
  if (level == "notice") set(log, LogLevel::kNotice);
  if (level == "warning") set(log, LogLevel::kWarning);
  if (level == "err") set(log, LogLevel::kError);
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
  const bool loopback = !stats.binds.empty() && stats.binds.front().address.is_loopback();
  if (loopback) wanted_.process.admin.listen = stats.binds.front().to_string();
  ledger_.approximated(stats.at, fmt::format("statistics, /metrics and /readyz are on admin.listen, {}", wanted_.process.admin.listen),
                       loopback ? "" : "elsewhere than on loopback it wants admin.tls with client certificates");
  for (const Ledger::Line line : stats.lines) ledger_.left_out_too(line, "admin.listen has its own pages and rights");
}

void HaproxyReader::finish() {
  for (Section& done : sections_) {
    if (!is_proxy(done.kind)) continue;
    if (done.unreadable) {
      leave_out_section(done, "its name could not be read", "write the name itself");
    } else if (done.stats_page) {
      stats_section(done);
    } else if (done.disabled) {
      leave_out_section(done, "it is disabled", "remove `disabled` and import again");
    } else if (done.settings.http) {
      leave_out_section(done, "mode http, and Fairlead passes TCP through",
                        done.kind == SectionKind::kBackend ? "mode tcp in the backend and what leads to it"
                                                           : "mode tcp if it may pass through; /readyz of admin.listen if it tells health");
    } else if (done.kind != SectionKind::kFrontend) {
      finish_backend(done);
    }
  }
  for (Section& done : sections_) {
    const bool listens = done.kind == SectionKind::kFrontend || done.kind == SectionKind::kListen;
    if (listens && !done.unreadable && !done.stats_page && !done.disabled && !done.settings.http) finish_frontend(done);
  }
}

void HaproxyReader::finish_backend(Section& done) {
  if (wanted_.pools.size() >= config::kPoolsMax)
    return leave_out_section(done, fmt::format("more than {} pools", config::kPoolsMax), "split the file");
  if (pool_of_.contains(done.name)) return leave_out_section(done, "a second section of this name", "rename it");
  PoolWish pool;
  pool.at = done.at;
  pool.settings = done.settings.pool;
  pool.settings.name = wanted_.free_pool_name(name_from(done.name));
  if (pool.settings.name != done.name) ledger_.approximated(done.at, fmt::format("the pool is called {}", pool.settings.name));
  if (!done.settings.balance_given) pool.settings.balance = config::Balance::kRoundRobin;
  const ProxySettings& from = done.settings;
  const auto shorter = [](const std::optional<Duration>& a, const std::optional<Duration>& b) {
    return a && b ? std::min(*a, *b) : a ? *a : b;
  };
  if (const std::optional<Duration> idle = from.tunnel ? from.tunnel : shorter(from.server, from.client)) {
    pool.settings.idle_timeout = clamped(*idle, std::chrono::milliseconds(1), config::kDurationMax);
  }
  if (from.fin) pool.settings.half_close_timeout = clamped(*from.fin, std::chrono::milliseconds(1), config::kDurationMax);
  finish_servers(done, pool);
  ledger_.carried(done.at);
  pool_of_[done.name] = {wanted_.pools.size(), done.settings.tunnel.has_value()};
  wanted_.pools.push_back(std::move(pool));
}

void HaproxyReader::finish_frontend(Section& done) {
  std::string target = done.targets.empty() ? (done.kind == SectionKind::kListen ? done.name : "") : done.targets.front().first;
  const bool own_servers = done.kind == SectionKind::kListen && !done.servers.empty();
  if (own_servers) target = done.name;
  const auto pool = pool_of_.find(target);
  for (const auto& [name, at] : done.targets) {
    if (own_servers) ledger_.left_out(at, "the section has servers of its own");
  }
  if (pool == pool_of_.end()) {
    return leave_out_section(
        done, target.empty() ? "no backend takes all its connections" : fmt::format("its backend {} is not carried over", shown(target)),
        "write default_backend");
  }
  if (done.binds.empty()) {
    if (done.kind == SectionKind::kListen) return;  // A backend by another name.
    return leave_out_section(done, "nothing is left to listen on", "write bind with an address and a port");
  }
  if (done.kind == SectionKind::kFrontend && done.settings.client && !pool->second.tunnel) {
    config::Pool& settings = wanted_.pools[pool->second.pool].settings;
    const Duration client = clamped(*done.settings.client, std::chrono::milliseconds(1), config::kDurationMax);
    if (settings.idle_timeout == config::Pool{}.idle_timeout || client < settings.idle_timeout) settings.idle_timeout = client;
  }
  settle_rules(done);
  const std::string name = name_from(done.name);
  if (name != done.name) ledger_.approximated(done.at, fmt::format("the listener is called {}", name));
  const std::uint32_t process_max = wanted_.process.proxy.max_connections.value_or(0);
  for (std::size_t from = 0; from < done.binds.size(); from += config::kBindsPerListenerMax) {
    if (wanted_.listeners.size() >= config::kListenersMax)
      return ledger_.left_out(done.at, fmt::format("more than {} listeners", config::kListenersMax), "split the file");
    ListenerWish wish;
    wish.at = done.at;
    wish.settings = done.rules;
    wish.settings.name = name;
    wish.settings.pool = wanted_.pools[pool->second.pool].settings.name;
    const std::size_t to = std::min(done.binds.size(), from + config::kBindsPerListenerMax);
    wish.settings.bind.assign(done.binds.begin() + static_cast<std::ptrdiff_t>(from), done.binds.begin() + static_cast<std::ptrdiff_t>(to));
    // A frontend without a limit of its own may fill the process.
    wish.settings.max_connections = done.settings.max_connections.value_or(std::max(process_max, config::Listener{}.max_connections));
    wish.settings.max_connection_rate = done.settings.connection_rate;
    wish.settings.accept_proxy = done.accept_proxy;
    wish.settings.log = done.settings.log_lines;
    wanted_.listeners.push_back(std::move(wish));
  }
  ledger_.carried(done.at);
}

void read_haproxy(std::string_view file, std::string_view text, Ledger& ledger, Wanted& wanted) {
  HaproxyReader reader(ledger, wanted);
  reader.read(read_haproxy_lines(file, text, ledger));
}

}  // namespace fairlead::migrate
