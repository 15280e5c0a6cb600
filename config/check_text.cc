// fairlead: pure
#include <cstdint>
#include <fmt/format.h>

#include "config/limits.h"
#include "config/parse.h"

namespace fairlead::config {
namespace {

/// Length of the valid UTF-8 sequence at `at`, 0 when there is none (overlong forms, surrogates and values past U+10FFFF are none).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  std::uint32_t value = 0;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
    value = first & 0x1f;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    value = first & 0x0f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    value = first & 0x07;
  } else {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
    value = (value << 6) | (byte(at + i) & 0x3f);
  }
  if (length == 3 && (value < 0x800 || (value >= 0xd800 && value <= 0xdfff))) return 0;
  if (length == 4 && (value < 0x10000 || value > 0x10ffff)) return 0;
  return length;
}

}  // namespace

std::vector<Problem> check_text(std::string_view text, const std::string& file) {
  std::vector<Problem> problems;
  int line = 1;
  int column = 1;
  const auto report = [&](std::string message, std::string hint) {
    if (problems.size() <= kProblemsMax) problems.push_back({file, line, column, Severity::kError, std::move(message), std::move(hint)});
  };
  if (text.size() > kFileBytesMax) {
    report(fmt::format("the file has {} bytes, more than the {} that are read", text.size(), kFileBytesMax), "is this the right file?");
    return problems;
  }
  bool in_indentation = true;
  bool tab_reported = false;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(text, i);
    if (byte == 0) {
      report("a NUL byte", "the file is binary or damaged; save it as plain UTF-8 text");
      return problems;
    }
    if (length == 0) {
      report(fmt::format("byte 0x{:02x} is not valid UTF-8", byte), "save the file as UTF-8");
      return problems;
    }
    if (byte == '\t' && in_indentation && !tab_reported) {
      const std::size_t content = text.find_first_not_of(" \t\r", i);
      if (content != std::string_view::npos && text[content] != '\n' && text[content] != '#') {
        report("a tab in the indentation", "YAML is indented with spaces only");
        tab_reported = true;
      }
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
      report(fmt::format("control character 0x{:02x}", byte), "remove it, or write it as an escape in a double-quoted string");
      return problems;
    }
    if (byte == '\n') {
      ++line;
      column = 1;
      in_indentation = true;
      tab_reported = false;
    } else {
      if (byte != ' ' && byte != '\t') in_indentation = false;
      column += static_cast<int>(length);
    }
    i += length;
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    report("the file is empty", "examples/minimal.yaml is one to start from");
  }
  return problems;
}

}  // namespace fairlead::config
