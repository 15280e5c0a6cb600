// The cluster's keys, read back with the program openssl.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "k8s-bootstrap/pki/cluster_ca.h"
#include "tests/support/run_tool.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using std::chrono::hours;
using test::run_tool;

WallTime now() { return WallTime{std::chrono::seconds(1'790'000'000)}; }  // 2026-09-21

Pki pki(const std::string& algorithm) {
  Pki out;
  out.algorithm = algorithm;
  return out;
}

std::string said(const std::vector<std::string>& argv) {
  const auto out = run_tool(argv);
  EXPECT_TRUE(out) << (out ? "" : out.error().message());
  return out ? *out : "";
}

class ClusterCa : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(dir) << dir.error().message(); }
  [[nodiscard]] std::string path(const std::string& name) const { return temp.path("state/" + name); }
  test::TempDir temp;
  Result<StateDir> dir = StateDir::open(temp.path("state"));
};

TEST_F(ClusterCa, MakesEveryFileWithItsModeAndKeepsThemAll) {
  const auto first = make_cluster_ca(*dir, pki("ECDSA-P256"), now());
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_TRUE(first->kept.empty());
  std::map<std::string, std::string> texts;
  for (const PkiFile& file : cluster_pki_files()) {
    struct stat info {};
    ASSERT_EQ(::stat(path(file.name).c_str(), &info), 0) << file.name;
    EXPECT_EQ(info.st_mode & 07777U, file.secret ? 0600U : 0644U) << file.name;
    texts[file.name] = test::TempDir::read(path(file.name));
  }
  EXPECT_EQ(texts.size(), 10U);
  EXPECT_EQ(texts.count("pki/etcd/ca.key"), 1U);

  const auto second = make_cluster_ca(*dir, pki("RSA-2048"), now() + hours(24));
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_TRUE(second->made.empty());
  EXPECT_EQ(second->kept.size(), 10U);
  for (const auto& [name, text] : texts) EXPECT_EQ(test::TempDir::read(path(name)), text) << name;
}

TEST_F(ClusterCa, TheAuthoritiesAreWhatKubeadmTakes) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("RSA-2048"), now()));
  for (const auto& [file, name] :
       {std::pair{"pki/ca.crt", "kubernetes"}, {"pki/front-proxy-ca.crt", "front-proxy-ca"}, {"pki/etcd/ca.crt", "etcd-ca"}}) {
    const std::string text = said({"openssl", "x509", "-in", path(file), "-noout", "-text", "-nameopt", "RFC2253"});
    EXPECT_NE(text.find(std::string("Subject: CN=") + name + "\n"), std::string::npos) << text;
    EXPECT_NE(text.find(std::string("Issuer: CN=") + name + "\n"), std::string::npos) << text;
    EXPECT_NE(text.find("Version: 3"), std::string::npos);
    EXPECT_NE(text.find("X509v3 Basic Constraints: critical\n                CA:TRUE"), std::string::npos) << text;
    EXPECT_NE(text.find("X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment, Certificate Sign, CRL Sign"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("X509v3 Subject Key Identifier"), std::string::npos);
    EXPECT_NE(text.find("X509v3 Authority Key Identifier"), std::string::npos);
    EXPECT_NE(text.find("Signature Algorithm: sha256WithRSAEncryption"), std::string::npos);
    EXPECT_NE(text.find("Not After : Sep 18 "), std::string::npos) << text;  // 87600 hours: ten years without their leap days.
    EXPECT_EQ(said({"openssl", "verify", "-attime", "1790000001", "-CAfile", path(file), path(file)}), path(file) + ": OK\n");
  }
}

