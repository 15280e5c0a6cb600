// fairlead: pure
#include "admin/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "admin/dhcp_codec.h"
#include "admin/json_text.h"
#include "admin/status_codec.h"
#include "base/assert.h"

namespace fairlead::admin {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class Page {
 public:
  /// Starts the next family. Samples of a family stand together, as the format wants it.
  void family(std::string_view name) {
    for (const auto& info : metric_catalogue()) {
      if (info.name != name) continue;
      name_ = name;
      fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, info.help, name, info.type);
      return;
    }
    FL_ASSERT(!"a metric that is not in the catalogue");
  }
  void count(const Labels& labels, std::uint64_t value) { sample("", labels, fmt::format("{}", value)); }
  void number(const Labels& labels, double value) { sample("", labels, std::isfinite(value) ? fmt::format("{:.12g}", value) : "NaN"); }
  void flag(const Labels& labels, bool value) { sample("", labels, value ? "1" : "0"); }
  /// 1 for `value`, 0 for the others of `values`, under the label `key`.
  template <class Values, class Value>
  void one_of(Labels labels, std::string_view key, const Values& values, const Value& value) {
    labels.emplace_back(key, "");
    for (const auto& each : values) {
      labels.back().second = each;
      flag(labels, each == value);
    }
  }
  void histogram(Labels labels, const TimesTaken& times) {
    labels.emplace_back("le", "");
    std::uint64_t below = 0;
    for (const auto& bucket : times.buckets) {
      below += bucket.count;
      const std::string bound = std::isinf(bucket.bound_s) ? "+Inf" : fmt::format("{:g}", bucket.bound_s);
      labels.back().second = bound;
      sample("_bucket", labels, fmt::format("{}", below));
    }
    labels.pop_back();
    sample("_sum", labels, fmt::format("{:.12g}", times.sum_s));
    sample("_count", labels, fmt::format("{}", below));
  }
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void sample(std::string_view suffix, const Labels& labels, std::string_view value) {
    out_ += name_;
    out_ += suffix;
    char separator = '{';
    for (const auto& [key, text] : labels) {
      out_ += separator;
      separator = ',';
      out_ += key;
      out_ += "=\"";
      for (const char c : valid_utf8(text)) {
        if (c == '\n') {
          out_ += "\\n";
          continue;
        }
        if (c == '"' || c == '\\') out_ += '\\';
        out_ += c;
      }
      out_ += '"';
    }
    if (!labels.empty()) out_ += '}';
    out_ += ' ';
    out_ += value;
    out_ += '\n';
  }

  std::string out_;
  std::string_view name_;
};

void node_metrics(Page& page, const NodeReport& r) {
  page.family("fairlead_build_info");
  page.flag({{"node", r.node}, {"version", r.version}, {"engine", r.engine}}, true);
  page.family("fairlead_uptime_seconds");
  page.number({}, r.uptime_s);
  page.family("fairlead_ready");
  page.flag({}, r.ready);
  page.family("fairlead_report_age_seconds");
  page.number({}, r.age_s);
  std::uint64_t connections = 0;
  for (const auto& worker : r.workers) connections += worker.connections;
  page.family("fairlead_open_connections");
  page.count({}, connections);
  page.family("fairlead_open_connections_peak");
  page.count({}, r.peak_connections);
  page.family("fairlead_max_connections");
  page.count({}, r.max_connections);
  page.family("fairlead_config_info");
  page.flag({{"file", r.config_file}, {"hash", r.config_hash}}, true);
  page.family("fairlead_config_reloads_total");
  page.count({}, r.config_reloads);
  page.family("fairlead_config_last_reload_successful");
  page.flag({}, r.config_last_reload_ok);
  page.family("fairlead_config_last_reload_success_timestamp_seconds");
  page.number({}, r.config_loaded_at_s);
  page.family("fairlead_control_loop_lateness_seconds");
  page.number({}, r.control_lateness_ms / 1000.0);
  page.family("fairlead_log_lines_dropped_total");
  page.count({}, r.log_lines_dropped);
}

