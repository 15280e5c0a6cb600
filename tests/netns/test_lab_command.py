"""`fairlead lab`: what it makes works, can be broken and mended, and goes away whatever happened to who made it."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                # noqa: E402
from support.corosync_lab import why_unavailable      # noqa: E402
from support.fairlead import BIN                      # noqa: E402
from support.process import has_ended, start_time     # noqa: E402
from support.waiting import SCALE, wait_for           # noqa: E402

FAIRLEAD = os.path.join(BIN, "fairlead")


class LabCommandTest(unittest.TestCase):
    _count = 0

    def setUp(self):
        reason = why_unavailable()
        if reason:
            self.skipTest(reason)
        LabCommandTest._count += 1
        self.name = f"test-{os.getpid()}-{LabCommandTest._count}"
        self.folder = f"/run/fairlead-lab/{self.name}"
        self.addCleanup(self.lab, "down")

    def lab(self, *arguments, code=0, **options):
        done = subprocess.run([FAIRLEAD, "lab", "--name", self.name, *arguments], capture_output=True, text=True, timeout=120 * SCALE, check=False,
                              stdin=subprocess.DEVNULL, **options)
        if code is not None:
            self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def status(self):
        return json.loads(self.lab("status", "--json").stdout)

    def node(self, name):
        return next(n for n in self.status()["nodes"] if n["name"] == name)

    def curl(self):
        return self.lab("exec", "client", "curl", "-sS", "-m", "3", "https://api:6443/x", code=None).stdout

    def processes(self):
        """Everything that lives in the lab's process namespace or below, by what the state file named: (pid, start)."""
        with open(f"{self.folder}/state", encoding="ascii") as file:
            return [tuple(line.split()[-2:]) for line in file if line.startswith(("keeper", "program"))]

    def assert_gone(self, processes):
        wait_for(lambda: all(has_ended(pid, start) for pid, start in processes), 10, "every process of the lab has ended")

    def assert_nothing_stays(self, processes, interfaces):
        self.assert_gone(processes)
        self.assertFalse(os.path.exists(self.folder))
        self.assertEqual(sorted(os.listdir("/sys/class/net")), interfaces)

    def test_a_lab_serves_is_broken_mended_and_removed(self):
        interfaces = sorted(os.listdir("/sys/class/net"))
        shown = self.lab("up", "--profile", "fast").stdout
        self.assertIn(f"fairlead lab --name {self.name} exec client curl -s https://api:6443/", shown)
        self.assertRegex(self.curl(), "mast-[123] /x")
        first, = self.status()["vip"]["holders"]
        self.assertEqual(self.lab("exec", first, "hostname").stdout, first + "\n")
        self.assertIn("mast-3", self.lab("exec", first, "fairlead", "status").stdout)

        with self.subTest("arguments and the exit code are the command's own"):
            self.assertEqual(self.lab("exec", "client", "sh", "-c", "exit 7", code=7).stderr, "")
            self.assertEqual(self.lab("exec", "client", "echo", "--json", "-n").stdout, "--json -n\n")
            self.assertIn("there are router, mast-1", self.lab("exec", "nobody", "true", code=1).stderr)

        with self.subTest("a node sees its own files and processes, and cannot write the machine's"):
            self.assertIn("1 ", self.lab("exec", first, "ps", "-e", "-o", "pid=,comm=").stdout)
            self.assertEqual(self.lab("exec", "client", "sh", "-c", "ls /var/lib/fairlead /etc/fairlead").stdout.split(), ["/etc/fairlead:", "/var/lib/fairlead:"])
            self.lab("exec", "client", "sh", "-c", "echo x > /run/host/etc/written-by-a-test", code=2)
            self.lab("exec", "client", "sh", "-c", "echo x > /etc/written-by-a-test")
            self.assertFalse(os.path.exists("/etc/written-by-a-test"))

        with self.subTest("its first process reaps who ends"):
            # Were SIGCHLD ignored, the kernel would, as the last act of who ends: lab/keeper.cc says what that costs a real-time program's node.
            with open(f"/proc/{self.node(first)['keeper']}/status", encoding="ascii") as file:
                ignored = next(int(line.split()[1], 16) for line in file if line.startswith("SigIgn"))
            self.assertEqual(ignored >> (signal.SIGCHLD - 1) & 1, 0)
            self.lab("exec", first, "sh", "-c", "true & true & exit 0")
            wait_for(lambda: "Z" not in self.lab("exec", first, "ps", "-e", "-o", "stat=").stdout, 10, "no process waits for being reaped")

        with self.subTest("a killed daemon, and up again"):
            self.lab("exec", first, "pkill", "-9", "-x", "fairleadd")
            wait_for(lambda: self.status()["vip"]["holders"] not in ([], [first]), 20, "another gateway holds the VIP")
            self.assertIn("fairleadd ended", self.lab("status").stdout)
            self.assertIn("fairleadd started again", self.lab("up", "--profile", "fast").stdout)

        with self.subTest("the holder is switched off, and up again"):
            second, = self.status()["vip"]["holders"]
            os.kill(self.node(second)["keeper"], signal.SIGKILL)
            wait_for(lambda: self.status()["vip"]["holders"] not in ([], [second]), 20, "another gateway holds the VIP")
            self.assertIn("switched off", self.lab("status").stdout)
            self.assertIn("is switched off", self.lab("exec", second, "true", code=1).stderr)
            self.lab("up", "--profile", "fast")
            self.assertTrue(self.node(second)["on"])
            self.assertRegex(self.curl(), "mast-[123] /x")

        with self.subTest("plugs that were pulled, and up again"):
            self.lab("exec", "switch", "sh", "-c", "ip link set client-lan nomaster && ip link set router-mast nomaster && ip link set router-mast down")
            self.assertNotIn("master", self.lab("exec", "switch", "ip", "-o", "link", "show", "client-lan").stdout)
            self.lab("up", "--profile", "fast")
            self.assertRegex(self.curl(), "mast-[123] /x")

        with self.subTest("other options for a lab that is up are refused"):
            self.assertIn("is up with other options", self.lab("up", "--nodes", "2", code=1).stderr)

        processes = self.processes()
        self.lab("down")
        self.assert_nothing_stays(processes, interfaces)
        self.assertIn("There is no lab", self.lab("down").stdout)
        self.assertIn("is not up", self.lab("status", code=1).stderr)

    def test_two_gateways_on_one_link_and_one_alone(self):
        for options in (["--nodes", "2", "--one-link"], ["--nodes", "1", "--backends", "1"]):
            with self.subTest(options=options):
                self.lab("up", *options)
                self.assertRegex(self.curl(), "mast-[123] /x")
                self.assertEqual(len(self.status()["vip"]["holders"]), 1)
                self.lab("down")

    def test_up_killed_at_any_point_leaves_no_process_and_the_next_up_works(self):
        interfaces = sorted(os.listdir("/sys/class/net"))
        for lines in (1, 2, 4, 6, 9, 12, 15):
            with self.subTest(state_lines=lines):
                up = subprocess.Popen([FAIRLEAD, "lab", "--name", self.name, "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                wait_for(lambda: self.has_lines(lines) or up.poll() is not None, 20, f"{lines} lines of state", 0.0005)
                up.kill()
                up.wait()

                processes = self.processes() if os.path.exists(f"{self.folder}/state") else []
                self.assert_gone(processes)
                self.lab("status", code=1)
        self.lab("up")
        processes = self.processes()
        self.lab("down")
        self.assert_nothing_stays(processes, interfaces)

    def has_lines(self, count):
        try:
            with open(f"{self.folder}/state", encoding="ascii") as file:
                return len(file.readlines()) > count
        except FileNotFoundError:
            return False

    def test_an_interrupted_up_takes_its_folder_along(self):
        up = subprocess.Popen([FAIRLEAD, "lab", "--name", self.name, "up"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: self.has_lines(4), 20, "it is half made", 0.001)
        processes = self.processes()
        busy = self.lab("down", code=1)
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=30 * SCALE)

        self.assertEqual(up.returncode, 1)
        self.assertIn("interrupted", said)
        self.assertIn("at work", busy.stderr)
        self.assert_gone(processes)
        self.assertFalse(os.path.exists(self.folder))

    def test_killing_the_first_keeper_ends_everything_and_down_clears_up(self):
        self.lab("up")
        processes = self.processes()
        os.kill(self.status()["keeper"], signal.SIGKILL)

        self.assert_gone(processes)
        self.assertIn("is not up", self.lab("status", code=1).stderr)
        self.lab("down")
        self.assertFalse(os.path.exists(self.folder))

    def test_down_never_ends_a_process_that_got_an_old_number(self):
        stranger = subprocess.Popen(["tail", "-f", "/dev/null"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        os.makedirs(self.folder)
        with open(f"{self.folder}/state", "w", encoding="ascii") as file:
            file.write(f"fairlead-lab 1\noptions name={self.name}\nkeeper switch {stranger.pid} 1\nprogram gate-1 fairleadd {stranger.pid} 2\n")

        self.assertIn("is gone", self.lab("down").stdout)

        self.assertIsNone(stranger.poll())
        self.assertFalse(os.path.exists(self.folder))

    def test_a_lab_whose_state_is_of_another_version_is_ended_whole(self):
        interfaces = sorted(os.listdir("/sys/class/net"))
        self.lab("up", "--nodes", "1", "--backends", "1")
        processes = self.processes()
        with self.with_state(lambda text: "fairlead-lab 2\nlink gate-1 lan\n" + text.split("\n", 1)[1]):
            for verb in (["status"], ["up"], ["exec", "gate-1", "true"]):
                told = self.lab(*verb, code=1).stderr
                self.assertIn("is not of this version", told)
                self.assertNotIn("down", told)

            self.lab("down")

        self.assert_nothing_stays(processes, interfaces)

    def test_down_removes_nothing_when_nobody_knows_what_to_end(self):
        self.lab("up", "--nodes", "1", "--backends", "1")
        processes = self.processes()
        with open(f"{self.folder}/state", encoding="ascii") as file:
            names = {line.split()[-2]: line.strip() for line in file if line.startswith(("keeper", "program"))}
        for damage in (lambda text: "", lambda text: "\n".join(line for line in text.split("\n") if "switch" not in line),
                       lambda text: text * 5000, lambda text: None):
            with self.with_state(damage):
                told = self.lab("down", code=1).stderr
                self.assertIn("Nothing was ended and nothing removed", told)
                self.assertTrue(os.path.exists(f"{self.folder}/nodes/gate-1"))
                self.assertEqual([names[pid] for pid, start in processes if start_time(pid) != start], [])

        with self.subTest("what it says to do ends everything"), self.with_state(lambda text: None):
            find, parent, kill = re.search(r"nodes: (grep .*?);.*\((ps .*?)\): (kill -9)", self.lab("down", code=1).stderr).groups()
            found = subprocess.run(find, shell=True, capture_output=True, text=True, check=False).stdout
            pids = [pid for pid in re.findall(r"/proc/(\d+)/", found) if named(pid, "lab-keeper")]
            parents = {subprocess.run(parent.replace("PID", pid), shell=True, capture_output=True, text=True, check=True).stdout.strip() for pid in pids}
            self.assertEqual(len(parents), 1, found)
            subprocess.run(f"{kill} {parents.pop()}; rm -r {self.folder}", shell=True, check=True)
            self.assert_gone(processes)

    @contextlib.contextmanager
    def with_state(self, change):
        """The state file as `change` makes it of its text (None: without it), for a while."""
        path = f"{self.folder}/state"
        with open(path, encoding="ascii") as file:
            text = file.read()
        os.remove(path)
        damaged = change(text)
        try:
            if damaged is not None:
                with open(path, "w", encoding="ascii") as file:
                    file.write(damaged)
            yield
        finally:
            if os.path.exists(self.folder):
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)

    def test_an_attached_lab_ends_with_its_command_however_that_ends(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number):
                up = subprocess.Popen([FAIRLEAD, "lab", "--name", self.name, "up", "--attach"], stdout=subprocess.PIPE, text=True)
                self.addCleanup(up.stdout.close)
                for line in up.stdout:
                    if "Ctrl-C ends it" in line:
                        break
                processes = self.processes()
                self.lab("up")   # Mending an attached lab is no business of the one who attached it.

                up.send_signal(number)
                up.wait(30 * SCALE)

                self.assert_gone(processes)
                self.assertEqual(os.path.exists(self.folder), number == signal.SIGKILL)
                self.lab("down")

    def test_who_is_not_root_is_told(self):
        told = self.lab("up", code=1, user=65534, group=65534, extra_groups=[])
        self.assertIn("one has to be root", told.stderr)
        self.assertEqual(self.lab("status", code=1, user=65534, group=65534, extra_groups=[]).stderr, told.stderr)


def named(pid, name):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
            return comm.read().strip() == name
    except OSError:
        return False


if __name__ == "__main__":
    main()
