// The PROXY protocol over real connections: headers in pieces, with whatever behind them, and headers written.
#include "base/sockaddr.h"
#include "lb/proxy_protocol.h"
#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;
using std::chrono::seconds;

const Endpoint kClaimed{IpAddress::v4({203, 0, 113, 9}), 51'234};
const Endpoint kClaimedTo{IpAddress::v4({192, 0, 2, 1}), 6443};

std::string header(config::SendProxy version, const Endpoint& source = kClaimed, const Endpoint& destination = kClaimedTo) {
  const ProxyHeaderBytes built = build_proxy_header(version, source, destination);
  return {reinterpret_cast<const char*>(built.view().data()), built.view().size()};
}

class RelayProxy : public RelayContract {
 protected:
  RelayRig& make_accepting(const RigOptions& options = {}) {
    RelayRig& rig = make(options);
    rig.listener.accept_proxy = true;
    rig.publish();
    return rig;
  }
  /// A client whose stream has not begun: what the test writes comes first. The relay knows it by the address it claims.
  Link& connect_claiming() {
    Link& link = rig().connect();
    rig().run_until([&] { return rig().table().size() == 1; });
    link.address = kClaimed;
    return link;
  }
  void expect_refused(std::string_view bytes) {
    SCOPED_TRACE(std::string(bytes.substr(0, 40)));
    const std::uint64_t before = rig().ended(EndCause::kProxyHeader);
    Link& link = rig().connect();
    rig().write_raw(link.client, bytes);
    rig().run_until([&] { return link.client.error() != 0 || link.client.eof(); });
    EXPECT_FALSE(link.client.eof());
    rig().expect_nothing_left();
    rig().expect_ended(EndCause::kProxyHeader, before + 1);
  }
};

TEST_P(RelayProxy, AHeaderInSinglesBytesWithDataBehindIt) {
  RelayRig& rig = make_accepting();
  for (const auto version : {config::SendProxy::kV1, config::SendProxy::kV2}) {
    Link& link = connect_claiming();
    for (const char byte : header(version)) {
      rig.write_raw(link.client, {&byte, 1});
      rig.turn(Duration::zero());
    }
    link.client.send_more(20'000);
    rig.run_until([&] { return link.server && link.server->received() == 20'000; });
    expect_relays(rig, link);
    expect_finishes(rig, link);
    rig.expect_nothing_left();
  }
}

TEST_P(RelayProxy, AHeaderWithBulkBehindItAndTheEndOfFile) {
  RelayRig& rig = make_accepting();
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{3000}, std::uint64_t{2'000'000}}) {
    SCOPED_TRACE(bytes);
    Link& link = rig.connect();  // Not pumped before the header is written: nothing is to be sent yet.
    link.address = kClaimed;
    const std::string bytes_of_header = header(config::SendProxy::kV2);
    ASSERT_EQ(::send(link.client.fd(), bytes_of_header.data(), bytes_of_header.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes_of_header.size()));
    link.client.send_more(bytes);
    link.client.fin_after_send = true;
    rig.run_until([&] { return link.server && link.server->eof(); });
    if (HasFailure()) return;
    EXPECT_EQ(link.server->received(), bytes);
    EXPECT_EQ(link.server->first_wrong(), std::nullopt);
    link.server->send_more(1000);
    expect_fin_passed(rig, link, Side::kServer);
    rig.expect_nothing_left();
  }
}

TEST_P(RelayProxy, NonsenseIsReset) {
  make_accepting();
  expect_refused("GET /readyz HTTP/1.1\r\n\r\n");
  expect_refused("PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n");
  expect_refused("PROXY TCP4 " + std::string(120, '1'));
  std::string huge = header(config::SendProxy::kV2);
  huge[14] = '\x7f';  // The length field: longer than we take.
  expect_refused(huge);
}

TEST_P(RelayProxy, AHeaderCutShortByTheEndOfFileIsReset) {
  RelayRig& rig = make_accepting();
  Link& link = rig.connect();
  rig.write_raw(link.client, header(config::SendProxy::kV1).substr(0, 20));
  link.client.shutdown_write();
  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });
  EXPECT_FALSE(link.client.eof());
  rig.expect_ended(EndCause::kProxyHeader, 1U);
  EXPECT_EQ(rig.server(0).accepted, 0U);
}

TEST_P(RelayProxy, AClientThatResetsBeforeItsHeaderLeavesNothing) {
  RelayRig& rig = make_accepting();
  Link& link = connect_claiming();
  rig.write_raw(link.client, "PROXY ");
  rig.settle();
  link.client.reset();
  rig.expect_nothing_left();
}