void by_cause(Page& page, const Labels& who, std::string_view key, const std::vector<CauseCount>& counts) {
  Labels labels = who;
  labels.emplace_back(key, "");
  for (const auto& entry : counts) {
    labels.back().second = entry.cause;
    page.count(labels, entry.count);
  }
}

void listener_metrics(Page& page, const std::vector<ListenerStatus>& listeners) {
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& l : listeners) sample(l, Labels{{"listener", l.name}});
  };
  each("fairlead_listener_info", [&](const auto& l, const Labels& who) { page.flag({who[0], {"pool", l.pool}}, true); });
  each("fairlead_listener_accepting", [&](const auto& l, const Labels& who) { page.flag(who, l.accepting); });
  each("fairlead_listener_open_connections", [&](const auto& l, const Labels& who) { page.count(who, l.connections.current); });
  each("fairlead_listener_open_connections_peak", [&](const auto& l, const Labels& who) { page.count(who, l.peak_connections); });
  each("fairlead_listener_max_connections", [&](const auto& l, const Labels& who) { page.count(who, l.max_connections); });
  each("fairlead_listener_max_connection_rate", [&](const auto& l, const Labels& who) { page.count(who, l.max_connection_rate); });
  each("fairlead_listener_accepted_connections_total", [&](const auto& l, const Labels& who) { page.count(who, l.connections.total); });
  each("fairlead_listener_shed_connections_total",
       [&](const auto& l, const Labels& who) { by_cause(page, who, "cause", l.shed_by_cause); });
  each("fairlead_listener_ended_connections_total",
       [&](const auto& l, const Labels& who) { by_cause(page, who, "code", l.ended_by_code); });
  each("fairlead_listener_vip_closed_connections_total",
       [&](const auto& l, const Labels& who) { by_cause(page, who, "how", l.vip_closed); });
  each("fairlead_listener_retries_total", [&](const auto& l, const Labels& who) { page.count(who, l.retries); });
  each("fairlead_listener_received_bytes_total", [&](const auto& l, const Labels& who) { page.count(who, l.bytes.in); });
  each("fairlead_listener_sent_bytes_total", [&](const auto& l, const Labels& who) { page.count(who, l.bytes.out); });
}

void pool_metrics(Page& page, const std::vector<PoolStatus>& pools) {
  const auto each = [&](std::string_view name, auto value) {
    page.family(name);
    for (const auto& pool : pools) page.count({{"pool", pool.name}}, value(pool));
  };
  each("fairlead_pool_servers", [](const auto& p) { return p.servers.size(); });
  each("fairlead_pool_servers_up", [](const auto& p) {
    return static_cast<std::uint64_t>(
        std::count_if(p.servers.begin(), p.servers.end(), [](const auto& s) { return s.state == ServerState::kUp; }));
  });
  each("fairlead_pool_servers_usable", [](const auto& p) { return p.usable; });
  each("fairlead_pool_backups_in_use", [](const auto& p) { return p.backups_in_use ? 1U : 0U; });
  each("fairlead_pool_open_connections", [](const auto& p) { return p.connections.current; });
  each("fairlead_pool_open_connections_peak", [](const auto& p) { return p.peak_connections; });
  each("fairlead_pool_connections_total", [](const auto& p) { return p.connections.total; });
  each("fairlead_pool_received_bytes_total", [](const auto& p) { return p.bytes.in; });
  each("fairlead_pool_sent_bytes_total", [](const auto& p) { return p.bytes.out; });
  each("fairlead_pool_connect_failures_total", [](const auto& p) { return p.connect_failures; });
  each("fairlead_pool_source_fallbacks_total", [](const auto& p) { return p.source_fallbacks; });
}

