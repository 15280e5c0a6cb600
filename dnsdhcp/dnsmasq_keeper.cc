#include "dnsdhcp/dnsmasq_keeper.h"

#include <csignal>
#include <utility>

#include "base/overloaded.h"
#include "dnsdhcp/port_owner.h"
#include "dnsdhcp/script_event.h"

namespace fairlead::dnsdhcp {

std::vector<std::string> dnsmasq_environment(const std::string& bus_address, const std::string& script_socket) {
  std::vector<std::string> out{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DBUS_SYSTEM_BUS_ADDRESS=" + bus_address};
  if (!script_socket.empty()) out.push_back(std::string(kScriptSocketVariable) + "=" + script_socket);
  return out;
}

Result<std::unique_ptr<DnsmasqKeeper>> DnsmasqKeeper::make(QbLoop& loop, KeeperSettings settings, KeeperHost host, Callbacks callbacks) {
  std::unique_ptr<DnsmasqKeeper> out(new DnsmasqKeeper(loop, std::move(settings), std::move(host), std::move(callbacks)));
  auto bus = DnsmasqBus::open(loop, out->settings_.bus_socket,
                              {.on_ready = [self = out.get()](const std::string& version) { self->feed(DnsmasqReady{version}); },
                               .on_lost = [self = out.get()](const std::string&) { self->feed(DnsmasqBusLost{}); },
                               .on_lease = out->callbacks_.on_lease});
  if (!bus) return bus.error();
  out->bus_ = std::move(*bus);
  return out;
}

DnsmasqKeeper::DnsmasqKeeper(QbLoop& loop, KeeperSettings settings, KeeperHost host, Callbacks callbacks)
    : loop_(loop),
      settings_(std::move(settings)),
      host_(std::move(host)),
      callbacks_(std::move(callbacks)),
      log_(loop, {.on_line = [this](const DnsmasqLine& line) { on_line(line); }, .on_left_out = callbacks_.on_lines_left_out}) {}

DnsmasqKeeper::~DnsmasqKeeper() {
  *alive_ = false;
  loop_.cancel(timer_);
  log_.detach();
  if (child_.pid() > 0) loop_.remove(child_.pidfd());
}

void DnsmasqKeeper::stop() {
  const bool none = core_.phase() == DnsmasqPhase::kStopped || core_.phase() == DnsmasqPhase::kWaiting;
  feed(StopDnsmasq{});
  if (none) callbacks_.on_stopped();
}

void DnsmasqKeeper::feed(const SupervisionInput& input) {
  for (const SupervisionAction& action : core_.step(input, loop_.now())) carry_out(action);
  arm();
}

void DnsmasqKeeper::arm() {
  loop_.cancel(std::exchange(timer_, 0));
  const Instant due = core_.next_deadline();
  if (due == Instant::max()) return;
  timer_ = loop_.at(due, [this] {
    timer_ = 0;
    feed(SupervisionTick{});
  });
}

void DnsmasqKeeper::carry_out(const SupervisionAction& action) {
  std::visit(
      Overloaded{[&](const SpawnDnsmasq&) { spawn(); }, [&](const TermDnsmasq&) { child_.signal(SIGTERM); },
                 [&](const KillDnsmasq&) { child_.signal(SIGKILL); }, [&](const HangupDnsmasq&) { child_.signal(SIGHUP); },
                 [&](const AskDnsmasq&) { ask(); }, [&](const SayReady& ready) { callbacks_.on_ready(ready); },
                 [&](const SayEnded& ended) {
                   if (!taken_) return callbacks_.on_ended(ended);
                   look_for_owner(*taken_, [this, ended](const std::string& owner) {
                     SayEnded told = ended;
                     if (!owner.empty()) told.reason += " (" + owner + ")";
                     callbacks_.on_ended(told);
                   });
                 },
                 [&](const SayStopped&) { callbacks_.on_stopped(); }, [&](const SayCrashLoop& loop) { callbacks_.on_crash_loop(loop); },
                 [&](const SayCrashLoopOver&) { callbacks_.on_crash_loop_over(); }},
      action);
}

/// It has answered also with a refusal; a call that ran into its time, or that could not be made, is none.
void DnsmasqKeeper::ask() {
  bus_->get_version([this, alive = alive_, of = child_.pid()](const Result<std::string>& version) {
    if (!*alive || of != child_.pid()) return;
    if (version || version.error().code == Errc::kInvalidArgument) feed(DnsmasqAnswered{});
  });
}

DnsmasqCommand DnsmasqKeeper::command() const {
  return {.program = settings_.program,
          // What the supervision rests on is said here and not left to a file.
          .arguments = {"--keep-in-foreground", "--log-facility=-", "--pid-file=", "--enable-dbus", "--conf-file=" + settings_.config},
          .environment = dnsmasq_environment(bus_->address(), settings_.script_socket)};
}

void DnsmasqKeeper::spawn() {
  taken_.reset();
  const bool posted = host_.post_job(
      [this, alive = alive_, start = host_.start, on_control = host_.on_control, command = command(), known = !version_.empty()] {
        auto version = std::make_shared<Result<std::string>>(known ? Result<std::string>(std::string()) : probe_dnsmasq(command.program));
        auto child = std::make_shared<Result<DnsmasqChild>>(*version ? start(command) : Result<DnsmasqChild>(version->error()));
        on_control([this, alive, version, child] {
          if (!*alive) return;  // The child goes with the last to hold it.
          if (*version && !(*version)->empty()) version_ = **version;
          spawned(std::move(*child));
        });
      });
  if (!posted) {
    // Not from inside a step of the core.
    loop_.after(Duration::zero(), [this, alive = alive_] {
      if (*alive) feed(SpawnFailed{"not started: too many jobs are waiting"});
    });
  }
}

void DnsmasqKeeper::spawned(Result<DnsmasqChild> child) {
  if (!child) return feed(SpawnFailed{child.error().message()});
  if (auto attached = log_.attach(child->log()); !attached) return feed(SpawnFailed{attached.error().message()});
  if (auto watched = loop_.add_readable(child->pidfd(), [this] { exited(); }); !watched) {
    log_.detach();
    return feed(SpawnFailed{watched.error().message()});
  }
  child_ = std::move(*child);
  feed(DnsmasqSpawned{});
}

void DnsmasqKeeper::exited() {
  const int pidfd = child_.pidfd();
  log_.detach();  // What it said last belongs to why it ended.
  const auto end = child_.take_end(log_.last_words());
  if (!end) return;
  loop_.remove(pidfd);
  child_ = {};
  feed(DnsmasqEnded{*end});
}

void DnsmasqKeeper::on_line(const DnsmasqLine& line) {
  callbacks_.on_line(line);
  if (!line.taken) return;
  if (core_.phase() != DnsmasqPhase::kRunning) {
    taken_ = line.taken;
    return;
  }
  look_for_owner(*line.taken, [this, wanted = *line.taken](const std::string& owner) {
    callbacks_.on_port_taken(wanted.to_string() + ": " + (owner.empty() ? "another process has it" : owner));
  });
}

void DnsmasqKeeper::look_for_owner(const Endpoint& wanted, std::function<void(std::string)> found) {
  auto shared = std::make_shared<std::function<void(std::string)>>(std::move(found));
  const bool posted = host_.post_job([wanted, shared, alive = alive_, on_control = host_.on_control] {
    on_control([shared, alive, owner = describe_port_owners(wanted)] {
      if (*alive) (*shared)(owner);
    });
  });
  if (!posted) (*shared)("");
}

}  // namespace fairlead::dnsdhcp
