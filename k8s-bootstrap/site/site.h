// fairlead: pure
// The site: what `kind: Site` files say, read and checked. Values only; k8s-bootstrap/site/site_load.h makes one from text.
//
// Addresses of a machine stand in the order of the file: the first one is its own in everything that wants exactly one (SSH, the
// API server's advertised address, kubelet's --node-ip), unless the machine says otherwise.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/mac_address.h"
#include "base/time.h"
#include "config/dhcp_pool.h"
#include "config/document.h"
#include "k8s-bootstrap/site/site_storage.h"
#include "k8s-bootstrap/site/site_vms.h"

namespace fairlead::bootstrap {

struct SshAccess {
  std::string user = "root";
  std::string key;                ///< Path on the operator's machine; empty: ssh's own choice.
  std::vector<std::string> jump;  ///< Names of machines, or host[:port] of others; the first is nearest to the operator.
  std::uint16_t port = 22;
  unsigned parallel = 8;
  Duration connect_timeout = std::chrono::seconds(10);
  bool operator==(const SshAccess&) const = default;
};

enum class RuntimeSource : std::uint8_t { kUpstream, kDockerRepository, kDebian };
struct Containerd {
  std::string version;
  RuntimeSource source = RuntimeSource::kUpstream;
  std::string sha256;  ///< Of the upstream archive; empty: the one this release knows, else an error.
  bool operator==(const Containerd&) const = default;
};
struct CriDockerd {
  std::string version;
  std::string sha256;
  bool operator==(const CriDockerd&) const = default;
};
struct Versions {
  std::string kubernetes;  ///< "1.36.4"
  std::optional<Containerd> containerd;
  std::optional<CriDockerd> cri_dockerd;  ///< Instead of containerd; exactly one of the two is there.
  bool operator==(const Versions&) const = default;
};

struct Mirrors {
  std::string debian;                         ///< URL; empty: what the machine has.
  std::string kubernetes;                     ///< URL in place of pkgs.k8s.io.
  std::map<std::string, std::string> images;  ///< Registry -> mirror.
  std::string bundle;                         ///< Air-gap folder made by `bootstrap bundle`; empty: the network.
  bool operator==(const Mirrors&) const = default;
};

struct Network {
  std::string name;
  IpPrefix cidr;
  bool external = false;
  std::optional<IpAddress> router;
  std::optional<IpAddress> dns;
  std::optional<config::DhcpPool> pool;
  std::optional<Duration> lease;
  std::string attach;      ///< Bridge or NIC of the VM host.
  std::uint16_t vlan = 0;  ///< 0: untagged.
  std::uint16_t mtu = 0;   ///< 0: the device's.
  bool operator==(const Network&) const = default;
};

struct ExtraFile {
  std::string path;  ///< On the machine, absolute.
  std::string content;
  std::string source;  ///< Instead of `content`: a file beside the site's.
  std::uint32_t mode = 0644;
  bool operator==(const ExtraFile&) const = default;
};
struct Taint {
  std::string key;
  std::string value;
  std::string effect;  ///< NoSchedule | PreferNoSchedule | NoExecute
  bool operator==(const Taint&) const = default;
};
struct Machine {
  std::string name;
  std::vector<Role> roles;
  std::vector<std::pair<std::string, IpAddress>> addresses;  ///< Network -> address, in the file's order.
  std::map<std::string, std::string> interfaces;             ///< Network -> device; absent: found by its address.
  std::optional<IpAddress> ssh_address;                      ///< `ssh: {address, port, user}` of the machine.
  std::uint16_t ssh_port = 0;                                ///< 0: the site's.
  std::string ssh_user;                                      ///< Empty: the site's.
  std::map<std::string, std::string> labels;
  std::optional<std::vector<Taint>> taints;  ///< Absent: kubeadm's own.
  std::vector<ExtraFile> files;
  /// False: its packages, runtime, files and kernel settings are the operator's, and left as they are (`adopt` found it so).
  bool prepare = true;
  config::DocNodePtr kubelet;  ///< Keys of KubeletConfiguration, merged last; may be null.
  std::vector<Brick> bricks;   ///< Of a machine of role storage.
  // Of a VM that Fairlead makes; what is not said is by role (Vms::sizes) or derived from the names of site and machine (vm_model.h).
  VmSize size;
  std::string uuid;                                       ///< Lower or upper case, as in the file.
  std::vector<std::pair<std::string, std::string>> macs;  ///< Network -> MAC address, lower case. Also of machines that are there already.

