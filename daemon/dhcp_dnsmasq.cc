// DhcpRunner's dnsmasq: its configuration, its life, what it tells.
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/units.h"
#include "config/derived_vips.h"
#include "daemon/dhcp_runner.h"
#include "daemon/privileges.h"
#include "dnsdhcp/config_files.h"
#include "dnsdhcp/lease_feed.h"
#include "dnsdhcp/lease_store.h"
#include "dnsdhcp/port_owner.h"
#include "dnsdhcp/udp_queue.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kApplyRetry = std::chrono::seconds(10);
constexpr Duration kPortLook = std::chrono::seconds(1);
constexpr Duration kUnfitAfter = std::chrono::seconds(3);  ///< Of what is tried again each second.
constexpr Duration kSilentMax = std::chrono::seconds(8);   ///< Of a dnsmasq that is watched and started again.

/// dnsmasq binds ports below 1024, asks for raw sockets, and sets ARP entries.
Result<dnsdhcp::DnsmasqChild> start_lent(const dnsdhcp::DnsmasqCommand& command) {
  const LentCapabilities lent(capability_bit(CAP_NET_ADMIN) | capability_bit(CAP_NET_RAW) | capability_bit(CAP_NET_BIND_SERVICE));
  return dnsdhcp::start_dnsmasq(command);
}

std::string folder_of(const config::Snapshot& snapshot) { return snapshot.state_dir + "/dhcp"; }

/// Makes the files `wanted`. `running`: what dnsmasq runs with; nothing: there is none, and what an earlier life left counts where it is
/// the same: a full disk keeps nobody from starting with the files of before. Waits for the disk and for children.
Result<dnsdhcp::ApplyPlan> make_files(const dnsdhcp::ConfigFiles& files, const std::string& program,
                                      const std::optional<dnsdhcp::Rendered>& running, const dnsdhcp::Rendered& wanted) {
  std::optional<dnsdhcp::Rendered> there = running;
  if (!running) {
    if (auto read = files.read()) there = std::move(*read);
  }
  dnsdhcp::ApplyPlan plan = dnsdhcp::plan_apply(there, wanted);
  if (!running) plan.action = dnsdhcp::DnsmasqAction::kRestart;
  if (plan.writes.empty() && plan.removals.empty()) return plan;
  Status done = files.test(wanted, files.directory() + "/test");
  if (done) done = files.write(plan);
  if (done) return plan;
  // One that is missing or too old is said as that.
  if (auto version = dnsdhcp::probe_dnsmasq(program); !version) return version.error();
  return done.error();
}

}  // namespace

Status DhcpRunner::start() {
  const std::string folder = folder_of(options_.snapshot);
  if (auto made = dnsdhcp::ConfigFiles(folder, options_.program).prepare(); !made) return made.error();
  load();
  auto script = dnsdhcp::ScriptSocket::open(loop_, options_.sockets + "/dhcp-event.sock", script_callbacks());
  if (!script) return script.error();
  script_ = std::move(*script);
  auto keeper =
      dnsdhcp::DnsmasqKeeper::make(loop_,
                                   {.program = options_.program,
                                    .config = folder + "/" + std::string(dnsdhcp::kConfFile),
                                    .bus_socket = options_.sockets + "/dhcp-bus.sock",
                                    .script_socket = script_->path()},
                                   {.post_job = host_.post_job, .on_control = host_.on_control, .start = start_lent}, keeper_callbacks());
  if (!keeper) return keeper.error();
  keeper_ = std::move(*keeper);
  turn();  // The gate first.
  apply();
  return {};
}

/// What an earlier life knew. On the control thread: it is the start, and nothing is served yet.
void DhcpRunner::load() {
  const std::string path = folder_of(options_.snapshot) + "/leases";
  const Instant now = clock_.now();
  const auto wall = std::chrono::duration_cast<std::chrono::seconds>(host_.time_of_day().time_since_epoch()).count();
  auto stored = dnsdhcp::load_leases(path, now, wall);
  if (const auto& damage = stored.damage) {
    damaged_ = damage->lines;
    FL_LOG(LEASE_FILE_DAMAGED, "file", path, "lines", damage->lines, "first", damage->first, "reason", damage->reason, "aside",
           damage->aside);
  }
  if (!stored.file) return;
  book_.load(std::move(stored.file->leases), stored.file->epoch, now);
  saved_ = book_.revision();
}

void DhcpRunner::configure(const config::Snapshot& next) {
  options_.snapshot = next;
  files_problem_.clear();  // Of this one it is said anew.
  set_networks();
  apply();
  // VIPs that are here already count for networks that are new.
  turn();
}

/// D3. One at a time, the newest configuration last.
void DhcpRunner::apply() {
  apply_at_ = Instant::max();
  if (applying_) {
    apply_again_ = true;
    return;
  }
  const std::string folder = folder_of(options_.snapshot);
  auto rendered =
      dnsdhcp::render(options_.snapshot, {.directory = folder, .script = options_.script, .user = "root", .group = "", .dbus = true});
  if (!rendered) return refuse({Errc::kInvalidConfig, rendered.error().message()});
  put(std::move(*rendered));
}

