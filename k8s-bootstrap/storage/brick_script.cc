// fairlead: pure
#include "k8s-bootstrap/storage/brick_script.h"

#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_builder.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

/// LVM knows no larger metadata of a thin pool: lvmthin(7).
constexpr std::uint64_t kMetadataBytesMax = 16911433728ULL;

constexpr std::string_view kLook = R"sh(refuse() { echo "$disk: $1" >&2; exit 1; }
if ! vgs "$group" >/dev/null 2>&1; then
  [ -b "$disk" ] || refuse 'there is no such disk'
  found=$(lsblk -d -n -o SERIAL "$disk" | tr -d ' ')
  [ -z "$serial" ] || [ "$found" = "$serial" ] || refuse "its serial is '$found', the site says '$serial'"
  bytes=$(blockdev --getsize64 "$disk")
  [ "$bytes" -ge "$least" ] || refuse "it has $bytes bytes, the site says $least"
  [ -z "$(ls "/sys/class/block/${disk##*/}/holders")" ] || refuse 'something is made of it'
  [ -z "$(lsblk -n -o MOUNTPOINT "$disk" | tr -d ' \n')" ] || refuse 'it is mounted'
)sh";
constexpr std::string_view kMustBeEmpty = R"sh(  [ "$(lsblk -n -o NAME "$disk" | wc -l)" = 1 ] || refuse 'it has partitions'
  code=0; blkid -p "$disk" >/dev/null 2>&1 || code=$?
  [ "$code" = 2 ] || refuse "it has data (blkid ends with $code)"
  [ "$(head -c 1048576 "$disk" | tr -d '\000' | head -c 1 | wc -c)" = 0 ] || refuse 'there are bytes at its beginning'
)sh";
constexpr std::string_view kWipe =
    R"sh(  lsblk -n -l -p -o NAME "$disk" | tail -n +2 | while read -r part; do wipefs --all --force "$part"; done
  wipefs --all --force "$disk"
  dd if=/dev/zero of="$disk" bs=1M count=1 conv=fsync 2>/dev/null
)sh";
constexpr std::string_view kMake = R"sh(is() { lvs --noheadings "$group/$1" >/dev/null 2>&1; }
is_pool() { [ "$(lvs --noheadings -o segtype "$group/pool" 2>/dev/null | tr -d ' ')" = thin-pool ]; }
if ! is_pool; then
  bytes=$(vgs --noheadings --nosuffix --units b -o vg_size "$group" | tr -d ' ')
  metadata=$((bytes / 100 * metadata_share))
  [ "$metadata" -le "$metadata_max" ] || metadata=$metadata_max
  is pool || lvcreate --yes --wipesignatures n --zero n --extents "$pool_share%VG" --name pool "$group"
  is metadata || lvcreate --yes --wipesignatures n --zero n --size "${metadata}b" --name metadata "$group"
  lvconvert --yes --type thin-pool --chunksize "$chunk" --zero n --poolmetadata "$group/metadata" "$group/pool"
fi
if ! is brick; then
  bytes=$(lvs --noheadings --nosuffix --units b -o lv_size "$group/pool" | tr -d ' ')
  lvcreate --yes --wipesignatures n --type thin --thinpool "$group/pool" --virtualsize "${bytes}b" --name brick "$group"
fi
lvchange --activate y "$group/brick"
if [ "$(blkid -p -s TYPE -o value "/dev/$group/brick" 2>/dev/null)" != xfs ]; then
  mkfs.xfs -q -i size=512 -n size=8192 -d "su=$chunk,sw=1" "/dev/$group/brick"
fi
mkdir -p "$mount"
systemctl daemon-reload
systemctl enable "$unit"
systemctl start "$unit"
mountpoint -q "$mount"
)sh";

std::string share(const std::string& percent) { return percent.substr(0, percent.find('%')); }

}  // namespace

std::string brick_script(const Brick& brick, const BrickLayout& layout, const std::string& disk, bool may_wipe) {
  std::string out =
      fmt::format("disk={} serial={} least={}\n", sh_quote(disk), sh_quote(brick.serial), std::max(brick.size, kBrickBytesMin));
  out += fmt::format("group={} mount={} unit={}\n", sh_quote(brick_group(brick)), sh_quote(brick_mount(brick)),
                     sh_quote(mount_unit(brick_mount(brick))));
  out += fmt::format("pool_share={} metadata_share={} metadata_max={} chunk={}k\n", share(layout.thin_pool), share(layout.metadata),
                     kMetadataBytesMax, layout.chunk >> 10U);
  out += kLook;
  out += may_wipe ? kWipe : kMustBeEmpty;
  out += fmt::format("  vgcreate --yes --dataalignment {0}k --physicalextentsize {0}k \"$group\" \"$disk\"\nfi\n", layout.alignment >> 10U);
  return out + std::string(kMake);
}

}  // namespace fairlead::bootstrap
