// fairlead: pure
// The table, part 4: dnsdhcp and router.
#include "config/schema_types.h"

namespace fairlead::config::schema {
namespace {

const auto domain_name = [] { return text({.rule = TextRule::kHost, .may_be_empty = true, .example = "kube.demo"}); };
const auto host_name = [] { return text({.rule = TextRule::kHost, .may_be_empty = false, .example = "mast-1"}); };

const Section& option_section() {
  static const Section section = make_section<DhcpOption>(
      "dnsdhcp.networks[].options[]", "One more DHCP option.",
      {
          field("code", &DhcpOption::code, number<std::uint16_t>(1, 254),
                "Its number; of DHCPv6 in an IPv6 network. Not one that another key sets.", {.required = true}),
          field("value", &DhcpOption::value,
                text({.rule = TextRule::kFree, .may_be_empty = false, .example = "\"192.168.1.5\"", .length_max = kDhcpOptionLengthMax}),
                "Its value, as dnsmasq writes it: addresses, numbers or text, several with commas between them.", {.required = true}),
      });
  return section;
}

const Section& network_section() {
  static const Section section = make_section<DhcpNetwork>(
      "dnsdhcp.networks[]", "A network that gets DNS and DHCP.",
      {
          field("name", &DhcpNetwork::name,
                text({.rule = TextRule::kName, .may_be_empty = false, .example = "mast", .length_max = kNetworkNameLengthMax}),
                "Unique among the networks.", {.required = true}),
          field("interface", &DhcpNetwork::interface, text({.rule = TextRule::kDevice, .may_be_empty = false, .example = "eth1"}),
                "The gateways' device in it, or a name of cluster.nodes[].interfaces.", {.required = true}),
          field("cidr", &DhcpNetwork::cidr, prefix(true), "Its address and prefix length.", {.required = true}),
          field("router", &DhcpNetwork::router, optional(address()),
                "The nodes' default router; becomes the VIP NAME-router of the group."),
          field("dns", &DhcpNetwork::dns, optional(address()),
                "The nodes' resolver; becomes the VIP NAME-dns of the group. Absent: router answers for names too; one of both is needed."),
          field("pool", &DhcpNetwork::pool, optional(address_range()),
                "Addresses given to machines without one of their own. Absent: only known hosts; without hosts too, no DHCP here."),
          field("lease", &DhcpNetwork::lease, duration({.min = 2min, .max = kDurationMax, .zero = {}, .whole_seconds = true}),
                "How long an address is given; hosts ask again at half of it."),
          field("domain", &DhcpNetwork::domain, domain_name(), "Empty: dnsdhcp.domain."),
          field("ntp", &DhcpNetwork::ntp, optional(address()), "Time server told to the machines."),
          field("mtu", &DhcpNetwork::mtu, number<std::uint32_t>(0, 65535, "not told"),
                "MTU told to the machines; 576 or more. IPv6: 1280 or more, told with ra."),
          field("vlan", &DhcpNetwork::vlan, number<std::uint32_t>(0, 4094, "untagged"),
                "VLAN of the interface: its device is INTERFACE.VLAN, which must be there."),
          field("ra", &DhcpNetwork::ra, flag(),
                "IPv6: router advertisements. Hosts follow the link-local address of the gateway, so it is for one gateway only."),
          field("options", &DhcpNetwork::options, list(schema::section<DhcpOption>(option_section()), kDhcpOptionsMax, "options"),
                "More DHCP options."),
      });
  return section;
}

const Section& host_section() {
  static const Section section = make_section<DhcpHost>(
      "dnsdhcp.hosts[]", "A machine with an address of its own.",
      {
          field("name", &DhcpHost::name, name(),
                "Its host name, without the domain. A machine in several networks stands here once for each, under one name.",
                {.required = true}),
          field("network", &DhcpHost::network, name(), "A name of dnsdhcp.networks.", {.required = true}),
          field("mac", &DhcpHost::mac, text({.rule = TextRule::kMac, .may_be_empty = false, .example = {}}), "Its MAC address.",
                {.required = true}),
          field("address", &DhcpHost::address, address(), "Its IP address, in that network.", {.required = true}),
          field("aliases", &DhcpHost::aliases, list(host_name(), kHostAliasesMax, "names"),
                "More names for it, in its domain, or with dots as they stand."),
      });
  return section;
}

const Section& record_section() {
  static const Section section = make_section<DnsRecord>(
      "dnsdhcp.records[]", "A name in DNS.",
      {
          field("name", &DnsRecord::name, host_name(), "Below dnsdhcp.domain, or with dots as it stands.", {.required = true}),
          field("address", &DnsRecord::address, address(), "What it means.", {.required = true}),
      });
  return section;
}

const Section& netboot_section() {
  static const Section section = make_section<Netboot>(
      "dnsdhcp.netboot", "Boot over the network.",
      {
          field("tftp_root", &Netboot::tftp_root,
                text({.rule = TextRule::kAbsolutePath, .may_be_empty = true, .example = "/srv/tftp", .length_max = kTftpRootLengthMax}),
                "Directory served by TFTP. Empty: no TFTP."),
          field("bios", &Netboot::bios,
                text({.rule = TextRule::kFree, .may_be_empty = true, .example = "pxelinux.0", .length_max = kBootFileLengthMax}),
                "Boot file of BIOS machines, below tftp_root."),
          field("efi", &Netboot::efi,
                text({.rule = TextRule::kFree, .may_be_empty = true, .example = "shim.efi", .length_max = kBootFileLengthMax}),
                "Boot file of UEFI machines (x86-64), below tftp_root."),
          field("ipxe", &Netboot::ipxe,
                text({.rule = TextRule::kFree,
                      .may_be_empty = true,
                      .example = "\"http://192.168.1.1/boot.ipxe\"",
                      .length_max = kBootFileLengthMax}),
                "Script of machines that run iPXE already: an address, or a file below tftp_root."),
      });
  return section;
}

const Section& forward_section() {
  static const Section section = make_section<ForwardRule>(
      "router.forward[]", "Who may open connections.",
      {
          field("from", &ForwardRule::from, name(), "A name of dnsdhcp.networks, or uplink.", {.required = true}),
          field("to", &ForwardRule::to, list(name(), kNetworksMax + 1, "networks"), "Likewise.", {.required = true}),
      });
  return section;
}

const Section& open_section() {
  static const Section section = make_section<OpenPort>(
      "router.open[]", "A port of the gateway itself that the uplink may reach.",
      {
          field("port", &OpenPort::port, number<std::uint16_t>(1, 65535), "Its number.", {.required = true}),
          field("protocol", &OpenPort::protocol, choice<Transport>({{"tcp", Transport::kTcp}, {"udp", Transport::kUdp}}), "Of TCP or UDP."),
      });
  return section;
}

}  // namespace

const Section& dnsdhcp_section() {
  static const Section section = make_section<DnsDhcp>(
      "dnsdhcp", "DNS, DHCP and netboot by dnsmasq, highly available with a group of VIPs.",
      {
          field("follows", &DnsDhcp::follows, name(),
                "The group of VIPs. dnsmasq runs on every gateway and answers only on VIPs held there.", {.required = true}),
          field("domain", &DnsDhcp::domain, domain_name(), "Domain of the machines: names in it are answered here only."),
          field("upstream", &DnsDhcp::upstream, list(address(), kUpstreamsMax, "IP addresses"),
                "Resolvers for everything else. Empty: other names are not found."),
          field("networks", &DnsDhcp::networks, list(schema::section<DhcpNetwork>(network_section()), kNetworksMax, "networks"),
                "Networks that are served."),
          field("hosts", &DnsDhcp::hosts, list(schema::section<DhcpHost>(host_section()), kHostsMax, "hosts"),
                "Machines with an address of their own."),
          field("records", &DnsDhcp::records, list(schema::section<DnsRecord>(record_section()), kRecordsMax, "records"),
                "Names in DNS beside the hosts'."),
          field("only_known", &DnsDhcp::only_known, flag(), "Ignore machines that are not among hosts."),
          field("netboot", &DnsDhcp::netboot, optional(schema::section<Netboot>(netboot_section())), "Boot over the network."),
      });
  return section;
}

const Section& router_section() {
  static const Section section = make_section<Router>(
      "router", "Routing and NAT for the networks behind the gateways.",
      {
          field("uplink", &Router::uplink, text({.rule = TextRule::kDevice, .may_be_empty = false, .example = "eth0"}),
                "The device towards the world, or a name of cluster.nodes[].interfaces. No network of dnsdhcp.", {.required = true}),
          field("masquerade", &Router::masquerade, flag(), "Connections to the world leave with the uplink's address. Not with snat."),
          field("snat", &Router::snat, optional(address()), "They leave with this VIP of the uplink instead."),
          field("sync", &Router::sync, flag(),
                "Keep the connection tables of the gateways alike with conntrackd, so that connections behind snat outlive a takeover "
                "whoever speaks "
                "first. Needs snat and another gateway."),
          field("forward", &Router::forward, list(schema::section<ForwardRule>(forward_section()), kForwardRulesMax, "rules"),
                "Who may open connections. Answers always pass; the rest is rejected."),
          field("open", &Router::open, list(schema::section<OpenPort>(open_section()), kOpenPortsMax, "ports"),
                "Ports of services of your own that the uplink may reach. Fairlead's own and SSH (22) are open already."),
      });
  return section;
}

}  // namespace fairlead::config::schema
