// tests/golden/config/NAME.yaml is what somebody wrote, NAME.expected what `fairlead check` says. FL_UPDATE_GOLDEN=1 writes the latter.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "config/load.h"
#include "config/reference.h"
#include "generated/source_dir.h"

namespace fairlead::config {
namespace {

namespace fs = std::filesystem;

fs::path source_root() { return FL_SOURCE_DIR; }

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

bool updating() { return std::getenv("FL_UPDATE_GOLDEN") != nullptr; }

/// The machine all cases are checked for.
Environment environment() {
  Environment out;
  out.host_name = "gate-1";
  out.local_addresses = {*parse_ip_address("127.0.0.1"), *parse_ip_address("::1"), *parse_ip_address("192.168.4.130")};
  out.descriptors_max = 524288;
  out.ephemeral_ports = 28232;
  out.congestion_controls = {"reno", "cubic"};
  return out;
}

std::vector<fs::path> cases() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(source_root() / "tests/golden/config")) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string problems_of(const fs::path& path) {
  const LoadResult result = load_text(contents(path), path.filename().string(), environment());
  std::string out;
  for (const Problem& problem : result.problems) out += format(problem) + "\n";
  EXPECT_EQ(result.snapshot.has_value(), !has_errors(result.problems)) << path;
  return out.empty() ? "no problems\n" : out;
}

class GoldenConfig : public testing::TestWithParam<fs::path> {};

TEST_P(GoldenConfig, ReportsWhatIsExpected) {
  const fs::path expected = fs::path(GetParam()).replace_extension(".expected");
  const std::string actual = problems_of(GetParam());
  if (updating()) std::ofstream(expected, std::ios::binary) << actual;
  EXPECT_EQ(contents(expected), actual);
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenConfig, testing::ValuesIn(cases()), [](const auto& golden) {
  std::string name = golden.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

TEST(GoldenConfigSet, CoversTypicalMistakes) { EXPECT_GE(cases().size(), 40U); }

TEST(Examples, HaveNoProblemsOnTheirMachine) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(source_root() / "examples")) {
    if (entry.path().extension() != ".yaml" || contents(entry.path()).find("fairlead/v1") == std::string::npos) continue;
    ++count;
    EXPECT_EQ(problems_of(entry.path()), "no problems\n") << entry.path();
  }
  EXPECT_GE(count, 3U);
}

TEST(ReferencePage, IsTheOneTheSchemaGenerates) {
  const fs::path page = source_root() / "docs/reference/config.md";
  if (updating()) std::ofstream(page, std::ios::binary) << reference_page();
  EXPECT_EQ(contents(page), reference_page()) << "run config_unit_tests with FL_UPDATE_GOLDEN=1";
}

TEST(JsonSchemaFile, IsTheOneTheSchemaGenerates) {
  const fs::path file = source_root() / "docs/reference/fairlead.schema.json";
  if (updating()) std::ofstream(file, std::ios::binary) << json_schema();
  EXPECT_EQ(contents(file), json_schema()) << "run config_unit_tests with FL_UPDATE_GOLDEN=1";
}

}  // namespace
}  // namespace fairlead::config
