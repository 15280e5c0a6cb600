// fairlead: pure
#include "lab/lab_plan.h"

#include <algorithm>
#include <fmt/format.h>

#include "lab/lab_files.h"

namespace fairlead::lab {
namespace {

constexpr std::string_view kLan = "192.168.4.";
constexpr std::string_view kMast = "192.168.1.";
constexpr std::string_view kNode = "192.168.2.";
constexpr std::string_view kRing = "10.99.0.";
constexpr unsigned kFirstClient = 51;
constexpr unsigned kFirstGateway = 131;
constexpr unsigned kFirstGatewayInside = 231;
constexpr unsigned kFirstBackend = 11;
constexpr unsigned kRouter = 254;
constexpr unsigned kQnetdHost = 120;
/// It gives up at once when Corosync does not answer yet (corosync-quorumtool: 0 quorate, 2 not), so that is waited for, and said when it
/// does not come. Without TLS: the lab's network is nobody else's.
constexpr char kQdevice[] =
    "for i in $(seq 300); do said=$(corosync-quorumtool -s 2>&1); case $? in 0|2) exec corosync-qdevice -f;; esac; sleep 0.1; done; "
    "echo \"no Corosync for 30 s: $said\" >&2; exit 1";

LabLink link_to(const std::string& node, std::string_view network, unsigned host) {
  struct Net {
    std::string_view prefix;
    const char* name;
    unsigned number;
  };
  Net net{kRing, "ring", 99};
  for (const Net& other : {Net{kLan, "lan", 4}, Net{kMast, "mast", 1}, Net{kNode, "node", 2}}) {
    if (network == other.prefix) net = other;
  }
  return {.device = net.name,
          .port = fmt::format("{}-{}", node, net.name),
          .bridge = net.name,
          .mac = fmt::format("02:fa:00:00:{:02x}:{:02x}", net.number, host),
          .address = fmt::format("{}{}", net.prefix, host)};
}

LabNode node_of(std::string name, Role role, std::vector<LabLink> links, std::string gateway) {
  LabNode out;
  out.name = std::move(name);
  out.role = role;
  out.links = std::move(links);
  out.gateway = std::move(gateway);
  return out;
}

void add_nodes(LabPlan& plan) {
  const LabOptions& options = plan.options;
  std::vector<LabLink> routed{link_to("router", kLan, kRouter)};
  if (!options.dhcp) routed.push_back(link_to("router", kMast, kRouter));  // Else the gateways are the way to it.
  plan.nodes.push_back(node_of("router", Role::kRouter, std::move(routed), ""));
  if (options.qdevice) plan.nodes.push_back(node_of("qnetd", Role::kQnetd, {link_to("qnetd", kLan, kQnetdHost)}, ""));
  for (unsigned i = 0; i < options.backends; ++i) {
    const std::string name = fmt::format("mast-{}", i + 1);
    plan.nodes.push_back(node_of(name, Role::kBackend, {link_to(name, kMast, kFirstBackend + i)}, fmt::format("{}{}", kMast, kRouter)));
  }
  for (unsigned i = 0; i < options.nodes; ++i) {
    const std::string name = fmt::format("gate-{}", i + 1);
    std::vector<LabLink> links{link_to(name, kLan, kFirstGateway + i)};
    if (options.dhcp) {
      for (const std::string_view inside : {kMast, kNode}) links.push_back(link_to(name, inside, kFirstGatewayInside + i));
    }
    if (!options.one_link && options.nodes > 1) links.push_back(link_to(name, kRing, i + 1));
    plan.nodes.push_back(node_of(name, Role::kGateway, std::move(links), fmt::format("{}{}", kLan, kRouter)));
  }
  for (unsigned i = 0; i < options.clients; ++i) {
    const std::string name = i == 0 ? "client" : fmt::format("client-{}", i + 1);
    plan.nodes.push_back(node_of(name, Role::kClient, {link_to(name, kLan, kFirstClient + i)}, fmt::format("{}{}", kLan, kRouter)));
  }
  for (unsigned i = 1; options.dhcp && i <= kMachines; ++i) {
    const std::string name = fmt::format("machine-{}", i);
    LabLink link = link_to(name, kNode, i);
    link.address.clear();
    plan.nodes.push_back(node_of(name, Role::kMachine, {std::move(link)}, ""));
  }
}

Status check_number(std::string_view what, unsigned value, unsigned max) {
  if (value >= 1 && value <= max) return {};
  return Error{Errc::kInvalidArgument, fmt::format("{} {}: 1 to {} are possible", what, value, max)};
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kRouter: return "router";
    case Role::kGateway: return "gateway";
    case Role::kBackend: return "backend";
    case Role::kClient: return "client";
    case Role::kQnetd: return "qnetd";
    case Role::kMachine: return "machine";
  }
  return "?";
}

const LabNode* LabPlan::find(std::string_view name) const {
  const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const LabNode& node) { return node.name == name; });
  return found == nodes.end() ? nullptr : &*found;
}

