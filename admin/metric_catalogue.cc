// fairlead: pure
#include <array>
#include <fmt/format.h>
#include <iterator>

#include "admin/metrics.h"

namespace fairlead::admin {
namespace {

constexpr std::array kMetrics{
    MetricInfo{"fairlead_build_info", "gauge", "node version engine", "Always 1; the labels say what runs here."},
    MetricInfo{"fairlead_uptime_seconds", "gauge", "", "Time since the daemon started."},
    MetricInfo{"fairlead_ready", "gauge", "", "1 when a listener accepts and a server is up, as /readyz."},
    MetricInfo{"fairlead_report_age_seconds", "gauge", "",
               "How old what this page says of the node is; 0: at most 0.2 s. It grows while the control thread stands still."},
    MetricInfo{"fairlead_open_connections", "gauge", "", "Connections of the process open now."},
    MetricInfo{"fairlead_open_connections_peak", "gauge", "", "The most that were open at once since the start, of looks 100 ms apart."},
    MetricInfo{"fairlead_max_connections", "gauge", "", "Connections this process can hold."},
    MetricInfo{"fairlead_config_info", "gauge", "file hash", "Always 1; the labels name the active configuration."},
    MetricInfo{"fairlead_config_reloads_total", "counter", "", "Reloads asked for since the start, applied or refused."},
    MetricInfo{"fairlead_config_last_reload_successful", "gauge", "", "1 when the last reload was applied, 0 when it was refused."},
    MetricInfo{"fairlead_config_last_reload_success_timestamp_seconds", "gauge", "",
               "When the active configuration was applied, since 1970."},
    MetricInfo{"fairlead_control_loop_lateness_seconds", "gauge", "",
               "Worst delay of the control thread, which leads VIPs and health, in the last 10 to 20 s."},
    MetricInfo{"fairlead_log_lines_dropped_total", "counter", "", "Log lines dropped because the log's target was too slow."},
    MetricInfo{"fairlead_listener_info", "gauge", "listener pool", "Always 1; which pool the listener's connections go to."},
    MetricInfo{"fairlead_listener_accepting", "gauge", "listener", "1 when at least one of the listener's addresses is bound and accepts."},
    MetricInfo{"fairlead_listener_open_connections", "gauge", "listener", "Connections open now."},
    MetricInfo{"fairlead_listener_open_connections_peak", "gauge", "listener",
               "The most that were open at once since the start, of looks 100 ms apart."},
    MetricInfo{"fairlead_listener_max_connections", "gauge", "listener", "Limit of open connections; 0: none."},
    MetricInfo{"fairlead_listener_max_connection_rate", "gauge", "listener", "Limit of new connections in a second; 0: none."},
    MetricInfo{"fairlead_listener_accepted_connections_total", "counter", "listener", "Connections accepted, shed ones included."},
    MetricInfo{"fairlead_listener_shed_connections_total", "counter", "listener cause", "Connections reset on arrival, by cause."},
    MetricInfo{"fairlead_listener_ended_connections_total", "counter", "listener code",
               "Connections ended, by the two termination letters of the connection log."},
    MetricInfo{"fairlead_listener_vip_closed_connections_total", "counter", "listener how",
               "Connections ended because a VIP left this node: drained (at an idle moment), reset, or lost (the address went by force, or "
               "before the reset got out)."},
    MetricInfo{"fairlead_listener_retries_total", "counter", "listener", "Connects tried again, each on another server."},
    MetricInfo{"fairlead_listener_received_bytes_total", "counter", "listener", "Bytes from clients."},
    MetricInfo{"fairlead_listener_sent_bytes_total", "counter", "listener", "Bytes to clients."},
    MetricInfo{"fairlead_pool_servers", "gauge", "pool", "Servers the pool has."},
    MetricInfo{"fairlead_pool_servers_up", "gauge", "pool", "Servers of the pool in state up."},
    MetricInfo{"fairlead_pool_servers_usable", "gauge", "pool",
               "Servers that take connections: up, in no drain or maintenance, with a weight above 0."},
    MetricInfo{"fairlead_pool_backups_in_use", "gauge", "pool", "1 when only backup servers take connections."},
    MetricInfo{"fairlead_pool_open_connections", "gauge", "pool", "Connections to the pool's servers open now."},
    MetricInfo{"fairlead_pool_open_connections_peak", "gauge", "pool",
               "The most that were open at once since the start, of looks 100 ms apart."},
    MetricInfo{"fairlead_pool_connections_total", "counter", "pool", "Connections given to servers of the pool, removed ones included."},
    MetricInfo{"fairlead_pool_received_bytes_total", "counter", "pool",
               "Bytes from clients to servers of the pool; of a removed server until it was removed."},
    MetricInfo{"fairlead_pool_sent_bytes_total", "counter", "pool",
               "Bytes to clients from servers of the pool; of a removed server until it was removed."},
    MetricInfo{"fairlead_pool_connect_failures_total", "counter", "pool",
               "Connects to servers of the pool that failed; local errors do not count."},
    MetricInfo{"fairlead_pool_source_fallbacks_total", "counter", "pool",
               "Connects that could not have the pool's source address and took the kernel's choice."},
    MetricInfo{"fairlead_server_state", "gauge", "pool server state", "1 for the state the server is in, 0 for the others."},
    MetricInfo{"fairlead_server_state_duration_seconds", "gauge", "pool server", "Time in the present state."},
    MetricInfo{"fairlead_server_weight", "gauge", "pool server", "Weight, configured or set at run time."},
    MetricInfo{"fairlead_server_effective_weight", "gauge", "pool server", "Weight after slow start."},
    MetricInfo{"fairlead_server_backup", "gauge", "pool server", "1 for a backup server."},
    MetricInfo{"fairlead_server_max_connections", "gauge", "pool server", "Limit of open connections; 0: none."},
    MetricInfo{"fairlead_server_open_connections", "gauge", "pool server", "Connections to the server open now."},
    MetricInfo{"fairlead_server_open_connections_peak", "gauge", "pool server",
               "The most that were open at once since the start, of looks 100 ms apart."},
    MetricInfo{"fairlead_server_connections_total", "counter", "pool server", "Connections given to the server."},
    MetricInfo{"fairlead_server_received_bytes_total", "counter", "pool server", "Bytes from clients that the server's kernel took."},
    MetricInfo{"fairlead_server_sent_bytes_total", "counter", "pool server", "Bytes of the server to clients."},
    MetricInfo{"fairlead_server_connect_failures_total", "counter", "pool server cause",
               "Connects to the server that failed; cause local (no port, no descriptor) is this machine's fault."},
    MetricInfo{"fairlead_server_connect_duration_seconds", "histogram", "pool server",
               "How long connects that worked took, to the turn of the worker's loop."},
    MetricInfo{"fairlead_server_reset_connections_total", "counter", "pool server", "Connections reset because the server went down."},
    MetricInfo{"fairlead_server_ended_connections_total", "counter", "pool server code",
               "Connections of the server that ended, by the two termination letters; one that had none counts where it tried last."},
    MetricInfo{"fairlead_server_check_ok", "gauge", "pool server", "1 when the last check succeeded."},
    MetricInfo{"fairlead_server_check_code", "gauge", "pool server", "HTTP status of the last check; 0: none came."},
    MetricInfo{"fairlead_server_check_duration_seconds", "gauge", "pool server", "How long the last check took."},
    MetricInfo{"fairlead_server_checks_total", "counter", "pool server result",
               "Finished checks by result: ok, or what was wrong. Absent with health type none."},
    MetricInfo{"fairlead_server_transitions_total", "counter", "pool server to", "Changes of the server to up and to down."},
    MetricInfo{"fairlead_server_downtime_seconds_total", "counter", "pool server", "Time down in all."},
    MetricInfo{"fairlead_worker_connections", "gauge", "worker", "Connections of the worker."},
    MetricInfo{"fairlead_worker_buffers_in_use", "gauge", "worker", "Relay buffers that hold bytes now."},
    MetricInfo{"fairlead_worker_buffers", "gauge", "worker", "Relay buffers there are."},
    MetricInfo{"fairlead_worker_receives_without_buffer_total", "counter", "worker",
               "Receives that had to wait because no relay buffer was free."},
    MetricInfo{"fairlead_worker_accept_failures_total", "counter", "worker", "Times no descriptor was left for a waiting client."},
    MetricInfo{"fairlead_worker_loop_lateness_seconds", "gauge", "worker",
               "Worst delay of the worker's loop in the last 10 to 20 s; while it does not turn, the delay so far."},
    MetricInfo{"fairlead_worker_loop_turns_total", "counter", "worker", "Turns of the worker's loop."},
    MetricInfo{"fairlead_worker_engine_operations_total", "counter", "worker",
               "Completions (io_uring) or events (epoll) that the worker took from the kernel."},
    MetricInfo{
        "fairlead_cluster_joined", "gauge", "",
        "1 while this node has a part in the cluster. Absent without a cluster; likewise all fairlead_cluster_* and fairlead_node_*."},
    MetricInfo{"fairlead_cluster_quorate", "gauge", "", "1 when this node's partition has quorum."},
    MetricInfo{"fairlead_cluster_votes", "gauge", "", "Votes of this node's partition."},
    MetricInfo{"fairlead_cluster_qdevice_votes", "gauge", "", "1 when the quorum device votes for this node. Absent without a qdevice."},
    MetricInfo{"fairlead_cluster_tie_break_armed", "gauge", "",
               "1 when a tie-break router answers, so that this node may go on alone. Absent without tie_break."},
    MetricInfo{"fairlead_cluster_frozen", "gauge", "", "1 when an operator froze the cluster: no VIP moves but on the loss of its holder."},
    MetricInfo{"fairlead_cluster_view_changes_total", "counter", "", "Memberships this node has seen."},
    MetricInfo{"fairlead_cluster_token_seconds", "gauge", "", "Corosync's token timeout, the longest over the members."},
    MetricInfo{"fairlead_cluster_consensus_seconds", "gauge", "", "Corosync's consensus timeout, likewise."},
    MetricInfo{"fairlead_cluster_lease_seconds", "gauge", "", "How long a beat that a majority acknowledged lets a holder keep its VIPs."},
    MetricInfo{"fairlead_cluster_lease_low_seconds", "gauge", "",
               "The least that was left of the lease in the last 10 to 20 s. Absent while nothing is held here."},
    MetricInfo{"fairlead_cluster_link_up", "gauge", "node link",
               "1 while Corosync's link of that number to the node is up, as this node sees it."},
    MetricInfo{"fairlead_node_online", "gauge", "node", "1 when the node is a member of this node's partition."},
    MetricInfo{"fairlead_node_standby", "gauge", "node", "1 when an operator put the node in standby: it holds no VIP."},
    MetricInfo{"fairlead_node_config_match", "gauge", "node",
               "1 when the node has the same cluster and nodes in its configuration as this one. Absent while it is offline."},
    MetricInfo{"fairlead_node_file_match", "gauge", "node",
               "1 when the node's whole configuration (`node` aside) is the same as this one's. Absent while nothing is heard of it."},
    MetricInfo{"fairlead_vip_held", "gauge", "vip", "1 when this node holds the VIP."},
    MetricInfo{"fairlead_vip_state", "gauge", "vip state", "1 for what the VIP is on this node, 0 for the others."},
    MetricInfo{"fairlead_vip_holder", "gauge", "vip node", "1 for the node that holds the VIP, as this node sees it."},
    MetricInfo{"fairlead_vip_eligible", "gauge", "vip node", "1 when the node could hold the VIP, as this node sees it."},
    MetricInfo{"fairlead_vip_enabled", "gauge", "vip", "0 when an operator wants nobody to hold it."},
    MetricInfo{"fairlead_vip_flapping", "gauge", "vip", "1 when it moved too often and stays until its holder is lost."},
    MetricInfo{"fairlead_vip_epoch", "gauge", "vip", "Number of the VIP's present assignment; grows with every takeover."},
    MetricInfo{"fairlead_vip_lease_seconds", "gauge", "vip", "What is left of the lease now, on the node that holds it; else 0."},
    MetricInfo{"fairlead_vip_holder_changes_total", "counter", "vip", "Times this node saw the VIP on another node than before."},
    MetricInfo{"fairlead_vip_takeover_duration_seconds", "histogram", "vip",
               "Takeovers by this node: from the assignment, or the notice that the holder was lost, to the announcement."},
    MetricInfo{"fairlead_vip_last_takeover_seconds", "gauge", "vip", "How long the newest of them took. Absent before the first."},
    MetricInfo{"fairlead_drill_last_passed", "gauge", "drill",
               "1 when the drill's last run, told to this node, was as promised. Absent for cases that were never run."},
    MetricInfo{"fairlead_drill_last_outage_seconds", "gauge", "drill", "Longest outage of new connections in that run."},
    MetricInfo{"fairlead_drill_last_bound_seconds", "gauge", "drill", "The longest outage that was promised. Absent where nothing is."},
    MetricInfo{"fairlead_drill_last_timestamp_seconds", "gauge", "drill", "When that run ended, since 1970."},
    MetricInfo{"fairlead_dhcp_dnsmasq_ready", "gauge", "",
               "1 while dnsmasq runs and answers. Absent without dnsdhcp; likewise all fairlead_dhcp_* and fairlead_dns_*."},
    MetricInfo{"fairlead_dhcp_dnsmasq_restarts_total", "counter", "", "Times dnsmasq ended by itself and was started again."},
    MetricInfo{"fairlead_dhcp_serving", "gauge", "network", "1 while this node lets the network's DHCP messages in."},
    MetricInfo{"fairlead_dhcp_leases", "gauge", "network state",
               "Leases by state: held, or released (given back or expired, remembered for a while). The same on all nodes."},
    MetricInfo{"fairlead_dhcp_reservations", "gauge", "network", "Machines of the network with an address of their own."},
    MetricInfo{"fairlead_dhcp_pool_addresses", "gauge", "network",
               "Addresses of the network's pool. Absent without one; likewise the next."},
    MetricInfo{"fairlead_dhcp_pool_leased", "gauge", "network", "Addresses of the pool that a client holds."},
    MetricInfo{"fairlead_dhcp_adopted_addresses_total", "counter", "network",
               "Addresses in use that no record knew, found by the sweep after an unplanned takeover."},
    MetricInfo{"fairlead_dhcp_lease_conflicts_total", "counter", "",
               "Records of one address that named two clients, when the books of nodes were joined; the newer one won."},
    MetricInfo{"fairlead_dhcp_lease_records_sent_total", "counter", "", "Lease records told to the other nodes."},
    MetricInfo{"fairlead_dhcp_lease_records_received_total", "counter", "", "Lease records told by other nodes."},
    MetricInfo{"fairlead_dhcp_lease_lines_damaged_total", "counter", "", "Lines of the lease file that were not understood and set aside."},
    MetricInfo{"fairlead_dhcp_lease_synchronised_age_seconds", "gauge", "",
               "Since this node's leases were last the same as the other nodes'. Absent before the first time, and without others."},
    MetricInfo{
        "fairlead_dhcp_messages_total", "counter", "type",
        "DHCP messages by type, since dnsmasq's start: what clients said and what it answered. Absent while dnsmasq cannot be asked; "
        "likewise the queries and the cache."},
    MetricInfo{"fairlead_dns_queries_total", "counter", "answer",
               "DNS queries by where the answer came from: local (hosts, leases, records, cache), authoritative, stale (cache, beyond its "
               "time) or forwarded (upstream)."},
    MetricInfo{"fairlead_dns_unanswered_queries_total", "counter", "", "Of the forwarded queries: no upstream answered."},
    MetricInfo{"fairlead_dns_cache_size", "gauge", "", "Names that dnsmasq's cache can hold."},
    MetricInfo{"fairlead_dns_cache_insertions_total", "counter", "", "Names put into the cache."},
    MetricInfo{"fairlead_dns_cache_evictions_total", "counter", "", "Names thrown out of the cache before their time, for newer ones."},
    MetricInfo{"fairlead_api_connections", "gauge", "way", "Connections to the API open now (unix, tcp)."},
    MetricInfo{"fairlead_api_watchers", "gauge", "way", "Of these: watchers (WebSockets; every open dashboard is one)."},
    MetricInfo{"fairlead_api_responses_total", "counter", "status", "Answers of the API, by HTTP status."},
    MetricInfo{"fairlead_api_refused_calls_total", "counter", "",
               "Calls refused: a change by no operator, a page of another site, no place for a watcher."},
    MetricInfo{"fairlead_api_failed_handshakes_total", "counter", "",
               "TLS handshakes with the API that failed: no certificate, a wrong one."},
    MetricInfo{"fairlead_api_shed_connections_total", "counter", "", "Connections to the API closed at its connection limit."},
    MetricInfo{"fairlead_api_evicted_connections_total", "counter", "",
               "Connections to admin.listen closed to make room for another: no TLS handshake finished, or with plain HTTP no request."},
    MetricInfo{"fairlead_api_slow_clients_total", "counter", "", "Connections to the API closed because the client was too slow."},
    MetricInfo{"fairlead_api_certificate_expiry_timestamp_seconds", "gauge", "",
               "When the certificate of admin.listen expires, since 1970. Absent without admin.tls."},
    MetricInfo{"process_cpu_seconds_total", "counter", "", "Processor time of the daemon, user and system."},
    MetricInfo{"process_resident_memory_bytes", "gauge", "", "Memory of the daemon that is in RAM."},
    MetricInfo{"process_virtual_memory_bytes", "gauge", "", "Address space of the daemon."},
    MetricInfo{"process_open_fds", "gauge", "", "Open descriptors. Absent where the kernel does not let the daemon count them."},
    MetricInfo{"process_max_fds", "gauge", "", "Limit of open descriptors."},
    MetricInfo{"process_start_time_seconds", "gauge", "", "When the daemon started, since 1970."},
};

}  // namespace

std::span<const MetricInfo> metric_catalogue() { return kMetrics; }

std::string metrics_reference() {
  std::string out =
      "# Metrics\n\n"
      "`GET /metrics` on `admin.listen` or the socket, Prometheus text format 0.0.4. Made from the catalogue in "
      "`admin/metric_catalogue.cc`; a test\n"
      "compares this page with it. Counters start at 0 with the daemon and survive a reload. How to scrape them, and which matter:\n"
      "[monitoring](../operating/monitoring.md). There is no queue, so there are no metrics of one: a connection that no server can take\n"
      "is reset and counted (`fairlead_listener_shed_connections_total`, cause `servers_full` or `no_server`).\n\n"
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
