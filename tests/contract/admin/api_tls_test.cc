// admin.listen with TLS: client certificates decide.
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>
#include <future>
#include <iterator>

#include "admin/api_client.h"
#include "tests/contract/admin/watch_client.h"

namespace fairlead::admin {
namespace {

using testing::run;

class ApiTlsTest : public testing::ApiFixture {
 protected:
  void SetUp() override {
    ApiFixture::SetUp();
    make_ca("ca");
    make_ca("other");
    make_certificate("server", "gate-1", "ca", "subjectAltName=IP:127.0.0.1");
    make_certificate("ops", "ops", "ca", "extendedKeyUsage=clientAuth");
    make_certificate("reader", "reader", "ca", "extendedKeyUsage=clientAuth");
    make_certificate("foreign", "ops", "other", "extendedKeyUsage=clientAuth");
    options.tls = {.cert = file("server.crt"), .key = file("server.key"), .client_ca = file("ca.crt")};
    options.operators = {"ops"};
  }

  [[nodiscard]] std::string file(const std::string& name) const { return (folder / name).string(); }
  void make_ca(const std::string& name) {
    const auto made = run("cd '" + folder.string() +
                          "' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + name +
                          " -keyout " + name + ".key -out " + name + ".crt");
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  void make_certificate(const std::string& name, const std::string& common_name, const std::string& ca, const std::string& extension) {
    std::ofstream(folder / (name + ".ext")) << extension << "\n";
    const auto made =
        run("cd '" + folder.string() + "' && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + common_name +
            " -keyout " + name + ".key -out " + name + ".csr && openssl x509 -req -in " + name + ".csr -CA " + ca + ".crt -CAkey " + ca +
            ".key -CAcreateserial -days 2 -extfile " + name + ".ext -out " + name + ".crt");
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  /// `openssl x509` cannot sign into the past.
  void make_expired(const std::string& name, const std::string& common_name) {
    const auto made = run("cd '" + folder.string() +
                          "' && : > index.txt && printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\n"
                          "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' > ca.cnf && "
                          "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" +
                          common_name + " -keyout " + name + ".key -out " + name +
                          ".csr && openssl ca -config ca.cnf -batch -notext -rand_serial -cert ca.crt -keyfile ca.key -in " + name +
                          ".csr -out " + name + ".crt -startdate 20200101000000Z -enddate 20200102000000Z");
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  /// What `fairlead --server` says when it asks as `who`; "": it got an answer.
  [[nodiscard]] std::string said_to(const std::string& who, const std::string& scheme = "https", const std::string& ca = "ca") const {
    ConnectOptions asks;
    asks.server = scheme + "://127.0.0.1:" + std::to_string(server->tcp_port());
    asks.ca = file(ca + ".crt");
    if (!who.empty()) {
      asks.cert = file(who + ".crt");
      asks.key = file(who + ".key");
    }
    const auto reply = make_api_client(asks)->call("GET", "/livez", "");
    return reply ? "" : reply.error().message();
  }
  /// A command that watches as `who` and prints what comes, until nobody reads it or the server closes.
  [[nodiscard]] std::string watching(const std::string& who) const {
    std::ofstream(folder / "handshake") << testing::WatchClient::handshake_text("/api/v1/watch?interval=250ms");
    return "exec openssl s_client -quiet -ign_eof -connect 127.0.0.1:" + std::to_string(server->tcp_port()) + " -cert " +
           file(who + ".crt") + " -key " + file(who + ".key") + " -CAfile " + file("ca.crt") + " <" + file("handshake") + " 2>/dev/null";
  }
  [[nodiscard]] std::string run_script(const std::string& text) const {
    std::ofstream(folder / "script") << text;
    return run("timeout 30 bash '" + file("script") + "'").output;
  }
  [[nodiscard]] testing::Outcome curl_tls(const std::string& who, const std::string& arguments, const std::string& path) const {
    const std::string certificate = who.empty() ? "" : " --cert " + file(who + ".crt") + " --key " + file(who + ".key");
    return run("curl -sS --noproxy '*' --max-time 20 --cacert " + file("ca.crt") + certificate + " " + arguments +
               " 'https://127.0.0.1:" + std::to_string(server->tcp_port()) + path + "'");
  }
};

TEST_F(ApiTlsTest, TheNamedOperatorMayChangeAndTheAuditEventNamesIt) {
  start();
  ASSERT_NE(server->tcp_port(), 0);
  const auto answer = curl_tls("ops", "-X POST", "/api/v1/reload");
  EXPECT_EQ(boost::json::parse(answer.output).at("summary"), "done as asked");
  ASSERT_EQ(events.of(MessageId::COMMAND_DONE).size(), 1U);
  EXPECT_EQ(events.of(MessageId::COMMAND_DONE)[0].at("by"), "certificate CN=ops");
}

TEST_F(ApiTlsTest, AnotherCertificateOfTheSameAuthorityOnlyReads) {
  start();
  EXPECT_EQ(curl_tls("reader", "", "/livez").output, "ok\n");
  EXPECT_EQ(curl_tls("reader", "-X POST -o /dev/null -w '%{http_code}'", "/api/v1/reload").output, "403");
  EXPECT_EQ(curl_tls("reader", "-X POST -o /dev/null -w '%{http_code}'", "/api/v1/reload").output, "403");
  EXPECT_TRUE(node.commands().empty());
  ASSERT_EQ(events.of(MessageId::COMMAND_REFUSED).size(), 1U) << "once a minute";
  EXPECT_EQ(events.of(MessageId::COMMAND_REFUSED)[0].at("by"), "certificate CN=reader");
  EXPECT_EQ(events.of(MessageId::COMMAND_REFUSED)[0].at("command"), "POST /api/v1/reload");
}

TEST_F(ApiTlsTest, NoCertificateOrAForeignOneDoesNotGetIn) {
  start();
  EXPECT_NE(curl_tls("", "", "/livez").exit_code, 0);
  EXPECT_NE(curl_tls("foreign", "", "/livez").exit_code, 0);
  EXPECT_NE(curl_tcp("", "/livez").output, "ok\n") << "plain HTTP on the TLS port";
  EXPECT_EQ(curl_tls("reader", "", "/livez").output, "ok\n");
}

TEST_F(ApiTlsTest, AnExpiredCertificateDoesNotGetIn) {
  make_expired("late", "ops");
  start();
  const auto refused = curl_tls("late", "-X POST", "/api/v1/reload");
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_NE(refused.output.find("expired"), std::string::npos) << refused.output;
  EXPECT_TRUE(testing::eventually([&] { return events.of(MessageId::ADMIN_CLIENT_REFUSED).size() == 1; }));
  EXPECT_NE(events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("error").find("certificate"), std::string::npos);
  EXPECT_TRUE(events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("peer").starts_with("tcp 127.0.0.1:"));
  EXPECT_TRUE(node.commands().empty());
  EXPECT_EQ(curl_tls("reader", "", "/livez").output, "ok\n");
}

TEST_F(ApiTlsTest, AClientThatDoesNotTakeOurCertificateIsSaid) {
  start();
  EXPECT_NE(curl_tls("reader", "--cacert " + file("other.crt"), "/livez").exit_code, 0);
  ASSERT_TRUE(testing::eventually([&] { return events.of(MessageId::ADMIN_CLIENT_REFUSED).size() == 1; }));
  const std::string error = events.of(MessageId::ADMIN_CLIENT_REFUSED)[0].at("error");
  EXPECT_NE(error.find("does not take our certificate"), std::string::npos) << error;
  EXPECT_NE(error.find("unknown ca"), std::string::npos) << error;
}

// The reserve counts once the certificate has said who comes. Two readers watch, which is all they may; a third is closed.
TEST_F(ApiTlsTest, ReadersCannotLockOperatorsOut) {
  options.limits.tcp_connections = 4;
  options.limits.tcp_reserved = 2;
  start();
  const std::string reader = watching("reader");
  EXPECT_EQ(
      run_script("exec 3< <(" + reader + ") 4< <(" + reader + "); head -c 400 <&3 >/dev/null; head -c 400 <&4 >/dev/null; head -c 12 < <(" +
                 reader + "); echo; head -c 12 < <(" + watching("ops") + ")"),
      "\nHTTP/1.1 101");
}

// Any number of connections that never finish a handshake, over all places, for as long as they please.
TEST_F(ApiTlsTest, StrangersCannotLockOperatorsOut) {
  options.limits.tcp_connections = 4;
  options.limits.tcp_reserved = 1;
  options.limits.request = std::chrono::minutes(5);
  start();
  std::vector<testing::RawClient> strangers;
  for (int i = 0; i < 12; ++i) {
    strangers.push_back(testing::RawClient::tcp(server->tcp_port()));
    if (i % 2 == 1) (void)strangers.back().send("\x16\x03\x01");  // The beginning of a hello.
  }
  ASSERT_TRUE(testing::eventually([&] { return counted("fairlead_api_evicted_connections_total 8"); }));

  EXPECT_EQ(curl_tls("ops", "-X POST -o /dev/null -w '%{http_code}'", "/api/v1/reload").output, "200");
  EXPECT_EQ(curl_tls("reader", "", "/livez").output, "ok\n") << "strangers take no reader's place either";
  EXPECT_TRUE(counted("fairlead_api_shed_connections_total 0"));
  EXPECT_TRUE(strangers[0].read_all().empty() && strangers[0].ended) << "the oldest";
  EXPECT_TRUE(strangers.back().is_open_and_silent()) << "the youngest";
}

TEST_F(ApiTlsTest, ReadersCannotTakeAllPlacesToWatch) {
  options.limits.watchers = 4;
  start();
  const std::string reader = watching("reader");
  EXPECT_EQ(run_script("exec 3< <(" + reader + ") 4< <(" + reader + ") 5< <(" + reader +
                       "); for n in 3 4 5; do head -c 400 <&$n >/dev/null; done; head -c 12 < <(" + reader + "); echo; head -c 12 < <(" +
                       watching("ops") + ")"),
            "HTTP/1.1 503\nHTTP/1.1 101");
  ASSERT_EQ(events.of(MessageId::COMMAND_REFUSED).size(), 1U);
  EXPECT_EQ(events.of(MessageId::COMMAND_REFUSED)[0].at("by"), "certificate CN=reader");
  EXPECT_EQ(events.of(MessageId::COMMAND_REFUSED)[0].at("reason"), "all 3 places are taken");
}

TEST_F(ApiTlsTest, TheCommandSaysWhatIsWrongWithWhichCertificate) {
  start();
  const auto says = [](const std::string& text, std::string_view wanted) { return text.find(wanted) != std::string::npos; };
  EXPECT_EQ(said_to("reader"), "");
  EXPECT_PRED2(says, said_to(""), "asks for a client certificate: give --cert and --key");
  EXPECT_PRED2(says, said_to("foreign"), "does not take the client certificate");
  EXPECT_PRED2(says, said_to("foreign"), "admin.tls.client_ca there");
  EXPECT_PRED2(says, said_to("reader", "https", "other"), "its certificate is not taken: ");
  EXPECT_PRED2(says, said_to("reader", "https", "other"), "(see --ca)");
  EXPECT_PRED2(says, said_to("", "http"), "speak TLS (https://) there");

  make_certificate("server", "gate-1", "ca", "subjectAltName=IP:127.0.0.9");
  server->renew(options.tls, {});
  EXPECT_TRUE(testing::eventually([&] { return says(said_to("reader"), "its certificate is none for 127.0.0.1"); })) << said_to("reader");
  make_expired("server", "gate-1");
  server->renew(options.tls, {});
  EXPECT_TRUE(testing::eventually([&] { return says(said_to("reader"), "certificate has expired"); })) << said_to("reader");
}

TEST_F(ApiTlsTest, WhenTheCertificateExpiresIsAMetricAndFollowsAReload) {
  start();
  const auto expiry = [&] {
    const std::string page = curl("", "/metrics").output;
    const std::string name = "\nfairlead_api_certificate_expiry_timestamp_seconds ";
    const auto at = page.find(name);
    return at == std::string::npos ? 0.0 : std::stod(page.substr(at + name.size()));
  };
  const double now = static_cast<double>(std::time(nullptr));
  EXPECT_NEAR(expiry(), now + 2 * 86400, 600);
  make_expired("server", "gate-1");
  server->renew(options.tls, {});
  EXPECT_TRUE(testing::eventually([&] { return expiry() == 1577923200.0; })) << expiry();
}

TEST_F(ApiTlsTest, TlsBelow12IsNotSpoken) {
  start();
  const auto spoken = [&](const std::string& version) {
    return curl_tls("reader", "--ciphers DEFAULT@SECLEVEL=0 --tlsv1." + version + " --tls-max 1." + version, "/livez").exit_code == 0;
  };
  EXPECT_FALSE(spoken("0"));
  EXPECT_FALSE(spoken("1"));
  EXPECT_TRUE(spoken("2"));
}

// Head, hello and the beginning of the status; the next status ends the client, whose reader is gone.
TEST_F(ApiTlsTest, AWatcherIsWhoItsCertificateSays) {
  start();
  const auto watch = [&](const std::string& who) { return run(watching(who) + " | head -c 800").output; };
  const auto operators = watch("ops");
  EXPECT_TRUE(operators.starts_with("HTTP/1.1 101")) << operators;
  EXPECT_NE(operators.find(R"("caller":{"name":"certificate CN=ops","role":"operator"})"), std::string::npos) << operators;
  EXPECT_NE(operators.find(R"({"type":"status","status":{"node":"gate-1")"), std::string::npos) << operators;
  EXPECT_NE(watch("reader").find(R"("role":"viewer")"), std::string::npos);
}

TEST_F(ApiTlsTest, WithTlsItMayListenEverywhere) {
  options.listen = "0.0.0.0:0";
  start();
  ASSERT_NE(server->tcp_port(), 0);
  EXPECT_EQ(curl_tls("reader", "", "/livez").output, "ok\n");
}

TEST_F(ApiTlsTest, AReloadChangesTheOperatorsAndTheCertificates) {
  start();
  make_certificate("server", "gate-1", "other", "subjectAltName=IP:127.0.0.1");  // The same file, of another authority.
  server->renew({.cert = file("server.crt"), .key = file("server.key"), .client_ca = file("ca.crt")}, {"reader"});
  const auto renewed = [&] {
    return curl_tls("reader", "--cacert " + file("other.crt") + " -X POST -o /dev/null -w '%{http_code}'", "/api/v1/reload").output;
  };
  EXPECT_TRUE(testing::eventually([&] { return renewed() == "200"; }));
  EXPECT_EQ(curl_tls("ops", "--cacert " + file("other.crt") + " -X POST -o /dev/null -w '%{http_code}'", "/api/v1/reload").output, "403");

  server->renew({.cert = file("nowhere.crt"), .key = file("server.key"), .client_ca = file("ca.crt")}, {"ops", "reader"});
  EXPECT_TRUE(testing::eventually([&] { return events.of(MessageId::ADMIN_FAILED).size() == 1; }));
  EXPECT_EQ(renewed(), "200") << "the old certificates stay";
}

/// One connection of `who` that is kept open; what comes is in the file "answers".
class KeptOpen {
 public:
  KeptOpen(std::uint16_t port, const std::string& folder, const std::string& who)
      : answers_(folder + "/answers"),
        pipe_(::popen(("openssl s_client -quiet -no_ign_eof -connect 127.0.0.1:" + std::to_string(port) + " -cert " + folder + "/" + who +
                       ".crt -key " + folder + "/" + who + ".key -CAfile " + folder + "/ca.crt >" + answers_ +
                       " 2>/dev/null; echo ended >>" + answers_)
                          .c_str(),
                      "w")) {}
  ~KeptOpen() { ::pclose(pipe_); }
  KeptOpen(const KeptOpen&) = delete;
  KeptOpen& operator=(const KeptOpen&) = delete;
  void ask(const std::string& request) {
    std::fputs((request + " HTTP/1.1\r\nHost: x\r\n\r\n").c_str(), pipe_);
    std::fflush(pipe_);
  }
  /// Within ten seconds, so many times.
  [[nodiscard]] bool said(const std::string& what, int times = 1) const {
    return testing::eventually([&] {
      std::ifstream file(answers_);
      const std::string all{std::istreambuf_iterator<char>(file), {}};
      int found = 0;
      for (auto at = all.find(what); at != std::string::npos; at = all.find(what, at + 1)) ++found;
      return found == times;
    });
  }

 private:
  const std::string answers_;
  std::FILE* pipe_;
};

TEST_F(ApiTlsTest, AnOperatorWhoIsNoneAnyMoreIsNoneOnAConnectionThatWasOpen) {
  start();
  KeptOpen ops(server->tcp_port(), folder.string(), "ops");
  ops.ask("POST /api/v1/reload");
  ASSERT_TRUE(ops.said("HTTP/1.1 200"));
  server->renew(options.tls, {"reader"});
  ops.ask("POST /api/v1/reload");
  EXPECT_TRUE(ops.said("HTTP/1.1 403")) << "the same certificates: the connection goes on";
  EXPECT_EQ(node.commands().size(), 1U);
  server->renew(options.tls, {"ops"});
  ops.ask("POST /api/v1/reload");
  EXPECT_TRUE(ops.said("HTTP/1.1 200", 2));
}

TEST_F(ApiTlsTest, WhoCameByAnAuthorityThatIsTrustedNoMoreIsSentAway) {
  start();
  KeptOpen ops(server->tcp_port(), folder.string(), "ops");
  ops.ask("POST /api/v1/reload");
  ASSERT_TRUE(ops.said("HTTP/1.1 200"));
  node.hold();
  ops.ask("POST /api/v1/reload");  // The very command that has the daemon read other certificates.
  ASSERT_TRUE(testing::eventually([&] { return node.held() == 1; }));
  server->renew({.cert = file("server.crt"), .key = file("server.key"), .client_ca = file("other.crt")}, {"ops"});
  EXPECT_TRUE(testing::eventually([&] { return curl_tls("foreign", "", "/livez").output == "ok\n"; })) << "that one is trusted now";
  node.release_held();
  EXPECT_TRUE(ops.said("HTTP/1.1 200", 2)) << "its answer comes first";
  EXPECT_TRUE(ops.said("ended"));
  EXPECT_NE(curl_tls("ops", "", "/livez").exit_code, 0);
}

TEST_F(ApiTlsTest, AWatcherOfAnAuthorityThatIsTrustedNoMoreIsSentAway) {
  start();
  const auto watched =
      std::async(std::launch::async, [&] { return run_script("timeout 20 bash -c '" + watching("reader") + "' | tail -c 60"); });
  ASSERT_TRUE(testing::eventually([&] { return counted("fairlead_api_watchers{way=\"tcp\"} 1"); }));
  server->renew({.cert = file("server.crt"), .key = file("server.key"), .client_ca = file("other.crt")}, {"ops"});
  EXPECT_TRUE(testing::eventually([&] { return counted("fairlead_api_watchers{way=\"tcp\"} 0"); }));
}

TEST_F(ApiTlsTest, TlsIsNotTakenOffAListenerThatIsNotOnLoopback) {
  options.listen = "0.0.0.0:0";
  start();
  server->renew({}, {});
  EXPECT_TRUE(
      testing::eventually([&] { return curl_tls("ops", "-X POST -o /dev/null -w '%{http_code}'", "/api/v1/reload").output == "403"; }));
  EXPECT_EQ(curl_tls("reader", "", "/livez").output, "ok\n");
}

TEST_F(ApiTlsTest, AMissingOrWrongFileIsAnEventThatNamesIt) {
  for (const auto& tls :
       {config::AdminTls{file("server.crt"), file("server.key"), ""}, config::AdminTls{file("server.crt"), file("ops.key"), file("ca.crt")},
        config::AdminTls{file("nowhere.crt"), file("server.key"), file("ca.crt")}}) {
    options.tls = tls;
    start();
    EXPECT_EQ(server->tcp_port(), 0);
    EXPECT_EQ(curl("", "/livez").output, "ok\n");
    server->stop();
  }
  const auto failures = events.of(MessageId::ADMIN_FAILED);
  ASSERT_EQ(failures.size(), 3U);
  EXPECT_NE(failures[0].at("error").find("client_ca"), std::string::npos);
  EXPECT_NE(failures[1].at("error").find("ops.key"), std::string::npos);
  EXPECT_NE(failures[2].at("error").find("nowhere.crt"), std::string::npos);
}

TEST_F(ApiTlsTest, AListenerThatFailedForItsCertificatesOpensWhenAReloadHasThem) {
  const config::AdminTls right = options.tls;
  options.tls.cert = file("nowhere.crt");
  start();
  EXPECT_EQ(server->tcp_port(), 0);

  server->renew(options.tls, {"ops"});
  EXPECT_TRUE(testing::eventually([&] { return events.of(MessageId::ADMIN_FAILED).size() == 2; })) << "still not there";
  EXPECT_EQ(server->tcp_port(), 0);
  server->renew(right, {"ops"});
  ASSERT_TRUE(testing::eventually([&] { return server->tcp_port() != 0; }));
  EXPECT_EQ(curl_tls("reader", "", "/livez").output, "ok\n");
}

}  // namespace
}  // namespace fairlead::admin
