"""`fairlead image build` makes a Debian that boots: a VM of it is reached by SSH with a certificate of the site's authority, has the site's
logical volumes, and they grow with its disk. By emulation where there is no KVM: half an hour on two idle cores."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import vm_host                                       # noqa: E402
from support.cluster_probe import main                            # noqa: E402
from support.fairlead import BIN                                  # noqa: E402
from support.waiting import SCALE                                 # noqa: E402

GIB = 1 << 30
EXTENTS = 8 << 20   # What is lost to alignment.
VOLUMES = {"root": "1GiB", "home": "128MiB", "opt": "128MiB", "tmp": "128MiB", "usr": "1536MiB", "var": "1GiB"}


def debian_mirror():
    """Where this machine's own packages come from; None: it has no Debian archive."""
    for path in ("/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")):
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                found = re.search(r"^(?:URIs: *|deb +(?:\[.*?\] +)?)(https?://\S*/debian)/? *(?:\s|$)", file.read(), re.M)
            if found:
                return found[1]
    return None


def why_unavailable():
    reason = vm_host.why_unavailable("mmdebstrap", "ssh")
    if reason is None and os.geteuid() != 0:
        reason = "not root"
    if reason is None and debian_mirror() is None:
        reason = "no Debian archive in /etc/apt"
    return reason


@unittest.skipIf(why_unavailable(), why_unavailable())
class ImageTest(unittest.TestCase):
    """One image, one VM, one story."""

    @classmethod
    def setUpClass(cls):
        cls.host = vm_host.VmHost("qemu")
        cls.addClassCleanup(cls.host.close)
        cls.host.__enter__()   # pylint: disable=unnecessary-dunder-call
        os.unlink(f"{cls.host.state}/images/base.qcow2")
        with open(cls.host.site, encoding="utf-8") as file:
            text = file.read()
        for before, after in (("jump: [bastion], ", ""), ("memory: 256MiB, disk: 64MiB", "memory: 768MiB, disk: 7GiB")):
            assert before in text, before
            text = text.replace(before, after)
        volumes = ", ".join(f"{name}: {size}" for name, size in VOLUMES.items())
        text += f"image: {{name: base, release: bookworm, disk: 5GiB, boot: 256MiB, volumes: {{{volumes}}}, grow: {{var: 100%}}, packages: [curl]}}\n"
        text += f"mirrors: {{debian: \"{debian_mirror()}\"}}\n"
        with open(cls.host.site, "w", encoding="utf-8") as file:
            file.write(text)

    def fairlead(self, *words, inside=True, timeout=1800):
        if inside:
            done = self.host.run(f"{BIN}/fairlead", *words, "--site", self.host.site, timeout=timeout * SCALE)
        else:   # Packages come over the host's own network.
            done = subprocess.run([f"{BIN}/fairlead", *words, "--site", self.host.site], capture_output=True, text=True, timeout=timeout * SCALE,
                                  check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def ssh(self, command):
        """With a key that only a certificate lets in."""
        key = f"{self.host.folder}/colleague"
        if not os.path.exists(key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            signed = self.host.run(f"{BIN}/fairlead", "bootstrap", "certs", self.host.site, "--sign-user", f"{key}.pub", "--identity", "berta",
                                   "--output", f"{key}-cert.pub")
            self.assertEqual(signed.returncode, 0, signed.stderr)
        done = self.host.run("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes",
                             "-o", "BatchMode=yes", "-i", key, "debian@192.168.1.11", command, timeout=300 * SCALE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def volumes(self):
        out = {}
        for line in self.ssh("sudo lvs --noheadings --nosuffix --units b -o lv_name,lv_size vg0").splitlines():
            name, size = line.split()
            out[name] = int(size)
        return out

    def test_1_an_image_is_built(self):
        self.fairlead("image", "build", inside=False, timeout=9000)
        images = json.loads(self.fairlead("image", "list", "--json"))
        self.assertEqual([image["name"] for image in images], ["base"])
        self.assertGreater(images[0]["packages"], 100)
        self.assertTrue(images[0]["kernel"].startswith("6."), images[0])
        with open(f"{self.host.state}/images/base.manifest", encoding="utf-8") as file:
            manifest = file.read().splitlines()
        self.assertEqual(manifest, sorted(manifest))
        self.assertTrue(any(line.startswith("curl ") for line in manifest))
        self.assertEqual([name for name in os.listdir(f"{self.host.state}/images") if name.startswith(".build")], [])

    def test_2_a_machine_of_it_boots_and_lets_in_who_has_a_certificate(self):
        self.fairlead("machine", "create", "mast-1")
        bridge = self.host.run("ip", "-o", "link", "show", "type", "bridge").stdout.split()[1].rstrip(":")
        given = self.host.run("ip", "addr", "add", "192.168.1.254/24", "dev", bridge)
        self.assertEqual(given.returncode, 0, given.stderr)
        self.fairlead("machine", "start", "mast-1", "--wait")
        self.assertEqual(self.ssh("hostname -f").strip(), "mast-1.kube.demo")
        self.assertRegex(self.ssh("cat /etc/machine-id"), r"^[0-9a-f]{32}\n$")
        mounts = dict(line.split()[:2] for line in self.ssh("findmnt -rn -o TARGET,SOURCE -t ext4").splitlines())
        self.assertEqual({where: mounts.get(where) for where in ("/", "/home", "/opt", "/tmp", "/usr", "/var")},
                         {"/" if name == "root" else f"/{name}": f"/dev/mapper/vg0-{name}" for name in VOLUMES})

    # The VM's disk has 2 GiB more than the image's: var has them, and what the image left free is still free.
    def test_3_its_volumes_are_the_sites_and_the_first_boot_has_grown_them(self):
        volumes = self.volumes()
        for name in ("root", "home", "opt", "tmp"):
            self.assertEqual(volumes[name], (1024 if name == "root" else 128) << 20, name)
        self.assertAlmostEqual(volumes["var"], 3 * GIB, delta=EXTENTS)
        self.assertGreater(int(self.ssh("df -B1 --output=size /var | tail -n 1")), 2.8 * GIB)
        self.assertEqual(self.ssh("systemctl is-failed fairlead-grow || true").strip(), "inactive")

    def test_4_a_larger_disk_is_used_after_the_next_boot(self):
        self.fairlead("machine", "stop", "mast-1")
        disk = glob.glob(f"{self.host.vm_folder('mast-1')}/system.qcow2")
        subprocess.run(["qemu-img", "resize", "-q", disk[0], "+1G"], check=True)
        self.fairlead("machine", "start", "mast-1", "--wait")
        self.assertAlmostEqual(self.volumes()["var"], 4 * GIB, delta=EXTENTS)

    def test_5_image_grow_does_the_same_while_it_runs(self):
        told = self.fairlead("image", "grow", "mast-1")
        self.assertIn("nothing to grow", told)
        self.host.ask_qemu("mast-1", "block_resize", {"device": "disk0", "size": 9 * GIB})
        self.assertIn("var grew", self.fairlead("image", "grow", "mast-1"))
        self.assertAlmostEqual(self.volumes()["var"], 5 * GIB, delta=EXTENTS)


if __name__ == "__main__":
    main()
