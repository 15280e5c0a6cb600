#!/usr/bin/env python3
"""Keeps the dependency graph: compares every #include with cmake/FairleadModule.cmake.

  scripts/check_layers.py [ROOT]

Refused: an edge between rooms that FL_ALLOWED_<room> lacks; a project header named other than from the root, or missing; an outside
library away from its home; an include of bench/ or tests/; anything impure in a file that begins with `// fairlead: pure`, and a pure
header whose .cc is not; the wall clock in vip/ and membership/.
"""
import os
import re
import sys

import source_tree

# Outside libraries by the first part of the header's name, and the files that may include them (design, section 3).
HOMES = {
    "liburing.h": ["net/"],
    "liburing/": ["net/"],
    "sys/epoll.h": ["net/"],
    "netlink/": ["vip/netlink_"],
    "corosync/": ["membership/corosync_"],
    "qb/": ["base/qb_", "daemon/"],
    "openssl/": ["lb/health_", "admin/", "cli/api_client", "k8s-bootstrap/render/sha256", "k8s-bootstrap/pki/"],
    "boost/asio": ["lb/health_", "admin/", "cli/api_client"],   # The client side of admin's API lives where it is used.
    "boost/beast": ["lb/health_", "admin/", "cli/api_client"],
    "boost/crc": ["dnsdhcp/lease_file"],
    "boost/describe": ["daemon/takeover_trace"],
    "boost/json": ["admin/", "cli/", "config/", "daemon/", "k8s-bootstrap/"],
    "boost/system": ["lb/health_", "admin/"],
    "yaml-cpp/": ["config/parse"],
    "CLI/": ["cli/"],
    "fmt/": [""],
    "systemd/sd-bus.h": ["dnsdhcp/dnsmasq_bus"],
    "systemd/": ["daemon/"],
    "pugixml": ["migrate/pacemaker_xml", "k8s-bootstrap/"],
}
# Headers of the C library and the kernel that have a folder in their name.
SYSTEM_FOLDERS = ("sys/", "net/", "netinet/", "arpa/", "linux/", "bits/", "asm/")

IMPURE_HEADERS = re.compile(
    r"^(thread|mutex|shared_mutex|condition_variable|future|semaphore|stop_token|fstream|iostream|filesystem|csignal|ctime|"
    r"sys/.*|net/.*|netinet/.*|arpa/.*|linux/.*|unistd\.h|fcntl\.h|poll\.h|pthread\.h|sched\.h|signal\.h|time\.h|syslog\.h|netdb\.h|"
    r"ifaddrs\.h|pwd\.h|grp\.h|liburing.*|qb/.*|systemd/.*|openssl/.*|boost/asio.*|boost/beast.*)$")
IMPURE_PROJECT_HEADERS = {"base/atomic_file.h", "base/fd.h", "base/event_fd.h", "base/inbox.h", "base/system_clock.h", "base/sockaddr.h", "base/qb_log.h",
                          "base/qb_loop.h", "base/process.h", "base/run_program.h", "base/log_target.h"}
