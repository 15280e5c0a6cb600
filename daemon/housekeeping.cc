// The orchestrator's regular work: the report operators see, workers that no longer turn, refused connections; and what walks all workers.
#include <algorithm>
#include <cmath>
#include <unistd.h>

#include "base/units.h"
#include "daemon/dhcp_runner.h"
#include "daemon/listener_counts.h"
#include "daemon/orchestrator.h"
#include "generated/version.h"
#include "lb/admission.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kBeat = std::chrono::milliseconds(100);
constexpr unsigned kBeatsPerSecond = 10;
constexpr Duration kStallLimit = std::chrono::milliseconds(250);
constexpr std::size_t kSurveysMax = 64;   ///< Unanswered ones.
constexpr std::size_t kSurveysKept = 16;  ///< Of these, for who closes connections: whoever lists them cannot be in the way.

Result<lb::ConnectionQuery> query_of(const admin::ConnectionFilter& filter) {
  lb::ConnectionQuery query{.listener = filter.listener, .pool = filter.pool, .server = filter.server, .client = filter.client, .id = 0};
  if (!filter.client.empty()) {
    auto address = parse_ip_address(filter.client);
    if (!address) return address.error();
    query.client = address->to_string();
  }
  if (!filter.id.empty()) {
    char* end = nullptr;
    query.id = std::strtoull(filter.id.c_str(), &end, 16);
    if (query.id == 0 || *end != '\0')
      return Error{Errc::kInvalidArgument, "'" + filter.id + "' is not a connection's id; `fairlead connections list` shows them"};
  }
  return query;
}

std::string format_id(std::uint64_t id) {
  std::array<char, 24> text{};
  const int n = std::snprintf(text.data(), text.size(), "%llx", static_cast<unsigned long long>(id));
  return {text.data(), static_cast<std::size_t>(n)};
}

admin::ConnectionInfo info_of(const lb::ConnectionView& view) {
  return {.id = format_id(view.id),
          .listener = view.listener,
          .client = view.client.to_string(),
          .pool = view.pool,
          .server = view.server,
          .local = view.local.port == 0 ? std::string() : view.local.to_string(),
          .state = view.state,
          .age_s = to_seconds(view.age),
          .idle_s = to_seconds(view.idle),
          .bytes = {.in = view.bytes_in, .out = view.bytes_out}};
}

/// "worker 1", "workers 0, 2"
std::string name_workers(const std::vector<std::uint32_t>& workers) {
  std::string out = workers.size() == 1 ? "worker " : "workers ";
  for (std::size_t i = 0; i < workers.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(workers[i]);
  return out;
}

Error too_many_questions() { return {Errc::kUnavailable, "too many questions about connections wait for a worker; try again"}; }

}  // namespace

void Orchestrator::housekeeping() {
  loop_.after(kBeat, [this] { housekeeping(); });
  port_.beat();
  check_workers();
  if (!unsaid_.empty()) tell_systemd("");
  // Not taken: said again when it is due again. Kept, it would speak of a moment that is over.
  if (watchdog_.due(all_workers_turn(), clock_.now())) (void)notify_systemd("WATCHDOG=1");
  tend_surveys();
  take_stock();
  // With VIPs it also goes to the other nodes, and decides about this one's eligibility.
  if (takeover_ || port_.take_asked())
    refresh_report();
  else
    controller_.account();
  if (++beats_ % kBeatsPerSecond == 0) report_shed();
  if (beats_ % (10 * kBeatsPerSecond) != 0) return;
  record_beat();
  control_late_ms_.turn();
  for (RecentWorst& late : late_ms_) late.turn();
}

/// In the order said; what is not taken is said with the next beat. Empty: only what waits.
void Orchestrator::tell_systemd(const std::string& state) {
  if (!state.empty() && std::find(unsaid_.begin(), unsaid_.end(), state) == unsaid_.end()) unsaid_.push_back(state);
  while (!unsaid_.empty() && notify_systemd(unsaid_.front())) unsaid_.erase(unsaid_.begin());
}

/// For the flight recorder: how busy and how late this node was, every ten seconds.
void Orchestrator::record_beat() {
  std::uint64_t accepted = 0;
  std::uint64_t shed = 0;
  refresh_report();
  const auto report = port_.last();
  for (const admin::ListenerStatus& listener : report->listeners) {
    accepted += listener.connections.total;
    shed += listener.connections.shed;
  }
  double late = 0;
  for (const RecentWorst& worker : late_ms_) late = std::max(late, worker.value());
  FL_LOG(NODE_BEAT, "connections", places_.current(), "accepted", accepted, "shed", shed, "control_late_ms", control_late_ms_.value(),
         "worker_late_ms", late, "log_dropped", log_.dropped());
}

bool Orchestrator::all_workers_turn() const {
  return std::none_of(pulses_.begin(), pulses_.end(), [](const WorkerPulse& p) { return p.stalled; });
}

