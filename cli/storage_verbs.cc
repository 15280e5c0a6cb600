#include "cli/storage_verbs.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <ostream>

#include "admin/json_text.h"
#include "cli/bootstrap_run.h"
#include "cli/noted_signals.h"
#include "cli/storage_status.h"
#include "cli/yaml_text.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/storage/parse_storage.h"
#include "k8s-bootstrap/storage/plan_storage.h"
#include "k8s-bootstrap/storage/pool_view.h"
#include "k8s-bootstrap/storage/storage_layout.h"
#include "k8s-bootstrap/storage/storage_probe.h"

namespace fairlead::cli {
namespace {

using bootstrap::Facts;
using bootstrap::Plan;
using bootstrap::PlanInput;
using bootstrap::PoolFacts;
using bootstrap::SiteSession;

constexpr Duration kLookEvery = std::chrono::seconds(2);
/// Looks in a row that say done: what is being replaced has nothing to heal for a moment.
constexpr int kDoneLooks = 2;
/// Looks in a row without an answer.
constexpr int kSilentLooks = 15;

/// What a verb waits for, and of which volumes.
struct Watched {
  std::map<std::string, std::size_t> bricks;  ///< Volume -> bricks it has.
  std::string machine;                        ///< That is asked.
};

/// Asked anew: the verb's own steps have changed it.
Watched look_at(SiteSession& session, const std::string& only) {
  const Facts facts = bootstrap_must(session.read());
  const auto view = bootstrap::pool_view(session.site(), facts);
  Watched out;
  if (view.seed != nullptr) out.machine = view.seed->name;
  for (const auto& volume : session.site().gluster ? session.site().gluster->volumes : std::vector<bootstrap::GlusterVolume>{}) {
    const auto* info = bootstrap::find_volume(view, facts, volume.name);
    if (info != nullptr && (only.empty() || only == volume.name)) out.bricks[volume.name] = info->bricks.size();
  }
  return out;
}

std::optional<PoolFacts> ask_pool(SiteSession& session, const Watched& watched) {
  std::vector<std::string> volumes;
  for (const auto& [name, bricks] : watched.bricks) volumes.push_back(name);
  auto* transport = bootstrap_must(session.transport());
  auto result = transport->run(
      watched.machine, {.script = bootstrap::pool_probe_script(volumes), .input = {}, .timeout = std::chrono::minutes(2), .secret = false});
  if (!result) return std::nullopt;
  auto pool = bootstrap::parse_pool(result->output, watched.machine, volumes);
  return pool ? std::optional(std::move(*pool)) : std::nullopt;
}

using Look = std::function<StorageProgress(const std::string& volume, std::size_t bricks, const bootstrap::VolumeFacts&)>;

/// Tells how far it is until nothing is left.
void wait_for_pool(SiteSession& session, const std::string& only, const Look& look, const GlobalOptions& global,
                   CliEnvironment& environment) {
  const NotedSignals noted;
  const Watched watched = look_at(session, only);
  if (watched.bricks.empty() || watched.machine.empty())
    throw VerbFailure{kExitFailed, "no member of the pool answers: how far it is cannot be told"};
  std::map<std::string, std::string> told;
  int done = 0;
  int silent = 0;
  while (true) {
    const auto pool = ask_pool(session, watched);
    silent = pool ? 0 : silent + 1;
    if (silent >= kSilentLooks)
      throw VerbFailure{kExitFailed, watched.machine + " does not answer any more; it goes on there: fairlead storage status"};
    bool all = pool.has_value();
    std::string failure;
    for (const auto& [volume, bricks] : watched.bricks) {
      const auto found = pool ? pool->volumes.find(volume) : std::map<std::string, bootstrap::VolumeFacts>::const_iterator{};
      if (!pool || found == pool->volumes.end()) {
        all = false;
        continue;
      }
      const StorageProgress progress = look(volume, bricks, found->second);
      all = all && progress.done;
      if (failure.empty()) failure = progress.failure;
      std::string& last = told[volume];
      if (last == progress.line) continue;
      last = progress.line;
      if (global.format == OutputFormat::kText) {
        environment.out << progress.line << "\n" << std::flush;
      } else {
        environment.out << boost::json::serialize(boost::json::object{
                               {"event", "progress"}, {"volume", admin::json_string(volume)}, {"text", admin::json_string(last)}})
                        << "\n"
                        << std::flush;
      }
    }
    if (!failure.empty()) throw VerbFailure{kExitFailed, failure};
    done = all ? done + 1 : 0;
    if (done >= kDoneLooks) return;
    if (!environment.pause(kLookEvery) || NotedSignals::came())
      throw VerbFailure{kExitFailed, "not waited for any longer; it goes on there: fairlead storage status"};
  }
}

StorageProgress heal_look(const std::string& volume, std::size_t bricks, const bootstrap::VolumeFacts& facts) {
  return heal_progress(volume, bricks, facts);
}
StorageProgress spread_look(const std::string& volume, std::size_t bricks, const bootstrap::VolumeFacts& facts) {
  // A volume of one set of copies has nothing to spread.
  return bricks <= bootstrap::kCopies ? StorageProgress{fmt::format("{}: nothing to spread", volume), true, {}}
                                      : rebalance_progress(volume, facts);
}

}  // namespace

void storage_status(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request.site, environment);
  const Facts facts = bootstrap_must(session->read());
  const auto only_storage = [](const PlanInput& input, unsigned) {
    bootstrap::PlanBuilder plan(input);
    bootstrap::plan_storage(plan);
    return plan.take();
  };
  const Plan plan = session->plan(only_storage, facts);
  if (global.format == OutputFormat::kText) {
    environment.out << storage_status_text(session->site(), facts, plan, environment.color);
    return;
  }
  const auto json = storage_status_json(session->site(), facts, plan);
  environment.out << (global.format == OutputFormat::kYaml ? yaml_text(json) : admin::json_text(json, admin::JsonStyle::kPretty) + "\n");
}

void storage_heal(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request.site, environment);
  if (!request.volume.empty() && session->site().volume(request.volume) == nullptr)
    throw VerbFailure{kExitUsage, fmt::format("the site has no volume '{}'", request.volume)};
  // Once: that it was asked for is no state.
  const auto planner = [&](const PlanInput& input, unsigned rounds) {
    return rounds > 0 ? Plan{} : bootstrap::plan_storage_heal(input, request.volume, request.full);
  };
  bootstrap_carry_out(session, request.site, global, environment, {planner, false, true, {}});
  if (!request.no_wait && !request.site.dry_run) wait_for_pool(*session, request.volume, heal_look, global, environment);
}

void storage_expand(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request.site, environment);
  const auto planner = [](const PlanInput& input, unsigned) { return bootstrap::plan_storage_expand(input); };
  bootstrap_carry_out(session, request.site, global, environment, {planner, false, false, {}});
  if (!request.no_wait && !request.site.dry_run) wait_for_pool(*session, {}, spread_look, global, environment);
}

void storage_replace(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = bootstrap_open_site(request.site, environment);
  const auto planner = [&](const PlanInput& input, unsigned) {
    return bootstrap::plan_storage_replace(input, request.site.machine, request.with);
  };
  bootstrap_carry_out(session, request.site, global, environment, {planner, false, false, {}});
  if (!request.no_wait && !request.site.dry_run) wait_for_pool(*session, {}, heal_look, global, environment);
}

}  // namespace fairlead::cli
