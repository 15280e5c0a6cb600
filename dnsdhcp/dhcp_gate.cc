// fairlead: pure
#include "dnsdhcp/dhcp_gate.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/derived_vips.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::size_t kInterfaceNameMax = 15;

/// As the kernel takes them, without what means something in nft's strings.
bool is_plain_interface(std::string_view name) {
  if (name.empty() || name.size() > kInterfaceNameMax || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != '"' && c != '*' && c != '\\'; });
}

std::string set_of(std::string_view name, std::string_view type, std::vector<std::string> elements) {
  std::sort(elements.begin(), elements.end());
  elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
  std::string list;
  for (const std::string& element : elements) list += (list.empty() ? "" : ", ") + element;
  std::string out = "  set " + std::string(name) + " {\n    type " + std::string(type) + "\n";
  if (!list.empty()) out += "    elements = { " + list + " }\n";
  return out + "  }\n";
}

std::string set_of_interfaces(std::string_view name, const std::vector<std::string>& interfaces) {
  std::vector<std::string> elements;
  for (const std::string& interface : interfaces) elements.push_back('"' + interface + '"');
  return set_of(name, "ifname", std::move(elements));
}

/// A gate that has nothing to guard has neither sets nor a rule.
struct Side {
  const GateSide& gate;
  std::string_view version;  ///< "4", "6"
  std::string_view port;
  [[nodiscard]] std::string sets() const {
    const std::string v(version);
    std::string out;
    if (!gate.guarded.empty()) out += set_of_interfaces("guarded" + v, gate.guarded) + set_of_interfaces("open" + v, gate.open);
    if (!gate.served.empty()) {
      std::vector<std::string> elements;
      for (const IpPrefix& prefix : gate.served)
        elements.push_back(prefix.length == prefix.address.bits() ? prefix.address.to_string() : prefix.to_string());
      out += set_of("served" + v, "ipv" + v + "_addr\n    flags interval", std::move(elements));
    }
    return out;
  }
  [[nodiscard]] std::string rules() const {
    const std::string v(version);
    std::string out;
    if (!gate.guarded.empty()) {
      out += "    meta nfproto ipv" + v + " udp dport " + std::string(port) + " iifname @guarded" + v + " iifname != @open" + v +
             " counter drop\n";
    }
    if (!gate.served.empty()) {
      const std::string to = std::string(v == "4" ? "ip" : "ip6") + " daddr @served" + v;
      out += "    iifname != @inside " + to + " tcp dport 53 counter reject with tcp reset\n";
      out += "    iifname != @inside " + to + " udp dport { 53, 69 } counter reject with icmpx admin-prohibited\n";
    }
    return out;
  }
};

Status check_names(const std::vector<std::string>& interfaces) {
  for (const std::string& name : interfaces) {
    if (!is_plain_interface(name)) return Error{Errc::kInvalidArgument, "'" + name + "' is not the name of a network interface"};
  }
  return {};
}

Status check(const GateSide& gate) {
  if (auto good = check_names(gate.guarded); !good) return good;
  for (const std::string& name : gate.open) {
    if (std::find(gate.guarded.begin(), gate.guarded.end(), name) == gate.guarded.end())
      return Error{Errc::kInvalidArgument, "interface " + name + " is not one of the DHCP gate"};
  }
  return {};
}

}  // namespace

void guard_names(DhcpGate& gate, const config::Snapshot& snapshot) {
  std::set<std::string> advertising;  // Of a device that is named for router advertisements dnsmasq serves every address.
  for (const config::DhcpNetwork& network : snapshot.dnsdhcp->networks) {
    const std::string device = config::network_device(snapshot, network);
    gate.inside.push_back(device);
    if (network.ra) advertising.insert(device);
  }
  for (const config::DhcpNetwork& network : snapshot.dnsdhcp->networks) {
    const bool v4 = network.cidr.address.is_v4();
    std::vector<IpPrefix>& served = v4 ? gate.v4.served : gate.v6.served;
    if (advertising.contains(config::network_device(snapshot, network))) {
      served.push_back(network.cidr);
      continue;
    }
    const auto whole = static_cast<std::uint8_t>(network.cidr.address.bits());
    if (network.router) served.push_back({*network.router, whole});
    if (network.dns && network.dns != network.router) served.push_back({*network.dns, whole});
  }
}

Result<std::string> render_dhcp_gate(const DhcpGate& gate) {
  const std::array<Side, 2> sides{{{gate.v4, "4", "67"}, {gate.v6, "6", "547"}}};
  if (auto good = check_names(gate.inside); !good) return good.error();
  std::string sets;
  std::string rules;
  if (!gate.v4.served.empty() || !gate.v6.served.empty()) {
    std::vector<std::string> inside = gate.inside;
    inside.emplace_back("lo");
    sets += set_of_interfaces("inside", inside);
  }
  for (const Side& side : sides) {
    if (auto good = check(side.gate); !good) return good.error();
    sets += side.sets();
    rules += side.rules();
  }
  return render_no_dhcp_gate() + "table " + std::string(kGateTable) + " {\n" + sets +
         "  chain input {\n"
         "    type filter hook input priority filter - 10; policy accept;\n" +
         rules +
         "  }\n"
         "}\n";
}

std::string render_no_dhcp_gate() {
  // Deleting what is not there is an error, making what is there is none.
  const std::string table(kGateTable);
  return "add table " + table + "\ndelete table " + table + "\n";
}

}  // namespace fairlead::dnsdhcp
