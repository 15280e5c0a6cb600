#include "daemon/router_wiring.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "config/host_environment.h"
#include "config/load.h"
#include "daemon/dhcp_runner.h"
#include "daemon/orchestrator.h"
#include "daemon/privileges.h"
#include "dnsdhcp/conntrackd_keeper.h"
#include "dnsdhcp/nft_watch.h"
#include "dnsdhcp/router.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kInboxFullMax = std::chrono::seconds(10);
constexpr Duration kTablesLook = std::chrono::seconds(5);

void tell(const dnsdhcp::RouterNotice& notice) {
  using dnsdhcp::RouterNoticeKind;
  switch (notice.kind) {
    case RouterNoticeKind::kInForce:
    case RouterNoticeKind::kRemoved: return FL_LOG(ROUTER_APPLIED, "what", notice.detail, "confirm_s", 0);
    case RouterNoticeKind::kTrial:
      return FL_LOG(ROUTER_APPLIED, "what", notice.detail, "confirm_s", static_cast<std::int64_t>(to_seconds(dnsdhcp::kTrialTime)));
    case RouterNoticeKind::kConfirmed: return FL_LOG(ROUTER_CONFIRMED, "what", notice.detail);
    case RouterNoticeKind::kRestored:
    case RouterNoticeKind::kRefusedKept: return FL_LOG(ROUTER_ROLLED_BACK, "reason", notice.detail);
    case RouterNoticeKind::kLost:
      return FL_LOG(ROUTER_REFUSED, "error", "somebody removed rules of the router; they are put in force again");
    case RouterNoticeKind::kFailed: return FL_LOG(ROUTER_REFUSED, "error", notice.detail);
  }
}

dnsdhcp::ConntrackdSettings sync_settings(const config::Snapshot& snapshot) {
  return {.folder = snapshot.state_dir + "/sync", .socket = socket_folder(snapshot) + "/conntrackd.sock"};
}

/// Whoever is asked by it speaks to the kernel's connection table.
Result<dnsdhcp::DnsmasqChild> start_with_net_admin(const dnsdhcp::DnsmasqCommand& command) {
  const LentCapabilities lent(capability_bit(CAP_NET_ADMIN));
  return dnsdhcp::start_dnsmasq(command);
}

dnsdhcp::ConntrackdKeeper::Callbacks sync_callbacks() {
  return {.on_ready =
              [](Duration took) { FL_LOG(ROUTER_APPLIED, "what", "sync: conntrackd runs after " + format_duration(took), "confirm_s", 0); },
          .on_ended =
              [](const dnsdhcp::SayEnded& ended) {
                FL_LOG(ROUTER_REFUSED, "error",
                       "sync: " + ended.reason + "; the router goes on without, it is started again in " + format_duration(ended.next_in));
              },
          .on_crash_loop =
              [](const dnsdhcp::SayCrashLoop& loop) {
                FL_LOG(ROUTER_REFUSED, "error",
                       "sync: conntrackd ended " + std::to_string(loop.ends) + " times in a minute: " + loop.reason);
              },
          .on_problem = [](const Error& error) { FL_LOG(ROUTER_REFUSED, "error", "sync: " + error.message()); }};
}

}  // namespace

std::function<void(Result<std::string>)> as_summary(CommandDone done) {
  return [done = std::move(done)](Result<std::string> result) {
    if (!result) return done(result.error());
    done(admin::CommandResult{.summary = std::move(*result), .details = {}, .needs_restart = {}});
  };
}