TEST_F(ClusterCa, TheCheckCertificateIsAClientOfTheClustersCaAndOfNoGroup) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P384"), now()));
  EXPECT_EQ(said({"openssl", "verify", "-attime", "1790000001", "-purpose", "sslclient", "-CAfile", path("pki/ca.crt"),
                  path("pki/fairlead-check.crt")}),
            path("pki/fairlead-check.crt") + ": OK\n");
  EXPECT_FALSE(run_tool({"openssl", "verify", "-attime", "1790000001", "-purpose", "sslserver", "-CAfile", path("pki/ca.crt"),
                         path("pki/fairlead-check.crt")}));
  EXPECT_FALSE(
      run_tool({"openssl", "verify", "-attime", "1790000001", "-CAfile", path("pki/etcd/ca.crt"), path("pki/fairlead-check.crt")}));
  EXPECT_EQ(said({"openssl", "x509", "-in", path("pki/fairlead-check.crt"), "-noout", "-subject", "-nameopt", "RFC2253"}),
            "subject=CN=fairlead-check\n");
  const std::string text = said({"openssl", "x509", "-in", path("pki/fairlead-check.crt"), "-noout", "-text"});
  EXPECT_NE(text.find("CA:FALSE"), std::string::npos);
  EXPECT_EQ(text.find("Key Encipherment"), std::string::npos) << text;
}

TEST_F(ClusterCa, KeysAreOfTheAlgorithmOfTheSite) {
  for (const auto& [algorithm, words] :
       {std::pair{"RSA-3072", "Private-Key: (3072 bit"}, {"ECDSA-P256", "NIST CURVE: P-256"}, {"ECDSA-P384", "NIST CURVE: P-384"}}) {
    const auto key = make_private_key(algorithm);
    ASSERT_TRUE(key);
    EXPECT_TRUE(key->starts_with("-----BEGIN PRIVATE KEY-----\n"));
    std::ofstream(temp.path("key")) << *key;
    EXPECT_NE(said({"openssl", "pkey", "-in", temp.path("key"), "-noout", "-text"}).find(words), std::string::npos) << algorithm;
    const auto pair = make_ca(algorithm, {"x", "", now(), hours(48)});
    ASSERT_TRUE(pair);
    EXPECT_EQ(read_certificate(pair->certificate)->algorithm, algorithm);
  }
  EXPECT_EQ(make_private_key("DSA").error().code, Errc::kUnsupported);
}

TEST_F(ClusterCa, TheServiceAccountsHalvesBelongTogether) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  EXPECT_EQ(said({"openssl", "pkey", "-in", path("pki/sa.key"), "-pubout"}), test::TempDir::read(path("pki/sa.pub")));
}

TEST_F(ClusterCa, TheHashIsTheOneOfKubeadmsManual) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("RSA-2048"), now()));
  said({"sh", "-c",
        "openssl x509 -pubkey -noout -in " + path("pki/ca.crt") + " | openssl pkey -pubin -outform der -out " + temp.path("der")});
  const std::string digest = said({"openssl", "dgst", "-sha256", "-r", temp.path("der")}).substr(0, 64);
  EXPECT_EQ(*ca_hash(test::TempDir::read(path("pki/ca.crt"))), "sha256:" + digest);
  EXPECT_FALSE(ca_hash("no certificate"));
}

TEST_F(ClusterCa, HalfAPairIsRefusedAndNothingWrittenOver) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  const std::string certificate = test::TempDir::read(path("pki/ca.crt"));
  ASSERT_EQ(::unlink(path("pki/ca.key").c_str()), 0);
  const auto again = make_cluster_ca(*dir, pki("ECDSA-P256"), now());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kConflict);
  EXPECT_NE(again.error().context.find("pki/ca.key: it is missing, and its other half is there"), std::string::npos)
      << again.error().context;
  EXPECT_EQ(test::TempDir::read(path("pki/ca.crt")), certificate);
}

TEST_F(ClusterCa, AKeyOfAnotherCertificateIsRefused) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  ASSERT_TRUE(dir->write_secret("pki/etcd/ca.key", test::TempDir::read(path("pki/ca.key"))));
  const auto again = make_cluster_ca(*dir, pki("ECDSA-P256"), now());
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().context.find("pki/etcd/ca.crt: the key is not that of the certificate etcd-ca"), std::string::npos)
      << again.error().context;
}

