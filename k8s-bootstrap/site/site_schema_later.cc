// fairlead: pure
// The table of a site, part 4: VMs, images; storage, which this release reads and refuses.
#include "k8s-bootstrap/site/site_later.h"
#include "k8s-bootstrap/site/site_limits.h"
#include "k8s-bootstrap/site/site_schema.h"
#include "k8s-bootstrap/site/site_types.h"

namespace fairlead::bootstrap::schema {
namespace {

TypeOfPtr<std::string> percent(std::string example) {
  return formatted({.name = "share",
                    .range = "1% to 100%",
                    .pattern = "^([1-9]|[1-9][0-9]|100)%$",
                    .example = std::move(example),
                    .length_max = 4,
                    .obeys = [](std::string_view text) {
                      if (text.size() < 2 || text.back() != '%') return false;
                      text.remove_suffix(1);
                      if (text == "100") return true;
                      return text.size() <= 2 && text.front() != '0' && text.find_first_not_of("0123456789") == std::string_view::npos;
                    }});
}
TypeOfPtr<std::uint64_t> disk_size() { return size(0, 1ULL << 50U); }

const Section& size_section() {
  static const Section of =
      make_section<VmSize>("vms.sizes.gateway", "Size of a VM of this role; a machine's own keys win.",
                           {
                               field("cpus", &VmSize::cpus, number<std::uint32_t>(0, 1024, "2"), "CPUs. 0: 2."),
                               field("memory", &VmSize::memory, disk_size(), "Memory. 0: 2GiB."),
                               field("disk", &VmSize::disk, disk_size(), "Disk. 0: 20GiB. The image grows into it at the first boot."),
                           });
  return of;
}

const Section& sizes_section() {
  const auto of_role = [](std::string key, VmSize VmSizes::*member) {
    std::string doc = "Of role " + key + ".";
    return field(std::move(key), member, section<VmSize>(size_section()), std::move(doc));
  };
  static const Section of =
      make_section<VmSizes>("vms.sizes", "Sizes by role.",
                            {of_role("gateway", &VmSizes::gateway), of_role("bastion", &VmSizes::bastion),
                             of_role("witness", &VmSizes::witness), of_role("control-plane", &VmSizes::control_plane),
                             of_role("worker", &VmSizes::worker), of_role("etcd", &VmSizes::etcd), of_role("storage", &VmSizes::storage)});
  return of;
}

const Section& layout_section() {
  static const Section of =
      make_section<BrickLayout>("storage.gluster.brick", "How a brick is made of a disk.",
                                {
                                    field("thin_pool", &BrickLayout::thin_pool, percent("95%"), "Share of the disk in the thin pool."),
                                    field("metadata", &BrickLayout::metadata, percent("1%"), "Share of the disk for the pool's metadata."),
                                    field("alignment", &BrickLayout::alignment, size(4096, 1ULL << 30U), "Alignment of the data."),
                                    field("chunk", &BrickLayout::chunk, size(65536, 1ULL << 30U), "Chunk of the thin pool."),
                                    field("filesystem", &BrickLayout::filesystem, choice<std::string>({{"xfs", "xfs"}}), "Of the brick."),
                                });
  return of;
}

const Section& mount_section() {
  static const Section of = make_section<GlusterVolume>(
      "storage.gluster.volumes[].mount", "Where the volume is mounted.",
      {
          field("path", &GlusterVolume::mount_path, text({.rule = TextRule::kAbsolutePath, .may_be_empty = false, .example = "/srv/pods"}),
                "On each machine.", {.required = true}),
          field("on", &GlusterVolume::mount_on,
                choice<Role>({{"worker", Role::kWorker}, {"control-plane", Role::kControlPlane}, {"bastion", Role::kBastion}}),
                "Machines of this role."),
      });
  return of;
}

const Section& volume_section() {
  const auto any_key = [](std::string_view key) { return !key.empty() && key.size() <= 128; };
  const auto any_value = [](std::string_view) { return true; };
  static const Section of = make_section<GlusterVolume>(
      "storage.gluster.volumes[]", "A Gluster volume.",
      {
          field("name", &GlusterVolume::name, name(), "Unique.", {.required = true}),
          field("replica", &GlusterVolume::replica, number<std::uint32_t>(2, 3), "Copies."),
          field("arbiter", &GlusterVolume::arbiter, number<std::uint32_t>(0, 1, "none"), "One of the copies holds names only."),
          field("bricks", &GlusterVolume::bricks, name(), "Name of a brick that the storage machines have.", {.required = true}),
          field("allow", &GlusterVolume::allow, list(name(), config::kNetworksMax, "networks"), "Networks that may mount it."),
          field("options", &GlusterVolume::options,
                word_map({.described = "map of options",
                          .example = "{network.ping-timeout: 10}",
                          .key_obeys = any_key,
                          .key_rule = "the name of an option of `gluster volume set`",
                          .value_obeys = any_value,
                          .value_rule = "its value"}),
                "Options of `gluster volume set`."),
          group<GlusterVolume>("mount", mount_section(), "Where it is mounted."),
      });
  return of;
}

const Section& persistent_volume_section() {
  static const Section of = make_section<PersistentVolume>(
      "storage.gluster.persistent_volumes[]", "A PersistentVolume of Kubernetes on a volume.",
      {
          field("name", &PersistentVolume::name, name(), "Unique.", {.required = true}),
          field("volume", &PersistentVolume::volume, name(), "A name of volumes.", {.required = true}),
          field("size", &PersistentVolume::size, disk_size(), "Its size.", {.required = true}),
          field("access", &PersistentVolume::access,
                choice<std::string>(
                    {{"ReadWriteMany", "ReadWriteMany"}, {"ReadWriteOnce", "ReadWriteOnce"}, {"ReadOnlyMany", "ReadOnlyMany"}}),
                "Who may mount it."),
      });
  return of;
}

const Section& gluster_section() {
  static const Section of = make_section<Gluster>(
      "storage.gluster", "Gluster.",
      {
          field("brick", &Gluster::brick, section<BrickLayout>(layout_section()), "How bricks are made."),
          field("volumes", &Gluster::volumes, list(section<GlusterVolume>(volume_section()), kVolumesMax, "volumes"), "Volumes."),
          field("persistent_volumes", &Gluster::persistent_volumes,
                list(section<PersistentVolume>(persistent_volume_section()), kVolumesMax, "persistent volumes"), "For Kubernetes."),
      });
  return of;
}

}  // namespace

const Section& brick_section() {
  static const Section of =
      make_section<Brick>("machines[].bricks[]", "A disk for storage.",
                          {
                              field("name", &Brick::name, name(), "Unique on its machine.", {.required = true}),
                              field("size", &Brick::size, disk_size(), "Of a VM's disk."),
                              field("device", &Brick::device,
                                    text({.rule = TextRule::kAbsolutePath, .may_be_empty = true, .example = "/dev/disk/by-id/ata-EXAMPLE"}),
                                    "Of a disk that exists."),
                              field("serial", &Brick::serial, text({.rule = TextRule::kFree, .may_be_empty = true, .example = "S1234567"}),
                                    "Its serial number, compared before anything is written."),
                          });
  return of;
}

const Section& vms_section() {
  static const Section of = make_section<Vms>(
      "vms", "Machines that Fairlead makes.",
      {
          field("driver", &Vms::driver,
                choice<std::string>({{"libvirt", "libvirt"}, {"virtualbox", "virtualbox"}, {"qemu", "qemu"}, {"namespaces", "namespaces"}}),
                "What runs them, on the machine where `fairlead machine` is said. namespaces (the lab, no VM) is refused by this release.",
                {.required = true}),
          field("image", &Vms::image, optional_name(),
                "Their disks are copies of state_dir/images/NAME.qcow2: a cloud image, with cloud-init in it."),
          field("sizes", &Vms::sizes, section<VmSizes>(sizes_section()), "Sizes by role."),
      });
  return of;
}

const Section& image_section() {
  using Volumes = MapType<Image::Volume, std::uint64_t>;
  using Growths = MapType<Image::Growth, std::string>;
  static const Section of = make_section<Image>(
      "image", "The disk that VMs are made from.",
      {
          field("name", &Image::name, name(), "Its name.", {.required = true}),
          field("release", &Image::release,
                choice<std::string>({{"bookworm", "bookworm"}, {"trixie", "trixie"}, {"jammy", "jammy"}, {"noble", "noble"}}),
                "Debian's or Ubuntu's code name.", {.required = true}),
          field("disk", &Image::disk, disk_size(), "Its size."),
          field("boot", &Image::boot, disk_size(), "/boot, outside LVM."),
          field("volumes", &Image::volumes,
                std::make_shared<Volumes>(&Image::Volume::name, &Image::Volume::size, disk_size(), kVolumesMax, "map of sizes",
                                          std::vector<std::string>{}, "{root: 2GiB, var: 10GiB}"),
                "Logical volumes of vg0; the rest stays free."),
          field("grow", &Image::grow,
                std::make_shared<Growths>(&Image::Growth::name, &Image::Growth::share, percent("100%"), kVolumesMax, "map of shares",
                                          std::vector<std::string>{}, "{var: 100%}"),
                "Volume: its share of new space."),
          field("packages", &Image::packages, list(name(), 256, "packages"), "Packages beside the base system."),
      });
  return of;
}

const Section& storage_section() {
  static const Section of =
      make_section<Storage>("storage", "Storage on machines of role storage.",
                            {field("gluster", &Storage::gluster, optional(section<Gluster>(gluster_section())), "Gluster.")});
  return of;
}

}  // namespace fairlead::bootstrap::schema
