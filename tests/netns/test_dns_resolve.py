"""`fairlead dns resolve` against real dnsmasqs: what it asks is understood, and what they answer is read."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

from support import netns                       # noqa: E402
from support.cluster_probe import main          # noqa: E402
from support.process import SCALE, Spawner      # noqa: E402
from support.waiting import wait_for            # noqa: E402

CLI = os.path.join(os.environ.get("FL_BIN", os.path.join(os.path.dirname(TESTS), "build", "bin")), "fairlead")
DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))


@unittest.skipIf(netns.why_unavailable(), netns.why_unavailable())
@unittest.skipUnless(DNSMASQ, "dnsmasq is not installed (Debian package dnsmasq-base)")
class DnsResolveTest(unittest.TestCase):
    def setUp(self):
        self.node = netns.NetworkNamespace()
        self.addCleanup(self.node.close)
        self.logs = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.logs)
        self.spawner = Spawner()
        self.addCleanup(self.spawner.close)
        with self.node.entered():
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)

    def dnsmasq(self, address, *options):
        return self.spawner.start([DNSMASQ, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file", "--user=root",
                                   f"--listen-address={address}", "--bind-interfaces", "--local=/kube.demo/", *options],
                                  node=self.node, log_dir=self.logs, name=address)

    def resolve(self, *arguments):
        with self.node.entered():
            ended = subprocess.run([CLI, "dns", "resolve", *arguments, "--json"], capture_output=True, text=True, timeout=30 * SCALE, check=False)
        return ended.returncode, json.loads(ended.stdout)["answers"], ended.stderr

    def test_each_server_is_asked_and_compared(self):
        hosts = ("--host-record=mast-1.kube.demo,192.168.1.11,2001:db8::11", "--host-record=mast-1.kube.demo,192.168.1.12")
        self.dnsmasq("127.0.0.1", *hosts)
        self.dnsmasq("127.0.0.2", "--host-record=mast-1.kube.demo,192.168.1.99")
        self.dnsmasq("::1", *hosts)
        both = ("--at", "127.0.0.1", "--at", "::1")
        wait_for(lambda: self.resolve("mast-1.kube.demo", *both)[0] == 0, 10, "both answer alike")

        def records(*arguments):
            code, answers, said = self.resolve(*arguments, *both)
            self.assertEqual(code, 0, said)
            self.assertEqual([a["result"] for a in answers], ["answer"] * 2)
            self.assertTrue(all(0 < a["ms"] < 1000 * SCALE for a in answers), answers)
            return answers[0]["records"]
        self.assertEqual(records("MAST-1.kube.demo"), ["192.168.1.11", "192.168.1.12"])
        self.assertEqual(records("mast-1.kube.demo", "--type", "AAAA"), ["2001:db8::11"])
        self.assertEqual(records("192.168.1.11"), ["mast-1.kube.demo"])
        self.assertEqual(records("2001:db8::11"), ["mast-1.kube.demo"])

        with self.subTest("one of them says something else"):
            wait_for(lambda: self.resolve("mast-1.kube.demo", "--at", "127.0.0.2")[0] == 0, 10, "it answers")
            code, _, said = self.resolve("mast-1.kube.demo", *both, "--at", "127.0.0.2")
            self.assertEqual(code, 1)
            self.assertIn("do not agree", said)
        with self.subTest("what there is not"):
            code, answers, said = self.resolve("nobody.kube.demo", *both)
            self.assertEqual((code, [a["result"] for a in answers]), (1, ["nxdomain"] * 2))
            self.assertIn("no server knows a record A of nobody.kube.demo", said)
            self.assertEqual(self.resolve("mast-1.kube.demo", "--type", "AAAA", "--at", "127.0.0.2")[1][0]["result"], "nodata")
        with self.subTest("a name for which it has no upstream"):
            self.assertEqual(self.resolve("www.example.net", "--at", "127.0.0.1")[1][0]["result"], "failed")
        with self.subTest("nobody there"):
            code, answers, said = self.resolve("mast-1.kube.demo", "--at", "127.0.0.1", "--at", "127.0.0.3")
            self.assertEqual((code, [a["result"] for a in answers]), (1, ["answer", "unreachable"]))
            self.assertIn("1 of 2 servers did not answer", said)


if __name__ == "__main__":
    main()
