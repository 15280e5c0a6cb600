#include "daemon/orchestrator.h"

#include <algorithm>
#include <csignal>
#include <sys/random.h>

#include "base/overloaded.h"
#include "config/descriptors.h"
#include "config/diff.h"
#include "config/host_environment.h"
#include "config/print.h"
#include "config/site_names.h"
#include "daemon/dhcp_runner.h"
#include "daemon/router_wiring.h"
#include "daemon/site_answer.h"
#include "daemon/takeover_settings.h"
#include "dnsdhcp/conntrackd_keeper.h"
#include "dnsdhcp/nft_watch.h"
#include "dnsdhcp/router.h"
#include "generated/version.h"

namespace fairlead::daemon {
namespace {

constexpr std::size_t kControlInbox = 16384;
constexpr std::size_t kSourcesExpected = 65536;
constexpr Duration kClosingMax = std::chrono::seconds(1);  ///< For workers to close what is open when the grace is over.

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<std::uint64_t>(SystemClock().now().time_since_epoch().count());
  return seed;
}

LogTargetKind target_of(config::LogTarget target) {
  switch (target) {
    case config::LogTarget::kAuto: return LogTargetKind::kAuto;
    case config::LogTarget::kJournal: return LogTargetKind::kJournal;
    case config::LogTarget::kStderr: return LogTargetKind::kStderr;
    case config::LogTarget::kSyslog: return LogTargetKind::kSyslog;
    case config::LogTarget::kFile: return LogTargetKind::kFile;
  }
  return LogTargetKind::kAuto;
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += between;
    out += part;
  }
  return out;
}

bool is_of_takeover(const admin::Command& command) {
  return std::visit(Overloaded{
                        [](const admin::MoveVip&) { return true; },
                        [](const admin::SetVipEnabled&) { return true; },
                        [](const admin::AnnounceVip&) { return true; },
                        [](const admin::ForceVip&) { return true; },
                        [](const admin::SetNodeStandby&) { return true; },
                        [](const admin::SetClusterFrozen&) { return true; },
                        [](const admin::RunDrill&) { return true; },
                        [](const auto&) { return false; },
                    },
                    command);
}

void log_notice(const Notice& notice) {
  if (LogSink* sink = log_sink()) sink->write(LogEvent{SystemClock().wall(), notice.id, notice.fields});
}

/// A target that cannot be opened is an error of the file, as at the start; one that is in use already is not asked again.
void refuse_unusable_log(const std::string& file, const config::Log& now, config::LoadResult& result) {
  if (!result.snapshot || result.snapshot->log == now) return;
  const Status usable = LogThread::check(log_options_of(result.snapshot->log));
  if (usable) return;
  result.problems.push_back({.file = file,
                             .line = 1,
                             .column = 1,
                             .severity = config::Severity::kError,
                             .message = "log: " + usable.error().message(),
                             .hint = "make its directory, or give log another target"});
  result.snapshot.reset();
}

void log_all(const std::vector<Notice>& notices) {
  for (const Notice& said : notices) log_notice(said);
}

}  // namespace

LogOptions log_options_of(const config::Log& log) {
  return {.level = log.level, .target = target_of(log.target), .path = log.path, .format = log.format};
}

std::string log_target_name(const config::Log& log) {
  const LogTargetKind kind = target_of(log.target);
  if (kind != LogTargetKind::kAuto) return std::string(to_string(kind));
  return std::string(to_string(is_journal_stream(2) ? LogTargetKind::kJournal : LogTargetKind::kStderr));
}

Orchestrator::Orchestrator(std::string config_file, config::Snapshot snapshot, EngineDecision engine, VipStart vips, LogThread& log)
    : config_file_(std::move(config_file)),
      started_with_(std::move(snapshot)),
      engine_(std::move(engine)),
      log_(log),
      inbox_(kControlInbox),
      controller_(random_seed()),
      sources_(kSourcesExpected, random_seed()),
      places_(1),
      port_(inbox_, log),
      vip_start_(std::move(vips)),
      born_(clock_.now()) {}

Orchestrator::~Orchestrator() {
  // First what calls into us from other threads, then what they call.
  if (api_) api_->stop();
  takeover_.reset();
  nft_watch_.reset();
  dhcp_.reset();
  sync_.reset();
  router_.reset();
  hooks_.reset();
  jobs_.reset();
  resolver_.reset();
  prober_.reset();
  workers_.clear();
  for (const auto& open : surveys_) open.first->give_up();
  loop_.remove(inbox_.event_fd());
  while (inbox_.drain([](ControlMessage&& message) { refuse(std::move(message)); }) > 0) {}  // Whoever still waits for an answer gets one.
}

