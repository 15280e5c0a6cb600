#include "daemon/node_digests.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/limits.h"
#include "membership/message_codec.h"

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{std::chrono::hours(1)};

admin::NodeReport report() {
  admin::NodeReport r;
  r.node = "gate-2";
  r.engine = "io_uring";
  r.ready = true;
  r.uptime_s = 12.5;
  r.config_hash = "00c0ffee";
  r.control_lateness_ms = 0.25;
  r.workers = {{.index = 0, .connections = 3}, {.index = 1, .connections = 4}};
  admin::ListenerStatus listener;
  listener.name = "kube-api";
  listener.accepting = true;
  listener.connections.current = 7;
  r.listeners = {listener};
  admin::PoolStatus pool;
  pool.name = "masters";
  for (const auto& [name, state] : {std::pair{"mast-1", admin::ServerState::kUp},
                                    {"mast-2", admin::ServerState::kDown},
                                    {"mast-3", admin::ServerState::kDrain},
                                    {"mast-4", admin::ServerState::kUnknown}}) {
    admin::ServerStatus server;
    server.name = name;
    server.state = state;
    pool.servers.push_back(server);
  }
  r.pools = {pool};
  return r;
}

TEST(NodeDigest, TellsWhatAnOperatorElsewhereWouldAsk) {
  const NodeDigest digest = digest_of(report(), 42);

  EXPECT_EQ(digest.incarnation, 42U);
  EXPECT_EQ(digest.uptime_ms, 12500U);
  EXPECT_TRUE(digest.ready);
  EXPECT_EQ(digest.reason, "");
  EXPECT_EQ(digest.connections, 7U);
  EXPECT_EQ(digest.control_late_us, 250U);
  EXPECT_EQ(digest.listeners, (std::vector<ListenerDigest>{{"kube-api", true, 7}}));
  EXPECT_EQ(digest.pools, (std::vector<PoolDigest>{{"masters", 4, 1, {"mast-2"}}}));
}

TEST(NodeDigest, SaysTheFirstReasonWhyTheNodeIsNotReady) {
  auto r = report();
  r.ready = false;
  r.ready_reasons = {{"listener kube-api", true, "accepts"}, {"pool masters", false, "0 of 4 servers take connections"}};
  EXPECT_EQ(digest_of(r, 1).reason, "pool masters: 0 of 4 servers take connections");

  r.ready_reasons.clear();
  EXPECT_EQ(digest_of(r, 1).reason, "no listener");
}

TEST(NodeDigest, OfTheLargestConfigurationFitsIntoAMessage) {
  admin::NodeReport r;
  const std::string name(config::kNameLengthMax, 'n');
  r.ready_reasons = {{name, false, std::string(10000, 'r')}};
  for (std::size_t i = 0; i < config::kListenersMax; ++i) {
    r.listeners.emplace_back().name = name;
    r.listeners.back().connections.current = ~0ULL;
  }
  for (std::size_t i = 0; i < config::kPoolsMax; ++i) {
    auto& pool = r.pools.emplace_back();
    pool.name = name;
    for (std::size_t k = 0; k < config::kServersPerPoolMax; ++k) {
      pool.servers.emplace_back().name = name;
      pool.servers.back().state = admin::ServerState::kDown;
    }
  }
  std::vector<std::byte> bytes;
  const auto status = membership::MessageCodec("kube").encode(digest_of(r, ~0ULL), bytes);
  EXPECT_TRUE(status) << status.error().message();
}

TEST(NodeDigests, AreSentEachSecondAndSoonerWhenSomethingChanged) {
  NodeDigests digests;
  NodeDigest own = digest_of(report(), 1);
  EXPECT_TRUE(digests.due(own, kStart));
  EXPECT_FALSE(digests.due(own, kStart + 900ms));
  own.connections = 99;
  own.listeners[0].connections = 99;
  own.uptime_ms += 900;
  EXPECT_FALSE(digests.due(own, kStart + 950ms)) << "counters wait for the second";
  EXPECT_TRUE(digests.due(own, kStart + 1s));

  own.pools[0].up = 0;
  EXPECT_FALSE(digests.due(own, kStart + 1100ms)) << "not more often than each 200 ms";
  EXPECT_TRUE(digests.due(own, kStart + 1200ms));
  EXPECT_FALSE(digests.due(own, kStart + 1300ms));
  digests.hurry();
  EXPECT_TRUE(digests.due(own, kStart + 1300ms)) << "a member that joined knows nothing yet";
}

TEST(NodeDigests, FillANodeWithTheAgeOfWhatItLastShowed) {
  NodeDigests digests;
  const NodeDigest digest = digest_of(report(), 1);
  digests.received(NodeId{2}, digest, kStart);

  admin::NodeStatus node;
  node.id = 2;
  node.online = true;
  digests.fill(node, kStart + 1500ms);
  EXPECT_EQ(node.digest, digest);
  EXPECT_DOUBLE_EQ(node.digest_age_s, 1.5);
  digests.fill(node, kStart + 1h);
  EXPECT_TRUE(node.digest) << "what is known stays, with its age";

  admin::NodeStatus silent;
  silent.id = 3;
  digests.fill(silent, kStart);
  EXPECT_FALSE(silent.digest);
}

}  // namespace
}  // namespace fairlead::daemon
