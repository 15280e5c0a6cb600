"""vips[].on_acquire and on_release of real daemons: what the programs are told, and that nothing waits for them."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import ClusterTest, main          # noqa: E402
from support.corosync_lab import CorosyncLab                 # noqa: E402
from support.vip_nodes import VIP, VipNode, holders          # noqa: E402
from support.waiting import wait_for                         # noqa: E402


def shell(script, timeout="5s"):
    return {"command": ["/bin/sh", "-c", script], "timeout": timeout}


class HooksTest(ClusterTest):
    def alone(self, vip):
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        self.notes = os.path.join(cluster.nodes[1].host.dir, "notes")
        return VipNode(cluster.nodes[1], None, self, vip={key: hooks(self.notes) for key, hooks in vip.items()})

    def read(self):
        try:
            with open(self.notes, encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def test_hooks_are_told_what_happened_also_at_the_end(self):
        said = 'echo "$FAIRLEAD_EVENT $FAIRLEAD_VIP $FAIRLEAD_ADDRESS $FAIRLEAD_INTERFACE"'
        gate = self.alone({"on_acquire": lambda notes: [shell(f"{said} >> {notes}"), shell(f"ls /proc/self/fd | wc -l >> {notes}")],
                           "on_release": lambda notes: [shell(f"{said} >> {notes}")]})
        gate.start()
        wait_for(lambda: gate.log().count(" HOOK_DONE ") == 2, 20, "both ran")
        gate.stop()
        lines = self.read()
        self.assertEqual(lines[0], f"acquire api {VIP}/16 eth0")
        self.assertEqual(lines[1], "4", "nothing but the three usual descriptors, and the one that ls opens")
        self.assertEqual(lines[2:], [f"release api {VIP}/16 eth0"])

    def test_a_hook_that_hangs_or_fails_is_an_event_and_the_next_one_runs(self):
        gate = self.alone({"on_acquire": lambda notes: [
            shell(f"tail -f /dev/null & echo $! $$ > {notes}; tail -f /dev/null", timeout="300ms"),
            shell("exit 3"),
            {"command": ["/no/such/program"]},
            shell("kill -KILL $$"),
            shell(f"echo last >> {notes}"),
        ]})
        gate.start()
        wait_for(lambda: " HOOK_DONE " in gate.log(), 20, "the last one ran")
        self.assertTrue(gate.has_vip())
        reasons = [dict(event["fields"])["reason"] for event in gate.events("HOOK_FAILED")]
        self.assertEqual(len(reasons), 4, reasons)
        self.assertEqual([reasons[0], reasons[1], reasons[3]], ["killed after 300ms", "exit code 3", "ended by signal 9"])
        self.assertIn("ENOENT", reasons[2])
        first, last = self.read()
        self.assertEqual(last, "last")
        for pid in first.split():
            wait_for(lambda: not os.path.exists(f"/proc/{pid}") or state(pid) == "Z", 5, "the whole group is gone")

    def test_a_takeover_does_not_wait_for_hooks(self):
        cluster = self.cluster(3)
        hang = {"on_acquire": [shell("tail -f /dev/null", timeout="60s")], "on_release": [shell("tail -f /dev/null", timeout="60s")]}
        gates = [VipNode(cluster.nodes[i], [n.host for n in cluster.nodes.values()], self, vip=hang) for i in sorted(cluster.nodes)]
        for gate in gates:
            gate.start()
        wait_for(lambda: len(holders(gates)) == 1, 30, "one node holds the VIP")
        first = holders(gates)[0]
        first.process.signal(15)   # Its on_acquire hangs, and its on_release waits behind that.
        wait_for(lambda: holders(gates) not in ([], [first]), 10, "another node holds the VIP")
        self.assertEqual(len(holders(gates)), 1)
        second = holders(gates)[0]
        wait_for(lambda: second.events("VIP_ACQUIRED"), 5, "it says so")
        self.assertEqual(second.events("HOOK_FAILED"), [])
        self.assertNotEqual(first.process.wait(20), None, "shutdown_grace ends the wait for hooks")


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]


if __name__ == "__main__":
    main()
