"""Tests of whole runs, as small as they can be: run by CTest (bench.run) or `python3 bench/tests/run_test.py [DIRECTORY OF THE PROGRAMS]`."""
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, BENCH)
import run  # noqa: E402
from harness import contenders, syscalls, tls  # noqa: E402
from harness.cell import TURN, Cell, CellError  # noqa: E402
from harness.sandbox import Processes, Sandbox, Unavailable  # noqa: E402
from harness.workloads import WORKLOADS  # noqa: E402

# Known before the classes below decide whether they can run.
BIN = sys.argv.pop(1) if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]) else os.path.join(os.path.dirname(BENCH), "build", "bin")
LOADGEN = os.path.join(BIN, "fairlead-loadgen")


class NoNamespace:
    namespace, why_not = False, "not root"


class MissingTest(unittest.TestCase):
    def test_the_kernel_contender_never_touches_the_machines_own_network(self):
        kernel = contenders.KernelForwarding()
        if kernel.missing():
            self.skipTest(kernel.missing())

        self.assertEqual(run.missing_of([kernel], NoNamespace()), {"kernel": "it would change the machine's own network (not root)"})

    def test_a_program_that_is_not_there_is_named(self):
        missing = run.missing_of([contenders.Fairlead("fairlead-uring", "", "/nonexistent/fairleadd", "")], NoNamespace())

        self.assertEqual(missing, {"fairlead-uring": "/nonexistent/fairleadd is not built"})


class OursTest(unittest.TestCase):
    def test_a_run_without_anything_of_fairlead_is_no_success_one_engine_alone_is(self):
        uring, epoll = (contenders.Fairlead(f"fairlead-{engine}", "", "/nonexistent/fairleadd", "") for engine in ("uring", "epoll"))
        here = [contenders.Direct(), uring, epoll]

        self.assertEqual(run.ours_missed([{"contender": "direct"}], here), ["fairlead-uring", "fairlead-epoll"])
        self.assertEqual(run.ours_missed([{"contender": "direct"}, {"contender": "fairlead-epoll"}], here), [])
        self.assertEqual(run.ours_missed([{"contender": "direct"}], [contenders.Direct()]), [], "nobody asked for it")


class StandIn(contenders.Contender):
    """A program that is put where a proxy belongs."""
    forwards = proxies = True

    def __init__(self, name, *argv):
        self.name, self._argv = name, argv

    def configure(self, place):
        return [word.format(port=place.port) for word in self._argv], ""


@unittest.skipUnless(os.access(LOADGEN, os.X_OK), f"fairlead-loadgen is not built in {BIN}")
class TurnsTest(unittest.TestCase):
    def test_who_fails_in_turns_fails_alone_and_everything_ends(self):
        serve = (LOADGEN, "serve", "--listen", "127.0.0.1:{port}", "--lifetime")
        here = [StandIn("whole", *serve, "60"), StandIn("never", "false"), StandIn("dies", *serve, "2"), contenders.Direct()]
        processes, cpus = Processes(), sorted(os.sched_getaffinity(0))
        cell = Cell(Sandbox(want_namespace=False), processes, LOADGEN, {"load": cpus[0], "proxy": cpus[-1]})

        results = cell.run_in_turns(here, next(w for w in WORKLOADS if w.name == "p64s"), 6 * TURN, 0.1)

        for name in ("whole", "direct"):
            self.assertGreater(results[name]["metrics"]["requests/s"], 0, name)
            self.assertAlmostEqual(results[name]["report"]["seconds"], 6 * TURN, delta=3.0)
        self.assertIsInstance(results["never"], Unavailable)
        self.assertIsInstance(results["dies"], CellError)
        self.assertEqual(processes.running(), ())


@unittest.skipUnless(shutil.which("unshare") and subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0,
                     "no network namespaces here: not root, or without CAP_SYS_ADMIN")
