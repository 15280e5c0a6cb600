// The API as a client sees it: ways in, rights, answers, life and death of the server.
#include <boost/json.hpp>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

#include "admin/api_sockets.h"
#include "admin/metrics.h"
#include "base/sockaddr.h"
#include "tests/contract/admin/api_fixture.h"
#include "tests/support/few_descriptors.h"

namespace fairlead::admin {
namespace {

using testing::eventually;
using testing::RawClient;
using testing::run;

class ApiServerTest : public testing::ApiFixture {};

constexpr const char* kStatusLine = "-o /dev/null -w '%{http_code}'";

TEST_F(ApiServerTest, AnswersOverTheSocketAndOverTcp) {
  start();
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
  EXPECT_EQ(curl_tcp("", "/livez").output, "ok\n");
  EXPECT_EQ(boost::json::parse(curl("", "/api/v1/status").output).at("node"), "gate-1");
  EXPECT_EQ(boost::json::parse(curl_tcp("", "/api/v1/status").output).at("node"), "gate-1");
}

TEST_F(ApiServerTest, MakesItsDirectoryAndASocketEverybodyMayReach) {
  start();
  struct stat info {};
  ASSERT_EQ(::stat(options.socket.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777U, 0666U);

  server->stop();
  EXPECT_NE(::stat(options.socket.c_str(), &info), 0) << "the socket file stayed behind";
}

TEST_F(ApiServerTest, ReplacesAStaleSocketButNotALiveOne) {
  std::filesystem::create_directories(folder / "run");
  ASSERT_EQ(run("python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('" + options.socket + "')\"").exit_code, 0);
  start();
  EXPECT_EQ(curl("", "/livez").output, "ok\n");

  ApiServer second(options, node);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::kConflict);
  EXPECT_NE(started.error().context.find(options.socket), std::string::npos);
  second.stop();
  EXPECT_EQ(curl("", "/livez").output, "ok\n") << "the refused one took the first one's socket away";
}

TEST_F(ApiServerTest, AFileInTheWayIsLeftAlone) {
  std::filesystem::create_directories(folder / "run");
  std::ofstream(options.socket) << "precious";
  ApiServer refused(options, node);
  const auto started = refused.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::kConflict);
  EXPECT_EQ(std::filesystem::file_size(options.socket), 8U);
}

TEST_F(ApiServerTest, APathTooLongForTheKernelIsAnError) {
  options.socket = (folder / std::string(200, 'a')).string();
  ApiServer refused(options, node);
  const auto started = refused.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::kInvalidArgument);
}

TEST_F(ApiServerTest, ABusyTcpPortIsAnEventAndTheSocketStillWorks) {
  auto busy = open_tcp_listener({IpAddress::v4({127, 0, 0, 1}), 0});
  ASSERT_TRUE(busy);
  options.listen = local_of(busy->get()).to_string();
  options.listen_retry = std::chrono::milliseconds(20);
  start();
  const auto failures = events.of(MessageId::ADMIN_FAILED);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].at("address"), options.listen);
  EXPECT_FALSE(failures[0].at("hint").empty());
  EXPECT_EQ(server->tcp_port(), 0);
  EXPECT_EQ(curl("", "/livez").output, "ok\n");

  busy->reset();
  EXPECT_TRUE(eventually([&] { return server->tcp_port() != 0; })) << "the freed port was not tried again";
  EXPECT_EQ(curl_tcp("", "/livez").output, "ok\n");
  EXPECT_EQ(events.of(MessageId::ADMIN_FAILED).size(), 1U) << "retries fill the log";
}

TEST_F(ApiServerTest, PlainHttpStaysOnLoopback) {
  for (const char* listen : {"0.0.0.0:0", "[::]:0", "192.0.2.1:9440", "nonsense"}) {
    options.listen = listen;
    start();
    EXPECT_EQ(server->tcp_port(), 0) << listen;
    EXPECT_EQ(curl("", "/livez").output, "ok\n");
    server->stop();
  }
  EXPECT_EQ(events.of(MessageId::ADMIN_FAILED).size(), 4U);
}

TEST_F(ApiServerTest, ListensOnIpv6Loopback) {
  options.listen = "[::1]:0";
  start();
  ASSERT_NE(server->tcp_port(), 0);
  EXPECT_EQ(run("curl -sS --noproxy '*' --max-time 20 'http://[::1]:" + std::to_string(server->tcp_port()) + "/livez'").output, "ok\n");
}

