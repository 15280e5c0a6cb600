// fairlead: pure
#include "migrate/corosync_reader.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/host_name.h"
#include "config/limits.h"
#include "migrate/block_text.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

enum class Act : std::uint8_t { kSoAnyway, kLeaveOut, kTime, kName, kTransport, kTwoNode };
struct Keyword {
  std::string_view name;  ///< "totem.token"
  Act act = Act::kLeaveOut;
  std::string_view reason = {};
  std::string_view remedy = {};
};
constexpr std::string_view kRendered = "`fairlead cluster render` writes what belongs there";
constexpr std::string_view kNoSuchKey = "fairlead.yaml has no such key";

// clang-format off
constexpr std::array kKeywords{
    Keyword{"totem.version", Act::kSoAnyway},
    Keyword{"totem.cluster_name", Act::kName},
    Keyword{"totem.transport", Act::kTransport},
    Keyword{"totem.token", Act::kTime},
    Keyword{"totem.token_coefficient", Act::kTime},
    Keyword{"totem.token_retransmit", Act::kTime},
    Keyword{"totem.hold", Act::kTime},
    Keyword{"totem.join", Act::kTime},
    Keyword{"totem.send_join", Act::kTime},
    Keyword{"totem.consensus", Act::kTime},
    Keyword{"totem.merge", Act::kTime},
    Keyword{"totem.downcheck", Act::kTime},
    Keyword{"totem.max_network_delay", Act::kTime},
    Keyword{"totem.crypto_cipher", Act::kLeaveOut, "traffic is always encrypted with aes256 and sha256"},
    Keyword{"totem.crypto_hash", Act::kLeaveOut, "traffic is always encrypted with aes256 and sha256"},
    Keyword{"totem.crypto_model", Act::kLeaveOut, kRendered},
    Keyword{"totem.secauth", Act::kLeaveOut, "traffic is always encrypted with aes256 and sha256"},
    Keyword{"totem.keyfile", Act::kLeaveOut, "the key is /etc/corosync/authkey", "`fairlead cluster setup` keeps the one that is there"},
    Keyword{"totem.link_mode", Act::kLeaveOut, kRendered},
    Keyword{"totem.rrp_mode", Act::kLeaveOut, kRendered},
    Keyword{"totem.ip_version", Act::kLeaveOut, "links are addresses, not names"},
    Keyword{"totem.token_retransmits_before_loss_const", Act::kLeaveOut, kRendered},
    Keyword{"totem.token_warning", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.netmtu", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.window_size", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.max_messages", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.fail_recv_const", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.seqno_unchanged_const", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.miss_count_const", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.heartbeat_failures_allowed", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.cancel_token_hold_on_retransmit", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.block_unlisted_ips", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.threads", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.vsftype", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.clear_node_high_bit", Act::kLeaveOut, "every node has an id"},
    Keyword{"totem.nodeid", Act::kLeaveOut, "ids stand with the nodes", "cluster.nodes[].id"},
    Keyword{"totem.knet_compression_model", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.knet_compression_threshold", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.knet_compression_level", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.knet_pmtud_interval", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.knet_mtu", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.interface.ringnumber", Act::kSoAnyway},
    Keyword{"totem.interface.linknumber", Act::kSoAnyway},
    Keyword{"totem.interface.knet_ping_interval", Act::kTime},
    Keyword{"totem.interface.knet_ping_timeout", Act::kTime},
    Keyword{"totem.interface.knet_ping_precision", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.interface.knet_pong_count", Act::kLeaveOut, kRendered},
    Keyword{"totem.interface.knet_link_priority", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.interface.knet_transport", Act::kLeaveOut, kNoSuchKey},
    Keyword{"totem.interface.bindnetaddr", Act::kLeaveOut, "links are the nodes' addresses", "cluster.nodes[].links"},
    Keyword{"totem.interface.broadcast", Act::kLeaveOut, "nodes send to each other's address"},
    Keyword{"totem.interface.mcastaddr", Act::kLeaveOut, "nodes send to each other's address"},
    Keyword{"totem.interface.mcastport", Act::kLeaveOut, "the port is 5405 for the first link"},
    Keyword{"totem.interface.ttl", Act::kLeaveOut, "nodes send to each other's address"},
    Keyword{"quorum.provider", Act::kSoAnyway},
    Keyword{"quorum.two_node", Act::kTwoNode},
    Keyword{"quorum.expected_votes", Act::kLeaveOut, "every node has one vote"},
    Keyword{"quorum.wait_for_all", Act::kLeaveOut, "a node that starts alone waits for the others", "cluster.start_wait"},
    Keyword{"quorum.last_man_standing", Act::kLeaveOut, "the majority of all nodes decides"},
    Keyword{"quorum.last_man_standing_window", Act::kLeaveOut, "the majority of all nodes decides"},
    Keyword{"quorum.auto_tie_breaker", Act::kLeaveOut, "a router decides between two nodes", "cluster.tie_break"},
    Keyword{"quorum.auto_tie_breaker_node", Act::kLeaveOut, "a router decides between two nodes", "cluster.tie_break"},
    Keyword{"quorum.allow_downscale", Act::kLeaveOut, "nodes are those of cluster.nodes"},
    Keyword{"quorum.device.model", Act::kSoAnyway},
    Keyword{"quorum.device.votes", Act::kLeaveOut, "the algorithm decides about its votes"},
    Keyword{"quorum.device.master_wins", Act::kLeaveOut, kNoSuchKey},
    Keyword{"quorum.device.net.force_ip_version", Act::kLeaveOut, kNoSuchKey},
    Keyword{"quorum.device.net.tie_breaker", Act::kLeaveOut, "the node with the lowest id wins a tie, as in qnetd's default"},
    Keyword{"quorum.device.net.connect_timeout", Act::kLeaveOut, kNoSuchKey},
    Keyword{"quorum.device.net.keep_active_partition_tie_breaker", Act::kLeaveOut, kRendered},
};
// clang-format on

class CorosyncReader {
 public:
  CorosyncReader(Ledger& ledger, Wanted& wanted) : ledger_(ledger), wanted_(wanted), cluster_(wanted.cluster.emplace()) {}

  void read(const std::vector<Block>& blocks) {
    for (const Block& block : blocks) {
      const std::string_view name = block.word(0);
      if (block.is_block && name == "totem") {
        walk(block, "totem.");
      } else if (block.is_block && name == "quorum") {
        walk(block, "quorum.");
      } else if (block.is_block && name == "nodelist") {
        nodelist(block);
      } else if (name == "logging" || name == "service" || name == "uidgid" || name == "resources" || name == "system" ||
                 name == "nozzle") {
        leave_out_block(ledger_, block, name == "logging" ? std::string(kRendered) : std::string(kNoSuchKey),
                        name == "logging" ? "" : "keep it in corosync.conf by hand");
      } else {
        leave_out_block(ledger_, block, "unknown in corosync.conf", "is this a corosync.conf?");
      }
    }
    const bool says_nothing = cluster_.name.empty() && cluster_.timing.empty() && !cluster_.qdevice && wanted_.nodes.empty();
    if (says_nothing) return wanted_.cluster.reset();
    finish();
  }

 private:
  void walk(const Block& block, const std::string& path) {
    ledger_.carried(block.at);
    for (const Block& child : block.children) {
      const std::string name = path + std::string(child.word(0));
      if (name == "quorum.device") {
        device(child);
      } else if (child.is_block && name == "totem.interface") {
        walk(child, name + ".");
      } else if (child.is_block) {
        leave_out_block(ledger_, child, "unknown in corosync.conf");
      } else {
        key(child, name);
      }
    }
  }

  void key(const Block& line, const std::string& name) {
    const auto found = std::find_if(kKeywords.begin(), kKeywords.end(), [&](const Keyword& known) { return known.name == name; });
    if (found == kKeywords.end()) return ledger_.left_out(line.at, fmt::format("unknown in corosync.conf: {}", shown(name)));
    switch (found->act) {
      case Act::kSoAnyway: return ledger_.carried(line.at);
      case Act::kLeaveOut: return ledger_.left_out(line.at, std::string(found->reason), std::string(found->remedy));
      case Act::kTime: return time(line, line.word(0));
      case Act::kName:
        cluster_.name = name_from(line.word(1));
        if (cluster_.name != line.word(1)) return ledger_.approximated(line.at, fmt::format("the cluster is called {}", cluster_.name));
        return ledger_.carried(line.at);
      case Act::kTransport:
        if (line.word(1) == "knet") return ledger_.carried(line.at);
        return ledger_.approximated(line.at, "the transport is knet",
                                    "change all nodes at once: `fairlead cluster setup` on each, then restart Corosync");
      case Act::kTwoNode:
        return ledger_.approximated(line.at, "of two nodes that lost each other a router decides, not who is faster",
                                    "cluster.tie_break or cluster.qdevice");
    }
  }

  void time(const Block& line, std::string_view name) {
    const auto number = parse_number(line.word(1));
    if (!number || *number == 0 || *number > 600'000) return ledger_.left_out(line.at, "not a time in milliseconds");
    const Duration value = std::chrono::milliseconds(*number);
    const auto known = std::find_if(cluster_.timing.begin(), cluster_.timing.end(), [&](const auto& key) { return key.name == name; });
    if (known != cluster_.timing.end()) {
      if (known->value != value) ledger_.approximated(line.at, "one time for all links: the first one");
    } else {
      cluster_.timing.push_back({std::string(name), value});
      if (name == "consensus") consensus_at_ = line.at;
    }
    ledger_.carried(line.at);
  }

  void nodelist(const Block& list) {
    ledger_.carried(list.at);
    for (const Block& node : list.children) {
      if (node.word(0) == "node" && node.is_block) {
        one_node(node);
      } else {
        leave_out_block(ledger_, node, "unknown in nodelist");
      }
    }
  }

  void one_node(const Block& block) {
    if (wanted_.nodes.size() >= config::kNodesMax)
      return leave_out_block(ledger_, block, fmt::format("more than {} nodes", config::kNodesMax));
    NodeWish node;
    node.at = block.at;
    ledger_.carried(block.at);
    for (const Block& line : block.children) {
      const std::string_view key = line.word(0);
      const auto number = parse_number(line.word(1));
      if (key.starts_with("ring") && key.ends_with("_addr")) {
        const auto address = parse_ip_address(line.word(1));
        if (!address) {
          ledger_.left_out(line.at, "a link is an address, not a name", "cluster.nodes[].links");
        } else if (address->is_loopback()) {
          ledger_.left_out(line.at, "a loopback address reaches no other node", "cluster.nodes[].links");
        } else if (node.links.size() >= config::kLinksPerNodeMax) {
          ledger_.left_out(line.at, fmt::format("more than {} links", config::kLinksPerNodeMax));
        } else {
          node.links.push_back(address->unmapped());
          ledger_.carried(line.at);
        }
      } else if (key == "nodeid" && number && *number > 0 && *number <= 0xffffffffU) {
        node.id = static_cast<std::uint32_t>(*number);
        ledger_.carried(line.at);
      } else if (key == "name" && !line.word(1).empty()) {
        node.name = name_from(line.word(1));
        if (node.name != line.word(1)) ledger_.approximated(line.at, fmt::format("the node is called {}", node.name), "its host name");
        ledger_.carried(line.at);
      } else {
        ledger_.left_out(line.at, key == "quorum_votes" ? "every node has one vote" : fmt::format("unknown in a node: {}", shown(key)));
      }
    }
    wanted_.nodes.push_back(std::move(node));
  }

  void device(const Block& block) {
    if (!block.is_block) return ledger_.left_out(block.at, "unknown in quorum");
    ledger_.carried(block.at);
    config::Qdevice qdevice;
    for (const Block& line : block.children) {
      if (line.word(0) == "net" && line.is_block) {
        ledger_.carried(line.at);
        for (const Block& inner : line.children) net(inner, qdevice);
      } else if (line.is_block) {
        leave_out_block(ledger_, line, "a program does not give a vote here", "cluster.qdevice, or cluster.tie_break");
      } else if (line.word(0) == "timeout" || line.word(0) == "sync_timeout") {
        const auto number = parse_number(line.word(1));
        if (!number || *number == 0 || *number > 600'000) {
          ledger_.left_out(line.at, "not a time in milliseconds");
          continue;
        }
        (line.word(0) == "timeout" ? qdevice.timeout : qdevice.sync_timeout) = clamped(std::chrono::milliseconds(*number), 100ms, 5min);
        ledger_.carried(line.at);
      } else {
        key(line, "quorum.device." + std::string(line.word(0)));
      }
    }
    if (qdevice.host.empty())
      return ledger_.left_out(block.at, "a qdevice without a host that it could be read of", "cluster.qdevice.host");
    cluster_.qdevice = qdevice;
  }

  void net(const Block& line, config::Qdevice& qdevice) {
    const std::string_view key_name = line.word(0);
    const std::string_view value = line.word(1);
    if (line.is_block) return leave_out_block(ledger_, line, "unknown in net");
    const auto number = parse_number(value);
    if (key_name == "host" && (parse_ip_address(value) || is_dns_name(value))) {
      qdevice.host = value;
    } else if (key_name == "port" && number && *number > 0 && *number <= 65535) {
      qdevice.port = static_cast<std::uint16_t>(*number);
    } else if (key_name == "algorithm" && (value == "ffsplit" || value == "lms")) {
      qdevice.algorithm = value == "lms" ? config::QdeviceAlgorithm::kLms : config::QdeviceAlgorithm::kFfsplit;
    } else if (key_name == "tls" && (value == "on" || value == "off" || value == "required")) {
      qdevice.tls = value == "on" ? config::QdeviceTls::kOn : value == "off" ? config::QdeviceTls::kOff : config::QdeviceTls::kRequired;
    } else {
      return key(line, "quorum.device.net." + std::string(key_name));
    }
    ledger_.carried(line.at);
  }

  void finish() {
    if (cluster_.name.empty()) cluster_.name = "gateways";
    const auto find = [&](std::string_view name) {
      return std::find_if(cluster_.timing.begin(), cluster_.timing.end(), [&](const auto& key) { return key.name == name; });
    };
    const auto token = find("token");
    // A profile says it in one word.
    if (token != cluster_.timing.end()) {
      for (const auto profile : {config::TimingProfile::kVm, config::TimingProfile::kFast, config::TimingProfile::kMin}) {
        if (token->value == config::token_of(profile)) {
          cluster_.profile = profile;
          cluster_.timing.erase(token);
          break;
        }
      }
    }
    const auto given = find("token");
    const Duration effective = given != cluster_.timing.end() ? given->value : config::token_of(cluster_.profile);
    const auto consensus = find("consensus");
    if (consensus != cluster_.timing.end() && consensus->value * 10 < effective * 12) {
      ledger_.left_out(*consensus_at_, "consensus must be at least 1.2 times the token", "left to follow the token");
      cluster_.timing.erase(consensus);
    }
  }

  Ledger& ledger_;
  Wanted& wanted_;
  config::Cluster& cluster_;
  std::optional<Ledger::Line> consensus_at_;
};

/// What the package brings along: one node on loopback. It was never a cluster.
bool is_example(const std::vector<Block>& blocks) {
  bool loopback = false;
  for (const Block& block : blocks) {
    for (const Block& inner : block.children) {
      for (const Block& line : inner.children) {
        const bool node = inner.word(0) == "node" && line.word(0).starts_with("ring") && line.word(0).ends_with("_addr");
        if (!node && !(inner.word(0) == "interface" && line.word(0) == "bindnetaddr")) continue;
        const auto address = parse_ip_address(line.word(1));
        if (line.word(1) == "localhost" || (address && address->is_loopback())) {
          loopback = true;
        } else {
          return false;
        }
      }
    }
  }
  return loopback;
}

}  // namespace

std::optional<config::Problem> read_corosync(const std::string& file, std::string_view text, Ledger& ledger, Wanted& wanted) {
  const BlockTree tree = read_blocks(BlockStyle::kCorosync, file, text, ledger);
  if (tree.problem) return tree.problem;
  if (wanted.cluster) {
    for (const Block& block : tree.blocks)
      leave_out_block(ledger, block, "a second corosync.conf", "the nodes have the same file: give it once");
    return std::nullopt;
  }
  if (is_example(tree.blocks)) {
    for (const Block& block : tree.blocks)
      leave_out_block(ledger, block, "the example of Corosync's package: a node on loopback is no cluster",
                      "give the corosync.conf of a cluster, or none");
    return std::nullopt;
  }
  CorosyncReader(ledger, wanted).read(tree.blocks);
  return std::nullopt;
}

std::vector<std::string_view> corosync_words_known() {
  std::vector<std::string_view> out;
  for (const Keyword& keyword : kKeywords) out.push_back(keyword.name);
  return out;
}

}  // namespace fairlead::migrate
