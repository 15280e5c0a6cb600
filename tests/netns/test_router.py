"""The router's rules with real packets: who may talk to whom, what a takeover does to connections, what is left behind.

Both gateways have rules and forwarding; only the VIPs move, as when a gateway is lost: the new one knows no connection of the old one.
`python3 tests/netns/test_router.py measure [N]` prints what N takeovers of each kind do to connections.
"""
import os
import socket
import statistics
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import netns                                         # noqa: E402
from support.cluster_probe import main                            # noqa: E402
from support.router_site import OUT, RouterSite, Talk, config     # noqa: E402
from support.waiting import Timeout, wait_for                     # noqa: E402

AT_ONCE = 1.0   # Seconds: no retransmission, no timeout.
SETTINGS = ("net/ipv4/ip_forward", "net/ipv4/conf/all/accept_redirects", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/eth0/accept_ra",
            "net/ipv4/conf/eth1/forwarding", "net/netfilter/nf_conntrack_tcp_be_liberal")


def seconds(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def stray_ack(source, source_port, target, target_port):
    """A TCP segment of no connection."""
    def folded(data):
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        total = (total >> 16) + (total & 0xffff)
        return ~(total + (total >> 16)) & 0xffff
    header = struct.pack("!HHLLBBHHH", source_port, target_port, 1000, 2000, 5 << 4, 0x10, 1000, 0, 0)
    checksum = folded(socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(header)) + header)
    return header[:16] + struct.pack("!HH", checksum, 0)


