// fairlead: pure
#include "migrate/settle.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/limits.h"
#include "config/proxy_loop.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

constexpr std::size_t kNodesOfAPair = 2;

/// 192.0.2.0/24 is for documents: no machine has these addresses.
IpAddress placeholder(std::size_t n) { return IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(n + 1)}); }

bool is_usable_host(const IpAddress& a) { return !a.is_unspecified() && !a.is_multicast() && a == a.unmapped(); }

class Settler {
 public:
  Settler(Wanted wanted, Ledger& ledger) : wanted_(std::move(wanted)), ledger_(ledger), out_(settled_.snapshot) {
    out_.proxy = wanted_.process.proxy;
    out_.admin = wanted_.process.admin;
    out_.log = wanted_.process.log;
    out_.shutdown_grace = wanted_.process.shutdown_grace;
  }

  Settled run() {
    nodes();
    vips();
    pools();
    listeners();
    admin();
    loops();
    sources();
    requirements();
    interfaces();
    cluster_remarks();
    return std::move(settled_);
  }

 private:
  void remark(const std::string& path, const std::string& text) {
    std::string& there = settled_.remarks[path];
    there += (there.empty() ? "" : "\n") + text;
  }

  // ---- nodes ----
  void nodes() {
    if (wanted_.nodes.empty() && wanted_.vips.empty() && !wanted_.cluster) return;
    config::Cluster cluster = wanted_.cluster.value_or(config::Cluster{});
    if (cluster.name.empty()) {
      cluster.name = "gateways";
      remark("cluster.name", "CHANGE: any name, the same on all nodes.");
    }
    const std::size_t most = std::min(wanted_.fixed_nodes.value_or(config::kNodesMax), config::kNodesMax);
    for (std::size_t i = most; i < wanted_.nodes.size(); ++i) {
      if (!wanted_.nodes[i].at) continue;
      ledger_.approximated(
          *wanted_.nodes[i].at,
          wanted_.fixed_nodes ? "this node is not among those of corosync.conf" : fmt::format("more than {} nodes", config::kNodesMax),
          "cluster.nodes");
    }
    if (wanted_.nodes.size() > most) wanted_.nodes.resize(most);
    const std::size_t told = wanted_.nodes.size();
    while (!wanted_.vips.empty() && !wanted_.fixed_nodes && wanted_.nodes.size() < kNodesOfAPair) wanted_.nodes.emplace_back();
    if (wanted_.nodes.empty()) wanted_.nodes.emplace_back();
    UniqueNames names;
    std::set<std::uint32_t> ids;
    for (NodeWish& wish : wanted_.nodes) {
      for (const IpAddress& link : wish.links) {
        const auto known = wanted_.host_names.find(link);
        if (wish.name.empty() && known != wanted_.host_names.end()) wish.name = known->second;
      }
      if (wish.id) ids.insert(*wish.id);
    }
    const std::size_t links = links_of_each();
    std::set<std::uint32_t> used;
    for (std::size_t i = 0; i < wanted_.nodes.size(); ++i) {
      const NodeWish& wish = wanted_.nodes[i];
      config::Node node;
      node.name = names.take(wish.name.empty() ? fmt::format("node-{}", i + 1) : wish.name);
      const std::string path = fmt::format("cluster.nodes[{}]", i);
      if (wish.at && i < told) remark(path, "from " + ledger_.place(*wish.at));
      if (node.name != wish.name) remark(path, "CHANGE: name is this node's host name (`hostname`).");
      if (wish.id && used.insert(*wish.id).second) {
        node.id = *wish.id;
      } else {
        for (node.id = 1; ids.contains(node.id) || used.contains(node.id);) ++node.id;
        used.insert(node.id);
      }
      for (std::size_t k = 0; k < links; ++k) {
        if (k >= wish.links.size()) {
          std::size_t free = i;
          while (is_told_link(placeholder(free))) ++free;
          node.links.push_back(placeholder(free));
          remark(path, fmt::format("CHANGE: {} stands for this node's own address.", node.links.back().to_string()));
        } else {
          node.links.push_back(wish.links[k]);
        }
      }
      if (wish.links.size() > links && wish.at)
        ledger_.approximated(*wish.at, "as many links on every node: the rest is left out", "cluster.nodes[].links");
      cluster.nodes.push_back(std::move(node));
    }
    out_.cluster = std::move(cluster);
  }