/// The status that a check's detail begins with ("200", "503 Service Unavailable"); 0: it does not.
std::uint64_t http_code_of(const CheckStatus& check) {
  if (check.result != "ok" && check.result != "status") return 0;
  std::uint64_t code = 0;
  const char* begin = check.detail.data();
  const auto [end, error] = std::from_chars(begin, begin + check.detail.size(), code);
  return error == std::errc() && end == begin + 3 ? code : 0;
}

void server_metrics(Page& page, const std::vector<PoolStatus>& pools) {
  static constexpr std::array kStates{ServerState::kUnknown, ServerState::kUp, ServerState::kDown, ServerState::kDrain,
                                      ServerState::kMaint};
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& pool : pools) {
      for (const auto& server : pool.servers) sample(server, Labels{{"pool", pool.name}, {"server", server.name}});
    }
  };
  each("fairlead_server_state", [&](const auto& s, const Labels& who) {
    for (const auto state : kStates) page.flag({who[0], who[1], {"state", to_string(state)}}, s.state == state);
  });
  each("fairlead_server_state_duration_seconds", [&](const auto& s, const Labels& who) { page.number(who, s.state_since_s); });
  each("fairlead_server_weight", [&](const auto& s, const Labels& who) { page.count(who, s.weight); });
  each("fairlead_server_effective_weight", [&](const auto& s, const Labels& who) { page.count(who, s.effective_weight); });
  each("fairlead_server_backup", [&](const auto& s, const Labels& who) { page.flag(who, s.backup); });
  each("fairlead_server_max_connections", [&](const auto& s, const Labels& who) { page.count(who, s.max_connections); });
  each("fairlead_server_open_connections", [&](const auto& s, const Labels& who) { page.count(who, s.connections.current); });
  each("fairlead_server_open_connections_peak", [&](const auto& s, const Labels& who) { page.count(who, s.peak_connections); });
  each("fairlead_server_connections_total", [&](const auto& s, const Labels& who) { page.count(who, s.connections.total); });
  each("fairlead_server_received_bytes_total", [&](const auto& s, const Labels& who) { page.count(who, s.bytes.in); });
  each("fairlead_server_sent_bytes_total", [&](const auto& s, const Labels& who) { page.count(who, s.bytes.out); });
  each("fairlead_server_connect_failures_total",
       [&](const auto& s, const Labels& who) { by_cause(page, who, "cause", s.connect_failures_by_cause); });
  each("fairlead_server_connect_duration_seconds", [&](const auto& s, const Labels& who) { page.histogram(who, s.connect_times); });
  each("fairlead_server_reset_connections_total", [&](const auto& s, const Labels& who) { page.count(who, s.reset_connections); });
  each("fairlead_server_ended_connections_total", [&](const auto& s, const Labels& who) { by_cause(page, who, "code", s.ended_by_code); });
  each("fairlead_server_check_ok", [&](const auto& s, const Labels& who) { page.flag(who, s.check.result == "ok"); });
  each("fairlead_server_check_code", [&](const auto& s, const Labels& who) { page.count(who, http_code_of(s.check)); });
  each("fairlead_server_check_duration_seconds", [&](const auto& s, const Labels& who) { page.number(who, s.check.duration_ms / 1000.0); });
  each("fairlead_server_checks_total", [&](const auto& s, const Labels& who) { by_cause(page, who, "result", s.checks); });
  each("fairlead_server_transitions_total", [&](const auto& s, const Labels& who) {
    page.count({who[0], who[1], {"to", "up"}}, s.ups);
    page.count({who[0], who[1], {"to", "down"}}, s.downs);
  });
  each("fairlead_server_downtime_seconds_total", [&](const auto& s, const Labels& who) { page.number(who, s.down_s); });
}

