// fairlead: pure
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>

#include "k8s-bootstrap/adopt/adopt_input.h"
#include "k8s-bootstrap/adopt/adopt_parts.h"
#include "k8s-bootstrap/facts/fact_words.h"
#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/render/hosts_block.h"
#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

using config::DocNode;
using config::DocNodePtr;

constexpr std::string_view kOwnLabel = "node-role.kubernetes.io/control-plane";
constexpr std::string_view kAddonsFolder = "/var/lib/fairlead/bootstrap/addons/";

const AdoptAnswer* answer_of(const AdoptInput& input, const std::string& name) {
  const auto found = input.answers.find(name);
  return found == input.answers.end() ? nullptr : &found->second;
}

const NodeFact* node_named(const AdoptInput& input, const std::string& name) {
  if (!input.facts.cluster) return nullptr;
  const auto& nodes = input.facts.cluster->nodes;
  const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const NodeFact& node) { return node.name == name; });
  return found == nodes.end() ? nullptr : &*found;
}

/// "192.168.1.11 mast-1.kube.demo mast-1" of the block that Fairlead keeps in /etc/hosts.
struct HostsLine {
  IpAddress address;
  std::string domain;
};
std::optional<HostsLine> own_hosts_line(const AdoptAnswer& answer, const std::string& name) {
  const std::string* hosts = answer.file(kHostsPath);
  std::string block = hosts == nullptr ? std::string() : block_in_hosts(*hosts);
  std::string_view left = block;
  while (!left.empty()) {
    const auto end = std::min(left.find('\n'), left.size() - 1);
    Words words(left.substr(0, end));
    left.remove_prefix(end + 1);
    const auto address = parse_ip_address(words.next());
    const std::string full(words.next());
    if (address && words.next() == name && full.starts_with(name + ".")) return HostsLine{*address, full.substr(name.size() + 1)};
  }
  return std::nullopt;
}

// ---- roles ----

bool is_ours(const Taint& taint) { return taint.key == kOwnLabel && taint.effect == "NoSchedule"; }

/// Taints that the cluster itself puts on nodes and takes away again are nobody's wish.
std::vector<Taint> lasting_taints(const NodeFact& node) {
  std::vector<Taint> out;
  for (const std::string& text : node.taints) {
    const auto colon = text.rfind(':');
    const auto equal = text.find('=');
    Taint taint;
    taint.key = text.substr(0, std::min(equal, colon));
    if (equal != std::string::npos && equal < colon) taint.value = text.substr(equal + 1, colon - equal - 1);
    taint.effect = colon == std::string::npos ? std::string() : text.substr(colon + 1);
    if (!taint.key.starts_with("node.kubernetes.io/") && !taint.key.starts_with("node.cloudprovider.kubernetes.io/")) out.push_back(taint);
  }
  return out;
}

std::map<std::string, std::string> own_labels(const NodeFact& node) {
  static const std::set<std::string_view> kGiven{"kubernetes.io/hostname",
                                                 "kubernetes.io/os",
                                                 "kubernetes.io/arch",
                                                 "beta.kubernetes.io/os",
                                                 "beta.kubernetes.io/arch",
                                                 kOwnLabel,
                                                 "node.kubernetes.io/exclude-from-external-load-balancers"};
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : node.labels) {
    if (!kGiven.contains(key)) out.emplace(key, value);
  }
  return out;
}

void read_node(const NodeFact& node, Machine& out) {
  const std::vector<Taint> taints = lasting_taints(node);
  const bool own = std::any_of(taints.begin(), taints.end(), is_ours);
  if (node.labels.contains(std::string(kOwnLabel))) {
    out.roles.push_back(Role::kControlPlane);
    if (!own) out.roles.push_back(Role::kWorker);
    if (taints.size() > (own ? 1U : 0U)) out.taints = taints;
  } else {
    out.roles.push_back(Role::kWorker);
    if (!taints.empty()) out.taints = taints;
  }
  out.labels = own_labels(node);
}

bool is_witness(const AdoptInput& input, const AdoptTarget& target, const DocNode* gateway_file) {
  const MachineFacts* facts = input.facts.find(target.name);
  const auto host = parse_ip_address(text_in(gateway_file, {"cluster", "qdevice", "host"}));
  if (host && *host == target.address) return true;
  if (!host || facts == nullptr) return false;
  return std::any_of(facts->cards.begin(), facts->cards.end(), [&](const NetworkCard& card) {
    return std::any_of(card.addresses.begin(), card.addresses.end(), [&](const std::string& written) {
      const auto prefix = parse_ip_prefix(written);
      return prefix && prefix->address == *host;
    });
  });
}

