"""The site of `fairlead bootstrap`'s tests: 3 control planes, 2 workers, 2 gateways and the operator's machine, over real sshd.

    cls.lab = BootstrapLab()
    cls.addClassCleanup(cls.lab.close)
    applied = cls.lab.bootstrap("apply", "--yes", SITE)
"""
import ssl
import threading
import time

from support.site_machines import Site

SITE = "/srv/site/site.yaml"
NETWORKS = {"dmz": "192.168.4.0/24", "mast": "192.168.1.0/24", "node": "192.168.2.0/24"}
GATEWAYS = {f"gate-{i}": {"dmz": f"192.168.4.{129 + i}", "mast": f"192.168.1.{1 + i}", "node": f"192.168.2.{1 + i}"} for i in (1, 2)}
CONTROL_PLANES = {f"mast-{i}": {"mast": f"192.168.1.{10 + i}"} for i in (1, 2, 3)}
WORKERS = {f"node-{i}": {"node": f"192.168.2.{10 + i}"} for i in (1, 2)}
VIP = "192.168.4.20"
PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def _machine(name, role, addresses):
    inner = ", ".join(f"{network}: {address}" for network, address in addresses.items())
    return f"  - {{name: {name}, roles: [{role}], addresses: {{{inner}}}}}\n"


def site_yaml(version="1.36.4", control_planes=CONTROL_PLANES, workers=WORKERS):
    machines = "".join(_machine(name, role, addresses) for role, group in (("gateway", GATEWAYS), ("control-plane", control_planes), ("worker", workers))
                       for name, addresses in group.items())
    return f"""apiVersion: fairlead/v1
kind: Site
name: demo
domain: kube.demo
state_dir: /srv/site/demo.state
ssh: {{user: root, key: /etc/ssh/operator_key, parallel: 8}}
versions:
  kubernetes: {version}
  containerd: {{version: 1.7.24, source: debian}}
networks:
  - {{name: dmz, cidr: 192.168.4.0/24, router: 192.168.4.254}}
  - {{name: mast, cidr: 192.168.1.0/24, router: 192.168.1.254, dns: 192.168.1.1}}
  - {{name: node, cidr: 192.168.2.0/24, router: 192.168.2.254, dns: 192.168.2.1}}
machines:
{machines}gateways:
  profile: fast
  links: [dmz, mast]
  tie_break: {{targets: [192.168.4.250]}}
  vips:
    - {{name: api, address: {VIP}, network: dmz, listen: [6443], to: {{role: control-plane, ports: [6443]}}}}
  dns: {{upstream: [1.1.1.1], records: [{{name: api, address: {VIP}}}]}}
kubernetes:
  endpoint: api
  pods: 10.244.0.0/16
  services: 10.96.0.0/12
  etcd: stacked
  addons:
    - {{name: flannel, manifest: flannel.yml, ready: daemonset/kube-flannel/kube-flannel-ds}}
pki: {{ca: kubeadm, algorithm: ECDSA-P256}}
"""


FLANNEL = """apiVersion: v1
kind: Namespace
metadata: {name: kube-flannel}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-flannel-ds, namespace: kube-flannel}
"""


class BootstrapLab:
    """The site's machines and the operator's, with the site file where the operator works."""

    def __init__(self):
        self.site = Site(NETWORKS)
        try:
            self.machines = {}
            for group, gateway in ((GATEWAYS, None), (CONTROL_PLANES, "192.168.1.254"), (WORKERS, "192.168.2.254")):
                for name, addresses in group.items():
                    self.machines[name] = self.site.machine(name, addresses, gateway)
            self.operator = self.site.operator()
            self.operator.write(SITE, site_yaml())
            self.operator.write("/srv/site/flannel.yml", FLANNEL)
        except BaseException:
            self.site.close()
            raise

    def bootstrap(self, *words, timeout=900):
        return self.operator.run("fairlead", "bootstrap", *words, timeout=timeout)

    def close(self):
        self.site.close()


def now():
    """Seconds since boot: the clock of what the stubs record."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class FirstAnswers:
    """When each of several API servers first answered 200, by a client on the operator's machine; until it is closed."""

    def __init__(self, operator, addresses):
        self.at = {}
        self._operator, self._over = operator, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(address,)) for address in addresses]
        for thread in self._threads:
            thread.start()

    def _ask(self, address):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not self._over.wait(0.02):
            try:
                with self._operator.host.connect((address, 6443), timeout=1) as plain, context.wrap_socket(plain) as sock:
                    sock.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                    if b" 200 " in sock.recv(100):
                        self.at[address] = now()
                        return
            except OSError:
                continue

    def close(self):
        self._over.set()
        for thread in self._threads:
            thread.join()


def stub_seconds(machines, began, ended):
    """How long, in that time, any stub was at work on any of the machines."""
    spans = sorted((max(call["began"], began), min(call["ended"], ended)) for machine in machines for call in machine.ends() if call["ended"] > began and call["began"] < ended)
    total, until = 0.0, began
    for first, last in spans:
        total += max(0.0, last - max(first, until))
        until = max(until, last)
    return total
