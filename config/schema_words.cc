// fairlead: pure
#include "config/schema_words.h"

namespace fairlead::config::schema {

std::string type_in_words(const TypeInfo& info) {
  if (info.shape != TypeInfo::Shape::kChoice) return info.name;
  std::string out;
  for (const std::string& choice : info.choices) out += (out.empty() ? "" : ", ") + choice;
  return info.choices.size() == 1 ? out : "one of " + out;
}

std::string default_in_words(const Section& section, const Field& field) {
  if (field.required) return "required";
  const TypeInfo& info = field.type->info();
  if (info.shape == TypeInfo::Shape::kSection) return "";  // Its keys have their own.
  const auto made = section.make();
  const auto node = field.type->write(field.get(made.get()), false);
  return node ? render_flow(*node) : "";
}

const Section* section_within(const TypeInfo& info) {
  if (info.section != nullptr) return info.section;
  return info.element != nullptr && info.shape == TypeInfo::Shape::kList ? info.element->info().section : nullptr;
}

}  // namespace fairlead::config::schema
