// fairlead: pure
#include "migrate/pacemaker_reader.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "config/limits.h"
#include "migrate/pacemaker_model.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

struct Said {
  std::string_view name;
  std::string_view reason;  ///< Empty: carried.
  std::string_view remedy;
};
constexpr std::size_t kVisitsMax = 1'000'000;  ///< Of resources by what refers to them.
constexpr std::size_t kMembersMax = 2'000;     ///< Of all groups and clones together.
constexpr std::int64_t kInfinity = 1'000'000;  ///< Of a score.
constexpr std::string_view kPacemakerOwn = "Pacemaker's own";
// clang-format off
constexpr std::array kProperties{
    Said{"have-watchdog", kPacemakerOwn, ""},
    Said{"dc-version", kPacemakerOwn, ""},
    Said{"cluster-infrastructure", kPacemakerOwn, ""},
    Said{"cluster-name", kPacemakerOwn, "cluster.name"},
    Said{"last-lrm-refresh", kPacemakerOwn, ""},
    Said{"last-failure", kPacemakerOwn, ""},
    Said{"cib-bootstrap-options", kPacemakerOwn, ""},
    Said{"default-action-timeout", kPacemakerOwn, ""},
    Said{"cluster-delay", kPacemakerOwn, ""},
    Said{"cluster-recheck-interval", "fitness is looked at all the time", ""},
    Said{"dc-deadtime", kPacemakerOwn, "cluster.start_wait"},
    Said{"pe-*", kPacemakerOwn, ""},
    Said{"start-failure-is-fatal", "a node that cannot take a VIP tries again, and others take it", ""},
    Said{"migration-threshold", "failures are not counted: a node that cannot serve is unfit until it can", "vips[].requires"},
    Said{"failure-timeout", "failures are not counted: a node that cannot serve is unfit until it can", "vips[].requires"},
    Said{"symmetric-cluster", "every node may hold every VIP", "`fairlead node standby`"},
    Said{"batch-limit", kPacemakerOwn, ""},
    Said{"stop-all-resources", "`fairlead vip disable NAME` does that by VIP", ""},
    Said{"placement-strategy", "VIPs of one group stay together", "vips[].group"},
    Said{"maintenance-mode", "it is a state of the moment", "`fairlead cluster freeze`"},
    Said{"timeout", kPacemakerOwn, ""},
    Said{"record-pending", kPacemakerOwn, ""},
};
constexpr std::array kAddressParams{
    Said{"ip", "", ""},
    Said{"cidr_netmask", "", ""},
    Said{"nic", "", ""},
    Said{"iflabel", "an address has no label", ""},
    Said{"broadcast", "it follows from the prefix length", ""},
    Said{"arp_count", "", ""},
    Said{"arp_interval", "announcements have times of their own", "vips[].announce.repeat"},
    Said{"arp_count_refresh", "announcements have times of their own", "vips[].announce.refresh"},
    Said{"arp_bg", "announcements never hold anything up", ""},
    Said{"arp_sender", "announcements are sent by the daemon itself", ""},
    Said{"send_arp_opts", "announcements are sent by the daemon itself", ""},
    Said{"noprefixroute", "no route comes with a VIP", "vips[].route"},
    Said{"preferred_lft", "its lifetime is vips[].lease", ""},
    Said{"lvs_support", "the servers are reached through the proxy, not through LVS", ""},
    Said{"lvs_ipv6_addrlabel", "the servers are reached through the proxy, not through LVS", ""},
    Said{"monitor_retries", "", ""},
    Said{"run_arping", "announcements are sent by the daemon itself", ""},
    Said{"flush_routes", "connections of a VIP that has gone are ended by the daemon", ""},
    Said{"unique_clone_address", "a VIP is on one node", ""},
    Said{"clusterip_hash", "a VIP is on one node", ""},
    Said{"mac", "a VIP comes with the node's own MAC", ""},
};
constexpr std::array kMeta{
    Said{"migration-threshold", "failures are not counted: a node that cannot serve is unfit until it can", "vips[].requires"},
    Said{"failure-timeout", "failures are not counted: a node that cannot serve is unfit until it can", "vips[].requires"},
    Said{"priority", "VIPs do not compete with each other", ""},
    Said{"multiple-active", "a VIP is on one node", ""},
    Said{"requires", "there is no fencing, and no VIP without quorum", ""},
    Said{"allow-migrate", kPacemakerOwn, ""},
    Said{"critical", "VIPs of one group stay together", "vips[].group"},
    Said{"ordered", "VIPs of one group are taken at once", ""},
    Said{"collocated", "VIPs of one group stay together", "vips[].group"},
    Said{"allow-unhealthy-nodes", kPacemakerOwn, ""},
};
// clang-format on

