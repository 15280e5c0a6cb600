"""What `make run` reads out of its records: outage, failures, holders, the timeline, the clients' line."""
import os
import sys
import unittest
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "scripts"), os.path.join(ROOT, "tests")]

import run_demo                      # noqa: E402
from demo import versus              # noqa: E402
from demo.figures import MS, Figures, Record, client_line, figures, is_quiet, longest_gap_ms, most_holders, timeline   # noqa: E402
from demo.mission import Mission      # noqa: E402

ONE, TWO = "02:fa:00:00:04:83", "02:fa:00:00:04:84"


def served(begin_ms, end_ms, mac, step=4):
    """Probes and ARP rounds each 4 ms, answered at once."""
    for at in range(begin_ms, end_ms, step):
        yield f"P {at * MS} {at * MS + MS} ok"
        yield f"A {at * MS} {mac}"


def silent(begin_ms, end_ms, result="timeout", step=4):
    for at in range(begin_ms, end_ms, step):
        yield f"P {at * MS} {(at + 900) * MS} {result}"
        yield f"A {at * MS} -"


class FiguresTest(unittest.TestCase):
    def record(self, *parts):
        return Record().read(line for part in parts for line in part)

    def test_an_outage_is_the_time_between_the_answers_around_it(self):
        record = self.record(served(0, 1000, ONE), silent(1000, 1200), served(1200, 2000, TWO))
        found = figures(record, 900 * MS, 1900 * MS)
        self.assertEqual(found.outage_ms, 204)   # From the answer at 997 to the one at 1201.
        self.assertEqual((found.probes, found.probes_failed, found.holders), (250, 50, 1))

    def test_answers_that_come_late_are_an_outage_too(self):
        """A stopped daemon: the kernel takes the connections, all are answered when it goes on."""
        record = self.record(served(0, 1000, ONE), (f"P {at * MS} {1200 * MS} ok" for at in range(1000, 1200, 4)), served(1200, 2000, ONE))
        found = figures(record, 900 * MS, 1900 * MS)
        self.assertEqual((found.outage_ms, found.probes_failed), (203, 0))

    def test_an_outage_without_an_end_lasts_until_the_end(self):
        found = figures(self.record(served(0, 1000, ONE), silent(1000, 2000)), 500 * MS, 2000 * MS)
        self.assertEqual(found.outage_ms, 2000 - 997)

    def test_two_answers_in_one_round_are_two_holders(self):
        record = self.record(served(0, 100, ONE), [f"A {100 * MS} {ONE},{TWO}"], served(104, 200, TWO))
        self.assertEqual(figures(record, 0, 200 * MS).holders, 2)
        self.assertEqual(timeline(record, 0, 20, 10, {ONE: "1", TWO: "2"}), "11111!2222")
        self.assertEqual(figures(record, 110 * MS, 200 * MS).holders, 1)
        self.assertEqual(most_holders(record), 2, "at any time")

    def test_the_timeline_shows_who_answered_where_connections_were_answered(self):
        record = self.record(served(0, 100, ONE), silent(100, 200), served(200, 300, TWO))
        self.assertEqual(timeline(record, 0, 20, 15, {ONE: "1", TWO: "2"}), "11111.....22222")

    def test_resets_are_those_of_new_and_of_kept_connections(self):
        record = self.record([f"P {5 * MS} {6 * MS} reset", f"R 1 {7 * MS} closed", f"R 2 {300 * MS} reset"], served(8, 100, ONE))
        self.assertEqual(figures(record, 0, 200 * MS).resets, 2)

    def test_the_watchers_own_lateness_is_part_of_the_figures(self):
        record = self.record(served(0, 100, ONE), [f"L {50 * MS} {17 * MS}", f"L {500 * MS} {99 * MS}"])
        self.assertEqual(figures(record, 0, 100 * MS).late_ms, 17)

    def test_a_second_is_quiet_when_all_of_it_was_answered_without_a_gap(self):
        record = self.record(served(0, 2000, ONE))
        self.assertTrue(is_quiet(record, 2000 * MS))
        self.assertFalse(is_quiet(record, 2200 * MS), "nothing was answered in the last 200 ms")
        self.assertFalse(is_quiet(self.record(served(500, 2000, ONE)), 1400 * MS), "the record begins in the middle of it")
        self.assertFalse(is_quiet(self.record([]), 2000 * MS), "nothing is known")

    def test_a_second_with_a_failure_or_a_gap_is_not_quiet_until_it_is_over(self):
        for unrest in ([f"P {1000 * MS} {1001 * MS} reset"], []):
            record = self.record(served(0, 1000, ONE), unrest, served(1004 if unrest else 1104, 3000, ONE))
            self.assertFalse(is_quiet(record, 1500 * MS))
            self.assertTrue(is_quiet(record, 2500 * MS))

    def test_clients_count_by_their_own_numbers(self):
        record = self.record(f"C 1 {n} {n * 10 * MS} {(n * 10 + 1) * MS} ok" for n in range(1, 11))
        self.assertEqual(client_line(record.requests), "ok 10  lost 0  longest gap 10 ms")
        record.read([f"C 1 11 {110 * MS} {610 * MS} timeout", f"C 1 12 {620 * MS} {621 * MS} ok"])
        self.assertEqual(client_line(record.requests), "ok 11  lost 1  longest gap 520 ms")

    def test_a_number_that_is_not_in_the_record_is_lost(self):
        record = self.record([f"C 1 1 0 {MS} ok", f"C 1 3 {20 * MS} {21 * MS} ok", f"C 2 1 0 {MS} ok"])
        self.assertEqual(client_line(record.requests).split("  ")[:2], ["ok 3", "lost 1"])

    def test_a_gap_is_one_clients_whatever_the_others_get(self):
        record = self.record([f"C 1 1 0 {MS} ok", f"C 2 1 {5 * MS} {6 * MS} ok", f"C 2 2 {50 * MS} {51 * MS} ok", f"C 1 2 {99 * MS} {100 * MS} ok"])
        self.assertEqual(longest_gap_ms(record.requests), 99)


