// The daemon's shell: owns every thread and carries NodeController's actions out. Runs on the control thread (libqb's loop).
//
// Threads: control (this), worker-N, health, admin, jobs, log. Between them go values through bounded inboxes.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/api_server.h"
#include "base/inbox.h"
#include "base/qb_log.h"
#include "base/qb_loop.h"
#include "base/system_clock.h"
#include "daemon/control_message.h"
#include "daemon/hooks.h"
#include "daemon/jobs.h"
#include "daemon/machine.h"
#include "daemon/node_controller.h"
#include "daemon/node_port_inbox.h"
#include "daemon/survey.h"
#include "daemon/takeover_runner.h"
#include "daemon/vip_start.h"
#include "daemon/watchdog.h"
#include "daemon/worker_mail.h"
#include "daemon/worker_pulse.h"
#include "daemon/worst_by_second.h"
#include "lb/health_prober.h"
#include "lb/process_places.h"
#include "lb/resolver.h"
#include "lb/source_counts.h"
#include "lb/worker.h"

namespace fairlead::daemon {

class DhcpRunner;
}
namespace fairlead::dnsdhcp {
class ConntrackdKeeper;
class NftWatch;
class Router;
}  // namespace fairlead::dnsdhcp
namespace fairlead::daemon {

[[nodiscard]] LogOptions log_options_of(const config::Log& log);
/// Where it goes: what `auto` stands for here.
[[nodiscard]] std::string log_target_name(const config::Log& log);

/// The worst of the present and the last stretch of time.
class RecentWorst {
 public:
  void add(double value) { present_ = std::max(present_, value); }
  void turn() { last_ = std::exchange(present_, 0); }
  [[nodiscard]] double value() const { return std::max(present_, last_); }

 private:
  double present_ = 0;
  double last_ = 0;
};

class Orchestrator {
 public:
  Orchestrator(std::string config_file, config::Snapshot snapshot, EngineDecision engine, VipStart vips, LogThread& log);
  ~Orchestrator();

  /// Starts workers, checks and the API, opens the listeners. Errors: what keeps the daemon from serving at all.
  [[nodiscard]] Status start();
  /// Until SIGTERM or SIGINT. Returns the program's exit code.
  [[nodiscard]] int run();

 private:
  [[nodiscard]] Status start_workers(std::uint32_t connections_max);
  void carry_out(ControlActions&& actions);
  void open_bind(const BindOpen& bind);
  void handle(ControlMessage&& message);
  void handle_command(CommandRequest&& request);
  void limit_connections(const config::Snapshot& snapshot);
  void tell_machine(const config::Snapshot& snapshot, config::Environment machine);
  void load(bool dry_run, const std::string& actor, const CommandDone& done);
  void loaded(Loaded&& loaded);
  void commit(config::Snapshot&& next, std::size_t changes, const std::vector<std::string>& needs_restart);
  void load_drills();
  void record_drill(admin::DrillResult result, const CommandDone& done);
  void kill_connections(const admin::KillConnections& command, const admin::Actor& actor, CommandDone done);
  void list_connections(ListRequest&& request);
  void on_signal(int signal);
  void begin_shutdown(int signal);
  void finish_shutdown();
  void arm_controller();
  void housekeeping();
  void tell_systemd(const std::string& state);
  void check_workers();
  [[nodiscard]] bool all_workers_turn() const;
  void report_shed();
  void record_beat();
  void take_stock();
  void refresh_report();
  void tend_surveys();
  [[nodiscard]] bool may_ask(std::size_t kept);
  void add_worker_counts(admin::NodeReport& report);
  void tell_stalled(admin::NodeReport& report) const;
  [[nodiscard]] Status start_takeover();
  void start_dhcp(const config::Snapshot& snapshot);
  [[nodiscard]] bool dhcp_is_over(bool at_once);
  [[nodiscard]] std::function<void(std::function<void()>)> back_to_control();
  void start_router();
  void watch_tables();
  void configure_sync(const config::Snapshot& snapshot);
  void tell_sync(const admin::NodeReport& report);
  void apply_router(const admin::ApplyRouter& command, const CommandDone& done);
  void show_router(RouterRequest&& request);
  void list_leases(LeasesRequest&& request);
  void release_lease(const admin::ReleaseLease& command, const CommandDone& done);
  void configure_dhcp(const config::Snapshot& next);
  void release(const IpAddress& vip, std::function<void()> done);
  [[nodiscard]] bool takeover_is_over();
  void tell_takeover(const admin::NodeReport& report);
  void tell_takeover_of_dhcp();
  void describe_dhcp(admin::NodeReport& report);
  void tell_controller(const admin::NodeReport& report);
  template <class Message>
  void ask_all(const IpAddress& vip, std::function<void()> done);
  void post_all(const std::function<lb::WorkerMessage()>& make);

