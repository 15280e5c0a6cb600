// fairlead: pure
// The table of a site, part 3: gateways and the cluster.
#include "k8s-bootstrap/site/site_limits.h"
#include "k8s-bootstrap/site/site_schema.h"
#include "k8s-bootstrap/site/site_types.h"

namespace fairlead::bootstrap::schema {
namespace {

const Section& vip_to_section() {
  static const Section of =
      make_section<SiteVip>("gateways.vips[].to", "Where connections go.",
                            {
                                field("role", &SiteVip::to_role,
                                      choice<Role>({{"control-plane", Role::kControlPlane},
                                                    {"worker", Role::kWorker},
                                                    {"bastion", Role::kBastion},
                                                    {"etcd", Role::kEtcd},
                                                    {"storage", Role::kStorage}}),
                                      "All machines of this role.", {.required = true}),
                                field("ports", &SiteVip::to_ports, list(number<std::uint16_t>(1, 65535), kVipPortsMax, "ports"),
                                      "Theirs, one for each of listen.", {.required = true}),
                            });
  return of;
}

const Section& vip_section() {
  static const Section of =
      make_section<SiteVip>("gateways.vips[]", "A virtual address of the gateways.",
                            {
                                field("name", &SiteVip::name, name(), "Unique.", {.required = true}),
                                field("address", &SiteVip::address, address(), "In its network; nobody else's.", {.required = true}),
                                field("network", &SiteVip::network, name(), "A name of networks.", {.required = true}),
                                field("listen", &SiteVip::listen, list(number<std::uint16_t>(1, 65535), kVipPortsMax, "ports"),
                                      "Ports that accept connections.", {.required = true}),
                                group<SiteVip>("to", vip_to_section(), "Where connections go.", {.required = true}),
                                field("send_proxy", &SiteVip::send_proxy, choice<std::string>({{"off", "off"}, {"v1", "v1"}, {"v2", "v2"}}),
                                      "PROXY protocol towards the servers, so that they see the client's address."),
                            });
  return of;
}

const Section& tie_break_section() {
  static const Section of =
      make_section<Gateways>("gateways.tie_break", "Which of two gateways may go on alone.",
                             {
                                 field("targets", &Gateways::tie_break, list(address(), config::kTieBreakTargetsMax, "addresses"),
                                       "Routers that are not ours: who still reaches one goes on.", {.required = true}),
                             });
  return of;
}

const Section& record_section() {
  static const Section of =
      make_section<DnsRecord>("gateways.dns.records[]", "A name in DNS.",
                              {
                                  field("name", &DnsRecord::name, text({.rule = TextRule::kHost, .may_be_empty = false, .example = "api"}),
                                        "Below the site's domain, or with dots as it stands.", {.required = true}),
                                  field("address", &DnsRecord::address, address(), "What it means.", {.required = true}),
                              });
  return of;
}

const Section& dns_section() {
  static const Section of =
      make_section<Gateways>("gateways.dns", "DNS on the gateways. Machines and VIPs of the site have their names without being listed.",
                             {
                                 field("upstream", &Gateways::dns_upstream, list(address(), config::kUpstreamsMax, "addresses"),
                                       "Resolvers for everything else. Empty: other names are not found."),
                                 field("records", &Gateways::dns_records,
                                       list(section<DnsRecord>(record_section()), config::kRecordsMax, "records"), "More names."),
                             });
  return of;
}

const Section& ntp_section() {
  static const Section of = make_section<Gateways>(
      "gateways.ntp", "Time: chrony on the gateways, who serve it to the rest.",
      {
          field("upstream", &Gateways::ntp_upstream,
                list(text({.rule = TextRule::kHost, .may_be_empty = false, .example = "pool.ntp.org"}), config::kUpstreamsMax, "servers"),
                "Servers or pools the gateways follow."),
      });
  return of;
}

const Section& forward_section() {
  /// `to` may be one name: most rules have one.
  class NamesType final : public TypeOf<std::vector<std::string>> {
   public:
    NamesType() : list_(list(name(), config::kNetworksMax, "networks")), one_(name()) {
      info_ = list_->info();
      info_.name = "network or list of networks";
      info_.or_one = true;
    }
    bool read_value(config::Reader& reader, const config::DocNode& node, std::vector<std::string>& into) const override {
      if (node.kind != config::DocNode::Kind::kScalar) return list_->read_value(reader, node, into);
      into.resize(1);
      return one_->read_value(reader, node, into.front());
    }
    [[nodiscard]] std::optional<config::DocNode> write_value(const std::vector<std::string>& from, bool defaults) const override {
      return list_->write_value(from, defaults);
    }

   private:
    TypeOfPtr<std::vector<std::string>> list_;
    TypeOfPtr<std::string> one_;
  };
  static const Section of =
      make_section<Forward>("gateways.router.forward[]", "Who may open connections. Answers always pass; the rest is rejected.",
                            {
                                field("from", &Forward::from, name(), "A name of networks.", {.required = true}),
                                field("to", &Forward::to, std::make_shared<NamesType>(), "Likewise, one or a list.", {.required = true}),
                            });
  return of;
}

const Section& router_section() {
  static const Section of = make_section<SiteRouter>(
      "gateways.router", "Routing and NAT by the gateways.",
      {
          field("uplink", &SiteRouter::uplink, name(), "The external network towards the world.", {.required = true}),
          field("snat", &SiteRouter::snat, optional(address()),
                "Connections to the world leave with this address; it becomes a VIP of the uplink. Absent: masquerade."),
          field("sync", &SiteRouter::sync, flag(),
                "Keep the connection tables of the gateways alike (conntrackd), so that connections behind snat outlive a takeover."),
          field("forward", &SiteRouter::forward, list(section<Forward>(forward_section()), config::kForwardRulesMax, "rules"),
                "Who may open connections."),
      });
  return of;
}

const Section& addon_section() {
  static const Section of = make_section<Addon>(
      "kubernetes.addons[]", "A manifest, applied and waited for.",
      {
          field("name", &Addon::name, name(), "Unique.", {.required = true}),
          field("manifest", &Addon::manifest, some_path("addons/kube-flannel.yml"), "File beside this one.", {.required = true}),
          field("ready", &Addon::ready,
                text({.rule = TextRule::kFree, .may_be_empty = true, .example = "daemonset/kube-flannel/kube-flannel-ds"}),
                "KIND/NAMESPACE/NAME of what is waited for: a daemonset, deployment, statefulset or job. Empty: nothing."),
      });
  return of;
}

}  // namespace

const Section& gateways_section() {
  static const Section of = make_section<Gateways>(
      "gateways", "Becomes fairlead.yaml of every gateway; `fairlead bootstrap plan --show fairlead.yaml` prints it.",
      {
          field("profile", &Gateways::profile, choice<std::string>({{"vm", "vm"}, {"fast", "fast"}, {"min", "min"}}),
                "Corosync's timing: for virtual machines, for quiet hardware, the least (experimental)."),
          field("links", &Gateways::links, list(name(), config::kLinksPerNodeMax, "networks"),
                "Networks over which the gateways see each other, both active.", {.required = true}),
          group<Gateways>("tie_break", tie_break_section(), "Which of two gateways may go on alone."),
          field("vips", &Gateways::vips, list(section<SiteVip>(vip_section()), config::kVipsMax, "VIPs"),
                "Virtual addresses, beside router and dns of each network.", {.required = true}),
          group<Gateways>("dns", dns_section(), "DNS on the gateways."),
          group<Gateways>("ntp", ntp_section(), "Time."),
          field("router", &Gateways::router, optional(section<SiteRouter>(router_section())),
                "Routing and NAT. Absent: the gateways route nothing."),
          field("override", &Gateways::override_keys, foreign_map("keys of fairlead.yaml", "{log: {level: debug}}"),
                "Merged last into fairlead.yaml."),
      });
  return of;
}

const Section& kubernetes_section() {
  static const Section of = make_section<Kubernetes>(
      "kubernetes", "The cluster.",
      {
          field(
              "endpoint", &Kubernetes::endpoint,
              formatted({.name = "name or HOST:PORT",
                         .range = "a VIP's name, or HOST:PORT",
                         .pattern = "^([a-z0-9]([a-z0-9._-]*[a-z0-9])?|[A-Za-z0-9.:_\\[\\]-]+:[0-9]{1,5})?$",
                         .example = "api",
                         .may_be_empty = true,
                         .length_max = 260,
                         .obeys = [](std::string_view text) { return is_endpoint_word(text); }}),
              "Name of the VIP that clients use, port 6443. Without gateways: HOST:PORT of a load balancer of your own, or empty: the one "
              "control plane itself."),
          field("pods", &Kubernetes::pods, prefix(true), "Addresses of pods; the CNI addon must use the same.", {.required = true}),
          field("services", &Kubernetes::services, prefix(true), "Addresses of services.", {.required = true}),
          field("etcd", &Kubernetes::etcd, choice<EtcdPlace>({{"stacked", EtcdPlace::kStacked}, {"external", EtcdPlace::kExternal}}),
                "stacked: on the control planes. external: on machines of role etcd."),
          field("kubeadm", &Kubernetes::kubeadm,
                foreign_maps({"ClusterConfiguration", "InitConfiguration", "JoinConfiguration", "ResetConfiguration",
                              "UpgradeConfiguration", "KubeletConfiguration", "KubeProxyConfiguration"},
                             "{KubeProxyConfiguration: {mode: nftables}}"),
                "Kind: keys merged last into that document of kubeadm's."),
          field("addons", &Kubernetes::addons, list(section<Addon>(addon_section()), kAddonsMax, "addons"),
                "Manifests, applied in this order, each waited for."),
      });
  return of;
}

}  // namespace fairlead::bootstrap::schema
