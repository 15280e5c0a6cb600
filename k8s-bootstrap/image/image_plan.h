// fairlead: pure
// How an image of the site comes about, as steps on this machine: a Debian system by mmdebstrap, put onto logical volumes in a builder VM
// (qemu), so that the host needs no device mapper and no disk of it is touched.
//
//   IM1  Everything is written below the work folder; the image gets its name when the builder has said that it is whole.
//   IM2  The same packages of the same archive give the same manifest, whenever it is built.
//   IM3  What is of one machine is not in it: machine-id, SSH host keys, state of cloud-init, UUID of glusterd, host name.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/machines/host_step.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr std::uint64_t kImageDisk = 40ULL << 30U;
inline constexpr std::uint64_t kImageBoot = 512ULL << 20U;
inline constexpr std::string_view kBuilderWord = "fairlead image whole";  ///< First line of the result disk.

/// What the site leaves open is filled in: the classic volumes, sizes of disk and /boot.
[[nodiscard]] Image whole_image(const Image& image);

inline constexpr std::string_view kCloudKernel = "linux-image-cloud-amd64";  ///< Knows no drive but virtio's.
inline constexpr std::string_view kWholeKernel = "linux-image-amd64";        ///< For VirtualBox.

struct ImagePlaces {
  std::string images;  ///< Absolute: "/srv/demo.state/images".
  std::string mirror;  ///< Of Debian; empty: Debian's own.
  std::string kernel = std::string(kCloudKernel);
  bool kvm = false;
};
struct ImageBuild {
  std::string work;              ///< "/srv/demo.state/images/.build-base"
  std::string image;             ///< "/srv/demo.state/images/base.qcow2"; beside it base.manifest and base.json.
  std::string console;           ///< What the builder VM said.
  std::string result;            ///< Its result disk.
  std::vector<HostStep> make;    ///< Up to the builder's end.
  std::vector<HostStep> finish;  ///< When it said kBuilderWord.
};
/// `image` is whole.
[[nodiscard]] ImageBuild plan_image(const Image& image, const ImagePlaces& places);

/// Packages that every image has, then the site's; each once, sorted.
[[nodiscard]] std::vector<std::string> image_packages(const Image& image, std::string_view kernel);
/// /etc/fairlead/grow without its first line.
[[nodiscard]] std::string grow_rules(const Image& image);
/// Process 1 of the builder VM.
[[nodiscard]] std::string builder_script(const Image& image);
/// Run by `fairlead image grow` over SSH: the script of the image, with the rules of the site where the machine has others.
[[nodiscard]] std::string grow_now_script(const Image& image);

}  // namespace fairlead::bootstrap
