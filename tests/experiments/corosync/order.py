#!/usr/bin/env python3
"""Questions D and E (first half): the order of callbacks at a change of view, over the handles, and CS_ERR_TRY_AGAIN during it.

    order.py [--rounds 7] [--period 20]

One round on three nodes, each with a probe that beats and acknowledges: a cut and its merge, the death of corosync and its return, of a
probe and its return, a SIGTERM of corosync and its return. Every view that every node saw is one sample.
"""
import argparse
import collections

from cluster import Cluster, load, pause, random_phase, spread, versions

KINDS = ("CONF", "TOTEM", "NODES", "VNODES", "QUORUM", "VQUORUM")


def views(events):
    """Groups the callbacks of one node by ring change: [{kind: event}], the kinds that carry no ring by nearness."""
    groups = []
    for e in events:
        if e.kind in ("TOTEM", "NODES", "VNODES", "QUORUM") and not any(g["ring"] == e.fields["ring"] for g in groups):
            groups.append({"ring": e.fields["ring"], "at": e.at, "events": []})
        if e.kind in ("TOTEM", "NODES", "VNODES", "QUORUM"):
            next(g for g in groups if g["ring"] == e.fields["ring"])["events"].append(e)
    for e in events:
        if e.kind in ("CONF", "VQUORUM") and groups:
            near = min(groups, key=lambda g: abs(g["at"] - e.at))
            if abs(near["at"] - e.at) < 100e6 and "/3" in e.fields.get("left", "") + e.fields.get("joined", "").replace("/4", "/3"):
                near["events"].append(e)
            elif e.kind == "VQUORUM" and abs(near["at"] - e.at) < 100e6:
                near["events"].append(e)
    return groups


def report(logs):
    orders, gaps, ahead, behind = collections.Counter(), collections.defaultdict(list), collections.Counter(), collections.Counter()
    rings, requorum, messages, samples = collections.Counter(), 0, 0, 0
    refused, tries, first_message, equal = [], [], [], collections.Counter()
    long = []
    for events in logs:
        for g in views(events)[1:]:
            first = {}
            for e in sorted(g["events"], key=lambda e: e.at):
                first.setdefault(e.kind, e)
            if not {"TOTEM", "NODES", "QUORUM"} <= set(first):
                equal["incomplete (replaced by the next ring, or the run's end)"] += 1
                continue
            samples += 1
            order, last = [], None
            for e in sorted(first.values(), key=lambda e: e.at):
                order.append(("=" if last is not None and e.turn == last else " ") + e.kind)
                last = e.turn
            orders["".join(order).strip().replace("=", " = ")] += 1
            for kind in ("CONF", "NODES", "VNODES", "QUORUM", "VQUORUM"):
                if kind in first:
                    gaps[kind].append((first[kind].at - first["TOTEM"].at) / 1e6)
            requorum += sum(e.kind == "QUORUM" for e in g["events"]) - 1
            equal["same ring on TOTEM, NODES, VNODES, QUORUM"] += 1
            after = [e for e in events if e.kind == "MSG" and int(e.fields["totem"]) >= int(g["ring"].split(".")[1]) and e.at >= g["at"]]
            if after:
                first_message.append((after[0].at - first["QUORUM"].at) / 1e6)
        for e in events:
            if e.kind == "MSG":
                messages += 1
                for what in ("totem", "quorum"):
                    mine, theirs = int(e.fields[f"my_{what}"]), int(e.fields[what])
                    if mine and theirs > mine:
                        ahead[what] += 1
                    if theirs and theirs < mine:
                        behind[what] += 1
            if e.kind == "ACCEPTED":
                refused.append(int(e.fields["after_ns"]) / 1e6)
                tries.append(int(e.fields["tries"]))
                start = e.at - int(e.fields["after_ns"])
                near = [(round((x.at - start) / 1e6, 1), x.kind) for x in events if x.kind in ("TOTEM", "QUORUM", "READY") and
                        abs(x.at - start) < 400e6]
                long.append((int(e.fields["after_ns"]) / 1e6, near))
    print(f"views x nodes {samples}; {dict(equal)}; more than one QUORUM for a ring: {requorum}")
    print("order of the first callback of each kind ('=': ready in the same turn of the client's loop):")
    for order, count in orders.most_common(12):
        print(f"  {count:4} {order}")
    for kind, values in gaps.items():
        print(f"  {kind:8} after TOTEM: {spread(values, digits=3)}")
    print(f"messages {messages}; sender knew a newer ring than we had been told: by cpg {ahead['totem']}, by quorum {ahead['quorum']}")
    print(f"sent in an older ring than ours at delivery: by cpg {behind['totem']}, by quorum {behind['quorum']}")
    print(f"first message sent in the new ring, after QUORUM: {spread(first_message, digits=3)}")
    print(f"CS_ERR_TRY_AGAIN: refused for {spread(refused, digits=2)}; tries {spread(tries, '', 0)}")
    for took, near in sorted(long)[-4:]:
        print(f"  refused for {took:.1f} ms; callbacks around it, ms from its start: {near}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--period", default="20")
    parser.add_argument("--profile", default="fast")
    args = parser.parse_args()
    print(versions())
    options = ("-b", args.period, "-a", "-f")
    with Cluster(3, args.profile, seqno_unchanged_const=10) as cluster:
        cluster.start()
        cluster.probes(*options)
        cluster.wait_whole()
        old = []

        def again(node, corosync, end=None):
            victim = cluster.nodes[node]
            if corosync:
                end(victim.corosync)
            else:
                victim.probe.kill()
            others = [i for i in cluster.nodes if i != node]
            if corosync:
                cluster.wait_whole(others)
            random_phase(0.3, 0.6)
            old.append(list(victim.events()))
            victim.probe.kill()
            if corosync:
                victim.start_corosync()
            victim.start_probe(*options)
            cluster.wait_whole(timeout=30)
            random_phase(0.3, 0.6)

        for i in range(args.rounds):
            node = 1 + i % 3
            cluster.nodes[node].cut()
            cluster.wait_whole([j for j in cluster.nodes if j != node])
            cluster.wait_whole([node])
            random_phase(0.3, 0.6)
            cluster.nodes[node].join()
            cluster.wait_whole(timeout=30)
            random_phase(0.3, 0.6)
            again(1 + (i + 1) % 3, True, lambda p: p.kill())
            again(1 + (i + 2) % 3, False)
            again(1 + i % 3, True, lambda p: p.stop())
        pause(0.3)
        logs = old + [list(n.events()) for n in cluster.nodes.values()]
        flow = [e for log in logs for e in log if e.kind == "FLOW"]
        slow = [e for log in logs for e in log if e.kind == "SLOWSEND"]
        report(logs)
        print(f"flow control states seen: {collections.Counter(e.fields['enabled'] for e in flow)}; cpg_mcast_joined blocked > 5 ms: "
              f"{spread([int(e.fields['ns']) / 1e6 for e in slow])}")
        print(load())


if __name__ == "__main__":
    main()