template <class Table>
const Said* find_said(const Table& table, std::string_view name) {
  for (const Said& said : table) {
    if (said.name.ends_with('*') ? name.starts_with(said.name.substr(0, said.name.size() - 1)) : said.name == name) return &said;
  }
  return nullptr;
}

/// Pacemaker's scores: a number, INFINITY or -INFINITY.
std::optional<std::int64_t> parse_score(std::string_view text) {
  std::string word = lower(text);
  const bool minus = word.starts_with('-');
  if (minus || word.starts_with('+')) word.erase(0, 1);
  if (word == "inf" || word == "infinity" || word == "mandatory") return minus ? -kInfinity : kInfinity;
  const auto number = parse_number(word);
  if (!number) return std::nullopt;
  const auto value = static_cast<std::int64_t>(std::min<std::uint64_t>(*number, kInfinity));
  return minus ? -value : value;
}

bool is_address(const CibResource& r) { return r.standard == "ocf" && (r.type == "IPaddr2" || r.type == "IPaddr" || r.type == "IPv6addr"); }
bool is_proxy(const CibResource& r) {
  return lower(r.type).find("haproxy") != std::string::npos || lower(r.type).find("fairlead") != std::string::npos;
}
bool is_ping(const CibResource& r) { return r.standard == "ocf" && (r.type == "ping" || r.type == "pingd"); }

class PacemakerReader {
 public:
  PacemakerReader(Cib cib, Ledger& ledger, Wanted& wanted) : cib_(std::move(cib)), ledger_(ledger), wanted_(wanted) {}

  void read() {
    for (const CibNode& node : cib_.nodes) read_node(node);
    for (const CibProperty& property : cib_.properties) read_property(property);
    for (const CibResource& resource : cib_.resources) read_resource(resource);
    for (const CibCollection& collection : cib_.collections) read_collection(collection);
    for (const CibConstraint& constraint : cib_.constraints) read_constraint(constraint);
    for (const CibLocation& location : cib_.locations) read_location(location);
    finish();
  }

 private:
  struct Ping {
    std::vector<IpAddress> hosts;
    std::vector<Ledger::Line> lines;
    std::optional<IpAddress> tracked;
  };
  void say(const std::vector<Ledger::Line>& lines, Fate fate, const std::string& reason, const std::string& remedy = {}) {
    for (const Ledger::Line line : lines) {
      if (fate == Fate::kLeftOut) {
        ledger_.left_out(line, reason, remedy);
      } else if (fate == Fate::kApproximated) {
        ledger_.approximated(line, reason, remedy);
      } else {
        ledger_.carried(line);
      }
    }
  }
  VipWish* vip(const std::string& id) {
    const auto found = vips_.find(id);
    return found == vips_.end() ? nullptr : &wanted_.vips[found->second];
  }
  /// A resource, or what is in a group or clone of that name.
  std::vector<std::string> members(const std::string& id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return {id};
    visits_ += found->second.size();
    return visits_ > kVisitsMax ? std::vector<std::string>{} : found->second;
  }

  /// Two ids that read alike in fairlead.yaml stay two groups.
  const std::string& group_name(const std::string& id) {
    const auto [found, made] = group_names_.try_emplace(id);
    if (made) found->second = group_names_taken_.take(name_from(id));
    return found->second;
  }

