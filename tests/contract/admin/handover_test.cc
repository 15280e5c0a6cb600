// One host, real guests over loopback.
#include "admin/handover.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include "base/sockaddr.h"

namespace fairlead::admin {
namespace {

using namespace std::chrono_literals;

const Endpoint kHere{IpAddress::v4({127, 0, 0, 1}), 0};
constexpr WallTime kExpires{std::chrono::seconds(1'706'702'400)};

class HandoverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = HandoverHost::open(kHere, kExpires);
    ASSERT_TRUE(opened) << opened.error().message();
    host = std::move(*opened);
  }
  void TearDown() override { finish(); }
  void serve(Duration ttl = 60s, std::string text = "the text") {
    server = std::thread([this, ttl, text = std::move(text)] {
      outcome.emplace(host->serve(text, ttl, [this](const std::string& why) { refused.push_back(why); }));
      host.reset();
    });
  }
  void finish() {
    if (server.joinable()) server.join();
  }
  std::unique_ptr<HandoverHost> host;
  std::thread server;
  std::optional<Result<HandoverGuest>> outcome;
  std::vector<std::string> refused;
};

TEST_F(HandoverTest, TheInvitedGuestGetsTheTextOnce) {
  const Invitation invitation = host->invitation();
  EXPECT_NE(invitation.at.port, 0);
  EXPECT_EQ(invitation.expires_s, 1'706'702'400U);
  const std::string text(3U << 20U, 'x');
  serve(60s, text);

  const auto got = fetch_handover(invitation, "gate-2");
  finish();

  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, text);
  ASSERT_TRUE(*outcome) << outcome->error().message();
  EXPECT_EQ((*outcome)->name, "gate-2");
  EXPECT_EQ((*outcome)->from.address, kHere.address);
  const auto again = fetch_handover(invitation, "gate-3");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kUnavailable) << again.error().message();
}

TEST_F(HandoverTest, AWrongSecretIsRefusedAndTheWaitGoesOn) {
  Invitation wrong = host->invitation();
  const Invitation right = wrong;
  wrong.secret[15] ^= 1U;
  serve();

  const auto got = fetch_handover(wrong, "mallory");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::kPermission) << got.error().message();
  EXPECT_TRUE(fetch_handover(right, "gate-2"));
  finish();
  EXPECT_EQ(refused.size(), 1U);
  EXPECT_TRUE(*outcome);
}

TEST_F(HandoverTest, AnotherMachineIsToldNothing) {
  Invitation other = host->invitation();
  const Invitation right = other;
  other.fingerprint[0] ^= 1U;
  serve();

  const auto got = fetch_handover(other, "gate-2");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::kPermission);
  EXPECT_NE(got.error().message().find("another one"), std::string::npos) << got.error().message();
  EXPECT_TRUE(fetch_handover(right, "gate-2"));
}

TEST_F(HandoverTest, NobodyInTimeEndsIt) {
  const Invitation invitation = host->invitation();
  serve(1ms);
  finish();
  ASSERT_FALSE(*outcome);
  EXPECT_EQ(outcome->error().code, Errc::kTimeout);
  EXPECT_EQ(fetch_handover(invitation, "gate-2").error().code, Errc::kUnavailable);
}

TEST_F(HandoverTest, GarbageAndSilenceDoNotEndIt) {
  const Invitation invitation = host->invitation();
  serve();
  const auto connected = [&] {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = to_sockaddr(invitation.at);
    EXPECT_EQ(::connect(fd.get(), address.get(), address.size), 0);
    return fd;
  };
  {
    const Fd garbage = connected();
    const std::string text = "GET / HTTP/1.1\r\n\r\n";
    EXPECT_EQ(::send(garbage.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    const Fd gone = connected();
  }
  const Fd silent = connected();  // Is dropped after a while; the guest behind it waits for that.
  const auto got = fetch_handover(invitation, std::string(500, 'n') + "\n");
  ASSERT_TRUE(got) << got.error().message();
  finish();
  EXPECT_EQ(refused.size(), 3U);
  EXPECT_EQ((*outcome)->name, std::string(64, 'n'));
}

TEST(HandoverHost, AnAddressThatIsNotHereIsNamed) {
  const auto opened = HandoverHost::open({IpAddress::v4({192, 0, 2, 1}), 0}, kExpires);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message().find("192.0.2.1"), std::string::npos) << opened.error().message();
}

}  // namespace
}  // namespace fairlead::admin
