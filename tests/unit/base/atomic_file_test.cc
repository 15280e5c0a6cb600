#include "base/atomic_file.h"

#include <filesystem>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace fairlead {
namespace {

TEST(AtomicFile, ReadsBackWhatWasWrittenAndReplacesIt) {
  test::TempDir dir;
  const std::string path = dir.path("file");
  EXPECT_EQ(*read_small_file(path), std::nullopt);
  for (const std::string text : {"one", "", "two\nlines\n"}) {
    ASSERT_TRUE(write_file_atomically(path, text));
    EXPECT_EQ(*read_small_file(path), text);
  }
}

TEST(AtomicFile, AFailedAttemptLeavesTheOldFileAndNothingElse) {
  test::TempDir dir;
  const std::string path = dir.path("file");
  std::filesystem::create_directory(path);  // rename(2) cannot put a file over a folder.
  EXPECT_FALSE(write_file_atomically(path, "text"));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  EXPECT_TRUE(std::filesystem::is_directory(path));
}

TEST(AtomicFile, AMissingFolderIsNotFound) {
  test::TempDir dir;
  EXPECT_EQ(write_file_atomically(dir.path("no/file"), "text").error().code, Errc::kNotFound);
}

TEST(AtomicFile, AFileOfUnreasonableSizeIsRefused) {
  test::TempDir dir;
  ASSERT_TRUE(write_file_atomically(dir.path("file"), std::string(kSmallFileBytesMax + 1, 'x')));
  EXPECT_EQ(read_small_file(dir.path("file")).error().code, Errc::kLimitExceeded);
}

}  // namespace
}  // namespace fairlead
