#include <cstdlib>

#include "base/system_clock.h"
#include "base/utc_text.h"
#include "config/load.h"
#include "k8s-bootstrap/site/site_load.h"

namespace fairlead::bootstrap {

SiteLoad load_site_file(const std::string& path) {
  const auto failed = [&](std::string message) {
    SiteLoad out;
    out.problems.push_back({path, 1, 1, config::Severity::kError, std::move(message),
                            "check the path; `fairlead bootstrap init` writes a site to start from"});
    return out;
  };
  const auto text = config::read_text_file(path);
  if (!text) return failed(text.error().message());
  return load_site_text(*text, path);
}

SiteLoad load_site_text(std::string_view text, const std::string& path) {
  SiteContext context;
  context.environment = [](std::string_view name) -> std::optional<std::string> {
    const char* value = ::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
  context.today = utc_text(SystemClock().wall()).substr(0, 10);
  return load_site(text, path, context);
}

}  // namespace fairlead::bootstrap
