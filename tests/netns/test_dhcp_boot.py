"""Machines that boot from the network, and a site that is switched on with its gateways last, or with one of two."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dhcp                                                                   # noqa: E402
from support.cluster_probe import main                                                     # noqa: E402
from support.dhcp_site import (DNS, DOMAIN, DhcpClient, DhcpGatesTest, bare, leases_of,      # noqa: E402
                               with_dhcp)
from support.vip_nodes import VIP, VipNode                                                 # noqa: E402
from support.waiting import wait_for                                                       # noqa: E402

BOOT_FILES = {"pxelinux.0": "a BIOS boots this\n", "shim.efi": "an EFI boots this\n"}
IPXE = "http://10.77.9.1/boot.ipxe"
_ARCHITECTURE, _USER_CLASS, _BOOT_FILE, _ASKED_FOR = 93, 77, 67, 55
# What a machine says of itself (RFC 4578, RFC 3004), and the file it is told.
MACHINES = {"BIOS": ([(_ARCHITECTURE, b"\0\0")], "pxelinux.0"), "a BIOS that says nothing": ([], "pxelinux.0"), "EFI": ([(_ARCHITECTURE, b"\0\7")], "shim.efi"),
            "EFI, by another number": ([(_ARCHITECTURE, b"\0\11")], "shim.efi"),
            "iPXE on EFI": ([(_ARCHITECTURE, b"\0\7"), (_USER_CLASS, b"iPXE")], IPXE), "iPXE on BIOS": ([(_ARCHITECTURE, b"\0\0"), (_USER_CLASS, b"iPXE")], IPXE)}
SERVER = """
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("10.77.7.11", 6443))
s.listen(64)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(512)
    c.send(b"HTTP/1.0 200 OK\\r\\n\\r\\nmast-1\\n")
    c.close()
"""


class NetbootTest(DhcpGatesTest):
    def boot_folder(self, lab):
        folder = os.path.join(lab.dir, "tftp")
        os.makedirs(folder, exist_ok=True)
        for name, text in BOOT_FILES.items():
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)
        return folder

    def boots(self, node, number):
        """As firmware does: an address, then the file it was told to get."""
        for what, (options, wanted) in MACHINES.items():
            number += 1
            client = dhcp.Client(node, f"02:b0:00:00:00:{number:02x}")
            try:
                ack = wait_for(lambda client=client, options=options: client.lease(options=options), 10, f"{what} gets an address")
            finally:
                client.close()
            told = ack.get(_BOOT_FILE, b"").rstrip(b"\0").decode() or ack["file"]
            self.assertEqual((ack["kind"], told, ack["next_server"]), (dhcp.ACK, wanted, DNS), what)
            node.run(["ip", "addr", "add", f"{ack['address']}/16", "dev", "eth0"])
            if wanted in BOOT_FILES:
                done = node.run(["timeout", "5", "busybox", "tftp", "-g", "-r", told, "-l", "/dev/stdout", ack["next_server"]])
                self.assertEqual(done.stdout, BOOT_FILES[wanted], f"{what}: {done.stderr}")
            node.run(["ip", "addr", "flush", "dev", "eth0"])
        return number

    def test_each_machine_gets_its_boot_file_also_after_a_takeover(self):
        lab, gates = self.three(lambda cluster: lambda gate: with_dhcp(gate, netboot={
            "tftp_root": self.boot_folder(cluster.lab), "bios": "pxelinux.0", "efi": "shim.efi", "ipxe": IPXE}))
        node = bare(lab, "booting")
        number = self.boots(node, 0)
        first = self.serving(gates)
        first.kill()
        self.serving([gate for gate in gates if gate is not first])
        self.boots(node, number)


class ColdStartTest(DhcpGatesTest):
    def two(self):
        """Not started yet. Their server is given by its name, which is one of the site's own; their router is there."""
        self.lab = cluster = self.cluster_off(2)
        router = cluster.lab.node("router")
        hosts = [n.host for n in cluster.nodes.values()]
        gates = [VipNode(cluster.nodes[i], hosts, self) for i in sorted(cluster.nodes)]
        for gate in gates:
            with_dhcp(gate)
            gate.config["cluster"]["tie_break"] = {"targets": [router.address]}
            gate.config["pools"][0].update(health={"type": "tcp"}, servers=[{"name": "mast-1", "address": f"mast-1.{DOMAIN}:6443"}])
            gate.write()
        return cluster.lab, gates

    def site(self):
        """Everything but the gateways runs: a server that has its address by itself, and clients that ask in vain."""
        lab, gates = self.two()
        server = lab.node("mast-1")
        server.run(["ip", "addr", "add", "10.77.7.11/16", "dev", "eth0"])
        process = server.spawn([sys.executable, "-c", SERVER], "server")
        wait_for(lambda: "ready" in process.stdout(), 10, "the server listens")
        clients = [DhcpClient(lab, f"early-{i}") for i in range(3)]
        for client in clients:
            client.run()
        wait_for(lambda: all(client.process.stderr().count("discover") >= 2 for client in clients), 20, "they ask, and nobody answers")
        self.assertEqual([client.address() for client in clients], [None] * 3)
        return lab, gates, clients

    def serves(self, lab, gates, clients):
        gate = self.serving(gates)
        wait_for(lambda: all(client.address() for client in clients), 30, f"they have addresses: {[c.process.stderr()[-300:] for c in clients]}")
        self.assertEqual(len({client.address() for client in clients}), 3)
        asker = lab.node("asker")
        for client in clients:
            wait_for(lambda client=client: self.resolved(asker, f"{client.name}.{DOMAIN}") == client.address(), 10, f"{client.name} has a name")
        self.assertEqual(sorted(lease["name"] for lease in leases_of(gate)), sorted(client.name for client in clients))
        wait_for(lambda: asker.run(["curl", "-s", "-m", "2", f"http://{VIP}:6443/"]).stdout == "mast-1\n", 15, "the server answers through the VIP")
        return gate

    def test_gateways_that_start_last_serve_everybody(self):
        lab, gates, clients = self.site()
        self.lab.start()
        for gate in gates:
            gate.launch()
        self.serves(lab, gates, clients)

    def test_one_gateway_of_two_is_enough(self):
        lab, gates, clients = self.site()
        self.lab.start([1])
        gates[0].launch()
        self.serves(lab, gates[:1], clients)

        with self.subTest("the other one comes later, and knows the leases"):
            self.lab.start([2])
            gates[1].start()
            wait_for(lambda: {lease["address"] for lease in leases_of(gates[1])} == {client.address() for client in clients}, 30, "it knows the leases")


if __name__ == "__main__":
    main()
