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
from support.prober import probing                          # noqa: E402
from support.vip_nodes import VIP, GatesTest, VipNode, holders   # noqa: E402
from support.waiting import wait_for                         # noqa: E402

TARGET = f"{VIP}:6443"


class DrillTest(GatesTest):
    def drill(self, host, gate, *arguments):
        """`fairlead drill run`, of the gateway's daemon, from `host`; its verdict, after a look at whether it judged it rightly."""
        done = host.run([os.path.join(BIN, "fairlead"), "--socket", gate.socket_path, "--json", "--yes", "drill", "run", *arguments])
        self.assertTrue(done.stdout, done.stderr)
        seen = json.loads(done.stdout)
        grain = 5 + seen["prober_late_ms_max"]
        broken = [not seen["recovered"], seen["holders_max"] != 1, seen["outage_ms"] > seen["bound_ms"] + grain, seen["bound_ms"] == 0 and seen["failed"] > 0,
                  seen["silence_ms_max"] > seen["bound_ms"] + grain + 50, seen["prober_late_ms_max"] > max(20, seen["bound_ms"] / 2)]
        print(f"{seen['drill']}: {seen['outage_ms']} ms of {seen['bound_ms']}, {seen['not_as_promised']}")
        self.assertGreaterEqual(len(seen["not_as_promised"]), sum(broken[:2]), seen)
        self.assertEqual(bool(seen["not_as_promised"]), any(broken), seen)
        self.assertEqual(done.returncode, 1 if any(broken) else 0, done.stderr)
        self.assertEqual("not as promised" in done.stderr, any(broken), done.stderr)
        return seen

    def test_a_drill_is_run_from_a_third_machine_and_judged(self):
        gates = self.gates(3)
        self.answering(gates)
        client = self.lab.lab.node("client")

        with self.subTest("a move"):
            old = holders(gates)[0]
            seen = self.drill(client, old, "planned")
            self.assertEqual((seen["drill"], seen["vip"], seen["bound_ms"], seen["holders_max"]), ("planned", "api", 20, 1))
            self.assertTrue(seen["recovered"], seen)
            self.assertNotEqual(holders(gates), [old])
            kept = next(d["last"] for d in json.loads(old.get("/api/v1/drills")[1])["drills"] if d["name"] == "planned")
            self.assertEqual((kept["vip"], kept["passed"], kept["bound_ms"]), ("api", not seen["not_as_promised"], 20), "the daemon that was asked keeps it")
            self.assertAlmostEqual(kept["outage_ms"], seen["outage_ms"], delta=0.01)

        with self.subTest("an address that is deleted"):
            seen = self.drill(client, holders(gates)[0], "delete-vip", "--vip", "api")
            self.assertTrue(holders(gates)[0].events("VIP_REPAIRED"))

        with self.subTest("a daemon that hangs: nothing is refused, and the drill waits for what its guard does"):
            old = holders(gates)[0]
            seen = self.drill(client, old, "hang-process")
            self.assertTrue(seen["recovered"], seen)
            self.assertGreater(seen["outage_ms"], 900, "guard.hang is a second")
            self.assertNotEqual(holders(gates), [old])
            old.start()
            wait_for(lambda: all(gate.status()["vips"][0]["holder"] == holders(gates)[0].name for gate in gates), 20, "it is back and knows who holds it")

        with self.subTest("what is asked of a node that holds nothing is not begun"):
            idle = next(gate for gate in gates if gate not in holders(gates))
            done = client.run([os.path.join(BIN, "fairlead"), "--socket", idle.socket_path, "--yes", "drill", "run", "kill-process"])
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(f"api is on {holders(gates)[0].name}", done.stderr)

        with self.subTest("a stranger that answers for the address is noticed"):
            stranger = self.lab.lab.node("stranger")
            stranger.run(["ip", "addr", "add", f"{VIP}/16", "dev", "eth0"])
            self.addCleanup(stranger.run, ["ip", "addr", "flush", "dev", "eth0"])
            seen = self.drill(client, holders(gates)[0], "reload")
            self.assertEqual(seen["holders_max"], 2, seen)
            self.assertTrue(any("2 nodes answered ARP at once" in line for line in seen["not_as_promised"]), seen)

    def test_only_the_vip_that_was_named_is_deleted(self):
        alone = VipNode(self.cluster(1).nodes[1], None, self, vips=[{"name": "other", "address": "10.77.99.2/16", "interface": "eth0"}])
        alone.start()
        wait_for(lambda: all(vip["held_here"] for vip in alone.status()["vips"]), 20, "both are held")

        def repaired():
            return [event["fields"]["vip"] for event in alone.events("VIP_REPAIRED")]

        self.assertEqual(alone.request("POST", "/api/v1/drills/delete-vip", {"vip": "other"})[0], 200)
        wait_for(repaired, 5, "it is repaired")
        self.assertEqual(repaired(), ["other"])
        code, body = alone.request("POST", "/api/v1/drills/delete-vip", {"vip": "third"})
        self.assertEqual(code, 404, body)
        self.assertEqual(alone.request("POST", "/api/v1/drills/delete-vip")[0], 200)
        wait_for(lambda: sorted(repaired()) == ["api", "other", "other"], 5, "without a name all are deleted")

    def test_drills_are_measured_from_outside(self):
        gates = self.gates(3)
        self.answering(gates)
        client = self.lab.lab.node("client")

        with self.subTest("nothing happens: nothing is lost and one node answers"):
            verdict = probing(self, client, TARGET)
            wait_for(lambda: holders(gates), 5, "held")
            _pass(1)
            seen = verdict()
            self.assertGreater(seen["tries"], 50)
            self.assertEqual((seen["failed"], seen["holders_max"], seen["overlap_ms_max"]), (0, 1, 0), seen)

        with self.subTest("what `make drill` plays and judges is what the daemon lists"):
            self.assertEqual(check_against(json.loads(gates[0].request("GET", "/api/v1/drills")[1])["drills"]), [])

        with self.subTest("the holder's process stops for 200 ms: that is what is measured"):
            verdict = probing(self, client, TARGET, "--slow", "50ms")
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
            verdict = probing(self, client, TARGET)
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
            verdict = probing(self, client, TARGET)
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


if __name__ == "__main__":
    main()
