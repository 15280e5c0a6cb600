// fairlead: pure
#include "cli/text_diff.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fairlead::cli {
namespace {

constexpr std::size_t kAround = 2;
/// Cells of the table: 4 MiB of it at most.
constexpr std::size_t kCellsMax = 1U << 20U;

using Lines = std::vector<std::string_view>;
Lines lines_of(std::string_view text) {
  Lines out;
  while (!text.empty()) {
    out.push_back(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), out.back().size() + 1));
  }
  return out;
}

struct Line {
  char mark;  ///< ' ', '-' or '+'
  std::string_view text;
};

/// The longest common subsequence of the middles, walked from the front.
void append_middle(std::vector<Line>& out, const Lines& before, const Lines& after) {
  const std::size_t rows = before.size();
  const std::size_t columns = after.size();
  std::size_t i = 0;
  std::size_t k = 0;
  if (rows > 0 && columns > 0 && rows * columns <= kCellsMax) {
    const std::size_t width = columns + 1;
    std::vector<std::uint32_t> common((rows + 1) * width);
    for (std::size_t r = rows; r-- > 0;) {
      for (std::size_t c = columns; c-- > 0;) {
        common[r * width + c] =
            before[r] == after[c] ? common[(r + 1) * width + c + 1] + 1 : std::max(common[(r + 1) * width + c], common[r * width + c + 1]);
      }
    }
    while (i < rows && k < columns) {
      if (before[i] == after[k]) {
        out.push_back({' ', before[i++]});
        ++k;
      } else if (common[(i + 1) * width + k] >= common[i * width + k + 1]) {
        out.push_back({'-', before[i++]});
      } else {
        out.push_back({'+', after[k++]});
      }
    }
  }
  while (i < rows) out.push_back({'-', before[i++]});
  while (k < columns) out.push_back({'+', after[k++]});
}

}  // namespace

std::string text_diff(std::string_view before, std::string_view after) {
  const Lines old_lines = lines_of(before);
  const Lines new_lines = lines_of(after);
  const auto [old_at, new_at] = std::mismatch(old_lines.begin(), old_lines.end(), new_lines.begin(), new_lines.end());
  const auto same = static_cast<std::size_t>(old_at - old_lines.begin());
  std::size_t tail = 0;
  while (tail < std::min(old_lines.size(), new_lines.size()) - same &&
         old_lines[old_lines.size() - 1 - tail] == new_lines[new_lines.size() - 1 - tail])
    ++tail;
  std::vector<Line> all;
  for (std::size_t i = 0; i < same; ++i) all.push_back({' ', old_lines[i]});
  append_middle(all, Lines(old_at, old_lines.end() - static_cast<std::ptrdiff_t>(tail)),
                Lines(new_at, new_lines.end() - static_cast<std::ptrdiff_t>(tail)));
  for (std::size_t i = old_lines.size() - tail; i < old_lines.size(); ++i) all.push_back({' ', old_lines[i]});

  std::string out;
  bool gap = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(i - std::min(i, kAround));
    const auto to = all.begin() + static_cast<std::ptrdiff_t>(std::min(i + kAround + 1, all.size()));
    if (!std::any_of(from, to, [](const Line& line) { return line.mark != ' '; })) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += "  ...\n";
    gap = false;
    out += std::string(1, all[i].mark) + " ";
    out += all[i].text;
    out += "\n";
  }
  return out;
}

}  // namespace fairlead::cli
