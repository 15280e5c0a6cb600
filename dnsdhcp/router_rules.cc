// fairlead: pure
#include "dnsdhcp/router_rules.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/derived_vips.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::string_view kUplink = "uplink";
constexpr std::string_view kSessionMark = "comment \"the session that applied these rules\"";
constexpr std::string_view kNotSyn = "tcp flags & (syn | ack) != syn";

std::string_view family_word(const IpAddress& address) { return address.is_v4() ? "ip" : "ip6"; }

const config::Node* own_node(const config::Snapshot& snapshot) {
  if (!snapshot.cluster) return nullptr;
  for (const config::Node& node : snapshot.cluster->nodes) {
    if (node.name == snapshot.node) return &node;
  }
  return nullptr;
}

/// One end of a rule of router.forward: a network, or the world behind the uplink.
struct Side {
  std::string name;
  std::string device;
  std::optional<IpPrefix> net;  ///< Absent: the uplink.
};

std::string from_text(const Side& side) {
  std::string out = fmt::format("iifname \"{}\"", side.device);
  if (side.net) out += fmt::format(" {} saddr {}", family_word(side.net->address), side.net->to_string());
  return out;
}

std::string to_text(const Side& side) {
  std::string out = fmt::format("oifname \"{}\"", side.device);
  if (side.net) out += fmt::format(" {} daddr {}", family_word(side.net->address), side.net->to_string());
  return out;
}

bool nft_can_name(const std::string& device) { return !device.empty() && device.find_first_of("\"\\*\n") == std::string::npos; }

class RouterText {
 public:
  explicit RouterText(const config::Snapshot& snapshot, const std::optional<SshSession>& session)
      : snapshot_(snapshot), router_(*snapshot.router), session_(session), uplink_{std::string(kUplink), {}, {}} {
    uplink_.device = config::device_named(snapshot, router_.uplink);
    if (!snapshot.dnsdhcp) return;
    for (const config::DhcpNetwork& network : snapshot.dnsdhcp->networks)
      networks_.push_back({network.name, config::network_device(snapshot, network), network.cidr});
  }

