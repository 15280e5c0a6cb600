#!/usr/bin/env python3
"""Runs build/bin/fairlead-micro and puts each figure beside what the benchmark's author expected of it.

Exit: 0 measured (a missed expectation is a question, not a failure), 1 the program failed, 2 wrong usage.
"""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main(argv):
    parser = argparse.ArgumentParser(description="Micro-benchmarks with their expectations.")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--filter", default=".", help="regular expression of names")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args(argv)
    program = os.path.join(options.bin, "fairlead-micro")
    try:
        done = subprocess.run([program, f"--benchmark_filter={options.filter}", "--benchmark_format=json", "--benchmark_min_time=0.1",
                               f"--benchmark_repetitions={options.repetitions}", "--benchmark_report_aggregates_only=false"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        results = json.loads(done.stdout)["benchmarks"] if done.returncode == 0 else None
    except (OSError, ValueError) as error:
        print(f"micro: {program}: {error}", file=sys.stderr)
        return 1
    if results is None:
        print(f"micro: {program} ended with {done.returncode}: {done.stderr.strip()[-500:]}", file=sys.stderr)
        return 1
    times = {}
    for result in results:
        if result.get("run_type") == "iteration":
            times.setdefault(result["run_name"], []).append(result)
    print(f"{'benchmark':42} {'ns (best)':>10} {'ns (median)':>12} {'expected':>10}")
    for name, runs in times.items():
        cpu = sorted(r["cpu_time"] for r in runs)
        # Counters are summed over threads.
        expected = runs[0].get("expect_ns", 0) / runs[0].get("threads", 1)
        print(f"{name:42} {cpu[0]:10.1f} {cpu[len(cpu) // 2]:12.1f} {'< ' + format(expected, 'g') if expected else '-':>10}"
              + ("" if not expected or cpu[0] <= expected else "  missed"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