class RouterTest(unittest.TestCase):
    def setUp(self):
        reason = netns.why_unavailable()
        if reason:
            self.skipTest(reason)
        self.site = RouterSite()
        self.addCleanup(self.site.close)

    def start(self, **router):
        """Default: NAT to a VIP of the uplink."""
        self.site.start(config(**(router or {"snat": OUT})))
        return self.site

    def refused(self, box, address, port):
        """Rejected, and at once: silence would be a timeout."""
        start = time.monotonic()
        with self.assertRaises(ConnectionRefusedError):
            box.connect(address, port)
        self.assertLess(time.monotonic() - start, AT_ONCE)

    def prohibited(self, box, address, port):
        """A datagram is answered by ICMP."""
        sock = box.socket(socket.SOCK_DGRAM, address="::" if ":" in address else "0.0.0.0")
        sock.connect((address, port))
        start = time.monotonic()
        with self.assertRaises(OSError) as caught:
            sock.send(b"x")
            sock.recv(100)
        self.assertIn(caught.exception.errno, (113, 13), caught.exception)   # EHOSTUNREACH: administratively prohibited
        self.assertLess(time.monotonic() - start, AT_ONCE)

    # ---- who may open connections ----

    def test_networks_open_connections_as_the_file_says_and_the_rest_is_rejected_at_once(self):
        site = self.start()
        for server, address, seen in ((site.n1, "192.168.2.10", "192.168.1.10"), (site.w1, "203.0.113.100", OUT),
                                      (site.w1, "2001:db8::100", "fd00:1::10")):
            client, end, peer = site.m1.pair(server, address)
            self.assertEqual(peer, seen, address)
            client.sendall(b"there")
            self.assertEqual(end.recv(5), b"there")
            end.sendall(b"back")
            self.assertEqual(client.recv(4), b"back")
        for box in (site.m1, site.n1, site.w1):
            box.listen(7100)
            box.socket(socket.SOCK_DGRAM, port=7100)
        for box, address in ((site.n1, "192.168.1.10"), (site.n1, "203.0.113.100"), (site.w1, "192.168.1.10"), (site.w1, "192.168.2.10")):
            with self.subTest(box=box.name, address=address):
                self.refused(box, address, 7100)
                self.prohibited(box, address, 7100)

    def test_a_network_of_a_vlan_is_known_by_the_device_of_the_vlan(self):
        site = self.site
        content = config(snat=OUT)
        for network in content["dnsdhcp"]["networks"]:
            if network["name"] == "node":
                network.update(interface="trunk", vlan=42)
        # This kernel need not know VLANs: what counts is the device's name.
        site.g1.run("ip link set eth2 down")
        site.g1.run("ip link set eth2 name trunk.42")
        site.g1.run("ip link set trunk.42 up")
        site.start(content)
        client, end, peer = site.m1.pair(site.n1, "192.168.2.10")
        self.assertEqual(peer, "192.168.1.10")
        end.sendall(b"back")
        self.assertEqual(client.recv(4), b"back")
        site.m1.listen(7100)
        self.refused(site.n1, "192.168.1.10", 7100)

    def test_no_stray_packet_makes_a_way_for_a_connection_that_may_not_be(self):
        site = self.start()
        # An answer that belongs to nothing passes, and the kernel takes the connection for one of long ago. A SYN behind it must not pass.
        site.m1.listen(7200)
        # Both ends keep their kernels from resetting it, as two machines might that want a way around the rules.
        for box, port in ((site.m1, "dport"), (site.n1, "sport")):
            box.run("nft add table ip t ; add chain ip t c { type filter hook input priority 0 ; } ; "
                    f"add rule ip t c tcp {port} 7200 tcp flags & (syn | ack | rst) == ack counter drop")
        for source, ends in ((site.n1, ("192.168.2.10", 7300, "192.168.1.10", 7200)), (site.m1, ("192.168.1.10", 7200, "192.168.2.10", 7300))):
            with source.entered():
                raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
            self.addCleanup(raw.close)
            raw.sendto(stray_ack(*ends), (ends[2], 0))
            other = site.m1 if source is site.n1 else site.n1
            wait_for(lambda box=other: "packets 1" in box.run("nft list chain ip t c").stdout, 5, "the stray packet has passed")
        sock = site.n1.socket(port=7300)
        start = time.monotonic()
        with self.assertRaises(ConnectionRefusedError):
            sock.connect(("192.168.1.10", 7200))
        self.assertLess(time.monotonic() - start, AT_ONCE)

    def test_the_uplink_reaches_what_is_fairleads_ssh_and_what_the_file_opens(self):
        site = self.start(snat=OUT, open=[{"port": 9100}, {"port": 5000, "protocol": "udp"}])
        gate = site.g1
        for port in (22, 2222, 6443, 9100, 9101):
            gate.listen(port)
        for port in (22, 9100):
            site.w1.connect("203.0.113.11", port)
        site.w1.connect(OUT, 6443)
        for port in (2222, 6443, 9101):
            self.refused(site.w1, "203.0.113.11", port)
        self.prohibited(site.w1, "203.0.113.11", 5001)
        site.m1.connect("192.168.1.251", 9101)   # From inside nothing is closed.
        with site.w1.entered():
            echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.addCleanup(echo.close)
        echo.settimeout(5)
        echo.sendto(struct.pack("!BBHHH", 8, 0, 0xf7ff, 0, 0), ("203.0.113.11", 0))
        self.assertEqual(echo.recv(100)[20], 0, "a gateway answers ping")

        # The session that applies rules is let in by them, whatever they say; another machine is not.
        self.assertIn("DONE", gate.tell("apply yes 203.0.113.100 40000 203.0.113.11 2222")[0])
        site.w1.connect("203.0.113.11", 2222)
        self.refused(site.w2, "203.0.113.11", 2222)

    def test_dns_dhcp_and_tftp_are_for_the_networks_and_never_for_the_uplink(self):
        site = self.start(snat=OUT, open=[{"port": 5000, "protocol": "udp"}])
        ports = (53, 67, 69, 547)
        servers = {port: site.g1.socket(socket.SOCK_DGRAM, port=port) for port in (*ports, 5000)}
        site.g1.listen(53)
        for port in ports:
            asking = site.m1.socket(socket.SOCK_DGRAM)
            asking.sendto(b"inside", ("192.168.1.254", port))
            self.assertEqual(servers[port].recv(10), b"inside", port)
        for port in ports:
            for address in ("203.0.113.11", OUT, "192.168.1.254", "203.0.113.255", "255.255.255.255"):
                asking = site.w1.socket(socket.SOCK_DGRAM, port=68 if port == 67 else 0)
                asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
                asking.sendto(b"outside", (address, port))
        marker = site.w1.socket(socket.SOCK_DGRAM)
        marker.sendto(b"marker", ("203.0.113.11", 5000))
        self.assertEqual(servers[5000].recv(10), b"marker")   # All that was sent before it has arrived, or never will.
        for port in ports:
            servers[port].setblocking(False)
            with self.assertRaises(BlockingIOError, msg=f"port {port}"):
                servers[port].recv(10)
        self.refused(site.w1, "203.0.113.11", 53)

    def test_the_other_gateways_and_the_admin_address_are_let_in_and_the_rest_is_not(self):
        site = self.site
        content = config(snat=OUT)
        content["cluster"] = {"name": "test", "nodes": [{"name": f"g{i}", "id": i, "links": [f"203.0.113.{10 + i}"]} for i in (1, 2, 3)]}
        content["admin"] = {"listen": "203.0.113.11:9440", "tls": {"cert": "/c", "key": "/k", "client_ca": "/a"}}
        site.start(content)
        gate = site.g1
        corosync, admin = gate.socket(socket.SOCK_DGRAM, port=5405), gate.listen(9440)
        gate.listen(9441)
        for box, text in ((site.w1, b"stranger"), (site.g2, b"gateway")):
            # From its own address: that of the VIPs, which g1 has, would be another matter.
            asking = box.socket(socket.SOCK_DGRAM, address="203.0.113.12" if box is site.g2 else "203.0.113.100")
            asking.sendto(text, ("203.0.113.11", 5405))
        self.assertEqual(corosync.recv(20), b"gateway", "Corosync of another gateway, and of nobody else")
        self.prohibited(site.w1, "203.0.113.11", 5405)
        site.g2.connect("203.0.113.11", 9441)   # Whatever gateways tell each other: the handover of Corosync's key.
        site.w1.connect("203.0.113.11", 9440)
        admin.accept()
        self.refused(site.w1, "203.0.113.11", 9441)
        self.refused(site.w1, OUT, 9440)        # The admin address, and no other one.

    def test_ipv6_is_treated_like_ipv4(self):
        site = self.start(snat=OUT, open=[{"port": 9100}])
        gate = site.g1
        for port in (22, 53, 2222, 9100):
            gate.listen(port, "::")
        site.m1.listen(7100, "::")
        for port in (22, 9100):
            site.w1.connect("2001:db8::11", port)
        site.m1.connect("fd00:1::254", 2222)   # From inside nothing is closed.
        for address, port in (("2001:db8::11", 2222), ("2001:db8::11", 53), ("fd00:1::10", 7100)):
            with self.subTest(address=address, port=port):
                self.refused(site.w1, address, port)
                self.prohibited(site.w1, address, port)
        servers = {port: gate.socket(socket.SOCK_DGRAM, address="::", port=port) for port in (53, 547)}
        for port, server in servers.items():
            self.prohibited(site.w1, "2001:db8::11", port)
            site.m1.socket(socket.SOCK_DGRAM, address="::").sendto(b"inside", ("fd00:1::254", port))
            self.assertEqual(server.recv(10), b"inside", "what came from the uplink is not before it")

        # The session that applies rules is let in over IPv6, too.
        self.assertIn("DONE", gate.tell("apply yes 2001:db8::100 40000 2001:db8::11 2222")[0])
        site.w1.connect("2001:db8::11", 2222)
        client, end, _ = site.m1.pair(site.w1, "2001:db8::100")
        gate.run("conntrack -F", check=False)   # Of a connection that this gateway did not see begin.
        end.sendall(b"hello")
        self.assertEqual(client.recv(5), b"hello")

    def test_what_the_gateway_sends_itself_is_never_touched(self):
        site = self.start()
        for source in ("203.0.113.11", "192.168.1.251", "192.168.2.251"):
            listener = site.w1.listen(7400)
            site.w1.run(f"ip route replace {source}/32 via 203.0.113.11" if source.startswith("192") else "true")
            site.g1.connect("203.0.113.100", 7400, source=source)
            self.assertEqual(listener.accept()[1][0], source)
            listener.close()

    def test_masquerade_takes_the_uplinks_address_for_both_ip_versions(self):
        site = self.start(masquerade=True)
        self.assertEqual(site.m1.pair(site.w1, "203.0.113.100")[2], "203.0.113.11")
        self.assertIn(site.m1.pair(site.w1, "2001:db8::100")[2], ("2001:db8::11", "2001:db8::9"))   # The kernel's choice.

    # ---- takeover ----

    def moved(self, site, *, there_and_back=False):
        site.g2.take(site.g1)
        if there_and_back:
            site.g1.take(site.g2)

    def test_busy_connections_survive_a_takeover(self):
        site = self.start()
        for server, address in ((site.n1, "192.168.2.10"), (site.w1, "203.0.113.100"), (site.w1, "2001:db8::100")):
            with self.subTest(address=address):
                talk = Talk(*site.m1.pair(server, address)[:2])
                self.addCleanup(talk.end)
                self.assertTrue(talk.goes_on())
                self.moved(site)
                self.assertTrue(talk.goes_on(), talk.error)
                self.assertLess(talk.gap, 2.5)
                site.g1.take(site.g2)   # Back to one that remembers, and missed what happened meanwhile.
                self.assertTrue(talk.goes_on(), talk.error)
                talk.end()

    def test_idle_connections_survive_a_takeover_whoever_speaks_first(self):
        site = self.start()
        for server, address in ((site.n1, "192.168.2.10"), (site.w1, "2001:db8::100")):
            for first in ("client", "server"):
                with self.subTest(address=address, first=first):
                    client, end, _ = site.m1.pair(server, address)
                    self.moved(site)
                    one, other = (client, end) if first == "client" else (end, client)
                    self.assertLess(seconds(lambda: (one.sendall(b"hello"), other.recv(5))), AT_ONCE)
                    self.assertLess(seconds(lambda: (other.sendall(b"hello"), one.recv(5))), AT_ONCE)
                    site.g1.take(site.g2)
        client, end, _ = site.m1.pair(site.w1, "203.0.113.100")
        self.moved(site)
        client.sendall(b"hello")
        self.assertEqual(end.recv(5), b"hello")
        end.sendall(b"back")
        self.assertEqual(client.recv(4), b"back")

    def test_behind_nat_a_connection_on_which_the_world_speaks_first_is_reset(self):
        site = self.start()
        client, end, _ = site.m1.pair(site.w1, "203.0.113.100")
        self.moved(site)
        end.sendall(b"hello")
        with self.assertRaises(ConnectionResetError):
            self.assertLess(seconds(lambda: end.recv(5)), AT_ONCE)
        self.assertReset(client)

    def test_behind_nat_who_only_reads_is_reset_by_its_own_keepalive_and_by_nothing_before(self):
        """The limit of "reset, never hung" without `sync` (docs/operating/router.md): nobody knows any more where the answer belonged."""
        site = self.start()
        client, end, _ = site.m1.pair(site.w1, "203.0.113.100")
        self.moved(site)
        end.sendall(b"hello")
        with self.assertRaises(ConnectionResetError):
            self.assertLess(seconds(lambda: end.recv(5)), AT_ONCE)
        client.settimeout(2)
        with self.assertRaises(TimeoutError):
            client.recv(5)
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
            client.setsockopt(socket.IPPROTO_TCP, option, value)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.settimeout(10)
        with self.assertRaises(ConnectionResetError):
            client.recv(5)

    def test_behind_nat_a_keepalive_before_the_world_speaks_keeps_the_connection(self):
        site = self.start()
        client, end, _ = site.m1.pair(site.w1, "203.0.113.100")
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
            client.setsockopt(socket.IPPROTO_TCP, option, value)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.moved(site)
        wait_for(lambda: f"dport=7000 src=203.0.113.100 dst={OUT}" in site.g2.run("conntrack -L -p tcp", check=False).stdout, 10, "the new gateway knows it")
        end.sendall(b"hello")
        self.assertEqual(client.recv(5), b"hello")

    def test_masqueraded_connections_are_reset_at_once_busy_or_idle(self):
        site = self.start(masquerade=True)
        talk = Talk(*site.m1.pair(site.w1, "203.0.113.100")[:2])
        self.addCleanup(talk.end)
        idle = site.m1.pair(site.w1, "203.0.113.100", port=7001)[0]
        self.assertTrue(talk.goes_on())
        self.moved(site)
        self.assertFalse(talk.goes_on())
        self.assertIsInstance(talk.error, ConnectionResetError)
        self.assertLess(talk.gap, 2.5)
        self.assertReset(idle)

    def test_a_connection_that_ends_after_a_takeover_does_not_linger(self):
        site = self.start()
        client, _, _ = site.m1.pair(site.w1, "203.0.113.100")
        self.moved(site)
        client.close()   # A FIN is all the new gateway ever sees of it: conntrack calls it invalid and gives it no NAT.
        wait_for(lambda: "203.0.113.100:7000" not in site.m1.run("ss -Htan").stdout, 2, "the client's end is gone")

    def assertReset(self, sock):
        start = time.monotonic()
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            sock.sendall(b"x")
            sock.recv(1)
        self.assertLess(time.monotonic() - start, AT_ONCE)

    def test_connections_do_not_notice_that_rules_are_put_there_again(self):
        site = self.start()
        talk = Talk(*site.m1.pair(site.w1, "203.0.113.100")[:2])
        self.addCleanup(talk.end)
        self.assertTrue(talk.goes_on())
        for _ in range(5):
            self.assertIn("DONE", site.g1.tell("apply yes")[0])
            self.assertTrue(talk.goes_on(), talk.error)
        self.assertLess(talk.gap, AT_ONCE)

    # ---- what is in force, and what is left ----

    def test_it_comes_and_goes_without_a_trace_and_leaves_other_tables_alone(self):
        site = self.site
        gate = site.g1
        gate.run("nft add table inet theirs")
        gate.run("nft add chain inet theirs c { type filter hook forward priority 5 ; policy accept ; }")
        gate.run("nft add rule inet theirs c ct state invalid counter accept")
        gate.run("nft add table ip nat")
        before = {key: gate.read(key) for key in SETTINGS}
        self.assertEqual(before["net/ipv4/ip_forward"], "0")
        tables = gate.run("nft --stateless list ruleset").stdout
        theirs = gate.run("nft --stateless list table inet theirs").stdout

        site.start(config(snat=OUT))
        self.assertEqual([gate.read(key) for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")], ["1", "1"])
        self.assertEqual(gate.read("net/ipv6/conf/eth0/accept_ra"), "2", "router advertisements of the uplink still count")
        self.assertEqual(gate.run("nft --stateless list table inet theirs").stdout,
                         theirs)
        again = gate.run("nft --stateless list table inet fairlead_router").stdout
        self.assertIn("DONE", gate.tell("apply yes")[0])
        self.assertEqual(gate.run("nft --stateless list table inet fairlead_router").stdout, again, "once more is the same")

        gate.write({key: value for key, value in {**config(), "node": "g1"}.items() if key != "router"})
        gate.tell("reload")
        gate.wait("NOTICE REMOVED")
        self.assertEqual(gate.run("nft --stateless list ruleset").stdout, tables)
        self.assertEqual({key: gate.read(key) for key in SETTINGS}, before)
        self.assertEqual(os.listdir(gate.state), [])

    def test_settings_that_somebody_changed_meanwhile_stay(self):
        site = self.start()
        site.g1.run("sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0 net.ipv6.conf.eth0.accept_ra=0")
        site.g1.write({key: value for key, value in {**config(), "node": "g1"}.items() if key != "router"})
        site.g1.tell("reload")
        site.g1.wait("NOTICE REMOVED")
        self.assertEqual(site.g1.read("net/ipv6/conf/eth0/accept_ra"), "0")
        self.assertEqual(site.g1.read("net/ipv4/ip_forward"), "0")

    def test_rules_on_trial_go_unless_a_new_connection_confirms_them(self):
        site, gate = self.site, self.site.g1
        gate.write(config(snat=OUT))
        gate.start(trial_ms=1500)
        gate.listen(9100)
        old = gate.table()
        gate.write(config(snat=OUT, open=[{"port": 9100}]))
        peer, other = "203.0.113.100 40000 203.0.113.11 22", "203.0.113.100 40001 203.0.113.11 22"

        self.assertIn("on trial", gate.tell(f"apply {peer}")[0])
        site.w1.connect("203.0.113.11", 9100)
        self.assertIn("STATE on trial", gate.tell("show"))
        self.assertIn("ERROR refused", gate.tell(f"confirm {peer}")[0])
        gate.wait("NOTICE RESTORED")
        self.refused(site.w1, "203.0.113.11", 9100)
        self.assertEqual(gate.table(), old)
        gate.tell("reload")   # The file still has them.
        self.assertEqual(gate.table(), old)
        self.assertIn("STATE refused", gate.tell("show"))

        gate.tell(f"apply {peer}")
        self.assertIn("DONE confirmed", gate.tell(f"confirm {other}")[0])
        self.assertIn("STATE in force", gate.tell("show"))
        site.w1.connect("203.0.113.11", 9100)
        with self.assertRaises(Timeout):   # Longer than the trial: nothing comes.
            gate.wait("NOTICE RESTORED", count=2, timeout=2.5)

    def test_a_daemon_that_dies_during_a_trial_restores_when_it_starts(self):
        site, gate = self.site, self.site.g1
        gate.write(config(snat=OUT))
        gate.start()
        old = gate.table()
        gate.write(config(masquerade=True))
        gate.tell("apply")
        self.assertIn("masquerade", gate.table())
        gate.kill()
        self.assertIn("masquerade", gate.table(), "rules stay without the daemon")
        gate.start(wait="NOTICE RESTORED")
        gate.wait("NOTICE IN_FORCE")
        self.assertEqual(gate.table(), old)
        self.assertIn("STATE refused", gate.tell("show"))
        self.assertEqual(site.m1.pair(site.w1, "203.0.113.100")[2], OUT)

    def test_show_tells_what_somebody_did_to_the_rules(self):
        gate = self.start().g1
        self.assertEqual(gate.tell("show")[0], "STATE in force")
        gate.run("nft add rule inet fairlead_router input accept")
        self.assertEqual(gate.tell("show")[0], "STATE changed")
        gate.run("nft delete table inet fairlead_router")
        self.assertEqual(gate.tell("show")[0], "STATE missing")
        self.assertIn("DONE", gate.tell("apply")[0])
        self.assertEqual(gate.tell("show")[0], "STATE in force")
        gate.write({**config(masquerade=True), "node": "g1"})
        self.assertEqual(gate.tell("show")[0], "STATE not those of the file")


def measure(times):
    """One line a kind: how many connections went on, how many were reset, and the longest silence of each."""
    for kind, router, server, address in (("between networks", {"snat": OUT}, "n1", "192.168.2.10"), ("world, snat", {"snat": OUT}, "w1", "203.0.113.100"),
                                          ("world, masquerade", {"masquerade": True}, "w1", "203.0.113.100")):
        gaps, survived = [], 0
        site = RouterSite()
        try:
            site.start(config(**router))
            gates = [site.g1, site.g2]
            for port in range(times):
                talk = Talk(*site.m1.pair(getattr(site, server), address, port=8000 + port)[:2])
                talk.goes_on()
                gates.reverse()
                gates[0].take(gates[1])
                survived += talk.goes_on()
                gaps.append(talk.gap * 1000)
                talk.end()
        finally:
            site.close()
        print(f"{kind}: {survived} of {times} went on, {times - survived} were reset; longest silence, ms: median {statistics.median(gaps):.0f}, "
              f"min {min(gaps):.0f}, max {max(gaps):.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    else:
        main()
