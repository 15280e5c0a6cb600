"""The dashboard in a browser, on real gateways with real Corosync (lab.test.mjs): what happens is seen, what is asked for is done."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chromium                                                     # noqa: E402
from support.cluster_probe import main                              # noqa: E402
from support.corosync_lab import why_unavailable                    # noqa: E402
from support.fairlead import BIN                                    # noqa: E402
from support.waiting import SCALE, wait_for                         # noqa: E402

FAIRLEAD = os.path.abspath(os.path.join(BIN, "fairlead"))


class LabDashboardTest(unittest.TestCase):
    def setUp(self):
        reason = why_unavailable() or chromium.why_unavailable()
        if reason:
            self.skipTest(reason)
        self.name = f"web-{os.getpid()}"
        self.addCleanup(self.lab, "down")
        self.lab("up", "--profile", "fast")

    def lab(self, *arguments):
        done = subprocess.run([FAIRLEAD, "lab", "--name", self.name, *arguments], capture_output=True, text=True, timeout=120 * SCALE, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_what_happens_is_seen_and_what_is_asked_for_is_done(self):
        keepers = {n["name"]: n["keeper"] for n in json.loads(self.lab("status", "--json"))["nodes"]}
        gates = [name for name in keepers if name.startswith("gate-")]
        wait_for(lambda: len(json.loads(self.lab("exec", gates[0], "fairlead", "status", "--json"))["vips"][0]["eligible"]) == len(gates), 20, "all gateways are members")
        ways = {}
        for gate in gates:   # As `ssh -L PORT:/run/fairlead/fairlead.sock gate` would carry it: root, an operator.
            ways[gate] = chromium.Forwarder(chromium.to_unix(os.path.join("/proc", str(keepers[gate]), "root", "run/fairlead/fairlead.sock")))
        viewer = chromium.Forwarder(chromium.to_tcp_of(keepers[gates[0]], 9440))
        for way in (*ways.values(), viewer):
            self.addCleanup(way.close)
        code, said = chromium.run("lab.test.mjs", timeout=100, FL_FAIRLEAD=FAIRLEAD, FL_LAB_NAME=self.name, FL_VIEWER_URL=viewer.url,
                                  FL_OPERATOR_URLS=json.dumps({gate: way.url for gate, way in ways.items()}))
        self.assertEqual(code, 0, said)
        print(said)


if __name__ == "__main__":
    main()
