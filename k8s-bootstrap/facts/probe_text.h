// fairlead: pure
// The text of the probe: see facts/probe.h. Kept whole, so that it can be read and run as the shell script that it is.
#pragma once

#include <string_view>

namespace fairlead::bootstrap {

inline constexpr std::string_view kProbeText = R"PROBE(
set -u
IFS='
'
now() {
  t=$(date +%s.%N)
  case $t in *[!0-9.]*) t=$(date +%s) ;; esac   # busybox has no %N
  echo "$t"
}
put() { printf '%s\n' "$1"; }   # Foreign text: dash's echo would read backslashes.
has() { command -v "$1" >/dev/null 2>&1; }
lines() { sed 's/^/|/'; }
limit() {   # SECONDS COMMAND...
  if has timeout; then timeout "$@"; else shift; "$@"; fi
}
uid=$(id -u)
echo "@begin $version $(now) $uid"

# ---- what takes long begins first, each into a file of its own ----
work=$(mktemp -d /run/fairlead-probe.XXXXXX 2>/dev/null || mktemp -d "${TMPDIR:-/tmp}/fairlead-probe.XXXXXX") || exit 70
trap 'rm -rf "$work"' EXIT

program_version() {
  case $1 in
    kubeadm) limit 5 kubeadm version -o short ;;
    kubelet) limit 5 kubelet --version ;;
    kubectl) limit 5 kubectl version --client ;;
    corosync) limit 5 corosync -v ;;
    *) limit 5 "$1" --version ;;
  esac 2>/dev/null | sed -n '1s/[[:cntrl:]]/ /g;1p'
}
(
  for p in $programs; do
    has "$p" || { echo "|$p absent" ; continue; }
    ( v=$(program_version "$p"); put "|$p is $v" ) &
  done
  wait
) >"$work/programs" 2>/dev/null &
(
  for n in $names; do
    ( a=$(limit 3 getent hosts "$n"); put "|$n $? ${a%%$IFS*}" ) &
  done
  wait
) >"$work/names" 2>/dev/null &
if [ -n "$units" ] && has systemctl; then
  limit 10 systemctl show --no-pager -p Id -p ActiveState -p UnitFileState -p LoadState $units 2>&1 | lines >"$work/units" &
fi
if has dpkg-query && [ -n "$packages" ]; then
  dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}\n' $packages 2>/dev/null | lines >"$work/packages" &
