// A node for tests of the API and the CLI: a report to show, commands to remember, answers to give at once, later or never.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "admin/command_codec.h"
#include "admin/dhcp_codec.h"
#include "admin/node_port.h"

namespace fairlead::testing {

inline admin::NodeReport sample_report() {
  using namespace admin;
  NodeReport r;
  r.node = "gate-1";
  r.version = "0.1.0";
  r.engine = "io_uring";
  r.engine_reason = "self-test passed";
  r.ready = true;
  r.ready_reasons = {{"listener kube-api", true, "accepting"}, {"pool masters", true, "2 of 3 servers up"}};
  r.uptime_s = 12.5;
  r.age_s = 0.25;
  r.max_connections = 50000;
  r.control_late_us_by_second = {120, 0, 5518000};
  r.config_file = "/etc/fairlead/fairlead.yaml";
  r.config_hash = "a1b2c3";
  r.config_reloads = 2;
  r.pid = 4711;
  r.log_target = "file";
  r.log_path = "/var/log/fairlead/fairleadd.log";
  r.config_loaded_at_s = 1706702400.25;
  r.peak_connections = 17;
  ListenerStatus listener;
  listener.name = "kube-api";
  listener.bind = {"192.168.4.20:6443", "[2001:db8::1]:6443"};
  listener.pool = "masters";
  listener.accepting = true;
  listener.connections = {3, 90, 4};
  listener.bytes = {1234567, 7654321};
  listener.peak_connections = 5;
  listener.max_connections = 20000;
  listener.max_connection_rate = 5000;
  listener.shed_by_cause = {{"denied", 0}, {"rate", 3}};
  listener.ended_by_code = {{"--", 80}, {"SC", 2}};
  listener.vip_closed = {{"reset", 4}, {"lost", 1}};
  r.listeners = {listener};
  PoolStatus pool;
  pool.name = "masters";
  pool.balance = "least_connections";
  pool.usable = 2;
  pool.connections = {3, 120, 0};
  pool.peak_connections = 9;
  pool.bytes = {600, 6000};
  pool.connect_failures = 21;
  for (const auto& [name, state] : {std::pair{"mast-1", ServerState::kUp}, {"mast-2", ServerState::kUp}, {"mast-3", ServerState::kDown}}) {
    ServerStatus server;
    server.name = name;
    server.address = std::string(name) + ".kube.demo:6443";
    server.endpoint = "192.168.1.11:6443";
    server.state = state;
    server.weight = 100;
    server.effective_weight = 50;
    server.connections = {1, 30, 0};
    server.connect_failures = 7;
    server.peak_connections = 4;
    server.max_connections = 500;
    server.bytes = {200, 2000};
    server.connect_failures_by_cause = {{"refused", 7}, {"timeout", 0}};
    server.connect_times = {4, 0.0035, {{0.00025, 1}, {0.0005, 0}, {1, 2}, {std::numeric_limits<double>::infinity(), 1}}};
    server.reset_connections = 2;
    server.ended_by_code = {{"--", 25}, {"CD", 4}};
    server.checks = {{"ok", 40}, {"refused", 3}};
    server.ups = 2;
    server.downs = 1;
    server.down_s = 12.5;
    server.state_since_s = 42.25;
    server.check = {state == ServerState::kUp ? "ok" : "refused", state == ServerState::kUp ? "200" : "connection refused", 4.1};
    pool.servers.push_back(server);
  }
  r.pools = {pool};
  r.workers = {{0, 2, 1, 1024, 0.4, 5000, 9000, 1, 0}, {1, 1, 0, 1024, 0.1, 4000, 8000, 0, 2}};
  r.drills = {
      {"planned", "api", WallTime(std::chrono::milliseconds(1706702400250)), true, 8.3, 20, ""},
      {"double-failure", "api", WallTime(std::chrono::milliseconds(1706702500000)), false, 2300, std::nullopt, "2 nodes answered at once"}};
  return r;
}

/// Two networks, of which one is served here and the other nowhere.
inline admin::DhcpStatus sample_dhcp() {
  using namespace admin;
  DhcpStatus d;
  d.group = "gateway";
  d.domain = "kube.demo";
  d.upstream = {"1.1.1.1", "2606:4700:4700::1111"};
  d.dnsmasq = {DnsmasqState::kReady, 815, "2.90", 7380.5, 1, ""};
  DhcpNetworkStatus mast;
  mast.name = "mast";
  mast.cidr = "192.168.1.0/24";
  mast.interface = "mast";
  mast.device = "eth1";
  mast.router = "192.168.1.254";
  mast.dns = "192.168.1.1";
  mast.pool = {"192.168.1.100", "192.168.1.199"};
  mast.serving = true;
  mast.held_here = true;
  mast.holder = "gate-1";
  mast.pool_size = 100;
  mast.pool_leased = 93;
  mast.leases_held = 96;
  mast.leases_released = 4;
  mast.reservations = 3;
  mast.sweep = SweepState::kDone;
  mast.adopted = 2;
  DhcpNetworkStatus node;
  node.name = "node";
  node.cidr = "192.168.2.0/24";
  node.interface = "eth2";
  node.router = "192.168.2.254";
  node.dns = "192.168.2.1";
  node.problem = "there is no device eth2";
  d.networks = {mast, node};
  d.leases = {
      .held = 96, .released = 4, .conflicts = 1, .damaged_lines = 2, .sent = 310, .received = 45, .synchronised_s = 62.5, .problem = ""};
  d.cache_size = 1000;
  DnsmasqCounters& c = d.counters.emplace();
  c.forwarded = 1200;
  c.local = 3400;
  c.stale = 5;
  c.unanswered = 7;
  c.cache_insertions = 900;
  c.cache_evictions = 11;
  c.messages = {
      .discover = 120, .offer = 118, .request = 400, .ack = 395, .nak = 3, .decline = 1, .release = 20, .inform = 2, .bootp = 0, .pxe = 4};
  return d;
}

/// The newest first.
inline std::vector<admin::LeaseInfo> sample_leases() {
  using admin::LeaseInfo;
  using admin::LeaseRecordState;
  const auto at = [](const char* text) { return *parse_ip_address(text); };
  return {
      {"mast", at("192.168.1.101"), "52:54:00:00:01:65", "01:52:54:00:00:01:65", "laptop", 43100, LeaseRecordState::kHeld, "gate-1", 7, 12},
      {"mast", at("192.168.1.11"), "52:54:00:00:01:01", "", "mast-1", 39600, LeaseRecordState::kHeld, "gate-1", 7, 11, true},
      {"mast", at("192.168.1.100"), "52:54:00:00:01:64", "", "", 0, LeaseRecordState::kReleased, "gate-2", 6, 90}};
}

/// The configuration of these, as far as the API reads it.
inline std::string sample_dhcp_yaml() {
  return R"(apiVersion: fairlead/v1
vips:
  - {name: api, address: 192.168.4.20/24, interface: eth0, group: gateway}
dnsdhcp:
  follows: gateway
  domain: kube.demo
  networks:
    - {name: mast, interface: eth1, cidr: 192.168.1.0/24, router: 192.168.1.254, dns: 192.168.1.1, pool: [192.168.1.100, 192.168.1.199]}
    - {name: node, interface: eth2, cidr: 192.168.2.0/24, router: 192.168.2.254, dns: 192.168.2.1}
  hosts:
    - {name: mast-1, network: mast, mac: "52:54:00:00:01:01", address: 192.168.1.11, aliases: [etcd-1]}
    - {name: node-1, network: node, mac: "52:54:00:00:02:01", address: 192.168.2.11}
)";
}

