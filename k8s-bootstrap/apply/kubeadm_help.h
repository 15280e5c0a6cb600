// fairlead: pure
// What kubeadm, kubelet, apt and the kernel say when something fails, as a cause and what to do about it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fairlead::bootstrap {

struct Help {
  std::string cause;
  std::string remedy;
  bool operator==(const Help&) const = default;
};

/// Of the first thing in `said` (standard error and output of a failed script) that is known; nothing when nothing is.
[[nodiscard]] std::optional<Help> help_for(std::string_view said);

}  // namespace fairlead::bootstrap
