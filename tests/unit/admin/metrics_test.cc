#include "admin/metrics.h"

#include <gtest/gtest.h>
#include <set>
#include <sstream>

#include "tests/contract/admin/fake_node_port.h"

namespace fairlead::admin {
namespace {

NodeReport everything() { return testing::sample_cluster_report(); }

ApiCounters counters() {
  ApiCounters api;
  api.responses = {{200, 5}, {404, 1}};
  return api;
}

/// Sample lines as name -> how many.
std::map<std::string, int> samples(const std::string& page) {
  std::map<std::string, int> out;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with('#')) ++out[line.substr(0, line.find_first_of("{ "))];
  }
  return out;
}

TEST(Metrics, EveryMetricOfTheCatalogueIsRenderedAndNoOther) {
  std::set<std::string> listed;
  for (const auto& info : metric_catalogue()) EXPECT_TRUE(listed.insert(std::string(info.name)).second) << info.name << " twice";

  std::set<std::string> rendered;
  for (const auto& [name, count] : samples(render_metrics(everything(), counters()))) rendered.insert(name);

  EXPECT_EQ(rendered, listed);
}

TEST(Metrics, NamesFollowTheConventions) {
  for (const auto& info : metric_catalogue()) {
    EXPECT_TRUE(info.name.starts_with("fairlead_")) << info.name;
    EXPECT_EQ(info.name.ends_with("_total"), info.type == "counter") << info.name;
    EXPECT_FALSE(info.help.empty()) << info.name;
  }
}

TEST(Metrics, ShowsBaseUnits) {
  const std::string page = render_metrics(everything(), counters());
  EXPECT_NE(page.find("fairlead_server_check_duration_seconds{pool=\"masters\",server=\"mast-1\"} 0.0041\n"), std::string::npos) << page;
  EXPECT_NE(page.find("fairlead_worker_loop_lateness_seconds{worker=\"0\"} 0.0004\n"), std::string::npos) << page;
}

TEST(Metrics, ExactlyOneStateOfAServerIsSet) {
  const std::string page = render_metrics(everything(), counters());
  EXPECT_NE(page.find("fairlead_server_state{pool=\"masters\",server=\"mast-3\",state=\"down\"} 1\n"), std::string::npos);
  EXPECT_NE(page.find("fairlead_server_state{pool=\"masters\",server=\"mast-3\",state=\"up\"} 0\n"), std::string::npos);
  EXPECT_EQ(samples(page)["fairlead_server_state"], 15);
}

TEST(Metrics, ShedConnectionsWithoutANamedCauseAreNotLost) {
  const std::string page = render_metrics(everything(), counters());
  EXPECT_NE(page.find("fairlead_listener_shed_connections_total{listener=\"kube-api\",cause=\"rate\"} 3\n"), std::string::npos);
  EXPECT_NE(page.find("fairlead_listener_shed_connections_total{listener=\"kube-api\",cause=\"other\"} 1\n"), std::string::npos);
}

TEST(Metrics, LabelValuesAreEscaped) {
  NodeReport r = testing::sample_report();
  r.config_file = "/etc/\"odd\"\\\n.yaml";
  EXPECT_NE(render_metrics(r, {}).find("file=\"/etc/\\\"odd\\\"\\\\\\n.yaml\""), std::string::npos);
}

}  // namespace
}  // namespace fairlead::admin