// ---- start ----

Status Orchestrator::start() {
  const std::uint64_t descriptors = raise_descriptor_limit();
  pipes_ = config::pipes_for(descriptors, started_with_.proxy.splice);
  if (auto status = start_workers(config::connections_for(descriptors, pipes_, config::Snapshot{}, 0)); !status) return status;
  limit_connections(started_with_);
  tell_machine(started_with_, config::host_environment());
  auto prober = lb::HealthProber::make(
      [this](lb::ProbeResult result) { (void)inbox_.post(std::move(result)); });  // A lost result is asked for again (HealthTracker, I4).
  if (!prober) return prober.error();
  prober_ = std::move(*prober);
  resolver_ = std::make_unique<lb::NameResolver>(
      [this](lb::ResolveResult result) { (void)inbox_.post(std::move(result)); });  // Likewise (ResolveTracker, I4).
  jobs_ = std::make_unique<Jobs>();
  if (auto status = loop_.add_inbox(inbox_, [this](ControlMessage&& message) { handle(std::move(message)); }); !status) return status;
  if (auto status = loop_.on_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1}, [this](int signal) { on_signal(signal); }); !status) return status;

  port_.publish_config(config::print(started_with_, /*with_defaults=*/false));
  config_hash_ = config::hash(started_with_);
  log_target_ = log_target_name(started_with_.log);
  loaded_at_ = clock_.wall();
  load_drills();
  site_names_ = config::site_names(started_with_);
  carry_out(controller_.apply(started_with_, clock_.now()));
  start_router();
  start_dhcp(started_with_);  // First: it is told of the first VIP.
  if (auto status = start_takeover(); !status) return status;
  refresh_report();
  api_ = std::make_unique<admin::ApiServer>(admin::api_options(started_with_.admin), port_);
  if (auto status = api_->start(); !status) return status;
  housekeeping();
  FL_LOG(DAEMON_STARTED, "version", kVersion, "node", started_with_.node, "engine", engine_.uring ? "io_uring" : "epoll", "workers",
         workers_.size(), "config", config_file_);
  tell_systemd("READY=1");
  return {};
}

/// `connections_max`: as many as ever fit; the present bound (places_) may be raised by a reload.
Status Orchestrator::start_workers(std::uint32_t connections_max) {
  const std::vector<int> cpus = allowed_cpus();
  const std::size_t count = started_with_.proxy.workers.value_or(static_cast<std::uint32_t>(cpus.size()));
  for (std::size_t i = 0; i < count; ++i) {
    const lb::WorkerOptions options{.index = static_cast<std::uint32_t>(i),
                                    .uring = engine_.uring,
                                    .pool_bytes = started_with_.proxy.buffer_pool / count,
                                    .connections_max = connections_max,
                                    .pipes_max = pipes_ / count,
                                    .cpu = count <= cpus.size() ? cpus[i] : -1};
    // A full control inbox loses a passive report; the active checks find out by themselves.
    workers_.push_back(std::make_unique<lb::Worker>(
        options, lb::WorkerShared{sources_, places_, [this](lb::WorkerReport report) { (void)inbox_.post(report); }}));
    mail_.emplace_back([worker = workers_.back().get()](lb::WorkerMessage& message) { return worker->try_post(message); });
    if (auto status = workers_.back()->start(); !status)
      return Error{status.error().code, "worker " + std::to_string(i) + ": " + status.error().context, status.error().sys_errno};
  }
  controller_.set_workers(count);
  pulses_.resize(count);
  late_ms_.resize(count);
  return {};
}

/// What the descriptors allow, whatever the file wants: that they do not fit was a warning of the file (config/check_process.cc).
void Orchestrator::limit_connections(const config::Snapshot& snapshot) {
  const std::uint32_t fit = config::connections_for(raise_descriptor_limit(), pipes_, snapshot, workers_.size());
  places_.set_limit(std::min(snapshot.proxy.max_connections.value_or(fit), fit));
}

void Orchestrator::tell_machine(const config::Snapshot& snapshot, config::Environment machine) {
  std::vector<IpAddress> local = std::move(machine.local_addresses).value_or(std::vector<IpAddress>{});
  for (const config::Vip& vip : snapshot.vips) local.push_back(vip.address.address);
  controller_.set_own_addresses(std::move(local));
  controller_.set_congestion_controls(std::move(machine.congestion_controls));
}

