#include "dnsdhcp/lease_store.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "tests/support/temp_dir.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr Instant kNow{std::chrono::hours(1)};
constexpr std::int64_t kWall = 1'764'000'000;

class LeaseStoreTest : public ::testing::Test {
 protected:
  [[nodiscard]] static std::string contents(const std::string& path) {
    const auto text = read_small_file(path);
    return text && *text ? **text : "absent";
  }
  [[nodiscard]] StoredLeases load() const { return load_leases(path_, kNow, kWall); }

  test::TempDir folder_;
  const std::string path_ = folder_.path("leases");
};

TEST_F(LeaseStoreTest, NoFileIsNoDamage) {
  const StoredLeases stored = load();
  EXPECT_FALSE(stored.file);
  EXPECT_FALSE(stored.damage);
}

TEST_F(LeaseStoreTest, DamagedLinesAreSetAside) {
  std::ofstream(path_) << render_lease_file({}, 7, kNow, kWall) << "nonsense\nmore\n";
  const StoredLeases stored = load();
  ASSERT_TRUE(stored.file && stored.damage);
  EXPECT_EQ(stored.file->epoch, 7U);
  EXPECT_EQ(stored.damage->lines, 2U);
  EXPECT_EQ(stored.damage->first, 2U);
  EXPECT_EQ(stored.damage->aside, path_ + ".damaged");
  EXPECT_EQ(contents(path_ + ".damaged"), "nonsense\nmore\n");
}

// The next save would replace it.
TEST_F(LeaseStoreTest, AFileThatCannotBeReadIsMovedAside) {
  std::ofstream(path_) << "kept";
  std::filesystem::resize_file(path_, kLeaseFileBytesMax + 1);
  const StoredLeases stored = load();
  EXPECT_FALSE(stored.file);
  ASSERT_TRUE(stored.damage);
  EXPECT_EQ(stored.damage->lines, 0U);
  EXPECT_NE(stored.damage->reason, "");
  EXPECT_EQ(stored.damage->aside, path_ + ".unreadable");
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(std::filesystem::file_size(path_ + ".unreadable"), kLeaseFileBytesMax + 1);
}

TEST_F(LeaseStoreTest, WhatCannotBeMovedIsSaid) {
  std::filesystem::create_directory(path_);
  std::ofstream(path_ + ".unreadable") << "a file, which no folder can replace";
  const StoredLeases stored = load();
  ASSERT_TRUE(stored.damage);
  EXPECT_EQ(stored.damage->aside.substr(0, 9), "nowhere: ");
}

}  // namespace
}  // namespace fairlead::dnsdhcp
