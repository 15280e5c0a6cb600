#include "cli/bootstrap_verbs.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <mutex>
#include <ostream>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/json_text.h"
#include "base/atomic_file.h"
#include "base/utc_text.h"
#include "cli/bootstrap_run.h"
#include "cli/bootstrap_status.h"
#include "cli/machine_verbs.h"
#include "cli/noted_signals.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"
#include "config/problem.h"
#include "k8s-bootstrap/apply/progress_text.h"
#include "k8s-bootstrap/apply/site_session.h"
#include "k8s-bootstrap/plan/plan_add_node.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_day_two.h"
#include "k8s-bootstrap/plan/plan_hooks.h"
#include "k8s-bootstrap/plan/plan_json.h"
#include "k8s-bootstrap/plan/plan_text.h"
#include "k8s-bootstrap/site/site_edit.h"
#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"
#include "k8s-bootstrap/site/versions.h"
#include "k8s-bootstrap/storage/storage_files.h"

namespace fairlead::cli {
namespace {

using bootstrap::ApplyOutcome;
using bootstrap::Facts;
using bootstrap::Plan;
using bootstrap::PlanInput;
using bootstrap::Site;
using bootstrap::SiteSession;
using End = ApplyOutcome::End;

/// Certificates that end sooner than this are renewed by `renew-certs`: a third of kubeadm's year.
constexpr std::int64_t kRenewBelowDays = 120;

[[noreturn]] void fail(const Error& error) { bootstrap_fail(error); }
template <class T>
T must(Result<T> result) {
  return bootstrap_must(std::move(result));
}

std::unique_ptr<SiteSession> open_site(const BootstrapRequest& request, CliEnvironment& environment) {
  return open_loaded_site(bootstrap::load_site_file(request.site), request, environment);
}

Facts read_site(SiteSession& session, CliEnvironment& environment) {
  std::mutex mutex;
  return must(session.read([&](const std::string& machine, const Error* error) {
    if (error == nullptr) return;
    const std::lock_guard<std::mutex> lock(mutex);
    environment.err << fmt::format("{}: {}\n", machine, error->message());
  }));
}

void print_json(const boost::json::value& json, const GlobalOptions& global, CliEnvironment& environment) {
  environment.out << (global.format == OutputFormat::kYaml ? yaml_text(json) : admin::json_text(json, admin::JsonStyle::kPretty) + "\n");
}

Plan bring_up(const PlanInput& input, unsigned) { return bootstrap::plan_bring_up(input); }

/// One line a step on standard output, or one JSON object a line.
class Narrator final : public bootstrap::Watcher {
 public:
  /// `durations`: how long kinds of steps took the last time.
  Narrator(const GlobalOptions& global, CliEnvironment& environment, std::map<std::string, Duration, std::less<>> durations)
      : json_(global.format != OutputFormat::kText), environment_(environment), durations_(std::move(durations)) {}

  void follows(const Plan& plan) {
    plan_ = plan;
    estimate_.emplace(plan_, durations_);
  }
  void begins(const bootstrap::Step& step) override {
    estimate_->begins(step.id, environment_.clock.now());
    if (json_) say(bootstrap::step_event_json(step, "begin", {}, left(), step.because));
  }
  void says(const bootstrap::Step& step, std::string_view line) override {
    if (json_) return say(bootstrap::step_event_json(step, "says", {}, left(), line));
    environment_.err << fmt::format("{:<12} {}\n", step.machine, line);
  }
  void ends(const bootstrap::Step& step, Duration took, const std::string& failure) override {
    estimate_->ends(step.id);
    if (json_) return say(bootstrap::step_event_json(step, failure.empty() ? "done" : "failed", took, left(), failure));
    const std::string state =
        failure.empty() ? paint("ok", Tone::kGood, environment_.color) : paint("failed", Tone::kBad, environment_.color);
    say(bootstrap::step_line(step, state, took, left()) + "\n");
    if (!failure.empty()) say(fmt::format("{:<12} {}\n", "", failure));
  }

 private:
  [[nodiscard]] Duration left() { return estimate_ ? estimate_->left(environment_.clock.now()) : Duration{}; }
  void say(const std::string& text) { environment_.out << text << std::flush; }

