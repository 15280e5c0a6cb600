"""What a run leaves: report.json (rows), run.json (how they came about), report.html, and the table on the terminal."""
import html
import json
import os
import tempfile

from . import plots, stats


def rows_of(cells, workloads, contenders, versions):
    """cells: {(workload, contender): {round: result}} -> rows, in the order of workloads and contenders."""
    rows = []
    for workload in workloads:
        for contender in contenders:
            results = cells.get((workload.name, contender.name))
            if not results:
                continue
            if contender.forwards and not contender.proxies:
                results = over_direct(results, cells.get((workload.name, "direct"), {}), "load " + workload.cost_unit, workload.cost_unit)
            reference = cells.get((workload.name, stats.REFERENCE), {})
            units = list(dict.fromkeys(unit for result in results.values() for unit in result["metrics"]))
            for unit in units:
                values = {r: result["metrics"][unit] for r, result in results.items() if unit in result["metrics"]}
                other = {r: result["metrics"][unit] for r, result in reference.items() if unit in result["metrics"]}
                row = stats.row_of(workload.name, contender.name, versions[contender.name], unit, values, other, workload.noise,
                                   stats.BY_RATIO if workload.in_turns else stats.BY_FIGURE)
                row["main"] = unit == workload.cost_unit
                if workload.rate:
                    row["rate_asked"] = workload.rate
                row["congestion_control"] = next(iter(results.values()))["facts"]["tcp_congestion_control"]
                marks = next(iter(results.values())).get("idle", {}).get("marks")
                if marks:
                    row["read_at_connections"] = [mark["connections"] for mark in marks]
                rows.append(row)
    return rows


def over_direct(results, direct, unit, name):
    """What something without a process adds to the load side's own cost, round by round: the nearest there is to a cost of its own."""
    out = {}
    for r, result in results.items():
        metrics = dict(result["metrics"])
        other = direct.get(r, {}).get("metrics", {})
        if unit in metrics and unit in other:
            metrics[f"{name} over direct"] = metrics[unit] - other[unit]
        out[r] = {**result, "metrics": metrics}
    return out


def number(value):
    """Three or four digits that matter."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def find(rows, workload, contender, unit):
    return next((r for r in rows if r["workload"] == workload and r["contender"] == contender and r["unit"] == unit), None)


def text_table(rows, workloads, contenders):
    lines = []
    for workload in workloads:
        if not any(r["workload"] == workload.name for r in rows):
            continue
        lines += ["", f"{workload.name}: {workload.title}",
                  f"  {'':16} {workload.cost_unit:>14}  {'min .. max':>19} {'n':>3}  {'to HAProxy':>10}  {workload.rate_unit or '':>14}  {'proxy CPU':>9}"]
        for contender in contenders:
            line = text_line(rows, workload, contender.name)
            if line:
                lines.append(f"  {contender.name:16} {line}")
    return "\n".join(lines).strip("\n")


def text_line(rows, workload, name):
    cost = find(rows, workload.name, name, workload.cost_unit)
    rate = find(rows, workload.name, name, workload.rate_unit) if workload.rate_unit else None
    p50 = find(rows, workload.name, name, "p50 us") if workload.paced else None
    if not cost and not rate and not p50:
        return ""
    busy = find(rows, workload.name, name, "% proxy CPU")
    spread = f"{number(cost['min']) + ' .. ' + number(cost['max']):>19} {cost['n']:>3}" if cost else f"{'':>19} {(rate or p50)['n']:>3}"
    line = (f"{number(cost['median']) if cost else '-':>14}  {spread}"
            f"  {format(cost['ratio_to_haproxy'], '.2f') if cost and cost['ratio_to_haproxy'] else '-':>10}"
            f"  {number(rate['median']) if rate else '':>14}  {format(busy['median'], '.0f') + ' %' if busy else '':>9}"
            + ("  noisy" if cost and cost["noisy"] else ""))
    if p50:
        others = [(unit, find(rows, workload.name, name, unit)) for unit in ("p99 us", "p99.9 us") if unit != workload.cost_unit]
        line += f"  p50 {number(p50['median'])}" + "".join(f", {unit.removesuffix(' us')} {number(r['median'])}" for unit, r in others)
    verdict = (cost or {}).get("against_haproxy", {}).get("verdict")
    return line + (f"  {verdict}" if workload.unit == "latency" and verdict else "")


STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d8dee4; --paper: #fff; --bar: #b3bcc6; --own: #0b6bcb; --noisy: #b45309 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #30363d; --paper: #0d1117; --bar: #4b5563; --own: #4493f8; --noisy: #e3a04a } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem } p { margin: .3rem 0; color: var(--soft) }
svg { width: 100%; height: auto; display: block } text { fill: var(--ink); font: 13px system-ui, sans-serif } .soft { fill: var(--soft) }
.limit { fill: none; stroke: var(--soft); stroke-dasharray: 4 3 } .border { stroke: var(--line) }
.bar { fill: var(--bar) } .own { fill: var(--own) } .whisker { stroke: var(--ink); stroke-width: 1.5 } .warn { fill: var(--noisy) }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums }
td, th { border-bottom: 1px solid var(--line); padding: .2rem .5rem; text-align: right }
td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left } pre { overflow-x: auto; border: 1px solid var(--line); padding: .7rem; font-size: 12px } .scroll { overflow-x: auto }
"""


