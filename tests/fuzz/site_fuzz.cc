// Any bytes as a site: problems with places or a site, never a crash or a hang; no value of the environment in a problem.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "config/limits.h"
#include "k8s-bootstrap/site/site_load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::bootstrap;
  static constexpr std::string_view kSecret = "kanarienvogel";
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  SiteContext context;
  context.today = "2026-11-01";
  context.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "UNSET") return std::nullopt;
    return std::string(kSecret);
  };
  const SiteLoad result = load_site(text, "fuzz", context);
  FL_ASSERT(result.site.has_value() != fairlead::config::has_errors(result.problems));
  FL_ASSERT(result.problems.size() <= fairlead::config::kProblemsMax + 1);
  const bool given = text.find(kSecret) != std::string_view::npos;  // In the file itself it is no secret.
  for (const auto& problem : result.problems) {
    FL_ASSERT(problem.line >= 1 && problem.column >= 1 && !problem.message.empty());
    const std::string line = format(problem);
    FL_ASSERT(line.find('\n') == std::string::npos);
    FL_ASSERT(given || result.secrets.empty() || line.find(kSecret) == std::string::npos);
  }
  if (!result.site) return 0;
  for (const Machine& machine : result.site->machines) FL_ASSERT(!machine.roles.empty() && !machine.address().is_unspecified());
  return 0;
}