// ---- carrying out ----

void Orchestrator::post_all(const std::function<lb::WorkerMessage()>& make) {
  for (WorkerMail& mail : mail_) (void)mail.send(make());  // What must wait goes out with a later beat; check_workers() reports the stall.
}

void Orchestrator::carry_out(ControlActions&& actions) {
  if (actions.routes != nullptr) post_all([&] { return lb::SetRoutes{actions.routes}; });
  for (const BindOpen& bind : actions.open) open_bind(bind);  // Before the closing: an address that moves to another listener stays open.
  for (const BindChange& change : actions.change) post_all([&] { return lb::SetLegOptions{change.bind, change.options}; });
  for (const auto& [bind, said] : actions.close) {
    post_all([id = bind] { return lb::CloseListener{id}; });
    log_notice(said);
  }
  for (const lb::ServerId server : actions.reset) post_all([&] { return lb::CloseServerConnections{server, lb::EndCause::kServerDown}; });
  for (const lb::ServerId server : actions.kill) post_all([&] { return lb::CloseServerConnections{server, lb::EndCause::kKilled}; });
  for (const lb::ServerId server : actions.spread) (void)mail_[spread_turn_++ % mail_.size()].send(lb::CloseIdle{server});
  for (ProbeStart& probe : actions.probes) {
    const lb::ServerId server = probe.server;
    const std::uint64_t token = probe.token;
    if (!prober_->start({.server = server,
                         .token = token,
                         .endpoint = probe.endpoint,
                         .host = std::move(probe.host),
                         .health = std::move(probe.health)})) {
      controller_.probe_refused(server, token, clock_.now());
    }
  }
  for (const lb::ServerId server : actions.forget) prober_->forget(server);
  for (LookupStart& lookup : actions.lookups) {
    const lb::ServerId server = lookup.server;
    const std::uint64_t token = lookup.token;
    if (auto known = site_answer(site_names_, lookup.question); known && inbox_.post(lb::ResolveResult{server, token, std::move(*known)}))
      continue;
    if (!resolver_->start({.server = server, .token = token, .question = std::move(lookup.question)}))
      controller_.lookup_refused(server, token, clock_.now());
  }
  log_all(actions.notices);
  arm_controller();
}

/// One socket per worker, all of them or none, so that the kernel spreads connections evenly.
void Orchestrator::open_bind(const BindOpen& bind) {
  std::vector<Fd> sockets;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    auto socket = lb::open_listener(bind.address, bind.options);
    if (!socket) return log_all(controller_.bind_failed(bind.bind, socket.error(), clock_.now()).notices);
    sockets.push_back(std::move(*socket));
  }
  for (std::size_t i = 0; i < workers_.size(); ++i)
    (void)mail_[i].send(lb::OpenListener{bind.listener, bind.bind, std::move(sockets[i]), !bind.options.congestion_control.empty()});
  log_all(controller_.bind_opened(bind.bind).notices);
}

void Orchestrator::arm_controller() {
  const Instant next = controller_.next_deadline();
  if (next == controller_deadline_) return;
  loop_.cancel(controller_timer_);
  controller_deadline_ = next;
  controller_timer_ = next == Instant::max() ? 0 : loop_.at(next, [this] {
    controller_deadline_ = Instant::max();
    carry_out(controller_.tick(clock_.now()));
  });
}

// ---- messages ----

void Orchestrator::handle(ControlMessage&& message) {
  std::visit(Overloaded{
                 [this](lb::WorkerReport&& m) {
                   std::visit(
                       Overloaded{
                           [this](const lb::ConnectFailed& f) { carry_out(controller_.connect_failed(f.server, f.cause, clock_.now())); },
                           [this](const lb::ConnectWorked& w) { controller_.connect_worked(w.server, clock_.now()); },
                       },
                       m);
                 },
                 [this](lb::ProbeResult&& m) { carry_out(controller_.probe_done(m, clock_.now())); },
                 [this](lb::ResolveResult&& m) { carry_out(controller_.answered(m.server, m.token, m.answer, clock_.now())); },
                 [this](CommandRequest&& m) { handle_command(std::move(m)); },
                 [this](ListRequest&& m) { list_connections(std::move(m)); },
                 [this](LeasesRequest&& m) { list_leases(std::move(m)); },
                 [this](RouterRequest&& m) { show_router(std::move(m)); },
                 [this](Loaded&& m) { loaded(std::move(m)); },
                 [](OnControl&& m) { m.run(); },
                 [this](ReportWanted&&) { refresh_report(); },
             },
             std::move(message));
}

