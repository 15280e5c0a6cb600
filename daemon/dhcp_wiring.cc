// The orchestrator's side of DNS and DHCP: what DhcpRunner needs of the takeover and of the jobs.
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "config/derived_vips.h"
#include "daemon/dhcp_runner.h"
#include "daemon/orchestrator.h"
#include "daemon/router_wiring.h"
#include "daemon/takeover_settings.h"
#include "generated/version.h"

namespace fairlead::daemon {
namespace {

namespace fs = std::filesystem;

constexpr Duration kStartRetry = std::chrono::seconds(10);

/// `problem`: why it could not be started; empty: it is not configured.
Error no_dhcp(const std::string& problem) {
  if (problem.empty()) return {Errc::kNotFound, "this daemon serves neither DNS nor DHCP"};
  return {Errc::kUnavailable, "DNS and DHCP do not run here: " + problem};
}

/// Where the package has it, or beside this program where it was built.
std::string dhcp_event_program() {
  std::error_code ignored;
  const fs::path here = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path installed = here.parent_path() / "lib/fairlead/fairlead-dhcp-event";
  return fs::exists(installed, ignored) ? installed.string() : (here / "fairlead-dhcp-event").string();
}

}  // namespace

std::string socket_folder(const config::Snapshot& snapshot) {
  const fs::path beside = fs::path(snapshot.admin.socket).parent_path();
  return beside.empty() ? snapshot.state_dir : beside.string();
}

/// Before the takeover, or before it gets another configuration: it is told of the first VIP.
void Orchestrator::start_dhcp(const config::Snapshot& snapshot) {
  if (dhcp_) return;
  loop_.cancel(std::exchange(dhcp_retry_, 0));
  std::error_code ignored;
  if (!snapshot.dnsdhcp && fs::exists(snapshot.state_dir + "/dhcp", ignored)) {
    const bool posted = jobs_->post([] {  // Of a life with dnsdhcp. Without nft there was none.
      const Status removed = remove_dhcp_gate();
      if (!removed && removed.error().code != Errc::kUnavailable)
        FL_LOG(DHCP_GATE_PROBLEM, "network", "all", "error", "an earlier one stays: " + removed.error().message());
    });
    if (!posted) FL_LOG(DHCP_GATE_PROBLEM, "network", "all", "error", "an earlier one stays: too many jobs are waiting");
  }
  if (!snapshot.dnsdhcp) return dhcp_problem_.clear();
  const auto settings = takeover_settings(snapshot, kVersion);
  if (!settings) return;  // start_takeover() says why.
  DhcpHost host;
  host.post_job = [this](std::function<void()> job) { return jobs_->post(std::move(job)); };
  host.on_control = back_to_control();
  host.tell = [this, self = settings->self](const ClusterMessage& message) {
    if (started_with_.cluster) return takeover_ && takeover_->tell(message);
    return inbox_.post(OnControl{[this, self, message] {
      if (dhcp_) dhcp_->delivered(self, message);
    }});
  };
  host.epoch_of = [this](const std::string& vip) { return takeover_ ? takeover_->epoch_of(vip) : Epoch{0}; };
  host.link_of = [this](const std::string& vip) { return takeover_ ? takeover_->link_of(vip) : std::nullopt; };
  host.time_of_day = [this] { return clock_.wall(); };
  dhcp_ = std::make_unique<DhcpRunner>(
      loop_,
      DhcpRunner::Options{.snapshot = snapshot, .self = settings->self, .script = dhcp_event_program(), .sockets = socket_folder(snapshot)},
      std::move(host));
  if (auto started = dhcp_->start(); !started) {
    const std::string why = started.error().message();
    if (std::exchange(dhcp_problem_, why) != why) FL_LOG(DNSDHCP_REFUSED, "error", why);
    dhcp_.reset();
    dhcp_retry_ = loop_.after(kStartRetry, [this] {
      if (!stopping_) start_dhcp(controller_.active());
    });
    return;
  }
  dhcp_problem_.clear();
  if (!takeover_) return;
  takeover_->say_members();
  for (const std::string& vip : takeover_->addresses_here()) dhcp_->vip_changed(vip, true);
}

void Orchestrator::configure_dhcp(const config::Snapshot& next) {
  if (!dhcp_) return start_dhcp(next);
  if (next.dnsdhcp) return dhcp_->configure(next);
  // Not from inside one of its own callbacks.
  dhcp_->stop([this] {
    (void)inbox_.post(OnControl{[this] {
      dhcp_.reset();
      start_dhcp(controller_.active());  // It may be wanted again by now.
    }});
  });
}

/// A node that could not serve names and addresses is not to have the group's VIPs while another one could: the same input as `requires`.
void Orchestrator::tell_takeover_of_dhcp() {
  const config::Snapshot& active = controller_.active();
  if (!takeover_ || !active.dnsdhcp) return;
  const std::string why = dhcp_ ? dhcp_->why_unfit() : dhcp_problem_;
  for (const config::Vip& vip : config::derived_vips(active)) takeover_->health(vip.name, {.serves = why.empty(), .reason = why});
}

void Orchestrator::describe_dhcp(admin::NodeReport& report) {
  if (dhcp_) return dhcp_->describe(report);
  const auto& model = controller_.active().dnsdhcp;
  if (!model || dhcp_problem_.empty()) return;
  admin::DhcpStatus& out = report.dhcp.emplace();
  out.group = model->follows;
  out.domain = model->domain;
  out.dnsmasq.state = admin::DnsmasqState::kFailed;
  out.dnsmasq.problem = dhcp_problem_;
}

void Orchestrator::list_leases(LeasesRequest&& request) {
  if (!dhcp_) return request.done(no_dhcp(dhcp_problem_));
  request.done(dhcp_->leases(std::move(request.filter), request.limit));
}

void Orchestrator::release_lease(const admin::ReleaseLease& command, const CommandDone& done) {
  if (!dhcp_) return done(no_dhcp(dhcp_problem_));
  dhcp_->release_lease(command.address, command.force, as_summary(done));
}

/// Its VIPs are given up, with all their leases told: dnsmasq may end.
bool Orchestrator::dhcp_is_over(bool at_once) {
  if (!dhcp_ || at_once) return true;
  if (!std::exchange(dhcp_stopping_, true)) dhcp_->stop([this] { dhcp_stopped_ = true; });
  return dhcp_stopped_;
}

}  // namespace fairlead::daemon
