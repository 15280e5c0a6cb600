// fairlead: pure
#include "admin/metrics.h"

#include <array>
#include <cmath>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "admin/status_codec.h"
#include "base/assert.h"

namespace fairlead::admin {
namespace {

constexpr std::array kMetrics{
    MetricInfo{"fairlead_build_info", "gauge", "node version engine", "Always 1; the labels say what runs here."},
    MetricInfo{"fairlead_uptime_seconds", "gauge", "", "Time since the daemon started."},
    MetricInfo{"fairlead_ready", "gauge", "", "1 when a listener accepts and a server is up, as /readyz."},
    MetricInfo{"fairlead_max_connections", "gauge", "", "Connections this process can hold."},
    MetricInfo{"fairlead_config_info", "gauge", "file hash", "Always 1; the labels name the active configuration."},
    MetricInfo{"fairlead_config_reloads_total", "counter", "", "Reloads asked for since the start, applied or refused."},
    MetricInfo{"fairlead_config_last_reload_successful", "gauge", "", "1 when the last reload was applied, 0 when it was refused."},
    MetricInfo{"fairlead_control_loop_lateness_seconds", "gauge", "",
               "Worst delay of the control thread, which leads VIPs and health, in the last 10 to 20 s."},
    MetricInfo{"fairlead_log_lines_dropped_total", "counter", "", "Log lines dropped because the log's target was too slow."},
    MetricInfo{"fairlead_listener_accepting", "gauge", "listener", "1 when at least one of the listener's addresses is bound and accepts."},
    MetricInfo{"fairlead_listener_open_connections", "gauge", "listener", "Connections open now."},
    MetricInfo{"fairlead_listener_accepted_connections_total", "counter", "listener", "Connections accepted, shed ones included."},
    MetricInfo{"fairlead_listener_shed_connections_total", "counter", "listener cause", "Connections reset on arrival, by cause."},
    MetricInfo{"fairlead_listener_ended_connections_total", "counter", "listener code",
               "Connections ended, by the two termination letters of the connection log."},
    MetricInfo{"fairlead_listener_vip_closed_connections_total", "counter", "listener how",
               "Connections ended because a VIP left this node: drained (at an idle moment), reset, or lost (the address went by force, or "
               "before the reset got out)."},
    MetricInfo{"fairlead_listener_retries_total", "counter", "listener", "Connects tried again on another server."},
    MetricInfo{"fairlead_listener_received_bytes_total", "counter", "listener", "Bytes from clients."},
    MetricInfo{"fairlead_listener_sent_bytes_total", "counter", "listener", "Bytes to clients."},
    MetricInfo{"fairlead_pool_servers_up", "gauge", "pool", "Servers of the pool in state up."},
    MetricInfo{"fairlead_pool_source_fallbacks_total", "counter", "pool",
               "Connects that could not have the pool's source address and took the kernel's choice."},
    MetricInfo{"fairlead_server_state", "gauge", "pool server state", "1 for the state the server is in, 0 for the others."},
    MetricInfo{"fairlead_server_state_duration_seconds", "gauge", "pool server", "Time in the present state."},
    MetricInfo{"fairlead_server_weight", "gauge", "pool server", "Weight, configured or set at run time."},
    MetricInfo{"fairlead_server_effective_weight", "gauge", "pool server", "Weight after slow start."},
    MetricInfo{"fairlead_server_open_connections", "gauge", "pool server", "Connections to the server open now."},
    MetricInfo{"fairlead_server_connections_total", "counter", "pool server", "Connections given to the server."},
    MetricInfo{"fairlead_server_connect_failures_total", "counter", "pool server",
               "Connects to the server that failed; local errors (no port, no descriptor) do not count."},
    MetricInfo{"fairlead_server_check_ok", "gauge", "pool server", "1 when the last check succeeded."},
    MetricInfo{"fairlead_server_check_duration_seconds", "gauge", "pool server", "How long the last check took."},
    MetricInfo{"fairlead_worker_connections", "gauge", "worker", "Connections of the worker."},
    MetricInfo{"fairlead_worker_buffers_in_use", "gauge", "worker", "Relay buffers that hold bytes now."},
    MetricInfo{"fairlead_worker_buffers", "gauge", "worker", "Relay buffers there are."},
    MetricInfo{"fairlead_worker_loop_lateness_seconds", "gauge", "worker", "Worst delay of the worker's loop in the last 10 to 20 s."},
    MetricInfo{"fairlead_cluster_quorate", "gauge", "", "1 when this node's partition has quorum. Absent without a cluster."},
    MetricInfo{"fairlead_cluster_link_up", "gauge", "node,link",
               "1 while Corosync's link of that number to the node is up, as this node sees it. Absent without a cluster."},
    MetricInfo{"fairlead_cluster_votes", "gauge", "", "Votes of this node's partition. Absent without a cluster."},
    MetricInfo{"fairlead_cluster_qdevice_votes", "gauge", "", "1 when the quorum device votes for this node. Absent without a qdevice."},
    MetricInfo{"fairlead_node_online", "gauge", "node", "1 when the node is a member of this node's partition."},
    MetricInfo{"fairlead_vip_held", "gauge", "vip", "1 when this node holds the VIP."},
    MetricInfo{"fairlead_vip_epoch", "gauge", "vip", "Number of the VIP's present assignment; grows with every takeover."},
    MetricInfo{"fairlead_api_connections", "gauge", "way", "Connections to the API open now (unix, tcp)."},
    MetricInfo{"fairlead_api_watchers", "gauge", "way", "Of these: watchers (WebSockets; every open dashboard is one)."},
    MetricInfo{"fairlead_api_responses_total", "counter", "status", "Answers of the API, by HTTP status."},
    MetricInfo{"fairlead_api_refused_calls_total", "counter", "", "Changing calls refused because the caller is no operator."},
    MetricInfo{"fairlead_api_shed_connections_total", "counter", "", "Connections to the API closed at its connection limit."},
    MetricInfo{"fairlead_api_slow_clients_total", "counter", "", "Connections to the API closed because the client was too slow."},
};

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class Page {
 public:
  /// Starts the next family. Samples of a family stand together, as the format wants it.
  void family(std::string_view name) {
    for (const auto& info : kMetrics) {
      if (info.name != name) continue;
      name_ = name;
      fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, info.help, name, info.type);
      return;
    }
    FL_ASSERT(!"a metric that is not in the catalogue");
  }
  void count(const Labels& labels, std::uint64_t value) { sample(labels, fmt::format("{}", value)); }
  void number(const Labels& labels, double value) { sample(labels, std::isfinite(value) ? fmt::format("{:.12g}", value) : "NaN"); }
  void flag(const Labels& labels, bool value) { sample(labels, value ? "1" : "0"); }
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void sample(const Labels& labels, std::string_view value) {
    out_ += name_;
    char separator = '{';
    for (const auto& [key, text] : labels) {
      out_ += separator;
      separator = ',';
      out_ += key;
      out_ += "=\"";
      for (const char c : text) {
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
  page.family("fairlead_max_connections");
  page.count({}, r.max_connections);
  page.family("fairlead_config_info");
  page.flag({{"file", r.config_file}, {"hash", r.config_hash}}, true);
  page.family("fairlead_config_reloads_total");
  page.count({}, r.config_reloads);
  page.family("fairlead_config_last_reload_successful");
  page.flag({}, r.config_last_reload_ok);
  page.family("fairlead_control_loop_lateness_seconds");
  page.number({}, r.control_lateness_ms / 1000.0);
  page.family("fairlead_log_lines_dropped_total");
  page.count({}, r.log_lines_dropped);
}

void listener_metrics(Page& page, const std::vector<ListenerStatus>& listeners) {
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& l : listeners) sample(l, Labels{{"listener", l.name}});
  };
  each("fairlead_listener_accepting", [&](const auto& l, const Labels& who) { page.flag(who, l.accepting); });
  each("fairlead_listener_open_connections", [&](const auto& l, const Labels& who) { page.count(who, l.connections.current); });
  each("fairlead_listener_accepted_connections_total", [&](const auto& l, const Labels& who) { page.count(who, l.connections.total); });
  each("fairlead_listener_shed_connections_total", [&](const auto& l, const Labels& who) {
    std::uint64_t named = 0;
    for (const auto& entry : l.shed_by_cause) {
      named += entry.count;
      page.count({who[0], {"cause", entry.cause}}, entry.count);
    }
    if (l.connections.shed > named) page.count({who[0], {"cause", "other"}}, l.connections.shed - named);
  });
  each("fairlead_listener_ended_connections_total", [&](const auto& l, const Labels& who) {
    for (const auto& entry : l.ended_by_code) page.count({who[0], {"code", entry.cause}}, entry.count);
  });
  each("fairlead_listener_vip_closed_connections_total", [&](const auto& l, const Labels& who) {
    for (const auto& entry : l.vip_closed) page.count({who[0], {"how", entry.cause}}, entry.count);
  });
  each("fairlead_listener_retries_total", [&](const auto& l, const Labels& who) { page.count(who, l.retries); });
  each("fairlead_listener_received_bytes_total", [&](const auto& l, const Labels& who) { page.count(who, l.bytes.in); });
  each("fairlead_listener_sent_bytes_total", [&](const auto& l, const Labels& who) { page.count(who, l.bytes.out); });
}

void server_metrics(Page& page, const std::vector<PoolStatus>& pools) {
  page.family("fairlead_pool_servers_up");
  for (const auto& pool : pools) {
    std::uint64_t up = 0;
    for (const auto& server : pool.servers) up += server.state == ServerState::kUp ? 1U : 0U;
    page.count({{"pool", pool.name}}, up);
  }
  page.family("fairlead_pool_source_fallbacks_total");
  for (const auto& pool : pools) page.count({{"pool", pool.name}}, pool.source_fallbacks);
  const auto each = [&](std::string_view name, auto sample) {
    page.family(name);
    for (const auto& pool : pools) {
      for (const auto& server : pool.servers) sample(server, Labels{{"pool", pool.name}, {"server", server.name}});
    }
  };
  each("fairlead_server_state", [&](const auto& s, const Labels& who) {
    for (const auto state : {ServerState::kUnknown, ServerState::kUp, ServerState::kDown, ServerState::kDrain, ServerState::kMaint}) {
      page.flag({who[0], who[1], {"state", to_string(state)}}, s.state == state);
    }
  });
  each("fairlead_server_state_duration_seconds", [&](const auto& s, const Labels& who) { page.number(who, s.state_since_s); });
  each("fairlead_server_weight", [&](const auto& s, const Labels& who) { page.count(who, s.weight); });
  each("fairlead_server_effective_weight", [&](const auto& s, const Labels& who) { page.count(who, s.effective_weight); });
  each("fairlead_server_open_connections", [&](const auto& s, const Labels& who) { page.count(who, s.connections.current); });
  each("fairlead_server_connections_total", [&](const auto& s, const Labels& who) { page.count(who, s.connections.total); });
  each("fairlead_server_connect_failures_total", [&](const auto& s, const Labels& who) { page.count(who, s.connect_failures); });
  each("fairlead_server_check_ok", [&](const auto& s, const Labels& who) { page.flag(who, s.check.result == "ok"); });
  each("fairlead_server_check_duration_seconds", [&](const auto& s, const Labels& who) { page.number(who, s.check.duration_ms / 1000.0); });
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
  each("fairlead_worker_loop_lateness_seconds", [&](const auto& w, const Labels& who) { page.number(who, w.loop_lateness_ms / 1000.0); });
}

void cluster_metrics(Page& page, const NodeReport& r) {
  if (r.cluster) {
    page.family("fairlead_cluster_quorate");
    page.flag({}, r.cluster->quorate);
    page.family("fairlead_cluster_votes");
    page.count({}, r.cluster->votes);
    if (!r.cluster->qdevice.empty()) {
      page.family("fairlead_cluster_qdevice_votes");
      page.flag({}, r.cluster->qdevice == "votes");
    }
    page.family("fairlead_cluster_link_up");
    for (const auto& node : r.cluster->nodes) {
      for (const auto& link : node.links) page.flag({{"node", node.name}, {"link", std::to_string(link.number)}}, link.up);
    }
    page.family("fairlead_node_online");
    for (const auto& node : r.cluster->nodes) page.flag({{"node", node.name}}, node.online);
  }
  if (!r.vips.empty()) {
    page.family("fairlead_vip_held");
    for (const auto& vip : r.vips) page.flag({{"vip", vip.name}}, vip.held_here);
    page.family("fairlead_vip_epoch");
    for (const auto& vip : r.vips) page.count({{"vip", vip.name}}, vip.epoch);
  }
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
  page.family("fairlead_api_shed_connections_total");
  page.count({}, api.shed);
  page.family("fairlead_api_slow_clients_total");
  page.count({}, api.timeouts);
}

}  // namespace

std::span<const MetricInfo> metric_catalogue() { return kMetrics; }

std::string render_metrics(const NodeReport& report, const ApiCounters& api) {
  Page page;
  node_metrics(page, report);
  listener_metrics(page, report.listeners);
  server_metrics(page, report.pools);
  worker_metrics(page, report.workers);
  cluster_metrics(page, report);
  api_metrics(page, api);
  return std::move(page).take();
}

std::string metrics_reference() {
  std::string out =
      "# Metrics\n\n"
      "`GET /metrics` on `admin.listen` or the socket, Prometheus text format 0.0.4. Made from the catalogue in `admin/metrics.cc`; a "
      "test\n"
      "compares this page with it. Counters start at 0 with the daemon and survive a reload.\n\n"
      "| metric | type | labels | what it says |\n|---|---|---|---|\n";
  for (const auto& info : kMetrics) {
    std::string labels;
    std::string_view rest = info.labels;
    while (!rest.empty()) {
      const auto end = rest.find(' ');
      labels += (labels.empty() ? "`" : " `") + std::string(rest.substr(0, end)) + "`";
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    fmt::format_to(std::back_inserter(out), "| `{}` | {} | {} | {} |\n", info.name, info.type, labels, info.help);
  }
  return out;
}

}  // namespace fairlead::admin