  Result<std::string> render() {
    if (!nft_can_name(uplink_.device)) return unnameable(uplink_.device);
    for (const Side& network : networks_) {
      if (!nft_can_name(network.device)) return unnameable(network.device);
    }
    out_ = "# By fairleadd, from router and dnsdhcp of fairlead.yaml. `fairlead router show` tells what is in force.\n";
    out_ += render_router_removal();
    out_ += fmt::format("table inet {} {{\n", kRouterTable);
    forward();
    input();
    postrouting();
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  static Error unnameable(const std::string& device) {
    return {Errc::kInvalidConfig, "router: the rules cannot name the device '" + device + "'"};
  }
  void line(std::string_view text) { out_ += fmt::format("\t\t{}\n", text); }
  void begin(std::string_view chain) { out_ += fmt::format("\tchain {} {{\n", chain); }
  void end() { out_ += "\t}\n"; }

  [[nodiscard]] const Side* side_named(const std::string& name) const {
    if (name == kUplink) return &uplink_;
    const auto at = std::find_if(networks_.begin(), networks_.end(), [&](const Side& side) { return side.name == name; });
    return at == networks_.end() ? nullptr : &*at;
  }

  /// Those between which something can pass, each once, in the order of the file.
  [[nodiscard]] std::vector<std::pair<const Side*, const Side*>> pairs() const {
    std::vector<std::pair<const Side*, const Side*>> out;
    std::set<std::pair<const Side*, const Side*>> seen;
    for (const config::ForwardRule& rule : router_.forward) {
      const Side* from = side_named(rule.from);
      for (const std::string& name : rule.to) {
        const Side* to = side_named(name);
        if (from == nullptr || to == nullptr || (from == &uplink_ && to == &uplink_)) continue;
        if (from->net && to->net && from->net->address.family() != to->net->address.family()) continue;
        if (seen.emplace(from, to).second) out.emplace_back(from, to);
      }
    }
    return out;
  }

  /// Traffic of `network` leaves by the uplink with another address.
  [[nodiscard]] bool has_nat(const Side& network) const {
    if (!network.net) return false;
    return router_.masquerade || (router_.snat && router_.snat->family() == network.net->address.family());
  }

  void forward() {
    const auto open = pairs();
    begin("forward");
    line("type filter hook forward priority filter; policy accept;");
    line("tcp flags & (syn | ack) == syn goto opening");
    line("ct state established,related accept");
    for (const Side& network : networks_) {
      // Conntrack makes no NAT for it: the world would see an address of ours, and the client wait for ever.
      if (has_nat(network)) line(fmt::format("{} {} ct state invalid goto refuse", from_text(network), to_text(uplink_)));
    }
    line("goto ongoing");
    end();

    begin("ongoing");
    for (const auto& [from, to] : open) {
      const bool both = std::find(open.begin(), open.end(), std::pair(to, from)) != open.end();
      // Answers from the world to what leaves with NAT are for the gateway's own address: they are no forwarded packets without conntrack.
      const bool answers_here = to == &uplink_ && has_nat(*from);
      if (both || answers_here) continue;
      const auto back = fmt::format("{} {}", from_text(*to), to_text(*from));
      const IpAddress& any = from->net ? from->net->address : to->net->address;
      line(fmt::format("{} {} accept comment \"{} answers {}\"", back, kNotSyn, to->name, from->name));
      line(fmt::format("{} {} accept", back,
                       any.is_v4() ? "icmp type { destination-unreachable, time-exceeded, parameter-problem }"
                                   : "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }"));
    }
    line("goto opening");
    end();

    begin("opening");
    for (const auto& [from, to] : open)
      line(fmt::format("{} {} accept comment \"{} to {}\"", from_text(*from), to_text(*to), from->name, to->name));
    line("goto refuse");
    end();

    begin("refuse");
    line("meta l4proto tcp counter reject with tcp reset");
    line("counter reject with icmpx admin-prohibited");
    end();
  }

  void input() {
    begin("input");
    line("type filter hook input priority filter; policy accept;");
    line(fmt::format("iifname != \"{}\" accept", uplink_.device));
    line("ct state established,related accept");
    line("meta l4proto { icmp, icmpv6, igmp } accept");
    if (session_) {
      line(fmt::format("{} saddr {} tcp dport {} accept {}", family_word(session_->peer.address), session_->peer.address.to_string(),
                       session_->local.port, kSessionMark));
    }
    line(fmt::format("tcp dport {} accept comment \"SSH\"", kSshPort));
    line("udp dport { 53, 67, 69, 547 } goto refuse");
    line("tcp dport 53 goto refuse");
    line("udp dport { 68, 546 } accept comment \"the uplink's own address by DHCP\"");
    other_gateways();
    listeners();
    for (const auto& [port, protocol] : router_.open)
      line(fmt::format("{} dport {} accept", protocol == config::Transport::kTcp ? "tcp" : "udp", port));
    line("goto refuse");
    end();
  }

  /// Corosync, the handover of its key, and whatever else gateways tell each other.
  void other_gateways() {
    const config::Node* self = own_node(snapshot_);
    if (!snapshot_.cluster) return;
    std::string v4;
    std::string v6;
    for (const config::Node& node : snapshot_.cluster->nodes) {
      if (&node == self) continue;
      for (const IpAddress& link : node.links) {
        std::string& list = link.is_v4() ? v4 : v6;
        list += (list.empty() ? "" : ", ") + link.to_string();
      }
    }
    if (!v4.empty()) line(fmt::format("ip saddr {{ {} }} accept comment \"the other gateways\"", v4));
    if (!v6.empty()) line(fmt::format("ip6 saddr {{ {} }} accept comment \"the other gateways\"", v6));
  }

  void listeners() {
    std::vector<Endpoint> ends;
    for (const config::Listener& listener : snapshot_.listeners) ends.insert(ends.end(), listener.bind.begin(), listener.bind.end());
    // Of loopback nothing comes from the uplink.
    if (const auto admin = parse_endpoint(snapshot_.admin.listen)) ends.push_back(*admin);
    std::set<Endpoint> seen;
    for (const Endpoint& end : ends) {
      if (end.port == 0 || end.address.is_loopback() || !seen.insert(end).second) continue;
      if (end.port == 53) continue;  // N7
      if (end.address.is_unspecified()) {
        line(fmt::format("tcp dport {} accept", end.port));
      } else {
        line(fmt::format("{} daddr {} tcp dport {} accept", family_word(end.address), end.address.to_string(), end.port));
      }
    }
  }

  void postrouting() {
    begin("postrouting");
    line("type nat hook postrouting priority srcnat; policy accept;");
    for (const Side& network : networks_) {
      if (!has_nat(network)) continue;
      const std::string what = router_.masquerade ? std::string("masquerade")
                                                  : fmt::format("snat {} to {}", family_word(*router_.snat), router_.snat->to_string());
      line(fmt::format("{} {} {}", from_text(network), to_text(uplink_), what));
    }
    end();
  }

  const config::Snapshot& snapshot_;
  const config::Router& router_;
  const std::optional<SshSession>& session_;
  Side uplink_;
  std::vector<Side> networks_;
  std::string out_;
};

/// The lines but the one of the session.
std::string without_session(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    if (line.find(kSessionMark) == std::string_view::npos) out += line;
    text.remove_prefix(end);
  }
  return out;
}

}  // namespace

Result<SshSession> parse_ssh_session(std::string_view text) {
  const Error wrong{Errc::kInvalidArgument, "session: not ADDRESS PORT ADDRESS PORT, as sshd leaves it in SSH_CONNECTION"};
  std::vector<std::string_view> words;
  for (;;) {
    const auto blank = text.find(' ');
    words.push_back(text.substr(0, blank));
    if (blank == std::string_view::npos) break;
    text.remove_prefix(blank + 1);
  }
  if (words.size() != 4) return wrong;
  const auto endpoint = [&](std::size_t at, Endpoint& out) {
    // A link-local peer comes with its interface ("fe80::1%eth0"), which an address does not have here.
    const auto address = parse_ip_address(words[at].substr(0, words[at].find('%')));
    if (!address) return false;
    out.address = address->unmapped();
    const std::string_view port = words[at + 1];
    const auto [stop, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    return failed == std::errc() && stop == port.data() + port.size() && out.port != 0;
  };
  SshSession out;
  if (!endpoint(0, out.peer) || !endpoint(2, out.local)) return wrong;
  return out;
}

Result<std::string> render_router_rules(const config::Snapshot& snapshot, const std::optional<SshSession>& session) {
  return RouterText(snapshot, session).render();
}

std::string render_router_removal() { return fmt::format("add table inet {0}\ndelete table inet {0}\n", kRouterTable); }

std::string restoring_text(const std::string& listing) { return render_router_removal() + listing; }

bool same_rules(std::string_view one, std::string_view other) { return without_session(one) == without_session(other); }

}  // namespace fairlead::dnsdhcp
