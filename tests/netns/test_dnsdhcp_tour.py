"""The tour of docs/operating/dnsdhcp.md: its commands run as they stand, in their order, and show what the page says."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dnsmasq                                       # noqa: E402
from support.cluster_probe import ClusterTest, main               # noqa: E402
from support.fairlead import BIN, ROOT                            # noqa: E402
from support.waiting import SCALE                                 # noqa: E402

ADDRESS = r"192\.168\.2\.(?:1[3-9]\d|2[0-2]\d)"


class TourTest(ClusterTest):
    def setUp(self):
        reason = dnsmasq.why_unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()
        self.lab = f"tour-{os.getpid()}"
        self.environment = {**os.environ, "FAIRLEAD_LAB": self.lab, "PATH": f"{BIN}:{os.environ['PATH']}"}
        self.addCleanup(self.bash, "fairlead lab down")

    def bash(self, script):
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120 * SCALE, env=self.environment)

    def test_a_machine_joins_and_keeps_its_address_when_the_gateway_is_killed(self):
        with open(os.path.join(ROOT, "docs", "operating", "dnsdhcp.md"), encoding="utf-8") as page:
            blocks = re.findall(r"^```sh\n(.*?)^```$", page.read(), re.MULTILINE | re.DOTALL)
        self.assertEqual(len(blocks), 6, "up, joins, another client, killed, renews, back")
        interfaces = sorted(os.listdir("/sys/class/net"))
        shown = []
        for block in blocks:
            done = self.bash("set -eu\n" + block)
            self.assertEqual(done.returncode, 0, f"{block}{done.stdout}{done.stderr}")
            shown.append(done.stdout)
        up, joined, another, killed, renewed, back = shown

        self.assertIn("machine-1  node by DHCP", up)
        for vip in ("api", "mast-router", "mast-dns", "node-router", "node-dns"):
            self.assertIn(vip, up)
        address = re.search(rf"^bound: ({ADDRESS}) for 120 s, router 192.168.2.254, resolver 192.168.2.1$", joined, re.MULTILINE)[1]
        self.assertIn(f"{address}\n192.168.1.11\n192.168.4.20\n", joined)
        self.assertRegex(joined, r"mast-\d /\n")
        self.assertIn("A BIOS that boots from the network gets this.", joined)
        self.assertRegex(joined, rf"machine-1.*{address}|{address}.*machine-1")
        leases = set(re.findall(ADDRESS, another))
        self.assertEqual(len(leases), 2, another)
        self.assertEqual(killed, f"{address}\n")
        first = re.search(r"(gate-\d).*holds", up)[1]
        self.assertNotIn(first, renewed.splitlines()[0], "another gateway has the VIPs")
        self.assertIn(f"renew: {address} for 120 s", renewed)
        self.assertIn(f"{address}/24", renewed)
        self.assertLessEqual(leases, set(re.findall(ADDRESS, renewed)))
        self.assertIn(f"\n{address}\n", back)
        self.assertIn(f"Lab '{self.lab}' is gone.", back)
        self.assertFalse(os.path.exists(f"/run/fairlead-lab/{self.lab}"))
        self.assertEqual(sorted(os.listdir("/sys/class/net")), interfaces)


if __name__ == "__main__":
    main()
