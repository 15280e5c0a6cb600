#include "dnsdhcp/router.h"

#include <algorithm>
#include <utility>

#include "base/overloaded.h"
#include "base/units.h"
#include "dnsdhcp/router_rules.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr Duration kPostRetry = std::chrono::seconds(1);
constexpr Duration kLookGap = std::chrono::seconds(1);
const Error kBusy{Errc::kUnavailable, "too many jobs are waiting; try again"};
const Error kStopping{Errc::kUnavailable, "the daemon is stopping"};

}  // namespace

Router::Router(QbLoop& loop, RouterHost host, const std::string& state_dir, NftTool nft, Duration trial_time)
    : loop_(loop), host_(std::move(host)), jobs_(std::make_shared<const RouterJobs>(state_dir, std::move(nft))), core_(trial_time) {}

Router::~Router() {
  loop_.cancel(timer_);
  loop_.cancel(look_);
  for (auto& [ticket, done] : std::exchange(waiting_, {})) done(kStopping);
  for (auto& [ticket, done] : std::exchange(shown_, {})) done(kStopping);
}

/// The rules of an active configuration. Those that cannot be made are as good as unchanged: the file's check refuses them before.
std::optional<std::string> Router::wanted_of(const config::Snapshot& snapshot) {
  versions_ = routed_versions(snapshot);
  if (!snapshot.router) return std::nullopt;
  auto rules = render_router_rules(snapshot, std::nullopt);
  if (rules) return std::move(*rules);
  host_.notice({RouterNoticeKind::kFailed, rules.error().message()});
  return wanted_;
}

void Router::start(const config::Snapshot& snapshot) {
  wanted_ = wanted_of(snapshot);
  recall();
}

/// Reads what an earlier life left; then everything begins.
void Router::recall() {
  const auto job = [this, host = host_, jobs = jobs_, alive = std::weak_ptr(alive_)] {
    host.on_control([this, alive, recalled = jobs->recall()] {
      if (alive.expired()) return;
      if (!recalled.problem.empty()) host_.notice({RouterNoticeKind::kFailed, recalled.problem});
      started_ = true;
      feed(RouterStarted{recalled.memory, wanted_});
    });
  };
  if (host_.post_job(job)) return;
  timer_ = loop_.after(kPostRetry, [this] {
    timer_ = 0;
    recall();
  });
}

void Router::reload(const config::Snapshot& snapshot) {
  wanted_ = wanted_of(snapshot);
  if (started_) feed(RouterReloaded{wanted_});
}

std::uint64_t Router::ticket_for(Done done) {
  waiting_.emplace(++last_ticket_, std::move(done));
  return last_ticket_;
}

void Router::apply(const config::Snapshot& snapshot, bool sure, const std::string& session, Done done) {
  if (!started_) return done(Error{Errc::kUnavailable, "the router is starting; try again"});
  if (!snapshot.router)
    return done(Error{Errc::kRefused, "the file has no router: `fairlead reload` removes the rules that an earlier one left"});
  const auto parsed = parse_ssh_session(session);
  auto rules = render_router_rules(snapshot, parsed ? std::optional(*parsed) : std::nullopt);
  if (!rules) return done(rules.error());
  versions_ = routed_versions(snapshot);
  feed(RouterApplyAsked{ticket_for(std::move(done)), std::move(*rules), sure, session});
}

void Router::confirm(const std::string& session, Done done) {
  if (!started_) return done(Error{Errc::kUnavailable, "the router is starting; try again"});
  feed(RouterConfirmAsked{ticket_for(std::move(done)), session});
}

void Router::feed(const RouterInput& input) {
  for (const RouterAction& action : core_.step(input, loop_.now())) {
    std::visit(Overloaded{
                   [&](const RouterJob& job) { carry_out(job); },
                   [&](const RouterAnswer& answer) {
                     const auto at = waiting_.find(answer.ticket);
                     if (at == waiting_.end()) return;
                     const Done done = std::move(at->second);
                     waiting_.erase(at);
                     done(answer.result);
                   },
                   [&](const RouterNotice& notice) { host_.notice(notice); },
                   [&](const RouterWakeAt& wake) {
                     loop_.cancel(timer_);
                     timer_ = loop_.at(wake.at, [this] {
                       timer_ = 0;
                       feed(RouterTick{});
                     });
                   },
               },
               action);
  }
}

