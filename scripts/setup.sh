#!/usr/bin/env bash
# Installs the Debian packages the project needs, and nothing else. Idempotent; a second run takes well under a second.
#
#   scripts/setup.sh [GROUP...]      groups of scripts/packages.txt; default: build test
#
# Services that come with a package (nginx, haproxy, keepalived, etcd, prometheus, corosync, its qnetd and qdevice, pacemaker, sshd, glusterd,
# libvirtd) are kept from starting now and at boot: the tests start their own copies on their own ports.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
groups=("${@:-build}")
[ $# -gt 0 ] || groups=(build test)

wanted=()
for group in "${groups[@]}"; do
  mapfile -t found < <(awk -v g="[$group]" '/^\[/ {on = ($0 == g); next} /^#/ || NF == 0 {next} on {print $1}' "$here/packages.txt")
  [ ${#found[@]} -gt 0 ] || { echo "setup: no package group '$group' in scripts/packages.txt" >&2; exit 2; }
  wanted+=("${found[@]}")
done

missing=()
# dpkg-query exits with 1 when it does not know one of the names: that is an answer, not a failure.
installed=$({ dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>&1 || true; } | awk '$1 == "installed" {print $2}')
for package in "${wanted[@]}"; do
  # Node of another source than Debian brings its npm along, and excludes Debian's.
  [ "$package" != npm ] || ! command -v npm >/dev/null || continue
  grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup: this system has no apt-get. Install what these Debian 12 packages provide: ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${#missing[@]} Debian packages:"
printf '  %s\n' "${missing[@]}"
if [ "$(id -u)" != 0 ]; then
  echo "setup: not root. Run: sudo scripts/setup.sh ${groups[*]}" >&2
  exit 1
fi

# Debian asks policy-rc.d before it starts a service from a package script; 101 says no. One that is there may say yes: it steps aside.
exec 9<"$here/packages.txt"
flock 9   # One run at a time: the second would take the first one's policy for the machine's.
root=${FL_SETUP_ROOT:-}   # For the test of this script.
units=()   # That may come; one that is there already is somebody's.
for unit in nginx haproxy keepalived etcd prometheus prometheus-node-exporter corosync corosync-notifyd corosync-qnetd corosync-qdevice pacemaker logd ssh \
  glusterd glustereventsd gluster-ta-volume rpcbind libvirtd libvirt-guests virtlogd virtlockd; do
  [ -e "$root/lib/systemd/system/$unit.service" ] || units+=("$unit")
done
policy=$root/usr/sbin/policy-rc.d
set_aside=$policy.fairlead-setup
[ -e "$set_aside" ] || [ ! -e "$policy" ] || mv "$policy" "$set_aside"
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

# Also after half an installation: what is there now and was not before must not start at the next boot.
cleanup() {
  if [ -d "$root/run/systemd/system" ]; then
    for unit in "${units[@]}"; do   # A package may bring a unit of another name, or none (logd comes with what resource-agents needs).
      ! systemctl is-enabled -q "$unit.service" 2>/dev/null || systemctl disable -q "$unit.service" ||
        echo "setup: $unit.service is still enabled: systemctl disable $unit.service" >&2
    done
  fi
  rm -f "$policy"
  [ ! -e "$set_aside" ] || mv "$set_aside" "$policy"
}
trap cleanup EXIT

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install() { apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >"$log" 2>&1; }
# A fresh package list is fetched only when the present one does not do.
if ! install && ! { apt-get update -q >"$log" 2>&1 && install; }; then
  tail -n 30 "$log" >&2
  echo "setup: apt-get failed (its last lines are above). Check the network and /etc/apt/sources.list, then run this again." >&2
  exit 1
fi
rm -f "$log"
