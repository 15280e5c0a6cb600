#!/usr/bin/env python3
"""Reports drift from the house style that no compiler sees. Exit 1 with any finding.

  scripts/tidy.py [ROOT]

Columns (140 in C++), file length (650 lines; guide value 600), an open task without an issue, sleeping tests, paths of one
machine, headers without #pragma once, a .cc that includes another header before its own,
file names that are there twice. A line that must break a rule ends in `tidy: REASON`.
"""
import collections
import os
import re
import sys

import source_tree

COLUMNS_MAX = 140        # C++ and JavaScript; scripts, with their tables and templates, may be wider.
COLUMNS_MAX_OTHER = 180
LINES_MAX = 650
NARROW = (".h", ".cc", ".def", ".js", ".mjs")
CODE = NARROW + (".py", ".sh", ".cmake", "CMakeLists.txt")
TEXT = CODE + (".md", ".json", ".yaml", ".yml", ".service", ".html", ".css", ".txt")
FOLDERS = source_tree.ROOMS + ("bench", "tests", "scripts", "cmake", "docs", "examples", "packaging", ".ci")
EXCUSE = re.compile(r"tidy: \S")

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)', re.MULTILINE)
OPEN_TASK = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b(?!\(#\d+\))")
CPP_SLEEP = re.compile(r"\bsleep_(for|until)\b|\b(u|nano)?sleep\s*\(")
PY_SLEEP = re.compile(r"\btime\.sleep\s*\(|\bsleep\s*\(")
SH_SLEEP = re.compile(r"(^|[;&|]\s*|\bdo\s+|\bthen\s+)sleep\s+[\d$]")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|home)/[A-Za-z_][\w.-]*/")


def check_lines(path, text):
    in_tests = path.startswith("tests/")
    code = source_tree.code_only(text) if path.endswith((".h", ".cc")) else text
    for number, (line, bare) in enumerate(zip(text.splitlines(), code.splitlines()), 1):
        if EXCUSE.search(line):
            continue
        columns = COLUMNS_MAX if path.endswith(NARROW) else COLUMNS_MAX_OTHER
        if path.endswith(CODE) and len(line) > columns:
            yield number, f"{len(line)} columns (at most {columns}; make format)"
        if path.endswith(CODE) and OPEN_TASK.search(line):
            yield number, "an open task names its issue: TO" "DO(#12)"
        if MACHINE_PATH.search(line):
            yield number, "a path of one machine"
        if not in_tests:
            continue
        sleeps = (path.endswith((".h", ".cc")) and CPP_SLEEP.search(bare)) or (path.endswith(".py") and PY_SLEEP.search(bare)) or (
            path.endswith(".sh") and SH_SLEEP.search(bare))
        if sleeps:
            yield number, "a test does not sleep: wait for what it needs, with a deadline (a polling interval is excused by `tidy: polls`)"


def check(root):
    paths = source_tree.files(root, FOLDERS, TEXT)
    problems, names, known = [], collections.defaultdict(list), set(paths)
    for path in paths:
        text = source_tree.read(root, path)
        if path.startswith("tests/scripts/"):
            continue   # The checks' own tests hold what the checks refuse.
        problems += [f"{path}:{number}: {what}" for number, what in check_lines(path, text)]
        length = text.count("\n")
        if path.endswith((".h", ".cc", ".py")) and length > LINES_MAX:
            problems.append(f"{path}:1: {length} lines (guide value 600): split it by noun")
        if path.endswith(".h"):
            if "#pragma once" not in text and not path.startswith("cmake/"):   # Those are compiled, not included.
                problems.append(f"{path}:1: no #pragma once")
        if path.endswith(".cc") and path[:-3] + ".h" in known:
            first = INCLUDE.search(text)
            if first and first[1] != path[:-3] + ".h":
                problems.append(f"{path}:1: its own header comes first, so that it is seen to compile alone")
        if path.endswith((".h", ".cc")):
            names[os.path.basename(path)].append(path)
    for name, there in names.items():
        if len(there) > 1 and name != "main.cc":
            problems.append(f"{there[0]}:1: its name is there twice: {', '.join(there)}")
    return problems, len(paths)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    problems, checked = check(root)
    return source_tree.report("tidy", problems, checked)


if __name__ == "__main__":
    sys.exit(main())
