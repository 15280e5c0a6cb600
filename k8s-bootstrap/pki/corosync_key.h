// Corosync's key of the site's gateways: state_dir/corosync.key, 256 random bytes. It reaches the gateways over SSH only.
#pragma once

#include <string>

#include "base/result.h"
#include "k8s-bootstrap/pki/state_dir.h"

namespace fairlead::bootstrap {

inline constexpr std::string_view kCorosyncKeyFile = "corosync.key";

/// The bytes of the key, made when there is none and kept otherwise. Errors: kConflict (what is there cannot be a key), those of StateDir
/// and getrandom(2).
[[nodiscard]] Result<std::string> ensure_corosync_key(const StateDir& dir);

}  // namespace fairlead::bootstrap
