"""Whole gateways with dnsdhcp in a lab: what their configuration is, who serves, real DHCP clients, an upstream DNS server."""
import json
import os
import signal

from support import dnsmasq
from support.corosync_lab import CorosyncLab
from support.vip_nodes import GatesTest, VipNode
from support.waiting import Timeout, wait_for

ROUTER, DNS = "10.77.9.254", "10.77.9.1"
POOL = ("10.77.8.10", "10.77.8.60")
DOMAIN = "lab.test"
UPSTREAM_DOMAIN, UPSTREAM_ANSWER = "up.test", "192.0.2.7"


def with_dhcp(gate, pool=POOL, **more):
    """`more`: further keys of dnsdhcp."""
    gate.config["vips"][0]["group"] = "gateway"
    gate.config["dnsdhcp"] = {
        "follows": "gateway", "domain": DOMAIN,
        "networks": [{"name": "lan", "interface": "eth0", "cidr": "10.77.0.0/16", "router": ROUTER, "dns": DNS, "pool": list(pool), "lease": "2m"}],
        "hosts": [{"name": "mast-1", "network": "lan", "mac": "52:54:00:00:01:01", "address": "10.77.7.11"}],
        "records": [{"name": "static", "address": "10.77.7.7"}], **more,
    }


def leases_of(gate):
    return json.loads(gate.cli("dhcp", "leases").stdout)["leases"]


def bare(lab, name):
    """A machine without an address, as one that boots."""
    node = lab.node(name)
    node.run(["ip", "addr", "flush", "dev", "eth0"])
    return node


def start_upstream(lab):
    """A DNS server that answers UPSTREAM_ANSWER for every name of UPSTREAM_DOMAIN, to be kept by nobody; its node."""
    node = lab.node("upstream")
    node.spawn([dnsmasq.DNSMASQ, "--keep-in-foreground", "--log-facility=-", "--pid-file=", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                "--group=", "--bind-interfaces", f"--listen-address={node.address}", f"--address=/{UPSTREAM_DOMAIN}/{UPSTREAM_ANSWER}"], "upstream")
    wait_for(lambda: node.run(["dig", "+short", "+time=1", "+tries=1", f"@{node.address}", f"x.{UPSTREAM_DOMAIN}"]).stdout.strip() == UPSTREAM_ANSWER, 10,
             "the upstream server answers")
    return node


class DhcpClient:
    """busybox udhcpc on a node of its own; asks when told."""

    SCRIPT = """#!/bin/sh
[ "$1" = deconfig ] && exit 0
echo "what=$1 ip=$ip serverid=$serverid router=$router dns=$dns lease=$lease" >> {told}
case "$1" in bound|renew) ip addr replace "$ip/16" dev eth0;; esac
exit 0
"""

    def __init__(self, lab, name):
        self.node = bare(lab, name)
        self.name = name
        self.told = os.path.join(self.node.dir, "told")
        self.script = _program(self.node, "udhcpc.sh", self.SCRIPT.format(told=self.told))

    def ask(self, *options, tries=3):
        """One DISCOVER, OFFER, REQUEST, ACK; what it was told, or None."""
        done = self.node.run(["busybox", "udhcpc", "-f", "-n", "-q", "-t", str(tries), "-T", "1", "-i", "eth0", "-x", f"hostname:{self.name}",
                              "-s", self.script, *options], timeout=40)
        return self.last() if done.returncode == 0 else None

    def run(self):
        """From now on, all the time."""
        self.process = self.node.spawn(["busybox", "udhcpc", "-f", "-t", "3", "-T", "1", "-A", "1", "-i", "eth0", "-x", f"hostname:{self.name}", "-s", self.script], "udhcpc")

    def renew(self):
        """After run(): it asks its server now."""
        self.process.signal(signal.SIGUSR1)

    def last(self):
        """What it was told last; None: nothing."""
        if not os.path.exists(self.told):
            return None
        with open(self.told, encoding="ascii") as file:
            return dict(part.split("=", 1) for part in file.read().splitlines()[-1].split(" "))

    def address(self):
        told = self.last()
        return told["ip"] if told and told["what"] in ("bound", "renew") else None


class DhclientClient:
    """ISC dhclient on a node of its own, all the time."""

    SCRIPT = """#!/bin/sh
case "$reason" in BOUND|RENEW|REBIND|REBOOT)
  [ -z "$old_ip_address" ] || [ "$old_ip_address" = "$new_ip_address" ] || ip addr del "$old_ip_address/16" dev eth0
  ip addr replace "$new_ip_address/16" dev eth0; echo "$new_ip_address" >> {told};;
EXPIRE|FAIL|RELEASE|STOP) ip addr flush dev eth0;;
esac
exit 0
"""

    def __init__(self, lab, name):
        self.node = bare(lab, name)
        self.told = os.path.join(self.node.dir, "told")
        self.script = _program(self.node, "dhclient.sh", self.SCRIPT.format(told=self.told))

    def run(self):
        at = self.node.dir
        self.node.spawn(["dhclient", "-d", "-4", "-sf", self.script, "-lf", f"{at}/dhclient.leases", "-pf", f"{at}/dhclient.pid", "-cf", "/dev/null", "eth0"], "dhclient")

    def address(self):
        if not os.path.exists(self.told):
            return None
        with open(self.told, encoding="ascii") as file:
            return file.read().splitlines()[-1]


def _program(node, name, text):
    path = os.path.join(node.dir, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


class DhcpGatesTest(GatesTest):
    """Tests of gateways that serve DNS and DHCP; skipped with the reason where that is not to be had."""

    def setUp(self):
        reason = dnsmasq.why_unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()

    def alone(self):
        cluster, gate = self.prepared()
        gate.start()
        self.serving([gate])
        return cluster.lab, gate

    def prepared(self):
        """One without Corosync, not started yet."""
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        gate = VipNode(cluster.nodes[1], None, self)
        with_dhcp(gate)
        gate.write()
        return cluster, gate

    def three(self, prepare=None):
        """`prepare`: as of gates()."""
        gates = self.gates(3, prepare or (lambda _cluster: with_dhcp))
        self.serving(gates)
        return self.lab.lab, gates

    def serving(self, gates, timeout=30):
        """The one gateway whose gate is open."""
        def found():
            for gate in gates:
                dhcp = gate.status().get("dhcp")
                if dhcp and dhcp["networks"] and dhcp["networks"][0]["serving"]:
                    return gate
            return None
        try:
            return wait_for(found, timeout, "the network is served")
        except Timeout as error:
            said = [(g.name, g.status().get("dhcp"), [e for e in g.events() if e["id"][:3] in ("DNS", "DHC", "LEA", "VIP")][-12:]) for g in gates]
            raise Timeout(f"{error}: {said}") from None

    def another_serves(self, gates, old):
        """Of those that run: the one, when it is not `old`."""
        return wait_for(lambda: (now := self.serving(gates)) is not old and now, 30, f"another gateway than {old.name} serves")

    def resolved(self, node, name, server=DNS):
        done = node.run(["dig", "+short", "+time=1", "+tries=1", f"@{server}", name])
        return done.stdout.strip() if done.returncode == 0 else None
