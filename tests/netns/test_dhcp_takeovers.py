"""More than fifty DHCP clients join, renew, leave while gateways are moved, killed, cut off, and killed between an ACK and its replication. An observer on
the bridge judges: no address is ever given to two. FL_LONG=1: 25 takeovers of each kind."""
import collections
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import arp, dhcp, dnsmasq, ether                                                    # noqa: E402
from support.cluster_probe import main                                                           # noqa: E402
from support.dhcp_crowd import Crowd                                                             # noqa: E402
from support.dhcp_observer import DhcpObserver                                                   # noqa: E402
from support.dhcp_site import DhclientClient, DhcpClient, DhcpGatesTest, leases_of, with_dhcp     # noqa: E402
from support.lab import Lab                                                                      # noqa: E402
from support.vip_nodes import holders                                                            # noqa: E402
from support.waiting import Timeout, wait_for                                                             # noqa: E402

CLIENTS = 60
ACKS = 30   # After each takeover, before the next one.
LONG = bool(os.environ.get("FL_LONG"))
SEED = int(os.environ.get("FL_CROWD_SEED", "7"))
KINDS = ("move", "kill", "cut", "kill before replication")
PLAN = [kind for _ in range(25) for kind in KINDS] if LONG else [KINDS[i] for i in (0, 1, 2, 3, 0, 3, 1, 2, 3, 0)]
# Not many more addresses than clients, so that what comes free is given again soon: the crowd, three real ones, who joins before a kill; and some that
# belong to nobody until their lease ends, after two minutes: whoever leaves while a gate is closed, or nobody serves, says so to nobody. Two leave each
# second, and takeovers that follow each other leave a gate closed for a good part of the time: in a long run that is most of a hundred at once.
SILENT = 0.02
ADDRESSES = CLIENTS + 3 + PLAN.count("kill before replication") + (150 if LONG else 28)
POOL = ("10.77.8.10", f"10.77.8.{9 + ADDRESSES}")


class ObserverTest(unittest.TestCase):
    """What the judge sees, told by frames that are made up."""

    def setUp(self):
        reason = dnsmasq.why_unavailable()
        if reason:
            self.skipTest(reason)
        self.lab = Lab(mode="namespaces")
        self.addCleanup(self.lab.close)
        self.node = self.lab.node("server")
        self.observer = DhcpObserver(self.lab.switch, {arp.mac_of(self.node): "server"})
        self.addCleanup(self.observer.close)
        self.own = ether.mac_bytes(arp.mac_of(self.node))
        self.socket = ether.packet_socket(self.node, "eth0")
        self.addCleanup(self.socket.close)

    def says(self, kind, mac, address, lease=60):
        """The server, or the client."""
        request = dhcp.build(kind, mac, 1, ciaddr=address, options=[(51, lease.to_bytes(4, "big"))])
        ours = kind in (dhcp.ACK, dhcp.NAK)
        packet = (b"\2" if ours else b"\1") + request[1:16] + request[12:16] + request[20:]
        ports = (67, 68) if ours else (68, 67)
        before = sum(self.observer.counts.values())
        self.socket.send(ether.udp_frame(self.own, ether.EVERYBODY, "10.77.0.1", "255.255.255.255", ports, packet))
        wait_for(lambda: sum(self.observer.counts.values()) > before, 5, "the observer has heard it", 0.001)

    def test_an_address_given_to_two_is_an_overlap(self):
        one, two = "02:00:00:00:00:01", "02:00:00:00:00:02"
        self.says(dhcp.ACK, one, "10.77.8.10")
        self.says(dhcp.ACK, one, "10.77.8.10")
        self.assertEqual(self.observer.overlaps, [])
        self.says(dhcp.ACK, two, "10.77.8.10")
        self.assertEqual([(o.address, o.given_to, o.gateway, o.held_by) for o in self.observer.overlaps], [("10.77.8.10", two, "server", one)])

    def test_what_has_ended_is_no_overlap(self):
        macs = [f"02:00:00:00:00:{i:02x}" for i in range(6)]
        for end in (lambda mac: self.says(dhcp.RELEASE, mac, "10.77.8.10"), lambda mac: self.says(dhcp.NAK, mac, "0.0.0.0"),
                    lambda mac: self.says(dhcp.ACK, mac, "10.77.8.11"), self.observer.gone):
            mac = macs.pop()
            self.says(dhcp.ACK, mac, "10.77.8.10")
            end(mac)
        self.says(dhcp.ACK, macs.pop(), "10.77.8.10", lease=1)
        wait_for(lambda: self.observer.held() == 1, 5, "the lease of a second is over")   # The other is of .11.
        self.says(dhcp.ACK, macs.pop(), "10.77.8.10")
        self.assertEqual(self.observer.overlaps, [])


