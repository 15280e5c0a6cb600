// fairlead: pure
#include "dnsdhcp/dhcp_gate.h"

#include <algorithm>

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

}  // namespace

Result<std::string> render_dhcp_gate(const DhcpGate& gate) {
  for (const std::string& name : gate.guarded) {
    if (!is_plain_interface(name)) return Error{Errc::kInvalidArgument, "'" + name + "' is not the name of a network interface"};
  }
  for (const std::string& name : gate.open) {
    if (std::find(gate.guarded.begin(), gate.guarded.end(), name) == gate.guarded.end())
      return Error{Errc::kInvalidArgument, "interface " + name + " is not one of the DHCP gate"};
  }
  return render_no_dhcp_gate() + "table " + std::string(kGateTable) + " {\n" + set_of("guarded", gate.guarded) + set_of("open", gate.open) +
         "  chain input {\n"
         "    type filter hook input priority filter - 10; policy accept;\n"
         "    udp dport { 67, 547 } iifname @guarded iifname != @open counter drop\n"
         "  }\n"
         "}\n";
}

std::string render_no_dhcp_gate() {
  // Deleting what is not there is an error, making what is there is none.
  const std::string table(kGateTable);
  return "add table " + table + "\ndelete table " + table + "\n";
}

}  // namespace fairlead::dnsdhcp
