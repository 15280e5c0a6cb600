#!/usr/bin/env python3
"""Failover drills in the lab: each case n times, measured by a client outside the gateways. Writes report.json and report.html.

    scripts/run_drills.py                 2, 3 and 5 nodes, profiles vm and fast, and beside it keepalived and Pacemaker; n = 10
    scripts/run_drills.py --quick         3 nodes vm, and with 2 nodes fast what is different there; n = 3; no comparison
    scripts/run_drills.py --cases planned,kill-node --nodes 3 --profiles vm -n 5

What was stopped goes on where it was, as long as the programs are the same. Exit code 1: something was not as promised, or could not be played;
77: nothing can be played here.
"""
import argparse
import glob
import json
import os
import platform
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "scripts")]

from demo.testlab import TestLab, leave_on_signals, why_unavailable           # noqa: E402
from drills import gateways, peers, report                                    # noqa: E402
from drills.cases import CASES, NOT_HERE, VARIANTS, check_against   # noqa: E402
from drills.measure import run_case, run_peer                                 # noqa: E402
from drills.runs import Runs, stamp_of                                        # noqa: E402
from support.fairlead import BIN                                              # noqa: E402
from support.promises import PROMISES_OF, TIMING   # noqa: E402
from support.waiting import Timeout                                           # noqa: E402

# (profile, nodes): the cases that are there for so many nodes. 5 nodes: only those that need them.
FULL = (("vm", 3), ("fast", 3), ("vm", 2), ("fast", 2), ("vm", 5))
QUICK = (("vm", 3), ("fast", 2))
# Of 2 nodes, what differs from 3: the tie-break decides.
QUICK_PAIR = ("kill-node", "cut-link", "gateway-silent", "boot-both", "boot-alone")

QUICK_WITHOUT = ("flap-carrier",)   # It waits a minute for the moves of before to count no more.

PEER_NODES = 3
SKIPPED = 77   # What CTest takes for "cannot be run here".


class Drills:
    def __init__(self, runs, only, without=()):
        self.runs = runs
        self.only = only
        self.without = without
        self.problems = []

    def wanted(self, nodes):
        return [c for c in CASES if nodes in c.nodes and c.name not in self.without and (not self.only or c.name in self.only)]

    def play(self, profile, nodes, names=()):
        todo = [case for case in self.wanted(nodes) if not names or case.name in names
                for _ in range(self.runs.missing(case.name, profile, nodes))]
        self.play_all(todo, ["--nodes", str(nodes), "--profile", profile],
                      lambda lab, folder, case, number: run_case(lab, folder, case, profile, nodes), f"{nodes} nodes, {profile}")

    def play_variant(self, variant, profile):
        todo = [case for case in CASES if case.name in variant.cases and (not self.only or case.name in self.only)
                for _ in range(self.runs.missing(case.name, profile, variant.nodes, variant.system))]
        self.play_all(todo, ["--nodes", str(variant.nodes), "--profile", profile, *variant.options],
                      lambda lab, folder, case, number: run_case(lab, folder, case, profile, variant.nodes, variant.system),
                      f"{variant.nodes} nodes, {variant.system}, {profile}")

    def play_peers(self, nodes):
        """The same lab with what Fairlead is compared with."""
        todo = [(peer, case) for peer in peers.PEERS for case in gateways.CASES if not self.only or case.name in self.only
                for _ in range(self.runs.missing(case.name, "-", nodes, peer.name))]
        self.play_all(todo, ["--nodes", str(nodes)],
                      lambda lab, folder, one, number: run_peer(lab, folder, *one, nodes, number), f"{nodes} nodes")

    def play_all(self, todo, options, run, where):
        """Each of `todo` in one lab. One that cannot be played is a problem, and the others go on in another lab."""
        done = 0
        while done < len(todo):
            with tempfile.TemporaryDirectory(prefix="fairlead-drill.") as folder, TestLab(folder, name="drill", options=options) as lab:
                self.check_list(lab)
                while done < len(todo):
                    done += 1
                    try:
                        self.runs.keep(run(lab, folder, todo[done - 1], done))
                    except Exception as problem:   # Whatever it is: hours of other runs are not lost by it.
                        what = todo[done - 1]
                        name = what.name if hasattr(what, "name") else " ".join(part.name for part in what)
                        self.problems.append(f"{name} ({where}) could not be played: {type(problem).__name__}: {problem}")
                        print(self.problems[-1], file=sys.stderr, flush=True)
                        break
                    say(self.runs.all[-1])

    @staticmethod
    def check_list(lab):
        listed = json.loads(lab.exec("gate-1", "fairlead", "drill", "list", "--json"))["drills"]
        if differences := check_against(listed):
            raise SystemExit("\n".join(differences))


