// The examples of docs/operating/from-*.md are what `fairlead import` makes of them: blocks "```KIND FILE" go in, the blocks "```yaml made"
// and "```text said" come out. FL_UPDATE_DOCS=1 writes the latter.
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "generated/source_dir.h"
#include "migrate/migrate.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

struct Fence {
  std::string info;
  std::string text;
  std::size_t begin = 0;  ///< Of its text in the page.
};

std::vector<Fence> fences_of(const std::string& page) {
  std::vector<Fence> out;
  for (std::size_t at = page.find("\n```"); at != std::string::npos; at = page.find("\n```", at)) {
    const std::size_t info_end = page.find('\n', at + 1);
    const std::size_t end = page.find("```", info_end);
    out.push_back({page.substr(at + 4, info_end - at - 4), page.substr(info_end + 1, end - info_end - 1), info_end + 1});
    at = end + 3;
  }
  return out;
}

class ImportPage : public testing::TestWithParam<const char*> {};

TEST_P(ImportPage, ShowsWhatTheCommandMakes) {
  const std::string path = std::string(FL_SOURCE_DIR) + "/docs/operating/" + GetParam();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream read;
  read << file.rdbuf();
  std::string page = read.str();
  std::vector<Input> inputs;
  for (const Fence& fence : fences_of(page)) {
    const auto words = split_words(fence.info);
    if (words.size() != 2 || words[0] == "yaml" || words[0] == "text") continue;
    const auto kind = words[0] == "crm" ? Kind::kPacemaker : parse_kind(words[0]);
    ASSERT_TRUE(kind.has_value()) << fence.info;
    inputs.push_back({*kind, words[1], fence.text});
  }
  const Migration made = migrate(inputs);
  ASSERT_TRUE(made.yaml.has_value());
  std::string said;
  for (const Note& note : made.notes) said += format(note) + "\n";
  for (const auto& [info, text] : {std::pair<std::string, std::string>{"yaml made", *made.yaml}, {"text said", said}}) {
    bool found = false;
    for (const Fence& fence : fences_of(page)) {
      if (fence.info != info) continue;
      found = true;
      if (std::getenv("FL_UPDATE_DOCS") != nullptr) {
        page.replace(fence.begin, fence.text.size(), text);
      } else {
        EXPECT_EQ(fence.text, text) << path;
      }
      break;
    }
    EXPECT_TRUE(found) << path << " lacks ```" << info;
  }
  if (std::getenv("FL_UPDATE_DOCS") != nullptr) std::ofstream(path, std::ios::binary) << page;
}

INSTANTIATE_TEST_SUITE_P(Pages, ImportPage, testing::Values("from-haproxy.md", "from-keepalived.md", "from-pacemaker.md"),
                         [](const auto& page) {
                           std::string name = std::string(page.param);
                           name = name.substr(5, name.size() - 8);
                           return name;
                         });

}  // namespace
}  // namespace fairlead::migrate
