// fairlead: pure
#include "config/document.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "config/problem.h"

namespace fairlead::config {
namespace {

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A string that YAML 1.1 or 1.2 could read as anything else than this string. Generous: quotes do no harm.
bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  if (!is_letter(text.front()) && text.front() != '/' && text.front() != '_') return true;
  const auto plain = [](char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '/' || c == '-' || c == '@' || c == '+';
  };
  if (!std::all_of(text.begin(), text.end(), plain)) return true;
  static constexpr std::array<std::string_view, 9> kReserved{"true", "false", "on", "off", "yes", "no", "y", "n", "null"};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end();
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string render_scalar(const DocNode& node) { return node.is_text && needs_quotes(node.text) ? quote(node.text) : node.text; }

bool is_short(const DocNode& node) {
  switch (node.kind) {
    case DocNode::Kind::kNull:
    case DocNode::Kind::kScalar: return true;
    case DocNode::Kind::kList:
      return std::all_of(node.items.begin(), node.items.end(), [](const DocNodePtr& item) { return item->kind == DocNode::Kind::kScalar; });
    case DocNode::Kind::kMap: return node.entries.empty();
  }
  return true;
}

void append_block(const DocNode& node, std::size_t indent, bool first_line_indented, std::string& out);

void append_entry_value(const DocNode& value, std::size_t indent, std::string& out) {
  if (is_short(value)) {
    out += " " + render_flow(value) + "\n";
    return;
  }
  out += "\n";
  append_block(value, indent + 2, false, out);
}

void append_block(const DocNode& node, std::size_t indent, bool first_line_indented, std::string& out) {
  bool indented = first_line_indented;
  const auto start_line = [&] {
    if (!indented) out.append(indent, ' ');
    indented = false;
  };
  if (is_short(node)) {
    start_line();
    out += render_flow(node) + "\n";
    return;
  }
  if (node.kind == DocNode::Kind::kMap) {
    for (const DocEntry& entry : node.entries) {
      start_line();
      out += render_scalar(text_node(entry.key)) + ":";
      append_entry_value(*entry.value, indent, out);
    }
    return;
  }
  for (const DocNodePtr& item : node.items) {
    start_line();
    out += "- ";
    append_block(*item, indent + 2, true, out);
  }
}

}  // namespace

const DocNode* DocNode::find(std::string_view key) const {
  for (const DocEntry& entry : entries) {
    if (entry.key == key) return entry.value.get();
  }
  return nullptr;
}

std::string describe_node(const DocNode& node) {
  switch (node.kind) {
    case DocNode::Kind::kNull: return "nothing";
    case DocNode::Kind::kScalar: return quoted(node.text);
    case DocNode::Kind::kList: return "a list";
    case DocNode::Kind::kMap: return "a map";
  }
  return "nothing";
}

DocNode scalar_node(std::string plain) {
  DocNode node;
  node.kind = DocNode::Kind::kScalar;
  node.text = std::move(plain);
  return node;
}

DocNode text_node(std::string text) {
  DocNode node = scalar_node(std::move(text));
  node.is_text = true;
  return node;
}

DocNode list_node(std::vector<DocNodePtr> items) {
  DocNode node;
  node.kind = DocNode::Kind::kList;
  node.items = std::move(items);
  return node;
}

std::string render_flow(const DocNode& node) {
  std::string out;
  switch (node.kind) {
    case DocNode::Kind::kNull: return "null";
    case DocNode::Kind::kScalar: return render_scalar(node);
    case DocNode::Kind::kList:
      for (const DocNodePtr& item : node.items) out += (out.empty() ? "" : ", ") + render_flow(*item);
      return "[" + out + "]";
    case DocNode::Kind::kMap:
      for (const DocEntry& entry : node.entries) {
        out += (out.empty() ? "" : ", ") + render_scalar(text_node(entry.key)) + ": " + render_flow(*entry.value);
      }
      return "{" + out + "}";
  }
  return out;
}

std::string render_yaml(const DocNode& node) {
  std::string out;
  append_block(node, 0, false, out);
  return out;
}

}  // namespace fairlead::config
