// fairlead: pure
// Versions that this release knows: which Kubernetes works with which containerd, and until when each is maintained (versions.def).
// Dates are texts, "2027-06-28": they compare as they sort.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::bootstrap {

struct Version {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint32_t patch = 0;
  [[nodiscard]] std::string to_string() const;  ///< "1.36.4"
  friend constexpr auto operator<=>(const Version&, const Version&) = default;
};
/// "1.36.4", "2.2" (patch 0); nullopt for anything else, a leading 'v' included.
[[nodiscard]] std::optional<Version> parse_version(std::string_view text);

/// One minor version of Kubernetes; major is 1. Texts that are not known are empty.
struct KubernetesVersion {
  std::uint32_t minor = 0;
  std::uint32_t newest_patch = 0;  ///< That this release knows; a newer one is fine.
  std::string_view released;
  std::string_view end_of_life;
  std::string_view containerd_min;      ///< "1.7": older ones do not work.
  std::string_view containerd_advised;  ///< What containerd's own table lists at least.
  std::string_view pause;               ///< Tag of kubeadm's pause image, likewise the following.
  std::string_view etcd;
  std::string_view coredns;
};
struct ContainerdVersion {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::string_view released;
  std::string_view end_of_life;
};

/// Oldest first.
[[nodiscard]] std::span<const KubernetesVersion> known_kubernetes();
[[nodiscard]] std::span<const ContainerdVersion> known_containerd();
/// The entry of `version`'s minor; nullptr: not known.
[[nodiscard]] const KubernetesVersion* find_kubernetes(const Version& version);
[[nodiscard]] const ContainerdVersion* find_containerd(const Version& version);

/// Of the upstream archive for amd64; empty: not known to this release.
[[nodiscard]] std::string_view containerd_sha256(const Version& version);
/// "2.3.1, 2.3.5": the versions of that minor whose archive's sum is known.
[[nodiscard]] std::string containerd_with_sums(const Version& line);

/// What `verify` and the provisioner of directories run in pods of theirs; a bundle has it.
inline constexpr std::string_view kBusybox = "busybox:1.36";

/// kubeadm's configuration format v1beta4 (else v1beta3) begins with it.
inline constexpr std::uint32_t kV1Beta4Minor = 31;
/// ECDSA-P384 begins with it.
inline constexpr std::uint32_t kP384Minor = 34;
/// kubelet refuses cgroup v1 from it on (failCgroupV1).
inline constexpr std::uint32_t kCgroupV2Minor = 35;

/// For `fairlead bootstrap versions`: a table of what is known, what is past its end of life by `today` (empty: none) marked.
[[nodiscard]] std::string versions_text(std::string_view today);

}  // namespace fairlead::bootstrap
