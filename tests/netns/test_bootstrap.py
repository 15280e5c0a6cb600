"""`fairlead bootstrap` over real sshd: 3 control planes, 2 workers and 2 gateways, with real fairleadd, Corosync and etcd; kubeadm and its
like are stubs (support/kube_stub)."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import site_machines  # noqa: E402
from support.site_machines import Site  # noqa: E402
from support.waiting import wait_for  # noqa: E402

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
            self.operator.write("/srv/site/site.yaml", site_yaml())
            self.operator.write("/srv/site/flannel.yml", FLANNEL)
        except BaseException:
            self.site.close()
            raise

    def bootstrap(self, *words, timeout=300):
        return self.operator.run("fairlead", "bootstrap", *words, timeout=timeout)

    def close(self):
        self.site.close()


@unittest.skipIf(site_machines.why_unavailable(), site_machines.why_unavailable())
class Bootstrap(unittest.TestCase):
    """One lab for a story: from machines to a cluster, and what an operator does with it."""

    @classmethod
    def setUpClass(cls):
        cls.lab = BootstrapLab()
        cls.addClassCleanup(cls.lab.close)

    def test_1_from_machines_to_a_cluster(self):
        plan = self.lab.bootstrap("plan", "/srv/site/site.yaml")
        self.assertEqual(plan.returncode, 0, plan.stderr)
        self.assertIn("initialises the cluster", plan.stdout)
        applied = self.lab.bootstrap("apply", "--yes", "/srv/site/site.yaml")
        self.assertEqual(applied.returncode, 0, applied.stdout + applied.stderr)
        nodes = json.loads(self.lab.machines["mast-1"].run("kubectl", "get", "nodes", "-o", "json", env=PATH).stdout)["items"]
        self.assertEqual({node["metadata"]["name"] for node in nodes}, {*CONTROL_PLANES, *WORKERS})

    def test_1a_the_gateways_stand(self):
        """Real ones: the VIP serves the API, and names are answered by a dnsmasq that has no DHCP to do."""
        answers = self.lab.operator.run("curl", "-sk", "--max-time", "5", f"https://{VIP}:6443/readyz")
        self.assertEqual(answers.stdout, "ok", answers.stderr)
        named = self.lab.operator.run("dig", "+short", "+time=2", "@192.168.1.1", "mast-2.kube.demo")
        self.assertEqual(named.stdout.strip(), "192.168.1.12")
        for name in GATEWAYS:
            log = self.lab.machines[name].read("/var/log/fairleadd.stub.log")
            self.assertNotIn("DNSMASQ_ENDED", log)

    def test_2_again_there_is_nothing_to_do(self):
        plan = self.lab.bootstrap("plan", "--exit-code", "/srv/site/site.yaml")
        self.assertEqual(plan.returncode, 0, plan.stdout + plan.stderr)
        applied = self.lab.bootstrap("apply", "--yes", "--json", "/srv/site/site.yaml")
        self.assertEqual(json.loads(applied.stdout.splitlines()[-1])["steps"], 0)

    def test_3_secrets_stay_where_they_belong(self):
        """state_dir is the operator's alone; what was secret in the run stands in no journal; nothing is left on the machines."""
        operator = self.lab.operator
        self.assertEqual(operator.mode("/srv/site/demo.state"), 0o700)
        self.assertEqual(operator.mode("/srv/site/demo.state/kubeconfig"), 0o600)
        tokens = {word for machine in CONTROL_PLANES for call in self.lab.machines[machine].calls("kubeadm") for word in call["arguments"] if "." in word and len(word) == 23}
        journal = operator.read("/srv/site/demo.state/journal.jsonl")
        self.assertIn("mast-2/join", journal)
        for machine in [*CONTROL_PLANES, *WORKERS]:
            found = self.lab.machines[machine].run("grep", "-rlE", "certificateKey|token:", "/var/lib/fairlead", "/tmp", "/etc/fairlead")
            self.assertEqual(found.stdout, "", f"a secret is left on {machine}")
        for token in tokens:
            self.assertNotIn(token, journal)
        known = json.loads(self.lab.machines["mast-1"].run("kubectl", "-n", "kube-system", "get", "secrets", "-o", "json", env=PATH).stdout)["items"]
        self.assertNotIn("kubeadm-certs", [secret["metadata"]["name"] for secret in known])

    def test_4_what_was_changed_by_hand_is_found_and_mended(self):
        mast = self.lab.machines["mast-2"]
        before = mast.read("/etc/sysctl.d/60-fairlead-kubernetes.conf")
        mast.write("/etc/sysctl.d/60-fairlead-kubernetes.conf", "net.ipv4.ip_forward = 0\n")
        plan = self.lab.bootstrap("plan", "--exit-code", "/srv/site/site.yaml")
        self.assertEqual(plan.returncode, 5, plan.stdout + plan.stderr)
        self.assertIn("60-fairlead-kubernetes.conf differs", plan.stdout)
        self.assertEqual(self.lab.bootstrap("apply", "--yes", "/srv/site/site.yaml").returncode, 0)
        self.assertEqual(mast.read("/etc/sysctl.d/60-fairlead-kubernetes.conf"), before)

    def test_5_killed_in_the_middle_of_a_step_it_goes_on_and_does_nothing_twice(self):
        """A worker is reset, and joins again; the operator's program dies at each of three points, and is started again."""
        node = self.lab.machines["node-2"]
        for point in ("join:before", "join:after"):
            with self.subTest(point=point):
                reset = self.lab.bootstrap("reset", "--machine", "node-2", "--yes", "--yes-destroy", "node-2", "/srv/site/site.yaml")
                self.assertEqual(reset.returncode, 0, reset.stdout + reset.stderr)
                joins = len(self._joins(node))
                node.hold_at(point)
                dying = self.lab.operator.spawn(["fairlead", "bootstrap", "apply", "--yes", "/srv/site/site.yaml"], f"apply-{point}")
                wait_for(node.is_held, 60, f"kubeadm is at {point}: {dying.stdout()[-500:]} {dying.stderr()[-500:]}")
                dying.kill()
                node.let_go()
                applied = self.lab.bootstrap("apply", "--yes", "/srv/site/site.yaml")
                self.assertEqual(applied.returncode, 0, applied.stdout + applied.stderr)
                self.assertEqual(len(self._joins(node)), joins + 1, "kubeadm join ran once")
                self.assertEqual(self.lab.bootstrap("plan", "--exit-code", "/srv/site/site.yaml").returncode, 0)

    def test_6_two_operators_exclude_each_other(self):
        node = self.lab.machines["node-1"]
        self.assertEqual(self.lab.bootstrap("reset", "--machine", "node-1", "--yes", "--yes-destroy", "node-1", "/srv/site/site.yaml").returncode, 0)
        node.hold_at("join:before")
        first = self.lab.operator.spawn(["fairlead", "bootstrap", "apply", "--yes", "/srv/site/site.yaml"], "first")
        try:
            wait_for(node.is_held, 60, "the first one works")
            second = self.lab.bootstrap("apply", "--yes", "/srv/site/site.yaml")
            self.assertEqual(second.returncode, 5, second.stdout + second.stderr)
            self.assertIn("root on operator", second.stderr)
        finally:
            node.let_go()
        wait_for(lambda: not first.running, 60, "the first one ends")
        self.assertIn("Done:", first.stdout())

    @staticmethod
    def _joins(machine):
        return [call for call in machine.calls("kubeadm") if call["arguments"][:1] == ["join"]]


if __name__ == "__main__":
    unittest.main()
