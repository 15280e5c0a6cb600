// fairlead: pure
#include "k8s-bootstrap/site/site_text.h"

#include <fmt/format.h>
#include <memory>
#include <vector>

#include "config/schema.h"
#include "k8s-bootstrap/render/yaml_tree.h"
#include "k8s-bootstrap/site/site_root.h"
#include "k8s-bootstrap/site/site_schema.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kLineMax = 120;

std::string commented(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line.empty() ? "#\n" : fmt::format("# {}\n", line);
  return out;
}

/// Groups of keys that all have their defaults are written as empty maps, and tie_break as one without its target.
config::DocNodePtr without_empty(const config::DocNodePtr& node) {
  if (node->kind != config::DocNode::Kind::kMap && node->kind != config::DocNode::Kind::kList) return node;
  config::DocNode out = *node;
  for (config::DocNodePtr& item : out.items) item = without_empty(item);
  for (config::DocEntry& entry : out.entries) entry.value = without_empty(entry.value);
  std::erase_if(out.entries, [](const config::DocEntry& entry) {
    const bool empty = entry.value->kind == config::DocNode::Kind::kMap && entry.value->entries.empty();
    const config::DocNode* targets = entry.key == "tie_break" ? entry.value->find("targets") : nullptr;
    return empty || (targets != nullptr && targets->items.empty());
  });
  return std::make_shared<const config::DocNode>(std::move(out));
}

std::string entry_text(const config::DocEntry& entry) {
  const std::string line = fmt::format("{}: {}\n", entry.key, config::render_flow(*entry.value));
  const bool large = entry.key == "gateways" || entry.key == "kubernetes";
  if (!large && line.size() <= kLineMax) return line;
  return write_yaml(*std::move(MapBuilder().add(entry.key, entry.value)).build());
}

/// One line an item.
std::string list_text(const config::DocEntry& entry, const SiteRemarks& remarks) {
  std::string out = entry.key + ":\n";
  for (const config::DocNodePtr& item : entry.value->items) {
    out += "  - " + config::render_flow(*item);
    const config::DocNode* name = entry.key == "machines" ? item->find("name") : nullptr;
    const auto remark = name == nullptr ? remarks.machines.end() : remarks.machines.find(name->text);
    if (remark != remarks.machines.end()) out += "    # " + remark->second;
    out += "\n";
  }
  return out;
}

}  // namespace

std::string site_text(const Site& site, const SiteRemarks& remarks) {
  SiteRoot root;
  root.api_version = std::string(config::schema::kApiVersion);
  root.kind = std::string(schema::kSiteKind);
  root.site = site;
  const config::DocNode tree =
      *without_empty(std::make_shared<const config::DocNode>(config::schema::write_section(schema::site(), &root, false)));
  std::string out = commented(remarks.head);
  for (const config::DocEntry& entry : tree.entries) {
    if (const auto lines = remarks.sections.find(entry.key); lines != remarks.sections.end()) out += "\n" + commented(lines->second);
    const bool list = entry.key == "networks" || entry.key == "machines";
    const bool large = list || entry.key == "gateways" || entry.key == "kubernetes";
    if (large && !remarks.sections.contains(entry.key)) out += "\n";
    out += list ? list_text(entry, remarks) : entry_text(entry);
  }
  return out;
}

}  // namespace fairlead::bootstrap
