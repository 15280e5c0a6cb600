"""Runs -> report.json and report.html. Medians for the outage, maxima for holders and overlap, always with n."""
import html
import json
import math
import os
import statistics
from collections import Counter, defaultdict

from support.promises import OURS, PROMISES_OF

PROBE_INTERVAL_MS = 5
SILENCE_ALLOWED_MS = 50   # As drill/probe_log.h has it: answers may come so much later than promised, when none is lost by that.
LATE_ALLOWED_MS = 20      # A prober that was late by more, and by more than half of what is promised, has measured itself.
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child,.left{text-align:left}.bad{color:#b00020;font-weight:600}.note{color:#555}
svg text{font:12px system-ui,sans-serif}
"""


def rows(runs):
    """One row for each case, system, profile and number of nodes; in the order of the first run of each."""
    grouped = defaultdict(list)
    for run in runs:
        grouped[(run["case"], run["system"], run["profile"], run["nodes"])].append(run)
    return [row_of(key, group) for key, group in grouped.items()]


def row_of_one(run):
    return row_of((run["case"], run["system"], run["profile"], run["nodes"]), [run])


def row_of(key, runs):
    case, system, profile, nodes = key
    verdicts = [run["verdict"] for run in runs]
    outages = [v["outage_ms"] for v in verdicts]
    promise = PROMISES_OF.get(system, {}).get(case)
    bound = promise.outage_ms(profile) if promise else None
    stations = Counter()
    for v in verdicts:
        stations.update(v["rounds_by_station"])
    return {
        "case": case, "system": system, "profile": profile, "nodes": nodes, "n": len(runs),
        "outage_ms": {"min": min(outages), "median": round(statistics.median(outages), 1), "max": max(outages)},
        "silence_ms_max": max(v["silence_ms_max"] for v in verdicts),
        "requests_failed": max(v["failed"] for v in verdicts),
        "resets": max(v["resets"] for v in verdicts),
        "holders_max": max(v["holders_max"] for v in verdicts),
        "overlap_ms_max": max(v["overlap_ms_max"] for v in verdicts),
        "announcements": statistics.median(len(v["announcements"]) for v in verdicts),
        "answered_arp": dict(sorted(stations.items())),                        # {station: rounds}
        "holders_in_order": dict(Counter(map(in_order, verdicts)).most_common()),   # {"gate-1 > gate-2": runs}
        "bound_ms": bound,
        "beyond_bound_ms": 0 if bound is None else max(beyond(v, "outage_ms", bound) for v in verdicts),
        "silent_beyond_ms": 0 if bound is None else max(beyond(v, "silence_ms_max", bound + SILENCE_ALLOWED_MS) for v in verdicts),
        "least_ms": promise.least_ms(profile) if promise else 0,
        "no_bound_because": promise.why if promise else "not ours to promise",
        "failed_max": promise.failed_max if promise else None,
        "beyond_overlap_ms": max(beyond(v, "overlap_ms_max", promise.overlap_ms) for v in verdicts) if promise and promise.overlap_ms else None,
        "moves": promise.moves if promise else None,
        "prober_late_ms_max": max(v["prober_late_ms_max"] for v in verdicts),
        "prober_too_late": any(too_late(v, bound) for v in verdicts),
        "loop_late_ms_max": max((run["loop_late_ms"] for run in runs if run["loop_late_ms"] is not None), default=None),
        "recovered": all(v["recovered"] for v in verdicts),
        "arp_watched": all(v["arp_watched"] for v in verdicts),
        "nobody_answered_arp": sum(v["holders_max"] == 0 for v in verdicts),   # Runs.
    }


def beyond(verdict, what, allowed_ms):
    """By how much a run took longer than is allowed. The prober's own grain (one interval; an outage ends with an answer, which takes its usual time)
    and lateness are not the system's."""
    grain = PROBE_INTERVAL_MS + (verdict["answer_ms_usual"] if what == "outage_ms" else 0)
    return max(0, round(verdict[what] - allowed_ms - grain - verdict["prober_late_ms_max"], 3))


def too_late(verdict, bound_ms):
    """Whether the prober itself was too late to say anything about a promise."""
    return bound_ms is not None and verdict["prober_late_ms_max"] > max(LATE_ALLOWED_MS, bound_ms / 2)


def in_order(verdict):
    """Who answered ARP, one after the other: "gate-1 > gate-2"; those that answered at once: "gate-1 and gate-2"."""
    out = []
    for seen in verdict["answered_by"]:
        name = " and ".join(seen["answered_by"])
        if name and name != (out[-1] if out else None):
            out.append(name)
    return " > ".join(out)


def moves_in(order):
    """How often it moved; one that answers beside another has it when it answers alone."""
    alone = [who for who in order.split(" > ") if " and " not in who]
    return sum(a != b for a, b in zip(alone, alone[1:]))


def wrong_moves(order, promised):
    """What of "gate-1 > gate-2" is not as promised; empty: nothing, or nothing is."""
    seen = moves_in(order)
    if promised is None or seen == promised:
        return ""
    if not promised:
        return f"it was to stay where it was: {order}"
    if not seen:
        return f"it was to move, and {order or 'nobody'} answered all the time"
    return f"it was to move {times(promised)}, and moved {times(seen)}: {order}"


def times(number):
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def unsafe(row):
    """What of a row must never be, however late or busy anybody was; empty: nothing."""
    out = []
    if not row["recovered"]:
        out.append("the VIP did not come back")
    if strangers := [station for station in row["answered_arp"] if ":" in station]:
        out.append(f"{', '.join(strangers)} answered ARP, and is no gateway")
    if row["holders_max"] > 1 and row["beyond_overlap_ms"] != 0:   # None: never two.
        out.append(f"{row['holders_max']} nodes answered at once for {row['overlap_ms_max']} ms")
    return out


def broken(row):
    """What of a row is not as promised; empty: nothing."""
    out = unsafe(row)
    if not row["arp_watched"]:
        out.append("ARP was not watched")
    elif row["nobody_answered_arp"]:
        out.append(f"nobody ever answered ARP ({row['nobody_answered_arp']} runs)")
    if row["beyond_bound_ms"]:
        out.append(f"outage {row['outage_ms']['max']} ms, promised {row['bound_ms']} ms")
    if row["silent_beyond_ms"] and not row["beyond_bound_ms"]:
        out.append(f"no answer for {row['silence_ms_max']} ms, promised {row['bound_ms']} ms")
    if row["prober_too_late"]:
        out.append(f"the prober was {row['prober_late_ms_max']} ms late: to be measured again")
    out += [f"{wrong} ({count} runs)" for order, count in row["holders_in_order"].items() if (wrong := wrong_moves(order, row["moves"]))]
    if row["outage_ms"]["min"] < row["least_ms"]:
        out.append(f"outage {row['outage_ms']['min']} ms, which cannot be below {row['least_ms']} ms")
    if row["failed_max"] is not None and row["requests_failed"] > row["failed_max"]:
        out.append(f"{row['requests_failed']} tries failed, promised at most {row['failed_max']}")
    return out


def bar_chart(table):
    """Outage by case: the bar from 0 to the median, a line from min to max, a tick at what is promised. Logarithmic, 1 ms to 100 s."""
    left, width, height = 250, 620, 22

    def x(ms):
        return left + width * min(1.0, max(0.0, math.log10(max(ms, 1)) / 5))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height * len(table) + 40}" role="img">']
    for exponent, label in enumerate(("1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s")):
        at = left + width * exponent / 5
        parts.append(f'<line x1="{at}" y1="0" x2="{at}" y2="{height * len(table)}" stroke="#ddd"/>'
                     f'<text x="{at}" y="{height * len(table) + 16}" text-anchor="middle">{label}</text>')
    for i, row in enumerate(table):
        y, outage = i * height, row["outage_ms"]
        color = "#b00020" if row["system"] in PROMISES_OF and broken(row) else "#1b6ac9" if row["system"] in PROMISES_OF else "#8a8a8a"
        label = f"{row['case']} · {row['nodes']} {row['profile']}" + ("" if row["system"] == OURS else f" · {row['system']}")
        parts.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{html.escape(label)}</text>'
                     f'<rect x="{left}" y="{y + 4}" width="{max(x(outage["median"]) - left, 1):.1f}" height="13" fill="{color}"/>'
                     f'<line x1="{x(outage["min"]):.1f}" x2="{x(outage["max"]):.1f}" y1="{y + 10}" y2="{y + 10}" stroke="#222"/>'
                     f'<text x="{x(outage["max"]) + 6:.1f}" y="{y + 15}">{outage["median"]:g}</text>')
        if row["bound_ms"]:
            parts.append(f'<line x1="{x(row["bound_ms"]):.1f}" x2="{x(row["bound_ms"]):.1f}" y1="{y + 1}" y2="{y + 20}" stroke="#b00020" stroke-dasharray="2"/>')
    return "".join(parts) + "</svg>"


