#include "daemon/worker_mail.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

class WorkerMailTest : public ::testing::Test {
 protected:
  std::size_t room = 0;
  std::vector<lb::WorkerMessage> got;
  WorkerMail mail{[this](lb::WorkerMessage& m) {
    if (room == 0) return false;
    --room;
    got.push_back(std::move(m));
    return true;
  }};
  static lb::SetRoutes routes(std::uint64_t version) {
    auto table = std::make_shared<lb::RouteTable>();
    table->version = version;
    return {std::move(table)};
  }
};

TEST_F(WorkerMailTest, WhatDoesNotFitWaitsAndGoesOutInOrder) {
  room = 1;
  EXPECT_TRUE(mail.send(lb::CloseListener{1}));
  EXPECT_FALSE(mail.send(lb::CloseListener{2}));
  room = 1;
  EXPECT_FALSE(mail.send(lb::OpenListener{3, 3, Fd()}));  // Not before what waits.
  EXPECT_EQ(got.size(), 1U);
  mail.flush();
  EXPECT_EQ(mail.waiting(), 1U);
  room = 9;
  mail.flush();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(std::get<lb::CloseListener>(got[1]).bind, 2U);
  EXPECT_EQ(std::get<lb::OpenListener>(got[2]).bind, 3U);
  EXPECT_EQ(mail.waiting(), 0U);
}

// R18: a worker that hears of the end before the release would keep new connections away for ever.
TEST_F(WorkerMailTest, WhatIsSaidOfAnAddressStaysInOrder) {
  const IpAddress vip = *parse_ip_address("192.0.2.9");
  for (int i = 0; i < 2; ++i) {
    (void)mail.send(lb::ReleaseAddress{vip, [](std::size_t) {}});
    (void)mail.send(lb::AddressGone{vip});
  }
  room = 9;
  mail.flush();
  ASSERT_EQ(got.size(), 4U);
  for (std::size_t i = 0; i < 4; i += 2) {
    EXPECT_TRUE(std::holds_alternative<lb::ReleaseAddress>(got[i]));
    EXPECT_TRUE(std::holds_alternative<lb::AddressGone>(got[i + 1]));
  }
}

TEST_F(WorkerMailTest, AWorkerThatWasFullGetsTheNewestRoutesOnly) {
  for (std::uint64_t version = 1; version <= 100; ++version) (void)mail.send(routes(version));
  EXPECT_EQ(mail.waiting(), 1U);
  room = 9;
  mail.flush();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(std::get<lb::SetRoutes>(got[0]).table->version, 100U);
}

TEST_F(WorkerMailTest, RepeatedOrdersAreThereOnce) {
  for (int i = 0; i < 50; ++i) {
    (void)mail.send(lb::CloseServerConnections{7, lb::EndCause::kServerDown});
    (void)mail.send(lb::SetLegOptions{2, {}});
    (void)mail.send(lb::CloseServerConnections{8, lb::EndCause::kServerDown});
  }
  EXPECT_EQ(mail.waiting(), 3U);
}

TEST_F(WorkerMailTest, AQuestionDoesNotWait) {
  lb::WorkerMessage ping = lb::Ping{1};
  EXPECT_FALSE(mail.try_send(ping));
  (void)mail.send(lb::CloseListener{1});
  room = 1;
  EXPECT_FALSE(mail.try_send(ping)) << "not before what waits";
  EXPECT_EQ(std::get<lb::Ping>(ping).sequence, 1U);
  room = 2;
  mail.flush();
  EXPECT_TRUE(mail.try_send(ping));
}

}  // namespace
}  // namespace fairlead::daemon
