#include "cli/machine_verbs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <ostream>

#include "admin/json_text.h"
#include "base/run_program.h"
#include "cli/bootstrap_run.h"
#include "cli/noted_signals.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"
#include "config/nearest.h"
#include "k8s-bootstrap/machines/machine_host.h"

namespace fairlead::cli {
namespace {

using bootstrap::HostFacts;
using bootstrap::HostPlan;
using bootstrap::HostStep;
using bootstrap::HostWorld;
using bootstrap::Machine;
using bootstrap::MachineHost;
using bootstrap::MachineNames;
using bootstrap::SeedWish;
using bootstrap::SiteSession;
using bootstrap::Vm;
using bootstrap::VmFound;
using bootstrap::VmState;

constexpr Duration kReadyMax = std::chrono::minutes(20);
constexpr Duration kLookAgain = std::chrono::seconds(2);

/// A site that is open, and its VMs' host.
class Work {
 public:
  Work(SiteSession& session, const GlobalOptions& global, CliEnvironment& environment)
      : session_(session),
        global_(global),
        environment_(environment),
        world_{.run = fairlead::run_program,
               .pause = [&](Duration d) { return environment.pause(d); },
               .stop = [] { return NotedSignals::came(); },
               .on_step = [this](const HostStep& step) { say(step); },
               .clock = environment.clock} {}

  void open(SeedWish wish) {
    if (!session_.site().vms) throw VerbFailure{kExitInvalidConfig, "the site has no section vms: its machines exist, Fairlead makes none"};
    host_ = bootstrap_must(MachineHost::open(session_.site(), session_.state(), world_, wish));
    facts_ = bootstrap_must(host_->runner().look(host_->site()));
  }

  [[nodiscard]] MachineNames names(const std::vector<std::string>& wanted) const {
    MachineNames out;
    std::vector<std::string> known;
    for (const Machine& machine : session_.site().machines) known.push_back(machine.name);
    if (wanted.empty()) return {known.begin(), known.end()};
    for (const std::string& name : wanted) {
      if (session_.site().find(name) == nullptr)
        throw VerbFailure{kExitUsage, fmt::format("there is no machine '{}' in the site ({})", name, config::suggest(name, known))};
      out.insert(name);
    }
    return out;
  }

  /// Carries it out, or shows it. Ends the verb when something stands in the way; the rest is done first.
  void carry_out(const HostPlan& plan, bool dry_run) {
    if (dry_run) {
      show(plan);
    } else {
      const NotedSignals noted;
      if (auto done = host_->runner().carry_out(host_->site(), plan); !done) bootstrap_fail(done.error());
    }
    for (const std::string& remark : plan.remarks) environment_.err << remark << "\n";
    refuse(plan);
  }

  void refuse(const HostPlan& plan) const {
    if (plan.obstacles.empty()) return;
    std::string text = "not everything could be done:";
    for (const auto& obstacle : plan.obstacles) text += fmt::format("\n  {}: {} ({})", obstacle.machine, obstacle.reason, obstacle.remedy);
    throw VerbFailure{kExitRefused, text};
  }

  /// A machine that is made anew has another host key than the one before.
  void forget_keys(const MachineNames& names) {
    for (const std::string& name : names) {
      if (auto forgotten = bootstrap::forget_host_key(session_.state(), name); !forgotten) bootstrap_fail(forgotten.error());
    }
  }
  [[nodiscard]] MachineNames to_be_made(const MachineNames& names) const {
    MachineNames out;
    for (const std::string& name : names) {
      const VmFound& found = facts_.vms.at(name);
      if (found.state == VmState::kHalfMade || (found.state == VmState::kAbsent && found.disks.empty())) out.insert(name);
    }
    return out;
  }

  void wait_until_ready(MachineNames names) {
    auto transport = bootstrap_must(session_.transport());
    const Instant end = environment_.clock.now() + kReadyMax;
    std::map<std::string, std::string> said;
    while (!names.empty()) {
      for (const Machine& machine : session_.site().machines) {
        if (!names.contains(machine.name)) continue;
        const bootstrap::Readiness readiness = bootstrap::look_whether_ready(*transport, machine.name);
        if (readiness.failed) throw VerbFailure{kExitFailed, fmt::format("{}: {}", machine.name, readiness.why)};
        if (readiness.ready) {
          tell(machine.name, "is ready");
          names.erase(machine.name);
        } else if (said[machine.name] != readiness.why) {
          said[machine.name] = readiness.why;
          environment_.err << fmt::format("{:<12} waits: {}\n", machine.name, readiness.why);
        }
      }
      if (names.empty()) return;
      if (environment_.clock.now() >= end)
        throw VerbFailure{kExitFailed, fmt::format("{} did not get ready: {}. fairlead machine console {} shows its screen", *names.begin(),
                                                   said[*names.begin()], *names.begin())};
      if (!environment_.pause(kLookAgain)) throw VerbFailure{kExitFailed, "not waited for any longer"};
    }
  }

