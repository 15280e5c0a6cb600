#!/usr/bin/env python3
"""Compares two reports of bench/run.py: `compare.py BEFORE AFTER`. A difference is called one only when the rounds support it.

By ratio to HAProxy of the same round where both reports have it (the machine's mood cancels out), by the plain figure otherwise.
Verdict per workload and contender: the rank-sum test over rounds says p < 0.05, corrected for the number of rows (Holm), and the medians differ
by more than --least percent. Latencies at different rates are not compared.
Exit: 0 nothing got dearer, 1 something did, 2 wrong usage or no common figures.
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness.stats import REFERENCE, SIGNIFICANT, holm, least_p, rank_sum_p  # noqa: E402

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


def basis_of(before, after):
    """(what is compared, the figures of each)."""
    if before["contender"] != REFERENCE and before["paired_ratios"] and after["paired_ratios"]:
        return "ratio", before["paired_ratios"], after["paired_ratios"]
    return before["unit"], before["values"], after["values"]


def verdict_of(a, b, p, rows, least):
    """`p`: corrected for so many `rows`."""
    change = statistics.median(b) / statistics.median(a) - 1
    if p < SIGNIFICANT and abs(change) >= least:
        return "dearer" if change > 0 else "cheaper"
    # No difference, however large, can be shown by so few rounds: not the same as none.
    return "too few rounds" if abs(change) >= least and least_p(len(a), len(b)) * rows >= SIGNIFICANT else "same"


def rounds_needed(rows):
    """How many rounds on either side let the clearest of so many rows be shown."""
    return next(n for n in range(1, 100) if least_p(n, n) * rows < SIGNIFICANT)


def noise_of(before, after):
    known = [row["noisy"] for row in (before, after)]
    return " (noisy)" if True in known else " (noise unknown: fewer than 5 rounds)" if None in known else ""


def show(before, after, common, least):
    """Prints the table; returns how many of Fairlead's rows got dearer."""
    compared = [key for key in common if not rates_differ(before[key], after[key])]
    bases = {key: basis_of(before[key], after[key]) for key in compared}
    ps = dict(zip(compared, holm([rank_sum_p(a, b) for _, a, b in bases.values()])))
    print(f"{'workload':9} {'contender':16} {'basis':>14} {'before':>9} {'after':>9} {'change':>8} {'p':>6}  verdict")
    dearer, few = 0, 0
    for key in common:
        if key not in ps:
            print(f"{key[0]:9} {key[1]:16} {before[key]['unit']:>14} {'':>9} {'':>9} {'':>8} {'':>6}  {rates_differ(before[key], after[key])}")
            continue
        basis, a, b = bases[key]
        verdict = verdict_of(a, b, ps[key], len(ps), least)
        # The reference and the other peers are the machine's or the peer's affair; only Fairlead's own rows fail the comparison.
        dearer += verdict == "dearer" and key[1].startswith("fairlead")
        few += verdict == "too few rounds"
        first, second = statistics.median(a), statistics.median(b)
        print(f"{key[0]:9} {key[1]:16} {basis:>14} {first:9.3g} {second:9.3g} {(second / first - 1) * 100:+7.1f}% {ps[key]:6.3f}  "
              f"{verdict}{noise_of(before[key], after[key])}")
    print(f"p: corrected for {len(ps)} rows (Holm)" + (f"; {few} have too few rounds for it: {rounds_needed(len(ps))} on either side would do, "
                                                       "or fewer rows (compare.py --workloads, --contenders)" if few else ""))
    return dearer


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
    dearer = show(before, after, common, options.least / 100)
    only = sorted(f"{w} {c}" for w, c in before.keys() ^ after.keys())
    if only:
        print("in one report only: " + ", ".join(only))
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
