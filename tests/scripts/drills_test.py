"""`make drill` without a lab: which runs are still to be made, what is promised of each case, what a report says of them."""
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "scripts"), os.path.join(ROOT, "tests")]

import run_drills                                                # noqa: E402
from drills import keepalived, pacemaker, report                 # noqa: E402
from drills.cases import CASES, NOT_HERE, VARIANTS, check_against   # noqa: E402
from drills.loops import Loop                                # noqa: E402
from drills.measure import TRIES, Service, measured, named       # noqa: E402
from drills.runs import Runs, stamp_of                           # noqa: E402
from support.promises import OURS_ON_ONE_LINK, OURS_WITH_QDEVICE, PROMISES, PROMISES_OF, TIMING, in_ms   # noqa: E402


def answered(*names):
    return [{"at_ms": i, "answered_by": [name] if name else []} for i, name in enumerate(names)]


def verdict(**changes):
    return {"outage_ms": 10.0, "silence_ms_max": 15.0, "failed": 2, "resets": 0, "holders_max": 1, "overlap_ms_max": 0.0, "announcements": [{"at_ms": 1.0, "from": "gate-1"}],
            "answer_ms_usual": 0.0,
            "rounds_by_station": {"gate-1": 90, "gate-2": 10}, "answered_by": answered("gate-1", "gate-2"),
            "prober_late_ms_max": 0.0, "recovered": True, "arp_watched": True, **changes}


def run(case="planned", system="fairlead", profile="vm", nodes=3, late=0.0, **changes):
    changes = {"answered_by": answered(*[f"gate-{i % 3 + 1}" for i in range(PROMISES[case].moves + 1)]), **changes}
    return {"case": case, "system": system, "profile": profile, "nodes": nodes, "verdict": verdict(**changes), "loop_late_ms": late}


def row(*runs):
    (found,) = report.rows(runs or [run()])
    return found


class VariantTest(unittest.TestCase):
    def test_what_is_played_in_a_lab_of_another_make_is_a_case_and_has_promises_of_its_own(self):
        for variant in VARIANTS:
            self.assertLessEqual(set(variant.cases), {c.name for c in CASES})
            self.assertIn(variant.system, PROMISES_OF)
        self.assertEqual(row(run(case="kill-node", system=OURS_WITH_QDEVICE))["bound_ms"], 5000)
        self.assertEqual(row(run(case="kill-standby", system=OURS_WITH_QDEVICE))["bound_ms"], 0)
        self.assertEqual(row(run(case="lose-carrier", system=OURS_ON_ONE_LINK))["bound_ms"], 2110)
        self.assertEqual(row(run(case="lose-carrier"))["bound_ms"], 60)
        self.assertEqual(row(run(case="kill-node"))["bound_ms"], 2110)
        self.assertIsNone(row(run(case="kill-node", system="keepalived"))["bound_ms"])


class RunsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "runs.json")

    def runs(self, stamps=None, repeats=3):
        return Runs(self.path, stamps or {"fairlead": "one"}, repeats)

    def test_what_is_missing_is_counted_by_case_profile_nodes_and_system(self):
        runs = self.runs({"fairlead": "one", "other": "its"})
        for made in (run(), run(), run(case="reload"), run(profile="fast"), run(nodes=2), run(system="other")):
            runs.keep(made)
        self.assertEqual(runs.missing("planned", "vm", 3), 1)
        self.assertEqual(runs.missing("reload", "vm", 3), 2)
        self.assertEqual(runs.missing("planned", "vm", 3, "other"), 2)
        self.assertEqual(runs.missing("kill-node", "vm", 3), 3)
        for _ in range(3):
            runs.keep(run())
        self.assertEqual(runs.missing("planned", "vm", 3), 0, "more than wanted is not less than none")

    def test_what_was_stopped_goes_on_with_the_same_programs(self):
        first = self.runs()
        first.keep(run())
        first.keep(run())

        second = self.runs()
        self.assertEqual(second.resume(), [])
        self.assertEqual(second.missing("planned", "vm", 3), 1)
        self.assertEqual([r["stamp"] for r in second.all], ["one", "one"])

    def test_runs_of_other_programs_are_dropped_and_that_is_said(self):
        first = self.runs({"fairlead": "one", "other": "its"})
        for made in (run(), run(), run(system="other")):
            first.keep(made)

        second = self.runs({"fairlead": "two", "other": "its"})
        (line,) = second.resume()
        self.assertRegex(line, "^2 runs of fairlead are dropped: .*two")
        self.assertEqual(second.missing("planned", "vm", 3), 3)
        self.assertEqual(second.missing("planned", "vm", 3, "other"), 2)
        second.keep(run())
        self.assertEqual(len(self.runs({"fairlead": "two", "other": "its"}).all), 0, "a resume is asked for")
        third = self.runs({"fairlead": "two", "other": "its"})
        self.assertEqual((third.resume(), len(third.all)), ([], 2), "what was dropped is dropped from the file, too")

    def test_runs_without_a_stamp_are_of_no_known_program(self):
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump([run()], file)
        runs = self.runs()
        self.assertEqual(len(runs.resume()), 1)
        self.assertEqual(runs.all, [])

    def test_runs_of_what_is_not_installed_now_stay(self):
        first = self.runs({"fairlead": "one", "other": "its"})
        first.keep(run(system="other"))
        runs = self.runs()
        self.assertEqual((runs.resume(), len(runs.all)), ([], 1))

    def test_a_stamp_is_made_of_the_programs_bytes(self):
        stamps = []
        for text in ("a", "a", "b"):
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(text)
            stamps.append(stamp_of(self.path))
        self.assertEqual(stamps[0], stamps[1])
        self.assertNotEqual(stamps[0], stamps[2])


