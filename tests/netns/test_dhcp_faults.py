"""What makes a gateway with dnsdhcp answer wrongly or not at all, while everything seems to run: a dnsmasq that hangs, rules that somebody
flushed, a pool that cannot be searched, a gate that cannot be set, a lease that is ended under its client."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                                               # noqa: E402
from support.dhcp_site import DOMAIN, POOL, DhcpClient, DhcpGatesTest, bare, leases_of, with_dhcp   # noqa: E402
from support.vip_nodes import holders                                                # noqa: E402
from support.waiting import wait_for                                                 # noqa: E402

_GATE = "fairlead_dhcp"
_UPLINK = "up0"


def _pid(gate):
    return gate.status()["dhcp"]["dnsmasq"]["pid"]


def _network(gate):
    return gate.status()["dhcp"]["networks"][0]


class DhcpFaultsTest(DhcpGatesTest):
    def pair(self):
        """Two gateways, the one that serves first."""
        gates = self.gates(2, prepare=lambda _cluster: with_dhcp)
        first = self.serving(gates)
        return gates, first, next(gate for gate in gates if gate is not first)

    def nft(self, gate, *words, check=True):
        done = gate.node.run(["nft", *words])
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def settled(self, gate):
        """What the daemon puts into nft it lists next, to know it again: one job. This one comes behind it."""
        gate.cli("router", "show")

    def mute(self, gate):
        """No ARP question for the pool leaves the gateway; the sender is told."""
        self.nft(gate, "add table netdev mute")
        self.nft(gate, "add chain netdev mute out { type filter hook egress device eth0 priority 0; }")
        self.nft(gate, "add rule netdev mute out ether type arp arp daddr ip " + "-".join(POOL) + " drop")

    def unmute(self, gate):
        self.nft(gate, "delete table netdev mute")

    def problem(self, gate, words):
        return wait_for(lambda: [e for e in gate.events("DHCP_GATE_PROBLEM") if words in e["fields"]["error"]], 20, f"it says: {words}")

    def resident(self, lab):
        """A machine that has an address of the pool, and no lease that anybody knows."""
        node = lab.node("resident")
        self.assertEqual(node.run(["ip", "addr", "add", f"{POOL[0]}/16", "dev", "eth0"]).returncode, 0)
        return node

    def new_dnsmasq(self, gate, old):
        return wait_for(lambda: _pid(gate) not in (0, old) and _pid(gate), 20, "another dnsmasq runs")

    def test_a_dnsmasq_that_hangs_is_replaced(self):
        lab, gate = self.alone()
        outside = lab.node("outside")
        old = _pid(gate)
        os.kill(old, signal.SIGSTOP)
        self.new_dnsmasq(gate, old)
        self.serving([gate])
        self.assertEqual(self.resolved(outside, f"static.{DOMAIN}"), "10.77.7.7")
        ended = gate.events("DNSMASQ_ENDED")
        self.assertEqual(len(ended), 1)
        self.assertIn("it hangs: 3 questions in a row were not answered", ended[0]["fields"]["reason"])
        self.assertFalse(gate.events("DNSMASQ_CRASH_LOOP"))

    def test_a_gate_that_somebody_flushed_stands_again(self):
        _, first, standby = self.pair()
        for gate in (first, standby):
            with self.subTest(gate.name):
                before = self.nft(gate, "-s", "list", "table", "inet", _GATE)
                self.nft(gate, "flush", "ruleset")
                wait_for(lambda gate=gate, before=before: self.nft(gate, "-s", "list", "table", "inet", _GATE, check=False) == before, 5,
                         "the gate is there again")
                self.problem(gate, "somebody removed the table inet fairlead_dhcp")
        with self.subTest("one that somebody opened"):
            self.settled(standby)
            self.nft(standby, "add", "element", "inet", _GATE, "open4", "{ eth0 }")
            self.problem(standby, "somebody changed the table inet fairlead_dhcp")
            wait_for(lambda: "elements" not in self.nft(standby, "list", "set", "inet", _GATE, "open4"), 5, "it is closed again")

    def test_rules_of_the_router_that_somebody_flushed_are_in_force_again(self):
        _, gate = self.prepared()
        gate.node.run(["ip", "link", "add", _UPLINK, "type", "dummy"])
        gate.node.run(["ip", "link", "set", _UPLINK, "up"])
        gate.config["router"] = {"uplink": _UPLINK, "masquerade": True, "forward": [{"from": "lan", "to": ["uplink"]}]}
        gate.write()
        gate.start()
        self.serving([gate])

        def table():
            return self.nft(gate, "-s", "list", "table", "inet", "fairlead_router", check=False)
        wait_for(lambda: "masquerade" in table(), 10, "the rules are in force")
        before = table()
        self.nft(gate, "flush", "ruleset")
        wait_for(lambda: table() == before, 5, "they are in force again")
        with self.subTest("only their rules, the chains stay"):
            self.settled(gate)
            self.nft(gate, "flush", "table", "inet", "fairlead_router")
            wait_for(lambda: table() == before, 5, "they are in force again")
        with self.subTest("what somebody added stays, and is shown"):
            self.settled(gate)
            self.nft(gate, "insert", "rule", "inet", "fairlead_router", "input", "ip saddr 192.0.2.66 drop")
            self.nft(gate, "flush", "table", "inet", _GATE)   # Ends when both have been looked at.
            wait_for(lambda: "67" in self.nft(gate, "list", "table", "inet", _GATE), 5, "the gate is there again")
            self.assertIn("192.0.2.66", table())
            self.assertIn("changed", gate.cli("router", "show", as_json=False).stdout)

    def test_a_pool_that_cannot_be_searched_stays_closed(self):
        cluster, gate = self.prepared()
        lab = cluster.lab
        resident = self.resident(lab)
        self.mute(gate)
        gate.start()
        self.problem(gate, "its pool cannot be searched")
        client = DhcpClient(lab, "joiner")
        self.assertIsNone(client.ask(), "nobody knows what is in use")
        self.assertFalse(_network(gate)["serving"])
        self.assertIn("cannot be searched", _network(gate)["problem"])
        self.assertEqual(self.resolved(resident, f"static.{DOMAIN}"), "10.77.7.7", "names are answered")
        self.unmute(gate)
        self.serving([gate])
        self.assertEqual([e["fields"]["address"] for e in gate.events("LEASE_ADOPTED")], [POOL[0]])
        self.assertNotEqual(client.ask()["ip"], POOL[0])

    def test_without_an_arp_socket_the_pool_stays_closed(self):
        lab, gate = self.alone()
        self.resident(lab)
        self.assertEqual(gate.node.run(["sysctl", "-qw", "net.core.optmem_max=0"]).returncode, 0)   # No filter for a new socket.
        os.kill(_pid(gate), signal.SIGKILL)   # The pool is searched anew.
        self.problem(gate, "its pool cannot be searched")
        self.assertIsNone(DhcpClient(lab, "joiner").ask())
        gate.node.run(["sysctl", "-qw", "net.core.optmem_max=131072"])
        self.serving([gate])
        self.assertEqual([e["fields"]["address"] for e in gate.events("LEASE_ADOPTED")], [POOL[0]])

    def test_a_gateway_that_cannot_search_leaves_the_network_to_one_that_can(self):
        gates, first, standby = self.pair()
        self.mute(standby)
        first.kill()
        wait_for(standby.has_vip, 20, "the other one has the addresses")
        self.problem(standby, "its pool cannot be searched")
        first.start()
        wait_for(lambda: holders(gates) == [first], 40, "the first one has them again")
        self.serving([first])
        reason = wait_for(lambda: standby.status()["vips"][0]["eligible"][standby.name]["reason"], 10, "it says why it left them")
        self.assertIn("the pool of lan", reason)
        self.unmute(standby)
        wait_for(lambda: standby.status()["vips"][0]["eligible"][standby.name]["ok"], 20, "it could have them again")

    def test_without_nft_dnsmasq_does_not_start(self):
        cluster, gate = self.prepared()
        lab = cluster.lab
        hide = os.path.join(gate.dir, "no-nft")
        with open(hide, "w", encoding="ascii"):
            pass
        os.chmod(hide, 0o644)
        self.assertEqual(gate.node.run(["mount", "--bind", hide, "/usr/sbin/nft"]).returncode, 0)
        gate.start()
        wait_for(gate.has_vip, 15, "the VIP is there")
        self.problem(gate, "nft")
        self.assertIsNone(DhcpClient(lab, "joiner").ask())
        wait_for(lambda: "waits for the DHCP gate" in gate.status()["dhcp"]["dnsmasq"]["problem"], 10, "it says what it waits for")
        self.assertEqual(gate.node.run(["umount", "/usr/sbin/nft"]).returncode, 0)
        self.serving([gate])
        self.assertIsNotNone(DhcpClient(lab, "later").ask())

    def test_the_lease_of_a_client_that_is_there_is_not_ended_by_mistake(self):
        lab, gate = self.alone()
        client = DhcpClient(lab, "joiner")
        address = client.ask()["ip"]
        refused = gate.cli("--yes", "dhcp", "release", address, as_json=False, check=False)
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn("--force", refused.stderr)
        self.assertEqual([lease["address"] for lease in leases_of(gate)], [address])
        gate.cli("--yes", "dhcp", "release", "--force", address, as_json=False)
        wait_for(lambda: not leases_of(gate), 10, "it is ended")
        with self.subTest("of one that is gone"):
            address = client.ask()["ip"]
            bare(lab, "nobody")
            client.node.run(["ip", "link", "set", "eth0", "down"])
            gate.cli("--yes", "dhcp", "release", address, as_json=False)
            wait_for(lambda: not leases_of(gate), 10, "it is ended")


if __name__ == "__main__":
    main()
