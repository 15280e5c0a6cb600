// What is made from the table of a site: explain, JSON Schema, docs/reference/site.md. FL_UPDATE_DOCS=1 writes the pages.
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>

#include "config/parse.h"
#include "config/schema_words.h"
#include "generated/source_dir.h"
#include "k8s-bootstrap/site/site_reference.h"
#include "k8s-bootstrap/site/site_schema.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using config::schema::Field;
using config::schema::Section;
using Visit = std::function<void(const std::string& path, const Section&, const Field&)>;

void walk(const Section& section, const std::string& path, const Visit& visit) {
  for (const Field& field : section.fields) {
    const std::string here = path.empty() ? field.name : path + "." + field.name;
    visit(here, section, field);
    if (const Section* inner = config::schema::section_within(field.type->info())) walk(*inner, here, visit);
  }
}

TEST(SiteSchema, DocumentsEveryKey) {
  std::size_t count = 0;
  walk(schema::site(), "", [&](const std::string& path, const Section& section, const Field& field) {
    ++count;
    EXPECT_TRUE(field.doc.ends_with('.')) << path;
    EXPECT_FALSE(section.doc.empty()) << path;
    EXPECT_FALSE(field.type->info().name.empty()) << path;
  });
  EXPECT_GT(count, 140U);
}

TEST(SiteSchema, ExplainsEveryKey) {
  walk(schema::site(), "", [&](const std::string& path, const Section&, const Field& field) {
    const auto text = explain_site(path);
    ASSERT_TRUE(text) << path;
    EXPECT_NE(text->find(field.doc), std::string::npos) << path;
  });
  EXPECT_EQ(site_key_paths().front(), "apiVersion");
}

TEST(SiteSchema, ExplainSaysTypeRangeAndDefault) {
  EXPECT_EQ(*explain_site("ssh.parallel"),
            "ssh.parallel\n  Machines worked on at a time.\n  Type: number\n  Range: 1 to 64\n  Default: 8\n  Example: parallel: 64\n  "
            "Since: 0.1\n");
  const auto unknown = explain_site("machines.rols");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().context, "machines[] has no key 'rols' (did you mean 'roles'?)");
}

/// As much of JSON Schema as ours uses.
bool accepts(const boost::json::object& schema, const config::DocNode& node) {
  using Kind = config::DocNode::Kind;
  if (const auto* any = schema.if_contains("anyOf")) {
    const auto& list = any->as_array();
    return std::any_of(list.begin(), list.end(), [&](const auto& one) { return accepts(one.as_object(), node); });
  }
  if (const auto* words = schema.if_contains("enum")) {
    const auto& list = words->as_array();
    return node.kind == Kind::kScalar && std::any_of(list.begin(), list.end(), [&](const auto& word) {
             return word.is_string() ? word.as_string() == node.text : word.is_bool() && (word.as_bool() ? "true" : "false") == node.text;
           });
  }
  const auto* type = schema.if_contains("type");
  if (type == nullptr || type->is_array()) return node.kind == Kind::kScalar;
  const std::string_view name = type->as_string();
  if (name == "integer") return node.kind == Kind::kScalar && node.text.find_first_not_of("0123456789") == std::string::npos;
  if (name == "array") {
    return node.kind == Kind::kList && std::all_of(node.items.begin(), node.items.end(),
                                                   [&](const auto& item) { return accepts(schema.at("items").as_object(), *item); });
  }
  if (node.kind != Kind::kMap) return false;
  const auto* properties = schema.if_contains("properties");
  const auto* additional = schema.if_contains("additionalProperties");
  return std::all_of(node.entries.begin(), node.entries.end(), [&](const config::DocEntry& entry) {
    if (properties != nullptr && properties->as_object().contains(entry.key))
      return accepts(properties->as_object().at(entry.key).as_object(), *entry.value);
    if (additional == nullptr) return true;
    return additional->is_object() && accepts(additional->as_object(), *entry.value);
  });
}

TEST(SiteSchema, JsonSchemaAcceptsTheWholeSiteAndRefusesAnotherKey) {
  const auto parsed = boost::json::parse(site_json_schema());
  const std::string whole = test::TempDir::read(std::string(FL_SOURCE_DIR) + "/tests/golden/site/whole.yaml");
  for (const std::string& text : {whole, init_text()}) {
    const auto document = config::parse(text, "site.yaml").document;
    ASSERT_TRUE(document);
    EXPECT_TRUE(accepts(parsed.as_object(), *document->root));
  }
  const auto other = config::parse(init_text() + "unknown: 1\n", "site.yaml").document;
  ASSERT_TRUE(other);
  EXPECT_FALSE(accepts(parsed.as_object(), *other->root));
}

void expect_page(const std::string& name, const std::string& text) {
  const std::string path = std::string(FL_SOURCE_DIR) + "/docs/reference/" + name;
  if (std::getenv("FL_UPDATE_DOCS") != nullptr) std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(test::TempDir::read(path), text) << "run k8s-bootstrap_unit_tests with FL_UPDATE_DOCS=1";
}

TEST(SiteReferencePages, AreTheOnesTheSchemaGenerates) {
  expect_page("site.md", site_reference_page());
  expect_page("site.schema.json", site_json_schema());
}

}  // namespace
}  // namespace fairlead::bootstrap
