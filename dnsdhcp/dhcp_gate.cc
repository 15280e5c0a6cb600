// fairlead: pure
#include "dnsdhcp/dhcp_gate.h"

#include <algorithm>
#include <array>

namespace fairlead::dnsdhcp {
namespace {

constexpr std::size_t kInterfaceNameMax = 15;

/// As the kernel takes them, without what means something in nft's strings.
bool is_plain_interface(std::string_view name) {
  if (name.empty() || name.size() > kInterfaceNameMax || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != '"' && c != '*' && c != '\\'; });
}

std::string set_of(std::string_view name, std::vector<std::string> elements) {
  std::sort(elements.begin(), elements.end());
  elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
  std::string list;
  for (const std::string& element : elements) list += (list.empty() ? "\"" : ", \"") + element + "\"";
  std::string out = "  set " + std::string(name) + " {\n    type ifname\n";
  if (!list.empty()) out += "    elements = { " + list + " }\n";
  return out + "  }\n";
}

/// A gate that has nothing to guard has neither sets nor a rule.
struct Side {
  const GateSide& gate;
  std::string_view version;  ///< "4", "6"
  std::string_view port;
  [[nodiscard]] std::string sets() const {
    if (gate.guarded.empty()) return {};
    return set_of("guarded" + std::string(version), gate.guarded) + set_of("open" + std::string(version), gate.open);
  }
  [[nodiscard]] std::string rule() const {
    if (gate.guarded.empty()) return {};
    const std::string v(version);
    return "    meta nfproto ipv" + v + " udp dport " + std::string(port) + " iifname @guarded" + v + " iifname != @open" + v +
           " counter drop\n";
  }
};

Status check(const GateSide& gate) {
  for (const std::string& name : gate.guarded) {
    if (!is_plain_interface(name)) return Error{Errc::kInvalidArgument, "'" + name + "' is not the name of a network interface"};
  }
  for (const std::string& name : gate.open) {
    if (std::find(gate.guarded.begin(), gate.guarded.end(), name) == gate.guarded.end())
      return Error{Errc::kInvalidArgument, "interface " + name + " is not one of the DHCP gate"};
  }
  return {};
}

}  // namespace

Result<std::string> render_dhcp_gate(const DhcpGate& gate) {
  const std::array<Side, 2> sides{{{gate.v4, "4", "67"}, {gate.v6, "6", "547"}}};
  std::string sets;
  std::string rules;
  for (const Side& side : sides) {
    if (auto good = check(side.gate); !good) return good.error();
    sets += side.sets();
    rules += side.rule();
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