STEP, LEFT, WIDTH = 30, 170, 480   # of a chart: from one bar to the next, where bars begin, how long the longest is


def chart(workload, rows, contenders):
    """Horizontal bars of one workload's medians, with a whisker from min to max; below a line what has no proxy, as limits. Zero-based: lengths may
    be compared."""
    rows = [r for r in rows if r["workload"] == workload.name]
    main = {r["contender"]: r for r in rows if r["main"]}
    proxies = [(c, main[c.name]) for c in contenders if c.proxies and c.name in main]
    limits = [(c, *shown) for c in contenders if not c.proxies and (shown := limit_of(workload, rows, c))]
    scale = WIDTH / (max([r["max"] for _, r in proxies] + [r["max"] for _, r, _ in limits if r], default=0) or 1.0)
    parts = []
    for i, (contender, row) in enumerate(proxies):
        ratio = f"{row['ratio_to_haproxy']:.2f} of HAProxy" if row["ratio_to_haproxy"] is not None and row["contender"] != stats.REFERENCE else ""
        words = f'{number(row["median"])} <tspan class="soft">{ratio}</tspan>' + ('<tspan class="warn"> noisy</tspan>' if row["noisy"] else "")
        parts.append(bar(i * STEP, contender, row, scale, "own" if contender.name.startswith("fairlead") else "bar", words))
    top = STEP * len(proxies)
    if limits:
        parts.append(f'<line class="border" x1="12" x2="888" y1="{top + 3}" y2="{top + 3}"/><text class="soft" x="12" y="{top + 19}">limits, no proxies</text>')
        top += 24
    for i, (contender, row, words) in enumerate(limits):
        parts.append(bar(top + i * STEP, contender, row, scale, "limit", f'<tspan class="soft">{html.escape(words)}</tspan>'))
    unit = html.escape(workload.cost_unit)
    return f'<svg viewBox="0 0 900 {top + STEP * len(limits) + 6}" role="img" aria-label="{unit}">' + "".join(parts) + "</svg>"


def bar(y, contender, row, scale, kind, words):
    """One line of a chart; without a row only its words."""
    low, mid, high = (LEFT + max(row[k], 0) * scale if row else LEFT for k in ("min", "median", "max"))
    drawn = (f'<rect class="{kind}" x="{LEFT}" y="{y + 5}" width="{max(mid - LEFT, 1):.1f}" height="19" rx="2"/>'
             f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y + 14.5}" y2="{y + 14.5}"/>') if row else ""
    return (f'<text x="{LEFT - 8}" y="{y + 19}" text-anchor="end">{html.escape(contender.title)}</text>{drawn}'
            f'<text x="{high + 8:.1f}" y="{y + 19}">{words}</text>')


def limit_of(workload, rows, contender):
    """(row of its bar or None, what is said of it) of something without a process of its own; None when there is nothing to say."""
    def row(unit):
        return next((r for r in rows if r["contender"] == contender.name and r["unit"] == unit), None)

    said, drawn = [], row(workload.cost_unit) or row(f"{workload.cost_unit} over direct")
    if drawn:
        said.append(number(drawn["median"]) + ("" if drawn["main"] else " more than no proxy, on the load's side"))
    if rate := workload.rate_unit and row(workload.rate_unit):
        said.append(f"{number(rate['median'])} {workload.rate_unit}")
    elif not drawn and (late := row("p99 us")):
        said.append(f"p99 {number(late['median'])} us")
    return (drawn, ", ".join(said)) if said else None


def noise_word(row):
    return " noisy" if row["noisy"] else ", noise unknown" if row["noisy"] is None else ""


def verdict_text(row):
    """Against HAProxy, with the interval of the ratio: 'lower (0.71 .. 0.88)'."""
    against = row.get("against_haproxy")
    if not against:
        return ""
    interval = against.get("ratio_ci95") or against.get("ratio_ci90")
    return against["verdict"] + (f" ({interval[0]:.2f} .. {interval[1]:.2f})" if interval else "")


