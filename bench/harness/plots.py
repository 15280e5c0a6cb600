"""The report's charts as files of their own: plots/WORKLOAD.svg and .png, for where a page of HTML does not go.

The page's style follows the reader's theme by CSS variables, which no converter knows: here the colours are fixed, on white.
"""
import html
import os
import shutil
import subprocess
import textwrap

CONVERTER = "rsvg-convert"
WIDTH = 1350   # pixels: one and a half times the drawing's 900
STYLE = ("text { fill: #1b1f24; font: 13px sans-serif } .soft { fill: #5b6570 } .bar { fill: #b3bcc6 } .own { fill: #0b6bcb } "
         ".limit { fill: none; stroke: #5b6570; stroke-dasharray: 4 3 } .border { stroke: #d8dee4 } "
         ".whisker { stroke: #1b1f24; stroke-width: 1.5 } .warn { fill: #b45309 } .title { font-size: 15px; font-weight: bold }")
LINE = 19      # units from one line of text above the chart to the next


def standalone(svg, title, subtitle):
    """A chart of report.chart with its title, readable without the page."""
    head, _, rest = svg.partition(">")
    width, height = (int(x) for x in head.partition('viewBox="0 0 ')[2].partition('"')[0].split())
    lines = [(line, "title") for line in textwrap.wrap(title, 95)] + [(line, "soft") for line in textwrap.wrap(subtitle, 115)]
    words = "".join(f'<text class="{kind}" x="12" y="{22 + LINE * i}">{html.escape(line)}</text>' for i, (line, kind) in enumerate(lines))
    top = LINE * len(lines) + 16
    total = top + height + 8
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" height="{total}"><style>{STYLE}</style>'
            f'<rect width="{width}" height="{total}" fill="#fff"/>{words}<g transform="translate(0 {top})">{rest.removesuffix("</svg>")}</g></svg>\n')


def write(directory, charts):
    """charts: {name: (svg, title, subtitle)}. Returns why there are no PNG files, or None."""
    folder = os.path.join(directory, "plots")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):      # of an earlier report: what is not in this one must not stand beside it
        if name.endswith((".svg", ".png")):
            os.remove(os.path.join(folder, name))
    for name, chart in charts.items():
        with open(os.path.join(folder, name + ".svg"), "w", encoding="utf-8") as file:
            file.write(standalone(*chart))
    if not shutil.which(CONVERTER):
        return f"PNG plots left out: {CONVERTER} is not there (apt-get install librsvg2-bin)"
    for name in charts:
        path = os.path.join(folder, name)
        try:
            done = subprocess.run([CONVERTER, "-w", str(WIDTH), "-o", path + ".png", path + ".svg"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"PNG plots left out: {CONVERTER}: {error}"
        if done.returncode != 0:
            return f"PNG plots left out: {CONVERTER}: {done.stdout.strip()[-200:]}"
    return None