TEST_F(ClusterCa, ACertificateThatIsNoCaIsRefused) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  ASSERT_TRUE(dir->write_secret("pki/ca.key", test::TempDir::read(path("pki/fairlead-check.key"))));
  ASSERT_TRUE(dir->write_public("pki/ca.crt", test::TempDir::read(path("pki/fairlead-check.crt"))));
  const auto again = make_cluster_ca(*dir, pki("ECDSA-P256"), now());
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().context.find("it is no CA's certificate"), std::string::npos) << again.error().context;
}

TEST_F(ClusterCa, ACaPastItsEndIsRefused) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  const auto later = make_cluster_ca(*dir, pki("ECDSA-P256"), now() + hours(87601));
  ASSERT_FALSE(later);
  EXPECT_NE(later.error().context.find("the CA is past its end"), std::string::npos) << later.error().context;
}

TEST_F(ClusterCa, AnothersCheckCertificateAndAStrangeServiceAccountKeyAreRefused) {
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  const auto other = make_ca("ECDSA-P256", {"other", "", now(), hours(48)});
  ASSERT_TRUE(other);
  const auto leaf = issue_client_certificate(*other, "ECDSA-P256", {"fairlead-check", "", now(), hours(24)});
  ASSERT_TRUE(leaf);
  ASSERT_TRUE(dir->write_secret("pki/fairlead-check.key", leaf->key));
  ASSERT_TRUE(dir->write_public("pki/fairlead-check.crt", leaf->certificate));
  const auto again = make_cluster_ca(*dir, pki("ECDSA-P256"), now());
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().context.find("was not signed by the CA kubernetes"), std::string::npos) << again.error().context;

  ASSERT_TRUE(renew_check_certificate(*dir, pki("ECDSA-P256"), now()));
  EXPECT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  ASSERT_TRUE(dir->write_secret("pki/sa.key", leaf->key));
  const auto strange = make_cluster_ca(*dir, pki("ECDSA-P256"), now());
  ASSERT_FALSE(strange);
  EXPECT_NE(strange.error().context.find("it is not the public half of sa.key"), std::string::npos) << strange.error().context;
}

TEST_F(ClusterCa, RenewalGivesANewCertificateOfTheSameCa) {
  EXPECT_EQ(renew_check_certificate(*dir, pki("ECDSA-P256"), now()).error().code, Errc::kNotFound);
  ASSERT_TRUE(make_cluster_ca(*dir, pki("ECDSA-P256"), now()));
  const auto before = read_certificate(test::TempDir::read(path("pki/fairlead-check.crt")));
  ASSERT_TRUE(renew_check_certificate(*dir, pki("ECDSA-P256"), now() + hours(1000)));
  const auto after = read_certificate(test::TempDir::read(path("pki/fairlead-check.crt")));
  ASSERT_TRUE(before && after);
  EXPECT_NE(before->serial, after->serial);
  EXPECT_EQ(after->not_after - before->not_after, hours(1000));
  EXPECT_EQ(after->issuer, "kubernetes");
}

TEST_F(ClusterCa, ACertificateEndsWithItsCa) {
  const auto ca = make_ca("ECDSA-P256", {"short", "", now(), hours(48)});
  ASSERT_TRUE(ca);
  const auto leaf = issue_client_certificate(*ca, "ECDSA-P256", {"x", "group", now(), hours(1000)});
  ASSERT_TRUE(leaf);
  EXPECT_EQ(read_certificate(leaf->certificate)->not_after, now() + hours(48));
  EXPECT_EQ(issue_client_certificate(*ca, "ECDSA-P256", {"x", "", now() + hours(49), hours(1)}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(issue_client_certificate(*leaf, "ECDSA-P256", {"x", "", now(), hours(1)}).error().code, Errc::kInvalidArgument);
}

TEST(X509, RefusesWhatIsNone) {
  for (const std::string_view text : {"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x"}) {
    EXPECT_FALSE(read_certificate(text)) << text;
    EXPECT_FALSE(check_pair({std::string(text), std::string(text)})) << text;
    EXPECT_FALSE(public_key_of(text)) << text;
    EXPECT_FALSE(check_signed_by(text, text)) << text;
  }
}

}  // namespace
}  // namespace fairlead::bootstrap
