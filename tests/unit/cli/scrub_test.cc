#include "cli/scrub.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace fairlead::cli {
namespace {

TEST(Scrub, TakesOutWhatLooksLikeASecret) {
  EXPECT_EQ(scrub("a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\nb\n"), "a\n(a private key was removed)\nb\n");
  EXPECT_EQ(scrub("x -----BEGIN PRIVATE KEY-----\nMHcCAQ"), "x (a private key was removed)") << "cut off";
  EXPECT_EQ(scrub(R"({"key": "-----BEGIN PRIVATE KEY-----\nMHcCAQ\n-----END PRIVATE KEY-----\n", "a": 1})").find("MHcCAQ"),
            std::string::npos);
  EXPECT_EQ(scrub("password: hunter22"), "password: (removed)");
  EXPECT_EQ(scrub("password: 12345678"), "password: (removed)");
  EXPECT_EQ(scrub("password: /slash/first"), "password: (removed)");
  EXPECT_EQ(scrub("password: no way"), "password: (removed)");
  EXPECT_EQ(scrub("up --token=abcdef0123456789"), "up --token=(removed)");
  EXPECT_EQ(scrub("up --token abcdef0123456789 x"), "up --token (removed)");
  EXPECT_EQ(scrub("Authorization: Bearer abc"), "Authorization: (removed)");
  EXPECT_EQ(scrub("X-Api-Key: abc"), "X-Api-Key: (removed)");
  EXPECT_EQ(scrub("sent Bearer abcdefghij to it"), "sent Bearer (removed) to it");
  EXPECT_EQ(scrub("{\"client_secret\": \"s3cr3tvalue\"}"), "{\"client_secret\": (removed)");
  EXPECT_EQ(scrub(R"(body="{\"db_password\": \"abc\"}")"), R"(body="{\"db_password\": (removed))");
  EXPECT_EQ(scrub("  auth_pass 1111"), "  auth_pass (removed)");
  EXPECT_EQ(scrub("\"auth_pass\" 1111"), "\"auth_pass\" (removed)");
  EXPECT_EQ(scrub("#key: abc"), "#key: (removed)");
  EXPECT_EQ(scrub("wpa-psk=abc"), "wpa-psk=(removed)");
  EXPECT_EQ(scrub("get https://bob:pw@host/x and y"), "get https://(removed)@host/x and y");
  EXPECT_EQ(scrub("curl -u bob:pw http://host/"), "curl -u (removed) http://host/");
  EXPECT_EQ(scrub("kubeadm join --discovery abcdef.0123456789abcdef now"), "kubeadm join --discovery (removed) now");
  EXPECT_EQ(scrub("<password>abc</password>"), "<password>(removed)");
  EXPECT_EQ(scrub("<nvpair name=\"passwd\" value=\"abc\"/>"), "<nvpair name=\"passwd\" value=(removed)");
}

TEST(Scrub, TakesOutWhatGoesOnInTheNextLines) {
  EXPECT_EQ(scrub("password: |\n  hunter2\n\n  more\nuser: bob\n"), "password: (removed)\nuser: bob\n");
  EXPECT_EQ(scrub("a:\n  password:\n    hunter2\n  user: bob\n"), "a:\n  password:\n  user: bob\n");
  EXPECT_EQ(scrub("passwords:\n- hunter2\n- hunter3\nuser: bob"), "passwords:\nuser: bob");
  EXPECT_EQ(scrub("- password: hunter2\n  user: bob\n"), "- password: (removed)\n  user: bob\n");
  EXPECT_EQ(scrub("- --password\n- hunter2\n- bob\n"), "- --password\n- bob\n");
  EXPECT_EQ(scrub("up --password \\\n  hunter2 \\\n  bob\ndown\n"), "up --password \\\ndown\n");
  EXPECT_EQ(scrub("- name: DB_PASSWORD\n  value: hunter2\n- name: X\n  value: y\n"),
            "- name: DB_PASSWORD\n  value: (removed)\n- name: X\n  value: y\n");
}

TEST(Scrub, LeavesWhatOpensNothing) {
  EXPECT_EQ(scrub(R"({"name":"compass","servers":[{"name":"db-pass","up":3}]})"),
            R"({"name":"compass","servers":[{"name":"db-pass","up":3}]})");
  for (const char* fine : {"token: 800ms",
                           "token: 3000",
                           "token_ms=800 consensus_ms=960",
                           "token_file: /etc/fairlead/token",
                           "secauth: on",
                           "the token was lost",
                           "authkey: /etc/corosync/authkey",
                           "passwords are kept elsewhere",
                           "password: \"\"",
                           "{\"password\":\"\",\"user\":\"bob\"}",
                           "key: /etc/fairlead/admin.key",
                           "Speculation_Store_Bypass:\tthread vulnerable",
                           "open /etc/fairlead/token: Permission denied",
                           "unknown key 'idle_timeout'",
                           "https://host/x",
                           "inet 10.0.0.1/24 brd 10.0.0.255",
                           "password: (removed)",
                           "",
                           "\n",
                           ":",
                           "='\"",
                           "key",
                           "password",
                           "//@"})
    EXPECT_EQ(scrub(fine), fine);
}

/// Letters, digits and what passwords like to have; the first one may be a digit or a slash.
std::string secret_of(Prng& prng) {
  static constexpr std::string_view kInner = "abcdefXYZ0123456789+/=_.-!%$*?";
  static constexpr std::string_view kKinds[] = {kInner, "0123456789", "abcdef0123456789", "/abc123", "abcXYZ01+/"};
  const std::string_view kind = kKinds[prng.below(std::size(kKinds))];
  std::string out;
  for (std::size_t i = 0; i < 12 + prng.below(20); ++i) out += kind[prng.below(static_cast<std::uint32_t>(kind.size()))];
  return out;
}

std::string replaced(std::string text, std::string_view what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) text.replace(at, what.size(), by);
  return text;
}

TEST(Scrub, NoPlantedSecretComesOutWhateverItsNameAndForm) {
  static constexpr const char* kNames[] = {
      "password",     "PASSWD",      "db_password", "smtp.pass",      "passphrase", "client-secret",         "clientSecret",
      "access_token", "token",       "X-Api-Key",   "apiKey",         "api_key",    "private_key",           "psk",
      "wpa-psk",      "authkey",     "auth_pass",   "auth-key",       "MYSQL_PWD",  "AWS_SECRET_ACCESS_KEY", "Authorization",
      "Cookie",       "credentials", "password_1",  "pre_shared_key", "key"};
  static constexpr const char* kForms[] = {"NN: SS",
                                           "NN:SS",
                                           "NN=SS",
                                           "NN = SS",
                                           "NN => 'SS'",
                                           "NN := \"SS\"",
                                           "export NN='SS'",
                                           "  NN: \"SS\"  # mine",
                                           "#NN: SS",
                                           "# NN = SS",
                                           "{\"NN\":\"SS\"}",
                                           "{\"a\": [1, {\"NN\" : \"SS\", \"b\": 2}]}",
                                           "{\"said\":\"{\\\"NN\\\":\\\"SS\\\"}\"}",
                                           "{\"said\":\"{\\\\\\\"NN\\\\\\\": \\\\\\\"SS\\\\\\\"}\"}",
                                           "{\"name\": \"NN\", \"value\": \"SS\"}",
                                           "- name: NN\n  value: SS",
                                           "- name: \"NN\"\n  about: x\n  value: \"SS\"",
                                           "<NN>SS</NN>",
                                           "<a NN=\"SS\" b=\"c\"/>",
                                           "<nvpair name=\"NN\" value=\"SS\"/>",
                                           "up --NN SS",
                                           "up --NN=SS --other x",
                                           "command: [\"/bin/up\", \"--NN\", \"SS\"]",
                                           "command:\n  - /bin/up\n  - --NN\n  - SS",
                                           "[\n  \"--NN\",\n  \"SS\"\n]",
                                           "NN: |\n  SS",
                                           "NN: >-\n    SS\n    SS",
                                           "x:\n  NN:\n    SS",
                                           "NN:\n- SS\n- SS",
                                           "NN: \\\n SS",
                                           "GET /x?a=b&NN=SS HTTP/1.1",
                                           "GET /x?NN%3DSS",
                                           "curl -H 'NN: SS' https://host/",
                                           "msg=\"failed with NN=SS\" user=bob",
                                           "http://bob:SS@host:80/x",
                                           "https://SS@host/",
                                           "proxy=http://bob:SS@host,http://carl:SS@other",
                                           "curl -u bob:SS https://host/",
                                           "curl --user \"bob:SS\" https://host/",
                                           "said Bearer SS",
                                           "[\"-H\", \"Basic SS\"]",
                                           "-----BEGIN NN PRIVATE KEY-----\nSS\nSS\n-----END NN PRIVATE KEY-----",
                                           "{\"x\": \"-----BEGIN PRIVATE KEY-----\\nSS\\n-----END PRIVATE KEY-----\\n\"}"};
  static constexpr const char* kAround[] = {"",    "first line\n", "2026-11-27T06:33:23Z error X ", "key: /etc/a.key\n", "token: 800ms ",
                                            "a: {"};
  Prng prng(4711);
  for (const char* name : kNames) {
    for (const char* form : kForms) {
      for (int i = 0; i < 20; ++i) {
        const std::string secret = secret_of(prng);
        // The name first: a secret may look like its place.
        const std::string planted = replaced(replaced(form, "SS", "\x01"), "NN", name);
        std::string text = kAround[prng.below(std::size(kAround))] + replaced(planted, "\x01", secret);
        if (prng.below(4) == 0) text = "  " + replaced(text, "\n", "\n  ");
        if (prng.below(2) == 0) text += "\nlast: line";
        const std::string out = scrub(text);
        EXPECT_EQ(out.find(secret), std::string::npos) << text << "\n-->\n" << out;
        EXPECT_EQ(scrub(out).find(secret), std::string::npos);
      }
    }
  }
}

TEST(Scrub, PasswordsOfOldFilesStandBehindABlank) {
  Prng prng(17);
  for (const char* name : {"password", "insecure-password", "auth_pass", "psk", "ppp_secret", "passwd"}) {
    const std::string secret = secret_of(prng);
    EXPECT_EQ(scrub("  " + std::string(name) + "\t" + secret + "\n").find(secret), std::string::npos) << name;
  }
}

TEST(Scrub, LongLinesTakeLinearTime) {
  for (const char* piece : {"//", "//a@", "-u a:", "bearer abcdefgh ", "password ", "\"", "\\", "key:", "-----BEGIN", "eyJ.", "=", " "}) {
    std::string text;
    while (text.size() < (std::size_t{1} << 20)) text += piece;
    EXPECT_LE(scrub(text).size(), 4 * text.size()) << piece;  // The test's time limit is what this is about.
  }
}

TEST(Scrub, BlotsOutKnownSecretsWhereverTheyStandAndKeepsTheLength) {
  std::string text = std::string("a\0b", 3) + "TOPSECRETTOKEN" + "c";
  blot_out(text, secrets_in("TOPSECRETTOKEN\n"));
  EXPECT_EQ(text, std::string("a\0b", 3) + "**************" + "c");
  std::string pem = "log: MHcCAQEEIAabcdefghijklmnop";
  blot_out(pem, secrets_in("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAabcdefghijklmnop\nqqqq\n-----END EC PRIVATE KEY-----\n"));
  EXPECT_EQ(pem, "log: **************************");
  std::string json = R"({"reason":"to\"ken\\1234 is wrong"})";
  blot_out(json, secrets_in("to\"ken\\1234\n"));
  EXPECT_EQ(json.find("1234"), std::string::npos) << json;
}

TEST(Scrub, FindsTheFilesOfSecretsInAFileThatIsNotValid) {
  EXPECT_EQ(
      secret_paths_in(
          "pols:\n  - health: {token_file: /a/token, key: \"/b/k.pem\"}\n  key: '/c'\n  turkey: /d\n  key: relative\n  key:\n    /e\nkey:"),
      (std::vector<std::string>{"/b/k.pem", "/c", "/e", "/a/token"}));
}

}  // namespace
}  // namespace fairlead::cli
