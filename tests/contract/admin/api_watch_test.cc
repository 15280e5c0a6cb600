// /api/v1/watch as its clients see it: good ones, slow ones, hostile ones.
#include "base/prng.h"
#include "tests/contract/admin/watch_client.h"

namespace fairlead::admin {
namespace {

using testing::eventually;
using testing::Opcode;
using testing::RawClient;
using testing::WatchClient;

class ApiWatchTest : public testing::ApiFixture {
 protected:
  [[nodiscard]] WatchClient over_unix() const { return WatchClient(RawClient::unix_socket(options.socket)); }
  [[nodiscard]] WatchClient over_tcp() const { return WatchClient(RawClient::tcp(server->tcp_port())); }
  /// A watcher that has had its hello.
  [[nodiscard]] WatchClient watching(const std::string& query = "") const {
    auto out = over_unix();
    EXPECT_TRUE(out.open("/api/v1/watch" + query).starts_with("HTTP/1.1 101"));
    EXPECT_TRUE(out.next("hello"));
    return out;
  }
  [[nodiscard]] bool metrics_have(const std::string& line) const {
    return curl("", "/metrics").output.find(line + "\n") != std::string::npos;
  }
  static EventInfo event(std::uint64_t sequence) {
    return {sequence, "2026-01-01T00:00:00.000Z", "SERVER_DOWN", "warning", {{"server", "a"}}};
  }
  /// So large that no socket buffer takes it.
  static NodeReport large_report() {
    auto report = testing::sample_report();
    report.engine_reason = std::string(16U << 20U, 'x');
    return report;
  }
};

TEST_F(ApiWatchTest, SaysHelloThenTheStatusThenNewEventsInTheirOrder) {
  node.set_events({event(1), event(2)});
  start();
  auto client = over_unix();
  const auto head = client.open();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
  EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << head;

  const auto hello = client.read();
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->json().at("type"), "hello");
  EXPECT_EQ(hello->json().at("node"), "gate-1");
  EXPECT_EQ(hello->json().at("version"), "0.1.0");
  EXPECT_EQ(hello->json().at_pointer("/caller/role"), "operator");
  const auto status = client.read();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->json().at("type"), "status");
  EXPECT_EQ(status->json().at("status"), boost::json::parse(curl("", "/api/v1/status").output)) << "exactly as /api/v1/status";

  node.set_events({event(1), event(2), event(3), event(4)});
  for (const int sequence : {3, 4}) {
    const auto next = client.next("event");
    ASSERT_TRUE(next);
    EXPECT_EQ(next->at_pointer("/event/sequence"), sequence);
    EXPECT_EQ(next->at_pointer("/event/fields/server"), "a");
  }
}

TEST_F(ApiWatchTest, OverPlainTcpTheCallerIsAViewer) {
  start();
  auto client = over_tcp();
  EXPECT_TRUE(client.open().starts_with("HTTP/1.1 101"));
  EXPECT_EQ(client.next("hello")->at_pointer("/caller/role"), "viewer");
  EXPECT_TRUE(client.next("status"));
}

TEST_F(ApiWatchTest, AChangedHolderIsToldAtOnceACounterOnlyInItsTime) {
  auto report = testing::sample_cluster_report();
  node.set_report(report);
  start();
  auto client = watching("?interval=60s");
  ASSERT_TRUE(client.next("status"));

  report.listeners[0].connections.total += 100;
  report.vips[0].lease_ms -= 100;
  node.set_report(report);
  report.vips[0].holder = "gate-2";
  ASSERT_TRUE(eventually([&] { return metrics_have("fairlead_api_watchers{way=\"unix\"} 1"); }));
  node.set_report(report);
  const auto status = client.next("status");
  ASSERT_TRUE(status) << "nothing within ten seconds";
  EXPECT_EQ(status->at_pointer("/status/vips/0/holder"), "gate-2");
}

TEST_F(ApiWatchTest, StatusesComeAtTheIntervalAskedFor) {
  start();
  auto client = watching("?interval=250ms");
  const SystemClock clock;
  ASSERT_TRUE(client.next("status"));
  const Instant begun = clock.now();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.next("status"));
  EXPECT_GE(to_ms(clock.now() - begun), 500);
}

