// fairlead: pure
// The table of a site, part 5: bricks of machines, Gluster and its volumes.
#include "k8s-bootstrap/site/site_limits.h"
#include "k8s-bootstrap/site/site_root.h"
#include "k8s-bootstrap/site/site_schema.h"
#include "k8s-bootstrap/site/site_types.h"

namespace fairlead::bootstrap::schema {
namespace {

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
          field("replica", &GlusterVolume::replica, number<std::uint32_t>(2, 3),
                "Copies: 3; 2 only with arbiter: 1, which is the same as 3 with it."),
          field("arbiter", &GlusterVolume::arbiter, number<std::uint32_t>(0, 1, "none"), "One of the copies holds names only."),
          field("bricks", &GlusterVolume::bricks, name(),
                "Name of a brick: every machine that has one of this name gives it, in the file's order. Each three are copies of one "
                "another.",
                {.required = true}),
          field("allow", &GlusterVolume::allow, list(name(), config::kNetworksMax, "networks"), "Networks that may mount it."),
          field("options", &GlusterVolume::options,
                word_map({.described = "map of options",
                          .example = "{network.ping-timeout: 10}",
                          .key_obeys = any_key,
                          .key_rule = "the name of an option of `gluster volume set`",
                          .value_obeys = any_value,
                          .value_rule = "its value"}),
                "Options of `gluster volume set`, laid over Fairlead's own (docs/operating/storage.md)."),
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
          field("size", &PersistentVolume::size, disk_size(), "Its size; kept by a quota of its directory, which is late.",
                {.required = true}),
          field("access", &PersistentVolume::access,
                choice<std::string>(
                    {{"ReadWriteMany", "ReadWriteMany"}, {"ReadWriteOnce", "ReadWriteOnce"}, {"ReadOnlyMany", "ReadOnlyMany"}}),
                "Who may mount it."),
      });
  return of;
}

const Section& shared_class_section() {
  static const Section of = make_section<SharedClass>(
      "storage.gluster.storage_classes[]", "A StorageClass for local-path-provisioner, by its shared file system.",
      {
          field("name", &SharedClass::name, name(), "Unique.", {.required = true}),
          field("volume", &SharedClass::volume, name(), "A name of volumes.", {.required = true}),
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
                list(section<PersistentVolume>(persistent_volume_section()), kVolumesMax, "persistent volumes"),
                "Directories of volumes, as PersistentVolumes of Kubernetes."),
          field("storage_classes", &Gluster::storage_classes,
                list(section<SharedClass>(shared_class_section()), kVolumesMax, "storage classes"),
                "StorageClasses and the ConfigMap of local-path-provisioner; the provisioner itself is an addon of yours."),
          field("kadalu", &Gluster::kadalu, list(name(), kVolumesMax, "volumes"),
                "Volumes for which manifests of Kadalu are rendered (bootstrap plan --show kadalu.yaml); they are not applied."),
      });
  return of;
}

}  // namespace

const Section& brick_section() {
  static const Section of = make_section<Brick>(
      "machines[].bricks[]", "A brick: a whole disk by device or serial, or a file system of yours by path.",
      {
          field("name", &Brick::name, name(), "Unique on its machine.", {.required = true}),
          field("size", &Brick::size, disk_size(), "What the disk must have at least; of a VM's disk: what it has."),
          field("device", &Brick::device,
                text({.rule = TextRule::kAbsolutePath, .may_be_empty = true, .example = "/dev/disk/by-id/ata-EXAMPLE"}),
                "Of a disk that exists. Absent: the disk with this serial."),
          field("serial", &Brick::serial, text({.rule = TextRule::kFree, .may_be_empty = true, .example = "S1234567"}),
                "Its serial number, compared before anything is written."),
          field("path", &Brick::path, text({.rule = TextRule::kAbsolutePath, .may_be_empty = true, .example = "/srv/brick-1"}),
                "Instead of a disk: where a file system that you prepared is mounted."),
          field("wipe", &Brick::wipe, flag(), "Whatever is on the disk may be destroyed. Needs serial, and --yes-destroy when it is done."),
      });
  return of;
}

const Section& storage_section() {
  static const Section of =
      make_section<Site>("storage", "Storage on machines of role storage.",
                         {field("gluster", &Site::gluster, optional(section<Gluster>(gluster_section())), "Gluster.")});
  return of;
}

}  // namespace fairlead::bootstrap::schema
