"""Runs tests/netns/cluster_probe.cc on nodes of a CorosyncLab and reads what it says."""
import os
import signal
import sys
import unittest

from support import corosync_lab
from support.corosync_lab import CorosyncLab
from support.probe import ProbeProgram
from support.waiting import wait_for

def program(name):
    return os.path.abspath(os.path.join(os.environ.get("FL_BIN", "build/bin"), name))



class Probe(ProbeProgram):
    """A running cluster_probe."""

    _count = 0

    def __init__(self, node, cluster="lab", options=()):
        Probe._count += 1
        path = os.path.join(node.host.dir, f"probe{Probe._count}.socket")
        super().__init__(path, str(node.number))
        self.node = node
        self.process = node.spawn([program("cluster_probe"), path, cluster, *options], f"probe{Probe._count}")
        self.name = f"{node.number}/{self.process.pid}"
        self.wait("READY")

    def answers(self):
        """The loop turns: a command gets its answer."""
        before = len(self.lines("PONG"))
        self.tell("ping")
        self.wait("PONG", before + 1)

    def log(self, message):
        return [line for line in self.lines("LOG") if line[""].split()[1] == message]

    def view(self):
        views = self.lines("VIEW")
        return views[-1] if views else None

    def messages(self):
        return [(m["from"], m["kind"], m["name"]) for m in self.lines("MESSAGE")]

    def counters(self):
        before = len(self.lines("COUNTERS"))
        self.tell("counters")
        return self.wait("COUNTERS", before + 1)[-1]


class ClusterTest(unittest.TestCase):
    """Tests with clusters of their own; skipped with the reason where there can be none."""

    def setUp(self):
        reason = corosync_lab.why_unavailable()
        if reason:
            self.skipTest(reason)

    def cluster(self, count, **options):
        cluster = self.cluster_off(count, **options)
        cluster.start()
        return cluster

    def cluster_off(self, count, **options):
        """Where nothing runs yet."""
        cluster = CorosyncLab(count, **options)
        self.addCleanup(cluster.close)
        return cluster

    def probe(self, node, cluster="lab", options=()):
        probe = Probe(node, cluster, options)
        self.addCleanup(probe.close)
        return probe

    def whole(self, probes, nodes=None, quorate="1"):
        """Every probe shows one view: exactly these processes, in one ring."""
        nodes = nodes or ",".join(sorted({str(p.node.number) for p in probes}))
        processes = ",".join(p.name for p in sorted(probes, key=lambda p: (p.node.number, p.process.pid)))

        def same():
            views = [p.view() for p in probes]
            return all(v and (v["nodes"], v["processes"], v["quorate"]) == (nodes, processes, quorate) for v in views) and \
                len({(v["ring"], v["round"]) for v in views}) == 1
        wait_for(same, 30, f"one view of {processes} at all: {[p.view() for p in probes]}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = unittest.main(exit=False, verbosity=2).result
    for test, reason in result.skipped:
        print(f"skipped {test}: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
