#include "cli/image_verbs.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <ostream>

#include "admin/json_text.h"
#include "cli/bootstrap_run.h"
#include "cli/noted_signals.h"
#include "cli/text_table.h"
#include "cli/yaml_text.h"
#include "config/nearest.h"
#include "k8s-bootstrap/image/image_builder.h"
#include "k8s-bootstrap/machines/machine_host.h"

namespace fairlead::cli {
namespace {

using bootstrap::HostStep;
using bootstrap::Image;
using bootstrap::ImageFound;
using bootstrap::ImagePlaces;
using bootstrap::LocalWorld;
using bootstrap::SiteSession;

constexpr Duration kGrowMax = std::chrono::minutes(5);

std::unique_ptr<SiteSession> open_site(const ImageRequest& request, CliEnvironment& environment) {
  BootstrapRequest as_bootstrap;
  as_bootstrap.site = request.site;
  return bootstrap_open_site(as_bootstrap, environment);
}

Image image_of(const SiteSession& session) {
  if (!session.site().image)
    throw VerbFailure{kExitInvalidConfig, "the site has no section image: add image: {name: base, release: bookworm}"};
  return bootstrap::whole_image(*session.site().image);
}

std::string images_folder(const SiteSession& session) {
  return bootstrap::vm_place(session.site(), session.state().path(), bootstrap::libvirt_uri()).images;
}

void tell(const std::string& what, const GlobalOptions& global, CliEnvironment& environment) {
  if (global.format == OutputFormat::kText) {
    environment.out << what << "\n" << std::flush;
  } else {
    environment.out << boost::json::serialize(boost::json::object{{"what", what}}) << "\n" << std::flush;
  }
}

}  // namespace

void image_build(const ImageRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  const Image image = image_of(*session);
  const NotedSignals noted;
  const LocalWorld world{.run = fairlead::run_program,
                         .stop = [] { return NotedSignals::came(); },
                         .on_step = [&](const HostStep& step) { tell(step.what, global, environment); }};
  ImagePlaces places{images_folder(*session), session->site().mirrors.debian};
  if (session->site().vms && session->site().vms->driver == "virtualbox") places.kernel = bootstrap::kWholeKernel;
  if (request.dry_run) {
    const auto build = bootstrap::plan_image(image, places);
    for (const auto* steps : {&build.make, &build.finish}) {
      for (const HostStep& step : *steps) environment.out << bootstrap::step_text(step) << "\n";
    }
    return;
  }
  places.kvm = bootstrap::has_kvm(world);
  if (!places.kvm) environment.err << "no KVM here: the builder VM is emulated, which takes some minutes\n";
  if (auto built = bootstrap::build_image(image, places, world); !built) bootstrap_fail(built.error());
  tell(fmt::format("{}/{}.qcow2 is there", places.images, image.name), global, environment);
}

void image_list(const ImageRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  const std::vector<ImageFound> found = bootstrap_must(bootstrap::list_images(images_folder(*session)));
  TextTable table({"IMAGE", ">SIZE", ">PACKAGES", "KERNEL", "FILE"});
  boost::json::array list;
  for (const ImageFound& image : found) {
    table.row({{image.name},
               {bytes_text(image.bytes)},
               {image.packages ? std::to_string(*image.packages) : "-"},
               {image.kernel.empty() ? "-" : image.kernel},
               {image.file}});
    boost::json::object one{{"name", image.name}, {"file", image.file}, {"bytes", image.bytes}, {"kernel", image.kernel}};
    if (image.packages) one["packages"] = *image.packages;
    list.push_back(std::move(one));
  }
  if (global.format == OutputFormat::kText) {
    environment.out << (found.empty() ? "There is no image yet: fairlead image build makes the site's\n" : table.text(environment.color));
  } else if (global.format == OutputFormat::kYaml) {
    environment.out << yaml_text(list);
  } else {
    environment.out << admin::json_text(list, admin::JsonStyle::kPretty) << "\n";
  }
}

void image_grow(const ImageRequest& request, const GlobalOptions& global, CliEnvironment& environment) {
  const auto session = open_site(request, environment);
  const std::string script = bootstrap::grow_now_script(image_of(*session));
  std::vector<std::string> known;
  for (const auto& machine : session->site().machines) known.push_back(machine.name);
  for (const std::string& name : request.machines) {
    if (session->site().find(name) == nullptr)
      throw VerbFailure{kExitUsage, fmt::format("there is no machine '{}' in the site ({})", name, config::suggest(name, known))};
  }
  if (request.dry_run) {
    environment.out << script;
    return;
  }
  auto* transport = bootstrap_must(session->transport());
  std::string failed;
  for (const std::string& name : request.machines) {
    auto answer = transport->run(name, {.script = script, .input = {}, .timeout = kGrowMax, .secret = false});
    if (!answer) {
      failed += fmt::format("\n  {}: {}", name, answer.error().context);
      continue;
    }
    std::string rest = answer->output;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
      tell(fmt::format("{:<12} {}", name, rest.substr(0, end - 1)), global, environment);
      rest.erase(0, end);
    }
    if (answer->exit_code != 0)
      failed += fmt::format("\n  {}: {}", name, answer->errors.empty() ? "its volumes did not grow" : answer->errors);
  }
  if (!failed.empty()) throw VerbFailure{kExitFailed, "not every machine grew:" + failed};
}

}  // namespace fairlead::cli
