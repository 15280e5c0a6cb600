"""Drills against real daemons on real Corosync, measured by `fairlead drill` on a third machine; and what the prober sees of known gaps."""
import json
import os
import signal
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(os.path.dirname(TESTS), "scripts")]

from drills.cases import check_against                       # noqa: E402
from support.cluster_probe import main                       # noqa: E402
from support.fairlead import BIN                             # noqa: E402
from support.vip_nodes import VIP, GatesTest, holders        # noqa: E402
from support.waiting import wait_for                         # noqa: E402

TARGET = f"{VIP}:6443"


class DrillTest(GatesTest):
    def probing(self, host, *options):
        """A running `fairlead drill probe` that has its first answers; verdict() ends it."""
        out = os.path.join(host.dir, f"verdict.{len(os.listdir(host.dir))}.json")
        process = host.spawn([os.path.join(BIN, "fairlead"), "drill", "probe", TARGET, "--out", out, *options], "probe")
        self.addCleanup(process.kill)
        wait_for(lambda: "probing" in process.stderr(), 10, "the prober runs")

        def verdict():
            process.signal(signal.SIGINT)
            self.assertEqual(process.wait(10), 0, process.stderr())
            with open(out, encoding="utf-8") as file:
                return json.load(file)
        return verdict

    def answering(self, gates):
        """Each gateway's pool has a server of its own, which answers at once."""
        for gate in gates:
            server = gate.cluster_node.spawn([sys.executable, "-c", _SERVER], "server")
            self.addCleanup(server.kill)
            wait_for(lambda server=server: "ready" in server.stdout(), 10, "the server listens")

    def test_drills_are_measured_from_outside(self):
        gates = self.gates(3)
        self.answering(gates)
        client = self.lab.lab.node("client")

        with self.subTest("nothing happens: nothing is lost and one node answers"):
            verdict = self.probing(client)
            wait_for(lambda: holders(gates), 5, "held")
            _pass(1)
            seen = verdict()
            self.assertGreater(seen["tries"], 50)
            self.assertEqual((seen["failed"], seen["holders_max"], seen["overlap_ms_max"]), (0, 1, 0), seen)

        with self.subTest("what `make drill` plays and judges is what the daemon lists"):
            self.assertEqual(check_against(json.loads(gates[0].request("GET", "/api/v1/drills")[1])["drills"]), [])

        with self.subTest("the holder's process stops for 200 ms: that is what is measured"):
            verdict = self.probing(client, "--slow", "50ms")
            _pass(0.5)
            held = holders(gates)[0]
            held.process.signal(signal.SIGSTOP)
            _pass(0.2)
            held.process.signal(signal.SIGCONT)
            _pass(0.5)
            seen = verdict()
            self.assertGreater(seen["outage_ms"], 100, seen)
            self.assertLess(seen["outage_ms"], 1500, seen)

        with self.subTest("a killed daemon"):
            old = holders(gates)[0]
            verdict = self.probing(client)
            _pass(0.3)
            self.assertEqual(old.request("POST", "/api/v1/drills/kill-process")[0], 200)
            self.other_holder(gates, old)
            _pass(0.5)
            seen = verdict()
            old.start()
            self.assertEqual(seen["holders_max"], 1, seen)
            self.assertTrue(seen["recovered"], seen)
            self.assertGreaterEqual(len(seen["rounds_by_station"]), 2, "two stations answered, one after the other")

        with self.subTest("only the holder drills itself"):
            idle = next(g for g in gates if g not in holders(gates))
            wait_for(lambda: idle.status()["vips"][0]["holder"], 20, "it knows who holds the VIP")
            code, body = idle.request("POST", "/api/v1/drills/kill-process")
            self.assertEqual(code, 409, body)
            self.assertIn(holders(gates)[0].name, body)

        with self.subTest("an address deleted behind our back comes back"):
            verdict = self.probing(client)
            _pass(0.3)
            held = holders(gates)[0]
            self.assertEqual(held.request("POST", "/api/v1/drills/delete-vip")[0], 200)
            wait_for(lambda: held.events("VIP_REPAIRED"), 5, "it is repaired")
            _pass(0.5)
            seen = verdict()
            self.assertTrue(seen["recovered"], seen)
            self.assertEqual(seen["holders_max"], 1, seen)


def _pass(seconds):
    time.sleep(seconds)   # tidy: what is measured is time


_SERVER = """
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 6443))
s.listen(512)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(512)
    c.send(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    c.close()
"""

if __name__ == "__main__":
    main()
