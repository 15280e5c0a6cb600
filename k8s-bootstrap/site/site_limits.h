// fairlead: pure
// Every bound of a site, in one place. Those of the gateways' fairlead.yaml are config/limits.h's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace fairlead::bootstrap {

inline constexpr std::size_t kMachinesMax = 512;  ///< A plan of 100 is measured; kubeadm's own limit is 5000 nodes.
inline constexpr std::size_t kSiteNameMax = 32;   ///< "NAME-MACHINE" is still the name of a VM, and the Corosync cluster's.
inline constexpr std::size_t kMachineNameMax = 40;
inline constexpr std::size_t kJumpsMax = 4;
inline constexpr unsigned kParallelMax = 64;
inline constexpr std::size_t kLabelsMax = 64;
inline constexpr std::size_t kTaintsMax = 32;
inline constexpr std::size_t kExtraFilesMax = 64;
inline constexpr std::size_t kExtraFileBytesMax = std::size_t{64} << 10U;
inline constexpr std::size_t kVipPortsMax = 16;
inline constexpr std::size_t kAddonsMax = 64;
inline constexpr std::size_t kHookCommandsMax = 16;
inline constexpr std::size_t kHookWordsMax = 64;
inline constexpr std::size_t kIgnoredChecksMax = 64;
inline constexpr std::size_t kMirrorsMax = 32;
inline constexpr std::size_t kBricksMax = 16;
inline constexpr std::size_t kVolumesMax = 32;
inline constexpr Duration kValidityMax = std::chrono::hours(24 * 365 * 30);
inline constexpr std::size_t kSecretsMax = 256;           ///< Values taken from the environment.
inline constexpr std::size_t kSecretBytesMax = 64 << 10;  ///< Of one of them.

}  // namespace fairlead::bootstrap
