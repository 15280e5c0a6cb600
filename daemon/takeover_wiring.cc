// The orchestrator's side of the takeover: what TakeoverRunner needs of jobs, workers and listeners.
#include <algorithm>
#include <fstream>
#include <set>

#include "base/log.h"
#include "config/derived_vips.h"
#include "daemon/dhcp_runner.h"
#include "daemon/guard_main.h"
#include "daemon/orchestrator.h"
#include "daemon/takeover_settings.h"
#include "generated/version.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::daemon {

namespace {

constexpr Duration kHeardMax = std::chrono::milliseconds(500);

std::optional<lb::PortRange> kernel_ports() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  lb::PortRange range;
  if (!(file >> range.first >> range.last) || range.first > range.last) return std::nullopt;
  return range;
}

std::string missing_right() { return vip::may_change_addresses() ? "" : "fairleadd needs CAP_NET_ADMIN"; }

}  // namespace

Status Orchestrator::start_takeover() {
  for (const Error& problem : vip_start_.problems) FL_LOG(VIP_START_PROBLEM, "error", problem.message());
  for (const std::string& address : vip_start_.removed) FL_LOG(VIP_LEFTOVER_REMOVED, "address", address);
  if (started_with_.vips.empty() && !started_with_.cluster) return {};
  auto settings = takeover_settings(takeover_snapshot(started_with_), kVersion);
  if (!settings) return settings.error();
  if (const std::string refused = harden_control_thread(); !refused.empty()) FL_LOG(TAKEOVER_NOT_HARDENED, "refused", refused);
  TakeoverHost host;
  host.reset_connections = [this](const IpAddress& vip, std::function<void()> done) { release(vip, std::move(done)); };
  host.drain_connections = [this](const IpAddress& vip, std::function<void()> done) { ask_all<lb::DrainAddress>(vip, std::move(done)); };
  host.close_connections = [this](const IpAddress& vip) { post_all([&] { return lb::AddressGone{vip}; }); };
  host.stop_draining = [this](const IpAddress& vip) { post_all([&] { return lb::StopDraining{vip}; }); };
  host.keep_overrides = [this](std::vector<Override> wishes) {
    const bool posted = jobs_->post([wishes = std::move(wishes), dir = started_with_.state_dir] {
      if (auto saved = save_wishes(dir, wishes); !saved) FL_LOG(WISHES_NOT_SAVED, "error", saved.error().message());
    });
    if (!posted) FL_LOG(WISHES_NOT_SAVED, "error", "too many jobs are waiting");
  };
  host.spawn_guard = [this](std::function<void(Result<vip::GuardChild>)> done) {
    auto shared = std::make_shared<std::function<void(Result<vip::GuardChild>)>>(std::move(done));
    const std::string cluster = started_with_.cluster ? started_with_.cluster->name : "";
    const bool posted = jobs_->post([back = back_to_control(), cluster, shared] {
      auto child = std::make_shared<Result<vip::GuardChild>>(start_guard(cluster));
      back([child, shared] { (*shared)(std::move(*child)); });  // Lost: the child is killed, and another one wanted (GuardLink, L4).
    });
    if (!posted) (*shared)(Error{Errc::kLimitExceeded, "too many jobs are waiting"});
  };
  host.prepare_interfaces = [this](const config::Snapshot& active) {
    const bool posted = jobs_->post([active] {
      for (const Error& problem : prepare_vips(active, active)) FL_LOG(VIP_START_PROBLEM, "error", problem.message());
    });
    if (!posted) FL_LOG(VIP_START_PROBLEM, "error", "an interface's settings: too many jobs are waiting");
  };
  hooks_ = std::make_unique<HookRunner>(
      loop_, HookHost{.post_job = [this](std::function<void()> job) { return jobs_->post(std::move(job)); },
                      .on_control = [this](std::function<void()> run) { (void)inbox_.post(OnControl{std::move(run)}); }});
  host.address_changed = [this](const config::Vip& vip, const std::string& device, bool here) {
    hooks_->run(vip, here ? HookEvent::kAcquire : HookEvent::kRelease, device);
    if (dhcp_) dhcp_->vip_changed(vip.name, here);
  };
  host.address_coming = [this] {
    if (dhcp_) dhcp_->address_coming();
  };
  host.group_message = [this](NodeId from, const ClusterMessage& message) {
    if (dhcp_) dhcp_->delivered(from, message);
  };
  host.members_changed = [this](const std::vector<NodeId>& nodes) {
    if (dhcp_) dhcp_->view_changed(nodes);
  };
  host.time_of_day = [this] { return clock_.wall(); };
  std::unique_ptr<TraceFile> trace;
  if (vip_start_.trace.valid()) {
    trace_jobs_ = std::make_unique<Jobs>();  // Of its own: a disk that hangs keeps nothing else waiting.
    trace = std::make_unique<TraceFile>(std::move(vip_start_.trace),
                                        [this](std::function<void()> job) { return trace_jobs_->post(std::move(job)); });
  }
  const auto born = static_cast<Incarnation>(clock_.wall().time_since_epoch().count());
  if (const auto ports = kernel_ports()) controller_.set_local_ports(*ports);
  takeover_ = std::make_unique<TakeoverRunner>(loop_,
                                               TakeoverRunner::Options{.snapshot = takeover_snapshot(started_with_),
                                                                       .settings = std::move(*settings),
                                                                       .incarnation = born,
                                                                       .kept = std::move(vip_start_.wishes),
                                                                       .guard = std::move(vip_start_.guard),
                                                                       .missing_right = missing_right(),
                                                                       .trace = std::move(trace)},
                                               std::move(host));
  return takeover_->start();
}

