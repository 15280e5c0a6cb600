"""What Fairlead means to reach beside HAProxy, and whether a run shows it: for the default engine, by the report's own rows."""
import statistics
from dataclasses import dataclass

from .report import find, number
from .stats import NOISE_ROUNDS

OURS = "fairlead-uring"
REACHED, MISSED, OPEN = "reached", "missed", "not shown"


@dataclass(frozen=True)
class Aim:
    what: str
    workloads: tuple
    unit: str
    each: float              # ratio to HAProxy that each workload may have at most
    stretch: float           # what each would have at most in the best case
    median: float = 0        # ratio that the median of the workloads may have at most; 0: not asked for
    below: tuple = ()        # contenders whose figure is to be above ours in each workload
    rounds: int = NOISE_ROUNDS
    at_most: float = 0       # figure, in `unit`; 0: not asked for
    not_higher: bool = False  # instead of a ratio: no rise at 95 % confidence


AIMS = (
    Aim("CPU per keep-alive request", ("p64s", "p64", "p512s", "p512"), "us/request", 0.90, 0.75, median=0.85, below=("nginx", "haproxy-3")),
    Aim("CPU per connect, request, close", ("churn",), "us/connection", 0.88, 0.75, below=("nginx",)),
    Aim("CPU per GB, 4 connections, reno", ("d4", "u4"), "ms/GB", 0.50, 0.35, below=("nginx",)),
    Aim("CPU per GB, 4 connections, bbr", ("d4-bbr", "u4-bbr"), "ms/GB", 0.65, 0.50, below=("nginx",)),
    Aim("CPU per GB, 1 connection", ("d1", "u1", "d1-bbr", "u1-bbr"), "ms/GB", 0.80, 0.50),
    Aim("99th percentile of latency", ("lat",), "p99 us", 0, 0, rounds=10, not_higher=True),
    Aim("memory of an idle connection", ("idle",), "B/connection", 0.15, 0, at_most=512),
    Aim("CPU per event of a watch", ("watch",), "us/event", 0.90, 0.75),
)


def judge(aim, rows):
    """{what, asked, measured: {workload: ratio}, verdict, why, stretch}: `why` names what missed, and what the run cannot show."""
    ratios, missed, unknown = {}, [], []
    for workload in aim.workloads:
        row = find(rows, workload, OURS, aim.unit)
        if not row or row["ratio_to_haproxy"] is None:
            unknown.append(f"{workload} not measured")
            continue
        ratios[workload] = row["ratio_to_haproxy"]
        missed += misses_of(aim, workload, row)
        unknown += gaps_of(aim, workload, row)
        for peer in aim.below:
            other = find(rows, workload, peer, aim.unit)
            if not other:
                unknown.append(f"{workload} without {peer}")
            elif other["median"] <= row["median"]:
                missed.append(f"{workload} not below {peer}'s {number(other['median'])}")
    whole = len(ratios) == len(aim.workloads)
    if aim.median and whole and (middle := statistics.median(ratios.values())) > aim.median:
        missed.append(f"median {middle:.2f} > {aim.median:.2f}")
    return {"what": aim.what, "asked": asked(aim), "measured": ratios, "verdict": MISSED if missed else OPEN if unknown else REACHED, "why": missed + unknown,
            "stretch": bool(aim.stretch and whole and not missed and not unknown and max(ratios.values()) <= aim.stretch)}


def gaps_of(aim, workload, row):
    """Why the row shows nothing, whatever it says."""
    if row["n"] < aim.rounds:
        return [f"{workload}: {row['n']} round{'s' if row['n'] > 1 else ''}, {aim.rounds} are needed"]
    if aim.not_higher:
        return [f"{workload} noisy"] if row["noisy"] else []
    against = row.get("against_haproxy", {})
    interval = against.get("ratio_ci90") or against.get("ratio_ci95")
    if row["ratio_to_haproxy"] <= aim.each < (interval or [0, 1])[1]:   # noise matters where it could hide a miss
        return [f"{workload} {interval[0]:.2f} .. {interval[1]:.2f}" if interval else f"{workload}: its interval is not known"]
    return []


def misses_of(aim, workload, row):
    out = []
    if aim.not_higher:
        return [f"{workload} higher"] if row["against_haproxy"]["verdict"] == "higher" else []
    if row["ratio_to_haproxy"] > aim.each:
        out.append(f"{workload} {row['ratio_to_haproxy']:.3f} > {aim.each:.2f}")
    if aim.at_most and row["median"] > aim.at_most:
        out.append(f"{workload} {number(row['median'])} > {number(aim.at_most)} {aim.unit}")
    return out


def asked(aim):
    if aim.not_higher:
        return "not higher than HAProxy's at 95 % confidence"
    parts = [f"at most {aim.each:.2f} of HAProxy" + (" each" if len(aim.workloads) > 1 else "")]
    if aim.median:
        parts.append(f"median at most {aim.median:.2f}")
    if aim.at_most:
        parts.append(f"at most {number(aim.at_most)} {aim.unit}")
    if aim.below:
        parts.append("below " + " and ".join(aim.below))
    return ", ".join(parts)


def judged(rows):
    """Of all aims of which something was measured."""
    return [verdict for verdict in (judge(aim, rows) for aim in AIMS) if verdict["measured"]]


def text(verdicts):
    """Lines for the terminal; none when nothing was measured."""
    if not verdicts:
        return []
    lines = ["", f"aims ({OURS}; ratios to HAProxy in this run):"]
    for v in verdicts:
        ratios = ", ".join(f"{workload} {ratio:.2f}" for workload, ratio in v["measured"].items())
        lines.append(f"  {v['verdict'] + (', the best case too' if v['stretch'] else ''):12} {v['what']}: {ratios} (asked: {v['asked']})"
                     + (f"; {'; '.join(v['why'])}" if v["why"] else ""))
    return lines
