// fairlead: pure
// A fact is yes, no or unknown, and unknown is never no.
#pragma once

#include <cstdint>

namespace fairlead::bootstrap {

enum class Known : std::uint8_t { kUnknown, kNo, kYes };
[[nodiscard]] constexpr Known known(bool value) { return value ? Known::kYes : Known::kNo; }

}  // namespace fairlead::bootstrap
