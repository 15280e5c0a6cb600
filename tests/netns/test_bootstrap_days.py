"""Day two over real sshd: a cluster of 3 control planes, 2 workers and 2 gateways is upgraded, loses a control plane and gets another one,
has its certificates renewed, is changed by its site and by hand, and is taken down. fairleadd, Corosync and etcd are real; kubeadm and its like
are stubs (support/kube_stub). The tests go on from one another, in the order of their names."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import site_machines  # noqa: E402
from support.bootstrap_lab import CONTROL_PLANES, GATEWAYS, PATH, SITE, VIP, WORKERS, BootstrapLab, site_yaml  # noqa: E402
from support.cluster_probe import main  # noqa: E402
from support.vip_client import VipClient  # noqa: E402
from support.waiting import wait_for  # noqa: E402

OLD, NEW, FAR = "1.34.9", "1.35.9", "1.36.4"
STATE = "/srv/site/demo.state"
MEMBERS = ["etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert=/etc/kubernetes/pki/etcd/ca.crt", "--cert=/etc/kubernetes/pki/etcd/server.crt",
           "--key=/etc/kubernetes/pki/etcd/server.key", "member", "list"]


@unittest.skipIf(site_machines.why_unavailable(), site_machines.why_unavailable())
class Days(unittest.TestCase):
    """One lab, one story."""

    @classmethod
    def setUpClass(cls):
        cls.lab = BootstrapLab()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.operator.write(SITE, site_yaml(OLD))
        applied = cls.lab.bootstrap("apply", "--yes", SITE)
        assert applied.returncode == 0, applied.stdout + applied.stderr

    # ---- what is looked at ----

    def _does(self, *words, code=0, timeout=300):
        """`fairlead bootstrap WORDS`, and its exit code. Its output."""
        done = self.lab.bootstrap(*words, SITE, timeout=timeout)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def _kubectl(self, *words, on="mast-1"):
        done = self.lab.machines[on].run("kubectl", *words, env=PATH)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def _nodes(self, on="mast-1"):
        return {node["metadata"]["name"]: node for node in json.loads(self._kubectl("get", "nodes", "-o", "json", on=on))["items"]}

    def _members(self, on="mast-1"):
        """Names of etcd's members that have started."""
        done = self.lab.machines[on].run(*MEMBERS, env=PATH | {"ETCDCTL_API": "3"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return {line.split(", ")[2] for line in done.stdout.splitlines() if ", started, " in line}

    def _pool(self, gateway="gate-1"):
        """Machine -> what its gateway says of it."""
        rows = self.lab.machines[gateway].run("fairlead", "server", "list").stdout.splitlines()
        names = {addresses["mast"]: name for name, addresses in CONTROL_PLANES.items()}
        return {names[word.split(":")[0]]: row for row in rows for word in row.split() if word.split(":")[0] in names}

    def _site(self, *changes, version=NEW, **what):
        """The site as it was, with texts exchanged."""
        text = site_yaml(version, **what)
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.lab.operator.write(SITE, text)

    def _nothing_to_do(self):
        self._does("plan", "--exit-code")

    # ---- 1: an upgrade ----

    def test_1a_two_minors_at_once_and_a_way_down_are_refused(self):
        self._site(version=FAR)
        said = self._does("upgrade", "--yes", code=5)
        self.assertIn("more than one minor above", said)
        self.assertIn("versions.kubernetes: a 1.35 first", said)
        self._site(version="1.33.10")
        self.assertIn("by no upgrade", self._does("upgrade", "--yes", code=5))
        self.assertEqual([c for m in CONTROL_PLANES for c in self.lab.machines[m].calls("kubeadm") if c["arguments"][:1] == ["upgrade"]], [])

    def test_1b_it_stops_at_the_first_failure_and_says_the_way_back(self):
        self._site()
        said = self._does("apply", "--yes")   # The new package source; it upgrades nothing.
        self.assertIn("fairlead bootstrap upgrade changes it", said)
        self.assertEqual({n["status"]["nodeInfo"]["kubeletVersion"] for n in self._nodes().values()}, {f"v{OLD}"})
        self._kubectl("cordon", "node-1")    # Somebody else's.
        self.lab.machines["mast-2"].fail_at("upgrade:before", "[ERROR CoreDNSUnsupportedPlugins]: there are unsupported plugins")
        package = self._package("0.2.0")
        with VipClient(self.lab.operator, f"{VIP}:6443") as client:
            said = self._does("upgrade", "--yes", "--package", package, code=1)
        self.assertIn("mast-2/upgrade", said)
        self.assertIn("CoreDNSUnsupportedPlugins", said)
        self.assertIn("the way back: etcd restored from", said)
        backup = f"{STATE}/backups/etcd-before-{NEW}.db"
        self.assertEqual(self.lab.operator.mode(backup), 0o600)
        status = self.lab.operator.run("etcdctl", "snapshot", "status", backup, "-w", "json", env=PATH | {"ETCDCTL_API": "3"})
        self.assertGreater(json.loads(status.stdout)["totalKey"], 0, status.stderr)
        versions = {name: node["status"]["nodeInfo"]["kubeletVersion"] for name, node in self._nodes().items()}
        self.assertEqual(versions, {"mast-1": f"v{NEW}"} | dict.fromkeys(("mast-2", "mast-3", "node-1", "node-2"), f"v{OLD}"))
        for gateway in GATEWAYS:
            self.assertIn("0.2.0", self.lab.machines[gateway].run("fairleadd", "--version").stdout)
        print(f"upgrade, first part: {client.summary()}", file=sys.stderr)
        client.check(self, gap_max=5)

    def test_1c_killed_in_the_middle_of_a_node_it_goes_on(self):
        mast = self.lab.machines["mast-2"]
        mast.write("/etc/stub/fail", "")
        mast.hold_at("upgrade:middle")
        with VipClient(self.lab.operator, f"{VIP}:6443") as client:
            dying = self.lab.operator.spawn(["fairlead", "bootstrap", "upgrade", "--yes", SITE], "upgrade-dying")
            wait_for(mast.is_held, 90, f"kubeadm is in the middle: {dying.stdout()[-800:]} {dying.stderr()[-800:]}")
            for gateway in GATEWAYS:
                pool = self._pool(gateway)
                self.assertIn("maint", pool["mast-2"], gateway)
                self.assertNotIn("maint", pool["mast-1"] + pool["mast-3"], gateway)
            self.assertTrue(self._nodes()["mast-2"]["spec"].get("unschedulable"))
            dying.kill()
            self.assertIn("taken away from root on operator", self._does("unlock"))   # Or a minute later by itself.
            mast.let_go()
            wait_for(lambda: self._ended("mast-2", "upgrade"), 60, "what kubeadm began there goes on, and ends")
            self._does("upgrade", "--yes")
        print(f"upgrade, second part: {client.summary()}", file=sys.stderr)
        client.check(self, gap_max=5)
        nodes = self._nodes()
        self.assertEqual({node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes.values()}, {f"v{NEW}"})
        self.assertEqual({name for name, node in nodes.items() if node["spec"].get("unschedulable")}, {"node-1"})
        for gateway in GATEWAYS:
            self.assertFalse([row for row in self._pool(gateway).values() if "maint" in row])
        upgrades = {name: [c["arguments"][1] for c in self.lab.machines[name].calls("kubeadm") if c["arguments"][:1] == ["upgrade"]]
                    for name in (*CONTROL_PLANES, *WORKERS)}
        self.assertEqual(upgrades["mast-1"], ["plan", "apply"])
        self.assertEqual(upgrades["mast-2"], ["node", "node"], "the one that failed, and the one that outlived its caller")
        self.assertEqual([upgrades[name] for name in ("mast-3", "node-1", "node-2")], [["node"]] * 3)

    def test_1d_a_second_upgrade_has_nothing_to_do(self):
        self.assertIn("Nothing to do", self._does("upgrade", "--yes"))
        self._kubectl("uncordon", "node-1")
        self._nothing_to_do()

    # ---- 2: machines that go and come ----

    def test_2a_a_control_plane_that_does_not_answer_is_replaced(self):
        mast = self.lab.machines["mast-3"]
        mast.power_off()
        said = self._does("replace-node", "mast-3", "--yes", code=5)
        self.assertIn("--yes-destroy mast-3", said)
        self.assertEqual(self._members(), set(CONTROL_PLANES))
        said = self._does("replace-node", "mast-3", "--yes", "--yes-destroy", "mast-3", code=5)
        self.assertIn("Do not switch it on again as it is", said)
        self.assertIn("mast-3: not read", said)
        self.assertEqual(self._members(), {"mast-1", "mast-2"})
        self.assertNotIn("mast-3", self._nodes())
        mast.install_anew()
        said = self._does("apply", "--yes", code=5)
        remedy = next(line for line in said.splitlines() if "ssh-keygen -R" in line)
        command = remedy[remedy.index("ssh-keygen"):].split(". If")[0].split()
        self.assertEqual(self.lab.operator.run(*command).returncode, 0, command)
        self._does("apply", "--yes")
        self.assertEqual(self._members(), set(CONTROL_PLANES))
        self.assertEqual(set(self._nodes()), {*CONTROL_PLANES, *WORKERS})
        self._pool_is_up()

    def test_2b_one_that_answers_is_replaced_without_anybody_outside_noticing(self):
        before = self._member_ids()
        with VipClient(self.lab.operator, f"{VIP}:6443") as client:
            self._does("replace-node", "mast-2", "--yes", "--yes-destroy", "mast-2")
        print(f"replace-node: {client.summary()}", file=sys.stderr)
        client.check(self, gap_max=5)
        after = self._member_ids()
        self.assertEqual(set(after), set(CONTROL_PLANES))
        self.assertEqual({name for name in after if after[name] != before[name]}, {"mast-2"})
        self._pool_is_up()
        self._nothing_to_do()

    def test_2c_a_worker_is_removed_and_joins_again_while_the_site_has_it(self):
        self._does("remove-node", "node-2", "--yes", "--yes-destroy", "node-2")
        self.assertNotIn("node-2", self._nodes())
        self.assertFalse(self.lab.machines["node-2"].exists("/etc/kubernetes/kubelet.conf"))
        self._does("apply", "--yes")
        self.assertIn("node-2", self._nodes())

    def test_2d_what_would_cost_the_quorum_is_refused_and_nothing_is_drained(self):
        mast = self.lab.machines["mast-2"]
        mast.power_off()
        try:
            said = self._does("remove-node", "mast-3", "--yes", "--yes-destroy", "mast-3", code=5)
            self.assertIn("of mast-3 is not removed", said)
            self.assertFalse(self._nodes()["mast-3"]["spec"].get("unschedulable"))
        finally:
            mast.boot()
        wait_for(lambda: self.lab.bootstrap("plan", "--exit-code", SITE).returncode == 0, 120, "mast-2 is back")

    def test_2e_the_gateways_follow_when_the_site_has_one_less_and_one_more(self):
        self._does("remove-node", "mast-3", "--yes", "--yes-destroy", "mast-3")
        self.assertEqual(self._members(), {"mast-1", "mast-2"})
        self._site(control_planes={name: at for name, at in CONTROL_PLANES.items() if name != "mast-3"})
        self._does("apply", "--yes")
        for gateway in GATEWAYS:
            self.assertEqual(set(self._pool(gateway)), {"mast-1", "mast-2"}, gateway)
        self._site()
        self._does("apply", "--yes")
        self.assertEqual(self._members(), set(CONTROL_PLANES))
        self._pool_is_up()

    def _member_ids(self):
        done = self.lab.machines["mast-1"].run(*MEMBERS, env=PATH | {"ETCDCTL_API": "3"})
        return {line.split(", ")[2]: line.split(", ")[0] for line in done.stdout.splitlines()}

    def _pool_is_up(self):
        for gateway in GATEWAYS:
            wait_for(lambda g=gateway: {name: "up" in row.split() for name, row in self._pool(g).items()} == dict.fromkeys(CONTROL_PLANES, True), 30,
                     f"{gateway} sends to all: {self._pool(gateway)}")

    # ---- 3: certificates ----

    def test_3a_what_ends_soon_is_said(self):
        for name in ("mast-1", "mast-3"):
            self._age(name, 12)
        for verb in ("plan", "status"):
            said = self._does(verb)
            self.assertIn("mast-1: /etc/kubernetes/pki/apiserver.crt ends in 11 days: fairlead bootstrap renew-certs", said)
            self.assertNotIn("mast-2: /etc/kubernetes/pki/apiserver.crt", said)
        self.assertEqual(self._served("mast-1"), self._serial("mast-1"), "the short one is served")

    def test_3b_renewed_one_machine_and_one_pod_at_a_time_also_after_it_was_killed(self):
        old = {name: self._serial(name) for name in CONTROL_PLANES}
        mast = self.lab.machines["mast-1"]
        mast.hold_at("renew:after")
        stops = {name: len(self._stops(name)) for name in CONTROL_PLANES}
        with VipClient(self.lab.operator, f"{VIP}:6443") as client:
            dying = self.lab.operator.spawn(["fairlead", "bootstrap", "renew-certs", "--yes", SITE], "renew-dying")
            wait_for(mast.is_held, 60, f"it renews: {dying.stdout()[-500:]} {dying.stderr()[-500:]}")
            self.assertEqual(self._serial("mast-3"), old["mast-3"], "one machine after the other")
            dying.kill()
            self._does("unlock")
            mast.let_go()
            # The script on the machine goes on, and ends, without anybody who would fetch the kubeconfig then.
            wait_for(lambda: self._served("mast-1") == self._serial("mast-1") != old["mast-1"] and self._ended("mast-1", "renew"), 60, "mast-1 is renewed")
            self._does("renew-certs", "--yes")
        print(f"renew-certs: {client.summary()}", file=sys.stderr)
        client.check(self, gap_max=5)
        for name in CONTROL_PLANES:
            self.assertEqual(self._served(name), self._serial(name), name)
            self.assertEqual(self._serial(name) == old[name], name == "mast-2", name)
            self.assertEqual(len(self._stops(name)) - stops[name], 0 if name == "mast-2" else 4, "etcd and the three of Kubernetes, each once")
        self.assertIn(self.lab.operator.read(f"{STATE}/kubeconfig"), [self.lab.machines[name].read("/etc/kubernetes/admin.conf") for name in CONTROL_PLANES])
        self._pool_is_up()
        self.assertIn("Nothing to do", self._does("renew-certs", "--yes"))
        self.assertNotIn("renew-certs", self._does("status"))

    def _age(self, name, days):
        """Its certificates end in so many days, and its API server serves the new one."""
        text = ("import sys; sys.path.insert(0, '/opt/kube_stub'); import stub_kubeadm, yaml\n"
                "config = yaml.safe_load(stub_kubeadm._admin({}).get('configmaps', 'kube-system', 'kubeadm-config')['data']['ClusterConfiguration'])\n"
                f"stub_kubeadm._renew(config | {{'certificateValidityPeriod': '{24 * days}h0m0s'}})\n")
        done = self.lab.machines[name].run("/usr/bin/python3", "-B", "-c", text, env=PATH)
        self.assertEqual(done.returncode, 0, done.stderr)
        pod = self.lab.machines[name].run("crictl", "ps", "-q", "--name", "^kube-apiserver$", env=PATH).stdout.strip()
        self.lab.machines[name].run("crictl", "stopp", "s" + pod, env=PATH)
        wait_for(lambda: self._served(name) == self._serial(name), 30, f"{name} serves the short one")

    def _serial(self, name):
        return self.lab.machines[name].run("openssl", "x509", "-noout", "-serial", "-in", "/etc/kubernetes/pki/apiserver.crt").stdout.strip()

    def _served(self, name):
        """As the operator's machine sees it."""
        at = CONTROL_PLANES[name]["mast"]
        return self.lab.operator.run("sh", "-c", f"openssl s_client -connect {at}:6443 </dev/null 2>/dev/null | openssl x509 -noout -serial").stdout.strip()

    def _stops(self, name):
        return [call for call in self.lab.machines[name].calls("crictl") if call["arguments"][:1] == ["stopp"]]

    def _ended(self, name, verb):
        return self.lab.machines[name].run("sh", "-c", f"ls /var/lib/fairlead/bootstrap/runs/*/{name}%2F{verb}.?/rc").returncode == 0

    # ---- 4: changes of the site, and by hand ----

    def test_4a_vip_record_label_addon_and_a_gateway_are_taken_over(self):
        gate = {"dmz": "192.168.4.132", "mast": "192.168.1.4", "node": "192.168.2.4"}
        self.lab.machines["gate-3"] = self.lab.site.machine("gate-3", gate)
        self.addClassCleanup(GATEWAYS.pop, "gate-3", None)
        GATEWAYS["gate-3"] = gate
        self.lab.operator.write("/srv/site/flannel.yml", self.lab.operator.read("/srv/site/flannel.yml") + "---\n{apiVersion: v1, kind: ConfigMap, "
                                "metadata: {name: kube-flannel-cfg, namespace: kube-flannel}}\n")
        self._site(self.LABEL, self.VIP_AND_RECORD[0], self.VIP_AND_RECORD[1])
        with VipClient(self.lab.operator, f"{VIP}:6443") as client:
            self._does("apply", "--yes")
        print(f"site changed: {client.summary()}", file=sys.stderr)
        client.check(self, gap_max=5)
        self.assertEqual(self._nodes()["node-1"]["metadata"]["labels"].get("zone"), "a")
        self.assertIn({"key": "only", "value": "batch", "effect": "NoSchedule"}, self._nodes()["node-1"]["spec"]["taints"])
        self.assertIn("kube-flannel-cfg", self._kubectl("-n", "kube-flannel", "get", "configmaps"))
        for gateway in GATEWAYS:
            self.assertIn("web ", self.lab.machines[gateway].run("fairlead", "vip", "list").stdout)
            self.assertRegex(self.lab.machines[gateway].run("corosync-quorumtool", "-s").stdout, r"Nodes: +3\n")
        named = self.lab.operator.run("dig", "+short", "+time=2", "@192.168.1.1", "shop.kube.demo")
        self.assertEqual(named.stdout.strip(), "192.168.4.21")
        self._nothing_to_do()

    LABEL = ("roles: [worker], addresses: {node: 192.168.2.11}", "roles: [worker], labels: {zone: a}, taints: ['only=batch:NoSchedule'], "
             "addresses: {node: 192.168.2.11}")
    VIP_AND_RECORD = (("to: {role: control-plane, ports: [6443]}}\n", "to: {role: control-plane, ports: [6443]}}\n    - {name: web, address: 192.168.4.21, "
                       "network: dmz, listen: [80], to: {role: worker, ports: [30080]}}\n"),
                      ("records: [{name: api, address: 192.168.4.20}]", "records: [{name: api, address: 192.168.4.20}, {name: shop, address: 192.168.4.21}]"))

    def test_4b_what_was_changed_by_hand_is_shown_by_status(self):
        gate, mast, node = (self.lab.machines[name] for name in ("gate-2", "mast-1", "node-1"))
        for machine, path in ((gate, "/etc/fairlead/fairlead.yaml"), (mast, "/etc/kubernetes/manifests/kube-scheduler.yaml"), (node, "/var/lib/kubelet/config.yaml")):
            machine.write(path, machine.read(path) + "# by hand\n")
        said = self._does("status")
        self.assertIn("mast-1: /etc/kubernetes/manifests/kube-scheduler.yaml is not as kubeadm wrote it", said)
        self.assertIn("node-1: /var/lib/kubelet/config.yaml is not as kubeadm wrote it", said)
        self.assertRegex(said, r"gate-2 .*[0-9] step")
        self.assertIn("/etc/fairlead/fairlead.yaml differs", self._does("plan"))
        self._does("apply", "--yes")
        self.assertNotIn("by hand", gate.read("/etc/fairlead/fairlead.yaml"))

    # ---- 5: verify ----

    def test_5_verify_tells_what_is_broken(self):
        self._does("verify", "--yes")
        node = self.lab.machines["node-2"]
        node.run("systemctl", "stop", "kubelet", env=PATH)
        wait_for(lambda: self._nodes()["node-2"]["status"]["conditions"][0]["status"] != "True", 30, "the API has noticed")
        said = self._does("verify", "--yes", code=1)
        self.assertIn("every node is Ready: not so within", said)
        self.assertIn("node-2", said)
        node.run("systemctl", "start", "kubelet", env=PATH)
        wait_for(lambda: self._nodes()["node-2"]["status"]["conditions"][0]["status"] == "True", 30, "it is Ready again")
        dns = json.loads(self._kubectl("-n", "kube-system", "get", "deployments", "coredns", "-o", "json"))
        self._kubectl("-n", "kube-system", "delete", "deployments", "coredns")
        self.assertIn("a pod does not resolve kubernetes.default", self._does("verify", "--yes", code=1))
        self.lab.machines["mast-1"].write("/srv/dns.json", json.dumps(dns | {"kind": "Deployment"}))
        self._kubectl("apply", "-f", "/srv/dns.json")
        for name in ("mast-1", "mast-2"):
            self._at_gateway("maint", name)
        self.assertIn("api/mast-3 is the only server of its pool that takes connections", self._does("verify", "--yes", code=1))
        for name in ("mast-1", "mast-2"):
            self._at_gateway("ready", name)
        self._pool_is_up()
        self._does("verify", "--yes")

    def _at_gateway(self, verb, name):
        """At the one that holds the VIP."""
        holder = next(gateway for gateway in GATEWAYS if f" {VIP}/" in self.lab.machines[gateway].run("ip", "-o", "addr").stdout)
        server = self._pool(holder)[name].split()[0]
        self.assertEqual(self.lab.machines[holder].run("fairlead", "server", verb, server).returncode, 0)

    # ---- 9: the end ----

    def test_9_reset_of_the_whole_leaves_machines_and_gateways(self):
        words = [word for name in (*CONTROL_PLANES, *WORKERS) for word in ("--yes-destroy", name)]
        self.assertIn("would be destroyed", self._does("reset", "--yes", *words[:-2], code=5))
        self.assertEqual(len(self._nodes()), 5)
        self._does("reset", "--yes", *words)
        for name in (*CONTROL_PLANES, *WORKERS):
            machine = self.lab.machines[name]
            for path in ("/etc/kubernetes/kubelet.conf", "/etc/kubernetes/admin.conf", "/var/lib/etcd/member", "/etc/kubernetes/manifests/etcd.yaml"):
                self.assertFalse(machine.exists(path), f"{name}: {path}")
        self.assertIn("api", self.lab.machines["gate-1"].run("fairlead", "vip", "list").stdout)
        self.assertIn("Nothing to do", self._does("reset", "--yes"))
        self.assertIn("initialises the cluster", self._does("plan"))

    def _package(self, version):
        """A package of Fairlead's name; its programs say that version and are those of the build else."""
        folder = os.path.join(self.lab.site.lab.dir, f"package-{version}")
        os.makedirs(f"{folder}/DEBIAN")
        os.makedirs(f"{folder}/usr/local/bin")
        with open(f"{folder}/DEBIAN/control", "w", encoding="utf-8") as file:
            file.write(f"Package: fairlead\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: a test\n")
        program = f"{folder}/usr/local/bin/fairleadd"
        real = os.path.join(os.path.abspath(site_machines.BIN), "fairleadd")
        with open(program, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "fairleadd {version}"; exit; fi\nexec {real} "$@"\n')
        os.chmod(program, 0o755)
        path = f"/srv/site/fairlead_{version}_amd64.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", folder, self.lab.operator.root + path], check=True, capture_output=True)
        return path


if __name__ == "__main__":
    main()
