// fairlead: pure
// What haproxy_*.cc know between two lines. Private to them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "migrate/access_walk.h"
#include "migrate/haproxy_keywords.h"
#include "migrate/haproxy_lines.h"
#include "migrate/wanted.h"

namespace fairlead::migrate {

/// "500", "500ms", "1h"; a number alone is milliseconds.
[[nodiscard]] std::optional<Duration> parse_haproxy_time(std::string_view text);

/// An address as `bind` and `server` write it. `problem` says why it is none of ours.
struct HaproxyAddress {
  std::string host;  ///< Empty: any address. IPv6 without brackets.
  std::optional<std::uint16_t> first_port;
  std::uint16_t last_port = 0;  ///< Of a range; else the first one.
  std::string problem;
};
[[nodiscard]] HaproxyAddress parse_haproxy_address(std::string_view text);

/// What `server` and `default-server` say; later ones win.
struct ServerOptions {
  bool check = false;
  bool check_tls = false;
  bool tls = false;
  bool backup = false;
  bool disabled = false;
  config::Health health;  ///< TLS, times and counts only.
  bool inter_given = false;
  bool fastinter_given = false;
  bool downinter_given = false;
  bool fall_given = false;
  std::optional<std::uint32_t> weight;
  std::uint32_t maxconn = 0;
  config::SendProxy send_proxy = config::SendProxy::kOff;
  Duration slow_start{};
  std::optional<IpAddress> source;
  std::optional<Duration> tcp_user_timeout;
  std::uint32_t error_limit = 0;
  std::string resolvers;
  std::string track;  ///< BACKEND/SERVER whose check counts here.
};

enum class CheckKind : std::uint8_t { kPlain, kTls, kHttp, kTcp };
/// `http-check connect`, `tcp-check connect`: of a check's own connection.
struct CheckConnect {
  bool given = false;
  bool tls = false;
  std::string server_name;
  std::uint16_t port = 0;
};

/// 2xx and 3xx as they are in use: what a check without `expect` takes for healthy.
inline constexpr std::array<std::uint16_t, 15> kSuccessCodes{200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308};

struct SourceAcl {
  Networks networks;
  bool known = true;  ///< False: something else than `src` with networks.
};

/// What a section begins with (its defaults) and says.
struct ProxySettings {
  bool http = false;
  bool disabled = false;
  bool balance_given = false;
  bool log_lines = false;
  config::Pool pool;  ///< balance, retries, connect_timeout, source, keepalive
  ServerOptions default_server;
  CheckKind check = CheckKind::kPlain;
  std::string check_path = "/";
  std::string check_host;
  std::vector<std::uint16_t> check_expect;
  CheckConnect http_connect, tcp_connect;
  bool http_rules_inherited = false;  ///< A section's first http-check rule takes the place of those of its defaults; tcp-check likewise.
  bool tcp_rules_inherited = false;
  std::optional<Duration> client, server;  ///< 0: never.
  std::optional<Duration> tunnel, check_time, client_fin, server_fin;
  bool connect_given = false;
  std::optional<std::pair<std::string, Ledger::Line>> default_backend;
  std::optional<std::uint32_t> max_connections;
  std::uint32_t connection_rate = 0;
};

enum class SectionKind : std::uint8_t { kGlobal, kDefaults, kFrontend, kBackend, kListen, kResolvers, kPeers, kOther };

/// A bind is one address and port.
struct Bind {
  Endpoint endpoint;
  bool accept_proxy = false;
};
/// The rules of `tcp-request connection`, `session` or `content`.
struct RuleSet {
  AccessWalk walk;
  std::optional<Ledger::Line> unread_accept;  ///< Lets in clients that are not known here.
  std::vector<Ledger::Line> accepted_at;      ///< Nothing was rejected after them yet.
};
struct RateRule {
  Ledger::Line at = 0;
  std::uint32_t limit = 0;  ///< Connections at a time, or in the table's period.
  std::string table;
  bool at_a_time = false;
  bool of_peer = false;  ///< Of whoever connects, which is not always the client.
};
struct TrackedCounter {
  std::string table;
  bool of_peer = false;  ///< As above.
};
/// What `tcp-request` says. Of a `defaults` section: what its frontends begin with, and an empty table is that of each.
struct AccessRules {
  bool expect_proxy = false;  ///< Of all binds.
  std::array<RuleSet, 3> sets;
  std::map<std::string, TrackedCounter> tracked;  ///< Counter "0" counts addresses, in this table.
  std::vector<RateRule> rates;
  std::vector<Ledger::Line> of_peer;  ///< Rules and counters of `tcp-request connection`.
  std::size_t rules = 0;              ///< How many were read.
};

struct Section {
  SectionKind kind = SectionKind::kOther;
  std::string name;
  Ledger::Line at = 0;
  std::vector<Ledger::Line> lines;  ///< All but the first.
  std::optional<std::size_t> base;  ///< Its defaults, in sections_.
  // defaults
  bool has_listener = false;             ///< A frontend or listen begins with it.
  std::vector<Ledger::Line> rule_lines;  ///< Its own `tcp-request`.
  ProxySettings settings;
  bool stats_page = false;
  bool unreadable = false;    ///< Its first line.
  bool before_first = false;  ///< No section: what stands before a file's first one.
  // frontend, listen
  std::vector<Bind> binds;
  std::optional<std::pair<std::string, Ledger::Line>> always_target;  ///< The first use_backend without a condition.
  std::map<std::string, SourceAcl> acls;
  AccessRules access;
  config::Listener rules, proxied_rules;                        ///< At the end: allow, deny, per_source_*; the latter with accept-proxy.
  std::vector<std::pair<Ledger::Line, CheckKind>> check_rules;  ///< Of a check of this kind only.
  // backend, listen
  struct ServerWish {
    config::Server settings;
    ServerOptions options;
    Ledger::Line at = 0;
    bool port_given = true;
    bool of_template = false;
  };
  std::vector<ServerWish> servers;
};

class HaproxyReader {
 public:
  HaproxyReader(Ledger& ledger, Wanted& wanted) : ledger_(ledger), wanted_(wanted) {}
  /// A file's lines; what it begins with is a section. Files are read in the order of their -f.
  void read(const std::vector<HaproxyLine>& lines);
  void finish();

