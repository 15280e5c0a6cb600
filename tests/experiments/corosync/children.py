#!/usr/bin/env python3
"""Question B: does a child keep its dead parent a member of the CPG group?

    children.py [--runs 5]

A probe on node 1 joins, then starts a child, then is killed (-9). When does node 2 hear PROCDOWN: while the child lives, or after?
  none      no child
  fork      forked only (no exec): keeps every descriptor and mapping
  close     forked only, then closes every descriptor by hand: keeps the mappings
  exec      fork and exec: keeps what close-on-exec leaves
  exec-all  the same, with copies of all descriptors made without close-on-exec
"""
import argparse
import os
import signal
import time

from cluster import Cluster, load, pause, spread, versions, wait_for


def left(node, pid):
    for e in node.events():
        if e.kind == "CONF" and any(x.split("/")[1:] == [str(pid), "5"] for x in e.fields["left"].split(",") if x != "-"):
            return e.at
    return None


def one(cluster, mode):
    one_, two = cluster.nodes[1], cluster.nodes[2]
    one_.start_probe(*(["-c", mode] if mode != "none" else []))
    one_.wait_probe()
    if mode != "none":
        wait_for(lambda: [e for e in one_.events() if e.kind == "CHILD"], 5, "child")
    cluster.wait_whole()
    events, pid = one_.events(), one_.probe.pid
    child = next((int(e.fields["pid"]) for e in events if e.kind == "CHILD"), None)
    pause(0.3)
    start = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    deadline = start + 4_000_000_000
    while not left(two, pid) and time.monotonic_ns() < deadline:
        pause(0.01)
    at = left(two, pid)
    after_child = None
    if child:
        before = time.monotonic_ns()
        os.kill(child, signal.SIGKILL)
        if not at:
            after_child = (wait_for(lambda: left(two, pid), 5, "PROCDOWN after the child", 0.005) - before) / 1e6
    return (at - start) / 1e6 if at else None, after_child, events


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    print(versions())
    with Cluster(2) as cluster:
        cluster.start()
        cluster.nodes[1].start_probe()
        cluster.nodes[2].start_probe()
        cluster.nodes[2].wait_probe()
        cluster.wait_whole()
        cluster.nodes[1].probe.kill()
        for mode in ("none", "fork", "close", "exec", "exec-all"):
            heard, later = [], []
            for _ in range(args.runs):
                at, after, events = one(cluster, mode)
                if at is not None:
                    heard.append(at)
                if after is not None:
                    later.append(after)
            if mode == "fork":
                for e in events:
                    if e.kind in ("FD", "MAPS"):
                        print("  ", e.kind, e.fields)
            print(f"{mode}: PROCDOWN with the child alive {spread(heard, digits=2)}; never in 4 s: {len(later)}, "
                  f"then after the child's end {spread(later, digits=2)} {load()}", flush=True)


if __name__ == "__main__":
    main()
