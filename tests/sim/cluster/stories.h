// The stories that need a script: rules that random faults meet too seldom.
#pragma once

#include "tests/sim/cluster/strikes.h"

namespace fairlead::vip::sim {

inline constexpr std::uint32_t kStories = 16;
[[nodiscard]] const char* story_name(std::uint32_t which);
/// The site the story needs.
void adapt(std::uint32_t which, SiteOptions& options);
void tell(std::uint32_t which, Site& site, Strikes& strikes);
/// After a story: nothing is broken, wished for or configured differently any more.
void mend(Site& site, Strikes& strikes);

}  // namespace fairlead::vip::sim
