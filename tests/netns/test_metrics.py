"""/metrics of nodes in a cluster: what moves and losses leave in the history, the counters and the takeover times."""
import os
import re
import shutil
import subprocess
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

from support.cluster_probe import main          # noqa: E402
from support.vip_nodes import GatesTest, holders   # noqa: E402
from support.waiting import wait_for            # noqa: E402

MAYBE_ABSENT = {"fairlead_cluster_qdevice_votes", "fairlead_cluster_tie_break_armed", "fairlead_drill_last_passed", "fairlead_drill_last_outage_seconds",
                "fairlead_drill_last_bound_seconds", "fairlead_drill_last_timestamp_seconds", "fairlead_server_checks_total",
                "fairlead_api_certificate_expiry_timestamp_seconds"}   # These nodes listen on loopback, without TLS.


def families():
    with open(os.path.join(os.path.dirname(TESTS), "docs", "reference", "metrics.md"), encoding="utf-8") as page:
        return dict(re.findall(r"^\| `(\w+)` \| (\w+) ", page.read(), re.MULTILINE))


class ClusterMetricsTest(GatesTest):
    def vip(self, gate):
        return gate.status()["vips"][0]

    def holders_seen(self, gate):
        return [entry["holder"] for entry in self.vip(gate)["history"] if entry["holder"]]

    def test_a_move_and_a_loss_are_remembered_counted_and_timed(self):
        gates = self.gates(3)
        first = holders(gates)[0]
        wait_for(lambda: all(self.holders_seen(g) == [first.name] for g in gates), 10, "all have seen the first holder")
        self.assertEqual([self.vip(g)["history"][0]["first_seen"] for g in gates], [g is not first for g in gates], "who took it knows since when")

        with self.subTest("the page of a node that holds it has every metric, and promtool nothing to say"):
            wanted = {name: rf"(?m)^{name}{'_count' if kind == 'histogram' else ''}[{{ ]" for name, kind in families().items() if name not in MAYBE_ABSENT
                      and not name.startswith(("fairlead_dhcp_", "fairlead_dns_"))}   # These nodes have no dnsdhcp.

            def missing():   # Some have to be measured once before they are there: the lowest lease, a node's digest.
                page = first.get("/metrics")[1]
                return [name for name, line in wanted.items() if not re.search(line, page)]
            wait_for(lambda: missing() == [], 20, f"every metric is there: {missing()} are not")
            if shutil.which("promtool"):
                for gate in gates:
                    checked = subprocess.run(["promtool", "check", "metrics"], input=gate.get("/metrics")[1], capture_output=True, text=True, timeout=60,
                                             check=False)
                    self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))
            self.assertEqual(sum(g.metrics()['fairlead_vip_held{vip="api"}'] for g in gates), 1)
            metrics = first.metrics()
            self.assertEqual([metrics[f'fairlead_node_online{{node="node{i}"}}'] for i in (1, 2, 3)], [1, 1, 1])
            self.assertLessEqual(metrics["fairlead_cluster_lease_low_seconds"], metrics["fairlead_cluster_lease_seconds"])
            self.assertGreater(metrics["fairlead_cluster_lease_low_seconds"], 0)
            self.assertEqual(metrics['fairlead_vip_holder_changes_total{vip="api"}'], 0)

        with self.subTest("a move"):
            first.cli("vip", "move", "api")
            second = holders(gates)[0]
            wait_for(lambda: all(self.holders_seen(g) == [first.name, second.name] for g in gates), 10, "all have seen it")
            for gate in gates:
                self.assertEqual(gate.metrics()['fairlead_vip_holder_changes_total{vip="api"}'], 1)
                self.assertEqual(gate.metrics()[f'fairlead_vip_holder{{vip="api",node="{second.name}"}}'], 1)
                self.assertFalse(self.vip(gate)["history"][-1]["first_seen"], "a move is a change to everybody")
                times = [entry["at"] for entry in self.vip(gate)["history"]]
                self.assertEqual(times, sorted(times))
                self.assertRegex(times[-1], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$")
            took = self.vip(second)["last_takeover_ms"]
            acquired = [dict(e["fields"]) for e in second.events("VIP_ACQUIRED")]
            self.assertGreaterEqual(took, float(acquired[-1]["took_ms"]) - 1, "from the assignment at least, which the event times")
            self.assertLess(took, 2000)
            self.assertEqual(second.metrics()['fairlead_vip_takeover_duration_seconds_count{vip="api"}'], 1)
            self.assertIn(f"last takeover by this node  {took:.1f} ms", second.cli("vip", "explain", "api", as_json=False).stdout)

        with self.subTest("its daemon is killed"):
            second.kill()
            third = self.other_holder([g for g in gates if g is not second], second)
            left = [g for g in gates if g is not second]
            wait_for(lambda: all(self.holders_seen(g)[-1] == third.name for g in left), 10, "both have seen it")
            self.assertEqual({g.metrics()['fairlead_vip_holder_changes_total{vip="api"}'] for g in left}, {2.0})
            acquired = [dict(e["fields"]) for e in third.events("VIP_ACQUIRED")]
            self.assertGreaterEqual(self.vip(third)["last_takeover_ms"], float(acquired[-1]["took_ms"]) - 1, "from the notice of the loss")
            self.assertLess(self.vip(third)["last_takeover_ms"], 5000)
            for gate in left:
                wait_for(lambda gate=gate: gate.metrics()[f'fairlead_node_online{{node="{second.name}"}}'] == 0, 10, "it is not there")


if __name__ == "__main__":
    main()
