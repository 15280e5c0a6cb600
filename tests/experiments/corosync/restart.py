#!/usr/bin/env python3
"""Question H: what a client sees when corosync dies, ends, or hangs under it, and how long until it is back.

    restart.py [--runs 10]
"""
import argparse
import os
import signal
import time

from cluster import Cluster, build, load, pause, random_phase, spread, versions, wait_for


def one(cluster, how, gap):
    node = cluster.nodes[1]
    before = len(node.events())
    pid, start = node.corosync.pid, time.monotonic_ns()
    os.kill(pid, how)
    pause(gap)
    node.corosync.wait(10)
    again = time.monotonic_ns()
    node.start_corosync()
    wait_for(lambda: any(e.kind == "RECONNECTED" for e in node.events()[before:]), 20, "reconnected")
    cluster.wait_whole(timeout=30)
    events = node.events()[before:]
    whole = next(e.at for e in events if e.kind == "QUORUM" and e.fields["members"].count(",") == len(cluster.nodes) - 1)
    first = next(e.at for e in events if e.kind in ("HANGUP", "DISPATCHFAIL"))
    back = next(e.at for e in events if e.kind == "RECONNECTED")
    ended = [e.fields for e in events if e.kind == "FINALIZED"]
    other = next((e.at for e in cluster.nodes[2].events() if e.kind == "QUORUM" and e.at > start), None)
    pause(0.5)
    finalize = sum(int(ended[0][k]) for k in ("cpg_ns", "quorum_ns", "votes_ns")) / 1e6
    return {"hangup": (first - start) / 1e6, "back": (back - again) / 1e6, "whole": (whole - again) / 1e6,
            "others": (other - start) / 1e6 if other else -1, "finalize": finalize, "events": [e for e in events if e.at <= back]}


def show(events):
    for e in events:
        if e.kind in ("HANGUP", "DISPATCHFAIL", "AFTERFAIL", "SENDFAIL", "FINALIZED", "NOTYET", "RECONNECTED", "QUORUM", "CONF"):
            print(f"    + {(e.at - events[0].at) / 1e6:8.2f} ms {e.kind} {e.fields}")


def hung(cluster):
    """SIGSTOP of corosync on node 1 for 3 s, with its probe sending; and a new client meanwhile."""
    node = cluster.nodes[1]
    before = len(node.events())
    start = time.monotonic_ns()
    os.kill(node.corosync.pid, signal.SIGSTOP)
    newcomer = node.spawn([build("ring_probe")], f"newcomer{start}")
    pause(3)
    go = time.monotonic_ns()
    os.kill(node.corosync.pid, signal.SIGCONT)
    pause(4)
    events = node.events()[before:]
    sends = [e for e in events if e.kind in ("REFUSED", "ACCEPTED", "SLOWSEND", "SENDFAIL", "FULL", "LATE")]
    quiet = [e for e in events if e.kind == "MSG" and start < e.at < go]
    troubles = [(e.kind, e.fields, round((e.at - start) / 1e6)) for e in sends[:6]]
    print(f"  hung 3 s: messages delivered meanwhile {len(quiet)}; send troubles {troubles}")
    late = [e for e in events if e.kind == "MSG" and e.fields["from"] == "1" and start < int(e.fields["sent"]) < go and e.at > go]
    told = next(e.at for e in events if e.kind in ("TOTEM", "QUORUM"))
    stale = [e for e in late if e.at < told]
    heard = [n for n in (2, 3) for e in cluster.nodes[n].events()
             if e.kind == "MSG" and e.fields["from"] == "1" and start < int(e.fields["sent"]) < go and e.at < told]
    print(f"  sent meanwhile, accepted at once, delivered after SIGCONT: {spread([(e.at - int(e.fields['sent'])) / 1e6 for e in late])}; "
          f"of them to itself alone in the old ring: {len(stale)} (others heard then: {len(heard)})")
    lost = [e for e in events if e.kind == "QUORUM"]
    print(f"  QUORUM callbacks: {[(round((e.at - start) / 1e6), e.fields) for e in lost]}")
    others = [e for e in cluster.nodes[2].events() if e.kind == "QUORUM" and e.at > start]
    print(f"  others': {[(round((e.at - start) / 1e6), e.fields) for e in others]}")
    ready = [x for x in newcomer.stdout().splitlines() if " RECONNECTED " in x]
    print(f"  a client that started {round((go - start) / 1e6)} ms before SIGCONT: {ready} (SIGCONT at {go})")
    newcomer.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=8)
    args = parser.parse_args()
    print(versions())
    with Cluster(3, "vm", seqno_unchanged_const=10) as cluster:
        cluster.start()
        cluster.probes("-b", "50", "-a", "-r")
        cluster.wait_whole()
        pause(1)
        for name, how, gap in (("SIGKILL", signal.SIGKILL, 0.1), ("SIGTERM", signal.SIGTERM, 0.5)):
            runs = [one(cluster, how, gap) for _ in range(args.runs)]
            print(f"{name}, corosync started again {gap} s later, {load()}:")
            for key, text in (("hangup", "signal -> client's first hang-up or error"), ("others", "signal -> next quorum view of others"),
                              ("finalize", "the three _finalize calls together"),
                              ("back", "start -> client joined again"), ("whole", "start -> client's view of all nodes")):
                print(f"  {text:45} {spread([r[key] for r in runs])}")
            show(runs[0]["events"])
        for _ in range(args.runs):
            hung(cluster)
            cluster.wait_whole()
            random_phase(0.3, 0.8)


if __name__ == "__main__":
    main()
