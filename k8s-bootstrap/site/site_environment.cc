// fairlead: pure
#include "k8s-bootstrap/site/site_environment.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <unordered_map>

#include "k8s-bootstrap/site/site_limits.h"

namespace fairlead::bootstrap {
namespace {

using config::DocEntry;
using config::DocNode;
using config::DocNodePtr;

constexpr std::string_view kOpening = "${env:";
constexpr std::size_t kHiddenFrom = 4;

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

/// Reads the same with and without quotes as far as YAML's structure goes.
bool is_plain(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(),
                                       [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '/' || c == '+'; });
}

class Substituter {
 public:
  Substituter(std::string file, const EnvironmentLookup& environment) : file_(std::move(file)), environment_(environment) {}

  /// The node itself when nothing in it changes; a node that several aliases name is done once.
  DocNodePtr walk(const DocNodePtr& node) {
    if (const auto done = done_.find(node.get()); done != done_.end()) return done->second;
    DocNodePtr result = node;
    switch (node->kind) {
      case DocNode::Kind::kNull: break;
      case DocNode::Kind::kScalar: result = scalar(node); break;
      case DocNode::Kind::kList:
      case DocNode::Kind::kMap: result = collection(node); break;
    }
    done_.emplace(node.get(), result);
    return result;
  }

  std::set<std::string> secrets;
  std::vector<config::Position> places;
  std::vector<config::Problem> problems;

 private:
  void error(config::Position at, std::string message, std::string hint) {
    problems.push_back({file_, at.line, at.column, config::Severity::kError, std::move(message), std::move(hint)});
  }

  DocNodePtr collection(const DocNodePtr& node) {
    DocNode copy = *node;
    bool changed = false;
    for (DocNodePtr& item : copy.items) {
      DocNodePtr walked = walk(item);
      changed = changed || walked != item;
      item = std::move(walked);
    }
    for (DocEntry& entry : copy.entries) {
      DocNodePtr walked = walk(entry.value);
      changed = changed || walked != entry.value;
      entry.value = std::move(walked);
    }
    return changed ? std::make_shared<const DocNode>(std::move(copy)) : node;
  }

  DocNodePtr scalar(const DocNodePtr& node) {
    const std::string& text = node->text;
    std::size_t at = text.find(kOpening);
    if (at == std::string::npos) return node;
    std::string out;
    std::size_t from = 0;
    bool took = false;
    bool plain = true;
    for (; at != std::string::npos; at = text.find(kOpening, from)) {
      if (at > from && text[at - 1] == '$') {  // "$${env:": the text itself.
        out += text.substr(from, at - 1 - from);
        out += kOpening;
        from = at + kOpening.size();
        continue;
      }
      const auto close = text.find('}', at);
      const std::string_view name = std::string_view(text).substr(
          at + kOpening.size(), close == std::string::npos ? std::string::npos : close - at - kOpening.size());
      if (close == std::string::npos || !is_variable_name(name)) {
        error(node->at, fmt::format("{} is not the name of an environment variable", config::quoted(name)),
              "write ${env:NAME} with letters, digits and '_'; $${env: stands for the text itself");
        return node;
      }
      const auto value = value_of(name, node->at);
      if (!value) return node;
      out += text.substr(from, at - from);
      out += *value;
      plain = plain && is_plain(*value);
      took = true;
      from = close + 1;
    }
    out += text.substr(from);
    if (took) places.push_back(node->at);
    DocNode copy = *node;
    copy.text = std::move(out);
    copy.is_text = copy.is_text || (took && !plain);
    return std::make_shared<const DocNode>(std::move(copy));
  }

  std::optional<std::string> value_of(std::string_view name, config::Position at) {
    auto value = environment_ ? environment_(name) : std::nullopt;
    if (!value) {
      error(at, fmt::format("the environment has no variable {}", name),
            fmt::format("set it before the run, as in {}=... fairlead bootstrap plan", name));
      return std::nullopt;
    }
    if (value->size() > kSecretBytesMax) {
      error(at, fmt::format("the variable {} holds {} bytes", name, value->size()), fmt::format("at most {}", kSecretBytesMax));
      return std::nullopt;
    }
    if (!value->empty()) secrets.insert(*value);
    if (secrets.size() > kSecretsMax) {
      error(at, fmt::format("more than {} values of the environment", kSecretsMax), "put them into one file, and name that");
      return std::nullopt;
    }
    return value;
  }

  std::string file_;
  const EnvironmentLookup& environment_;
  std::unordered_map<const DocNode*, DocNodePtr> done_;
};

}  // namespace

Substitution substitute_environment(const config::Document& document, const EnvironmentLookup& environment) {
  Substituter substituter(document.file, environment);
  Substitution out;
  out.document = {document.file, substituter.walk(document.root)};
  out.secrets.assign(substituter.secrets.begin(), substituter.secrets.end());
  // Longest first: one may be part of another.
  std::stable_sort(out.secrets.begin(), out.secrets.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  out.places = std::move(substituter.places);
  out.problems = std::move(substituter.problems);
  return out;
}

std::string hide_secrets(std::string text, const std::vector<std::string>& secrets) {
  static constexpr std::string_view kHidden = "***";
  for (const std::string& secret : secrets) {
    if (secret.size() < kHiddenFrom) continue;
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kHidden.size()))
      text.replace(at, secret.size(), kHidden);
  }
  return text;
}

}  // namespace fairlead::bootstrap
