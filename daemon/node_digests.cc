// fairlead: pure
#include "daemon/node_digests.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace fairlead::daemon {
namespace {

constexpr std::size_t kDownNamesMax = 64;  ///< Of all pools together: the message stays below its limit.

/// What an operator would want to see at once; counters and times can wait.
NodeDigest without_counters(NodeDigest digest) {
  digest.uptime_ms = 0;
  digest.connections = 0;
  digest.control_late_us = 0;
  for (ListenerDigest& l : digest.listeners) l.connections = 0;
  return digest;
}

std::string why_not_ready(const admin::NodeReport& report) {
  if (report.ready) return {};
  for (const admin::Reason& reason : report.ready_reasons) {
    if (!reason.ok) return reason.what + ": " + reason.detail;
  }
  return "no listener";
}

}  // namespace

NodeDigest digest_of(const admin::NodeReport& report, Incarnation incarnation) {
  NodeDigest out;
  out.incarnation = incarnation;
  out.uptime_ms = static_cast<std::uint64_t>(std::llround(report.uptime_s * 1000));
  out.engine = report.engine;
  out.ready = report.ready;
  out.reason = why_not_ready(report);
  out.config_hash = report.config_hash;
  out.control_late_us = static_cast<std::uint32_t>(std::min(report.control_lateness_ms * 1000, 4e9));
  for (const admin::WorkerStatus& worker : report.workers) out.connections += worker.connections;
  for (const admin::ListenerStatus& l : report.listeners) {
    out.listeners.push_back({.name = l.name, .accepting = l.accepting, .connections = l.connections.current});
  }
  std::size_t names = 0;
  for (const admin::PoolStatus& pool : report.pools) {
    PoolDigest digest{.name = pool.name, .servers = static_cast<std::uint32_t>(pool.servers.size()), .up = 0, .down = {}};
    for (const admin::ServerStatus& server : pool.servers) {
      if (server.state == admin::ServerState::kUp) ++digest.up;
      if (server.state != admin::ServerState::kDown || names == kDownNamesMax) continue;
      digest.down.push_back(server.name);
      ++names;
    }
    out.pools.push_back(std::move(digest));
  }
  return out;
}

bool NodeDigests::due(const NodeDigest& own, Instant now) {
  if (sent_at_ && now < *sent_at_ + kDigestAtLeast) return false;
  const bool old = !sent_at_ || now >= *sent_at_ + kDigestEvery;
  if (!old && without_counters(own) == without_counters(sent_)) return false;
  sent_at_ = now;
  sent_ = own;
  return true;
}

void NodeDigests::received(NodeId from, NodeDigest digest, Instant now) { heard_[from] = {std::move(digest), now}; }

void NodeDigests::fill(admin::NodeStatus& node, Instant now) const {
  const auto found = heard_.find(NodeId{node.id});
  if (found == heard_.end()) return;
  node.digest = found->second.digest;
  node.digest_age_s = to_seconds(now - found->second.at);
}

}  // namespace fairlead::daemon
