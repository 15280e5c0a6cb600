// fairlead: pure
// Walks documents by the schema. A value's type is what YAML makes of it before kubeadm decodes it: `5` is a number where a text is wanted,
// and `on` is a truth value (YAML 1.1).
#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "config/nearest.h"
#include "config/parse.h"
#include "k8s-bootstrap/render/kubeadm_rules.h"
#include "k8s-bootstrap/render/kubeadm_schema.h"
#include "k8s-bootstrap/render/render.h"

namespace fairlead::bootstrap {
namespace {

using config::DocEntry;
using config::DocNode;
using kube::DocumentType;
using kube::FieldType;
using kube::SchemaField;
using kube::Shape;

constexpr std::size_t kProblemsMax = 100;

enum class Scalar : std::uint8_t { kNull, kFlag, kInteger, kNumber, kText };

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_number(std::string_view text) {
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  bool digit = false;
  bool dot = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9') {
      digit = true;
    } else if (c == '.' && !dot) {
      dot = true;
    } else if ((c == 'e' || c == 'E') && digit) {
      std::string_view exponent = text.substr(i + 1);
      if (!exponent.empty() && (exponent.front() == '+' || exponent.front() == '-')) exponent.remove_prefix(1);
      return !exponent.empty() && std::all_of(exponent.begin(), exponent.end(), [](char d) { return d >= '0' && d <= '9'; });
    } else {
      return false;
    }
  }
  return digit;
}

Scalar kind_of(const DocNode& node) {
  if (node.is_text) return Scalar::kText;
  static const std::set<std::string, std::less<>> flags{"true", "false", "yes", "no", "on", "off", "y", "n"};
  const std::string word = lower(node.text);
  if (word.empty() || word == "null" || word == "~") return Scalar::kNull;
  if (flags.contains(word)) return Scalar::kFlag;
  std::int64_t value = 0;
  const char* begin = node.text.data() + (node.text.starts_with('+') ? 1 : 0);
  const char* end = node.text.data() + node.text.size();
  if (const auto [stop, error] = std::from_chars(begin, end, value); error == std::errc() && stop == end) return Scalar::kInteger;
  return is_number(node.text) ? Scalar::kNumber : Scalar::kText;
}

std::string described(const DocNode& node) {
  if (node.kind != DocNode::Kind::kScalar) return config::describe_node(node);
  switch (kind_of(node)) {
    case Scalar::kFlag: return "the truth value " + node.text;
    case Scalar::kInteger:
    case Scalar::kNumber: return "the number " + node.text;
    case Scalar::kNull: return "nothing";
    case Scalar::kText: return config::quoted(node.text);
  }
  return "nothing";
}

/// Keys may hold anything that YAML can write.
std::string in_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

class DocumentCheck {
 public:
  DocumentCheck(std::string kind, int first_line, std::vector<std::string>& problems)
      : kind_(std::move(kind)), first_line_(first_line), problems_(problems) {}

  void check(const DocNode& root, const Shape& shape) { check_object(root, shape, "", true); }

 private:
  void problem(config::Position at, const std::string& text) {
    problems_.push_back(fmt::format("{}, line {}: {}", kind_, first_line_ + at.line - 1, in_one_line(text)));
  }
  void wrong(const DocNode& node, const std::string& path, std::string_view wanted) {
    problem(node.at, fmt::format("field \"{}\" must be {}, not {}", path, wanted, described(node)));
  }
  [[nodiscard]] bool full() const { return problems_.size() >= kProblemsMax; }

  void check_object(const DocNode& node, const Shape& shape, const std::string& path, bool is_root) {
    if (node.kind != DocNode::Kind::kMap) return wrong(node, path, "a map");
    for (const DocEntry& entry : node.entries) {
      if (full()) return;
      if (is_root && (entry.key == "apiVersion" || entry.key == "kind")) continue;
      const std::string below = path.empty() ? entry.key : path + "." + entry.key;
      const SchemaField* field = shape.find(entry.key);
      if (field == nullptr) {
        unknown(entry, shape, below);
      } else {
        check_value(*entry.value, field->type, below);
      }
    }
    const auto given = [&](std::string_view name) {
      const DocNode* value = node.find(name);
      return value != nullptr && value->kind != DocNode::Kind::kNull;
    };
    for (const SchemaField& field : shape.fields) {
      if (field.required && !given(field.name))
        problem(node.at, fmt::format("field \"{}{}{}\" is missing", path, path.empty() ? "" : ".", field.name));
    }
    for (const kube::Exclusive& pair : shape.exclusive) {
      if (given(pair.one) && given(pair.other))
        problem(node.at, fmt::format("fields \"{}\" and \"{}\" of \"{}\" exclude each other", pair.one, pair.other, path));
    }
  }

