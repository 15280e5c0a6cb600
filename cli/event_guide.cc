#include "cli/event_guide.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "cli/text_table.h"
#include "config/nearest.h"
#include "generated/events_page.h"

namespace fairlead::cli {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      word += c;
    } else if (!word.empty()) {
      out.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return std::string(text);
}

/// "[text](link)" -> "text"; "**Do:**" -> "Do:".
std::string without_marks(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "**") {
      ++i;
      continue;
    }
    const std::size_t close = text[i] == '[' ? text.find("](", i) : std::string_view::npos;
    const std::size_t end = close == std::string_view::npos ? close : text.find(')', close);
    if (end != std::string_view::npos && text.substr(i, close - i).find('\n') == std::string_view::npos) {
      out += text.substr(i + 1, close - i - 1);
      i = end;
      continue;
    }
    out += text[i];
  }
  return out;
}

}  // namespace

std::vector<EventGuide> parse_event_page(std::string_view page) {
  std::vector<EventGuide> out;
  constexpr std::string_view kHead = "\n### ";
  for (std::size_t at = page.find(kHead); at != std::string_view::npos;) {
    const std::size_t next = page.find(kHead, at + 1);
    std::string_view section = page.substr(at + kHead.size(), next == std::string_view::npos ? next : next - at - kHead.size());
    at = next;
    section = section.substr(0, section.find("\n## "));
    const std::size_t first = section.find('\n');
    if (first == std::string_view::npos) continue;
    const std::size_t second = std::min(section.find('\n', first + 1), section.size());
    EventGuide guide{
        .id = trimmed(section.substr(0, first)), .level = {}, .fields = words_of(section.substr(first, second - first)), .text = {}};
    if (!guide.fields.empty()) {
      guide.level = guide.fields.front().substr(1, guide.fields.front().size() - 2);  // `level`
      guide.fields.erase(guide.fields.begin());
    }
    guide.text = trimmed(section.substr(second));
    out.push_back(std::move(guide));
  }
  return out;
}

namespace {
const std::vector<EventGuide>& all_guides() {
  static const std::vector<EventGuide> kAll = parse_event_page(kEventsPage);
  return kAll;
}
std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}
}  // namespace

std::optional<EventGuide> find_event_guide(std::string_view id) {
  const std::string wanted = upper(id);
  const auto found = std::find_if(all_guides().begin(), all_guides().end(), [&](const EventGuide& g) { return g.id == wanted; });
  return found == all_guides().end() ? std::nullopt : std::optional(*found);
}

bool looks_like_event(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isupper(c) != 0 || c == '_'; });
}

std::vector<std::string> event_ids() {
  std::vector<std::string> out;
  for (const EventGuide& guide : all_guides()) out.push_back(guide.id);
  return out;
}

std::string nearest_event(const std::string& id) { return config::suggest(upper(id), event_ids()); }

std::string event_guide_text(const EventGuide& guide, bool color, std::size_t width) {
  const Tone tone = guide.level == "error" ? Tone::kBad : guide.level == "warning" ? Tone::kWarn : Tone::kPlain;
  std::string out = paint(guide.id, Tone::kStrong, color) + "  " + paint(guide.level, tone, color) + "\n";
  if (!guide.fields.empty()) {
    out += "fields:";
    for (const std::string& field : guide.fields) out += " " + field;
    out += "\n";
  }
  const std::string text = without_marks(guide.text);
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = std::min(text.find("\n\n", begin), text.size());
    end = std::min(text.find("\n- ", begin), end);  // A point of a list stands alone as well.
    if (text.substr(begin, 2) != "- ") out += "\n";
    std::size_t column = 0;
    for (const std::string& word : words_of(std::string_view(text).substr(begin, end - begin))) {
      if (column != 0 && column + 1 + word.size() > width) {
        out += "\n";
        column = 0;
      }
      out += (column == 0 ? "" : " ") + word;
      column += (column == 0 ? 0 : 1) + word.size();
    }
    out += "\n";
    while (end < text.size() && text[end] == '\n') ++end;
    begin = end;
  }
  return out;
}

}  // namespace fairlead::cli
