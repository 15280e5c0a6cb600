#!/usr/bin/env python3
"""Keeps the catalogue of events: base/messages.def, its uses in the tree, and docs/reference/events.md say the same.

  scripts/check_messages.py [ROOT]            checks
  scripts/check_messages.py --write [ROOT]    writes the page's table first

Refused: an event that is used but not in the catalogue, in the catalogue but never used, there twice, not documented, or documented
with another severity, other keys or without one of the answers each has to give; a use with a key the catalogue lacks; a key that every
line has already (time, level, id); a table that says something else.
"""
import os
import re
import sys

import source_tree

CATALOGUE = "base/messages.def"
DOCUMENT = "docs/reference/events.md"
ENTRY = re.compile(r'^FL_MESSAGE\(\s*(\w+)\s*,\s*k(\w+)\s*,\s*"([^"]*)"\s*\)', re.M)
USE = re.compile(r"\bFL_LOG\s*\(\s*(\w+)|\bMessageId::(\w+)")
RESERVED_KEYS = {"time", "level", "id"}
PARAGRAPH_MIN = 40   # Characters: what happened does not fit in less.
ANSWERS = ("- **Clients:** ", "- **Look at:** ", "- **Do:** ", "- **Harmless when:** ")
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.S)
RECORDER_ONLY = {"DAEMON_CRASHED"}   # Written by a signal's handler, which can reach nothing else.


def catalogue(root):
    text = source_tree.read(root, CATALOGUE)
    entries, problems = {}, []
    for match in ENTRY.finditer(text):
        name, level, keys = match.group(1), match.group(2).lower(), match.group(3).split()
        at = f"{CATALOGUE}:{source_tree.line_of(text, match.start())}"
        if name in entries:
            problems.append(f"{at}: {name} is there twice")
        for key in keys:
            if key in RESERVED_KEYS:
                problems.append(f"{at}: {name}: every line has a '{key}' already; choose another key")
            if not re.fullmatch(r"[a-z][a-z0-9_]*", key):
                problems.append(f"{at}: {name}: key '{key}' is not snake_case")
        entries[name] = (level, keys, at)
    lines = [n for n, line in enumerate(text.splitlines(), 1) if "FL_MESSAGE(" in line and not line.lstrip().startswith("//")]
    if len(lines) != len(ENTRY.findall(text)):
        problems.append(f"{CATALOGUE}:1: {len(lines) - len(ENTRY.findall(text))} line(s) are not FL_MESSAGE(ID, kLevel, \"keys\")")
    return entries, problems


def call_text(code, start):
    """The arguments from the opening parenthesis after `start` to its partner."""
    depth = 0
    begin = code.index("(", start)
    for at in range(begin, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if depth == 0:
            return code[begin + 1:at]
    return code[begin + 1:]


def top_level_arguments(text):
    """Splits at commas outside any bracket and any string."""
    out, depth, current, quoted, skip = [], 0, "", False, False
    for c in text:
        if skip:
            skip = False
        elif quoted:
            skip = c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            out.append(current.strip())
            current = ""
            continue
        current += c
    return out + [current.strip()]


def check_uses(root, entries):
    used, problems, count = set(), [], 0
    for path in source_tree.files(root, source_tree.ROOMS, (".h", ".cc")):
        if path in ("base/log.h", "base/log.cc"):
            continue
        count += 1
        code = source_tree.code_only(source_tree.read(root, path), keep_strings=True)
        bare = source_tree.code_only(code)
        for match in USE.finditer(bare):
            name = match.group(1) or match.group(2)
            at = f"{path}:{source_tree.line_of(code, match.start())}"
            if name not in entries:
                problems.append(f"{at}: {name} is not in {CATALOGUE}")
                continue
            used.add(name)
            if not match.group(1):
                continue
            arguments = top_level_arguments(call_text(code, match.start()))[1:]
            for key in arguments[::2]:
                literal = re.fullmatch(r'"([^"]*)"', key)
                if not literal:
                    problems.append(f"{at}: {name}: the key {key} is no string literal")
                elif literal.group(1) not in entries[name][1]:
                    problems.append(f"{at}: {name}: key '{literal.group(1)}' is not in {CATALOGUE}")
    problems += [f"{entries[name][2]}: {name} is never used" for name in entries if name not in used]
    return problems, count


def check_document(root, entries):
    if not os.path.exists(os.path.join(root, DOCUMENT)):
        return [f"{DOCUMENT}:1: missing"]
    text = source_tree.read(root, DOCUMENT)
    problems, seen = [], set()
    sections = re.split(r"^### ", text, flags=re.M)
    line = sections[0].count("\n") + 1
    for section in sections[1:]:
        at = f"{DOCUMENT}:{line}"
        line += section.count("\n")
        name, _, body = section.partition("\n")
        name = name.strip()
        body = re.split(r"^## ", body, flags=re.M)[0]
        if name in seen:
            problems.append(f"{at}: {name} is there twice")
        seen.add(name)
        if name not in entries:
            problems.append(f"{at}: {name} is not in {CATALOGUE}")
            continue
        level, keys, _ = entries[name]
        head, _, paragraph = body.strip().partition("\n")
        want = f"`{level}`" + "".join(f" {key}" for key in keys)
        if head.strip() != want:
            problems.append(f"{at}: {name}: the line below the heading must be: {want}")
        if len(paragraph.strip().split("\n- ")[0]) < PARAGRAPH_MIN:
            problems.append(f"{at}: {name}: say what happened ({PARAGRAPH_MIN} characters at least)")
        found = [line[:len(answer)] for line in paragraph.splitlines() for answer in ANSWERS if line.startswith(answer)]
        if tuple(found) != ANSWERS:
            problems.append(f"{at}: {name}: lines that begin with {', '.join(a.strip() for a in ANSWERS)} are to be there once, in this order")
    problems += [f"{DOCUMENT}:1: {name} is not documented" for name in entries if name not in seen]
    written = TABLE.search(text)
    if not written:
        problems.append(f"{DOCUMENT}:1: the comments around the table are missing")
    elif written.group(0) != table(entries):
        problems.append(f"{DOCUMENT}:{source_tree.line_of(text, written.start())}: the table is not true: scripts/check_messages.py --write")
    return problems


def places(name, level):
    """Where an event of this severity goes (LogThread::Core::post_event)."""
    if name in RECORDER_ONLY or level in ("debug", "trace"):
        return "recorder"
    return "log" if level == "info" else "events"


def table(entries):
    rows = [f"| [{name}](#{name.lower()}) | {level} | {places(name, level)} |\n" for name, (level, _, _) in entries.items()]
    return "| event | severity | goes to |\n|---|---|---|\n" + "".join(rows)


def write_table(root):
    entries, _ = catalogue(root)
    path = os.path.join(root, DOCUMENT)
    text = source_tree.read(root, DOCUMENT)
    with open(path, "w", encoding="utf-8") as file:
        file.write(TABLE.sub(lambda _: table(entries), text))


def check(root):
    entries, problems = catalogue(root)
    if not entries:
        return [f"{CATALOGUE}:1: no messages found"], 0
    uses, count = check_uses(root, entries)
    return problems + uses + check_document(root, entries), count


def main():
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    root = arguments[0] if arguments else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    if "--write" in sys.argv[1:]:
        write_table(root)
    problems, checked = check(root)
    return source_tree.report("messages", problems, checked)


if __name__ == "__main__":
    sys.exit(main())
