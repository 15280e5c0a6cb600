"""etcd and whole clusters lost and brought back over real sshd: snapshots, a quorum that is gone, machines that are gone, and all of it on empty
machines. etcd, fairleadd and Corosync are real; kubeadm and its like are stubs (support/kube_stub). The tests go on from one another, in the order
of their names."""
import hashlib
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import site_machines  # noqa: E402
from support.bootstrap_lab import CONTROL_PLANES, PATH, SITE, WORKERS, BootstrapLab  # noqa: E402
from support.waiting import wait_for  # noqa: E402

STATE = "/srv/site/demo.state"
BACKUPS = f"{STATE}/backups"
PKI = "/etc/kubernetes/pki"
ETCDCTL = ["etcdctl", "--endpoints=https://127.0.0.1:2379", f"--cacert={PKI}/etcd/ca.crt", f"--cert={PKI}/etcd/server.crt", f"--key={PKI}/etcd/server.key"]
ALL = [word for name in CONTROL_PLANES for word in ("--yes-destroy", name)]


@unittest.skipIf(site_machines.why_unavailable(), site_machines.why_unavailable())
class Backup(unittest.TestCase):
    """One lab, one story."""

    @classmethod
    def setUpClass(cls):
        cls.lab = BootstrapLab()
        cls.addClassCleanup(cls.lab.close)
        applied = cls.lab.bootstrap("apply", "--yes", SITE)
        assert applied.returncode == 0, applied.stdout + applied.stderr

    # ---- what is looked at ----

    def _does(self, *words, code=0, timeout=300):
        done = self.lab.bootstrap(*words, SITE, timeout=timeout)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def _write(self, name, on="mast-1"):
        """An object, by which it is seen later which data etcd has."""
        self.lab.machines[on].write("/tmp/object.yaml", f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default}}}}\n")
        done = self.lab.machines[on].run("kubectl", "apply", "-f", "/tmp/object.yaml", env=PATH)
        self.assertEqual(done.returncode, 0, done.stderr)

    def _objects(self, on="mast-1"):
        done = self.lab.machines[on].run("kubectl", "get", "configmaps", "-o", "json", env=PATH)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {item["metadata"]["name"] for item in json.loads(done.stdout)["items"]}

    def _nodes(self, on="mast-1"):
        done = self.lab.machines[on].run("kubectl", "get", "nodes", "-o", "json", env=PATH)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {node["metadata"]["name"] for node in json.loads(done.stdout)["items"]}

    def _members(self, on="mast-1"):
        done = self.lab.machines[on].run(*ETCDCTL, "member", "list", env=PATH | {"ETCDCTL_API": "3"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return {line.split(", ")[2] for line in done.stdout.splitlines() if ", started, " in line}

    def _snapshots(self):
        return sorted(name for name in os.listdir(self.lab.operator.root + BACKUPS) if name.startswith("etcd-") and name.endswith(".db"))

    def _leads(self, name):
        done = self.lab.machines[name].run("curl", "-sk", "--max-time", "3", "--cert", f"{PKI}/etcd/server.crt", "--key", f"{PKI}/etcd/server.key",
                                           "https://localhost:2379/metrics")
        return "etcd_server_has_leader 1" in done.stdout

    def _break_etcd(self, *names):
        """Its log cannot be read any more: etcd does not start with it."""
        for name in names:
            machine = self.lab.machines[name]
            broken = machine.run("sh", "-c", "for f in /var/lib/etcd/member/wal/*.wal; do dd if=/dev/urandom of=$f bs=4096 count=4 conv=notrunc status=none; done; "
                                             "kill -9 $(pgrep -P 1 -x etcd; pgrep -x etcd) 2>/dev/null; true")
            self.assertEqual(broken.returncode, 0, broken.stderr)
        wait_for(lambda: not any(self._leads(name) for name in CONTROL_PLANES), 60, "etcd has no leader any more")

    def _nothing_to_do(self):
        self._does("plan", "--exit-code")

    # ---- 1: snapshots ----

    def test_1a_a_snapshot_is_looked_at_and_comes_whole(self):
        self._write("first")
        said = self._does("etcd", "snapshot", "--yes")
        name = self._snapshots()[-1]
        path = f"{BACKUPS}/{name}"
        with open(self.lab.operator.root + path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        self.assertIn(f"SHA-256 {digest}", said)
        for each in (path, path + ".json"):
            self.assertEqual(self.lab.operator.mode(each), 0o600)
        status = json.loads(self.lab.operator.run("etcdctl", "snapshot", "status", path, "-w", "json", env=PATH | {"ETCDCTL_API": "3"}).stdout)
        self.assertIn(f"{status['totalKey']} keys, revision {status['revision']}, hash {status['hash']:x}", said)
        left = [m for m in CONTROL_PLANES if [f for f in os.listdir(self.lab.machines[m].root + "/var/lib/etcd") if f.startswith("fairlead-")]]
        self.assertEqual(left, [], "nothing stays on the machines")
        self.assertIn("etcd-snapshot", self._does("logs"))
        self.assertIn(name, self._does("etcd", "snapshot", "--list"))
        type(self).first = path

    def test_1b_as_many_stay_as_was_said(self):
        before = self._snapshots()
        self._write("second")
        self._does("etcd", "snapshot", "--yes", "--keep", "2")
        self._write("third")
        self._does("etcd", "snapshot", "--yes", "--keep", "2")
        left = self._snapshots()
        self.assertEqual(len(left), 2)
        self.assertNotIn(before[0], left)
        self.assertFalse(self.lab.operator.exists(f"{BACKUPS}/{before[0]}.json"))
        type(self).first, type(self).third = (f"{BACKUPS}/{name}" for name in left)

    def test_1c_a_living_majority_is_not_restored_unless_the_site_is_named(self):
        said = self._does("etcd", "restore", "--yes", *ALL, code=5)
        self.assertIn("a majority of etcd is alive: what it holds would be lost", said)
        self.assertIn("--discard demo", said)
        self.assertIn("the site is called demo", self._does("etcd", "restore", "--discard", "other", code=2))
        self.lab.operator.run("cp", "-a", self.third, "/tmp/spoilt.db")
        self.lab.operator.run("cp", "-a", self.third + ".json", "/tmp/spoilt.db.json")
        self.lab.operator.run("sh", "-c", "printf x >>/tmp/spoilt.db")
        self.assertIn("is not as it was when it was taken", self._does("etcd", "restore", "--from", "/tmp/spoilt.db", code=5))
        self.assertEqual(self._members(), set(CONTROL_PLANES))
        self._nothing_to_do()

    # ---- 2: the quorum is lost ----

    def test_2a_what_one_member_has_is_saved_without_a_majority(self):
        self._write("fourth")
        self._break_etcd("mast-2", "mast-3")
        said = self._does("etcd", "snapshot", "--yes", code=5)
        self.assertIn("--machine NAME", said)
        said = self._does("etcd", "snapshot", "--yes", "--machine", "mast-1")
        self.assertIn("etcd has no majority", said)
        type(self).fourth = f"{BACKUPS}/{self._snapshots()[-1]}"

    def test_2b_nothing_is_destroyed_that_was_not_named(self):
        said = self._does("etcd", "restore", "--yes", "--yes-destroy", "mast-1", code=5)
        self.assertIn("data of mast-2, mast-3 would be destroyed", said)
        self.assertTrue(self.lab.machines["mast-1"].exists("/etc/kubernetes/manifests/etcd.yaml"))

    def test_2c_restored_also_when_it_was_killed_twice(self):
        words = ("etcd", "restore", "--yes", *ALL, "--from", self.fourth)
        for name, point in (("mast-2", "ss:before"), ("mast-3", "systemctl-restart-kubelet:before")):
            machine = self.lab.machines[name]
            if point.startswith("ss"):
                # Its data is being replaced: the old one lies aside, or does not yet.
                machine.write("/usr/local/sbin/ss", "#!/bin/sh\ncase $* in *2380*) echo held >/etc/stub/held; while [ ! -e /etc/stub/go ]; do sleep 0.05; done ;; esac\n"
                                                    "exec /usr/bin/ss \"$@\"\n", 0o755)
                for flag in ("held", "go"):
                    if machine.exists(f"/etc/stub/{flag}"):
                        os.unlink(f"{machine.root}/etc/stub/{flag}")
                machine.write("/etc/stub/hold", "")
            else:
                machine.hold_at(point)
            dying = self.lab.operator.spawn(["fairlead", "bootstrap", *words, SITE], f"restore-{name}")
            wait_for(machine.is_held, 120, f"{name} is at {point}: {dying.stdout()[-800:]} {dying.stderr()[-800:]}")
            dying.kill()
            machine.let_go()
            if machine.exists("/usr/local/sbin/ss"):
                os.unlink(f"{machine.root}/usr/local/sbin/ss")
        self._does(*words)
        self.assertEqual(self._members(), set(CONTROL_PLANES))
        self.assertEqual(self._objects(), {"first", "second", "third", "fourth"})
        self.assertEqual(self._nodes(), {*CONTROL_PLANES, *WORKERS})
        for name in CONTROL_PLANES:
            machine = self.lab.machines[name]
            self.assertTrue(machine.exists("/var/lib/etcd/fairlead-before/member/snap/db"), "what was there lies aside")
            self.assertFalse(machine.exists("/var/lib/etcd/fairlead-restore.db"))
            self.assertFalse(machine.exists("/var/lib/fairlead/bootstrap/stopped"))
        wait_for(lambda: self.lab.bootstrap("plan", "--exit-code", SITE).returncode == 0, 60, "nodes are ready again")
        self._write("fifth", on="mast-3")
        self.assertIn("Nothing to do", self._does(*words))
        self.assertIn("fifth", self._objects())

    def test_2d_back_to_a_snapshot_though_a_majority_lives(self):
        self._does("etcd", "restore", "--yes", *ALL, "--discard", "demo", "--from", self.third)
        self.assertEqual(self._objects(on="mast-2"), {"first", "second", "third"})
        wait_for(lambda: self.lab.bootstrap("plan", "--exit-code", SITE).returncode == 0, 60, "nodes are ready again")

    def test_2e_machines_that_are_gone_for_good_are_named_and_replaced(self):
        self._does("etcd", "snapshot", "--yes")
        for name in ("mast-1", "mast-2"):
            self.lab.machines[name].power_off()
        wait_for(lambda: not self._leads("mast-3"), 60, "etcd has no leader any more")
        said = self._does("etcd", "restore", "--yes", "--yes-destroy", "mast-3", code=5)
        self.assertIn("--lost mast-1", said)
        said = self._does("etcd", "restore", "--yes", "--yes-destroy", "mast-3", "--lost", "mast-1", "--lost", "mast-2")
        self.assertIn("never switch on again as it is: mast-1, mast-2", said)
        self.assertEqual(self._members(on="mast-3"), {"mast-3"})
        for name in ("mast-1", "mast-2"):
            self.lab.machines[name].install_anew()
        os.unlink(self.lab.operator.root + f"{STATE}/known_hosts")
        self._does("apply", "--yes")
        self.assertEqual(self._members(), set(CONTROL_PLANES))
        self.assertEqual(self._objects(), {"first", "second", "third"})
        self._nothing_to_do()

    # ---- 3: everything is lost ----

    def test_3a_an_archive_holds_all_and_is_readable_by_its_passphrase_alone(self):
        operator = self.lab.operator
        operator.write("/etc/pass", "a passphrase of several words\n", 0o600)
        said = self._does("backup", "--yes", "--passphrase-file", "/etc/pass")
        self.assertIn("encrypted", said)
        archive = next(line.split(":")[0] for line in said.splitlines() if line.startswith(f"{BACKUPS}/backup-"))
        self.assertEqual(operator.mode(archive), 0o600)
        self.assertFalse(operator.exists(f"{BACKUPS}/.backup"), "nothing stays in the clear")
        opened = operator.run("sh", "-c", f"openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -in {archive} -pass file:/etc/pass | tar -tf -")
        for name in ("manifest.json", "etcd.db", "site.yaml", "admin.conf", "kubeadm-config.yaml", "pki/sa.key", "pki/ca.key", "pki/etcd/ca.key",
                     "gateways/gate-1/fairlead.yaml", "gateways/gate-2/authkey"):
            self.assertIn(name, opened.stdout.splitlines())
        self.assertIn("site demo, Kubernetes 1.36.4, stacked etcd", self._does("backup", "--list", "--passphrase-file", "/etc/pass"))
        operator.write("/etc/wrong", "another one\n", 0o600)
        self.assertIn("the passphrase is another one", self._does("restore", "--from", archive, "--passphrase-file", "/etc/wrong", code=1))
        self.assertIn("--passphrase-file", self._does("restore", "--from", archive, code=1))
        self.assertIn("was not restored from this archive", self._does("restore", "--yes", "--from", archive, "--passphrase-file", "/etc/pass", code=5))
        self._write("after")
        operator.run("cp", archive, "/srv/backup.tar.enc")

    def test_3b_restored_onto_empty_machines_also_when_it_was_killed(self):
        operator = self.lab.operator
        before = {name: operator.run("sh", "-c", f"openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -in /srv/backup.tar.enc -pass file:/etc/pass | "
                                     f"tar -xOf - pki/{name} | sha256sum").stdout for name in ("sa.pub", "ca.crt")}
        for name in (*CONTROL_PLANES, *WORKERS):
            self.lab.machines[name].install_anew()
        operator.run("rm", "-rf", STATE)    # The operator's machine is another one, too.
        words = ("restore", "--yes", "--from", "/srv/backup.tar.enc", "--passphrase-file", "/etc/pass")
        mast = self.lab.machines["mast-1"]
        mast.hold_at("init:kubeconfigs")
        dying = operator.spawn(["fairlead", "bootstrap", *words, SITE], "restore-dying")
        wait_for(mast.is_held, 180, f"kubeadm initialises: {dying.stdout()[-800:]} {dying.stderr()[-800:]}")
        dying.kill()
        mast.run("sh", "-c", "kill -9 $(pgrep -f '^kubeadm init')")
        mast.let_go()
        self._does(*words, timeout=500)
        self.assertEqual(self._nodes(), {*CONTROL_PLANES, *WORKERS})
        self.assertEqual(self._members(), set(CONTROL_PLANES))
        self.assertEqual(self._objects(), {"first", "second", "third"}, "what was written before the backup, and nothing after it")
        for name in CONTROL_PLANES:
            for file, digest in before.items():
                self.assertEqual(self.lab.machines[name].run("sh", "-c", f"sha256sum <{PKI}/{file}").stdout, digest, f"{file} of {name}")
        self.assertFalse(operator.exists(f"{STATE}/restore"), "nothing stays in the clear")
        self._nothing_to_do()
        self.assertIn("Nothing to do", self._does(*words))

    # ---- 4: what the machines recorded ----

    def test_4_logs_of_one_machine(self):
        said = self._does("logs", "--machine", "mast-2")
        self.assertIn("mast-2/join", said)
        self.assertRegex(said, r"  mast-2/join\.\d+  done")
        self.assertIn("This node has joined the cluster", said)
        self.assertNotIn("mast-3/join", said)
        secrets = {line for name in CONTROL_PLANES for line in self.lab.machines[name].read("/var/log/stub_secrets").split()}
        for name in CONTROL_PLANES:
            said = self._does("logs", "--machine", name)
            self.assertEqual([secret for secret in secrets if secret in said], [])
        self.assertIn("the site has no machine nobody", self._does("logs", "--machine", "nobody", code=2))


if __name__ == "__main__":
    unittest.main()
