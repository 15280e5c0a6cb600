// fairlead: pure
#include "k8s-bootstrap/site/site_edit.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "config/parse.h"
#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

using config::DocNode;
using config::DocNodePtr;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::size_t length = end == std::string_view::npos ? text.size() : end + 1;
    out.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

/// Blanks before the first other character; npos: there is none, or a comment begins there.
std::size_t indentation(std::string_view line) {
  const auto first = line.find_first_not_of(" \r\n");
  return first == std::string_view::npos || line[first] == '#' ? std::string_view::npos : first;
}

/// The place of the dash of an item that begins on this line: "  - {name: ..." or "  - name: ...".
std::size_t dash_before(std::string_view line, int column) {
  const auto dash = line.find('-');
  if (dash == std::string_view::npos || indentation(line) != dash || column < 1) return std::string_view::npos;
  const auto value = line.find_first_not_of(' ', dash + 1);
  return value == static_cast<std::size_t>(column - 1) ? dash : std::string_view::npos;
}

bool shares_role(const DocNode& item, const NewMachine& machine) {
  const DocNode* roles = item.kind == DocNode::Kind::kMap ? item.find("roles") : nullptr;
  if (roles == nullptr) return false;
  return std::any_of(roles->items.begin(), roles->items.end(), [&](const DocNodePtr& role) {
    return std::find(machine.roles.begin(), machine.roles.end(), role->text) != machine.roles.end();
  });
}

}  // namespace

std::string line_of(const NewMachine& machine) {
  MapBuilder addresses;
  for (const auto& [network, address] : machine.addresses)
    addresses.add(network, parse_ip_address(address) ? plain(address) : text(address));
  MapBuilder labels;
  for (const auto& [key, value] : machine.labels) labels.add(key, text(value));
  MapBuilder out;
  out.add_text("name", machine.name).add("roles", texts(machine.roles)).add("addresses", std::move(addresses).build());
  if (!labels.empty()) out.add("labels", std::move(labels).build());
  if (!machine.taints.empty()) out.add("taints", texts(machine.taints));
  return config::render_flow(*std::move(out).build());
}

Result<std::string> with_machine(std::string_view text, const NewMachine& machine) {
  const std::string line = line_of(machine);
  const Error by_hand{Errc::kUnsupported,
                      fmt::format("the list `machines` is written in a way that is not edited here: add this item to it "
                                  "yourself, and say it again:\n  - {}",
                                  line)};
  const auto parsed = config::parse(text, "");
  const DocNode* machines = parsed.document ? parsed.document->root->find("machines") : nullptr;
  if (machines == nullptr || machines->items.empty()) return by_hand;
  const auto lines = lines_of(text);
  const DocNode* after = machines->items.back().get();
  for (const DocNodePtr& item : machines->items) {
    if (shares_role(*item, machine)) after = item.get();
  }
  const auto first = static_cast<std::size_t>(after->at.line - 1);
  if (first >= lines.size()) return by_hand;
  const std::size_t dash = dash_before(lines[first], after->at.column);
  if (dash == std::string_view::npos) return by_hand;
  std::size_t behind = first + 1;  // Behind the item's last line that says something.
  for (std::size_t at = first + 1; at < lines.size(); ++at) {
    const std::size_t indent = indentation(lines[at]);
    if (indent == std::string_view::npos) continue;
    if (indent <= dash) break;
    behind = at + 1;
  }
  std::string out;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    if (at == behind) out += fmt::format("{}- {}\n", std::string(dash, ' '), line);
    out += lines[at];
    if (at + 1 == lines.size() && !out.ends_with('\n')) out += '\n';
  }
  if (behind >= lines.size()) out += fmt::format("{}- {}\n", std::string(dash, ' '), line);
  return out;
}

}  // namespace fairlead::bootstrap
