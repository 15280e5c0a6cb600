"""What the checks share: which files there are, and C++ text without its comments and strings."""
import os
import re
import sys

ROOMS = ("base", "net", "config", "lb", "vip", "membership", "dnsdhcp", "k8s-bootstrap", "lab", "admin", "migrate", "daemon", "cli")
SKIPPED_FOLDERS = {"build", ".git", ".ccache", "node_modules", "__pycache__"}


def files(root, folders, suffixes):
    """Paths below `folders`, relative to root, sorted."""
    found = []
    for folder in folders:
        for at, names, leaves in os.walk(os.path.join(root, folder)):
            names[:] = [n for n in names if n not in SKIPPED_FOLDERS]
            found += [os.path.relpath(os.path.join(at, leaf), root) for leaf in leaves if leaf.endswith(suffixes)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\s\\]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def code_only(text, keep_strings=False):
    """The text with comments (and strings, unless kept) blanked out; line numbers stay right."""
    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        # A digit separator (1'000) begins no character literal.
        if token.startswith("'") and match.start() > 0 and text[match.start() - 1].isalnum():
            return token
        return token if keep_strings else re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def report(name, problems, checked):
    """Prints and returns the exit code."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{name}: {len(problems)} problem(s)", file=sys.stderr)
        return 1
    if not checked:
        print(f"{name}: nothing to check: is this the repository's root?", file=sys.stderr)
        return 1
    print(f"{name}: {checked} files fine")
    return 0