/// Without roles: nothing of a cluster is on it.
Machine machine_of(const AdoptInput& input, const AdoptTarget& target, const DocNode* gateway_file) {
  Machine out;
  out.name = target.name;
  const AdoptAnswer* answer = answer_of(input, target.name);
  if (const NodeFact* node = node_named(input, target.name)) read_node(*node, out);
  if (answer != nullptr && out.roles.empty()) {
    if (answer->file(kGatewayFile) != nullptr) out.roles.push_back(Role::kGateway);
    if (answer->file("/var/lib/fairlead/bootstrap/kubeconfig") != nullptr) out.roles.push_back(Role::kBastion);
  }
  const bool gateway = out.has(Role::kGateway);
  if (!gateway && is_witness(input, target, gateway_file)) out.roles.push_back(Role::kWitness);
  if (answer == nullptr) return out;
  if (const std::string* patch = answer->file("/etc/kubernetes/patches/kubeletconfiguration+merge.yaml");
      patch != nullptr && patch->starts_with("# Written by fairlead bootstrap.\n"))
    out.kubelet = yaml_of(*patch);
  return out;
}

// ---- addresses ----

/// Devices of CNIs, bridges of containers, and the like.
bool is_foreign_device(const std::string& device) {
  static constexpr std::array<std::string_view, 19> kPrefixes{"cni",   "flannel", "cali",   "tunl", "vxlan", "veth",  "docker",
                                                              "br-",   "kube-",   "cilium", "lxc",  "weave", "virbr", "nodelocaldns",
                                                              "dummy", "antrea",  "ovn",    "gre",  "wg"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view prefix) { return device.starts_with(prefix); });
}

bool is_link_local(const IpAddress& address) {
  const auto& bytes = address.bytes();
  if (address.is_v4()) return address.to_string().starts_with("169.254.");
  return bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80;
}

/// Networks that no gateway's file names.
void add_unnamed_networks(const AdoptInput& input, const std::vector<IpAddress>& vips, IpAddress::Family family, Site& site) {
  std::vector<IpPrefix> unnamed;
  for (const Machine& machine : site.machines) {
    const MachineFacts* facts = input.facts.find(machine.name);
    for (const CardAddress& own : facts == nullptr ? std::vector<CardAddress>{} : own_addresses(*facts, site, vips, family)) {
      const IpPrefix whole{own.prefix.network(), own.prefix.length};
      const bool known = std::any_of(site.networks.begin(), site.networks.end(), [&](const Network& n) { return n.cidr == whole; });
      if (!known && std::find(unnamed.begin(), unnamed.end(), whole) == unnamed.end()) unnamed.push_back(whole);
    }
  }
  unsigned number = 0;
  for (const IpPrefix& cidr : unnamed) {
    Network network;
    do {
      ++number;
      network.name = unnamed.size() == 1 && site.networks.empty() ? "lan" : fmt::format("net-{}", number);
    } while (site.network(network.name) != nullptr);
    network.cidr = cidr;
    network.external = true;
    site.networks.push_back(network);
  }
}

std::string network_with(const Site& site, const IpAddress& address) {
  for (const Network& network : site.networks) {
    if (network.cidr.contains(address)) return network.name;
  }
  return {};
}

/// The address that is first: as the hosts block has it, as the API has it, as it was reached.
IpAddress first_address(const AdoptInput& input, const AdoptTarget& target) {
  if (const AdoptAnswer* answer = answer_of(input, target.name)) {
    if (const auto line = own_hosts_line(*answer, target.name)) return line->address;
  }
  const NodeFact* node = node_named(input, target.name);
  const auto internal = parse_ip_address(node == nullptr ? std::string() : node->address);
  return internal ? *internal : target.address;
}