TEST_F(ApiWatchTest, AfterBringsEarlierEventsAndWhatTheRingNoLongerHasIsCounted) {
  node.set_events({event(5), event(6)});
  start();
  auto all = watching("?after=5");
  EXPECT_EQ(all.next("event")->at_pointer("/event/sequence"), 6);

  auto late = watching("?after=2");
  EXPECT_EQ(late.next("lost")->at("events"), 2);
  EXPECT_EQ(late.next("event")->at_pointer("/event/sequence"), 5);

  auto of_another_life = watching("?after=9000");
  EXPECT_EQ(of_another_life.next("event")->at_pointer("/event/sequence"), 5);
}

TEST_F(ApiWatchTest, WithoutAfterEventsComeFromNowOnHoweverMuchTheRingHolds) {
  for (const std::uint64_t size : {0U, 1U, 2U, 3U, 64U, 1000U}) {
    std::vector<EventInfo> kept;
    for (std::uint64_t i = 1; i <= size; ++i) kept.push_back(event(7000 + i));
    node.set_events(kept);
    start();
    auto client = over_unix();
    ASSERT_TRUE(client.open().starts_with("HTTP/1.1 101"));
    EXPECT_EQ(client.next("hello")->at("after"), size == 0 ? 0 : 7000 + size) << size;
  }
}

TEST_F(ApiWatchTest, WhatIsNoHandshakeIsAProblem) {
  start();
  const auto plain = curl("-i", "/api/v1/watch").output;
  EXPECT_TRUE(plain.starts_with("HTTP/1.1 426")) << plain;
  EXPECT_NE(plain.find("Upgrade: websocket"), std::string::npos);
  EXPECT_NE(plain.find("application/problem+json"), std::string::npos);

  const auto answer_to = [&](const std::string& text) {
    auto client = RawClient::unix_socket(options.socket);
    EXPECT_TRUE(client.send(text));
    client.finish_sending();
    return client.read_all().substr(0, 12);
  };
  const auto good = WatchClient::handshake_text("/api/v1/watch");
  const auto with = [&](const std::string& what, const std::string& by) {
    std::string out = good;
    return out.replace(out.find(what), what.size(), by);
  };
  EXPECT_EQ(answer_to(with("Version: 13", "Version: 12")), "HTTP/1.1 426");
  EXPECT_EQ(answer_to(with("dGhlIHNhbXBsZSBub25jZQ==", "short")), "HTTP/1.1 400");
  EXPECT_EQ(answer_to(with("Host: localhost:9440\r\n", "Host: localhost:9440\r\nOrigin: http://evil.example\r\n")), "HTTP/1.1 403");
  EXPECT_EQ(answer_to(with("Host: localhost:9440\r\n", "Host: localhost:9440\r\nOrigin: null\r\n")), "HTTP/1.1 403");
  EXPECT_EQ(answer_to(with("localhost:9440", "rebound.evil.example:9440")), "HTTP/1.1 421");
  EXPECT_EQ(answer_to(with("/api/v1/watch", "/api/v1/watch?interval=5")), "HTTP/1.1 400");
  EXPECT_EQ(answer_to(with("/api/v1/watch", "/api/v1/watch?interval=249ms")), "HTTP/1.1 400");
  EXPECT_EQ(answer_to(with("/api/v1/watch", "/api/v1/watch?interval=61s")), "HTTP/1.1 400");
  EXPECT_EQ(answer_to(with("/api/v1/watch", "/api/v1/watch?after=-1")), "HTTP/1.1 400");
  EXPECT_EQ(answer_to(with("/api/v1/watch", "/api/v1/watch?intervall=1s")), "HTTP/1.1 400");
  EXPECT_EQ(answer_to(good + std::string("\x81\x80\0\0\0\0", 6)), "HTTP/1.1 400") << "a frame before the answer";
  EXPECT_EQ(answer_to(with("/api/v1/watch", "/livez")), "HTTP/1.1 200") << "an upgrade nobody offers is ignored";
  EXPECT_TRUE(eventually([&] { return metrics_have("fairlead_api_watchers{way=\"unix\"} 0"); }));
}

TEST_F(ApiWatchTest, OurOwnPageMayWatch) {
  start();
  auto client = over_tcp();
  EXPECT_TRUE(client.open("/api/v1/watch", "Origin: http://localhost:9440\r\n").starts_with("HTTP/1.1 101"));
}

