// What several files say together: nodes, who prefers what, what is required.
#include <algorithm>

#include <gtest/gtest.h>

#include "config/load.h"
#include "migrate/migrate.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

class ClusterImport : public testing::Test {
 protected:
  void import(const std::vector<Input>& inputs) {
    made = migrate(inputs);
    ASSERT_TRUE(made.yaml.has_value()) << (made.problems.empty() ? "" : config::format(made.problems.front()));
    auto loaded = config::load_text(*made.yaml, "made", config::Environment{});
    ASSERT_TRUE(loaded.snapshot.has_value()) << config::format(loaded.problems.front());
    snapshot = std::move(*loaded.snapshot);
  }
  static Input keepalived(const std::string& name, const std::string& lines) {
    return {Kind::kKeepalived, name, "vrrp_instance api {\n interface eth0\n virtual_ipaddress {\n 192.168.4.20/24\n }\n" + lines + "}\n"};
  }
  static Input corosync(const std::string& more = "") {
    return {Kind::kCorosync, "corosync.conf",
            "totem {\n cluster_name: gates\n" + more +
                "}\nnodelist {\n node {\n name: gate-1\n nodeid: 1\n ring0_addr: 192.168.4.130\n }\n node {\n name: gate-2\n nodeid: 2\n "
                "ring0_addr: "
                "192.168.4.131\n }\n}\n"};
  }
  [[nodiscard]] bool said(const std::string& reason) const {
    return std::any_of(made.notes.begin(), made.notes.end(),
                       [&](const Note& note) { return note.reason.find(reason) != std::string::npos; });
  }
  [[nodiscard]] bool marked(const std::string& text) const { return made.yaml->find(text) != std::string::npos; }
  Migration made;
  config::Snapshot snapshot;
};

TEST_F(ClusterImport, AVipWithoutKnownNodesNeverComesStandalone) {
  import({keepalived("a", " state MASTER\n")});
  ASSERT_TRUE(snapshot.cluster.has_value());
  EXPECT_EQ(snapshot.cluster->nodes.size(), 2U);
  EXPECT_EQ(snapshot.cluster->nodes[0].links[0].to_string(), "192.0.2.1");
  EXPECT_TRUE(marked("# CHANGE: 192.0.2.1"));
}

TEST_F(ClusterImport, FilesOfTwoNodesPreferTheHigherPriority) {
  import({keepalived("a", " priority 50\n unicast_src_ip 192.168.4.130\n"),
          keepalived("b", " priority 90\n unicast_src_ip 192.168.4.131\n"), corosync()});
  ASSERT_EQ(snapshot.vips.size(), 1U);
  EXPECT_EQ(snapshot.vips[0].prefer, (std::vector<std::string>{"gate-2", "gate-1"}));
  EXPECT_TRUE(snapshot.vips[0].preempt);
}

TEST_F(ClusterImport, NopreemptOnOneNodeIsEnough) {
  import({keepalived("a", " priority 50\n nopreempt\n unicast_src_ip 192.168.4.130\n"),
          keepalived("b", " priority 90\n unicast_src_ip 192.168.4.131\n")});
  EXPECT_FALSE(snapshot.vips[0].preempt);
}

TEST_F(ClusterImport, EqualPrioritiesAreNoPreference) {
  import(
      {keepalived("a", " priority 90\n unicast_src_ip 192.168.4.130\n"), keepalived("b", " priority 90\n unicast_src_ip 192.168.4.131\n")});
  EXPECT_TRUE(snapshot.vips[0].prefer.empty());
  EXPECT_FALSE(snapshot.vips[0].preempt);
}

TEST_F(ClusterImport, APreemptDelayIsKept) {
  import({keepalived("a", " state MASTER\n preempt_delay 5\n")});
  EXPECT_EQ(snapshot.vips[0].preempt_delay, 5s);
}

TEST_F(ClusterImport, NodesThatCorosyncDoesNotListAreNotAdded) {
  import({keepalived("a", " unicast_src_ip 10.0.0.9\n"), corosync()});
  EXPECT_EQ(snapshot.cluster->nodes.size(), 2U);
  EXPECT_TRUE(said("not among those of corosync.conf"));
}

TEST_F(ClusterImport, AWatchedScriptBecomesRequiresOfWhatServesOnTheVip) {
  const std::string haproxy =
      "listen here\n bind 192.168.4.20:6443\n server a 10.0.0.1:1\nlisten elsewhere\n bind 10.9.9.9:1\n server a 10.0.0.1:1\n";
  import({keepalived("a", " track_script {\n chk\n }\n"), { Kind::kHaproxy, "haproxy.cfg", haproxy }});
  EXPECT_EQ(snapshot.vips[0].requires_listeners, std::vector<std::string>{"here"});
}

