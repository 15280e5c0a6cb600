// Bad clients: garbage, too much, too slow, too many. None of them may cost more than its own connection.
#include <boost/json.hpp>
#include <grp.h>

#include "base/prng.h"
#include "tests/contract/admin/watch_client.h"

namespace fairlead::admin {
namespace {

using testing::eventually;
using testing::RawClient;
using namespace std::string_literals;

class ApiLimitsTest : public testing::ApiFixture {};

TEST_F(ApiLimitsTest, GarbageIsAnsweredWithAProblemOrTheDoor) {
  start();
  const std::vector<std::string> requests{
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s,
      "GARBAGE\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET /livez HTTP/1.1\r\nHost x\r\n\r\n",
      "GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
      "GET /livez HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
      "POST /api/v1/reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "GET /liv\0z HTTP/1.1\r\n\r\n"s,
      "GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\r\n\r\n\r\n",
      "",
  };
  for (const auto& request : requests) {
    auto client = RawClient::unix_socket(options.socket);
    ASSERT_TRUE(client.send(request));
    client.finish_sending();
    const std::string answer = client.read_all();
    EXPECT_TRUE(client.ended) << request;
    if (!answer.empty()) {
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << request << " -> " << answer;
      EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
    }
  }
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(ApiLimitsTest, WhatHttpForbidsIsRefused) {
  start();
  const auto ask = [&](const std::string& request) {
    auto client = RawClient::unix_socket(options.socket);
    EXPECT_TRUE(client.send(request));
    return client.read_all();
  };
  const std::string close = "Connection: close\r\n\r\n";
  for (const std::string hosts : {"", "Host: localhost\r\nHost: localhost\r\n", "Host: localhost\r\nHost: evil.example\r\n"}) {
    const std::string answer = ask("GET /api/v1/vips HTTP/1.1\r\n" + hosts + "\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << hosts << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
    EXPECT_NE(answer.find("Host line"), std::string::npos) << answer;
  }
  EXPECT_TRUE(ask("GET /livez HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200")) << "a probe of old";
  EXPECT_TRUE(ask("GET /livez HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ask("GET http://localhost:9440/api/v1/vips HTTP/1.1\r\nHost: evil.example\r\n" + close).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(ask("GET http://evil.example/api/v1/vips HTTP/1.1\r\nHost: localhost\r\n" + close).starts_with("HTTP/1.1 421"));
  EXPECT_TRUE(ask("GET http://evil.example?/ HTTP/1.1\r\nHost: localhost\r\n" + close).starts_with("HTTP/1.1 4"));
  EXPECT_TRUE(ask("POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 501"));
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(ApiLimitsTest, RandomBytesNeverHurt) {
  start();
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Prng random(seed);
    std::string bytes = seed % 2 == 0 ? "GET /livez HTTP/1.1\r\n" : "";
    for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random.next());
    auto client = RawClient::unix_socket(options.socket);
    // The server may hang up on the first bytes already.
    (void)client.send(bytes);
    client.finish_sending();
    (void)client.read_all();
    EXPECT_TRUE(client.ended) << "seed " << seed;
  }
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
}

TEST_F(ApiLimitsTest, AnOversizedHeaderIs431) {
  start();
  auto client = RawClient::unix_socket(options.socket);
  (void)client.send("GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: " + std::string(20000, 'a') + "\r\n\r\n");
  EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 431"));

  auto endless = RawClient::unix_socket(options.socket);
  (void)endless.send("GET /" + std::string(200000, 'a'));
  EXPECT_TRUE(endless.read_all().starts_with("HTTP/1.1 431"));
}

TEST_F(ApiLimitsTest, ALargeButAllowedHeaderPasses) {
  start();
  auto client = RawClient::unix_socket(options.socket);
  ASSERT_TRUE(client.send("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Big: " + std::string(15000, 'a') + "\r\n\r\n"));
  EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 200"));
}

TEST_F(ApiLimitsTest, AnOversizedBodyIs413) {
  start();
  std::ofstream(folder / "body") << std::string(70000, ' ');
  const std::string send =
      "-X POST -H 'Content-Type: application/json' -o /dev/null -w '%{http_code}' --data-binary @" + (folder / "body").string();
  EXPECT_EQ(curl(send, "/api/v1/reload").output, "413");
  EXPECT_EQ(curl(send + " -H 'Transfer-Encoding: chunked'", "/api/v1/reload").output, "413");
  EXPECT_TRUE(node.commands().empty());

  std::ofstream(folder / "body") << "{\"dry_run\":true}" + std::string(60000, ' ');
  EXPECT_EQ(curl(send, "/api/v1/reload").output, "200");
  EXPECT_EQ(curl(send + " -H 'Expect: 100-continue'", "/api/v1/reload").output, "200");
}

TEST_F(ApiLimitsTest, ASlowClientIsClosedAtItsDeadlineAndOthersDoNotNotice) {
  options.limits.request = std::chrono::milliseconds(150);
  start();
  auto slow = RawClient::tcp(server->tcp_port());
  ASSERT_TRUE(slow.connected());
  const SystemClock clock;
  const Instant begun = clock.now();
  std::thread drip([&] {
    // One byte every 10 ms would take 10 s: the deadline is for the whole request.
    const std::string request = "GET /livez HTTP/1.1\r\nX: " + std::string(1000, 'a');
    for (const char c : request) {
      if (!slow.send(std::string_view(&c, 1))) return;
      ::poll(nullptr, 0, 10);
    }
  });
  EXPECT_EQ(curl_tcp("", "/livez").output, "ok\n");
  (void)slow.read_all();
  const Duration took = clock.now() - begun;
  drip.join();

  EXPECT_TRUE(slow.ended);
  EXPECT_LT(to_ms(took), 5000);
  EXPECT_NE(curl("", "/metrics").output.find("fairlead_api_slow_clients_total 1\n"), std::string::npos);
}

TEST_F(ApiLimitsTest, AnIdleConnectionIsClosed) {
  options.limits.idle = std::chrono::milliseconds(50);
  start();
  auto silent = RawClient::unix_socket(options.socket);
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_TRUE(silent.ended);

  auto used = RawClient::unix_socket(options.socket);
  ASSERT_TRUE(used.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(used.read_all().starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(used.ended);
}

TEST_F(ApiLimitsTest, AClientThatDoesNotTakeItsAnswerIsClosed) {
  options.limits.request = std::chrono::milliseconds(150);
  node.set_config(std::string(32U << 20U, 'x'));
  start();
  auto client = RawClient::unix_socket(options.socket);
  ASSERT_TRUE(client.send("GET /api/v1/config HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(eventually([&] { return curl("", "/metrics").output.find("fairlead_api_slow_clients_total 1\n") != std::string::npos; }));
}

TEST_F(ApiLimitsTest, TooManyConnectionsAreShedAndCountedAndTheNextOnesWelcome) {
  options.limits.tcp_connections = 5;
  options.limits.watchers = 5;
  start();
  std::vector<testing::WatchClient> watchers;  // Who is sent news all the time is not one that waits.
  for (int i = 0; i < 5; ++i) {
    watchers.emplace_back(RawClient::tcp(server->tcp_port()));
    ASSERT_TRUE(watchers.back().open().starts_with("HTTP/1.1 101"));
  }
  auto refused = RawClient::tcp(server->tcp_port());
  EXPECT_EQ(refused.read_all(), "");
  EXPECT_TRUE(refused.ended);
  EXPECT_EQ(curl("", "/livez").output, "ok\n") << "TCP clients used up the socket's share";
  EXPECT_TRUE(counted("fairlead_api_shed_connections_total 1"));
  ASSERT_EQ(events.of(MessageId::ADMIN_CLIENT_REFUSED).size(), 1U);
  EXPECT_EQ(events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("error"), "all 5 places it may have are taken");
  EXPECT_TRUE(events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("peer").starts_with("tcp 127.0.0.1:"));

  watchers.clear();
  EXPECT_TRUE(eventually([&] { return curl_tcp("", "/livez").output == "ok\n"; }));
}

// Kept-alive connections without TLS: nobody is an operator there, and a probe must not find the door shut.
TEST_F(ApiLimitsTest, WithoutTlsWhoWaitsLongestMakesRoom) {
  options.limits.tcp_connections = 4;
  options.limits.idle = std::chrono::minutes(5);
  start();
  const auto asks = [](RawClient& client) {
    return client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") && client.read_until("ok\n").find("ok\n") != std::string::npos;
  };
  std::vector<RawClient> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(RawClient::tcp(server->tcp_port()));
    ASSERT_TRUE(asks(idle.back()));
  }
  ASSERT_TRUE(asks(idle[0])) << "the oldest connection, and used just now";
  EXPECT_EQ(curl_tcp("", "/readyz").output, "ok\n");
  EXPECT_EQ(idle[1].read_all(), "");
  EXPECT_TRUE(idle[1].ended) << "it waited longest";
  EXPECT_TRUE(idle[0].is_open_and_silent());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(curl_tcp("", "/readyz").output, "ok\n");
  EXPECT_TRUE(counted("fairlead_api_shed_connections_total 0"));
  ASSERT_EQ(events.of(MessageId::ADMIN_CLIENT_REFUSED).size(), 1U) << "once a minute";
  EXPECT_EQ(events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("error"), "all places are taken, and it waited longest");
}

// Likewise those that asked once and are in the middle of the next request, or do not take their answer.
TEST_F(ApiLimitsTest, WithoutTlsSlowClientsLockNobodyOut) {
  options.limits.tcp_connections = 3;
  options.limits.request = std::chrono::minutes(5);
  node.set_config(std::string(32U << 20U, 'x'));
  start();
  std::vector<RawClient> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(RawClient::tcp(server->tcp_port()));
    ASSERT_TRUE(slow.back().send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
    ASSERT_NE(slow.back().read_until("ok\n").find("ok\n"), std::string::npos);
    ASSERT_TRUE(slow.back().send(i == 0 ? "GET /api/v1/config HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /liv"));
  }
  ASSERT_FALSE(slow[0].read_some().empty());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(curl_tcp("", "/readyz").output, "ok\n");
  EXPECT_TRUE(counted("fairlead_api_shed_connections_total 0"));
}

TEST_F(ApiLimitsTest, ListsThatNobodyTakesAreBounded) {
  std::vector<ConnectionInfo> many(10000);
  for (auto& one : many) one = {"0-12", "kube-api", "10.0.0.9:5000", "masters", "mast-1", "10.0.0.1:4000", "open", 1.5, 0.25, {10, 20}};
  node.set_connections(std::move(many));
  start();
  std::vector<RawClient> greedy;
  for (int i = 0; i < 30; ++i) {
    greedy.push_back(RawClient::unix_socket(options.socket));
    ASSERT_TRUE(greedy.back().send("GET /api/v1/connections?limit=10000 HTTP/1.1\r\nHost: x\r\n\r\n"));
  }
  const auto listed = [&] { return curl("-o /dev/null -w '%{http_code}'", "/api/v1/connections?limit=10000").output; };
  EXPECT_TRUE(eventually([&] { return listed() == "503"; }));
  EXPECT_EQ(curl("", "/readyz").output, "ok\n");
  greedy.clear();
  EXPECT_TRUE(eventually([&] { return listed() == "200"; })) << "what was held for them is given back";
}

TEST_F(ApiLimitsTest, WhoHasAskedNothingMakesRoomTheOldestFirst) {
  options.limits.tcp_connections = 3;
  options.limits.idle = std::chrono::minutes(5);
  start();
  std::vector<RawClient> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(RawClient::tcp(server->tcp_port()));
  ASSERT_TRUE(eventually([&] { return counted("fairlead_api_connections{way=\"tcp\"} 3"); }));

  auto asks = RawClient::tcp(server->tcp_port());
  ASSERT_TRUE(asks.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_NE(asks.read_until("ok\n").find("ok\n"), std::string::npos);
  EXPECT_EQ(silent[0].read_all(), "");
  EXPECT_TRUE(silent[0].ended);
  EXPECT_TRUE(silent[1].is_open_and_silent());
  EXPECT_TRUE(silent[2].is_open_and_silent());

  for (int i = 0; i < 20; ++i) silent.push_back(RawClient::tcp(server->tcp_port()));
  EXPECT_TRUE(eventually([&] { return counted("fairlead_api_evicted_connections_total 21"); }));
  EXPECT_TRUE(counted("fairlead_api_connections{way=\"tcp\"} 3"));
  EXPECT_TRUE(counted("fairlead_api_shed_connections_total 0"));
  EXPECT_TRUE(asks.is_open_and_silent()) << "it has asked: it keeps its place";
  EXPECT_EQ(curl_tcp("", "/livez").output, "ok\n");
  ASSERT_EQ(events.of(MessageId::ADMIN_CLIENT_REFUSED).size(), 1U) << "once a minute";
  EXPECT_NE(events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("error").find("places"), std::string::npos);
}

TEST_F(ApiLimitsTest, WhoFillsThePlacesPushesOutItsOwnConnections) {
  options.limits.tcp_connections = 4;
  options.limits.idle = std::chrono::minutes(5);
  start();
  auto first = RawClient::tcp(server->tcp_port(), 1);
  std::vector<RawClient> flood;
  for (int i = 0; i < 50; ++i) flood.push_back(RawClient::tcp(server->tcp_port(), 2));
  ASSERT_TRUE(eventually([&] { return counted("fairlead_api_evicted_connections_total 47"); }));
  EXPECT_TRUE(first.is_open_and_silent()) << "the oldest of all, and the only one of its address";
  ASSERT_TRUE(first.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_NE(first.read_until("ok\n").find("ok\n"), std::string::npos);
}

TEST_F(ApiLimitsTest, ACallThatBreaksCostsItsConnectionAndNoPlaceForever) {
  options.limits.unix_connections = 2;
  options.limits.unix_reserved = 0;
  start();
  node.break_report(5);
  for (int i = 0; i < 5; ++i) {
    auto client = RawClient::unix_socket(options.socket);
    ASSERT_TRUE(client.send("GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_EQ(client.read_all(), "");
    EXPECT_TRUE(client.ended);
  }
  EXPECT_EQ(node.still_broken(), 0) << "all five came in";
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
}

TEST_F(ApiLimitsTest, ReadersCannotLockOperatorsOut) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  options.limits.unix_connections = 4;
  options.limits.unix_reserved = 2;
  start();
  // Another user takes what there is and holds it until we close the pipe. Only system calls after fork: we have threads.
  std::array<int, 2> told{};
  std::array<int, 2> hold{};
  ASSERT_EQ(::pipe(told.data()), 0);
  ASSERT_EQ(::pipe(hold.data()), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  options.socket.copy(address.sun_path, sizeof address.sun_path - 1);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = ::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0 ? 'y' : 'n';
    for (int i = 0; i < 8; ++i) {
      if (::connect(::socket(AF_UNIX, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) byte = 'n';
    }
    ::close(hold[1]);
    const bool said = ::write(told[1], &byte, 1) == 1;
    ::_exit(said && ::read(hold[0], &byte, 1) == 0 ? 0 : 1);
  }
  ASSERT_GT(child, 0);
  char answer = 'n';
  EXPECT_EQ(::read(told[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');

  EXPECT_TRUE(eventually([&] { return curl("", "/metrics").output.find("fairlead_api_shed_connections_total 6\n") != std::string::npos; }));
  ASSERT_EQ(events.of(MessageId::ADMIN_CLIENT_REFUSED).size(), 1U) << "once a minute";
  EXPECT_EQ(events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("error"), "all 2 places it may have are taken");

  ::close(hold[1]);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int fd : {hold[0], told[0], told[1]}) ::close(fd);
}

TEST_F(ApiLimitsTest, ManyClientsAtOnceAreAllAnswered) {
  start();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        auto client = RawClient::unix_socket(options.socket);
        if (client.send("GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") &&
            client.read_all().starts_with("HTTP/1.1 200"))
          ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
  EXPECT_TRUE(eventually([&] {
    return curl("", "/metrics").output.find("fairlead_api_connections{way=\"unix\"} 1\n") != std::string::npos;
  })) << "connections leak";
}

}  // namespace
}  // namespace fairlead::admin