  void read_node(const CibNode& node) {
    const auto id = parse_number(node.id);
    const std::string name = name_from(node.name);
    std::size_t at = wanted_.nodes.size();
    for (std::size_t i = 0; i < wanted_.nodes.size(); ++i) {
      if (wanted_.nodes[i].name == name || (id && wanted_.nodes[i].id == *id && wanted_.nodes[i].name.empty())) at = i;
    }
    if (at == wanted_.nodes.size()) {
      if (at >= config::kNodesMax) return ledger_.left_out(node.at, fmt::format("more than {} nodes", config::kNodesMax));
      wanted_.nodes.push_back({name, {}, {}, node.at});
    }
    NodeWish& wish = wanted_.nodes[at];
    wish.name = name;
    if (!wish.id && id && *id > 0 && *id <= 0xffffffffU) wish.id = static_cast<std::uint32_t>(*id);
    if (name != node.name) ledger_.approximated(node.at, fmt::format("the node is called {}", name), "its host name");
    ledger_.carried(node.at);
    for (const auto& [key, value] : node.attributes) {
      if (key == "standby" && value.text != "off" && value.text != "false") {
        ledger_.left_out(value.at, "standby is a state of the moment", fmt::format("`fairlead node standby {}`", name));
      } else if (key == "maintenance" && value.text != "off" && value.text != "false") {
        ledger_.left_out(value.at, "maintenance is a state of the moment", "`fairlead cluster freeze`");
      } else if (key != "standby" && key != "maintenance") {
        ledger_.left_out(value.at, fmt::format("a node has no attribute {}", shown(key)));
      }
    }
  }

  void read_property(const CibProperty& property) {
    const std::string& name = property.name;
    if (name == "resource-stickiness" && property.scope != CibProperty::Scope::kOperationDefaults) {
      stickiness_ = parse_score(property.value).value_or(0);
      return ledger_.carried(property.at);  // preempt follows from it.
    }
    if (name == "stonith-enabled" || name == "stonith-action" || name == "stonith-timeout" || name == "stonith-watchdog-timeout") {
      return ledger_.left_out(property.at, "there is no fencing: a node that lost quorum or its daemon gives its addresses up in time",
                              "docs/operating/from-pacemaker.md");
    }
    if (name == "no-quorum-policy") {
      if (property.value == "stop") return ledger_.carried(property.at);
      return ledger_.left_out(property.at, "without quorum no node holds a VIP, whatever this says",
                              "cluster.tie_break or cluster.qdevice for two nodes");
    }
    const Said* said = find_said(kProperties, name);
    if (said == nullptr) return ledger_.left_out(property.at, fmt::format("fairlead.yaml has nothing like {}", shown(name)));
    ledger_.left_out(property.at, std::string(said->reason), std::string(said->remedy));
  }

  void read_resource(const CibResource& resource) {
    const auto own = resource.meta.find("resource-stickiness");
    if (own != resource.meta.end()) stickiness_of_[resource.id] = parse_score(own->second.text).value_or(0);
    for (const Ledger::Line line : resource.operations) ledger_.left_out(line, "nothing has to be started and watched from outside");
    if (resource.standard == "stonith") {
      return say(resource.lines, Fate::kLeftOut,
                 "there is no fencing: a node that lost quorum or its daemon gives its addresses up in time",
                 "docs/operating/from-pacemaker.md");
    }
    if (is_address(resource)) return address(resource);
    if (is_ping(resource)) return ping(resource);
    if (is_proxy(resource)) {
      proxies_.insert(resource.id);
      return say(resource.lines, Fate::kApproximated, "Fairlead is the proxy, and runs on every node",
                 "`fairlead import haproxy` for its configuration");
    }
    const std::string lower_type = lower(resource.type);
    const std::string remedy = lower_type.find("dnsmasq") != std::string::npos || lower_type.find("dhcp") != std::string::npos
                                   ? "dnsdhcp, or a systemd unit on every node"
                                   : "a systemd unit on every node, or a hook in on_acquire";
    say(resource.lines, Fate::kLeftOut, "Fairlead starts no other programs", remedy);
  }

