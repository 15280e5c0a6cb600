// fairlead: pure
#include "lab/poll_until.h"

#include <fmt/format.h>

namespace fairlead::lab {

Status poll_until(const PollPlan& plan, const std::function<Result<std::string>()>& missing) {
  const Instant end = plan.clock.now() + plan.limit;
  for (;;) {
    const auto still = missing();
    if (!still) return still.error();
    if (still->empty()) return {};
    if (plan.clock.now() >= end) return Error{Errc::kTimeout, fmt::format("after {:g} s still: {}", to_seconds(plan.limit), *still)};
    plan.pause();
  }
}

}  // namespace fairlead::lab
