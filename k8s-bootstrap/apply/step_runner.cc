#include "k8s-bootstrap/apply/step_runner.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <thread>

#include "base/system_clock.h"
#include "base/units.h"
#include "k8s-bootstrap/apply/step_record.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

constexpr int kTimedOut = 124;  ///< Of timeout(1).
constexpr int kKilled = 137;    ///< Of timeout(1) when that had to kill.
constexpr int kIncomplete = 90;
constexpr int kNotStored = 92;
constexpr Duration kMargin = std::chrono::seconds(30);
constexpr Duration kPauseMax = std::chrono::seconds(2);

/// $1 the folder, $2 the seconds it may take. Its own session: nothing that ends the connection reaches it.
constexpr std::string_view kRunner = R"SH(d=$1
cd /
read -r b </proc/sys/kernel/random/boot_id
echo "$b" >"$d/boot_id"
echo "$$ $(sed 's/.*) //' "/proc/$$/stat" | cut -d' ' -f20)" >"$d/pid.new"
mv "$d/pid.new" "$d/pid"
# dash runs no EXIT trap when a signal ends it: timeout's becomes an exit.
(umask 022; exec timeout -k 10 "$2" sh -euc 'trap "exit 143" HUP INT TERM; . "$1"' sh "$d/script") <"$d/input" >"$d/out" 2>"$d/err"
rc=$?
rm -f "$d/script" "$d/input"
echo "$rc" >"$d/rc.new"
sync "$d/rc.new" "$d/out" "$d/err"
mv "$d/rc.new" "$d/rc"
sync "$d"
)SH";

constexpr std::string_view kBegin = R"SH(
runs=${d%/*}
read -r boot </proc/sys/kernel/random/boot_id
found=yes
t=$runs/.new.$$
trap 'rm -rf "$t"' EXIT
fail() { dd if=/dev/zero of="$t/why" bs=65536 count=1 >&2; exit 92; }   # The shell itself does not say that a disk is full.
mkdir -p "$t" || exit 92
{ : >"$t/script" && : >"$t/input" && echo "$step" >"$t/step" && echo "$digest" >"$t/digest"; } || fail
[ "$secret" = 0 ] || : >"$t/secret" || fail
[ "$n" = 0 ] || dd bs="$n" count=1 iflag=fullblock of="$t/script" 2>"$t/said" || { cat "$t/said" >&2; exit 92; }
[ "$m" = 0 ] || dd bs="$m" count=1 iflag=fullblock of="$t/input" 2>"$t/said" || { cat "$t/said" >&2; exit 92; }
{ [ "$(wc -c <"$t/script")" -eq "$n" ] && [ "$(wc -c <"$t/input")" -eq "$m" ]; } || exit 90
printf '%s' "$runner" >"$t/run" || fail
if [ "$anew" = 1 ] && [ -d "$d" ]; then
  look
  [ $s != done ] || [ "$again" = 0 ] || s=failed
  [ $s != done ] || [ -z "$digest" ] || [ ! -f "$d/digest" ] || [ "$(cat "$d/digest")" = "$digest" ] || s=failed
  case $s in failed | interrupted) mv "$d" "$t/before" ;; esac
fi
count() {   # Under a lock of its own: steps of one machine may begin side by side.
  c=${runs%/*/*}/records
  exec 8>"$c.guard" && flock -w 10 8 || return 1
  k=0
  if [ -f "$c.count" ]; then read -r k <"$c.count" || :; fi
  case $k in '' | *[!0-9]* | 0?* | ????????????????*) k=0 ;; esac
  k=$((k + 1))
  echo $k >"$c.count.new" && mv "$c.count.new" "$c.count" && echo $k >"$t/seq" || return 1
  exec 8>&-
}
if [ ! -d "$d" ]; then count || fail; fi
if mkdir "$d" 2>/dev/null; then
  found=no
  [ "$secret" = 0 ] || mv "$t/secret" "$d/" || exit 92
  mv "$t/seq" "$t/digest" "$t/script" "$t/input" "$t/run" "$t/step" "$d/" || exit 92
  sync "$d/script" "$d/step" "$d" "$runs" || exit 92
  setsid sh "$d/run" "$d" "$limit" </dev/null >/dev/null 2>&1 &
  child=$!
