"""The run: carries the plan out, keeps what it gave, takes up an interrupted run, repeats what was noisy, and shows a line of progress."""
import sys
import time

from . import plan, report, syscalls
from .cell import CellError
from .sandbox import Unavailable
from .stats import REFERENCE
from .workloads import CALIBRATION, LATENCY_FRACTION


class Progress:
    """One line, rewritten on a terminal; elsewhere a line per round."""

    def __init__(self, total):
        self._total, self._done, self._measured, self._started, self._terminal = total, 0, 0, time.monotonic(), sys.stderr.isatty()

    def more(self, cells):
        self._total += cells

    def show(self, what, workload, contender, first_of_round):
        left = (time.monotonic() - self._started) / self._measured * (self._total - self._done) if self._measured else None
        text = f"[{self._done + 1}/{self._total}] {what}: {workload} {contender}" + (f", {left // 60:.0f}:{left % 60:02.0f} left" if left is not None else "")
        if self._terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif first_of_round:
            print(text, file=sys.stderr, flush=True)
        self._done += 1
        self._measured += 1

    def skip(self):
        """A cell that an earlier part of the run has measured."""
        self._done += 1

    def say(self, text):
        print(("\r\033[K" if self._terminal else "") + text, file=sys.stderr, flush=True)

    def end(self):
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Run:
    def __init__(self, options, contenders, cell, state):
        self.options, self.contenders, self.cell, self.state = options, contenders, cell, state
        self.cells = {}           # (workload, contender) -> {round: result}
        self.failures = []        # what a cell had instead of a result
        self.dropped = {}         # (workload, contender) -> reason: left out of the rounds that follow
        self.calls = {}           # (workload, contender) -> system calls per unit, from a pass of their own
        self.calls_without = {}   # (workload, contender) -> why there are none
        self.calls_by, self.no_calls = None, None
        self.rounds_done = 0
        self.repeats = {}         # workload -> further rounds, because it was noisy
        self.no_repeats = ""      # why noisy workloads were not repeated (further)
        self.workloads = options.workloads   # with their rates, once these are known
        self.calibrated = ""      # how the rate came about, for the notes
        self._began = time.monotonic()

    def go(self):
        self.calls_by, self.no_calls = syscalls.choose()
        cells, _ = plan.total(self.options, self.contenders, calls=bool(self.calls_by))
        progress = Progress(cells)
        try:
            self._calibrate(progress)
            for number in range(1, plan.most_rounds(self.options) + 1):
                self._round(number, plan.in_round(self.workloads, self.options, number), f"round {number}", progress)
                self.rounds_done = number
            self._repeat_noisy(progress)
            for workload, contender in plan.cells_of_calls(self.workloads, self.contenders) if self.calls_by else []:
                self._count_calls(workload, contender, progress)
        finally:
            progress.end()

    def _round(self, number, workloads, what, progress):
        first = True
        for workload, contenders in plan.groups_of_round(workloads, self.contenders, number, self.options.quick):
            todo = self._todo(workload, contenders, number)
            for contender in contenders:
                if contender not in todo:
                    progress.skip()
                    continue
                progress.show(what, workload.name, contender.name, first)
                first = False
                if not workload.in_turns:
                    self._one(workload, contender, number, progress)
            if workload.in_turns and todo:
                self._in_turns(workload, todo, number, progress)

    def _todo(self, workload, contenders, number):
        """Whom an earlier part of the run has not measured. What runs in turns is measured together or not at all: its ratios are of one moment."""
        wanted = [c for c in contenders if (workload.name, c.name) not in self.dropped]
        if workload.in_turns:
            groups = {(self.state.peek("timed", workload.name, c.name, number) or {}).get("group") for c in wanted}
            if len(groups) > 1 or None in groups:
                return wanted
        return [c for c in wanted if not self._take_over(workload, c, number)]

    def _repeat_noisy(self, progress):
        """Whole rounds of noisy workloads, all contenders of them: ratios stay paired, and nothing that was measured is thrown away. The noisiest
        first, each with all its further rounds or with none."""
        left, chosen = [], []
        todo = {workload: self._seconds_of_further(workload) for workload in self.noisy() if plan.further_rounds(workload, self.options)}
        calls = len(list(plan.cells_of_calls(self.workloads, self.contenders))) if self.calls_by else 0
        ends = self.spent() + calls * plan.seconds_of_calls(self.options)
        for workload, seconds in todo.items():
            if ends + seconds > plan.BUDGET[self.options.quick]:
                left.append(workload.name)
                continue
            ends += seconds
            chosen.append(workload)
            progress.more(plan.further_rounds(workload, self.options) * len(list(plan.cells_of_round([workload], self.contenders, 1, False))))
        if left:
            self.no_repeats = f"{', '.join(left)} noisy, not repeated: the run would take more than {plan.BUDGET[self.options.quick] / 60:.0f} minutes"
        for number in sorted({number for workload in chosen for number in self._further(workload)}):
            again = [workload for workload in chosen if number in self._further(workload)]
            self._round(number, again, f"round {number}, of what was noisy", progress)
            self.repeats |= {workload.name: number - plan.rounds_of(workload, self.options) for workload in again}

    def _seconds_of_further(self, workload):
        """Of those that an earlier part of the run has not measured."""
        cells = [c for number in self._further(workload) for _, c in plan.cells_of_round([workload], self.contenders, number, False)
                 if not self.state.peek("timed", workload.name, c.name, number)]
        return len(cells) * plan.seconds_of(workload, self.options)

    def _further(self, workload):
        done = plan.rounds_of(workload, self.options)
        return range(done + 1, done + plan.further_rounds(workload, self.options) + 1)

    def noisy(self):
        """Workloads in which a proxy's main figure is noisy, the noisiest first."""
        proxies = [c for c in self.contenders if c.proxies]
        rows = report.rows_of(self.cells, self.workloads, proxies, {c.name: "" for c in proxies})
        in_turns = {w.name for w in self.workloads if w.in_turns}   # there the reference's own figures may wander
        judged = [r for r in rows if r["main"] and r["noisy"] and not (r["contender"] == REFERENCE and r["workload"] in in_turns)]
        worst = {w.name: max((r["spread"] / w.noise for r in judged if r["workload"] == w.name), default=0) for w in self.workloads}
        return sorted((w for w in self.workloads if worst[w.name]), key=lambda w: -worst[w.name])

    def spent(self):
        """Seconds, those of earlier parts of the run included."""
        return self.state.spent + time.monotonic() - self._began

    def _calibrate(self, progress):
        """Sets the rate of the open-loop latency workload: what the reference reached in a closed loop, times LATENCY_FRACTION."""
        if not any(w.calibrated for w in self.workloads):
            return
        earlier = self.state.get("calibration")
        rate, self.calibrated = (earlier["rate"], earlier["how"]) if earlier else (self.options.rate, "given with --rate")
        if not rate:
            rate = self._reached(progress)
        if not rate:
            for contender in self.contenders:
                self.dropped |= {(w.name, contender.name): self.calibrated for w in self.workloads if w.calibrated}
            return
        if not earlier:
            self.state.add("calibration", rate=rate, how=self.calibrated)
        self.workloads = [w.at_rate(rate) if w.calibrated else w for w in self.workloads]

    def _reached(self, progress):
        proxies = sorted((c for c in self.contenders if c.proxies and not c.bulk_only), key=lambda c: c.name != REFERENCE)
        if not proxies:
            self.calibrated = "there is no proxy whose rate could set the pace (--rate N does)"
            return None
        progress.say(f"bench: calibration: the rate {proxies[0].name} reaches over 64 connections")
        try:
            seconds = min(self.options.seconds or plan.CALIBRATION_SECONDS, plan.CALIBRATION_SECONDS)
            result = self.cell.run(proxies[0], CALIBRATION, seconds, self.options.warmup)
        except (Unavailable, CellError) as error:
            self.calibrated = f"calibration: {error}"
            if isinstance(error, CellError):
                self._failed(CALIBRATION, proxies[0], 0, str(error))
            progress.say(f"bench: {self.calibrated}")
            return None
        reached = result["metrics"]["requests/s"]
        self.calibrated = f"{LATENCY_FRACTION:.0%} of the {reached:,.0f} requests/s {proxies[0].name} reached in a closed loop over as many connections"
        return max(100, int(reached * LATENCY_FRACTION) // 100 * 100)

    def _take_over(self, workload, contender, number):
        """Whether an earlier part of the run has this cell."""
        record = self.state.get("timed", workload.name, contender.name, number)
        if record and record.get("result"):
            self.cells.setdefault((workload.name, contender.name), {})[number] = record["result"]
        elif record and record.get("dropped"):
            self.dropped[workload.name, contender.name] = record["dropped"]
        elif record:
            self._failed(workload, contender, number, record["error"])
        return bool(record)

    def _failed(self, workload, contender, number, error):
        self.failures.append({"workload": workload.name, "contender": contender.name, "round": number, "error": error})

    def _one(self, workload, contender, number, progress):
        began = time.monotonic()
        try:
            result = self.cell.run(contender, workload, plan.window_of(workload, self.options), self.options.warmup)
        except (Unavailable, CellError) as error:
            result = error
        self._keep(workload, contender, number, result, time.monotonic() - began, progress)

    def _in_turns(self, workload, contenders, number, progress):
        began = time.monotonic()
        results = self.cell.run_in_turns(contenders, workload, plan.window_of(workload, self.options), self.options.warmup)
        took, group = (time.monotonic() - began) / len(contenders), time.time()
        for contender in contenders:
            self._keep(workload, contender, number, results[contender.name], took, progress, group=group)

    def _keep(self, workload, contender, number, result, took, progress, **more):
        """`result`: or the error there is instead. `more`: for the record; `group` names what was measured together."""
        key = (workload.name, contender.name)
        if isinstance(result, Unavailable) and not self.cells.get(key):
            self.dropped[key] = str(result)
            self.state.add("timed", *key, number, dropped=str(result), took=took, **more)
            progress.say(f"bench: {workload.name} {contender.name} left out: {result}")
        elif isinstance(result, Exception):
            # What could be had once and now cannot is a failure, not something this machine lacks.
            self._failed(workload, contender, number, str(result))
            self.state.add("timed", *key, number, error=str(result), took=took, **more)
            progress.say(f"bench: {workload.name} {contender.name} round {number} is no result: {result}")
        else:
            self.cells.setdefault(key, {})[number] = result
            self.state.add("timed", *key, number, result=result, took=took, **more)

    def _count_calls(self, workload, contender, progress):
        key, began = (workload.name, contender.name), time.monotonic()
        record = self.state.get("calls", *key)
        if record or not self.cells.get(key):   # or it has no result to stand beside
            progress.skip()
            if record:
                self.calls[key] = record["result"]
            return
        progress.show("system calls", *key, False)
        try:
            self.calls[key] = self.cell.count_calls(contender, workload, plan.window_of_calls(self.options), self.calls_by)
            self.state.add("calls", *key, result=self.calls[key], took=time.monotonic() - began)
        except (Unavailable, CellError) as error:
            self.calls_without[key] = str(error)
            if isinstance(error, CellError):
                self._failed(workload, contender, 0, f"system calls: {error}")
            progress.say(f"bench: system calls of {workload.name} {contender.name} not counted: {error}")

    def results(self):
        """What rows are made of: the timed rounds, and as round 0 what is counted once."""
        return {key: {**rounds, **({0: self.calls[key]} if key in self.calls else {})} for key, rounds in self.cells.items()}
