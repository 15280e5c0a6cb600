// How machines are brought to what the site says: read, plan, carry out, read again, until nothing is left to do. The same for every verb
// that changes machines; they differ by the function that plans.
//
//   A1  A plan that breaks G1, G3 or G4 (check_plan) is never carried out.
//   A2  Steps that destroy data are carried out only for machines whose names were confirmed.
//   A3  A plan that comes back as it was ends the loop: something does not stay done, and is named.
//   A4  Each plan is a run with an id of its own; one that was interrupted or failed is taken up by its id, so that machines know what they
//       have done of it. What they only remember (it was undone by hand since) is planned once more, by a new run.
//   A5  What an earlier run left at work on a machine is waited for before anything is planned: each script has its own limit.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "k8s-bootstrap/apply/executor.h"
#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct ApplyWorld {
  std::function<Facts()> read;
  std::function<Plan(const Facts&, unsigned rounds)> plan;  ///< `rounds`: plans that were carried out so far.
  Hands& hands;
  JournalFile& journal;
  SecretBox& secrets;
  Watcher& watcher;
  const Clock& clock;
};
struct ApplyWishes {
  RunOptions run;
  std::set<std::string> may_destroy;  ///< --yes-destroy
  /// Shows a plan before it is carried out, and asks; false: it is not. Called for every plan of the loop that has steps.
  std::function<bool(const Plan&)> go_on;
  bool hooks = false;  ///< The site's are run: see plan_hooks.h.
  /// What it does is no state (a snapshot, a backup): what an earlier run has done of it does not count, and A4 takes nothing up.
  bool anew = false;
  bool once = false;      ///< Done when the first plan is: nothing that can be read tells of it, and nothing is read again.
  std::string fresh_run;  ///< Id for a run that begins now; later ones of the loop get "-2", "-3" behind it.
};

struct ApplyOutcome {
  enum class End : std::uint8_t {
    kNothingToDo,
    kDone,
    kObstacles,    ///< What could be done was; the rest stands in `left.obstacles`.
    kUnconfirmed,  ///< `left` destroys data of machines that were not named.
    kDeclined,
    kFailed,
    kStopped,
    kGoesInCircles  ///< A3
  };
  End end = End::kNothingToDo;
  std::size_t steps_done = 0;
  unsigned rounds = 0;  ///< Plans that were carried out.
  Duration took{};
  std::string failure;  ///< kFailed, kGoesInCircles, kUnconfirmed: which step and why, masked.
  Plan left;            ///< What is not done.
};

/// A script of an earlier run that has not ended on its machine.
struct StepAtWork {
  std::string machine;
  std::string step;  ///< "mast-2/join.1"
  bool operator==(const StepAtWork&) const = default;
};
[[nodiscard]] std::vector<StepAtWork> steps_at_work(const Facts& facts);

/// Errors: the journal cannot be written; a plan that A1 refuses (a mistake of this program, said as such).
[[nodiscard]] Result<ApplyOutcome> apply(const Site& site, ApplyWorld& world, const ApplyWishes& wishes);

}  // namespace fairlead::bootstrap
