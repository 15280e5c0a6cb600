// fairlead: pure
// JSON Schema is written by hand: it is strings, lists and maps only, and this room has no JSON library.
#include <fmt/format.h>

#include "config/reference.h"
#include "config/schema.h"
#include "config/schema_words.h"

namespace fairlead::config {
namespace {

using schema::Field;
using schema::Section;
using schema::TypeInfo;

std::string text(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string pad(std::size_t indent) { return std::string(indent, ' '); }

std::string section_body(const Section& section, std::size_t indent);

/// The keywords that say what a value may be, without braces.
std::string type_body(const TypeInfo& info, std::size_t indent) {
  switch (info.shape) {
    case TypeInfo::Shape::kFlag: return "\"enum\": [true, false, \"on\", \"off\", \"yes\", \"no\"]";  // Words to YAML 1.2.
    case TypeInfo::Shape::kNumber: {
      const std::string number = fmt::format("\"type\": \"integer\", \"minimum\": {}, \"maximum\": {}", info.min, info.max);
      return info.or_auto ? fmt::format("\"anyOf\": [{{\"const\": \"auto\"}}, {{{}}}]", number) : number;
    }
    case TypeInfo::Shape::kChoice: {
      std::string words;
      for (const std::string& choice : info.choices) {
        words += (words.empty() ? "" : ", ") + text(choice);
        // An editor that reads YAML 1.1 sees a truth value.
        if (choice == "off") words += ", false";
        if (choice == "on") words += ", true";
      }
      return fmt::format("\"enum\": [{}]", words);
    }
    case TypeInfo::Shape::kList: {
      const std::string element = type_body(info.element->info(), indent);
      const std::string list = fmt::format("\"type\": \"array\", \"maxItems\": {}, \"items\": {{{}}}", info.max, element);
      return info.or_one ? fmt::format("\"anyOf\": [{{{}}}, {{{}}}]", list, element) : list;
    }
    case TypeInfo::Shape::kMap: {
      if (info.element == nullptr) return "\"type\": \"object\"";  // Keys of another program.
      std::string out = fmt::format("\"type\": \"object\", \"maxProperties\": {}, \"additionalProperties\": {{{}}}", info.max,
                                    type_body(info.element->info(), indent));
      if (!info.choices.empty()) {
        std::string words;
        for (const std::string& choice : info.choices) words += (words.empty() ? "" : ", ") + text(choice);
        out += fmt::format(", \"propertyNames\": {{\"enum\": [{}]}}", words);
      }
      return out;
    }
    case TypeInfo::Shape::kSection: return section_body(*info.section, indent);
    case TypeInfo::Shape::kText: break;
  }
  // Names like 10 and durations like 0 are numbers to an editor, and text to us.
  if (info.pattern.empty()) return "\"type\": [\"string\", \"number\"]";
  return fmt::format("\"type\": [\"string\", \"integer\"], \"pattern\": {}", text(info.pattern));
}

std::string section_body(const Section& section, std::size_t indent) {
  std::string required;
  std::string properties;
  for (const Field& field : section.fields) {
    if (field.required) required += (required.empty() ? "" : ", ") + text(field.name);
    const TypeInfo& info = field.type->info();
    std::string described = field.doc;
    if (!info.range.empty()) described += fmt::format(" Range: {}.", info.range);
    const std::string standard = field.required ? "" : schema::default_in_words(section, field);
    if (!standard.empty()) described += fmt::format(" Default: {}.", standard);
    if (field.restart) described += " Effective after a restart.";
    properties += fmt::format("{}{}{}: {{\"description\": {}, {}}}", properties.empty() ? "\n" : ",\n", pad(indent + 2), text(field.name),
                              text(described), type_body(info, indent + 2));
  }
  std::string out = "\"type\": \"object\", \"additionalProperties\": false";
  if (!required.empty()) out += fmt::format(", \"required\": [{}]", required);
  return out + fmt::format(", \"properties\": {{{}\n{}}}", properties, pad(indent));
}

}  // namespace

std::string schema::json_schema(const Section& root, std::string_view id, std::string_view title) {
  return fmt::format("{{\n\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n\"$id\": {},\n\"title\": {},\n{}\n}}\n", text(id),
                     text(title), section_body(root, 0));
}

std::string json_schema() { return schema::json_schema(schema::gateway(), "urn:fairlead:schema:v1:gateway", "fairlead.yaml"); }

}  // namespace fairlead::config
