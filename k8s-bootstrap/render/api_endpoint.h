// fairlead: pure
// Where clients and nodes reach the API.
#pragma once

#include <cstdint>
#include <string>

#include "base/ip_address.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

inline constexpr std::uint16_t kDefaultApiPort = 6443;

/// "HOST:PORT": the endpoint's VIP and the port it listens on; without gateways what the site says, else the first control plane's own
/// address.
[[nodiscard]] std::string api_endpoint(const Site& site);

}  // namespace fairlead::bootstrap
