// What no person types: the question behind every completion script, and the writing of the manual pages for the package.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/invocation.h"
#include "cli/verb_model.h"

namespace fairlead::cli {

inline constexpr std::string_view kCompleteVerb = "__complete";
inline constexpr std::string_view kManualVerb = "__man";

/// `__complete SHELL -- WORD...`. Names are asked of the daemon that the words lead to, for a moment; when it does not answer there are
/// none. Never complains: a person is in the middle of a line. Returns the exit code.
[[nodiscard]] int answer_completion(const VerbModel& program, const std::vector<std::string>& arguments, CliEnvironment& environment);

/// `__man DIR [DATE]`: every manual page into a folder, which is made. `DATE`: YYYY-MM-DD, default: today. Throws VerbFailure.
void write_manual(const VerbModel& program, const std::vector<std::string>& arguments, CliEnvironment& environment);

}  // namespace fairlead::cli