void worker_metrics(Page& page, const std::vector<WorkerStatus>& workers) {
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& worker : workers) {
      const std::string index = std::to_string(worker.index);
      sample(worker, Labels{{"worker", index}});
    }
  };
  each("fairlead_worker_connections", [&](const auto& w, const Labels& who) { page.count(who, w.connections); });
  each("fairlead_worker_buffers_in_use", [&](const auto& w, const Labels& who) { page.count(who, w.buffers_in_use); });
  each("fairlead_worker_buffers", [&](const auto& w, const Labels& who) { page.count(who, w.buffers_total); });
  each("fairlead_worker_receives_without_buffer_total", [&](const auto& w, const Labels& who) { page.count(who, w.starved); });
  each("fairlead_worker_accept_failures_total", [&](const auto& w, const Labels& who) { page.count(who, w.accept_failures); });
  each("fairlead_worker_loop_lateness_seconds", [&](const auto& w, const Labels& who) { page.number(who, w.loop_lateness_ms / 1000.0); });
  each("fairlead_worker_loop_turns_total", [&](const auto& w, const Labels& who) { page.count(who, w.turns); });
  each("fairlead_worker_engine_operations_total", [&](const auto& w, const Labels& who) { page.count(who, w.engine_operations); });
}

void cluster_metrics(Page& page, const NodeReport& r) {
  const ClusterStatus& c = *r.cluster;
  const auto flag = [&](std::string_view name, bool value) {
    page.family(name);
    page.flag({}, value);
  };
  const auto seconds = [&](std::string_view name, double ms) {
    page.family(name);
    page.number({}, ms / 1000.0);
  };
  flag("fairlead_cluster_joined", c.problem.empty());
  flag("fairlead_cluster_quorate", c.quorate);
  page.family("fairlead_cluster_votes");
  page.count({}, c.votes);
  if (!c.qdevice.empty()) flag("fairlead_cluster_qdevice_votes", c.qdevice == "votes");
  if (c.tie_break == "armed" || c.tie_break == "disarmed") flag("fairlead_cluster_tie_break_armed", c.tie_break == "armed");
  flag("fairlead_cluster_frozen", c.frozen);
  page.family("fairlead_cluster_view_changes_total");
  page.count({}, c.view_changes);
  seconds("fairlead_cluster_token_seconds", c.token_ms);
  seconds("fairlead_cluster_consensus_seconds", c.consensus_ms);
  seconds("fairlead_cluster_lease_seconds", c.lease_ms);
  if (c.lease_low_ms) seconds("fairlead_cluster_lease_low_seconds", static_cast<double>(*c.lease_low_ms));
  page.family("fairlead_cluster_link_up");
  for (const auto& node : c.nodes) {
    for (const auto& link : node.links) page.flag({{"node", node.name}, {"link", std::to_string(link.number)}}, link.up);
  }
  page.family("fairlead_node_online");
  for (const auto& node : c.nodes) page.flag({{"node", node.name}}, node.online);
  page.family("fairlead_node_standby");
  for (const auto& node : c.nodes) page.flag({{"node", node.name}}, node.standby);
  page.family("fairlead_node_config_match");
  for (const auto& node : c.nodes) {
    if (node.online) page.flag({{"node", node.name}}, node.config_match);
  }
  page.family("fairlead_node_file_match");
  for (const auto& node : c.nodes) {
    const bool own = node.name == r.node;
    if (own || (node.online && node.digest)) page.flag({{"node", node.name}}, own || node.digest->config_hash == r.config_hash);
  }
}

