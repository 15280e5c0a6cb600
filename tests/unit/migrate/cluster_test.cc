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

TEST_F(ClusterImport, NopreemptCountsOnTheNodeOfTheHighestPriorityOnly) {
  const auto low = [](const std::string& more) { return keepalived("a", " priority 50\n unicast_src_ip 192.168.4.130\n" + more); };
  const auto high = [](const std::string& more) { return keepalived("b", " priority 90\n unicast_src_ip 192.168.4.131\n" + more); };
  import({low(" nopreempt\n preempt_delay 7\n"), high(" preempt_delay 5\n")});
  EXPECT_TRUE(snapshot.vips[0].preempt);
  EXPECT_EQ(snapshot.vips[0].preempt_delay, 5s);
  EXPECT_TRUE(said("that of the node of the highest priority decides"));
  import({low(""), high(" nopreempt\n")});
  EXPECT_FALSE(snapshot.vips[0].preempt);
  import({high(" nopreempt\n"), low("")});
  EXPECT_FALSE(snapshot.vips[0].preempt);
}

TEST_F(ClusterImport, ANodeThatBeginsAsMasterTakesItsAddressBackWhateverNopreemptSays) {
  import({keepalived("a", " state MASTER\n priority 90\n nopreempt\n preempt_delay 5\n unicast_src_ip 192.168.4.130\n"),
          keepalived("b", " priority 50\n unicast_src_ip 192.168.4.131\n")});
  EXPECT_TRUE(snapshot.vips[0].preempt);
  EXPECT_EQ(snapshot.vips[0].preempt_delay, 30s);
  EXPECT_TRUE(said("takes no notice of it"));
}

TEST_F(ClusterImport, EqualPrioritiesAreNoPreference) {
  import(
      {keepalived("a", " priority 90\n unicast_src_ip 192.168.4.130\n"), keepalived("b", " priority 90\n unicast_src_ip 192.168.4.131\n")});
  EXPECT_TRUE(snapshot.vips[0].prefer.empty());
  EXPECT_FALSE(snapshot.vips[0].preempt);
  EXPECT_TRUE(said("there is no preference"));
  EXPECT_FALSE(said("`prefer` lists")) << "it lists nobody";
  EXPECT_FALSE(said("moves back")) << "nobody does";
}

