// The prober against servers that behave, misbehave or do nothing at all: tcp and http.
#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/sockaddr.h"
#include "generated/version.h"
#include "tests/contract/health/health_rig.h"
#include "tests/support/few_descriptors.h"

namespace fairlead::lb::test {
namespace {

using config::HealthType;

std::string ok_answer() { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; }

/// A port nobody listens on: bound, so that nobody else gets it either.
Listening closed_port() {
  SocketAddress a = to_sockaddr({IpAddress::v4({127, 0, 0, 1}), 0});
  Listening out{.fd = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), .endpoint = {}};
  EXPECT_EQ(::bind(out.fd.get(), a.get(), a.size), 0);
  out.endpoint = local_of(out.fd.get());
  return out;
}

TEST(HealthProber, TcpIsOkWhenTheServerAccepts) {
  MiniServer server([](Connection& c) { (void)c.wait_closed(); });
  ProbeRig rig;

  const ProbeResult result = rig.probe(server.endpoint(), health_of(HealthType::kTcp));

  EXPECT_EQ(result.outcome, ProbeOutcome::kOk);
  EXPECT_GT(result.duration, 0ns);
  EXPECT_LT(result.duration, 5s);
}

TEST(HealthProber, WithoutDescriptorsItSaysSo) {
  bool made = false;
  for (rlim_t spare = 0; spare < 16 && !made; ++spare) {
    const fairlead::test::FewDescriptors limit(spare);
    const auto prober = HealthProber::make([](ProbeResult) {});
    made = prober.has_value();
    if (!made) { EXPECT_EQ(prober.error().code, Errc::kLimitExceeded) << prober.error().message(); }
  }
  EXPECT_TRUE(made);
}

TEST(HealthProber, WithoutADescriptorForItACheckIsALocalFault) {
  MiniServer server(answering(ok_answer()));
  ProbeRig rig;
  {
    const fairlead::test::FewDescriptors limit(0);
    EXPECT_EQ(rig.probe(server.endpoint(), health_of(HealthType::kHttp)).outcome, ProbeOutcome::kLocal);
  }
  EXPECT_EQ(rig.probe(server.endpoint(), health_of(HealthType::kHttp)).outcome, ProbeOutcome::kOk);
}

TEST(HealthProber, WorksOverIpv6) {
  if (::access("/proc/net/if_inet6", R_OK) != 0) GTEST_SKIP() << "no IPv6 here";
  MiniServer server(answering(ok_answer()), "::1");
  ProbeRig rig;
  EXPECT_EQ(rig.probe(server.endpoint(), health_of(HealthType::kHttp)).outcome, ProbeOutcome::kOk);
}

TEST(HealthProber, NamesARefusedConnect) {
  const Listening nobody = closed_port();
  ProbeRig rig;
  const ProbeResult result = rig.probe(nobody.endpoint, health_of(HealthType::kTcp));
  EXPECT_EQ(result.outcome, ProbeOutcome::kRefused);
  EXPECT_EQ(result.detail, "while connecting: Connection refused (ECONNREFUSED)");
}

TEST(HealthProber, ProbesThePortOfItsOwnWhenOneIsSet) {
  const Listening nobody = closed_port();
  MiniServer server(answering(ok_answer()));
  config::Health health = health_of(HealthType::kHttp);
  health.port = server.endpoint().port;
  ProbeRig rig;
  EXPECT_EQ(rig.probe(nobody.endpoint, health).outcome, ProbeOutcome::kOk);
}

TEST(HealthProber, AnAddressThatIsNotOursAsSourceIsALocalFault) {
  MiniServer server(answering(ok_answer()));
  config::Health health = health_of(HealthType::kTcp);
  health.source = IpAddress::v4({192, 0, 2, 77});
  ProbeRig rig;
  const ProbeResult result = rig.probe(server.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kLocal);
  EXPECT_NE(result.detail.find("health.source 192.0.2.77"), std::string::npos) << result.detail;
}

TEST(HealthProber, ConnectsFromTheConfiguredSource) {
  MiniServer server([](Connection& c) { (void)c.wait_closed(); });
  config::Health health = health_of(HealthType::kTcp);
  health.source = IpAddress::v4({127, 0, 0, 9});  // All of 127/8 is ours.
  const Listening listening = listen_on();
  ProbeRig rig;
  EXPECT_EQ(rig.probe(listening.endpoint, health).outcome, ProbeOutcome::kOk);
  const Fd peer(::accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(peer_of(peer.get()).address, *health.source);
}

TEST(HealthProber, TimesOutInTheConnectWhenNobodyAnswersTheSyn) {
  const Listening full = listen_on("127.0.0.1", 0);
  std::vector<Fd> fillers;  // The accept queue holds one; further SYNs are dropped.
  SocketAddress a = to_sockaddr(full.endpoint);
  for (int i = 0; i < 3; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::connect(fillers.back().get(), a.get(), a.size);
  }
  config::Health health = health_of(HealthType::kTcp);
  health.timeout = 100ms;
  ProbeRig rig;
  const ProbeResult result = rig.probe(full.endpoint, health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kTimeout);
  EXPECT_EQ(result.detail, "more than 100ms while connecting");
}

TEST(HealthProber, AsksWhatTheConfigurationSays) {
  TempDir dir;
  write_file(dir.path("token"), "abc.def\n");
  std::mutex mutex;
  std::vector<std::string> requests;
  MiniServer server([&](Connection& c) {
    const std::string request = c.read_until("\r\n\r\n");
    const std::scoped_lock lock(mutex);
    requests.push_back(request);
    (void)c.write(ok_answer());
  });
  config::Health health = health_of(HealthType::kHttp);
  health.path = "/readyz?verbose";
  health.token_file = dir.path("token");
  ProbeRig rig;

  EXPECT_EQ(rig.probe(server.endpoint(), health, "mast-1.kube.demo").outcome, ProbeOutcome::kOk);
  write_file(dir.path("token"), "renewed");
  health.host = "api.example";
  EXPECT_EQ(rig.probe(server.endpoint(), health, "mast-1.kube.demo").outcome, ProbeOutcome::kOk);

  const std::scoped_lock lock(mutex);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0], "GET /readyz?verbose HTTP/1.1\r\nHost: mast-1.kube.demo:" + std::to_string(server.endpoint().port) +
                             "\r\nUser-Agent: fairlead/" + kVersion +
                             "\r\nAccept: */*\r\nConnection: close\r\nAuthorization: Bearer abc.def\r\n\r\n");
  EXPECT_NE(requests[1].find("\r\nHost: api.example\r\n"), std::string::npos);
  EXPECT_NE(requests[1].find("\r\nAuthorization: Bearer renewed\r\n"), std::string::npos) << "the token file is read anew";
}

