// fairlead: pure
// A certificate as the probe brings it: in PEM, or as a kubeconfig has it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "k8s-bootstrap/facts/facts.h"

namespace fairlead::bootstrap {

/// `text`: PEM, or "data " and the base64 of that. `now`: since 1970. Days are rounded down: -1 is "since yesterday". Nothing: it is no
/// certificate.
[[nodiscard]] std::optional<CertificateFact> read_certificate(const std::string& path, std::string_view text, Duration now);

}  // namespace fairlead::bootstrap
