#!/usr/bin/env python3
"""Fairlead's benchmark: the same work through every proxy, interleaved, measured in CPU time per unit of work. See bench/README.md.

Exit: 0 measured, 1 nothing could be measured, nothing of Fairlead, or a contender produced errors, 2 wrong usage, 130 interrupted (what was complete is reported).
"""
import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import aims, plan, programs, report  # noqa: E402
from harness.cell import Cell, folder_in_memory  # noqa: E402
from harness.contenders import Fairlead, all_contenders  # noqa: E402
from harness.notes import notes_of  # noqa: E402
from harness.rounds import Run  # noqa: E402
from harness.sandbox import Processes, Sandbox  # noqa: E402
from harness.state import State, digest  # noqa: E402
from harness.stats import FIRM_ROUNDS  # noqa: E402
from harness.workloads import NOT_QUICK, QUICK, WORKLOADS  # noqa: E402


class Interrupted(Exception):
    pass


def parse_arguments(argv):
    names = [w.name for w in WORKLOADS]
    parser = argparse.ArgumentParser(description="Fairlead's benchmark: CPU time per unit of work, side by side, interleaved.")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)}: 3 short rounds, under 3 minutes")
    parser.add_argument("--workloads", help=f"comma-separated, of: {', '.join(names)}")
    parser.add_argument("--contenders", help="comma-separated; --list shows them")
    parser.add_argument("--rounds", type=int, help="default 5 to 10, by workload (3 with --quick)")
    parser.add_argument("--seconds", type=float, help="measured window of a cell; default 2 to 3, by workload (0.8 with --quick)")
    parser.add_argument("--rate", type=int, help="requests per second of the latency workload; default: a fraction of what HAProxy reaches")
    parser.add_argument("--out", default=programs.default_out(), help="directory of the report (default build/bench of the source tree, else fairlead-bench)")
    parser.add_argument("--bin", help="directory of fairleadd and fairlead-loadgen (default build/bin of the source tree, else what is installed)")
    parser.add_argument("--haproxy3", metavar="FILE", help="a newer HAProxy to run beside Debian's; default build/haproxy3/haproxy if it is there (make bench fetches it)")
    parser.add_argument("--loopback", action="store_true", help="use the machine's own loopback instead of namespaces")
    parser.add_argument("--repeats", type=int, default=plan.REPEATS_MAX,
                        help=f"further rounds that what is noisy may get; it gets {FIRM_ROUNDS} rounds in all, or none more (default {plan.REPEATS_MAX})")
    parser.add_argument("--fresh", action="store_true", help="begin anew where an interrupted run could be taken up")
    parser.add_argument("--list", action="store_true", help="show workloads and contenders, and which are missing")
    options = parser.parse_args(argv)
    if (options.rate is not None and options.rate < 1) or options.repeats < 0:
        parser.error("--rate must be at least 1, --repeats not below 0")
    if (options.rounds is not None and options.rounds < 1) or (options.seconds is not None and not 0.05 <= options.seconds <= 600):
        parser.error("--rounds must be at least 1, --seconds between 0.05 and 600")
    if options.quick:
        options.rounds, options.seconds = options.rounds or 3, options.seconds or 0.8
    options.warmup = 0.3 if options.quick else 0.5
    wanted = options.workloads.split(",") if options.workloads else (QUICK if options.quick else names)
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        parser.error(f"no workload {', '.join(unknown)}; there are {', '.join(names)}")
    options.workloads = [w for w in WORKLOADS if w.name in wanted]
    options.fairleadd, options.loadgen = programs.find("fairleadd", options.bin), programs.find("fairlead-loadgen", options.bin)
    options.haproxy3 = os.path.abspath(options.haproxy3) if options.haproxy3 else programs.haproxy3()
    everyone = all_contenders(options.fairleadd, options.haproxy3)
    wanted = options.contenders.split(",") if options.contenders else [c.name for c in everyone if not (options.quick and c.name in NOT_QUICK)]
    unknown = sorted(set(wanted) - {c.name for c in everyone})
    if unknown:
        parser.error(f"no contender {', '.join(unknown)}; there are {', '.join(c.name for c in everyone)}")
    options.contenders = [c for c in everyone if c.name in wanted]
    return options


