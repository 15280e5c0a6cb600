#include "k8s-bootstrap/apply/journal_lines.h"

#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "k8s-bootstrap/apply/journal_file.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using Event = JournalLine::Event;
using std::chrono::milliseconds;

const JournalLine kRun{"2026-01-01T00:00:00.000Z", "r1", Event::kRun, "", {}, ""};
const JournalLine kDone{"2026-01-01T00:00:01.000Z", "r1", Event::kDone, "mast-2/join", milliseconds(2500), ""};
const JournalLine kFailed{"2026-01-01T00:00:01.000Z", "r1", Event::kFailed, "mast-3/join", milliseconds(10), "a \"cause\"\nof two lines"};
const JournalLine kComplete{"2026-01-01T00:00:01.000Z", "r1", Event::kComplete, "", milliseconds(9), ""};

TEST(Journal, EveryLineReadsBackAsItWasWritten) {
  std::string text;
  for (const auto& line : {kRun, kDone, kFailed, kComplete}) text += journal_line(line);
  const Journal journal = parse_journal(text);
  EXPECT_EQ(journal.damaged, 0U);
  ASSERT_EQ(journal.lines.size(), 4U);
  EXPECT_EQ(journal.lines[0], kRun);
  EXPECT_EQ(journal.lines[1], kDone);
  EXPECT_EQ(journal.lines[2], kFailed);
  EXPECT_EQ(journal.lines[3], kComplete);
}

TEST(Journal, ARunThatIsNotCompleteIsFoundAndACompleteOneIsNot) {
  EXPECT_EQ(parse_journal(journal_line(kRun) + journal_line(kFailed)).unfinished_run(), "r1");
  EXPECT_EQ(parse_journal(journal_line(kRun) + journal_line(kComplete)).unfinished_run(), std::nullopt);
  EXPECT_EQ(parse_journal("").unfinished_run(), std::nullopt);
}

TEST(Journal, KnowsHowLongAKindOfStepTook) {
  const auto durations = parse_journal(journal_line(kRun) + journal_line(kDone) + journal_line(kFailed)).durations();
  ASSERT_EQ(durations.size(), 1U);
  EXPECT_EQ(durations.at("join"), milliseconds(2500));
}

TEST(Journal, DamagedLinesAreCountedAndTheRestIsRead) {
  const std::string text = journal_line(kRun) + "{\"run\":7}\n[]\nnot json\n{\"run\":\"r\",\"event\":\"done\",\"ms\":-1}\n" +
                           journal_line(kDone) + "{\"at\":\"2026";
  const Journal journal = parse_journal(text);
  EXPECT_EQ(journal.damaged, 5U);
  EXPECT_EQ(journal.lines.size(), 2U);
}

TEST(JournalFile, AppendsAndKeepsALineThatFollowsATornOne) {
  const test::TempDir dir;
  const std::string path = dir.path("journal.jsonl");
  {
    auto file = JournalFile::open(path);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append(kRun));
  }
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  std::ofstream(path, std::ios::app) << "{\"at\":\"20";
  auto again = JournalFile::open(path);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->before().lines.size(), 1U);
  ASSERT_TRUE(again->append(kDone));
  const Journal journal = parse_journal(test::TempDir::read(path));
  EXPECT_EQ(journal.damaged, 1U);
  EXPECT_EQ(journal.lines.size(), 2U);
}

/// 0: the error names the file.
int append_beyond_the_limit(const std::string& path) {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{10, 10};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  auto file = JournalFile::open(path);
  if (!file) return 2;
  const auto written = file->append(kRun);
  return !written && written.error().message().find(path) != std::string::npos ? 0 : 1;
}

TEST(JournalFile, AFileThatCannotGrowIsAnErrorThatNamesIt) {
  const test::TempDir dir;
  const std::string path = dir.path("journal.jsonl");
  EXPECT_EXIT(std::_Exit(append_beyond_the_limit(path)), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fairlead::bootstrap