void Orchestrator::check_workers() {
  const Instant now = clock_.now();
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    mail_[i].flush();
    WorkerPulse& pulse = pulses_[i];
    const bool was_stalled = pulse.stalled;
    if (pulse.look(workers_[i]->stats().turns.get())) {
      if (was_stalled) FL_LOG(WORKER_TURNS, "worker", i, "stalled_ms", to_ms(now - pulse.asked_at));
      continue;
    }
    if (!pulse.asked) {
      pulse.asked = true;
      pulse.asked_at = now;
    }
    if (!pulse.posted) {  // A full inbox makes no turn, which is the finding; the question is put until it fits.
      lb::WorkerMessage ping = lb::Ping{};
      pulse.posted = mail_[i].try_send(ping);
    }
    if (pulse.stalled || now - pulse.asked_at <= kStallLimit) continue;
    pulse.stalled = true;
    FL_LOG(WORKER_STALLED, "worker", i, "stalled_ms", to_ms(now - pulse.asked_at));
  }
}

/// One event per listener and cause and second, however many clients were turned away.
void Orchestrator::report_shed() {
  const auto ids = controller_.listener_ids();
  for (std::size_t place = 0; place < ids.size(); ++place) {
    if (shed_seen_.size() <= ids[place]) shed_seen_.resize(ids[place] + 1);
    for (std::size_t cause = 0; cause < lb::kShedCauses; ++cause) {
      std::uint64_t total = 0;
      for (const auto& worker : workers_) total += worker->stats().listeners[ids[place]].shed[cause].get();
      const std::uint64_t news = total - std::exchange(shed_seen_[ids[place]][cause], total);
      if (news == 0) continue;
      FL_LOG(CONNECTIONS_SHED, "listener", controller_.active().listeners[place].name, "cause",
             lb::to_string(static_cast<lb::Refusal>(cause)), "count", news);
    }
  }
}

/// What is lost when nobody looks at each beat: the peak, and the worst lateness.
void Orchestrator::take_stock() {
  const Instant now = clock_.now();
  const double late_ms = to_seconds(loop_.take_lateness()) * 1000;
  control_late_ms_.add(late_ms);
  // The second is that of the uptime as it is printed: whoever reads both can tell which second each value belongs to.
  control_late_us_.add(static_cast<std::uint32_t>(std::min(late_ms * 1000, 4e9)),
                       static_cast<std::uint64_t>(std::llround(to_seconds(now - born_) * 1000)) / 1000);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const Duration late(workers_[i]->stats().late_ns_max.exchange(0, std::memory_order_relaxed));
    late_ms_[i].add(to_seconds(std::max(late, pulses_[i].late(now))) * 1000);
  }
  peak_connections_ = std::max<std::uint64_t>(peak_connections_, places_.current());
}

void Orchestrator::refresh_report() {
  auto report = std::make_shared<admin::NodeReport>();
  const Instant now = clock_.now();
  report->node = controller_.active().node;
  report->version = kVersion;
  report->engine = engine_.uring ? "io_uring" : "epoll";
  report->engine_reason = engine_.reason;
  report->uptime_s = to_seconds(now - born_);
  report->max_connections = places_.limit();
  report->log_lines_dropped = log_.dropped();
  report->control_lateness_ms = control_late_ms_.value();
  report->control_late_us_by_second = control_late_us_.values();
  report->config_file = config_file_;
  report->config_hash = config_hash_;
  report->config_reloads = reloads_;
  report->config_last_reload_ok = last_reload_ok_;
  report->pid = static_cast<std::uint32_t>(::getpid());
  report->log_target = log_target_;
  report->log_path = controller_.active().log.path;
  controller_.account();
  controller_.describe(*report, now);
  report->peak_connections = peak_connections_;
  report->config_loaded_at_s = to_seconds(loaded_at_.time_since_epoch());
  for (const auto& [name, result] : drills_) report->drills.push_back(result);
  tell_takeover(*report);
  tell_takeover_of_dhcp();
  if (takeover_) takeover_->describe(*report);
  if (takeover_) tell_controller(*report);
  tell_sync(*report);
  if (stopping_) {
    report->ready = false;
    report->ready_reasons.push_back({"daemon", false, "is stopping"});
  }
  describe_dhcp(*report);
  add_worker_counts(*report);
  tell_stalled(*report);
  if (takeover_) takeover_->show(*report);
  port_.publish(std::move(report));
}

/// A connection waits for its worker: with none that turns nobody is served, whatever checks say.
void Orchestrator::tell_stalled(admin::NodeReport& report) const {
  bool turns = pulses_.empty();
  for (std::size_t i = 0; i < pulses_.size(); ++i) {
    turns = turns || !pulses_[i].stalled;
    if (pulses_[i].stalled) report.ready_reasons.push_back({"worker " + std::to_string(i), false, "does not turn: its connections stand"});
  }
  report.ready = report.ready && turns;
}

