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
from harness import plan, programs, report, rounds, state  # noqa: E402
from harness.cell import CellError  # noqa: E402
from harness.sandbox import Unavailable  # noqa: E402


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
    unit = "us/request"

    def __init__(self, figures):
        self.figures, self.runs, self.groups = figures, [], []

    def run(self, contender, workload, _seconds, _warmup):
        self.runs.append((workload.name, contender.name))
        value = self.figures[contender.name].pop(0)
        if isinstance(value, BaseException):
            raise value
        return {**result(self.unit, value), "config": ""}

    def run_in_turns(self, contenders, workload, seconds, warmup):
        out = {}
        for contender in contenders:
            try:
                out[contender.name] = self.run(contender, workload, seconds, warmup)
            except (CellError, Unavailable) as error:
                out[contender.name] = error
        self.groups.append((workload.name, [c.name for c in contenders]))
        return out

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
        self.assertEqual(made.noisy(), [])

    def test_what_stays_noisy_is_marked(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 8, "nginx": [10, 20] * 4}, "--rounds", "6"))

        self.assertEqual(made.repeats, {"p64": 2})
        self.assertEqual([w.name for w in made.noisy()], ["p64"])

    def test_further_rounds_that_would_not_narrow_the_interval_are_not_begun(self):
        for arguments in (["--rounds", "5", "--repeats", "2"], ["--rounds", "4", "--repeats", "4"], ["--rounds", "8"], ["--quick", "--rounds", "5"]):
            with self.subTest(arguments):
                made = self.go(self.make_run({"haproxy": [10.0] * 8, "nginx": [10, 20] * 4}, *arguments))

                self.assertEqual((plan.further_rounds(made.workloads[0], made.options), made.repeats), (0, {}))
                self.assertEqual(len(made.cells["p64", "nginx"]), made.options.rounds)
                made.state.finished()

    def test_of_fewer_than_five_rounds_the_noise_is_not_known(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 4, "nginx": [10, 20, 10, 20]}, "--rounds", "4"))

        self.assertEqual({row["noisy"] for row in report.rows_of(made.cells, made.workloads, made.contenders, {"haproxy": "", "nginx": ""})}, {None})

    def test_a_noisy_workload_whose_further_rounds_would_take_too_long_is_named(self):
        with unittest.mock.patch.dict(plan.BUDGET, {False: 10.0}):
            made = self.go(self.make_run({"haproxy": [10.0] * 5, "nginx": [10, 20, 10, 20, 10]}, "--rounds", "5"))

        self.assertEqual(made.repeats, {})
        self.assertIn("p64 noisy, not repeated", made.no_repeats)

    def test_a_quiet_run_is_not_repeated(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 5, "nginx": [10.0] * 5}, "--rounds", "5"))

        self.assertEqual(made.repeats, {})

    def test_a_contender_that_could_be_measured_once_and_then_not_has_failed(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 3, "nginx": [9.0, Unavailable("nginx did not relay a request"), 9.2]}, "--rounds", "3"))

        self.assertEqual([(f["contender"], f["round"], f["error"]) for f in made.failures], [("nginx", 2, "nginx did not relay a request")])
        self.assertEqual((made.dropped, sorted(made.cells["p64", "nginx"])), ({}, [1, 3]))

    def test_a_contender_that_never_could_is_left_out_by_name_and_has_not_failed(self):
        made = self.go(self.make_run({"haproxy": [10.0] * 3, "nginx": [Unavailable("no module")]}, "--rounds", "3"))

        self.assertEqual((made.dropped, made.failures), ({("p64", "nginx"): "no module"}, []))

    def test_a_calibration_and_a_count_of_system_calls_without_result_are_failures(self):
        made = self.make_run({"haproxy": [CellError("2 errors")], "nginx": []}, "--workloads", "lat", "--rounds", "1")
        self.assertEqual([f["error"] for f in self.go(made).failures], ["2 errors"])

        made = self.make_run({"haproxy": [10.0], "nginx": [9.0]}, "--rounds", "1")
        made.cell.count_calls = unittest.mock.Mock(side_effect=CellError("3 errors"))
        with unittest.mock.patch.object(rounds.syscalls, "choose", lambda: (unittest.mock.Mock(), None)):
            self.assertEqual([f["error"] for f in self.go(made).failures], ["system calls: 3 errors"] * 2)

    def test_an_interrupted_run_is_taken_up_where_it_was_stopped(self):
        stopped = self.make_run({"haproxy": [10.0, 10.5], "nginx": [9.0, KeyboardInterrupt()]}, "--rounds", "3")
        with self.assertRaises(KeyboardInterrupt):
            self.go(stopped)

        again = self.go(self.make_run({"haproxy": [10.6, 11.0], "nginx": [9.5, 9.6]}, "--rounds", "3"))

        # What was interrupted in the middle of its turns is measured anew, all of it.
        self.assertEqual(again.state.earlier, 2)
        self.assertEqual([r["metrics"]["us/request"] for _, r in sorted(again.cells["p64", "haproxy"].items())], [10.0, 10.6, 11.0])
        self.assertEqual([r["metrics"]["us/request"] for _, r in sorted(again.cells["p64", "nginx"].items())], [9.0, 9.5, 9.6])
        self.assertEqual(again.cell.groups, [("p64", ["haproxy", "nginx"]), ("p64", ["nginx", "haproxy"])])

    def test_what_was_measured_in_two_groups_is_measured_anew(self):
        """Two smaller runs have each of the cells, but not of one moment."""
        for name in ("haproxy", "nginx"):
            stopped = self.make_run({name: [10.0, KeyboardInterrupt()]}, "--contenders", name, "--rounds", "2")
            with self.assertRaises(KeyboardInterrupt):
                self.go(stopped)

        both = self.go(self.make_run({"haproxy": [11.0], "nginx": [9.0]}, "--rounds", "1"))

        self.assertEqual(len(both.cell.runs), 2)

    def test_who_was_left_out_is_not_tried_again(self):
        stopped = self.make_run({"haproxy": [10.0, KeyboardInterrupt()], "nginx": [Unavailable("no module")]}, "--rounds", "2")
        with self.assertRaises(KeyboardInterrupt):
            self.go(stopped)

        again = self.go(self.make_run({"haproxy": [11.0], "nginx": []}, "--rounds", "2"))

        self.assertEqual((again.dropped, again.cell.runs), ({("p64", "nginx"): "no module"}, [("p64", "haproxy")]))

    def test_cells_that_are_measured_by_themselves_are_taken_up_one_by_one(self):
        cc = ("--workloads", "d4")
        stopped = self.make_run({"haproxy": [KeyboardInterrupt()], "nginx": [9.0]}, *cc, "--rounds", "1")
        stopped.cell.unit = "ms/GB"
        with self.assertRaises(KeyboardInterrupt):
            self.go(stopped)

        again = self.make_run({"haproxy": [10.0], "nginx": []}, *cc, "--rounds", "1")
        again.cell.unit = "ms/GB"
        self.assertEqual((self.go(again).cell.runs, again.cell.groups), ([("d4", "haproxy")], []))

    def test_a_cell_that_failed_before_the_interruption_is_still_reported(self):
        failing = self.make_run({"haproxy": [10.0], "nginx": [CellError("3 errors")]}, "--rounds", "1", "--repeats", "0")
        self.go(failing)

        again = self.go(self.make_run({"haproxy": [], "nginx": []}, "--rounds", "1", "--repeats", "0"))

        self.assertEqual([f["error"] for f in again.failures], ["3 errors"])

    def test_half_a_line_at_the_end_is_dropped_and_fresh_keeps_what_was_there_beside(self):
        first = state.State(self.directory.name, {"key": 1})
        first.add("timed", "p64", "nginx", 1, result={}, took=2.0)
        first.add("timed", "p64", "nginx", 2, result={}, took=2.0)
        with open(first.path, "rb+") as file:
            file.truncate(os.path.getsize(first.path) - 9)

        same = state.State(self.directory.name, {"key": 1})
        self.assertEqual((same.found, same.earlier, same.began_anew), (1, 0, ""))
        self.assertIsNotNone(same.get("timed", "p64", "nginx", 1))
        self.assertEqual((same.earlier, same.spent), (1, 2.0))
        self.assertEqual(state.State(self.directory.name, {"key": 1}, fresh=True).found, 0)
        self.assertTrue(os.path.exists(first.path + ".old"))

    def test_a_state_of_other_conditions_is_neither_used_nor_lost(self):
        state.State(self.directory.name, {"key": 1}).add("timed", "p64", "nginx", 1, result={})

        other = state.State(self.directory.name, {"key": 2})
        self.assertEqual(other.found, 0)
        self.assertIn("its cells stay in cells-", other.began_anew)
        other.finished()
        self.assertFalse(os.path.exists(other.path))
        self.assertEqual(state.State(self.directory.name, {"key": 1}).found, 1)

    def test_a_state_of_yesterday_is_not_used_and_one_of_other_conditions_removed(self):
        mine, other = (state.State(self.directory.name, {"key": key}) for key in (1, 2))
        mine.add("timed", "p64", "nginx", 1, result={})
        os.utime(other.path, (0, 0))
        with unittest.mock.patch.object(state.time, "time", lambda now=state.time.time: now() + state.KEPT_FOR + 1):
            again = state.State(self.directory.name, {"key": 1})

        self.assertEqual((again.found, again.began_anew), (0, "is older than a day"))
        self.assertFalse(os.path.exists(other.path))

    def test_a_smaller_run_leaves_the_cells_of_an_interrupted_bigger_one(self):
        bigger = self.make_run({"haproxy": [10.0, 10.5], "nginx": [9.0, KeyboardInterrupt()]}, "--rounds", "3")
        bigger.state.add("calibration", rate=100, how="")
        with self.assertRaises(KeyboardInterrupt):
            self.go(bigger)

        smaller = self.go(self.make_run({"haproxy": []}, "--contenders", "haproxy", "--rounds", "1"))
        self.assertEqual((smaller.state.found, smaller.state.earlier, smaller.cell.runs), (3, 1, []))
        self.assertIsNotNone(smaller.state.get("calibration"))
        smaller.state.finished()

        rest = state.State(self.directory.name, {"key": 1})
        self.assertIsNone(rest.get("timed", "p64", "haproxy", 1))
        self.assertIsNotNone(rest.get("timed", "p64", "nginx", 1))
        self.assertIsNotNone(rest.get("calibration"))

    def test_the_state_is_replaced_in_one_step(self):
        first = state.State(self.directory.name, {"key": 1})
        first.add("timed", "p64", "nginx", 1, result={})
        with unittest.mock.patch.object(state.os, "replace", side_effect=OSError("no room")), self.assertRaises(OSError):
            state.State(self.directory.name, {"key": 1})

        self.assertEqual(state.State(self.directory.name, {"key": 1}).found, 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])   # CTest names a directory, which is of no use here
