"""`make run`'s demonstration: its figures are measured, and it leaves nothing, whatever ends it."""
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

from harness import main
from support.corosync_lab import why_unavailable
from support.fairlead import BIN, ROOT
from support.process import has_ended
from support.waiting import SCALE, wait_for

DEMO = os.path.join(ROOT, "scripts", "run_demo.py")
FAIRLEAD = os.path.join(BIN, "fairlead")


class DemonstrationTest(unittest.TestCase):
    def setUp(self):
        reason = why_unavailable()
        if reason:
            self.skipTest(reason)
        self.name = f"demo-test-{os.getpid()}"
        self.addCleanup(subprocess.run, [FAIRLEAD, "lab", "--name", self.name, "down"], capture_output=True, check=False)
        self.environment = {**os.environ, "FL_BIN": BIN, "PYTHONUNBUFFERED": "1"}

    def demo(self, *options):
        return subprocess.run([sys.executable, DEMO, "--exit", "--name", self.name, *options], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=100 * SCALE, env=self.environment, cwd=ROOT)

    def test_200_ms_of_delay_show_in_the_figures(self):
        for _ in range(3):
            done = self.demo("--only", "move", "--delay", "200")
            found = re.search(r"outage ([\d,]+) ms \(promised 20; ([\d,]+) before it\)", done.stdout)
            self.assertTrue(found, done.stdout + done.stderr)
            outage, before = (int(text.replace(",", "")) for text in found.groups())
            self.assertGreaterEqual(outage, 200)
            if before < 200:
                break
        else:
            self.skipTest(f"the machine stands still for {before} ms by itself: what the delay does cannot be told from it")
        if outage > 3 * (20 * SCALE + before) + 100:
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("NOT AS PROMISED: act 1", done.stderr)

    def test_it_shows_who_is_who_and_names_its_witnesses(self):
        done = self.demo("--only", "move")

        self.assertRegex(done.stdout, r"gate-\d +192\.168\.4\.13\d 10\.99\.0\.\d +Corosync, fairleadd; holds the virtual IP 192\.168\.4\.20")
        self.assertRegex(done.stdout, r"\n   [123.!-]{10}\|[123.!-]{60}  10 ms a sign\n")
        self.assertIn("holders at once: 1\n", done.stdout)
        paths = re.findall(r"\S*build/demo/[\w.-]+", done.stdout)
        self.assertEqual(len(paths), 5, done.stdout)
        folder = os.path.join(ROOT, "build", "demo")
        for path in paths:
            self.assertGreater(os.path.getsize(os.path.join(folder, os.path.basename(path).rstrip(","))), 0, path)
        moved = subprocess.run(["tcpdump", "-n", "-r", os.path.join(folder, "arp.pcap")], capture_output=True, text=True, check=False).stdout
        self.assertIn("Reply 192.168.4.20 is-at 02:fa:00:00:04:", moved)

    def test_keepalived_and_haproxy_do_the_same_beside_it(self):
        done = self.demo("--only", "move", "--versus")

        if absent := [program for program in ("haproxy", "keepalived") if not shutil.which(program)]:
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(f"{' and '.join(absent)} not installed", done.stderr)
            return
        row = r"{} +([\d,]+) ms +([\d,]+) +([\d,]+) +([\d,]+) +(\d)\n"
        found = re.search(row.format("planned move +Fairlead") + " +" + row.format(r"keepalived \+ HAProxy"), done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        outage, failed, holders = (int(found.group(i).replace(",", "")) for i in (6, 7, 10))
        self.assertGreater(outage, 300, "the next one waits for its skew time, 0.6 s")
        self.assertGreater(failed, 0)
        self.assertEqual(holders, 1)
        self.assertIn("All the time: ", done.stdout[:found.start()], "what Fairlead's clients saw is counted before")

    def test_a_killed_demonstration_takes_its_lab_along(self):
        demo = subprocess.Popen([sys.executable, DEMO, "--exit", "--name", self.name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                stdin=subprocess.DEVNULL, env=self.environment)
        self.addCleanup(demo.stdout.close)
        for line in demo.stdout:
            if line.startswith("The clients begin"):
                break
        with open(f"/run/fairlead-lab/{self.name}/state", encoding="ascii") as state:
            processes = [line.split()[-2:] for line in state if line.startswith(("keeper", "program"))]
        self.assertEqual(len(processes), 9 + 9)

        demo.send_signal(signal.SIGKILL)
        demo.wait()

        wait_for(lambda: all(has_ended(pid, start) for pid, start in processes), 10, "the lab's processes have ended")


if __name__ == "__main__":
    main()
