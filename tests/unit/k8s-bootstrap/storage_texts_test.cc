// Texts of storage as recorded (tests/golden/k8s-bootstrap/storage): the script that makes a brick, with the classic alignment; units; what
// Kubernetes gets. And what the probe's answers mean.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/storage/brick_script.h"
#include "k8s-bootstrap/storage/metrics_text.h"
#include "k8s-bootstrap/storage/parse_storage.h"
#include "k8s-bootstrap/storage/storage_files.h"
#include "tests/support/run_tool.h"
#include "tests/support/storage_site.h"
#include "tests/unit/k8s-bootstrap/render_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::fairlead::test::run_tool;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string shown(const std::vector<RenderedFile>& files) {
  std::string out;
  for (const RenderedFile& file : files) {
    if (file.text == kMetricsText) continue;  // It stands in the source as it is.
    out += fmt::format("== {} {:04o}\n{}", file.path, file.mode, file.text);
    if (!file.applies.empty()) out += "-- takes effect by\n" + file.applies;
  }
  return out;
}

TEST(StorageTexts, TheBrickOfADiskIsMadeWithTheClassicAlignment) {
  const Brick brick = disk_brick("stor-1");
  const std::string text = brick_script(brick, BrickLayout{}, "/dev/sdb", false);
  render_test::expect_golden("storage/brick.sh", text);
  EXPECT_THAT(text, HasSubstr("vgcreate --yes --dataalignment 128k --physicalextentsize 128k"));
  EXPECT_THAT(text, HasSubstr("pool_share=95 metadata_share=1"));
  EXPECT_THAT(text, HasSubstr("chunk=1280k"));
  EXPECT_THAT(text, HasSubstr("mkfs.xfs -q -i size=512 -n size=8192 -d \"su=$chunk,sw=1\""));
  EXPECT_EQ(text.find("wipefs"), std::string::npos);
  EXPECT_EQ(text.find("mkfs.xfs -f"), std::string::npos);  // BS2
  render_test::expect_golden("storage/brick-wiped.sh", brick_script(brick, BrickLayout{}, "/dev/sdb", true));
}

TEST(StorageTexts, UnitsAndManifestsAreTheExpectedOnes) {
  Site site = storage_site();
  site.gluster->storage_classes = {{"shared-files", "pods"}};
  site.gluster->kadalu = {"pods"};
  render_test::expect_golden("storage/server.files", shown(storage_files(site, *site.find("stor-1"))));
  render_test::expect_golden("storage/client.files", shown(storage_files(site, *site.find("node-1"))));
  EXPECT_THAT(storage_files(site, *site.find("mast-1")), IsEmpty());
  render_test::expect_golden("storage/manifest.yaml", storage_manifest(site));
  render_test::expect_golden("storage/kadalu.yaml", kadalu_manifest(site));
  EXPECT_NE(render_test::yaml(storage_manifest(site).substr(0, storage_manifest(site).find("---\napiVersion: v1\nkind: ConfigMap"))),
            nullptr);
}

TEST(StorageTexts, ScriptsAreScripts) {
  const Site site = storage_site();
  const auto syntax = [](const std::string& script) { return run_tool({"sh", "-n", "-c", script}).has_value(); };
  for (const std::string& script : {brick_script(disk_brick("stor-1"), BrickLayout{}, "/dev/sdb", true), std::string(kMetricsText),
                                    storage_probe_script(storage_questions(site, *site.find("stor-1"))),
                                    storage_probe_script(storage_questions(site, *site.find("node-1"))), pool_probe_script({"pods"})})
    EXPECT_TRUE(syntax(script)) << script;
}

// ---- what a machine said ----

StorageQuestions questions() {
  const Site site = storage_site();
  return storage_questions(site, *site.find("stor-1"));
}
std::string answer(const std::string& brick) {
  return "@begin 1\n@gluster\n|installed yes\n|version glusterfs 10.3\n|uuid u-1\n|peers no\n|volumes no\n@peers\n|Connection failed. "
         "Please check "
         "if gluster daemon is operational.\n@volumes\n|Connection failed. Please check if gluster daemon is operational.\n@brick "
         "brick-1\n" +
         brick + "@end\n";
}
const std::string kEmptyDisk =
    "|unmounted\n|disk /dev/sdb\n|NAME=\"/dev/sdb\" TYPE=\"disk\" SIZE=\"1073741824\" SERIAL=\"S-stor-1\" MOUNTPOINT=\"\"\n|blkid "
    "2\n|bytes 0\n|lvm yes\n";

BrickFact brick_of(const std::string& lines) {
  const auto read = parse_storage(answer(lines), questions());
  EXPECT_TRUE(read);
  return read ? read->facts.bricks.at("brick-1") : BrickFact{};
}

TEST(ParseStorage, AnEmptyDiskIsEmptyByEveryWordOfIt) {  // PS2
  const BrickFact empty = brick_of(kEmptyDisk);
  EXPECT_EQ(empty.disk_has_data, Known::kNo);
  EXPECT_EQ(empty.disk_in_use, Known::kNo);
  EXPECT_EQ(empty.disk_serial, "S-stor-1");
  EXPECT_EQ(empty.disk_bytes, 1073741824U);
  EXPECT_EQ(empty.mounted, Known::kNo);
  for (const char* line :
       {"|blkid 2\n", "|bytes 0\n", "|NAME=\"/dev/sdb\" TYPE=\"disk\" SIZE=\"1073741824\" SERIAL=\"S-stor-1\" MOUNTPOINT=\"\"\n"}) {
    std::string without = kEmptyDisk;
    without.erase(without.find(line), std::string(line).size());
    EXPECT_NE(brick_of(without).disk_has_data, Known::kNo) << line;
  }
  std::string odd = kEmptyDisk;
  odd.replace(odd.find("|blkid 2"), 8, "|blkid 4");
  EXPECT_EQ(brick_of(odd).disk_has_data, Known::kUnknown);
}