void vip_metrics(Page& page, const NodeReport& r) {
  static constexpr std::array<std::string_view, 5> kStates{"idle", "waiting", "adding", "held", "releasing"};
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& vip : r.vips) sample(vip, Labels{{"vip", vip.name}});
  };
  std::vector<std::string> nodes;
  if (r.cluster) {
    for (const auto& node : r.cluster->nodes) nodes.push_back(node.name);
  } else {
    nodes.push_back(r.node);
  }
  each("fairlead_vip_held", [&](const auto& v, const Labels& who) { page.flag(who, v.held_here); });
  each("fairlead_vip_state", [&](const auto& v, const Labels& who) { page.one_of(who, "state", kStates, v.state); });
  each("fairlead_vip_holder", [&](const auto& v, const Labels& who) { page.one_of(who, "node", nodes, v.holder.value_or("")); });
  each("fairlead_vip_eligible", [&](const auto& v, const Labels& who) {
    for (const auto& e : v.eligible) page.flag({who[0], {"node", e.node}}, e.ok);
  });
  each("fairlead_vip_enabled", [&](const auto& v, const Labels& who) { page.flag(who, v.enabled); });
  each("fairlead_vip_flapping", [&](const auto& v, const Labels& who) { page.flag(who, v.flapping); });
  each("fairlead_vip_epoch", [&](const auto& v, const Labels& who) { page.count(who, v.epoch); });
  each("fairlead_vip_lease_seconds", [&](const auto& v, const Labels& who) { page.number(who, static_cast<double>(v.lease_ms) / 1000.0); });
  each("fairlead_vip_holder_changes_total", [&](const auto& v, const Labels& who) { page.count(who, v.holder_changes); });
  each("fairlead_vip_takeover_duration_seconds", [&](const auto& v, const Labels& who) { page.histogram(who, v.takeovers); });
  each("fairlead_vip_last_takeover_seconds", [&](const auto& v, const Labels& who) {
    if (v.last_takeover_ms) page.number(who, *v.last_takeover_ms / 1000.0);
  });
}

void drill_metrics(Page& page, const std::vector<DrillResult>& drills) {
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& drill : drills) sample(drill, Labels{{"drill", drill.name}});
  };
  each("fairlead_drill_last_passed", [&](const auto& d, const Labels& who) { page.flag(who, d.passed); });
  each("fairlead_drill_last_outage_seconds", [&](const auto& d, const Labels& who) { page.number(who, d.outage_ms / 1000.0); });
  each("fairlead_drill_last_bound_seconds", [&](const auto& d, const Labels& who) {
    if (d.bound_ms) page.number(who, *d.bound_ms / 1000.0);
  });
  each("fairlead_drill_last_timestamp_seconds",
       [&](const auto& d, const Labels& who) { page.number(who, to_seconds(d.at.time_since_epoch())); });
}

/// What dnsmasq counts itself.
void dnsmasq_metrics(Page& page, const DnsmasqCounters& c) {
  page.family("fairlead_dhcp_messages_total");
  for (const auto& [type, count] : by_kind(c.messages)) page.count({{"type", type}}, count);
  page.family("fairlead_dns_queries_total");
  page.count({{"answer", "local"}}, c.local);
  page.count({{"answer", "authoritative"}}, c.authoritative);
  page.count({{"answer", "stale"}}, c.stale);
  page.count({{"answer", "forwarded"}}, c.forwarded);
  page.family("fairlead_dns_unanswered_queries_total");
  page.count({}, c.unanswered);
  page.family("fairlead_dns_cache_insertions_total");
  page.count({}, c.cache_insertions);
  page.family("fairlead_dns_cache_evictions_total");
  page.count({}, c.cache_evictions);
}

