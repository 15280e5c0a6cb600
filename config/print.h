// fairlead: pure
// Snapshot -> YAML. parse(print(s)) == s, with and without defaults.
#pragma once

#include <string>

#include "config/settings.h"

namespace fairlead::config {

/// Without `with_defaults`: only what differs from the defaults. `defaults.pool` is merged into the pools by then.
[[nodiscard]] std::string print(const Snapshot& snapshot, bool with_defaults = false);

/// 16 hex digits that depend on the meaning of the configuration only: not on comments, order of keys or spelled-out defaults.
/// `node` does not count, so that nodes with the same file agree.
[[nodiscard]] std::string hash(const Snapshot& snapshot);

}  // namespace fairlead::config
