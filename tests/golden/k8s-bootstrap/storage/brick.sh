disk=/dev/sdb serial=S-stor-1 least=536870912000
group=fl-brick-1 mount=/srv/bricks/brick-1 unit='srv-bricks-brick\x2d1.mount'
pool_share=95 metadata_share=1 metadata_max=16911433728 chunk=1280k
refuse() { echo "$disk: $1" >&2; exit 1; }
if ! vgs "$group" >/dev/null 2>&1; then
  [ -b "$disk" ] || refuse 'there is no such disk'
  found=$(lsblk -d -n -o SERIAL "$disk" | tr -d ' ')
  [ -z "$serial" ] || [ "$found" = "$serial" ] || refuse "its serial is '$found', the site says '$serial'"
  bytes=$(blockdev --getsize64 "$disk")
  [ "$bytes" -ge "$least" ] || refuse "it has $bytes bytes, the site says $least"
  [ -z "$(ls "/sys/class/block/${disk##*/}/holders")" ] || refuse 'something is made of it'
  [ -z "$(lsblk -n -o MOUNTPOINT "$disk" | tr -d ' \n')" ] || refuse 'it is mounted'
  [ "$(lsblk -n -o NAME "$disk" | wc -l)" = 1 ] || refuse 'it has partitions'
  code=0; blkid -p "$disk" >/dev/null 2>&1 || code=$?
  [ "$code" = 2 ] || refuse "it has data (blkid ends with $code)"
  [ "$(head -c 1048576 "$disk" | tr -d '\000' | head -c 1 | wc -c)" = 0 ] || refuse 'there are bytes at its beginning'
  vgcreate --yes --dataalignment 128k --physicalextentsize 128k "$group" "$disk"
fi
is() { lvs --noheadings "$group/$1" >/dev/null 2>&1; }
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
