// fairlead: pure
// Machines: names, addresses, files. MACs and VMs: site_check_vms.cc.
#include <algorithm>
#include <set>

#include "k8s-bootstrap/site/site_checks.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

/// A label of the domain name system, as Kubernetes wants a node's name: no '_', no '.', no '-' at the end.
void check_name(SiteChecks& checks, const std::string& name, const std::string& path) {
  if (name.find('.') != std::string::npos)
    return checks.error(path, fmt::format("the name {} has a dot", quoted(name)),
                        fmt::format("write {}; the domain is the site's", name.substr(0, name.find('.'))));
  if (name.find('_') != std::string::npos || name.ends_with('-'))
    checks.error(path, fmt::format("{} is no name of a Kubernetes node", quoted(name)),
                 "lower-case letters, digits and '-', with a letter or digit at both ends");
}

void check_addresses(SiteChecks& checks, const Machine& machine, const std::string& of) {
  if (machine.addresses.empty() && checks.sound(of + ".addresses"))
    checks.error(of + ".addresses", fmt::format("machine {} has no address", machine.name),
                 "give the one at which it answers SSH, as in {mast: 192.168.1.11}");
  for (const auto& [name, address] : machine.addresses) {
    const std::string path = of + ".addresses." + name;
    const Network* network = checks.network(name, path);
    checks.host_address(address, path, "the address");
    checks.take(address, network, "machine " + machine.name, path);
  }
  for (const auto& [name, device] : machine.interfaces) {
    const std::string path = of + ".interfaces." + name;
    if (checks.network(name, path) != nullptr && machine.address_in(name) == nullptr && checks.sound(of + ".addresses"))
      checks.error(path, fmt::format("machine {} has no address in network {}", machine.name, name), "give it one, or remove the device");
  }
  std::set<std::string> devices;
  for (const auto& [name, device] : machine.interfaces) {
    const Network* network = checks.site.network(name);
    if ((network == nullptr || network->vlan == 0) && !devices.insert(device).second)
      checks.error(of + ".interfaces." + name, fmt::format("{} is the device of two networks", device),
                   "each network has a device of its own, or a vlan");
  }
}

bool is_relative_inside(const std::string& path) {
  if (path.starts_with('/') || path.starts_with('~')) return false;
  int depth = 0;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (part == "..") --depth;
    if (!part.empty() && part != "." && part != "..") ++depth;
    if (depth < 0) return false;
    at = end + 1;
  }
  return depth > 0;
}

void check_files(SiteChecks& checks, const Machine& machine, const std::string& of) {
  std::set<std::string> paths;
  for (std::size_t i = 0; i < machine.files.size(); ++i) {
    const ExtraFile& file = machine.files[i];
    const std::string at = path_of("{}.files[{}]", of, i);
    if (!checks.sound(at)) continue;
    if (!paths.insert(file.path).second) checks.error(at + ".path", fmt::format("a second file {}", quoted(file.path)), "remove one");
    if (file.path.ends_with('/') || file.path.find("/../") != std::string::npos || file.path.ends_with("/.."))
      checks.error(at + ".path", fmt::format("{} is no path of a file", quoted(file.path)),
                   "write it without '..' and without '/' at its end");
    if (!file.content.empty() && !file.source.empty()) checks.error(at + ".source", "a file with content and source", "keep one of them");
    if (!file.source.empty() && !is_relative_inside(file.source))
      checks.error(at + ".source", fmt::format("{} is not a path beside the site's file", quoted(file.source)),
                   "a relative path that stays below the folder of this file, as in files/motd");
  }
}

}  // namespace

void check_site_machines(SiteChecks& checks) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
    const Machine& machine = checks.site.machines[i];
    const std::string of = path_of("machines[{}]", i);
    names.push_back(machine.name);
    check_name(checks, machine.name, of + ".name");
    check_addresses(checks, machine, of);
    check_files(checks, machine, of);
  }
  checks.unique(names, "machines", "machine");
  for (std::size_t i = 0; i < checks.site.kubernetes.addons.size(); ++i) {
    const std::string path = path_of("kubernetes.addons[{}].manifest", i);
    const std::string& manifest = checks.site.kubernetes.addons[i].manifest;
    if (checks.sound(path) && !is_relative_inside(manifest))
      checks.error(
          path, fmt::format("{} is not a path beside the site's file", quoted(manifest)),
          "a relative path that stays below the folder of this file, as in addons/flannel.yml: the site is then complete by itself");
  }
}

}  // namespace fairlead::bootstrap