 private:
  // haproxy_reader.cc: sections, global, the end
  bool begin_section(const HaproxyLine& line);
  std::optional<std::size_t> defaults_of(const HaproxyLine& line, SectionKind kind);
  void preprocessor(const HaproxyLine& line);
  void statement(const HaproxyLine& line);
  void global(const HaproxyLine& line);
  void global_log(const HaproxyLine& line);
  void stats_socket(const HaproxyLine& line);
  void resolvers(const HaproxyLine& line);
  void peers(const HaproxyLine& line);
  void leave_out_section(const Section& section, const std::string& reason, const std::string& remedy);
  void stats_section(const Section& section);
  void finish_backend(Section& section);
  void finish_frontend(Section& section);
  void pool_checks(const Section& section, const ServerOptions& first, config::Pool& into);
  void find_client_ports();
  void settle_tracks();
  void take_timeouts(const Section& frontend, const std::string& backend);
  void add_listeners(const Section& done, const std::string& pool);

  // haproxy_proxy.cc: what stands in defaults, frontend, backend, listen
  void proxy(const HaproxyLine& line);
  void proxy_more(const HaproxyLine& line, const HaproxyKeyword& keyword);
  void mode(const HaproxyLine& line);
  void option(const HaproxyLine& line, std::size_t at, bool on);
  void negated(const HaproxyLine& line);
  void timeout(const HaproxyLine& line, std::string_view which, std::string_view value);
  void balance(const HaproxyLine& line);
  void httpchk(const HaproxyLine& line, std::size_t at);
  void http_check(const HaproxyLine& line);
  void http_check_send(const HaproxyLine& line, std::size_t at);
  void http_check_expect(const HaproxyLine& line, std::size_t at);
  void tcp_check(const HaproxyLine& line);
  void check_connect(const HaproxyLine& line, std::size_t at, CheckConnect& into);
  void proxy_source(const HaproxyLine& line);
  void keepalive_time(const HaproxyLine& line);
  void log_statement(const HaproxyLine& line);
  void use_backend(const HaproxyLine& line);