def say(run):
    v = run["verdict"]
    promise = report.row_of_one(run)["bound_ms"]
    bound = "" if promise is None else f" (promised {promise})"
    print(f"{run['case']:<16} {run['nodes']} {run['profile']:<5} {'' if run['system'] == 'fairlead' else run['system'] + ' '}"
          f"outage {v['outage_ms']:8.1f} ms{bound}, {v['failed']} of {v['tries']} tries failed, "
          f"{v['resets']} resets, holders at once {v['holders_max']}, {report.in_order(v)}", flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="minutes instead of hours; what it leaves out: docs/operating/drills.md")
    parser.add_argument("--cases", default="", help="only these, by comma")
    parser.add_argument("--nodes", default="", help="2,3")
    parser.add_argument("--profiles", default="", help="vm,fast")
    parser.add_argument("-n", type=int, default=0, help="runs of each case")
    parser.add_argument("--no-peers", action="store_true", help="without keepalived + HAProxy (three forms) and Pacemaker in the same lab, 3 nodes")
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "drill"))
    parser.add_argument("--fresh", action="store_true", help="forget the runs of before")
    options = parser.parse_args()
    options.only = [name for name in options.cases.split(",") if name]
    if unknown := set(options.only) - {c.name for c in CASES}:
        parser.error(f"cannot be run here: {', '.join(sorted(unknown))}")
    if unknown := {p for p in options.profiles.split(",") if p} - set(TIMING):
        parser.error(f"no such profile: {', '.join(sorted(unknown))}")
    options.combinations = QUICK if options.quick else FULL
    if options.nodes or options.profiles:
        options.combinations = [(profile, int(nodes)) for profile in (options.profiles or "vm,fast").split(",") for nodes in (options.nodes or "2,3").split(",")]
    options.peers = not (options.quick or options.no_peers) and any(nodes == PEER_NODES for _, nodes in options.combinations)
    return options


def facts():
    return [f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the end; "
            "gateways, servers, router and client in namespaces of one machine, real Corosync."]


def main():
    options = parse_options()
    leave_on_signals()
    try:
        return drill(options)
    except (RuntimeError, Timeout) as problem:   # Of the lab itself; a drill that cannot be played does not end the others.
        print(f"the drills end here: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130


def stamps_of_today():
    """{system: what it is and what it is measured with}: the programs' bytes or versions, and those of these scripts."""
    scripts = [*sorted(glob.glob(os.path.join(ROOT, "scripts", "drills", "*.py"))), os.path.join(ROOT, "scripts", "demo", "testlab.py")]
    prober = stamp_of(os.path.join(BIN, "fairlead"), *scripts)
    stamps = dict.fromkeys(PROMISES_OF, f"{stamp_of(os.path.join(BIN, 'fairleadd'))}, {prober}")
    stamps.update({peer.name: f"{peer.version()}, {prober}" for peer in peers.PEERS if not peers.missing([peer])})
    return stamps


def play_all(drills, options):
    for profile, nodes in options.combinations:
        drills.play(profile, nodes, QUICK_PAIR if options.quick and nodes == 2 else ())
        for variant in VARIANTS:
            if variant.nodes == nodes:
                drills.play_variant(variant, profile)
    if options.peers:
        drills.play_peers(PEER_NODES)


def drill(options):
    """The exit code."""
    if reason := why_unavailable():
        print(f"drills need network namespaces: {reason}", file=sys.stderr)
        return SKIPPED
    if options.peers and (absent := peers.missing(peers.PEERS)):
        print(f"{' and '.join(absent)} not installed, with which Fairlead is compared: scripts/setup.sh test versus drill installs them; "
              "--no-peers leaves the comparison out", file=sys.stderr)
        return 1
    if not os.path.exists(os.path.join(BIN, "fairleadd")):
        print(f"{BIN}/fairleadd is not there: make build", file=sys.stderr)
        return 1
    stamps = stamps_of_today()
    os.makedirs(options.out, exist_ok=True)
    runs = Runs(os.path.join(options.out, "runs-quick.json" if options.quick else "runs.json"), stamps, options.n or (3 if options.quick else 10))
    if not options.fresh:
        for line in runs.resume():
            print(line, flush=True)
    drills = Drills(runs, options.only, QUICK_WITHOUT if options.quick and not options.only else ())
    try:
        play_all(drills, options)
    finally:   # Also when it was stopped: what was measured so far can be read.
        table = report.write(options.out, runs.all, facts() + [f"{system}: {stamp}" for system, stamp in stamps.items()], NOT_HERE)
    problems = drills.problems + [f"{r['system']} {r['case']} ({r['nodes']} nodes, {r['profile']}): {p}"
                                  for r in table if r["system"] in PROMISES_OF for p in report.broken(r)]
    print(f"{options.out}/report.json, {options.out}/report.html")
    for problem in problems:
        print(f"NOT AS PROMISED: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