  void address(const CibResource& resource) {
    const auto param = [&](const char* name) -> const CibValue* {
      const auto found = resource.params.find(name);
      return found == resource.params.end() ? nullptr : &found->second;
    };
    const CibValue* ip = param("ip") != nullptr ? param("ip") : param("ipv6addr");
    const auto address = ip == nullptr ? std::nullopt : std::optional(parse_ip_prefix(ip->text));
    if (!address || !*address) return say(resource.lines, Fate::kLeftOut, "no IP address", "vips[].address");
    if (wanted_.vips.size() >= config::kVipsMax)
      return say(resource.lines, Fate::kLeftOut, fmt::format("more than {} VIPs", config::kVipsMax));
    VipWish wish;
    wish.at = resource.at;
    wish.settings.name = name_from(resource.id);
    if (wish.settings.name != resource.id) ledger_.approximated(resource.at, fmt::format("the VIP is called {}", wish.settings.name));
    wish.settings.address = **address;
    const int bits = (*address)->address.bits();
    const CibValue* mask = param("cidr_netmask");
    const auto length = parse_number(mask == nullptr ? std::string_view{} : std::string_view{mask->text});
    const bool given = ip->text.find('/') != std::string::npos;
    if (length && *length <= static_cast<std::uint64_t>(bits)) {
      wish.settings.address.length = static_cast<std::uint8_t>(*length);
    } else if (mask != nullptr && !given) {
      wish.settings.address.length = bits == 32 ? 24 : 64;
      ledger_.approximated(
          mask->at,
          fmt::format("{} is no prefix length: /{} is a guess", shown(mask->text), static_cast<int>(wish.settings.address.length)),
          "vips[].address");
    } else if (!given) {
      wish.settings.address.length = bits == 32 ? 24 : 64;
      ledger_.approximated(resource.at, fmt::format("no cidr_netmask: /{} is a guess", static_cast<int>(wish.settings.address.length)),
                           "write the prefix length of its network in vips[].address");
    }
    if (const CibValue* nic = param("nic")) {
      const std::string device = nic->text.substr(0, nic->text.find(':'));
      if (is_device(device)) wish.settings.interface = device;
    }
    if (const CibValue* count = param("arp_count")) {
      const auto number = parse_number(count->text);
      if (number && *number >= 1 && *number <= 100) wish.settings.announce.count = static_cast<std::uint32_t>(*number);
    }
    for (const auto& [name, value] : resource.params) {
      const Said* said = name == "ipv6addr" ? &kAddressParams.front() : find_said(kAddressParams, name);
      if (said == nullptr) {
        ledger_.left_out(value.at, fmt::format("a VIP has nothing like {}", shown(name)));
      } else if (!said->reason.empty()) {
        ledger_.approximated(value.at, fmt::format("without {}: {}", name, said->reason), std::string(said->remedy));
      }
    }
    read_meta(resource.meta, wish);
    say(resource.lines, Fate::kCarried, "");
    vips_[resource.id] = wanted_.vips.size();
    wanted_.vips.push_back(std::move(wish));
  }

