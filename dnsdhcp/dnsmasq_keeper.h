// Keeps one dnsmasq running: SupervisionCore's decisions, carried out.
//
//   jobs thread: probe_dnsmasq(), start_dnsmasq()     control: its pidfd, its log, its bus, the core's deadline
//
// Invariants:
//   K1  Nothing on the control thread waits for dnsmasq, except a destructor for one that it has just killed.
//   K2  When the keeper is gone, so is its dnsmasq, and its sockets with it.
// Threading: control. Ownership: loop and host outlive it. Callbacks must not destroy it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/qb_loop.h"
#include "dnsdhcp/dnsmasq_bus.h"
#include "dnsdhcp/dnsmasq_process.h"
#include "dnsdhcp/supervision_core.h"

namespace fairlead::dnsdhcp {

struct KeeperSettings {
  std::string program = "/usr/sbin/dnsmasq";
  std::string config;         ///< Path of dnsmasq.conf.
  std::string bus_socket;     ///< Path.
  std::string script_socket;  ///< Path: for fairlead-dhcp-event. Empty: none.
};

struct KeeperHost {
  /// Runs it on a thread that may wait and lives as long as this process. False: too many wait there.
  std::function<bool(std::function<void()>)> post_job;
  /// Runs it on the control thread; may be called on any.
  std::function<void(std::function<void()>)> on_control;
  /// start_dnsmasq(), with the capabilities that dnsmasq needs; on post_job's thread.
  std::function<Result<DnsmasqChild>(const DnsmasqCommand&)> start = start_dnsmasq;
};

class DnsmasqKeeper {
 public:
  struct Callbacks {
    std::function<void(const SayReady&)> on_ready;
    /// Its reason says who has the port that it wanted, when that was it.
    std::function<void(const SayEnded&)> on_ended;
    std::function<void()> on_stopped;
    std::function<void(const SayCrashLoop&)> on_crash_loop;
    std::function<void()> on_crash_loop_over;
    std::function<void(const DnsmasqLine&)> on_line;
    std::function<void(std::uint64_t lines)> on_lines_left_out;
    /// It runs, but cannot serve on this port: "192.168.1.1:53: systemd-resolve (process 412) has 0.0.0.0:53".
    std::function<void(const std::string&)> on_port_taken;
    std::function<void(const LeaseSignal&)> on_lease;
  };

  /// Errors: those of DnsmasqBus::open().
  [[nodiscard]] static Result<std::unique_ptr<DnsmasqKeeper>> make(QbLoop& loop, KeeperSettings settings, KeeperHost host,
                                                                   Callbacks callbacks);
  ~DnsmasqKeeper();
  DnsmasqKeeper(const DnsmasqKeeper&) = delete;
  DnsmasqKeeper& operator=(const DnsmasqKeeper&) = delete;

  void run() { feed(RunDnsmasq{}); }
  /// on_stopped follows when it has ended; at once when there is none.
  void stop();
  void reload() { feed(ReloadDnsmasq{}); }
  void restart() { feed(RestartDnsmasq{}); }

  [[nodiscard]] DnsmasqBus& bus() { return *bus_; }
  [[nodiscard]] const SupervisionCore& core() const { return core_; }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }               ///< -1: none.
  [[nodiscard]] const std::string& version() const { return version_; }  ///< Empty: not known yet.

 private:
  DnsmasqKeeper(QbLoop& loop, KeeperSettings settings, KeeperHost host, Callbacks callbacks);
  void feed(const SupervisionInput& input);
  void carry_out(const SupervisionAction& action);
  void arm();
  void ask();
  void spawn();
  void spawned(Result<DnsmasqChild> child);
  void exited();
  void on_line(const DnsmasqLine& line);
  void look_for_owner(const Endpoint& wanted, std::function<void(std::string)> found);
  [[nodiscard]] DnsmasqCommand command() const;

  QbLoop& loop_;
  KeeperSettings settings_;
  KeeperHost host_;
  Callbacks callbacks_;
  SupervisionCore core_{/*asks=*/true};
  std::unique_ptr<DnsmasqBus> bus_;
  DnsmasqLog log_;
  DnsmasqChild child_;
  std::string version_;
  std::optional<Endpoint> taken_;  // What it said last of a port, before it was ready.
  QbLoop::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For what comes back from other threads.
};

/// What dnsmasq finds in its environment: where its bus and the script's socket are, and nothing of ours besides PATH.
[[nodiscard]] std::vector<std::string> dnsmasq_environment(const std::string& bus_address, const std::string& script_socket);

}  // namespace fairlead::dnsdhcp
