// fairlead: pure
// What `openssl x509 -noout -enddate -serial -pubkey` prints of one certificate.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "k8s-bootstrap/facts/facts.h"

namespace fairlead::bootstrap {

/// `now`: since 1970. Days are rounded down: -1 is "since yesterday". Nothing: it is not such a text.
[[nodiscard]] std::optional<CertificateFact> read_certificate(const std::string& path, std::string_view text, Duration now);

}  // namespace fairlead::bootstrap
