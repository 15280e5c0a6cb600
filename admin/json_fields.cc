// fairlead: pure
#include "admin/json_fields.h"

#include <algorithm>
#include <boost/json.hpp>

namespace fairlead::admin {

Result<boost::json::value> parse_json(std::string_view text) {
  boost::system::error_code failed;
  auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), failed);
  if (failed) return Error{Errc::kInvalidArgument, "not valid JSON: " + failed.message()};
  return value;
}

JsonFields::JsonFields(const boost::json::value& value, std::string path, std::optional<Error>& error)
    : path_(std::move(path)), error_(error) {
  if (value.is_object()) {
    object_ = &value.get_object();
  } else if (!error_) {
    error_ = Error{Errc::kInvalidArgument, (path_.empty() ? std::string("the document") : path_) + ": not a JSON object"};
  }
}

const boost::json::value* JsonFields::find(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
  if (object_ == nullptr) return nullptr;
  return object_->if_contains(boost::json::string_view(key.data(), key.size()));
}

std::string JsonFields::join(std::string_view key) const { return path_.empty() ? std::string(key) : path_ + "." + std::string(key); }

void JsonFields::fail(std::string_view key, std::string_view what) {
  if (!error_) error_ = Error{Errc::kInvalidArgument, join(key) + ": " + std::string(what)};
}

void JsonFields::get(std::string_view key, std::string& out) {
  const auto* value = find(key);
  if (value == nullptr) return;
  if (!value->is_string()) return fail(key, "not a string");
  out.assign(value->get_string().data(), value->get_string().size());
}

void JsonFields::get(std::string_view key, bool& out) {
  const auto* value = find(key);
  if (value == nullptr) return;
  if (!value->is_bool()) return fail(key, "not true or false");
  out = value->get_bool();
}

void JsonFields::get(std::string_view key, double& out) {
  const auto* value = find(key);
  if (value == nullptr) return;
  if (!value->is_number()) return fail(key, "not a number");
  boost::system::error_code failed;
  const double number = value->to_number<double>(failed);
  if (failed) return fail(key, "not a number in range");
  out = number;
}

void JsonFields::get(std::string_view key, std::optional<std::string>& out) {
  const auto* value = find(key);
  if (value == nullptr || value->is_null()) return;
  std::string text;
  get(key, text);
  out = std::move(text);
}

void JsonFields::get(std::string_view key, std::vector<std::string>& out) {
  const auto* value = find(key);
  if (value == nullptr) return;
  if (!value->is_array()) return fail(key, "not an array");
  for (const auto& item : value->get_array()) {
    if (!item.is_string()) return fail(key, "not an array of strings");
    out.emplace_back(item.get_string().data(), item.get_string().size());
  }
}

void JsonFields::refuse_unknown() {
  if (object_ == nullptr) return;
  for (const auto& member : *object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
    std::string known;
    for (const auto& name : asked_) known += (known.empty() ? "" : ", ") + name;
    return fail(key, "unknown key (known here: " + (known.empty() ? std::string("none") : known) + ")");
  }
}

}  // namespace fairlead::admin