  const bool json_;
  CliEnvironment& environment_;
  const std::map<std::string, Duration, std::less<>> durations_;
  Plan plan_;
  std::optional<bootstrap::Estimate> estimate_;
};

/// What is asked before a plan is carried out. Data that goes is confirmed by names, everything else by yes.
bool agreed(const Plan& plan, const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  if (global.format == OutputFormat::kText) environment.out << bootstrap::plan_text(plan, request.dry_run) << std::flush;
  if (global.yes || !environment.interactive) return true;
  environment.err << "Go on? [y/N] " << std::flush;
  const std::string answer = environment.read_line();
  return answer == "y" || answer == "yes";
}

[[noreturn]] void end_unfinished(const ApplyOutcome& outcome, const BootstrapRequest& request, const SiteSession& session) {
  switch (outcome.end) {
    case End::kObstacles: {
      std::string text = "not everything could be done:";
      for (const auto& obstacle : outcome.left.obstacles) {
        text += fmt::format("\n  {}: {} ({})", fmt::join(obstacle.machines, ", "), obstacle.reason, obstacle.remedy);
      }
      throw VerbFailure{kExitRefused, text};
    }
    case End::kUnconfirmed:
      throw VerbFailure{kExitRefused, fmt::format("{}; {}", outcome.failure, bootstrap::confirmation_text(outcome.left))};
    case End::kDeclined: throw VerbFailure{kExitRefused, "nothing was done"};
    case End::kStopped: throw VerbFailure{kExitFailed, "stopped; what runs on the machines goes on there, and the next apply finds it"};
    default:
      throw VerbFailure{
          kExitFailed, fmt::format("{}\nNothing is lost: mend the cause and run it again. Details: fairlead bootstrap logs {}; journal: {}",
                                   outcome.failure, request.site, session.state().path("journal.jsonl"))};
  }
}

/// Of the journal; a journal that cannot be read is no reason not to begin: apply says so itself.
std::map<std::string, Duration, std::less<>> earlier_durations(const SiteSession& session) {
  const auto text = session.state().read_secret("journal.jsonl");
  return text && *text ? bootstrap::parse_journal(**text).durations() : std::map<std::string, Duration, std::less<>>{};
}

void carry_out(const std::unique_ptr<SiteSession>& session, const BootstrapRequest& request, const GlobalOptions& global,
               CliEnvironment& environment, const BootstrapWork& work) {
  const bootstrap::Planner& planner = work.planner;
  const bool hooks = work.hooks;
  if (request.dry_run) {
    if (auto fine = bootstrap::refuse_rendered(session->render_problems(), request.site); !fine) fail(fine.error());
    const Facts facts = read_site(*session, environment);
    Plan plan = session->plan(planner, facts);
    if (hooks) plan = bootstrap::with_all_hooks(std::move(plan), session->site().hooks);
    plan = bootstrap::masked(std::move(plan), session->secrets());
    environment.out << (global.format == OutputFormat::kText ? bootstrap::plan_text(plan, true) : bootstrap::plan_json(plan) + "\n");
    return;
  }
  const NotedSignals noted;
  Narrator narrator(global, environment, earlier_durations(*session));
  bootstrap::ApplyWishes wishes;
  wishes.hooks = hooks;
  wishes.anew = wishes.once = work.anew;
  wishes.may_destroy.insert(request.yes_destroy.begin(), request.yes_destroy.end());
  wishes.run.stop = [] { return NotedSignals::came(); };
  wishes.go_on = [&](const Plan& plan) {
    narrator.follows(plan);
    if (!agreed(bootstrap::masked(plan, session->secrets()), request, global, environment)) return false;
    if (work.agreed) work.agreed();
    return true;
  };
  ApplyOutcome outcome = must(session->apply(planner, narrator, std::move(wishes)));
  outcome.left = bootstrap::masked(std::move(outcome.left), session->secrets());
  if (outcome.end != End::kDone && outcome.end != End::kNothingToDo) end_unfinished(outcome, request, *session);
  if (global.format == OutputFormat::kText) {
    environment.out << (outcome.end == End::kNothingToDo
                            ? "Nothing to do: the machines are as the site says.\n"
                            : fmt::format("Done: {} steps in {}.\n", outcome.steps_done, bootstrap::short_time(outcome.took)));
    return;
  }
  environment.out << boost::json::serialize(
                         boost::json::object{{"event", "end"}, {"steps", outcome.steps_done}, {"ms", to_ms(outcome.took)}})
                  << "\n";
}

void carry_out(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment, const bootstrap::Planner& planner,
               bool hooks = false) {
  carry_out(open_site(request, environment), request, global, environment, {planner, hooks, false, {}});
}

/// The site with the machine, as text; its own text where the machine is in it already.
std::string site_with_machine(const BootstrapRequest& request, const std::string& text) {
  bootstrap::NewMachine machine;
  machine.name = request.machine;
  machine.roles = request.roles;
  machine.taints = request.taints;
  const auto split = [](const std::string& word, const char* option) {
    const auto equal = word.find('=');
    if (equal == std::string::npos || equal == 0) throw VerbFailure{kExitUsage, fmt::format("{} {}: write it as NAME=VALUE", option, word)};
    return std::pair(word.substr(0, equal), word.substr(equal + 1));
  };
  for (const std::string& word : request.addresses) machine.addresses.push_back(split(word, "--address"));
  for (const std::string& word : request.labels) machine.labels.insert(split(word, "--label"));
  return must(bootstrap::with_machine(text, machine));
}

/// As far as it is known without a look at the machines: a device that the site does not name is called as its network.
void show_rendered(const BootstrapRequest& request, SiteSession& session, CliEnvironment& environment) {
  const bootstrap::Rendered rendered = session.texts(Facts{});
  if (request.show == "fairlead.yaml") {
    environment.out << session.secrets().mask(rendered.gateway_yaml);
    return;
  }
  const auto& site = session.site();
  for (const auto& [name, text] :
       {std::pair{"storage.yaml", bootstrap::storage_manifest(site)}, {"kadalu.yaml", bootstrap::kadalu_manifest(site)}}) {
    if (request.show != name || text.empty()) continue;
    environment.out << text;
    return;
  }
  const std::size_t colon = request.show.find(':');
  const auto machine = rendered.machines.find(request.show.substr(0, colon));
  if (colon != std::string::npos && machine != rendered.machines.end()) {
    const std::string name = request.show.substr(colon + 1);
    for (const auto& file : machine->second.files) {
      if (file.path != name) continue;
      environment.out << session.secrets().mask(file.text);
      return;
    }
    for (const auto& [document, text] : {std::pair{"init", &machine->second.init},
                                         {"join", &machine->second.join},
                                         {"reset", &machine->second.reset},
                                         {"upgrade", &machine->second.upgrade}}) {
      if (name != document || text->empty()) continue;
      environment.out << session.secrets().mask(*text);
      return;
    }
  }
  std::string known = "fairlead.yaml";
  if (!bootstrap::storage_manifest(site).empty()) known += "\n  storage.yaml";
  if (!bootstrap::kadalu_manifest(site).empty()) known += "\n  kadalu.yaml";
  for (const auto& [name, texts] : rendered.machines) {
    for (const auto& file : texts.files) known += fmt::format("\n  {}:{}", name, file.path);
  }
  throw VerbFailure{kExitUsage, fmt::format("'{}' is not a file of this site. There are:\n  {}", request.show, known)};
}

}  // namespace

void bootstrap_fail(const Error& error) {
  if (error.code == Errc::kInvalidConfig) throw VerbFailure{kExitInvalidConfig, error.message()};
  throw VerbFailure{error.code == Errc::kConflict || error.code == Errc::kRefused ? kExitRefused : kExitFailed, error.message()};
}

void bootstrap_carry_out(const std::unique_ptr<SiteSession>& session, const BootstrapRequest& request, const GlobalOptions& global,
                         CliEnvironment& environment, const BootstrapWork& work) {
  carry_out(session, request, global, environment, work);
}

std::unique_ptr<SiteSession> open_loaded_site(bootstrap::SiteLoad load, const BootstrapRequest& request, CliEnvironment& environment) {
  for (const auto& problem : load.problems) environment.err << config::format(problem) << "\n";
  if (!load.site) throw VerbFailure{kExitInvalidConfig, request.site + " is not valid"};
  bootstrap::SessionOptions options;
  options.site_file = request.site;
  options.package = request.package;
  options.parallel = request.parallel;
  options.secrets = std::move(load.secrets);
  auto session = must(SiteSession::open(std::move(*load.site), options, environment.clock));
  for (const std::string& warning : session->state().warnings()) environment.err << "warning: " << warning << "\n";
  for (const auto& problem : session->render_problems()) {
    if (!problem.error) environment.err << fmt::format("warning: {}: {}\n", problem.where, problem.text);
  }
  return session;
}

std::unique_ptr<SiteSession> bootstrap_open_site(const BootstrapRequest& request, CliEnvironment& environment) {
  return open_site(request, environment);
}

void bootstrap_init(const BootstrapRequest& request, CliEnvironment& environment) {
  const std::string text = bootstrap::init_text();
  if (request.output == "-") {
    environment.out << text;
    return;
  }
  if (::access(request.output.c_str(), F_OK) == 0)
    throw VerbFailure{kExitRefused, request.output + " is there already; name another file with --output"};
  if (auto written = write_file_atomically(request.output, text, 0644); !written) fail(written.error());
  environment.out << fmt::format("{} is written. Change names and addresses, then: fairlead bootstrap plan {}\n", request.output,
                                 request.output);
}

void bootstrap_plan(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  if (!request.show.empty()) return show_rendered(request, *session, environment);
  if (auto fine = bootstrap::refuse_rendered(session->render_problems(), request.site); !fine) fail(fine.error());
  const Facts facts = read_site(*session, environment);
  const Plan plan = bootstrap::masked(bootstrap::with_all_hooks(session->plan(bring_up, facts), session->site().hooks), session->secrets());
  environment.out << (global.format == OutputFormat::kText ? bootstrap::plan_text(plan, request.dry_run)
                                                           : bootstrap::plan_json(plan) + "\n");
  if (request.exit_code && !plan.empty()) throw VerbFailure{kExitRefused, ""};
}

void bootstrap_apply(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  if (session->site().vms) {
    if (auto fine = bootstrap::refuse_rendered(session->render_problems(), request.site); !fine) fail(fine.error());
    const bool missing = ensure_machines(*session, request.dry_run, global, environment);
    if (missing && request.dry_run) {
      environment.err << "What is done on the machines shows once they are there: fairlead machine create --wait\n";
      return;
    }
  }
  carry_out(session, request, global, environment, {bring_up, true, false, {}});
}

void bootstrap_status(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  const Facts facts = must(session->read());
  const Plan plan = bootstrap::masked(session->plan(bring_up, facts), session->secrets());
  if (global.format == OutputFormat::kText) {
    environment.out << bootstrap_status_text(session->site(), facts, plan, environment.color);
  } else {
    print_json(bootstrap_status_json(session->site(), facts, plan), global, environment);
  }
}

void bootstrap_verify(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  // Once: what it looks at is not a state that could be reached.
  carry_out(request, global, environment,
            [](const PlanInput& input, unsigned rounds) { return rounds > 0 ? Plan{} : bootstrap::plan_verification(input); });
}

void bootstrap_reset(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const std::vector<std::string> names = request.machine.empty() ? std::vector<std::string>{} : std::vector<std::string>{request.machine};
  carry_out(request, global, environment, [&](const PlanInput& input, unsigned) { return bootstrap::plan_reset(input, names); });
}

void bootstrap_add_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto before = bootstrap::load_site_file(request.site);
  const bool there = before.site && before.site->find(request.machine) != nullptr;
  const bool described = !request.roles.empty() || !request.addresses.empty() || !request.labels.empty() || !request.taints.empty();
  const bootstrap::Planner planner = [&](const PlanInput& input, unsigned) { return bootstrap::plan_add_node(input, request.machine); };
  if (there && described)
    throw VerbFailure{kExitRefused, fmt::format("{} has a machine {} already: say add-node {} alone, or change the file", request.site,
                                                request.machine, request.machine)};
  if (there || !before.site) return carry_out(open_site(request, environment), request, global, environment, {planner, false, false, {}});
  if (request.roles.empty() || request.addresses.empty())
    throw VerbFailure{kExitUsage,
                      fmt::format("{} has no machine {}: give its --role and its --address NETWORK=ADDRESS, or write it into the "
                                  "file yourself",
                                  request.site, request.machine)};
  const auto text = must(read_small_file(request.site));
  const std::string with = site_with_machine(request, text.value_or(""));
  auto load = bootstrap::load_site_text(with, request.site);
  if (load.site && (load.site->find(request.machine) == nullptr || load.site->machines.size() != before.site->machines.size() + 1))
    throw VerbFailure{kExitFailed,
                      fmt::format("{} is not written so that a machine could be added to it here: do it by hand", request.site)};
  if (!load.site) environment.err << "with the new machine:\n";
  bool written = false;
  const auto write = [&] {
    if (written) return;
    struct stat info {};
    const mode_t mode = ::stat(request.site.c_str(), &info) == 0 ? info.st_mode & 07777U : 0644U;
    if (auto done = write_file_atomically(request.site, with, mode); !done) fail(done.error());
    written = true;
    if (global.format == OutputFormat::kText) environment.out << fmt::format("{} is written into {}.\n", request.machine, request.site);
  };
  const auto session = open_loaded_site(std::move(load), request, environment);
  carry_out(session, request, global, environment, {planner, false, false, write});
  if (!request.dry_run) write();  // Nothing was to be done: it was made ready by other means.
}

