"""Runs -> report.json and report.html. Medians for the outage, maxima for holders and overlap, always with n."""
import html
import json
import os
import statistics
from collections import defaultdict

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}.bad{color:#b00020;font-weight:600}.note{color:#555}
svg text{font:12px system-ui,sans-serif}
"""


def rows(runs):
    """One row for each case, system, profile and number of nodes; in the order of the first run of each."""
    grouped = defaultdict(list)
    for run in runs:
        grouped[(run["case"], run["system"], run["profile"], run["nodes"])].append(run)
    out = []
    for (case, system, profile, nodes), group in grouped.items():
        outages = [r["verdict"]["outage_ms"] for r in group]
        out.append({
            "case": case, "system": system, "profile": profile, "nodes": nodes, "n": len(group),
            "outage_ms": {"min": min(outages), "median": round(statistics.median(outages), 1), "max": max(outages)},
            "requests_failed": max(r["verdict"]["failed"] for r in group),
            "resets": max(r["verdict"]["resets"] for r in group),
            "holders_max": max(r["verdict"]["holders_max"] for r in group),
            "overlap_ms_max": max(r["verdict"]["overlap_ms_max"] for r in group),
            "announcements": statistics.median(len(r["verdict"]["announcements"]) for r in group),
            "bound_ms": group[0]["bound_ms"],
            "prober_late_ms_max": max(r["verdict"]["prober_late_ms_max"] for r in group),
            "loop_late_ms_max": max(r["loop_late_ms"] for r in group),
            "recovered": all(r["verdict"]["recovered"] for r in group),
        })
    return out


def broken(row):
    """What of a row is not as promised; empty: nothing. The prober's own grain (one interval) and lateness are not the system's."""
    grain = 5 + row["prober_late_ms_max"]
    out = []
    if not row["recovered"]:
        out.append("the VIP did not come back")
    if row["holders_max"] > 1 and row["case"] != "freeze-node":
        out.append(f"{row['holders_max']} nodes answered at once for {row['overlap_ms_max']} ms")
    if row["case"] == "freeze-node" and row["overlap_ms_max"] > 50 + grain:
        out.append(f"two nodes answered for {row['overlap_ms_max']} ms after the wake")
    if row["bound_ms"] is not None and row["outage_ms"]["max"] > row["bound_ms"] + grain:
        out.append(f"outage {row['outage_ms']['max']} ms, promised {row['bound_ms']} ms")
    return out


def bar_chart(table):
    """Outage by case: the bar from 0 to the median, a line from min to max, a tick at what is promised. Logarithmic, 1 ms to 100 s."""
    import math
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
        color = "#b00020" if broken(row) else "#1b6ac9" if row["system"] == "fairlead" else "#8a8a8a"
        label = f"{row['case']} · {row['nodes']} {row['profile']}" + ("" if row["system"] == "fairlead" else f" · {row['system']}")
        parts.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{html.escape(label)}</text>'
                     f'<rect x="{left}" y="{y + 4}" width="{max(x(outage["median"]) - left, 1):.1f}" height="13" fill="{color}"/>'
                     f'<line x1="{x(outage["min"]):.1f}" x2="{x(outage["max"]):.1f}" y1="{y + 10}" y2="{y + 10}" stroke="#222"/>'
                     f'<text x="{x(outage["max"]) + 6:.1f}" y="{y + 15}">{outage["median"]:g}</text>')
        if row["bound_ms"]:
            parts.append(f'<line x1="{x(row["bound_ms"]):.1f}" x2="{x(row["bound_ms"]):.1f}" y1="{y + 1}" y2="{y + 20}" stroke="#b00020" stroke-dasharray="2"/>')
    return "".join(parts) + "</svg>"


def write(folder, runs, facts, not_run):
    os.makedirs(folder, exist_ok=True)
    table = rows(runs)
    with open(os.path.join(folder, "report.json"), "w", encoding="utf-8") as file:
        json.dump(table, file, indent=1)
    cells = "".join(
        f"<tr><td>{html.escape(r['case'])}</td><td>{html.escape(r['system'])}</td><td>{r['profile']}</td><td>{r['nodes']}</td><td>{r['n']}</td>"
        f"<td>{r['outage_ms']['median']:g}</td><td>{r['outage_ms']['min']:g} .. {r['outage_ms']['max']:g}</td>"
        f"<td>{'-' if r['bound_ms'] is None else r['bound_ms']}</td><td>{r['requests_failed']}</td><td>{r['resets']}</td>"
        f"<td>{r['holders_max']}</td><td>{r['overlap_ms_max']:g}</td><td>{r['announcements']:g}</td>"
        f"<td>{r['prober_late_ms_max']:g} / {r['loop_late_ms_max']:g}</td><td class='bad'>{html.escape('; '.join(broken(r)))}</td></tr>"
        for r in table)
    missing = "".join(f"<li>{html.escape(name)}: {html.escape(why)}</li>" for name, why in not_run.items())
    with open(os.path.join(folder, "report.html"), "w", encoding="utf-8") as file:
        file.write(
            f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Fairlead drills</title><style>{STYLE}</style>"
            f"<h1>Failovers on purpose</h1><p class='note'>{html.escape(facts)}</p>{bar_chart(table)}"
            "<p class='note'>Outage of new connections in ms, from outside: from the begin of the first try that failed to the begin of the first "
            "one that was answered; a try every 5 ms. Bar: median; line: min to max; dashed: what is promised.</p>"
            "<table><tr><th>case<th>system<th>profile<th>nodes<th>n<th>outage<th>min .. max<th>promised<th>failed<th>resets"
            "<th>holders<th>overlap<th>announcements<th>late: prober / loop<th></tr>" + cells + "</table>"
            "<h2>Not run</h2><ul>" + missing + "</ul>"
            "<h2>What this does not prove</h2><p>One kernel, virtual Ethernet, one clock: no pause of a whole machine, no real switch that "
            "drops or delays ARP, no second clock.</p></html>")
    return table