def html_report(rows, run, workloads, contenders):
    machine = run["machine"]
    head = f"{html.escape(machine['cpu'])}, {machine['cpus']} CPUs, kernel {html.escape(machine['kernel'])}, " \
           f"{machine.get('syscall_ns', '?')} ns per system call; {html.escape(run['network'])}; " \
           f"rounds interleaved; {html.escape(run['finished'])}"
    body = ["<h1>Fairlead benchmark</h1>", f"<p>{head}</p>",
            "<p>Bars: median CPU time of the proxy per unit of work, of lat the 99th percentile of latency (shorter is better); "
            "the line runs from the lowest to the highest round. Dashed: limits without a proxy; the kernel's is what the load side spends more than with none.</p>"]
    body += aims_table(run.get("aims", []))
    for note in run["notes"]:
        body.append(f'<p style="color: var(--noisy)">{html.escape(note)}</p>')
    for workload in workloads:
        main = main_rows(rows, workload)
        if not main:
            continue
        body += [f"<h2>{workload.name}: {html.escape(workload.title)}</h2>",
                 f"<p>{workload.cost_unit}, {main[0]['n']} rounds{' in turns' if workload.in_turns else ''}, congestion control {main[0]['congestion_control']}"
                 + (f", {main[0]['rate_asked']:,} requests/s asked of all" if "rate_asked" in main[0] else "") + "</p>", chart(workload, rows, contenders)]
    body.append("<h2>All figures</h2><div class=scroll><table>"
                "<tr><th>workload<th>contender<th>unit<th>median<th>min<th>max<th>n<th>to HAProxy<th>verdict at 95 % (interval of the ratio)<th>spread</tr>")
    for row in rows:
        ratio = "" if row["ratio_to_haproxy"] is None else f"{row['ratio_to_haproxy']:.2f}"
        body.append(f"<tr><td>{row['workload']}<td>{row['contender']} {html.escape(row['version'])}<td>{row['unit']}<td>{number(row['median'])}<td>{number(row['min'])}"
                    f"<td>{number(row['max'])}<td>{row['n']}<td>{ratio}<td>{verdict_text(row)}<td>{row['spread'] * 100:.0f} %{noise_word(row)}</tr>")
    body.append("</table></div><h2>Configurations</h2><p>As run; ports differ from cell to cell.</p>")
    for contender in contenders:
        if contender.name in run["configurations"]:
            body.append(f"<details><summary>{html.escape(contender.title)} ({html.escape(run['versions'][contender.name])})</summary>"
                        f"<pre>{html.escape(run['configurations'][contender.name])}</pre></details>")
    for name, load in run.get("loads", {}).items():
        body.append(f"<details><summary>Load of {html.escape(name)}</summary><pre>{html.escape(load)}</pre></details>")
    rest = {k: v for k, v in run.items() if k not in ("configurations", "loads")}
    body.append(f"<details><summary>The run</summary><pre>{html.escape(json.dumps(rest, indent=2))}</pre></details>")
    return ("<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Fairlead benchmark</title>"
            f"<style>{STYLE}</style><body>{''.join(body)}</body></html>\n")


def aims_table(verdicts):
    if not verdicts:
        return []
    out = ["<h2>Aims</h2><p>Fairlead's default engine; ratios to HAProxy in this run.</p>"
           "<div class=scroll><table><tr><th>what<th>asked<th>measured<th>verdict</tr>"]
    for v in verdicts:
        ratios = ", ".join(f"{workload} {ratio:.2f}" for workload, ratio in v["measured"].items())
        words = v["verdict"] + (", the best case too" if v["stretch"] else "") + (": " + "; ".join(v["why"]) if v["why"] else "")
        out.append(f"<tr><td>{html.escape(v['what'])}<td>{html.escape(v['asked'])}<td>{ratios}<td>{html.escape(words)}</tr>")
    return [*out, "</table></div>"]


def write_atomically(path, text):
    """A reader sees the old file or the new one, never half of one."""
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False, encoding="utf-8") as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def main_rows(rows, workload):
    return [r for r in rows if r["workload"] == workload.name and r["main"]]


def charts_of(rows, run, workloads, contenders):
    """{workload: (chart, title, what it shows)}, for files of their own."""
    out = {}
    for workload in workloads:
        if main := main_rows(rows, workload):
            ns = sorted({r["n"] for r in main})
            shown = "99th percentile of latency, us" if workload.unit == "latency" else f"CPU time of the proxy, {workload.cost_unit}"
            shown = f"memory, {workload.cost_unit}" if workload.unit == "idle" else shown
            out[workload.name] = (chart(workload, rows, contenders), f"{workload.name}: {workload.title}",
                                  f"{shown}: median, line from lowest to highest round; shorter is better; n = {' to '.join(str(n) for n in dict.fromkeys((ns[0], ns[-1])))}, "
                                  f"{main[0]['congestion_control']}; {run['machine']['cpu']}, kernel {run['machine']['kernel']}; {run['finished']}")
    return out


def write_all(directory, rows, run, workloads, contenders):
    """Writes everything; what could not be made is added to the run's notes."""
    os.makedirs(directory, exist_ok=True)
    no_plots = plots.write(directory, charts_of(rows, run, workloads, contenders))
    if no_plots:
        run["notes"].append(no_plots)
    write_atomically(os.path.join(directory, "report.json"), json.dumps(rows, indent=1) + "\n")
    write_atomically(os.path.join(directory, "run.json"), json.dumps(run, indent=1) + "\n")
    write_atomically(os.path.join(directory, "report.html"), html_report(rows, run, workloads, contenders))
