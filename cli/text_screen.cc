// fairlead: pure
#include "cli/text_screen.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace fairlead::cli {
namespace {

constexpr std::string_view kToEndOfLine = "\x1b[K";
constexpr std::string_view kPlain = "\x1b[0m";

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// Bytes of the escape sequence or character that stands at the beginning.
std::size_t unit_size(std::string_view text) {
  if (text.front() == '\x1b') {
    const auto end = text.find_first_of("ABCDEFGHJKSTfhlmsu", 1);
    return end == std::string_view::npos ? text.size() : end + 1;
  }
  std::size_t size = 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) ++size;
  return size;
}

}  // namespace

std::string cut_line(std::string_view line, std::size_t columns) {
  std::string out;
  std::size_t taken = 0;
  bool coloured = false;
  while (!line.empty()) {
    const std::size_t size = unit_size(line);
    const bool escape = line.front() == '\x1b';
    if (!escape && taken == columns) return coloured ? out + std::string(kPlain) : out;
    coloured = coloured || escape;
    taken += escape ? 0 : 1;
    out += line.substr(0, size);
    line.remove_prefix(size);
  }
  return out;
}

std::string screen_of(std::string_view text, ScreenSize size) {
  const auto lines = lines_of(text);
  const std::size_t rows = std::max<std::size_t>(size.rows, 1);
  const bool fits = lines.size() <= rows;
  const std::size_t shown = fits ? lines.size() : rows - 1;
  std::string out = "\x1b[H";
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += "\r\n";
    out += cut_line(lines[i], size.columns);
    out += kToEndOfLine;
  }
  if (!fits) {
    if (shown > 0) out += "\r\n";
    out += cut_line(fmt::format("({} more lines)", lines.size() - shown), size.columns);
    out += kToEndOfLine;
  }
  return out + "\x1b[J";
}

}  // namespace fairlead::cli
