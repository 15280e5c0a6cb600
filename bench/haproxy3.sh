#!/bin/sh
# Makes a folder with a newer Debian's HAProxy and the libraries it needs, to stand beside this machine's own in the benchmark:
#   bench/haproxy3.sh FOLDER [SUITE]      # SUITE: trixie (HAProxy 3.0) unless named
#   bench/run.py --haproxy3 FOLDER/haproxy
# Nothing is installed: apt's sources, lists and caches stay as they are. The mirror is the one that apt uses here, signatures are checked.
# FOLDER/haproxy becomes HAProxy itself (exec): its CPU time is that of one process. Removed with `rm -r FOLDER`.
set -eu
umask 022

fail() {
  echo "haproxy3: $*" >&2
  exit 1
}

[ $# -ge 1 ] && [ $# -le 2 ] || { echo "usage: $0 FOLDER [SUITE]" >&2; exit 2; }
folder=$1
suite=${2:-trixie}
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
[ ! -e "$folder" ] || fail "$folder is there already: name another folder, or remove it"
command -v dpkg-deb >/dev/null && command -v apt-get >/dev/null || fail "apt-get and dpkg-deb are not here: this is for Debian"
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
[ -n "$mirror" ] || fail "apt has no lists of a Debian mirror here: apt-get update"

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
apt=$work/apt tree=$work/tree
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$tree"
: >"$apt/status"   # nothing is installed: so the C library and its loader come too
keys=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -r "$keys" ]; then option="[signed-by=$keys] "; else option=; fi
echo "deb $option$mirror $suite main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<END
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Default-Release;
Dir::Etc { SourceList "$apt/sources.list"; SourceParts "/dev/null"; Preferences "/dev/null"; PreferencesParts "/dev/null"; };
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "0";
Acquire::Languages "none";
END

apt-get -c "$apt/apt.conf" -qq update || fail "the mirror has no suite $suite that apt trusts (a newer debian-archive-keyring has newer keys)"
apt-get -c "$apt/apt.conf" -qq -y --download-only install haproxy >"$apt/said" 2>&1 || fail "haproxy of $suite cannot be fetched: $(tail -n 3 "$apt/said")"
for package in "$apt"/cache/archives/*.deb; do
  dpkg-deb -x "$package" "$tree"
done
rm -r "$apt"

loader=$(find "$tree" -path '*-linux-gnu*/ld-linux*.so.*' | head -n 1)
[ -n "$loader" ] || fail "$suite's C library has no loader where one was looked for (usr/lib/*-linux-gnu*)"
libraries=$(dirname "$loader")
cat >"$work/haproxy" <<END
#!/bin/sh
here=\${0%/*}
exec "\$here${loader#"$work"}" --library-path "\$here${libraries#"$work"}" "\$here/tree/usr/sbin/haproxy" "\$@"
END
chmod 755 "$work" "$work/haproxy"
version=$("$work/haproxy" -v) || fail "HAProxy of $suite does not run on this machine"
mv "$work" "$folder"
trap - EXIT
echo "$version" | head -n 1
echo "bench/run.py --haproxy3 $folder/haproxy"
