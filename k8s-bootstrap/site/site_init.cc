// fairlead: pure
#include "k8s-bootstrap/site/site_reference.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kInitText = R"yaml(# A site: two gateways, a bastion, three control planes, three workers.
# Change names and addresses, then: fairlead bootstrap plan
# Every key: docs/reference/site.md. "${env:NAME}" in a value stands for an environment variable, so that secrets stay out of this file.
apiVersion: fairlead/v1
kind: Site
name: demo                 # names the cluster
domain: kube.demo          # machine NAME is NAME.kube.demo
state_dir: ./demo.state    # keys, known hosts, journal, backups, on this machine only; never in git

# The machines exist and answer SSH: Debian 12 or 13, Ubuntu 22.04 or 24.04, amd64. Or Fairlead makes them: vms, below.
ssh: {user: debian, key: ~/.ssh/id_ed25519, jump: [bastion], parallel: 8}

versions:                  # exact; only `fairlead bootstrap upgrade` changes a running cluster's
  kubernetes: 1.36.4       # known versions and their end of life: fairlead bootstrap versions
  containerd: {version: 2.3.5, source: upstream}
# mirrors: {debian: "http://mirror.kube.demo/debian", images: {registry.example: mirror.kube.demo:5000}, bundle: ./demo.bundle}

networks:                  # one L2 segment each; router and dns become VIPs of the gateways unless external
  - {name: uplink, cidr: 10.0.2.0/24, external: true, router: 10.0.2.1}
  - {name: dmz, cidr: 192.168.4.0/24, router: 192.168.4.254, dns: 192.168.4.1}
  - {name: mast, cidr: 192.168.1.0/24, router: 192.168.1.254, dns: 192.168.1.1}
  - {name: node, cidr: 192.168.2.0/24, router: 192.168.2.254, dns: 192.168.2.1, pool: [192.168.2.130, 192.168.2.250], lease: 12h}

machines:                  # the first address of each is the one for SSH, the API server and kubelet
  - {name: gate-1, roles: [gateway], addresses: {dmz: 192.168.4.130, uplink: 10.0.2.11, mast: 192.168.1.2, node: 192.168.2.2}}
  - {name: gate-2, roles: [gateway], addresses: {dmz: 192.168.4.131, uplink: 10.0.2.12, mast: 192.168.1.3, node: 192.168.2.3}}
  - {name: bastion, roles: [bastion, witness], addresses: {uplink: 10.0.2.13, dmz: 192.168.4.140}}    # kubectl, jump host, third vote
  - {name: mast-1, roles: [control-plane], addresses: {mast: 192.168.1.11}}
  - {name: mast-2, roles: [control-plane], addresses: {mast: 192.168.1.12}}
  - {name: mast-3, roles: [control-plane], addresses: {mast: 192.168.1.13}}
  - {name: node-1, roles: [worker], addresses: {node: 192.168.2.11}, labels: {zone: a}}
  - {name: node-2, roles: [worker], addresses: {node: 192.168.2.12}, labels: {zone: b}}
  - {name: node-3, roles: [worker], addresses: {node: 192.168.2.13}}
  # more keys of a machine: taints: ["dedicated=storage:NoSchedule"], files: [{path: /etc/motd, source: files/motd}],
  # kubelet: {maxPods: 200}, interfaces: {node: eth1}, ssh: {address: 203.0.113.7, port: 2222}

gateways:                  # becomes fairlead.yaml of every gateway; fairlead bootstrap plan --show fairlead.yaml prints it
  profile: vm
  links: [dmz, mast]       # Corosync, both active
  tie_break: {targets: [10.0.2.1]}    # routers that are not ours; used where there is no witness
  vips:
    - {name: api, address: 192.168.4.20, network: dmz, listen: [6443], to: {role: control-plane, ports: [6443]}}
    - {name: web, address: 192.168.4.21, network: dmz, listen: [80, 443], to: {role: worker, ports: [30080, 30443]}, send_proxy: v2}
  dns: {upstream: [1.1.1.1, 9.9.9.9], records: [{name: www, address: 192.168.4.21}]}
  ntp: {upstream: [pool.ntp.org]}
  router:
    uplink: uplink
    snat: 10.0.2.10        # a VIP, so that the world sees one address; absent: masquerade
    forward: [{from: dmz, to: [mast, node]}, {from: mast, to: node}, {from: node, to: [mast, dmz]}]    # who may open connections
  # override: {log: {level: debug}}   # any key of fairlead.yaml, merged last

kubernetes:
  endpoint: api            # a VIP that listens on 6443 and goes to the control planes
  pods: 10.244.0.0/16
  services: 10.96.0.0/12
  etcd: stacked            # or external: machines with role etcd
  # kubeadm: {KubeProxyConfiguration: {mode: nftables}, ClusterConfiguration: {}, KubeletConfiguration: {}}   # merged last
  addons: []               # applied in this order, each waited for; pods get no network before a CNI is here:
  #  - {name: flannel, manifest: addons/kube-flannel.yml, ready: daemonset/kube-flannel/kube-flannel-ds}

pki: {ca: kubeadm, algorithm: ECDSA-P256, validity: 8760h, ca_validity: 87600h, ssh_ca: true}    # ca: site keeps CA keys in state_dir only

preflight: {ignore: []}    # exact names of checks
hooks: {before_apply: [], after_machine: [], after_apply: []}    # lists of words, as in [./notify, ready]
# vms: {driver: libvirt, image: base}   # machines made here, from state_dir/images/base.qcow2: fairlead machine create
# storage: {gluster: {volumes: [...]}}   # Gluster on machines of role storage (docs/operating/storage.md)
# image: {name: base, release: bookworm}   # that image: fairlead image build (docs/operating/images.md)
)yaml";

}  // namespace

std::string init_text() { return std::string(kInitText); }

}  // namespace fairlead::bootstrap
