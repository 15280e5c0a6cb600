// fairlead: pure
// Names of the site's own machines need no resolver: a gateway must not wait for itself.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "lb/resolver_lookup.h"

namespace fairlead::daemon {

/// `names`: of config::site_names(). Nothing: it is none of them, or has no address of the asked family; whoever asks then asks on.
[[nodiscard]] std::optional<lb::ResolveAnswer> site_answer(const std::map<std::string, std::vector<IpAddress>>& names,
                                                           const lb::ResolveQuestion& question);

}  // namespace fairlead::daemon
