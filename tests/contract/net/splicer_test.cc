// Splicer over real sockets: what the engines rely on when they wait for edges.
#include "net/splicer.h"

#include <array>
#include <csignal>
#include <gtest/gtest.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <utility>

#include "tests/support/net_peer.h"

namespace fairlead::net {
namespace {

using namespace support;

constexpr auto kFamily = IpAddress::Family::kV4;

/// source -> from ==pipe==> to -> drain
struct Rig {
  Rig() : from_pair(make_tcp_pair(kFamily)), to_pair(make_tcp_pair(kFamily, 16 * 1024)) { std::signal(SIGPIPE, SIG_IGN); }
  [[nodiscard]] int from() const { return from_pair.first.get(); }
  [[nodiscard]] int source() const { return from_pair.second.get(); }
  [[nodiscard]] int to() const { return to_pair.first.get(); }
  [[nodiscard]] int drain() const { return to_pair.second.get(); }
  [[nodiscard]] LinkId open(Splicer& splicer) const { return splicer.open(SocketId{1}, from(), SocketId{2}, to()); }

  void say(const std::string& text) const {
    ASSERT_EQ(::send(source(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  /// Writes past the link until `to` takes no more.
  [[nodiscard]] std::size_t fill_to() const {
    const std::string junk(4096, 'j');
    std::size_t bytes = 0;
    for (;;) {
      const ssize_t n = ::send(to(), junk.data(), junk.size(), MSG_NOSIGNAL);
      if (n > 0) bytes += static_cast<std::size_t>(n);
      if (n < 0 && !writable_soon()) return bytes;
    }
  }
  [[nodiscard]] std::string read_drain(std::size_t at_least) const {
    std::string text;
    std::array<char, 4096> bytes{};
    while (text.size() < at_least && wait_for(drain(), POLLIN)) {
      const ssize_t n = ::recv(drain(), bytes.data(), bytes.size(), 0);
      if (n <= 0) break;
      text.append(bytes.data(), static_cast<std::size_t>(n));
    }
    return text;
  }

  std::pair<Fd, Fd> from_pair;
  std::pair<Fd, Fd> to_pair;

 private:
  [[nodiscard]] bool writable_soon() const {
    pollfd wanted{.fd = to(), .events = POLLOUT, .revents = 0};
    return ::poll(&wanted, 1, 200) == 1;  // The receiver's kernel makes room until its late acknowledgement (40 ms, or more).
  }
};

TEST(Splicer, MovesWhatIsThereAndReportsTheEnd) {
  const Rig rig;
  Splicer splicer(1);
  const LinkId link = rig.open(splicer);
  rig.say("hello");
  ASSERT_TRUE(wait_for(rig.from(), POLLIN));

  const auto first = splicer.pump(link);
  EXPECT_EQ(first.moved, 5U);
  EXPECT_FALSE(first.eof || first.blocked || first.more);

  ASSERT_EQ(::shutdown(rig.source(), SHUT_WR), 0);
  ASSERT_TRUE(wait_for(rig.from(), POLLIN));
  EXPECT_TRUE(splicer.pump(link).eof);
  EXPECT_EQ(rig.read_drain(5), "hello");
}

// One byte a time takes one slot of the pipe each, so the pipe is full with 64 bytes in it. When `to` has room again, all of it and what
// waits behind it must go in one pump: the source has ended, no further edge will come.
TEST(Splicer, LooksAgainBehindAPipeFullOfCrumbs) {
  constexpr std::size_t kCrumbs = 500;
  const Rig rig;
  Splicer splicer(1);
  const LinkId link = rig.open(splicer);
  const std::size_t junk = rig.fill_to();
  for (std::size_t i = 0; i < kCrumbs; ++i) {
    rig.say(std::string(1, static_cast<char>('a' + i % 26)));
    ASSERT_TRUE(wait_for(rig.from(), POLLIN) || i > 60);
    const auto out = splicer.pump(link);
    ASSERT_TRUE(out.blocked);
    ASSERT_EQ(out.moved, 0U);
  }
  ASSERT_LT(splicer.link(link).in_pipe, kCrumbs) << "the pipe took everything: this tests nothing";
  ASSERT_EQ(::shutdown(rig.source(), SHUT_WR), 0);
  ASSERT_EQ(rig.read_drain(junk).size(), junk);
  ASSERT_TRUE(wait_for(rig.to(), POLLOUT));

  const auto out = splicer.pump(link);

  EXPECT_EQ(out.moved, kCrumbs);
  EXPECT_TRUE(out.eof);
  const std::string text = rig.read_drain(kCrumbs);
  ASSERT_EQ(text.size(), kCrumbs);
  for (std::size_t i = 0; i < kCrumbs; ++i) ASSERT_EQ(text[i], static_cast<char>('a' + i % 26)) << "byte " << i;
}

// I1: the bytes of a closed link must not come out of the next one.
TEST(Splicer, APipeWithBytesInItIsNotUsedAgain) {
  const Rig blocked;
  const Rig next;
  Splicer splicer(1);
  const LinkId first = blocked.open(splicer);
  (void)blocked.fill_to();
  blocked.say("left behind");
  ASSERT_TRUE(wait_for(blocked.from(), POLLIN));
  ASSERT_TRUE(splicer.pump(first).blocked);
  ASSERT_GT(splicer.link(first).in_pipe, 0U);
  splicer.close(first);

  const LinkId second = next.open(splicer);
  ASSERT_NE(second, kNoLink);
  next.say("fresh");
  ASSERT_TRUE(wait_for(next.from(), POLLIN));

  EXPECT_EQ(splicer.pump(second).moved, 5U);
  EXPECT_EQ(next.read_drain(5), "fresh");
}

TEST(Splicer, LendsNoMorePipesThanItMay) {
  const Rig rig;
  Splicer splicer(2);
  const LinkId a = rig.open(splicer);
  const LinkId b = rig.open(splicer);
  EXPECT_NE(a, b);
  EXPECT_EQ(rig.open(splicer), kNoLink);

  splicer.close(a);

  EXPECT_NE(rig.open(splicer), kNoLink);
  EXPECT_EQ(splicer.open_links(), 2U);
}

TEST(Splicer, OnlyLinksThatWereSilentForAWholeIntervalAreSwept) {
  const Rig rig;
  Splicer splicer(1);
  const LinkId link = rig.open(splicer);
  EXPECT_TRUE(splicer.sweep().empty());  // It has just begun.

  rig.say("x");
  ASSERT_TRUE(wait_for(rig.from(), POLLIN));
  ASSERT_EQ(splicer.pump(link).moved, 1U);

  EXPECT_TRUE(splicer.sweep().empty());
  EXPECT_EQ(splicer.sweep(), std::vector<LinkId>{link});
}

}  // namespace
}  // namespace fairlead::net
