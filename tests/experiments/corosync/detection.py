#!/usr/bin/env python3
"""Question A: how soon do survivors hold a new quorate view, and do two leases ever overlap?

    detection.py [--runs 30] [--profile vm] [plain3 plain2 boot rejoin reboot]...

Every node beats each 50 ms and acknowledges each beat, so each node can be read as the holder afterwards. A run ends with node N cut off
at a random phase:
  plain3, plain2   nothing else happens (3 nodes; 2 nodes with two_node)
  boot             node 2 is down; its corosync starts a random time before or after the cut
  rejoin           node 2 was cut off, alone in its own ring; its port opens a random time before the cut
  reboot           corosync of node 2 is killed (-9) and starts again 100 ms later; the cut comes within 2.5 s of the kill
and without a death:
  calm-boot, calm-rejoin, calm-reboot   node 2 as above, nobody is cut off
  calm-stop        corosync of node 2 ends by SIGTERM, and starts again after a second

Printed per run (ms), with the last node as the dead holder and node 1 as a living one:
  view    from the send time of the holder's last message delivered at node 1 to node 1's quorate view without the holder
  cut     the same from the cut itself
  early   end of the holder's lease (last beat acknowledged by a majority, as the holder saw it, + L) minus that view: > 0 means that
          the view alone came before the lease ended, and only the promise kept the survivors waiting
  margin  end of the last survivor's promise (last acknowledgement + P) minus the end of the holder's lease
  proof   the oldest that node 1's proof of its own lease became, from the cut - 2 s on: its lease holds while that is below L
  after   from node 1's view to its first proof in it
"""
import argparse
import random
import time

from cluster import Cluster, load, pause, random_phase, spread, versions, wait_for

SPREAD = {"boot": (-1.0, 1.5), "rejoin": (0.0, 4.5), "reboot": (0.0, 2.5)}


def acked(cluster, holder, majority):
    """[(when known, send time)] of the holder's proofs: beats acknowledged by a majority, in the order the holder learned it."""
    voices, proofs = {}, []
    for e in cluster.nodes[holder].events():
        if e.kind == "MSG" and e.fields["type"] == "2" and e.fields["beat_from"] == str(holder):
            sent = int(e.fields["beat"])
            who = voices.setdefault(sent, set())
            if e.fields["from"] not in who:
                who.add(e.fields["from"])
                if len(who) == majority and (not proofs or sent > proofs[-1][1]):
                    proofs.append((e.at, sent))
    return proofs


def last_from(events, sender, before):
    """(delivery time, send time) of the newest beat of `sender` delivered by `before`."""
    best = None
    for e in events:
        if e.kind == "MSG" and e.fields["type"] == "1" and e.fields["from"] == str(sender) and e.at <= before:
            best = (e.at, int(e.fields["sent"]))
    return best


def first_view(events, without, after):
    for e in events:
        if e.kind == "QUORUM" and e.at > after and e.fields["quorate"] == "1" and str(without) not in e.fields["members"].split(","):
            return e
    raise ValueError("no such view yet")


def measure(cluster, holder, cut, joiner):
    majority = len(cluster.nodes) // 2 + 1
    lease = (cluster.token + cluster.consensus + 150) * 1e6
    promise = lease + 100e6
    view = wait_for(lambda: first_view(cluster.nodes[1].events(), holder, cut[0]), 15, "view without the holder")
    pause(0.5)
    members = [int(m) for m in view.fields["members"].split(",")]
    seen = last_from(cluster.nodes[1].events(), holder, view.at)
    proofs = [p for p in acked(cluster, holder, majority) if p[0] <= cut[1] + 50e6]
    lease_end = proofs[-1][1] + lease
    # Who acknowledged as a member of the ring the holder died in; a node that booted since has promised nothing.
    promises = [p[0] + promise for p in (last_from(cluster.nodes[m].events(), holder, view.at) for m in members) if p]
    own = [p for p in acked(cluster, 1, majority) if p[0] > cut[0] - 2e9]
    settled = min((p[0] for p in own if p[0] > view.at), default=view.at)
    proof = max((after[0] - before[1] for before, after in zip(own, own[1:])), default=0)
    return {"view": (view.at - seen[1]) / 1e6, "cut": (view.at - cut[0]) / 1e6, "early": (lease_end - view.at) / 1e6,
            "margin": (max(promises) - lease_end) / 1e6, "proof": proof / 1e6,
            "after": (settled - view.at) / 1e6, "joined": joiner in members, "members": view.fields["members"]}


