"""Which cells a run has, in which order, and how long they take by arithmetic."""

from .cell import turns_of
from .stats import FIRM_ROUNDS, NOISE_ROUNDS

# What a cell takes besides its window and warm-up: a namespace, the backend, the proxy's start and first checks, the end of them all.
OVERHEAD = 0.5
IDLE_SECONDS = 4.5     # 10,000 connections up, asked twice
TURN_OVERHEAD = 0.03   # coming to rest, what the proxy does after that, the word to the next
CALLS_OVERHEAD = 0.9   # attaching the counter, coming to rest twice
CALLS_SECONDS = 0.5    # window of the pass that counts system calls: they repeat almost exactly, unlike times
CALIBRATION_SECONDS = 1.0
REPEATS_MAX = FIRM_ROUNDS - NOISE_ROUNDS   # further rounds of a workload that is noisy
BUDGET = {False: 56 * 60, True: 175}   # seconds, by --quick: no repeat is begun that would end after it


def fits(workload, contender):
    return (workload.bulk or not contender.bulk_only) and (contender.proxies or workload.unit != "idle")


def groups_of_round(workloads, contenders, number, quick):
    """(workload, its contenders), another one first in each round."""
    for workload in workloads:
        fitting = [c for c in contenders if fits(workload, c)]
        if not fitting or (workload.unit == "idle" and quick and number > 1):
            continue          # memory hardly varies: once is enough for a quick look
        shift = number % len(fitting)
        yield workload, fitting[shift:] + fitting[:shift]


def cells_of_round(workloads, contenders, number, quick):
    """The same, one by one."""
    for workload, fitting in groups_of_round(workloads, contenders, number, quick):
        for contender in fitting:
            yield workload, contender


def rounds_of(workload, options):
    """Of the first pass, before anything is repeated."""
    return options.rounds or workload.rounds


def most_rounds(options):
    return max((rounds_of(w, options) for w in options.workloads), default=0)


def in_round(workloads, options, number):
    return [w for w in workloads if number <= rounds_of(w, options)]


def cells_of_calls(workloads, contenders):
    """Of the pass that counts system calls: once each, after the timed rounds."""
    for workload in workloads:
        for contender in contenders:
            if workload.countable and contender.proxies and fits(workload, contender):
                yield workload, contender


def further_rounds(workload, options):
    """How many rounds it gets when it is noisy: as many as let one odd round stop deciding, or none. Fewer would leave the interval as wide as it was."""
    done = rounds_of(workload, options)
    wanted = FIRM_ROUNDS - done
    return wanted if not options.quick and done >= NOISE_ROUNDS and 0 < wanted <= options.repeats else 0


def window_of(workload, options):
    """Seconds of the measured window."""
    if workload.unit == "idle":
        return 0.5
    seconds = options.seconds or workload.seconds
    return max(seconds, 1.0) if workload.tool else seconds


def seconds_of(workload, options):
    """Of one cell, about."""
    if workload.unit == "idle":
        return IDLE_SECONDS
    window = window_of(workload, options)
    return window + (0.3 if workload.tool else options.warmup) + OVERHEAD + (turns_of(window) * TURN_OVERHEAD if workload.in_turns else 0)


def window_of_calls(options):
    return min(options.seconds or CALLS_SECONDS, CALLS_SECONDS)


def seconds_of_calls(options):
    return window_of_calls(options) + CALLS_OVERHEAD


def total(options, contenders, calls=True):
    """(cells, seconds) of the whole run, repeats not counted."""
    timed = [w for r in range(1, most_rounds(options) + 1)
             for w, _ in cells_of_round(in_round(options.workloads, options, r), contenders, r, options.quick)]
    counted = len(list(cells_of_calls(options.workloads, contenders))) if calls else 0
    calibration = CALIBRATION_SECONDS + OVERHEAD if any(w.calibrated for w in options.workloads) else 0
    return len(timed) + counted, sum(seconds_of(w, options) for w in timed) + counted * seconds_of_calls(options) + calibration
