"""`fairlead bootstrap` over real sshd: 3 control planes, 2 workers and 2 gateways, with real fairleadd, Corosync and etcd; kubeadm and its
like are stubs (support/kube_stub)."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import site_machines  # noqa: E402
from support.bootstrap_lab import CONTROL_PLANES, GATEWAYS, PATH, VIP, WORKERS, BootstrapLab, FirstAnswers, now, stub_seconds  # noqa: E402
from support.waiting import SCALE, wait_for  # noqa: E402


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
        busy, first, began = max(1, os.getloadavg()[0] / os.cpu_count()), FirstAnswers(self.lab.operator, ("192.168.1.11", VIP)), now()
        self.addCleanup(first.close)
        applied = self.lab.bootstrap("apply", "--yes", "/srv/site/site.yaml")
        took = now() - began
        self.assertEqual(applied.returncode, 0, applied.stdout + applied.stderr)
        stubs = stub_seconds((machine for machine in self.lab.machines.values() if machine.is_stub), began, began + took)
        served = first.at[VIP] - first.at["192.168.1.11"]
        if os.environ.get("FL_FIGURES"):
            print(f"FIGURE the VIP serves {served:.2f} s after the API server's first 200; load {busy:.1f}", flush=True)
            print(f"FIGURE bring-up {took:.1f} s, {took - stubs:.1f} s of them beside the stubs", flush=True)
            self.assertLess(took - stubs, 5 * SCALE * busy)
        self.assertLess(served, 1 * SCALE * busy)
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