TEST_F(ApiServerTest, OurOwnUserOperatesOverTheSocketAndTheAuditEventSaysWho) {
  start();
  const auto answer =
      curl("-X POST -H 'Content-Type: application/json' -d '{\"state\":\"drain\"}'", "/api/v1/servers/masters/mast-1/state");
  EXPECT_EQ(boost::json::parse(answer.output).at("summary"), "done as asked");
  EXPECT_EQ(node.commands(), std::vector<std::string>{"server masters/mast-1 state drain"});

  const auto audits = events.of(MessageId::COMMAND_DONE);
  ASSERT_EQ(audits.size(), 1U);
  EXPECT_EQ(audits[0].at("command"), "server masters/mast-1 state drain");
  EXPECT_EQ(audits[0].at("by"), user_label(::geteuid()));
  EXPECT_EQ(audits[0].at("result"), "done");
}

TEST_F(ApiServerTest, AnotherUserReadsButDoesNotChange) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  start();
  const std::string as_nobody =
      "setpriv --reuid=65534 --regid=65534 --clear-groups curl -sS --max-time 20 --unix-socket '" + options.socket + "' ";
  EXPECT_EQ(run(as_nobody + "http://localhost/livez").output, "ok\n");
  const auto refused = run(as_nobody + "-X POST http://localhost/api/v1/reload");
  EXPECT_EQ(boost::json::parse(refused.output).at("code"), "permission");
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(ApiServerTest, AMemberOfTheOperatorsGroupMayChange) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  options.operator_group = "daemon";
  const auto group = group_id("daemon");
  ASSERT_TRUE(group) << "this system has no group 'daemon'";
  start();
  const std::string as_member = "setpriv --reuid=65534 --regid=65534 --groups=" + std::to_string(*group) +
                                " curl -sS --max-time 20 --unix-socket '" + options.socket + "' ";
  EXPECT_EQ(run(as_member + "-X POST http://localhost/api/v1/reload -o /dev/null -w '%{http_code}'").output, "200");
  EXPECT_EQ(node.commands(), std::vector<std::string>{"reload"});
}

TEST_F(ApiServerTest, PlainTcpOnlyReads) {
  start();
  EXPECT_EQ(curl_tcp(std::string("-X POST ") + kStatusLine, "/api/v1/reload").output, "403");
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(ApiServerTest, HeadHasTheLengthButNoBody) {
  start();
  const auto head = curl("-I", "/livez");
  EXPECT_NE(head.output.find("HTTP/1.1 200 OK"), std::string::npos) << head.output;
  EXPECT_NE(head.output.find("Content-Length: 3"), std::string::npos) << head.output;
  EXPECT_EQ(head.output.find("ok\n"), std::string::npos) << head.output;
}

TEST_F(ApiServerTest, AWrongMethodIsToldWhichThereAre) {
  start();
  const auto answer = curl("-i -X PUT", "/api/v1/status");
  EXPECT_NE(answer.output.find("405 Method Not Allowed"), std::string::npos) << answer.output;
  EXPECT_NE(answer.output.find("Allow: GET, HEAD"), std::string::npos) << answer.output;
  EXPECT_NE(answer.output.find("application/problem+json"), std::string::npos) << answer.output;
}

TEST_F(ApiServerTest, OneConnectionCarriesManyRequestsAlsoPipelined) {
  start();
  auto client = RawClient::unix_socket(options.socket);
  ASSERT_TRUE(
      client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\nHEAD /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: "
                  "x\r\nConnection: close\r\n\r\n"));
  const std::string answers = client.read_all();
  EXPECT_TRUE(client.ended);
  std::size_t count = 0;
  for (auto at = answers.find("HTTP/1.1 200 OK"); at != std::string::npos; at = answers.find("HTTP/1.1 200 OK", at + 1)) ++count;
  EXPECT_EQ(count, 3U) << answers;
}