TEST(ParseStorage, DataIsDataInEachOfItsForms) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kEmptyDisk;
    text.replace(text.find(from), from.size(), to);
    return brick_of(text);
  };
  EXPECT_EQ(with("|blkid 2\n", "|blkid 0\n|TYPE ext4\n").disk_data, "ext4");
  EXPECT_EQ(with("|blkid 2\n", "|blkid 0\n|PTTYPE gpt\n").disk_data, "gpt partition table");
  EXPECT_EQ(with("|blkid 2\n", "|blkid 8\n").disk_has_data, Known::kYes);
  EXPECT_EQ(with("|bytes 0\n", "|bytes 1\n").disk_data, "bytes at its beginning");
  EXPECT_EQ(with("|blkid 2\n", "|NAME=\"/dev/sdb1\" TYPE=\"part\" SIZE=\"9\" SERIAL=\"\" MOUNTPOINT=\"/home\"\n|blkid 2\n").disk_in_use,
            Known::kYes);
  EXPECT_EQ(with("|blkid 2\n", "|held\n|blkid 2\n").disk_in_use, Known::kYes);
  EXPECT_EQ(brick_of("|unmounted\n|disk none\n").disk_there, Known::kNo);
}

TEST(ParseStorage, WhatWasBegunIsToldFromWhatIsSomebodyElses) {
  std::string text = kEmptyDisk;
  text.replace(text.find("|blkid 2\n"), 9, "|blkid 0\n|TYPE LVM2_member\n");
  const BrickFact ours = brick_of(text + "|pv /dev/sdb|fl-brick-1\n|lv pool|thin-pool|3.10|10.25\n|lv brick|thin||\n|brick-blkid 2 \n");
  EXPECT_EQ(ours.disk_group, "fl-brick-1");
  EXPECT_EQ(ours.volume_there, Known::kYes);
  EXPECT_EQ(ours.filesystem_there, Known::kNo);
  EXPECT_EQ(ours.pool_metadata_percent, 10.25);
  EXPECT_EQ(brick_of(text + "|pv /dev/sdb|vg0\n").disk_group, "vg0");
}

TEST(ParseStorage, ABrickThatServedIsToldFromOneThatWasOnlyMarked) {
  const std::string id = "0011223344556677";
  const BrickFact marked = brick_of("|mounted /dev/sdb xfs 100\n|directory pods " + id + "\n|directories read\n");
  EXPECT_EQ(marked.directories.at("pods"), id);
  EXPECT_THAT(marked.served, IsEmpty());
  const BrickFact served =
      brick_of("|mounted /dev/sdb xfs 100\n|directory pods " + id + "\n|served pods\n|filled pods\n|directories read\n");
  EXPECT_TRUE(served.served.contains("pods") && served.filled.contains("pods"));
  EXPECT_EQ(served.directories_known, Known::kYes);
  EXPECT_EQ(brick_of("|mounted /dev/sdb xfs 100\n").directories_known, Known::kUnknown);
  EXPECT_THAT(brick_of("|served pods\n|filled other\n").served, IsEmpty());
}

TEST(ParseStorage, AnAnswerThatWasCutIsNone) {  // PS1
  const std::string text = answer(kEmptyDisk);
  for (std::size_t length = 0; length < text.size(); ++length) EXPECT_FALSE(parse_storage(text.substr(0, length), questions())) << length;
  EXPECT_TRUE(parse_storage(text, questions()));
}

TEST(ParseStorage, ListsThatCouldNotBeReadAreAbsent) {  // PS3
  const auto down = parse_storage(answer(""), questions());
  EXPECT_EQ(down->facts.running, Known::kNo);
  EXPECT_FALSE(down->facts.peers.has_value());
  EXPECT_FALSE(down->facts.volumes.has_value());
  EXPECT_EQ(down->facts.has_peers, Known::kNo);
  const auto hung = parse_storage("@begin 1\n@gluster\n|installed yes\n@peers\n@volumes\n@end\n", questions());
  EXPECT_EQ(hung->facts.running, Known::kUnknown);
  EXPECT_FALSE(hung->facts.peers.has_value());
  EXPECT_EQ(hung->facts.has_peers, Known::kUnknown);
}

TEST(ParseStorage, TheProbeRunsOnThisMachineAndItsAnswerIsRead) {
  StorageQuestions asked = questions();
  asked.bricks[0].device = "/dev/no-such-disk";
  asked.mounts = {{"/", {"etc", "no-such-folder"}}};
  const std::string said = run_tool({"sh", "-c", storage_probe_script(asked)}).value();
  const auto read = parse_storage(said, asked);
  ASSERT_TRUE(read) << said;
  EXPECT_NE(read->facts.installed, Known::kUnknown);
  EXPECT_EQ(read->facts.bricks.at("brick-1").disk_there, Known::kNo) << said;
  EXPECT_EQ(read->facts.bricks.at("brick-1").mounted, Known::kNo) << said;
  EXPECT_EQ(read->facts.mounts.at("/").mounted, Known::kYes) << said;
  EXPECT_THAT(read->facts.mounts.at("/").missing, ::testing::ElementsAre("no-such-folder"));
}

}  // namespace
}  // namespace fairlead::bootstrap
