// fairlead: pure
#include "k8s-bootstrap/render/yaml_tree.h"

#include <algorithm>
#include <optional>

namespace fairlead::bootstrap {
namespace {

using config::DocEntry;
using config::DocNode;
using config::DocNodePtr;

DocNodePtr share(DocNode node) { return std::make_shared<const DocNode>(std::move(node)); }

std::string name_of(const DocNode& item) {
  const DocNode* name = item.kind == DocNode::Kind::kMap ? item.find("name") : nullptr;
  return name != nullptr && name->kind == DocNode::Kind::kScalar ? name->text : std::string();
}

bool all_named(const DocNode& node) {
  return node.kind == DocNode::Kind::kList && !node.items.empty() &&
         std::all_of(node.items.begin(), node.items.end(), [](const DocNodePtr& item) { return !name_of(*item).empty(); });
}

DocNodePtr merge_named(const DocNode& base, const DocNode& over) {
  const auto with_name = [](const DocNode& list, const std::string& name) {
    std::vector<DocNodePtr> found;
    for (const DocNodePtr& item : list.items) {
      if (name_of(*item) == name) found.push_back(item);
    }
    return found;
  };
  std::vector<DocNodePtr> out;
  std::vector<std::string> done;
  const auto is_done = [&](const std::string& name) { return std::find(done.begin(), done.end(), name) != done.end(); };
  for (const DocNodePtr& item : base.items) {
    const std::string name = name_of(*item);
    const std::vector<DocNodePtr> theirs = with_name(over, name);
    if (theirs.empty()) {
      out.push_back(item);
    } else if (!is_done(name)) {
      const bool once = theirs.size() == 1 && with_name(base, name).size() == 1;
      if (once) {
        out.push_back(merge(item, theirs.front()));
      } else {
        out.insert(out.end(), theirs.begin(), theirs.end());
      }
      done.push_back(name);
    }
  }
  for (const DocNodePtr& item : over.items) {
    if (!is_done(name_of(*item))) out.push_back(item);
  }
  return list(std::move(out));
}

DocNodePtr merge_maps(const DocNode& base, const DocNode& over) {
  DocNode out;
  out.kind = DocNode::Kind::kMap;
  for (const DocEntry& entry : base.entries) {
    const auto theirs = std::find_if(over.entries.begin(), over.entries.end(), [&](const DocEntry& e) { return e.key == entry.key; });
    if (theirs == over.entries.end()) {
      out.entries.push_back(entry);
    } else if (theirs->value->kind != DocNode::Kind::kNull) {
      out.entries.push_back({entry.key, {}, merge(entry.value, theirs->value)});
    }
  }
  for (const DocEntry& entry : over.entries) {
    if (base.find(entry.key) == nullptr && entry.value->kind != DocNode::Kind::kNull)
      out.entries.push_back({entry.key, {}, merge(nullptr, entry.value)});
  }
  return share(std::move(out));
}

/// A user's unquoted text may hold what ends it within brackets ("a=b,c=d"): it becomes one that is quoted. Numbers and words stay.
DocNodePtr fit_for_flow(const DocNodePtr& node) {
  constexpr std::string_view kSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-";
  DocNode out = *node;
  if (out.kind == DocNode::Kind::kScalar && !out.is_text) out.is_text = out.text.find_first_not_of(kSafe) != std::string::npos;
  for (DocNodePtr& item : out.items) item = fit_for_flow(item);
  for (DocEntry& entry : out.entries) entry.value = fit_for_flow(entry.value);
  return share(std::move(out));
}

bool is_flat(const DocNode& node) {
  const auto scalar = [](const DocNode& n) { return n.kind == DocNode::Kind::kScalar || n.kind == DocNode::Kind::kNull; };
  return std::all_of(node.items.begin(), node.items.end(), [&](const DocNodePtr& item) { return scalar(*item); }) &&
         std::all_of(node.entries.begin(), node.entries.end(), [&](const DocEntry& entry) { return scalar(*entry.value); });
}

/// Its one line, if it may be one behind `column` characters.
std::optional<std::string> in_one_line(const DocNode& node, std::size_t column) {
  const bool scalar = node.kind == DocNode::Kind::kScalar || node.kind == DocNode::Kind::kNull;
  if (!scalar && !is_flat(node)) return std::nullopt;
  std::string flow = config::render_flow(node);
  if (!scalar && column + flow.size() > kYamlColumns && !(node.items.empty() && node.entries.empty())) return std::nullopt;
  return flow;
}

std::string key_of(const std::string& key) { return config::render_flow(config::text_node(key)); }

/// The lines of a map or a list that is not one line; the first one begins where `out` ends.
void append_lines(const DocNode& node, std::size_t indent, std::string& out) {
  bool first = true;
  const auto begin_line = [&] {
    if (!first) out.append(indent, ' ');
    first = false;
  };
  for (const DocNodePtr& item : node.items) {
    begin_line();
    out += "- ";
    if (const auto line = in_one_line(*item, indent + 2)) {
      out += *line + "\n";
    } else {
      append_lines(*item, indent + 2, out);
    }
  }
  for (const DocEntry& entry : node.entries) {
    begin_line();
    out += key_of(entry.key) + ":";
    // A map of scalars in one line is for items of lists; below a key of its own it is easier to read, and to change, as lines.
    const bool map = entry.value->kind == DocNode::Kind::kMap && !entry.value->entries.empty() && entry.value->entries.size() != 1;
    if (const auto line = map ? std::nullopt : in_one_line(*entry.value, indent + entry.key.size() + 2)) {
      out += " " + *line + "\n";
    } else {
      out += "\n" + std::string(indent + 2, ' ');
      append_lines(*entry.value, indent + 2, out);
    }
  }
}

}  // namespace

std::string write_yaml(const DocNode& tree) {
  const DocNodePtr fit = fit_for_flow(share(tree));
  const DocNode& node = *fit;
  std::string out;
  if ((node.kind == DocNode::Kind::kMap && !node.entries.empty()) || (node.kind == DocNode::Kind::kList && !node.items.empty())) {
    append_lines(node, 0, out);
  } else {
    out = config::render_flow(node) + "\n";
  }
  return out;
}

config::DocNodePtr text(std::string value) { return share(config::text_node(std::move(value))); }
config::DocNodePtr plain(std::string value) { return share(config::scalar_node(std::move(value))); }
config::DocNodePtr list(std::vector<config::DocNodePtr> items) { return share(config::list_node(std::move(items))); }

config::DocNodePtr texts(const std::vector<std::string>& values) {
  std::vector<DocNodePtr> items;
  items.reserve(values.size());
  for (const std::string& value : values) items.push_back(text(value));
  return list(std::move(items));
}

MapBuilder& MapBuilder::add(std::string key, config::DocNodePtr value) {
  if (value != nullptr) entries_.push_back({std::move(key), {}, std::move(value)});
  return *this;
}

MapBuilder& MapBuilder::add_text(std::string key, std::string value) {
  return value.empty() ? *this : add(std::move(key), text(std::move(value)));
}

MapBuilder& MapBuilder::add_plain(std::string key, std::string value) { return add(std::move(key), plain(std::move(value))); }

MapBuilder& MapBuilder::add_list(std::string key, std::vector<config::DocNodePtr> items) {
  return items.empty() ? *this : add(std::move(key), list(std::move(items)));
}

MapBuilder& MapBuilder::add_all(MapBuilder other) {
  for (config::DocEntry& entry : other.entries_) entries_.push_back(std::move(entry));
  return *this;
}

config::DocNodePtr MapBuilder::build() && {
  DocNode node;
  node.kind = DocNode::Kind::kMap;
  node.entries = std::move(entries_);
  return share(std::move(node));
}

config::DocNodePtr merge(const config::DocNodePtr& base, const config::DocNodePtr& over) {
  if (over == nullptr) return base;
  if (over->kind == DocNode::Kind::kMap) {
    static const DocNode nothing;
    return merge_maps(base != nullptr && base->kind == DocNode::Kind::kMap ? *base : nothing, *over);
  }
  if (base != nullptr && all_named(*base) && all_named(*over)) return merge_named(*base, *over);
  return over;
}

}  // namespace fairlead::bootstrap
