"""The run: which cells in which order, what they gave, and a line of progress."""
import sys
import time

from . import syscalls
from .cell import CellError
from .sandbox import Unavailable
from .stats import REFERENCE
from .workloads import CALIBRATION, LATENCY_FRACTION

CALIBRATION_SECONDS = 1.0
CALLS_SECONDS = 0.5   # window of the pass that counts system calls: they repeat exactly, unlike times


class Progress:
    """One line, rewritten on a terminal; elsewhere a line per round."""

    def __init__(self, total):
        self._total, self._done, self._started, self._terminal = total, 0, time.monotonic(), sys.stderr.isatty()

    def show(self, what, workload, contender, first_of_round):
        left = (time.monotonic() - self._started) / self._done * (self._total - self._done) if self._done else None
        text = f"[{self._done + 1}/{self._total}] {what}: {workload} {contender}" + (f", {left / 60:.0f}:{left % 60:02.0f} left" if left is not None else "")
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
        self.calls = {}           # (workload, contender) -> system calls per unit, from a pass of their own
        self.calls_without = {}   # (workload, contender) -> why there are none
        self.calls_by, self.no_calls = None, None
        self.rounds_done = 0
        self.workloads = options.workloads   # with their rates, once these are known
        self.calibrated = ""                 # how the rate came about, for the notes

    def plan(self, round_number):
        """Cells of a round: by workload, contenders side by side, another one first in each round."""
        for workload in self.workloads:
            fitting = [c for c in self.contenders if (workload.bulk or not c.bulk_only) and (c.proxies or workload.unit != "idle")]
            if not fitting or (workload.unit == "idle" and self.options.quick and round_number > 1):
                continue          # memory hardly varies: once is enough for a quick look
            shift = round_number % len(fitting)
            for contender in fitting[shift:] + fitting[:shift]:
                yield workload, contender

    def plan_of_calls(self):
        """Cells of the pass that counts system calls: once each, after the timed rounds."""
        if not self.calls_by:
            return
        for workload in self.workloads:
            for contender in self.contenders:
                if workload.countable and contender.proxies and (workload.bulk or not contender.bulk_only):
                    yield workload, contender

    def go(self):
        rounds = range(1, self.options.rounds + 1)
        self.calls_by, self.no_calls = syscalls.choose()
        progress = Progress(sum(1 for r in rounds for _ in self.plan(r)) + len(list(self.plan_of_calls())))
        try:
            self._calibrate(progress)
            for round_number in rounds:
                first = True
                for workload, contender in self.plan(round_number):
                    progress.show(f"round {round_number}", workload.name, contender.name, first)
                    first = False
                    self._one(workload, contender, round_number, progress)
                self.rounds_done = round_number
            for workload, contender in self.plan_of_calls():
                progress.show("system calls", workload.name, contender.name, False)
                self._count_calls(workload, contender, progress)
        finally:
            progress.end()

    def _calibrate(self, progress):
        """Sets the rate of the open-loop latency workload: what the reference reached in a closed loop, times LATENCY_FRACTION."""
        if not any(w.calibrated for w in self.workloads):
            return
        rate, self.calibrated = self.options.rate, "given with --rate"
        if not rate:
            rate = self._reached(progress)
        if not rate:
            for contender in self.contenders:
                self.dropped |= {(w.name, contender.name): self.calibrated for w in self.workloads if w.calibrated}
            return
        self.workloads = [w.at_rate(rate) if w.calibrated else w for w in self.workloads]

    def _reached(self, progress):
        proxies = sorted((c for c in self.contenders if c.proxies and not c.bulk_only), key=lambda c: c.name != REFERENCE)
        if not proxies:
            self.calibrated = "there is no proxy whose rate could set the pace (--rate N does)"
            return None
        progress.say(f"bench: calibration: the rate {proxies[0].name} reaches over 64 connections")
        try:
            result = self.cell.run(proxies[0], CALIBRATION, min(self.options.seconds, CALIBRATION_SECONDS), self.options.warmup)
        except (Unavailable, CellError) as error:
            self.calibrated = f"calibration: {error}"
            progress.say(f"bench: {self.calibrated}")
            return None
        reached = result["metrics"]["requests/s"]
        self.calibrated = f"{LATENCY_FRACTION:.0%} of the {reached:,.0f} requests/s {proxies[0].name} reached in a closed loop over as many connections"
        return max(100, int(reached * LATENCY_FRACTION) // 100 * 100)

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

    def _count_calls(self, workload, contender, progress):
        key = (workload.name, contender.name)
        if not self.cells.get(key):
            return   # it has no result to stand beside
        try:
            self.calls[key] = self.cell.count_calls(contender, workload, min(self.options.seconds, CALLS_SECONDS), self.calls_by)
        except (Unavailable, CellError) as error:
            self.calls_without[key] = str(error)
            progress.say(f"bench: system calls of {workload.name} {contender.name} not counted: {error}")

    def results(self):
        """What rows are made of: the timed rounds, and as round 0 what is counted once."""
        return {key: {**rounds, **({0: self.calls[key]} if key in self.calls else {})} for key, rounds in self.cells.items()}
