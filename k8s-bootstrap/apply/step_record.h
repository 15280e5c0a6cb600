// fairlead: pure
// What one run of a script leaves on the machine, so that it is never run twice and always found again:
//
//   /var/lib/fairlead/bootstrap/runs/RUN/STEP.N/   0700; STEP with everything but letters, digits, '.', '_' and '-' as %XX
//     step      "mast-2/join.0": the step and the number of the operation in it
//     seq       the machine counts its records: a later one has a higher number, whatever the clocks of machines and operators say
//     digest    of the script's text, before its placeholders were filled
//     script, input   removed when it has ended; of one that was interrupted, by apply/leftover_secrets.h
//     secret    there when what it says may hold a secret: out and err go as soon as the caller has them, else by apply/leftover_secrets.h
//     boot_id, pid    of the process that runs it; pid: "PID STARTTIME" of /proc/PID/stat
//     out, err  what it said
//     rc        its exit code; there only when it has ended
//
//   SR1  The folder appears whole, by one mkdir that only one can win, after all of script and input has arrived: what is there was sent
//        whole, and is started at most once.
//   SR2  rc -> done or failed. No rc and the process lives -> running. No rc and no such process, or another boot -> interrupted: it ran to
//        a point that nobody knows.
//   SR3  Records go only with whole runs that have ended and tell nothing any more: each of their operations has a later record, and
//        kRunsKept later runs have left one (superseded_runs).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8s-bootstrap/facts/facts.h"

namespace fairlead::bootstrap {

inline constexpr std::string_view kRunsFolder = "/var/lib/fairlead/bootstrap/runs";

[[nodiscard]] std::string step_folder(std::string_view run, std::string_view step, unsigned operation);
/// A run's id: letters, digits, '.', '_', '-', at most 64, not beginning with '.'.
[[nodiscard]] bool is_run_id(std::string_view text);

/// Defines the shell function `look`: sets `s` to the state of the folder $d (SR2), running, done, failed or interrupted, and `rc` to its
/// exit code. It reads $boot, the boot id.
inline constexpr std::string_view kLookFunction = R"SH(
look() {
  rc=; p=; b=; s=interrupted
  if [ -f "$d/rc" ]; then read -r rc <"$d/rc"; s=done; [ "$rc" = 0 ] || s=failed; return; fi
  [ -f "$d/boot_id" ] && read -r b <"$d/boot_id"
  [ -f "$d/pid" ] && read -r p <"$d/pid"
  if [ -n "$p" ] && [ "$b" = "$boot" ] && [ -r "/proc/${p% *}/stat" ]; then
    q=$(sed 's/.*) //' "/proc/${p% *}/stat" 2>/dev/null)
    case $q in Z* | X*) ;; *) [ "$(echo "$q" | cut -d' ' -f20)" = "${p#* }" ] && s=running ;; esac
  fi
  # It may have ended between the two looks.
  if [ $s = interrupted ] && [ -f "$d/rc" ]; then read -r rc <"$d/rc"; s=done; [ "$rc" = 0 ] || s=failed; fi
  return 0
}
)SH";

inline constexpr std::size_t kRunsKept = 10;

/// A line of the probe: "RUN RC|- yes|no SEQ STEP.N". SEQ is 0 where none was counted.
struct CountedRecord {
  std::uint64_t seq = 0;
  StepRecord record;
};
[[nodiscard]] std::optional<CountedRecord> parse_step_line(std::string_view line);
/// SR3. `records`: of one machine, in their order.
[[nodiscard]] std::vector<std::string> superseded_runs(const std::vector<StepRecord>& records);

}  // namespace fairlead::bootstrap