TEST_P(RelayProxy, ASilentOneIsResetAfterFiveSeconds) {
  RelayRig& rig = make_accepting();
  Link& link = connect_claiming();
  rig.write_raw(link.client, "PROXY TCP4 ");
  rig.settle();
  rig.advance(std::chrono::milliseconds(4900));
  rig.settle();
  EXPECT_EQ(rig.table().size(), 1U);

  rig.advance(std::chrono::milliseconds(200));

  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });
  EXPECT_FALSE(link.client.eof());
  rig.expect_nothing_left();
}

// One byte would hold a block for five seconds otherwise: 2,048 clients, and no relay of the worker reads any more.
TEST_P(RelayProxy, PartsOfAHeaderHoldNoBlock) {
  RelayRig& rig = make_accepting({.blocks = 32});
  constexpr std::uint16_t kClients = 64;
  std::vector<Link*> links;
  const auto claimed = [](std::uint16_t i) { return Endpoint{kClaimed.address, static_cast<std::uint16_t>(40'000 + i)}; };
  for (std::uint16_t i = 0; i < kClients && !HasFailure(); ++i) {
    links.push_back(&rig.connect());
    rig.run_until([&] { return rig.table().size() == i + 1U; });
    links.back()->address = claimed(i);
    rig.write_raw(links.back()->client, "PROXY TCP");
  }
  rig.settle();
  EXPECT_EQ(rig.blocks_in_use(), 0U);
  EXPECT_EQ(rig.table().size(), kClients);

  for (std::uint16_t i = 0; i < kClients && !HasFailure(); ++i) {
    rig.write_raw(links[i]->client, header(config::SendProxy::kV1, claimed(i)).substr(9));
    links[i]->client.send_more(3000);
    rig.run_until([&] { return links[i]->server && links[i]->server->received() == 3000; });
  }
  for (Link* link : links) expect_finishes(rig, *link);
}

// The header came late: the server is chosen by what is known then.
TEST_P(RelayProxy, ALateHeaderMeetsTheServersOfItsMoment) {
  RelayRig& rig = make_accepting();
  Link& link = connect_claiming();
  rig.write_raw(link.client, "PROXY ");
  rig.settle();
  rig.pool.servers[0].usable = false;
  rig.add_server(ServerKind::kServes);
  rig.publish();

  rig.write_raw(link.client, header(config::SendProxy::kV1).substr(6));

  rig.run_until([&] { return link.server.has_value(); });
  EXPECT_EQ(link.at, 1U);
  expect_finishes(rig, link);
}

TEST_P(RelayProxy, LimitsAreThoseOfTheClientInTheHeader) {
  RelayRig& rig = make_accepting();
  rig.listener.per_source_connections = 1;
  rig.publish();
  Link& first = connect_claiming();
  rig.write_raw(first.client, header(config::SendProxy::kV1));
  rig.run_until([&] { return first.server.has_value(); });
  EXPECT_EQ(rig.sources().used(), 1U);

  Link& second = rig.connect();
  rig.write_raw(second.client, header(config::SendProxy::kV1));
  rig.run_until([&] { return second.client.error() != 0 || second.client.eof(); });
  EXPECT_FALSE(second.client.eof());
  rig.expect_ended(EndCause::kRefused, 1U);

  Link& other_client = rig.connect();
  const Endpoint somebody{IpAddress::v4({203, 0, 113, 10}), 1000};
  other_client.address = somebody;
  rig.write_raw(other_client.client, header(config::SendProxy::kV1, somebody));
  rig.run_until([&] { return other_client.server.has_value(); });
  expect_finishes(rig, other_client);
  expect_finishes(rig, first);
  rig.expect_nothing_left();
}

class RelaySendProxy : public RelayProxy {
 protected:
  /// The server's end does not read its stream before the header was taken off.
  RelayRig& make_sending(config::SendProxy version, RigOptions options = {}) {
    RelayRig& rig = make(options);
    rig.pool.send_proxy = version;
    rig.publish();
    rig.server(0).reads = false;
    return rig;
  }
  void expect_header(Link& link, const std::string& expected) {
    rig().run_until([&] { return link.server.has_value(); });
    if (!link.server) return;
    EXPECT_EQ(rig().read_raw(*link.server, expected.size()), expected);
    link.server->reading = true;
  }
  /// Parts and their destination as the relay sees them.
  [[nodiscard]] std::string own_header(config::SendProxy version, const Link& link) { return header(version, link.address, rig().front()); }
};

TEST_P(RelaySendProxy, TheServerReadsTheHeaderThenTheData) {
  for (const auto version : {config::SendProxy::kV1, config::SendProxy::kV2}) {
    RelayRig& rig = make_sending(version);
    for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{300'000}}) {
      Link& link = rig.connect();
      link.client.send_more(bytes);
      expect_header(link, own_header(version, link));
      rig.run_until([&] { return link.server->received() == bytes; });
      expect_relays(rig, link);
      expect_finishes(rig, link);
      rig.expect_nothing_left();
    }
  }
}

TEST_P(RelaySendProxy, TheHeaderIsNotCountedAsTheClientsBytes) {
  RelayRig& rig = make_sending(config::SendProxy::kV2);
  Link& link = rig.connect();
  link.client.send_more(5000);
  expect_header(link, own_header(config::SendProxy::kV2, link));
  rig.run_until([&] { return link.server->received() == 5000 && rig.stats().listeners[0].bytes_in.get() >= 5000; });
  rig.settle();
  EXPECT_EQ(rig.stats().listeners[0].bytes_in.get(), 5000U);
  EXPECT_EQ(rig.table().list({}, 1).at(0).bytes_in, 5000U);
  expect_finishes(rig, link);
}

TEST_P(RelaySendProxy, AServerThatSpeaksFirstIsHeard) {
  RelayRig& rig = make_sending(config::SendProxy::kV1);
  Link& link = rig.connect();
  rig.run_until([&] { return link.server.has_value(); });
  link.server->send_more(10'000);
  rig.run_until([&] { return link.client.received() == 10'000; });
  expect_header(link, own_header(config::SendProxy::kV1, link));
  expect_finishes(rig, link);
}

TEST_P(RelaySendProxy, TheDataAndTheEndOfFileThatCameWhileConnectingFollowTheHeader) {
  RelayRig& rig = make_sending(config::SendProxy::kV2);
  rig.hold(net::EventKind::kConnected);
  Link& link = rig.connect();
  link.client.send_more(9000);
  link.client.fin_after_send = true;
  rig.run_until([&] { return link.server && rig.held() == 1; });
  rig.settle();
  rig.release();
  expect_header(link, own_header(config::SendProxy::kV2, link));
  expect_fin_passed(rig, link, Side::kClient);
  expect_fin_passed(rig, link, Side::kServer);
}

TEST_P(RelaySendProxy, AHeaderComesInAndAnotherGoesOut) {
  RelayRig& rig = make_sending(config::SendProxy::kV2);
  rig.listener.accept_proxy = true;
  rig.publish();
  Link& link = connect_claiming();
  rig.write_raw(link.client, header(config::SendProxy::kV1));
  link.client.send_more(50'000);
  expect_header(link, header(config::SendProxy::kV2, kClaimed, rig.front()));
  rig.run_until([&] { return link.server->received() == 50'000; });
  expect_relays(rig, link);
  expect_finishes(rig, link);
}

TEST_P(RelaySendProxy, WithoutAFreeBlockTheHeaderWaits) {
  RelayRig& rig = make_sending(config::SendProxy::kV1);
  rig.hold(net::EventKind::kConnected);
  Link& link = rig.connect();
  rig.run_until([&] { return link.server && rig.held() == 1; });
  {
    const Hoard hoard(rig);
    rig.release();
    for (int i = 0; i < 5; ++i) rig.advance(std::chrono::milliseconds(20));
    EXPECT_EQ(rig.state_of(link), "connecting");
  }
  for (int i = 0; i < 8; ++i) rig.advance(std::chrono::milliseconds(20));
  expect_header(link, own_header(config::SendProxy::kV1, link));
  expect_relays(rig, link);
  expect_finishes(rig, link);
}

TEST_P(RelaySendProxy, AServerThatResetsWhileTheHeaderWaitsIsAFailedTry) {
  RelayRig& rig = make_sending(config::SendProxy::kV1, {.servers = 2});
  rig.server(1).reads = false;
  rig.hold(net::EventKind::kConnected);
  Link& link = rig.connect();
  link.client.send_more(100);
  rig.run_until([&] { return link.server && rig.held() == 1; });
  const std::size_t first = link.at;
  {
    const Hoard hoard(rig);
    rig.release();
    rig.advance(std::chrono::milliseconds(20));
    link.server->reset();
    rig.settle();
  }
  rig.run_until([&] {
    rig.advance(std::chrono::milliseconds(20));
    return link.at != first && link.server->fd() >= 0;
  });
  expect_header(link, own_header(config::SendProxy::kV1, link));
  rig.run_until([&] { return link.server->received() == 100; });
  EXPECT_EQ(rig.pool.servers[first].counters->connect_failures.load(), 1U);
  expect_finishes(rig, link);
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayProxy, testing::ValuesIn(every_engine()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Engines, RelaySendProxy, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