@unittest.skipUnless(os.access(LOADGEN, os.X_OK), f"fairlead-loadgen is not built in {BIN}")
class WholeRunTest(unittest.TestCase):
    """Cells in namespaces of their own, in a process of their own: the harness moves itself into them."""

    @contextlib.contextmanager
    def bench(self, *arguments):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run([sys.executable, os.path.join(BENCH, "run.py"), "--bin", BIN, "--out", directory, "--rounds", "1", *arguments],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False)
            rows = {}
            if os.path.exists(os.path.join(directory, "report.json")):
                with open(os.path.join(directory, "report.json"), encoding="utf-8") as file:
                    rows = {(r["workload"], r["contender"], r["unit"]): r for r in json.load(file)}
            yield done, rows, directory

    def test_on_the_machines_own_loopback_requests_are_measured_under_whatever_congestion_control_it_has(self):
        with self.bench("--workloads", "p64s", "--contenders", "direct,kernel", "--seconds", "0.1", "--loopback") as (done, rows, directory):
            self.assertEqual(done.returncode, 0, done.stdout)
            with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
                self.assertEqual(rows["p64s", "direct", "requests/s"]["congestion_control"], file.read().strip())
            self.assertIn("kernel left out: it would change the machine's own network", done.stdout)
            with open(os.path.join(directory, "run.json"), encoding="utf-8") as file:
                self.assertIn("fairlead-loadgen requests --connections 64", json.load(file)["loads"]["p64s"])

    @unittest.skipUnless(shutil.which("nft"), "nft is not there")
    def test_the_kernel_forwards_and_its_cost_is_left_empty_with_a_reason(self):
        with self.bench("--workloads", "p64s", "--contenders", "direct,kernel", "--seconds", "0.3") as (done, rows, _):
            self.assertEqual(done.returncode, 0, done.stdout)
            if "kernel left out" in done.stdout:
                self.skipTest(next(line for line in done.stdout.splitlines() if "kernel left out" in line))
            self.assertGreater(rows["p64s", "kernel", "requests/s"]["median"], 0)
            self.assertNotIn(("p64s", "kernel", "us/request"), rows)
            self.assertIn("kernel has no cost per unit", done.stdout)

    @unittest.skipUnless(shutil.which("haproxy"), "haproxy is not there")
    def test_system_calls_and_switches_are_counted_beside_the_times(self):
        with self.bench("--workloads", "p64s", "--contenders", "haproxy", "--seconds", "0.5") as (done, rows, _):
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(("p64s", "haproxy", "voluntary switches/request"), rows)
            if syscalls.choose()[0]:
                # At least a receive and a send each way; a client that knows no batching needs no more than a handful.
                self.assertTrue(2 <= rows["p64s", "haproxy", "syscalls/request"]["median"] <= 20, rows["p64s", "haproxy", "syscalls/request"])
            else:
                self.assertIn("system calls per unit left out", done.stdout)

    @unittest.skipUnless(shutil.which("haproxy"), "haproxy is not there")
    def test_a_proxy_that_does_not_log_its_connections_is_a_failure_by_name(self):
        """Beside it one that does, and says so in run.json."""
        with tempfile.TemporaryDirectory() as folder:
            silent = os.path.join(folder, "silent-haproxy")
            with open(silent, "w", encoding="ascii") as file:
                file.write('#!/bin/sh\n[ "$1" = -v ] || sed -i /tcplog/d "$3"\nexec haproxy "$@"\n')
            os.chmod(silent, 0o755)
            with self.bench("--workloads", "churn", "--contenders", "haproxy,haproxy-3", "--haproxy3", silent, "--seconds", "0.2") as (done, rows, directory):
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn("churn haproxy-3 round 1 is no result: haproxy-3 logged 0 connections of", done.stdout)
                self.assertNotIn(("churn", "haproxy-3", "us/connection"), rows)
                with open(os.path.join(directory, "run.json"), encoding="utf-8") as file:
                    self.assertGreater(json.load(file)["lines_logged"]["churn haproxy"][0], 10)

    def test_tools_of_others_measure_tls_through_the_relay_and_agree(self):
        missing = [reason for tool in tls.TOOLS if (reason := tls.missing(tool))] + ([] if shutil.which("haproxy") else ["haproxy is not there"])
        if missing:
            self.skipTest(missing[0])
        with self.bench("--workloads", "tls-wrk,tls-h2", "--contenders", "haproxy", "--seconds", "1") as (done, rows, _):
            self.assertEqual(done.returncode, 0, done.stdout)
            for workload in ("tls-wrk", "tls-h2"):
                self.assertGreater(rows[workload, "haproxy", "us/request"]["median"], 0)
                self.assertGreater(rows[workload, "haproxy", "requests/s"]["median"], 0)

    def test_an_interrupted_run_leaves_a_report_of_what_is_complete_and_goes_on_from_there(self):
        with tempfile.TemporaryDirectory() as directory:
            argv = [sys.executable, os.path.join(BENCH, "run.py"), "--bin", BIN, "--out", directory, "--workloads", "p64s", "--contenders", "direct",
                    "--seconds", "0.2", "--rounds", "4"]
            first = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            states = os.path.join(directory, "cells-*.jsonl")
            end = time.monotonic() + 60
            while first.poll() is None and time.monotonic() < end:
                with contextlib.suppress(OSError, IndexError), open(glob.glob(states)[0], encoding="utf-8") as file:
                    if file.read().count("\n") >= 2:    # the key and a cell
                        break
                time.sleep(0.02)
            first.send_signal(signal.SIGINT)
            said, _ = first.communicate(timeout=60)
            self.assertEqual(first.returncode, 130, said)
            self.assertTrue(os.path.exists(os.path.join(directory, "report.json")))

            second = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100, check=False)

            self.assertEqual(second.returncode, 0, second.stdout)
            self.assertIn("going on with an interrupted run", second.stdout)
            with open(os.path.join(directory, "report.json"), encoding="utf-8") as file:
                self.assertEqual({row["n"] for row in json.load(file)}, {4})
            self.assertEqual(glob.glob(states), [])


if __name__ == "__main__":
    unittest.main()
