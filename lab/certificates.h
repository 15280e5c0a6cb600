// The lab's keys: its own authority and its servers' certificates, by the openssl command, and Corosync's key. ECDSA: a certificate costs
// some 10 ms.
#pragma once

#include <string>

#include "base/result.h"

namespace fairlead::lab {

/// Makes `folder` with ca.crt and ca.key. Errors: kUnavailable with openssl's own words.
[[nodiscard]] Status make_authority(const std::string& folder);
/// `authkey` there: what Corosync's nodes know each other by.
[[nodiscard]] Status make_authkey(const std::string& folder);
/// NAME.crt and NAME.key beside the authority's, unless they are there. `alternatives`: "IP:192.168.1.11,DNS:mast-1".
[[nodiscard]] Status make_certificate(const std::string& folder, const std::string& name, const std::string& alternatives);

}  // namespace fairlead::lab
