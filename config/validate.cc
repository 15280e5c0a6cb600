// fairlead: pure
#include "config/validate.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <unordered_set>

#include "base/host_name.h"
#include "config/checks.h"
#include "config/derived_vips.h"
#include "config/descriptors.h"
#include "config/schema.h"

namespace fairlead::config {
namespace {

/// "pools[3].health.ca" -> "defaults.pool.health.ca"; empty for a pool as a whole.
std::string defaults_path(const std::string& path) {
  const auto end = path.find("].");
  return end == std::string::npos ? "" : "defaults.pool." + path.substr(end + 2);
}

}  // namespace

Checks::Checks(const Snapshot& of, const Environment& env, Reader& reader) : snapshot(of), environment(env), reader_(reader) {
  for (std::size_t i = 0; i < of.vips.size(); ++i) {
    if (sound(path_of("vips[{}].address", i)))
      vips_.push_back({of.vips[i].address.address, "VIP " + of.vips[i].name, path_of("vips[{}].address", i)});
  }
  if (!of.dnsdhcp) return;
  for (std::size_t i = 0; i < of.dnsdhcp->networks.size(); ++i) {
    const DhcpNetwork& network = of.dnsdhcp->networks[i];
    if (network.router) vips_.push_back({*network.router, "VIP " + router_vip_name(network), path_of("dnsdhcp.networks[{}].router", i)});
    if (network.dns && network.dns != network.router)
      vips_.push_back({*network.dns, "VIP " + dns_vip_name(network), path_of("dnsdhcp.networks[{}].dns", i)});
  }
}

bool Checks::sound(const std::string& path) const {
  if (!reader_.sound(path)) return false;
  // What a pool does not say itself comes from defaults.pool.
  const std::string inherited = path.starts_with("pools[") && !has(path) ? defaults_path(path) : "";
  return inherited.empty() || std::none_of(reader_.failed().begin(), reader_.failed().end(),
                                           [&](const std::string& failed) { return path_within(failed, inherited); });
}

bool Checks::readable(const std::string& path) const { return reader_.readable(path); }

bool Checks::names_known(const std::string& list, std::size_t count, std::string_view key) const {
  if (!readable(list)) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (!sound(path_of("{}[{}].{}", list, i, key))) return false;
  }
  return true;
}

void Checks::report(Severity severity, const std::string& path, std::string message, std::string hint) {
  if (!sound(path)) return;
  const Position at = reader_.places().nearest(path);
  if (severity == Severity::kError) {
    reader_.error_at_path(path, at, std::move(message), std::move(hint));
  } else {
    reader_.warning(at, std::move(message), std::move(hint));
  }
}
void Checks::error(const std::string& path, std::string message, std::string hint) {
  report(Severity::kError, path, std::move(message), std::move(hint));
}
void Checks::warning(const std::string& path, std::string message, std::string hint) {
  report(Severity::kWarning, path, std::move(message), std::move(hint));
}

void Checks::congestion_control(const std::string& name, const std::string& path) {
  const auto& offered = environment.congestion_controls;
  if (name.empty() || offered.empty() || std::find(offered.begin(), offered.end(), name) != offered.end()) return;
  warning(path, fmt::format("congestion control {} is not to be had here, but {}", name, fmt::join(offered, ", ")),
          fmt::format("name tcp_{} in /etc/modules-load.d, or allow it in net.ipv4.tcp_allowed_congestion_control; without it the host's "
                      "default is used",
                      name));
}

const VipAddress* Checks::vip_of(const IpAddress& address) const {
  const auto found = std::find_if(vips_.begin(), vips_.end(), [&](const VipAddress& vip) { return vip.address == address; });
  return found == vips_.end() ? nullptr : &*found;
}

std::string Checks::own_address(const IpAddress& address) const {
  if (snapshot.cluster) {
    for (const Node& node : snapshot.cluster->nodes) {
      if (std::find(node.links.begin(), node.links.end(), address) != node.links.end()) return "an address of node " + node.name;
    }
  }
  if (address.is_loopback() || is_local(address)) return "an address of this machine";
  return "";
}

std::vector<IpAddress> Checks::own_addresses() const {
  std::vector<IpAddress> out = environment.local_addresses.value_or(std::vector<IpAddress>{});
  for (const VipAddress& vip : vips_) out.push_back(vip.address);
  return out;
}

bool Checks::is_local(const IpAddress& address) const {
  if (address.is_loopback()) return true;
  const auto& local = environment.local_addresses;
  return local && std::find(local->begin(), local->end(), address) != local->end();
}

