// fairlead: pure
// The image: its volumes fit on its disk, and what grows is one of them.
#include <algorithm>
#include <array>
#include <set>

#include "base/units.h"
#include "k8s-bootstrap/image/image_plan.h"
#include "k8s-bootstrap/site/site_checks.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::uint64_t kVolumeMin = 64 * kMiB;
constexpr std::uint64_t kBootMin = 128 * kMiB;
constexpr std::uint64_t kOverhead = 64 * kMiB;  ///< Partition tables, the boot loader's partition, LVM's own.
constexpr std::array<std::string_view, 7> kVolumes{"root", "home", "opt", "tmp", "usr", "var", "srv"};

void check_volumes(SiteChecks& checks, const Image& image) {
  std::uint64_t sum = image.boot;
  bool root = image.volumes.empty();
  for (const Image::Volume& volume : image.volumes) {
    const std::string path = path_of("image.volumes.{}", volume.name);
    root = root || volume.name == "root";
    sum += volume.size;
    if (std::find(kVolumes.begin(), kVolumes.end(), volume.name) == kVolumes.end())
      checks.error(path, fmt::format("{} is no volume of an image", quoted(volume.name)),
                   fmt::format("root is mounted at /, the others at /NAME: {}", fmt::join(kVolumes, ", ")));
    if (volume.size < kVolumeMin)
      checks.error(path, fmt::format("volume {} has {}", volume.name, format_size(volume.size)), "at least 64MiB");
  }
  if (!root) checks.error("image.volumes", "an image without a volume root", "add one, as in root: 2GiB");
  const Image whole = whole_image(image);
  if (image.boot != 0 && image.boot < kBootMin)
    checks.error("image.boot", fmt::format("/boot has {}", format_size(image.boot)),
                 "at least 128MiB: two kernels are there during an upgrade");
  std::uint64_t needed = whole.boot + kOverhead;
  for (const Image::Volume& volume : whole.volumes) needed += volume.size;
  if (needed > whole.disk)
    checks.error(
        "image",
        fmt::format("volumes and /boot need {}, the image's disk has {}", format_size(needed / kMiB * kMiB), format_size(whole.disk)),
        "a larger disk, or smaller volumes: they can grow later");
}

void check_growth(SiteChecks& checks, const Image& image) {
  const Image whole = whole_image(image);
  unsigned sum = 0;
  for (const Image::Growth& growth : image.grow) {
    const std::string path = path_of("image.grow.{}", growth.name);
    const bool known =
        std::any_of(whole.volumes.begin(), whole.volumes.end(), [&](const auto& volume) { return volume.name == growth.name; });
    if (!known) {
      std::vector<std::string> names;
      for (const Image::Volume& volume : whole.volumes) names.push_back(volume.name);
      checks.error(path, fmt::format("the image has no volume {}", quoted(growth.name)), config::suggest(growth.name, names));
    }
    if (checks.sound(path)) sum += static_cast<unsigned>(std::stoul(growth.share));
  }
  if (sum > 100) checks.error("image.grow", fmt::format("shares of new space make {}%", sum), "at most 100% together");
}

}  // namespace

void check_site_image(SiteChecks& checks) {
  if (!checks.site.image || !checks.sound("image")) return;
  const Image& image = *checks.site.image;
  if (image.release != "bookworm" && image.release != "trixie" && checks.sound("image.release"))
    checks.error(
        "image.release", fmt::format("no image of {} is made: Debian's bookworm and trixie are", quoted(image.release)),
        "for Ubuntu put a cloud image of yours at state_dir/images/NAME.qcow2, name it in vms.image, and leave the section image out");
  check_volumes(checks, image);
  check_growth(checks, image);
  if (checks.site.vms && !checks.site.vms->image.empty() && checks.site.vms->image != image.name)
    checks.warning("vms.image", fmt::format("VMs are copies of {}, and image build makes {}", checks.site.vms->image, image.name),
                   "the same name, or leave it if you have both");
}

}  // namespace fairlead::bootstrap
