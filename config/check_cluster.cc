// fairlead: pure
#include <algorithm>
#include <map>

#include "config/checks.h"
#include "config/nearest.h"

namespace fairlead::config {
namespace {

const char* family_name(const IpAddress& address) { return address.is_v4() ? "IPv4" : "IPv6"; }

void check_nodes(Checks& checks, const Cluster& cluster) {
  std::vector<std::string> names;
  std::map<std::uint32_t, std::string> ids;
  std::map<IpAddress, std::string> links;
  for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
    const Node& node = cluster.nodes[i];
    names.push_back(node.name);
    if (checks.sound(path_of("cluster.nodes[{}].id", i)) && !ids.emplace(node.id, node.name).second) {
      checks.error(path_of("cluster.nodes[{}].id", i), fmt::format("node id {} is taken by {}", node.id, ids[node.id]),
                   "each node needs an id of its own");
    }
    if (node.links.empty())
      checks.error(path_of("cluster.nodes[{}].links", i), "a node without a link", "give at least one address that Corosync can use");
    if (node.links.size() != cluster.nodes.front().links.size() && checks.sound("cluster.nodes[0].links")) {
      checks.error(path_of("cluster.nodes[{}].links", i),
                   fmt::format("node {} has {} links, {} has {}", node.name, node.links.size(), cluster.nodes.front().name,
                               cluster.nodes.front().links.size()),
                   "Corosync needs as many on every node");
    }
    for (std::size_t k = 0; k < node.links.size(); ++k) {
      const std::string path = path_of("cluster.nodes[{}].links[{}]", i, k);
      checks.host_address(node.links[k], path, "the link");
      if (!links.emplace(node.links[k], node.name).second)
        checks.error(path, fmt::format("{} is already a link of {}", node.links[k].to_string(), links[node.links[k]]),
                     "each link needs an address of its own");
      const auto& first = cluster.nodes.front();
      if (k < first.links.size() && node.links[k].family() != first.links[k].family())
        checks.error(path,
                     fmt::format("link {} is {} here and {} on {}", k, family_name(node.links[k]), family_name(first.links[k]), first.name),
                     "a link is one network: the same family on every node");
    }
  }
  checks.unique(names, "cluster.nodes", "name", "node");
  if (!checks.names_known("cluster.nodes", names.size())) return;
  const auto known = [&](const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (cluster.nodes.empty()) {
    checks.error("cluster.nodes", "a cluster without nodes", "list the gateways, or remove `cluster` to run standalone");
  } else if (!checks.snapshot.node.empty() && !known(checks.snapshot.node)) {
    checks.error("node", fmt::format("node {} is not among cluster.nodes", quoted(checks.snapshot.node)),
                 suggest(checks.snapshot.node, names));
  } else if (checks.snapshot.node.empty() && !checks.environment.host_name.empty() && !known(checks.environment.host_name)) {
    checks.warning("cluster.nodes", fmt::format("this host, {}, is not among the nodes", quoted(checks.environment.host_name)),
                   "add it, or name this node with `node`");
  }
}

void check_tie_break(Checks& checks, const Cluster& cluster) {
  if (!cluster.tie_break) {
    if (cluster.nodes.size() == 2 && !cluster.qdevice) {
      checks.warning("cluster.nodes",
                     "two nodes without tie_break or qdevice: no VIP is taken over when its holder is lost, for it may only be cut off",
                     "add cluster.tie_break with a router as target, or cluster.qdevice");
    }
    return;
  }
  const auto& targets = cluster.tie_break->targets;
  if (targets.empty())
    checks.error("cluster.tie_break.targets", "tie_break without a target", "give the address of a router that is not ours");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::string path = path_of("cluster.tie_break.targets[{}]", i);
    checks.host_address(targets[i], path, "the target");
    if (const VipAddress* vip = checks.vip_of(targets[i])) {
      checks.error(path, fmt::format("the target {} is the {}", targets[i].to_string(), vip->what),
                   "a target is a router that is not ours; the answer of our own address decides nothing");
    }
    const std::string own = checks.own_address(targets[i]);
    if (!own.empty())
      checks.error(path, fmt::format("the target {} is {}", targets[i].to_string(), own),
                   "a target is a router that is not ours; the answer of our own address decides nothing");
  }
  if (cluster.nodes.size() > 2)
    checks.warning("cluster.tie_break", "tie_break has no effect with more than two nodes", "the majority decides; remove it");
  if (cluster.nodes.size() == 2 && cluster.qdevice)
    checks.warning("cluster.tie_break", "tie_break has no effect beside qdevice", "keep one of them");
}

void check_timing(Checks& checks, const Cluster& cluster) {
  const auto find = [&](std::string_view name) -> const TimingKey* {
    const auto found = std::find_if(cluster.timing.begin(), cluster.timing.end(), [&](const TimingKey& key) { return key.name == name; });
    return found == cluster.timing.end() ? nullptr : &*found;
  };
  const TimingKey* given = find("token");
  const TimingKey* consensus = find("consensus");
  const Duration token = given != nullptr ? given->value : token_of(cluster.profile);
  if (consensus != nullptr && checks.sound("cluster.timing") && consensus->value * 10 < token * 12) {
    checks.error(
        "cluster.timing.consensus",
        fmt::format("consensus must be at least 1.2 x token, which is {}ms{}", to_ms(token), given != nullptr ? "" : " in this profile"),
        fmt::format("at least {}ms, or leave it out", (to_ms(token) * 12 + 9) / 10));
  }
}

}  // namespace

void check_cluster(Checks& checks) {
  if (!checks.snapshot.cluster) return;
  const Cluster& cluster = *checks.snapshot.cluster;
  check_nodes(checks, cluster);
  check_tie_break(checks, cluster);
  check_timing(checks, cluster);
  if (!cluster.qdevice) return;
  const auto host = parse_ip_address(cluster.qdevice->host);
  if (!host) return;
  checks.host_address(*host, "cluster.qdevice.host", "the qdevice's host");
  if (const VipAddress* vip = checks.vip_of(*host))
    checks.error("cluster.qdevice.host", fmt::format("the qdevice's host is the {}", vip->what),
                 "corosync-qnetd runs on a machine of its own");
  const std::string own = checks.own_address(*host);
  if (!own.empty())
    checks.error("cluster.qdevice.host", fmt::format("the qdevice's host is {}", own), "corosync-qnetd runs on a machine of its own");
}

}  // namespace fairlead::config
