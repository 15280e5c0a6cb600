"""`fairlead bootstrap apply` interrupted: killed, cut off, its machines rebooted, before, in the middle of and after steps; what stands in the end
is what an uninterrupted run makes, and nothing was done twice. Over real sshd, with the stubs of support/kube_stub.

Here the steps whose effect matters most; with FL_LONG every step. The whole matrix of steps, points and machines that are away is played by the
model of tests/sim/bootstrap.
"""
import collections
import hashlib
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import site_machines  # noqa: E402
from support.bootstrap_lab import CONTROL_PLANES, GATEWAYS, PATH, SITE, WORKERS, BootstrapLab  # noqa: E402
from support.cluster_probe import main  # noqa: E402
from support.ssh_gate import SshGate  # noqa: E402
from support.waiting import wait_for  # noqa: E402

LONG = bool(os.environ.get("FL_LONG"))
STATE = "/srv/site/demo.state"
RUNS = "/var/lib/fairlead/bootstrap/runs"
# Where the stub can be held in the middle of a step.
HOLDS = {"gate-1/packages": "apt-install:after", "mast-1/init": "init:after-etcd", "mast-2/join": "join:after-member", "mast-3/join": "join:prepared", "node-1/join": "join:before",
         "node-2/join": "join:after", "mast-1/join-secrets-gone": "kubectl-delete:before", "addons/flannel": "kubectl-apply:middle"}
# In the order of the bring-up: what happens to which step, at which point.
STORY = [("kill", "gate-1/packages", "middle"), ("kill", "mast-3/packages", "after"), ("cut", "gate-1/setup", "middle"), ("kill", "gate-2/join-gateways", "after"),
         ("kill", "mast-1/init", "before"), ("reboot", "mast-1/init", "middle"), ("kill", "mast-1/init", "after"), ("reboot", "mast-2/join", "middle"),
         ("kill", "mast-2/join", "after"), ("kill", "mast-3/join", "middle"), ("kill", "node-1/join", "middle"), ("reboot", "node-2/join", "middle"),
         ("kill", "mast-1/join-secrets-gone", "middle"), ("kill", "addons/flannel", "after")]
# What differs between two runs of the same site: keys, times, what runs keep for themselves.
VOLATILE = ("/etc/stub/", "/var/lib/etcd/", "/var/log/", "/var/lib/stub/", "/var/lib/corosync/", "/etc/ssh/", "/opt/kube_stub/", RUNS + "/", "/etc/machine-id",
            "/etc/fairlead/stand-in-facts", "/etc/fairlead/fairlead.yaml.before", "/var/lib/fairlead/bootstrap/lock.takes", "/var/lib/fairlead/bootstrap/records.",
            "/var/lib/fairlead/run/", "/var/lib/fairlead/blackbox")
SECRETS = ("/etc/kubernetes/pki/", ".conf", "/etc/corosync/authkey", "/etc/fairlead/ca.crt", "/etc/fairlead/tls/")
READS = ("get", "version", "token list", "token create", "init phase upload-certs", "certs", "config", "is-active", "is-enabled", "is-system-running", "show", "wait", "rollout",
         "exec", "--version", "update", "showhold", "--server")


