// One mistake is one error, at its place: no consequence of it is reported beside it, and it hides no other.
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <sstream>

#include "config/parse.h"
#include "config/validate.h"
#include "generated/source_dir.h"

namespace fairlead::config {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file(std::string(FL_SOURCE_DIR) + "/tests/golden/config/" + name, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

/// Files without an error, that use most keys between them.
const char* const kFiles[] = {"good-full.yaml", "dnsdhcp-good.yaml"};

/// A copy of `node` in which `change(path, copy)` was made to every node; the places stay.
using Change = std::function<void(const std::string& path, DocNode& copy)>;
DocNodePtr changed(const DocNode& node, const std::string& path, const Change& change) {
  DocNode copy = node;
  for (std::size_t i = 0; i < copy.items.size(); ++i) copy.items[i] = changed(*copy.items[i], path + "[" + std::to_string(i) + "]", change);
  for (DocEntry& entry : copy.entries) entry.value = changed(*entry.value, path.empty() ? entry.key : path + "." + entry.key, change);
  change(path, copy);
  return std::make_shared<DocNode>(std::move(copy));
}

std::vector<std::pair<std::string, DocNode>> nodes_of(const Document& document) {
  std::vector<std::pair<std::string, DocNode>> out;
  changed(*document.root, "", [&](const std::string& path, DocNode& node) { out.emplace_back(path, node); });
  return out;
}

std::vector<Problem> errors_of(const Document& document, const Change& change) {
  auto result = validate({document.file, changed(*document.root, "", change)}, {});
  std::erase_if(result.problems, [](const Problem& p) { return p.severity != Severity::kError; });
  return result.problems;
}

std::string text_of(const std::vector<Problem>& problems) {
  std::string out;
  for (const Problem& p : problems) out += "  " + format(p) + "\n";
  return out;
}

/// The file's kind decides what the rest is; a wrong one is a story of its own.
bool is_head(const std::string& path) { return path.empty() || path == "apiVersion" || path == "kind"; }

class OneFault : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto parsed = parse(golden(GetParam()), GetParam());
    ASSERT_TRUE(parsed.document);
    document = *parsed.document;
    ASSERT_EQ(text_of(errors_of(document, [](const std::string&, DocNode&) {})), "");
  }
  Document document;
};

TEST_P(OneFault, AValueOfTheWrongShapeIsOneErrorAtItsPlace) {
  for (const auto& [path, node] : nodes_of(document)) {
    if (is_head(path)) continue;
    const auto errors = errors_of(document, [&wanted = path](const std::string& at, DocNode& copy) {
      if (at != wanted) return;
      const Position place = copy.at;
      if (copy.kind == DocNode::Kind::kScalar)
        copy = list_node({std::make_shared<DocNode>(list_node({}))});
      else
        copy = scalar_node("?!");
      copy.at = place;
    });
    ASSERT_EQ(errors.size(), 1U) << path << "\n" << text_of(errors);
    EXPECT_EQ((Position{errors[0].line, errors[0].column}), node.at) << path << "\n" << text_of(errors);
  }
}

TEST_P(OneFault, AnUnknownKeyIsOneErrorAndHidesNoDanglingName) {
  for (const auto& [path, node] : nodes_of(document)) {
    if (node.kind != DocNode::Kind::kMap || path.ends_with(".interfaces")) continue;  // Its keys are the user's.
    const Change unknown = [&path = path](const std::string& at, DocNode& copy) {
      if (at == path) copy.entries.push_back({"zzzzzz", {99, 1}, std::make_shared<DocNode>(scalar_node("1"))});
    };
    const auto errors = errors_of(document, unknown);
    ASSERT_EQ(errors.size(), 1U) << path << "\n" << text_of(errors);
    EXPECT_EQ(errors[0].line, 99) << path;
    const auto both = errors_of(document, [&](const std::string& at, DocNode& copy) {
      unknown(at, copy);
      if (at == "listeners[0].pool") copy.text = "nobody";
    });
    EXPECT_EQ(both.size(), 2U) << path << "\n" << text_of(both);
  }
}

TEST_P(OneFault, AMisspeltKeyIsOneError) {
  for (const auto& [path, node] : nodes_of(document)) {
    if (node.kind != DocNode::Kind::kMap) continue;
    for (const DocEntry& entry : node.entries) {
      const std::string key = path.empty() ? entry.key : path + "." + entry.key;
      if (is_head(key) || entry.key.size() < 5) continue;  // A short word with a slip is near to nothing.
      const auto errors = errors_of(document, [&path = path, &entry](const std::string& at, DocNode& copy) {
        if (at != path) return;
        for (DocEntry& e : copy.entries) {
          if (e.key == entry.key) e.key.insert(2, "x");
        }
      });
      ASSERT_EQ(errors.size(), 1U) << key << "\n" << text_of(errors);
      EXPECT_EQ((Position{errors[0].line, errors[0].column}), entry.key_at) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, OneFault, testing::ValuesIn(kFiles),
                         [](const auto& file) { return file.index == 0 ? std::string("full") : std::string("dnsdhcp"); });

}  // namespace
}  // namespace fairlead::config
