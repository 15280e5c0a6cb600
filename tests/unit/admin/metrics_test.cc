#include "admin/metrics.h"

#include <gtest/gtest.h>
#include <set>
#include <sstream>

#include "tests/contract/admin/fake_node_port.h"

namespace fairlead::admin {
namespace {

NodeReport everything() { return testing::sample_cluster_report(); }

constexpr ProcessStats kProcess{.cpu_s = 1.5,
                                .resident_bytes = 20'000'000,
                                .virtual_bytes = 90'000'000,
                                .open_fds = 40,
                                .max_fds = 1024,
                                .started_at_s = 1706702400.25};

bool has(const std::string& page, const std::string& line) { return page.find("\n" + line + "\n") != std::string::npos; }

ApiCounters counters() {
  ApiCounters api;
  api.responses = {{200, 5}, {404, 1}};
  api.certificate_expiry_s = 1738238400;
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

  std::set<std::string> histograms;
  for (const auto& info : metric_catalogue()) {
    if (info.type == "histogram") histograms.insert(std::string(info.name));
  }
  std::set<std::string> rendered;
  for (const auto& [name, count] : samples(render_metrics(everything(), counters(), kProcess))) {
    const std::string family = name.substr(0, name.rfind('_'));
    rendered.insert(histograms.contains(family) ? family : name);
  }

  EXPECT_EQ(rendered, listed);
}

TEST(Metrics, NamesFollowTheConventions) {
  for (const auto& info : metric_catalogue()) {
    EXPECT_TRUE(info.name.starts_with("fairlead_") || info.name.starts_with("process_")) << info.name;
    EXPECT_EQ(info.labels.find(','), std::string_view::npos) << info.name << ": labels stand apart by blanks";
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
  EXPECT_EQ(page.find("cause=\"other\""), std::string::npos) << "every cause has its name";
}

TEST(Metrics, EveryFamilyHasTheLabelsOfTheCatalogue) {
  const std::string page = render_metrics(everything(), counters(), kProcess);
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    const std::string name = line.substr(0, line.find_first_of("{ "));
    std::string labels;
    for (auto at = line.find('{'); at != std::string::npos && line[at] != '}';) {
      const auto equals = line.find("=\"", at);
      const std::string label = line.substr(at + 1, equals - at - 1);
      if (label != "le") labels += (labels.empty() ? "" : " ") + label;
      at = line.find('"', equals + 2) + 1;
    }
    for (const auto& info : metric_catalogue()) {
      const std::string family(info.name);
      const bool of_histogram = info.type == "histogram" && name.starts_with(family + "_");
      if (name == family || of_histogram) { EXPECT_EQ(labels, info.labels) << line; }
    }
  }
}

TEST(Metrics, AHistogramIsCumulatedAndCountsWhatIsLongerThanAnyBound) {
  const std::string page = render_metrics(everything(), counters());
  const std::string who = "fairlead_server_connect_duration_seconds";
  EXPECT_TRUE(has(page, "# TYPE " + who + " histogram"));
  EXPECT_TRUE(has(page, who + "_bucket{pool=\"masters\",server=\"mast-1\",le=\"0.00025\"} 1")) << page;
  EXPECT_TRUE(has(page, who + "_bucket{pool=\"masters\",server=\"mast-1\",le=\"0.0005\"} 1"));
  EXPECT_TRUE(has(page, who + "_bucket{pool=\"masters\",server=\"mast-1\",le=\"1\"} 3"));
  EXPECT_TRUE(has(page, who + "_bucket{pool=\"masters\",server=\"mast-1\",le=\"+Inf\"} 4"));
  EXPECT_TRUE(has(page, who + "_count{pool=\"masters\",server=\"mast-1\"} 4"));
  EXPECT_TRUE(has(page, who + "_sum{pool=\"masters\",server=\"mast-1\"} 0.0035"));
}

TEST(Metrics, TheCodeOfACheckIsTheStatusThatCame) {
  NodeReport r = testing::sample_report();
  auto& servers = r.pools.front().servers;
  servers[0].check = {"status", "503 Service Unavailable", 1};
  servers[1].check = {"ok", "handshake done", 1};
  servers[2].check = {"protocol", "200", 1};
  const std::string page = render_metrics(r, {});
  EXPECT_TRUE(has(page, "fairlead_server_check_code{pool=\"masters\",server=\"mast-1\"} 503"));
  EXPECT_TRUE(has(page, "fairlead_server_check_code{pool=\"masters\",server=\"mast-2\"} 0"));
  EXPECT_TRUE(has(page, "fairlead_server_check_code{pool=\"masters\",server=\"mast-3\"} 0"));
}

TEST(Metrics, AHolderIsOneNodeOfAllOrNone) {
  const std::string page = render_metrics(everything(), counters());
  EXPECT_TRUE(has(page, "fairlead_vip_holder{vip=\"api\",node=\"gate-1\"} 1"));
  EXPECT_TRUE(has(page, "fairlead_vip_holder{vip=\"api\",node=\"gate-2\"} 0"));
  EXPECT_TRUE(has(page, "fairlead_vip_holder{vip=\"ingress\",node=\"gate-1\"} 0"));
  EXPECT_EQ(samples(page)["fairlead_vip_holder"], 6);
}

TEST(Metrics, WhatIsNotKnownIsAbsentAndNotZero) {
  NodeReport r = everything();
  r.cluster->lease_low_ms.reset();
  r.cluster->qdevice.clear();
  r.cluster->tie_break = "off";
  r.drills.clear();
  ProcessStats process = kProcess;
  process.open_fds.reset();
  auto found = samples(render_metrics(r, counters(), process));
  for (const char* name : {"fairlead_cluster_lease_low_seconds", "fairlead_cluster_qdevice_votes", "fairlead_cluster_tie_break_armed",
                           "fairlead_drill_last_passed", "process_open_fds"})
    EXPECT_EQ(found.count(name), 0U) << name;
  EXPECT_EQ(found["fairlead_vip_last_takeover_seconds"], 1) << "of the one that this node took";
  EXPECT_EQ(found["fairlead_node_config_match"], 2) << "nothing is known of a node that is offline";
  EXPECT_EQ(found["process_max_fds"], 1);
}

TEST(Metrics, AFileThatDiffersIsSeenAlsoWhereTheClusterSectionIsTheSame) {
  NodeReport r = everything();
  r.cluster->nodes[1].config_match = true;
  std::string page = render_metrics(r, counters());
  EXPECT_TRUE(has(page, "fairlead_node_config_match{node=\"gate-2\"} 1"));
  EXPECT_TRUE(has(page, "fairlead_node_file_match{node=\"gate-2\"} 0"));
  EXPECT_TRUE(has(page, "fairlead_node_file_match{node=\"gate-1\"} 1"));
  EXPECT_EQ(samples(page)["fairlead_node_file_match"], 2) << "the third one is offline";
  r.cluster->nodes[1].digest->config_hash = r.config_hash;
  page = render_metrics(r, counters());
  EXPECT_TRUE(has(page, "fairlead_node_file_match{node=\"gate-2\"} 1"));
  r.cluster->nodes[1].digest.reset();
  EXPECT_EQ(samples(render_metrics(r, counters()))["fairlead_node_file_match"], 1) << "nothing was heard yet";
}

TEST(Metrics, NothingIsSaidOfDhcpWithoutItAndNothingOfDnsmasqWhileItIsSilent) {
  NodeReport r = everything();
  const std::string page = render_metrics(r, counters());
  EXPECT_TRUE(has(page, "fairlead_dhcp_dnsmasq_ready 1")) << page;
  EXPECT_TRUE(has(page, "fairlead_dhcp_pool_leased{network=\"mast\"} 93"));
  EXPECT_TRUE(has(page, "fairlead_dhcp_leases{network=\"mast\",state=\"released\"} 4"));
  EXPECT_TRUE(has(page, "fairlead_dhcp_messages_total{type=\"decline\"} 1"));
  EXPECT_TRUE(has(page, "fairlead_dns_queries_total{answer=\"forwarded\"} 1200"));
  EXPECT_EQ(samples(page)["fairlead_dhcp_pool_addresses"], 1) << "the other network has no pool";

  r.dhcp->dnsmasq.state = DnsmasqState::kRestarting;
  r.dhcp->counters.reset();
  auto found = samples(render_metrics(r, counters()));
  EXPECT_TRUE(has(render_metrics(r, counters()), "fairlead_dhcp_dnsmasq_ready 0"));
  EXPECT_EQ(found.count("fairlead_dns_queries_total"), 0U);
  EXPECT_EQ(found.count("fairlead_dhcp_messages_total"), 0U);
  EXPECT_EQ(found["fairlead_dhcp_serving"], 2);

  r.dhcp.reset();
  for (const auto& [name, count] : samples(render_metrics(r, counters())))
    EXPECT_FALSE(name.starts_with("fairlead_dhcp_") || name.starts_with("fairlead_dns_")) << name;
}

// One such byte, and Prometheus takes nothing of the page.
TEST(Metrics, LabelValuesThatAreNoUtf8AreMadeSo) {
  auto report = testing::sample_report();
  report.config_file = "/etc/caf\xE9/\xC3\xBC.yaml";
  EXPECT_NE(render_metrics(report, {}).find("file=\"/etc/caf\xEF\xBF\xBD/\xC3\xBC.yaml\""), std::string::npos);
}

TEST(Metrics, LabelValuesAreEscaped) {
  NodeReport r = testing::sample_report();
  r.config_file = "/etc/\"odd\"\\\n.yaml";
  EXPECT_NE(render_metrics(r, {}).find("file=\"/etc/\\\"odd\\\"\\\\\\n.yaml\""), std::string::npos);
}

}  // namespace
}  // namespace fairlead::admin
