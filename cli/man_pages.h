// fairlead: pure
// The manual pages: fairlead(1) and one for each verb with verbs of its own from the command tree, fairlead.yaml(5) from the schema,
// fairleadd(8) from base/daemon_options.h.
#pragma once

#include <map>
#include <string>

#include "cli/verb_model.h"

namespace fairlead::cli {

/// File names ("fairlead-vip.1") with their text. `date`: YYYY-MM-DD, shown at the foot of each page.
[[nodiscard]] std::map<std::string, std::string> manual_pages(const VerbModel& program, const std::string& date);

}  // namespace fairlead::cli
