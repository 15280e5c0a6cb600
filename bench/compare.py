#!/usr/bin/env python3
"""Compares two reports of bench/run.py: `compare.py BEFORE AFTER`. A difference is called one only when the rounds support it.

By ratio to HAProxy of the same round where both reports have it (the machine's mood cancels out), by the plain figure otherwise.
Verdict per workload and contender: the rank-sum test over rounds says p < 0.05, corrected for the number of rows (Holm), and the medians differ
by more than --least percent. Fairlead's rows are corrected by themselves: they are what is asked, the peers stand beside. Where the rounds do
not overlap and yet are too few for so many rows, the verdict is `perhaps dearer`. Latencies at different rates are not compared.
Exit: 0 nothing of Fairlead's got dearer, 1 something did, or perhaps did (measure that again), 2 wrong usage or no common figures.
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness.stats import BY_FIGURE, REFERENCE, SIGNIFICANT, holm, least_p, rank_sum_p  # noqa: E402

PERHAPS = 0.01      # uncorrected: with five rounds on either side, those that do not overlap
RATES_APART = 1.1   # times: a latency at one rate says nothing of another


def load(path):
    """Main rows (cost per unit) by (workload, contender)."""
    if os.path.isdir(path):
        path = os.path.join(path, "report.json")
    with open(path, encoding="utf-8") as file:
        return {(r["workload"], r["contender"]): r for r in json.load(file) if r.get("main")}


def rates_differ(before, after):
    """What to say of two rows that were measured at different rates; empty when they may be compared."""
    rates = [row.get("rate_asked") for row in (before, after)]
    if rates == [None, None]:
        return ""
    words = " and ".join(f"{rate:,}" if rate else "unknown" for rate in rates)
    return "" if None not in rates and max(rates) <= RATES_APART * min(rates) else f"not comparable: {words} requests/s"


def incomparable(before, after):
    """What to say of two rows that may not be compared: other rates, or one of a report from before the turns, with other batches and wake-ups."""
    same_way = before.get("judged_by", BY_FIGURE) == after.get("judged_by", BY_FIGURE)
    return rates_differ(before, after) if same_way else "not comparable: one in turns, one not"


def basis_of(before, after):
    """(what is compared, the figures of each)."""
    if before["contender"] != REFERENCE and before["paired_ratios"] and after["paired_ratios"]:
        return "ratio", before["paired_ratios"], after["paired_ratios"]
    return before["unit"], before["values"], after["values"]


def verdict_of(a, b, p, rows, least):
    """`p`: corrected for so many `rows`."""
    change = statistics.median(b) / statistics.median(a) - 1
    direction = "dearer" if change > 0 else "cheaper"
    if abs(change) < least:
        return "same"
    if p < SIGNIFICANT:
        return direction
    if least_p(len(a), len(b)) * rows < SIGNIFICANT:
        return "same"
    # No difference, however large, can be shown by so few rounds: not the same as none.
    return f"perhaps {direction}" if rank_sum_p(a, b) < PERHAPS else "too few rounds"


def rounds_needed(rows):
    """How many rounds on either side let the clearest of so many rows be shown."""
    return next(n for n in range(1, 100) if least_p(n, n) * rows < SIGNIFICANT)


def noise_of(before, after):
    known = [row["noisy"] for row in (before, after)]
    return " (noisy)" if True in known else " (noise unknown: fewer than 5 rounds)" if None in known else ""


def is_ours(key):
    """The reference and the other peers are the machine's or the peer's affair; only Fairlead's own rows fail the comparison."""
    return key[1].startswith("fairlead")


def show(before, after, common, least):
    """Prints the table; returns the verdicts of Fairlead's rows."""
    bases = {key: basis_of(before[key], after[key]) for key in common if not incomparable(before[key], after[key])}
    groups = [[key for key in bases if is_ours(key) == ours] for ours in (True, False)]
    ps = {key: p for group in groups for key, p in zip(group, holm([rank_sum_p(*bases[key][1:]) for key in group]))}
    ours = len(groups[0])
    print(f"{'workload':9} {'contender':16} {'basis':>14} {'before':>9} {'after':>9} {'change':>8} {'p':>6}  verdict")
    verdicts = []
    for key in common:
        if key not in ps:
            print(f"{key[0]:9} {key[1]:16} {before[key]['unit']:>14} {'':>9} {'':>9} {'':>8} {'':>6}  {incomparable(before[key], after[key])}")
            continue
        basis, a, b = bases[key]
        verdict = verdict_of(a, b, ps[key], ours if is_ours(key) else len(ps) - ours, least)
        if is_ours(key):
            verdicts.append(verdict)
        first, second = statistics.median(a), statistics.median(b)
        print(f"{key[0]:9} {key[1]:16} {basis:>14} {first:9.3g} {second:9.3g} {(second / first - 1) * 100:+7.1f}% {ps[key]:6.3f}  "
              f"{verdict}{noise_of(before[key], after[key])}")
    few = sum(verdict == "too few rounds" or verdict.startswith("perhaps") for verdict in verdicts)
    print(f"p: corrected for Fairlead's {ours} rows (Holm)" + (f"; {few} have too few rounds for it: {rounds_needed(ours)} on either side would "
                                                               "do, or fewer rows (--workloads, --contenders)" if few else ""))
    return verdicts


def main(argv):
    parser = argparse.ArgumentParser(description="Compare two benchmark reports, with regard to their noise.")
    parser.add_argument("before", help="report.json, or the directory it lies in")
    parser.add_argument("after")
    parser.add_argument("--least", type=float, default=3.0, help="percent below which a difference does not matter (default 3)")
    parser.add_argument("--workloads", help="comma-separated: compare only these (fewer questions need fewer rounds)")
    parser.add_argument("--contenders", help="likewise")
    options = parser.parse_args(argv)
    try:
        before, after = load(options.before), load(options.after)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    wanted = [names.split(",") if names else None for names in (options.workloads, options.contenders)]
    before, after = ({key: row for key, row in rows.items() if all(names is None or name in names for name, names in zip(key, wanted))}
                     for rows in (before, after))
    common = [key for key in after if key in before]
    if not common:
        print("compare: the two reports have no workload and contender in common", file=sys.stderr)
        return 2
    verdicts = show(before, after, common, options.least / 100)
    only = sorted(f"{w} {c}" for w, c in before.keys() ^ after.keys())
    if only:
        print("in one report only: " + ", ".join(only))
    return 1 if {"dearer", "perhaps dearer"} & set(verdicts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