  [[nodiscard]] bool has(Role role) const;
  [[nodiscard]] const IpAddress* address_in(std::string_view network) const;
  /// Its own address; a checked site's machine has at least one.
  [[nodiscard]] const IpAddress& address() const;
  bool operator==(const Machine&) const = default;  ///< `kubelet` is compared by identity, likewise the other documents below.
};

struct SiteVip {
  std::string name;
  IpAddress address;
  std::string network;
  std::vector<std::uint16_t> listen;
  Role to_role = Role::kControlPlane;
  std::vector<std::uint16_t> to_ports;  ///< As many as `listen`.
  std::string send_proxy = "off";       ///< off | v1 | v2
  bool operator==(const SiteVip&) const = default;
};
struct DnsRecord {
  std::string name;
  IpAddress address;
  bool operator==(const DnsRecord&) const = default;
};
struct Forward {
  std::string from;
  std::vector<std::string> to;
  bool operator==(const Forward&) const = default;
};
struct SiteRouter {
  std::string uplink;             ///< Name of a network.
  std::optional<IpAddress> snat;  ///< A VIP; absent: masquerade.
  bool sync = false;
  std::vector<Forward> forward;
  bool operator==(const SiteRouter&) const = default;
};
struct Gateways {
  std::string profile = "vm";
  std::vector<std::string> links;  ///< Networks of Corosync.
  std::vector<IpAddress> tie_break;
  std::vector<SiteVip> vips;
  std::vector<IpAddress> dns_upstream;
  std::vector<DnsRecord> dns_records;
  std::vector<std::string> ntp_upstream;
  std::optional<SiteRouter> router;
  config::DocNodePtr override_keys;  ///< Of fairlead.yaml, merged last; may be null.
  bool operator==(const Gateways&) const = default;
};

enum class EtcdPlace : std::uint8_t { kStacked, kExternal };
struct Addon {
  std::string name;
  std::string manifest;  ///< Path beside the site's file.
  std::string ready;     ///< "daemonset/NAMESPACE/NAME"; empty: nothing is waited for.
  bool operator==(const Addon&) const = default;
};
struct Kubernetes {
  std::string endpoint;  ///< Name of a VIP of the gateways; without gateways HOST:PORT of somebody else's balancer, or empty.
  IpPrefix pods;
  IpPrefix services;
  EtcdPlace etcd = EtcdPlace::kStacked;
  std::map<std::string, config::DocNodePtr> kubeadm;  ///< Kind -> keys, merged last.
  std::vector<Addon> addons;
  bool operator==(const Kubernetes&) const = default;
};

enum class CaSource : std::uint8_t { kKubeadm, kSite };
struct Pki {
  CaSource ca = CaSource::kKubeadm;
  std::string algorithm = "ECDSA-P256";
  Duration validity = std::chrono::hours(8760);
  Duration ca_validity = std::chrono::hours(87600);
  bool ssh_ca = false;
  bool operator==(const Pki&) const = default;
};

/// Run on the operator's machine; argv lists, never a shell.
struct SiteHooks {
  std::vector<std::vector<std::string>> before_apply;
  std::vector<std::vector<std::string>> after_machine;
  std::vector<std::vector<std::string>> after_apply;
  bool operator==(const SiteHooks&) const = default;
};

struct Site {
  std::string name;
  std::string domain;
  std::string state_dir;  ///< Absolute, or relative to the site's file.
  SshAccess ssh;
  Versions versions;
  Mirrors mirrors;
  std::vector<Network> networks;
  std::optional<Vms> vms;  ///< Absent: the machines exist.
  std::optional<Image> image;
  std::vector<Machine> machines;
  std::optional<Gateways> gateways;  ///< Absent: the endpoint is a machine's own (one control plane, no gateways).
  Kubernetes kubernetes;
  Pki pki;
  std::optional<Gluster> gluster;           ///< storage.gluster
  std::vector<std::string> ignored_checks;  ///< preflight.ignore: exact names.
  SiteHooks hooks;

  [[nodiscard]] const Machine* find(std::string_view name) const;
  [[nodiscard]] const Network* network(std::string_view name) const;
  [[nodiscard]] std::vector<const Machine*> with(Role role) const;  ///< In the file's order.
  [[nodiscard]] const SiteVip* endpoint() const;
  [[nodiscard]] const GlusterVolume* volume(std::string_view name) const;
  /// "NAME.kube.demo"
  [[nodiscard]] std::string fqdn(const Machine& machine) const;
  /// Those that run etcd: of role etcd, or the control planes when it is stacked.
  [[nodiscard]] std::vector<const Machine*> etcd_machines() const;
};

}  // namespace fairlead::bootstrap