elif ! [ -d "$d" ]; then
  exit 92
fi
rm -rf "$t"
if [ $found = no ]; then
  wait "$child"
else
  # One that was begun this moment by another call has no pid yet.
  tries=0
  while [ ! -f "$d/pid" ] && [ ! -f "$d/rc" ] && [ $tries -lt 20 ]; do tries=$((tries + 1)); sleep 0.1 || sleep 1; done
  read -r now rest </proc/uptime
  until=$((${now%.*} + limit + 20))
  while look; [ $s = running ] && [ "${now%.*}" -lt "$until" ]; do
    sleep 0.1 || sleep 1
    read -r now rest </proc/uptime
  done
fi
look
echo "$s ${rc:-0} $found"
if [ -f "$d/out" ]; then head -c 4194304 "$d/out"; fi
if [ -f "$d/err" ]; then tail -c 65536 "$d/err" >&2; fi
exit 0
)SH";

Error step_error(const std::string& machine, const StepCall& call, const RemoteResult& result) {
  const std::string what = fmt::format("{}: {}", machine, call.step);
  if (result.errors.find("No space left on device") != std::string::npos)
    return Error{Errc::kLimitExceeded,
                 fmt::format("{}: the disk is full ({}); make room there and run it again. Nothing ran", what, kRunsFolder)};
  if (result.exit_code == kIncomplete)
    return Error{Errc::kUnavailable, what + ": the script did not come whole; nothing ran. Run it again"};
  if (result.exit_code == kNotStored)
    return Error{Errc::kUnavailable, fmt::format("{}: cannot write below {}: {}", what, kRunsFolder, result.errors)};
  return Error{Errc::kUnavailable, fmt::format("{}: could not be begun: exit code {}: {}", what, result.exit_code, result.errors)};
}

Result<StepOutcome> read_outcome(const std::string& machine, const StepCall& call, const RemoteResult& result) {
  const auto line_end = result.output.find('\n');
  const auto first = result.output.find(' ');
  const auto second = result.output.find(' ', first + 1);
  if (result.exit_code != 0 || line_end == std::string::npos || second == std::string::npos || second > line_end)
    return step_error(machine, call, result);
  const std::string state = result.output.substr(0, first);
  StepOutcome out;
  std::from_chars(result.output.data() + first + 1, result.output.data() + second, out.exit_code);
  out.found = result.output.substr(second + 1, line_end - second - 1) == "yes";
  out.output = result.output.substr(line_end + 1);
  out.errors = result.errors;
  if (state == "running")
    return Error{Errc::kTimeout,
                 fmt::format("{}: {} is not done in {}, and goes on there", machine, call.step, format_duration(call.script.timeout))};
  out.state = state == "done" ? StepState::kDone : state == "failed" ? StepState::kFailed : StepState::kInterrupted;
  out.timed_out = out.state == StepState::kFailed && (out.exit_code == kTimedOut || out.exit_code == kKilled);
  return out;
}

/// Not there yet is as good as removed.
std::string removal(const std::string& folder, std::string_view names) {
  return fmt::format("set -eu\nd={}\n[ -d \"$d\" ] || exit 0\ncd \"$d\"\nrm -f {}\n", shell_quote(folder), names);
}

Status removed(const std::string& machine, const Result<RemoteResult>& result) {
  if (!result) return result.error();
  if (result->exit_code == 0) return {};
  return Error{Errc::kUnavailable, fmt::format("{}: cannot remove what a run left below {}: {}", machine, kRunsFolder, result->errors)};
}

}  // namespace

std::string step_script(const StepCall& call) {
  const auto limit = std::max<std::int64_t>(1, to_ms(call.script.timeout) / 1000);
  std::string out = fmt::format("umask 077\nd={}\nstep={}\nn={}\nm={}\nanew={}\nagain={}\nsecret={}\ndigest={}\nlimit={}\nrunner={}\n",
                                shell_quote(step_folder(call.run, call.step, call.operation)),
                                shell_quote(fmt::format("{}.{}", call.step, call.operation)), call.script.script.size(),
                                call.script.input.size(), call.anew ? 1 : 0, call.script.again ? 1 : 0, call.script.secret ? 1 : 0,
                                shell_quote(call.digest), limit, shell_quote(kRunner));
  return out.append(kLookFunction).append(kBegin);
}

