"""Two machines become a pair by the five commands as they stand in README.md, with the addresses of a lab: install, init, cluster setup, cluster
join, status. Real Corosync, a real TLS server behind it; the programs lie on PATH instead of being installed, and the test starts what systemd
would be told to start."""
import json
import os
import re
import shlex
import ssl
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.backends import Nginx                              # noqa: E402
from support.cluster_probe import main                          # noqa: E402
from support.corosync_lab import why_unavailable                # noqa: E402
from support.fairlead import ROOT                               # noqa: E402
from support.lab import Lab                                     # noqa: E402
from support.machine import Machine                             # noqa: E402
from support.pki import Authority                               # noqa: E402
from support.waiting import wait_for                            # noqa: E402

VIP = "10.77.99.1"
UNREACHABLE = 4


def five_commands():
    """(where, argv) of README.md's block."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = file.read().split("\n## Two machines, five commands\n", 1)[1].split("\n## ", 1)[0]
    block = re.search(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL).group(1)
    return [(where, shlex.split(command)) for where, command in re.findall(r"^([\w-]+)#\s+(.*)$", block, re.MULTILINE)]


def corosync_without_real_time(root):
    """Several on one machine would take every CPU, from their own network threads, too."""
    with open(f"{root}/etc/corosync/corosync.conf", "a", encoding="ascii") as file:
        file.write("system {\n  sched_rr: no\n}\n")


class FirstPairTest(unittest.TestCase):
    def setUp(self):
        why = why_unavailable()
        if why:
            self.skipTest(why)
        self.lab = Lab(mode="namespaces")
        self.addCleanup(self.lab.close)
        units = {"corosync.service": ["corosync", "-f"], "fairleadd.service": ["fairleadd", "--config", "/etc/fairlead/fairlead.yaml"]}
        self.one, self.other = Machine(self.lab, "gate-1", units), Machine(self.lab, "gate-2", units)
        self.router, server_host, self.client = self.lab.node("router"), self.lab.node("mast-1"), self.lab.node("client")
        self.authority = Authority(self.lab.dir)
        self.server = Nginx(server_host, self.authority.issue("mast-1", [server_host.address])).start()

    def done(self, machine, *argv):
        end = machine.run(*argv)
        self.assertEqual(end.returncode, 0, f"{argv}: {end.stdout}{end.stderr}")
        return end.stdout

    def obey(self, machine, unit):
        """What systemd would do, once it is asked for this unit."""
        def is_asked():
            if unit == "corosync.service" and unit not in machine.started and any(unit in line for line in machine.asked()):
                corosync_without_real_time(machine.root)
            machine.obey()
            return unit in machine.started
        wait_for(is_asked, 20, f"{unit} is to be started: {machine.asked()}")

    def status(self, machine):
        return json.loads(self.done(machine, "fairlead", "--json", "status"))

    def statuses(self):
        """Of both; None while a daemon is still starting (systemctl start would wait for that)."""
        ends = [machine.run("fairlead", "--json", "status") for machine in (self.one, self.other)]
        return None if UNREACHABLE in (end.returncode for end in ends) else [json.loads(end.stdout) for end in ends]

    def test_five_commands(self):
        one, other = self.one, self.other
        commands = five_commands()
        self.assertEqual([where for where, _ in commands], ["both", "gate-1", "gate-1", "gate-2", "gate-2"])
        install, init, invite, join, look = [argv for _, argv in commands]
        # The package is there: its programs are on PATH.
        version = self.done(one, "fairlead", "version").split()[1]
        self.assertEqual(install, ["apt", "install", f"./fairlead_{version}_amd64.deb"])
        here = {"192.168.4.20/24": f"{VIP}/16", "192.168.4.254": self.router.address, "192.168.4.130": one.host.address,
                "192.168.4.131": other.host.address, "192.168.1.11:6443": self.server.address}
        for address in here:
            self.assertIn(address, " ".join(init), "README.md no longer says this: bring `here` up to date")
        said = self.done(one, *[re.sub("|".join(map(re.escape, here)), lambda found: here[found.group()], word) for word in init])
        self.assertIn("/etc/fairlead/fairlead.yaml: created", said)
        self.assertIn("valid", self.done(one, "fairlead", "check", "/etc/fairlead/fairlead.yaml"))

        setup = one.spawn(invite, "setup")
        for unit in ("corosync.service", "fairleadd.service"):
            self.obey(one, unit)
        token = wait_for(lambda: re.search(r"fairlead cluster join (\w+)", setup.stdout()), 10, f"a token: {setup.stderr()}").group(1)

        self.assertEqual(join[-1], "TOKEN")
        joined = self.done(other, *join[:-1], token)
        self.assertIn("corosync: restarted\nfairleadd: started\n", joined)
        self.assertEqual(setup.wait(10), 0, setup.stderr())
        self.assertIn("handed over to gate-2", setup.stdout())
        for unit in ("corosync.service", "fairleadd.service"):
            self.obey(other, unit)
        self.assertEqual(one.read("/etc/fairlead/fairlead.yaml"), other.read("/etc/fairlead/fairlead.yaml"), "the same file on both")

        def is_pair():
            found = self.statuses()
            return found and all(all(node["online"] and node["config_match"] for node in s["cluster"]["nodes"]) and len(s["cluster"]["nodes"]) == 2 and
                       s["vips"][0]["holder"] and s["cluster"]["tie_break"] == "armed" and s["ready"] for s in found)
        wait_for(is_pair, 30, "both are online and the VIP is held", interval=0.2)
        for machine in (one, other):
            text = self.done(machine, *look)
            self.assertRegex(text, r"gate-1 +1 +yes")
            self.assertRegex(text, r"gate-2 +2 +yes")
            self.assertIn("quorate", text)
        holder = self.status(one)["vips"][0]["holder"]
        held = {m.host.name: f" {VIP}/" in m.host.run(["ip", "-o", "addr", "show", "dev", "eth0"]).stdout for m in (one, other)}
        self.assertEqual(held, {"gate-1": holder == "gate-1", "gate-2": holder == "gate-2"}, "the kernels agree")
        self.assertEqual(self.asks_through_vip(), b"HTTP/1.1 200 OK")

        wait_for(lambda: all(e["ok"] for e in self.status(one)["vips"][0]["eligible"].values()), 20, "both could hold it")
        self.done(one, "fairlead", "vip", "move", "api")
        self.assertNotEqual(self.status(one)["vips"][0]["holder"], holder)
        self.assertEqual(self.asks_through_vip(), b"HTTP/1.1 200 OK")

    def asks_through_vip(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(self.client.connect((VIP, 6443))) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
            return connection.recv(4096).split(b"\r\n", 1)[0]

    def test_a_machine_whose_host_name_is_another_joins_by_its_address(self):
        one, other = self.one, self.other
        self.done(one, "hostname", "debian")
        self.done(one, "fairlead", "init", "--vip", f"{VIP}/16", "--gateway", self.router.address,
                  "--peer", f"left={one.host.address}", "--peer", f"right={other.host.address}", "--server", f"mast-1={self.server.address}")
        self.assertIn("\nnode: left ", one.read("/etc/fairlead/fairlead.yaml"))
        setup = one.spawn(["fairlead", "cluster", "setup", "--invite", "--no-start"], "setup")
        token = wait_for(lambda: re.search(r"fairlead cluster join (\w+)", setup.stdout()), 10, f"a token: {setup.stderr()}").group(1)
        self.done(other, "fairlead", "cluster", "join", "--no-start", token)
        self.assertIn("\nnode: right\n", other.read("/etc/fairlead/fairlead.yaml"))
        self.assertEqual(one.asked() + other.asked(), [])
        for machine in (one, other):
            self.done(machine, "fairleadd", "--check", "--config", "/etc/fairlead/fairlead.yaml")


if __name__ == "__main__":
    main()
