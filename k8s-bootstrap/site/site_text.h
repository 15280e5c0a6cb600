// fairlead: pure
// A Site as the text of its file, for those that Fairlead writes from what it found. What has its default is not written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// Comments; each without its "# ".
struct SiteRemarks {
  std::vector<std::string> head;                             ///< Lines above everything.
  std::map<std::string, std::vector<std::string>> sections;  ///< Key of the root -> lines above it.
  std::map<std::string, std::string> machines;               ///< Name -> behind its line.
};

/// load_site() of it gives the same site. Values of the environment are not known as such: none may be in `site`.
[[nodiscard]] std::string site_text(const Site& site, const SiteRemarks& remarks = {});

}  // namespace fairlead::bootstrap
