"""`fairlead bootstrap` over real sshd, on bad ground: each refusal names the machine, the cause and what to do, and leaves nothing half-written.
In the end the cluster is made all the same, and no secret of it is seen anywhere: outputs, journal, plans, arguments of processes, modes of files."""
import json
import os
import re
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import site_machines  # noqa: E402
from support.bootstrap_lab import GATEWAYS, PATH, SITE, VIP, BootstrapLab, site_yaml  # noqa: E402
from support.cluster_probe import main  # noqa: E402

STATE = "/srv/site/demo.state"
CANARIES = {"CANARY_FILE": "canary-f-8d1c03b5e7", "CANARY_ARGUMENT": "canary-a-5b77e0921c"}
OLD_KUBEADM = ("this version of kubeadm only supports deploying clusters with the control plane version >= 1.37.0. Current version: v1.36.4\\nTo see the stack "
               "trace of this error execute with --v=5 or higher")


def site():
    """With a secret in each place that has one."""
    text = site_yaml().replace("{name: node-1, roles: [worker],", "{name: node-1, roles: [worker], files: [{path: /etc/app/password, mode: \"0600\", "
                               "content: \"password=${env:CANARY_FILE}\\n\"}],")
    return text.replace("  etcd: stacked\n", "  etcd: stacked\n  kubeadm: {ClusterConfiguration: {apiServer: {extraArgs: [{name: oidc-client-id, "
                                             "value: \"${env:CANARY_ARGUMENT}\"}]}}}\n")


class Processes:
    """Every command line that was seen, of all machines, while it is open."""

    def __init__(self):
        self.lines, self._over = set(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self):
        while not self._over.wait(0.05):
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        with open(f"/proc/{name}/cmdline", "rb") as file:
                            self.lines.add(file.read(20000))
                    except OSError:
                        continue

    def close(self):
        self._over.set()
        self._thread.join()