TEST_F(ApiWatchTest, PingsAreAnsweredAndAFewMessagesIgnored) {
  start();
  std::optional<WatchClient> gone;  // Closes its end only when the test says so: the server waits for that, for a bounded time.
  auto& client = gone.emplace(watching("?interval=60s"));
  ASSERT_TRUE(client.send(Opcode::kText, "hello?"));
  ASSERT_TRUE(client.send(Opcode::kText, "in ", false));
  ASSERT_TRUE(client.send(Opcode::kContinuation, "parts"));
  ASSERT_TRUE(client.send(Opcode::kPing, "are you there"));
  auto frame = client.read();
  while (frame && frame->opcode == Opcode::kText) frame = client.read();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->opcode, Opcode::kPong);
  EXPECT_EQ(frame->payload, "are you there");

  ASSERT_TRUE(client.send(Opcode::kClose, std::string("\x03\xe8", 2)));
  EXPECT_EQ(client.close_code(), 1000U);
  gone.reset();
  EXPECT_TRUE(eventually([&] { return metrics_have("fairlead_api_watchers{way=\"unix\"} 0"); }));
}

TEST_F(ApiWatchTest, AFloodOfMessagesOrPingsIsClosed) {
  start();
  for (const Opcode kind : {Opcode::kText, Opcode::kPing}) {
    auto client = watching("?interval=60s");
    for (int i = 0; i < 100; ++i) (void)client.send(kind, "x");  // It may hang up while we talk.
    EXPECT_EQ(client.close_code(), 1008U);
  }
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
}

// A library makes one message of them, or none.
TEST_F(ApiWatchTest, AFloodOfContinuationsIsClosedTheyMayBeEmpty) {
  start();
  for (const std::string payload : {"", "x"}) {
    auto client = watching("?interval=60s");
    for (int i = 0; i < 100; ++i) (void)client.send(i == 0 ? Opcode::kText : Opcode::kContinuation, payload, /*fin=*/false);
    EXPECT_EQ(client.close_code(), 1008U) << payload;
  }
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
}

TEST_F(ApiWatchTest, AMessageOfMoreThan4KiBIsClosed) {
  start();
  auto client = watching("?interval=60s");
  ASSERT_TRUE(client.send(Opcode::kText, std::string(4096, 'a')));
  ASSERT_TRUE(client.send(Opcode::kText, std::string(4097, 'a')));
  EXPECT_EQ(client.close_code(), 1009U);

  auto parts = watching("?interval=60s");
  for (int i = 0; i < 4; ++i) (void)parts.send(i == 0 ? Opcode::kText : Opcode::kContinuation, std::string(2000, 'a'), false);
  EXPECT_EQ(parts.close_code(), 1009U);
}

TEST_F(ApiWatchTest, FramesThatAreNoneAreClosedAsSuch) {
  start();
  for (const std::string& bytes : {std::string("\x81\x02hi", 4), std::string("\xf1\x80\0\0\0\0", 6), std::string("\x83\x80\0\0\0\0", 6),
                                   std::string("\x89\xfe\x01\0\0\0\0\0", 8), std::string("\x80\x80\0\0\0\0", 6)}) {
    auto client = watching("?interval=60s");
    ASSERT_TRUE(client.send_raw(bytes));
    EXPECT_EQ(client.close_code(), 1002U);
  }
}

TEST_F(ApiWatchTest, RandomFramesNeverHurt) {
  start();
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Prng random(seed);
    auto client = watching("?interval=250ms");
    std::string bytes;
    for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random.next());
    (void)client.send_raw(bytes);
    client.finish_sending();
    while (client.read()) {}
    EXPECT_TRUE(client.ended) << "seed " << seed;
  }
  EXPECT_TRUE(eventually([&] { return metrics_have("fairlead_api_connections{way=\"unix\"} 1"); })) << "connections leak";
  EXPECT_TRUE(metrics_have("fairlead_api_watchers{way=\"unix\"} 0"));
}

TEST_F(ApiWatchTest, AClientThatTakesNothingIsClosedAndNobodyElseNotices) {
  options.limits.request = std::chrono::milliseconds(150);
  node.set_report(large_report());
  start();
  auto client = over_unix();
  ASSERT_TRUE(client.open().starts_with("HTTP/1.1 101"));
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
  EXPECT_TRUE(eventually([&] { return metrics_have("fairlead_api_slow_clients_total 1"); }));
  EXPECT_TRUE(metrics_have("fairlead_api_watchers{way=\"unix\"} 0"));
}