class JudgeTest(unittest.TestCase):
    """When a bound that was missed fails the demonstration."""

    def judged(self, outage_ms, before_ms=0, late_ms=0, load=0.5):
        """(failures, remarks) for an act that is promised 20 ms."""
        def of(outage):
            return Figures(outage_ms=outage, probes=1, probes_failed=0, requests=1, requests_failed=0, resets=0, rounds=1, holders=1,
                           announcements=0, late_ms=late_ms)
        mission = Mission.__new__(Mission)
        mission.failures, mission.remarks = [], []
        with mock.patch("os.getloadavg", return_value=(load, load, load)), mock.patch("demo.mission.SCALE", 1):
            mission.judge(1, 20, of(outage_ms), of(before_ms))
        return len(mission.failures), len(mission.remarks)

    def test_what_keeps_its_bound_is_not_mentioned(self):
        self.assertEqual(self.judged(20), (0, 0))

    def test_what_misses_it_fails_unless_the_machine_itself_accounts_for_it(self):
        self.assertEqual(self.judged(21), (1, 0))
        self.assertEqual(self.judged(24, before_ms=4), (0, 1))
        self.assertEqual(self.judged(25, before_ms=4), (1, 0))
        self.assertEqual(self.judged(25, before_ms=4, late_ms=1), (0, 1))

    def test_a_busy_machine_excuses_up_to_the_threefold(self):
        busy = 3 * os.cpu_count()
        self.assertEqual(self.judged(60, load=busy), (0, 1))
        self.assertEqual(self.judged(61, load=busy), (1, 0))


class VersusTest(unittest.TestCase):
    def test_both_stand_beside_each_other_for_each_act_that_was_played(self):
        ours = Record().read([*served(0, 1000, ONE), *silent(1000, 1200), *served(1200, 3000, TWO)])
        theirs = Record().read([*served(0, 1000, ONE), *silent(1000, 2000), *served(2000, 3000, TWO)])
        seen = figures(ours, 500 * MS, 2500 * MS)
        lines = versus.table({"move": seen, "kill": seen}, {"move": figures(theirs, 500 * MS, 2500 * MS)}).splitlines()
        self.assertEqual(len(lines), 4, lines)
        self.assertRegex(lines[2], r"^  planned move +Fairlead +204 ms +50 +0 +0 +1$")
        self.assertRegex(lines[3], r"^ +keepalived \+ HAProxy +1,004 ms +250 +0 +0 +1$")

    def test_it_says_what_it_needs(self):
        self.assertIn("needs the lab (not root)", run_demo.versus_problem("not root"))
        with mock.patch("shutil.which", return_value=None):
            self.assertIn("haproxy and keepalived not installed", run_demo.versus_problem(None))
        with mock.patch("shutil.which", return_value="/usr/sbin/it"):
            self.assertIsNone(run_demo.versus_problem(None))


if __name__ == "__main__":
    unittest.main()
