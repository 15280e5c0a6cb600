#include "k8s-bootstrap/render/hosts_block.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/render/sha256.h"
#include "render_site.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

std::string block(const std::string& lines) { return std::string(kHostsBegin) + "\n" + lines + std::string(kHostsEnd) + "\n"; }

TEST(HostsBlock, HasTheMachineItselfAndStorageWhereItIsMounted) {
  const Site site = render_test::classic_site();
  EXPECT_EQ(hosts_block(site, *site.find("mast-1")), block("192.168.1.11 mast-1.kube.demo mast-1\n"));
  EXPECT_EQ(hosts_block(site, *site.find("node-1")), block("192.168.2.11 node-1.kube.demo node-1\n"
                                                           "192.168.3.11 stor-1.kube.demo stor-1\n"
                                                           "192.168.3.12 stor-2.kube.demo stor-2\n"
                                                           "192.168.3.13 stor-3.kube.demo stor-3\n"));
}

TEST(HostsBlock, HasEveryMachineOnABastionAndWithoutGateways) {
  Site site = render_test::classic_site();
  const auto lines = [&](const std::string& name) {
    const std::string text = hosts_block(site, *site.find(name));
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) - 2;
  };
  EXPECT_EQ(lines("bastion"), site.machines.size());
  site.gateways.reset();
  EXPECT_EQ(lines("mast-1"), site.machines.size());
}

TEST(HostsBlock, IsPutBehindAFileWithoutOne) {
  EXPECT_EQ(merge_hosts("127.0.0.1 localhost\n", block("1.2.3.4 a\n")), "127.0.0.1 localhost\n" + block("1.2.3.4 a\n"));
  EXPECT_EQ(merge_hosts("127.0.0.1 localhost", block("1.2.3.4 a\n")), "127.0.0.1 localhost\n" + block("1.2.3.4 a\n"));
  EXPECT_EQ(merge_hosts("", block("1.2.3.4 a\n")), block("1.2.3.4 a\n"));
}

TEST(HostsBlock, TakesThePlaceOfTheOldOneAndNothingElse) {
  const std::string before = "127.0.0.1 localhost\n\n" + block("1.1.1.1 old\n") + "::1 ip6-localhost\n";
  const std::string after = merge_hosts(before, block("2.2.2.2 new\n"));
  EXPECT_EQ(after, "127.0.0.1 localhost\n\n" + block("2.2.2.2 new\n") + "::1 ip6-localhost\n");
  EXPECT_EQ(merge_hosts(after, block("2.2.2.2 new\n")), after) << "again: nothing changes";
}

TEST(HostsBlock, ABeginMarkWithoutAnEndTakesNoLineWithIt) {
  const std::string alone = std::string(kHostsBegin) + "\n10.0.0.1 somebody\n";
  EXPECT_EQ(merge_hosts(alone, block("2.2.2.2 new\n")), alone + block("2.2.2.2 new\n"));
  EXPECT_EQ(merge_hosts(alone + block("1.1.1.1 old\n"), block("2.2.2.2 new\n")), alone + block("2.2.2.2 new\n"));
  EXPECT_EQ(block_in_hosts(alone), "");
}

int run(const std::string& script) { return std::system(script.c_str()); }

/// What the machine does is what merge_hosts says, for any file; and the fact that is read there is the block's.
TEST(HostsBlock, TheScriptsDoOnAMachineWhatTheFunctionsSay) {
  fairlead::test::TempDir dir;
  const std::string hosts = dir.path("hosts");
  const std::string fragment = dir.path("hosts.block");
  const std::vector<std::string> lines{
      "127.0.0.1 localhost\n", "\n", "::1 x\n", std::string(kHostsBegin) + "\n", std::string(kHostsEnd) + "\n", "# BEGIN other\n"};
  std::mt19937 random(4711);
  for (int round = 0; round < 16; ++round) {
    std::string existing;
    for (unsigned n = random() % 9; n > 0; --n) existing += lines[random() % lines.size()];
    if (round % 3 == 0 && !existing.empty()) existing.pop_back();
    const std::string wanted = block("192.168.3.1" + std::to_string(round) + " stor\n");
    std::ofstream(hosts) << existing;
    std::ofstream(fragment) << wanted;
    ASSERT_EQ(run("cat > " + dir.path("merge.sh") + " <<'END'\n" + merge_hosts_script(fragment, hosts) + "END\nsh " + dir.path("merge.sh")),
              0)
        << existing;
    const std::string after = render_test::read_text(hosts);
    EXPECT_EQ(after, merge_hosts(existing, wanted)) << "of:\n" << existing;
    ASSERT_EQ(run(hosts_block_fact(hosts) + " > " + dir.path("fact")), 0);
    EXPECT_EQ(render_test::read_text(dir.path("fact")), block_in_hosts(after)) << after;
    EXPECT_EQ(block_in_hosts(after), wanted);
    EXPECT_FALSE(std::filesystem::exists(hosts + ".fairlead"));
  }
}

TEST(HostsBlock, KeepsTheModeOfTheFile) {
  fairlead::test::TempDir dir;
  std::ofstream(dir.path("hosts")) << "127.0.0.1 localhost\n";
  std::ofstream(dir.path("block")) << block("1.2.3.4 a\n");
  std::filesystem::permissions(dir.path("hosts"), std::filesystem::perms(0640));
  std::ofstream(dir.path("merge.sh")) << merge_hosts_script(dir.path("block"), dir.path("hosts"));
  ASSERT_EQ(run("sh " + dir.path("merge.sh")), 0);
  EXPECT_EQ(std::filesystem::status(dir.path("hosts")).permissions(), std::filesystem::perms(0640));
}

TEST(HostsBlock, TheRenderedFileHasTheHashOfTheBlockItPutsInPlace) {
  const Site site = render_test::classic_site();
  const auto files = machine_files(site, *site.find("node-1"));
  ASSERT_FALSE(files.empty());
  EXPECT_EQ(files.front().path, kHostsBlockPath);
  EXPECT_EQ(sha256(files.front().text), sha256(block_in_hosts(merge_hosts("127.0.0.1 localhost\n", files.front().text))));
}

}  // namespace
}  // namespace fairlead::bootstrap
