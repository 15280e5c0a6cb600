// tests/golden/import/CASE holds what somebody had; expected.yaml and expected.notes are what `fairlead import` makes of it.
// FL_UPDATE_GOLDEN=1 writes the two.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

#include "config/load.h"
#include "generated/source_dir.h"
#include "migrate/migrate.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

namespace fs = std::filesystem;

fs::path golden_root() { return fs::path(FL_SOURCE_DIR) / "tests/golden/import"; }

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

Kind kind_of(const std::string& name) {
  if (name.find("haproxy") != std::string::npos) return Kind::kHaproxy;
  if (name.starts_with("corosync")) return Kind::kCorosync;
  if (name.ends_with(".crm") || name.ends_with(".xml")) return Kind::kPacemaker;
  return Kind::kKeepalived;
}

std::vector<Input> inputs_of(const fs::path& folder) {
  std::vector<Input> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("expected")) out.push_back({kind_of(name), name, contents(entry.path())});
  }
  std::sort(out.begin(), out.end(), [](const Input& a, const Input& b) { return a.name < b.name; });
  return out;
}

std::vector<fs::path> cases() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(golden_root())) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

/// The lines of a file that say something, found without the readers.
std::multiset<std::pair<std::string, int>> telling_lines(const std::vector<Input>& inputs) {
  std::multiset<std::pair<std::string, int>> out;
  for (const Input& input : inputs) {
    int number = 0;
    std::istringstream text(input.text);
    for (std::string line; std::getline(text, line);) {
      ++number;
      if (input.kind == Kind::kKeepalived) line = line.substr(0, line.find_first_of("#!"));
      std::string_view rest = trimmed(line);
      if (rest.empty() || rest.front() == '#') continue;
      if (rest.find_first_not_of("{} \t") == std::string_view::npos) continue;
      if (input.name.ends_with(".xml") && (rest.starts_with("</") || rest.starts_with("<?"))) continue;
      out.insert({input.name, number});
    }
  }
  return out;
}

class GoldenImport : public testing::TestWithParam<fs::path> {
 protected:
  std::vector<Input> inputs = inputs_of(GetParam());
  Migration made = migrate(inputs);
};

TEST_P(GoldenImport, MakesWhatIsExpected) {
  ASSERT_TRUE(made.yaml.has_value()) << (made.problems.empty() ? "" : config::format(made.problems.front()));
  std::string notes;
  for (const Note& note : made.notes) notes += format(note) + "\n";
  if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(GetParam() / "expected.yaml", std::ios::binary) << *made.yaml;
    std::ofstream(GetParam() / "expected.notes", std::ios::binary) << notes;
  }
  EXPECT_EQ(contents(GetParam() / "expected.yaml"), *made.yaml);
  EXPECT_EQ(contents(GetParam() / "expected.notes"), notes);
}

TEST_P(GoldenImport, MakesAValidConfiguration) {
  const config::LoadResult loaded = config::load_text(contents(GetParam() / "expected.yaml"), "expected.yaml", config::Environment{});
  for (const config::Problem& problem : loaded.problems) EXPECT_NE(problem.severity, config::Severity::kError) << config::format(problem);
  EXPECT_TRUE(loaded.snapshot.has_value());
}

TEST_P(GoldenImport, AccountsForEveryLineOnce) {
  std::multiset<std::pair<std::string, int>> accounted;
  for (const LineFate& line : made.lines) accounted.insert({line.file, line.line});
  EXPECT_EQ(accounted, telling_lines(inputs));
}

TEST_P(GoldenImport, SaysSomethingAboutEachLineThatIsNotCarriedAsItIs) {
  std::set<std::pair<std::string, int>> noted;
  for (const Note& note : made.notes) {
    EXPECT_FALSE(note.reason.empty()) << format(note);
    EXPECT_EQ(note.reason.find("not understood"), std::string::npos) << format(note);
    noted.insert({note.file, note.line});
  }
  for (const LineFate& line : made.lines)
    EXPECT_EQ(line.fate != Fate::kCarried, noted.contains({line.file, line.line})) << line.file << ":" << line.line;
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenImport, testing::ValuesIn(cases()), [](const auto& golden) {
  std::string name = golden.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace fairlead::migrate
