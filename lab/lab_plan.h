// fairlead: pure
// What a lab is made of: nodes with names, addresses, files and programs, joined by bridges. Values only; lab/lab_rig.h builds it.
//
//   192.168.4.0/24  bridge lan     router .254   VIP .20   clients .51 ..   gateways .131 ..   qnetd .120
//   192.168.1.0/24  bridge mast    router .254   TLS backends .11 ..
//   10.99.0.0/24    bridge ring    gateways .1 ..          (Corosync; not there with `one_link`)
//
// With `dhcp` the gateways have dnsdhcp and the router of mast and of one network more, where machines boot that have no address:
//
//   192.168.1.0/24  bridge mast    gateways .231 ..   VIPs mast-router .254, mast-dns .1   pool .100 - .199
//   192.168.2.0/24  bridge node    gateways .231 ..   VIPs node-router .254, node-dns .1   pool .130 - .229   machine-1, machine-2
//
// The addresses are the same in every lab: each lab has namespaces of its own, so labs never meet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fairlead::lab {

inline constexpr unsigned kGatewaysMax = 16;  ///< Corosync's own practical limit.
inline constexpr unsigned kBackendsMax = 40;
inline constexpr unsigned kClientsMax = 40;
inline constexpr std::size_t kNameBytesMax = 24;  ///< It is a folder, and part of messages.

inline constexpr std::string_view kDefaultName = "lab";
inline constexpr std::string_view kVip = "192.168.4.20";
inline constexpr std::uint16_t kPort = 6443;
inline constexpr unsigned kMachines = 2;               ///< With `dhcp`.
inline constexpr std::string_view kSwitch = "switch";  ///< The node that has the bridges and every port.

/// What the user chose.
struct LabOptions {
  std::string name{kDefaultName};
  unsigned nodes = 3;
  unsigned backends = 3;
  unsigned clients = 1;
  std::string profile = "vm";  ///< vm | fast
  bool one_link = false;       ///< Corosync on the service network, too.
  bool qdevice = false;        ///< A corosync-qnetd on a node of its own gives a third vote.
  bool dhcp = false;           ///< The gateways serve DNS and DHCP, and route; machines ask for their addresses.
  bool operator==(const LabOptions&) const = default;
};

enum class Role : std::uint8_t { kRouter, kGateway, kBackend, kClient, kQnetd, kMachine };
[[nodiscard]] std::string_view to_string(Role role);

/// A network card of a node and the port of the switch it is plugged into.
struct LabLink {
  std::string device;  ///< In the node: "lan".
  std::string port;    ///< In the switch: "gate-1-lan", at most 15 bytes.
  std::string bridge;
  std::string mac;
  std::string address;  ///< "192.168.4.131"; always /24. Empty: the machine asks for one.
};

struct LabFile {
  std::string path;  ///< As the node sees it.
  std::string text;
  unsigned mode = 0644;
};

struct LabProgram {
  std::string name;  ///< Also of its log: /run/lab/NAME.log.
  std::vector<std::string> argv;
};

struct LabNode {
  std::string name;
  Role role = Role::kClient;
  std::vector<LabLink> links;
  std::string gateway;  ///< Of its default route; empty: none.
  std::vector<LabFile> files;
  std::vector<LabProgram> programs;  ///< In the order they are started.
};

struct LabPlan {
  LabOptions options;
  std::vector<std::string> bridges;
  std::vector<LabNode> nodes;  ///< Router, qnetd, backends, gateways, clients, machines: the order they are brought up.

  [[nodiscard]] const LabNode* find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;  ///< Of all nodes and of the switch.
};

/// Errors: kInvalidArgument (a name or number that cannot be; says what can).
[[nodiscard]] Status check_name(std::string_view name);
[[nodiscard]] Result<LabPlan> plan_lab(const LabOptions& options);

/// Gives every gateway its corosync.conf. Plans without Corosync stay as they are.
void add_corosync(LabPlan& plan, const std::string& conf);

/// For `ip -batch` in the switch: the bridges; the ports that lead to `node`, whose namespace is that of process `pid`; the way back.
[[nodiscard]] std::string bridge_commands(const LabPlan& plan);
[[nodiscard]] std::string port_commands(const LabNode& node, std::int64_t pid);
[[nodiscard]] std::string unplug_commands(const LabNode& node);
/// For `ip -batch` in the switch and in the node: every port in its bridge, everything up, with addresses and routes. Harmless where
/// it is so already.
[[nodiscard]] std::string ports_up_commands(const LabNode& node);
[[nodiscard]] std::string node_commands(const LabNode& node);

}  // namespace fairlead::lab