IMPURE_CODE = [
    (re.compile(r"::now\s*\("), "reads a clock (take `now` as an argument)"),
    (re.compile(r"\bFL_LOG\b"), "logs (return a value; the shell logs it)"),
    (re.compile(r"\b(secure_)?getenv\s*\("), "reads the environment"),
    (re.compile(r"\bstd::(this_thread|thread|jthread|mutex)\b"), "uses threads"),
    (re.compile(r"\b(rand|random|srand)\s*\("), "draws unseeded numbers (take a Prng)"),
    (re.compile(r"\bstd::random_device\b"), "draws unseeded numbers (take a Prng)"),
]
# A step of the wall clock ends no lease and prolongs none: what decides on virtual IPs counts on clocks that do not step.
WALL_CLOCK = re.compile(r"\bCLOCK_(REALTIME(_COARSE)?|TAI)\b|\bsystem_clock::|[.>]wall\s*\(|\bgettimeofday\s*\(|\btime\s*\(\s*(nullptr|NULL|0|&\w+)\s*\)")
WITHOUT_WALL_CLOCK = ("vip/", "membership/", "daemon/takeover_")
WALL_CLOCK_EXCEPTIONS = {
    "daemon/takeover_wiring.cc": "one life of a daemon is told from the next by when it began, and people when a VIP moved; no lease counts on it",
}
# (file, header): reason. Every entry is a debt or a fact; say which.
PURE_EXCEPTIONS = {
    ("base/ip_address.cc", "arpa/inet.h"): "inet_pton and inet_ntop are pure functions of text; no better parser of addresses exists.",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def allowed_edges(root):
    text = source_tree.read(root, "cmake/FairleadModule.cmake")
    return {m.group(1): set(m.group(2).replace('"', "").split())
            for m in re.finditer(r"^set\(FL_ALLOWED_([\w-]+)\s+([^)]*)\)", text, re.M)}


def is_pure(text):
    return text.startswith("// fairlead: pure")


def check_include(root, path, kind, header, edges):
    room = path.split("/")[0]
    if kind == '"':
        target = header.split("/")[0]
        if header.startswith("generated/"):
            return None
        if "/" not in header or header.startswith(".") or not os.path.exists(os.path.join(root, header)):
            return f'"{header}": write project headers from the root, as "room/file.h"; this one does not exist'
        if target in ("bench", "tests", "scripts"):
            return f'"{header}": nothing may include {target}/'
        if target != room and target not in edges.get(room, set()):
            return f'"{header}": {room}/ may not include {target}/ (FL_ALLOWED_{room} in cmake/FairleadModule.cmake)'
        return None
    for prefix, homes in HOMES.items():
        if header.startswith(prefix):
            if any(path.startswith(home) for home in homes):
                return None
            return f"<{header}>: its only homes are {', '.join(h + '*' for h in homes)}"
    if header.split("/")[0] in source_tree.ROOMS and "/" in header and not header.startswith(SYSTEM_FOLDERS):
        return f'<{header}>: project headers stand in quotes'
    if "/" in header and not header.startswith(SYSTEM_FOLDERS):
        return f"<{header}>: an outside library without a home; give it one in scripts/check_layers.py"
    return None


def check_purity(path, text, includes):
    for kind, header, line in includes:
        if (path, header) in PURE_EXCEPTIONS:
            continue
        if header in IMPURE_PROJECT_HEADERS if kind == '"' else IMPURE_HEADERS.match(header):
            yield line, f"a pure file includes {header}"
    code = source_tree.code_only(text)
    for pattern, why in IMPURE_CODE:
        for match in pattern.finditer(code):
            yield source_tree.line_of(code, match.start()), f"a pure file {why}"


def check(root):
    edges = allowed_edges(root)
    rooms = [room for room in source_tree.ROOMS if os.path.isdir(os.path.join(root, room))]
    paths = source_tree.files(root, rooms, (".h", ".cc"))
    texts = {path: source_tree.read(root, path) for path in paths}
    problems = []
    for path, text in texts.items():
        if path.split("/")[0] not in edges:
            problems.append(f"{path}:1: its room has no FL_ALLOWED_ line in cmake/FairleadModule.cmake")
        bare = source_tree.code_only(text, keep_strings=True)
        includes = [(m.group(1), m.group(2), source_tree.line_of(bare, m.start())) for m in INCLUDE.finditer(bare)]
        for kind, header, line in includes:
            problem = check_include(root, path, kind, header, edges)
            if problem:
                problems.append(f"{path}:{line}: {problem}")
        if path.startswith(WITHOUT_WALL_CLOCK) and path not in WALL_CLOCK_EXCEPTIONS:
            code = source_tree.code_only(text)
            problems += [f"{path}:{source_tree.line_of(code, m.start())}: reads the wall clock, which can step" for m in WALL_CLOCK.finditer(code)]
        if is_pure(text):
            problems += [f"{path}:{line}: {why}" for line, why in check_purity(path, text, includes)]
        elif path.endswith(".cc") and is_pure(texts.get(path[:-3] + ".h", "")):
            problems.append(f"{path}:1: its header is pure and this file is not (`// fairlead: pure` on line 1)")
    for (path, header), _ in PURE_EXCEPTIONS.items():
        if path in texts and f"<{header}>" not in texts[path]:
            problems.append(f"{path}:1: no longer includes {header}: take it out of PURE_EXCEPTIONS")
    return problems, len(paths)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    problems, checked = check(root)
    return source_tree.report("layers", problems, checked)


if __name__ == "__main__":
    sys.exit(main())
