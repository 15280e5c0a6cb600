// fairlead: pure
// acl, tcp-request, stick-table: who may connect, and how often. HAProxy walks rules in order; Fairlead has a list of who may and one of
// who may not, which wins. What the two have in common is carried.
#include <algorithm>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/haproxy_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kNetworksSeenMax = 20'000;   ///< Of named lists, in all conditions of one file.
constexpr std::size_t kConditionWordsMax = 64;     ///< Of one condition.
constexpr std::size_t kRulesWorkMax = 20'000'000;  ///< Comparisons of two networks, in all rules of one file.
constexpr std::size_t kRatesMax = 100;             ///< Of one section.
constexpr std::string_view kNotSource = "only rules on the client's address (src) are carried over";
constexpr std::string_view kLists = "listeners[].allow and deny";
constexpr std::string_view kOfListeners = "rules belong to a listener";
constexpr std::size_t kPeerSet = 0;  ///< `tcp-request connection`: walked before a PROXY header is read.

/// "gt", "ge" and what follows: the most that is allowed.
std::optional<std::uint32_t> limit_of(std::string_view comparison, std::string_view number, std::uint32_t most) {
  const auto value = parse_number(number);
  if (!value || *value > most) return std::nullopt;
  if (comparison == "gt") return static_cast<std::uint32_t>(*value);
  if (comparison == "ge" && *value > 0) return static_cast<std::uint32_t>(*value - 1);
  return std::nullopt;
}

std::string too_many() { return fmt::format("more than {} networks", config::kAccessListMax); }

}  // namespace

SourceAcl HaproxyReader::read_networks(const HaproxyLine& line, std::size_t from, std::size_t to) {
  SourceAcl out;
  for (std::size_t at = from; at < to; ++at) {
    const std::string_view word = line.word(at);
    if (word == "-f" || word == "-M" || word == "-m") {
      out.known = false;
      ledger_.left_out(line.at, word == "-f" ? "lists in files are not read" : std::string(kNotSource), std::string(kLists));
      return out;
    }
    if (word == "-n" || word == "--") continue;
    const auto network = parse_ip_prefix(word);
    if (!network || out.networks.size() >= config::kAccessListMax) {
      out.known = false;
      ledger_.left_out(line.at, fmt::format("{} is no network", shown(word)), std::string(kLists));
      return out;
    }
    out.networks.push_back(*network);
  }
  return out;
}

void HaproxyReader::acl(const HaproxyLine& line) {
  const std::string name(line.word(1));
  if (line.word(2) != "src" || name.empty()) {
    section().acls[name].known = false;
    return ledger_.left_out(line.at, std::string(kNotSource), std::string(kLists));
  }
  SourceAcl read = read_networks(line, 3, line.words.size());
  SourceAcl& into = section().acls[name];
  into.known = into.known && read.known && add_networks(into.networks, read.networks);
  ledger_.carried(line.at);
}

/// "if lan office", "unless lan", "if { src 10.0.0.0/8 }", "if !lan". Several names are an AND in HAProxy: only one, or several by "or".
std::optional<SourceAcl> HaproxyReader::condition_of(const HaproxyLine& line, std::size_t at, bool& negated) {
  negated = line.word(at) == "unless";
  if (line.words.size() > kConditionWordsMax) return std::nullopt;
  SourceAcl out;
  bool joined = true;
  bool any_negated = false;
  for (std::size_t i = at + 1; i < line.words.size(); ++i) {
    std::string_view word = line.word(i);
    if (word == "or" || word == "||") {
      joined = true;
      continue;
    }
    if (!joined) return std::nullopt;  // An AND.
    joined = false;
    if (word.starts_with('!')) {
      any_negated = true;
      word.remove_prefix(1);
    }
    if (any_negated && !out.networks.empty()) return std::nullopt;  // not a or b
    if (word == "{") {
      const auto end = std::find(line.words.begin() + static_cast<std::ptrdiff_t>(i), line.words.end(), "}");
      if (end == line.words.end() || line.word(i + 1) != "src") return std::nullopt;
      const SourceAcl read = read_networks(line, i + 2, static_cast<std::size_t>(end - line.words.begin()));
      if (!read.known || !add_networks(out.networks, read.networks)) return std::nullopt;
      i = static_cast<std::size_t>(end - line.words.begin());
      continue;
    }
    const auto found = section().acls.find(std::string(word));
    if (found == section().acls.end() || !found->second.known) return std::nullopt;
    networks_seen_ += found->second.networks.size();
    if (networks_seen_ > kNetworksSeenMax || !add_networks(out.networks, found->second.networks)) return std::nullopt;
  }
  if (out.networks.empty()) return std::nullopt;
  if (any_negated) negated = !negated;
  return out;
}