TEST(HealthProber, ABadTokenFileIsALocalFaultThatNamesIt) {
  TempDir dir;
  MiniServer server(answering(ok_answer()));
  config::Health health = health_of(HealthType::kHttp);
  health.token_file = dir.path("token");
  ProbeRig rig;
  const auto detail = [&] {
    const ProbeResult result = rig.probe(server.endpoint(), health);
    EXPECT_EQ(result.outcome, ProbeOutcome::kLocal);
    return result.detail;
  };

  EXPECT_EQ(detail(), "health.token_file " + dir.path("token") + ": No such file or directory (ENOENT)");
  write_file(dir.path("token"), "  \n");
  EXPECT_EQ(detail(), "health.token_file " + dir.path("token") + ": is empty");
  write_file(dir.path("token"), "a\r\nX-Evil: 1");
  EXPECT_EQ(detail(), "health.token_file " + dir.path("token") + ": must hold one token of printable characters");
  write_file(dir.path("token"), std::string(100000, 'a'));
  EXPECT_NE(detail().find("is larger than"), std::string::npos);
  ASSERT_TRUE(std::filesystem::remove(dir.path("token")));
  ASSERT_EQ(::mkfifo(dir.path("token").c_str(), 0600), 0);
  EXPECT_EQ(detail(), "health.token_file " + dir.path("token") + ": is not a regular file") << "and does not block";
}

TEST(HealthProber, ABadPathOrHostIsALocalFault) {
  MiniServer server(answering(ok_answer()));
  ProbeRig rig;
  for (const char* path : {"", "readyz", "/a b", "/a\r\nX-Evil: 1"}) {
    config::Health health = health_of(HealthType::kHttp);
    health.path = path;
    EXPECT_EQ(rig.probe(server.endpoint(), health).outcome, ProbeOutcome::kLocal) << path;
  }
  config::Health health = health_of(HealthType::kHttp);
  health.host = "a\r\nX-Evil: 1";
  EXPECT_EQ(rig.probe(server.endpoint(), health).outcome, ProbeOutcome::kLocal);
  EXPECT_EQ(server.accepted(), 0);
}