class ReportTest(unittest.TestCase):
    def test_a_row_has_the_median_of_outages_and_the_worst_of_the_rest(self):
        found = row(run(outage_ms=10.0, failed=1, resets=7), run(outage_ms=30.0, failed=5, overlap_ms_max=4.0, prober_late_ms_max=2.0),
                    run(outage_ms=20.0, holders_max=2, late=3.0))
        self.assertEqual(found["outage_ms"], {"min": 10.0, "median": 20.0, "max": 30.0})
        self.assertEqual((found["n"], found["requests_failed"], found["resets"], found["holders_max"], found["overlap_ms_max"]), (3, 5, 7, 2, 4.0))
        self.assertEqual((found["prober_late_ms_max"], found["loop_late_ms_max"]), (2.0, 3.0))

    def test_who_has_no_control_loop_was_not_late_with_it(self):
        self.assertEqual(row(run(late=None), run(late=3.0))["loop_late_ms_max"], 3.0)
        other = row(run(system="other", profile="-", late=None))
        self.assertIsNone(other["loop_late_ms_max"])
        self.assertIn("<td>0 / -</td>", report.table_row({**other, "prober_late_ms_max": 0.0}))
        self.assertIn("<td>0 / 3</td>", report.table_row(row(run(late=3.0))))

    def test_a_row_has_the_fields_that_others_read(self):
        self.assertLessEqual({"case", "system", "profile", "nodes", "n", "outage_ms", "requests_failed", "resets", "holders_max", "overlap_ms_max"}, set(row()))

    def test_cases_systems_profiles_and_numbers_of_nodes_are_rows_of_their_own(self):
        table = report.rows([run(), run(nodes=2), run(), run(profile="fast"), run(system="other", profile="-"), run(case="reload")])
        self.assertEqual([(r["case"], r["system"], r["profile"], r["nodes"], r["n"]) for r in table], [
            ("planned", "fairlead", "vm", 3, 2), ("planned", "fairlead", "vm", 2, 1), ("planned", "fairlead", "fast", 3, 1),
            ("planned", "other", "-", 3, 1), ("reload", "fairlead", "vm", 3, 1)])

    def test_bounds_follow_the_profile_and_are_fairleads_alone(self):
        self.assertEqual(row(run(case="kill-node"))["bound_ms"], 800 + 960 + 350)
        self.assertEqual(row(run(case="kill-node", profile="fast"))["bound_ms"], 400 + 480 + 350)
        self.assertIsNone(row(run(case="kill-node", system="other", profile="-"))["bound_ms"])

    def test_who_answered_is_said_by_name_and_in_order(self):
        seen = [["gate-1"], [], ["gate-1"], ["gate-1", "gate-2"], [], ["gate-2"]]
        story = [{"at_ms": i, "answered_by": names} for i, names in enumerate(seen)]
        found = row(run(answered_by=story), run(answered_by=story), run())
        self.assertEqual(found["holders_in_order"], {"gate-1 > gate-1 and gate-2 > gate-2": 2, "gate-1 > gate-2": 1})
        self.assertEqual(found["answered_arp"], {"gate-1": 270, "gate-2": 30})

    def test_stations_get_the_names_of_gateways(self):
        found = named(verdict(rounds_by_station={"02:01": 5, "02:99": 1}, answered_by=[{"at_ms": 0, "answered_by": ["02:99", "02:01"]}],
                              announcements=[{"at_ms": 0, "from": "02:01"}]), {"02:01": "gate-1"})
        self.assertEqual(found["rounds_by_station"], {"gate-1": 5, "02:99": 1})
        self.assertEqual(found["answered_by"][0]["answered_by"], ["02:99", "gate-1"])
        self.assertEqual(found["announcements"][0]["from"], "gate-1")

    def test_what_is_as_promised_is_not_broken(self):
        self.assertEqual(report.broken(row(run(outage_ms=20.0))), [])
        self.assertEqual(report.broken(row(run(case="reload", outage_ms=0.0, failed=0))), [])
        self.assertEqual(report.broken(row(run(case="double-failure", outage_ms=9999.0, failed=999))), [], "no bound is stated")

    def test_an_outage_above_its_bound_is_broken_beside_the_probers_grain_and_lateness(self):
        self.assertEqual(report.broken(row(run(outage_ms=25.0))), [])
        self.assertEqual(report.broken(row(run(outage_ms=25.1))), ["outage 25.1 ms, promised 20 ms"])
        self.assertEqual(report.broken(row(run(outage_ms=25.1, prober_late_ms_max=1.0))), [])
        self.assertEqual(report.broken(row(run(outage_ms=25.3, answer_ms_usual=0.3))), [], "the answer that ended it took its usual time")
        self.assertEqual(len(report.broken(row(run(case="reload", outage_ms=0.0, failed=0, silence_ms_max=55.3, answer_ms_usual=0.3)))), 1, "no answer begins a silence")
        self.assertEqual(len(report.broken(row(run(outage_ms=25.1), run(prober_late_ms_max=15.0)))), 1, "the lateness of another run excuses nothing")

    def test_a_stall_without_a_failed_try_is_broken(self):
        self.assertEqual(report.broken(row(run(silence_ms_max=75.0))), [], "a busy machine's 50 ms")
        self.assertEqual(report.broken(row(run(silence_ms_max=76.0))), ["no answer for 76.0 ms, promised 20 ms"])
        self.assertEqual(report.broken(row(run(case="reload", outage_ms=0.0, failed=0, silence_ms_max=450.0))), ["no answer for 450.0 ms, promised 0 ms"])
        self.assertEqual(len(report.broken(row(run(outage_ms=400.0, silence_ms_max=400.0)))), 1, "said once")

    def test_a_prober_that_was_late_has_measured_itself(self):
        self.assertEqual(report.broken(row(run(prober_late_ms_max=20.0))), [])
        self.assertEqual(len(report.broken(row(run(outage_ms=900.0, silence_ms_max=900.0, prober_late_ms_max=1000.0)))), 1)
        self.assertEqual(report.broken(row(run(case="kill-node", outage_ms=2000.0, prober_late_ms_max=1000.0))), [])
        self.assertEqual(len(report.broken(row(run(case="kill-node", outage_ms=2000.0, prober_late_ms_max=1100.0)))), 1)

    def test_a_deed_without_effect_and_a_needless_move_are_broken(self):
        stayed = {"answered_by": answered("gate-1", "", "gate-1")}
        self.assertEqual(report.broken(row(run(case="cut-link-oneway", outage_ms=0.0, **stayed))), ["it was to move, and gate-1 answered all the time (1 runs)"])
        self.assertEqual(report.broken(row(run(case="merge", outage_ms=0.0, failed=0, **stayed))), [])
        moved = {"answered_by": answered("gate-1", "", "gate-2")}
        self.assertEqual(report.broken(row(run(case="merge", outage_ms=0.0, failed=0, **moved))), ["it was to stay where it was: gate-1 > gate-2 (1 runs)"])
        self.assertEqual(report.broken(row(run(case="boot-both", outage_ms=4000.0, silence_ms_max=5.0, **stayed))), [])

    def test_a_needless_further_move_is_broken(self):
        further = answered("gate-1", "gate-2", "", "gate-1", "gate-3")
        self.assertEqual(report.broken(row(run(answered_by=further), run())),
                         ["it was to move once, and moved 3 times: gate-1 > gate-2 > gate-1 > gate-3 (1 runs)"])
        self.assertEqual(len(report.broken(row(run(case="double-failure", answered_by=further)))), 1)
        self.assertEqual(report.broken(row(run(case="double-failure", answered_by=answered("gate-1", "gate-2")))),
                         ["it was to move twice, and moved once: gate-1 > gate-2 (1 runs)"])
        self.assertEqual(report.broken(row(run(system="other", profile="-", answered_by=further))), [], "nothing is promised")

    def test_who_answers_beside_another_has_not_got_it(self):
        self.assertEqual(report.moves_in("gate-1 > gate-1 and gate-2 > gate-2"), 1)
        self.assertEqual(report.moves_in("gate-2 > gate-1 and gate-2 > gate-2"), 0)
        self.assertEqual((report.moves_in(""), report.moves_in("gate-1"), report.moves_in("gate-1 > gate-2 > gate-1")), (0, 0, 2))

    def test_one_failed_try_is_broken_where_none_may_fail(self):
        self.assertEqual(report.broken(row(run(case="reload", outage_ms=5.0, failed=1))), ["1 tries failed, promised at most 0"])
        self.assertEqual(report.broken(row(run(case="kill-server", outage_ms=5.0, failed=1))), [], "one may be on its way to the server")
        self.assertEqual(len(report.broken(row(run(case="kill-server", outage_ms=5.0, failed=2)))), 1)

    def test_two_that_answer_at_once_are_broken(self):
        self.assertEqual(len(report.broken(row(run(holders_max=2, overlap_ms_max=5.0)))), 1)
        self.assertEqual(len(report.broken(row(run(holders_max=2, overlap_ms_max=0.0)))), 1)
        frozen = {"case": "freeze-node", "holders_max": 2}
        self.assertEqual(report.broken(row(run(**frozen, overlap_ms_max=55.0))), [], "50 ms after a wake")
        self.assertEqual(len(report.broken(row(run(**frozen, overlap_ms_max=56.0)))), 1)

    def test_an_outage_that_cannot_be_so_short_is_broken(self):
        self.assertEqual(len(report.broken(row(run(case="kill-node", outage_ms=900.0)))), 1)
        self.assertEqual(report.broken(row(run(case="kill-node", outage_ms=2000.0))), [])
        self.assertEqual(len(report.broken(row(run(case="kill-both", outage_ms=5.0)))), 1, "the guard was there, after all")
        self.assertEqual(len(report.broken(row(run(case="boot-alone", outage_ms=4900.0)))), 1)

    def test_a_vip_that_stays_away_a_stranger_and_blindness_are_broken(self):
        self.assertEqual(report.broken(row(run(recovered=False))), ["the VIP did not come back"])
        self.assertEqual(len(report.broken(row(run(rounds_by_station={"gate-1": 5, "02:99": 1})))), 1)
        self.assertEqual(report.broken(row(run(arp_watched=False, holders_max=0))), ["ARP was not watched"])
        self.assertEqual(report.broken(row(run(), run(holders_max=0))), ["nobody ever answered ARP (1 runs)"], "who was not heard may have been two")

    def test_the_report_is_written_with_what_was_not_run_and_why(self):
        with tempfile.TemporaryDirectory() as folder:
            table = report.write(folder, [run(), run(case="double-failure"), run(outage_ms=99.0, case="reload")], ["<a fact>"], {"upgrade": "later & so"})
            with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file), table)
            with open(os.path.join(folder, "report.html"), encoding="utf-8") as file:
                page = file.read()
        for part in ("&lt;a fact&gt;", "upgrade: later &amp; so", "double-failure: two faults", "outage 99 ms, promised 0 ms", "gate-1: 90"):
            self.assertIn(part, page.replace("99.0", "99"))