void read_addresses(const AdoptInput& input, const AdoptTarget& target, const std::vector<IpAddress>& vips, Machine& machine, Site& site,
                    std::vector<std::string>& left) {
  const auto add = [&](const IpAddress& address) {
    const std::string network = network_with(site, address);
    if (!network.empty() && machine.address_in(network) == nullptr) machine.addresses.emplace_back(network, address);
    return !network.empty();
  };
  const IpAddress first = first_address(input, target);
  if (!add(first)) left.push_back(fmt::format("{}: {} is in none of the networks that were read", target.name, first.to_string()));
  if (target.address != first && !machine.addresses.empty()) machine.ssh_address = target.address;
  const MachineFacts* facts = input.facts.find(target.name);
  if (facts == nullptr) return;
  const auto all = own_addresses(*facts, site, vips, first.family());
  for (const Network& network : std::vector<Network>(site.networks)) {
    for (const CardAddress& own : all) {
      if (network.cidr == IpPrefix{own.prefix.network(), own.prefix.length}) static_cast<void>(add(own.prefix.address));
    }
  }
}

// ---- versions ----

/// Only what stands in "1.7.24~ds1-6+b4" before anything that is no number.
std::string plain_version(const std::string& text) {
  const std::string found = version_in(text);
  const auto end = found.find_first_not_of("0123456789.");
  return found.substr(0, end);
}

/// Of the API server; kubelets may be behind, and the plan says so.
std::string kubernetes_version(const AdoptInput& input) {
  const MachineFacts* primary = input.facts.find(input.facts.cluster->from);
  for (const std::string& text : {input.facts.cluster->kubernetes_version, primary == nullptr ? std::string() : primary->api_version}) {
    if (const std::string version = plain_version(text); !version.empty()) return version;
  }
  return input.facts.cluster->nodes.empty() ? std::string() : plain_version(input.facts.cluster->nodes.front().kubelet_version);
}

Status read_runtime(const AdoptInput& input, Adopted& adopted) {
  std::string source;
  std::string others;
  for (const Machine& machine : adopted.site.machines) {
    const NodeFact* node = node_named(input, machine.name);
    const MachineFacts* facts = input.facts.find(machine.name);
    if (node == nullptr || facts == nullptr) continue;
    if (node->runtime.starts_with("cri-o"))
      return Error{Errc::kUnsupported, fmt::format("{} runs CRI-O: Fairlead knows containerd and cri-dockerd", machine.name)};
    Versions& versions = adopted.site.versions;
    if (node->runtime.starts_with("docker")) {
      const auto program = facts->programs.find("cri-dockerd");
      if (!versions.containerd && !versions.cri_dockerd)
        versions.cri_dockerd = CriDockerd{program == facts->programs.end() ? "0.3.0" : plain_version(program->second), ""};
      continue;
    }
    Containerd here{plain_version(node->runtime.substr(node->runtime.rfind('/') + 1)), RuntimeSource::kUpstream, ""};
    for (const auto& [package, from] :
         {std::pair{"containerd.io", RuntimeSource::kDockerRepository}, {"containerd", RuntimeSource::kDebian}}) {
      const auto found = facts->packages.find(package);
      if (found != facts->packages.end()) here = {plain_version(found->second), from, ""};
    }
    if (versions.cri_dockerd) continue;
    if (!versions.containerd) {
      versions.containerd = here;
      source = machine.name;
    } else if (here != *versions.containerd) {
      others += fmt::format("{}{} {}", others.empty() ? "" : ", ", machine.name, here.version);
    }
  }
  if (!others.empty()) adopted.left.push_back(fmt::format("versions.containerd is that of {}; others differ: {}", source, others));
  return {};
}

// ---- addons ----

/// "daemonset/kube-flannel/kube-flannel-ds": what tells that the manifest's work is done.
std::string ready_of(const std::string& manifest) {
  for (const std::string_view kind : {"DaemonSet", "Deployment", "StatefulSet", "Job"}) {
    for (const std::string& text : documents_of(manifest)) {
      const DocNodePtr document = yaml_of(text);
      if (document == nullptr || text_in(document.get(), {"kind"}) != kind) continue;
      const std::string name = text_in(document.get(), {"metadata", "name"});
      const std::string space = text_in(document.get(), {"metadata", "namespace"});
      std::string lower(kind);
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      if (!name.empty()) return fmt::format("{}/{}/{}", lower, space.empty() ? "default" : space, name);
    }
  }
  return {};
}

