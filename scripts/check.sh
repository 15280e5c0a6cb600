#!/usr/bin/env bash
# Everything that can be said about the source without running it: format, clang-tidy, layers, messages, style, headers.
#
#   scripts/check.sh            clang-tidy looks at what differs from the main branch, or at everything when nothing does
#   scripts/check.sh --all      clang-tidy looks at everything (minutes)
#
# `make lint` calls it. All steps run, whatever the ones before say; exit 1 when any failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
jobs=$(nproc)
failed=()
step() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

format() {
  git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' | xargs -0 -r clang-format-14 --dry-run -Werror
}

# Sources to look at: those that changed, and those that include a header that changed by name.
changed_sources() {
  local base
  base=$(git merge-base HEAD main 2>/dev/null || git merge-base HEAD origin/main 2>/dev/null || true)
  { [ -n "$base" ] && git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } |
    sort -u | while read -r path; do
    case "$path" in
      *.cc) echo "$path" ;;
      *.h) git grep -lF "#include \"$path\"" -- '*.cc' || true ;;
    esac
  done | sort -u
}

tidy_sources() {
  local sources
  if [ "${all:-no}" = no ]; then sources=$(changed_sources); fi
  [ -n "${sources:-}" ] || sources=$(git ls-files -- '*.cc')
  # Only what the build knows: clang-tidy needs its flags.
  comm -12 <(sort -u <<<"$sources") <(python3 -c '
import json, os
for unit in json.load(open("build/lint/compile_commands.json")):
    print(os.path.relpath(unit["file"]))' | sort -u)
}

clang_tidy() {
  [ -f build/lint/compile_commands.json ] || { echo "no build/lint/compile_commands.json: cmake --preset lint makes it" >&2; return 1; }
  tidy_sources | xargs -r -P "$jobs" -n 2 clang-tidy-14 -p build/lint --quiet --extra-arg=-Wno-unknown-warning-option \
    2> >(grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -' >&2)
}

[ "${1:-}" != --all ] || all=yes
step layers python3 scripts/check_layers.py
step messages python3 scripts/check_messages.py
step style python3 scripts/tidy.py
step checks-can-fail python3 tests/scripts/checks_test.py
step format format
step headers cmake --build build/lint --target headers
step clang-tidy clang_tidy

if [ ${#failed[@]} -gt 0 ]; then
  echo "check: failed: ${failed[*]}" >&2
  exit 1
fi
echo "check: all fine"
