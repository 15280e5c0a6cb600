"""Real dnsmasq on nodes of a lab, as Fairlead runs it: answers on virtual IPs only. With dnsdhcp's own shells as its bus and its script."""
import json
import os
import shutil
import unittest

from support import netns
from support.cluster_probe import program
from support.lab import Lab
from support.probe import ProbeProgram
from support.waiting import Timeout, wait_for

ROUTER, DNS = "10.77.9.254", "10.77.9.1"
POOL = ("10.77.8.10", "10.77.8.60")
STATIC = ("static.lab.test", "10.77.7.7")
DNSMASQ = "/usr/sbin/dnsmasq"


def why_unavailable():
    for name in (DNSMASQ, "busybox", "dhclient", "dig", "nft"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    return netns.why_unavailable()


class DnsmasqTest(unittest.TestCase):
    """Two gateways and a client on one network; skipped with the reason where that is not to be had."""

    def setUp(self):
        reason = why_unavailable()
        if reason:
            self.skipTest(reason)
        self.lab = Lab(mode="namespaces")
        self.addCleanup(self.lab.close)
        self.gates = [Gate(self.lab.node("g1")), Gate(self.lab.node("g2"))]
        self.client = self.lab.node("c1")

    def bare_client(self, name):
        """A machine without an address, as one that boots."""
        node = self.lab.node(name)
        self.must(node, ["ip", "addr", "flush", "dev", "eth0"])
        return node

    def must(self, node, argv, text=None):
        """Runs it to its end; what it printed. `text`: its standard input."""
        if text is not None:
            path = os.path.join(node.dir, "input")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            argv = ["sh", "-c", 'exec "$@" < "$0"', path, *argv]
        done = node.run(argv)
        self.assertEqual(done.returncode, 0, f"{argv}: {done.stdout}{done.stderr}")
        return done.stdout


def mac_of(node):
    """Of its eth0. /sys would show the machine's own."""
    return json.loads(node.run(["ip", "-j", "link", "show", "dev", "eth0"]).stdout)[0]["address"]


class Gate:
    """A gateway: its own address, perhaps virtual ones, dnsmasq."""

    def __init__(self, node):
        self.node = node
        self.dir = node.dir
        self.own = node.address
        self.dnsmasq = None
        self.probe = None
        self.programs = program   # Name to path.
        self._lives = 0
        os.mkdir(os.path.join(self.dir, "tftp"), 0o755)
        with open(os.path.join(self.dir, "tftp", "boot.txt"), "w", encoding="ascii") as file:
            file.write("boot me\n")
        self.write_config()

    def give_to(self, uid):
        """Its folder, and copies of the programs in it: another user may not see the build."""
        for name in ("dnsmasq_probe", "fairlead-dhcp-event"):
            shutil.copy(program(name), os.path.join(self.dir, name))
        self.programs = lambda name: os.path.join(self.dir, name)
        os.chown(self.dir, uid, uid)

    @property
    def config(self):
        return os.path.join(self.dir, "dnsmasq.conf")

    def write_config(self, *more, user="root", group="root"):
        lines = ["bind-dynamic", f"listen-address={ROUTER}", f"listen-address={DNS}",
                 "no-resolv", "no-hosts", "no-ping", "dhcp-authoritative", "log-dhcp", f"user={user}", f"group={group}", "domain=lab.test",
                 f"dhcp-range=set:lan,{POOL[0]},{POOL[1]},255.255.0.0,2m", f"dhcp-option=tag:lan,option:router,{ROUTER}",
                 f"dhcp-option=tag:lan,option:dns-server,{DNS}", f"host-record={STATIC[0]},{STATIC[1]}",
                 "enable-tftp", f"tftp-root={self.dir}/tftp", *more]
        with open(self.config, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def start(self, *more, wrap=(), env=None):
        """dnsmasq alone. `wrap`: what it is started by."""
        self._lives += 1
        self.dnsmasq = self.node.spawn([*wrap, DNSMASQ, "--keep-in-foreground", "--log-facility=-", "--pid-file=", f"--conf-file={self.config}",
                                        f"--dhcp-leasefile={self.dir}/leases", *more], f"dnsmasq{self._lives}", env=env)
        try:
            wait_for(lambda: "started, version" in self.dnsmasq.stderr(), 10, "dnsmasq runs")
        except Timeout as error:
            raise Timeout(f"{error}: {self.dnsmasq.stderr()}") from None
        return self.dnsmasq

    def start_probe(self, *options, wrap=()):
        """dnsdhcp's bus and script socket; with "--keep", ... dnsmasq itself."""
        self.probe = DnsmasqProbe(self, options, wrap)
        return self.probe

    def start_with_probe(self, *more, wrap=(), env=None):
        """dnsmasq, started here, on the bus of a probe, with its script."""
        probe = self.probe or self.start_probe()
        ups = len(probe.lines("UP"))
        self.start("--enable-dbus", "--leasefile-ro", f"--dhcp-script={self.programs('fairlead-dhcp-event')}", *more, wrap=wrap,
                   env={**probe.environment(), **(env or {})})
        probe.wait("UP", ups + 1)

    def ip(self, *arguments):
        done = self.node.run(["ip", *arguments])
        assert done.returncode == 0, f"ip {arguments}: {done.stderr}"

    def add_vips(self, *addresses, length=16, more=()):
        for address in addresses or (ROUTER, DNS):
            self.ip("addr", "add", f"{address}/{length}", "dev", "eth0", *more)

    def drop_vips(self, *addresses, length=16):
        for address in addresses or (ROUTER, DNS):
            self.ip("addr", "del", f"{address}/{length}", "dev", "eth0")

    def bound(self):
        """What listens here: {"udp 0.0.0.0:67", ...}."""
        out = set()
        for line in self.node.run(["ss", "-Hlntu"]).stdout.splitlines():
            fields = line.split()
            out.add(f"{fields[0]} {fields[4].replace('%eth0', '')}")
        return out


class DnsmasqProbe(ProbeProgram):
    """A running dnsmasq_probe."""

    _count = 0

    def __init__(self, gate, options=(), wrap=()):
        DnsmasqProbe._count += 1
        name = f"run{DnsmasqProbe._count}"
        self.dir = os.path.join(gate.dir, name)
        os.mkdir(self.dir, 0o755)
        shutil.chown(self.dir, os.stat(gate.dir).st_uid)
        path = os.path.join(self.dir, "tell")
        super().__init__(path, name)
        self.process = gate.node.spawn([*wrap, gate.programs("dnsmasq_probe"), path, self.dir, *options], f"probe{DnsmasqProbe._count}")
        self.wait("READY")

    def environment(self):
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.dir}/bus", "FAIRLEAD_DHCP_SOCKET": f"{self.dir}/script"}

    def ask(self, command, word="ANSWER", timeout=10, **values):
        """Tells it and returns the next such line."""
        before = len(self.matching(word, **values))
        self.tell(command)
        return self.wait(word, before + 1, timeout, **values)[-1]

    def pid(self):
        return int(self.ask("ping", "PONG")["pid"])
