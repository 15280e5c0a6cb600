// fairlead: pure
// Columns for people: left or right aligned, coloured when asked, never a trailing blank.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::cli {

enum class Tone : std::uint8_t { kPlain, kGood, kBad, kWarn, kDim, kStrong };
/// `text` in the tone's colour, or as it is.
[[nodiscard]] std::string paint(std::string_view text, Tone tone, bool color);

struct Cell {
  std::string text;
  Tone tone = Tone::kPlain;
};

class TextTable {
 public:
  /// Column heads; a head that starts with '>' makes its column right aligned.
  explicit TextTable(std::vector<std::string> heads);
  void row(std::vector<Cell> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string text(bool color, std::string_view indent = "") const;

 private:
  std::vector<std::string> heads_;
  std::vector<bool> right_;
  std::vector<std::vector<Cell>> rows_;
};

/// "0 B", "1.2 KiB", "3.4 GiB"
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);
/// "0s", "42s", "3m05s", "2h13m", "4d02h"
[[nodiscard]] std::string age_text(double seconds);

}  // namespace fairlead::cli
