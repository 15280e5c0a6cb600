// fairlead: pure
// A first fairlead.yaml: what a site has said so far, and the commented text that says it. Only what differs from the defaults stands in
// it, and those are made for kubeadm's API servers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace fairlead::cli {

struct FirstNode {
  std::string name;
  IpAddress address;
};
struct FirstServer {
  std::string name;
  HostPort address;
};

struct FirstConfig {
  std::string own_name;          ///< Written as `node`, where the host's name does not say it; else empty.
  std::vector<FirstNode> nodes;  ///< Empty: one gateway without a cluster.
  std::string cluster_name = "kube-gateways";
  std::string profile = "vm";
  std::optional<IpAddress> router;  ///< Breaks the tie of two nodes.
  std::vector<IpPrefix> vips;       ///< Empty: the listener takes every address of the machine.
  std::string interface = "auto";
  std::uint16_t port = 6443;
  std::vector<FirstServer> servers;
  std::string ca;  ///< Empty: checks verify nothing.
};

[[nodiscard]] std::string render_first_config(const FirstConfig& config);

}  // namespace fairlead::cli