def promised(row):
    if row["bound_ms"] is None:
        return f"<span title='{html.escape(row['no_bound_because'], quote=True)}'>-</span>"
    return f"{row['bound_ms']}" + ("" if row["failed_max"] is None else f", {row['failed_max']} failed")


def table_row(row):
    order = "<br>".join(f"{html.escape(order)} ({count})" for order, count in row["holders_in_order"].items())
    stations = "<br>".join(f"{html.escape(station)}: {count}" for station, count in row["answered_arp"].items())
    loop = "-" if row["loop_late_ms_max"] is None else f"{row['loop_late_ms_max']:g}"
    # What others do is no promise of ours; but a service that never came back is no outage of that length either.
    wrong = broken(row) if row["system"] in PROMISES_OF else [] if row["recovered"] else ["not back while it was watched"]
    return (f"<tr><td>{html.escape(row['case'])}</td><td>{html.escape(row['system'])}</td><td>{row['profile']}</td><td>{row['nodes']}</td><td>{row['n']}</td>"
            f"<td>{row['outage_ms']['median']:g}</td><td>{row['outage_ms']['min']:g} .. {row['outage_ms']['max']:g}</td><td>{promised(row)}</td>"
            f"<td>{row['silence_ms_max']:g}</td>"
            f"<td>{row['requests_failed']}</td><td>{row['resets']}</td><td>{row['holders_max']}</td><td>{row['overlap_ms_max']:g}</td>"
            f"<td class='left'>{order}</td><td class='left'>{stations}</td><td>{row['announcements']:g}</td>"
            f"<td>{row['prober_late_ms_max']:g} / {loop}</td><td class='bad'>{html.escape('; '.join(wrong))}</td></tr>")