void HaproxyReader::source_rule(const HaproxyLine& line, RuleSet& rules, bool accept, std::size_t condition) {
  if (rules.walk.ended()) return ledger_.left_out(line.at, "HAProxy never gets to it: a rule before it decides about everybody");
  if (line.word(condition).empty()) {
    if (!accept) return reject_rule(line, rules, std::nullopt, false);
    rules.walk.decide_rest(true);
    return ledger_.carried(line.at);
  }
  bool negated = false;
  auto source = condition_of(line, condition, negated);
  if (source) rules_work_ += source->networks.size() * config::kAccessListMax;
  if (rules_work_ > kRulesWorkMax) source.reset();
  if (!source || (accept && negated)) {
    if (accept) rules.unread_accept = line.at;
    return ledger_.left_out(line.at, std::string(source ? "who may connect is listed, not who else" : kNotSource), std::string(kLists));
  }
  if (accept) return accept_rule(line, rules, *source);
  reject_rule(line, rules, source, negated);
}

void HaproxyReader::accept_rule(const HaproxyLine& line, RuleSet& rules, const SourceAcl& source) {
  if (rules.walk.accept(source.networks) == AccessWalk::Effect::kTooMany) {
    rules.unread_accept = line.at;
    return ledger_.left_out(line.at, too_many(), std::string(kLists));
  }
  rules.accepted_at.push_back(line.at);
  ledger_.carried(line.at);
}

/// `source`: absent, everybody.
void HaproxyReader::reject_rule(const HaproxyLine& line, RuleSet& rules, const std::optional<SourceAcl>& source, bool negated) {
  rules.accepted_at.clear();
  if (rules.unread_accept && (!source || negated)) {
    if (!source) rules.walk.decide_rest(true);
    return ledger_.left_out(
        line.at,
        fmt::format("it rejects all that is not accepted before it, and {} accepts what could not be read: so nobody is "
                    "rejected by it",
                    ledger_.place(*rules.unread_accept)),
        "listeners[].allow with the networks of all clients");
  }
  if (!source) {
    rules.walk.decide_rest(false);
    return ledger_.carried(line.at);
  }
  const auto effect = negated ? rules.walk.reject_all_but(source->networks) : rules.walk.reject(source->networks);
  if (effect == AccessWalk::Effect::kTooMany) return ledger_.left_out(line.at, too_many(), std::string(kLists));
  if (rules.unread_accept)
    return ledger_.approximated(
        line.at, fmt::format("deny counts for all: what {} accepts before it could not be read", ledger_.place(*rules.unread_accept)));
  ledger_.carried(line.at);
}