  /// Of a VIP, or of the group it is in.
  void read_meta(const std::map<std::string, CibValue>& meta, VipWish& wish) {
    for (const auto& [name, value] : meta) {
      const std::string word = lower(value.text);
      const bool yes = word == "true" || word == "yes" || word == "on" || word == "1" || word == "y";
      if (name == "resource-stickiness") continue;  // preempt follows from it.
      if (name == "target-role") {
        if (word != "stopped") continue;
        ledger_.approximated(value.at, "it was stopped, which is a state of the moment: Fairlead takes it",
                             fmt::format("`fairlead vip disable {}`", wish.settings.name));
        add_remark(wish, fmt::format("CHANGE: Pacemaker had it stopped; Fairlead takes it, unless `fairlead vip disable {}`.",
                                     wish.settings.name));
      } else if (name == "is-managed" || name == "maintenance") {
        if (yes == (name == "is-managed")) continue;
        ledger_.approximated(value.at, "Pacemaker let it alone, which is a state of the moment: Fairlead manages it",
                             "`fairlead cluster freeze`");
        add_remark(wish, "CHANGE: Pacemaker let it alone; Fairlead manages it, unless `fairlead cluster freeze`.");
      } else {
        const Said* said = find_said(kMeta, name);
        ledger_.approximated(value.at,
                             fmt::format("without {}: {}", shown(name), said == nullptr ? "a VIP has nothing like it" : said->reason),
                             said == nullptr ? "" : std::string(said->remedy));
      }
    }
  }

  void ping(const CibResource& resource) {
    const auto hosts = resource.params.find("host_list");
    const auto name = resource.params.find("name");
    Ping found;
    found.lines = resource.lines;
    if (hosts != resource.params.end()) {
      for (const std::string& host : split_words(hosts->second.text)) {
        const auto address = parse_ip_address(host);
        if (!address) {
          ledger_.approximated(hosts->second.at, fmt::format("without {}: it is no IP address", shown(host)), "vips[].track.gateway");
        } else if (found.hosts.size() < config::kTieBreakTargetsMax) {
          found.hosts.push_back(*address);
          if (wanted_.tie_break_hints.size() < config::kTieBreakTargetsMax)
            wanted_.tie_break_hints.emplace_back(*address, hosts->second.at);
        }
      }
    }
    if (found.hosts.empty()) return say(resource.lines, Fate::kLeftOut, "no router's address in host_list", "vips[].track.gateway");
    pings_.insert(resource.id);
    by_attribute_[name == resource.params.end() ? "pingd" : name->second.text] = std::move(found);
  }
  /// A rule that goes by what `attribute` counts. False: it has nothing to do with a ping.
  bool track(const CibLocation& location, const std::vector<std::string>& ids) {
    const auto known = by_attribute_.find(location.attribute);
    if (location.attribute.empty() || known == by_attribute_.end()) return false;
    Ping& ping = known->second;
    for (const std::string& id : ids) {
      config::Vip& settings = vip(id)->settings;
      const auto router =
          std::find_if(ping.hosts.begin(), ping.hosts.end(), [&](const IpAddress& host) { return settings.address.contains(host); });
      if (router == ping.hosts.end()) {
        ledger_.approximated(location.at,
                             fmt::format("without {}: no host that is pinged is in its own network, where ARP asks", settings.name),
                             "vips[].track.gateway");
        continue;
      }
      settings.track.gateway = *router;
      ping.tracked = *router;
    }
    say(location.lines, Fate::kApproximated, "a node that does not reach the router by ARP is unfit, unless none does");
    return true;
  }
  void finish_pings() {
    for (const auto& [attribute, ping] : by_attribute_) {
      if (ping.tracked) {
        say(ping.lines, Fate::kApproximated, fmt::format("{} is asked by ARP, as vips[].track.gateway", ping.tracked->to_string()));
      } else {
        say(ping.lines, Fate::kApproximated, "no VIP goes by it; of two nodes such a router breaks the tie", "vips[].track.gateway");
      }
    }
  }

