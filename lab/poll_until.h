// fairlead: pure
// Waiting for something that tells nobody when it comes, with an end by the clock: one look may take as long as a daemon does not answer.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::lab {

struct PollPlan {
  const Clock& clock;
  Duration limit;               ///< From the call on.
  std::function<void()> pause;  ///< Between two looks.
};
/// `missing`: what is still missing, empty when nothing is; an error ends the waiting. Looks at least once.
/// Errors: kTimeout (says what is missing), those of `missing`.
[[nodiscard]] Status poll_until(const PollPlan& plan, const std::function<Result<std::string>()>& missing);

}  // namespace fairlead::lab
