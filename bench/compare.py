#!/usr/bin/env python3
"""Compares two reports of bench/run.py: `compare.py BEFORE AFTER`. A difference is called one only when the rounds support it.

By ratio to HAProxy of the same round where both reports have it (the machine's mood cancels out), by the plain figure otherwise.
Verdict per workload and contender: the rank-sum test over rounds says p < 0.05 and the medians differ by more than --least percent.
Exit: 0 nothing got dearer, 1 something did, 2 wrong usage or no common figures.
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness.stats import REFERENCE, SIGNIFICANT, rank_sum_p  # noqa: E402


def load(path):
    """Main rows (cost per unit) by (workload, contender)."""
    if os.path.isdir(path):
        path = os.path.join(path, "report.json")
    with open(path, encoding="utf-8") as file:
        return {(r["workload"], r["contender"]): r for r in json.load(file) if r.get("main")}


def judge(before, after, least):
    """(basis, before, after, change, p, verdict) of one row."""
    ratios = before["contender"] != REFERENCE and before["paired_ratios"] and after["paired_ratios"]
    a, b = (before["paired_ratios"], after["paired_ratios"]) if ratios else (before["values"], after["values"])
    change = statistics.median(b) / statistics.median(a) - 1
    p = rank_sum_p(a, b)
    if p >= SIGNIFICANT or abs(change) < least:
        # With fewer rounds than 4 and 4 no difference, however large, can reach p < 0.05.
        verdict = "too few rounds" if min(len(a), len(b)) < 4 and abs(change) >= least else "same"
    else:
        verdict = "dearer" if change > 0 else "cheaper"
    return "ratio" if ratios else before["unit"], statistics.median(a), statistics.median(b), change, p, verdict


def main(argv):
    parser = argparse.ArgumentParser(description="Compare two benchmark reports, with regard to their noise.")
    parser.add_argument("before", help="report.json, or the directory it lies in")
    parser.add_argument("after")
    parser.add_argument("--least", type=float, default=3.0, help="percent below which a difference does not matter (default 3)")
    options = parser.parse_args(argv)
    try:
        before, after = load(options.before), load(options.after)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    common = [key for key in after if key in before]
    if not common:
        print("compare: the two reports have no workload and contender in common", file=sys.stderr)
        return 2
    print(f"{'workload':9} {'contender':16} {'basis':>14} {'before':>9} {'after':>9} {'change':>8} {'p':>6}  verdict")
    dearer = 0
    for key in common:
        basis, a, b, change, p, verdict = judge(before[key], after[key], options.least / 100)
        noisy = " (noisy)" if before[key]["noisy"] or after[key]["noisy"] else ""
        # The reference and the other peers are the machine's or the peer's affair; only Fairlead's own rows fail the comparison.
        dearer += verdict == "dearer" and key[1].startswith("fairlead")
        print(f"{key[0]:9} {key[1]:16} {basis:>14} {a:9.3g} {b:9.3g} {change * 100:+7.1f}% {p:6.3f}  {verdict}{noisy}")
    only = sorted(f"{w} {c}" for w, c in before.keys() ^ after.keys())
    if only:
        print("in one report only: " + ", ".join(only))
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