/// "{ src_conn_cur gt 20 }", "{ sc0_conn_rate ge 10 }", "{ sc_conn_cur(0) gt 5 }": a client's own limits.
bool HaproxyReader::rate_rule(const HaproxyLine& line, RuleSet& rules, std::size_t condition) {
  const bool of_peer = &rules == &section().access.sets[kPeerSet];
  // if { WHAT gt NUMBER } and nothing behind it.
  if (line.word(condition) != "if" || line.word(condition + 1) != "{" || line.word(condition + 5) != "}" ||
      line.words.size() != condition + 6)
    return false;
  const std::string_view what = line.word(condition + 2);
  if (!starts_with_any(what, {"src_", "sc0_", "sc1_", "sc2_", "sc_"})) return false;
  const std::string_view name = what.substr(0, what.find('('));
  const bool current = name.ends_with("_conn_cur");
  if (!current && !name.ends_with("_conn_rate")) return false;
  const auto limit = limit_of(line.word(condition + 3), line.word(condition + 4), config::kConnectionsMax);
  if (!limit || *limit == 0) return false;
  std::string inside;
  if (name.size() < what.size()) inside = std::string(what.substr(name.size() + 1, what.size() - name.size() - 2));
  RateRule rule{line.at, *limit, inside.empty() ? own_table() : inside, current, of_peer};
  if (!what.starts_with("src_")) {
    const std::string counter = what.starts_with("sc_") ? inside.substr(0, inside.find(',')) : std::string(what.substr(2, 1));
    const auto tracked = section().access.tracked.find(counter);
    if (tracked == section().access.tracked.end()) {
      ledger_.left_out(line.at, fmt::format("counter {} does not count clients by address", shown(counter)), "listeners[].per_source_rate");
      return true;
    }
    rule.table = tracked->second.table;
    rule.of_peer = of_peer || tracked->second.of_peer;
  }
  if (section().access.rates.size() >= kRatesMax) {
    ledger_.left_out(line.at, fmt::format("more than {} limits", kRatesMax));
    return true;
  }
  if (rules.unread_accept || rules.walk.accepts_some())
    ledger_.approximated(line.at, "the limit holds for those who were accepted before it, too");
  section().access.rates.push_back(std::move(rule));
  return true;
}

void HaproxyReader::track_rule(const HaproxyLine& line, std::string_view counter, std::size_t at) {
  const bool of_peer = line.word(1) == "connection";
  if (line.word(at) != "src") return ledger_.left_out(line.at, "clients are told apart by address");
  const bool other_table = line.word(at + 1) == "table";
  TrackedCounter next{other_table ? std::string(line.word(at + 2)) : own_table(), of_peer};
  const auto known = section().access.tracked.try_emplace(std::string(counter), next).first;
  if (of_peer && !known->second.of_peer) known->second = std::move(next);  // What a connection tracks first, it tracks to its end.
  if (!line.word(other_table ? at + 3 : at + 1).empty()) return ledger_.approximated(line.at, "limits hold for every client");
  ledger_.carried(line.at);
}

void HaproxyReader::tcp_request(const HaproxyLine& line) {
  std::string_view action = line.word(1);
  std::size_t at = 2;
  const std::size_t set = action == "connection" ? kPeerSet : action == "session" ? 1 : 2;
  if (action == "connection" || action == "session" || action == "content") action = line.word(at++);
  if (action == "inspect-delay") return ledger_.left_out(line.at, "nothing is looked into", "");
  if (section().kind == SectionKind::kBackend) return ledger_.left_out(line.at, std::string(kOfListeners), std::string(kLists));
  if (section().kind == SectionKind::kDefaults) section().rule_lines.push_back(line.at);
  ++section().access.rules;
  if (set == kPeerSet && action != "expect-proxy") section().access.of_peer.push_back(line.at);
  if (action.starts_with("track-sc")) return track_rule(line, action.substr(8), at);
  if (action == "expect-proxy") {
    section().access.expect_proxy = true;
    if (line.words.size() > at + 1)
      return ledger_.approximated(line.at, "every connection begins with a PROXY header", "a listener of its own for those that do not");
    return ledger_.carried(line.at);
  }
  RuleSet& rules = section().access.sets[set];
  if (action == "reject" || action == "silent-drop") {
    if (!rules.walk.ended() && rate_rule(line, rules, at)) return;
    return source_rule(line, rules, false, at);
  }
  if (action == "accept") return source_rule(line, rules, true, at);
  ledger_.left_out(line.at, std::string(kNotSource), std::string(kLists));
}

