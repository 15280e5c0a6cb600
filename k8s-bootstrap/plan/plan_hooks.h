// fairlead: pure
// The site's hooks as steps of a plan, so that they are shown, journalled and watched like all others. A plan without steps has none: where
// nothing is done nobody is told.
//
//   HK1  before_apply: nothing else begins before they are done; one that fails stops the run with nothing changed.
//   HK2  after_machine: after the last step of each machine that has one in this plan.
//   HK3  after_apply: in a plan of their own, when nothing is left to do (apply_loop.h); with_hooks shows them at the end.
#pragma once

#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// before_apply where `begins` (the first plan of a run), after_machine. Those of one kind run one after the other, as they stand.
[[nodiscard]] Plan with_hooks(Plan plan, const SiteHooks& hooks, bool begins);
/// after_apply alone.
[[nodiscard]] Plan hooks_after_apply(const SiteHooks& hooks);
/// All of them, as a run of `plan` that ends well carries them out.
[[nodiscard]] Plan with_all_hooks(Plan plan, const SiteHooks& hooks, bool begins = true);

}  // namespace fairlead::bootstrap
