// fairlead: pure
// The script that fetches what `adopt` reads beyond facts: files of Fairlead's and kubeadm's, and the ConfigMaps that kubeadm keeps. It
// changes nothing and fetches no key, no token, no kubeconfig.
//
//   "@fqdn NAME"          "@file BYTES PATH"    "@ask NAME CODE"    a section's lines follow behind "|"
//   The last line is "@end": an answer without it was cut.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "k8s-bootstrap/adopt/adopt_input.h"

namespace fairlead::bootstrap {

[[nodiscard]] std::string adopt_script();

/// A file that did not come as long as it is (it holds a NUL, or is larger than the script takes) is not in the answer.
/// Errors: kUnavailable (not whole).
[[nodiscard]] Result<AdoptAnswer> parse_adopt_answer(std::string_view text);

}  // namespace fairlead::bootstrap