  void read_collection(const CibCollection& collection) {
    std::vector<std::string> inside;
    for (const std::string& member : collection.members) {
      for (std::string& one : members(member)) {
        const bool counts = vips_.contains(one) || proxies_.contains(one) || pings_.contains(one);
        if (!counts) one = "";  // Something else; which one does not matter.
        if (!counts && std::find(inside.begin(), inside.end(), one) != inside.end()) continue;
        if (members_kept_ < kMembersMax) inside.push_back(std::move(one));
        ++members_kept_;
      }
    }
    members_[collection.id] = inside;
    if (collection.kind == CibCollection::Kind::kClone) {
      const bool known =
          std::any_of(inside.begin(), inside.end(), [&](const std::string& id) { return proxies_.contains(id) || pings_.contains(id); });
      if (known) return say(collection.lines, Fate::kApproximated, "it is on every node by itself");
      return say(collection.lines, Fate::kLeftOut, "what it clones is not carried over");
    }
    const auto count = std::count_if(inside.begin(), inside.end(), [&](const std::string& id) { return vips_.contains(id); });
    const bool with_proxy = std::any_of(inside.begin(), inside.end(), [&](const std::string& id) { return proxies_.contains(id); });
    if (count == 0) return say(collection.lines, Fate::kLeftOut, "there is no VIP in it");
    for (const std::string& id : inside) {
      VipWish* wish = vip(id);
      if (wish == nullptr) continue;
      if (count > 1) wish->settings.group = group_name(collection.id);
      group_of_[id] = collection.id;
      read_meta(collection.meta, *wish);
      if (with_proxy) wish->watches.push_back(collection.at);
    }
    std::int64_t& together = stickiness_of_group_[collection.id];
    const auto meta = collection.meta.find("resource-stickiness");
    const auto of_group = meta == collection.meta.end() ? std::nullopt : parse_score(meta->second.text);
    for (const std::string& member : collection.members) {
      const auto own = stickiness_of_.find(member);
      together += own != stickiness_of_.end() ? own->second : of_group.value_or(stickiness_);
    }
    if (with_proxy) return;  // settle() decides about `at`.
    say(collection.lines, count == static_cast<std::ptrdiff_t>(inside.size()) ? Fate::kCarried : Fate::kApproximated,
        "its VIPs are taken together; what else was in it is not carried over");
  }

  void read_constraint(const CibConstraint& constraint) {
    std::vector<std::string> ids;
    bool proxy = false;
    bool other = false;
    for (const std::string& name : constraint.resources) {
      for (const std::string& id : members(name)) {
        if (ids.size() >= 1000) break;
        if (vips_.contains(id)) {
          ids.push_back(id);
        } else if (proxies_.contains(id)) {
          proxy = true;
        } else {
          other = true;
        }
      }
    }
    if (constraint.kind == CibConstraint::Kind::kOrder) {
      return say(constraint.lines, Fate::kLeftOut, "VIPs of a group are taken at once, and the proxy listens before its VIP comes");
    }
    const auto score = parse_score(constraint.score);
    if (score && *score == 0) return say(constraint.lines, Fate::kLeftOut, "a score of 0 has no effect");
    if (ids.empty()) return say(constraint.lines, Fate::kLeftOut, "there is no VIP in it");
    if (score && *score < 0)
      return say(constraint.lines, Fate::kLeftOut, "VIPs can be kept together, not apart", "vips[].prefer with different nodes");
    std::string group;
    for (const std::string& id : ids) {
      if (!vip(id)->settings.group.empty()) group = vip(id)->settings.group;
    }
    if (group.empty() && ids.size() > 1) group = group_name(constraint.id);
    if (score && *score < kInfinity && (ids.size() > 1 || proxy))
      ledger_.approximated(constraint.at, "a score below INFINITY is a wish in Pacemaker; here it always holds",
                           "vips[].group, vips[].requires");
    for (const std::string& id : ids) {
      if (ids.size() > 1) vip(id)->settings.group = group;
      if (proxy && vip(id)->watches.size() < 100) vip(id)->watches.push_back(constraint.at);
    }
    if (proxy && !other) return;  // settle() decides about it.
    say(constraint.lines, other ? Fate::kApproximated : Fate::kCarried, "what else was in it is not carried over");
  }

