"""How long names are not answered while gateways change: a static, a leased and an upstream one, asked every 20 ms. Beside it, in the same takeovers, what
new connections through the VIP lose. FL_FIGURES=N: N of each, and a table for docs/operating/dnsdhcp.md."""
import json
import os
import signal
import socket
import statistics
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import dnsmasq                                                                                                  # noqa: E402
from support.cluster_probe import main                                                                                       # noqa: E402
from support.dhcp_site import DNS, DOMAIN, UPSTREAM_ANSWER, UPSTREAM_DOMAIN, DhcpClient, DhcpGatesTest, start_upstream, with_dhcp   # noqa: E402
from support.lab import Lab                                                                                                  # noqa: E402
from support.prober import probing                                                                                           # noqa: E402
from support.promises import PROMISES                                                                                        # noqa: E402
from support.vip_nodes import VIP                                                                                            # noqa: E402
from support.waiting import SCALE, Timeout, wait_for                                                                         # noqa: E402

PROBER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support", "dns_prober.py")
FIGURES = int(os.environ.get("FL_FIGURES", "0"))
# Of the takeover (support/promises.py): name, what DNS may take more than new connections, how many are measured.
MOVE = ("planned", 50, FIGURES or 5)
LOSS = ("kill-node", 200, min(FIGURES, 10) or 2)


def asking(test, node, server, names, patience=10):
    """A running prober, and a function that ends it and returns {name: {asked, gaps, recovered}}."""
    called = f"dns_prober.{len(os.listdir(node.dir))}"
    out = os.path.join(node.dir, f"{called}.json")
    process = node.spawn([sys.executable, PROBER, server, out, *(f"{name}={address}" for name, address in names.items())], called)
    test.addCleanup(process.kill)
    wait_for(lambda: "asking" in process.stdout(), patience, f"every name is answered: {process.stderr()}")

    def seen():
        process.signal(signal.SIGINT)
        test.assertEqual(process.wait(10), 0, process.stderr())
        with open(out, encoding="ascii") as file:
            found = json.load(file)["names"]
        test.assertTrue(all(one["recovered"] for one in found.values()), found)
        return found
    return process, seen


class ProberTest(unittest.TestCase):
    """What the prober sees of a server that leaves out known questions."""

    def setUp(self):
        reason = dnsmasq.why_unavailable()
        if reason:
            self.skipTest(reason)
        self.lab = Lab(mode="namespaces")
        self.addCleanup(self.lab.close)
        self.server = self.lab.node("server")
        self.heard, self.ignored, self.ignore = 0, 0, range(0)
        self.socket = self.server.socket(socket.SOCK_DGRAM)
        self.socket.bind((self.server.address, 53))
        self.socket.settimeout(0.1)
        self.addCleanup(self.socket.close)
        self.over = threading.Event()
        thread = threading.Thread(target=self.serve)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.over.set)

    def serve(self):
        while not self.over.is_set():
            try:
                data, who = self.socket.recvfrom(512)
            except TimeoutError:
                continue
            self.heard += 1
            if self.heard in self.ignore:
                self.ignored += 1
                continue
            head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
            self.socket.sendto(head + data[12:] + struct.pack("!HHHIH4s", 0xC00C, 1, 1, 0, 4, socket.inet_aton("192.0.2.1")), who)

    def test_questions_without_an_answer_are_a_gap_and_its_own_pause_is_none(self):
        process, seen = asking(self, self.lab.node("asker"), self.server.address, {"one.test": "192.0.2.1"})
        self.ignore = range(self.heard + 5, self.heard + 20)
        wait_for(lambda: self.ignored == 15 and self.heard > self.ignore[-1] + 5, 10, "fifteen questions were left out")
        process.freeze()
        time.sleep(0.3)   # tidy: what is measured is time
        process.thaw()
        before = self.heard
        wait_for(lambda: self.heard > before + 5, 10, "it asks again")
        (_, length, lost), = seen()["one.test"]["gaps"]
        self.assertEqual(lost, 15)
        self.assertGreater(length, 0.2)

    def test_another_answer_is_none(self):
        process, seen = asking(self, self.lab.node("asker"), self.server.address, {"one.test": "192.0.2.1"})
        del process
        self.assertEqual(seen()["one.test"]["gaps"], [])
        with self.assertRaises(Timeout):
            asking(self, self.lab.node("asker"), self.server.address, {"one.test": "192.0.2.2"}, patience=1)