TEST(HealthProber, ComparesTheStatusWithExpect) {
  MiniServer server(answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
  config::Health health = health_of(HealthType::kHttp);
  ProbeRig rig;

  ProbeResult result = rig.probe(server.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kStatus);
  EXPECT_EQ(result.detail, "403");

  health.expect = {200, 401, 403};
  result = rig.probe(server.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kOk);
  EXPECT_EQ(result.detail, "403");
}

struct Nonsense {
  const char* name;
  std::string answer;
  ProbeOutcome outcome;
  const char* detail;
};
class HealthProberNonsense : public ::testing::TestWithParam<Nonsense> {};

TEST_P(HealthProberNonsense, IsNamedAndNeverOk) {
  MiniServer server([](Connection& c) {
    (void)c.read_until("\r\n\r\n");
    (void)c.write(GetParam().answer);
  });
  ProbeRig rig;
  const ProbeResult result = rig.probe(server.endpoint(), health_of(HealthType::kHttp));
  EXPECT_EQ(result.outcome, GetParam().outcome) << result.detail;
  EXPECT_NE(result.detail.find(GetParam().detail), std::string::npos) << result.detail;
}

INSTANTIATE_TEST_SUITE_P(
    Answers, HealthProberNonsense,
    ::testing::Values(Nonsense{"nothing", "", ProbeOutcome::kClosed, "closed the connection while waiting for the answer"},
                      Nonsense{"half", "HTTP/1.1 200 OK\r\nContent-Le", ProbeOutcome::kClosed, "closed the connection"},
                      Nonsense{"garbage", "\x01\x02\x03 hello\r\n\r\n", ProbeOutcome::kProtocol, "not HTTP/1.1"},
                      Nonsense{"ssh", "SSH-2.0-OpenSSH_9.2\r\n\r\n", ProbeOutcome::kProtocol, "not HTTP/1.1"},
                      Nonsense{"status_letters", "HTTP/1.1 abc OK\r\n\r\n", ProbeOutcome::kProtocol, "not HTTP/1.1"},
                      Nonsense{"http2", std::string("\0\0\x06\4\0\0\0\0\0\0\4\0\0\x40\0", 15), ProbeOutcome::kProtocol, "not HTTP/1.1"},
                      Nonsense{"tls_alert", std::string("\x15\x03\x01\0\x02\x02\x46", 7) + "\r\n\r\n", ProbeOutcome::kProtocol,
                               "not HTTP/1.1"},
                      Nonsense{"one_huge_line", "HTTP/1.1 200 OK\r\nX: " + std::string(1 << 20, 'x') + "\r\n\r\n", ProbeOutcome::kProtocol,
                               "longer than 16384 bytes"},
                      Nonsense{"many_headers",
                               [] {
                                 std::string text = "HTTP/1.1 200 OK\r\n";
                                 for (int i = 0; i < 5000; ++i) text += "X-Header-" + std::to_string(i) + ": value\r\n";
                                 return text + "\r\n";
                               }(),
                               ProbeOutcome::kProtocol, "longer than 16384 bytes"}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(HealthProber, ABodyMayBeHugeAndIsNotRead) {
  MiniServer server([](Connection& c) {
    (void)c.read_until("\r\n\r\n");
    if (!c.write("HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")) return;
    while (c.write(std::string(65536, 'x'))) {}
  });
  ProbeRig rig;
  EXPECT_EQ(rig.probe(server.endpoint(), health_of(HealthType::kHttp)).outcome, ProbeOutcome::kOk);
  rig.wait_idle();
}

TEST(HealthProber, AResetIsNamed) {
  MiniServer server([](Connection& c) {
    (void)c.read_until("\r\n\r\n");
    c.reset();
  });
  ProbeRig rig;
  EXPECT_EQ(rig.probe(server.endpoint(), health_of(HealthType::kHttp)).outcome, ProbeOutcome::kReset);
}

TEST(HealthProber, AServerThatNeverAnswersTimesOut) {
  MiniServer server([](Connection& c) { (void)c.wait_closed(); });
  config::Health health = health_of(HealthType::kHttp);
  health.timeout = 100ms;
  ProbeRig rig;
  const ProbeResult result = rig.probe(server.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kTimeout);
  EXPECT_EQ(result.detail, "more than 100ms while waiting for the answer");
  EXPECT_GE(result.duration, 100ms);
}

TEST(HealthProber, OneDeadlineHoldsForAServerThatDripsItsAnswer) {
  MiniServer server([](Connection& c) {
    (void)c.read_until("\r\n\r\n");
    for (int i = 0; c.write(i == 0 ? "HTTP/1.1 200 OK\r\n" : "X: y\r\n") && !c.wait_closed(20ms); ++i) {}
  });
  config::Health health = health_of(HealthType::kHttp);
  health.timeout = 200ms;
  ProbeRig rig;
  const ProbeResult result = rig.probe(server.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kTimeout);
  EXPECT_LT(result.duration, 3s);
}

TEST(HealthProber, ASlowButTimelyAnswerIsOk) {
  MiniServer server([](Connection& c) {
    (void)c.read_until("\r\n\r\n");
    for (const char letter : std::string("HTTP/1.1 200 OK\r\n\r\n")) {
      if (!c.write(std::string(1, letter)) || c.wait_closed(2ms)) return;
    }
  });
  ProbeRig rig;
  EXPECT_EQ(rig.probe(server.endpoint(), health_of(HealthType::kHttp)).outcome, ProbeOutcome::kOk);
}

TEST(HealthProber, EveryRequestGetsOneResultWhileManyServersHang) {
  MiniServer silent([](Connection& c) { (void)c.wait_closed(); });
  MiniServer good(answering(ok_answer()));
  config::Health impatient = health_of(HealthType::kHttp);
  impatient.timeout = 30ms;
  ProbeRig rig({.concurrent_max = 8, .pending_max = 1000});
  constexpr ServerId kServers = 100;

  for (ServerId id = 1; id <= kServers; ++id) {
    ASSERT_TRUE(
        rig.start(id % 4 == 0 ? good.endpoint() : silent.endpoint(), id % 4 == 0 ? health_of(HealthType::kHttp) : impatient, "", id));
  }
  std::vector<ProbeResult> results = rig.wait_for(kServers);
  rig.wait_idle();

  ASSERT_EQ(rig.wait_for(0).size(), kServers) << "one each";
  std::sort(results.begin(), results.end(), [](const ProbeResult& a, const ProbeResult& b) { return a.server < b.server; });
  for (ServerId id = 1; id <= kServers; ++id) {
    EXPECT_EQ(results[id - 1].server, id);
    EXPECT_EQ(results[id - 1].outcome, id % 4 == 0 ? ProbeOutcome::kOk : ProbeOutcome::kTimeout);
  }
}

TEST(HealthProber, RefusesWorkBeyondItsBoundAndGoesOn) {
  MiniServer silent([](Connection& c) { (void)c.wait_closed(); });
  config::Health health = health_of(HealthType::kHttp);
  health.timeout = 50ms;
  ProbeRig rig({.concurrent_max = 1, .pending_max = 3});
  int accepted = 0;
  for (int i = 0; i < 10; ++i) accepted += rig.start(silent.endpoint(), health) ? 1 : 0;
  EXPECT_EQ(accepted, 3);
  (void)rig.wait_for(3);
  EXPECT_TRUE(rig.start(silent.endpoint(), health));
}

TEST(HealthProber, EndsAtOnceWithProbesUnderWay) {
  MiniServer silent([](Connection& c) { (void)c.wait_closed(); });
  config::Health health = health_of(HealthType::kHttp);
  health.timeout = 1h;
  const auto begin = std::chrono::steady_clock::now();
  {
    ProbeRig rig({.concurrent_max = 2, .pending_max = 100});
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(rig.start(silent.endpoint(), health));
    while (silent.accepted() < 2) std::this_thread::yield();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience);
}

TEST(HealthProber, LeaksNoDescriptor) {
  MiniServer good(answering(ok_answer()));
  MiniServer rude([](Connection& c) { c.reset(); });
  ProbeRig rig;
  const auto open_now = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  (void)rig.probe(good.endpoint(), health_of(HealthType::kHttp));
  rig.wait_idle();
  const auto before = open_now();
  for (int i = 0; i < 50; ++i) {
    (void)rig.probe(good.endpoint(), health_of(HealthType::kHttp));
    (void)rig.probe(rude.endpoint(), health_of(HealthType::kHttps));
  }
  rig.wait_idle();
  EXPECT_LE(open_now(), before + 2) << "the mini servers may still hold their ends of the last ones";
}

}  // namespace
}  // namespace fairlead::lb::test