std::string records_script(const std::string& run, unsigned lines) {
  return fmt::format("set -u\nread -r boot </proc/sys/kernel/random/boot_id\nruns={}\nrun={}\nlines={}\n{}{}", kRunsFolder,
                     shell_quote(run), lines, kLookFunction, R"SH(
[ -d "$runs" ] || exit 0
ls -1trd "$runs"/*/*/ 2>/dev/null | while IFS= read -r d; do
  d=${d%/}; r=${d%/*}; r=${r##*/}
  [ -f "$d/step" ] || continue
  [ -z "$run" ] || [ "$run" = "$r" ] || continue
  look
  read -r step <"$d/step"
  case $s in failed) s="failed with $rc" ;; esac
  printf '%s  %s  %s\n' "$r" "$step" "$s"
  [ ! -f "$d/out" ] || tail -n "$lines" "$d/out" | sed 's/^/  /;$a\'
  [ ! -f "$d/err" ] || tail -n "$lines" "$d/err" | sed 's/^/! /;$a\'
done
exit 0
)SH");
}

Result<StepOutcome> StepRunner::run(const std::string& machine, const StepCall& call) {
  if (!is_run_id(call.run)) return Error{Errc::kInvalidArgument, fmt::format("'{}' is no id of a run", call.run)};
  RemoteCommand command{.script = step_script(call),
                        .input = call.script.script + call.script.input,
                        .timeout = call.script.timeout + kMargin,
                        .secret = call.script.secret};
  const SystemClock clock;
  Duration pause = std::chrono::milliseconds(100);
  std::optional<Instant> given_up;  // Set while the machine is away after a cut.
  std::optional<Error> cut;
  for (;;) {
    auto result = transport_.run(machine, command);
    if (result) {
      auto outcome = read_outcome(machine, call, *result);
      if (outcome && cut) outcome->found = true;
      return outcome;
    }
    const bool was_cut = result.error().code == Errc::kUnavailable && result.error().sys_errno == ECONNRESET;
    if (was_cut) {
      cut = result.error();
      given_up = clock.now() + patience_;
    }
    const bool away = result.error().code == Errc::kUnavailable || result.error().code == Errc::kTimeout;
    if (!cut || !away) return result.error();
    if (clock.now() >= *given_up)
      return Error{
          Errc::kUnavailable,
          fmt::format(
              "{}: {}: the connection was cut and did not come back in {}; the script may go on there, and the next apply finds it. {}",
              machine, call.step, format_duration(patience_), result.error().context),
          ECONNRESET};
    // What follows may find it running, done or interrupted; it is never begun a second time (SR1).
    command.script = step_script({call.run, call.step, call.operation, call.script, call.digest, /*anew=*/false});
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
}

Status StepRunner::forget_output(const std::string& machine, const StepCall& call) {
  return removed(
      machine, transport_.run(machine, {.script = removal(step_folder(call.run, call.step, call.operation), "out err run"), .input = {}}));
}

Status StepRunner::forget_runs(const std::string& machine, const std::vector<std::string>& runs) {
  std::string names;
  for (const std::string& run : runs) {
    if (!is_run_id(run)) return Error{Errc::kInvalidArgument, fmt::format("'{}' is no id of a run", run)};
    names += " " + run;
  }
  const std::string script = fmt::format(
      "set -u\nread -r boot </proc/sys/kernel/random/boot_id\n{}\n"
      "for run in{}; do\n"
      "  runs={}/$run\n"
      "  for d in \"$runs\"/*/; do d=${{d%/}}; [ -d \"$d\" ] || continue; look; [ $s = running ] || rm -rf \"$d\" || exit 1; done\n"
      "  rm -rf \"$runs\"/.new.*\n  rmdir \"$runs\" 2>/dev/null\ndone\nexit 0\n",
      kLookFunction, names, kRunsFolder);
  return removed(machine, transport_.run(machine, {.script = script, .input = {}}));
}

}  // namespace fairlead::bootstrap
