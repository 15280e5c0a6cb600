"""Tests of the instruction gate's judgement, and that its counts are exact: run by CTest (bench.gate_judgement)."""
import contextlib
import copy
import io
import json
import os
import shutil
import sys
import tempfile
import unittest
import unittest.mock

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(BENCH, "gate"))
import gate  # noqa: E402

BIN = sys.argv.pop(1) if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]) else os.path.join(os.path.dirname(BENCH), "build", "bin")
PROGRAM = os.path.join(BIN, "fairlead-gate")
COMPILED = {"compiler": "GNU 12.2.0 x86_64", "flags": "-O2"}
COUNTED = {"pick": {"instructions": 1000, "units": 10, "checksum": 7}}


class JudgementTest(unittest.TestCase):
    def setUp(self):
        self.baseline = {**COMPILED, "tolerance_percent": 2.0, "libraries": {"libc6": "2.36"}, "scenarios": copy.deepcopy(COUNTED)}

    def judge(self, counted=None, compiled=None, libraries=None):
        return gate.judge(self.baseline, compiled or COMPILED, COUNTED if counted is None else counted, libraries or {"libc6": "2.36"})

    @staticmethod
    def costs(instructions, **more):
        return {"pick": {**COUNTED["pick"], "instructions": instructions, **more}}

    def test_the_same_and_the_tolerated_pass(self):
        for instructions in (1000, 1019, 500):
            self.assertEqual(self.judge(self.costs(instructions))[1], [])

    def test_what_got_cheaper_is_said(self):
        self.assertIn("--accept", self.judge(self.costs(900))[0][0])

    def test_what_got_dearer_fails_by_name(self):
        self.assertEqual(self.judge(self.costs(1030))[1], ["pick costs 3.00 % more instructions than its baseline (tolerance 2 %)"])

    def test_another_compiler_or_other_flags_fail_instead_of_passing_silently(self):
        for other in ({"compiler": "GNU 13.1.0 x86_64", "flags": "-O2"}, {"compiler": COMPILED["compiler"], "flags": "-O3"}):
            lines, problems = self.judge(compiled=other)

            self.assertEqual(lines, [])
            self.assertEqual(len(problems), 1)
            self.assertIn("say nothing about the source", problems[0])

    def test_a_scenario_that_changed_is_new_or_is_gone_fails(self):
        self.assertIn("does something else", self.judge(self.costs(1000, checksum=8))[1][0])
        self.assertIn("pick is in the baseline", self.judge({})[1][0])
        self.assertIn("other has no baseline", self.judge({**COUNTED, "other": COUNTED["pick"]})[1][0])

    def test_other_libraries_are_named_only_where_something_failed(self):
        self.assertEqual(self.judge(libraries={"libc6": "2.37"})[1], [])
        self.assertIn("libc6 2.37 (baseline 2.36)", self.judge(self.costs(1100), libraries={"libc6": "2.37"})[1][1])

    def test_without_valgrind_the_gate_is_skipped_and_says_why(self):
        with unittest.mock.patch.object(gate.shutil, "which", lambda _: None), contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(gate.main([]), 77)
        self.assertIn("SKIPPED: valgrind is not there", out.getvalue())


@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not there")
@unittest.skipUnless(os.access(PROGRAM, os.X_OK), f"fairlead-gate is not built in {BIN}")
class CountingTest(unittest.TestCase):
    def test_two_runs_count_the_same_whatever_the_environment_and_the_folder(self):
        first = gate.count(PROGRAM, "tables_20_servers")
        with tempfile.TemporaryDirectory() as directory, unittest.mock.patch.dict(os.environ, {"MORE": "x" * 3000}):
            elsewhere = shutil.copy(PROGRAM, os.path.join(directory, "a-program-of-another-name"))

            self.assertEqual(gate.count(elsewhere, "tables_20_servers"), first)

    def test_a_dearer_program_fails_and_the_way_to_accept_it_is_told(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "baseline.json")
            compiled = gate.about(PROGRAM)
            compiled["scenarios"] = [s for s in compiled["scenarios"] if s["name"] == "source_hash"]
            with unittest.mock.patch.object(gate, "about", lambda _: compiled), contextlib.redirect_stdout(io.StringIO()), \
                    contextlib.redirect_stderr(io.StringIO()) as said:
                arguments = ["--program", PROGRAM, "--baseline", path]
                self.assertEqual(gate.main([*arguments, "--accept"]), 0)
                self.assertEqual(gate.main(arguments), 0)
                with open(path, encoding="utf-8") as file:
                    baseline = json.load(file)
                baseline["scenarios"]["source_hash"]["instructions"] = int(baseline["scenarios"]["source_hash"]["instructions"] * 0.95)
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(baseline, file)

                self.assertEqual(gate.main(arguments), 1)
            self.assertIn("source_hash costs 5.26 % more", said.getvalue())
            self.assertIn("--accept", said.getvalue())

    def test_a_scenario_that_is_not_there_is_an_error(self):
        with self.assertRaises(gate.GateError):
            gate.count(PROGRAM, "no-such-scenario")


if __name__ == "__main__":
    unittest.main()
