"""`fairlead machine` with real hypervisors: qemu by QMP, and libvirt's own qemu by virsh. VMs are made, seen to run, stopped and destroyed."""
import os
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import cloud_init, vm_host                           # noqa: E402
from support.cluster_probe import main                            # noqa: E402
from support.waiting import wait_for                              # noqa: E402


class HostTest(unittest.TestCase):
    driver = ""
    libvirtd = False
    programs = ()

    def setUp(self):
        reason = vm_host.why_unavailable(*self.programs)
        if reason:
            self.skipTest(reason)
        self.host = vm_host.VmHost(self.driver, self.libvirtd)
        self.addCleanup(self.host.close)
        self.host.__enter__()   # pylint: disable=unnecessary-dunder-call

    def do(self, *words, code=0):
        done = self.host.fairlead(*words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def expect(self, **states):
        found = self.host.states()
        self.assertEqual({name: found[name.replace("_", "-")] for name in states}, states)

    def links(self, kind="bridge"):
        return self.host.run("ip", "-o", "link", "show", "type", kind).stdout


class QemuTest(HostTest):
    driver = "qemu"

    # Defect 11 of the system that this replaces: create twice, destroy twice.
    def test_life_of_two_machines(self):
        self.expect(mast_1="absent", mast_2="absent", gate_1="absent")
        self.do("create", "mast-1", "mast-2")
        self.expect(mast_1="running", mast_2="running", mast_3="absent")
        self.assertTrue(self.host.ask_qemu("mast-1", "query-status")["running"])
        wait_for(lambda: vm_host.WORDS in self.host.console("mast-1"), 60, "the guest has booted from a copy of the image")
        self.assertIn("flb", self.links())
        self.assertEqual(self.links("tun").count(" master flb"), 2, "a card of each is in the bridge")

        pids = [self.host.pid(name) for name in ("mast-1", "mast-2")]
        self.assertIn("nothing to do", self.do("create", "mast-1", "mast-2"))
        self.assertEqual([self.host.pid(name) for name in ("mast-1", "mast-2")], pids)

        self.do("stop", "mast-1")   # By its power button.
        self.expect(mast_1="stopped", mast_2="running")
        wait_for(lambda: not os.path.exists(f"/proc/{pids[0]}"), 20, "its process has ended")
        self.assertIn("nothing to do", self.do("stop", "mast-1"))
        self.do("start", "mast-1")
        self.expect(mast_1="running")

        os.kill(pids[1], signal.SIGKILL)
        wait_for(lambda: self.host.states()["mast-2"] == "stopped", 20, "a qemu that was killed is off")
        self.do("create", "mast-2")
        self.expect(mast_2="running")

        self.assertIn("--yes-destroy mast-1", self.do("destroy", "mast-1", code=5))
        self.expect(mast_1="running")
        self.do("destroy", "mast-1", "--yes-destroy", "mast-1")
        self.expect(mast_1="absent", mast_2="running")
        self.assertFalse(os.path.exists(self.host.vm_folder("mast-1")))
        self.assertIn("flb", self.links(), "mast-2 needs its network")
        self.do("destroy", "--yes-destroy", "mast-2")
        self.assertEqual(self.links(), "", "and with it the network goes")
        self.assertIn("nothing to do", self.do("destroy"))

    def test_the_seed_is_an_iso_that_cloud_init_finds(self):
        self.do("create", "mast-1")
        iso = f"{self.host.vm_folder('mast-1')}/seed.iso"
        label = subprocess.run(["blkid", "-p", "-s", "LABEL", "-o", "value", iso], capture_output=True, text=True, check=True).stdout.strip()
        self.assertEqual(label, "cidata")
        if shutil.which("isoinfo") is None:
            self.skipTest("isoinfo is not installed (genisoimage)")
        for name in ("user-data", "meta-data", "network-config"):
            inside = subprocess.run(["isoinfo", "-i", iso, "-R", "-x", "/" + name], capture_output=True, check=True).stdout
            with open(f"{self.host.vm_folder('mast-1')}/seed/{name}", "rb") as file:
                self.assertEqual(inside, file.read())
            if name == "user-data":
                self.assertIn(b"anna@laptop", inside)
                self.assertIn(b"TrustedUserCAKeys", inside)
                self.assertNotIn(b"PRIVATE", inside)

    def test_what_is_not_ours_is_never_touched(self):
        folder = self.host.vm_folder("mast-3")
        os.makedirs(folder, mode=0o700)
        stranger = subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-display", "none", "-m", "16", "-uuid",
                                     "6695eb01-f6a4-8304-79aa-97f2502e193f", "-qmp", f"unix:{folder}/qmp,server=on,wait=off"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        wait_for(lambda: os.path.exists(f"{folder}/qmp"), 20, "the stranger's monitor is there")
        self.expect(mast_3="not ours")
        for words in (("create", "mast-3"), ("stop", "mast-3", "--force"), ("destroy", "mast-3", "--yes-destroy", "mast-3")):
            said = self.do(*words, code=5)
            self.assertIn("6695eb01-f6a4-8304-79aa-97f2502e193f", said)
            self.assertIn("another name", said)
        self.assertIsNone(stranger.poll())
        self.assertTrue(os.path.exists(folder))

    def test_a_bridge_that_is_not_ours_is_left_alone(self):
        self.do("create", "mast-1")
        self.do("destroy", "mast-1", "--yes-destroy", "mast-1")
        shown = self.do("create", "mast-1", "--dry-run")
        bridge = shown[shown.index("dev flb") + 4:].split()[0]
        self.assertEqual(self.host.run("ip", "link", "add", bridge, "type", "bridge").returncode, 0)
        self.assertIn("has no mark of this site", self.do("create", "mast-1", code=5))
        self.expect(mast_1="absent")

    def test_dry_run_changes_nothing(self):
        shown = self.do("create", "mast-1", "--dry-run")
        for words in ("qemu-img convert", "xorriso -as mkisofs", "qemu-system-x86_64 -name demo-mast-1", "#cloud-config"):
            self.assertIn(words, shown)
        self.assertEqual(self.links(), "")
        self.assertFalse(os.path.exists(self.host.vm_folder("mast-1")))

    def test_seeds_for_a_web_server(self):
        with open(self.host.site, encoding="utf-8") as file:
            text = file.read()
        with open(self.host.site, "w", encoding="utf-8") as file:
            file.write(text.replace("image: base,", 'image: base, seed_url: "http://192.168.1.5/seeds/",'))
        folder = os.path.join(self.host.folder, "www")
        self.do("seeds", folder)
        self.assertEqual(sorted(os.listdir(f"{folder}/mast-1")), ["meta-data", "network-config", "user-data", "vendor-data"])
        if cloud_init.why_unavailable() is None:
            self.assertEqual(cloud_init.schema_errors(f"{folder}/mast-1/user-data"), "")
        shown = self.do("create", "mast-1", "--dry-run")
        self.assertIn("type=1,serial=ds=nocloud-net;s=http://192.168.1.5/seeds/mast-1/", shown)
        self.do("create", "mast-1")   # A real qemu takes it.
        self.expect(mast_1="running")

    def test_what_is_missing_is_named(self):
        os.rename(f"{self.host.state}/images/base.qcow2", f"{self.host.state}/images/x")
        self.assertIn("there is no image " + self.host.state, self.do("create", "mast-1", code=5))
        self.assertIn("this machine has no bridge br0", self.do("create", "gate-1", code=5))
        said = self.host.fairlead("list", env={"PATH": "/nowhere"})
        self.assertEqual(said.returncode, 1)
        self.assertIn("qemu-system-x86_64 is not on this machine. Install it (Debian: qemu-system-x86)", said.stderr)
        self.assertIn("there is no machine 'mast-9'", self.do("start", "mast-9", code=2))

    def test_a_half_made_machine_is_finished(self):
        self.do("create", "mast-1")
        self.do("stop", "mast-1", "--force")
        folder = self.host.vm_folder("mast-1")
        os.unlink(f"{folder}/seed.id")   # As after a kill before the seed was whole, and one in the middle of another disk's copy.
        with open(f"{folder}/system.qcow2.part", "wb") as file:
            file.write(b"half")
        self.expect(mast_1="absent")
        before = os.stat(f"{folder}/system.qcow2").st_ino
        self.do("create", "mast-1")
        self.expect(mast_1="running")
        self.assertEqual(os.stat(f"{folder}/system.qcow2").st_ino, before, "its disk is not written over")


class LibvirtTest(HostTest):
    driver = "libvirt"
    libvirtd = True
    programs = ("libvirtd", "virsh")

    def virsh(self, *words):
        return self.host.run("virsh", "-q", "-c", "qemu:///system", *words)

    def test_life_of_a_machine(self):
        self.expect(mast_1="absent")
        self.do("create", "mast-1")
        self.expect(mast_1="running")
        self.assertEqual(self.virsh("domstate", "demo-mast-1").stdout.strip(), "running")
        self.assertIn("demo-mast", self.virsh("net-list").stdout)
        self.assertIn("nothing to do", self.do("create", "mast-1"))
        self.do("stop", "mast-1", "--force")
        self.expect(mast_1="stopped")
        self.do("start", "mast-1")
        self.expect(mast_1="running")
        self.do("destroy", "mast-1", "--yes-destroy", "mast-1")
        self.expect(mast_1="absent")
        self.assertEqual(self.virsh("list", "--all", "--name").stdout.strip(), "")
        self.assertEqual(self.virsh("net-list", "--all", "--name").stdout.strip(), "")
        self.assertIn("nothing to do", self.do("destroy", "mast-1"))

    def test_a_domain_of_the_same_name_is_never_touched(self):
        path = os.path.join(self.host.folder, "other.xml")
        with open(path, "w", encoding="ascii") as file:
            file.write("<domain type='qemu'><name>demo-mast-1</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid><memory>16384</memory>"
                       "<os><type arch='x86_64'>hvm</type></os></domain>")
        self.assertEqual(self.virsh("define", path).returncode, 0)
        self.expect(mast_1="not ours")
        for words in (("create", "mast-1"), ("destroy", "mast-1", "--yes-destroy", "mast-1")):
            self.assertIn("6695eb01", self.do(*words, code=5))
        self.assertEqual(self.virsh("domuuid", "demo-mast-1").stdout.strip(), "6695eb01-f6a4-8304-79aa-97f2502e193f")


class LibvirtAnswers(HostTest):
    driver = "libvirt"
    programs = ("virsh",)

    def test_libvirts_own_test_driver(self):
        self.host.env = {"LIBVIRT_DEFAULT_URI": "test:///default"}
        self.expect(mast_1="absent", gate_1="absent")

    def test_no_libvirtd_is_said(self):
        self.host.env = {"LIBVIRT_DEFAULT_URI": f"qemu+unix:///system?socket={self.host.folder}/none"}
        self.assertIn("is libvirtd running", self.do("list", code=1))


if __name__ == "__main__":
    main()
