#!/usr/bin/env python3
"""The regression gate: instructions of fixed pieces of work, counted exactly by valgrind, against a committed baseline.

  bench/gate/gate.py                 compares; what costs more than the tolerance fails
  bench/gate/gate.py --accept        measures twice and writes the baseline anew: commit it with the change that explains it

A count does not depend on load, clock or cache, so two runs of one program give the same number and a small tolerance is enough. It does
depend on the compiler and its flags: with others than the baseline's the gate fails and says so, for it cannot judge. Programs run with a
fixed environment, and with the C library kept from choosing its routines by the CPU.
Exit: 0 as cheap as the baseline or cheaper, 1 dearer or not to be judged, 2 wrong usage, 77 no valgrind here (skipped).
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TOLERANCE = 2.0      # percent, where the baseline names no other
LIMIT = 120.0        # seconds a scenario may take under valgrind
LIBRARIES = ("libc6", "libstdc++6", "libyaml-cpp0.7", "valgrind")
ENVIRONMENT = {
    "LC_ALL": "C",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-BMI1,-BMI2,-ERMS,-FSRM,-RTM,-SSE4_2,-SSSE3,-AVX_Fast_Unaligned_Load,"
                      "-Prefer_No_VZEROUPPER:glibc.cpu.x86_data_cache_size=32768:glibc.cpu.x86_shared_cache_size=1048576",
}


class GateError(Exception):
    pass


def run(argv):
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
                              timeout=LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GateError(f"{argv[0]}: {error}") from None


def about(program):
    """How the program was compiled, and its scenarios."""
    done = run([program, "list"])
    if done.returncode != 0:
        raise GateError(f"{program} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return json.loads(done.stdout)


def count(program, scenario):
    """{"instructions", "units", "checksum"} of one scenario."""
    with tempfile.TemporaryDirectory(prefix="fairlead-gate-") as directory:
        out = os.path.join(directory, "counted")
        done = run([shutil.which("valgrind"), "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=fl_gate_*", f"--callgrind-out-file={out}",
                    program, scenario])
        if done.returncode != 0:
            raise GateError(f"{scenario}: valgrind ended with {done.returncode}: {done.stderr.strip()[-400:]}")
        with open(out, encoding="utf-8", errors="replace") as file:
            found = re.search(r"^totals: (\d+)", file.read(), re.MULTILINE)
        if not found or int(found.group(1)) == 0:
            raise GateError(f"{scenario}: nothing was counted: is its function named fl_gate_*, and the program not stripped?")
        return {"instructions": int(found.group(1)), **json.loads(done.stdout)}


def library_versions():
    """Of Debian's packages whose code is counted, or counts; {} elsewhere."""
    try:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *LIBRARIES], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def judge(baseline, compiled, counted, libraries):
    """(lines of the table, problems). Problems make the gate fail."""
    lines, problems = [], []
    for what in ("compiler", "flags"):
        if compiled[what] != baseline[what]:
            problems.append(f"the {what} differs: baseline '{baseline[what]}', this build '{compiled[what]}': its counts say nothing about the source. "
                            "Build with the baseline's (Debian 12's g++, `cmake --preset release`) and run this again")
    if problems:
        return lines, problems
    tolerance = baseline.get("tolerance_percent", TOLERANCE)
    for name, before in baseline["scenarios"].items():
        if name not in counted:
            problems.append(f"{name} is in the baseline, but the program does not know it")
    for name, now in counted.items():
        before = baseline["scenarios"].get(name)
        if not before:
            problems.append(f"{name} has no baseline")
            continue
        if (now["units"], now["checksum"]) != (before["units"], before["checksum"]):
            problems.append(f"{name} does something else than what the baseline counted (units {now['units']}, checksum {now['checksum']} instead of "
                            f"{before['units']}, {before['checksum']})")
            continue
        change = (now["instructions"] / before["instructions"] - 1) * 100
        lines.append(f"{name:30} {before['instructions'] / before['units']:14,.1f} {now['instructions'] / now['units']:14,.1f} {change:+8.2f} %")
        if change > tolerance:
            problems.append(f"{name} costs {change:.2f} % more instructions than its baseline (tolerance {tolerance:g} %)")
        elif change < -tolerance:
            lines[-1] += "  cheaper: --accept keeps it"
    others = [f"{name} {libraries.get(name, 'none')} (baseline {version})" for name, version in baseline.get("libraries", {}).items()
              if libraries and libraries.get(name) != version]
    if problems and others:
        problems.append("other libraries than the baseline's, which may be the reason: " + ", ".join(others))
    return lines, problems


def accept(path, program, compiled):
    """Counts twice and writes the baseline."""
    scenarios = {}
    for scenario in compiled["scenarios"]:
        first, second = count(program, scenario["name"]), count(program, scenario["name"])
        if first != second:
            raise GateError(f"{scenario['name']} is not the same twice: {first}, {second}")
        scenarios[scenario["name"]] = {"unit": scenario["unit"], **first}
        print(f"{scenario['name']:30} {first['instructions'] / first['units']:14,.1f} instructions/{scenario['unit']}")
    text = json.dumps({"tolerance_percent": TOLERANCE, "compiler": compiled["compiler"], "flags": compiled["flags"], "libraries": library_versions(),
                       "scenarios": scenarios}, indent=1) + "\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"gate: {path} is written: commit it with the change that explains it")
    return 0


def main(argv):
    parser = argparse.ArgumentParser(description="Instruction counts of fixed pieces of work, against a committed baseline.")
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "bin", "fairlead-gate"))
    parser.add_argument("--baseline", default=os.path.join(HERE, "baseline.json"))
    parser.add_argument("--accept", action="store_true", help="write the baseline anew")
    options = parser.parse_args(argv)
    if not shutil.which("valgrind"):
        print("gate: SKIPPED: valgrind is not there (apt-get install valgrind)")
        return 77
    program = os.path.abspath(options.program)
    try:
        compiled = about(program)
        if options.accept:
            return accept(options.baseline, program, compiled)
        with open(options.baseline, encoding="utf-8") as file:
            baseline = json.load(file)
        same_build = all(compiled[what] == baseline[what] for what in ("compiler", "flags"))
        counted = {s["name"]: count(program, s["name"]) for s in compiled["scenarios"]} if same_build else {}
        lines, problems = judge(baseline, compiled, counted, library_versions())
    except (GateError, OSError, ValueError, KeyError) as error:
        print(f"gate: {error}", file=sys.stderr)
        return 1
    if lines:
        print(f"{'instructions per unit of':30} {'baseline':>14} {'now':>14} {'change':>10}")
        print("\n".join(lines))
    for problem in problems:
        print(f"gate: {problem}", file=sys.stderr)
    if problems:
        print("gate: if this is meant, run `bench/gate/gate.py --accept` on Debian 12 with its own g++ after `cmake --preset release`, look at what changed, "
              "and commit bench/gate/baseline.json with the reason", file=sys.stderr)
        return 1
    print(f"gate: {len(lines)} scenarios within {baseline.get('tolerance_percent', TOLERANCE):g} % of their baseline")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