/// R18: what was leased on it is with the others first, then its connections are reset.
void Orchestrator::release(const IpAddress& vip, std::function<void()> done) {
  auto reset = [this, vip, done = std::move(done)] { ask_all<lb::ReleaseAddress>(vip, done); };
  if (!dhcp_) return reset();
  for (const config::Vip& derived : config::derived_vips(controller_.active())) {
    if (derived.address.address == vip) return dhcp_->before_release(derived.name, std::move(reset));
  }
  reset();
}

/// R18. An order, not a question: mail, so that it always goes through, in order with what comes after it, however many questions wait.
/// `done` when every worker is; who asks has a time of its own for that. The survey lives as long as its last question.
template <class Message>
void Orchestrator::ask_all(const IpAddress& vip, std::function<void()> done) {
  const auto ask = [this, vip](std::uint32_t worker, const std::shared_ptr<Survey<std::size_t>>& survey) {
    (void)mail_[worker].send(
        Message{vip, [worker, survey](std::size_t closed) { survey->answer(worker, [closed](std::size_t& sum) { sum += closed; }); }});
    return true;
  };
  const auto told = [this, done = std::move(done)](std::size_t, const std::vector<std::uint32_t>&) { (void)inbox_.post(OnControl{done}); };
  (void)Survey<std::size_t>::make(workers_.size(), ask, told);
}

/// Everything was given up and the others heard so; with a Corosync that delivers nothing they wait the promises out.
bool Orchestrator::takeover_is_over() {
  if (!takeover_->is_clear()) return false;
  const Instant now = clock_.now();
  if (!clear_since_) clear_since_ = now;
  return takeover_->is_heard() || now >= *clear_since_ + kHeardMax;
}

/// What the takeover's eligibility needs of the rest of the node.
void Orchestrator::tell_takeover(const admin::NodeReport& report) {
  if (!takeover_) return;
  takeover_->loops_turn(all_workers_turn());
  for (const config::Vip& vip : controller_.active().vips) {
    VipHealth health;
    for (const std::string& name : vip.requires_listeners) {
      const auto listener = std::find_if(report.listeners.begin(), report.listeners.end(), [&](const auto& l) { return l.name == name; });
      if (listener == report.listeners.end()) continue;
      if (!listener->accepting)
        health.serves = false, health.reason = "listener " + name + " does not accept";
      else if (!controller_.pool_serves(listener->pool))
        health.serves = false, health.reason = "pool " + listener->pool + " has no server that is up";
    }
    takeover_->health(vip.name, std::move(health));
  }
}

/// A VIP as `source` of a pool counts while it is held here.
void Orchestrator::tell_controller(const admin::NodeReport& report) {
  std::set<IpAddress> held;
  for (const config::Vip& vip : takeover_snapshot(controller_.active()).vips) {
    const auto status = std::find_if(report.vips.begin(), report.vips.end(), [&](const auto& v) { return v.name == vip.name; });
    if (status != report.vips.end() && status->held_here) held.insert(vip.address.address);
  }
  carry_out(controller_.vips_held(std::move(held), clock_.now()));
}

}  // namespace fairlead::daemon
