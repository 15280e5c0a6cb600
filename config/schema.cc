// fairlead: pure
// What every section can do: read, write, compare its fields.
#include "config/schema.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "config/nearest.h"
#include "config/reader.h"

namespace fairlead::config::schema {
namespace {

std::vector<std::string> names_of(const Section& section) {
  std::vector<std::string> out;
  for (const Field& field : section.fields) out.push_back(field.name);
  return out;
}

/// Paths of all keys called `name`, below `section`: an unknown key is often a known one in the wrong place.
void find_paths(const Section& section, const std::string& path, std::string_view name, std::vector<std::string>& out) {
  for (const Field& field : section.fields) {
    const std::string here = path.empty() ? field.name : path + "." + field.name;
    if (field.name == name && !here.starts_with("defaults.")) out.push_back(here);
    const TypeInfo& info = field.type->info();
    if (info.section != nullptr) find_paths(*info.section, here, name, out);
    if (info.element != nullptr && info.element->info().section != nullptr)
      find_paths(*info.element->info().section, here + "[]", name, out);
  }
}

std::string hint_for_unknown(const Section& root, const Section& section, std::string_view key) {
  const auto known = names_of(section);
  if (nearest(key, known)) return suggest(key, known);
  std::vector<std::string> elsewhere;
  find_paths(root, "", key, elsewhere);
  if (elsewhere.size() == 1) return fmt::format("it belongs to {}", elsewhere.front());
  if (elsewhere.size() == 2) return fmt::format("it belongs to {} or {}", elsewhere[0], elsewhere[1]);
  return suggest(key, known);
}

}  // namespace

const Field* Section::find(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

void read_section(Reader& reader, const Section& section, const DocNode& node, void* into) {
  if (node.kind != DocNode::Kind::kMap) {
    const std::string what = reader.key().empty() ? std::string("the file") : fmt::format("'{}'", reader.key());
    std::string hint = "write KEY: VALUE lines";
    if (!section.fields.empty()) hint += fmt::format(", as in {}: ...", section.fields.front().name);
    reader.error(node.at, fmt::format("{} must be a map of keys, found {}", what, describe_node(node)), std::move(hint));
    return;
  }
  const Section& root = reader.root() != nullptr ? *reader.root() : gateway();
  std::set<std::string> misspelt;  // Known keys that are missing because of it: no second problem, and nothing follows from it.
  for (const DocEntry& entry : node.entries) {
    if (section.find(entry.key) != nullptr || reader.full()) continue;
    const std::string where = section.title.empty() ? "" : fmt::format(" in {}", section.title);
    if (const auto meant = nearest(entry.key, names_of(section)); meant && node.find(*meant) == nullptr) {
      const Reader::Enter enter(reader, *meant, entry.key_at);
      reader.excuse(reader.path());
      misspelt.insert(*meant);
    }
    const Reader::Enter enter(reader, entry.key, entry.key_at);
    reader.error(entry.key_at, fmt::format("unknown key {}{}", quoted(entry.key), where), hint_for_unknown(root, section, entry.key));
  }
  for (const Field& field : section.fields) {  // In the schema's order: `defaults` comes before the pools, wherever it stands.
    const auto entry = std::find_if(node.entries.begin(), node.entries.end(), [&](const DocEntry& e) { return e.key == field.name; });
    if (entry == node.entries.end()) {
      if (!field.required || misspelt.contains(field.name)) continue;
      std::string hint;
      if (!field.type->info().examples.empty()) hint = fmt::format("add {}: {}", field.name, field.type->info().examples.front());
      const Reader::Enter enter(reader, field.name, node.at);
      reader.error(node.at, fmt::format("'{}' is missing{}", field.name, section.title.empty() ? "" : fmt::format(" in {}", section.title)),
                   std::move(hint));
      continue;
    }
    if (entry->value->kind == DocNode::Kind::kNull) {
      const Reader::Enter enter(reader, field.name, entry->key_at);
      reader.error(entry->key_at, fmt::format("'{}' has no value", field.name),
                   field.required ? "give it one" : "give it one, or remove the key to keep the default");
      continue;
    }
    const Reader::Enter enter(reader, field.name, entry->value->at);
    static_cast<void>(field.type->read(reader, *entry->value, field.member(into)));  // A failure is in the reader's problems.
  }
}

DocNode write_section(const Section& section, const void* from, bool with_defaults) {
  const auto defaults = section.make();
  DocNode map;
  map.kind = DocNode::Kind::kMap;
  for (const Field& field : section.fields) {
    if (field.input_only) continue;
    if (!with_defaults && !field.required && field.type->equal(field.get(from), field.get(defaults.get()))) continue;
    if (auto node = field.type->write(field.get(from), with_defaults))
      map.entries.push_back({field.name, {}, std::make_shared<DocNode>(std::move(*node))});
  }
  return map;
}

bool equal_section(const Section& section, const void* a, const void* b) {
  return std::all_of(section.fields.begin(), section.fields.end(),
                     [&](const Field& field) { return field.input_only || field.type->equal(field.get(a), field.get(b)); });
}

std::vector<FieldChange> changed_fields(const Section& section, const void* a, const void* b) {
  std::vector<FieldChange> out;
  const auto text_of = [](const Field& field, const void* from) {
    const auto node = field.type->write(field.get(from), false);
    return node ? render_flow(*node) : std::string();
  };
  for (const Field& field : section.fields) {
    if (field.input_only || field.type->equal(field.get(a), field.get(b))) continue;
    if (!field.type->is_plain_section()) {
      out.push_back({field.name, text_of(field, a), text_of(field, b), field.restart});
      continue;
    }
    for (FieldChange change : changed_fields(*field.type->info().section, field.get(a), field.get(b))) {
      change.path = field.name + "." + change.path;
      change.restart = change.restart || field.restart;
      out.push_back(std::move(change));
    }
  }
  return out;
}

}  // namespace fairlead::config::schema
