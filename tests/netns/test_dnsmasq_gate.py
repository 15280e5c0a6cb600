"""The gate of DHCP, DNS and TFTP is the virtual IP: what real dnsmasq does with and without it. The figures stand in
docs/internals/dnsmasq-measured.md; FL_FIGURES=1 prints them."""
import os
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dhcp                                              # noqa: E402
from support.cluster_probe import main, program                       # noqa: E402
from support.dnsmasq import DNS, POOL, ROUTER, STATIC, DnsmasqTest, mac_of    # noqa: E402
from support.waiting import SCALE, wait_for                           # noqa: E402

MAC = "52:54:00:00:00:01"
SILENCE = 0.5    # Seconds that nothing came for. What is answered is answered within milliseconds (the other tests).


def figure(name, values):
    if os.environ.get("FL_FIGURES"):
        ms = sorted(1000 * v for v in values)
        print(f"FIGURE {name}: n={len(ms)} median={statistics.median(ms):.1f} min={ms[0]:.1f} max={ms[-1]:.1f} ms", flush=True)


class DnsmasqGateTest(DnsmasqTest):
    def dhcp_client(self, mac=MAC):
        client = dhcp.Client(self.client, mac)
        self.addCleanup(client.close)
        return client

    def dig(self, server, *options, node=None):
        done = (node or self.client).run(["dig", f"@{server}", STATIC[0], "+short", "+tries=1", "+time=1", *options])
        return done.stdout.split() if done.returncode == 0 else None

    def tftp(self, server):
        done = self.client.run(["timeout", "1", "busybox", "tftp", "-g", "-r", "boot.txt", "-l", "/dev/stdout", server])
        return done.stdout == "boot me\n"

    def udhcpc(self, node, *options, tries=10):
        """Real busybox udhcpc; what its script was told, or None."""
        script = os.path.join(node.dir, "udhcpc.sh")
        told = os.path.join(node.dir, "told")
        with open(script, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\n[ "$1" = deconfig ] && exit 0\n'
                       f'echo "what=$1 ip=$ip serverid=$serverid router=$router dns=$dns lease=$lease mask=$mask" >> {told}\n'
                       '[ "$1" = bound ] && ip addr add "$ip/$mask" dev eth0\nexit 0\n')
        os.chmod(script, 0o755)
        done = node.run(["busybox", "udhcpc", "-f", "-n", "-q", "-t", str(tries), "-T", "1", "-i", "eth0", "-s", script, *options])
        if done.returncode != 0:
            return None
        with open(told, encoding="ascii") as file:
            return dict(part.split("=", 1) for part in file.read().splitlines()[-1].split(" "))

    def silent(self, gate, client):
        """Everything that could answer here does not."""
        for to in ("255.255.255.255", gate.own):
            self.assertIsNone(client.ask(dhcp.DISCOVER, to, SILENCE), f"DISCOVER to {to}")
            self.assertIsNone(client.ask(dhcp.REQUEST, to, SILENCE, requested=POOL[0], server_id=ROUTER), f"REQUEST to {to}")
        for options in ([], ["+tcp"]):
            self.assertIsNone(self.dig(gate.own, *options), f"dig {options}")
        self.assertFalse(self.tftp(gate.own))
        self.assertEqual({b for b in gate.bound() if not b.endswith(":67")}, set(), "nothing but DHCP's port is even bound")

    def test_a_gateway_without_the_virtual_ip_is_silent_and_with_it_answers(self):
        gate, client = self.gates[0], self.dhcp_client()
        pid = gate.start().pid
        self.silent(gate, client)
        self.assertIsNone(self.udhcpc(self.bare_client("c2"), tries=2), "a real client gets nothing")
        gate.add_vips()
        self.assertIsNotNone(client.until_answered()[1])
        for address in (ROUTER, DNS):
            wait_for(lambda a=address: self.dig(a) == [STATIC[1]], 5, f"DNS by UDP at {address}")
            self.assertEqual(self.dig(address, "+tcp", "+time=5"), [STATIC[1]])
            self.assertTrue(self.tftp(address))
        for options in ([], ["+tcp"]):
            self.assertIsNone(self.dig(gate.own, *options), "its own address stays silent for DNS")
        self.assertFalse(self.tftp(gate.own))
        gate.drop_vips()
        self.silent(gate, client)
        self.assertTrue(gate.dnsmasq.running and gate.dnsmasq.pid == pid, "all that without a signal or a restart")

    def test_answers_name_virtual_ips_only(self):
        gate = self.gates[0]
        gate.start()
        gate.add_vips()
        told = self.udhcpc(self.bare_client("c2"))
        self.assertIsNotNone(told)
        self.assertIn(told["serverid"], (ROUTER, DNS))
        self.assertEqual((told["router"], told["dns"]), (ROUTER, DNS))

    def test_which_of_two_virtual_ips_is_the_server_id(self):
        """The one that was added last; renewals work with both."""
        gate, client = self.gates[0], self.dhcp_client()
        gate.start()
        for order in ((ROUTER, DNS), (DNS, ROUTER)):
            gate.add_vips(*order)
            ack = client.until_answered()[1]
            self.assertEqual(dhcp.addresses(ack, 54), [order[1]])
            # A client that got its offer under the other order has to begin again; one that renews names no server.
            other = client.ask(dhcp.REQUEST, requested=ack["address"], server_id=order[0])
            self.assertEqual(other["kind"], dhcp.NAK)
            lease = client.lease()
            self.assertEqual(lease["kind"], dhcp.ACK)
            self.must(self.client, ["ip", "addr", "replace", f"{lease['address']}/16", "dev", "eth0"])
            for to in order:
                renewed = client.ask(dhcp.REQUEST, to, ciaddr=lease["address"])
                self.assertEqual((renewed["kind"], renewed["address"]), (dhcp.ACK, lease["address"]), f"renewed at {to}")
            self.must(self.client, ["ip", "addr", "del", f"{lease['address']}/16", "dev", "eth0"])
            gate.drop_vips(*order)

    def test_how_long_it_takes_until_it_answers(self):
        gate, client = self.gates[0], self.dhcp_client()
        gate.start()
        mac = mac_of(gate.node)
        for address in (ROUTER, DNS):   # What an announcement does to the client's table.
            self.must(self.client, ["ip", "neigh", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent"])
        kinds = {"/16": {}, "/32": {"length": 32}, "/16 noprefixroute, 2 s": {"more": ("noprefixroute", "valid_lft", "2", "preferred_lft", "2")}}
        for name, options in kinds.items():
            offers, answers = [], []
            for _ in range(10):
                begun = time.monotonic()   # So it is with two runs of `ip`.
                gate.add_vips(**options)
                _, reply = client.until_answered()
                offers.append(time.monotonic() - begun)
                self.assertIsNotNone(reply, name)
                self.assertIn(dhcp.addresses(reply, 54)[0], (ROUTER, DNS))
                gate.drop_vips(length=options.get("length", 16))
                wait_for(lambda: client.ask(dhcp.DISCOVER, timeout=0.1) is None, 5, "silent again")
                begun = time.monotonic()
                gate.add_vips(**options)
                self.assertIsNotNone(dhcp.until_resolved(self.client, DNS, STATIC[0]), name)
                answers.append(time.monotonic() - begun)
                gate.drop_vips(length=options.get("length", 16))
                wait_for(lambda: not [b for b in gate.bound() if not b.endswith(":67")], 5, "nothing is bound")
            figure(f"DHCP answered after VIP {name}", offers)
            figure(f"DNS answered after VIP {name}", answers)
            self.assertLess(statistics.median(offers), 2 * SCALE, "no answer waits for a timer of dnsmasq's; the figures are above")
            self.assertLess(statistics.median(answers), 2 * SCALE)

    def test_a_virtual_ip_whose_lifetime_ends_is_the_end_of_answers(self):
        gate, client = self.gates[0], self.dhcp_client()
        gate.start()
        gate.add_vips(more=("valid_lft", "1", "preferred_lft", "1"))
        self.assertIsNotNone(client.until_answered()[1])
        wait_for(lambda: "10.77.9." not in gate.node.run(["ip", "addr", "show", "dev", "eth0"]).stdout, 5, "the kernel took them")
        self.silent(gate, client)

    def test_a_client_renews_by_unicast_with_the_gateway_that_took_over(self):
        """dhclient asks the server id it got its lease from; T1 comes from option 58."""
        for gate in self.gates:
            gate.write_config("dhcp-option-force=option:T1,3", "dhcp-option-force=option:T2,110")
            gate.start_with_probe()
        first, second = self.gates
        first.add_vips()
        node = self.bare_client("c2")
        script = os.path.join(node.dir, "dhclient.sh")
        with open(script, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\n[ -n "$new_ip_address" ] && ip addr replace "$new_ip_address/16" dev eth0\n'
                       f'echo "$reason $new_ip_address $new_dhcp_server_identifier" >> {node.dir}/reasons\nexit 0\n')
        os.chmod(script, 0o755)
        node.spawn(["dhclient", "-d", "-4", "-sf", script, "-lf", f"{node.dir}/leases", "-pf", f"{node.dir}/pid", "-cf", "/dev/null", "eth0"], "dhclient")

        def reasons():
            with open(f"{node.dir}/reasons", encoding="ascii") as file:
                return [line.split() for line in file]

        bound = wait_for(lambda: [r for r in reasons() if r[0] == "BOUND"], 20, "it has a lease")[0]
        event = first.probe.wait("EVENT", action="add")[0]
        self.assertEqual(event["address"], bound[1])
        # As the daemons do it: the lease goes to the other dnsmasq when it is given.
        second.probe.ask(f"add {event['address']} {event['mac']} - {event['client_id']} 120", add=event["address"])
        first.drop_vips()
        second.add_vips()
        self.must(second.node, ["arping", "-q", "-c", "1", "-U", "-I", "eth0", "-s", bound[2], bound[2]])
        renewed = second.probe.wait("EVENT", action="old", address=bound[1], timeout=30)[-1]
        self.assertEqual(renewed["interface"], "eth0")
        wait_for(lambda: [r for r in reasons() if r[0] == "RENEW" and r[1] == bound[1]], 10, "it keeps its address")
        log = second.dnsmasq.stderr()
        self.assertIn(f"DHCPREQUEST(eth0) {bound[1]}", log)
        self.assertNotIn("DHCPDISCOVER", log, "it renewed, it did not begin again")
        self.assertNotIn("DHCPNAK", log)

    def test_a_client_that_the_new_gateway_does_not_know_keeps_its_address_if_that_is_free(self):
        """dhcp-authoritative: an unknown client's renewal makes a lease; of an address that is somebody else's it is refused."""
        gate, client = self.gates[0], self.dhcp_client()
        gate.start_with_probe()
        gate.add_vips()
        client.until_answered()
        self.must(self.client, ["ip", "addr", "add", f"{POOL[1]}/16", "dev", "eth0"])
        ack = client.ask(dhcp.REQUEST, ROUTER, ciaddr=POOL[1], broadcast=True)
        self.assertEqual(ack["kind"], dhcp.ACK)
        gate.probe.ask(f"add {POOL[0]} 52:54:00:00:00:99 - - 120", add=POOL[0])
        other = client.ask(dhcp.REQUEST, ROUTER, ciaddr=POOL[0], broadcast=True)
        self.assertNotEqual(other and other["kind"], dhcp.ACK, "not the address that another client has")

    def few_rights(self, uid, *more):
        """As the daemon's children run: three ambient capabilities and no way to get others."""
        caps = "+net_admin,+net_raw,+net_bind_service"
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", f"--inh-caps=-all,{caps}", f"--ambient-caps=-all,{caps}",
                f"--bounding-set=-all,{caps}", "--no-new-privs", *more]

    def works_as(self, uid, *more):
        """`user=root` is for one that is root and does nothing for others; an empty `group=` keeps dnsmasq from asking for a group, for which root
        needs CAP_SETGID."""
        gate, client = self.gates[0], self.dhcp_client()
        gate.write_config(user="root", group="")
        gate.give_to(uid)
        wrap = self.few_rights(uid, *more)
        gate.start_probe(wrap=wrap)
        gate.start_with_probe(wrap=wrap)
        self.silent(gate, client)
        gate.add_vips()
        self.assertIsNotNone(client.until_answered()[1])
        self.assertEqual(client.lease()["kind"], dhcp.ACK)
        self.assertEqual(gate.probe.wait("EVENT", action="add")[0]["mac"], MAC)
        wait_for(lambda: self.dig(DNS) == [STATIC[1]], 5, "DNS")
        self.assertTrue(self.tftp(DNS))
        with open(f"/proc/{gate.dnsmasq.pid}/status", encoding="ascii") as status:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        self.assertEqual(fields["Uid"].split(), [str(uid)] * 4)
        self.assertEqual(int(fields["CapEff"], 16) & ~0x3400, 0, "NET_ADMIN, NET_RAW, NET_BIND_SERVICE at most")

    def test_it_works_as_an_ordinary_user_with_three_capabilities(self):
        self.works_as(65534)

    def test_it_works_as_a_root_that_may_do_no_more_than_that(self):
        self.works_as(0, "--securebits=+noroot,+noroot_locked")

    def test_where_the_address_leaks(self):
        """An answer is tied to the address, not to the interface a question came by. DHCP is tied to the interface's own addresses."""
        gate = self.gates[0]
        gate.start()
        gate.add_vips()
        wait_for(lambda: self.dig(DNS) == [STATIC[1]], 5, "DNS")
        uplink = self.lab.node("up")
        self.must(uplink, ["ip", "link", "add", "name", "u0", "type", "veth", "peer", "name", "u1", "netns", gate.node.namespace_path])
        self.must(uplink, ["ip", "addr", "add", "10.99.0.2/24", "dev", "u0"])
        self.must(uplink, ["ip", "link", "set", "dev", "u0", "up"])
        gate.ip("addr", "add", "10.99.0.1/24", "dev", "u1")
        gate.ip("link", "set", "dev", "u1", "up")
        self.must(uplink, ["ip", "route", "add", f"{DNS}/32", "via", "10.99.0.1"])
        leaks = wait_for(lambda: self.dig(DNS, node=uplink), 5, "a question by another interface for the VIP")
        self.assertEqual(leaks, [STATIC[1]], "answered: the router's rules have to close the uplink")
        with uplink.socket(socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.bind(("10.99.0.2", 68))
            sock.settimeout(SILENCE)
            sock.sendto(dhcp.build(dhcp.DISCOVER, MAC, 7), ("255.255.255.255", 67))
            self.assertRaises(TimeoutError, sock.recv, 4096)

    def gate_rules(self, *arguments):
        rules = self.must(self.gates[0].node, [program("dnsmasq_probe"), "--gate", *arguments])
        self.must(self.gates[0].node, ["nft", "-f", "-"], rules)

    def test_the_dhcp_gate_keeps_requests_out_until_it_is_opened(self):
        gate, client = self.gates[0], self.dhcp_client()
        gate.start()
        self.must(gate.node, ["nft", "add table inet foreign"])
        for _ in range(2):   # Said twice it is the same.
            self.gate_rules("eth0,eth9")
        gate.add_vips()
        wait_for(lambda: self.dig(DNS) == [STATIC[1]], 5, "DNS is not the gate's business")
        for to in ("255.255.255.255", ROUTER):
            self.assertIsNone(client.ask(dhcp.DISCOVER, to, SILENCE))
        for _ in range(2):
            self.gate_rules("eth0,eth9", "eth0")
        self.assertIsNotNone(client.until_answered()[1])
        self.gate_rules("eth0,eth9", "eth9")
        self.assertIsNone(client.ask(dhcp.DISCOVER, timeout=SILENCE))
        self.gate_rules("eth9")
        self.assertIsNotNone(client.until_answered()[1], "an interface that is not guarded is let alone")
        for _ in range(2):
            self.gate_rules("none")
        self.assertEqual(self.must(gate.node, ["nft", "list", "tables"]).split(), ["table", "inet", "foreign"])


if __name__ == "__main__":
    main()
