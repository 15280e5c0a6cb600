#include "admin/invitation.h"

#include <gtest/gtest.h>
#include <random>

namespace fairlead::admin {
namespace {

Invitation any(std::mt19937_64& random) {
  Invitation out;
  const bool v4 = random() % 2 == 0;
  std::array<std::uint8_t, 4> four{};
  std::array<std::uint8_t, 16> sixteen{};
  for (auto& byte : four) byte = static_cast<std::uint8_t>(random());
  for (auto& byte : sixteen) byte = static_cast<std::uint8_t>(random());
  out.at.address = v4 ? IpAddress::v4(four) : IpAddress::v6(sixteen);
  out.at.port = static_cast<std::uint16_t>(random());
  out.expires_s = static_cast<std::uint32_t>(random());
  for (auto& byte : out.fingerprint) byte = static_cast<std::uint8_t>(random());
  for (auto& byte : out.secret) byte = static_cast<std::uint8_t>(random());
  return out;
}

TEST(Invitation, IsReadBackAsWritten) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const Invitation invitation = any(random);
    const std::string token = encode_invitation(invitation);
    EXPECT_EQ(token.size(), invitation.at.address.is_v4() ? 77U : 96U);
    const auto read = decode_invitation("  " + token + "\n");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, invitation);
  }
}

TEST(Invitation, CapitalLettersDoNoHarm) {
  std::mt19937_64 random(2);
  const Invitation invitation = any(random);
  std::string token = encode_invitation(invitation);
  for (char& c : token) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_EQ(*decode_invitation(token), invitation);
}

TEST(Invitation, OneWrongLetterIsNoticedAndNothingIsQuoted) {
  std::mt19937_64 random(3);
  const std::string token = encode_invitation(any(random));
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char c : std::string("a7q-")) {
      std::string wrong = token;
      if (wrong[i] == c) continue;
      wrong[i] = c;
      const auto read = decode_invitation(wrong);
      ASSERT_FALSE(read) << i << c;
      EXPECT_EQ(read.error().code, Errc::kInvalidArgument);
      EXPECT_EQ(read.error().message().find(wrong.substr(20, 20)), std::string::npos);
    }
  }
}

TEST(Invitation, NoTextCrashesIt) {
  std::mt19937_64 random(4);
  for (const std::string text : {"", " ", "a", "fairlead", "aaaaaaaa"}) EXPECT_FALSE(decode_invitation(text)) << text;
  EXPECT_FALSE(decode_invitation(std::string(100'000, 'a')));
  const std::string token = encode_invitation(any(random));
  for (std::size_t size = 0; size < token.size(); ++size) EXPECT_FALSE(decode_invitation(token.substr(0, size)));
  EXPECT_FALSE(decode_invitation(token + "a"));
}

}  // namespace
}  // namespace fairlead::admin