TEST_F(ClusterImport, AVipThatIsANodesOwnAddressIsLeftOut) {
  const Input vip{
      Kind::kKeepalived, "k",
      "vrrp_instance a {\n interface eth0\n virtual_ipaddress {\n 192.168.4.130/24\n 192.168.4.255/24\n 192.168.4.9/24\n }\n}\n"};
  import({vip, corosync()});
  ASSERT_EQ(snapshot.vips.size(), 1U);
  EXPECT_EQ(snapshot.vips[0].address.to_string(), "192.168.4.9/24");
  EXPECT_TRUE(said("the address of a node"));
}

TEST_F(ClusterImport, NamesOfHaproxysPeersNameTheNodes) {
  const std::string haproxy = "peers p\n peer left 192.168.4.130:1\n peer right 192.168.4.131:1\n";
  import({keepalived("a", " unicast_src_ip 192.168.4.130\n unicast_peer {\n 192.168.4.131\n }\n"), { Kind::kHaproxy, "h", haproxy }});
  EXPECT_EQ(snapshot.cluster->nodes[0].name, "left");
  EXPECT_EQ(snapshot.cluster->nodes[1].name, "right");
}

TEST_F(ClusterImport, AnIncludedFileIsNoNodeOfItsOwn) {
  Input main = keepalived("main.conf", " state MASTER\n");
  main.text += "include /etc/keepalived/conf.d/*.inc\n";
  import({main, { Kind::kKeepalived, "more.inc", "vrrp_instance other {\n interface eth1\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n" }});
  EXPECT_EQ(snapshot.vips.size(), 2U);
  EXPECT_EQ(snapshot.cluster->nodes.size(), 2U);
}

TEST_F(ClusterImport, AProfileSaysTheTokenInOneWord) {
  import({corosync(" token: 400\n")});
  EXPECT_EQ(snapshot.cluster->profile, config::TimingProfile::kFast);
  EXPECT_TRUE(snapshot.cluster->timing.empty());
}

TEST_F(ClusterImport, PacemakersNodesGetTheAddressesOfCorosync) {
  import(
      {{Kind::kPacemaker, "cib", "node 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24\nlocation l v inf: gate-2\n"},
       corosync()});
  EXPECT_EQ(snapshot.cluster->nodes.size(), 2U);
  EXPECT_EQ(snapshot.vips[0].prefer, std::vector<std::string>{"gate-2"});
  EXPECT_TRUE(snapshot.vips[0].preempt);
}

TEST_F(ClusterImport, StickinessAboveTheScoreMeansThatNothingMovesBack) {
  import({{
    Kind::kPacemaker,
    "cib",
    "node 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24 meta resource-stickiness=200\nlocation l v 100: gate-2\n"
  }});
  EXPECT_EQ(snapshot.vips[0].prefer, std::vector<std::string>{"gate-2"});
  EXPECT_FALSE(snapshot.vips[0].preempt);
}

TEST_F(ClusterImport, CrmAndXmlOfOneConfigurationMakeTheSame) {
  const std::string crm =
      "node 1: gate-1\nnode 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24 nic=eth0\nprimitive w IPaddr2 params "
      "ip=192.168.4.21 "
      "cidr_netmask=24\ngroup g v w\nlocation l g 5: gate-1\n";
  const std::string xml =
      "<cib><configuration><nodes><node id='1' uname='gate-1'/><node id='2' uname='gate-2'/></nodes><resources><group id='g'>"
      "<primitive id='v' class='ocf' provider='heartbeat' type='IPaddr2'><instance_attributes><nvpair name='ip' value='192.168.4.20'/>"
      "<nvpair name='cidr_netmask' value='24'/><nvpair name='nic' value='eth0'/></instance_attributes></primitive>"
      "<primitive id='w' class='ocf' provider='heartbeat' type='IPaddr2'><instance_attributes><nvpair name='ip' value='192.168.4.21'/>"
      "<nvpair name='cidr_netmask' value='24'/></instance_attributes></primitive></group></resources>"
      "<constraints><rsc_location id='l' rsc='g' node='gate-1' score='5'/></constraints></configuration></cib>";
  import({{ Kind::kPacemaker, "cib", crm }});
  const config::Snapshot of_crm = snapshot;
  import({{ Kind::kPacemaker, "cib", xml }});
  EXPECT_EQ(snapshot, of_crm);
}

}  // namespace
}  // namespace fairlead::migrate