void Router::carry_out(const RouterJob& job) {
  const auto run = [this, job, host = host_, jobs = jobs_, versions = versions_, alive = std::weak_ptr(alive_)] {
    host.on_control([this, alive, result = jobs->run(job, versions)] {
      if (alive.expired()) return;
      if (result) listed_ = result->rules;
      feed(RouterJobDone{result ? Status() : Status(result.error())});
    });
  };
  if (host_.post_job(run)) return;
  // Not from inside step()'s actions: an answer may have to go out first.
  loop_.after(Duration::zero(), [this] { feed(RouterJobDone{Status(kBusy)}); });
}

/// R6. Not more often than once a second, however much others change of theirs.
void Router::tables_changed() {
  if (core_.state() == RouterState::kOff || look_ != 0) return;
  look_ = loop_.at(std::max(loop_.now(), looked_ + kLookGap), [this] {
    look_ = 0;
    look();
  });
}

void Router::look() {
  looked_ = loop_.now();
  const bool posted = host_.post_job([this, was = listed_, host = host_, jobs = jobs_, alive = std::weak_ptr(alive_)] {
    host.on_control([this, was, alive, now = jobs->list(/*counters=*/false)] {
      if (alive.expired()) return;
      if (was != listed_) return tables_changed();  // By this program, meanwhile.
      if (!now) return host_.notice({RouterNoticeKind::kFailed, "look at the rules in force: " + now.error().message()});
      if (has_lost_rules(was, now->rules)) feed(RouterLost{});
    });
  });
  if (!posted) tables_changed();
}

void Router::show(const config::Snapshot& active, std::function<void(Result<RouterView>)> done) {
  std::string of_file;
  if (active.router) {
    auto rules = render_router_rules(active, std::nullopt);
    if (!rules) return done(rules.error());
    of_file = std::move(*rules);
  }
  const std::uint64_t ticket = ++last_ticket_;
  shown_.emplace(ticket, std::move(done));
  const auto look = [this, ticket, of_file, host = host_, jobs = jobs_, alive = std::weak_ptr(alive_)] {
    auto stateless = jobs->list(/*counters=*/false);
    auto listing = stateless ? jobs->list(/*counters=*/true) : stateless;
    host.on_control([this, ticket, of_file, alive, stateless = std::move(stateless), listing = std::move(listing)] {
      if (alive.expired()) return;
      const auto at = shown_.find(ticket);
      if (at == shown_.end()) return;
      const auto answer = std::move(at->second);
      shown_.erase(at);
      if (!listing) return answer(listing.error());
      answer(view(of_file, stateless->rules, listing->rules));
    });
  };
  if (host_.post_job(look)) return;
  const auto answer = std::move(shown_[ticket]);
  shown_.erase(ticket);
  answer(kBusy);
}

RouterView Router::view(const std::string& of_file, const std::string& stateless, const std::string& listing) const {
  RouterView out{.state = {}, .summary = {}, .in_force = listing, .of_file = of_file, .trial_left_s = 0};
  const auto say = [&](const char* state, std::string summary) {
    out.state = state;
    out.summary = std::move(summary);
    return out;
  };
  if (core_.state() == RouterState::kOnTrial) {
    const Duration left = core_.trial_left(loop_.now());
    out.trial_left_s = std::chrono::ceil<std::chrono::seconds>(left).count();
    return say("on trial", "the rules in force are on trial for " + std::to_string(out.trial_left_s) +
                               " s more; confirm them over a new connection: fairlead router apply --confirm");
  }
  if (!core_.failure().empty()) return say("failed", core_.failure());
  if (core_.state() == RouterState::kOff) {
    if (of_file.empty()) return say("off", "the configuration has no router");
    if (core_.wanted_was_refused())
      return say("refused", "the file's rules were tried and not confirmed, and there were none before: fairlead router apply");
    return say("off", "the file's rules are not in force yet");
  }
  if (stateless.empty()) return say("missing", "somebody removed the rules; they are put in force again in a moment");
  if (stateless != listed_)
    return say("changed", "somebody changed the rules in force since fairleadd put them there: fairlead router apply --yes mends that");
  if (core_.rules() && same_rules(*core_.rules(), of_file)) return say("in force", "the file's rules are in force");
  if (core_.wanted_was_refused())
    return say("refused", "the file's rules were tried and not confirmed; the ones from before are in force: fairlead router apply");
  return say("not those of the file", "other rules than the file's are in force: fairlead router apply");
}

}  // namespace fairlead::dnsdhcp