void Orchestrator::add_worker_counts(admin::NodeReport& report) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const lb::WorkerStats& stats = workers_[i]->stats();
    report.workers.push_back({.index = static_cast<std::uint32_t>(i),
                              .connections = stats.connections.load(std::memory_order_relaxed),
                              .buffers_in_use = stats.buffers_used.load(std::memory_order_relaxed),
                              .buffers_total = stats.buffers_total.load(std::memory_order_relaxed),
                              .loop_lateness_ms = late_ms_[i].value(),
                              .turns = stats.turns.get(),
                              .engine_operations = stats.engine_operations.load(std::memory_order_relaxed),
                              .starved = stats.engine_starved.load(std::memory_order_relaxed),
                              .accept_failures = stats.accept_failures.get()});
  }
  const auto ids = controller_.listener_ids();
  std::vector<const lb::ListenerStats*> of_workers(workers_.size());
  for (std::size_t place = 0; place < ids.size() && place < report.listeners.size(); ++place) {
    std::transform(workers_.begin(), workers_.end(), of_workers.begin(),
                   [&](const auto& worker) { return &worker->stats().listeners[ids[place]]; });
    add_counts(of_workers, report.listeners[place]);
  }
}

void Orchestrator::tend_surveys() {
  const Instant now = clock_.now();
  for (const auto& [survey, until] : surveys_) {
    if (now >= until) survey->give_up();
    if (!survey->over()) survey->ask_again();
  }
  std::erase_if(surveys_, [](const auto& open) { return open.first->over(); });
}

/// `kept`: for operators.
bool Orchestrator::may_ask(std::size_t kept) {
  const std::size_t most = kSurveysMax - kept;
  if (surveys_.size() >= most) std::erase_if(surveys_, [](const auto& open) { return open.first->over(); });
  return surveys_.size() < most;
}

void Orchestrator::kill_connections(const admin::KillConnections& command, const admin::Actor& actor, CommandDone done) {
  auto query = query_of(command.filter);
  if (!query) return done(query.error());
  if (!may_ask(0)) return done(too_many_questions());
  const auto ask = [this, query = *query](std::uint32_t worker, const std::shared_ptr<Survey<std::size_t>>& survey) {
    lb::WorkerMessage message = lb::KillMatching{query, lb::EndCause::kKilled, [worker, survey](std::size_t killed) {
                                                   survey->answer(worker, [killed](std::size_t& sum) { sum += killed; });
                                                 }};
    return mail_[worker].try_send(message);
  };
  const auto told = [done = std::move(done), by = actor.name, unknown = controller_.unknown_name(command.filter)](
                        std::size_t killed, const std::vector<std::uint32_t>& silent) {
    if (killed == 0 && silent.empty() && unknown) return done(*unknown);
    FL_LOG(CONNECTIONS_KILLED, "count", killed, "by", by);
    const std::string closed = std::to_string(killed) + (killed == 1 ? " connection closed" : " connections closed");
    if (silent.empty()) return done(admin::CommandResult{.summary = closed, .details = {}, .needs_restart = {}});
    done(Error{Errc::kUnavailable, closed + ", but " + name_workers(silent) + " did not answer within " + format_duration(kSurveyTime) +
                                       ": connections there may be open still. Try again; `fairlead events` shows WORKER_STALLED"});
  };
  surveys_.emplace_back(Survey<std::size_t>::make(workers_.size(), ask, told), clock_.now() + kSurveyTime);
}

void Orchestrator::list_connections(ListRequest&& request) {
  auto query = query_of(request.filter);
  if (!query) return request.done(query.error());
  if (!may_ask(kSurveysKept)) return request.done(too_many_questions());
  // Workers hand over what they found; it is made into text on the thread that wants it. Clients wait for a worker.
  using Found = std::vector<std::vector<lb::ConnectionView>>;
  const auto ask = [this, query = *query, limit = request.limit](std::uint32_t worker, const std::shared_ptr<Survey<Found>>& survey) {
    lb::WorkerMessage message = lb::ListMatching{query, limit, [worker, survey](std::vector<lb::ConnectionView> views) {
                                                   survey->answer(worker, [&views](Found& all) { all.push_back(std::move(views)); });
                                                 }};
    return mail_[worker].try_send(message);
  };
  const auto told = [done = request.done, limit = request.limit, unknown = controller_.unknown_name(request.filter)](
                        Found all, std::vector<std::uint32_t> silent) {
    const bool none = std::all_of(all.begin(), all.end(), [](const auto& views) { return views.empty(); });
    if (none && silent.empty() && unknown) return done(*unknown);
    const auto found = std::make_shared<const Found>(std::move(all));
    done(admin::LateConnections([found, limit, silent = std::move(silent)] {
      admin::ConnectionList out{.connections = {}, .silent_workers = silent};
      for (const auto& views : *found) {
        for (const lb::ConnectionView& view : views) {
          if (out.connections.size() == limit) return out;
          out.connections.push_back(info_of(view));
        }
      }
      return out;
    }));
  };
  surveys_.emplace_back(Survey<Found>::make(workers_.size(), ask, told), clock_.now() + kSurveyTime);
}

}  // namespace fairlead::daemon