void read_addons(const AdoptInput& input, Adopted& adopted) {
  auto& addons = adopted.site.kubernetes.addons;
  for (const auto& [machine, answer] : input.answers) {
    for (const auto& [path, text] : answer.files) {
      if (!path.starts_with(kAddonsFolder) || !path.ends_with(".yaml")) continue;
      const std::string name = path.substr(kAddonsFolder.size(), path.size() - kAddonsFolder.size() - 5);
      if (std::any_of(addons.begin(), addons.end(), [&](const Addon& a) { return a.name == name; })) continue;
      const std::string file = fmt::format("addons/{}.yaml", name);
      addons.push_back({name, file, ready_of(text)});
      adopted.files[file] = text;
    }
  }
  if (addons.empty())
    adopted.left.push_back(
        "addons: the CNI and what else was applied to the cluster stays there and is not in the site, because nobody keeps "
        "manifests. To let apply care for one, put it into kubernetes.addons");
}

// ---- the whole ----

std::string domain_of(const AdoptInput& input, const DocNode& cluster) {
  for (const AdoptTarget& target : input.targets) {
    const AdoptAnswer* answer = answer_of(input, target.name);
    if (answer == nullptr) continue;
    if (const auto line = own_hosts_line(*answer, target.name)) return line->domain;
  }
  for (const AdoptTarget& target : input.targets) {
    const AdoptAnswer* answer = answer_of(input, target.name);
    for (const DocNodePtr& name : items_of(node_in(&cluster, {"apiServer", "certSANs"}))) {
      if (name->text.starts_with(target.name + ".")) return name->text.substr(target.name.size() + 1);
    }
    if (answer != nullptr && answer->fqdn.starts_with(target.name + ".")) return answer->fqdn.substr(target.name.size() + 1);
  }
  return "cluster.internal";
}

/// Machines in the order that the gateways' DNS has them; before: gateways; behind: control planes, workers, the rest.
void sort_machines(const DocNode* gateway_file, Site& site) {
  std::map<std::string, std::size_t> places;
  for (const DocNodePtr& node : items_of(node_in(gateway_file, {"cluster", "nodes"})))
    places.emplace(text_in(node.get(), {"name"}), places.size());
  for (const DocNodePtr& record : items_of(node_in(gateway_file, {"dnsdhcp", "records"})))
    places.emplace(text_in(record.get(), {"name"}), places.size());
  const auto rank = [&](const Machine& machine) {
    const auto found = places.find(machine.name);
    const std::size_t group = machine.has(Role::kControlPlane) ? 0U : machine.has(Role::kWorker) ? 1U : 2U;
    return found != places.end() ? found->second : places.size() + group;
  };
  std::stable_sort(site.machines.begin(), site.machines.end(), [&](const Machine& a, const Machine& b) { return rank(a) < rank(b); });
}

/// Two names for one machine would make two machines.
Status check_names(const AdoptInput& input) {
  for (const NodeFact& node : input.facts.cluster->nodes) {
    for (const AdoptTarget& target : input.targets) {
      const auto internal = parse_ip_address(node.address);
      if (target.named && target.name != node.name && internal && *internal == target.address && node_named(input, target.name) == nullptr)
        return Error{Errc::kInvalidArgument, fmt::format("the cluster calls the machine at {} {}, not {}: say --machine {}={}",
                                                         node.address, node.name, target.name, node.name, node.address)};
    }
  }
  return {};
}

Result<const AdoptAnswer*> primary_answer(const AdoptInput& input) {
  if (!input.facts.cluster) {
    std::string why;
    for (const auto& [name, facts] : input.facts.machines) {
      if (facts.admin_conf != Known::kYes)
        why += fmt::format("\n  {}: no /etc/kubernetes/admin.conf", name);
      else if (facts.api_here != Known::kYes)
        why += fmt::format("\n  {}: no API server answers on port 6443", name);
      for (const std::string& line : facts.unsuitable) {
        if (line.starts_with("the cluster was not read")) why += fmt::format("\n  {}: {}", name, line);
      }
    }
    for (const auto& [name, cause] : input.facts.unread) why += "\n  " + cause;
    return Error{Errc::kNotFound, "no control plane of a cluster answers; name one that does with --machine NAME=ADDRESS" + why};
  }
  const AdoptAnswer* answer = answer_of(input, input.facts.cluster->from);
  if (answer == nullptr) return Error{Errc::kNotFound, fmt::format("{} did not tell its files", input.facts.cluster->from)};
  return answer;
}