class ListTest(unittest.TestCase):
    def listed(self):
        return [{"name": c.name, "promise": PROMISES[c.name].outage} for c in CASES] + [{"name": name, "promise": ""} for name in NOT_HERE]

    def test_a_list_that_agrees_is_fine(self):
        self.assertEqual(check_against(self.listed()), [])

    def test_every_difference_is_named(self):
        self.assertIn("flood", "".join(check_against([*self.listed(), {"name": "flood", "promise": ""}])))
        self.assertIn("kill-node is not in", "".join(check_against([d for d in self.listed() if d["name"] != "kill-node"])))
        other = [{**d, "promise": "7 ms"} if d["name"] == "planned" else d for d in self.listed()]
        self.assertIn("'7 ms', judged is '20 ms'", "".join(check_against(other)))

    def test_every_case_has_a_bound_or_a_reason_for_none(self):
        for case in CASES:
            promise = PROMISES[case.name]
            self.assertNotEqual(bool(promise.outage), bool(promise.why), case.name)
        self.assertEqual(set(PROMISES), {c.name for c in CASES})
        self.assertTrue(all(NOT_HERE.values()))

    def test_sums_of_a_promise(self):
        self.assertEqual(in_ms("lease + T + C + 500 ms", TIMING["vm"]), 2000 + 800 + 960 + 500)
        self.assertEqual(in_ms("guard.hang + 300 ms", TIMING["fast"]), 1300)
        self.assertEqual((in_ms("0", TIMING["vm"]), in_ms("5 s", TIMING["vm"])), (0, 5000))

    def test_the_full_run_plays_every_case_and_the_quick_one_those_of_its_nodes(self):
        for case in CASES:
            self.assertTrue(any(nodes in case.nodes for _, nodes in run_drills.FULL) or any(case.name in v.cases for v in VARIANTS), case.name)
        self.assertLessEqual(set(run_drills.QUICK_PAIR), {c.name for c in CASES if 2 in c.nodes})