/// While nothing else is applied.
void DhcpRunner::put(dnsdhcp::Rendered files) {
  applying_ = host_.post_job([this, alive = alive_, host = host_, folder = folder_of(options_.snapshot), program = options_.program,
                              running = running_, wanted = std::move(files)]() mutable {
    auto result = make_files(dnsdhcp::ConfigFiles(folder, program), program, running, wanted);
    host.on_control([this, alive, result = std::move(result), wanted = std::move(wanted)]() mutable {
      if (*alive) applied(std::move(result), std::move(wanted));
    });
  });
  if (!applying_) refuse({Errc::kUnavailable, "too many jobs are waiting"});
}

void DhcpRunner::applied(Result<dnsdhcp::ApplyPlan> plan, dnsdhcp::Rendered rendered) {
  applying_ = false;
  if (!plan) {
    refuse(plan.error());
  } else {
    trial_.applied(rendered);
    files_problem_ = trial_.problem();
    const config::DnsDhcp& model = *options_.snapshot.dnsdhcp;
    if (!plan->is_empty()) {
      FL_LOG(DNSDHCP_APPLIED, "change", dnsdhcp::to_string(plan->action), "networks", model.networks.size(), "hosts", model.hosts.size());
    }
    running_ = std::move(rendered);
    act(plan->action);
  }
  if (std::exchange(apply_again_, false)) apply();
}

/// What only another configuration mends waits for one; anything else (a full disk, no dnsmasq) is tried again. Said once.
void DhcpRunner::refuse(const Error& error) {
  const std::string why = error.message();
  if (std::exchange(files_problem_, why) != why) FL_LOG(DNSDHCP_REFUSED, "error", why);
  if (error.code == Errc::kInvalidConfig) return;
  apply_at_ = clock_.now() + kApplyRetry;
  arm();
}

/// Who has port 53 on all addresses keeps dnsmasq from those that come.
void DhcpRunner::look_at_port() {
  const Instant now = clock_.now();
  if (now < port_look_at_) return;
  port_look_at_ = now + kPortLook;
  const auto udp = read_small_file("/proc/net/udp");
  if (!udp || !*udp || !dnsdhcp::udp_is_bound_to_all(**udp, dnsdhcp::kDnsPort)) {
    // What dnsmasq could not have when an address came it does not look for again.
    if (!std::exchange(port_problem_, "").empty() && running_) act(dnsdhcp::DnsmasqAction::kRestart);
    return;
  }
  if (!port_problem_.empty()) return;
  port_problem_ = "another program has port 53 on all addresses";
  (void)host_.post_job([this, alive = alive_, host = host_] {
    const std::string owner = dnsdhcp::describe_port_owners({IpAddress::any(IpAddress::Family::kV4), dnsdhcp::kDnsPort});
    host.on_control([this, alive, owner] {
      if (!*alive || port_problem_.empty()) return;
      if (!owner.empty()) port_problem_ = owner;
      FL_LOG(DNSMASQ_PORT_TAKEN, "what", port_problem_);
    });
  });
}

std::string DhcpRunner::why_unfit() {
  look_at_port();
  look_at_sweeps();
  const Instant now = clock_.now();
  if (!running_ && !files_problem_.empty()) return "dnsmasq does not run: " + files_problem_;
  if (keeper_ && keeper_->core().in_crash_loop()) return "dnsmasq ends again and again: " + last_end_;
  if (gate_failing_ && now - *gate_failing_ >= kUnfitAfter) return "the DHCP gate cannot be set: " + gate_problem_;
  for (const auto& [name, network] : networks_) {
    if (network.unswept_since && now - *network.unswept_since >= kUnfitAfter) return "the pool of " + name + ": " + network.sweep_problem;
  }
  if (const auto silent = keeper_ ? keeper_->core().silent_since() : std::nullopt; silent && now - *silent >= kSilentMax)
    return "dnsmasq does not answer" + (last_end_.empty() ? "" : ": " + last_end_);
  return port_problem_.empty() ? "" : "dnsmasq cannot answer DNS: " + port_problem_;
}

void DhcpRunner::act(dnsdhcp::DnsmasqAction action) {
  if (stopping_) return;
  switch (action) {
    case dnsdhcp::DnsmasqAction::kNone: return;
    case dnsdhcp::DnsmasqAction::kReload: return keeper_->reload();
    case dnsdhcp::DnsmasqAction::kRestart:
      restart_due_ = true;
      for (auto& [name, network] : networks_) {
        end_sweep(network);
        network.steps.restart(clock_.now());
      }
      return turn();
  }
}

