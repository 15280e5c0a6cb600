"""The classic site in the lab: two gateways, three control planes, workers, storage machines, and a guest without an address. Each has networks, a root
file system, processes and a sshd of its own (tests/support/site_machines.py)."""
from support.gluster_lab import BrickLab
from support.site_machines import Site

SITE = "/srv/site/site.yaml"
NETWORKS = {"uplink": "10.0.2.0/24", "dmz": "192.168.4.0/24", "mast": "192.168.1.0/24", "node": "192.168.2.0/24", "storage": "192.168.3.0/24"}
GATEWAYS = {f"gate-{i}": {"uplink": f"10.0.2.{10 + i}", "dmz": f"192.168.4.{129 + i}", "mast": f"192.168.1.{1 + i}", "node": f"192.168.2.{1 + i}",
                          "storage": f"192.168.3.{1 + i}"} for i in (1, 2)}
CONTROL_PLANES = {f"mast-{i}": {"mast": f"192.168.1.{10 + i}"} for i in (1, 2, 3)}
WORKERS = {f"node-{i}": {"node": f"192.168.2.{10 + i}", "storage": f"192.168.3.{20 + i}"} for i in (1, 2, 3)}
STORAGE = {f"stor-{i}": {"storage": f"192.168.3.{10 + i}"} for i in (1, 2, 3)}
LATER = "node-3"   # It is there, and the site file does not have it yet.
VIP, DNS = "192.168.4.20", "192.168.4.1"
PROFILE = "vm"
DOMAIN = "kube.demo"
FLANNEL = """apiVersion: v1
kind: Namespace
metadata: {name: kube-flannel}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-flannel-ds, namespace: kube-flannel}
"""


def _line(name, role, addresses):
    inner = ", ".join(f"{network}: {address}" for network, address in addresses.items())
    bricks = ", bricks: [{name: brick-1, path: /srv/brick}]" if role == "storage" else ""
    return f"  - {{name: {name}, roles: [{role}], addresses: {{{inner}}}{bricks}}}\n"


def site_yaml():
    roles = (("gateway", GATEWAYS), ("control-plane", CONTROL_PLANES), ("worker", WORKERS), ("storage", STORAGE))
    machines = "".join(_line(name, role, addresses) for role, group in roles for name, addresses in group.items() if name != LATER)
    return f"""apiVersion: fairlead/v1
kind: Site
name: demo
domain: {DOMAIN}
state_dir: /srv/site/demo.state
ssh: {{user: root, key: /etc/ssh/operator_key, parallel: 8}}
versions:
  kubernetes: 1.36.4
  containerd: {{version: 1.7.24, source: debian}}
networks:
  - {{name: uplink, cidr: 10.0.2.0/24, external: true, router: 10.0.2.1}}
  - {{name: dmz, cidr: 192.168.4.0/24, router: 192.168.4.254, dns: {DNS}}}
  - {{name: mast, cidr: 192.168.1.0/24, router: 192.168.1.254, dns: 192.168.1.1}}
  - {{name: node, cidr: 192.168.2.0/24, router: 192.168.2.254, dns: 192.168.2.1, pool: [192.168.2.130, 192.168.2.200], lease: 2m}}
  - {{name: storage, cidr: 192.168.3.0/24, router: 192.168.3.254, dns: 192.168.3.1}}
machines:
{machines}gateways:
  profile: {PROFILE}
  links: [dmz, mast]
  tie_break: {{targets: [10.0.2.1]}}
  vips:
    - {{name: api, address: {VIP}, network: dmz, listen: [6443], to: {{role: control-plane, ports: [6443]}}}}
  dns: {{upstream: [10.0.2.1], records: [{{name: api, address: {VIP}}}]}}
  router:
    uplink: uplink
    forward: [{{from: dmz, to: [mast, node, storage]}}, {{from: mast, to: node}}, {{from: node, to: [mast, dmz]}}]
kubernetes:
  endpoint: api
  pods: 10.244.0.0/16
  services: 10.96.0.0/12
  etcd: stacked
  addons:
    - {{name: flannel, manifest: flannel.yml, ready: daemonset/kube-flannel/kube-flannel-ds}}
pki: {{ca: kubeadm, algorithm: ECDSA-P256}}
storage:
  gluster:
    volumes:
      - {{name: pods, bricks: brick-1, allow: [storage], options: {{network.ping-timeout: 5}}, mount: {{path: /srv/pods, on: worker}}}}
    persistent_volumes: [{{name: shared, volume: pods, size: 50MiB}}]
"""


class ClassicSite(BrickLab):
    """`operator`: where `fairlead bootstrap` runs, in every network. `guest`: in the network node, without an address."""

    def __init__(self):
        self.site = Site(NETWORKS)
        self.machines = {}
        try:
            for group, router in ((GATEWAYS, "10.0.2.1"), (CONTROL_PLANES, "192.168.1.254"), (WORKERS, "192.168.2.254"), (STORAGE, "192.168.3.254")):
                for name, addresses in group.items():
                    self.machines[name] = self.site.machine(name, addresses, router)
            for name in STORAGE:
                self.new_brick(name)
            self.operator = self.site.operator()
            self.operator.run("ip", "address", "add", "10.0.2.1/24", "dev", "uplink")   # The world outside: whom gateways ask who of two is cut off.
            self.guest = self.site.lab.node("guest")
            self._plug_in_guest()
            self.operator.write(SITE, site_yaml())
            self.operator.write("/srv/site/flannel.yml", FLANNEL)
        except BaseException:
            self.close()
            raise

    def _plug_in_guest(self):
        self.site.plug_in(self.guest, "guest", "node")
        self.guest.run(["ip", "address", "flush", "dev", "eth0"])

    def holder(self):
        """The gateway that has the VIP; None while there is not exactly one."""
        holding = [name for name in GATEWAYS if f" {VIP}/" in self.machines[name].run("ip", "-4", "-o", "address").stdout]
        return holding[0] if len(holding) == 1 else None
