// fairlead: pure
// The way back from two trees to what merge() was given.
#include <algorithm>

#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

using config::DocEntry;
using config::DocNode;
using config::DocNodePtr;
using Kind = DocNode::Kind;

std::string name_of(const DocNode& item) {
  const DocNode* name = item.kind == Kind::kMap ? item.find("name") : nullptr;
  return name != nullptr && name->kind == Kind::kScalar ? name->text : std::string();
}

const DocNodePtr* item_named(const DocNode& list, const std::string& name) {
  const auto found = std::find_if(list.items.begin(), list.items.end(), [&](const DocNodePtr& item) { return name_of(*item) == name; });
  return found == list.items.end() ? nullptr : &*found;
}

/// merge() goes by names: each item has one, and no two the same.
bool has_names(const DocNode& node) {
  if (node.kind != Kind::kList || node.items.empty()) return false;
  return std::all_of(node.items.begin(), node.items.end(), [&](const DocNodePtr& item) {
    const std::string name = name_of(*item);
    return !name.empty() && item_named(node, name)->get() == item.get();
  });
}

const DocEntry* entry_of(const DocNode& map, const std::string& key) {
  const auto found = std::find_if(map.entries.begin(), map.entries.end(), [&](const DocEntry& entry) { return entry.key == key; });
  return found == map.entries.end() || found->value->kind == Kind::kNull ? nullptr : &*found;
}

bool same_maps(const DocNode& a, const DocNode& b) {
  const auto holds = [](const DocNode& one, const DocNode& other) {
    return std::all_of(one.entries.begin(), one.entries.end(), [&](const DocEntry& entry) {
      if (entry.value->kind == Kind::kNull) return true;
      const DocEntry* there = entry_of(other, entry.key);
      return there != nullptr && same_value(*entry.value, *there->value);
    });
  };
  return holds(a, b) && holds(b, a);
}

class Finder {
 public:
  explicit Finder(bool removals) : removals_(removals) {}

  DocNodePtr find(const DocNodePtr& base, const DocNodePtr& wanted, const std::string& path) {
    if (same_value(*base, *wanted)) return nullptr;
    if (base->kind == Kind::kMap && wanted->kind == Kind::kMap) return find_in_maps(*base, *wanted, path);
    if (has_names(*base) && has_names(*wanted)) return find_in_lists(*base, *wanted, path);
    return wanted;
  }
  std::vector<std::string> lost;

 private:
  static std::string below(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

  DocNodePtr find_in_maps(const DocNode& base, const DocNode& wanted, const std::string& path) {
    MapBuilder out;
    for (const DocEntry& entry : wanted.entries) {
      if (entry.value->kind == Kind::kNull) continue;
      const DocEntry* there = entry_of(base, entry.key);
      out.add(entry.key, there == nullptr ? entry.value : find(there->value, entry.value, below(path, entry.key)));
    }
    for (const DocEntry& entry : base.entries) {
      if (removals_ && entry.value->kind != Kind::kNull && entry_of(wanted, entry.key) == nullptr)
        out.add(entry.key, std::make_shared<const DocNode>());
    }
    return out.empty() ? nullptr : std::move(out).build();
  }

  DocNodePtr find_in_lists(const DocNode& base, const DocNode& wanted, const std::string& path) {
    std::vector<DocNodePtr> out;
    for (const DocNodePtr& item : wanted.items) {
      const std::string name = name_of(*item);
      const DocNodePtr* there = item_named(base, name);
      if (there == nullptr) {
        out.push_back(item);
      } else if (const DocNodePtr over = find(*there, item, below(path, name)); over != nullptr) {
        MapBuilder named;
        named.add("name", text(name));
        for (const DocEntry& entry : over->entries) {
          if (entry.key != "name") named.add(entry.key, entry.value);
        }
        out.push_back(std::move(named).build());
      }
    }
    for (const DocNodePtr& item : base.items) {
      if (removals_ && item_named(wanted, name_of(*item)) == nullptr) lost.push_back(below(path, name_of(*item)));
    }
    return out.empty() ? nullptr : list(std::move(out));
  }

  const bool removals_;
};

}  // namespace

bool same_value(const DocNode& a, const DocNode& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == Kind::kScalar) return a.text == b.text;
  if (a.kind == Kind::kMap) return same_maps(a, b);
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const DocNodePtr& one, const DocNodePtr& other) { return same_value(*one, *other); });
}

Difference difference(const DocNodePtr& base, const DocNodePtr& wanted, bool removals) {
  Finder finder(removals);
  Difference out;
  out.over = finder.find(base, wanted, "");
  out.lost = std::move(finder.lost);
  return out;
}

}  // namespace fairlead::bootstrap