fi
(
  url=https://127.0.0.1:$api_port
  if [ -r /proc/net/tcp ] && ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ":$(printf %04X "$api_port") [0-9A-F]*:0000 0A "; then
    echo "|tool none needed: nothing listens"
  elif has curl; then
    echo "|tool curl"
    for path in readyz version; do
      body=$(limit 3 curl -sk --noproxy '*' --max-time 2 -w '\n|code %{http_code}' "$url/$path" 2>/dev/null)
      echo "|$path $? "
      put "$body" | sed 's/^/|/;s/^||code/|code/'
    done
  elif has openssl; then
    echo "|tool openssl"
    for path in readyz version; do
      body=$(printf 'GET /%s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$path" |
        limit 3 openssl s_client -quiet -ign_eof -connect "127.0.0.1:$api_port" 2>/dev/null)
      r=$?
      code=$(put "$body" | sed -n 's,^HTTP/[0-9.]* \([0-9]*\).*,\1,p')
      echo "|$path $r "
      put "$body" | tr -d '\r' | sed '1,/^$/d;s/^/|/'
      echo "|code ${code:-000}"
    done
  fi
) >"$work/api" 2>/dev/null &
(
  # The texts, to be read by who asked: a program for each would be most of what a control plane does here. Never a key beside it.
  for c in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /var/lib/kubelet/pki/kubelet-client-current.pem /etc/fairlead/*.crt; do
    [ -f "$c" ] || continue
    put "|path $c"
    in=
    while read -r l || [ -n "$l" ]; do
      case $l in *'-BEGIN CERTIFICATE-'*) in=yes ;; esac
      [ -z "$in" ] || put "|$l"
      case $l in *'-END CERTIFICATE-'*) break ;; esac
    done <"$c"
  done
  for c in /etc/kubernetes/*.conf; do
    [ -f "$c" ] || continue
    while read -r l || [ -n "$l" ]; do
      case $l in *client-certificate-data:*)
        put "|path $c"
        put "|data ${l##*[: ]}"
        break ;;
      esac
    done <"$c"
  done
) >"$work/certificates" 2>/dev/null &
if [ -f /etc/kubernetes/pki/etcd/server.key ] && has curl; then
  pki=/etc/kubernetes/pki/etcd
  {
    echo "|tool curl"
    # One that fails and is started again listens for a moment each time: what it is shows when nobody listens.
    for i in 1 2 3 4 5; do
      m=$(limit 4 curl -sk --noproxy '*' --max-time 3 --cert $pki/server.crt --key $pki/server.key \
        https://localhost:2379/metrics 2>/dev/null)
      r=$?
      l=$(put "$m" | sed -n 's/^etcd_server_has_leader /|leader /p')
      if [ -n "$l" ]; then put "$l"; break; fi
      if [ $r = 7 ]; then echo "|refused"; break; fi
      [ $r != 28 ] || break
      sleep 0.2 2>/dev/null || sleep 1
    done
  } >"$work/etcd" &
fi
if [ -S /run/fairlead/fairlead.sock ] && has curl; then
  socket=/run/fairlead/fairlead.sock
  {
    body=$(limit 6 curl -s --max-time 5 --unix-socket $socket http://localhost/api/v1/status 2>/dev/null)
    r=$?
    put "$body" | lines
    echo "|curl $r"
  } >"$work/gateway" &
fi

# ---- the system ----
echo "@system"
value() {   # NAME FILE
  if [ -r "$2" ]; then read -r v <"$2" || [ -n "$v" ] || v=; put "|$1 $v"; fi
}
value kernel /proc/sys/kernel/osrelease
echo "|arch $(uname -m)"
value host_name /proc/sys/kernel/hostname
value boot_id /proc/sys/kernel/random/boot_id
value machine_id /etc/machine-id
value product_uuid /sys/class/dmi/id/product_uuid
value uptime /proc/uptime
echo "|cpus $(getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c ^processor /proc/cpuinfo)"
while read -r l; do case $l in MemTotal:*) echo "|$l"; break ;; esac; done </proc/meminfo
if [ -r /proc/swaps ]; then
  s=no; while read -r l; do case $l in Filename*) ;; *) s=yes ;; esac; done </proc/swaps
  echo "|swap $s"
fi
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo "|cgroup 2"
elif [ -d /sys/fs/cgroup/cpu ] || [ -d /sys/fs/cgroup/memory ]; then echo "|cgroup 1"; fi
if [ -d /run/systemd/system ]; then echo "|systemd yes"; else echo "|systemd no"; fi
df -Pk /var/lib 2>/dev/null | sed -n '2s/^/|df /p'
echo "@os-release"
[ -r /etc/os-release ] && while read -r l; do put "|$l"; done </etc/os-release
echo "@links"
ip -o link show 2>/dev/null | lines
echo "@addresses"
ip -o addr show 2>/dev/null | lines
echo "@modules"
read -r release </proc/sys/kernel/osrelease
swapped() {   # TEXT OLD NEW: without a process, since there are many
  r=$1; while :; do case $r in *"$2"*) r=${r%%"$2"*}$3${r#*"$2"} ;; *) break ;; esac; done
}
for m in $modules; do
  swapped "$m" _ '?'; swapped "$r" '?' '[-%]'; swapped "$r" % _
  if [ -d "/sys/module/$m" ] || grep -q "^$m " /proc/modules 2>/dev/null || grep -q "	$m\$" /proc/filesystems 2>/dev/null ||
    grep -q "/$r\.ko" "/lib/modules/$release/modules.builtin" 2>/dev/null; then
    echo "|$m yes"
  else echo "|$m no"; fi
done
echo "@sysctls"
for s in $sysctls; do
  swapped "$s" . /; p=/proc/sys/$r
  if [ -r "$p" ]; then read -r v <"$p"; put "|$s $v"; fi
done
echo "@listening"
if has ss; then echo "|tool ss"; ss -Hltnp 2>/dev/null | lines
else echo "|tool proc"; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | lines; fi
echo "@files"
there=
for f in $files; do
  if [ -f "$f" ]; then there="$there$f
"
  elif [ -e "$f" ] || [ -L "$f" ]; then put "|odd $f"
  else put "|absent $f"; fi
done
if [ -n "$there" ]; then
  stat -c '|mode %a %n' $there 2>/dev/null
  sha256sum $there 2>/dev/null | sed 's/^/|sha256 /'
fi
if [ -n "$hosts_block" ]; then
  read_hosts_block >"$work/hosts" 2>/dev/null
  if [ -s "$work/hosts" ]; then
    put "|mode 644 $hosts_block"
    put "|sha256 $(sha256sum <"$work/hosts" | cut -d' ' -f1)  $hosts_block"
  else put "|absent $hosts_block"; fi
fi
echo "@kubernetes"
yes_no() {   # NAME TEST...
  n=$1; shift
  if [ "$@" ]; then echo "|$n yes"; else echo "|$n no"; fi
}
yes_no admin_conf -e /etc/kubernetes/admin.conf
yes_no kubelet_conf -e /etc/kubernetes/kubelet.conf
yes_no etcd_data -e "$etcd_folder/member"
yes_no corosync_conf -e /etc/corosync/corosync.conf
yes_no gateway_socket -e /run/fairlead/fairlead.sock
for m in /etc/kubernetes/manifests/*.yaml; do [ -f "$m" ] && put "|manifest ${m##*/}"; done
echo "@steps"
boot=
[ -r /proc/sys/kernel/random/boot_id ] && read -r boot </proc/sys/kernel/random/boot_id
for d in /var/lib/fairlead/bootstrap/runs/*/*/; do
  [ -f "$d/step" ] || continue
  read -r step <"$d/step"; rc=; p=; b=; alive=no; seq=0
  [ -f "$d/seq" ] && read -r seq <"$d/seq"
  [ -f "$d/rc" ] && read -r rc <"$d/rc"
  [ -f "$d/boot_id" ] && read -r b <"$d/boot_id"
  [ -f "$d/pid" ] && read -r p <"$d/pid"
  if [ -n "$p" ] && [ "$b" = "$boot" ] && [ -r "/proc/${p% *}/stat" ]; then
    q=$(sed 's/.*) //' "/proc/${p% *}/stat" 2>/dev/null)
    case $q in Z* | X*) ;; *) [ "$(echo "$q" | cut -d' ' -f20)" = "${p#* }" ] && alive=yes ;; esac
  fi
  d=${d%/}; r=${d%/*}
  put "|${r##*/} ${rc:--} $alive ${seq:-0} ${step}"
done
echo "@lock"
value takes /var/lib/fairlead/bootstrap/lock.takes
[ -f /var/lib/fairlead/bootstrap/lock ] && lines </var/lib/fairlead/bootstrap/lock
echo "@changed"
sums=/var/lib/fairlead/bootstrap/kubeadm.sums
[ -f $sums ] && LC_ALL=C sha256sum -c --quiet $sums 2>/dev/null | lines
echo "@stand-ins"
[ -f /etc/fairlead/stand-in-facts ] && lines </etc/fairlead/stand-in-facts

wait
for s in programs names units packages api etcd certificates gateway; do
  [ -e "$work/$s" ] || continue
  echo "@$s"
  cat "$work/$s"
  echo ""   # The API's answer has no line end of its own.
done
echo "@end $(now)"
)PROBE";

}  // namespace fairlead::bootstrap
