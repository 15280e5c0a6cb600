"""Whole gateways with dnsdhcp: real Corosync, real dnsmasq, real DHCP clients and dig on one network."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dnsmasq                                   # noqa: E402
from support.cluster_probe import main                       # noqa: E402
from support.corosync_lab import CorosyncLab                 # noqa: E402
from support.vip_nodes import GatesTest, VipNode, holders    # noqa: E402
from support.waiting import Timeout, wait_for                        # noqa: E402

ROUTER, DNS = "10.77.9.254", "10.77.9.1"
POOL = ("10.77.8.10", "10.77.8.60")
DOMAIN = "lab.test"


def with_dhcp(gate):
    gate.config["vips"][0]["group"] = "gateway"
    gate.config["dnsdhcp"] = {
        "follows": "gateway", "domain": DOMAIN,
        "networks": [{"name": "lan", "interface": "eth0", "cidr": "10.77.0.0/16", "router": ROUTER, "dns": DNS, "pool": list(POOL), "lease": "2m"}],
        "hosts": [{"name": "mast-1", "network": "lan", "mac": "52:54:00:00:01:01", "address": "10.77.7.11"}],
        "records": [{"name": "static", "address": "10.77.7.7"}],
    }


def leases_of(gate):
    return json.loads(gate.cli("dhcp", "leases").stdout)["leases"]


class DhcpClient:
    """busybox udhcpc on a node of its own; asks when told."""

    SCRIPT = """#!/bin/sh
[ "$1" = deconfig ] && exit 0
echo "what=$1 ip=$ip serverid=$serverid router=$router dns=$dns lease=$lease" >> {told}
case "$1" in bound|renew) ip addr replace "$ip/16" dev eth0;; esac
exit 0
"""

    def __init__(self, lab, name):
        self.node = lab.node(name)
        self.node.run(["ip", "addr", "flush", "dev", "eth0"])
        self.name = name
        self.told = os.path.join(self.node.dir, "told")
        self.script = os.path.join(self.node.dir, "udhcpc.sh")
        with open(self.script, "w", encoding="ascii") as file:
            file.write(self.SCRIPT.format(told=self.told))
        os.chmod(self.script, 0o755)

    def ask(self, *options, tries=3):
        """One DISCOVER, OFFER, REQUEST, ACK; what it was told, or None."""
        done = self.node.run(["busybox", "udhcpc", "-f", "-n", "-q", "-t", str(tries), "-T", "1", "-i", "eth0", "-x", f"hostname:{self.name}",
                              "-s", self.script, *options], timeout=40)
        if done.returncode != 0:
            return None
        with open(self.told, encoding="ascii") as file:
            return dict(part.split("=", 1) for part in file.read().splitlines()[-1].split(" "))


class DnsDhcpTest(GatesTest):
    def setUp(self):
        reason = dnsmasq.why_unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()

    def alone(self):
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        gate = VipNode(cluster.nodes[1], None, self)
        with_dhcp(gate)
        gate.write()
        gate.start()
        self.serving([gate])
        return cluster.lab, gate

    def three(self):
        gates = self.gates(3, prepare=lambda _cluster: with_dhcp)
        self.serving(gates)
        return self.lab.lab, gates

    def serving(self, gates):
        """The one gateway whose gate is open."""
        def found():
            for gate in gates:
                dhcp = gate.status().get("dhcp")
                if dhcp and dhcp["networks"][0]["serving"]:
                    return gate
            return None
        try:
            return wait_for(found, 30, "the network is served")
        except Timeout as error:
            said = [(g.name, g.status().get("dhcp"), [e for e in g.events() if e["id"][:3] in ("DNS", "DHC", "LEA", "VIP")][-12:]) for g in gates]
            raise Timeout(f"{error}: {said}") from None

    def resolved(self, node, name, server=DNS):
        done = node.run(["dig", "+short", "+time=1", "+tries=1", f"@{server}", name])
        return done.stdout.strip() if done.returncode == 0 else None

    def test_a_machine_gets_an_address_and_a_name_and_both_outlive_dnsmasq_and_the_daemon(self):
        lab, gate = self.alone()
        client = DhcpClient(lab, "joiner")

        got = client.ask()
        self.assertIsNotNone(got, "it got a lease")
        self.assertEqual((got["router"], got["dns"]), (ROUTER, DNS))
        self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])
        self.assertEqual(self.resolved(client.node, f"mast-1.{DOMAIN}"), "10.77.7.11")
        self.assertEqual(self.resolved(client.node, f"static.{DOMAIN}"), "10.77.7.7")
        leases = leases_of(gate)
        self.assertEqual([(lease["address"], lease["name"], lease["network"]) for lease in leases], [(got["ip"], "joiner", "lan")])

        with self.subTest("dnsmasq is killed: another one has the lease"):
            pid = gate.status()["dhcp"]["dnsmasq"]["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: gate.status()["dhcp"]["dnsmasq"]["pid"] not in (0, pid), 20, "another dnsmasq runs")
            self.serving([gate])
            self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])

        with self.subTest("the daemon ends and starts: the lease comes from the disk"):
            gate.stop()
            self.assertEqual(gate.processes(), [])
            gate.start()
            self.serving([gate])
            self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])
            self.assertEqual(client.ask()["ip"], got["ip"])

        with self.subTest("an operator ends a lease"):
            self.assertEqual(gate.cli("dhcp", "release", got["ip"], as_json=False).returncode, 0)
            wait_for(lambda: leases_of(gate) == [], 5, "it is gone")
            self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), "")

    def test_leases_and_names_go_with_the_virtual_ips(self):
        lab, gates = self.three()
        client = DhcpClient(lab, "joiner")
        first = self.serving(gates)
        got = client.ask()
        self.assertIsNotNone(got)
        for gate in gates:
            wait_for(lambda gate=gate: [lease["address"] for lease in leases_of(gate)] == [got["ip"]], 10, f"{gate.name} knows it")

        with self.subTest("a planned move: nothing is swept"):
            self.assertEqual(first.cli("vip", "move", "api", as_json=False).returncode, 0)
            second = wait_for(lambda: (now := self.serving(gates)) is not first and now, 20, "another gateway serves")
            opened = second.events("DHCP_GATE_OPENED")[-1]["fields"]
            self.assertEqual(opened["swept"], "false", second.events("DHCP_GATE_OPENED"))
            self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])
            self.assertEqual(client.ask()["ip"], got["ip"], "the same machine has the same address")

        with self.subTest("its daemon is killed: the pool is swept, and a machine nobody knew keeps its address to itself"):
            stranger = lab.node("stranger")
            stranger.run(["ip", "addr", "flush", "dev", "eth0"])
            used = "10.77.8.40" if got["ip"] != "10.77.8.40" else "10.77.8.41"
            stranger.run(["ip", "addr", "add", f"{used}/16", "dev", "eth0"])
            second.kill()
            third = wait_for(lambda: (now := self.serving([g for g in gates if g is not second])) and now, 30, "another gateway serves")
            self.assertEqual(third.events("DHCP_GATE_OPENED")[-1]["fields"]["swept"], "true")
            self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])
            self.assertIn(used, [lease["address"] for lease in leases_of(third)])
            self.assertEqual([e["fields"]["address"] for e in third.events("LEASE_ADOPTED")], [used])
            self.assertEqual(client.ask()["ip"], got["ip"])


if __name__ == "__main__":
    main()
