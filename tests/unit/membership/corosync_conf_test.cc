// Golden files: tests/golden/corosync_conf/NAME.conf. FL_UPDATE_GOLDEN=1 writes them anew.
#include "membership/corosync_conf.h"
#include "generated/source_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace fairlead::membership {
namespace {

using namespace std::chrono_literals;

config::Cluster cluster_of(std::uint32_t nodes, std::uint8_t links = 1) {
  config::Cluster out;
  out.name = "kube-gateways";
  for (std::uint32_t n = 1; n <= nodes; ++n) {
    config::Node node;
    node.name = "gate-" + std::to_string(n);
    node.id = n;
    for (std::uint8_t k = 0; k < links; ++k) {
      node.links.push_back(IpAddress::v4({192, 168, static_cast<std::uint8_t>(4 + k), static_cast<std::uint8_t>(129 + n)}));
    }
    out.nodes.push_back(node);
  }
  return out;
}

config::Cluster with_qdevice(config::QdeviceAlgorithm algorithm, std::uint32_t nodes) {
  config::Cluster out = cluster_of(nodes);
  out.qdevice.emplace();
  out.qdevice->host = "192.168.4.140";
  out.qdevice->algorithm = algorithm;
  return out;
}

std::map<std::string, config::Cluster> golden() {
  std::map<std::string, config::Cluster> out{
      {"three_nodes_vm", cluster_of(3)},
      {"two_nodes_fast", cluster_of(2)},
      {"three_nodes_min_two_links", cluster_of(3, 2)},
      {"two_nodes_qdevice", with_qdevice(config::QdeviceAlgorithm::kFfsplit, 2)},
      {"four_nodes_qdevice_lms", with_qdevice(config::QdeviceAlgorithm::kLms, 4)},
      {"own_times", cluster_of(3)},
      {"ipv6", cluster_of(2)},
  };
  out["two_nodes_fast"].profile = config::TimingProfile::kFast;
  out["three_nodes_min_two_links"].profile = config::TimingProfile::kMin;
  out["four_nodes_qdevice_lms"].qdevice->tls = config::QdeviceTls::kOff;
  out["own_times"].timing = {{"token", 1500ms}, {"join", 60ms}, {"knet_ping_timeout", 150ms}, {"merge", 300ms}};
  for (config::Node& node : out["ipv6"].nodes)
    node.links = {IpAddress::v6({0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(node.id)})};
  return out;
}

TEST(CorosyncConf, IsWrittenAsExpected) {
  const auto folder = std::filesystem::path(FL_SOURCE_DIR) / "tests/golden/corosync_conf";
  for (const auto& [name, cluster] : golden()) {
    const std::filesystem::path path = folder / (name + ".conf");
    const std::string text = render_corosync_conf(cluster).text;
    if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
    std::ostringstream expected;
    expected << std::ifstream(path).rdbuf();
    EXPECT_EQ(text, expected.str()) << name;
  }
}

TEST(CorosyncConf, ConsensusFollowsTheToken) {
  config::Cluster cluster = cluster_of(3);
  cluster.timing = {{"token", 1500ms}};
  EXPECT_EQ(timing_of(cluster), (CorosyncTiming{1500ms, 1800ms, 200ms, 750ms}));
  cluster.timing.push_back({"consensus", 2000ms});
  EXPECT_EQ(timing_of(cluster).consensus, 2000ms);
}

TEST(CorosyncConf, ALinkIsNeverCalledDeadWithin200Milliseconds) {
  for (const auto profile : {config::TimingProfile::kVm, config::TimingProfile::kFast, config::TimingProfile::kMin}) {
    config::Cluster cluster = cluster_of(2);
    cluster.profile = profile;
    EXPECT_GE(timing_of(cluster).knet_ping_timeout, 200ms);
    cluster.timing = {{"knet_ping_timeout", 10ms}, {"knet_ping_interval", 10ms}};
    EXPECT_EQ(timing_of(cluster).knet_ping_timeout, 200ms);
    EXPECT_EQ(timing_of(cluster).knet_ping_interval, 200ms);
    EXPECT_EQ(render_corosync_conf(cluster).warnings.size(), profile == config::TimingProfile::kMin ? 3U : 2U);
  }
}

TEST(CorosyncConf, MinIsMarkedExperimental) {
  config::Cluster cluster = cluster_of(2);
  EXPECT_EQ(render_corosync_conf(cluster).text.find("experimental"), std::string::npos);
  cluster.profile = config::TimingProfile::kMin;
  const auto out = render_corosync_conf(cluster);
  EXPECT_NE(out.text.find("experimental"), std::string::npos);
  ASSERT_EQ(out.warnings.size(), 1U);
}

TEST(CorosyncConf, KnowsItsOwnFilesAndThePackagesExample) {
  for (const auto& [name, cluster] : golden()) EXPECT_EQ(origin_of_conf(render_corosync_conf(cluster).text), ConfOrigin::kOurs) << name;
  EXPECT_EQ(origin_of_conf("nodelist {\n\tnode {\n\t\tring0_addr: 127.0.0.1\n\t\t#ring1_addr: 192.168.1.1\n\t}\n}\n"),
            ConfOrigin::kExample);
  EXPECT_EQ(origin_of_conf("node {\n ring0_addr: 127.0.0.1\n}\nnode {\n ring0_addr: 10.0.0.2\n}\n"), ConfOrigin::kForeign);
  EXPECT_EQ(origin_of_conf("totem {\n interface {\n bindnetaddr: 10.0.0.0\n}\n}\n"), ConfOrigin::kForeign);
  EXPECT_EQ(origin_of_conf(""), ConfOrigin::kForeign);
}

TEST(CorosyncConf, APartOfAMillisecondCountsAsOne) {
  config::Cluster cluster = cluster_of(2);
  cluster.timing = {{"join", 50ms + 1us}};
  EXPECT_NE(render_corosync_conf(cluster).text.find("join: 51\n"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::membership