void bootstrap_remove_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  carry_out(request, global, environment,
            [&](const PlanInput& input, unsigned) { return bootstrap::plan_remove_node(input, request.machine); });
}

void bootstrap_replace_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  carry_out(request, global, environment,
            [&](const PlanInput& input, unsigned rounds) { return bootstrap::plan_replace_node(input, request.machine, rounds > 0); });
}

void bootstrap_upgrade(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  carry_out(request, global, environment, [](const PlanInput& input, unsigned) { return bootstrap::plan_upgrade(input); });
}

void bootstrap_renew_certs(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  carry_out(request, global, environment,
            [](const PlanInput& input, unsigned) { return bootstrap::plan_renew_certs(input, kRenewBelowDays); });
}

void bootstrap_certs(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  if (!request.sign_user.empty()) return bootstrap_sign_user(request, *session, environment);
  const Facts facts = must(session->read());
  if (global.format == OutputFormat::kText) {
    environment.out << bootstrap_certs_text(facts, environment.color);
  } else {
    print_json(bootstrap_certs_json(facts), global, environment);
  }
}

void bootstrap_kubeconfig(const BootstrapRequest& request, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  const auto text = must(session->state().read_secret("kubeconfig"));
  if (!text)
    throw VerbFailure{kExitFailed, "there is no kubeconfig in " + session->state().path() + " yet: fairlead bootstrap apply fetches it"};
  if (request.output.empty() || request.output == "-") {
    environment.out << *text;
    return;
  }
  if (auto written = write_file_atomically(request.output, *text, 0600); !written) fail(written.error());
  environment.out << fmt::format("kubectl --kubeconfig {} get nodes\n", request.output);
}

void bootstrap_unlock(const BootstrapRequest& request, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  auto* transport = must(session->transport());
  bool unreached = false;
  for (const auto& machine : session->site().machines) {
    auto freed = bootstrap::force_unlock(*transport, machine.name);
    if (!freed) {
      environment.err << fmt::format("{}: {}\n", machine.name, freed.error().message());
      unreached = true;
    } else if (!freed->empty()) {
      environment.out << fmt::format("{}: taken away from {}\n", machine.name, *freed);
    }
  }
  if (unreached) throw VerbFailure{kExitFailed, "not all machines were reached; a lock that nobody keeps ends by itself after a minute"};
}

void bootstrap_versions(CliEnvironment& environment) {
  environment.out << bootstrap::versions_text(utc_text(environment.clock.wall()).substr(0, 10));
}

}  // namespace fairlead::cli