/// HAProxy walks the rules of a section's defaults before its own. Their acls are known to them alone.
void HaproxyReader::inherit_rules(const HaproxyLine& line, Section& next, const AccessRules& from) {
  for (std::optional<std::size_t> base = next.base; next.kind != SectionKind::kDefaults && base && !sections_[*base].has_listener;
       base = sections_[*base].base)
    sections_[*base].has_listener = true;
  if (from.rules == 0) return;
  std::size_t size = from.rules;
  for (const RuleSet& rules : from.sets) size += rules.walk.size();
  rules_work_ += size * config::kAccessListMax;
  if (rules_work_ > kRulesWorkMax)
    return ledger_.approximated(line.at, "without the rules of its defaults: too many sections have them", std::string(kLists));
  next.access = from;
  if (next.kind == SectionKind::kDefaults) return;
  for (RuleSet& rules : next.access.sets) rules.accepted_at.clear();  // Something may be rejected after them in another section.
  for (RateRule& rule : next.access.rates) {
    if (rule.table.empty()) rule.table = next.name;
  }
  for (auto& [counter, tracked] : next.access.tracked) {
    if (tracked.table.empty()) tracked.table = next.name;
  }
}

void HaproxyReader::leave_out_unused_rules() {
  for (const Section& done : sections_) {
    if (done.kind != SectionKind::kDefaults || done.has_listener) continue;
    for (const Ledger::Line line : done.rule_lines)
      ledger_.left_out(line, fmt::format("{}, and none begins with these defaults", kOfListeners), std::string(kLists));
  }
}

void HaproxyReader::stick_table(const HaproxyLine& line) {
  for (const std::string_view word : line.words) {
    const auto found = word.find("conn_rate(");
    if (found == std::string_view::npos) continue;
    const std::string_view rest = word.substr(found + 10);
    if (const auto time = parse_haproxy_time(rest.substr(0, rest.find(')')))) rate_periods_[section().name] = *time;
  }
  ledger_.approximated(line.at,
                       "there is no table: limits of a client are the listener's, and source_hash chooses its server alike on every node");
}

void HaproxyReader::stick_on(const HaproxyLine& line) {
  const auto has = [&](std::string_view word) { return std::find(line.words.begin(), line.words.end(), word) != line.words.end(); };
  if (!has("src")) return ledger_.left_out(line.at, "a client is known by its address only", "balance: source_hash");
  settings().pool.balance = config::Balance::kSourceHash;
  settings().balance_given = true;
  ledger_.approximated(line.at, "balance: source_hash: the same client, the same server, without a table");
}

std::optional<std::uint32_t> HaproxyReader::per_second(const RateRule& rule) {
  const auto period = rate_periods_.find(rule.table);
  if (period == rate_periods_.end() || period->second <= Duration{}) {
    ledger_.left_out(rule.at, fmt::format("no table {} says over what time conn_rate counts", shown(rule.table)),
                     "listeners[].per_source_rate");
    return std::nullopt;
  }
  const auto seconds = std::max(1.0, to_seconds(period->second));
  return static_cast<std::uint32_t>(std::min<double>(config::kSourceRateMax, std::max(1.0, rule.limit / seconds + 0.999)));
}

/// Whoever passes the smallest limit passes all.
void HaproxyReader::settle_limits(const Section& section, bool accept_proxy, config::Listener& rules) {
  std::vector<std::pair<const RateRule*, std::uint32_t>> limits;
  for (const RateRule& rule : section.access.rates) {
    if (accept_proxy && rule.of_peer) continue;
    const auto limit = rule.at_a_time ? rule.limit : per_second(rule);
    if (!limit) continue;
    limits.emplace_back(&rule, *limit);
    std::uint32_t& smallest = rule.at_a_time ? rules.per_source_connections : rules.per_source_rate;
    smallest = smallest == 0 ? *limit : std::min(smallest, *limit);
  }
  for (const auto& [rule, limit] : limits) {
    if (limit > (rule->at_a_time ? rules.per_source_connections : rules.per_source_rate)) {
      ledger_.approximated(rule->at, "a smaller limit holds");
    } else if (rule->at_a_time) {
      ledger_.carried(rule->at);
    } else {
      ledger_.approximated(rule->at, fmt::format("{} in one second", limit), "listeners[].per_source_rate");
    }
  }
}

