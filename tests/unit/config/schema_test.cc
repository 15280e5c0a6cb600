// The table itself, and what is made from it: explain, JSON Schema.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>

#include "config/nearest.h"
#include "config/parse.h"
#include "config/reference.h"
#include "config/schema.h"
#include "config/schema_words.h"
#include "generated/source_dir.h"

namespace fairlead::config {
namespace {

using Visit = std::function<void(const std::string& path, const schema::Section&, const schema::Field&)>;

void walk(const schema::Section& section, const std::string& path, const Visit& visit) {
  for (const schema::Field& field : section.fields) {
    const std::string here = path.empty() ? field.name : path + "." + field.name;
    visit(here, section, field);
    if (const schema::Section* inner = schema::section_within(field.type->info())) walk(*inner, here, visit);
  }
}

std::set<std::string> words_in_code(const std::string& text) {
  std::set<std::string> out;
  for (std::size_t at = 0; (at = text.find('`', at)) != std::string::npos;) {
    const auto end = text.find('`', at + 1);
    if (end == std::string::npos) break;
    out.insert(text.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return out;
}

// The pages for people name exactly the keys that the schema marks.
TEST(Schema, TheDocumentsNameEveryKeyThatNeedsARestart) {
  std::set<std::string> keys;
  walk(schema::gateway(), "", [&](const std::string& path, const schema::Section&, const schema::Field& field) {
    if (field.restart) keys.insert(path);
  });
  std::set<std::string> in_decision;
  std::set<std::string> in_page;
  std::string line;
  for (std::ifstream file(FL_SOURCE_DIR "/docs/decisions/0009-restart-only-keys.md"); std::getline(file, line);) {
    if (line.starts_with("| `")) in_decision.merge(words_in_code(line.substr(0, line.find('|', 2))));
  }
  for (std::ifstream file(FL_SOURCE_DIR "/docs/operating/reload.md"); std::getline(file, line);) {
    if (line.starts_with("| `node`")) in_page = words_in_code(line.substr(0, line.find('|', 2)));
  }
  EXPECT_EQ(in_decision, keys);
  EXPECT_EQ(in_page, keys);
}

TEST(Schema, DocumentsEveryKey) {
  std::size_t count = 0;
  walk(schema::gateway(), "", [&](const std::string& path, const schema::Section& section, const schema::Field& field) {
    ++count;
    EXPECT_TRUE(field.doc.ends_with('.') || field.doc.ends_with(')')) << path;
    EXPECT_FALSE(field.since.empty()) << path;
    EXPECT_FALSE(field.type->info().name.empty()) << path;
    EXPECT_FALSE(section.doc.empty()) << path;
  });
  EXPECT_GT(count, 150U);
}

TEST(Schema, BindsEveryKeyOfASectionToAMemberOfItsOwn) {
  walk(schema::gateway(), "", [&](const std::string& path, const schema::Section& section, const schema::Field&) {
    const auto made = section.make();
    std::set<const void*> members;
    for (const schema::Field& field : section.fields)
      EXPECT_TRUE(members.insert(field.get(made.get())).second || section.title == "defaults.pool") << path << " " << field.name;
  });
}

TEST(Schema, KeepsRestartOnlyKeysWhereTheyAreReported) {
  walk(schema::gateway(), "", [&](const std::string& path, const schema::Section&, const schema::Field& field) {
    if (!field.restart) return;
    const std::string top = path.substr(0, path.find('.'));
    EXPECT_TRUE(top == "node" || top == "state_dir" || top == "shutdown_grace" || top == "guard" || top == "cluster" || top == "vips" ||
                top == "proxy" || top == "admin" || top == "log")
        << path;
  });
}

TEST(Explain, KnowsEveryKey) {
  walk(schema::gateway(), "", [&](const std::string& path, const schema::Section&, const schema::Field& field) {
    const auto text = explain(path);
    ASSERT_TRUE(text) << path;
    EXPECT_NE(text->find(field.doc), std::string::npos) << path;
  });
}

TEST(Explain, SaysTypeRangeAndDefault) {
  EXPECT_EQ(*explain("pools[0].connect_timeout"),
            "pools[].connect_timeout\n  A server that takes longer to accept is given up for this connection.\n  Type: duration\n  Range: "
            "1ms to 5m\n  Default: 500ms\n"
            "  Example: connect_timeout: 2s\n  Since: 0.1\n");
}

TEST(Explain, ListsTheKeysOfASection) {
  EXPECT_NE(explain("pools.health")->find("\n  interval "), std::string::npos);
  EXPECT_NE(explain("")->find("\n  listeners "), std::string::npos);
}

TEST(Explain, SuggestsTheNearestKey) {
  const auto unknown = explain("pools.helth.interval");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::kNotFound);
  EXPECT_EQ(unknown.error().context, "pools[] has no key 'helth' (did you mean 'health'?)");
  EXPECT_FALSE(explain("pools.retries.more"));
  EXPECT_FALSE(explain("...x"));
}

TEST(JsonSchema, IsWellFormedAndKnowsEveryKey) {
  const ParseResult parsed = parse(json_schema(), "schema.json");  // JSON is YAML.
  ASSERT_TRUE(parsed.document) << format(parsed.problems.front());
  walk(schema::gateway(), "", [&](const std::string& path, const schema::Section&, const schema::Field&) {
    const DocNode* node = parsed.document->root.get();
    std::string_view rest = path;
    while (node != nullptr && !rest.empty()) {
      const std::string_view part = rest.substr(0, rest.find('.'));
      rest.remove_prefix(std::min(rest.size(), part.size() + 1));
      if (const DocNode* items = node->find("items")) node = items;
      const DocNode* properties = node->find("properties");
      node = properties == nullptr ? nullptr : properties->find(part);
    }
    ASSERT_NE(node, nullptr) << path;
    EXPECT_NE(node->find("description"), nullptr) << path;
  });
}

TEST(Nearest, FindsSlipsAndOtherSpellings) {
  const std::vector<std::string> known{"max_connections", "balance", "interval", "least_connections", "warning"};
  EXPECT_EQ(nearest("maxConnections", known), "max_connections");
  EXPECT_EQ(nearest("max-connections", known), "max_connections");
  EXPECT_EQ(nearest("balanec", known), "balance");
  EXPECT_EQ(nearest("leastconn", known), "least_connections");
  EXPECT_EQ(nearest("warn", known), "warning");
  EXPECT_EQ(nearest("listeners", known), std::nullopt);
  EXPECT_EQ(nearest("", known), std::nullopt);
}

TEST(Nearest, CountsSwapsOfNeighboursOnce) {
  EXPECT_EQ(edit_distance("abcd", "abdc"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

}  // namespace
}  // namespace fairlead::config