class LoopTest(unittest.TestCase):
    """The worst lateness of a run is that of whole seconds after its begin, whichever daemon they are of. Here it begins at 100 s."""

    def worst(self, *heard):
        """`heard`: (our clock, the daemon's uptime, its last seconds in us)."""
        loop = Loop(100.0)
        for now, uptime, seconds in heard:
            loop.heard({"uptime_s": uptime, "control_late_us_by_second": seconds}, now)
        return loop.worst_ms()

    def test_what_was_before_the_run_is_none_of_it(self):
        frozen = [300, 5518000, 200, 100]
        self.assertEqual(self.worst((100.0, 50.5, frozen), (102.0, 52.5, [*frozen, 7000, 400])), 7.0)
        self.assertIsNone(self.worst((100.0, 50.5, frozen)), "nothing is known yet")
        self.assertIsNone(self.worst())

    def test_a_second_in_which_the_run_begins_is_not_counted(self):
        self.assertEqual(self.worst((100.0, 50.5, [1000]), (101.0, 51.5, [9000, 2000])), 2.0)
        self.assertEqual(self.worst((100.0, 50.05, [1000]), (101.0, 51.05, [9000, 2000])), 2.0, "its status may be 100 ms old")

    def test_what_a_killed_daemon_said_and_what_its_successor_says_count(self):
        self.assertEqual(self.worst((100.0, 50.0, [0]), (102.0, 52.0, [0, 8000, 100]), (105.0, 1.2, [500, 300])), 8.0)
        self.assertEqual(self.worst((100.0, 50.0, [0]), (102.0, 52.0, [0, 100, 100]), (103.0, 0.4, [6000])), 6.0)

    def test_a_daemon_that_stood_still_says_so_afterwards(self):
        self.assertEqual(self.worst((100.0, 50.0, [0]), (106.0, 50.0, [0]), (106.5, 56.5, [0] * 6 + [5518000])), 5518.0)


