// fairlead: pure
#include "cli/text_table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/assert.h"

namespace fairlead::cli {
namespace {

/// Characters on the screen: UTF-8 continuation bytes take no room. Good enough for names and addresses.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string paint(std::string_view text, Tone tone, bool color) {
  static constexpr std::array<std::string_view, 6> kCodes{"", "32", "31", "33", "2", "1"};
  const auto code = kCodes[static_cast<std::size_t>(tone)];
  if (!color || code.empty() || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

TextTable::TextTable(std::vector<std::string> heads) : heads_(std::move(heads)) {
  for (auto& head : heads_) {
    right_.push_back(head.starts_with('>'));
    if (right_.back()) head.erase(0, 1);
  }
}

void TextTable::row(std::vector<Cell> cells) {
  FL_ASSERT(cells.size() == heads_.size());
  for (auto& cell : cells) {
    if (cell.text.empty()) cell.text.push_back('-');
  }
  rows_.push_back(std::move(cells));
}

std::string TextTable::text(bool color, std::string_view indent) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    std::size_t width = width_of(heads_[i]);
    for (const auto& cells : rows_) width = std::max(width, width_of(cells[i].text));
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](auto cell_at) {
    out += indent;
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      const Cell& cell = cell_at(i);
      const std::string fill(widths[i] - width_of(cell.text), ' ');
      if (i > 0) out += "  ";
      if (right_[i]) out += fill;
      out += paint(cell.text, cell.tone, color);
      if (!right_[i] && i + 1 < heads_.size()) out += fill;
    }
    out += '\n';
  };
  Cell head;
  line([&](std::size_t i) -> const Cell& { return head = Cell{heads_[i], Tone::kDim}; });
  for (const auto& cells : rows_) line([&](std::size_t i) -> const Cell& { return cells[i]; });
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string age_text(double seconds) {
  const auto whole = seconds > 0 ? static_cast<std::uint64_t>(seconds) : 0;
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

}  // namespace fairlead::cli
