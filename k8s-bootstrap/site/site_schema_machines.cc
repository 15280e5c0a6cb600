// fairlead: pure
// The table of a site, part 2: networks and machines.
#include "k8s-bootstrap/site/site.h"
#include "k8s-bootstrap/site/site_limits.h"
#include "k8s-bootstrap/site/site_schema.h"
#include "k8s-bootstrap/site/site_types.h"

namespace fairlead::bootstrap::schema {
namespace {

template <class T>
using Named = std::pair<std::string, T>;

/// Network -> something of the machine in it.
template <class T>
TypeOfPtr<std::vector<Named<T>>> by_network(TypeOfPtr<T> element, std::string described, std::string example) {
  return std::make_shared<MapType<Named<T>, T>>(&Named<T>::first, &Named<T>::second, std::move(element), config::kNetworksMax,
                                                std::move(described), std::vector<std::string>{}, std::move(example));
}

class InterfacesType final : public TypeOf<std::map<std::string, std::string>> {
 public:
  InterfacesType()
      : inner_(by_network(text({.rule = TextRule::kDevice, .may_be_empty = false, .example = "eth1"}), "map of devices", "{mast: eth1}")) {
    info_ = inner_->info();
  }
  bool read_value(config::Reader& reader, const config::DocNode& node, std::map<std::string, std::string>& into) const override {
    std::vector<Named<std::string>> read;
    const bool fine = inner_->read_value(reader, node, read);
    into = {read.begin(), read.end()};
    return fine;
  }
  [[nodiscard]] std::optional<config::DocNode> write_value(const std::map<std::string, std::string>& from, bool defaults) const override {
    return inner_->write_value({from.begin(), from.end()}, defaults);
  }

