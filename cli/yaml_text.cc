// fairlead: pure
#include "cli/yaml_text.h"

#include <algorithm>
#include <boost/json.hpp>

#include "admin/json_text.h"

namespace fairlead::cli {
namespace {

namespace json = boost::json;

/// Words with letters only, and not one that YAML 1.1 or 1.2 reads as a truth value or nothing.
bool plain(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '/' || c == '.';
      })) {
    return false;
  }
  const char first = text.front();
  if (!((first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '/')) return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* word : {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}) {
    if (lower == word) return false;
  }
  return true;
}

std::string scalar(const json::value& value) {
  if (value.is_string()) {
    const std::string_view text(value.get_string().data(), value.get_string().size());
    if (plain(text)) return std::string(text);
  }
  return admin::json_text(value);
}

bool is_block(const json::value& value) {
  return (value.is_object() && !value.get_object().empty()) || (value.is_array() && !value.get_array().empty());
}

void write(const json::value& value, std::size_t depth, bool in_line, std::string& out);

void write_entry(const json::value& value, std::size_t depth, std::string& out) {
  if (is_block(value)) {
    out += '\n';
    write(value, depth + 1, false, out);
  } else {
    out += ' ' + scalar(value) + '\n';
  }
}

/// `in_line`: the first line continues one that "- " has begun.
void write(const json::value& value, std::size_t depth, bool in_line, std::string& out) {
  const auto indent = [&] {
    if (!in_line) out.append(depth * 2, ' ');
    in_line = false;
  };
  if (value.is_object() && is_block(value)) {
    for (const auto& [key, item] : value.get_object()) {
      indent();
      out += scalar(json::value(key)) + ":";
      write_entry(item, depth, out);
    }
  } else if (value.is_array() && is_block(value)) {
    for (const auto& item : value.get_array()) {
      indent();
      out += "- ";
      if (is_block(item)) {
        write(item, depth + 1, true, out);
      } else {
        out += scalar(item) + '\n';
      }
    }
  } else {
    indent();
    out += scalar(value) + '\n';
  }
}

}  // namespace

std::string yaml_text(const json::value& value) {
  std::string out;
  write(value, 0, false, out);
  return out;
}

}  // namespace fairlead::cli
