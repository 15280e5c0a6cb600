"""Whole gateways with dnsdhcp: real Corosync, real dnsmasq, real DHCP clients and dig on one network."""
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dhcp                                                                         # noqa: E402
from support.cluster_probe import main                                                           # noqa: E402
from support.dhcp_site import (DNS, DOMAIN, ROUTER, DhcpClient, DhcpGatesTest, bare, leases_of,    # noqa: E402
                               with_dhcp)
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

        with self.subTest("an operator ends a lease, though its machine is there"):
            self.assertEqual(gate.cli("dhcp", "release", "--force", got["ip"], as_json=False).returncode, 0)
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

    # ---- another configuration while it runs ----

    def lease(self, node, mac):
        client = dhcp.Client(node, mac)
        try:
            return wait_for(client.lease, 10, f"{mac} gets an address")["address"]
        finally:
            client.close()

    def change(self, gate, what, **dnsdhcp):
        """Reloads with it; the event that says what dnsmasq was told: none, SIGHUP, restart."""
        before = len(gate.events("DNSDHCP_APPLIED"))
        gate.config["dnsdhcp"].update(dnsdhcp)
        gate.write()
        self.assertEqual(gate.reload(check=False).returncode, 0)
        return wait_for(lambda: gate.events("DNSDHCP_APPLIED")[before:], 10, what)[0]["fields"]["change"]

    def test_leases_outside_a_pool_that_became_smaller_are_kept_and_dnsmasq_serves(self):
        lab, gate = self.alone()
        node = bare(lab, "joiners")
        given = {address: mac for mac in (f"02:a0:00:00:00:{i:02x}" for i in range(8)) for address in [self.lease(node, mac)]}
        self.assertEqual(len(given), 8)
        pid = gate.status()["dhcp"]["dnsmasq"]["pid"]
        networks = gate.config["dnsdhcp"]["networks"]
        networks[0]["pool"] = ["10.77.8.10", "10.77.8.12"]
        self.assertEqual(self.change(gate, "the pool is smaller", networks=networks, hosts=[]), "restart")
        wait_for(lambda: gate.status()["dhcp"]["dnsmasq"]["pid"] not in (0, pid), 20, "another dnsmasq runs")
        self.serving([gate])
        self.assertEqual([e["fields"]["reason"] for e in gate.events("DNSMASQ_ENDED")], [])
        self.assertEqual({lease["address"] for lease in leases_of(gate)}, set(given))
        left = {"10.77.8.10", "10.77.8.11", "10.77.8.12"}
        address = max(set(given) - left)
        client = dhcp.Client(node, given[address])
        self.addCleanup(client.close)
        self.assertEqual(client.ask(dhcp.REQUEST, ciaddr=address)["kind"], dhcp.NAK, "it shall have another one")
        self.assertIn(client.lease()["address"], left - set(given))

    def test_machines_come_change_and_go_without_a_restart_of_dnsmasq(self):
        lab, gate = self.alone()
        node = bare(lab, "mast-2")
        asker = lab.node("asker")
        pid = gate.status()["dhcp"]["dnsmasq"]["pid"]
        first = gate.config["dnsdhcp"]["hosts"]
        mac = "02:a0:00:00:00:01"

        def second(address):
            return [*first, {"name": "mast-2", "network": "lan", "mac": mac, "address": address}]
        self.assertEqual(self.change(gate, "one more", hosts=second("10.77.7.12")), "none")
        wait_for(lambda: self.resolved(asker, f"mast-2.{DOMAIN}") == "10.77.7.12", 5, "it has a name")
        self.assertEqual(self.lease(node, mac), "10.77.7.12")
        self.assertEqual(self.change(gate, "another address", hosts=second("10.77.7.13")), "SIGHUP")
        wait_for(lambda: self.resolved(asker, f"mast-2.{DOMAIN}") == "10.77.7.13", 5, "its name has it")
        wait_for(lambda: self.lease(node, mac) == "10.77.7.13", 10, "the machine has it")
        self.assertEqual(self.change(gate, "it is gone", hosts=first), "SIGHUP")
        self.assertEqual(self.resolved(asker, f"mast-2.{DOMAIN}"), "10.77.7.13", "its lease goes on, and has its name")
        self.assertEqual(gate.cli("dhcp", "release", "10.77.7.13", as_json=False).returncode, 0)
        wait_for(lambda: self.resolved(asker, f"mast-2.{DOMAIN}") == "", 5, "now it has none")
        self.assertEqual(gate.status()["dhcp"]["dnsmasq"]["pid"], pid, "the same dnsmasq all the time")

    # ---- who is answered ----

    def uplink(self, lab, gate):
        """A machine behind another device of the gateway, with a route to the networks, as one next door may have it."""
        outside = bare(lab, "outside")
        for node, *commands in ((gate.host, f"link add name eth1 type veth peer name eth1 netns {outside.namespace_path}", "link set eth1 up",
                                 "addr add 203.0.113.1/24 dev eth1"),
                                (outside, "link set eth1 up", "addr add 203.0.113.2/24 dev eth1", "route add 10.77.0.0/16 via 203.0.113.1")):
            with node.entered():
                done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        return outside

    def prohibited(self, node, address, port):
        """A datagram is answered by ICMP at once."""
        with node.socket(socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect((address, port))
            start = time.monotonic()
            with self.assertRaises(OSError) as caught:
                sock.send(dhcp.dns_query(f"static.{DOMAIN}", 7))
                sock.recv(512)
            self.assertEqual(caught.exception.errno, 113, caught.exception)   # EHOSTUNREACH: administratively prohibited
            self.assertLess(time.monotonic() - start, 1)

    def test_names_and_boot_files_are_not_for_who_comes_by_another_device(self):
        cluster, gate = self.prepared()
        folder = os.path.join(cluster.lab.dir, "tftp")
        os.mkdir(folder)
        with open(os.path.join(folder, "pxelinux.0"), "w", encoding="ascii") as file:
            file.write("boots\n")
        with_dhcp(gate, netboot={"tftp_root": folder, "bios": "pxelinux.0"})
        gate.write()
        gate.start()
        self.serving([gate])
        outside, inside = self.uplink(cluster.lab, gate), cluster.lab.node("inside")

        def fetched(node):
            return node.run(["timeout", "5", "busybox", "tftp", "-g", "-r", "pxelinux.0", "-l", "/dev/stdout", ROUTER]).stdout
        self.assertEqual((self.resolved(inside, f"static.{DOMAIN}"), fetched(inside)), ("10.77.7.7", "boots\n"))
        self.assertEqual(self.resolved(gate.host, f"static.{DOMAIN}"), "10.77.7.7", "the gateway itself asks by loopback")
        for address in (DNS, ROUTER):
            with self.subTest(address=address):
                self.assertNotEqual(self.resolved(outside, f"static.{DOMAIN}", server=address), "10.77.7.7")
                self.prohibited(outside, address, 53)
                self.prohibited(outside, address, 69)
                with self.assertRaises(ConnectionRefusedError):
                    outside.connect((address, 53))
        self.assertEqual(fetched(outside), "")
        with self.subTest("another DNS server of the gateway is let alone"):
            other = gate.host.socket(socket.SOCK_DGRAM)
            self.addCleanup(other.close)
            other.bind(("203.0.113.1", 53))
            other.settimeout(5)
            with outside.socket(socket.SOCK_DGRAM) as sock:
                sock.sendto(b"question", ("203.0.113.1", 53))
                self.assertEqual(other.recv(20), b"question")


if __name__ == "__main__":
    main()