class RepeatTest(unittest.TestCase):
    """A run in which the prober was late says nothing of an outage; what must never be, it says."""

    def measured(self, *runs):
        """(the run that is kept, how many were made); the last of `runs` comes again and again."""
        made = []

        def once():
            made.append(runs[min(len(made), len(runs) - 1)])
            return made[-1]
        with contextlib.redirect_stdout(io.StringIO()):
            return measured(once), len(made)

    def test_a_late_run_is_made_again_until_one_is_not_late_or_enough_were_made(self):
        late, fine = run(prober_late_ms_max=100.0), run()
        self.assertEqual(self.measured(fine), (fine, 1))
        self.assertEqual(self.measured(late, fine), (fine, 2))
        self.assertEqual(self.measured(late), (late, TRIES))

    def test_a_late_run_in_which_something_was_that_must_never_be_is_kept_and_reported(self):
        for seen in ({"holders_max": 2, "overlap_ms_max": 5.0}, {"rounds_by_station": {"gate-1": 90, "02:99": 3}}, {"recovered": False}):
            with self.subTest(**seen):
                bad = run(prober_late_ms_max=100.0, **seen)
                self.assertEqual(self.measured(bad, run()), (bad, 1))
                self.assertEqual(len(report.broken(row(run(), bad))), 2, "that, and the prober's lateness")

    def test_what_a_late_prober_may_have_seen_of_a_wake_is_no_reason_to_keep_a_run(self):
        woken = {"case": "freeze-node", "holders_max": 2, "prober_late_ms_max": 2500.0}
        self.assertEqual(self.measured(run(**woken, overlap_ms_max=60.0), run())[1], 2)
        self.assertEqual(self.measured(run(**woken, overlap_ms_max=2600.0), run())[1], 1)


