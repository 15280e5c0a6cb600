// fairlead: pure
// Text on a terminal of a given size: lines are cut, colours survive, nothing flickers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fairlead::cli {

struct ScreenSize {
  std::size_t rows = 24;
  std::size_t columns = 80;
};

inline constexpr std::string_view kEnterScreen = "\x1b[?1049h\x1b[?25l";  ///< The other screen, and no cursor.
inline constexpr std::string_view kLeaveScreen = "\x1b[?25h\x1b[?1049l";

/// The first `columns` characters; escape sequences take no room and colours end with it.
[[nodiscard]] std::string cut_line(std::string_view line, std::size_t columns);

/// What makes a screen of this size show `text` instead of what it shows: over it, without clearing it first. What does not fit is said.
[[nodiscard]] std::string screen_of(std::string_view text, ScreenSize size);

}  // namespace fairlead::cli
