#!/usr/bin/env python3
"""Fairlead's benchmark: the same work through every proxy, interleaved, measured in CPU time per unit of work. See bench/README.md.

Exit: 0 measured, 1 nothing could be measured or a contender produced errors, 2 wrong usage, 130 interrupted (what was complete is reported).
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
from harness import report  # noqa: E402
from harness.cell import Cell, CellError  # noqa: E402
from harness.contenders import all_contenders  # noqa: E402
from harness.sandbox import Processes, Sandbox, Unavailable  # noqa: E402
from harness.workloads import QUICK, WORKLOADS, idle_marks  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FULL_PROXY = 80.0     # percent of its CPU, below which the proxy was not the bottleneck
BUSY_OTHER = 15.0     # percent of one CPU used by others, above which the run gets a note


class Interrupted(Exception):
    pass


def parse_arguments(argv):
    names = [w.name for w in WORKLOADS]
    parser = argparse.ArgumentParser(description="Fairlead's benchmark: CPU time per unit of work, side by side, interleaved.")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)}: 3 short rounds, under 3 minutes")
    parser.add_argument("--workloads", help=f"comma-separated, of: {', '.join(names)}")
    parser.add_argument("--contenders", help="comma-separated; --list shows them")
    parser.add_argument("--rounds", type=int, help="default 5 (3 with --quick)")
    parser.add_argument("--seconds", type=float, help="measured window of a cell; default 3 (0.8 with --quick)")
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "bench"), help="directory of the report (default build/bench)")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"), help="directory of fairleadd and fairlead-loadgen (default build/bin)")
    parser.add_argument("--haproxy3", metavar="FILE", help="a newer HAProxy to run beside Debian's")
    parser.add_argument("--loopback", action="store_true", help="use the machine's own loopback instead of namespaces")
    parser.add_argument("--list", action="store_true", help="show workloads and contenders, and which are missing")
    options = parser.parse_args(argv)
    if (options.rounds is not None and options.rounds < 1) or (options.seconds is not None and not 0.05 <= options.seconds <= 600):
        parser.error("--rounds must be at least 1, --seconds between 0.05 and 600")
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.8 if options.quick else 3.0)
    options.warmup = 0.3 if options.quick else 0.5
    wanted = options.workloads.split(",") if options.workloads else (QUICK if options.quick else names)
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        parser.error(f"no workload {', '.join(unknown)}; there are {', '.join(names)}")
    options.workloads = [w for w in WORKLOADS if w.name in wanted]
    everyone = all_contenders(os.path.join(options.bin, "fairleadd"), options.haproxy3)
    wanted = options.contenders.split(",") if options.contenders else [c.name for c in everyone]
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


class Progress:
    """One line, rewritten on a terminal; elsewhere a line per round."""

    def __init__(self, total):
        self._total, self._done, self._started, self._terminal = total, 0, time.monotonic(), sys.stderr.isatty()

    def show(self, round_number, workload, contender, first_of_round):
        left = (time.monotonic() - self._started) / self._done * (self._total - self._done) if self._done else None
        text = f"[{self._done + 1}/{self._total}] round {round_number}: {workload} {contender}" + (f", {left / 60:.0f}:{left % 60:02.0f} left" if left is not None else "")
        if self._terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif first_of_round:
            print(text, file=sys.stderr, flush=True)
        self._done += 1

    def say(self, text):
        print(("\r\033[K" if self._terminal else "") + text, file=sys.stderr, flush=True)

    def end(self):
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Run:
    def __init__(self, options, contenders, cell):
        self.options, self.contenders, self.cell = options, contenders, cell
        self.cells = {}           # (workload, contender) -> {round: result}
        self.failures = []        # what a cell had instead of a result
        self.dropped = {}         # (workload, contender) -> reason: left out of the rounds that follow
        self.rounds_done = 0

    def plan(self, round_number):
        """Cells of a round: by workload, contenders side by side, another one first in each round."""
        for workload in self.options.workloads:
            fitting = [c for c in self.contenders if (workload.bulk or not c.bulk_only) and (c.proxies or workload.unit != "idle")]
            if not fitting or (workload.unit == "idle" and self.options.quick and round_number > 1):
                continue          # memory hardly varies: once is enough for a quick look
            shift = round_number % len(fitting)
            for contender in fitting[shift:] + fitting[:shift]:
                yield workload, contender

    def go(self):
        rounds = range(1, self.options.rounds + 1)
        progress = Progress(sum(1 for r in rounds for _ in self.plan(r)))
        try:
            for round_number in rounds:
                first = True
                for workload, contender in self.plan(round_number):
                    progress.show(round_number, workload.name, contender.name, first)
                    first = False
                    self._one(workload, contender, round_number, progress)
                self.rounds_done = round_number
        finally:
            progress.end()

    def _one(self, workload, contender, round_number, progress):
        key = (workload.name, contender.name)
        if key in self.dropped:
            return
        seconds = 0.5 if workload.unit == "idle" else self.options.seconds
        try:
            self.cells.setdefault(key, {})[round_number] = self.cell.run(contender, workload, seconds, self.options.warmup)
        except Unavailable as error:
            self.dropped[key] = str(error)
            progress.say(f"bench: {workload.name} {contender.name} left out: {error}")
        except CellError as error:
            self.failures.append({"workload": workload.name, "contender": contender.name, "round": round_number, "error": str(error)})
            progress.say(f"bench: {workload.name} {contender.name} round {round_number} is no result: {error}")


def notes_of(run, rows, missing, interrupted, descriptors):
    notes = [f"{name} left out: {reason}" for name, reason in missing.items()]
    notes += [f"{workload} {contender} left out: {reason}" for (workload, contender), reason in run.dropped.items()]
    notes += [f"{c.name} has no cost per unit: {c.cost_unknown}" for c in run.contenders if c.cost_unknown and any(name == c.name for _, name in run.cells)]
    if run.failures:
        notes.append(f"{len(run.failures)} cells gave no result, the first: {run.failures[0]['workload']} {run.failures[0]['contender']}: {run.failures[0]['error']}")
    if interrupted:
        notes.append(f"interrupted in round {run.rounds_done + 1} of {run.options.rounds}")
    disturbed = sorted({r["workload"] for r in rows if r["unit"] == "% other CPU" and r["median"] > BUSY_OTHER})
    if disturbed:
        notes.append(f"other programs (or the hypervisor) used more than {BUSY_OTHER:.0f} % of a CPU during {', '.join(disturbed)}: trust ratios of one run only")
    proxied = [r for r in rows if r["unit"] == "% proxy CPU"]
    waiting = [r for r in proxied if r["median"] < FULL_PROXY]
    if waiting:
        notes.append(f"in {len(waiting)} of {len(proxied)} the proxy had less than {FULL_PROXY:.0f} % of its CPU (the load side or other programs were the limit; "
                     "CPU per unit then includes more wake-ups): workloads " + ", ".join(dict.fromkeys(r["workload"] for r in waiting)))
    ended = sorted({contender for (_, contender), rounds in run.cells.items() for result in rounds.values() if result.get("threads_ended")})
    if ended:
        notes.append(f"threads ended inside the window, their CPU time is not counted: {', '.join(ended)}")
    marks = idle_marks(descriptors)
    if marks[-1] < 10000 and any(w == "idle" for w, _ in run.cells):
        notes.append(f"idle: the descriptor limit is {descriptors:,} and may not be raised here: read at {marks[0]:,} and {marks[-1]:,} connections instead of 10,000")
    if run.rounds_done < 5:
        notes.append(f"{run.rounds_done} complete rounds: fewer than the 5 a figure needs to be quoted")
    return notes


def list_everything(options):
    print("workloads:")
    for workload in options.workloads:
        print(f"  {workload.name:8} {workload.title}")
    print("contenders:")
    for contender in options.contenders:
        reason = contender.missing()
        print(f"  {contender.name:16} {contender.title} {'(missing: ' + reason + ')' if reason else contender.version()}")
    return 0


def main(argv):
    options = parse_arguments(argv)
    if options.list:
        return list_everything(options)
    loadgen = os.path.join(options.bin, "fairlead-loadgen")
    if not os.access(loadgen, os.X_OK):
        print(f"bench: {loadgen} is not built: cmake --preset release && cmake --build --preset release --target fairlead-loadgen", file=sys.stderr)
        return 1
    def interrupt(number, _):
        for each in signals:
            signal.signal(each, signal.SIG_IGN)   # a second Ctrl-C must not stop the cleaning up
        raise Interrupted(signal.Signals(number).name)
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        signal.signal(number, interrupt)
    facts = machine(loadgen)
    usable = sorted(os.sched_getaffinity(0))
    cpus = {"load": usable[0], "proxy": usable[-1]}
    processes = Processes()
    sandbox = Sandbox(want_namespace=not options.loopback)
    missing = missing_of(options.contenders, sandbox)
    for name, reason in missing.items():
        print(f"bench: {name} left out: {reason}", file=sys.stderr)
    present = [c for c in options.contenders if c.name not in missing]
    versions = {c.name: c.version() for c in present}
    os.sched_setaffinity(0, {cpus["load"]})
    network = "network namespace per cell" if sandbox.namespace else f"loopback of the machine ({sandbox.why_not})"
    print(f"bench: {network}; load on CPU {cpus['load']}, proxy on CPU {cpus['proxy']}"
          + (" (the same: only one CPU may be used)" if cpus["load"] == cpus["proxy"] else ""), file=sys.stderr)

    run = Run(options, present, Cell(sandbox, processes, loadgen, cpus))
    interrupted = False
    try:
        run.go()
    except Interrupted as signalled:
        interrupted = True
        print(f"bench: {signalled}: stopping", file=sys.stderr)
    finally:
        processes.stop_all()

    rows = report.rows_of(run.cells, options.workloads, present, versions)
    if not rows:
        print("bench: nothing was measured", file=sys.stderr)
        return 130 if interrupted else 1
    first = {contender: next(iter(rounds.values())) for (_, contender), rounds in run.cells.items() if rounds}
    facts["load_average_at_end"] = os.getloadavg()
    about = {
        "started_with": argv, "finished": time.strftime("%Y-%m-%d %H:%M:%S %z"), "machine": facts, "network": network, "cpus": cpus,
        "rounds": options.rounds, "rounds_done": run.rounds_done, "seconds": options.seconds, "warmup": options.warmup, "descriptors": sandbox.descriptors, "versions": versions,
        "network_facts": {f"{w} {c}": next(iter(r.values()))["facts"] for (w, c), r in run.cells.items() if r},
        "notes": notes_of(run, rows, missing, interrupted, sandbox.descriptors), "failures": run.failures,
        "configurations": {name: result["config"] for name, result in first.items()},
    }
    report.write_all(options.out, rows, about, options.workloads, present)
    print(report.text_table(rows, options.workloads, present))
    for note in about["notes"]:
        print(f"note: {note}")
    print(f"\nreport: {os.path.join(options.out, 'report.html')}, report.json, run.json")
    return 130 if interrupted else 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
