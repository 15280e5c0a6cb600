#include "admin/status_codec.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "tests/contract/admin/fake_node_port.h"

namespace fairlead::admin {
namespace {

NodeReport full_report() { return testing::sample_cluster_report(); }

boost::json::value parsed(const std::string& text) { return boost::json::parse(text); }

TEST(StatusCodec, HasTheShapeOfTheContract) {
  const auto status = parsed(encode_status(full_report()));

  EXPECT_EQ(status.at("node"), "gate-1");
  EXPECT_EQ(status.at("engine"), "io_uring");
  EXPECT_EQ(status.at("ready"), true);
  EXPECT_EQ(status.at("uptime_s").to_number<double>(), 12.5);
  EXPECT_EQ(status.at_pointer("/control_late_us_by_second/2").to_number<int>(), 5518000);
  EXPECT_EQ(status.at_pointer("/cluster/quorate"), true);
  EXPECT_EQ(status.at_pointer("/cluster/nodes/1/config_match"), false);
  EXPECT_EQ(status.at_pointer("/cluster/nodes/1/links/1/link").to_number<int>(), 1);
  EXPECT_EQ(status.at_pointer("/cluster/nodes/1/links/1/up"), false);
  EXPECT_TRUE(status.at_pointer("/cluster/nodes/0/digest").is_null());
  EXPECT_EQ(status.at_pointer("/cluster/nodes/1/digest/age_s").to_number<double>(), 0.5);
  EXPECT_EQ(status.at_pointer("/cluster/nodes/1/digest/ready"), false);
  EXPECT_EQ(status.at_pointer("/cluster/nodes/1/digest/pools/0/down/1"), "mast-2");
  EXPECT_EQ(status.at_pointer("/vips/0/holder"), "gate-1");
  EXPECT_EQ(status.at_pointer("/vips/0/eligible/gate-2/reason"), "no carrier");
  EXPECT_TRUE(status.at_pointer("/vips/1/holder").is_null());
  EXPECT_EQ(status.at_pointer("/vips/1/enabled"), false);
  EXPECT_EQ(status.at_pointer("/cluster/token_ms").to_number<int>(), 800);
  EXPECT_EQ(status.at_pointer("/listeners/0/connections/shed").to_number<int>(), 4);
  EXPECT_EQ(status.at_pointer("/listeners/0/bytes/out").to_number<int>(), 7654321);
  EXPECT_EQ(status.at_pointer("/pools/0/servers/0/state"), "up");
  EXPECT_EQ(status.at_pointer("/pools/0/servers/0/check/duration_ms").to_number<double>(), 4.1);
  EXPECT_EQ(status.at_pointer("/dhcp/dnsmasq/state"), "ready");
  EXPECT_EQ(status.at_pointer("/dhcp/networks/0/pool/1"), "192.168.1.199");
  EXPECT_EQ(status.at_pointer("/dhcp/networks/0/sweep"), "done");
  EXPECT_TRUE(status.at_pointer("/dhcp/networks/1/holder").is_null());
  EXPECT_EQ(status.at_pointer("/dhcp/leases/damaged_lines").to_number<int>(), 2);
  EXPECT_EQ(status.at_pointer("/dhcp/messages/ack").to_number<int>(), 395);
  EXPECT_EQ(status.at_pointer("/dhcp/queries/unanswered").to_number<int>(), 7);
  EXPECT_EQ(status.at_pointer("/dhcp/cache/evictions").to_number<int>(), 11);
}

TEST(StatusCodec, AStandaloneNodeHasNoClusterAndAVipsList) {
  const auto status = parsed(encode_status(testing::sample_report()));

  EXPECT_TRUE(status.at("cluster").is_null());
  EXPECT_TRUE(status.at("dhcp").is_null());
  EXPECT_TRUE(status.at("vips").is_array());
}

TEST(StatusCodec, NodesAreTheClustersOrThisOneAlone) {
  EXPECT_EQ(parsed(encode_nodes(full_report())).at_pointer("/nodes/1/standby"), true);
  const auto alone = parsed(encode_nodes(testing::sample_report()));
  EXPECT_EQ(alone.at_pointer("/nodes/0/name"), "gate-1");
  EXPECT_EQ(alone.at_pointer("/nodes/0/online"), true);
  EXPECT_EQ(parsed(encode_vips(full_report())).at_pointer("/vips/0/name"), "api");
}

TEST(StatusCodec, WhatIsEncodedDecodesToTheSame) {
  auto silent = full_report();  // dnsmasq has not answered yet.
  silent.dhcp->counters.reset();
  silent.dhcp->cache_size.reset();
  silent.dhcp->leases.synchronised_s.reset();
  for (const auto& report : {full_report(), testing::sample_report(), NodeReport{}, silent}) {
    const std::string text = encode_status(report);
    const auto back = decode_status(text);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(encode_status(*back), text);
  }
}

TEST(StatusCodec, NumbersArePrintedAsPeopleWriteThem) {
  NodeReport r;
  r.uptime_s = 12.5;
  EXPECT_NE(encode_status(r).find("\"uptime_s\":12.5,"), std::string::npos);
}

TEST(StatusCodec, BytesThatAreNotUtf8StayValidJson) {
  NodeReport r = testing::sample_report();
  r.pools[0].servers[0].check.detail = "bad \xff\xc3 \x01 \"quoted\" \xe2\x82\xac";

  const auto status = parsed(encode_status(r));

  EXPECT_EQ(status.at_pointer("/pools/0/servers/0/check/detail"), "bad \xEF\xBF\xBD\xEF\xBF\xBD \x01 \"quoted\" \xe2\x82\xac");
}

TEST(StatusCodec, AWrongTypeIsNamedWithItsPath) {
  const auto back = decode_status(R"({"pools":[{"servers":[{},{"weight":"heavy"}]}]})");
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, Errc::kInvalidArgument);
  EXPECT_EQ(back.error().context, "pools[0].servers[1].weight: not a number");
}

TEST(StatusCodec, OddDocumentsAreErrorsNeverACrash) {
  for (const char* text :
       {"", "null", "[]", "{", "{\"pools\":{}}", "{\"pools\":[1]}", "{\"uptime_s\":\"x\"}", "{\"max_connections\":-1}",
        "{\"max_connections\":1.5}", "{\"pools\":[{\"servers\":[{\"state\":\"asleep\"}]}]}", "{\"listeners\":[{\"bind\":[1]}]}",
        "{\"listeners\":[{\"ended_by_code\":{\"--\":\"x\"}}]}", "{\"vips\":[{\"eligible\":{\"a\":1}}]}", "{\"dhcp\":1}",
        "{\"dhcp\":{\"dnsmasq\":{\"state\":\"asleep\"}}}", "{\"dhcp\":{\"networks\":[{\"sweep\":1}]}}",
        "{\"dhcp\":{\"queries\":{\"local\":-1}}}", "{\"dhcp\":{\"leases\":{\"synchronised_s\":\"x\"}}}"}) {
    EXPECT_FALSE(decode_status(text)) << text;
  }
  EXPECT_FALSE(decode_status(std::string(10000, '[')));
  EXPECT_TRUE(decode_status("{\"a_later_key\":1}"));
}

TEST(StatusCodec, EventsAndConnectionsAndResultsSurviveTheTrip) {
  const EventPage events{{{5, "2024-01-02T03:04:05.678Z", "SERVER_DOWN", "warning", {{"pool", "masters"}, {"server", "mast-1"}}}},
                         {"c0ffee", 9}};
  const auto events_back = decode_events(encode_events(events, 0));
  ASSERT_TRUE(events_back);
  EXPECT_EQ(encode_events(*events_back, 0), encode_events(events, 0));
  EXPECT_EQ(events_back->stream.life, "c0ffee");
  EXPECT_EQ(events_back->stream.newest, 9U);
  EXPECT_EQ(parsed(encode_events({}, 17)).at("last").to_number<int>(), 17);
  EXPECT_EQ(parsed(encode_events({events.events, {"c0ffee", 4}}, 0)).at("newest").to_number<int>(), 5) << "events came in between";

  const ConnectionList connections{
      .connections = {{"0-12", "kube-api", "10.0.0.9:5000", "masters", "mast-1", "10.0.0.1:4000", "open", 1.5, 0.25, {10, 20}}},
      .silent_workers = {1, 3}};
  const auto connections_back = decode_connections(encode_connections(connections, 7));
  ASSERT_TRUE(connections_back);
  EXPECT_EQ(encode_connections(*connections_back, 7), encode_connections(connections, 7));
  EXPECT_EQ(connections_back->silent_workers, connections.silent_workers);
  EXPECT_FALSE(decode_connections(R"({"connections":[],"silent_workers":["one"]})"));

  const CommandResult result{"applied", {"+ server a"}, {"proxy.workers"}};
  const auto result_back = decode_result(encode_result(result));
  ASSERT_TRUE(result_back);
  EXPECT_EQ(encode_result(*result_back), encode_result(result));
}

TEST(StatusCodec, ServersCarryTheirPoolsName) {
  const auto list = parsed(encode_servers(testing::sample_report()));
  EXPECT_EQ(list.at("servers").as_array().size(), 3U);
  EXPECT_EQ(list.at_pointer("/servers/2/pool"), "masters");
  EXPECT_EQ(list.at_pointer("/servers/2/name"), "mast-3");
}

}  // namespace
}  // namespace fairlead::admin