  std::string config_file_;
  config::Snapshot started_with_;
  EngineDecision engine_;
  LogThread& log_;
  SystemClock clock_;
  QbLoop loop_;
  Inbox<ControlMessage> inbox_;
  NodeController controller_;
  lb::SourceCounts sources_;
  lb::ProcessPlaces places_;
  std::vector<std::unique_ptr<lb::Worker>> workers_;
  std::deque<WorkerMail> mail_;                                           ///< By worker.
  std::size_t spread_turn_ = 0;                                           ///< The worker that is asked next to give up an idle connection.
  std::vector<std::pair<std::shared_ptr<OpenSurvey>, Instant>> surveys_;  ///< With the time to give up. kSurveysMax at most.
  std::unique_ptr<lb::HealthProber> prober_;
  std::unique_ptr<lb::NameResolver> resolver_;
  NodePortInbox port_;
  std::unique_ptr<admin::ApiServer> api_;
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<Jobs> trace_jobs_;                          ///< Only with --trace-takeover.
  VipStart vip_start_;                                        ///< Until start_takeover().
  std::map<std::string, std::vector<IpAddress>> site_names_;  ///< Of the active configuration.
  std::unique_ptr<dnsdhcp::NftWatch> nft_watch_;
  QbLoop::TimerId nft_retry_ = 0;
  std::unique_ptr<dnsdhcp::Router> router_;
  std::unique_ptr<dnsdhcp::ConntrackdKeeper> sync_;  ///< Nothing without router.sync.
  std::unique_ptr<DhcpRunner> dhcp_;                 ///< Nothing without dnsdhcp; the takeover tells it what happened.
  std::unique_ptr<HookRunner> hooks_;                ///< Nothing without VIPs; outlives the takeover, which tells it what happened.
  std::unique_ptr<TakeoverRunner> takeover_;         ///< Nothing without VIPs.

  std::size_t pipes_ = 0;
  Instant born_;
  QbLoop::TimerId controller_timer_ = 0;
  QbLoop::TimerId stop_timer_ = 0;
  Instant controller_deadline_ = Instant::max();
  std::vector<WorkerPulse> pulses_;
  Watchdog watchdog_{watchdog_limit()};
  std::vector<std::string> unsaid_;                                    ///< To systemd, which takes nothing at the moment.
  std::vector<std::array<std::uint64_t, lb::kShedCauses>> shed_seen_;  ///< By ListenerId.
  unsigned beats_ = 0;
  std::uint64_t reloads_ = 0;
  bool last_reload_ok_ = true;
  WallTime loaded_at_{};  ///< The active configuration.
  std::uint64_t peak_connections_ = 0;
  std::map<std::string, admin::DrillResult> drills_;  ///< By name: those of admin/drill_cases.h at most.
  std::vector<RecentWorst> late_ms_;                  ///< By worker.
  RecentWorst control_late_ms_;
  WorstBySecond control_late_us_;
  std::string config_hash_;
  std::string log_target_;
  bool stopping_ = false;
  std::string dhcp_problem_;  ///< Why it could not be started; empty: it was, or it is not wanted.
  QbLoop::TimerId dhcp_retry_ = 0;
  bool dhcp_stopping_ = false;
  bool dhcp_stopped_ = false;
  bool closing_ = false;  ///< The grace is over: what is open was told to end.
  Instant stop_at_ = Instant::max();
  std::optional<Instant> clear_since_;  ///< Of the takeover's end.
};

}  // namespace fairlead::daemon
