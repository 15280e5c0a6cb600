#include "daemon/router_wiring.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/log.h"
#include "config/host_environment.h"
#include "config/load.h"
#include "daemon/orchestrator.h"
#include "daemon/privileges.h"
#include "dnsdhcp/router.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kInboxFullMax = std::chrono::seconds(10);

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
    case RouterNoticeKind::kFailed: return FL_LOG(ROUTER_REFUSED, "error", notice.detail);
  }
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
  router_->show(controller_.active(), [done = std::move(request.done)](Result<dnsdhcp::RouterView> view) {
    if (!view) return done(view.error());
    done(admin::RouterReport{.state = std::move(view->state),
                             .summary = std::move(view->summary),
                             .in_force = std::move(view->in_force),
                             .of_file = std::move(view->of_file),
                             .trial_left_s = view->trial_left_s});
  });
}

}  // namespace fairlead::daemon