TEST_F(ApiServerTest, PromtoolFindsNothingToSayAboutTheMetrics) {
  if (run("command -v promtool").exit_code != 0) GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  auto report = testing::sample_report();
  report.cluster = ClusterStatus{true, "1.2c", 2, "armed", false, {{"gate-1", 1, true, false, "0.1.0", true}}};
  report.vips = {VipStatus{"api", "192.168.4.20/24", "ens192", "held", "gate-1", true, 7, 1850, {}}};
  node.set_report(report);
  start();
  const auto page = curl_tcp("", "/metrics");
  ASSERT_NE(page.output.find("fairlead_build_info"), std::string::npos);
  std::ofstream(folder / "metrics") << page.output;

  const auto checked = run("promtool check metrics < '" + (folder / "metrics").string() + "'");

  EXPECT_EQ(checked.exit_code, 0) << checked.output;
  EXPECT_EQ(checked.output, "");
}

TEST_F(ApiServerTest, ALateAnswerFromAnotherThreadArrives) {
  node.hold();
  start();
  testing::Outcome answer;
  std::thread client([&] { answer = curl("-X POST", "/api/v1/reload"); });
  EXPECT_TRUE(eventually([&] { return node.held() == 1; }));
  EXPECT_EQ(curl("", "/livez").output, "ok\n") << "a waiting command blocks the others";
  node.release_held();
  client.join();
  EXPECT_EQ(boost::json::parse(answer.output).at("summary"), "done as asked");
}

TEST_F(ApiServerTest, ACommandWithoutAnswerIsGivenUpButStillAudited) {
  node.hold();
  options.limits.command = std::chrono::milliseconds(50);
  start();
  EXPECT_EQ(boost::json::parse(curl("-X POST", "/api/v1/reload").output).at("code"), "timeout");
  node.release_held();
  EXPECT_EQ(events.of(MessageId::COMMAND_DONE).size(), 1U);
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
}

TEST_F(ApiServerTest, StopsWhileACommandWaitsAndTheAnswerMayComeAfterItsEnd) {
  node.hold();
  start();
  testing::Outcome answer;
  std::thread client([&] { answer = curl("-X POST", "/api/v1/reload"); });
  EXPECT_TRUE(eventually([&] { return node.held() == 1; }));

  server.reset();
  client.join();
  node.release_held();

  EXPECT_NE(answer.exit_code, 0);
  EXPECT_EQ(events.of(MessageId::COMMAND_DONE).size(), 1U);
}

TEST_F(ApiServerTest, StartsAgainAfterAStop) {
  for (int round = 0; round < 3; ++round) {
    start();
    EXPECT_EQ(curl("", "/livez").output, "ok\n");
    server->stop();
    server->stop();
  }
}

TEST_F(ApiServerTest, ItsDescriptorsAreNotInherited) {
  start();
  auto client = RawClient::unix_socket(options.socket);
  ASSERT_TRUE(client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_NE(client.read_until("ok\n").find("ok\n"), std::string::npos);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename().string());
    std::error_code gone;
    const std::string what = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || what.find("socket:") == std::string::npos) continue;
    EXPECT_TRUE((static_cast<unsigned>(::fcntl(fd, F_GETFD)) & static_cast<unsigned>(FD_CLOEXEC)) != 0) << fd << " " << what;
  }
}

TEST_F(ApiServerTest, WithoutDescriptorsItSaysSoAndLeavesNothingBehind) {
  bool started = false;
  for (rlim_t spare = 0; spare < 16 && !started; ++spare) {
    ApiServer starved(options, node);
    Status status;
    {
      const test::FewDescriptors limit(spare);
      status = starved.start();
    }
    started = status.has_value() && starved.tcp_port() != 0;
    if (!status) { EXPECT_EQ(status.error().code, Errc::kLimitExceeded) << spare << ": " << status.error().message(); }
    starved.stop();
    EXPECT_FALSE(std::filesystem::exists(options.socket)) << spare;
  }
  EXPECT_TRUE(started);
}

TEST_F(ApiServerTest, AChangingCallWithAQueryChangesNothing) {
  start();
  EXPECT_EQ(curl("-X POST -H 'Content-Type: application/json' -d '{\"all\": true}' " + std::string(kStatusLine),
                 "/api/v1/connections/kill?pool=masters")
                .output,
            "400");
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(ApiServerTest, ItsThreadIsCalledAdmin) {
  start();
  EXPECT_EQ(curl("", "/livez").output, "ok\n");
  EXPECT_NE(run("cat /proc/" + std::to_string(::getpid()) + "/task/*/comm").output.find("admin\n"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::admin
