// The prober against TLS: nginx as the well-behaved server whose log must stay clean, certificates that are wrong in every usual way.
#include <filesystem>
#include <gtest/gtest.h>

#include "tests/contract/health/health_rig.h"

namespace fairlead::lb::test {
namespace {

using config::HealthType;

class HealthProberTls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!have_nginx()) GTEST_SKIP() << "nginx is not installed (package nginx-light)";
    pki.make_ca("ca");
    pki.make_leaf({.name = "server"});
    health = health_of(HealthType::kHttps);
    health.ca = pki.crt("ca");
  }
  Nginx& serve(const std::string& certificate = "server", const std::string& lines = "") {
    nginx = std::make_unique<Nginx>(dir, pki.crt(certificate), pki.key(certificate), lines);
    return *nginx;
  }
  ProbeResult probe(const std::string& host = "") { return rig.probe(nginx->endpoint(), health, host); }
  void expect(ProbeOutcome outcome, const std::string& part, const std::string& host = "") {
    const ProbeResult result = probe(host);
    EXPECT_EQ(result.outcome, outcome) << result.detail;
    EXPECT_NE(result.detail.find(part), std::string::npos) << result.detail;
  }

  TempDir dir;
  Pki pki{dir};
  config::Health health;
  std::unique_ptr<Nginx> nginx;
  ProbeRig rig;
};

TEST_F(HealthProberTls, AGoodServerIsOkByItsAddress) {
  serve();
  const ProbeResult result = probe();
  EXPECT_EQ(result.outcome, ProbeOutcome::kOk) << result.detail;
  EXPECT_EQ(result.detail, "200");
}

TEST_F(HealthProberTls, AnUnhealthyServerIsNamedByItsStatus) {
  serve();
  health.path = "/broken";
  expect(ProbeOutcome::kStatus, "500");
}

TEST_F(HealthProberTls, SendsSniForNamesOnly) {
  serve("server",
        R"(location = /sni {
        if ($ssl_server_name = "mast-1.test") { return 204; }
        if ($ssl_server_name = "") { return 202; }
        return 404;
      })");
  health.path = "/sni";
  health.expect = {204};
  expect(ProbeOutcome::kOk, "204", "mast-1.test");
  expect(ProbeOutcome::kOk, "204", "mast-1.test.");
  health.expect = {202};
  expect(ProbeOutcome::kOk, "202", "127.0.0.1");
  health.expect = {204};
  health.server_name = "mast-1.test";
  expect(ProbeOutcome::kOk, "204", "127.0.0.1");
}

TEST_F(HealthProberTls, AnExpiredCertificateIsNamed) {
  pki.make_leaf({.name = "old", .days = -1});
  serve("old");
  expect(ProbeOutcome::kTls, "certificate has expired: CN=old, valid until ");
  health.verify = false;
  expect(ProbeOutcome::kOk, "200");
}

TEST_F(HealthProberTls, AnExpiredCaIsNamedWithItsFile) {
  pki.make_ca("old-ca", -1);
  pki.make_leaf({.name = "leaf", .issuer = "old-ca"});
  health.ca = pki.crt("old-ca");
  serve("leaf");
  expect(ProbeOutcome::kTls, "certificate has expired: CN=old-ca");
  expect(ProbeOutcome::kTls, health.ca);
}

TEST_F(HealthProberTls, AWrongNameIsNamedWithTheNamesThereAre) {
  serve();
  expect(ProbeOutcome::kTls, "hostname mismatch: expected 'mast-2.test', the certificate is for 127.0.0.1, mast-1.test", "mast-2.test");
  health.server_name = "10.1.2.3";
  expect(ProbeOutcome::kTls, "IP address mismatch: expected '10.1.2.3'");
}

TEST_F(HealthProberTls, AnUnknownIssuerIsNamed) {
  pki.make_ca("other-ca");
  health.ca = pki.crt("other-ca");
  serve();
  expect(ProbeOutcome::kTls, "unable to get local issuer certificate: CN=ca is not in health.ca " + health.ca);
}