def machine(loadgen):
    """What the figures of two machines differ by before any proxy does."""
    cpu = "unknown CPU"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    try:
        costs = json.loads(subprocess.run([loadgen, "machine"], stdout=subprocess.PIPE, timeout=60, check=True).stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        costs = {"costs_unknown": str(error)}
    return {"cpu": cpu, "cpus": os.cpu_count(), "kernel": platform.release(), "load_average_at_start": os.getloadavg(), **costs}


def missing_of(contenders, sandbox):
    """{name: why it cannot take part here}."""
    out = {}
    for contender in contenders:
        reason = contender.missing()
        if not reason and contender.namespace_only and not sandbox.namespace:
            reason = f"it would change the machine's own network ({sandbox.why_not})"
        if reason:
            out[contender.name] = reason
    return out


def list_everything(options):
    print("workloads:")
    for workload in options.workloads:
        reason = workload.missing()
        print(f"  {workload.name:8} {workload.title}" + (f" (missing: {reason})" if reason else ""))
    print("contenders:")
    for contender in options.contenders:
        reason = contender.missing()
        print(f"  {contender.name:16} {contender.title} {'(missing: ' + reason + ')' if reason else contender.version()}")
    options.workloads = [w for w in options.workloads if not w.missing()]
    cells, seconds = plan.total(options, [c for c in options.contenders if not c.missing()])
    again = any(plan.further_rounds(w, options) for w in options.workloads)
    print(f"plan: {cells} cells in up to {plan.most_rounds(options)} rounds, about {seconds / 60:.1f} minutes; "
          + (f"what is noisy gets {FIRM_ROUNDS} rounds in all as long as that ends within {plan.BUDGET[options.quick] / 60:.0f}" if again else "nothing is repeated"))
    return 0


def key_of(options, facts, versions, place, cpus):
    """What two parts of one run must have in common."""
    here = os.path.dirname(os.path.abspath(__file__))
    sources = [os.path.join(here, "run.py"), *(os.path.join(here, "harness", name) for name in sorted(os.listdir(os.path.join(here, "harness"))) if name.endswith(".py"))]
    return {"programs": digest([options.fairleadd, options.loadgen]), "harness": digest(sources), "versions": versions,
            "seconds": options.seconds, "warmup": options.warmup, "rate": options.rate, **place, "cpus": cpus, "cpu": facts["cpu"], "kernel": facts["kernel"]}


def interruptible():
    """From now on SIGINT, SIGTERM and SIGHUP raise Interrupted."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number, _):
        for each in signals:
            signal.signal(each, signal.SIG_IGN)   # a second Ctrl-C must not stop the cleaning up
        raise Interrupted(signal.Signals(number).name)

    for number in signals:
        signal.signal(number, interrupt)


def who_takes_part(options, sandbox):
    """(contenders that are here, what is missing by name with the reason); leaves workloads that cannot be run out of the options."""
    missing = missing_of(options.contenders, sandbox)
    present = [c for c in options.contenders if c.name not in missing]
    missing |= {w.name: reason for w in options.workloads if (reason := w.missing())}
    options.workloads = [w for w in options.workloads if w.name not in missing]
    for name, reason in missing.items():
        print(f"bench: {name} left out: {reason}", file=sys.stderr)
    return present, missing


def ours_missed(rows, present):
    """Names of Fairlead's contenders, if none of them has a result. One engine alone may lack what it needs here; both never do."""
    ours = [c.name for c in present if isinstance(c, Fairlead)]
    return [] if any(row["contender"] in ours for row in rows) else ours


def about_run(run, rows, argv, facts, place, cpus, versions, notes):
    """run.json: how the rows came about."""
    first = {contender: next(iter(rounds.values())) for (_, contender), rounds in run.cells.items() if rounds}
    loads = {workload: next(iter(rounds.values())).get("load", "") for (workload, _), rounds in run.cells.items() if rounds}
    options = run.options
    return {
        "started_with": argv, "finished": time.strftime("%Y-%m-%d %H:%M:%S %z"), "minutes": round(run.spent() / 60, 1),
        "machine": {**facts, "load_average_at_end": os.getloadavg()}, **place, "cpus": cpus,
        "rounds": {w.name: plan.rounds_of(w, options) for w in run.workloads}, "rounds_done": run.rounds_done, "repeats": run.repeats,
        "seconds": {w.name: plan.window_of(w, options) for w in run.workloads}, "warmup": options.warmup, "aims": aims.judged(rows),
        "versions": versions,
        "network_facts": {f"{w} {c}": next(iter(r.values()))["facts"] for (w, c), r in run.cells.items() if r},
        "lines_logged": {f"{w} {c}": [result["lines_logged"] for result in r.values()] for (w, c), r in run.cells.items()
                         if any(result["lines_logged"] for result in r.values())},
        "notes": notes, "failures": run.failures, "configurations": {name: result["config"] for name, result in first.items()}, "loads": loads,
    }


def main(argv):
    options = parse_arguments(argv)
    if options.list:
        return list_everything(options)
    loadgen = options.loadgen
    if not os.access(loadgen, os.X_OK):
        print(f"bench: {loadgen} is not there" + (": cmake --preset release && cmake --build --preset release --target fairlead-loadgen"
                                                  if programs.IN_SOURCE else ""), file=sys.stderr)
        return 1
    interruptible()
    facts = machine(loadgen)
    usable = sorted(os.sched_getaffinity(0))
    cpus = {"load": usable[0], "proxy": usable[-1]}
    processes = Processes()
    sandbox = Sandbox(want_namespace=not options.loopback)
    present, missing = who_takes_part(options, sandbox)
    versions = {c.name: c.version() for c in present}
    os.sched_setaffinity(0, {cpus["load"]})
    network = "network namespace per cell" if sandbox.namespace else f"loopback of the machine ({sandbox.why_not})"
    folder = folder_in_memory()
    place = {"network": network, "files": "in memory" if folder else "on disk", "descriptors": sandbox.descriptors}
    print(f"bench: {network}; files {place['files']}; load on CPU {cpus['load']}, proxy on CPU {cpus['proxy']}"
          + (" (the same: only one CPU may be used)" if cpus["load"] == cpus["proxy"] else ""), file=sys.stderr)
    try:
        state = State(options.out, key_of(options, facts, versions, place, cpus), options.fresh)
    except OSError as error:
        print(f"bench: {options.out}: {error.strerror}", file=sys.stderr)
        return 1
    if state.found or state.began_anew:
        print("bench: " + (f"going on with an interrupted run: {state.found} cells are there (--fresh begins anew)" if state.found
                           else f"an interrupted run is there, but it {state.began_anew}: beginning anew"), file=sys.stderr)

    run = Run(options, present, Cell(sandbox, processes, loadgen, cpus, folder), state)
    interrupted = False
    try:
        run.go()
        state.finished()
    except Interrupted as signalled:
        interrupted = True
        print(f"bench: {signalled}: stopping; the same command goes on from here", file=sys.stderr)
    finally:
        processes.stop_all()

    rows = report.rows_of(run.results(), run.workloads, present, versions)
    if not rows:
        print("bench: nothing was measured", file=sys.stderr)
        return 130 if interrupted else 1
    about = about_run(run, rows, argv, facts, place, cpus, versions, notes_of(run, rows, missing, interrupted, sandbox.descriptors))
    report.write_all(options.out, rows, about, run.workloads, present)
    print(report.text_table(rows, run.workloads, present))
    print("\n".join(aims.text(about["aims"])))
    for note in about["notes"]:
        print(f"note: {note}")
    print(f"\nreport: {os.path.join(options.out, 'report.html')}, report.json, run.json, plots/")
    for name in (missed := ours_missed(rows, present)):
        print(f"bench: {name}: no result in any workload", file=sys.stderr)
    return 130 if interrupted else 1 if run.failures or missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