/// Two nodes, of which the other is lost; one VIP held here, one that nobody may hold.
inline admin::NodeReport sample_cluster_report() {
  using namespace admin;
  NodeReport r = sample_report();
  ClusterStatus cluster;
  cluster.quorate = true;
  cluster.ring = "1.2c";
  cluster.votes = 2;
  cluster.tie_break = "armed";
  cluster.qdevice = "votes";
  cluster.token_ms = 800;
  cluster.consensus_ms = 960;
  cluster.lease_ms = 1910;
  cluster.lease_low_ms = 1720;
  cluster.view_changes = 4;
  cluster.nodes = {{"gate-1", 1, true, false, "0.1.0", true, {}, {}},
                   {"gate-2", 2, true, true, "0.1.0", false, {{0, true}, {1, false}}, {}},
                   {"gate-3", 3, false, false, "", true, {{0, false}, {1, false}}, {}}};
  NodeDigest digest;
  digest.uptime_ms = 3600000;
  digest.engine = "epoll";
  digest.reason = "pool masters: 0 of 3 servers take connections";
  digest.config_hash = "00c0ffee00c0ffee";
  digest.connections = 12;
  digest.control_late_us = 250;
  digest.listeners = {{"kube-api", true, 12}};
  digest.pools = {{"masters", 3, 0, {"mast-1", "mast-2"}}};
  cluster.nodes[1].digest = digest;
  cluster.nodes[1].digest_age_s = 0.5;
  digest.ready = true;
  digest.reason.clear();
  cluster.nodes[2].digest = digest;
  cluster.nodes[2].digest_age_s = 75;
  r.cluster = cluster;
  VipStatus api;
  api.name = "api";
  api.address = "192.168.4.20/24";
  api.interface = "ens192";
  api.state = "held";
  api.holder = "gate-1";
  api.held_here = true;
  api.epoch = 7;
  api.lease_ms = 1850;
  api.eligible = {{"gate-1", true, ""}, {"gate-2", false, "no carrier"}};
  api.history = {
      {"2024-01-31T11:00:00.000Z", "gate-2", true}, {"2024-01-31T12:00:00.250Z", std::nullopt}, {"2024-01-31T12:00:00.262Z", "gate-1"}};
  api.holder_changes = 1;
  api.takeovers = {2, 0.48, {{0.01, 1}, {0.5, 1}, {std::numeric_limits<double>::infinity(), 0}}};
  api.last_takeover_ms = 12.25;
  VipStatus ingress;
  ingress.name = "ingress";
  ingress.address = "192.168.4.21/24";
  ingress.interface = "ens192";
  ingress.state = "idle";
  ingress.enabled = false;
  r.vips = {api, ingress};
  r.dhcp = sample_dhcp();
  return r;
}

