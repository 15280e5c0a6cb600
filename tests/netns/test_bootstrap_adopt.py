"""`fairlead bootstrap adopt` and `add-node`: clusters that exist, made by `apply` and made by hand, become sites whose next plan is empty; over
real sshd, with the stubs of tests/support/kube_stub."""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import site_machines  # noqa: E402
from support.bootstrap_lab import GATEWAYS, PATH, SITE, BootstrapLab  # noqa: E402
from support.site_machines import Site  # noqa: E402

# What a machine may be asked: programs, with the words that change something.
CHANGES = {"kubeadm": ("init", "join", "reset", "token create", "upgrade", "certs"), "apt-get": ("install", "remove"), "apt-mark": ("hold",),
           "systemctl": ("start", "stop", "restart", "enable", "reload"), "kubectl": ("apply", "delete", "label", "taint", "cordon", "drain", "create"),
           "modprobe": ("",), "sysctl": ("",), "swapoff": ("",)}


def nodes_of(machine):
    found = machine.run("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "nodes", "-o", "json", env=PATH)
    return {node["metadata"]["name"]: node for node in json.loads(found.stdout)["items"]}


class Unchanged:
    """What was done on machines, and which files of theirs changed, since it was made."""

    def __init__(self, machines):
        self.machines = machines
        self.calls = {machine.name: len(machine.calls()) for machine in machines}
        for machine in machines:
            machine.write("/var/log/before", "")

    def changes(self):
        out = []
        for machine in self.machines:
            for call in machine.calls()[self.calls[machine.name]:]:
                words = " ".join(call["arguments"])
                if any(words.startswith(word) for word in CHANGES.get(call["program"], ())):
                    out.append(f"{machine.name}: {call['program']} {words}")
            newer = machine.run("find", "/etc", "/var/lib/fairlead", "/usr/local", "-xdev", "-type", "f", "-newer", "/var/log/before")
            out += [f"{machine.name}: {line}" for line in newer.stdout.splitlines()]
        return out


@unittest.skipIf(site_machines.why_unavailable(), site_machines.why_unavailable())
class AdoptsWhatApplyMade(unittest.TestCase):
    """The site's file, its state_dir and its manifests are lost."""

    @classmethod
    def setUpClass(cls):
        cls.lab = BootstrapLab()
        cls.addClassCleanup(cls.lab.close)
        applied = cls.lab.bootstrap("apply", "--yes", SITE)
        assert applied.returncode == 0, applied.stdout + applied.stderr
        cls.lab.operator.run("rm", "-rf", SITE, "/srv/site/demo.state", "/srv/site/flannel.yml")

    def test_1_the_next_plan_is_empty(self):
        unchanged = Unchanged(list(self.lab.machines.values()))
        adopted = self.lab.bootstrap("adopt", "--machine", "mast-1=192.168.1.11", "--machine", "gate-1=192.168.4.130", "--key", "/etc/ssh/operator_key",
                                     "--output", SITE)
        self.assertEqual(adopted.returncode, 0, adopted.stdout + adopted.stderr)
        self.assertIn("The next plan is empty.", adopted.stdout)
        self.assertIn("2 gateways, 3 control planes, 2 workers", adopted.stdout)
        self.assertEqual(unchanged.changes(), [])
        text = self.lab.operator.read(SITE)
        self.assertNotIn("prepare: false", text)
        plan = self.lab.bootstrap("plan", "--exit-code", SITE)
        self.assertEqual(plan.returncode, 0, text + plan.stdout + plan.stderr)
        self.assertEqual(self.lab.operator.mode("/srv/site/site.state/kubeconfig"), 0o600)
        self.assertEqual(self.lab.operator.mode("/srv/site/site.state"), 0o700)

    def test_2_a_second_one_overwrites_nothing(self):
        before = self.lab.operator.read(SITE)
        again = self.lab.bootstrap("adopt", "--machine", "mast-1=192.168.1.11", "--key", "/etc/ssh/operator_key", "--output", SITE)
        self.assertEqual(again.returncode, 5, again.stdout + again.stderr)
        self.assertIn("is there already", again.stderr)
        self.assertEqual(self.lab.operator.read(SITE), before)

    def test_3_what_is_no_cluster_is_refused(self):
        cases = ((("--machine", "mast-9=192.168.1.99"), "no control plane of a cluster answers"), (("--machine", "nonsense"), "write it as NAME=ADDRESS"),
                 (("--machine", "master=192.168.1.11"), "say --machine mast-1=192.168.1.11"))
        for words, said in cases:
            with self.subTest(words=words):
                refused = self.lab.bootstrap("adopt", *words, "--key", "/etc/ssh/operator_key", "--output", "/srv/site/other.yaml")
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn(said, refused.stderr)
                self.assertFalse(self.lab.operator.exists("/srv/site/other.yaml"))

    def test_4_a_machine_more(self):
        """It joins; what differs elsewhere is left as it is; comments of the file stay; the plan is empty afterwards."""
        lab = self.lab
        lab.machines["node-3"] = lab.site.machine("node-3", {"node": "192.168.2.13"}, "192.168.2.254")
        before = lab.operator.read(SITE).replace("networks:\n", "networks:    # as drawn on the wall\n")
        lab.operator.write(SITE, before)
        spoiled = "net.ipv4.ip_forward = 0\n"
        lab.machines["mast-2"].write("/etc/sysctl.d/60-fairlead-kubernetes.conf", spoiled)
        words = ("add-node", "node-3", "--role", "worker", "--address", "node=192.168.2.13", "--label", "zone=c")
        unknown = lab.bootstrap("add-node", "node-4", SITE)
        self.assertEqual(unknown.returncode, 2, unknown.stderr)
        self.assertIn("--role", unknown.stderr)
        wrong = lab.bootstrap("add-node", "node-3", "--role", "worker", "--address", "nod=192.168.2.13", SITE)
        self.assertEqual(wrong.returncode, 3, wrong.stderr)
        dry = lab.bootstrap(*words, "--dry-run", SITE)
        self.assertEqual(dry.returncode, 0, dry.stderr)
        self.assertNotIn("mast-2: writes", dry.stdout)
        self.assertEqual(lab.operator.read(SITE), before, "nothing was written by what failed or was only shown")
        added = lab.bootstrap(*words, "--yes", "--json", SITE)
        self.assertEqual(added.returncode, 0, added.stdout + added.stderr)
        self.assertEqual(nodes_of(lab.machines["mast-1"])["node-3"]["metadata"]["labels"].get("zone"), "c")
        after = lab.operator.read(SITE)
        line = "  - {name: node-3, roles: [worker], addresses: {node: 192.168.2.13}, labels: {zone: c}}\n"
        self.assertIn(line, after)
        self.assertEqual(after.replace(line, ""), before)
        self.assertEqual(lab.machines["mast-2"].read("/etc/sysctl.d/60-fairlead-kubernetes.conf"), spoiled)
        self.assertEqual(lab.bootstrap("apply", "--yes", SITE).returncode, 0)
        plan = lab.bootstrap("plan", "--exit-code", SITE)
        self.assertEqual(plan.returncode, 0, plan.stdout + plan.stderr)
        for name in GATEWAYS:
            self.assertIn("node-3", lab.machines[name].read("/etc/fairlead/fairlead.yaml"))

    def test_5_estimates_go_by_what_such_steps_took(self):
        reset = self.lab.bootstrap("reset", "--machine", "node-3", "--yes", "--yes-destroy", "node-3", SITE)
        self.assertEqual(reset.returncode, 0, reset.stdout + reset.stderr)
        again = self.lab.bootstrap("add-node", "node-3", "--yes", "--json", SITE)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        events = [json.loads(line) for line in again.stdout.splitlines() if line.startswith("{")]
        begin = next(event for event in events if event.get("event") == "begin" and event.get("step") == "node-3/join")
        self.assertLess(begin["left_ms"], 15000, "a join is thought to take 15 s until one was seen")


KUBE = {"kubeadm": "1.36.4-1.1", "kubelet": "1.36.4-1.1", "kubectl": "1.36.4-1.1", "containerd": "1.7.24~ds1-6", "chrony": "4.3-2"}
INIT = """apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 192.168.1.11, bindPort: 6443}
certificateKey: KEY
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: byhand
kubernetesVersion: v1.36.4
controlPlaneEndpoint: 192.168.1.11:6443
networking: {podSubnet: 10.250.0.0/16, serviceSubnet: 10.96.0.0/16, dnsDomain: cluster.local}
apiServer:
  certSANs: [api.example.org]
  extraArgs: [{name: audit-log-maxage, value: "7"}]
controllerManager: {}
scheduler: {}
dns: {}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 200
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
"""


@unittest.skipIf(site_machines.why_unavailable(), site_machines.why_unavailable())
class AdoptsWhatHandsMade(unittest.TestCase):
    """kubeadm init and join by hand, on one network, with nothing of Fairlead's anywhere."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site({"lan": "192.168.1.0/24"})
        cls.addClassCleanup(cls.site.close)
        addresses = {"mast-1": "192.168.1.11", "mast-2": "192.168.1.12", "mast-3": "192.168.1.13", "node-1": "192.168.1.21"}
        cls.machines = {name: cls.site.machine(name, {"lan": address}, "192.168.1.254", KUBE) for name, address in addresses.items()}
        cls.operator = cls.site.operator()
        for machine in cls.machines.values():
            cls._run(machine, "systemctl", "enable", "--now", "containerd")
            cls._run(machine, "systemctl", "enable", "kubelet")
        first = cls.machines["mast-1"]
        key = cls._run(first, "kubeadm", "certs", "certificate-key").strip()
        first.write("/etc/kubernetes/init.yaml", INIT.replace("KEY", key), 0o600)
        cls._run(first, "kubeadm", "init", "--config", "/etc/kubernetes/init.yaml", "--upload-certs")
        joining = cls._run(first, "kubeadm", "token", "create", "--print-join-command").split()
        for name in ("mast-2", "mast-3", "node-1"):
            plane = "" if name == "node-1" else f"controlPlane: {{localAPIEndpoint: {{advertiseAddress: {addresses[name]}}}, certificateKey: {key}}}\n"
            cls.machines[name].write("/etc/kubernetes/join.yaml", f"apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ndiscovery:\n  bootstrapToken: "
                                     f"{{apiServerEndpoint: {joining[2]}, token: {joining[4]}, caCertHashes: [{joining[6]}]}}\n{plane}", 0o600)
            cls._run(cls.machines[name], "kubeadm", "join", "--config", "/etc/kubernetes/join.yaml")
        # As after two hours.
        cls._run(first, "kubectl", "-n", "kube-system", "delete", "secret", "kubeadm-certs")
        cls._run(first, "kubectl", "label", "node", "node-1", "rack=r1")
        cls._run(first, "kubectl", "taint", "node", "node-1", "dedicated=db:NoSchedule")

    @staticmethod
    def _run(machine, *argv):
        done = machine.run(*argv, env=PATH)
        assert done.returncode == 0, f"{machine.name}: {argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def test_1_the_next_plan_is_empty(self):
        unchanged = Unchanged(list(self.machines.values()))
        adopted = self.operator.run("fairlead", "bootstrap", "adopt", "--machine", "mast-1=192.168.1.11", "--key", "/etc/ssh/operator_key", "--output",
                                    "/srv/byhand.yaml", timeout=120)
        self.assertEqual(adopted.returncode, 0, adopted.stdout + adopted.stderr)
        text = self.operator.read("/srv/byhand.yaml")
        self.assertIn("The next plan is empty.", adopted.stdout, text)
        self.assertEqual(unchanged.changes(), [])
        plan = self.operator.run("fairlead", "bootstrap", "plan", "--exit-code", "/srv/byhand.yaml", timeout=120)
        self.assertEqual(plan.returncode, 0, text + plan.stdout + plan.stderr)

    def test_2_what_differs_is_in_the_site_or_listed(self):
        text = self.operator.read("/srv/byhand.yaml")
        for expected in ("name: byhand", 'endpoint: "192.168.1.11:6443"', "pods: 10.250.0.0/16", "maxPods: 200", "mode: nftables", "audit-log-maxage",
                         "api.example.org", "labels: {rack: r1}", 'taints: ["dedicated=db:NoSchedule"]', "prepare: false"):
            self.assertIn(expected, text)
        for zero in ("syncFrequency", "clusterDNS", "crashLoopBackOff", "winkernel", "clientCAFile"):
            self.assertNotIn(zero, text)
        self.assertEqual(len(re.findall("(?<!without )prepare: false", text.split("machines:")[1])), 4)

    def test_3_a_machine_that_fairlead_prepares_joins_it(self):
        """The site that was adopted is one to go on with."""
        self.machines["node-2"] = self.site.machine("node-2", {"lan": "192.168.1.22"}, "192.168.1.254")
        added = self.operator.run("fairlead", "bootstrap", "add-node", "node-2", "--role", "worker", "--address", "lan=192.168.1.22", "--yes", "/srv/byhand.yaml",
                                  timeout=200)
        self.assertEqual(added.returncode, 0, added.stdout + added.stderr)
        self.assertIn("node-2", nodes_of(self.machines["mast-1"]))
        plan = self.operator.run("fairlead", "bootstrap", "plan", "--exit-code", "/srv/byhand.yaml", timeout=120)
        self.assertEqual(plan.returncode, 0, plan.stdout + plan.stderr)


if __name__ == "__main__":
    unittest.main()
