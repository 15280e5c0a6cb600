#!/usr/bin/env python3
"""Failover drills in the lab: each case n times, measured by a client outside the gateways. Writes report.json and report.html.

    scripts/run_drills.py                 2 and 3 nodes, profiles vm and fast, n = 10; can be stopped and goes on where it was
    scripts/run_drills.py --quick         3 nodes vm, 2 nodes fast; n = 3
    scripts/run_drills.py --cases planned,kill-node --nodes 3 --profiles vm -n 5
"""
import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "scripts")]

from demo.testlab import FAIRLEAD, TestLab, why_unavailable   # noqa: E402
from drills import peers, report                              # noqa: E402
from drills.cases import CASES, NOT_HERE, Scene, descendants               # noqa: E402
from support.waiting import wait_for                          # noqa: E402

TIMING_MS = {"vm": 800 + 960, "fast": 400 + 480}
QUIET_TRIES = 100


class Drills:
    def __init__(self, folder, only, repeats):
        self.folder = folder
        self.only = only
        self.repeats = repeats
        self.path = os.path.join(folder, "runs.json")
        self.runs = []
        os.makedirs(folder, exist_ok=True)

    def resume(self):
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.runs = json.load(file)

    def keep(self, run):
        self.runs.append(run)
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.runs, file)
        os.replace(self.path + ".new", self.path)

    def missing(self, case, profile, nodes, system="fairlead"):
        done = sum(1 for r in self.runs if (r["case"], r["profile"], r["nodes"], r["system"]) == (case.name, profile, nodes, system))
        return max(0, self.repeats - done)

    def wanted(self, nodes):
        return [c for c in CASES if nodes in c.nodes and (not self.only or c.name in self.only)]

    def play(self, profile, nodes):
        todo = [(case, self.missing(case, profile, nodes)) for case in self.wanted(nodes)]
        if not any(count for _, count in todo):
            return
        with tempfile.TemporaryDirectory(prefix="fairlead-drill.") as folder, \
                TestLab(folder, name="drill", options=["--nodes", str(nodes), "--profile", profile]) as lab:
            for case, count in todo:
                for _ in range(count):
                    self.keep(run_one(lab, folder, case, profile, nodes))
                    say(self.runs[-1])


    def play_peers(self, nodes):
        """The same lab with keepalived and HAProxy; profile: none of ours."""
        todo = [(peer, case) for peer in peers.PEERS for case in peers.CASES if not self.only or case.name in self.only
                for _ in range(self.missing(case, "-", nodes, peer.name))]
        if not todo:
            return
        with tempfile.TemporaryDirectory(prefix="fairlead-drill.") as folder, TestLab(folder, name="drill", options=["--nodes", str(nodes)]) as lab:
            for number, (peer, case) in enumerate(todo):
                self.keep(run_peer(lab, folder, peer, case, nodes, number))
                say(self.runs[-1])


def run_peer(lab, folder, peer, case, nodes, number):
    settle(lab, nodes)
    gateways = peers.PeerGateways(lab, peer, number)
    scene = Scene(lab, TIMING_MS["vm"])
    scene.gateways = gateways
    try:
        probe, out = start_probe(lab, folder)
        try:
            case.act(scene)
            watch(TIMING_MS["vm"] / 1000 + case.watch)
            verdict = end_probe(probe, out)
        finally:
            probe.kill()
    finally:
        gateways.close()
        scene.undo()
    return {"case": case.name, "system": peer.name, "profile": "-", "nodes": nodes, "verdict": verdict, "loop_late_ms": 0, "bound_ms": None}


def run_one(lab, folder, case, profile, nodes):
    settle(lab, nodes)
    scene = Scene(lab, TIMING_MS[profile])
    try:
        if case.before:
            case.before(scene)
        probe, out = start_probe(lab, folder)
        try:
            case.act(scene)
            watch(TIMING_MS[profile] / 1000 + case.watch)
            verdict = end_probe(probe, out)
        finally:
            probe.kill()
        late = worst_loop(lab)
    finally:
        scene.undo()
    check_harness(case, verdict, profile)
    return {"case": case.name, "system": "fairlead", "profile": profile, "nodes": nodes, "verdict": verdict, "loop_late_ms": late,
            "bound_ms": case.bound(TIMING_MS[profile]) if case.bound else None}


