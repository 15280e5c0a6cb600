// fairlead: pure
// What a name of the domain name system may look like.
#pragma once

#include <string_view>

namespace fairlead {

/// True for a name that is looked up as SRV: "_https._tcp.kube.demo". The port then comes from the record.
[[nodiscard]] bool is_srv_name(std::string_view host);
/// Labels of 1 to 63 letters, digits, '-' and '_', none with a '-' at an end; a dot at the end is allowed (RFC 1123, and '_' of RFC 2782).
[[nodiscard]] bool is_dns_name(std::string_view host);

}  // namespace fairlead
