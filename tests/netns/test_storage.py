"""`fairlead storage` and the storage of a bring-up, with real glusterd and FUSE mounts: machines are killed, installed anew, get other disks
and more neighbours while a worker writes; what was written is read back, byte for byte."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import gluster_lab  # noqa: E402
from support.gluster_lab import SITE, GlusterLab  # noqa: E402
from support.waiting import SCALE, wait_for  # noqa: E402

# Writes files until /run/stop is there, says of each what it wrote once it is on the disks, and reads an earlier one back now and then.
WRITER = """
import hashlib, os, random, sys, time
seed = random.Random(7)
folder, log, number, errors = "/srv/pods/data", open("/run/written", "w"), 0, 0
os.makedirs(folder, exist_ok=True)
while not os.path.exists("/run/stop"):
    data = seed.randbytes(seed.randrange(1, 30000))
    try:
        with open(f"{folder}/{number}", "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        log.write(f"{number} {hashlib.sha256(data).hexdigest()}\\n")
        log.flush()
    except OSError as problem:
        errors += 1
        print(number, problem, flush=True)
    number += 1
    time.sleep(0.01)   # tidy: polls
print("errors", errors)
"""

# On a brick: the copy of /torn says of the copies of the clients $1 and $2 that they lack something, and is listed for healing.
TEAR = """set -e
cd /srv/brick/pods
for client; do setfattr -n trusted.afr.pods-client-$client -v 0x000000010000000000000000 torn; done
gfid=$(getfattr -n trusted.gfid -e hex torn | sed -n 's/^trusted.gfid=0x\\(.\\{8\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)/\\1-\\2-\\3-\\4-/p')
cd .glusterfs/indices/xattrop
ln "$(ls | grep -m 1 '^xattrop-')" "$gfid"
"""


def digest(machine, path):
    return machine.run("sh", "-c", f"cd {path} && sha256sum *", timeout=60).stdout


@unittest.skipIf(gluster_lab.why_unavailable(), gluster_lab.why_unavailable())
class Storage(unittest.TestCase):
    """One lab for a story: a volume, and what becomes of it."""

    @classmethod
    def setUpClass(cls):
        cls.lab = GlusterLab([f"stor-{i}" for i in range(1, 7)])
        cls.addClassCleanup(cls.lab.close)
        cls.node = cls.lab.machines["node-1"]

    def done(self, *words, timeout=600):
        result = self.lab.fairlead(*words, timeout=timeout * SCALE)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def status(self):
        return json.loads(self.done("storage", "status", "--json"))

    def written(self):
        return dict(line.split() for line in self.node.read("/run/written").splitlines())

    def writes_on(self, files=30):
        """The writer gets so many files further."""
        before = len(self.written())
        wait_for(lambda: len(self.written()) >= before + files, 40 * SCALE, "the worker writes on")

    def all_is_there(self, machine="node-2"):
        """Seen from another machine than the writer's."""
        expected = self.written()
        found = dict(reversed(line.split()) for line in digest(self.lab.machines[machine], "/srv/pods/data").splitlines())
        wrong = {name for name, value in expected.items() if found.get(name) != value}
        self.assertEqual(wrong, set(), f"of {len(expected)} files")
        self.assertGreater(len(expected), 20)

    def test_1_from_machines_to_a_mounted_volume(self):
        plan = self.done("bootstrap", "plan")
        self.assertIn("creates volume pods: three copies", plan)
        self.done("bootstrap", "apply", "--yes")
        status = self.status()
        self.assertEqual({m["state"] for m in status["machines"]}, {"member"}, status)
        self.assertEqual([b["online"] for b in status["volumes"][0]["bricks"]], [True] * 3)
        self.assertEqual({m["state"] for m in status["mounts"]}, {"mounted"})
        self.assertEqual(status["volumes"][0]["quotas"][0]["limit_bytes"], 50 << 20)
        self.assertEqual(self.lab.machines["node-2"].run("test", "-d", "/srv/pods/shared").returncode, 0)
        volumes = json.loads(self.lab.machines["mast-1"].run("kubectl", "get", "persistentvolumes", "-o", "json").stdout or "{}").get("items", [])
        self.assertEqual([v["spec"]["local"]["path"] for v in volumes], ["/srv/pods/shared"])
        # Names, not addresses, stand in everybody's list of peers.
        for name in ("stor-1", "stor-2", "stor-3"):
            peers = self.lab.machines[name].run("gluster", "pool", "list").stdout
            self.assertEqual(sorted(w for w in peers.split() if w.endswith(".kube.demo")),
                             sorted(f"stor-{i}.kube.demo" for i in (1, 2, 3) if f"stor-{i}" != name))

    def test_2_again_there_is_nothing_to_do(self):
        plan = self.lab.fairlead("bootstrap", "plan", "--exit-code")
        self.assertEqual(plan.returncode, 0, plan.stdout + plan.stderr)

    def test_3_a_machine_killed_under_writes_comes_back_and_is_healed(self):
        type(self).writer = self.node.spawn(["/usr/bin/python3", "-c", WRITER], "writer")
        wait_for(lambda: self.node.exists("/run/written") and len(self.written()) > 20, 20 * SCALE, "the worker writes")
        self.lab.kill("stor-2")
        self.writes_on()
        down = self.lab.fairlead("storage", "status")
        self.assertIn("not serving: stor-2.kube.demo:/srv/brick/pods", down.stdout)
        self.lab.boot("stor-2")
        healed = self.done("storage", "heal", "--yes")
        self.assertIn("pods: 0 entries to heal, 3 of 3 bricks serve", healed)
        self.all_is_there()

    def test_4_a_brick_on_a_new_disk_gets_its_part_again(self):
        self.lab.kill("stor-3")
        self.lab.boot("stor-3")
        stop = self.lab.machines["stor-3"].run("sh", "-c", "systemctl stop glusterd; pkill -9 glusterfsd; pkill -9 glusterfs; "
                                              "until umount /srv/brick 2>/dev/null || ! mountpoint -q /srv/brick; do :; done")
        self.assertEqual(stop.returncode, 0, stop.stderr)
        unmounted = self.lab.fairlead("storage", "replace", "stor-3", "--yes")
        self.assertEqual(unmounted.returncode, 5, unmounted.stdout)
        self.assertIn("nothing is mounted at /srv/brick", unmounted.stderr)
        self.assertNotEqual(self.lab.machines["stor-3"].run("gluster", "pool", "list").returncode, 0, "glusterd was started though its brick is not there")
        self.lab.new_brick("stor-3")
        self.done("storage", "replace", "stor-3", "--yes")
        self.writes_on()
        self.all_is_there()
        # The new disk alone has it all.
        on_brick = dict(reversed(line.split()) for line in digest(self.lab.machines["stor-3"], "/srv/brick/pods/data").splitlines())
        expected = self.written()
        self.assertGreater(sum(on_brick.get(name) == value for name, value in expected.items()), len(expected) - 20)

    def test_5_a_machine_installed_anew_takes_its_place(self):
        self.lab.kill("stor-2")
        self.lab.install_anew("stor-2")
        refused = self.lab.fairlead("bootstrap", "apply", "--yes")
        self.assertEqual(refused.returncode, 5, refused.stdout + refused.stderr)
        self.assertIn("fairlead storage replace stor-2", refused.stderr)
        self.done("storage", "replace", "stor-2", "--yes")
        self.writes_on()
        self.all_is_there()
        self.assertEqual({m["state"] for m in self.status()["machines"]}, {"member"})

    def test_5b_split_brain_is_named_with_its_remedy_and_ends_by_it(self):
        self.node.write("/srv/pods/torn", "which of the copies is right?")
        self.done("storage", "heal", "--yes")
        for number in (1, 2, 3):
            torn = self.lab.machines[f"stor-{number}"].run("sh", "-c", TEAR, "sh", *(str(other - 1) for other in (1, 2, 3) if other != number))
            self.assertEqual(torn.returncode, 0, torn.stderr)
        self.assertIn("1 files are in split brain", self.done("storage", "status"))
        stuck = self.lab.fairlead("storage", "heal", "--yes", timeout=240 * SCALE)
        self.assertEqual(stuck.returncode, 1, stuck.stdout + stuck.stderr)
        self.assertIn("gluster volume heal pods split-brain source-brick HOST:BRICK FILE", stuck.stderr)
        refused = self.lab.fairlead("storage", "replace", "stor-2", "--yes")
        self.assertIn("Nothing to do", refused.stdout, refused.stderr)  # Its brick is whole: nothing of it goes.
        mended = self.lab.machines["stor-1"].run("gluster", "volume", "heal", "pods", "split-brain", "source-brick", "stor-1.kube.demo:/srv/brick/pods", "/torn")
        self.assertEqual(mended.returncode, 0, mended.stdout + mended.stderr)
        self.done("storage", "heal", "--yes")
        self.assertEqual(self.lab.machines["node-2"].read("/srv/pods/torn"), "which of the copies is right?")

    def test_6_expansion_under_writes_loses_nothing(self):
        self.lab.write_site([f"stor-{i}" for i in range(1, 7)])
        told = self.done("storage", "expand", "--yes")
        self.assertIn("rebalance completed", told)
        self.writes_on()
        self.assertEqual(len(self.status()["volumes"][0]["bricks"]), 6)
        self.assertIn(b"data", os.listdir(os.fsencode(self.lab.machines["stor-5"].root + "/srv/brick/pods")))
        again = self.lab.fairlead("storage", "expand", "--yes", "--no-wait")
        self.assertIn("Nothing to do", again.stdout, again.stderr)
        self.node.write("/run/stop", "")
        wait_for(lambda: not self.writer.running, 30 * SCALE, "the worker ends")
        self.assertIn("errors 0", self.writer.stdout())
        self.all_is_there()
        self.all_is_there("node-1")

    def test_7_a_node_that_boots_before_the_servers_mounts_when_they_come(self):
        for name in ("stor-1", "stor-2", "stor-3", "stor-4", "stor-5", "stor-6"):
            self.lab.kill(name)
        self.node.reboot()
        self.assertNotIn("/srv/pods", self.node.read("/proc/mounts").split())
        self.assertFalse(self.node.exists("/srv/pods/shared"), "without the mount there is no directory for a pod")
        for name in ("stor-1", "stor-2", "stor-3", "stor-4", "stor-5", "stor-6"):
            self.lab.boot(name)

        def mounted():
            self.node.run("/usr/local/lib/fairlead/storage-mounts", timeout=60)
            return self.node.run("test", "-d", "/srv/pods/shared").returncode == 0
        wait_for(mounted, 60 * SCALE, "the volume is mounted")

    def test_8_the_state_as_metrics(self):
        stor = self.lab.machines["stor-1"]
        ran = stor.run("sh", "-c", "/usr/local/lib/fairlead/gluster-metrics && cat /var/lib/prometheus/node-exporter/fairlead_gluster.prom", timeout=120)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        for line in ("fairlead_gluster_up 1", 'fairlead_gluster_peer_connected{peer="stor-2.kube.demo"} 1', 'fairlead_gluster_quorum{volume="pods"} 1',
                     'fairlead_gluster_brick_online{volume="pods",brick="stor-6.kube.demo:/srv/brick/pods"} 1'):
            self.assertIn(line + "\n", ran.stdout)
        self.assertIn('fairlead_gluster_heal_pending{volume="pods",brick="stor-1.kube.demo:/srv/brick/pods"} ', ran.stdout)
        self.assertEqual([f for f in os.listdir(stor.root + "/var/lib/prometheus/node-exporter") if f.startswith(".")], [])
        if shutil.which("promtool"):
            checked = subprocess.run(["promtool", "check", "metrics"], input=ran.stdout, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        for name in ("stor-4", "stor-5"):
            self.lab.kill(name)

        def told():
            return stor.run("sh", "-c", "/usr/local/lib/fairlead/gluster-metrics && cat /var/lib/prometheus/node-exporter/fairlead_gluster.prom", timeout=120).stdout
        wait_for(lambda: 'fairlead_gluster_quorum{volume="pods"} 0\n' in told(), 60 * SCALE, "the quorum of one set is gone")


if __name__ == "__main__":
    unittest.main()