/// For what a job answers: lost, somebody would wait for it for ever. Only the control thread itself does not wait for room.
std::function<void(std::function<void()>)> Orchestrator::back_to_control() {
  return [this, control = std::this_thread::get_id()](std::function<void()> run) {
    const Instant give_up = clock_.now() + kInboxFullMax;
    while (!inbox_.post(OnControl{run}) && std::this_thread::get_id() != control && clock_.now() < give_up)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
}

/// Also where the file has no router: an earlier one may have left something.
void Orchestrator::start_router() {
  dnsdhcp::RouterHost host;
  host.post_job = [this](std::function<void()> job) {
    return jobs_->post([job = std::move(job)] {
      const LentCapabilities lent(capability_bit(CAP_NET_ADMIN));
      job();
    });
  };
  host.on_control = back_to_control();
  host.notice = tell;
  router_ = std::make_unique<dnsdhcp::Router>(loop_, std::move(host), started_with_.state_dir);
  router_->start(started_with_);
  configure_sync(started_with_);
  watch_tables();
}

/// Where the kernel does not tell of changes they are looked for.
void Orchestrator::watch_tables() {
  const auto look = [this] {
    if (dhcp_) dhcp_->tables_changed();
    router_->tables_changed();
  };
  auto watch = dnsdhcp::NftWatch::open(loop_, look);
  if (watch) {
    nft_watch_ = std::move(*watch);
    return look();
  }
  look();
  nft_retry_ = loop_.after(kTablesLook, [this] { watch_tables(); });
}

/// router.sync: conntrackd keeps the connection tables of the gateways alike.
void Orchestrator::configure_sync(const config::Snapshot& snapshot) {
  const dnsdhcp::ConntrackdSettings settings = sync_settings(snapshot);
  if (!snapshot.router || !snapshot.router->sync) {
    std::error_code ignored;
    if (!sync_ && !std::filesystem::exists(settings.folder, ignored)) return;
    sync_.reset();
    if (!jobs_->post([settings] { dnsdhcp::ConntrackdKeeper::remove_files(settings); }))
      FL_LOG(ROUTER_REFUSED, "error", "sync: files stay in " + settings.folder + ": too many jobs are waiting");
    return;
  }
  if (!sync_) {
    sync_ = std::make_unique<dnsdhcp::ConntrackdKeeper>(
        loop_, settings,
        dnsdhcp::ConntrackdHost{.post_job = [this](std::function<void()> job) { return jobs_->post(std::move(job)); },
                                .on_control = back_to_control(),
                                .start = start_with_net_admin},
        sync_callbacks());
  }
  sync_->configure(snapshot);
}

/// With every report: entries are in the kernel before a takeover, so nothing hurries.
void Orchestrator::tell_sync(const admin::NodeReport& report) {
  if (!sync_) return;
  const config::Snapshot& active = controller_.active();
  const bool here =
      active.router && active.router->snat && std::any_of(active.vips.begin(), active.vips.end(), [&](const config::Vip& vip) {
        if (vip.address.address != *active.router->snat) return false;
        const auto status = std::find_if(report.vips.begin(), report.vips.end(), [&](const auto& v) { return v.name == vip.name; });
        return status != report.vips.end() && status->held_here;
      });
  sync_->holds(here);
}

/// The file as it is now, read as a reload would.
void Orchestrator::apply_router(const admin::ApplyRouter& command, const CommandDone& done) {
  const bool posted = jobs_->post([this, command, done, node = controller_.active().node] {
    auto loaded = std::make_shared<config::LoadResult>(config::load_file(config_file_, config::host_environment()));
    if (loaded->snapshot && loaded->snapshot->node.empty()) loaded->snapshot->node = node;
    const bool told = inbox_.post(OnControl{[this, command, done, loaded] {
      if (loaded->snapshot) return router_->apply(*loaded->snapshot, command.yes, command.session, as_summary(done));
      std::string text = "nothing was changed:";
      for (const config::Problem& problem : loaded->problems) text += "\n" + config::format(problem);
      done(Error{Errc::kInvalidConfig, text});
    }});
    if (!told) done(Error{Errc::kUnavailable, "the control thread has too much to do; try again"});
  });
  if (!posted) done(Error{Errc::kUnavailable, "too many jobs are waiting; try again"});
}

void Orchestrator::show_router(RouterRequest&& request) {
  router_->show(controller_.active(), [this, done = std::move(request.done)](Result<dnsdhcp::RouterView> view) {
    if (!view) return done(view.error());
    admin::RouterReport report{.state = std::move(view->state),
                               .summary = std::move(view->summary),
                               .in_force = std::move(view->in_force),
                               .of_file = std::move(view->of_file),
                               .trial_left_s = view->trial_left_s};
    if (!sync_) return done(std::move(report));
    report.sync = sync_->summary();
    sync_->statistics([done, report = std::move(report)](Result<std::string> statistics) mutable {
      if (statistics) report.sync_statistics = std::move(*statistics);
      done(std::move(report));
    });
  });
}

}  // namespace fairlead::daemon
