// fairlead: pure
#include "k8s-bootstrap/storage/storage_probe.h"

#include <fmt/format.h>

#include "k8s-bootstrap/storage/storage_layout.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kCommon = R"sh(set -u
put() { printf '%s\n' "$1"; }   # Foreign text: dash's echo would read backslashes.
has() { command -v "$1" >/dev/null 2>&1; }
lines() { sed 's/^/|/'; }
limit() {   # SECONDS COMMAND...
  if has timeout; then timeout -k 1 "$@"; else shift; "$@"; fi
}
gluster_says() {   # WORD...: the answer whole, then how the command ended
  limit 20 gluster --mode=script --xml "$@" 2>&1 </dev/null | lines
}
echo "@begin 1"
)sh";

constexpr std::string_view kGluster = R"sh(
echo "@gluster"
if has glusterd; then
  echo "|installed yes"
  put "|version $(limit 5 gluster --version 2>/dev/null | sed -n 1p)"
else
  echo "|installed no"
fi
u=$(sed -n 's/^UUID=//p' /var/lib/glusterd/glusterd.info 2>/dev/null)
[ -z "$u" ] || put "|uuid $u"
o=$(sed -n 's/^operating-version=//p' /var/lib/glusterd/glusterd.info 2>/dev/null)
[ -z "$o" ] || put "|op-version $o"
stored() {   # NAME FOLDER
  if [ ! -d "$2" ]; then echo "|$1 no"
  elif l=$(ls "$2" 2>/dev/null); then
    if [ -n "$l" ]; then echo "|$1 yes"; else echo "|$1 no"; fi
  fi
}
stored peers /var/lib/glusterd/peers
stored volumes /var/lib/glusterd/vols
if has gluster; then
  echo "@peers"
  gluster_says peer status
  echo "@volumes"
  gluster_says volume info
fi
)sh";

// $name $mount $device $serial $group $directories; a group is empty for a file system of the operator's.
constexpr std::string_view kBrick = R"sh(
attribute() {   # NAME DIRECTORY: its value in hex, nothing when there is none; fails when that cannot be told
  if a=$(LC_ALL=C getfattr --absolute-names -n "$1" -e hex "$2" 2>&1); then put "$a" | sed -n "s/^$1=0x//p"; return 0; fi
  case $a in *"No such attribute"*) return 0 ;; *) return 1 ;; esac
}
directory() {   # of a volume
  ls -A "$mount" >/dev/null 2>&1 || return 1
  [ -d "$mount/$1" ] || return 0
  i=$(attribute trusted.glusterfs.volume-id "$mount/$1") || return 1
  g=$(attribute trusted.gfid "$mount/$1") || return 1
  l=$(ls -A "$mount/$1" 2>/dev/null) || return 1
  put "|directory $1 $i"
  [ -z "$g" ] || put "|served $1"
  [ -z "$(put "$l" | grep -v -x -F -e .glusterfs -e '')" ] || put "|filled $1"
}
brick() {
  put "@brick $name"
  m=$(findmnt -n -b -r -o SOURCE,FSTYPE,SIZE --mountpoint "$mount" 2>/dev/null | tail -n 1)
  if [ -n "$m" ]; then put "|mounted $m"
    r=yes; for d in $directories; do directory "$d" || r=no; done
    [ $r = no ] || echo "|directories read"
  elif has findmnt; then echo "|unmounted"; fi
  [ -n "$group" ] || return 0
  if [ -z "$device" ] && [ -n "$serial" ] && has lsblk; then
    device=$(lsblk -d -n -r -p -o NAME,SERIAL 2>/dev/null | while read -r n s; do if [ "$s" = "$serial" ]; then put "$n"; break; fi; done)
    [ -n "$device" ] || echo "|disk none"
  fi
  if [ -n "$device" ] && [ ! -b "$device" ]; then echo "|disk none"; device=; fi
  if [ -n "$device" ]; then
    real=$(readlink -f "$device")
    put "|disk $real"
    lsblk -b -n -P -p -o NAME,TYPE,SIZE,SERIAL,MOUNTPOINT "$real" 2>/dev/null | lines
    [ -z "$(ls "/sys/class/block/${real##*/}/holders" 2>/dev/null)" ] || echo "|held"
    b=$(limit 20 blkid -p -o export "$real" 2>/dev/null); r=$?
    echo "|blkid $r"
    put "$b" | sed -n 's/^\(TYPE\|PTTYPE\)=/|\1 /p'
    if z=$(head -c 1048576 "$real" 2>/dev/null | tr -d '\000' | head -c 1 | wc -c); then put "|bytes $z"; fi
  fi
  if has lvs; then
    echo "|lvm yes"
    pvs --noheadings --separator '|' -o pv_name,vg_name 2>/dev/null | sed 's/^ */|pv /'
    lvs --noheadings --separator '|' -o lv_name,segtype,data_percent,metadata_percent "$group" 2>/dev/null | sed 's/^ */|lv /'
    if [ -b "/dev/$group/brick" ]; then
      b=$(limit 20 blkid -p -o export "/dev/$group/brick" 2>/dev/null); r=$?
      put "|brick-blkid $r $(put "$b" | sed -n 's/^TYPE=//p')"
    fi
  else echo "|lvm no"; fi
}
)sh";

// $path $directories
constexpr std::string_view kMount = R"sh(
mount_of() {
  put "@mount $path"
  m=$(findmnt -n -r -o SOURCE,FSTYPE --mountpoint "$path" 2>/dev/null | tail -n 1)
  if [ -n "$m" ]; then
    put "|mounted $m"
    if limit 5 stat "$path/." >/dev/null 2>&1; then
      echo "|answers yes"
      for d in $directories; do [ -d "$path/$d" ] || put "|missing $d"; done
    else echo "|answers no"; fi
  elif has findmnt; then echo "|unmounted"; fi
}
)sh";