TEST_F(ApiWatchTest, WhoReadsLateGetsTheNewestStatusNotAllOfThem) {
  node.set_report(large_report());
  start();
  auto client = watching("?interval=250ms");
  auto report = large_report();
  // Meanwhile the first status is stuck in its client's socket.
  for (std::uint64_t i = 1; i <= 20; ++i) {
    report.config_reloads = i;
    node.set_report(report);
    ASSERT_EQ(curl("", "/livez").output, "ok\n");
  }
  int statuses = 0;
  for (std::optional<boost::json::value> status; !status || status->at_pointer("/status/config/reloads") != 20; ++statuses) {
    status = client.next("status");
    ASSERT_TRUE(status);
  }
  EXPECT_LE(statuses, 3) << "the stuck one, the newest of the last tick, the newest";
}

TEST_F(ApiWatchTest, ADeadPeerIsFoundByPingsALivingOneStays) {
  options.limits.idle = std::chrono::milliseconds(400);
  start();
  auto dead = watching("?interval=60s");
  auto alive = watching("?interval=60s");
  for (int i = 0; i < 4; ++i) {  // Twice the idle time: two pings a time.
    auto frame = alive.read();
    while (frame && frame->opcode != Opcode::kPing) frame = alive.read();
    ASSERT_TRUE(frame);
    ASSERT_TRUE(alive.send(Opcode::kPong, frame->payload));
  }
  while (dead.read()) {}
  EXPECT_TRUE(dead.ended);
  EXPECT_TRUE(metrics_have("fairlead_api_watchers{way=\"unix\"} 1"));
}

TEST_F(ApiWatchTest, WatchersHaveALimitOfTheirOwnAndOtherCallsGoOn) {
  options.limits.watchers = 2;
  start();
  {
    auto first = watching();
    auto second = watching();
    auto third = over_unix();
    EXPECT_TRUE(third.open().starts_with("HTTP/1.1 503"));
    EXPECT_TRUE(over_tcp().open().starts_with("HTTP/1.1 101")) << "the other way in has its own";
    EXPECT_EQ(curl("-X POST -o /dev/null -w '%{http_code}'", "/api/v1/reload").output, "200");
  }
  EXPECT_TRUE(eventually([&] { return over_unix().open().starts_with("HTTP/1.1 101"); }));
}

TEST_F(ApiWatchTest, ATickThatFailsIsFollowedByTheNext) {
  auto report = testing::sample_report();
  start();
  auto client = watching("?interval=250ms");
  ASSERT_TRUE(client.next("status"));
  node.break_report(2);
  ASSERT_TRUE(eventually([&] { return node.still_broken() == 0; }));

  report.config_reloads = 77;
  node.set_report(report);
  std::optional<boost::json::value> status;
  while ((status = client.next("status")) && status->at_pointer("/status/config/reloads") != 77) {}
  EXPECT_TRUE(status) << "no news within ten seconds";
}

TEST_F(ApiWatchTest, AtShutdownWatchersAreToldAndOneThatDoesNotAnswerDelaysNothing) {
  start();
  auto client = watching();
  auto deaf = watching();
  const SystemClock clock;
  const Instant begun = clock.now();
  server->stop();
  EXPECT_LT(to_ms(clock.now() - begun), 5000);
  EXPECT_EQ(client.close_code(), 1001U);
  EXPECT_EQ(deaf.close_code(), 1001U);
}

TEST_F(ApiWatchTest, BeforeTheFirstReportItSaysThatItStarts) {
  node.no_report();
  start();
  EXPECT_TRUE(over_unix().open().starts_with("HTTP/1.1 503"));
}

TEST_F(ApiWatchTest, TheDashboardIsServedWithItsTagAndItsPolicy) {
  start();
  const auto page = curl("-i", "/").output;
  EXPECT_TRUE(page.starts_with("HTTP/1.1 200")) << page;
  EXPECT_NE(page.find("Content-Security-Policy: default-src 'none'; script-src 'self'"), std::string::npos);
  EXPECT_NE(page.find("Cache-Control: no-cache\r\n"), std::string::npos);
  const auto tag = page.find("ETag: ");
  ASSERT_NE(tag, std::string::npos);
  const std::string etag = page.substr(tag + 6, page.find('\r', tag) - tag - 6);
  const auto again = curl("-i -H 'If-None-Match: \"other\", W/" + etag + "'", "/").output;
  EXPECT_TRUE(again.starts_with("HTTP/1.1 304")) << again;
  EXPECT_TRUE(again.ends_with("\r\n\r\n")) << "no body";
  EXPECT_EQ(again.find("Content-Length"), std::string::npos);
  EXPECT_NE(again.find("ETag: " + etag), std::string::npos);
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}'", "/app.js").output, "200");
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}'", "/nothing.js").output, "404");
}

}  // namespace
}  // namespace fairlead::admin
