"""What the smaller site of test_bootstrap.py has not: an etcd of its own, a witness, a bastion, the site's own CA and SSH authority, in one site
over real sshd. etcd, Corosync with its qnetd and qdevice, and fairleadd are real; kubeadm and its like are stubs (support/kube_stub)."""
import json
import os
import pwd
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import qnetd, site_machines  # noqa: E402
from support.bootstrap_lab import FLANNEL, PATH, SITE, VIP  # noqa: E402
from support.cluster_probe import main  # noqa: E402
from support.site_machines import Site  # noqa: E402
from support.vip_client import VipClient  # noqa: E402
from support.waiting import wait_for  # noqa: E402

STATE = "/srv/site/demo.state"
BASTION_CONFIG = os.path.join(pwd.getpwnam("root").pw_dir, ".kube/config")   # The machines' files are this one's, with a layer of their own.
MACHINES = {
    "gate-1": ("gateway", {"dmz": "192.168.4.130", "mast": "192.168.1.2"}),
    "gate-2": ("gateway", {"dmz": "192.168.4.131", "mast": "192.168.1.3"}),
    "bastion": ("bastion, witness", {"dmz": "192.168.4.140"}),
    "etcd-1": ("etcd", {"mast": "192.168.1.101"}),
    "etcd-2": ("etcd", {"mast": "192.168.1.102"}),
    "etcd-3": ("etcd", {"mast": "192.168.1.103"}),
    "mast-1": ("control-plane", {"mast": "192.168.1.11"}),
    "mast-2": ("control-plane", {"mast": "192.168.1.12"}),
}
ROWS = "".join(f"  - {{name: {name}, roles: [{roles}], addresses: {{{', '.join(f'{n}: {a}' for n, a in at.items())}}}}}\n" for name, (roles, at) in MACHINES.items())
TEXT = f"""apiVersion: fairlead/v1
kind: Site
name: demo
domain: kube.demo
state_dir: {STATE}
ssh: {{user: root, key: /etc/ssh/operator_key, parallel: 8}}
versions:
  kubernetes: 1.36.4
  containerd: {{version: 1.7.24, source: debian}}
networks:
  - {{name: dmz, cidr: 192.168.4.0/24, router: 192.168.4.254}}
  - {{name: mast, cidr: 192.168.1.0/24, router: 192.168.1.254}}
machines:
{ROWS}gateways:
  profile: fast
  links: [dmz, mast]
  vips:
    - {{name: api, address: {VIP}, network: dmz, listen: [6443], to: {{role: control-plane, ports: [6443]}}}}
kubernetes:
  endpoint: api
  pods: 10.244.0.0/16
  services: 10.96.0.0/12
  etcd: external
  addons:
    - {{name: flannel, manifest: flannel.yml, ready: daemonset/kube-flannel/kube-flannel-ds}}
pki: {{ca: site, ssh_ca: true, algorithm: ECDSA-P256}}
"""