@unittest.skipIf(site_machines.why_unavailable(), site_machines.why_unavailable())
class RefusalsTest(unittest.TestCase):
    """One lab, one story: what is bad is mended by the end of each test."""

    @classmethod
    def setUpClass(cls):
        cls.lab = BootstrapLab()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.operator.write(SITE, site())
        cls.processes = Processes()
        cls.addClassCleanup(cls.processes.close)
        cls.said = []

    def bootstrap(self, *words, file=SITE):
        done = self.lab.operator.run("fairlead", "bootstrap", *words, file, timeout=400, env=PATH | CANARIES)
        self.said.append((" ".join(words), done.stdout + done.stderr))
        return done

    def refused(self, *words, code, file=SITE):
        done = self.bootstrap(*words, file=file)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def effects(self):
        """Calls of the stubs that change a machine."""
        return [call for machine in self.lab.machines.values() for call in machine.calls() if call["program"] in ("apt-get", "kubeadm", "modprobe", "sysctl") or
                call["arguments"][:1] in (["enable"], ["restart"], ["start"])]

    def nothing_half_written(self):
        for machine in self.lab.machines.values():
            upper = os.path.join(machine.dir, "upper")
            left = [os.path.join(folder, name) for folder, _, names in os.walk(upper) for name in names if ".fairlead-new" in name]
            self.assertEqual(left, [])
            self.assertFalse(machine.exists("/var/lib/fairlead/bootstrap/lock"), f"{machine.name} stays locked")

    def test_1_a_site_that_cannot_be(self):
        path = "/srv/site/bad.yaml"
        for change, line in ((("name: mast-2, roles", "name: mast-1, roles"), r"bad.yaml:\d+:\d+: error: .*mast-1"),
                             (("kubernetes: 1.36.4", "kubernetes: 1.99.0"), r"bad.yaml:\d+:\d+: error: Kubernetes 1.99.0 is not known to this release"),
                             (("version: 1.7.24", "version: 1.5.0"), r"bad.yaml:\d+:\d+: error: Kubernetes 1.36 does not work with containerd 1.5.0"),
                             (("${env:CANARY_FILE}", "${env:NOBODY_SET_IT}"), r"bad.yaml:\d+:\d+: error: .*NOBODY_SET_IT")):
            with self.subTest(change=change):
                self.assertIn(change[0], site())
                self.lab.operator.write(path, site().replace(*change))
                self.assertRegex(self.refused("plan", code=3, file=path), line)

    def test_2_machines_that_are_not_reached(self):
        """All of them at once; the others are read, and no cluster is made meanwhile."""
        machines, operator = self.lab.machines, self.lab.operator
        self.assertEqual(self.bootstrap("plan").returncode, 0)     # The host keys are known from here on.
        machines["gate-2"].stop_sshd()
        machines["mast-2"].new_host_key()
        keys = machines["mast-3"].read("/etc/ssh/authorized_keys")
        machines["mast-3"].write("/etc/ssh/authorized_keys", "")
        with machines["node-2"].host.entered():
            subprocess.run(["ip", "link", "set", "dev", "node", "down"], check=True)
        said = self.refused("plan", "--exit-code", code=5)
        for line in (r"gate-2 \(root@192\.168\.4\.131 port 22\): nothing listens at port 22", r"mast-2 .*host key is not the one it had before.*ssh-keygen -R mast-2 -f " + STATE,
                     r"mast-3 .*refuses the key /etc/ssh/operator_key as user root.*authorized_keys", r"node-2 .*(no route to|did not answer in)"):
            self.assertRegex(said, line)
        self.assertNotIn("initialises the cluster", said)
        self.assertRegex(said, r"mast-2, mast-3: the cluster is not initialised before every control plane")
        machines["mast-3"].write("/etc/ssh/authorized_keys", keys)
        with machines["node-2"].host.entered():
            subprocess.run(["ip", "link", "set", "dev", "node", "up"], check=True)
        machines["gate-2"].start_sshd()
        operator.run("ssh-keygen", "-q", "-R", "mast-2", "-f", f"{STATE}/known_hosts")
        self.assertEqual(self.effects(), [])

    def test_3_machines_that_are_not_fit(self):
        """Every problem at once, and nothing is begun."""
        stand_in = {name: self.lab.machines[name].read("/etc/fairlead/stand-in-facts") for name in ("gate-1", "mast-1", "node-1", "node-2")}
        for name, more in (("gate-1", "clock_offset=9s\n"), ("mast-1", "kernel=4.9.0-1-amd64\nswap=yes\n"), ("node-1", "machine_id=0123456789abcdef0123456789abcdef\n"),
                           ("node-2", "machine_id=0123456789abcdef0123456789abcdef\ndisk_free=1GiB\n")):
            self.lab.machines[name].write("/etc/fairlead/stand-in-facts", stand_in[name] + more)
        said = self.refused("apply", "--yes", code=5)
        for line in (r"gate-1: its clock is 9 s ahead.*set the clock there", r"mast-1: its kernel is 4\.9\.0-1-amd64.*boot 4\.19 or newer",
                     r"node-2: it has the machine-id of node-1.*systemd-machine-id-setup", r"node-2: 1024 MiB free below /var/lib.*free or add space"):
            self.assertRegex(said, line)
        for name, text in stand_in.items():
            self.lab.machines[name].write("/etc/fairlead/stand-in-facts", text)
        self.assertEqual(self.effects(), [])
        self.nothing_half_written()

    def test_4_sudo_that_refuses(self):
        node = self.lab.machines["node-1"]
        node.write("/etc/passwd", node.read("/etc/passwd") + "anna:x:4001:4001::/:/bin/sh\n")
        node.write("/etc/shadow", node.read("/etc/shadow") + "anna:*:19000:0:99999:7:::\n", 0o640)
        self.lab.operator.write("/srv/site/anna.yaml", site().replace("{name: node-1, roles: [worker],", "{name: node-1, roles: [worker], ssh: {user: anna},"))
        said = self.refused("plan", "--exit-code", code=5, file="/srv/site/anna.yaml")
        self.assertRegex(said, r"node-1 \(anna@192\.168\.2\.11 port 22\): sudo refuses anna: .*NOPASSWD: ALL' > /etc/sudoers\.d/fairlead")

    def test_5_a_vip_that_another_machine_has(self):
        with self.lab.operator.host.entered():
            subprocess.run(["ip", "addr", "add", f"{VIP}/32", "dev", "dmz"], check=True)
        said = self.refused("apply", "--yes", code=1)
        self.assertRegex(said, rf"gate-1/setup: .*VIP api, {re.escape(VIP)}, answers already: another machine has it")
        with self.lab.operator.host.entered():
            subprocess.run(["ip", "addr", "del", f"{VIP}/32", "dev", "dmz"], check=True)
        for name in GATEWAYS:
            self.assertFalse(self.lab.machines[name].exists("/etc/corosync/authkey"), "no cluster of gateways was begun")
        self.nothing_half_written()

    def test_6_a_disk_that_is_full(self):
        mast = self.lab.machines["mast-1"]
        self.assertEqual(mast.run("sh", "-c", "mkdir /run/small && mount -t tmpfs -o size=64k none /run/small; dd if=/dev/zero of=/run/small/fill bs=1k; "
                                  "mount --bind /run/small /var/lib/fairlead/bootstrap").returncode, 0)
        said = self.refused("apply", "--yes", code=1)
        self.assertRegex(said, r"mast-1: .*the disk is full")
        mast.run("umount", "/var/lib/fairlead/bootstrap")
        self.nothing_half_written()

    def test_7_a_kubeadm_of_another_release(self):
        mast = self.lab.machines["mast-1"]
        mast.fail_at("init:before", OLD_KUBEADM)
        said = self.refused("apply", "--yes", code=1)
        self.assertRegex(said, r"mast-1/init: .*this kubeadm is of another release than versions\.kubernetes.*see kubeadm version on the machine")
        mast.write("/etc/stub/fail", "")
        self.assertFalse(mast.exists("/etc/kubernetes/admin.conf"))
        self.assertFalse(mast.exists("/var/lib/fairlead/bootstrap/kubeadm.yaml"), "the file with its secrets is gone")
        self.nothing_half_written()

    def test_8_all_mended_it_is_made(self):
        for words in (("plan",), ("plan", "--dry-run"), ("plan", "--json"), ("plan", "--show", "mast-1:init"), ("plan", "--show", "node-1:/etc/app/password"),
                      ("apply", "--dry-run", "--json")):
            self.assertEqual(self.bootstrap(*words).returncode, 0)
        applied = self.bootstrap("apply", "--yes", "--json")
        self.assertEqual(applied.returncode, 0, applied.stdout[-3000:] + applied.stderr)
        for words in (("plan",), ("status",), ("status", "--json"), ("certs",), ("logs",)):
            self.assertEqual(self.bootstrap(*words).returncode, 0)
        self.assertEqual(self.lab.machines["node-1"].read("/etc/app/password"), f"password={CANARIES['CANARY_FILE']}\n")
        self.nothing_half_written()

    # ---- secrets ----

    def secrets(self):
        """What must be seen nowhere: name -> text."""
        out = dict(CANARIES)
        for name, machine in self.lab.machines.items():
            if machine.exists("/var/log/stub_secrets"):
                for number, line in enumerate(set(machine.read("/var/log/stub_secrets").split())):
                    out[f"token or key {number} of {name}"] = line.partition(".")[2] or line
            listed = machine.run("sh", "-c", "ls /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.key 2>/dev/null").stdout.split()
            for path in listed:
                out[f"{path} of {name}"] = machine.read(path).splitlines()[1][10:50]
        self.assertGreater(sum(name.startswith("token or key") for name in out), 3)
        self.assertGreater(sum(".key of" in name for name in out), 20)
        authkey = subprocess.run(["od", "-An", "-tx1", "-v", self.lab.machines["gate-1"].root + "/etc/corosync/authkey"], capture_output=True, text=True, check=True)
        self.assertEqual(self.lab.machines["gate-1"].mode("/etc/corosync/authkey") & 0o077, 0)
        out["Corosync's key"] = "".join(authkey.stdout.split())[:32]
        return out

    def assert_absent(self, secrets, text, where):
        for name, secret in secrets.items():
            self.assertNotIn(secret, text, f"{name} is in {where}")

    def test_9_no_secret_was_seen(self):
        secrets = self.secrets()
        for words, text in self.said:
            self.assert_absent(secrets, text, f"what `{words}` said")
        self.assert_absent(secrets, self.lab.operator.read(f"{STATE}/journal.jsonl"), "the journal")
        self.processes.close()
        lines = b"\n".join(self.processes.lines).decode(errors="replace")
        self.assertIn("kubeadm", lines)
        self.assert_absent(secrets, lines, "arguments of processes")
        for name, machine in self.lab.machines.items():
            self.assert_absent(secrets, json.dumps([call["arguments"] for call in machine.calls()]), f"arguments on {name}")

    def test_9a_files_with_secrets_are_their_owner_s(self):
        secrets = self.secrets()
        for name, machine in self.lab.machines.items():
            upper = os.path.join(machine.dir, "upper")
            for folder, _, names in os.walk(upper):
                if folder.startswith((upper + "/var/log", upper + "/var/lib/stub", upper + "/var/lib/etcd")):
                    continue    # The stubs' own, and etcd's folder of mode 0700.
                for path in (os.path.join(folder, one) for one in names):
                    if not os.path.isfile(path) or os.path.islink(path) or os.stat(path).st_mode & 0o077 == 0:
                        continue
                    with open(path, encoding="utf-8", errors="replace") as file:
                        self.assert_absent(secrets, file.read(), f"{path[len(upper):]} of {name}, which others may read")
        for path in ("", "/kubeconfig", "/known_hosts", "/journal.jsonl", "/locks"):
            self.assertEqual(self.lab.operator.mode(STATE + path) & 0o077, 0, path)


if __name__ == "__main__":
    main()
