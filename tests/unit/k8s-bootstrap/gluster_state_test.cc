// What `gluster --xml` 10.3 said (tests/golden/gluster, recorded from three real machines) as values; and texts that must not become any.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/storage/gluster_state.h"
#include "tests/unit/k8s-bootstrap/render_site.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string recorded(const std::string& name) {
  const std::string text = render_test::read_text(std::filesystem::path(FL_SOURCE_DIR) / "tests/golden/gluster" / (name + ".xml"));
  EXPECT_FALSE(text.empty()) << name;
  return text;
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(GlusterState, PeersAreReadWithTheirNamesAndState) {
  const auto peers = read_gluster_peers(recorded("peer-status"));
  ASSERT_TRUE(peers);
  ASSERT_EQ(peers->size(), 2U);
  EXPECT_THAT(peers->front().names, ElementsAre("stor-2.kube.demo"));
  EXPECT_TRUE(peers->front().connected);
  EXPECT_EQ(peers->front().state, kPeerInCluster);
  EXPECT_EQ(peers->front().uuid.size(), 36U);
}

TEST(GlusterState, NoPeersIsAnAnswerAndARejectedOneIsNamed) {
  const auto none = read_gluster_peers(recorded("peer-status-alone"));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
  const auto rejected = read_gluster_peers(recorded("peer-status-rejected"));
  ASSERT_TRUE(rejected);
  EXPECT_EQ(rejected->back().state_text, "Peer Rejected");
  EXPECT_NE(rejected->back().state, kPeerInCluster);
}

TEST(GlusterState, VolumesAreReadWithBricksAndOptions) {
  const auto volumes = read_gluster_volumes(recorded("volume-info"));
  ASSERT_TRUE(volumes);
  ASSERT_EQ(volumes->size(), 1U);
  const GlusterVolumeInfo& pods = volumes->front();
  EXPECT_EQ(pods.name, "pods");
  EXPECT_EQ(pods.status, GlusterVolumeInfo::Status::kStarted);
  EXPECT_EQ(pods.replica, 3U);
  ASSERT_EQ(pods.bricks.size(), 3U);
  EXPECT_EQ(pods.bricks[2].name, "stor-3.kube.demo:/srv/bricks/b1/brick/pods");
  EXPECT_EQ(pods.options.at("network.ping-timeout"), "10");
  const auto arbiter = read_gluster_volumes(recorded("volume-info-arbiter"));
  ASSERT_TRUE(arbiter);
  EXPECT_EQ(arbiter->front().arbiter, 1U);
  EXPECT_EQ(arbiter->front().status, GlusterVolumeInfo::Status::kCreated);
  EXPECT_TRUE(arbiter->front().bricks[2].arbiter);
  EXPECT_FALSE(arbiter->front().bricks[0].arbiter);
  EXPECT_TRUE(read_gluster_volumes(recorded("volume-info-none"))->empty());
}

TEST(GlusterState, ABrickThatIsDownIsOfflineAndOneOfAMachineThatIsAwayIsNotListed) {
  const auto all = read_gluster_status(recorded("volume-status"));
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_TRUE(all->front().online);
  EXPECT_EQ(all->front().size_bytes, 352321536U);
  const auto down = read_gluster_status(recorded("volume-status-down"));
  ASSERT_TRUE(down);
  EXPECT_EQ(std::count_if(down->begin(), down->end(), [](const auto& p) { return !p.online; }), 2);
  EXPECT_EQ(read_gluster_status(recorded("volume-status-away"))->size(), 2U);
}

TEST(GlusterState, WhatABrickCouldNotSayIsNotZero) {
  const auto fine = read_gluster_heal(recorded("heal"));
  ASSERT_TRUE(fine);
  for (const GlusterHeal& brick : *fine) EXPECT_EQ(brick.pending, 0U);
  const auto away = read_gluster_heal(recorded("heal-away"));
  ASSERT_TRUE(away);
  ASSERT_EQ(away->size(), 6U);
  EXPECT_EQ((*away)[0].pending, 9U);
  EXPECT_FALSE((*away)[2].connected);
  EXPECT_FALSE((*away)[2].pending.has_value());
  EXPECT_FALSE((*away)[2].split_brain.has_value());
}

