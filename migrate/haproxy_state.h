// fairlead: pure
// What haproxy_*.cc know between two lines. Private to them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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
  bool fall_given = false;
  std::optional<std::uint32_t> weight;
  std::uint32_t maxconn = 0;
  config::SendProxy send_proxy = config::SendProxy::kOff;
  Duration slow_start{};
  std::optional<IpAddress> source;
  std::optional<Duration> tcp_user_timeout;
  std::uint32_t error_limit = 0;
  std::string resolvers;
};

enum class CheckKind : std::uint8_t { kPlain, kTls, kHttp };

struct SourceAcl {
  std::vector<IpPrefix> networks;
  bool known = true;  ///< False: something else than `src` with networks.
};

/// What a section begins with (its defaults) and says.
struct ProxySettings {
  bool http = false;
  bool balance_given = false;
  bool log_lines = false;
  config::Pool pool;  ///< balance, retries, connect_timeout, source, keepalive
  ServerOptions default_server;
  CheckKind check = CheckKind::kPlain;
  std::string check_path = "/";
  std::string check_host;
  std::vector<std::uint16_t> check_expect;
  std::optional<Duration> client, server, tunnel, check_time, fin;
  std::optional<std::uint32_t> max_connections;
  std::uint32_t connection_rate = 0;
};

enum class SectionKind : std::uint8_t { kGlobal, kDefaults, kFrontend, kBackend, kListen, kResolvers, kPeers, kOther };

struct Section {
  SectionKind kind = SectionKind::kOther;
  std::string name;
  Ledger::Line at = 0;
  std::vector<Ledger::Line> lines;  ///< All but the first.
  ProxySettings settings;
  bool disabled = false;
  bool stats_page = false;
  bool unreadable = false;  ///< Its first line.
  // frontend, listen
  std::vector<Endpoint> binds;
  bool accept_proxy = false;
  std::vector<std::pair<std::string, Ledger::Line>> targets;  ///< default_backend, use_backend without condition
  std::map<std::string, SourceAcl> acls;
  config::Listener rules;  ///< allow, deny, per_source_*
  bool allow_given = false;
  std::vector<IpPrefix> accepted;  ///< "accept if": worth something once a plain "reject" follows.
  std::vector<Ledger::Line> accepted_at;
  bool rejects_rest = false;
  Duration rate_period{};  ///< Of conn_rate in its stick-table.
  // backend, listen
  struct ServerWish {
    config::Server settings;
    ServerOptions options;
    Ledger::Line at = 0;
    bool port_given = true;
  };
  std::vector<ServerWish> servers;
};

class HaproxyReader {
 public:
  HaproxyReader(Ledger& ledger, Wanted& wanted) : ledger_(ledger), wanted_(wanted) {}
  void read(const std::vector<HaproxyLine>& lines);

 private:
  // haproxy_reader.cc: sections, global, the end
  bool begin_section(const HaproxyLine& line);
  void preprocessor(const HaproxyLine& line);
  void statement(const HaproxyLine& line);
  void global(const HaproxyLine& line);
  void global_log(const HaproxyLine& line);
  void stats_socket(const HaproxyLine& line);
  void resolvers(const HaproxyLine& line);
  void peers(const HaproxyLine& line);
  void finish();
  void leave_out_section(const Section& section, const std::string& reason, const std::string& remedy);
  void stats_section(const Section& section);
  void finish_backend(Section& section);
  void finish_frontend(Section& section);
  void finish_servers(Section& section, PoolWish& pool);
  void pool_checks(const Section& section, const ServerOptions& first, config::Pool& into);
  void settle_rules(Section& section);

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
  void check_connect(const HaproxyLine& line, std::size_t at);
  void proxy_source(const HaproxyLine& line);
  void keepalive_time(const HaproxyLine& line);
  void log_statement(const HaproxyLine& line);
  void use_backend(const HaproxyLine& line);

  // haproxy_server.cc: bind, server
  void bind(const HaproxyLine& line);
  void bind_address(const HaproxyLine& line, std::string_view text, bool both, bool only_v6);
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
  void source_rule(const HaproxyLine& line, bool accept, std::size_t condition);
  bool rate_rule(const HaproxyLine& line, std::size_t condition);
  std::optional<SourceAcl> condition_of(const HaproxyLine& line, std::size_t at, bool& negated);
  SourceAcl read_networks(const HaproxyLine& line, std::size_t from, std::size_t to);
  void stick_table(const HaproxyLine& line);
  void stick_on(const HaproxyLine& line);

  Section& section() { return sections_[current_]; }
  ProxySettings& settings() { return sections_[current_].settings; }

  Ledger& ledger_;
  Wanted& wanted_;
  std::vector<Section> sections_;
  std::size_t current_ = 0;
  ProxySettings defaults_;  ///< Of the last unnamed or named `defaults`.
  std::map<std::string, ProxySettings> named_defaults_;
  std::map<std::string, config::Resolve> resolvers_;
  std::string ca_base_, crt_base_;
  bool verify_none_ = false;
  std::size_t networks_seen_ = 0;  ///< In conditions.
  bool in_else_ = false;           ///< Behind .else or .elif.
  struct PoolOf {
    std::size_t pool = 0;  ///< Index in wanted_.pools.
    bool tunnel = false;   ///< `timeout tunnel` was said, which counts more than `timeout client`.
  };
  std::map<std::string, PoolOf> pool_of_;  ///< By backend.
};

}  // namespace fairlead::migrate
