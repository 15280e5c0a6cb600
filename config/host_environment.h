// Asks this machine for what checks may know about it. Part that cannot be read stays unknown.
#pragma once

#include "config/environment.h"

namespace fairlead::config {

[[nodiscard]] Environment host_environment();

}  // namespace fairlead::config