 private:
  TypeOfPtr<std::vector<Named<std::string>>> inner_;
};

template <class M, class T>
Field size_field(std::string key, M VmSize::*member, const std::shared_ptr<T>& type, std::string doc) {
  Field out = field(std::move(key), member, type, std::move(doc));
  out.member = [member](void* from) -> void* { return &(static_cast<Machine*>(from)->size.*member); };
  return out;
}

const Section& machine_ssh_section() {
  static const Section of = make_section<Machine>(
      "machines[].ssh", "Where this machine differs from `ssh`.",
      {
          field("address", &Machine::ssh_address, optional(address()), "Where sshd answers. Absent: the machine's first address."),
          field("port", &Machine::ssh_port, number<std::uint16_t>(0, 65535, "ssh.port"), "Port of its sshd."),
          field("user", &Machine::ssh_user, text({.rule = TextRule::kName, .may_be_empty = true, .example = "debian"}), "Empty: ssh.user."),
      });
  return of;
}

const Section& file_section() {
  static const Section of = make_section<ExtraFile>(
      "machines[].files[]", "A file of yours on the machine.",
      {
          field("path", &ExtraFile::path, text({.rule = TextRule::kAbsolutePath, .may_be_empty = false, .example = "/etc/motd"}),
                "On the machine.", {.required = true}),
          field("content", &ExtraFile::content, lines(kExtraFileBytesMax), "Its text."),
          field("source", &ExtraFile::source, text({.rule = TextRule::kFree, .may_be_empty = true, .example = "files/motd"}),
                "Instead of content: a file beside this one."),
          field("mode", &ExtraFile::mode, file_mode(), "Its mode; the owner is root."),
      });
  return of;
}

TypeOfPtr<std::map<std::string, std::string>> labels() {
  return word_map({.described = "map of labels",
                   .example = "{zone: a}",
                   .items_max = kLabelsMax,
                   .key_obeys = is_label_key,
                   .key_rule = "[PREFIX/]NAME of letters, digits, '-', '_' and '.', at most 63; the prefix is a domain",
                   .value_obeys = is_label_value,
                   .value_rule = "letters, digits, '-', '_' and '.', at most 63, or empty"});
}

TypeOfPtr<Role> role() {
  std::vector<std::pair<std::string, Role>> words;
  for (const Role r : {Role::kGateway, Role::kBastion, Role::kWitness, Role::kControlPlane, Role::kWorker, Role::kEtcd, Role::kStorage})
    words.emplace_back(to_string(r), r);
  return choice<Role>(std::move(words));
}

Section build_machine() {
  const auto mac = text({.rule = TextRule::kMac, .may_be_empty = false, .example = {}});
  const auto uuid = formatted({.name = "UUID",
                               .range = "8-4-4-4-12 hexadecimal digits",
                               .pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
                               .example = "\"6f9619ff-8b86-4d11-b42d-00c04fc964ff\"",
                               .may_be_empty = true,
                               .length_max = 36,
                               .obeys = [](std::string_view text) {
                                 if (text.size() != 36) return false;
                                 for (std::size_t i = 0; i < text.size(); ++i) {
                                   const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
                                   const char c = text[i];
                                   const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
                                   if (dash ? c != '-' : !hex) return false;
                                 }
                                 return true;
                               }});
  return make_section<Machine>(
      "machines[]", "A machine that answers SSH at its first address.",
      {
          field("name", &Machine::name,
                text({.rule = TextRule::kName, .may_be_empty = false, .example = "mast-1", .length_max = kMachineNameMax}),
                "Its host name, without the domain. Unique.", {.required = true}),
          field("roles", &Machine::roles, list(role(), 7, "roles"),
                "What it does: gateway, bastion (kubectl, jump host), witness (the gateways' third vote), control-plane, worker, "
                "etcd, storage (Gluster).",
                {.required = true}),
          field("addresses", &Machine::addresses, by_network(address(), "map of addresses", "{mast: 192.168.1.11}"),
                "Network: its address there. The first one is the one for SSH, the API server and kubelet.", {.required = true}),
          field("interfaces", &Machine::interfaces, std::make_shared<InterfacesType>(),
                "Network: its device there. Absent: found by its address."),
          group<Machine>("ssh", machine_ssh_section(), "Where this machine differs from `ssh`."),
          field("labels", &Machine::labels, labels(), "Labels of its Kubernetes node."),
          field("taints", &Machine::taints, optional(list(taint(), kTaintsMax, "taints")),
                "Taints of its node. Absent: kubeadm's own. An empty list: none."),
          field("files", &Machine::files, list(section<ExtraFile>(file_section()), kExtraFilesMax, "files"), "Files of yours on it."),
          field("prepare", &Machine::prepare, flag(),
                "Install and configure what Kubernetes needs. false: packages, package sources, runtime, files and kernel settings "
                "are yours, and left as they are."),
          field("kubelet", &Machine::kubelet, foreign_map("keys of KubeletConfiguration", "{maxPods: 200}"),
                "Merged last into this node's KubeletConfiguration."),
          size_field("cpus", &VmSize::cpus, number<std::uint32_t>(0, 1024, "by role"), "CPUs of the VM. 0: by role, vms.sizes."),
          size_field("memory", &VmSize::memory, size(0, 1ULL << 44U), "Memory of the VM. 0: by role."),
          size_field("disk", &VmSize::disk, size(0, 1ULL << 50U), "Disk of the VM. 0: by role."),
          field("mac", &Machine::macs, by_network<std::string>(mac, "map of MAC addresses", "{mast: \"52:54:00:00:01:01\"}"),
                "Network: MAC address there. Absent, of a VM: derived from the names of site, machine and network. With one, DHCP "
                "of the gateways "
                "gives the machine its address."),
          field("uuid", &Machine::uuid, uuid, "UUID of the VM. Empty: derived from the names of site and machine."),
          field("bricks", &Machine::bricks, list(section<Brick>(brick_section()), kBricksMax, "bricks"),
                "Disks for Gluster, of a machine of role storage."),
      });
}

}  // namespace

const Section& machine_section() {
  static const Section of = build_machine();
  return of;
}

const Section& network_section() {
  static const Section of = make_section<Network>(
      "networks[]", "A network: one L2 segment.",
      {
          field("name", &Network::name,
                text({.rule = TextRule::kName, .may_be_empty = false, .example = "mast", .length_max = config::kNetworkNameLengthMax}),
                "Unique.", {.required = true}),
          field("cidr", &Network::cidr, prefix(true), "Its address and prefix length.", {.required = true}),
          field("external", &Network::external, flag(),
                "Somebody else's: its router and resolver are not ours, and no DHCP is served in it."),
          field("router", &Network::router, optional(address()), "Its default router; a VIP of the gateways unless external."),
          field("dns", &Network::dns, optional(address()), "Its resolver; a VIP of the gateways unless external."),
          field("pool", &Network::pool, optional(address_range()), "Addresses given by DHCP to machines that are not of the site."),
          field("lease", &Network::lease, optional(duration({.min = 2min, .max = config::kDurationMax, .zero = {}, .whole_seconds = true})),
                "How long DHCP gives an address."),
          field("attach", &Network::attach, text({.rule = TextRule::kDevice, .may_be_empty = true, .example = "br0"}),
                "Bridge or NIC of the VM host. Without VMs it has no effect."),
          field("vlan", &Network::vlan, number<std::uint16_t>(0, 4094, "untagged"), "VLAN tag."),
          field("mtu", &Network::mtu, number<std::uint16_t>(0, 65535, "the device's"), "MTU of its devices; 576 or more, IPv6: 1280."),
      });
  return of;
}

}  // namespace fairlead::bootstrap::schema
