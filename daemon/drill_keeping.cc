// The orchestrator's memory of drills: the last result of each, kept in state_dir over restarts.
#include "admin/drill_results.h"
#include "base/atomic_file.h"
#include "base/log.h"
#include "daemon/orchestrator.h"

namespace fairlead::daemon {
namespace {

std::string drills_path(const std::string& state_dir) { return state_dir + "/drills.json"; }

}  // namespace

/// A file that is not understood is left as it is and counts as none: the next result replaces it.
void Orchestrator::load_drills() {
  const std::string path = drills_path(started_with_.state_dir);
  const auto ignored = [&](const Error& error) { FL_LOG(DRILL_RESULTS_IGNORED, "file", path, "error", error.message()); };
  auto text = read_small_file(path);
  if (!text) return ignored(text.error());
  if (!*text) return;
  auto results = admin::parse_drill_results(**text);
  if (!results) return ignored(results.error());
  for (admin::DrillResult& result : *results) drills_[result.name] = std::move(result);
}

void Orchestrator::record_drill(admin::DrillResult result, const CommandDone& done) {
  if (auto checked = admin::check_drill_result(result); !checked) return done(checked.error());
  result.at = clock_.wall();
  const std::string summary = "the result of drill " + result.name + " is kept";
  drills_[result.name] = std::move(result);
  std::vector<admin::DrillResult> all;
  for (const auto& [name, each] : drills_) all.push_back(each);
  const bool posted = jobs_->post([all = std::move(all), path = drills_path(started_with_.state_dir)] {
    if (auto saved = write_file_atomically(path, admin::render_drill_results(all)); !saved)
      FL_LOG(DRILL_RESULTS_NOT_SAVED, "file", path, "error", saved.error().message());
  });
  if (!posted) FL_LOG(DRILL_RESULTS_NOT_SAVED, "file", drills_path(started_with_.state_dir), "error", "too many jobs are waiting");
  refresh_report();
  done(admin::CommandResult{.summary = summary, .details = {}, .needs_restart = {}});
}

}  // namespace fairlead::daemon
