#!/usr/bin/env python3
"""Question F: what a client that does not read costs corosync, and what it finds when it goes on.

    stopped.py [--seconds 30] [--size 64]

Three nodes; node 2's probe sends 100 messages a second; node 1's probe is stopped (SIGSTOP), and goes on (SIGCONT) in the end.
"""
import argparse
import os
import signal
import time

from cluster import Cluster, load, pause, spread, versions


def one(seconds, size):
    with Cluster(3, "vm", seqno_unchanged_const=10) as cluster:
        cluster.start()
        cluster.nodes[1].start_probe("-s", str(size))
        cluster.nodes[3].start_probe("-q", "-s", str(size))
        cluster.nodes[2].start_probe("-b", "10", "-q", "-s", str(size))
        for node in cluster.nodes.values():
            node.wait_probe()
        cluster.wait_whole()
        pause(3)
        node = cluster.nodes[1]
        print(f"messages of {size} octets, 100/s:")
        pause(5)
        print(f"  RSS of corosync while its client reads, over 5 s: {node.corosync.rss_bytes() / 1024:.0f} kB")
        os.kill(node.probe.pid, signal.SIGSTOP)
        start, base = time.monotonic_ns(), node.corosync.rss_bytes()
        for i in range(6):
            pause(seconds / 6)
            passed = (time.monotonic_ns() - start) / 1e9
            grown = node.corosync.rss_bytes() - base
            print(f"  stopped {passed:5.1f} s: RSS + {grown / 1024:8.0f} kB = {grown / (passed * 100):.0f} octets a message; {load()}", flush=True)
        view = [e.kind for e in cluster.nodes[2].events() if e.kind in ("CONF", "QUORUM")][-1:]
        go = time.monotonic_ns()
        os.kill(node.probe.pid, signal.SIGCONT)
        pause(3)
        late = [e for e in node.events() if e.kind == "MSG" and start < int(e.fields["sent"]) < go]
        seqs = [int(e.fields["seq"]) for e in late if e.fields["type"] == "1"]
        print(f"  went on: {len(late)} messages came, all within {(late[-1].at - go) / 1e6:.1f} ms, "
              f"in order and without a gap: {seqs == list(range(seqs[0], seqs[0] + len(seqs)))}; age at delivery "
              f"{spread([(e.at - int(e.fields['sent'])) / 1e6 for e in late])}")
        print(f"  RSS 3 s later: + {(node.corosync.rss_bytes() - base) / 1024:.0f} kB; others' last change of group: {view}; "
              f"errors: {[e.kind for e in node.events() if 'FAIL' in e.kind]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--size", type=int, nargs="*", default=[64, 1024])
    args = parser.parse_args()
    print(versions())
    for size in args.size:
        one(args.seconds, size)


if __name__ == "__main__":
    main()
