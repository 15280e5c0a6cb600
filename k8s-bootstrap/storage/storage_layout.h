// fairlead: pure
// How a site's storage lies on its machines: names and places that everything else in here agrees on.
//
//   disk -> volume group fl-BRICK -> thin pool -> /dev/fl-BRICK/brick (XFS) -> /srv/bricks/BRICK        the file system of one brick
//   /srv/bricks/BRICK/VOLUME        the brick: a directory below the mount, so that without the mount there is no brick
//   VOLUME's mount point/NAME       the directory of a persistent volume
//
// Bricks of a volume stand in the order of the machines in the file; each kCopies in a row hold the same files.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr std::size_t kCopies = 3;  ///< Two with an arbiter are three bricks, too.
inline constexpr std::string_view kBricksFolder = "/srv/bricks";
/// Directory of a volume that storage classes make theirs in.
inline constexpr std::string_view kSharedFolder = "dynamic";
inline constexpr std::string_view kGlusterTls[] = {"/etc/ssl/glusterfs.pem", "/etc/ssl/glusterfs.key", "/etc/ssl/glusterfs.ca"};

[[nodiscard]] std::string brick_mount(const Brick& brick);
/// Of the brick of `volume` there. nullptr-safe callers: `find_brick` first.
[[nodiscard]] std::string brick_directory(const Brick& brick, const GlusterVolume& volume);
[[nodiscard]] std::string brick_group(const Brick& brick);   ///< The LVM volume group.
[[nodiscard]] std::string brick_device(const Brick& brick);  ///< The logical volume with the file system.
[[nodiscard]] bool is_on_disk(const Brick& brick);           ///< Fairlead makes its file system.
[[nodiscard]] const Brick* find_brick(const Machine& machine, std::string_view name);

/// Machines that give a brick to the volume, in the file's order.
[[nodiscard]] std::vector<const Machine*> brick_owners(const Site& site, const GlusterVolume& volume);
/// "stor-1.kube.demo:/srv/bricks/brick-1/pods", likewise.
[[nodiscard]] std::string brick_name(const Site& site, const Machine& machine, const GlusterVolume& volume);
[[nodiscard]] std::vector<std::string> brick_names(const Site& site, const GlusterVolume& volume);
/// Machines on which the volume is to be mounted.
[[nodiscard]] std::vector<const Machine*> mounting_machines(const Site& site, const GlusterVolume& volume);
/// Volumes that are to be mounted on it.
[[nodiscard]] std::vector<const GlusterVolume*> mounts_of(const Site& site, const Machine& machine);
/// Gluster has something to do with it: bricks of a volume, or a mount.
[[nodiscard]] bool has_storage(const Site& site, const Machine& machine);

/// Options of the volume: ours, `allow`, and the site's laid over.
[[nodiscard]] std::map<std::string, std::string> volume_options(const Site& site, const GlusterVolume& volume);
/// The site switches TLS of the volume's data on: the operator brings the files of kGlusterTls.
[[nodiscard]] bool has_tls(const GlusterVolume& volume);
[[nodiscard]] bool uses_tls(const Site& site, const Machine& machine);

/// "srv-bricks-brick\x2d1.mount": systemd.unit(5), "String Escaping for Inclusion in Unit Names".
[[nodiscard]] std::string mount_unit(std::string_view path);

}  // namespace fairlead::bootstrap