void Orchestrator::handle_command(CommandRequest&& request) {
  if (const auto* kill = std::get_if<admin::KillConnections>(&request.command))
    return kill_connections(*kill, request.actor, std::move(request.done));
  if (stopping_) return refuse(std::move(request));  // Nothing may open a listener again.
  if (const auto* reload = std::get_if<admin::Reload>(&request.command)) return load(reload->dry_run, request.actor.name, request.done);
  if (auto* drill = std::get_if<admin::RecordDrill>(&request.command)) return record_drill(std::move(drill->result), request.done);
  if (const auto* apply = std::get_if<admin::ApplyRouter>(&request.command)) return apply_router(*apply, request.done);
  if (const auto* confirm = std::get_if<admin::ConfirmRouter>(&request.command))
    return router_->confirm(confirm->session, as_summary(request.done));
  if (const auto* release = std::get_if<admin::ReleaseLease>(&request.command)) return release_lease(*release, request.done);
  if (is_of_takeover(request.command)) {
    if (!takeover_) return request.done(Error{Errc::kRefused, "this daemon started with neither VIPs nor a cluster in its configuration"});
    return takeover_->execute(request.command, [this, done = std::move(request.done)](Result<admin::CommandResult> result) {
      refresh_report();
      done(std::move(result));
    });
  }
  auto answer = controller_.command(request.command, request.actor, clock_.now());
  carry_out(std::move(answer.actions));
  refresh_report();  // So that who asks next sees what was done.
  request.done(std::move(answer.result));
}

void Orchestrator::load(bool dry_run, const std::string& actor, const CommandDone& done) {
  const bool posted = jobs_->post([this, dry_run, actor, done, active = controller_.active(), takeover = takeover_ != nullptr] {
    LoadedHere here;
    if (dry_run) {  // Changes nothing, also in the kernel.
      here.machine = config::host_environment();
      here.result = config::load_file(config_file_, here.machine);
    } else {
      here = load_here(config_file_);
    }
    Loaded loaded{std::move(here.result), dry_run, actor, done, std::move(here.machine), {}};
    refuse_unusable_log(config_file_, active.log, loaded.result);
    if (loaded.result.snapshot && !dry_run && takeover)
      loaded.vip_problems = prepare_vips(takeover_snapshot(active), takeover_snapshot(*loaded.result.snapshot));
    if (!inbox_.post(std::move(loaded))) done(Error{Errc::kUnavailable, "the control thread has too much to do; try again"});
  });
  if (!posted) done(Error{Errc::kUnavailable, "too many reloads are waiting; try again"});
}

void Orchestrator::loaded(Loaded&& loaded) {
  if (stopping_) return refuse(std::move(loaded));
  if (loaded.result.snapshot && loaded.result.snapshot->node.empty())
    loaded.result.snapshot->node = started_with_.node;  // main() filled it in likewise.
  const auto& problems = loaded.result.problems;
  std::vector<std::string> lines;
  for (const config::Problem& p : problems) {
    lines.push_back(config::format(p));
    const bool in_force = loaded.result.snapshot.has_value();  // Else it is not these settings that will surprise anybody.
    if (!loaded.dry_run && (in_force || p.severity == config::Severity::kError)) {
      const MessageId id = p.severity == config::Severity::kError ? MessageId::CONFIG_REFUSED : MessageId::CONFIG_WARNING;
      log_event(id, "file", p.file, "line", p.line, "column", p.column, "message", p.message, "hint", p.hint);
    }
  }
  if (!loaded.result.snapshot) {
    if (!loaded.dry_run) {
      ++reloads_;
      last_reload_ok_ = false;
      refresh_report();
    }
    return loaded.done(Error{Errc::kInvalidConfig, "nothing was changed:\n" + join(lines, "\n")});
  }
  config::Snapshot& next = *loaded.result.snapshot;
  const auto changes = config::diff(controller_.active(), next);
  admin::CommandResult result;
  for (const config::Change& change : changes) lines.push_back(config::describe(change));
  result.details = std::move(lines);
  result.needs_restart = config::needs_restart(started_with_, next);
  result.summary =
      std::to_string(changes.size()) + (changes.size() == 1 ? " change" : " changes") + (loaded.dry_run ? " would be applied" : " applied");
  if (!loaded.dry_run) {
    tell_machine(next, std::move(loaded.machine));
    for (const Error& problem : loaded.vip_problems) {
      FL_LOG(VIP_START_PROBLEM, "error", problem.message());
      result.details.push_back("VIPs: " + problem.message());
    }
    commit(std::move(next), changes.size(), result.needs_restart);
    for (std::string& problem : controller_.bind_problems()) result.details.push_back("not open: " + std::move(problem));
  }
  loaded.done(std::move(result));
}

