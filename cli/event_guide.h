// What each event means, out of docs/reference/events.md, which the build puts into this program.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::cli {

struct EventGuide {
  std::string id;     ///< "SERVER_DOWN"
  std::string level;  ///< "warning"
  std::vector<std::string> fields;
  std::string text;  ///< Its paragraphs, as they stand in the page.
};
/// All of a page, in its order.
[[nodiscard]] std::vector<EventGuide> parse_event_page(std::string_view page);
/// The one of that id in this program's page; upper and lower case are the same. Nothing when there is none.
[[nodiscard]] std::optional<EventGuide> find_event_guide(std::string_view id);
/// All ids of this program's page.
[[nodiscard]] std::vector<std::string> event_ids();
/// A name that could be an event's id and not a key of the configuration: letters and '_', no dot, not all small.
[[nodiscard]] bool looks_like_event(std::string_view name);
/// The known id that is most like it.
[[nodiscard]] std::string nearest_event(const std::string& id);
/// For people: the page's marks taken off, lines of `width` characters.
[[nodiscard]] std::string event_guide_text(const EventGuide& guide, bool color, std::size_t width = 100);

}  // namespace fairlead::cli