def one_run(cluster, scenario, holder):
    low, high = SPREAD.get(scenario, (0, 0))
    offset, joiner = random.uniform(low, high), 2
    two = cluster.nodes[2]
    if scenario == "boot":
        two.probe.kill()
        two.corosync.kill()
        cluster.wait_whole([1, holder])
        pause(0.5)
    elif scenario == "rejoin":
        two.cut()
        cluster.wait_whole([1, holder])
        cluster.wait_whole([2])
        pause(0.5)
    random_phase(0.5, 1.0)
    cut = None
    if offset < 0:
        cut = cluster.nodes[holder].cut()
        pause(-offset)
    if scenario == "reboot":
        two.corosync.kill()
        two.probe.kill()
        pause(0.1)
    if scenario in ("boot", "reboot"):
        two.start_corosync()
        two.start_probe("-b", "50", "-a")
    if scenario == "rejoin":
        two.join()
    pause(offset)
    cut = cut or cluster.nodes[holder].cut()
    result = measure(cluster, holder, cut, joiner)
    result["offset"] = offset * 1e3
    return result


def calm_run(cluster, scenario):
    """How old the proofs of nodes 1 and 3 become while node 2 goes or comes."""
    majority, two = 2, cluster.nodes[2]
    if scenario == "calm-boot":
        two.probe.kill()
        two.corosync.kill()
        cluster.wait_whole([1, 3])
    elif scenario == "calm-rejoin":
        two.cut()
        cluster.wait_whole([1, 3])
        cluster.wait_whole([2])
    random_phase(1.0, 1.5)
    start = cluster_now()
    if scenario == "calm-rejoin":
        two.join()
    else:
        if scenario == "calm-stop":
            two.corosync.stop()
            pause(1)
        elif scenario == "calm-reboot":
            two.corosync.kill()
            pause(0.1)
        two.probe.kill()
        two.start_corosync()
        two.start_probe("-b", "50", "-a")
    cluster.wait_whole(timeout=40)
    whole = cluster_now()
    pause(1)
    worst = 0
    for holder in (1, 3):
        own = [p for p in acked(cluster, holder, majority) if p[0] > start - 500e6]
        worst = max([worst] + [(after[0] - before[1]) / 1e6 for before, after in zip(own, own[1:])])
    return {"whole": (whole - start) / 1e6, "proof": worst}


def cluster_now():
    return time.monotonic_ns()


def heal(cluster, holder):
    cluster.nodes[holder].join()
    cluster.wait_whole(timeout=40)
    pause(0.3)


def series(scenario, profile, runs, crypto, idle):
    count = 2 if scenario == "plain2" else 3
    results = []
    with Cluster(count, profile, crypto, seqno_unchanged_const=idle) as cluster:
        cluster.start()
        cluster.probes("-b", "50", "-a")
        cluster.wait_whole()
        pause(1)
        t, c, hold = cluster.token, cluster.consensus, cluster.hold
        for i in range(runs):
            r = calm_run(cluster, scenario) if scenario.startswith("calm") else one_run(cluster, scenario, count)
            results.append(r)
            print(f"  {scenario} {profile} {i}: " + " ".join(f"{k}={v:.1f}" if isinstance(v, float) else f"{k}={v}" for k, v in r.items()),
                  flush=True)
            if not scenario.startswith("calm"):
                heal(cluster, count)
    print(f"{scenario} {profile}: T={t} C={c} hold={hold:.0f} T+C-hold={t + c - hold:.0f} L={t + c + 150} P={t + c + 250} {load()}")
    for key in ("view", "cut", "early", "margin", "proof", "after", "whole"):
        if key in results[0]:
            print(f"  {key:7}{spread([r[key] for r in results])}")
    if "view" not in results[0]:
        print(f"  own lease lost (proof > L): {sum(r['proof'] > t + c + 150 for r in results)}", flush=True)
        return
    short = [r for r in results if r["view"] < t + c - hold]
    print(f"  views earlier than T + C - hold: {len(short)} of {len(results)}; margin <= 0: {sum(r['margin'] <= 0 for r in results)}; "
          f"own lease lost (proof > L): {sum(r['proof'] > t + c + 150 for r in results)}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--profile", default="vm")
    parser.add_argument("--crypto", action="store_true")
    parser.add_argument("--idle", type=int, default=10, help="totem.seqno_unchanged_const; Corosync's default is 30")
    parser.add_argument("scenarios", nargs="*", default=["plain3", "plain2", "boot", "rejoin", "reboot"])
    args = parser.parse_args()
    print(versions())
    for scenario in args.scenarios:
        series(scenario, args.profile, args.runs, args.crypto, args.idle)


if __name__ == "__main__":
    main()
