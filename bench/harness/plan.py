"""Which cells a run has, in which order, and how long they take by arithmetic."""

from .stats import FIRM_ROUNDS, NOISE_ROUNDS

# What a cell takes besides its window and warm-up: a namespace, the backend, the proxy's start and first checks, the end of them all.
OVERHEAD = 0.5
IDLE_SECONDS = 4.5     # 10,000 connections up, asked twice
CALLS_OVERHEAD = 0.9   # attaching the counter, coming to rest twice
CALLS_SECONDS = 0.5    # window of the pass that counts system calls: they repeat almost exactly, unlike times
CALIBRATION_SECONDS = 1.0
REPEATS_MAX = FIRM_ROUNDS - NOISE_ROUNDS   # further rounds of a workload that is noisy
BUDGET = {False: 56 * 60, True: 175}   # seconds, by --quick: no repeat is begun that would end after it


def fits(workload, contender):
    return (workload.bulk or not contender.bulk_only) and (contender.proxies or workload.unit != "idle")


def cells_of_round(workloads, contenders, number, quick):
    """By workload, contenders side by side, another one first in each round."""
    for workload in workloads:
        fitting = [c for c in contenders if fits(workload, c)]
        if not fitting or (workload.unit == "idle" and quick and number > 1):
            continue          # memory hardly varies: once is enough for a quick look
        shift = number % len(fitting)
        for contender in fitting[shift:] + fitting[:shift]:
            yield workload, contender


def cells_of_calls(workloads, contenders):
    """Of the pass that counts system calls: once each, after the timed rounds."""
    for workload in workloads:
        for contender in contenders:
            if workload.countable and contender.proxies and fits(workload, contender):
                yield workload, contender


def further_rounds(options):
    """How many rounds a noisy workload gets: as many as let one odd round stop deciding, or none. Fewer would leave the interval as wide as it was."""
    wanted = FIRM_ROUNDS - options.rounds
    return wanted if not options.quick and options.rounds >= NOISE_ROUNDS and 0 < wanted <= options.repeats else 0


def window_of(workload, options):
    """Seconds of the measured window."""
    if workload.unit == "idle":
        return 0.5
    return max(options.seconds, 1.0) if workload.tool else options.seconds


def seconds_of(workload, options):
    """Of one cell, about."""
    return IDLE_SECONDS if workload.unit == "idle" else window_of(workload, options) + (0.3 if workload.tool else options.warmup) + OVERHEAD


def seconds_of_calls(options):
    return min(options.seconds, CALLS_SECONDS) + CALLS_OVERHEAD


def total(options, contenders, calls=True):
    """(cells, seconds) of the whole run, repeats not counted."""
    timed = [w for r in range(1, options.rounds + 1) for w, _ in cells_of_round(options.workloads, contenders, r, options.quick)]
    counted = len(list(cells_of_calls(options.workloads, contenders))) if calls else 0
    calibration = CALIBRATION_SECONDS + OVERHEAD if any(w.calibrated for w in options.workloads) else 0
    return len(timed) + counted, sum(seconds_of(w, options) for w in timed) + counted * seconds_of_calls(options) + calibration