std::string words(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& word : list) out += (out.empty() ? "" : " ") + word;
  return shell_quote(out);
}

}  // namespace

StorageQuestions storage_questions(const Site& site, const Machine& machine) {
  StorageQuestions out;
  if (!has_storage(site, machine)) return out;
  out.gluster = machine.has(Role::kStorage);
  if (out.gluster) {
    for (const Brick& brick : machine.bricks) {
      BrickQuestion question;
      question.name = brick.name;
      question.mount = brick_mount(brick);
      question.device = brick.device;
      question.serial = brick.serial;
      if (is_on_disk(brick)) question.group = brick_group(brick);
      for (const GlusterVolume& volume : site.gluster->volumes) {
        if (volume.bricks == brick.name) question.directories.push_back(volume.name);
      }
      out.bricks.push_back(std::move(question));
    }
  }
  for (const GlusterVolume* volume : mounts_of(site, machine)) {
    MountQuestion question;
    question.path = volume->mount_path;
    for (const PersistentVolume& each : site.gluster->persistent_volumes) {
      if (each.volume == volume->name) question.directories.push_back(each.name);
    }
    for (const SharedClass& each : site.gluster->storage_classes) {
      if (each.volume == volume->name) question.directories.emplace_back(kSharedFolder);
    }
    out.mounts.push_back(std::move(question));
  }
  return out;
}

std::string storage_probe_script(const StorageQuestions& questions) {
  std::string out(kCommon);
  if (questions.gluster) out += kGluster;
  if (!questions.bricks.empty()) out += kBrick;
  for (const BrickQuestion& each : questions.bricks) {
    out += fmt::format("name={} mount={} device={} serial={} group={} directories={}\nbrick\n", shell_quote(each.name),
                       shell_quote(each.mount), shell_quote(each.device), shell_quote(each.serial), shell_quote(each.group),
                       words(each.directories));
  }
  if (!questions.mounts.empty()) out += kMount;
  for (const MountQuestion& each : questions.mounts)
    out += fmt::format("path={} directories={}\nmount_of\n", shell_quote(each.path), words(each.directories));
  return out + "echo @end\n";
}

std::string pool_probe_script(const std::vector<std::string>& volumes) {
  std::string out(kCommon);
  for (const std::string& volume : volumes) {
    const std::string name = shell_quote(volume);
    for (const auto& [what, command] : {std::pair{"status", fmt::format("volume status {} detail", name)},
                                        {"heal", fmt::format("volume heal {} info summary", name)},
                                        {"quota", fmt::format("volume quota {} list", name)},
                                        {"rebalance", fmt::format("volume rebalance {} status", name)}})
      out += fmt::format("echo '@{} '{}\ngluster_says {}\n", what, name, command);
  }
  return out + "echo @end\n";
}

}  // namespace fairlead::bootstrap
