// fairlead: pure
// Places on a machine that kubeadm, the renderers and the plan must agree on.
#pragma once

#include <string_view>

namespace fairlead::bootstrap {

/// Patches that kubeadm lays over what it makes (`patches.directory`); a machine's `kubelet` keys are one of them.
inline constexpr std::string_view kPatchesFolder = "/etc/kubernetes/patches";
inline constexpr std::string_view kCertificatesFolder = "/etc/kubernetes/pki";

}  // namespace fairlead::bootstrap
