// fairlead: pure
#include "cli/man_text.h"

#include <cctype>
#include <cstdint>
#include <fmt/format.h>

namespace fairlead::cli {
namespace {

constexpr std::size_t kColumns = 78;

/// The code point that begins at `at`, which moves behind it; U+FFFD for what is no UTF-8.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(at++);
  if (first < 0x80U) return first;
  const std::size_t more = first >= 0xF0U ? 3 : first >= 0xE0U ? 2 : first >= 0xC0U ? 1 : 0;
  if (more == 0) return 0xFFFDU;
  std::uint32_t out = first & (0x3FU >> more);
  for (std::size_t i = 0; i < more; ++i, ++at) {
    if ((byte(at) & 0xC0U) != 0x80U) return 0xFFFDU;
    out = out << 6U | (byte(at) & 0x3FU);
  }
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

std::string roff(std::string_view text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t code = next_code_point(text, at);
    switch (code) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;  // A bare one becomes a hyphen that no shell understands.
      case '\'': out += "\\(aq"; break;
      case '`': out += "\\(ga"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      case '"': out += "\\(dq"; break;
      default:
        if (code >= 0x80U) {
          out += fmt::format("\\[u{:04X}]", code);
        } else if (code >= 0x20U || code == '\t') {
          out += static_cast<char>(code == '\t' ? ' ' : code);
        }
    }
  }
  return out;
}

ManPage::ManPage(std::string_view name, std::string_view section, std::string_view date, std::string_view version) {
  const std::string_view manual = section == "1" ? "User Commands" : section == "5" ? "File Formats" : "System Administration";
  out_ = fmt::format(".\\\" Made from the program; do not edit.\n.TH \"{}\" \"{}\" \"{}\" \"fairlead {}\" \"{}\"\n", roff(upper(name)),
                     section, date, version, manual);
}

void ManPage::heading(std::string_view text) { out_ += fmt::format(".SH \"{}\"\n", roff(upper(text))); }
void ManPage::subheading(std::string_view text) { out_ += fmt::format(".SS \"{}\"\n", roff(text)); }

/// Words, wrapped; a sentence begins a line.
void ManPage::fill(std::string_view text) {
  std::string line;
  const auto flush = [&] {
    if (!line.empty()) out_ += line + "\n";
    line.clear();
  };
  while (!text.empty()) {
    const auto begin = text.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) break;
    if (text.substr(0, begin).find("\n\n") != std::string_view::npos && !out_.ends_with(".PP\n")) {
      flush();
      out_ += ".PP\n";
    }
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \t\n"));
    text.remove_prefix(word.size());
    // In the middle of a line a leading dot is none of roff's, and wrapping may bring it to the front: it is always escaped.
    const std::string escaped = roff(word);
    if (!line.empty() && line.size() + 1 + escaped.size() > kColumns) flush();
    line += (line.empty() ? "" : " ") + escaped;
    if (word.size() > 1 && (word.ends_with('.') || word.ends_with('?'))) flush();
  }
  flush();
}

void ManPage::paragraph(std::string_view text) {
  const auto last = out_.rfind('\n', out_.size() - 2) + 1;
  const bool below_heading = out_.compare(last, 3, ".SH") == 0 || out_.compare(last, 3, ".SS") == 0;
  if (!below_heading) out_ += ".PP\n";
  fill(text);
}

void ManPage::entry(std::string_view term, std::string_view value, std::string_view text) {
  out_ += ".TP\n\\fB" + roff(term) + "\\fR";
  if (!value.empty()) out_ += " \\fI" + roff(value) + "\\fR";
  out_ += "\n";
  if (text.empty()) {
    out_ += "\\&\n";
  } else {
    fill(text);
  }
}

void ManPage::example(std::string_view text) {
  out_ += ".PP\n.RS 4\n.nf\n";
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    out_ += line.empty() ? "\\&\n" : roff(line) + "\n";
  }
  out_ += ".fi\n.RE\n";
}

void ManPage::synopsis(std::string_view bold, std::string_view rest) { out_ += ".HP 4\n\\fB" + roff(bold) + "\\fR" + roff(rest) + "\n"; }

}  // namespace fairlead::cli