TEST_F(HealthProberTls, ASelfSignedCertificateIsNamedAndAcceptedWhenItIsTheCa) {
  pki.make_ca("self");
  serve("self");
  expect(ProbeOutcome::kTls, "self-signed certificate: CN=self is not in health.ca ");
  health.ca = pki.crt("self");
  health.server_name = "self";
  expect(ProbeOutcome::kOk, "200");
}

TEST_F(HealthProberTls, WithoutACaFileTheSystemsStoreDecides) {
  serve();
  health.ca.clear();
  expect(ProbeOutcome::kTls, "the system's store");
}

TEST_F(HealthProberTls, BadCaFilesAreLocalFaultsThatNameTheFileAndHealWhenReplaced) {
  serve();
  health.ca = dir.path("ca-in-use.crt");
  expect(ProbeOutcome::kLocal, "health.ca " + health.ca + ": No such file or directory (ENOENT)");
  write_file(health.ca, "not a certificate\n");
  expect(ProbeOutcome::kLocal, "health.ca " + health.ca + ": holds no PEM certificate");
  const std::string good = TempDir::read(pki.crt("ca"));
  write_file(health.ca, good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  expect(ProbeOutcome::kLocal, "health.ca " + health.ca + ": certificate 2 is damaged");
  write_file(health.ca, good.substr(0, good.size() / 2));
  expect(ProbeOutcome::kLocal, "health.ca " + health.ca);
  write_file(health.ca, good);
  expect(ProbeOutcome::kOk, "200");
  pki.make_ca("next-ca");
  write_file(health.ca, TempDir::read(pki.crt("next-ca")));
  expect(ProbeOutcome::kTls, "unable to get local issuer certificate");
  health.ca = dir.path("");
  expect(ProbeOutcome::kLocal, "is not a regular file");
}

TEST_F(HealthProberTls, ShowsTheClientCertificateAndTakesARenewedOne) {
  pki.make_ca("client-ca");
  pki.make_leaf({.name = "client", .san = "DNS:fairlead", .issuer = "client-ca"});
  serve("server", "ssl_client_certificate " + pki.crt("client-ca") + ";\nssl_verify_client on;");
  expect(ProbeOutcome::kStatus, "400");  // nginx: no required certificate was sent.

  health.cert = dir.path("current.crt");
  health.key = dir.path("current.key");
  write_file(health.cert, TempDir::read(pki.crt("client")));
  write_file(health.key, TempDir::read(pki.key("client")));
  expect(ProbeOutcome::kOk, "200");

  pki.make_leaf({.name = "stranger", .san = "DNS:x", .issuer = "ca"});
  write_file(health.cert, TempDir::read(pki.crt("stranger")));
  expect(ProbeOutcome::kLocal, "health.key " + health.key + ": does not belong to health.cert " + health.cert);
  write_file(health.key, TempDir::read(pki.key("stranger")));
  expect(ProbeOutcome::kStatus, "400");  // nginx: the certificate does not verify.
}

TEST_F(HealthProberTls, AnEncryptedOrMissingKeyIsALocalFaultAndNeverAsksTheTerminal) {
  serve();
  pki.make_leaf({.name = "client"});
  health.cert = pki.crt("client");
  health.key = dir.path("locked.key");
  expect(ProbeOutcome::kLocal, "health.key " + health.key + ": No such file");
  run({"openssl", "ec", "-in", pki.key("client"), "-out", health.key, "-aes256", "-passout", "pass:secret"});
  expect(ProbeOutcome::kLocal, "health.key " + health.key + ": holds no private key that opens without a pass phrase");
  health.key.clear();
  expect(ProbeOutcome::kLocal, "health.key " + health.cert);
}

TEST_F(HealthProberTls, ResumesSessionsUntilTheCertificateFilesChange) {
  serve();
  health.ca = dir.path("ca-in-use.crt");
  write_file(health.ca, TempDir::read(pki.crt("ca")));
  for (int i = 0; i < 5; ++i) {
    expect(ProbeOutcome::kOk, "200");
    rig.wait_idle();  // The tickets come after the answer.
  }
  EXPECT_EQ(rig.prober().counters().handshakes_full, 1U);
  EXPECT_EQ(rig.prober().counters().handshakes_resumed, 4U);

  write_file(health.ca, TempDir::read(pki.crt("ca")) + "\n");
  expect(ProbeOutcome::kOk, "200");
  rig.wait_idle();
  EXPECT_EQ(rig.prober().counters().handshakes_full, 2U);

  rig.prober().forget(1);
  expect(ProbeOutcome::kOk, "200");
  EXPECT_EQ(rig.prober().counters().handshakes_full, 3U);
}

TEST_F(HealthProberTls, LeavesNoErrorInTheServersLog) {
  serve();
  for (const HealthType type : {HealthType::kHttps, HealthType::kTls}) {
    health.type = type;
    for (int i = 0; i < 20; ++i) {
      const ProbeResult result = probe();
      EXPECT_EQ(result.outcome, ProbeOutcome::kOk) << result.detail;
    }
    rig.wait_idle();
  }

  const std::string log = nginx->stop_and_read_log();
  for (const char* bad : {"SSL", "handshake", "reset", "prematurely", "[error]", "[crit]", "[alert]"}) {
    EXPECT_EQ(log.find(bad), std::string::npos) << bad << " in\n" << log;
  }
}

TEST_F(HealthProberTls, ATcpCheckOfATlsPortIsSeenInTheServersLog) {  // Why the documentation says so, and that the test above can fail.
  serve();
  health.type = HealthType::kTcp;
  expect(ProbeOutcome::kOk, "connected");
  health.type = HealthType::kTls;
  expect(ProbeOutcome::kOk, "TLSv1.3");  // nginx has dealt with the first connection when it answers the second.
  rig.wait_idle();
  const std::string log = nginx->stop_and_read_log();
  EXPECT_NE(log.find("while SSL handshaking"), std::string::npos) << log;
}

TEST_F(HealthProberTls, TheTlsCheckDoesNotAskForThePath) {
  serve("server", "error_page 497 =500 /broken;");
  health.type = HealthType::kTls;
  health.path = "not even a path";
  expect(ProbeOutcome::kOk, "TLSv1.3");
}

TEST_F(HealthProberTls, AServerWithoutTlsIsNamed) {
  MiniServer plain([](Connection& c) {
    (void)c.read_some();
    (void)c.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  });
  const ProbeResult result = rig.probe(plain.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kTls);
  EXPECT_NE(result.detail.find("the server does not speak TLS on this port"), std::string::npos) << result.detail;
}

TEST_F(HealthProberTls, APlainCheckOfATlsPortIsToldByTheServer) {
  serve();
  health.type = HealthType::kHttp;
  expect(ProbeOutcome::kStatus, "400");
}

TEST_F(HealthProberTls, ASilentServerTimesOutInTheHandshake) {
  MiniServer silent([](Connection& c) { (void)c.wait_closed(); });
  health.timeout = 100ms;
  const ProbeResult result = rig.probe(silent.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kTimeout);
  EXPECT_EQ(result.detail, "more than 100ms during the TLS handshake");
}

TEST_F(HealthProberTls, AServerThatClosesAtOnceIsNamed) {
  MiniServer closing([](Connection& c) { (void)c.read_some(); });
  const ProbeResult result = rig.probe(closing.endpoint(), health);
  EXPECT_EQ(result.outcome, ProbeOutcome::kClosed);
  EXPECT_EQ(result.detail, "the server closed the connection during the TLS handshake");
}

TEST_F(HealthProberTls, RefusesTlsOlderThan12) {
  serve("server", "ssl_protocols TLSv1 TLSv1.1;\nssl_ciphers ALL:@SECLEVEL=0;");
  expect(ProbeOutcome::kTls, "no TLS version in common");
}

TEST_F(HealthProberTls, WorksWithTls12) {
  serve("server", "ssl_protocols TLSv1.2;");
  for (int i = 0; i < 3; ++i) {
    expect(ProbeOutcome::kOk, "200");
    rig.wait_idle();
  }
  EXPECT_EQ(rig.prober().counters().handshakes_resumed, 2U);
}

}  // namespace
}  // namespace fairlead::lb::test
