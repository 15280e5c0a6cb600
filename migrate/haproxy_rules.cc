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

constexpr std::size_t kNetworksSeenMax = 20'000;  ///< Of named lists, in all conditions of one file.
constexpr std::size_t kConditionWordsMax = 64;    ///< Of one condition.
constexpr std::string_view kNotSource = "only rules on the client's address (src) are carried over";
constexpr std::string_view kLists = "listeners[].allow and deny";

/// "gt", "ge" and what follows: the most that is allowed.
std::optional<std::uint32_t> limit_of(std::string_view comparison, std::string_view number, std::uint32_t most) {
  const auto value = parse_number(number);
  if (!value || *value > most) return std::nullopt;
  if (comparison == "gt") return static_cast<std::uint32_t>(*value);
  if (comparison == "ge" && *value > 0) return static_cast<std::uint32_t>(*value - 1);
  return std::nullopt;
}

bool append(std::vector<IpPrefix>& list, const std::vector<IpPrefix>& more) {
  for (const IpPrefix& network : more) {
    const IpPrefix whole{network.network(), network.length};
    if (std::find(list.begin(), list.end(), whole) != list.end()) continue;
    if (list.size() >= config::kAccessListMax) return false;
    list.push_back(whole);
  }
  return true;
}

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
  into.known = into.known && read.known && append(into.networks, read.networks);
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
      if (!read.known || !append(out.networks, read.networks)) return std::nullopt;
      i = static_cast<std::size_t>(end - line.words.begin());
      continue;
    }
    const auto found = section().acls.find(std::string(word));
    if (found == section().acls.end() || !found->second.known) return std::nullopt;
    networks_seen_ += found->second.networks.size();
    if (networks_seen_ > kNetworksSeenMax || !append(out.networks, found->second.networks)) return std::nullopt;
  }
  if (out.networks.empty()) return std::nullopt;
  if (any_negated) negated = !negated;
  return out;
}

void HaproxyReader::source_rule(const HaproxyLine& line, bool accept, std::size_t condition) {
  Section& into = section();
  if (line.word(condition).empty()) {
    if (accept) return ledger_.carried(line.at);
    into.rejects_rest = true;
    return ledger_.carried(line.at);
  }
  bool negated = false;
  const auto source = condition_of(line, condition, negated);
  if (!source) return ledger_.left_out(line.at, std::string(kNotSource), std::string(kLists));
  if (accept) {
    if (negated) return ledger_.left_out(line.at, "who may connect is listed, not who else", std::string(kLists));
    if (!append(into.accepted, source->networks))
      return ledger_.left_out(line.at, fmt::format("more than {} networks", config::kAccessListMax));
    into.accepted_at.push_back(line.at);
    return ledger_.carried(line.at);
  }
  if (!negated) {
    if (!append(into.rules.deny, source->networks))
      return ledger_.left_out(line.at, fmt::format("more than {} networks", config::kAccessListMax));
    if (!into.accepted_at.empty()) return ledger_.approximated(line.at, "deny wins over what was accepted before it");
    return ledger_.carried(line.at);
  }
  if (into.allow_given) return ledger_.left_out(line.at, "a second list of those who may connect", std::string(kLists));
  if (!append(into.rules.allow, source->networks))
    return ledger_.left_out(line.at, fmt::format("more than {} networks", config::kAccessListMax));
  into.allow_given = true;
  ledger_.carried(line.at);
}

/// "{ src_conn_cur gt 20 }", "{ sc0_conn_rate ge 10 }", "{ sc_conn_cur(0) gt 5 }": a client's own limits.
bool HaproxyReader::rate_rule(const HaproxyLine& line, std::size_t condition) {
  std::size_t at = condition + 1;
  if (line.word(condition) != "if") return false;
  if (line.word(at) == "{") ++at;
  const std::string_view what = line.word(at);
  if (!starts_with_any(what, {"src_", "sc0_", "sc1_", "sc2_", "sc_"})) return false;
  const bool current = what.find("conn_cur") != std::string_view::npos;
  if (!current && what.find("conn_rate") == std::string_view::npos) return false;
  const auto limit = limit_of(line.word(at + 1), line.word(at + 2), config::kConnectionsMax);
  if (!limit || *limit == 0) return false;
  if (current) {
    section().rules.per_source_connections = *limit;
    ledger_.carried(line.at);
    return true;
  }
  const Duration period = section().rate_period;
  if (period <= Duration{}) return false;
  const auto seconds = std::max(1.0, to_seconds(period));
  const auto rate = static_cast<std::uint32_t>(std::min<double>(config::kSourceRateMax, std::max(1.0, *limit / seconds + 0.999)));
  section().rules.per_source_rate = rate;
  ledger_.approximated(line.at, fmt::format("{} in one second", rate), "listeners[].per_source_rate");
  return true;
}

void HaproxyReader::tcp_request(const HaproxyLine& line) {
  std::string_view action = line.word(1);
  std::size_t at = 2;
  if (action == "connection" || action == "session" || action == "content") action = line.word(at++);
  if (action == "inspect-delay") return ledger_.left_out(line.at, "nothing is looked into", "");
  if (section().kind == SectionKind::kDefaults || section().kind == SectionKind::kBackend)
    return ledger_.left_out(line.at, "rules belong to a listener", std::string(kLists));
  if (action.starts_with("track-sc")) {
    if (line.word(at) != "src") return ledger_.left_out(line.at, "clients are told apart by address");
    return ledger_.carried(line.at);
  }
  if (action == "expect-proxy") {
    section().accept_proxy = true;
    if (line.words.size() > at + 1)
      return ledger_.approximated(line.at, "every connection begins with a PROXY header", "a listener of its own for those that do not");
    return ledger_.carried(line.at);
  }
  if (action == "reject" || action == "silent-drop") {
    if (rate_rule(line, at)) return;
    return source_rule(line, false, at);
  }
  if (action == "accept") return source_rule(line, true, at);
  ledger_.left_out(line.at, std::string(kNotSource), std::string(kLists));
}

void HaproxyReader::stick_table(const HaproxyLine& line) {
  for (const std::string_view word : line.words) {
    const auto found = word.find("conn_rate(");
    if (found == std::string_view::npos) continue;
    const std::string_view rest = word.substr(found + 10);
    if (const auto time = parse_haproxy_time(rest.substr(0, rest.find(')')))) section().rate_period = *time;
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

/// "accept if" says who may connect only when everybody else is rejected.
void HaproxyReader::settle_rules(Section& done) {
  config::Listener& rules = done.rules;
  if (done.rejects_rest) {
    if (done.accepted.empty()) {
      rules.deny = {*parse_ip_prefix("0.0.0.0/0"), *parse_ip_prefix("::/0")};
    } else if (!done.allow_given) {
      rules.allow = done.accepted;
    }
    return;
  }
  for (const Ledger::Line line : done.accepted_at) ledger_.approximated(line, "nobody is rejected after it, so it changes nothing");
}

}  // namespace fairlead::migrate