class FakeNodePort final : public admin::NodePort {
 public:
  using Done = std::function<void(Result<admin::CommandResult>)>;

  // What tests set and look at.
  void set_report(admin::NodeReport report) {
    const std::lock_guard lock(mutex_);
    report_ = std::make_shared<const admin::NodeReport>(std::move(report));
  }
  void no_report() {
    const std::lock_guard lock(mutex_);
    report_ = nullptr;
  }
  void set_answer(Result<admin::CommandResult> answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  /// Commands wait until release_held().
  void hold() {
    const std::lock_guard lock(mutex_);
    holding_ = true;
  }
  /// Answers what waits, on the calling thread.
  void release_held() {
    std::vector<Done> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
      holding_ = false;
    }
    for (auto& done : held) done(answer());
  }
  void set_connections(std::vector<admin::ConnectionInfo> connections, std::vector<std::uint32_t> silent = {}) {
    const std::lock_guard lock(mutex_);
    connections_ = {std::move(connections), std::move(silent)};
  }
  void set_leases(std::vector<admin::LeaseInfo> leases) {
    const std::lock_guard lock(mutex_);
    leases_ = std::move(leases);
  }
  void set_events(std::vector<admin::EventInfo> events) {
    const std::lock_guard lock(mutex_);
    events_ = std::move(events);
  }
  /// As after a restart.
  void set_life(std::string life, std::vector<admin::EventInfo> events) {
    const std::lock_guard lock(mutex_);
    life_ = std::move(life);
    events_ = std::move(events);
  }
  void set_config(std::string yaml) {
    const std::lock_guard lock(mutex_);
    yaml_ = std::move(yaml);
  }
  void set_blackbox(std::string file) {
    const std::lock_guard lock(mutex_);
    blackbox_ = std::move(file);
  }
  /// The next `times` questions for the report fail, as they would without memory.
  void break_report(int times) {
    const std::lock_guard lock(mutex_);
    broken_ = times;
  }
  [[nodiscard]] int still_broken() const {
    const std::lock_guard lock(mutex_);
    return broken_;
  }
  [[nodiscard]] std::vector<std::string> commands() const {
    const std::lock_guard lock(mutex_);
    return commands_;
  }
  [[nodiscard]] std::vector<std::string> actors() const {
    const std::lock_guard lock(mutex_);
    return actors_;
  }
  [[nodiscard]] std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  [[nodiscard]] std::string last_filter() const {
    const std::lock_guard lock(mutex_);
    return filter_;
  }

