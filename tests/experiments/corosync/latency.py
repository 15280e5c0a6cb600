#!/usr/bin/env python3
"""Question E (second half): how long a message takes, to the sender itself and there and back; and what the ring costs in CPU.

    latency.py [--seconds 20]

idle: node 1 alone sends, each 250 ms, the others acknowledge at once; the token rests between. busy: every node sends each 50 ms and
acknowledges all. Also with seqno_unchanged_const (rotations without traffic until the token rests; default 30) lowered.
"""
import argparse
import time

from cluster import Cluster, load, pause, spread, versions


def tokens(node):
    return int(node.run(["corosync-cmapctl", "-m", "stats", "-g", "stats.srp.orf_token_rx"]).stdout.split()[-1])


def one(count, busy, idle, seconds, crypto=False):
    with Cluster(count, "vm", crypto, seqno_unchanged_const=idle) as cluster:
        cluster.start()
        for node in cluster.nodes.values():
            node.start_probe("-a", "-b", "50" if busy else ("250" if node.number == 1 else "0"))
        for node in cluster.nodes.values():
            node.wait_probe()
        cluster.wait_whole()
        pause(1)
        node, start = cluster.nodes[1], time.monotonic()
        cpu, rotations = node.corosync.cpu_seconds(), tokens(node)
        since = time.monotonic_ns()
        pause(seconds)
        took = time.monotonic() - start
        cpu, rotations = (node.corosync.cpu_seconds() - cpu) / took * 100, (tokens(node) - rotations) / took
        own, back, majority = [], [], {}
        for e in node.events():
            if e.kind != "MSG" or e.at < since:
                continue
            if e.fields["type"] == "1" and e.fields["from"] == "1":
                own.append((e.at - int(e.fields["sent"])) / 1e6)
            if e.fields["type"] == "2" and e.fields["beat_from"] == "1" and e.fields["from"] != "1":
                back.append((e.at - int(e.fields["beat"])) / 1e6)
        name = f"{count} nodes, {'busy' if busy else 'idle'}, seqno_unchanged_const {idle}{', aes256/sha256' if crypto else ''}"
        print(f"{name}: corosync {cpu:.1f} % of a CPU, {rotations:.0f} rotations/s, {load()}")
        print(f"  to itself       {spread(own, digits=2)}")
        print(f"  there and back  {spread(back, digits=2)}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    print(versions())
    for count in (2, 3):
        one(count, False, 30, args.seconds * 2)
        one(count, True, 30, args.seconds)
    for idle in (10, 3):
        one(3, True, idle, args.seconds)
    one(3, True, 10, args.seconds, crypto=True)


if __name__ == "__main__":
    main()
