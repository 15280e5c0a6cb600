"""VERSUS=1: the three acts once more, with keepalived and HAProxy on the same gateways, asked by the same clients; and both beside each other."""
import time

from drills import gateways, keepalived
from drills.measure import instead, settle

from demo.figures import figures
from demo.records import Watch

PEER = next(peer for peer in keepalived.PEERS if peer.name == "keepalived-kubeadm")
NAMES = {"move": "planned move", "kill": "proxy killed", "power": "power off"}
BACK_MAX_S = 60   # In its form a dead HAProxy is noticed after some 30 s.


def play(lab, cases):
    """{act: Figures}. `cases`: {act: the drill that does it}"""
    deeds = {case.name: case.act for case in gateways.CASES}
    seen = {}
    for number, (act, case) in enumerate(cases.items()):
        settle(lab, "vm", len(lab.nodes("gateway")))
        with instead(lab, PEER, number) as scene:
            watch = Watch(lab, f"-versus-{act}")
            try:
                watch.await_quiet()
                since = time.monotonic_ns()
                deeds[case](scene)
                seen[act] = figures(watch.record, since, watch.await_back(since, least_s=2, most_s=BACK_MAX_S))
            finally:
                watch.close()
        print(f"   {NAMES[act]}: outage {seen[act].outage_ms:,.0f} ms", flush=True)
    return seen


def table(ours, theirs):
    lines = [f"  {'':<14}{'':<24}{'outage':>12}{'new connections':>18}{'requests':>11}{'connections':>13}{'holders':>10}",
             f"  {'':<14}{'':<24}{'':>12}{'failed':>18}{'failed':>11}{'cut':>13}{'at once':>10}"]
    for act in theirs:
        for who, f in (("Fairlead", ours[act]), ("keepalived + HAProxy", theirs[act])):
            lines.append(f"  {NAMES[act] if who == 'Fairlead' else '':<14}{who:<24}{f.outage_ms:>9,.0f} ms{f.probes_failed:>18,}{f.requests_failed:>11,}"
                         f"{f.resets:>13,}{f.holders:>10}")
    return "\n".join(lines)