def files_of(machine):
    """Path -> mode, and what is in it where that is the same for every run."""
    out = {}
    upper = os.path.join(machine.dir, "upper")
    for folder, _, names in os.walk(upper):
        for name in names:
            full = os.path.join(folder, name)
            path = full[len(upper):]
            status = os.lstat(full)
            if path.startswith(VOLATILE) or not (os.path.isfile(full) or os.path.islink(full)):
                continue    # A device of the overlay stands for a file that was removed.
            digest = ""
            if not any(part in path for part in SECRETS) and not os.path.islink(full):
                with open(full, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
            out[path] = (oct(status.st_mode & 0o7777), digest)
    return out


def effects_of(machine):
    """Calls with an effect that came to a good end: how often each."""
    out = collections.Counter()
    for call in machine.ends():
        words = " ".join(word for word in call["arguments"] if word not in ("--kubeconfig", "/etc/kubernetes/admin.conf", "-n", "kube-system", "-q", "-y", "--quiet"))
        if call["code"] == 0 and not words.startswith(READS) and "get --raw" not in words and call["program"] in ("kubeadm", "kubectl", "apt-get", "apt-mark", "systemctl"):
            if not words.startswith("token delete"):    # Their names differ.
                out[f"{call['program']} {words}"] += 1
    return out


def picture(lab):
    """Everything that must not depend on interruptions."""
    mast = lab.machines["mast-1"]
    status = json.loads(lab.bootstrap("status", "--json", SITE).stdout)
    for member in status["etcd"]:
        del member["id"]
    status["etcd"].sort(key=lambda member: member["name"])
    for machine in status["machines"]:
        machine["state"] = machine["state"].split(",")[0]    # Which gateway holds the VIPs is not said by the site.
    members = mast.run("sh", "-c", "ETCDCTL_API=3 etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt "
                       "--key /etc/kubernetes/pki/etcd/server.key member list | cut -d, -f2-").stdout
    nodes = json.loads(mast.run("kubectl", "get", "nodes", "-o", "json", env=PATH).stdout)["items"]
    secrets = json.loads(mast.run("kubectl", "-n", "kube-system", "get", "secrets", "-o", "json", env=PATH).stdout)["items"]
    pods = json.loads(mast.run("kubectl", "-n", "fairlead-verify", "get", "pods", "-o", "json", env=PATH).stdout)["items"]
    return {"status": status, "etcd": sorted(members.splitlines()), "pods of verify": [pod["metadata"]["name"] for pod in pods],
            "nodes": sorted(json.dumps([n["metadata"], n["spec"], n["status"]], sort_keys=True) for n in nodes),
            "tokens of ours": [s["metadata"]["name"] for s in secrets if s.get("stub", {}).get("description") == "fairlead bootstrap" or s["metadata"]["name"] == "kubeadm-certs"],
            "files": {name: files_of(machine) for name, machine in lab.machines.items()}}


class Interrupted:
    """A lab in which `apply` is interrupted again and again."""

    def __init__(self, case, lab):
        self.case, self.lab = case, lab
        self.gate = SshGate(lab.operator, f"{STATE}/journal.jsonl")
        self.applies = 0
        plan = json.loads(lab.bootstrap("plan", "-o", "json", SITE).stdout)
        self.steps = plan["steps"]

    def start(self):
        self.applies += 1
        return self.lab.operator.spawn(["fairlead", "bootstrap", "apply", "--yes", "--json", SITE], f"apply-{self.applies}")

    def scripts(self, step):
        """Numbers of the operations of a step that run a script."""
        found = next(one for one in self.steps if one["id"] == step)
        return [number for number, operation in enumerate(found["operations"]) if operation["kind"] == "run"]

    def record(self, machine, step, number, name):
        """Whether a file of the step's record is there, in any run."""
        runs = machine.root + RUNS
        word = step.replace("/", "%2F")
        return any(os.path.exists(f"{runs}/{run}/{folder}/{name}") for run in (os.listdir(runs) if os.path.isdir(runs) else ())
                   for folder in os.listdir(f"{runs}/{run}") if folder.startswith(word) and folder.endswith(f".{number}"))

    def reach(self, apply, step, machine, point, hold):
        """Lets `apply` come to a point of a step; False: it ended before. `point`: before (its first call), middle, after (the last script's end)."""
        target = self.lab.machines[machine]
        self.gate.arm(machine, step)
        scripts = self.scripts(step)
        if point == "before":
            return self.gate.until(apply, lambda moment, _: moment == "before", 240)
        if point == "middle" and hold:
            target.hold_at(hold)
            return self.gate.until(apply, lambda *_: target.is_held(), 240)
        if point == "middle":
            if not scripts:
                return self.gate.until(apply, lambda moment, _: moment == "returned", 240)
            return self.gate.until(apply, lambda *_: self.record(target, step, scripts[0], "pid"), 240)
        last = scripts[-1] if scripts else None
        return self.gate.until(apply, lambda moment, _: moment == "returned" and (last is None or self.record(target, step, last, "rc")), 240)

    def machine_of(self, step):
        return next(one["machine"] for one in self.steps if one["id"] == step)

    def interrupt(self, what, step, point):
        """A fresh `apply` that does not come to its end, unless the connection is all it loses. A step that is not left to do is none to interrupt."""
        machine, hold = self.machine_of(step), HOLDS.get(step) if point == "middle" else None
        apply = self.start()
        reached = self.reach(apply, step, machine, point, hold)
        if what == "kill":
            apply.kill()
            self.release(machine, hold)
        elif what == "cut":
            self.lab.machines[machine].end_sessions()
            self.release(machine, hold)
            self.gate.disarm()
            wait_for(lambda: not apply.running or self.is_done(step), 240, f"{step} is done by the same program: {apply.stdout()[-500:]} {apply.stderr()[-500:]}")
            self.case.assertTrue(self.is_done(step), apply.stdout()[-1500:] + apply.stderr()[-1500:])
            apply.kill()
        else:
            self.reboot(apply, machine, hold)
        self.gate.disarm()
        self.case.assertTrue(reached, f"{step} is not reached: {apply.stdout()[-1500:]} {apply.stderr()[-1500:]}")

    def is_done(self, step):
        return f'"event":"done","step":"{step}"' in self.lab.operator.read(f"{STATE}/journal.jsonl")

    def release(self, machine, hold):
        if hold:
            self.lab.machines[machine].let_go()

    def reboot(self, apply, machine, hold):
        """The program says what became of the step, and gives up."""
        target = self.lab.machines[machine]
        target.power_off()
        self.gate.disarm()
        if hold:
            for name in ("hold", "held"):
                path = os.path.join(target.dir, "upper/etc/stub", name)
                if os.path.exists(path):
                    os.unlink(path)
        target.boot()
        wait_for(lambda: not apply.running, 240, f"apply says what happened: {apply.stdout()[-500:]} {apply.stderr()[-500:]}")
        self.case.assertNotEqual(apply.returncode, 0)
        self.case.assertIn(machine, apply.stdout() + apply.stderr())

    def finish(self):
        for _ in range(4):     # A machine that has just booted may not serve its API yet.
            applied = self.lab.bootstrap("apply", "--yes", SITE, timeout=300)
            if applied.returncode == 0:
                break
        self.case.assertEqual(applied.returncode, 0, applied.stdout + applied.stderr)
        self.case.assertEqual(self.lab.bootstrap("plan", "--exit-code", SITE).returncode, 0)


@unittest.skipIf(site_machines.why_unavailable(), site_machines.why_unavailable())
class InterruptionsTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        """The run that nothing interrupts."""
        lab = BootstrapLab()
        try:
            applied = lab.bootstrap("apply", "--yes", SITE, timeout=400)
            assert applied.returncode == 0, applied.stdout + applied.stderr
            cls.whole = picture(lab)
            cls.effects = {name: effects_of(machine) for name, machine in lab.machines.items() if machine.is_stub}
        finally:
            lab.close()

    def setUp(self):
        self.lab = BootstrapLab()
        self.addCleanup(self.lab.close)
        self.runs = Interrupted(self, self.lab)

    def assert_as_uninterrupted(self):
        now = picture(self.lab)
        for name, value in self.whole.items():
            self.assertEqual(now[name], value, name)
        for name in [*CONTROL_PLANES, *WORKERS]:
            left = self.lab.machines[name].run("grep", "-rlE", "certificateKey|token:", "/var/lib/fairlead", "/tmp", "/etc/fairlead")
            self.assertEqual(left.stdout, "", f"a secret is left on {name}")

    def assert_nothing_ran_twice(self, rebooted=()):
        """What was begun before its machine rebooted is begun again there; kubeadm brought each node in once all the same."""
        for name, effects in self.effects.items():
            now = effects_of(self.lab.machines[name])
            if name in GATEWAYS and rebooted:    # An init that begins again has another CA, and they take it over.
                now, effects = ({call: n for call, n in one.items() if not call.startswith("systemctl")} for one in (now, effects))
            if name not in rebooted:
                self.assertEqual(now, effects, f"what had an effect on {name}")
        for name in [*CONTROL_PLANES, *WORKERS]:
            made = [call for call in self.lab.machines[name].ends("kubeadm") if call["code"] == 0 and call["arguments"][:2] in (["init", "--config"], ["join", "--config"])]
            self.assertEqual(len(made), 1, f"{name} was made a node once")

    def play(self, story):
        for what, step, point in story:
            try:
                self.runs.interrupt(what, step, point)
            except AssertionError as failed:    # What follows would not mean what it says.
                raise AssertionError(f"{what} at {step}, {point}: {failed}") from failed
        self.runs.finish()
        self.assert_as_uninterrupted()
        self.assert_nothing_ran_twice({self.runs.machine_of(step) for what, step, _ in story if what == "reboot"})

    def every(self, what, points):
        """Steps that do something on a machine by a script; verification does nothing."""
        return [(what, step["id"], point) for step in self.runs.steps if step["phase"] != "verify" and self.runs.scripts(step["id"]) for point in points]

    def test_in_every_way(self):
        self.play(STORY)

    @unittest.skipUnless(LONG, "FL_LONG is not set")
    def test_killed_before_in_the_middle_of_and_after_every_step(self):
        self.play(self.every("kill", ("before", "middle", "after")))

    @unittest.skipUnless(LONG, "FL_LONG is not set")
    def test_connections_cut_at_every_step(self):
        self.play(self.every("cut", ("middle",)))

    @unittest.skipUnless(LONG, "FL_LONG is not set")
    def test_machines_that_reboot_at_every_step(self):
        self.play(self.every("reboot", ("middle",)))


if __name__ == "__main__":
    main()