  void print_list(const std::vector<std::string>& wanted) const {
    const MachineNames chosen = names(wanted);
    TextTable table({"MACHINE", "STATE", "VM", ">CPUS", ">MEMORY", ">DISK", "ADDRESS"});
    boost::json::array list;
    for (const Vm& vm : host_->site().vms) {
      if (!chosen.contains(vm.machine)) continue;
      const VmFound& found = facts_.vms.at(vm.machine);
      const std::string address = session_.site().find(vm.machine)->address().to_string();
      const Tone tone = found.state == VmState::kRunning ? Tone::kGood : found.state == VmState::kForeign ? Tone::kBad : Tone::kPlain;
      table.row({{vm.machine},
                 {std::string(to_string(found.state)), tone},
                 {vm.name},
                 {std::to_string(vm.cpus)},
                 {bytes_text(vm.memory)},
                 {bytes_text(vm.disks.front().bytes)},
                 {address}});
      boost::json::object macs;
      for (const auto& nic : vm.nics) macs[nic.network.name] = nic.mac;
      list.push_back(boost::json::object{{"machine", vm.machine},
                                         {"state", std::string(to_string(found.state))},
                                         {"detail", found.detail},
                                         {"vm", vm.name},
                                         {"uuid", vm.uuid},
                                         {"cpus", vm.cpus},
                                         {"memory_bytes", vm.memory},
                                         {"disk_bytes", vm.disks.front().bytes},
                                         {"address", address},
                                         {"mac", std::move(macs)}});
    }
    if (global_.format == OutputFormat::kText) {
      environment_.out << table.text(environment_.color);
    } else if (global_.format == OutputFormat::kYaml) {
      environment_.out << yaml_text(list);
    } else {
      environment_.out << admin::json_text(list, admin::JsonStyle::kPretty) << "\n";
    }
  }

  void tell(const std::string& machine, const std::string& what) {
    if (global_.format == OutputFormat::kText) {
      environment_.out << fmt::format("{:<12} {}\n", machine.empty() ? "-" : machine, what) << std::flush;
    } else {
      environment_.out << boost::json::serialize(boost::json::object{{"machine", machine}, {"what", what}}) << "\n" << std::flush;
    }
  }

  [[nodiscard]] MachineHost& host() { return *host_; }
  [[nodiscard]] const HostFacts& facts() const { return facts_; }

 private:
  void say(const HostStep& step) {
    if (step.kind != HostStep::Kind::kRename && step.kind != HostStep::Kind::kMakeFolder && step.kind != HostStep::Kind::kWrite)
      tell(step.machine, step.what);
  }
  void show(const HostPlan& plan) {
    if (plan.steps.empty()) return tell("", "nothing to do");
    for (const HostStep& step : plan.steps) {
      if (global_.format == OutputFormat::kText) {
        environment_.out << bootstrap::step_text(step) << "\n";
      } else {
        environment_.out << boost::json::serialize(boost::json::object{
                                {"machine", step.machine}, {"what", step.what}, {"command", bootstrap::step_text(step)}})
                         << "\n";
      }
    }
  }

  SiteSession& session_;
  const GlobalOptions& global_;
  CliEnvironment& environment_;
  HostWorld world_;
  std::unique_ptr<MachineHost> host_;
  HostFacts facts_;
};

std::unique_ptr<SiteSession> open_site(const MachineRequest& request, CliEnvironment& environment) {
  BootstrapRequest as_bootstrap;
  as_bootstrap.site = request.site;
  return open_loaded_site(bootstrap::load_site_file(request.site), as_bootstrap, environment);
}

/// Data that goes is confirmed by each machine's name, on the command line or by typing it.
void confirm_destroy(const MachineRequest& request, const MachineNames& names, const Work& work, CliEnvironment& environment) {
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const VmFound& found = work.facts().vms.at(name);
    const bool nothing = found.state == VmState::kForeign || (found.state == VmState::kAbsent && !found.folder);
    const auto& given = request.yes_destroy;
    if (nothing || std::find(given.begin(), given.end(), name) != given.end()) continue;
    if (environment.interactive) {
      environment.err << fmt::format("The VM of {} is destroyed, with all data of its disks. Type its name to go on: ", name) << std::flush;
      if (environment.read_line() == name) continue;
      throw VerbFailure{kExitRefused, "nothing was done"};
    }
    missing.push_back(name);
  }
  if (missing.empty()) return;
  std::string options;
  for (const std::string& name : missing) options += " --yes-destroy " + name;
  throw VerbFailure{kExitRefused, fmt::format("data of {} would be destroyed. If that is meant, add{}", fmt::join(missing, ", "), options)};
}

}  // namespace