void Orchestrator::commit(config::Snapshot&& next, std::size_t changes, const std::vector<std::string>& needs_restart) {
  ++reloads_;
  last_reload_ok_ = true;
  loaded_at_ = clock_.wall();
  log_.reconfigure(log_options_of(next.log));  // Also the same: a target that could not be opened before may be opened now.
  limit_connections(next);
  api_->renew(next.admin.tls, next.admin.operators);
  port_.publish_config(config::print(next, /*with_defaults=*/false));
  config_hash_ = config::hash(next);
  log_target_ = log_target_name(next.log);
  const bool takeover_waits = std::any_of(needs_restart.begin(), needs_restart.end(), config::is_takeover_key);
  router_->reload(next);
  configure_sync(next);
  configure_dhcp(next);
  if (takeover_ && !takeover_waits) {
    if (auto status = takeover_->configure(takeover_snapshot(next)); !status) FL_LOG(VIP_START_PROBLEM, "error", status.error().message());
  }
  site_names_ = config::site_names(next);
  carry_out(controller_.apply(next, clock_.now()));
  FL_LOG(CONFIG_APPLIED, "file", config_file_, "hash", config_hash_, "changes", changes);
  if (!needs_restart.empty()) FL_LOG(CONFIG_NEEDS_RESTART, "keys", join(needs_restart, " "));
  refresh_report();
}

void Orchestrator::on_signal(int signal) {
  switch (signal) {
    case SIGHUP: return load(/*dry_run=*/false, "SIGHUP", [](const Result<admin::CommandResult>&) {});  // The events say how it went.
    case SIGUSR1: return log_.reopen();
    default: return begin_shutdown(signal);
  }
}

/// First signal: no new connections, those that are open may finish within the grace. Second: at once.
void Orchestrator::begin_shutdown(int signal) {
  if (stopping_) {
    stop_at_ = clock_.now();
    return finish_shutdown();
  }
  stopping_ = true;
  tell_systemd("STOPPING=1");
  if (takeover_) takeover_->leave();
  const Duration grace = controller_.active().shutdown_grace;
  FL_LOG(DAEMON_STOPPING, "signal", signal == SIGINT ? "SIGINT" : "SIGTERM", "grace", to_seconds(grace), "connections", places_.current());
  stop_at_ = clock_.now() + grace;
  for (const auto& listener : controller_.active().listeners) {
    for (const auto& [bind, said] :
         controller_.command(admin::SetListenerEnabled{listener.name, false}, {"shutdown"}, clock_.now()).actions.close) {
      post_all([id = bind] { return lb::CloseListener{id}; });
      log_notice(said);
    }
  }
  refresh_report();
  finish_shutdown();
}

/// Waits for the last connection; when the grace is over closes what is left, so that clients see a reset and the log says why (KD).
void Orchestrator::finish_shutdown() {
  loop_.cancel(stop_timer_);
  const Instant now = clock_.now();
  const bool hooks_done = !hooks_ || hooks_->is_idle() || now >= stop_at_;
  const bool given_up = !takeover_ || (takeover_is_over() && hooks_done) || now >= stop_at_ + kClosingMax;
  const bool clear = given_up && dhcp_is_over(now >= stop_at_ + kClosingMax);
  if (places_.current() == 0 && clear) return loop_.stop();
  if (now >= stop_at_) {
    if (closing_ && now >= stop_at_ + kClosingMax) return loop_.stop();  // A stalled worker must not keep us.
    if (!std::exchange(closing_, true)) post_all([] { return lb::KillMatching{{}, lb::EndCause::kShutdown, [](std::size_t) {}}; });
  }
  stop_timer_ = loop_.after(std::chrono::milliseconds(20), [this] { finish_shutdown(); });
}

int Orchestrator::run() {
  loop_.run();
  FL_LOG(DAEMON_STOPPED, "uptime", to_seconds(clock_.now() - born_));
  return 0;
}

}  // namespace fairlead::daemon