bool Checks::is_gateway_itself() const {
  if (!snapshot.cluster) return false;
  const std::string& name = snapshot.node.empty() ? environment.host_name : snapshot.node;
  const auto& nodes = snapshot.cluster->nodes;
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) { return node.name == name; });
}

std::optional<std::uint32_t> Checks::connections_max() const {
  const auto& descriptors = environment.descriptors_max;
  if (!descriptors) return std::nullopt;
  const std::size_t workers = snapshot.proxy.workers.value_or(static_cast<std::uint32_t>(environment.cpus));
  return connections_for(*descriptors, pipes_for(*descriptors, snapshot.proxy.splice), snapshot, workers);
}

void Checks::unique(const std::vector<std::string>& names, std::string_view list, std::string_view key, std::string_view what) {
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || seen.insert(names[i]).second) continue;
    error(path_of("{}[{}].{}", list, i, key), fmt::format("a second {} {}", what, quoted(names[i])),
          fmt::format("each {} needs a {} of its own", what, key));
  }
}

void Checks::domain(const std::string& name, const std::string& path) {
  if (name.empty()) return;
  if (parse_ip_address(name) || !is_dns_name(name) || name.ends_with('.'))
    error(path, fmt::format("{} is no domain", quoted(name)), "labels with dots between them and none at the end, as in kube.demo");
}

void Checks::host_address(const IpAddress& address, const std::string& path, std::string_view what) {
  if (address.is_unspecified())
    error(path, fmt::format("{} is {}, which is no host's address", what, address.to_string()), "write the address of one host");
  if (address.is_multicast())
    error(path, fmt::format("{} is {}, a multicast address", what, address.to_string()), "write the address of one host");
  if (address != address.unmapped())
    error(path, fmt::format("{} is the IPv4 address {} in IPv6 form", what, address.unmapped().to_string()), "write it as IPv4");
}

ValidateResult validate(const Document& document, const Environment& environment) {
  const DocNode* kind = document.root->find("kind");
  if (kind != nullptr && kind->text == "Site") {  // One problem is enough: every other key would be unknown.
    return {std::nullopt,
            {{document.file, kind->at.line, kind->at.column, Severity::kError, "this is a site file (kind: Site), not a gateway's",
              "it is for `fairlead bootstrap`"}}};
  }
  Reader reader(document.file);
  schema::Root root;
  schema::read_section(reader, schema::gateway(), *document.root, &root);
  Checks checks(root.snapshot, environment, reader);
  if (document.root->kind == DocNode::Kind::kMap && checks.sound("kind") && checks.sound("apiVersion") &&
      !reader.full()) {  // Else it is another kind of file.
    check_cluster(checks);
    check_vips(checks);
    check_listeners(checks);
    check_pools(checks);
    check_process(checks);
    check_dnsdhcp(checks);
    check_router(checks);
  }
  ValidateResult result;
  result.problems = std::move(reader.problems());
  sort_and_bound(result.problems);
  if (has_errors(result.problems)) {
    result.rest = std::move(root.snapshot);
    return result;
  }
  result.files = named_files(root.snapshot, reader.places());
  result.snapshot = std::move(root.snapshot);
  return result;
}

Result<Server> read_server(const ServerText& text) {
  DocNode map;
  map.kind = DocNode::Kind::kMap;
  const auto add = [&](std::string key, DocNode value) {
    map.entries.push_back({std::move(key), {}, std::make_shared<const DocNode>(std::move(value))});
  };
  add("name", text_node(text.name));
  add("address", text_node(text.address));
  add("weight", scalar_node(std::to_string(text.weight)));
  add("max_connections", scalar_node(std::to_string(text.max_connections)));
  add("backup", scalar_node(text.backup ? "true" : "false"));
  Reader reader("");
  Server out;
  schema::read_section(reader, schema::server_section(), map, &out);
  if (reader.problems().empty()) return out;
  std::string all;
  for (const Problem& p : reader.problems()) all += fmt::format("{}{} ({})", all.empty() ? "" : "; ", p.message, p.hint);
  return Error{Errc::kInvalidArgument, all};
}

ValidateResult read_unchecked(const Document& document) {
  Reader reader(document.file);
  schema::Root root;
  schema::read_section(reader, schema::gateway(), *document.root, &root);
  ValidateResult result;
  result.problems = std::move(reader.problems());
  sort_and_bound(result.problems);
  if (!has_errors(result.problems)) result.snapshot = std::move(root.snapshot);
  return result;
}

}  // namespace fairlead::config