  /// As many usable links as every node that has some has, each of one family on all of them; at least one.
  std::size_t links_of_each() {
    std::size_t links = config::kLinksPerNodeMax;
    std::vector<IpAddress> first;
    std::set<IpAddress> taken;
    for (NodeWish& wish : wanted_.nodes) {
      std::erase_if(wish.links, [&](const IpAddress& link) {
        const bool usable = is_usable_host(link) && !link.is_loopback();
        const bool fits = usable && taken.insert(link).second;
        if (!fits && wish.at)
          ledger_.approximated(
              *wish.at, fmt::format("without link {}: {}", link.to_string(), usable ? "another node has it" : "no address of one host"),
              "cluster.nodes[].links");
        return !fits;
      });
      if (wish.links.empty()) {
        links = 1;
        continue;
      }
      if (first.empty()) first = wish.links;
      std::size_t alike = 0;
      while (alike < wish.links.size() && alike < first.size() && wish.links[alike].family() == first[alike].family()) ++alike;
      if (alike == 0) drop_links(wish, "the other nodes' first link is of another IP version");
      links = std::min(links, std::max<std::size_t>(alike, 1));
    }
    const bool v6 = !first.empty() && !first.front().is_v4();
    const bool lacking = std::any_of(wanted_.nodes.begin(), wanted_.nodes.end(), [](const NodeWish& wish) { return wish.links.empty(); });
    if (first.empty()) return 1;
    if (v6 && lacking) {
      for (NodeWish& wish : wanted_.nodes) drop_links(wish, "a link is IPv6 on all nodes or on none, and one of them told no address");
    }
    return links;
  }

  void drop_links(NodeWish& wish, const std::string& reason) {
    if (wish.at && !wish.links.empty()) ledger_.approximated(*wish.at, "without its links: " + reason, "cluster.nodes[].links");
    wish.links.clear();
  }

  [[nodiscard]] bool is_told_link(const IpAddress& address) const {
    return std::any_of(wanted_.nodes.begin(), wanted_.nodes.end(),
                       [&](const NodeWish& wish) { return std::find(wish.links.begin(), wish.links.end(), address) != wish.links.end(); });
  }
  [[nodiscard]] bool is_link(const IpAddress& address) const {
    if (!out_.cluster) return false;
    return std::any_of(out_.cluster->nodes.begin(), out_.cluster->nodes.end(), [&](const config::Node& node) {
      return std::find(node.links.begin(), node.links.end(), address) != node.links.end();
    });
  }

  // ---- VIPs ----
  std::string vip_problem(const config::Vip& vip) const {
    const IpAddress& address = vip.address.address;
    if (!is_usable_host(address) || address.is_loopback()) return "no address that a VIP can have";
    if (vip.address.length == 0) return "a prefix length of 0";
    const bool counts = vip.address.length < (address.is_v4() ? 31 : 127);
    if ((counts && address == vip.address.network()) || address == vip.address.broadcast())
      return "the address of its network itself, or its broadcast address";
    if (is_link(address)) return "the address of a node";
    const bool twice =
        std::any_of(out_.vips.begin(), out_.vips.end(), [&](const config::Vip& other) { return other.address.address == address; });
    return twice ? "a second VIP with this address" : "";
  }