/// What dnsmasq gave out is in the book: the next one gets it from there. None starts before the gate stands: it answers from then on.
void DhcpRunner::restart_when_closed() {
  if (!restart_due_ || stopping_ || !gate_guards_all()) return;
  for (const auto& [name, network] : networks_) {
    if (!network.steps.may_restart()) return;
  }
  restart_due_ = false;
  if (keeper_->core().phase() == dnsdhcp::DnsmasqPhase::kStopped) return keeper_->run();
  keeper_->restart();
}

void DhcpRunner::dnsmasq_ready(Duration took) {
  FL_LOG(DNSMASQ_READY, "pid", keeper_->pid(), "after_ms", to_ms(took), "leases", book_.leases(clock_.now()).size());
  problem_.clear();
  if (trial_.ready()) apply();
  flush_feeds();
  dnsdhcp::BookActions out;
  for (auto& [name, network] : networks_) {
    if (!network.released.empty() || !network.is_here()) continue;
    if (!serves(network) || network.steps.dnsmasq_ready(book_, out) == dnsdhcp::StepWish::kBegin) begin(name, network, out);
  }
  carry(std::move(out));
  turn();
}

dnsdhcp::DnsmasqKeeper::Callbacks DhcpRunner::keeper_callbacks() {
  using dnsdhcp::DnsmasqLine;
  dnsdhcp::DnsmasqKeeper::Callbacks out;
  out.on_ready = [this](const dnsdhcp::SayReady& ready) { dnsmasq_ready(ready.took); };
  out.on_ended = [this](const dnsdhcp::SayEnded& ended) {
    problem_ = last_end_ = ended.reason;
    ++restarts_;
    FL_LOG(DNSMASQ_ENDED, "pid", keeper_->pid(), "reason", ended.reason, "after_s", to_seconds(ended.next_in));
    dnsmasq_ended();
    if (applying_) return;
    auto former = trial_.ended(ended.reason);
    if (!former) return;
    refuse({Errc::kInvalidConfig, trial_.problem()});
    put(std::move(*former));
  };
  out.on_stopped = [this] {
    if (stopping_) ended();
  };
  out.on_crash_loop = [this](const dnsdhcp::SayCrashLoop& loop) {
    problem_ = "ends again and again: " + loop.reason;
    FL_LOG(DNSMASQ_CRASH_LOOP, "ends", loop.ends, "within_s", to_seconds(dnsdhcp::kLoopWindow), "retry_s", to_seconds(dnsdhcp::kBackOffMax),
           "reason", loop.reason);
  };
  out.on_crash_loop_over = [] { FL_LOG(DNSMASQ_RESTARTED, "reason", "runs again"); };
  out.on_line = [](const DnsmasqLine& line) {
    if (line.trouble) FL_LOG(DNSMASQ_SAID, "severity", "trouble", "text", line.text, "count", 1);
  };
  out.on_lines_left_out = [](std::uint64_t lines) {
    FL_LOG(DNSMASQ_SAID, "severity", "notice", "text", "more lines, left out", "count", lines);
  };
  out.on_port_taken = [this](const std::string& who) {
    problem_ = who;
    FL_LOG(DNSMASQ_PORT_TAKEN, "what", who);
  };
  out.on_lease = [](const dnsdhcp::LeaseSignal&) {};  // The script says more.
  return out;
}

dnsdhcp::ScriptSocket::Callbacks DhcpRunner::script_callbacks() {
  dnsdhcp::ScriptSocket::Callbacks out;
  out.on_event = [this](const dnsdhcp::ScriptEvent& said) {
    dnsdhcp::BookActions actions;
    const auto event = dnsdhcp::lease_event(said);
    if (!event) return;  // Nobody whom the other gateways could name.
    book_.local_event(*event, clock_.now(), actions);
    carry(std::move(actions));
    turn();
  };
  out.on_init = [this] {
    dnsdhcp::BookActions actions;
    const Instant now = clock_.now();
    feeds_.clear();
    refused_.clear();
    book_.dnsmasq_started(actions);
    std::string lines = dnsdhcp::lease_lines(book_.snapshot(now), host_.time_of_day(), now);
    carry(std::move(actions));
    return lines;
  };
  out.on_problem = [](const Error& error) { FL_LOG(LEASE_EVENT_IGNORED, "reason", error.message(), "count", 1); };
  return out;
}

void DhcpRunner::stop(std::function<void()> done) {
  save(/*now_or_never=*/true);
  stopping_ = true;
  stopped_ = std::move(done);
  end_questions();
  for (auto& [name, network] : networks_) {
    end_sweep(network);
    answer_released(network);
  }
  if (!keeper_) return ended();
  keeper_->stop();
}

void DhcpRunner::ended() {
  const bool posted = host_.post_job([] {
    if (auto removed = remove_dhcp_gate(); !removed) FL_LOG(DHCP_GATE_PROBLEM, "network", "all", "error", removed.error().message());
  });
  if (!posted) FL_LOG(DHCP_GATE_PROBLEM, "network", "all", "error", "too many jobs are waiting");
  if (const auto stopped = std::exchange(stopped_, nullptr)) stopped();
}

}  // namespace fairlead::daemon