void machine_list(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  Work work(*session, global, environment);
  work.open(SeedWish::kNone);
  work.print_list(request.machines);
}

void machine_create(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  Work work(*session, global, environment);
  work.open(request.dry_run ? SeedWish::kToShow : SeedWish::kToWrite);
  const MachineNames names = work.names(request.machines);
  const HostPlan plan = bootstrap::plan_create(work.host().site(), work.facts(), work.host().driver(), names);
  if (!request.dry_run) work.forget_keys(work.to_be_made(names));
  work.carry_out(plan, request.dry_run);
  if (request.dry_run) return;
  if (plan.steps.empty()) work.tell("", "nothing to do: they run");
  if (request.wait) work.wait_until_ready(names);
}

void machine_start(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  Work work(*session, global, environment);
  work.open(SeedWish::kNone);
  const MachineNames names = work.names(request.machines);
  const HostPlan plan = bootstrap::plan_start(work.host().site(), work.facts(), work.host().driver(), names);
  work.carry_out(plan, request.dry_run);
  if (!request.dry_run && plan.steps.empty()) work.tell("", "nothing to do: they run");
  if (!request.dry_run && request.wait) work.wait_until_ready(names);
}

void machine_stop(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  Work work(*session, global, environment);
  work.open(SeedWish::kNone);
  const HostPlan plan =
      bootstrap::plan_stop(work.host().site(), work.facts(), work.host().driver(), work.names(request.machines), global.force);
  work.carry_out(plan, request.dry_run);
  if (!request.dry_run && plan.steps.empty()) work.tell("", "nothing to do: none runs");
}

void machine_destroy(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  Work work(*session, global, environment);
  work.open(SeedWish::kNone);
  const MachineNames names = work.names(request.machines);
  const HostPlan plan = bootstrap::plan_destroy(work.host().site(), work.facts(), work.host().driver(), names);
  if (!request.dry_run) {
    work.refuse(plan);
    confirm_destroy(request, names, work, environment);
    work.forget_keys(names);
  }
  work.carry_out(plan, request.dry_run);
  if (!request.dry_run && plan.steps.empty()) work.tell("", "nothing to do: there are none");
}

void machine_console(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  Work work(*session, global, environment);
  work.open(SeedWish::kNone);
  const MachineNames names = work.names({request.machine});
  const VmFound& found = work.facts().vms.at(request.machine);
  if (found.state != VmState::kRunning && found.state != VmState::kPaused)
    throw VerbFailure{kExitFailed, fmt::format("{} is {}: it has no screen", request.machine, to_string(found.state))};
  const auto command = work.host().driver().console(*work.host().site().find(request.machine));
  environment.err << fmt::format("Screen of {}; Ctrl-] leaves it\n", request.machine) << std::flush;
  bootstrap_fail(environment.replace_process(command));
}

void machine_seeds(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  if (!session->site().vms) throw VerbFailure{kExitInvalidConfig, "the site has no section vms: its machines exist, and are told nothing"};
  const auto seeds = bootstrap_must(bootstrap::seeds_of(session->site(), session->state()));
  for (const auto& [machine, seed] : seeds) {
    const std::string folder = request.folder + "/" + machine;
    for (const auto& [name, text] : {std::pair<const char*, std::string>{"user-data", seed.user_data},
                                     {"meta-data", seed.meta_data},
                                     {"network-config", seed.network_config},
                                     {"vendor-data", ""}}) {
      if (auto written = bootstrap::write_seed_file(folder, name, text); !written) bootstrap_fail(written.error());
    }
    if (global.format == OutputFormat::kText) environment.out << folder << "\n";
  }
}

bool ensure_machines(SiteSession& session, bool dry_run, const GlobalOptions& global, CliEnvironment& environment) {
  Work work(session, global, environment);
  work.open(dry_run ? SeedWish::kToShow : SeedWish::kToWrite);
  const MachineNames names = work.names({});
  const HostPlan plan = bootstrap::plan_create(work.host().site(), work.facts(), work.host().driver(), names);
  if (plan.steps.empty() && plan.obstacles.empty()) return false;
  if (!dry_run) work.forget_keys(work.to_be_made(names));
  work.carry_out(plan, dry_run);
  if (!dry_run) work.wait_until_ready(names);
  return true;
}

}  // namespace fairlead::cli
