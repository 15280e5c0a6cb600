// Builds images on this machine, and tells which there are. Blocks; of one thread.
//
//   IB1  One build at a time in a folder of images: a second one is refused.
//   IB2  An image that a build of another name or an earlier one made is replaced only when the new one is whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/image/image_plan.h"
#include "k8s-bootstrap/machines/local_steps.h"

namespace fairlead::bootstrap {

/// Whether a guest runs by KVM here: /dev/kvm may be there and unusable.
[[nodiscard]] bool has_kvm(const LocalWorld& world);
/// `image` is whole; `places.kvm` is as has_kvm says. Errors: kPermission (not root), kNotFound (a program is missing, with its package),
/// kConflict (IB1), kUnavailable (a step failed: its words, or the end of the builder's console).
[[nodiscard]] Status build_image(const Image& image, const ImagePlaces& places, const LocalWorld& world);

struct ImageFound {
  std::string name;
  std::string file;
  std::uint64_t bytes = 0;              ///< On the disk.
  std::optional<std::size_t> packages;  ///< Lines of its manifest; absent: it was not built by us.
  std::string kernel;                   ///< Version of its kernel's package, of the manifest.
};
/// By name. A folder that is not there has none.
[[nodiscard]] Result<std::vector<ImageFound>> list_images(const std::string& folder);

}  // namespace fairlead::bootstrap
