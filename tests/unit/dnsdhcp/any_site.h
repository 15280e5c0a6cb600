// Random valid sites for property tests: every text that validation lets through, in every place a text can stand.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "config/load.h"
#include "config/print.h"
#include "tests/unit/config/snapshot_gen.h"

namespace fairlead::dnsdhcp::testing {

using config::testing::any_text;
using config::testing::pick;
using config::testing::pick_of;

inline bool maybe() { return pick(0, 1) == 0; }

/// The address `number` places behind the network's first.
inline IpAddress nth(const IpPrefix& network, unsigned number) {
  auto bytes = network.network().bytes();
  const std::size_t last = network.address.is_v4() ? 3 : 15;
  bytes[last] = static_cast<std::uint8_t>(bytes[last] + number);
  return network.address.is_v4() ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::v6(bytes);
}

/// What an option may say, commas and dnsmasq's own words included.
inline std::string any_value() {
  static const std::vector<std::string> odd{"1.2.3.4",
                                            "1.2.3.4,5.6.7.8",
                                            "1.2.3.0/24,1.2.3.4",
                                            "0a:23:ff",
                                            "ff:xx",
                                            "option:router,1.2.3.4",
                                            "tag:x,3",
                                            "x=y",
                                            "-1",
                                            "65536",
                                            "'q'",
                                            "a, b",
                                            "[::1]",
                                            "::1",
                                            "dhcp-range=1.2.3.4",
                                            "set:known",
                                            "$HOME",
                                            "%d",
                                            "a;b|c&d",
                                            "1.2.3.400",
                                            "00:",
                                            ":",
                                            ",",
                                            ",,x",
                                            "1.2.3.4,",
                                            "0x10",
                                            "1s",
                                            "12h",
                                            "!known",
                                            "*"};
  if (maybe()) return pick_of(odd);
  std::string out;
  for (auto left = pick(1, 20); left > 0; --left) {
    const char c = static_cast<char>(pick(0x21, 0x7e));
    out += c == '"' || c == '\\' || c == '#' ? 'x' : c;
  }
  return out;
}

/// Whether validation lets an option through; what it does not is not dnsmasq's to see.
inline bool is_accepted(const config::DhcpOption& option, bool v4) {
  config::Snapshot site;
  config::Vip vip;
  vip.name = "api";
  vip.address = *parse_ip_prefix("192.0.2.20/24");
  vip.group = "g";
  site.vips = {vip};
  config::DhcpNetwork network;
  network.name = "n";
  network.interface = "eth0";
  network.cidr = *parse_ip_prefix(v4 ? "10.0.0.0/24" : "2001:db8::/64");
  network.dns = *parse_ip_address(v4 ? "10.0.0.1" : "2001:db8::1");
  network.options = {option};
  config::DnsDhcp& dnsdhcp = site.dnsdhcp.emplace();
  dnsdhcp.follows = "g";
  dnsdhcp.networks = {network};
  return config::load_text(config::print(site), "option", {}).snapshot.has_value();
}

inline config::DhcpNetwork any_network(int number, bool one_gateway) {
  config::DhcpNetwork out;
  const bool v4 = pick(0, 2) != 0;
  out.name = pick_of({"n", "known", "eth", "a.b", "x_"}) + std::to_string(number);
  out.interface = "eth" + std::to_string(number);
  const int length = v4 ? std::stoi(pick_of({"16", "20", "24", "25", "27", "30"})) : std::stoi(pick_of({"64", "64", "96", "120"}));
  out.cidr = *parse_ip_prefix(v4 ? fmt::format("10.{}.0.0/{}", number, length) : fmt::format("2001:db8:{}::/{}", number, length));
  out.dns = nth(out.cidr, 1);
  if (maybe()) out.router = nth(out.cidr, static_cast<unsigned>(pick(1, 2)));
  if (out.router && maybe()) out.dns.reset();
  if (length != 30 && maybe()) out.pool = config::DhcpPool{nth(out.cidr, 8), nth(out.cidr, static_cast<unsigned>(pick(8, 15)))};
  out.lease = std::chrono::seconds(pick(120, 30 * 24 * 3600));
  if (maybe()) out.domain = pick_of({"a.demo", "B.demo", "x-y.z_1", "single"});
  if (maybe()) out.ntp = nth(out.cidr, 1);
  out.ra = !v4 && length == 64 && one_gateway && maybe();
  if (maybe() && (v4 || out.ra)) out.mtu = static_cast<std::uint32_t>(pick(1280, 65535));
  if (maybe()) out.vlan = static_cast<std::uint32_t>(pick(0, 4094));
  std::set<std::uint16_t> codes;
  for (auto left = pick(0, 8); left > 0; --left) {
    const config::DhcpOption option{static_cast<std::uint16_t>(pick(1, 254)), any_value()};
    if (is_accepted(option, v4) && codes.insert(option.code).second) out.options.push_back(option);
  }
  return out;
}

inline config::DnsDhcp any_dnsdhcp(bool one_gateway) {
  config::DnsDhcp out;
  out.follows = "gateway";
  if (maybe()) out.domain = pick_of({"kube.demo", "KUBE.demo", "d"});
  for (auto left = pick(0, 2); left > 0; --left) out.upstream.push_back(*parse_ip_address(left == 1 ? "198.51.100.1" : "2001:db8:ff::1"));
  int machine = 0;
  for (int number = 1; number <= pick(1, 4); ++number) {
    const config::DhcpNetwork network = any_network(number, one_gateway);
    out.networks.push_back(network);
    for (unsigned place = 16; network.cidr.length != 30 && place < 16U + static_cast<unsigned>(pick(0, 4)); ++place) {
      config::DhcpHost host;
      host.name = fmt::format("h{}{}", machine, pick_of({"", "-x", "_y"}));
      host.network = network.name;
      host.mac = fmt::format("52:54:00:00:{:02x}:{:02x}", number, place);
      host.address = nth(network.cidr, place);
      // Or one that is in a network before it, by the same port or by another.
      const auto here = [&](const config::DhcpHost& other) {
        return other.name == out.hosts.front().name && other.network == network.name;
      };
      if (!out.hosts.empty() && out.hosts.front().network != network.name && pick(0, 3) == 0 &&
          std::none_of(out.hosts.begin(), out.hosts.end(), here)) {
        host.name = out.hosts.front().name;
        if (maybe()) host.mac = out.hosts.front().mac;
      }
      if (maybe()) host.aliases = {fmt::format("ALIAS-{}", machine), fmt::format("alias.{}.example", machine)};
      ++machine;
      out.hosts.push_back(host);
    }
  }
  for (auto left = pick(0, 3); left > 0; --left)
    out.records.push_back({fmt::format("{}record-{}{}", pick_of({"", "_", "R"}), left, pick_of({"", ".example"})),
                           *parse_ip_address(maybe() ? "203.0.113.7" : "2001:db8:fe::7")});
  out.only_known = pick(0, 3) == 0;
  const bool v4 = std::any_of(out.networks.begin(), out.networks.end(), [](const auto& n) { return n.cidr.address.is_v4(); });
  if (v4 && maybe()) {
    const auto plain = [](std::string text) { return text.substr(0, 100); };
    out.netboot = config::Netboot{"/" + plain(any_text(true)), plain(any_text(true)), plain(any_text(true)), plain(any_text(true))};
  }
  return out;
}

/// As it would come from a file: printed, read and checked.
inline config::Snapshot any_site() {
  config::Snapshot out;
  out.node = "gate-1";
  const bool one_gateway = maybe();
  config::Node node;
  node.name = "gate-1";
  node.id = 1;
  node.links = {*parse_ip_address("192.0.2.1")};
  config::Cluster& cluster = out.cluster.emplace();
  cluster.name = "kube";
  cluster.nodes = {node};
  if (!one_gateway) {
    node.name = "gate-2";
    node.id = 2;
    node.links = {*parse_ip_address("192.0.2.2")};
    cluster.nodes.push_back(node);
  }
  config::Vip vip;
  vip.name = "api";
  vip.address = *parse_ip_prefix("192.0.2.20/24");
  vip.group = "gateway";
  out.vips = {vip};
  out.dnsdhcp = any_dnsdhcp(one_gateway);
  const std::string text = config::print(out);
  config::LoadResult read = config::load_text(text, "generated", {});
  for (const config::Problem& problem : read.problems) {
    if (problem.severity == config::Severity::kError) ADD_FAILURE() << format(problem) << "\n" << text;
  }
  RC_ASSERT(read.snapshot.has_value());
  return std::move(*read.snapshot);
}

}  // namespace fairlead::dnsdhcp::testing
