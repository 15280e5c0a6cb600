"""The dashboard in a browser, on a node that is simulated (simulated.test.mjs)."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chromium                               # noqa: E402
from support.cluster_probe import main        # noqa: E402


class SimulatedDashboardTest(unittest.TestCase):
    def test_every_state_and_flood(self):
        reason = chromium.why_unavailable()
        if reason:
            self.skipTest(reason)
        code, said = chromium.run("simulated.test.mjs", timeout=240)
        self.assertEqual(code, 0, said)


if __name__ == "__main__":
    main()
