// fairlead: pure
// The two scripts of an image, kept whole so that they can be read and run as the shell scripts that they are.
//
//   kGrowScript     stands in the image and runs at each boot; `fairlead image grow` runs it over SSH. It gives what the volume group has
//                   free beyond what the image left free to the volumes that the site's `grow` names.
//   kBuilderScript  is process 1 of the builder VM (image_plan.h): it makes partitions and volumes of the disk, copies the system that it
//                   runs from onto them, and installs the boot loader.
#pragma once

#include <string_view>

namespace fairlead::bootstrap {

/// RULES is /etc/fairlead/grow: "keep EXTENTS", then a line "VOLUME SHARE" each. Interrupted anywhere, the next run does the rest.
inline constexpr std::string_view kGrowScript = R"SH(#!/bin/sh
# Written by fairlead image build. Gives new space of the disk to the volumes that /etc/fairlead/grow names.
set -u
rules=${1:-/etc/fairlead/grow}
group=vg0
say() { echo "fairlead-grow: $*"; }
pv=$(vgs --noheadings -o pv_name "$group" 2>/dev/null | head -n 1 | tr -d ' ')
[ -n "$pv" ] || { say "there is no volume group $group"; exit 1; }
part=${pv##*/}
number=$(cat "/sys/class/block/$part/partition" 2>/dev/null) || { say "$pv is no partition"; exit 1; }
disk=/dev/$(basename "$(dirname "$(readlink -f "/sys/class/block/$part")")")
# growpart: 0 grew, 1 there was nothing to grow; anything else failed.
told=$(growpart "$disk" "$number" 2>&1) || case $told in
  NOCHANGE*) ;;
  *) say "growpart $disk $number: $told"; exit 1 ;;
esac
pvresize -q "$pv" >/dev/null || { say "pvresize $pv failed"; exit 1; }
keep=$(sed -n 's/^keep //p' "$rules")
free=$(vgs --noheadings -o vg_free_count "$group" | tr -d ' ')
new=$((free - ${keep:-$free}))
[ "$new" -gt 0 ] || { say "nothing to grow"; exit 0; }
failed=0
while read -r volume share; do
  case $volume in keep | '' | '#'*) continue ;; esac
  extents=$((new * ${share%\%} / 100))
  [ "$extents" -gt 0 ] || continue
  if lvextend -q -r -l "+$extents" "$group/$volume" </dev/null >/dev/null; then
    say "$volume grew by $extents extents"
  else
    say "$volume did not grow"; failed=1
  fi
done <"$rules"
exit $failed
)SH";

/// Before it stand lines that set $boot_mib, $volumes ("root 2048 ..." in MiB, a line each) and $grow (a rule each).
inline constexpr std::string_view kBuilderScript = R"SH(
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
target=/target
say() { echo "fairlead-image: $*"; }
end() {   # 0: the image is whole. The result disk tells; the power goes off in any case.
  [ "$1" != 0 ] || { printf 'fairlead image whole\n' | dd of="$result" conv=notrunc,fsync 2>/dev/null; }
  sync
  echo o >/proc/sysrq-trigger
  sleep 60
}
try() { "$@" || { say "failed: $*"; end 1; }; }
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mountpoint -q /run || mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
echo 1 >/proc/sys/kernel/sysrq
/lib/systemd/systemd-udevd --daemon
udevadm trigger; udevadm settle
disk=$(readlink -f /dev/disk/by-id/virtio-fltarget) || disk=
result=$(readlink -f /dev/disk/by-id/virtio-flresult) || result=
[ -b "$disk" ] && [ -b "$result" ] || { say "the disks of the builder are not there"; end 1; }

say "partitions"
printf 'label: gpt\nsize=1MiB, type=21686148-6449-6E6F-744E-656564454649\nsize=%sMiB, type=linux\ntype=lvm\n' "$boot_mib" |
  sfdisk -q "$disk" || { say "failed: sfdisk"; end 1; }
udevadm settle
say "volumes"
try pvcreate -q "${disk}3"
try vgcreate -q vg0 "${disk}3"
printf '%s\n' "$volumes" >/run/volumes
while read -r name mib; do
  try lvcreate -q -y -L "${mib}M" -n "$name" vg0 </dev/null
  try mkfs.ext4 -q -L "$name" "/dev/vg0/$name" </dev/null
done </run/volumes
try mkfs.ext4 -q -L boot "${disk}2"
say "the system"
mkdir -p "$target"
try mount /dev/vg0/root "$target"
wait=x-systemd.device-timeout=10min   # An emulated machine on a busy host is slow to see its disks.
fstab='/dev/mapper/vg0-root / ext4 errors=remount-ro 0 1'
while read -r name mib; do
  [ "$name" != root ] || continue
  mkdir -p "$target/$name"
  try mount "/dev/vg0/$name" "$target/$name"
  fstab="$fstab
/dev/mapper/vg0-$name /$name ext4 defaults,nodev,$wait 0 2"
done </run/volumes
mkdir -p "$target/boot"
try mount "${disk}2" "$target/boot"
fstab="$fstab
UUID=$(blkid -s UUID -o value "${disk}2") /boot ext4 defaults,nodev,$wait 0 2"
set -o pipefail
tar --one-file-system --xattrs --xattrs-include='*' --acls --exclude=./fairlead-build --exclude=./proc --exclude=./sys --exclude=./dev \
  --exclude=./run --exclude=./tmp --exclude=./target -C / -cf - . |
  tar --xattrs --xattrs-include='*' --acls -C "$target" -xpf - || { say "failed: the copy"; end 1; }
mkdir -p "$target/tmp"
chmod 1777 "$target/tmp"
printf '%s\n' "$fstab" >"$target/etc/fstab"

say "the boot loader"
for each in proc sys dev run; do mkdir -p "$target/$each"; try mount --rbind "/$each" "$target/$each"; done
cat >"$target/etc/default/grub" <<'END'
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --speed=115200"
GRUB_DISABLE_OS_PROBER=true
END
try chroot "$target" grub-install --target=i386-pc --no-floppy "$disk"
try chroot "$target" update-grub

say "settings"
mkdir -p "$target/etc/fairlead" "$target/etc/cloud/cloud.cfg.d"
{ echo "keep $(vgs --noheadings -o vg_free_count vg0 | tr -d ' ')"; printf '%s\n' "$grow"; } >"$target/etc/fairlead/grow"
try chroot "$target" systemctl -q enable systemd-networkd systemd-resolved fairlead-grow
cat >"$target/etc/cloud/cloud.cfg.d/90-fairlead.cfg" <<'END'
# Volumes are grown by fairlead-grow: cloud-init knows nothing of LVM.
growpart: {mode: "off"}
resize_rootfs: false
datasource_list: [NoCloud, None]
END
say "what is of one machine goes"
cd "$target" || end 1
: >etc/machine-id
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
rm -rf etc/ssh/ssh_host_* var/lib/dbus/machine-id var/lib/cloud var/lib/systemd/random-seed var/lib/glusterd/glusterd.info \
  var/lib/dhcp/* var/cache/apt/*.bin var/cache/apt/archives/*.deb var/lib/apt/lists/* var/log/*.log var/log/apt etc/hostname
cd /
for each in run dev sys proc; do umount -R -l "$target/$each"; done
try umount -R "$target"
try vgchange -q -an vg0
end 0
)SH";

}  // namespace fairlead::bootstrap