class ExitTest(unittest.TestCase):
    def test_where_nothing_can_be_played_that_is_said_and_is_no_failure(self):
        said = io.StringIO()
        with mock.patch.object(run_drills, "why_unavailable", lambda: "not root"), contextlib.redirect_stderr(said):
            self.assertEqual(run_drills.drill(None), 77)
        self.assertEqual(said.getvalue(), "drills need network namespaces: not root\n")
        with open(os.path.join(ROOT, "tests", "netns", "CMakeLists.txt"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"set_tests_properties\(netns\.every_drill [^)]*SKIP_RETURN_CODE 77")


class PeerTest(unittest.TestCase):
    def test_keepalived_watches_the_file_that_haproxys_shell_writes(self):
        confs = {form.name: keepalived.keepalived_conf(form, 0, "192.0.2.1") for form in keepalived.FORMS}
        self.assertEqual({name for name, conf in confs.items() if f'file "{keepalived.GONE}"\n  weight 0\n' in conf}, {"keepalived-track", "keepalived-fast"})
        self.assertRegex(keepalived.SERVE, f"^echo 0 > {keepalived.GONE}; haproxy .*; echo 1 > {keepalived.GONE}$")

    def test_the_state_that_keepalived_entered_last_counts(self):
        self.assertEqual(keepalived.state_of("Starting"), "")
        self.assertEqual(keepalived.state_of("(api) Entering BACKUP STATE (init)\n(api) Entering MASTER STATE\n(api) setting VIPs."), "MASTER")

    def test_the_address_waits_for_a_haproxy_and_a_carrier_of_every_node(self):
        cib = xml.fromstring(pacemaker.cib("192.0.2.1"))
        self.assertEqual({clone.get("id"): clone.find("primitive").get("id") for clone in cib.iter("clone")}, {"haproxies": "haproxy", "carriers": "carrier"})
        together, order, place = cib.find("configuration/constraints")
        self.assertEqual((together.get("rsc"), together.get("with-rsc"), order.get("first"), order.get("then"), place.get("rsc")),
                         ("vip", "haproxies", "haproxies", "vip", "vip"))


class WatchTest(unittest.TestCase):
    """When a watch ends. Time is a number here: each look at the service takes 10 ms."""

    def watch(self, fails, **limits):
        """`fails`: (from, to) in which the service does not answer. (whether it came back, when the watch ended)"""
        test, self.now = self, 0.0

        class Watched(Service):
            def __init__(self):
                pass

            def answers(self):
                test.now += 0.01
                return not any(a <= test.now < b for a, b in fails)

        back = Watched().await_back(clock=lambda: self.now, rest=lambda: None, **limits)
        return back, round(self.now, 1)

    def test_it_ends_when_service_has_been_back_for_a_second(self):
        self.assertEqual(self.watch([(0.2, 2.2)], least_s=1), (True, 3.2))

    def test_it_lasts_as_long_as_the_case_wants(self):
        self.assertEqual(self.watch([], least_s=3), (True, 3.0))
        self.assertEqual(self.watch([(2.5, 2.9)], least_s=3), (True, 3.9), "an outage just before the end is seen to its end")

    def test_it_ends_without_service_at_the_latest(self):
        self.assertEqual(self.watch([(1, 99)], least_s=1, most_s=20), (False, 20.0))


if __name__ == "__main__":
    unittest.main()