  // haproxy_server.cc: bind, server
  void bind(const HaproxyLine& line);
  struct BindOptions {
    bool both = false;
    bool only_v6 = false;
    bool accept_proxy = false;
  };
  void bind_addresses(const HaproxyLine& line, std::string_view text, const BindOptions& options);
  void bind_address(const HaproxyLine& line, std::string_view text, const BindOptions& options);
  void server_line(const HaproxyLine& line);
  void server_template(const HaproxyLine& line);
  void server_options(const HaproxyLine& line, std::size_t from, ServerOptions& options);
  bool server_option(const HaproxyLine& line, std::string_view name, std::string_view value, ServerOptions& options);
  bool server_times(const HaproxyLine& line, std::string_view name, std::string_view value, ServerOptions& options);
  bool server_tls(const HaproxyLine& line, std::string_view name, std::string_view value, ServerOptions& options);
  std::optional<std::string> file_path(std::string_view path, const std::string& base) const;
  bool server_address(const HaproxyLine& line, std::string_view text, Section::ServerWish& wish);

  // haproxy_rules.cc: acl, tcp-request, stick
  void acl(const HaproxyLine& line);
  void tcp_request(const HaproxyLine& line);
  void source_rule(const HaproxyLine& line, RuleSet& rules, bool accept, std::size_t condition);
  void accept_rule(const HaproxyLine& line, RuleSet& rules, const SourceAcl& source);
  void reject_rule(const HaproxyLine& line, RuleSet& rules, const std::optional<SourceAcl>& source, bool negated);
  bool rate_rule(const HaproxyLine& line, RuleSet& rules, std::size_t condition);
  void inherit_rules(const HaproxyLine& line, Section& next, const AccessRules& from);
  void leave_out_unused_rules();
  /// The table that is meant where none is named.
  [[nodiscard]] std::string own_table() const {
    return sections_[current_].kind == SectionKind::kDefaults ? std::string() : sections_[current_].name;
  }
  void track_rule(const HaproxyLine& line, std::string_view counter, std::size_t at);
  std::optional<SourceAcl> condition_of(const HaproxyLine& line, std::size_t at, bool& negated);
  SourceAcl read_networks(const HaproxyLine& line, std::size_t from, std::size_t to);
  /// Takes away binds that nobody may use. Why none is left, or "".
  std::string settle_rules(Section& section);
  /// Why there can be no such listener, or "".
  std::string settle_access(Section& section, bool accept_proxy);
  void settle_limits(const Section& section, bool accept_proxy, config::Listener& rules);
  std::optional<std::uint32_t> per_second(const RateRule& rule);
  void leave_out_peer_rules(const Section& section);
  void stick_table(const HaproxyLine& line);
  void stick_on(const HaproxyLine& line);

  Section& section() { return sections_[current_]; }
  ProxySettings& settings() { return sections_[current_].settings; }

  Ledger& ledger_;
  Wanted& wanted_;
  std::vector<Section> sections_;
  std::size_t current_ = 0;
  std::optional<std::size_t> last_defaults_;  ///< In sections_.
  std::map<std::string, std::size_t> named_defaults_;
  std::map<std::string, config::Resolve> resolvers_;
  std::string ca_base_, crt_base_;
  bool verify_none_ = false;
  std::optional<LogLevel> log_level_;
  std::size_t networks_seen_ = 0;                                ///< In conditions.
  std::size_t rules_work_ = 0;                                   ///< Comparisons of networks.
  std::map<std::string, Duration> rate_periods_;                 ///< Of conn_rate, by stick-table.
  std::map<std::string, std::set<std::uint16_t>> client_ports_;  ///< That lead to a backend.
  bool in_else_ = false;                                         ///< Behind .else or .elif.
  struct PoolOf {
    std::size_t pool = 0;          ///< Index in wanted_.pools.
    bool tunnel = false;           ///< `timeout tunnel` was said, which counts more than `timeout client`.
    std::optional<Duration> idle;  ///< So far; 0: never.
    std::optional<Duration> fin;
    std::optional<std::pair<std::string, Ledger::Line>> track;  ///< No server has a check of its own.
  };
  void finish_servers(Section& section, PoolWish& pool, PoolOf& known);
  std::map<std::string, PoolOf> pool_of_;  ///< By backend.
};

}  // namespace fairlead::migrate
