"""DHCPv6: real dnsmasq and whole gateways, a client that asks for what no real one does on demand, and dhclient."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dhcp, dhcp6                                       # noqa: E402
from support.cluster_probe import main                                # noqa: E402
from support.dhcp_site import DNS, DhcpGatesTest, leases_of, with_dhcp   # noqa: E402
from support.dnsmasq import DnsmasqTest, mac_of                       # noqa: E402
from support.waiting import wait_for                                  # noqa: E402

ROUTER6 = "fd77::fe"
POOL6 = ("fd77::1:0", "fd77::1:ffff")
SILENCE = 0.5   # Seconds that nothing came for; what is answered is answered within milliseconds.


class Dhcp6DnsmasqTest(DnsmasqTest):
    """dnsmasq alone, told by a probe."""

    def setUp(self):
        super().setUp()
        self.gate = self.gates[0]
        self.probe = self.gate.start_probe()
        self.gate.write_config(f"listen-address={ROUTER6}", f"dhcp-range=set:lan6,{POOL6[0]},{POOL6[1]},64,2m", "dhcp-duid=32473,6c:61:62")
        self.gate.start_with_probe()
        self.gate.ip("addr", "add", f"{ROUTER6}/64", "dev", "eth0", "nodad")
        self.client = dhcp6.Client(self.client, mac_of(self.client))
        self.addCleanup(self.client.close)

    def restart(self):
        self.gate.dnsmasq.kill()
        self.gate.start_with_probe()

    def renewed(self, address, server):
        """dnsmasq joins the group of servers a moment after it is ready."""
        return wait_for(lambda: self.client.ask(dhcp6.RENEW, address, server), 10, "an answer")

    def test_without_its_lease_a_renewal_is_refused_and_with_it_the_address_stays(self):
        address, server = self.client.until_leased()
        event = self.probe.wait("EVENT", action="add", address=address)[0]
        self.assertEqual((event["duid"], event["iaid"], event["mac"]), (self.client.duid_text, "7", "-"))

        self.restart()
        reply = self.renewed(address, server)
        self.assertEqual((reply["addresses"].get(address, 0), reply["status"]), (0, dhcp6.NO_BINDING))
        self.assertEqual(reply["server"], server, "it is the same server, which knows nothing")

        self.probe.tell(f"know {address} 00:00:00:00:00:00 six {self.client.duid_text} 100 7")
        self.restart()
        self.assertGreater(self.renewed(address, server)["addresses"].get(address, 0), 0)
        self.assertEqual(self.probe.wait("EVENT", action="old", address=address)[-1]["iaid"], "7")

    def test_a_lease_that_is_put_in_over_the_bus_is_the_clients(self):
        address = "fd77::1:77"
        self.probe.ask(f"add {address} - six {self.client.duid_text} 100 7", add=address)
        event = self.probe.wait("EVENT", action="add", address=address)[0]
        self.assertEqual((event["duid"], event["iaid"], event["interface"]), (self.client.duid_text, "7", "-"))
        self.assertEqual(self.client.until_leased()[0], address)

    def test_leases_of_both_versions_go_through_init_with_the_fence_told_last(self):
        self.probe.tell("know 127.0.0.67 02:fe:00:00:00:01 - - 4000")
        self.probe.tell("know 10.77.8.20 52:54:00:00:00:01 - - 100")
        self.probe.tell(f"know fd77::1:20 00:00:00:00:00:00 - {self.client.duid_text} 100 7")
        self.restart()
        self.probe.wait("EVENT", action="old", address="127.0.0.67")
        told = list(dict.fromkeys(e["address"] for e in self.probe.lines("EVENT") if e["action"] == "old"))
        self.assertEqual(told, ["fd77::1:20", "10.77.8.20", "127.0.0.67"])


def with_both(gate):
    """IPv4 and IPv6 on one interface, and a machine that is in both."""
    gate.config["dnsdhcp"]["networks"].append({"name": "lan6", "interface": "eth0", "cidr": "fd77::/64", "router": ROUTER6, "pool": list(POOL6), "lease": "2m"})
    gate.host.run(["ip", "addr", "add", f"fd77::{gate.name[-1]}/64", "dev", "eth0", "nodad"])


class Dhcp6GatesTest(DhcpGatesTest):
    def client6(self, lab, name):
        node = lab.node(name)
        client = dhcp6.Client(node, mac_of(node))
        self.addCleanup(client.close)
        return client

    def three(self):
        def change(gate):
            with_dhcp(gate)
            with_both(gate)
        gates = self.gates(3, prepare=lambda _cluster: change)
        self.serving(gates)
        return self.lab.lab, gates

    def network(self, gate, name):
        return next(n for n in gate.status()["dhcp"]["networks"] if n["name"] == name)

    def known(self, gates, address):
        for gate in gates:
            wait_for(lambda gate=gate: address in [lease["address"] for lease in leases_of(gate)], 10, f"{gate.name} knows {address}")

    def test_a_lease_outlives_dnsmasq_the_daemon_and_the_gateway(self):
        lab, gates = self.three()
        client = self.client6(lab, "six")
        address, server = client.until_leased()
        self.known(gates, address)

        def renewed(why):
            """The same server's answer: the address, with time left."""
            def kept():
                reply = client.ask(dhcp6.RENEW, address, server)
                if not reply or not reply["addresses"]:
                    self.assertNotEqual(reply and reply["status"], dhcp6.NO_BINDING, why)
                return reply and reply["addresses"].get(address, 0) > 0
            wait_for(kept, 30, why)

        first = self.serving(gates)
        with self.subTest("dnsmasq is killed"):
            pid = first.status()["dhcp"]["dnsmasq"]["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: first.status()["dhcp"]["dnsmasq"]["pid"] not in (0, pid), 20, "another one runs")
            renewed("it has the lease")
        with self.subTest("a planned move"):
            self.assertEqual(first.cli("vip", "move", "api", as_json=False).returncode, 0)
            second = wait_for(lambda: (now := self.serving(gates)) is not first and now, 20, "another gateway serves")
            renewed("the next gateway has it, under the same identity")
        with self.subTest("its daemon is killed"):
            second.kill()
            self.serving([g for g in gates if g is not second])
            renewed("so has the third")
        others = [lease for lease in leases_of(first) if lease["address"] == address]
        self.assertEqual([lease["client_id"] for lease in others], [client.duid_text])

    def test_each_ip_version_of_an_interface_has_its_own_gate(self):
        cluster, gate = self.prepared()
        with_both(gate)
        gate.write()
        squatter = cluster.lab.node("squatter")
        squatter.run(["ip", "addr", "add", f"{DNS}/16", "dev", "eth0"])   # The resolver's VIP of the IPv4 network cannot come.
        gate.start()
        wait_for(lambda: self.network(gate, "lan6")["serving"], 30, "the IPv6 network is served")
        client = cluster.lab.node("both")
        four, six = dhcp.Client(client, mac_of(client)), dhcp6.Client(client, mac_of(client))
        self.addCleanup(four.close)
        self.addCleanup(six.close)
        self.assertIsNotNone(six.until_leased())
        self.assertIn("10.77.9.254", gate.host.run(["ip", "-o", "addr", "show", "dev", "eth0"]).stdout, "the router's VIP is here: dnsmasq would answer")
        for _ in range(3):
            self.assertIsNone(four.ask(dhcp.DISCOVER, timeout=SILENCE), "the IPv4 network is not held: its gate is closed")
        squatter.run(["ip", "addr", "del", f"{DNS}/16", "dev", "eth0"])
        wait_for(lambda: self.network(gate, "lan")["serving"], 30, "the IPv4 network is served")
        self.assertIsNotNone(four.until_answered()[1])
        rules = gate.node.run(["nft", "list", "table", "inet", "fairlead_dhcp"]).stdout
        self.assertIn("udp dport 547", rules)

    def test_a_machine_in_both_networks_has_its_address_in_each_and_one_name(self):
        cluster, gate = self.prepared()
        with_both(gate)
        node = cluster.lab.node("dual")
        mac = mac_of(node)
        for network, address in (("lan", "10.77.7.20"), ("lan6", "fd77::20")):
            gate.config["dnsdhcp"]["hosts"].append({"name": "dual", "network": network, "mac": mac, "address": address})
        gate.write()
        gate.start()
        wait_for(lambda: all(n["serving"] for n in gate.status()["dhcp"]["networks"]), 30, "both are served")
        four, six = dhcp.Client(node, mac), dhcp6.Client(node, mac)
        self.addCleanup(four.close)
        self.addCleanup(six.close)
        self.assertEqual(four.until_answered()[1]["address"], "10.77.7.20")
        self.assertEqual(four.lease()["address"], "10.77.7.20")
        self.assertEqual(six.until_leased()[0], "fd77::20")
        for kind, address in (("A", "10.77.7.20"), ("AAAA", "fd77::20")):
            done = node.run(["dig", "+short", "+time=1", "+tries=1", f"@{DNS}", "dual.lab.test", kind])
            self.assertEqual(done.stdout.split(), [address])

    def test_dhclient_gets_an_address_and_keeps_it_over_a_restart_of_dnsmasq(self):
        cluster, gate = self.prepared()
        with_both(gate)
        gate.write()
        gate.start()
        wait_for(lambda: self.network(gate, "lan6")["serving"], 30, "the IPv6 network is served")
        node = cluster.lab.node("real")
        files = ["-sf", "/bin/true", "-lf", f"{node.dir}/leases6", "-pf", f"{node.dir}/pid6", "-cf", "/dev/null"]

        running = node.spawn(["dhclient", "-6", "-d", *files, "eth0"], "dhclient6")
        leases = os.path.join(node.dir, "leases6")

        def bound():
            """The address in its own lease file."""
            with open(leases, encoding="ascii") as file:
                return re.findall(r"iaaddr (\S+)", file.read())
        wait_for(lambda: os.path.exists(leases) and bound(), 30, "it has a lease")
        address = bound()[-1]
        self.known([gate], address)
        running.kill()
        pid = gate.status()["dhcp"]["dnsmasq"]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: gate.status()["dhcp"]["dnsmasq"]["pid"] not in (0, pid), 20, "another one runs")
        again = node.spawn(["dhclient", "-6", "-d", *files, "eth0"], "dhclient6-again")
        wait_for(lambda: len(bound()) > 1 and "Reply message" in again.stderr(), 30, "it has an answer")
        self.assertEqual(set(bound()), {address})
        self.assertEqual([lease["address"] for lease in leases_of(gate) if ":" in lease["address"]], [address])


if __name__ == "__main__":
    main()
