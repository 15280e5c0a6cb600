"""The script that makes a brick of a disk (tests/golden/k8s-bootstrap/storage/brick.sh), with programs in place of LVM's that keep its state in
files: interrupted before and after each of its changes it ends as a run that nothing interrupted, and a disk that is not empty is not touched."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDEN = os.path.join(ROOT, "tests", "golden", "k8s-bootstrap", "storage")
DISK = next((f"/dev/{name}" for name in ("loop0", "vda", "sda", "ram0", "zram0") if os.path.exists(f"/sys/class/block/{name}") and os.path.exists(f"/dev/{name}")), None)
PROGRAMS = "vgs lvs vgcreate lvcreate lvconvert lvchange blkid lsblk blockdev mkfs.xfs systemctl mountpoint wipefs head dd mkdir".split()
STUB = r'''#!/usr/bin/python3 -B
import json, os, sys
HERE = os.environ["STUB"]
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
state = json.load(open(HERE + "/state.json"))

def save():
    json.dump(state, open(HERE + "/state.json", "w"))

def change(what):
    """Dies before or after its effect where the test says so."""
    state["calls"] += 1
    save()
    if os.environ.get("DIE") == f"{state['calls']}:before":
        sys.exit(9)
    what()
    state["log"].append([name, *words])
    save()
    sys.exit(9 if os.environ.get("DIE") == f"{state['calls']}:after" else 0)

def value(option):
    return words[words.index(option) + 1]

if name == "vgs":
    if not state["group"]:
        sys.exit(5)
    print("  536870912000")
elif name == "lvs":
    volume = words[-1].split("/")[1]
    if volume not in state["volumes"]:
        sys.exit(5)
    print("  " + (state["volumes"][volume] if "segtype" in words else "510027366400"))
elif name == "vgcreate":
    change(lambda: state.update(group=True))
elif name == "lvcreate":
    change(lambda: state["volumes"].update({value("--name"): "thin" if "--type" in words else "linear"}))
elif name == "lvconvert":
    change(lambda: (state["volumes"].update(pool="thin-pool"), state["volumes"].pop("metadata")))
elif name == "mkfs.xfs":
    change(lambda: state.update(xfs=True))
elif name == "wipefs":
    change(lambda: state.update(data=None))
elif name == "blkid":
    if words[-1].startswith("/dev/fl-"):
        if not state["xfs"]:
            sys.exit(2)
        print("xfs")
    elif not state["data"]:
        sys.exit(2)
elif name == "lsblk":
    column = words[words.index("-o") + 1]
    print({"SERIAL": state["serial"], "MOUNTPOINT": ""}.get(column, words[-1]))
    for part in state["parts"] if column == "NAME" else []:
        print(part)
elif name == "blockdev":
    print(state["bytes"])
elif name == "head":
    sys.stdout.write(state["bytes_there"] if "1048576" in words else sys.stdin.read(1))
'''


@unittest.skipIf(DISK is None, "no block device to point at")
class BrickScriptTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name in PROGRAMS:
            path = os.path.join(self.folder.name, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(STUB)
            os.chmod(path, 0o755)

    def fresh(self, **what):
        self.state = {"group": False, "volumes": {}, "xfs": False, "data": None, "serial": "S-stor-1", "parts": [], "bytes": 600 << 30, "bytes_there": "", "calls": 0,
                      "log": []} | what
        with open(os.path.join(self.folder.name, "state.json"), "w", encoding="ascii") as file:
            json.dump(self.state, file)

    def run_script(self, name="brick.sh", die=""):
        with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
            script = "set -eu\n" + file.read().replace("/dev/sdb", DISK)
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False,
                              env={"PATH": f"{self.folder.name}:/usr/sbin:/usr/bin:/sbin:/bin", "STUB": self.folder.name, "DIE": die})
        with open(os.path.join(self.folder.name, "state.json"), encoding="ascii") as file:
            self.state = json.load(file)
        return done

    def programs(self):
        return [call[0] for call in self.state["log"]]

    def test_from_an_empty_disk(self):
        self.fresh()
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.programs(), ["vgcreate", "lvcreate", "lvcreate", "lvconvert", "lvcreate", "mkfs.xfs"])
        self.assertIn("5368709120b", self.state["log"][2], "1 % of the group")
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(len(self.state["log"]), 6, "again there is nothing to make")

    def test_interrupted_anywhere_it_ends_alike(self):
        for number in range(1, 7):
            for when in ("before", "after"):
                with self.subTest(number=number, when=when):
                    self.fresh()
                    self.assertNotEqual(self.run_script(die=f"{number}:{when}").returncode, 0)
                    done = self.run_script()
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(self.programs(), ["vgcreate", "lvcreate", "lvcreate", "lvconvert", "lvcreate", "mkfs.xfs"])

    def test_what_is_not_an_empty_disk_of_the_site_is_not_touched(self):
        for wrong, said in (({"serial": "OTHER"}, "its serial is 'OTHER'"), ({"bytes": 400 << 30}, "bytes, the site says"), ({"data": "ext4"}, "it has data"),
                            ({"parts": [DISK + "p1"]}, "it has partitions"), ({"bytes_there": "x"}, "bytes at its beginning")):
            with self.subTest(wrong=wrong):
                self.fresh(**wrong)
                done = self.run_script()
                self.assertEqual(done.returncode, 1)
                self.assertIn(said, done.stderr)
                self.assertEqual(self.state["log"], [])

    def test_wiping_asks_for_the_serial_too(self):
        self.fresh(data="ext4", serial="OTHER")
        self.assertEqual(self.run_script("brick-wiped.sh").returncode, 1)
        self.assertEqual(self.state["log"], [])
        self.fresh(data="ext4")
        done = self.run_script("brick-wiped.sh")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.programs()[:2], ["wipefs", "vgcreate"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
