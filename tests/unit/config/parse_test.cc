// Text that is no configuration at all: bounded work, an error with a place, never a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "config/limits.h"
#include "config/load.h"
#include "config/parse.h"
#include "config/validate.h"

namespace fairlead::config {
namespace {

using ::testing::HasSubstr;

Problem only_problem(std::string_view text) {
  const ParseResult result = parse(text, "f");
  EXPECT_FALSE(result.document);
  EXPECT_EQ(result.problems.size(), 1U);
  return result.problems.empty() ? Problem{} : result.problems.front();
}

TEST(Parse, KeepsPlacesAndTexts) {
  const ParseResult result = parse("a: 1\nb:\n  - {c: 'x', d: off}\n", "f");

  ASSERT_TRUE(result.document);
  const DocNode& item = *result.document->root->find("b")->items.at(0);
  EXPECT_EQ(item.at, (Position{3, 5}));
  EXPECT_EQ(item.find("c")->text, "x");
  EXPECT_TRUE(item.find("c")->is_text);
  EXPECT_EQ(item.find("d")->text, "off");
  EXPECT_FALSE(item.find("d")->is_text);
  EXPECT_EQ(item.find("d")->at, (Position{3, 17}));
}

TEST(Parse, SharesTheValueOfAnAlias) {
  const ParseResult result = parse("a: &x {b: 1}\nc: *x\n", "f");

  ASSERT_TRUE(result.document);
  EXPECT_EQ(result.document->root->find("a"), result.document->root->find("c"));
}

TEST(Parse, AcceptsAByteOrderMarkAndWindowsLines) {
  const ParseResult result = parse(
      "\xef\xbb\xbf"
      "a: 1\r\nb: 2\r\n",
      "f");

  ASSERT_TRUE(result.document);
  EXPECT_EQ(result.document->root->find("b")->text, "2");
}

TEST(Parse, RefusesAFileThatIsTooLong) {
  const Problem problem = only_problem(std::string(kFileBytesMax + 1, '#'));
  EXPECT_THAT(problem.message, HasSubstr("more than"));
}

TEST(Parse, ReadsAFileOfTheFullSize) {
  std::string text = "a: 1\n";
  text.append(kFileBytesMax - text.size(), '#');
  EXPECT_TRUE(parse(text, "f").document);
}

TEST(Parse, RefusesEveryKindOfDepth) {
  for (const std::string_view unit : {"[", "{", "- ", "? ", "{a: ", "[{a: ", "\"a\": ["}) {
    std::string text;
    while (text.size() + unit.size() <= kFileBytesMax) text += unit;
    const ParseResult result = parse(text, "f");
    EXPECT_FALSE(result.document) << unit;
    EXPECT_TRUE(has_errors(result.problems)) << unit;
  }
}

TEST(Parse, RefusesDepthHiddenInAliases) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "k" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + (i == 0 ? "x" : "*a" + std::to_string(i - 1)) + "]\n";
  EXPECT_THAT(only_problem(text).message, HasSubstr("nested deeper"));
}

TEST(Parse, BoundsTheNumberOfProblems) {
  std::string text = "apiVersion: fairlead/v1\n";
  for (int i = 0; i < 20'000; ++i) text += "key" + std::to_string(i) + ": 1\n";

  const LoadResult result = load_text(text, "f", {});

  EXPECT_EQ(result.problems.size(), kProblemsMax + 1);
  EXPECT_EQ(result.problems.back().message, "more problems follow");
}

TEST(Parse, ReportsDuplicateKeysAndGoesOn) {
  const ParseResult result = parse("a: 1\na: 2\nb: {c: 1, c: 2}\n", "f");

  ASSERT_EQ(result.problems.size(), 2U);
  EXPECT_EQ(format(result.problems[0]), "f:2:1: error: the key 'a' stands here twice (keep one of them)");
  EXPECT_EQ(format(result.problems[1]), "f:3:11: error: the key 'c' stands here twice (keep one of them)");
}

TEST(CheckText, KnowsWhatUtf8Is) {
  for (const std::string_view good : {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(check_text(good, "f").empty());
  for (const std::string_view bad :
       {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff"})
    EXPECT_EQ(check_text(bad, "f").size(), 1U);
}

TEST(CheckText, RefusesControlCharacters) {
  EXPECT_EQ(check_text(std::string_view("a\0b", 3), "f").front().message, "a NUL byte");
  EXPECT_EQ(check_text("a\x1b[31m", "f").front().column, 2);
  EXPECT_EQ(check_text("a\x7f", "f").size(), 1U);
}

TEST(LoadFile, NamesTheFileAndTheReason) {
  const LoadResult result = load_file("/nonexistent/fairlead.yaml", {});

  EXPECT_FALSE(result.snapshot);
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(format(result.problems.front()),
            "/nonexistent/fairlead.yaml:1:1: error: cannot open the file: No such file or directory (ENOENT) (check the path; "
            "examples/minimal.yaml is one to start from)");
}

class LoadFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "fairlead-config-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(LoadFileTest, RefusesADirectory) { EXPECT_THAT(load_file(dir_, {}).problems.front().message, HasSubstr("EISDIR")); }

TEST_F(LoadFileTest, RefusesAFifoWithoutWaiting) {
  const std::string path = dir_ + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);

  EXPECT_EQ(load_file(path, {}).problems.front().message, "not a regular file");
}

TEST_F(LoadFileTest, ReadsNoMoreThanTheBound) {
  const std::string path = dir_ + "/big";
  std::ofstream(path) << std::string(3 * kFileBytesMax, '#');

  EXPECT_THAT(load_file(path, {}).problems.front().message, HasSubstr("more than"));
}

TEST_F(LoadFileTest, ReadsAGoodFile) {
  const std::string path = dir_ + "/good";
  std::ofstream(path) << "apiVersion: fairlead/v1\nlisteners: [{name: a, bind: ['0.0.0.0:1'], pool: p}]\npools: [{name: p, servers: "
                         "[{name: s, address: 'host:1'}]}]\n";

  const LoadResult result = load_file(path, {});

  ASSERT_TRUE(result.snapshot);
  EXPECT_TRUE(result.problems.empty());
  EXPECT_EQ(result.snapshot->pools.front().servers.front().address, (HostPort{"host", 1}));
}

TEST(LoadText, MergesDefaultsUnderEveryPoolWhereverTheyStand) {
  const LoadResult result = load_text(
      "apiVersion: fairlead/v1\n"
      "pools:\n"
      "  - {name: a, retries: 1, health: {timeout: 5s}, servers: [{name: s, address: 'h:1'}]}\n"
      "  - {name: b, servers: [{name: s, address: 'h:1'}]}\n"
      "defaults: {pool: {retries: 7, connect_timeout: 2s, health: {type: https, expect: [200, 204]}}}\n"
      "listeners: [{name: x, bind: ['0.0.0.0:1'], pool: a}, {name: y, bind: ['0.0.0.0:2'], pool: b}]\n",
      "f", {});

  ASSERT_TRUE(result.snapshot);
  const Pool& a = result.snapshot->pools[0];
  const Pool& b = result.snapshot->pools[1];
  EXPECT_EQ(a.retries, 1U);
  EXPECT_EQ(b.retries, 7U);
  EXPECT_EQ(a.connect_timeout, 2s);
  EXPECT_EQ(a.health.timeout, 5s);
  EXPECT_EQ(b.health.timeout, 1s);
  EXPECT_EQ(a.health.type, HealthType::kHttps);
  EXPECT_EQ(a.health.expect, (std::vector<std::uint16_t>{200, 204}));
}

TEST(LoadText, SaysNothingAboutAMachineItDoesNotKnow) {
  constexpr std::string_view kText =
      "apiVersion: fairlead/v1\nlisteners: [{name: a, bind: ['10.9.9.9:1'], pool: p, max_connections: 1000000}]\npools: [{name: p, "
      "servers: [{name: s, address: 'h:1'}]}]\n";
  Environment small;
  small.local_addresses.emplace();
  small.descriptors_max = 1024;
  small.ephemeral_ports = 100;

  EXPECT_TRUE(load_text(kText, "f", {}).problems.empty());
  EXPECT_EQ(load_text(kText, "f", small).problems.size(), 3U);
}

}  // namespace
}  // namespace fairlead::config
