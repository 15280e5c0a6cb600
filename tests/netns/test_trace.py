"""What real daemons were told, written down by `--trace-takeover`: played again it gives the same answers. Simulated ones: tests/sim/cluster."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import main                   # noqa: E402
from support.corosync_lab import CorosyncLab             # noqa: E402
from support.fairlead import BIN                         # noqa: E402
from support.vip_nodes import GatesTest, VipNode, holders    # noqa: E402
from support.waiting import wait_for                     # noqa: E402

AS_RECORDED = re.compile(r": (\d+) lives, (\d+) inputs, (\d+) actions as recorded")


def trace_of(gate):
    return os.path.join(gate.dir, "takeover.trace")


def traced(gate):
    gate.arguments = ["--trace-takeover", trace_of(gate)]


def replay(*files):
    return subprocess.run([os.path.join(BIN, "takeover_replay"), *files], capture_output=True, text=True, timeout=60, check=False)


class TraceTest(GatesTest):
    def alone(self):
        cluster = CorosyncLab(1)
        self.addCleanup(cluster.close)
        return VipNode(cluster.nodes[1], None, self)

    def test_a_move_a_death_a_cut_and_a_reload_give_the_same_answers_again(self):
        gates = self.gates(3, lambda cluster: traced)
        self.assertEqual(holders(gates)[0].cli("vip", "move", "api", as_json=False).returncode, 0)
        killed = holders(gates)[0]
        killed.kill()
        self.other_holder(gates, killed)
        killed.start()
        cut = holders(gates)[0]
        cut.cluster_node.vanish()
        self.other_holder(gates, cut)
        cut.cluster_node.come_back()
        wait_for(lambda: all(sum(n["online"] for n in g.status()["cluster"]["nodes"]) == 3 for g in gates), 20, "all are together again")
        for gate in gates:
            gate.hang_up()
            wait_for(lambda gate=gate: gate.events("CONFIG_APPLIED"), 5, "reloaded")
            self.assertEqual(gate.stop(), 0)

        done = replay(*map(trace_of, gates))
        self.assertEqual(done.returncode, 0, done.stderr)
        counts = [tuple(map(int, found)) for found in AS_RECORDED.findall(done.stdout)]
        self.assertEqual([lives for lives, _, _ in counts], [2 if gate is killed else 1 for gate in gates])
        for _, inputs, actions in counts:
            self.assertGreater(inputs, 1000)
            self.assertGreater(actions, 50)

    def test_another_answer_is_named_with_its_line(self):
        gate = self.alone()
        traced(gate)
        gate.start()
        wait_for(gate.has_vip, 10, "the VIP is there")
        wait_for(lambda: '"VIP_ACQUIRED"' in open(trace_of(gate), encoding="utf-8").read(), 5, "the trace is there")
        gate.kill()   # The last line may be half a line.
        whole = replay(trace_of(gate))
        self.assertEqual(whole.returncode, 0, whole.stderr)

        with open(trace_of(gate), encoding="utf-8") as file:
            lines = file.readlines()
        at = next(i for i, line in enumerate(lines) if line.startswith('{"out":"add"'))
        lines[at] = lines[at].replace('"add"', '"remove"')
        with open(trace_of(gate), "w", encoding="utf-8") as file:
            file.writelines(lines)
        wrong = replay(trace_of(gate))
        self.assertEqual(wrong.returncode, 1)
        self.assertIn(f'line {at + 1}: recorded {{"out":"remove","vip":"api"', wrong.stderr)
        self.assertIn('now {"out":"add","vip":"api"', wrong.stderr)

    def test_a_file_that_is_no_trace_is_named(self):
        for text, why in (("", "no line begins a life"), ("x\n", "line 1: "), ('{"in":"tick","with":{}}\n', "before the beginning of a life"),
                          ('{"trace":999}\n', "of another release")):
            with self.subTest(text=text):
                done = subprocess.run([os.path.join(BIN, "takeover_replay"), "/dev/stdin"], input=text, capture_output=True, text=True, timeout=10, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(why, done.stderr)

    def test_a_full_disk_ends_the_trace_and_nothing_else(self):
        gate = self.alone()
        gate.arguments = ["--trace-takeover", "/dev/full"]
        gate.start()
        wait_for(lambda: gate.events("TRACE_ENDED"), 10, "the trace has ended")
        self.assertIn("No space left", gate.events("TRACE_ENDED")[0]["fields"]["reason"])
        wait_for(gate.has_vip, 10, "the VIP is there")
        gate.process.signal(signal.SIGTERM)
        self.assertEqual(gate.process.wait(10), 0)
        self.assertEqual(len(gate.events("TRACE_ENDED") if gate.process.running else re.findall("TRACE_ENDED", gate.log())), 1)

    def test_a_file_that_cannot_be_opened_is_named(self):
        gate = self.alone()
        gate.arguments = ["--trace-takeover", os.path.join(gate.dir, "no", "such", "folder")]
        gate.launch()
        self.assertEqual(gate.process.wait(10), 1)
        self.assertIn("--trace-takeover: ", gate.log())


if __name__ == "__main__":
    main()