def check_harness(case, verdict, profile):
    """A node without power cannot be noticed before its token is lost and the others agreed: less would be a mistake of the drill."""
    consensus = {"vm": 960, "fast": 480}[profile]
    if case.name == "kill-node" and verdict["outage_ms"] < consensus:
        raise RuntimeError(f"kill-node: an outage of {verdict['outage_ms']} ms is below the consensus timeout; the node was heard after its death")


def settle(lab, nodes):
    """Every gateway serves and sees all others, and one holds the VIP."""
    def quiet():
        gates = lab.nodes("gateway")
        for gate in gates:
            status = lab.gate(gate["name"]).status()
            if sum(n["online"] for n in status["cluster"]["nodes"]) != nodes or not status["vips"][0]["holder"]:
                return False
            if not all(status["vips"][0]["eligible"].get(g["name"], {}).get("ok") for g in gates):
                return False
        return lab.holder()
    wait_for(quiet, 40, "every gateway is a member and could hold the VIP")


def start_probe(lab, folder):
    out = os.path.join(folder, "verdict.json")
    probe = lab.start("client", [FAIRLEAD, "drill", "probe", f"{lab.vip[0]}:{lab.vip[1]}", "--out", out], "probe")
    wait_for(lambda: "probing" in probe.stderr(), 10, "the prober runs")
    watch(0.5)
    return probe, out


def end_probe(probe, out):
    if os.path.exists(out):
        os.unlink(out)
    os.kill(list(descendants(probe.pid))[-1], signal.SIGINT)   # `lab exec` leaves Ctrl-C to the program that it runs.
    wait_for(lambda: os.path.exists(out) or not probe.running, 10, "the prober's verdict")
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def worst_loop(lab):
    late = 0.0
    for gate in lab.nodes("gateway"):
        if gate["on"]:
            try:
                late = max([late] + [w["loop_lateness_ms"] for w in lab.gate(gate["name"]).status()["workers"]])
            except (OSError, StopIteration, ValueError):
                continue   # Its daemon is not there just now.
    return late


def watch(seconds):
    time.sleep(seconds)   # tidy: a drill is watched for a while


def say(run):
    v = run["verdict"]
    bound = "" if run["bound_ms"] is None else f" (promised {run['bound_ms']})"
    print(f"{run['case']:<16} {run['nodes']} {run['profile']:<5} outage {v['outage_ms']:8.1f} ms{bound}, {v['failed']} of {v['tries']} tries failed, "
          f"{v['resets']} resets, holders at once {v['holders_max']}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cases", default="")
    parser.add_argument("--nodes", default="2,3")
    parser.add_argument("--profiles", default="vm,fast")
    parser.add_argument("-n", type=int, default=0)
    parser.add_argument("--peers", action="store_true", help="also keepalived and HAProxy, three forms, in the same lab (3 nodes)")
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "drill"))
    parser.add_argument("--fresh", action="store_true", help="forget the runs of before")
    options = parser.parse_args()
    only = [name for name in options.cases.split(",") if name]
    unknown = set(only) - {c.name for c in CASES}
    if unknown:
        parser.error(f"cannot be run here: {', '.join(sorted(unknown))}")
    if reason := why_unavailable():
        print(f"drills need network namespaces: {reason}", file=sys.stderr)
        return 1
    combinations = [("vm", 3), ("fast", 2)] if options.quick else [
        (profile, int(nodes)) for profile in options.profiles.split(",") for nodes in options.nodes.split(",")]
    drills = Drills(options.out, only, options.n or (3 if options.quick else 10))
    if not options.fresh and not options.quick:
        drills.resume()
    for profile, nodes in combinations:
        drills.play(profile, nodes)
    if options.peers:
        drills.play_peers(3)
    facts = (f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the end; "
             "gateways, servers, router and client in namespaces of one machine, real Corosync.")
    table = report.write(options.out, drills.runs, facts, NOT_HERE)
    problems = [f"{r['system']} {r['case']} ({r['nodes']} nodes, {r['profile']}): {p}" for r in table if r["system"] == "fairlead" for p in report.broken(r)]
    print(f"{options.out}/report.json, {options.out}/report.html")
    for problem in problems:
        print(f"NOT AS PROMISED: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
