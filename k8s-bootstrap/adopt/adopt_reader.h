// Reads the machines of a cluster that exists, and those that they tell of, until nobody tells of more. Blocks; changes nothing on them.
#pragma once

#include <functional>
#include <string>

#include "base/time.h"
#include "k8s-bootstrap/adopt/adopt_input.h"

namespace fairlead::bootstrap {

/// `input` has targets, access and state_dir. `known_hosts`: where host keys are kept. `on_answer`: name, and the error or nullptr; from
/// any of its threads. Machines that do not answer are in `facts.unread`.
/// Errors: no ssh, no key file.
[[nodiscard]] Status read_for_adoption(AdoptInput& input, const std::string& known_hosts, const Clock& clock,
                                       const std::function<void(const std::string&, const Error*)>& on_answer);

}  // namespace fairlead::bootstrap
