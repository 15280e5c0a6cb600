// fairlead: pure
// The table of a site, part 4: VMs and images.
#include "k8s-bootstrap/site/site_limits.h"
#include "k8s-bootstrap/site/site_root.h"
#include "k8s-bootstrap/site/site_schema.h"
#include "k8s-bootstrap/site/site_types.h"

namespace fairlead::bootstrap::schema {
namespace {

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

}  // namespace

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
          field("seed_url", &Vms::seed_url, text({.rule = TextRule::kFree, .may_be_empty = true, .example = "http://192.168.1.5/seeds/"}),
                "VMs fetch what cloud-init is told from NAME/ below this URL, where you serve the folder that `fairlead machine seeds` "
                "writes. Empty: each has it on an ISO."),
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

}  // namespace fairlead::bootstrap::schema