  void unknown(const DocEntry& entry, const Shape& shape, const std::string& path) {
    std::vector<std::string> names;
    for (const SchemaField& field : shape.fields) names.emplace_back(field.name);
    const auto near = config::nearest(entry.key, names);
    problem(entry.key_at,
            fmt::format("unknown field \"{}\"{}", path, near ? fmt::format(" (did you mean \"{}\"?)", *near) : std::string()));
  }

  void check_value(const DocNode& node, const FieldType& type, const std::string& path) {
    if (node.kind == DocNode::Kind::kNull || full()) return;  // As if it were not there.
    switch (type.form) {
      case FieldType::Form::kAny: return;
      case FieldType::Form::kObject: return check_object(node, *type.shape, path, false);
      case FieldType::Form::kList:
        if (node.kind != DocNode::Kind::kList) return wrong(node, path, "a list");
        for (std::size_t i = 0; i < node.items.size(); ++i) check_value(*node.items[i], *type.element, fmt::format("{}[{}]", path, i));
        return;
      case FieldType::Form::kMap:
        if (node.kind != DocNode::Kind::kMap) return wrong(node, path, "a map");
        for (const DocEntry& entry : node.entries) check_value(*entry.value, *type.element, path + "." + entry.key);
        return;
      default: break;
    }
    const bool scalar = node.kind == DocNode::Kind::kScalar;
    check_scalar(node, scalar ? kind_of(node) : Scalar::kNull, type, path);
  }

  void check_scalar(const DocNode& node, Scalar kind, const FieldType& type, const std::string& path) {
    if (node.kind == DocNode::Kind::kScalar && kind == Scalar::kNull) return;
    switch (type.form) {
      case FieldType::Form::kFlag:
        if (kind != Scalar::kFlag) wrong(node, path, "true or false");
        return;
      case FieldType::Form::kNumber:
        if (kind != Scalar::kInteger && kind != Scalar::kNumber) wrong(node, path, "a number");
        return;
      case FieldType::Form::kInteger: return check_integer(node, kind, type, path);
      case FieldType::Form::kQuantity:
        if ((kind != Scalar::kText && kind != Scalar::kInteger && kind != Scalar::kNumber) || !kube::is_quantity(node.text))
          wrong(node, path, "a quantity such as 100Mi");
        return;
      case FieldType::Form::kDuration:
        if (kind != Scalar::kText || !kube::parse_go_duration(node.text)) wrong(node, path, "a duration such as \"15m0s\"");
        return;
      default: return check_text(node, kind, type, path);
    }
  }

  void check_integer(const DocNode& node, Scalar kind, const FieldType& type, const std::string& path) {
    if (kind != Scalar::kInteger) return wrong(node, path, "a whole number");
    std::int64_t value = 0;
    const char* begin = node.text.data() + (node.text.starts_with('+') ? 1 : 0);
    std::from_chars(begin, node.text.data() + node.text.size(), value);
    if (value < type.min || value > type.max) wrong(node, path, fmt::format("from {} to {}", type.min, type.max));
  }

  void check_text(const DocNode& node, Scalar kind, const FieldType& type, const std::string& path) {
    if (kind != Scalar::kText) {
      const bool quotes = node.kind == DocNode::Kind::kScalar;
      return wrong(node, path, quotes ? "a text (in quotes)" : "a text");
    }
    if (!type.words.empty() && std::find(type.words.begin(), type.words.end(), node.text) == type.words.end()) {
      std::string words;
      for (const std::string_view word : type.words) {
        if (!word.empty()) words += fmt::format("{}{}", words.empty() ? "" : ", ", word);
      }
      return wrong(node, path, "one of " + words);
    }
    if (type.rule == nullptr || node.text.empty()) return;
    if (const std::string bad = type.rule(node.text); !bad.empty()) problem(node.at, fmt::format("field \"{}\": {}", path, bad));
  }

  std::string kind_;
  int first_line_;
  std::vector<std::string>& problems_;
};

