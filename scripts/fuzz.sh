#!/usr/bin/env bash
# Runs every fuzz program of a build for a while; stops at the first that finds something.
#
#   scripts/fuzz.sh BUILD_FOLDER SECONDS
set -euo pipefail
build=$1
seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
programs=("$build"/bin/*_fuzz)
[ -x "${programs[0]}" ] || { echo "fuzz: no program in $build/bin" >&2; exit 1; }
for program in "${programs[@]}"; do
  name=$(basename "$program")
  corpus=$build/corpus/$name
  seeds=$root/tests/fuzz/corpus/$name
  dictionary=$root/tests/fuzz/$name.dict
  mkdir -p "$corpus" "$build/findings"
  arguments=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 -artifact_prefix="$build/findings/$name-")
  [ ! -f "$dictionary" ] || arguments+=(-dict="$dictionary")
  folders=("$corpus")
  [ ! -d "$seeds" ] || folders+=("$seeds")
  echo "fuzz: $name for $seconds s"
  "$program" "${arguments[@]}" "${folders[@]}" || { echo "fuzz: $name found something: $build/findings/$name-*" >&2; exit 1; }
done
echo "fuzz: ${#programs[@]} program(s), nothing found"
