// `fairlead bootstrap adopt`: from a cluster that exists to the site file whose next plan leaves it as it is.
#include <fmt/format.h>
#include <mutex>
#include <ostream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/atomic_file.h"
#include "cli/bootstrap_run.h"
#include "config/problem.h"
#include "k8s-bootstrap/adopt/adopt_reader.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_text.h"

namespace fairlead::cli {
namespace {

using bootstrap::Adopted;
using bootstrap::AdoptInput;
using bootstrap::Role;

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

/// "site.yaml" -> "./site.state"
std::string state_dir_beside(const std::string& site_file) {
  std::string name = site_file.substr(folder_of(site_file).size());
  if (const auto dot = name.rfind('.'); dot != std::string::npos && dot > 0) name.resize(dot);
  return "./" + name + ".state";
}

std::vector<bootstrap::AdoptTarget> targets_of(const std::vector<std::string>& words) {
  std::vector<bootstrap::AdoptTarget> out;
  for (const std::string& word : words) {
    const auto equal = word.find('=');
    const auto address = parse_ip_address(equal == std::string::npos ? std::string() : word.substr(equal + 1));
    if (equal == 0 || !address)
      throw VerbFailure{kExitUsage, fmt::format("--machine {}: write it as NAME=ADDRESS, as in mast-1=192.168.1.11", word)};
    out.push_back({word.substr(0, equal), *address, true});
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
      if (out[i].name == out.back().name) throw VerbFailure{kExitUsage, fmt::format("--machine {}: that name was given before", word)};
    }
  }
  return out;
}

void write_new(const std::string& path, const std::string& text) {
  const auto there = bootstrap_must(read_small_file(path, std::size_t{16} << 20U));
  if (there && *there != text) throw VerbFailure{kExitRefused, path + " is there already and is another one; move it away"};
  if (there) return;
  if (const std::string folder = folder_of(path);
      !folder.empty() && ::access(folder.c_str(), F_OK) != 0 && ::mkdir(folder.c_str(), 0755) != 0)
    bootstrap_fail(errno_error("make " + folder));
  if (auto written = write_file_atomically(path, text, 0644); !written) bootstrap_fail(written.error());
}

std::string counted(const bootstrap::Site& site) {
  std::string out;
  for (const auto& [role, one, many] : {std::tuple{Role::kGateway, "gateway", "gateways"},
                                        {Role::kControlPlane, "control plane", "control planes"},
                                        {Role::kWorker, "worker", "workers"}}) {
    const std::size_t count = site.with(role).size();
    if (count > 0) out += fmt::format(", {} {}", count, count == 1 ? one : many);
  }
  return out;
}

/// The administrator's kubeconfig, as `apply` fetches it after an init.
void fetch_kubeconfig(bootstrap::SiteSession& session, const bootstrap::Facts& facts) {
  const auto there = bootstrap_must(session.state().read_secret("kubeconfig"));
  if (there || !facts.cluster) return;
  auto* transport = bootstrap_must(session.transport());
  const auto fetched = transport->fetch(facts.cluster->from, std::string(bootstrap::kAdminConf), session.state().path("kubeconfig"));
  if (!fetched) bootstrap_fail(fetched.error());
}

bootstrap::Plan plan_of(bootstrap::SiteSession& session, const bootstrap::Facts& facts) {
  return session.plan([](const bootstrap::PlanInput& input, unsigned) { return bootstrap::plan_bring_up(input); }, facts);
}

AdoptInput read_cluster(const BootstrapRequest& request, const std::string& site_file, CliEnvironment& environment) {
  AdoptInput input;
  input.targets = targets_of(request.machines);
  input.ssh.user = request.user;
  input.ssh.key = request.key;
  input.ssh.port = request.port;
  input.ssh.jump = request.jump;
  input.state_dir = state_dir_beside(site_file);
  const auto state = bootstrap_must(bootstrap::StateDir::open(bootstrap::state_dir_path(site_file, input.state_dir)));
  std::mutex mutex;
  const auto read =
      bootstrap::read_for_adoption(input, state.path("known_hosts"), environment.clock, [&](const std::string& name, const Error* error) {
        const std::lock_guard<std::mutex> lock(mutex);
        environment.err << (error == nullptr ? name + ": read" : error->message()) << "\n";
      });
  if (!read) bootstrap_fail(read.error());
  return input;
}

}  // namespace

void bootstrap_adopt(const BootstrapRequest& given, const GlobalOptions&, CliEnvironment& environment) {
  BootstrapRequest request = given;
  request.site = given.output.empty() ? "site.yaml" : given.output;
  if (::access(request.site.c_str(), F_OK) == 0)
    throw VerbFailure{kExitRefused, request.site + " is there already; name another file with --output"};
  const AdoptInput input = read_cluster(request, request.site, environment);
  Adopted adopted = bootstrap_must(bootstrap::adopt_site(input));
  for (const auto& [path, text] : adopted.files) write_new(folder_of(request.site) + path, text);
  const auto write = [&] {
    if (auto written = write_file_atomically(request.site, site_text(adopted.site, adopted.remarks), 0644); !written)
      bootstrap_fail(written.error());
  };
  write();
  const auto tell_left = [&] {
    if (adopted.left.empty()) return;
    environment.out << "not carried over:\n";
    for (const std::string& line : adopted.left) environment.out << "  " << line << "\n";
  };
  auto load = bootstrap::load_site_file(request.site);
  if (!load.site) {
    for (const auto& problem : load.problems) environment.err << config::format(problem) << "\n";
    tell_left();
    throw VerbFailure{kExitInvalidConfig,
                      request.site + " has what was read, and is no valid site yet: mend what is said above, then plan"};
  }
  auto problems = std::exchange(load.problems, {});
  auto session = open_loaded_site(std::move(load), request, environment);
  const bootstrap::Facts facts = bootstrap_must(session->read());
  fetch_kubeconfig(*session, facts);
  bootstrap::Plan plan = plan_of(*session, facts);
  if (bootstrap::keep_as_prepared(adopted, plan) > 0) {
    write();
    load = bootstrap::load_site_file(request.site);
    problems = std::exchange(load.problems, {});
    session = open_loaded_site(std::move(load), request, environment);
    plan = plan_of(*session, facts);
  }
  for (const auto& problem : problems) environment.err << config::format(problem) << "\n";
  environment.out << fmt::format("{}: cluster {}, Kubernetes {}{}\n", request.site, adopted.site.name, adopted.site.versions.kubernetes,
                                 counted(adopted.site));
  tell_left();
  environment.out << (plan.empty() ? "The next plan is empty.\n" : "The next plan:\n" + bootstrap::plan_text(plan, false));
}

}  // namespace fairlead::cli
