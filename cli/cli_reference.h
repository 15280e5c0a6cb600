// fairlead: pure
// docs/reference/cli.md, made from the verbs.
#pragma once

#include <string>

#include "cli/verb_model.h"

namespace fairlead::cli {

[[nodiscard]] std::string cli_reference(const VerbModel& program);

}  // namespace fairlead::cli
