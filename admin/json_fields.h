// fairlead: pure
// Reads a JSON object field by field. The first thing that is wrong is kept with its path ("pools[0].servers[1].weight: not a number");
// a key that is absent leaves the target as it was, so that older and newer versions understand each other.
#pragma once

#include <boost/json/value.hpp>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fairlead::admin {

/// Parses `text`; depth and size are bounded by the caller's limit and Boost.JSON's depth of 32. Errors: kInvalidArgument.
[[nodiscard]] Result<boost::json::value> parse_json(std::string_view text);

class JsonFields {
 public:
  /// `error` collects the first problem of the whole document; it and `value` outlive this object.
  JsonFields(const boost::json::value& value, std::string path, std::optional<Error>& error);

  void get(std::string_view key, std::string& out);
  void get(std::string_view key, bool& out);
  void get(std::string_view key, double& out);
  template <std::integral T>
  void get(std::string_view key, T& out) {
    const auto* value = find(key);
    if (value == nullptr) return;
    boost::system::error_code failed;
    if (!value->is_number()) {
      fail(key, "not a number");
    } else if (const T number = value->to_number<T>(failed); failed) {
      fail(key, "not a whole number in range");
    } else {
      out = number;
    }
  }
  template <std::integral T>
  void get(std::string_view key, std::vector<T>& out) {
    const auto* value = find(key);
    if (value == nullptr) return;
    if (!value->is_array()) return fail(key, "not an array");
    for (const auto& item : value->get_array()) {
      boost::system::error_code failed;
      const T number = item.is_number() ? item.to_number<T>(failed) : T{};
      if (!item.is_number() || failed) return fail(key, "not an array of whole numbers in range");
      out.push_back(number);
    }
  }
  void get(std::string_view key, std::optional<std::string>& out);  ///< null is nullopt.
  void get(std::string_view key, std::vector<std::string>& out);

  /// `read(JsonFields&, T&)` for each element of an array of objects.
  template <class T, class Read>
  void list(std::string_view key, std::vector<T>& out, Read read) {
    const auto* value = find(key);
    if (value == nullptr) return;
    if (!value->is_array()) return fail(key, "not an array");
    std::size_t index = 0;
    for (const auto& item : value->get_array()) {
      JsonFields fields(item, join(key) + "[" + std::to_string(index++) + "]", error_);
      read(fields, out.emplace_back());
    }
  }
  /// `read(JsonFields&)` when the key is there and not null.
  template <class Read>
  void object(std::string_view key, Read read) {
    const auto* value = find(key);
    if (value == nullptr || value->is_null()) return;
    JsonFields fields(*value, join(key), error_);
    read(fields);
  }
  /// `use(key, value)` for each member of the object under `key`.
  template <class Use>
  void members(std::string_view key, Use use) {
    const auto* value = find(key);
    if (value == nullptr) return;
    if (!value->is_object()) return fail(key, "not an object");
    for (const auto& member : value->get_object()) use(std::string(member.key_c_str()), member.value());
  }
  [[nodiscard]] bool has(std::string_view key) { return find(key) != nullptr; }
  /// It is there and not null.
  [[nodiscard]] bool has_value(std::string_view key) {
    const auto* value = find(key);
    return value != nullptr && !value->is_null();
  }
  void fail(std::string_view key, std::string_view what);
  /// Complains about the first key nobody asked for, naming those that were asked for.
  void refuse_unknown();
  [[nodiscard]] std::optional<Error>& error() { return error_; }

 private:
  const boost::json::value* find(std::string_view key);
  [[nodiscard]] std::string join(std::string_view key) const;

  const boost::json::object* object_ = nullptr;
  std::string path_;
  std::optional<Error>& error_;
  std::vector<std::string> asked_;
};

/// Parses a document and reads it with `read(JsonFields&, T&)`.
template <class T, class Read>
[[nodiscard]] Result<T> read_document(std::string_view document, Read read) {
  const auto parsed = parse_json(document);
  if (!parsed) return parsed.error();
  std::optional<Error> error;
  T out;
  JsonFields fields(*parsed, "", error);
  read(fields, out);
  if (error) return *error;
  return out;
}

}  // namespace fairlead::admin