TEST_F(ClusterImport, APreemptDelayIsKept) {
  import({keepalived("a", " state BACKUP\n priority 90\n preempt_delay 5\n unicast_src_ip 192.168.4.130\n"),
          keepalived("b", " priority 50\n unicast_src_ip 192.168.4.131\n")});
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

TEST_F(ClusterImport, AFileThatItsOwnIncludeMeansIsStillAFile) {
  Input main = keepalived("keepalived.conf", " state MASTER\n");
  main.text += "include *.conf\ninclude /etc/keepalived/conf.d/*.conf\n";
  import({main});
  EXPECT_EQ(snapshot.vips.size(), 1U);
  EXPECT_TRUE(said("was not given"));
  import({main,
          { Kind::kKeepalived,
            "conf.d/more.conf",
            "vrrp_instance other {\n interface eth1\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n" }});
  EXPECT_EQ(snapshot.vips.size(), 2U);
  EXPECT_EQ(snapshot.cluster->nodes.size(), 2U) << "a node and its placeholder peer: the included file is none";
}

TEST_F(ClusterImport, FilesOfTwoNodesThatEachIncludeTheirOwnAreTwoNodes) {
  Input one = keepalived("gate-1/keepalived.conf", " priority 90\n unicast_src_ip 192.168.4.130\n");
  Input other = keepalived("gate-2/keepalived.conf", " priority 50\n unicast_src_ip 192.168.4.131\n");
  for (Input* file : {&one, &other}) file->text += "include /etc/keepalived/*.conf\n";
  import({one, other});
  EXPECT_EQ(snapshot.vips[0].prefer.size(), 2U);
}

TEST_F(ClusterImport, AHooksUserIsNoArgumentOfIt) {
  import({keepalived("a", " state MASTER\n notify_master \"/usr/local/bin/up now\" root root\n")});
  ASSERT_EQ(snapshot.vips[0].on_acquire.size(), 1U);
  EXPECT_EQ(snapshot.vips[0].on_acquire[0].command, (std::vector<std::string>{"/usr/local/bin/up", "now"}));
  EXPECT_TRUE(said("not as root"));
}

TEST_F(ClusterImport, TheInterfaceThatIsTrackedIsTheVipsOwn) {
  import({keepalived("a", " state MASTER\n track_interface {\n eth0\n eth1\n eth0 weight 5\n }\n")});
  const auto fate = [&](int line) {
    return std::find_if(made.lines.begin(), made.lines.end(), [&](const LineFate& one) { return one.line == line; })->fate;
  };
  EXPECT_EQ(fate(8), Fate::kCarried);
  EXPECT_EQ(fate(9), Fate::kLeftOut);
  EXPECT_EQ(fate(10), Fate::kApproximated);
}

TEST_F(ClusterImport, TwoSyncGroupsWhoseNamesReadAlikeStayTwo) {
  const auto instance = [](const std::string& name, const std::string& address) {
    return "vrrp_instance " + name + " {\n interface eth0\n virtual_ipaddress {\n " + address + "/24\n }\n}\n";
  };
  import(
      {{ Kind::kKeepalived,
         "k",
         "vrrp_sync_group A {\n group {\n one\n }\n}\nvrrp_sync_group a {\n group {\n two\n }\n}\n" + instance("one", "10.0.0.1") +
             instance("two", "10.0.0.2") }});
  ASSERT_EQ(snapshot.vips.size(), 2U);
  EXPECT_NE(snapshot.vips[0].group, snapshot.vips[1].group);
}

TEST_F(ClusterImport, TheExampleOfCorosyncsPackageIsNoCluster) {
  const Input example{
      Kind::kCorosync, "corosync.conf",
      "totem {\n version: 2\n cluster_name: debian\n}\nnodelist {\n node {\n name: node1\n nodeid: 1\n ring0_addr: 127.0.0.1\n }\n}\n"};
  const Input old{Kind::kCorosync, "corosync.conf", "totem {\n version: 2\n interface {\n ringnumber: 0\n bindnetaddr: 127.0.0.1\n }\n}\n"};
  for (const Input& input : {example, old}) {
    const Migration alone = migrate({input});
    EXPECT_FALSE(alone.yaml.has_value());
    for (const LineFate& line : alone.lines) EXPECT_EQ(line.fate, Fate::kLeftOut);
  }
  import({keepalived("a", " unicast_src_ip 192.168.4.130\n unicast_peer {\n 192.168.4.131\n }\n"), example});
  EXPECT_EQ(snapshot.cluster->name, "gateways");
  EXPECT_EQ(snapshot.cluster->nodes[1].links[0].to_string(), "192.168.4.131");
}

TEST_F(ClusterImport, ALinkThatCannotBeOneIsSaidToBeLeftOut) {
  Input file = corosync();
  file.text.replace(file.text.find("192.168.4.131"), 13, "127.0.0.1\n ring1_addr: 192.168.4.130");
  import({file});
  EXPECT_EQ(snapshot.cluster->nodes[1].links[0].to_string(), "192.0.2.2");
  EXPECT_TRUE(said("a loopback address reaches no other node"));
  EXPECT_TRUE(said("without link 192.168.4.130: another node has it"));
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

TEST_F(ClusterImport, AGroupStaysUnlessTheScoreOutweighsAllItsMembers) {
  const auto cib = [](int score) {
    return Input{Kind::kPacemaker, "cib",
                 "node 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24\nprimitive w IPaddr2 params ip=192.168.4.21 "
                 "cidr_netmask=24\ngroup g v w meta resource-stickiness=100\nlocation l g " +
                     std::to_string(score) + ": gate-2\n"};
  };
  import({cib(150)});
  EXPECT_FALSE(snapshot.vips[0].preempt);
  import({cib(250)});
  EXPECT_TRUE(snapshot.vips[0].preempt);
}

TEST_F(ClusterImport, WhatPacemakerHadStoppedOrLetAloneIsMarked) {
  import(
      {{ Kind::kPacemaker,
         "cib",
         "node 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24 meta is-managed=false migration-threshold=3\n"
         "primitive w IPaddr2 params ip=192.168.5.20 cidr_netmask=24\nprimitive x IPaddr2 params ip=192.168.5.21 cidr_netmask=24\n"
         "group g w x meta target-role=Stopped maintenance=false\n" }});
  EXPECT_TRUE(marked("# CHANGE: Pacemaker let it alone"));
  EXPECT_TRUE(marked("unless `fairlead vip disable w`"));
  EXPECT_TRUE(said("without migration-threshold"));
  EXPECT_TRUE(said("it was stopped"));
}

TEST_F(ClusterImport, OnlyARouterOfTheVipsOwnNetworkIsAskedByArp) {
  const std::string text =
      "node 1: gate-1\nnode 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24\nprimitive p ocf:pacemaker:ping params "
      "host_list=\"HOSTS\"\nclone c p\nlocation l v rule -inf: not_defined pingd or pingd lte 0\n";
  const auto with = [&](const std::string& hosts) {
    std::string out = text;
    return Input{Kind::kPacemaker, "cib", out.replace(out.find("HOSTS"), 5, hosts)};
  };
  import({with("8.8.8.8 192.168.4.254")});
  ASSERT_TRUE(snapshot.cluster->tie_break.has_value());
  EXPECT_EQ(snapshot.cluster->tie_break->targets.size(), 1U);
  ASSERT_TRUE(snapshot.vips[0].track.gateway.has_value());
  EXPECT_EQ(snapshot.vips[0].track.gateway->to_string(), "192.168.4.254");
  EXPECT_TRUE(said("8.8.8.8 breaks no tie"));
  import({with("8.8.8.8")});
  EXPECT_FALSE(snapshot.cluster->tie_break.has_value());
  EXPECT_FALSE(snapshot.vips[0].track.gateway.has_value());
  EXPECT_FALSE(said("is asked by ARP"));
}

TEST_F(ClusterImport, ABanIsMarkedForItCannotBeCarriedOver) {
  const std::string site =
      "node 1: gate-1\nnode 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24 meta target-role=Stopped\n";
  const Migration banned = migrate({{Kind::kPacemaker, "cib", site + "location l v -inf: gate-2\n"}});
  ASSERT_TRUE(banned.yaml.has_value());
  EXPECT_NE(banned.yaml->find("CHANGE: Pacemaker never put it on gate-2"), std::string::npos) << *banned.yaml;
  EXPECT_NE(banned.yaml->find("Pacemaker had it stopped"), std::string::npos) << *banned.yaml;
  const Migration avoided = migrate({{Kind::kPacemaker, "cib", site + "location l v -100: gate-2\n"}});
  ASSERT_TRUE(avoided.yaml.has_value());
  EXPECT_EQ(avoided.yaml->find("never put it"), std::string::npos);
  EXPECT_EQ(avoided.notes.back().reason, "a node is preferred, not avoided");
}

TEST_F(ClusterImport, AColocationByAFiniteScoreIsSaidToHoldAlways) {
  const std::string text =
      "node 2: gate-2\nprimitive v IPaddr2 params ip=192.168.4.20 cidr_netmask=24\nprimitive w IPaddr2 params ip=192.168.4.21 "
      "cidr_netmask=24\ncolocation c ";
  import({{ Kind::kPacemaker, "cib", text + "100: v w\n" }});
  EXPECT_EQ(snapshot.vips[0].group, "c");
  EXPECT_TRUE(said("is a wish in Pacemaker"));
  import({{ Kind::kPacemaker, "cib", text + "0: v w\n" }});
  EXPECT_EQ(snapshot.vips[0].group, "");
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