std::vector<std::string> LabPlan::names() const {
  std::vector<std::string> out;
  for (const LabNode& node : nodes) out.push_back(node.name);
  out.emplace_back(kSwitch);
  return out;
}

Status check_name(std::string_view name) {
  const bool letters = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!name.empty() && name.size() <= kNameBytesMax && letters) return {};
  return Error{Errc::kInvalidArgument,
               fmt::format("lab name '{}': 1 to {} letters, digits, '-' and '_' are possible", name, kNameBytesMax)};
}

Result<LabPlan> plan_lab(const LabOptions& options) {
  if (const Status fine = check_name(options.name); !fine) return fine.error();
  if (const Status fine = check_number("--nodes", options.nodes, kGatewaysMax); !fine) return fine.error();
  if (const Status fine = check_number("--backends", options.backends, kBackendsMax); !fine) return fine.error();
  if (const Status fine = check_number("--clients", options.clients, kClientsMax); !fine) return fine.error();
  if (options.profile != "vm" && options.profile != "fast")
    return Error{Errc::kInvalidArgument, fmt::format("--profile {}: vm and fast are possible", options.profile)};
  if (options.qdevice && options.nodes < 2) return Error{Errc::kInvalidArgument, "--qdevice: a vote for one gateway alone decides nothing"};
  LabPlan plan;
  plan.options = options;
  plan.bridges = {"lan", "mast"};
  if (options.dhcp) plan.bridges.emplace_back("node");
  if (!options.one_link && options.nodes > 1) plan.bridges.emplace_back("ring");
  add_nodes(plan);
  const std::string hosts = hosts_file(plan);
  for (LabNode& node : plan.nodes) {
    node.files.push_back({.path = "/etc/hosts", .text = hosts});
    if (node.role == Role::kBackend) {
      node.files.push_back({.path = "/etc/lab/nginx.conf", .text = nginx_conf(node)});
      node.programs.push_back(
          {.name = "nginx", .argv = {"nginx", "-e", "/run/lab/nginx.log", "-p", "/run/lab", "-c", "/etc/lab/nginx.conf"}});
    }
    if (node.role == Role::kMachine) {
      node.files.push_back({.path = "/etc/udhcpc/default.script", .text = udhcpc_script(), .mode = 0755});
      node.files.push_back({.path = "/etc/resolv.conf", .text = ""});  // It knows no resolver until it is told one.
    }
    if (node.role == Role::kQnetd) node.programs.push_back({.name = "qnetd", .argv = {"corosync-qnetd", "-f", "-s", "off"}});
    if (node.role == Role::kGateway) {
      if (options.qdevice) node.programs.push_back({.name = "qdevice", .argv = {"sh", "-c", kQdevice}});
      node.files.push_back({.path = "/etc/fairlead/fairlead.yaml", .text = gateway_yaml(plan, node)});
      if (options.dhcp) {
        for (const auto& [name, text] : boot_files()) node.files.push_back({.path = fmt::format("{}/{}", kTftpRoot, name), .text = text});
      }
      node.programs.push_back({.name = "fairleadd", .argv = {"fairleadd", "--config", "/etc/fairlead/fairlead.yaml"}});
    }
  }
  return plan;
}

void add_corosync(LabPlan& plan, const std::string& conf) {
  if (plan.options.nodes < 2) return;
  for (LabNode& node : plan.nodes) {
    if (node.role != Role::kGateway) continue;
    node.files.push_back({.path = "/etc/corosync/corosync.conf", .text = conf});
    node.programs.insert(node.programs.begin(), {.name = "corosync", .argv = {"corosync", "-f"}});
  }
}

std::string bridge_commands(const LabPlan& plan) {
  std::string out = "link set dev lo up\n";
  for (const std::string& bridge : plan.bridges)
    out += fmt::format("link add name {0} type bridge mcast_snooping 0\nlink set dev {0} up\n", bridge);
  return out;
}

std::string port_commands(const LabNode& node, std::int64_t pid) {
  std::string out;
  for (const LabLink& link : node.links) {
    out += fmt::format("link add name {} type veth peer name {} address {} netns {}\n", link.port, link.device, link.mac, pid);
    out += fmt::format("link set dev {} master {} up\n", link.port, link.bridge);
  }
  return out;
}

std::string unplug_commands(const LabNode& node) {
  std::string out;
  for (const LabLink& link : node.links) out += fmt::format("link del dev {}\n", link.port);
  return out;
}

std::string ports_up_commands(const LabNode& node) {
  std::string out;
  for (const LabLink& link : node.links) out += fmt::format("link set dev {} master {} up\n", link.port, link.bridge);
  return out;
}

std::string node_commands(const LabNode& node) {
  std::string out = "link set dev lo up\n";
  for (const LabLink& link : node.links) {
    out += fmt::format("link set dev {} up\n", link.device);
    if (!link.address.empty()) out += fmt::format("addr replace {}/24 dev {}\n", link.address, link.device);
  }
  if (!node.gateway.empty()) out += fmt::format("route replace default via {}\n", node.gateway);
  return out;
}

}  // namespace fairlead::lab
