"""Tests of the order of a run, of its repeats and of taking one up again, with figures instead of measurements: run by CTest (bench.rounds)."""
import contextlib
import io
import os
import sys
import tempfile
import unittest
import unittest.mock

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, BENCH)
import run  # noqa: E402
from harness import plan, programs, rounds, state  # noqa: E402
from harness.cell import CellError  # noqa: E402


def result(unit, value):
    return {"metrics": {unit: value}, "facts": {"tcp_congestion_control": "reno"}}


class PlanTest(unittest.TestCase):
    @staticmethod
    def total(*arguments):
        """Of a machine that has everything, a newer HAProxy too."""
        options = run.parse_arguments([*arguments, "--haproxy3", "/nonexistent/haproxy"])
        return plan.total(options, options.contenders)

    def test_a_full_run_is_planned_for_less_than_an_hour_and_a_quick_one_for_less_than_three_minutes(self):
        self.assertLess(self.total()[1], 60 * 60)
        self.assertLess(self.total("--quick")[1], 3 * 60)
        self.assertLess(plan.BUDGET[False], 60 * 60)
        self.assertLess(plan.BUDGET[True], 3 * 60)

    def test_another_contender_is_first_in_each_round_and_none_is_left_out(self):
        options = run.parse_arguments(["--workloads", "p64,d4,idle"])
        rounds = [list(plan.cells_of_round(options.workloads, options.contenders, number, False)) for number in (1, 2)]

        self.assertEqual(*({(w.name, c.name) for w, c in cells} for cells in rounds))
        self.assertNotEqual(rounds[0][0], rounds[1][0])
        names = {(w.name, c.name) for w, c in rounds[0]}
        self.assertIn(("d4", "haproxy-splice"), names)
        self.assertNotIn(("p64", "haproxy-splice"), names)
        self.assertNotIn(("idle", "kernel"), names)


class ProgramsTest(unittest.TestCase):
    def test_installed_the_programs_of_the_package_are_taken_and_the_report_goes_to_where_the_user_is(self):
        with unittest.mock.patch.multiple(programs, IN_SOURCE=False, PREFIX="/opt/f"), unittest.mock.patch.object(programs.shutil, "which", lambda name: None):
            self.assertEqual(programs.find("fairlead-loadgen"), "/opt/f/lib/fairlead/fairlead-loadgen")
            self.assertEqual(programs.find("fairleadd"), "/opt/f/sbin/fairleadd")
            self.assertEqual(programs.find("fairleadd", "/elsewhere"), "/elsewhere/fairleadd")
            self.assertEqual(programs.default_out(), os.path.abspath("fairlead-bench"))


class FakeCell:
    """Gives each contender's figures in turn, instead of measuring."""

    def __init__(self, figures):
        self.figures, self.runs = figures, []

    def run(self, contender, workload, _seconds, _warmup):
        self.runs.append((workload.name, contender.name))
        value = self.figures[contender.name].pop(0)
        if isinstance(value, BaseException):
            raise value
        return {**result("us/request", value), "config": ""}

    def count_calls(self, contender, workload, _seconds, _tool):
        return result("syscalls/request", 4.0)


class RoundsTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def make_run(self, figures, *arguments):
        options = run.parse_arguments(["--workloads", "p64", "--contenders", "haproxy,nginx", *arguments])
        return rounds.Run(options, options.contenders, FakeCell(figures), state.State(self.directory.name, {"key": 1}))

    @staticmethod
    def go(made):
        with contextlib.redirect_stderr(io.StringIO()):
            made.go()
        return made

    def test_a_noisy_workload_is_repeated_with_all_its_contenders_until_it_is_not(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 8, "nginx": [10, 10, 10, 10, 20, 10, 10, 10]}, "--rounds", "5"))

        self.assertEqual(made.repeats, {"p64": 3})      # of eight rounds the one odd one decides nothing
        self.assertEqual(len(made.cells["p64", "haproxy"]), 8)
        self.assertEqual(made.noisy(), set())

    def test_repeats_are_bounded_and_what_stays_noisy_is_marked(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 5, "nginx": [10, 20, 10, 20, 10]}, "--rounds", "3", "--repeats", "2"))

        self.assertEqual(made.repeats, {"p64": 2})
        self.assertEqual(made.noisy(), {"p64"})

    def test_a_quiet_run_is_not_repeated(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 3, "nginx": [10.0] * 3}, "--rounds", "3"))

        self.assertEqual(made.repeats, {})

    def test_an_interrupted_run_is_taken_up_where_it_was_stopped(self):
        stopped = self.make_run({"haproxy": [10.0, 10.5], "nginx": [9.0, KeyboardInterrupt()]}, "--rounds", "3")
        with self.assertRaises(KeyboardInterrupt):
            self.go(stopped)

        again = self.go(self.make_run({"haproxy": [11.0], "nginx": [9.5, 9.6]}, "--rounds", "3"))

        self.assertEqual(again.state.earlier, 3)
        self.assertEqual([r["metrics"]["us/request"] for _, r in sorted(again.cells["p64", "haproxy"].items())], [10.0, 10.5, 11.0])
        self.assertEqual([r["metrics"]["us/request"] for _, r in sorted(again.cells["p64", "nginx"].items())], [9.0, 9.5, 9.6])
        self.assertEqual(len(again.cell.runs), 3)

    def test_a_cell_that_failed_before_the_interruption_is_still_reported(self):
        failing = self.make_run({"haproxy": [10.0], "nginx": [CellError("3 errors")]}, "--rounds", "1", "--repeats", "0")
        self.go(failing)

        again = self.go(self.make_run({"haproxy": [], "nginx": []}, "--rounds", "1", "--repeats", "0"))

        self.assertEqual([f["error"] for f in again.failures], ["3 errors"])

    def test_a_state_of_other_conditions_is_not_used_and_half_a_line_is_dropped(self):
        first = state.State(self.directory.name, {"key": 1})
        first.add("timed", "p64", "nginx", 1, result={}, took=2.0)
        first.add("timed", "p64", "nginx", 2, result={}, took=2.0)
        path = os.path.join(self.directory.name, state.NAME)
        with open(path, "rb+") as file:
            file.truncate(os.path.getsize(path) - 9)

        same = state.State(self.directory.name, {"key": 1})
        self.assertEqual((same.earlier, same.spent, same.began_anew), (1, 2.0, ""))
        self.assertEqual(state.State(self.directory.name, {"key": 1}, fresh=True).earlier, 0)
        same.add("timed", "p64", "nginx", 1, result={})
        other = state.State(self.directory.name, {"key": 2})
        self.assertEqual(other.earlier, 0)
        self.assertIn("not the same", other.began_anew)
        other.finished()
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])   # CTest names a directory, which is of no use here