  void vips() {
    UniqueNames names;
    for (VipWish& wish : wanted_.vips) {
      const std::string problem = vip_problem(wish.settings);
      if (!problem.empty()) {
        ledger_.left_out(wish.at, problem, "vips[].address");
        for (const Ledger::Line line : wish.watches) ledger_.left_out(line, "its VIP is not carried over");
        continue;
      }
      wish.settings.name = names.take(wish.settings.name);
      std::stable_sort(wish.prefer.begin(), wish.prefer.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
      // Nodes with one and the same score are no preference.
      const bool differ = wish.prefer.size() == 1 || (!wish.prefer.empty() && wish.prefer.front().second != wish.prefer.back().second);
      for (const auto& [node, score] : wish.prefer) {
        if (!differ || !out_.cluster || node >= out_.cluster->nodes.size()) continue;
        const std::string& name = out_.cluster->nodes[node].name;
        auto& prefer = wish.settings.prefer;
        if (std::find(prefer.begin(), prefer.end(), name) == prefer.end()) prefer.push_back(name);
      }
      if (wish.settings.prefer.empty()) wish.settings.preempt = false;
      if (!wish.settings.preempt) wish.settings.preempt_delay = config::Vip{}.preempt_delay;
      remark(fmt::format("vips[{}]", out_.vips.size()), "from " + ledger_.place(wish.at));
      if (!wish.remark.empty()) remark(fmt::format("vips[{}]", out_.vips.size()), wish.remark);
      out_.vips.push_back(wish.settings);
      kept_vips_.push_back(&wish);
    }
    for (std::size_t i = 0; i < out_.vips.size(); ++i) routers(out_.vips[i], *kept_vips_[i]);
  }

  [[nodiscard]] bool is_vip(const IpAddress& address) const {
    return std::any_of(out_.vips.begin(), out_.vips.end(), [&](const config::Vip& vip) { return vip.address.address == address; });
  }
  [[nodiscard]] bool is_foreign_router(const IpAddress& address) const {
    return is_usable_host(address) && !address.is_loopback() && !is_vip(address) && !is_link(address);
  }
  void routers(config::Vip& vip, const VipWish& wish) {
    if (vip.route && (!is_foreign_router(vip.route->gateway) || vip.route->gateway.family() != vip.address.address.family())) {
      vip.route.reset();
      ledger_.approximated(wish.at, "without its route: the next hop is not a router of others", "vips[].route");
    }
    if (vip.track.gateway && (!is_foreign_router(*vip.track.gateway) || vip.track.gateway->family() != vip.address.address.family())) {
      vip.track.gateway.reset();
      ledger_.approximated(wish.at, "without its tracked router: that is one of ours", "vips[].track.gateway");
    }
  }

  /// A device of each node's own gets one name for all of them.
  void interfaces() {
    std::size_t named = 0;
    for (std::size_t i = 0; i < out_.vips.size(); ++i) {
      const auto& devices = kept_vips_[i]->devices;
      if (devices.empty() || !out_.cluster) continue;
      const std::string& first = devices.begin()->second;
      const bool alike = std::all_of(devices.begin(), devices.end(), [&](const auto& d) { return d.second == first; });
      auto& nodes = out_.cluster->nodes;
      if (alike || devices.rbegin()->first >= nodes.size()) {
        out_.vips[i].interface = first;
        continue;
      }
      std::string name = "lan";
      for (std::size_t k = 0; k < i; ++k) {
        if (kept_vips_[k]->devices == devices) name = out_.vips[k].interface;
      }
      const bool known =
          std::any_of(nodes.front().interfaces.begin(), nodes.front().interfaces.end(), [&](const auto& it) { return it.name == name; });
      const bool shared = std::any_of(kept_vips_.begin(), kept_vips_.begin() + static_cast<std::ptrdiff_t>(i),
                                      [&](const VipWish* other) { return other->devices == devices; });
      if (known && !shared) name = fmt::format("lan-{}", ++named + 1);
      out_.vips[i].interface = name;
      if (shared) continue;
      for (std::size_t node = 0; node < nodes.size(); ++node) {
        const auto device = devices.find(node);
        if (device == devices.end())
          remark(fmt::format("cluster.nodes[{}]", node), fmt::format("CHANGE: {} is a guess for {}.", first, name));
        nodes[node].interfaces.push_back({name, device == devices.end() ? first : device->second});
      }
    }
  }

  // ---- pools, listeners ----
  void pools() {
    for (std::size_t i = 0; i < wanted_.pools.size(); ++i) {
      remark(fmt::format("pools[{}]", i), "from " + ledger_.place(wanted_.pools[i].at));
      if (!wanted_.pools[i].remark.empty()) remark(fmt::format("pools[{}]", i), wanted_.pools[i].remark);
      out_.pools.push_back(wanted_.pools[i].settings);
    }
  }

  void listeners() {
    UniqueNames names;
    for (ListenerWish& wish : wanted_.listeners) {
      if (out_.listeners.size() >= config::kListenersMax) {
        ledger_.left_out(wish.at, fmt::format("more than {} listeners", config::kListenersMax), "split the file");
        continue;
      }
      std::erase_if(wish.settings.bind, [&](const Endpoint& bind) { return overlaps(bind, wish.at); });
      if (wish.settings.bind.empty()) {
        ledger_.left_out(wish.at, "nothing is left to listen on", "write bind with an address and a port of its own");
        continue;
      }
      const std::string name = names.take(wish.settings.name);
      if (name != wish.settings.name) ledger_.approximated(wish.at, fmt::format("a second listener of this name is called {}", name));
      wish.settings.name = name;
      remark(fmt::format("listeners[{}]", out_.listeners.size()), "from " + ledger_.place(wish.at));
      out_.listeners.push_back(wish.settings);
    }
  }
  bool overlaps(const Endpoint& bind, Ledger::Line at) {
    auto& there = bound_[bind.port];
    for (const IpAddress& other : there) {
      const bool clash =
          other == bind.address || (other.family() == bind.address.family() && (other.is_unspecified() || bind.address.is_unspecified()));
      if (!clash) continue;
      ledger_.approximated(at, fmt::format("without {}, which overlaps {}", bind.to_string(), Endpoint{other, bind.port}.to_string()),
                           "one address and port belongs to one listener");
      return true;
    }
    there.push_back(bind.address);
    return false;
  }

  /// admin.listen gives way to listeners.
  void admin() {
    const auto listen = parse_endpoint(out_.admin.listen);
    if (!listen) return;
    for (std::uint16_t port : {listen->port, std::uint16_t{9440}, std::uint16_t{9441}, std::uint16_t{9442}}) {
      const auto& there = bound_[port];
      const bool clash = std::any_of(there.begin(), there.end(), [&](const IpAddress& other) {
        return other == listen->address || (other.family() == listen->address.family() && other.is_unspecified());
      });
      if (clash) continue;
      if (port != listen->port) remark("admin", fmt::format("{} is taken by a listener.", listen->to_string()));
      out_.admin.listen = Endpoint{listen->address, port}.to_string();
      return;
    }
    out_.admin.listen = "";
  }

  /// A server that is its own listener would go round in circles.
  void loops() {
    std::vector<IpAddress> own;
    for (const config::Vip& vip : out_.vips) own.push_back(vip.address.address);
    std::map<std::string, std::vector<Endpoint>> binds;
    for (const config::Listener& listener : out_.listeners) {
      auto& of_pool = binds[listener.pool];
      of_pool.insert(of_pool.end(), listener.bind.begin(), listener.bind.end());
    }
    for (std::size_t i = 0; i < out_.pools.size(); ++i) {
      std::vector<config::Server> kept;
      const auto& of_pool = binds[out_.pools[i].name];
      for (std::size_t k = 0; k < out_.pools[i].servers.size(); ++k) {
        config::Server& server = out_.pools[i].servers[k];
        if (config::catches(of_pool, server.address, own)) {
          ledger_.left_out(wanted_.pools[i].server_at[k], "it is the address of its own listener: connections would go round in circles",
                           "write the server's own address, or listen on the VIP alone");
        } else {
          kept.push_back(std::move(server));
        }
      }
      out_.pools[i].servers = std::move(kept);
      if (out_.pools[i].servers.empty()) remark(fmt::format("pools[{}]", i), "It has no server: list some.");
    }
  }

  void sources() {
    for (std::size_t i = 0; i < out_.pools.size(); ++i) {
      config::Pool& pool = out_.pools[i];
      if (!pool.source) continue;
      const bool fits =
          is_usable_host(*pool.source) && std::all_of(pool.servers.begin(), pool.servers.end(), [&](const config::Server& server) {
            const auto address = parse_ip_address(server.address.host);
            return !address || address->family() == pool.source->family();
          });
      if (fits) continue;
      pool.source.reset();
      ledger_.approximated(wanted_.pools[i].at, "without source: it is of another IP version than a server", "pools[].source");
    }
  }

  /// What watched the proxy: the listeners that serve on the VIP must be able to serve.
  void requirements() {
    for (std::size_t i = 0; i < out_.vips.size(); ++i) {
      const VipWish& wish = *kept_vips_[i];
      if (wish.watches.empty()) continue;
      config::Vip& vip = out_.vips[i];
      for (const config::Listener& listener : out_.listeners) {
        const bool serves = std::any_of(listener.bind.begin(), listener.bind.end(), [&](const Endpoint& bind) {
          return bind.address == vip.address.address ||
                 (bind.address.is_unspecified() && bind.address.family() == vip.address.address.family());
        });
        if (serves) vip.requires_listeners.push_back(listener.name);
      }
      for (const Ledger::Line line : wish.watches) {
        if (vip.requires_listeners.empty()) {
          ledger_.left_out(line, "no listener is bound to the VIP in these files", "import haproxy.cfg with it, or write vips[].requires");
        } else {
          ledger_.approximated(line, "vips[].requires: held where these listeners can serve");
        }
      }
    }
  }

  void cluster_remarks() {
    if (!out_.cluster) return;
    config::Cluster& cluster = *out_.cluster;
    if (cluster.qdevice) {
      const auto host = parse_ip_address(cluster.qdevice->host);
      if (host && (!is_foreign_router(*host))) {
        cluster.qdevice.reset();
        remark("cluster", "The qdevice's host was one of the nodes or a VIP: left out.");
      }
    }
    if (cluster.nodes.size() != kNodesOfAPair || cluster.qdevice) return;
    config::TieBreak tie_break;
    for (const auto& [hint, at] : wanted_.tie_break_hints) {
      const bool beside =
          std::any_of(out_.vips.begin(), out_.vips.end(), [&](const config::Vip& vip) { return vip.address.contains(hint); });
      if (is_foreign_router(hint) && beside) {
        tie_break.targets.push_back(hint);
      } else {
        ledger_.approximated(at, fmt::format("{} breaks no tie: it is no router of a VIP's own network, where ARP asks", hint.to_string()),
                             "cluster.tie_break");
      }
    }
    if (!tie_break.targets.empty()) {
      cluster.tie_break = tie_break;
      remark("cluster.tie_break", "What Pacemaker pinged; routers that are not ours.");
    } else {
      remark("cluster",
             "CHANGE: two nodes need a third opinion, else no VIP is taken over when its holder is lost. Add the address of your router:\n"
             "  tie_break: {targets: [ROUTER]}");
    }
  }

  Wanted wanted_;
  Ledger& ledger_;
  Settled settled_;
  config::Snapshot& out_;
  std::vector<const VipWish*> kept_vips_;
  std::map<std::uint16_t, std::vector<IpAddress>> bound_;
};

}  // namespace

Settled settle(Wanted wanted, Ledger& ledger) { return Settler(std::move(wanted), ledger).run(); }

}  // namespace fairlead::migrate