def write(folder, runs, facts, not_run):
    """`facts`: sentences. `not_run`: {what: why not}."""
    os.makedirs(folder, exist_ok=True)
    table = rows(runs)
    for row in table:
        row["not_as_promised"] = broken(row) if row["system"] in PROMISES_OF else []
    with open(os.path.join(folder, "report.json"), "w", encoding="utf-8") as file:
        json.dump(table, file, indent=1)
    unbounded = {r["case"]: r["no_bound_because"] for r in table if r["system"] in PROMISES_OF and r["bound_ms"] is None}
    lists = "".join(f"<h2>{title}</h2><ul>" + "".join(f"<li>{html.escape(name)}: {html.escape(why)}</li>" for name, why in found.items()) + "</ul>"
                    for title, found in (("Without a promised outage", unbounded), ("Not run", not_run)) if found)
    with open(os.path.join(folder, "report.html"), "w", encoding="utf-8") as file:
        file.write(
            f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Fairlead drills</title><style>{STYLE}</style>"
            f"<h1>Failovers on purpose</h1><p class='note'>{'<br>'.join(map(html.escape, facts))}</p>{bar_chart(table)}"
            "<p class='note'>Outage of new connections in ms, from outside: from the begin of the first try that failed to the answer of the first "
            "one after it that had one; a try every 5 ms. Silence: the longest time in which no try at all was answered. Bar: median; line: min to max; "
            "dashed: what is promised. Silence, failed, resets, holders, overlap, late: the worst of the n runs. Announcements: "
            "the median. Late: the prober itself; the gateways' control loops.</p>"
            "<table><tr><th>case<th>system<th>profile<th>nodes<th>n<th>outage<th>min .. max<th>promised<th>silence<th>failed<th>resets"
            "<th>holders<th>overlap<th class='left'>answered ARP, in order (runs)<th class='left'>rounds<th>announcements<th>late: prober / control<th></tr>"
            + "".join(map(table_row, table)) + "</table>" + lists +
            "<h2>What this does not prove</h2><p>One kernel, virtual Ethernet, one clock: no pause of a whole machine, no real switch that "
            "drops or delays ARP, no second clock.</p></html>")
    return table