class DhcpTakeoversTest(DhcpGatesTest):
    def site(self):
        lab, self.gates_ = self.three(lambda _cluster: lambda gate: with_dhcp(gate, POOL))
        self.observer = DhcpObserver(lab.switch, {arp.mac_of(gate.host): gate.name for gate in self.gates_})
        self.addCleanup(self.observer.close)
        self.crowd = Crowd(lab.node("crowd"), CLIENTS, self.observer, seed=SEED, silent=SILENT)
        self.addCleanup(self.crowd.close)
        self.real = [DhcpClient(lab, "udhcpc-1"), DhcpClient(lab, "udhcpc-2"), DhclientClient(lab, "dhclient-1")]
        for client in self.real:
            client.run()
        wait_for(lambda: len(self.crowd.bound()) > 50 and all(client.address() for client in self.real), 60, f"they have addresses: {self.state()}")
        return self.serving(self.gates_)

    def state(self):
        states = collections.Counter(m.state for m in self.crowd.members)
        return dict(states), dict(self.crowd.counts), [client.address() for client in self.real], self.crowd.problem

    def gives(self, gate, since):
        """It answers, again and again; and clients are as many as before."""
        def enough():
            return sum(ack.gateway == gate.name for ack in self.observer.acks_since(since)) >= ACKS and len(self.crowd.bound()) > 50
        wait_for(enough, 30, f"{gate.name} gives addresses: {self.state()}")

    # ---- takeovers: from the gateway that serves to another one ----
    def move(self, old):
        self.assertEqual(old.cli("vip", "move", "api", as_json=False).returncode, 0)
        return self.another_serves(self.gates_, old)

    def kill(self, old):
        old.kill()
        new = self.serving([g for g in self.gates_ if g is not old])
        old.start()
        return new

    def cut(self, old):
        """And the two halves meet again, while clients go on."""
        since = len(self.observer.acks)
        old.host.cut_off()
        new = self.serving([g for g in self.gates_ if g is not old])
        self.gives(new, since)
        old.host.plug_in()
        wait_for(lambda: all(n["online"] for g in self.gates_ for n in g.status()["cluster"]["nodes"]), 30, "all are together again")
        return self.serving(self.gates_)

    def kill_before_replication(self, old):
        """dnsmasq gives an address while the daemon stands still; then that one dies, and nobody else has heard of the lease. Its guard takes the VIP away
        after a second: where the machine is busy that may be before the answer, and the takeover is one like any other."""
        old.process.freeze()
        joined = self.crowd.newcomer()
        try:
            wait_for(lambda: self.observer.held_by(joined.mac), 5, f"the last ACK of {old.name}", 0.001)
        except Timeout:
            self.guard_was_faster += 1
        finally:
            old.kill()
        given = self.observer.held_by(joined.mac)
        new = self.serving([g for g in self.gates_ if g is not old])
        if any((ack.gateway, ack.mac) == (old.name, joined.mac) for ack in self.observer.acks_since(0)):   # Else its guard was faster.
            self.lost.append((given, [e["fields"]["address"] for e in new.events("LEASE_ADOPTED")], joined))
        old.start()
        return new

    def restart_all(self, end):
        since = len(self.observer.acks)
        for gate in self.gates_:
            end(gate)
        for gate in self.gates_:
            gate.launch()
        self.gives(self.serving(self.gates_), since)

    def test_no_address_is_given_to_two_clients_whatever_happens_to_gateways(self):
        began = time.monotonic()
        self.lost = []
        self.guard_was_faster = 0
        now = self.site()
        real = {client: client.address() for client in self.real}
        takeovers = {"move": self.move, "kill": self.kill, "cut": self.cut, "kill before replication": self.kill_before_replication}
        done = collections.Counter()
        for kind in PLAN:
            with self.subTest(takeover=kind, number=sum(done.values()) + 1):
                since = len(self.observer.acks)
                now = takeovers[kind](now)
                for client in self.real[:2]:
                    client.renew()
                self.gives(now, since)
                self.assertEqual(self.observer.overlaps, [])
                self.assertLessEqual(len(holders(self.gates_)), 1)
                done[kind] += 1
        with self.subTest("all gateways are killed at once, and start"):
            self.restart_all(lambda gate: gate.kill())
        with self.subTest("all gateways are ended in order, and start"):
            self.restart_all(lambda gate: gate.stop())
        wait_for(lambda: [client.address() for client in self.real] == list(real.values()), 10, f"the real clients have what they had: {real} {self.state()}")
        self.judge(done, time.monotonic() - began)

    def judge(self, done, took):
        self.crowd.close()
        settled = self.crowd.settled()
        moved = [m.had for m in settled if len(m.had) > 1]
        given_to = collections.defaultdict(set)
        for ack in self.observer.acks:
            given_to[ack.address].add(ack.mac)
        again = [len(macs) for macs in given_to.values() if len(macs) > 1]
        print(f"{dict(done)} in {took:.0f} s, seed {SEED}: {len(self.observer.acks)} ACKs to {len({a.mac for a in self.observer.acks})} machines, "
              f"{len(again)} of {ADDRESSES} addresses given to several, {sum(again) / max(1, len(again)):.1f} each; "
              f"{len(self.observer.overlaps)} overlaps; {dict(self.crowd.counts)}; {len(moved)} of {len(settled)} that stayed changed their address; "
              f"{sum(given in adopted for given, adopted, _ in self.lost)} of {len(self.lost)} untold leases were found by the sweep")
        self.assertIsNone(self.crowd.problem)
        self.assertEqual(self.observer.overlaps, [])
        self.assertEqual(dict(done), dict(collections.Counter(PLAN)))
        self.assertGreater(len(again), 5, "addresses are given again")
        self.assertGreater(self.crowd.counts["released"], 10)
        self.assertGreater(self.crowd.counts["renewed"], len(PLAN) * 10)
        self.assertTrue(self.lost, "leases were given that nobody was told of")
        self.assertLessEqual(self.guard_was_faster, max(1, PLAN.count("kill before replication") // 5))
        for given, adopted, joined in self.lost:
            self.assertIn(given, adopted, f"{joined.mac} had it from a gateway that died with it")
            self.assertEqual(joined.had, [given])
        self.assertLessEqual(len(moved), sum(count for kind, count in done.items() if kind != "move"), moved)


if __name__ == "__main__":
    main()