class DnsGapTest(DhcpGatesTest):
    def measured(self, takeover, names, gates, machines):
        """One of them: (ms that new connections lost, {name: ms that it was not answered})."""
        old = self.serving(gates)
        _, dns = asking(self, machines[0], DNS, names)
        tcp = probing(self, machines[1], f"{VIP}:6443")
        new = takeover(old)
        for name, address in names.items():
            wait_for(lambda name=name, address=address: self.resolved(machines[0], name) == address, 10, f"{name} is answered by {new.name}")
        outage = tcp()["outage_ms"]
        return outage, {name: max([length for _, length, _ in one["gaps"]], default=0) * 1000 for name, one in dns().items()}

    def move(self, gates):
        def takeover(old):
            self.assertEqual(old.cli("vip", "move", "api", as_json=False).returncode, 0)
            return self.another_serves(gates, old)
        return takeover

    def lose(self, gates):
        """Its power: its port leaves the bridge, then all of it dies. It is switched on again when it has been measured."""
        def takeover(old):
            old.host.cut_off()
            for pid in [*old.processes(), old.cluster_node.corosync.pid]:
                os.kill(pid, signal.SIGKILL)
            old.process.wait(5)
            self.lost = old
            return self.serving([gate for gate in gates if gate is not old])
        return takeover

    def switch_on(self, gates):
        old, self.lost = self.lost, None
        self.assertEqual(old.release_vips().returncode, 0)
        old.host.plug_in()
        old.cluster_node.start_corosync()
        wait_for(lambda: old.cluster_node.run(["corosync-quorumtool", "-s"]).returncode == 0, 20, "its Corosync is in the cluster")
        old.start()
        wait_for(lambda: all(len([n for n in g.status()["cluster"]["nodes"] if n["online"]]) == len(gates) for g in gates), 20, "all are there")

    def test_names_are_answered_again_as_soon_as_promised(self):
        self.lost = None
        upstream = []

        def prepare(cluster):
            upstream.append(start_upstream(cluster.lab))
            return lambda gate: with_dhcp(gate, upstream=[upstream[0].address])
        lab, gates = self.three(prepare)
        self.answering(gates)
        client = DhcpClient(lab, "joiner")
        leased = client.ask()["ip"]
        names = {f"static.{DOMAIN}": "10.77.7.7", f"joiner.{DOMAIN}": leased, f"any.{UPSTREAM_DOMAIN}": UPSTREAM_ANSWER}
        machines = [lab.node("asker"), lab.node("client")]

        for (drill, more, count), takeover in ((MOVE, self.move(gates)), (LOSS, self.lose(gates))):
            promised = PROMISES[drill].outage_ms("vm")
            outages, worst, gaps = [], [], {name: [] for name in names}
            for number in range(count):
                with self.subTest(drill=drill, number=number):
                    outage, found = self.measured(takeover, names, gates, machines)
                    outages.append(outage)
                    worst.append(max(found.values()))
                    for name, ms in found.items():
                        gaps[name].append(ms)
                    if self.lost:
                        self.switch_on(gates)
                    # A takeover may be late on a machine that does something else; names may not be later than connections.
                    self.assertLessEqual(worst[-1], max(promised, outage) + more, (outage, found))
            print(f"{drill}: promised {promised:g} ms + {more} ms, n = {len(outages)}; min / median / max ms")
            for what, values in [("new connections", outages), *gaps.items()]:
                print(f"  {what}: {min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f}")
            with self.subTest(drill=drill, judged="as promised, most of them"):
                self.assertLessEqual(statistics.median(worst), (promised + more) * SCALE, worst)


if __name__ == "__main__":
    main()
