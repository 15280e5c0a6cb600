// fairlead: pure
#include <fmt/format.h>
#include <vector>

#include "config/nearest.h"
#include "config/reference.h"
#include "config/schema.h"
#include "config/schema_words.h"

namespace fairlead::config {
namespace {

using schema::Field;
using schema::Section;
using schema::TypeInfo;

/// "pools[0].health" -> {"pools", "health"}
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> out;
  std::string part;
  bool in_brackets = false;
  for (const char c : path) {
    if (c == '[') in_brackets = true;
    if (!in_brackets && c != '.') part += c;
    if (c == '.' && !in_brackets && !part.empty()) {
      out.push_back(std::move(part));
      part.clear();
    }
    if (c == ']') in_brackets = false;
  }
  if (!part.empty()) out.push_back(std::move(part));
  return out;
}

std::string keys_of(const Section& section) {
  std::string out = "Keys:\n";
  std::size_t width = 0;
  for (const Field& field : section.fields) width = std::max(width, field.name.size());
  for (const Field& field : section.fields) out += fmt::format("  {:<{}}  {}\n", field.name, width, field.doc);
  return out;
}

std::string explain_field(const std::string& path, const Section& section, const Field& field) {
  const TypeInfo& info = field.type->info();
  std::string out = fmt::format("{}\n  {}\n", path, field.doc);
  out += fmt::format("  Type: {}\n", schema::type_in_words(info));
  if (!info.range.empty()) out += fmt::format("  Range: {}\n", info.range);
  const std::string standard = schema::default_in_words(section, field);
  out += fmt::format("  Default: {}\n", standard.empty() ? "none" : standard);
  if (!info.examples.empty() && info.shape != TypeInfo::Shape::kFlag && info.shape != TypeInfo::Shape::kChoice)
    out += fmt::format("  Example: {}: {}\n", field.name, info.examples.front());
  if (field.restart) out += "  A reload accepts a new value; it takes effect after a restart.\n";
  out += fmt::format("  Since: {}\n", field.since);
  if (const Section* inner = schema::section_within(info)) out += keys_of(*inner);
  return out;
}

void add_paths(const Section& section, const std::string& above, std::vector<std::string>& out) {
  for (const Field& field : section.fields) {
    out.push_back(above + field.name);
    const Section* inner = schema::section_within(field.type->info());
    if (inner != nullptr && inner->title != "defaults.pool") add_paths(*inner, out.back() + ".", out);
  }
}

}  // namespace

std::vector<std::string> key_paths() { return schema::key_paths(schema::gateway()); }

Result<std::string> explain(std::string_view path) { return schema::explain(schema::gateway(), path); }

std::vector<std::string> schema::key_paths(const Section& root) {
  std::vector<std::string> out;
  add_paths(root, "", out);
  return out;
}

Result<std::string> schema::explain(const Section& root, std::string_view path) {
  const Section* section = &root;
  const auto parts = parts_of(path);
  if (parts.empty()) return section->doc + "\n" + keys_of(*section);
  std::string done;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Field* field = section->find(parts[i]);
    if (field == nullptr) {
      std::vector<std::string> known;
      for (const Field& candidate : section->fields) known.push_back(candidate.name);
      const std::string where = done.empty() ? "the file" : done;
      return Error{Errc::kNotFound, fmt::format("{} has no key '{}' ({})", where, parts[i].substr(0, 64), suggest(parts[i], known))};
    }
    done += (done.empty() ? "" : ".") + field->name;
    const TypeInfo& info = field->type->info();
    const bool is_list = info.shape == TypeInfo::Shape::kList;
    if (i + 1 == parts.size()) return explain_field(done, *section, *field);
    const Section* inner = schema::section_within(info);
    if (inner == nullptr)
      return Error{Errc::kNotFound, fmt::format("{} has no keys below it: it is a {}", done, schema::type_in_words(info))};
    if (is_list) done += "[]";
    section = inner;
  }
  return Error{Errc::kNotFound, "no such key"};
}

}  // namespace fairlead::config
