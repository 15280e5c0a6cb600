// fairlead: pure
// The script that a timer runs on storage machines: the state of Gluster in node_exporter's textfile format. Kept whole, so that it can be
// read and run as the shell script that it is. A value that could not be read has no line: it is never 0. docs/operating/storage.md has the
// names; packaging/prometheus/alerts.yml the alarms.
#pragma once

#include <string_view>

namespace fairlead::bootstrap {

inline constexpr std::string_view kMetricsText = R"SH(#!/bin/sh
# Written by fairlead bootstrap. The state of Gluster, as this machine knows it, for node_exporter's textfile collector.
set -u
folder=${1:-/var/lib/prometheus/node-exporter}
mkdir -p "$folder" || exit 1
work=$folder/.fairlead_gluster.$$   # The collector reads files that end in .prom only.
new=$work.new
trap 'rm -f "$work".*' EXIT
: >"$work.bricks"
ask() { timeout -k 1 20 gluster --mode=script --xml "$@" 2>/dev/null </dev/null; }
metric() {   # NAME HELP
  printf '# HELP %s %s\n# TYPE %s gauge\n' "$1" "$2" "$1"
}
fine() { printf '%s\n' "$1" | grep -q '<opRet>0</opRet>'; }
# Values of one element, one a line; the answers have an element a line, but for bricks of volume info.
values() { sed -n "s,.*<$1>\([^<]*\)</$1>.*,\1,p"; }

peers=$(ask peer status)
up=0; fine "$peers" && up=1
{
  metric fairlead_gluster_up 'Whether glusterd answers.'
  echo "fairlead_gluster_up $up"
  if [ $up = 1 ]; then
    metric fairlead_gluster_peer_connected 'Whether this machine sees that member of its pool, and both agree about the pool.'
    printf '%s\n' "$peers" | awk -F'[<>]' '
      $2 == "hostname" && !name {name = $3} $2 == "connected" {up = $3} $2 == "state" {state = $3}
      $2 == "/peer" {printf "fairlead_gluster_peer_connected{peer=\"%s\"} %d\n", name, up == 1 && state == 3; name = ""}'
    volumes=$(ask volume list | values volume)
    # Bricks of machines that are away are not in the status at all: what is in the volume and does not serve is down.
    for v in $volumes; do
      status=$(ask volume status "$v" detail); info=$(ask volume info "$v")
      if fine "$status" && fine "$info"; then
        printf '%s\n' "$status" | awk -F'[<>]' '
          $2 == "hostname" {host = $3} $2 == "path" {path = $3} $2 == "status" {up = $3}
          $2 == "/node" && path ~ "^/" && up == 1 {print "up " host ":" path}' >>"$work.bricks"
        printf '%s\n' "$info" | awk -v v="$v" '
          /<replicaCount>/ {n = $0; gsub(/[^0-9]/, "", n)}
          /<brick uuid=/ {sub(/.*<name>/, ""); sub(/<\/name>.*/, ""); print "of " v " " n " " $0}' >>"$work.bricks"
      fi
    done
    metric fairlead_gluster_brick_online 'Whether the brick serves.'
    awk '$1 == "up" {up[$2] = 1}
      $1 == "of" {printf "fairlead_gluster_brick_online{volume=\"%s\",brick=\"%s\"} %d\n", $2, $4, $4 in up}' "$work.bricks"
    metric fairlead_gluster_quorum 'Whether every set of copies of the volume has a majority that serves: else it is not written to.'
    awk '$1 == "up" {up[$2] = 1}
      $1 == "of" && $3 > 0 {
        if (!($2 in c)) {good[$2] = 1; c[$2] = 0; s[$2] = 0}
        c[$2]++; s[$2] += ($4 in up)
        if (c[$2] % $3 == 0) {if (2 * s[$2] <= $3) good[$2] = 0; s[$2] = 0}
      }
      END {for (v in good) printf "fairlead_gluster_quorum{volume=\"%s\"} %d\n", v, good[v]}' "$work.bricks"
    heal_of() { cat "$work.heal.$1"; }
    for v in $volumes; do ask volume heal "$v" info summary >"$work.heal.$v"; done
    metric fairlead_gluster_heal_pending 'Entries of the brick that wait to be healed to other copies.'
    for v in $volumes; do
      fine "$(heal_of "$v")" || continue
      heal_of "$v" | awk -F'[<>]' -v v="$v" '
        $2 == "name" {b = $3}
        $2 == "totalNumberOfEntries" && $3 ~ /^[0-9]+$/ {
          printf "fairlead_gluster_heal_pending{volume=\"%s\",brick=\"%s\"} %d\n", v, b, $3
        }'
    done
    metric fairlead_gluster_split_brain 'Entries of the brick whose copies contradict one another: nobody can heal them unasked.'
    for v in $volumes; do
      fine "$(heal_of "$v")" || continue
      heal_of "$v" | awk -F'[<>]' -v v="$v" '
        $2 == "name" {b = $3}
        $2 == "numberOfEntriesInSplitBrain" && $3 ~ /^[0-9]+$/ {
          printf "fairlead_gluster_split_brain{volume=\"%s\",brick=\"%s\"} %d\n", v, b, $3
        }'
    done
  fi
  pools=$(lvs --noheadings --separator ' ' -o vg_name,lv_name,data_percent,metadata_percent -S 'segtype=thin-pool' 2>/dev/null |
    awk '$1 ~ /^fl-/ && NF == 4')
  if [ -n "$pools" ]; then
    metric fairlead_gluster_thin_pool_data_ratio 'Share of the thin pool that is used; at 1 the brick stops.'
    printf '%s\n' "$pools" | awk '{printf "fairlead_gluster_thin_pool_data_ratio{group=\"%s\"} %.4f\n", $1, $3 / 100}'
    metric fairlead_gluster_thin_pool_metadata_ratio 'Share of the metadata of the thin pool that is used; at 1 the brick stops.'
    printf '%s\n' "$pools" | awk '{printf "fairlead_gluster_thin_pool_metadata_ratio{group=\"%s\"} %.4f\n", $1, $4 / 100}'
  fi
} >"$new"
chmod 644 "$new"
mv "$new" "$folder/fairlead_gluster.prom"
)SH";

}  // namespace fairlead::bootstrap
