#include "base/atomic_file.h"

#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
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

TEST(AtomicFile, HasItsModeWhateverAnEarlierAttemptLeft) {
  test::TempDir dir;
  const std::string path = dir.path("key");
  { std::ofstream(path + ".new") << "left"; }
  std::filesystem::permissions(path + ".new", std::filesystem::perms(0666));
  ASSERT_TRUE(write_file_atomically(path, "secret", 0400));
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0400));
  EXPECT_EQ(test::TempDir::read(path), "secret");
}

TEST(AtomicFile, WhatLiesThereAlreadyIsNeverWrittenTo) {
  test::TempDir dir;
  const std::string path = dir.path("key");
  const std::string other = dir.path("of-somebody-else");
  { std::ofstream(other) << "left"; }
  const Fd held(::open(other.c_str(), O_RDONLY | O_CLOEXEC));
  std::filesystem::create_hard_link(other, path + ".new");
  ASSERT_TRUE(write_file_atomically(path, "secret"));
  std::array<char, 16> read{};
  EXPECT_EQ(::pread(held.get(), read.data(), read.size(), 0), 4);
  EXPECT_EQ(std::string(read.data()), "left");
  EXPECT_EQ(test::TempDir::read(path), "secret");

  std::filesystem::create_symlink(other, path + ".new");
  ASSERT_TRUE(write_file_atomically(path, "secret"));
  EXPECT_EQ(test::TempDir::read(other), "left");
  EXPECT_FALSE(std::filesystem::is_symlink(path));

  ASSERT_EQ(::mkfifo((path + ".new").c_str(), 0600), 0);  // Opened for writing it would wait for a reader.
  ASSERT_TRUE(write_file_atomically(path, "secret"));
  EXPECT_TRUE(std::filesystem::is_regular_file(path));

  std::filesystem::create_directory(path + ".new");
  EXPECT_FALSE(write_file_atomically(path, "other"));
  EXPECT_EQ(test::TempDir::read(path), "secret");
}

TEST(AtomicFile, AStagedFileIsThereOnlyOncePutInPlace) {
  test::TempDir dir;
  const std::string path = dir.path("file");
  {
    auto dropped = StagedFile::write(path, "text");
    ASSERT_TRUE(dropped);
    const StagedFile moved = std::move(*dropped);
    EXPECT_TRUE(std::filesystem::exists(path + ".new"));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path("")));

  auto staged = StagedFile::write(path, "text", 0640);
  ASSERT_TRUE(staged);
  ASSERT_TRUE(staged->put_in_place());
  EXPECT_EQ(test::TempDir::read(path), "text");
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0640));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(AtomicFile, AMissingFolderIsNotFound) {
  test::TempDir dir;
  EXPECT_EQ(write_file_atomically(dir.path("no/file"), "text").error().code, Errc::kNotFound);
}

TEST(AtomicFile, AFileOfUnreasonableSizeIsRefused) {
  test::TempDir dir;
  ASSERT_TRUE(write_file_atomically(dir.path("file"), std::string(kSmallFileBytesMax + 1, 'x')));
  EXPECT_EQ(read_small_file(dir.path("file")).error().code, Errc::kLimitExceeded);
  EXPECT_EQ(read_small_file(dir.path("file"), kSmallFileBytesMax + 1)->value().size(), kSmallFileBytesMax + 1) << "whoever expects it";
}

}  // namespace
}  // namespace fairlead
