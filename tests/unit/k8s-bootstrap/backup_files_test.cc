// Backups as files: how many stay, archives that come back whole, with and without a passphrase, and those that are not as they were.
#include "k8s-bootstrap/apply/backup_files.h"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "k8s-bootstrap/render/sha256.h"
#include "tests/support/run_tool.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

namespace fs = std::filesystem;
using fairlead::test::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

void put(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

const std::string kNote = R"({"sha256": ")" + std::string(64, 'a') +
                          R"(", "machine": "mast-1", "site": "demo", "kubernetes": "1.36.4", "at": "2026-11-27T16:49:37Z", )"
                          R"("status": {"hash":4090529868,"revision":42,"totalKey":8,"totalSize":20480}})";

TEST(KeepNewest, TheOldestGoFirstWithWhatIsKnownOfThem) {
  const TempDir temp;
  for (const char* name : {"etcd-20260101T000000Z.db", "etcd-20260102T000000Z.db", "etcd-20260103T000000Z.db", "etcd-before-1.36.4.db"}) {
    put(temp.path(name), "x");
    put(temp.path(std::string(name) + ".json"), "{}");
  }
  ASSERT_TRUE(keep_newest({temp.path(""), "etcd-2", ".db", "2"}));
  EXPECT_THAT(*list_names(temp.path(""), "", ""),
              ElementsAre("etcd-20260102T000000Z.db", "etcd-20260102T000000Z.db.json", "etcd-20260103T000000Z.db",
                          "etcd-20260103T000000Z.db.json", "etcd-before-1.36.4.db", "etcd-before-1.36.4.db.json"));
  EXPECT_FALSE(keep_newest({temp.path(""), "etcd-2", ".db", "0"}));
}

TEST(Snapshots, AreThoseWithANote) {
  const TempDir temp;
  put(temp.path("etcd-20260102T000000Z.db"), "x");
  put(temp.path("etcd-20260102T000000Z.db.json"), kNote);
  put(temp.path("etcd-20260103T000000Z.db"), "came only half");
  const auto notes = list_snapshots(temp.path(""));
  ASSERT_TRUE(notes) << notes.error().message();
  ASSERT_EQ(notes->size(), 1U);
  EXPECT_EQ(notes->front().name, "etcd-20260102T000000Z.db");
  EXPECT_EQ(notes->front().keys, 8);
  EXPECT_EQ(notes->front().hash, 4090529868U);
  EXPECT_TRUE(list_snapshots(temp.path("none"))->empty());
  put(temp.path("etcd-20260104T000000Z.db.json"), "{}");
  EXPECT_THAT(list_snapshots(temp.path("")).error().message(), HasSubstr("etcd-20260104T000000Z.db.json: is no note of a snapshot"));
}

class Archive : public testing::Test {
 protected:
  std::vector<std::string> argv(const std::string& name, const std::string& passphrase = {}) {
    put(temp.path("stage/etcd.db"), std::string(100000, 'd'));
    put(temp.path("stage/pki/ca.key"), "canary-4711\n");
    return {temp.path("stage"), temp.path(name), "demo", "1.36.4", "2026-11-27T16:49:37Z", "stacked", passphrase};
  }
  TempDir temp;
};

TEST_F(Archive, ComesBackWholeAndLeavesNothingInTheClear) {
  ASSERT_TRUE(pack_archive(argv("a.tar")));
  EXPECT_FALSE(fs::exists(temp.path("stage")));
  struct stat info {};
  ASSERT_EQ(::stat(temp.path("a.tar").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  const auto manifest = read_manifest(temp.path("a.tar"), "");
  ASSERT_TRUE(manifest) << manifest.error().message();
  EXPECT_EQ(manifest->site + manifest->kubernetes + manifest->etcd, "demo1.36.4stacked");
  const auto back = unpack_archive(temp.path("a.tar"), "", temp.path("out"));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_THAT(back->files,
              UnorderedElementsAre(Pair("etcd.db", sha256(std::string(100000, 'd'))), Pair("pki/ca.key", sha256("canary-4711\n"))));
  EXPECT_EQ(TempDir::read(temp.path("out/pki/ca.key")), "canary-4711\n");
}

TEST_F(Archive, WithAPassphraseNothingCanBeReadWithoutIt) {
  put(temp.path("pass"), "several words\n");
  put(temp.path("other"), "other words\n");
  ASSERT_TRUE(pack_archive(argv("a.tar.enc", temp.path("pass"))));
  const std::string bytes = TempDir::read(temp.path("a.tar.enc"));
  EXPECT_EQ(bytes.find("canary-4711"), std::string::npos);
  EXPECT_EQ(bytes.substr(0, 8), "Salted__");
  EXPECT_THAT(*list_names(temp.path(""), "a.tar", ""), ElementsAre("a.tar.enc"));
  ASSERT_TRUE(read_manifest(temp.path("a.tar.enc"), temp.path("pass")));
  ASSERT_TRUE(unpack_archive(temp.path("a.tar.enc"), temp.path("pass"), temp.path("out")));
  // docs/operating/bootstrap.md: without Fairlead.
  const auto read = test::run_tool(
      {"sh", "-c",
       fmt::format("openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -in {} -pass file:{} | tar -xOf - pki/ca.key",
                   temp.path("a.tar.enc"), temp.path("pass"))});
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, "canary-4711\n");
  EXPECT_THAT(read_manifest(temp.path("a.tar.enc"), temp.path("other")).error().message(), HasSubstr("the passphrase is another one"));
  EXPECT_THAT(read_manifest(temp.path("a.tar.enc"), "").error().message(), HasSubstr("--passphrase-file FILE"));
}

TEST_F(Archive, WhatIsNotAsItWasIsRefused) {
  ASSERT_TRUE(pack_archive(argv("a.tar")));
  const auto changed = [&](const std::string& shell) {
    EXPECT_EQ(std::system(("cd " + temp.path("") + " && rm -rf w && mkdir w && tar -xf a.tar -C w && cd w && " + shell +
                           " && tar -cf ../b.tar manifest.json $(ls | grep -v manifest)")
                              .c_str()),
              0);
    const auto back = unpack_archive(temp.path("b.tar"), "", temp.path("out"));
    return back ? std::string("taken") : back.error().message();
  };
  EXPECT_THAT(changed("echo x >>pki/ca.key"), HasSubstr("pki/ca.key is not as it was when it was saved"));
  EXPECT_THAT(changed("rm pki/ca.key"), HasSubstr("pki/ca.key is missing in it"));
  EXPECT_THAT(changed("echo x >more"), HasSubstr("more is in it and not in its manifest"));
  EXPECT_THAT(changed("rm pki/ca.key && ln -s /etc/passwd pki/ca.key"), HasSubstr("is no plain file"));
  EXPECT_THAT(changed("sed -i 's,pki/ca.key,../ca.key,' manifest.json"), HasSubstr("names a file that none can be"));
  put(temp.path("c.tar"), "no tar");
  EXPECT_THAT(read_manifest(temp.path("c.tar"), "").error().message(), HasSubstr("is no archive of `bootstrap backup`"));
  EXPECT_THAT(read_manifest(temp.path("none.tar"), "").error().message(), HasSubstr("none.tar"));
}

}  // namespace
}  // namespace fairlead::bootstrap
