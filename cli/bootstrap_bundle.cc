// `fairlead bootstrap bundle`.
#include <boost/json.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <ostream>

#include "cli/bootstrap_run.h"
#include "cli/noted_signals.h"
#include "k8s-bootstrap/bundle/bundle_plan.h"
#include "k8s-bootstrap/machines/local_steps.h"
#include "k8s-bootstrap/render/apt_files.h"

namespace fairlead::cli {
namespace {

using bootstrap::HostStep;

void tell(const std::string& what, const GlobalOptions& global, CliEnvironment& environment) {
  if (global.format == OutputFormat::kText) {
    environment.out << what << "\n" << std::flush;
  } else {
    environment.out << boost::json::serialize(boost::json::object{{"what", what}}) << "\n" << std::flush;
  }
}

const std::vector<bootstrap::LocalProgram> kNeeded{
    {"apt-get", "apt"},  {"apt-ftparchive", "apt-utils"}, {"dpkg-deb", "dpkg"}, {"curl", "curl"}, {"gpg", "gpg"}, {"tar", "tar"},
    {"skopeo", "skopeo"}};

}  // namespace

void bootstrap_bundle(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  BootstrapRequest absolute = request;  // apt takes a name without a slash for one of its archive.
  if (!request.package.empty()) absolute.package = std::filesystem::absolute(request.package).string();
  const auto session = bootstrap_open_site(absolute, environment);
  const bootstrap::Site& site = session->site();
  const std::filesystem::path beside = std::filesystem::path(request.site).parent_path() / (site.name + ".bundle");
  const std::string folder = !request.output.empty()        ? request.output
                             : !site.mirrors.bundle.empty() ? site.mirrors.bundle
                                                            : beside.string();
  const bootstrap::BundlePlaces places{.folder = std::filesystem::absolute(folder).lexically_normal().string(),
                                       .release = !request.release.empty()                     ? request.release
                                                  : site.image && !site.image->release.empty() ? site.image->release
                                                                                               : "bookworm",
                                       .images = request.images};
  const auto steps = bootstrap_must(bootstrap::plan_bundle(site, session->texts(bootstrap::Facts{}), places));
  if (request.dry_run) {
    for (const HostStep& step : steps) environment.out << bootstrap::step_text(step) << "\n";
    return;
  }
  if (auto there = bootstrap::need_programs(kNeeded); !there) bootstrap_fail(there.error());
  const bootstrap::SystemKeyring keyring = bootstrap::system_keyring(bootstrap::os_of_codename(places.release));
  if (!std::filesystem::exists(keyring.path))
    throw VerbFailure{kExitFailed, fmt::format("{} is not on this machine. Install it (package {})", keyring.path, keyring.package)};
  const NotedSignals noted;
  std::string said;  // What is said of a step that has more than one part is said once.
  const bootstrap::LocalWorld world{.run =
                                        [&](const ProgramCall& asked) {
                                          ProgramCall call = asked;
                                          call.on_output = [&](std::string_view text) {
                                            if (text.starts_with("image "))
                                              tell("  " + std::string(text.substr(0, text.find('\n'))), global, environment);
                                            return !NotedSignals::came();
                                          };
                                          return fairlead::run_program(call);
                                        },
                                    .stop = [] { return NotedSignals::came(); },
                                    .on_step =
                                        [&](const HostStep& step) {
                                          if (step.what != said) tell(step.what, global, environment);
                                          said = step.what;
                                        }};
  if (auto made = bootstrap::carry_out(steps, world); !made) bootstrap_fail(made.error());
  tell(fmt::format("{0} is there; the site names it: mirrors: {{bundle: {0}}}", places.folder), global, environment);
}

}  // namespace fairlead::cli