  // NodePort
  [[nodiscard]] std::shared_ptr<const admin::NodeReport> report() const override {
    const std::lock_guard lock(mutex_);
    if (broken_ > 0) {
      --broken_;
      throw std::bad_alloc();
    }
    return report_;
  }
  void execute(admin::Command command, admin::Actor actor, Done done) override {
    {
      const std::lock_guard lock(mutex_);
      if (const auto* apply = std::get_if<admin::ApplyRouter>(&command)) session_ = apply->session;
      if (const auto* confirm = std::get_if<admin::ConfirmRouter>(&command)) session_ = confirm->session;
      commands_.push_back(admin::describe(command));
      actors_.push_back(actor.name);
      if (holding_) return held_.push_back(std::move(done));
    }
    done(answer());
  }
  void connections(admin::ConnectionFilter filter, std::size_t limit, std::function<void(Result<admin::LateConnections>)> done) override {
    admin::ConnectionList out;
    {
      const std::lock_guard lock(mutex_);
      filter_ = admin::describe(filter);
      out = connections_;
    }
    if (out.connections.size() > limit) out.connections.resize(limit);
    done(admin::LateConnections([out = std::move(out)] { return out; }));
  }
  /// Of the last command about the router.
  [[nodiscard]] std::string session() const {
    const std::lock_guard lock(mutex_);
    return session_;
  }
  void set_router(Result<admin::RouterReport> report) {
    const std::lock_guard lock(mutex_);
    router_ = std::move(report);
  }
  void router(std::function<void(Result<admin::RouterReport>)> done) override {
    std::optional<Result<admin::RouterReport>> out;
    {
      const std::lock_guard lock(mutex_);
      out = router_;
    }
    done(std::move(*out));
  }
  [[nodiscard]] std::vector<admin::EventInfo> events(std::uint64_t after, std::size_t limit) const override {
    const std::lock_guard lock(mutex_);
    std::vector<admin::EventInfo> out;
    for (const auto& event : events_) {
      if (event.sequence > after && out.size() < limit) out.push_back(event);
    }
    return out;
  }
  [[nodiscard]] admin::EventStream event_stream() const override {
    const std::lock_guard lock(mutex_);
    return {life_, events_.empty() ? 0 : events_.back().sequence};
  }
  [[nodiscard]] std::string config_yaml() const override {
    const std::lock_guard lock(mutex_);
    return yaml_;
  }
  [[nodiscard]] Result<std::string> blackbox() const override {
    const std::lock_guard lock(mutex_);
    if (blackbox_.empty()) return Error{Errc::kUnavailable, "no flight recorder is kept"};
    return blackbox_;
  }
  void leases(admin::LeaseFilter filter, std::size_t limit, std::function<void(Result<admin::LateLeases>)> done) override {
    std::vector<admin::LeaseInfo> out;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& lease : leases_) {
        if (out.size() < limit && admin::matches(filter, lease)) out.push_back(lease);
      }
    }
    done(admin::LateLeases([out = std::move(out)] { return out; }));
  }

 private:
  [[nodiscard]] Result<admin::CommandResult> answer() const {
    const std::lock_guard lock(mutex_);
    return answer_;
  }

  mutable std::mutex mutex_;
  mutable int broken_ = 0;
  std::shared_ptr<const admin::NodeReport> report_ = std::make_shared<const admin::NodeReport>(sample_report());
  Result<admin::CommandResult> answer_ = admin::CommandResult{.summary = "done as asked", .details = {}, .needs_restart = {}};
  bool holding_ = false;
  std::vector<Done> held_;
  admin::ConnectionList connections_;
  std::vector<admin::LeaseInfo> leases_ = sample_leases();
  std::vector<admin::EventInfo> events_;
  std::string life_ = "00c0ffee00c0ffee";
  std::string yaml_ = "apiVersion: fairlead/v1\n";
  std::string blackbox_;
  Result<admin::RouterReport> router_ = admin::RouterReport{.state = "in force",
                                                            .summary = "the file's rules are in force",
                                                            .in_force = "table inet fairlead_router {\n}\n",
                                                            .of_file = "table inet fairlead_router {\n}\n",
                                                            .trial_left_s = 0};
  std::string session_;
  std::vector<std::string> commands_;
  std::vector<std::string> actors_;
  std::string filter_;
};

}  // namespace fairlead::testing
