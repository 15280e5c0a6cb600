"""`fairlead router apply` as an operator has it: over a real sshd, from the uplink, through CLI and daemon, with real rules. A change that locks
its operator out is taken back after a minute; the login that asked for it is let in until then."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main               # noqa: E402
from support.dhcp_site import DhcpGatesTest          # noqa: E402
from support.fairlead import BIN                     # noqa: E402
from support.ssh_machine import make_key, why_unavailable   # noqa: E402
from support.waiting import wait_for                 # noqa: E402

GATE, ADMIN, OTHER = "198.51.100.1", "198.51.100.2", "198.51.100.3"
SSH_PORT = 2222   # Nothing that the rules let in by themselves.
_SSHD = """HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
"""


class RouterApplyTest(DhcpGatesTest):
    def setUp(self):
        reason = why_unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()
        cluster, self.gate = self.prepared()
        self.lab = cluster.lab
        self.admin, self.key = self.lab.node("admin"), None
        self.uplink()
        self.sshd()
        self.write_rules(open_ports=[SSH_PORT])
        self.gate.start()
        self.serving([self.gate])
        wait_for(lambda: f"dport {SSH_PORT}" in self.rules(), 20, "the file's rules are in force")

    def do(self, node, *words):
        done = node.run(list(words))
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout

    def uplink(self):
        self.do(self.gate.host, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", self.admin.namespace_path)
        for node, addresses in ((self.gate.host, [GATE]), (self.admin, [ADMIN, OTHER])):
            for address in addresses:
                self.do(node, "ip", "address", "add", f"{address}/24", "dev", "up0")
            self.do(node, "ip", "link", "set", "up0", "up")

    def sshd(self):
        folder = self.gate.node.dir
        make_key(f"{folder}/host_key")
        self.key = make_key(f"{folder}/operator_key")
        with open(f"{self.key}.pub", encoding="ascii") as public, open(f"{folder}/authorized", "w", encoding="ascii") as authorized:
            authorized.write(public.read())
        with open(f"{folder}/sshd_config", "w", encoding="ascii") as file:
            file.write(_SSHD.format(folder=folder))
        server = self.gate.node.spawn(["sh", "-c", f"mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -p {SSH_PORT} -f {folder}/sshd_config"], "sshd")
        self.addCleanup(server.kill)
        wait_for(lambda: "Server listening on 0.0.0.0" in server.stderr(), 10, "sshd listens")

    def ssh(self, words, source=ADMIN):
        """A new login that says so; its result. Whoever is not let in knows at once: the rules reject."""
        return self.admin.run(["ssh", "-p", str(SSH_PORT), "-i", self.key, "-b", source, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
                               "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", f"root@{GATE}", words], timeout=40)

    def fairlead(self, *words):
        return f"{os.path.join(BIN, 'fairlead')} --socket {self.gate.socket_path} {' '.join(words)}"

    def over_ssh(self, *words):
        done = self.ssh(self.fairlead(*words))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def write_rules(self, open_ports):
        self.gate.config["router"] = {"uplink": "up0", "masquerade": True, "forward": [{"from": "lan", "to": ["uplink"]}],
                                      "open": [{"port": port} for port in open_ports]}
        self.gate.write()

    def rules(self):
        return self.gate.node.run(["nft", "-s", "list", "table", "inet", "fairlead_router"]).stdout

    def state(self):
        return self.gate.cli("router", "show", as_json=False).stdout

    def test_rules_that_lock_their_operator_out_are_taken_back_after_a_minute(self):
        before = self.rules()
        self.write_rules(open_ports=[9100])
        began = time.monotonic()
        self.assertIn("router apply --confirm", self.over_ssh("router", "apply"))
        self.assertIn("9100", self.rules())
        self.assertIn("on trial", self.state())
        with self.subTest("who asked for them is let in, nobody else is"):
            self.assertEqual(self.ssh("true").returncode, 0)
            refused = self.ssh("true", source=OTHER)
            self.assertEqual(refused.returncode, 255, refused.stdout)
            self.assertIn("refused", refused.stderr)
        wait_for(lambda: self.rules() == before, 80, "the rules of before are in force again")
        self.assertGreaterEqual(time.monotonic() - began, 59)
        self.assertEqual(self.ssh("true", source=OTHER).returncode, 0)
        with self.subTest("a reload does not bring them back"):
            self.gate.cli("reload", as_json=False)
            self.assertEqual(self.rules(), before)
            self.assertIn("were tried and not confirmed", self.state())

    def test_rules_that_are_confirmed_over_a_new_login_stay(self):
        self.write_rules(open_ports=[SSH_PORT, 9100])
        asked = self.ssh(f"{self.fairlead('router', 'apply')} && {self.fairlead('router', 'apply', '--confirm')}")
        self.assertNotEqual(asked.returncode, 0, "the same login proves nothing")
        self.assertIn("new connection", asked.stderr)
        self.assertIn("on trial", self.state())
        self.over_ssh("router", "apply", "--confirm")
        self.assertIn("9100", self.rules())
        self.gate.cli("reload", as_json=False)
        self.assertIn("the file's rules are in force", self.state())

    def test_automation_has_no_trial(self):
        self.write_rules(open_ports=[SSH_PORT, 9100])
        self.over_ssh("--yes", "router", "apply")
        self.assertIn("9100", self.rules())
        self.assertNotIn("on trial", self.state())


if __name__ == "__main__":
    main()
