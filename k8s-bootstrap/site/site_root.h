// fairlead: pure
// What the table of a site fills.
#pragma once

#include <string>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct SiteRoot {
  std::string api_version;
  std::string kind;
  Site site;
};

}  // namespace fairlead::bootstrap