Status read_machines(const AdoptInput& input, const DocNode* gateway_file, Adopted& adopted) {
  std::vector<AdoptTarget> targets;
  for (const AdoptTarget& target : input.targets) {
    Machine machine = machine_of(input, target, gateway_file);
    const auto unread = input.facts.unread.find(target.name);
    if (machine.roles.empty() && target.named)
      return Error{Errc::kInvalidArgument,
                   unread != input.facts.unread.end()
                       ? unread->second
                       : fmt::format("{}: nothing of a cluster is on it, and the cluster knows no node of that name", target.name)};
    if (machine.roles.empty()) continue;  // A name in DNS, and no machine of the site.
    if (unread != input.facts.unread.end())
      adopted.left.push_back(
          fmt::format("{}: what is on it is not known ({}); the site has what the API tells", target.name, unread->second));
    adopted.site.machines.push_back(std::move(machine));
    targets.push_back(target);
  }
  const auto vips = vips_of(gateway_file);
  const IpAddress::Family family = adopted.site.kubernetes.pods.address.family();
  if (gateway_file != nullptr) read_gateway_networks(*gateway_file, input, adopted.site);
  add_unnamed_networks(input, vips, family, adopted.site);
  for (std::size_t i = 0; i < targets.size(); ++i)
    read_addresses(input, targets[i], vips, adopted.site.machines[i], adopted.site, adopted.left);
  std::erase_if(adopted.site.machines, [&](const Machine& machine) { return machine.addresses.empty(); });
  return {};
}

/// The one control plane itself is what a site without gateways means by no endpoint.
void settle_endpoint(Adopted& adopted) {
  Site& site = adopted.site;
  if (site.gateways) return;
  const auto planes = site.with(Role::kControlPlane);
  const bool own = planes.size() == 1 && site.kubernetes.endpoint == Endpoint{planes.front()->address(), 6443}.to_string();
  if (own || (planes.size() == 1 && site.kubernetes.endpoint.empty())) {
    site.kubernetes.endpoint.clear();
    return;
  }
  for (const Machine* plane : planes) {
    if (site.kubernetes.endpoint != Endpoint{plane->address(), 6443}.to_string()) continue;
    adopted.left.push_back(fmt::format("{}: the whole cluster reaches the API at {} itself, and loses it with that machine; it stays so",
                                       site.kubernetes.endpoint, plane->name));
    return;
  }
  if (!site.kubernetes.endpoint.empty())
    adopted.left.push_back(
        fmt::format("{}: what answers there is none of the machines and stays as it is. If it is a pair of Fairlead's gateways, "
                    "name one with --machine",
                    site.kubernetes.endpoint));
}

}  // namespace

std::vector<CardAddress> own_addresses(const MachineFacts& facts, const Site& site, const std::vector<IpAddress>& vips,
                                       IpAddress::Family family) {
  std::vector<CardAddress> out;
  for (const NetworkCard& card : facts.cards) {
    if (is_foreign_device(card.device)) continue;
    for (const std::string& written : card.addresses) {
      const auto prefix = parse_ip_prefix(written);
      if (!prefix || prefix->address.family() != family || prefix->length == prefix->address.bits() || is_link_local(prefix->address))
        continue;
      if (std::find(vips.begin(), vips.end(), prefix->address) != vips.end()) continue;
      if (site.kubernetes.pods.contains(prefix->address) || site.kubernetes.services.contains(prefix->address)) continue;
      out.push_back({card.device, *prefix});
    }
  }
  return out;
}

Site asking_site(const AdoptInput& input) {
  Site out;
  out.name = "adopted";
  out.domain = "cluster.internal";
  out.ssh = input.ssh;
  out.versions.kubernetes = "1.36.0";
  out.versions.containerd = Containerd{"2.3.5", RuntimeSource::kUpstream, ""};
  out.kubernetes.pods = *parse_ip_prefix("10.244.0.0/16");
  out.kubernetes.services = *parse_ip_prefix("10.96.0.0/12");
  for (const AdoptTarget& target : input.targets) {
    Machine machine;
    machine.name = target.name;
    machine.roles = {Role::kGateway, Role::kBastion, Role::kWitness, Role::kControlPlane, Role::kWorker, Role::kEtcd};
    machine.addresses = {{"found", target.address}};
    out.machines.push_back(machine);
  }
  return out;
}