/// The rules of all sets that are asked there, as one pair of lists.
std::string HaproxyReader::settle_access(Section& done, bool accept_proxy) {
  AccessLists all;
  for (std::size_t set = 0; set < done.access.sets.size(); ++set) {
    const RuleSet& rules = done.access.sets[set];
    const auto lists = rules.walk.lists();
    if (set == kPeerSet && accept_proxy) {
      if (lists && lists->nobody()) all = *lists;  // Not even the balancer in front: such a listener is not opened.
      continue;
    }
    if (!lists || !add_networks(all.deny, lists->deny)) return too_many();
    if (lists->allow && all.allow) {
      all.allow = in_both(*all.allow, *lists->allow);
      if (!all.allow) return too_many();
    } else if (lists->allow) {
      all.allow = lists->allow;
    }
    for (const Ledger::Line line : rules.accepted_at) ledger_.approximated(line, "nobody is rejected after it, so it changes nothing");
  }
  if (all.nobody()) return "its rules reject every client";
  config::Listener& rules = accept_proxy ? done.proxied_rules : done.rules;
  rules.allow = all.allow.value_or(Networks{});
  rules.deny = all.deny;
  settle_limits(done, accept_proxy, rules);
  return "";
}

/// HAProxy walks `tcp-request connection` before it reads a PROXY header; a listener with accept_proxy knows only whom the header names.
void HaproxyReader::leave_out_peer_rules(const Section& done) {
  const auto proxied = [](const Bind& bind) { return bind.accept_proxy; };
  if (std::none_of(done.binds.begin(), done.binds.end(), proxied)) return;
  const bool of_all = std::all_of(done.binds.begin(), done.binds.end(), proxied);
  constexpr std::string_view kWhy = "it goes by whoever connects, a listener with accept_proxy by the client that the header names";
  constexpr std::string_view kInstead = "keep others away by firewall";
  std::vector<Ledger::Line> lines = done.access.of_peer;
  for (const RateRule& rule : done.access.rates) {
    if (rule.of_peer && std::find(lines.begin(), lines.end(), rule.at) == lines.end()) lines.push_back(rule.at);
  }
  for (const Ledger::Line line : lines) {
    if (ledger_.said_to_be_out(line)) continue;
    if (of_all) {
      ledger_.left_out(line, std::string(kWhy), std::string(kInstead));
    } else {
      ledger_.approximated(line, fmt::format("not at binds with accept-proxy: {}", kWhy), std::string(kInstead));
    }
  }
}

/// Binds with and without accept-proxy have rules of their own.
std::string HaproxyReader::settle_rules(Section& done) {
  for (Bind& bind : done.binds) bind.accept_proxy = bind.accept_proxy || done.access.expect_proxy;
  leave_out_peer_rules(done);
  for (const bool accept_proxy : {false, true}) {
    const auto such = [&](const Bind& bind) { return bind.accept_proxy == accept_proxy; };
    if (std::none_of(done.binds.begin(), done.binds.end(), such)) continue;
    const std::string why = settle_access(done, accept_proxy);
    if (why.empty()) continue;
    std::erase_if(done.binds, such);
    if (done.binds.empty()) return why;
    ledger_.approximated(done.at, fmt::format("without its binds {} accept-proxy: {}", accept_proxy ? "with" : "without", why));
  }
  return "";
}

}  // namespace fairlead::migrate
