// fairlead: pure
#include "daemon/takeover_settings.h"

#include <algorithm>
#include <utility>

#include "config/derived_vips.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kCarrierStable = std::chrono::seconds(3);  ///< R17

/// FNV-1a: equal on every node and every build, which std::hash does not promise. R15 compares these between nodes.
class StableHash {
 public:
  void add(const std::string& text) {
    for (const char c : text) step(static_cast<std::uint8_t>(c));
    step(0xff);  // No byte of a name: "ab" + "c" is not "a" + "bc".
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) step(static_cast<std::uint8_t>(number >> (8 * i)));
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  void step(std::uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

std::uint64_t hash_of(const config::Vip& vip) {
  StableHash hash;
  hash.add(vip.address.to_string());
  hash.add(vip.group);
  for (const std::string& name : vip.prefer) hash.add(name);
  hash.add(std::uint64_t{vip.preempt});
  for (const std::string& name : vip.requires_listeners) hash.add(name);
  return hash.value();
}

std::uint64_t hash_of(const config::Cluster& cluster) {
  StableHash hash;
  hash.add(cluster.name);
  for (const config::Node& node : cluster.nodes) {
    hash.add(node.name);
    hash.add(std::uint64_t{node.id});
  }
  return hash.value();
}

const config::Node* own_node(const config::Snapshot& snapshot) {
  if (!snapshot.cluster) return nullptr;
  const auto& nodes = snapshot.cluster->nodes;
  const auto at = std::find_if(nodes.begin(), nodes.end(), [&](const config::Node& n) { return n.name == snapshot.node; });
  return at == nodes.end() ? nullptr : &*at;
}

/// Votes of the quorum device: ffsplit breaks ties with one, lms outweighs all nodes but one (corosync-qdevice(8)).
std::uint32_t qdevice_votes(const config::Cluster& cluster) {
  if (!cluster.qdevice) return 0;
  const auto nodes = static_cast<std::uint32_t>(cluster.nodes.size());
  return cluster.qdevice->algorithm == config::QdeviceAlgorithm::kFfsplit ? 1 : nodes - 1;
}

vip::VipSettings settings_of(const config::Snapshot& snapshot, const config::Vip& vip, const std::vector<vip::NodeName>& nodes) {
  vip::VipSettings out;
  out.name = vip.name;
  out.address = vip.address;
  out.group = vip.group.empty() ? "vip " + vip.name : vip.group;  // A group's name has no blank: never the same.
  for (const std::string& name : vip.prefer) {
    const auto node = std::find_if(nodes.begin(), nodes.end(), [&](const vip::NodeName& n) { return n.name == name; });
    if (node != nodes.end()) out.prefer.push_back(node->id);
  }
  out.preempt = vip.preempt;
  out.preempt_delay = vip.preempt_delay;
  out.kernel_lease = vip.lease;
  out.takeover_probe = vip.takeover_probe;
  out.announce = vip.announce;
  out.placement = device_of(snapshot, vip);
  if (vip.route) out.placement += " " + vip.route->gateway.to_string() + " " + std::to_string(vip.route->table);
  out.config_hash = hash_of(vip);
  return out;
}

}  // namespace

Result<vip::Settings> takeover_settings(const config::Snapshot& snapshot, const std::string& version) {
  vip::Settings out;
  out.version = version;
  out.serve_stable = kCarrierStable;
  for (const config::Pool& pool : snapshot.pools) out.serve_stable = std::max(out.serve_stable, kCarrierStable + fall_time(pool));
  if (!snapshot.cluster) {
    out.self = NodeId{1};
    out.nodes = {{out.self, snapshot.node}};
    out.start_wait = Duration::zero();
  } else {
    const config::Cluster& cluster = *snapshot.cluster;
    const config::Node* self = own_node(snapshot);
    if (self == nullptr) return Error{Errc::kInvalidConfig, "node '" + snapshot.node + "' is not one of cluster.nodes"};
    out.self = NodeId{self->id};
    for (const config::Node& node : cluster.nodes) out.nodes.push_back({NodeId{node.id}, node.name});
    std::sort(out.nodes.begin(), out.nodes.end(), [](const vip::NodeName& a, const vip::NodeName& b) { return a.id < b.id; });
    out.qdevice_votes = qdevice_votes(cluster);
    if (cluster.tie_break) {
      out.has_tie_break = true;
      out.tie_needs_all = cluster.tie_break->need == config::TieBreakNeed::kAll;
      for (const IpAddress& target : cluster.tie_break->targets) out.tie_targets.push_back(target.to_string());
    }
    out.start_wait = cluster.start_wait;
    out.cluster_hash = hash_of(cluster);
  }
  for (const config::Vip& vip : snapshot.vips) out.vips.push_back(settings_of(snapshot, vip, out.nodes));
  return out;
}

config::Snapshot takeover_snapshot(const config::Snapshot& snapshot) {
  config::Snapshot out = snapshot;
  for (config::Vip& vip : config::derived_vips(snapshot)) out.vips.push_back(std::move(vip));
  return out;
}

std::string device_of(const config::Snapshot& snapshot, const config::Vip& vip) {
  if (const config::Node* self = own_node(snapshot)) {
    for (const config::NodeInterface& i : self->interfaces) {
      if (i.name == vip.interface) return i.device;
    }
  }
  return vip.interface;
}

Duration fall_time(const config::Pool& pool) {
  if (pool.health.type == config::HealthType::kNone) return Duration::zero();
  // The first failed check is noticed after interval and timeout, the others at the fast pace.
  const Duration fast = pool.health.fast_interval + pool.health.timeout;
  return pool.health.interval + pool.health.timeout + (pool.health.fall > 1 ? (pool.health.fall - 1) * fast : Duration::zero());
}

}  // namespace fairlead::daemon