std::vector<AdoptTarget> more_targets(const AdoptInput& input) {
  std::vector<AdoptTarget> out;
  const auto add = [&](const std::string& name, const std::string& address) {
    const auto parsed = parse_ip_address(address);
    const auto same = [&](const AdoptTarget& t) { return t.name == name; };
    if (name.empty() || !parsed || std::any_of(input.targets.begin(), input.targets.end(), same) ||
        std::any_of(out.begin(), out.end(), same))
      return;
    out.push_back({name, *parsed, false});
  };
  if (input.facts.cluster) {
    for (const NodeFact& node : input.facts.cluster->nodes) add(node.name, node.address);
  }
  const DocNodePtr file = gateway_document(input);
  if (file == nullptr) return out;
  for (const DocNodePtr& node : items_of(node_in(file.get(), {"cluster", "nodes"}))) {
    const auto& links = items_of(node->find("links"));
    if (!links.empty()) add(text_in(node.get(), {"name"}), links.front()->text);
  }
  const auto vips = vips_of(file.get());
  for (const DocNodePtr& record : items_of(node_in(file.get(), {"dnsdhcp", "records"}))) {
    const auto address = parse_ip_address(text_in(record.get(), {"address"}));
    if (address && std::find(vips.begin(), vips.end(), *address) == vips.end()) add(text_in(record.get(), {"name"}), address->to_string());
  }
  return out;
}

Result<Adopted> adopt_site(const AdoptInput& input) {
  const auto primary = primary_answer(input);
  if (!primary) return primary.error();
  if (auto named = check_names(input); !named) return named.error();
  const auto documents = kubeadm_documents(**primary);
  if (!documents) return documents.error();
  Adopted out;
  out.site.ssh = input.ssh;
  out.site.state_dir = input.state_dir;
  if (auto read = read_cluster_configuration(*documents, out); !read) return read.error();
  if (text_in(documents->cluster.get(), {"encryptionAlgorithm"}).empty() && !(*primary)->ca_algorithm.empty())
    out.site.pki.algorithm = (*primary)->ca_algorithm;
  out.site.versions.kubernetes = kubernetes_version(input);
  out.site.domain = domain_of(input, *documents->cluster);
  const DocNodePtr gateway_file = gateway_document(input);
  if (auto read = read_machines(input, gateway_file.get(), out); !read) return read.error();
  sort_machines(gateway_file.get(), out.site);
  if (auto read = read_runtime(input, out); !read) return read.error();
  read_addons(input, out);
  if (gateway_file != nullptr) read_gateways(gateway_file, input, out);
  settle_endpoint(out);
  read_kubeadm_keys(*documents, out);
  tell_foreign_flags(*documents, input, out);
  for (const auto& [name, answer] : input.answers) {
    if (answer.file("/etc/ssh/fairlead_user_ca.pub") == nullptr) continue;
    out.left.push_back(
        "pki.ssh_ca: machines trust an SSH authority of Fairlead's; its keys are in the state_dir it was made in. With "
        "ssh_ca: true the next apply makes a new one");
    break;
  }
  out.remarks.head = {
      fmt::format("The cluster {} as `fairlead bootstrap adopt` found it. Every key: docs/reference/site.md", out.site.name),
      "Look it over, then: fairlead bootstrap plan"};
  return out;
}

unsigned keep_as_prepared(Adopted& adopted, const Plan& plan) {
  unsigned kept = 0;
  for (Machine& machine : adopted.site.machines) {
    std::string would;
    for (const Step& step : plan.steps) {
      if (step.phase == Phase::kPrepare && step.machine == machine.name) would += (would.empty() ? "" : ", ") + step.title;
    }
    for (const Obstacle& obstacle : plan.obstacles) {
      if (would.empty() && obstacle.machines == std::vector<std::string>{machine.name} && obstacle.reason.starts_with("no SHA-256"))
        would = "installs the runtime";
    }
    if (would.empty()) continue;
    machine.prepare = false;
    adopted.remarks.machines[machine.name] = "without prepare: false apply " + would;
    ++kept;
  }
  if (kept > 0) {
    adopted.remarks.sections["machines"] = {
        "prepare: false leaves packages, package sources, runtime, files and kernel settings of a machine as they were found. Take it "
        "away,",
        "and apply brings the machine to what it writes on others; plan --dry-run shows it."};
  }
  return kept;
}

}  // namespace fairlead::bootstrap