struct Part {
  std::string_view text;
  int first_line = 1;
};

/// At lines that are "---".
std::vector<Part> split_documents(std::string_view text) {
  std::vector<Part> parts;
  std::size_t begin = 0;
  int first_line = 1;
  int line = 1;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = text.find('\n', at);
    const std::size_t next = end == std::string_view::npos ? text.size() : end + 1;
    std::string_view content = text.substr(at, next - at);
    while (!content.empty() && (content.back() == '\n' || content.back() == '\r' || content.back() == ' ')) content.remove_suffix(1);
    if (content == "---") {
      parts.push_back({text.substr(begin, at - begin), first_line});
      begin = next;
      first_line = line + 1;
    }
    at = next;
  }
  parts.push_back({text.substr(begin), first_line});
  return parts;
}

bool is_blank(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t first = text.substr(at, end - at).find_first_not_of(" \t\r");
    if (first != std::string_view::npos && text[at + first] != '#') return false;
    at = end + 1;
  }
  return true;
}

std::string text_of(const DocNode& root, std::string_view key) {
  const DocNode* node = root.kind == DocNode::Kind::kMap ? root.find(key) : nullptr;
  return node == nullptr ? std::string() : node->text;
}

const DocumentType* type_of(const DocNode& root, int first_line, std::vector<std::string>& problems) {
  const std::string api_version = text_of(root, "apiVersion");
  const std::string kind = text_of(root, "kind");
  const auto& types = kube::document_types();
  const auto found =
      std::find_if(types.begin(), types.end(), [&](const DocumentType& t) { return t.api_version == api_version && t.kind == kind; });
  if (found != types.end()) return &*found;
  std::string known;
  for (const DocumentType& type : types) known += fmt::format("{}{} {}", known.empty() ? "" : ", ", type.api_version, type.kind);
  problems.push_back(fmt::format("line {}: no document of kubeadm has apiVersion {} and kind {}; there are: {}", first_line,
                                 config::quoted(api_version), config::quoted(kind), known));
  return nullptr;
}

void check_discovery(const DocNode& root, int first_line, std::vector<std::string>& problems) {
  const DocNode* discovery = root.find("discovery");
  if (discovery == nullptr || discovery->kind != DocNode::Kind::kMap) return;
  const DocNode* by_token = discovery->find("bootstrapToken");
  if (by_token == nullptr && discovery->find("file") == nullptr) {
    problems.push_back(
        fmt::format("JoinConfiguration, line {}: \"discovery\" has neither bootstrapToken nor file", first_line + discovery->at.line - 1));
  }
  if (by_token == nullptr || by_token->kind != DocNode::Kind::kMap) return;
  const DocNode* hashes = by_token->find("caCertHashes");
  const DocNode* unsafe = by_token->find("unsafeSkipCAVerification");
  const bool pinned = hashes != nullptr && !hashes->items.empty();
  if (!pinned && (unsafe == nullptr || lower(unsafe->text) != "true")) {
    problems.push_back(
        fmt::format("JoinConfiguration, line {}: \"discovery.bootstrapToken\" needs caCertHashes, or unsafeSkipCAVerification",
                    first_line + by_token->at.line - 1));
  }
}

}  // namespace

std::vector<std::string> check_kubeadm_config(std::string_view text) {
  std::vector<std::string> problems;
  std::set<std::string> seen;
  bool any = false;
  for (const Part& part : split_documents(text)) {
    if (is_blank(part.text)) continue;
    any = true;
    const config::ParseResult parsed = config::parse(part.text, "kubeadm");
    for (const config::Problem& problem : parsed.problems)
      problems.push_back(fmt::format("line {}: {}", part.first_line + problem.line - 1, problem.message));
    if (!parsed.document) continue;
    const DocNode& root = *parsed.document->root;
    const DocumentType* type = type_of(root, part.first_line, problems);
    if (type == nullptr) continue;
    if (!seen.insert(std::string(type->kind)).second) problems.push_back(fmt::format("line {}: a second {}", part.first_line, type->kind));
    DocumentCheck(std::string(type->kind), part.first_line, problems).check(root, *type->shape);
    if (type->kind == "JoinConfiguration") check_discovery(root, part.first_line, problems);
    if (problems.size() >= kProblemsMax) break;
  }
  if (!any) problems.emplace_back("there is no document");
  return problems;
}

}  // namespace fairlead::bootstrap