  void read_location(const CibLocation& location) {
    std::vector<std::string> ids;
    for (const std::string& id : members(location.resource)) {
      if (vips_.contains(id)) ids.push_back(id);
    }
    if (ids.empty()) return say(location.lines, Fate::kLeftOut, "there is no VIP in it");
    if (location.rule) {
      if (track(location, ids)) return;
      return say(location.lines, Fate::kLeftOut, "rules are not evaluated", "vips[].prefer, vips[].track");
    }
    const auto score = parse_score(location.score);
    std::size_t at = wanted_.nodes.size();
    for (std::size_t i = 0; i < wanted_.nodes.size(); ++i) {
      if (wanted_.nodes[i].name == name_from(location.node)) at = i;
    }
    if (!score || at == wanted_.nodes.size())
      return say(location.lines, Fate::kLeftOut, fmt::format("there is no node {}", shown(location.node)), "vips[].prefer");
    if (*score < 0) return keep_away(location, ids, *score);
    if (location.id.starts_with("cli-"))
      ledger_.approximated(location.at, "it is left over from a move by hand", "remove the node from prefer if it was not meant to last");
    for (const std::string& id : ids) {
      VipWish* wish = vip(id);
      if (wish->prefer.size() < 100) wish->prefer.emplace_back(at, *score);
    }
    say(location.lines, Fate::kCarried, "");
  }

  /// A wish can be turned round, a ban cannot.
  void keep_away(const CibLocation& location, const std::vector<std::string>& ids, std::int64_t score) {
    if (score > -kInfinity)
      return say(location.lines, Fate::kLeftOut, "a node is preferred, not avoided", "list the other nodes in vips[].prefer");
    for (const std::string& id : ids)
      add_remark(*vip(id), fmt::format("CHANGE: Pacemaker never put it on {}; Fairlead may.", shown(location.node)));
    say(location.lines, Fate::kLeftOut, "every node may hold every VIP: nothing forbids one of them one VIP",
        "vips[].prefer puts the others first; `fairlead node standby` is for all VIPs of the node");
  }

  static void add_remark(VipWish& wish, const std::string& text) { wish.remark += (wish.remark.empty() ? "" : " ") + text; }

  void finish() {
    finish_pings();
    for (const auto& [id, at] : vips_) {
      VipWish& wish = wanted_.vips[at];
      const auto own = stickiness_of_.find(id);
      const auto group = group_of_.find(id);
      // What moves a group has to outweigh what all its members have.
      const std::int64_t stickiness = group != group_of_.end()      ? stickiness_of_group_[group->second]
                                      : own == stickiness_of_.end() ? stickiness_
                                                                    : own->second;
      const bool stronger = std::any_of(wish.prefer.begin(), wish.prefer.end(), [&](const auto& p) { return p.second > stickiness; });
      wish.settings.preempt = stronger;
    }
  }

  Cib cib_;
  Ledger& ledger_;
  Wanted& wanted_;
  std::map<std::string, std::size_t> vips_;  ///< Resource -> index in wanted_.vips.
  std::map<std::string, std::vector<std::string>> members_;
  std::set<std::string> proxies_;
  std::set<std::string> pings_;
  std::size_t members_kept_ = 0;
  std::size_t visits_ = 0;
  std::map<std::string, std::int64_t> stickiness_of_;
  std::int64_t stickiness_ = 0;
  std::map<std::string, std::string> group_of_;  ///< VIP -> its group.
  std::map<std::string, std::int64_t> stickiness_of_group_;
  std::map<std::string, std::string> group_names_;
  UniqueNames group_names_taken_;
  std::map<std::string, Ping> by_attribute_;  ///< Node attribute -> what counts in it.
};

}  // namespace

std::vector<config::Problem> read_pacemaker(const std::string& file, std::string_view text, Ledger& ledger, Wanted& wanted) {
  const bool xml = trimmed(text).starts_with('<');
  Cib cib = xml ? read_cib_xml(file, text, ledger) : read_crm(file, text, ledger);
  if (!cib.problems.empty()) return cib.problems;
  PacemakerReader(std::move(cib), ledger, wanted).read();
  return {};
}

}  // namespace fairlead::migrate
