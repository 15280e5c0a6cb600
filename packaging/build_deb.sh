#!/usr/bin/env bash
# Makes fairlead_VERSION_amd64.deb, and beside it fairlead-dbgsym_VERSION_amd64.deb with the debug information, from a finished build.
#
#   packaging/build_deb.sh BUILD OUT      BUILD: the build folder (make build, fairlead-loadgen); OUT: where the packages go
#
# CMake installs into a staging folder, debhelper does the rest: dependencies (dpkg-shlibdeps), maintainer scripts, stripping, checksums.
# The same tree at the same commit gives the same bytes.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
[ $# = 2 ] || { echo "usage: packaging/build_deb.sh BUILD OUT" >&2; exit 2; }
build=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)

for program in fairleadd fairlead fairlead-dhcp-event fairlead-loadgen; do
  [ -x "$build/bin/$program" ] || { echo "build_deb: $build/bin/$program is not there (make package builds it)" >&2; exit 1; }
done
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
[ -n "$version" ] || { echo "build_deb: no version in $build/CMakeCache.txt" >&2; exit 1; }
SOURCE_DATE_EPOCH=$(git -C "$source" log -1 --format=%ct 2>/dev/null || stat -c %Y "$source/CHANGELOG.md")
export SOURCE_DATE_EPOCH

work=$(mktemp -d "$out/deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -r "$source/packaging/debian" "$work/debian"
cd "$work"
root=debian/fairlead
{
  echo "fairlead ($version) bookworm; urgency=medium"
  printf '\n  * What changed for users: /usr/share/doc/fairlead/CHANGELOG.md\n\n'
  echo " -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -R -u -d "@$SOURCE_DATE_EPOCH")"
} >debian/changelog
cp "$source/packaging/fairleadd.service" debian/fairlead.fairleadd.service
cp "$source/packaging/sysusers.conf" debian/fairlead.sysusers
cp "$source/packaging/tmpfiles.conf" debian/fairlead.tmpfiles
cp "$source/packaging/logrotate" debian/fairlead.logrotate

dh_installchangelogs   # Before ours is there, which it would take for Debian's.
DESTDIR=$work/$root cmake --install "$build" --prefix /usr --component fairlead >install.log
put() { install -D -m 644 "$source/packaging/$1" "$root/$2"; }
put corosync-uidgid etc/corosync/uidgid.d/fairlead
put networkd/networkd.conf usr/lib/systemd/networkd.conf.d/50-fairlead.conf
put networkd/keep-addresses.conf usr/share/doc/fairlead/examples/networkd/keep-addresses.conf
for folder in prometheus grafana; do   # Rules and dashboards.
  [ ! -d "$source/packaging/$folder" ] || { mkdir -p "$root/usr/share/fairlead" && cp -r "$source/packaging/$folder" "$root/usr/share/fairlead/"; }
done
complete() {
  mkdir -p "$(dirname "$root/$2")"
  "$build/bin/fairlead" completion "$1" >"$root/$2"
}
complete bash usr/share/bash-completion/completions/fairlead
complete zsh usr/share/zsh/vendor-completions/_fairlead
complete fish usr/share/fish/vendor_completions.d/fairlead.fish
pages=("$build"/man/*.[1-8])
[ -e "${pages[0]}" ] || { pages=(); echo "build_deb: no manual pages in $build/man: the package is made without them" >&2; }

dh_installdirs
[ ${#pages[@]} = 0 ] || dh_installman --language=C "${pages[@]}"
dh_installdocs
dh_installsysusers
dh_installtmpfiles
dh_installlogrotate
# Nobody's machine starts to balance because a package came: the operator enables the unit, once there is a configuration. What an upgrade
# restarts, and when not, says fairlead.postinst.
dh_installsystemd --name=fairleadd --no-enable --no-start --no-restart-after-upgrade --no-stop-on-upgrade
dh_link
dh_strip
dh_compress -X.md -X.json   # The documents refer to each other by name.
dh_fixperms
dh_installdeb
dh_shlibdeps
dh_gencontrol
dh_md5sums
dh_builddeb --destdir="$out" -- -Zxz >/dev/null
