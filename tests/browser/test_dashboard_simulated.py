"""The dashboard in a browser, on a node that is simulated (simulated.test.mjs, facts.test.mjs)."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chromium                               # noqa: E402
from support.cluster_probe import main        # noqa: E402


class SimulatedDashboardTest(unittest.TestCase):
    def run_script(self, script):
        reason = chromium.why_unavailable()
        if reason:
            self.skipTest(reason)
        code, said = chromium.run(script, timeout=180)
        self.assertEqual(code, 0, said)

    def test_every_state_and_flood(self):
        self.run_script("simulated.test.mjs")

    def test_what_it_says(self):
        self.run_script("facts.test.mjs")


if __name__ == "__main__":
    main()
