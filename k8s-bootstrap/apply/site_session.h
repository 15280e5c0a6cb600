// A site that is being worked on: its file, its state_dir, the way to its machines. What every verb of `fairlead bootstrap` begins with.
// Threading: one thread; what it starts has threads of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "k8s-bootstrap/apply/apply_loop.h"
#include "k8s-bootstrap/apply/site_lock.h"
#include "k8s-bootstrap/facts/fact_collector.h"
#include "k8s-bootstrap/pki/state_dir.h"
#include "k8s-bootstrap/plan/plan_input.h"
#include "k8s-bootstrap/render/check_rendered.h"
#include "k8s-bootstrap/site/site.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

struct SessionOptions {
  std::string site_file;
  std::string package;               ///< --package: Fairlead's own, for gateways without it; empty: none is installed.
  unsigned parallel = 0;             ///< 0: the site's.
  std::vector<std::string> secrets;  ///< Values of the environment in the site (SiteLoad::secrets).
};

/// Makes a plan from what was read; one for every verb (plan_bring_up and its like). The same input gives the same plan: it is asked more
/// than once. `rounds`: plans that were carried out so far.
using Planner = std::function<Plan(const PlanInput&, unsigned rounds)>;

class SiteSession {
 public:
  /// Reads addons' manifests, machines' `files` and the package, opens state_dir. Errors: those of reading (the file named), of StateDir.
  [[nodiscard]] static Result<std::unique_ptr<SiteSession>> open(Site site, const SessionOptions& options, const Clock& clock);
  virtual ~SiteSession() = default;

  [[nodiscard]] virtual const Site& site() const = 0;
  [[nodiscard]] virtual const StateDir& state() const = 0;
  /// What stands on the machines when all is done, as far as `facts` tell (render_site).
  [[nodiscard]] virtual Rendered texts(const Facts& facts) const = 0;
  [[nodiscard]] virtual Plan plan(const Planner& planner, const Facts& facts, unsigned rounds = 0) const = 0;
  /// check_rendered() of the site. With an error among them nothing is applied, and no plan is worth to be looked at.
  [[nodiscard]] virtual const std::vector<RenderProblem>& render_problems() const = 0;
  [[nodiscard]] virtual SecretBox& secrets() = 0;
  [[nodiscard]] virtual Result<Transport*> transport() = 0;

  /// `on_answer`: see CollectOptions. Errors: no ssh, no key file.
  [[nodiscard]] virtual Result<Facts> read(const std::function<void(const std::string&, const Error*)>& on_answer = {}) = 0;
  /// The loop, with the lock on every machine that was read. Errors: kInvalidConfig (render_problems), somebody has the lock, the journal.
  [[nodiscard]] virtual Result<ApplyOutcome> apply(const Planner& planner, Watcher& watcher, ApplyWishes wishes) = 0;
};

/// The errors among them in one. `site_file` is where to mend them.
[[nodiscard]] Status refuse_rendered(const std::vector<RenderProblem>& problems, const std::string& site_file);

}  // namespace fairlead::bootstrap
