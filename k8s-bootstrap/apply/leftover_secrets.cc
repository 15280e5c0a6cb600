// fairlead: pure
#include "k8s-bootstrap/apply/leftover_secrets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8s-bootstrap/apply/step_record.h"
#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {
namespace {

/// .new.*: what arrived in part, or was not begun. Only its own session works in one, and that fails without it: nothing of it runs.
constexpr std::string_view kSweep = R"SH(
gone() { for f in "$@"; do if [ -e "$f" ] || [ -L "$f" ]; then rm -f "$f" || return 1; fi; done; }
sweep() {
  busy=no
  for d in "$folder"/runs/*/.new.*; do
    if [ -d "$d" ]; then rm -rf "$d" || return 1; fi
  done
  for d in "$folder"/runs/*/*/; do
    d=${d%/}
    [ -f "$d/step" ] || continue
    look
    if [ $s = running ]; then busy=yes; continue; fi
    gone "$d/script" "$d/input" || return 1
    if [ -e "$d/secret" ]; then gone "$d/out" "$d/err" || return 1; fi
  done
  [ $busy = no ] || return 0
  for name in $work_files; do gone "$folder/$name" "$folder/$name.fairlead-new" || return 1; done
}
)SH";

}  // namespace

std::string sweep_function() { return fmt::format("work_files='{}'\n{}{}", fmt::join(kSecretWorkFiles, " "), kLookFunction, kSweep); }

}  // namespace fairlead::bootstrap