TEST(GlusterState, QuotasAreReadAndQuotaThatIsOffIsAnAnswer) {
  const auto quotas = read_gluster_quotas(recorded("quota"));
  ASSERT_TRUE(quotas);
  EXPECT_TRUE(quotas->enabled);
  ASSERT_EQ(quotas->limits.size(), 1U);
  EXPECT_EQ(quotas->limits[0].path, "/shared");
  EXPECT_EQ(quotas->limits[0].limit_bytes, 20971520U);
  const auto off = read_gluster_quotas(recorded("quota-off"));
  ASSERT_TRUE(off);
  EXPECT_FALSE(off->enabled);
}

TEST(GlusterState, ARebalanceIsReadAndOneThatIsNotToBeHadIsNotStarted) {
  const auto done = read_gluster_rebalance(recorded("rebalance"));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, "completed");
  EXPECT_EQ(done->files, 28U);
  EXPECT_EQ(read_gluster_rebalance(recorded("rebalance-one-set"))->status, "not started");
}

TEST(GlusterState, ATextThatIsCutOrOfAnotherCommandIsAnErrorAndNoEmptyList) {  // GS1
  for (const char* name : {"peer-status", "volume-info", "volume-status", "heal", "quota", "rebalance"}) {
    const std::string text = recorded(name);
    for (std::size_t length = 0; length + 2 < text.size(); length += 7) {
      const std::string cut = text.substr(0, length);
      EXPECT_FALSE(read_gluster_peers(cut)) << name << " " << length;
      EXPECT_FALSE(read_gluster_volumes(cut)) << name << " " << length;
      EXPECT_FALSE(read_gluster_status(cut)) << name << " " << length;
      EXPECT_FALSE(read_gluster_heal(cut)) << name << " " << length;
      EXPECT_FALSE(read_gluster_quotas(cut)) << name << " " << length;
      EXPECT_FALSE(read_gluster_rebalance(cut)) << name << " " << length;
    }
  }
  EXPECT_FALSE(read_gluster_peers(recorded("volume-info")));
  EXPECT_FALSE(read_gluster_volumes(recorded("peer-status")));
  EXPECT_FALSE(read_gluster_heal(recorded("volume-status")));
  EXPECT_FALSE(read_gluster_peers("Connection failed. Please check if gluster daemon is operational.\n"));
}

TEST(GlusterState, WhatIsRefusedComesInGlustersWords) {
  const std::string text =
      "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr>Another transaction is in progress</opErrstr></cliOutput>";
  for (const std::string& said : {read_gluster_peers(text).error().context, read_gluster_volumes(text).error().context,
                                  read_gluster_heal(text).error().context, read_gluster_quotas(text).error().context})
    EXPECT_THAT(said, HasSubstr("Another transaction is in progress"));
}

TEST(GlusterState, NumbersAndCountsThatDoNotFitMakeTheWholeAnError) {  // GS2
  const std::string volumes = recorded("volume-info");
  EXPECT_FALSE(read_gluster_volumes(replaced(volumes, "<brickCount>3", "<brickCount>4")));
  EXPECT_FALSE(read_gluster_volumes(replaced(volumes, "<count>1", "<count>2")));
  EXPECT_FALSE(read_gluster_volumes(replaced(volumes, "<status>1", "<status>x")));
  EXPECT_FALSE(read_gluster_volumes(replaced(volumes, "<replicaCount>3", "<replicaCount>")));
  EXPECT_FALSE(read_gluster_peers(replaced(recorded("peer-status"), "<connected>1", "<connected>maybe")));
  EXPECT_FALSE(read_gluster_status(replaced(recorded("volume-status"), "<status>1", "<status>")));
  EXPECT_FALSE(read_gluster_quotas(replaced(recorded("quota"), "<hard_limit>20971520", "<hard_limit>N/A")));
  EXPECT_FALSE(read_gluster_rebalance(replaced(recorded("rebalance"), "<files>28</files>", "<files>many</files>")));
  EXPECT_FALSE(read_gluster_rebalance(replaced(recorded("rebalance"), "<files>28</files>", "")));
}

}  // namespace
}  // namespace fairlead::bootstrap