void dhcp_metrics(Page& page, const DhcpStatus& d) {
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& network : d.networks) sample(network, Labels{{"network", network.name}});
  };
  const auto count = [&](std::string_view name, std::uint64_t value) {
    page.family(name);
    page.count({}, value);
  };
  page.family("fairlead_dhcp_dnsmasq_ready");
  page.flag({}, d.dnsmasq.state == DnsmasqState::kReady);
  count("fairlead_dhcp_dnsmasq_restarts_total", d.dnsmasq.restarts);
  each("fairlead_dhcp_serving", [&](const auto& n, const Labels& who) { page.flag(who, n.serving); });
  each("fairlead_dhcp_leases", [&](const auto& n, const Labels& who) {
    page.count({who[0], {"state", "held"}}, n.leases_held);
    page.count({who[0], {"state", "released"}}, n.leases_released);
  });
  each("fairlead_dhcp_reservations", [&](const auto& n, const Labels& who) { page.count(who, n.reservations); });
  each("fairlead_dhcp_pool_addresses", [&](const auto& n, const Labels& who) {
    if (n.pool_size != 0) page.count(who, n.pool_size);
  });
  each("fairlead_dhcp_pool_leased", [&](const auto& n, const Labels& who) {
    if (n.pool_size != 0) page.count(who, n.pool_leased);
  });
  each("fairlead_dhcp_adopted_addresses_total", [&](const auto& n, const Labels& who) { page.count(who, n.adopted); });
  count("fairlead_dhcp_lease_conflicts_total", d.leases.conflicts);
  count("fairlead_dhcp_lease_records_sent_total", d.leases.sent);
  count("fairlead_dhcp_lease_records_received_total", d.leases.received);
  count("fairlead_dhcp_lease_lines_damaged_total", d.leases.damaged_lines);
  if (d.leases.synchronised_s) {
    page.family("fairlead_dhcp_lease_synchronised_age_seconds");
    page.number({}, *d.leases.synchronised_s);
  }
  if (d.cache_size) count("fairlead_dns_cache_size", *d.cache_size);
  if (d.counters) dnsmasq_metrics(page, *d.counters);
}

void process_metrics(Page& page, const ProcessStats& process) {
  const auto each = [&](std::string_view name, const auto& value) {
    if (!value) return;
    page.family(name);
    page.number({}, static_cast<double>(*value));
  };
  each("process_cpu_seconds_total", process.cpu_s);
  each("process_resident_memory_bytes", process.resident_bytes);
  each("process_virtual_memory_bytes", process.virtual_bytes);
  each("process_open_fds", process.open_fds);
  each("process_max_fds", process.max_fds);
  each("process_start_time_seconds", process.started_at_s);
}

void api_metrics(Page& page, const ApiCounters& api) {
  page.family("fairlead_api_connections");
  page.count({{"way", "unix"}}, api.unix_connections);
  page.count({{"way", "tcp"}}, api.tcp_connections);
  page.family("fairlead_api_watchers");
  page.count({{"way", "unix"}}, api.unix_watchers);
  page.count({{"way", "tcp"}}, api.tcp_watchers);
  page.family("fairlead_api_responses_total");
  for (const auto& [status, count] : api.responses) {
    const std::string text = std::to_string(status);
    page.count({{"status", text}}, count);
  }
  page.family("fairlead_api_refused_calls_total");
  page.count({}, api.refused);
  page.family("fairlead_api_failed_handshakes_total");
  page.count({}, api.turned_away);
  page.family("fairlead_api_shed_connections_total");
  page.count({}, api.shed);
  page.family("fairlead_api_evicted_connections_total");
  page.count({}, api.evicted);
  page.family("fairlead_api_slow_clients_total");
  page.count({}, api.timeouts);
  if (api.certificate_expiry_s == 0) return;
  page.family("fairlead_api_certificate_expiry_timestamp_seconds");
  page.number({}, static_cast<double>(api.certificate_expiry_s));
}

}  // namespace

std::string render_metrics(const NodeReport& report, const ApiCounters& api, const ProcessStats& process) {
  Page page;
  node_metrics(page, report);
  listener_metrics(page, report.listeners);
  pool_metrics(page, report.pools);
  server_metrics(page, report.pools);
  worker_metrics(page, report.workers);
  if (report.cluster) cluster_metrics(page, report);
  if (!report.vips.empty()) vip_metrics(page, report);
  if (!report.drills.empty()) drill_metrics(page, report.drills);
  if (report.dhcp) dhcp_metrics(page, *report.dhcp);
  api_metrics(page, api);
  process_metrics(page, process);
  return std::move(page).take();
}

}  // namespace fairlead::admin
