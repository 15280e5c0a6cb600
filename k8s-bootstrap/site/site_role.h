// fairlead: pure
// What a machine of a site does.
#pragma once

#include <cstdint>
#include <string_view>

namespace fairlead::bootstrap {

enum class Role : std::uint8_t { kGateway, kBastion, kWitness, kControlPlane, kWorker, kEtcd, kStorage };
[[nodiscard]] std::string_view to_string(Role role);  ///< As in the file: "control-plane".

}  // namespace fairlead::bootstrap
