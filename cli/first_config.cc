// fairlead: pure
#include "cli/first_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fairlead::cli {
namespace {

/// As it stands, or quoted where YAML would read something else. Whether it is a good value is the check's to say.
std::string value(const std::string& text) {
  static constexpr std::array kWords{"true", "false", "yes", "no", "on", "off", "null"};
  const bool word = std::find(kWords.begin(), kWords.end(), text) != kWords.end();
  const bool begins = !text.empty() && std::isalpha(static_cast<unsigned char>(text.front())) != 0;
  const bool plain = begins && !word && std::all_of(text.begin(), text.end(), [](unsigned char c) {
                       return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                     });
  if (plain) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20U || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string vip_name(std::size_t index) { return index == 0 ? "api" : fmt::format("api-{}", index + 1); }

std::string cluster_text(const FirstConfig& c) {
  if (c.nodes.empty()) return {};
  std::string out = fmt::format(
      "\n# The gateways. Corosync, which `fairlead cluster setup` configures, tells each which of the others are alive.\n"
      "cluster:\n"
      "  name: {}\n"
      "  profile: {}                      # Corosync's timing; `fairlead cluster advise` measures whether this machine keeps up\n"
      "  nodes:                           # name: the machine's host name; id: never given to another machine later\n",
      value(c.cluster_name), value(c.profile));
  for (std::size_t i = 0; i < c.nodes.size(); ++i)
    out += fmt::format("    - {{name: {}, id: {}, links: [\"{}\"]}}\n", value(c.nodes[i].name), i + 1, c.nodes[i].address.to_string());
  if (c.nodes.size() != 2) return out;
  out +=
      "  # When two nodes lose sight of each other, neither knows whether the other is dead or only cut off. The one that this router\n"
      "  # answers may take over. It is none of the two.\n";
  if (c.router) return out + fmt::format("  tie_break: {{targets: [\"{}\"]}}\n", c.router->to_string());
  return out + "  # tie_break: {targets: [ROUTER]}   # missing, so far: until it is there, nobody takes over from a lost holder\n";
}

std::string vips_text(const FirstConfig& c) {
  if (c.vips.empty()) return {};
  std::string out = c.nodes.empty()
                        ? "\n# The address that clients use. This node alone holds it; with `cluster` another one takes over.\nvips:\n"
                        : "\n# The address that clients use. One gateway holds it; when that one is gone, another has it at once.\nvips:\n";
  for (std::size_t i = 0; i < c.vips.size(); ++i) {
    out += fmt::format("  - name: {}\n    address: \"{}\"\n", vip_name(i), c.vips[i].to_string());
    out += fmt::format("    interface: {}                # {}\n", value(c.interface),
                       c.interface == "auto" ? "the device that has an address of this network" : "on every node");
    if (c.vips.size() > 1) out += "    group: gateway                 # VIPs of a group are always on the same node\n";
    out += "    requires: [kube-api]           # only a node that can serve it may hold the address\n";
  }
  return out;
}

std::string listeners_text(const FirstConfig& c) {
  std::vector<std::string> binds;
  for (const IpPrefix& vip : c.vips) binds.push_back(fmt::format("\"{}\"", Endpoint{vip.address, c.port}.to_string()));
  if (binds.empty()) binds.push_back(fmt::format("\"0.0.0.0:{}\"", c.port));
  return fmt::format("\n# Where connections are taken{}\nlisteners:\n  - name: kube-api\n    bind: [{}]\n    pool: masters\n",
                     c.nodes.empty() ? "." : ": every node listens, also while another one has the address.", fmt::join(binds, ", "));
}

std::string pools_text(const FirstConfig& c) {
  std::string out =
      "\n# Where they go: to the API server with the fewest connections, among those that are ready.\npools:\n  - name: masters\n";
  if (c.ca.empty()) {
    out +=
        "    # Ready is who answers /readyz with 200. `verify: false`: whoever answers is believed. Better: bring the Kubernetes "
        "cluster's\n"
        "    # /etc/kubernetes/pki/ca.crt to /etc/fairlead/ca.crt of every gateway, and write here\n"
        "    # health: {type: https, path: /readyz, ca: /etc/fairlead/ca.crt}\n"
        "    health: {type: https, path: /readyz, verify: false}\n";
  } else {
    out += fmt::format(
        "    # Ready is who answers /readyz with 200 and has a certificate of this CA (kubeadm's /etc/kubernetes/pki/ca.crt).\n"
        "    health: {{type: https, path: /readyz, ca: \"{}\"}}\n",
        c.ca);
  }
  out += "    servers:\n";
  for (const FirstServer& server : c.servers)
    out += fmt::format("      - {{name: {}, address: \"{}\"}}\n", server.name, to_string(server.address));
  return out;
}

}  // namespace

std::string render_first_config(const FirstConfig& config) {
  const std::string use = config.nodes.empty() ? "" : " The same file is used on every gateway: `fairlead cluster join` brings it there.";
  std::string out = fmt::format(
      "# Configuration of Fairlead.{}\n"
      "#\n"
      "#   fairlead check FILE              every problem of this file, with line and hint\n"
      "#   fairlead explain pools.health    what a key means; what does not stand here has a default\n"
      "#   fairlead reload                  apply a changed file; an invalid one changes nothing\n"
      "apiVersion: fairlead/v1\n",
      use);
  if (!config.own_name.empty())
    out += fmt::format("node: {}    # this machine among cluster.nodes: its host name is another\n", value(config.own_name));
  return out + cluster_text(config) + vips_text(config) + listeners_text(config) + pools_text(config);
}

}  // namespace fairlead::cli
