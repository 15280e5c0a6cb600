// fairlead: pure
// Two texts line by line, for people: what goes ("-"), what comes ("+"), two lines around each change.
#pragma once

#include <string>
#include <string_view>

namespace fairlead::cli {

/// Empty: the texts are the same. Texts of thousands of lines are shown as one change from the first to the last line that differs.
[[nodiscard]] std::string text_diff(std::string_view before, std::string_view after);

}  // namespace fairlead::cli