@unittest.skipIf(site_machines.why_unavailable() or qnetd.why_unavailable(), site_machines.why_unavailable() or qnetd.why_unavailable())
class Roles(unittest.TestCase):
    """One lab, one story: the tests go on from one another."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site({"dmz": "192.168.4.0/24", "mast": "192.168.1.0/24"})
        cls.addClassCleanup(cls.site.close)
        cls.machines = {name: cls.site.machine(name, at, "192.168.1.254" if list(at) == ["mast"] else None,
                                               etcd_in_images_only=name.startswith(("etcd", "mast"))) for name, (_, at) in MACHINES.items()}
        # The bastion reaches the VIP in its own network.
        cls.operator = cls.site.operator()
        cls.operator.write(SITE, TEXT)
        cls.operator.write("/srv/site/flannel.yml", FLANNEL)

    def _does(self, *words, code=0):
        done = self.operator.run("fairlead", "bootstrap", *words, SITE, timeout=300)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def _nodes(self, on="mast-1"):
        done = self.machines[on].run("kubectl", "get", "nodes", "-o", "json", env=PATH)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {node["metadata"]["name"] for node in json.loads(done.stdout)["items"]}

    def test_1_comes_up_and_then_there_is_nothing_to_do(self):
        self._does("apply", "--yes")
        self.assertEqual(self._nodes(), {"mast-1", "mast-2"})
        self._does("plan", "--exit-code")

    def test_2_etcd_runs_on_its_own_machines(self):
        pod = self.machines["etcd-1"].run("crictl", "ps", "-q", "--name", "^etcd$", env=PATH).stdout.strip()
        pki = "/etc/kubernetes/pki/etcd"
        listed = self.machines["etcd-1"].run("crictl", "exec", pod, "etcdctl", "--endpoints=https://127.0.0.1:2379", f"--cacert={pki}/ca.crt",
                                             f"--cert={pki}/healthcheck-client.crt", f"--key={pki}/healthcheck-client.key", "member", "list", env=PATH)
        self.assertEqual({line.split(", ")[2] for line in listed.stdout.splitlines() if ", started, " in line}, {"etcd-1", "etcd-2", "etcd-3"}, listed.stderr)
        for name in ("mast-1", "mast-2"):
            self.assertFalse(self.machines[name].exists("/etc/kubernetes/manifests/etcd.yaml"))
            self.assertTrue(self.machines[name].exists("/usr/bin/etcdctl"), "a control plane without etcd gets a client of it")
        for name in ("etcd-1", "etcd-2", "etcd-3"):
            self.assertFalse(self.machines[name].exists(f"{pki}/ca.key"), "etcd's CA key is in state_dir only")
        self.assertIn("3 of 3 etcd members healthy", self._does("status"))

    def test_2b_an_etcd_of_its_own_is_saved_and_put_back_by_the_tools_in_its_image(self):
        def objects(name=None):
            if name:
                self.machines["mast-1"].write("/tmp/object.yaml", f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default}}}}\n")
                self.assertEqual(self.machines["mast-1"].run("kubectl", "apply", "-f", "/tmp/object.yaml", env=PATH).returncode, 0)
            return set(self.machines["mast-2"].run("kubectl", "get", "configmaps", env=PATH).stdout.split())
        self.assertEqual(objects("before"), {"before"})
        self.assertIn("of etcd-1 at", self._does("etcd", "snapshot", "--yes"))
        self.assertEqual(objects("after"), {"before", "after"})
        self.assertIn("a majority of etcd is alive", self._does("etcd", "restore", "--yes", code=5))
        destroy = [word for name in ("etcd-1", "etcd-2", "etcd-3") for word in ("--yes-destroy", name)]
        self._does("etcd", "restore", "--yes", "--discard", "demo", *destroy)
        self.assertEqual(objects(), {"before"})
        for name in ("etcd-1", "etcd-2", "etcd-3"):
            self.assertTrue([c for c in self.machines[name].calls("ctr") if "restore" in c["arguments"] and "--help" not in c["arguments"]], name)
        self.assertIn("3 of 3 etcd members healthy", self._does("status"))
        wait_for(lambda: self.operator.run("fairlead", "bootstrap", "plan", "--exit-code", SITE, timeout=300).returncode == 0, 60, "nothing is left to do")

    def test_3_the_cas_are_the_sites_own(self):
        for name in ("ca", "front-proxy-ca", "etcd/ca"):
            self.assertEqual(self.operator.mode(f"{STATE}/pki/{name}.key"), 0o600)
        for name in ("ca", "front-proxy-ca"):
            for machine in ("mast-1", "mast-2"):
                self.assertEqual(self.machines[machine].read(f"/etc/kubernetes/pki/{name}.crt"), self.operator.read(f"{STATE}/pki/{name}.crt"))
        self.assertEqual(self.machines["etcd-2"].read("/etc/kubernetes/pki/etcd/ca.crt"), self.operator.read(f"{STATE}/pki/etcd/ca.crt"))

    def test_4_the_bastion_has_a_kubeconfig_that_works(self):
        self.assertEqual(self.machines["bastion"].mode(BASTION_CONFIG), 0o600)
        seen = self.machines["bastion"].run("kubectl", "--kubeconfig", BASTION_CONFIG, "get", "nodes", "-o", "name", env=PATH)
        self.assertEqual(sorted(seen.stdout.split()), ["node/mast-1", "node/mast-2"], seen.stderr)

    def test_5_the_witness_votes(self):
        for gateway in ("gate-1", "gate-2"):
            said = self.machines[gateway].run("corosync-quorumtool", "-s").stdout
            self.assertIn("Total votes:      3", said, self.machines[gateway].run("corosync-qdevice-tool", "-sv").stdout)
            self.assertRegex(said, r"Qdevice")
        holder = next(name for name in ("gate-1", "gate-2") if VIP in self.machines[name].run("ip", "-o", "addr").stdout)
        with VipClient(self.operator, f"{VIP}:6443") as client:
            self.machines[holder].power_off()
            other = self.machines["gate-2" if holder == "gate-1" else "gate-1"]
            wait_for(lambda: VIP in other.run("ip", "-o", "addr").stdout, 30, "one gateway and the witness are a majority")
        print(f"gateway lost: {client.summary()}", file=sys.stderr)
        client.check(self, gap_max=10)
        self.machines[holder].boot()
        wait_for(lambda: "Total votes:      3" in self.machines[holder].run("corosync-quorumtool", "-s").stdout, 60, "it is back")

    def test_6_host_keys_and_users_by_the_sites_authority(self):
        operator = self.operator
        authority = operator.read(f"{STATE}/ssh/host_ca.pub").split()
        operator.write("/srv/site/only_ca", f"@cert-authority * {authority[0]} {authority[1]}\n")
        operator.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/srv/site/anna")
        signed = operator.run("ssh-keygen", "-s", f"{STATE}/ssh/user_ca", "-I", "anna", "-n", "root", "-V", "+8h", "/srv/site/anna.pub")
        self.assertEqual(signed.returncode, 0, signed.stderr)
        for name, (_, at) in MACHINES.items():
            came = operator.run("ssh", "-F", "none", "-o", "UserKnownHostsFile=/srv/site/only_ca", "-o", "GlobalKnownHostsFile=/dev/null", "-o",
                                "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", "/srv/site/anna",
                                f"root@{next(iter(at.values()))}", "hostname")
            self.assertEqual(came.stdout.strip(), name, came.stderr)

    def test_7_a_machine_installed_anew_is_taken_again_only_when_it_is_said(self):
        self.machines["mast-2"].install_anew()
        said = self._does("apply", "--yes", code=5)
        self.assertIn(f"ssh-keygen -R mast-2 -f {STATE}/known_hosts; rm {STATE}/ssh/hosts/mast-2-cert.pub. If not", said)
        self.operator.run("ssh-keygen", "-R", "mast-2", "-f", f"{STATE}/known_hosts")
        said = self._does("apply", "--yes", code=5)
        self.assertIn(f"rm {STATE}/ssh/hosts/mast-2-cert.pub, and the next apply signs its new key", said)
        self.operator.run("rm", f"{STATE}/ssh/hosts/mast-2-cert.pub")
        self._does("apply", "--yes")
        self.assertEqual(self._nodes(), {"mast-1", "mast-2"})
        self.assertTrue(self.machines["mast-2"].exists("/etc/ssh/ssh_host_ed25519_key-cert.pub"))
        self._does("plan", "--exit-code")

    def test_8_a_dead_member_of_the_external_etcd_is_replaced(self):
        self.machines["etcd-2"].power_off()
        said = self._does("replace-node", "etcd-2", "--yes", "--yes-destroy", "etcd-2", code=5)
        self.assertIn("Do not switch it on again as it is", said)
        self.assertIn("2 of 2 etcd members healthy", self._does("status"))
        self.machines["etcd-2"].install_anew()
        self.operator.run("rm", f"{STATE}/ssh/hosts/etcd-2-cert.pub")
        self.operator.run("ssh-keygen", "-R", "etcd-2", "-f", f"{STATE}/known_hosts")
        self._does("apply", "--yes")
        self.assertIn("3 of 3 etcd members healthy", self._does("status"))
        self.assertFalse(self.machines["etcd-2"].exists("/etc/kubernetes/pki/etcd/ca.key"))
        self._does("plan", "--exit-code")


if __name__ == "__main__":
    main()
