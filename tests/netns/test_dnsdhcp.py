"""Whole gateways with dnsdhcp: real Corosync, real dnsmasq, real DHCP clients and dig on one network."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                                                           # noqa: E402
from support.dhcp_site import DNS, DOMAIN, ROUTER, DhcpClient, DhcpGatesTest, leases_of           # noqa: E402
from support.waiting import wait_for                                                             # noqa: E402


class DnsDhcpTest(DhcpGatesTest):
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
            second = self.another_serves(gates, first)
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
            third = self.serving([g for g in gates if g is not second])
            self.assertEqual(third.events("DHCP_GATE_OPENED")[-1]["fields"]["swept"], "true")
            self.assertEqual(self.resolved(client.node, f"joiner.{DOMAIN}"), got["ip"])
            self.assertIn(used, [lease["address"] for lease in leases_of(third)])
            self.assertEqual([e["fields"]["address"] for e in third.events("LEASE_ADOPTED")], [used])
            self.assertEqual(client.ask()["ip"], got["ip"])


if __name__ == "__main__":
    main()
