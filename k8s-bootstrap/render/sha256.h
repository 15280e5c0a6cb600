// SHA-256 as 64 hexadecimal digits: of files rendered here and files read there.
#pragma once

#include <string>
#include <string_view>

namespace fairlead::bootstrap {

[[nodiscard]] std::string sha256(std::string_view bytes);

}  // namespace fairlead::bootstrap
