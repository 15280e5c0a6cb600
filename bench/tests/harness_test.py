"""Tests of the benchmark's own judgement: run by CTest (bench.harness) or `python3 bench/tests/harness_test.py`."""
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, BENCH)
import compare  # noqa: E402
from harness import aims, contenders, plots, report, sandbox, stats, syscalls, tls, workloads  # noqa: E402
from harness.cell import Cell, CellError, check_log, last_words, no_result_on_errors, orders  # noqa: E402


def result(unit, value):
    return {"metrics": {unit: value}, "facts": {"tcp_congestion_control": "reno"}}


class StatsTest(unittest.TestCase):
    def test_a_row_carries_median_range_and_ratio_of_medians(self):
        row = stats.row_of("p64", "nginx", "1", "us/request", {1: 9.0, 2: 10.0, 3: 12.0}, {1: 10.0, 2: 20.0, 3: 20.0}, noise=0.15)

        self.assertEqual((row["median"], row["min"], row["max"], row["n"]), (10.0, 9.0, 12.0, 3))
        self.assertEqual(row["ratio_to_haproxy"], 0.5)
        self.assertEqual(row["paired_ratios"], [0.9, 0.5, 0.6])

    def test_whether_a_row_is_noisy_is_known_from_five_rounds_on(self):
        def noisy(*values):
            return stats.row_of("p64", "nginx", "1", "us/request", dict(enumerate(values)), {}, noise=0.15)["noisy"]

        self.assertIs(noisy(1.0, 9.0, 1.0, 9.0), None)
        self.assertIs(noisy(1.0, 9.0, 1.0, 9.0, 1.0), True)
        self.assertIs(noisy(1.0, 1.0, 1.0, 1.0, 1.1), False)

    def test_in_turns_noise_and_verdict_are_of_the_ratios(self):
        """The machine's speed doubles and halves again from round to round: the figures say nothing, their ratios everything."""
        speed = [10.0, 20.0, 11.0, 21.0, 10.5, 19.0]
        ours, other = ({r: share * s for r, s in enumerate(speed)} for share in (0.9, 1.0))

        def row(contender, values, reference):
            return stats.row_of("p64", contender, "1", "us/request", values, reference, noise=0.15, judged_by=stats.BY_RATIO)

        mine = row("fairlead-uring", ours, other)
        self.assertAlmostEqual(mine["ratio_to_haproxy"], 0.9)
        self.assertEqual((mine["noisy"], mine["against_haproxy"]["verdict"]), (False, "lower"))
        self.assertTrue(row("haproxy", other, other)["noisy"])
        self.assertEqual(row("nginx", other, other)["against_haproxy"]["verdict"], "no difference shown")
        five = row("nginx", {r: ours[r] for r in range(5)}, other)
        self.assertEqual((five["against_haproxy"]["verdict"], five["noisy"]), ("too few rounds", False))
        self.assertEqual(stats.row_of("p64", "nginx", "1", "us/request", ours, other, noise=0.15)["noisy"], True)

    def test_signed_rank_is_the_textbook_value(self):
        self.assertAlmostEqual(stats.signed_rank_p([1, 2, 3, 4, 5]), 2 / 32)
        self.assertAlmostEqual(stats.signed_rank_p([-1, 2, 3, 4, 5]), 4 / 32)
        self.assertEqual((stats.signed_rank_p([]), stats.signed_rank_p([0.0, 0.0])), (1.0, 1.0))
        self.assertTrue(0 < stats.signed_rank_p([float(d) for d in range(1, 30)]) < 0.001)
        self.assertGreater(stats.signed_rank_p([1, -1, 2, -2, 3, -3]), 0.9)

    def test_a_round_without_a_reference_gives_no_paired_ratio(self):
        row = stats.row_of("p64", "nginx", "1", "us/request", {1: 9.0, 2: 9.0}, {2: 18.0}, noise=0.15)

        self.assertEqual(row["paired_ratios"], [0.5])

    def test_the_interval_of_a_median_leaves_odd_rounds_out_once_there_are_eight(self):
        self.assertEqual(stats.median_interval([5.0]), (5.0, 5.0))
        self.assertEqual(stats.median_interval([1, 2, 3, 4, 5, 6, 99]), (1, 99))
        self.assertEqual(stats.median_interval([1, 2, 3, 4, 5, 6, 7, 99]), (2, 7))
        self.assertEqual(stats.median_interval(list(range(1, 16))), (4, 12))

    def test_rank_sum_of_separate_sets_is_the_textbook_value(self):
        self.assertAlmostEqual(stats.rank_sum_p([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 2 / 252)

    def test_rank_sum_of_equal_sets_is_one(self):
        self.assertEqual(stats.rank_sum_p([3, 3, 3], [3, 3, 3]), 1.0)

    def test_many_rounds_never_prove_with_certainty(self):
        low, high = list(range(20)), list(range(100, 120))

        self.assertTrue(0 < stats.rank_sum_p(low, high) < 0.001)

    def test_holm_raises_each_p_by_the_questions_that_are_left(self):
        for got, wanted in zip(stats.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]):
            self.assertAlmostEqual(got, wanted)
        self.assertEqual(stats.holm([]), [])

    def test_a_difference_from_haproxy_is_named_only_when_the_rounds_support_it(self):
        low, high = {r: 100.0 + r for r in range(1, 6)}, {r: 200.0 + r for r in range(1, 6)}

        def row(contender, values, reference):
            return stats.row_of("lat", contender, "1", "p99 us", values, reference, noise=0.3)

        self.assertEqual(row("nginx", low, high)["against_haproxy"]["verdict"], "lower")
        self.assertEqual(row("nginx", high, low)["against_haproxy"]["verdict"], "higher")
        self.assertEqual(row("nginx", high, high)["against_haproxy"]["verdict"], "no difference shown")
        self.assertEqual(row("nginx", {1: 1.0}, {1: 2.0})["against_haproxy"]["verdict"], "too few rounds")
        self.assertNotIn("against_haproxy", row("haproxy", low, low))

    def test_the_interval_of_a_ratio_holds_the_ratio_of_medians(self):
        low, high = stats.ratio_interval([9, 10, 11, 12, 13], [19, 20, 22, 24, 26])

        self.assertTrue(low <= 11 / 22 <= high)
        self.assertTrue(9 / 26 <= low < high <= 13 / 19)
        self.assertIsNone(stats.ratio_interval([1, 2, 3], [1, 2, 3]))


class CompareTest(unittest.TestCase):
    @staticmethod
    def row(values, contender="fairlead-uring", ratios=None, workload="p64", **more):
        return {"workload": workload, "contender": contender, "unit": "us/request", "main": True, "noisy": False, "values": values,
                "paired_ratios": ratios or [], **more}

    def run_compare(self, before, after, *arguments):
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            paths = []
            for name, rows in (("a.json", before), ("b.json", after)):
                paths.append(os.path.join(directory, name))
                with open(paths[-1], "w", encoding="ascii") as file:
                    json.dump(rows, file)
            return compare.main([*paths, *arguments]), out.getvalue()

    def test_a_clear_rise_fails(self):
        code, text = self.run_compare([self.row([8, 8.1, 8.2, 8.3, 8.4])], [self.row([9, 9.1, 9.2, 9.3, 9.4])])

        self.assertEqual(code, 1)
        self.assertIn("dearer", text)

    def test_overlapping_rounds_are_the_same(self):
        code, text = self.run_compare([self.row([8, 9, 10, 11, 12])], [self.row([8.5, 9.5, 10.5, 11.5, 12.5])])

        self.assertEqual(code, 0)
        self.assertIn("same", text)

    def test_a_slower_machine_is_no_regression_when_haproxy_slowed_too(self):
        ratios = [0.80, 0.81, 0.79, 0.82, 0.80]
        code, text = self.run_compare([self.row([8] * 5, ratios=ratios)], [self.row([16] * 5, ratios=ratios)])

        self.assertEqual(code, 0)
        self.assertIn("same", text)

    def test_three_rounds_cannot_prove_anything(self):
        code, text = self.run_compare([self.row([8, 8, 8])], [self.row([16, 16.1, 16.2])])

        self.assertEqual(code, 0)
        self.assertIn("too few rounds", text)

    def test_what_one_question_shows_may_be_chance_among_twenty(self):
        low, high = [8, 8.1, 8.2, 8.3, 8.4], [9, 9.1, 9.2, 9.3, 9.4]
        names = [f"w{i}" for i in range(20)]
        before = [self.row(low, workload=name) for name in names]
        after = [self.row(high if name == "w7" else low, workload=name) for name in names]

        code, text = self.run_compare(before, after)
        self.assertEqual(code, 1)
        self.assertIn("perhaps dearer", text)
        self.assertIn("corrected for Fairlead's 20 rows (Holm); 1 have too few rounds for it: 6 on either side would do", text)

        code, text = self.run_compare(before, after, "--workloads", "w7")
        self.assertEqual(code, 1)
        self.assertIn("corrected for Fairlead's 1 rows", text)

        code, _ = self.run_compare([self.row(low + [8, 8.1, 8.2], workload=name) for name in names],
                                   [self.row((high if name == "w7" else low) + [9, 9.1, 9.2], workload=name) for name in names])
        self.assertEqual(code, 1)

    def test_a_default_run_in_which_everything_doubled_does_not_pass(self):
        names = [f"{workload}{i}" for workload in ("p", "d", "u") for i in range(7)]
        rows = [[self.row([factor * value for value in (8, 8.1, 8.2, 8.3, 8.4)], contender=contender, workload=name)
                 for name in names for contender in ("haproxy", "nginx", "fairlead-uring", "fairlead-epoll")] for factor in (1, 2)]

        code, text = self.run_compare(*rows)
        self.assertEqual(code, 1)
        self.assertIn("corrected for Fairlead's 42 rows", text)

    def test_what_the_peers_do_is_shown_and_does_not_count(self):
        low, high = [8, 8.1, 8.2, 8.3, 8.4], [9, 9.1, 9.2, 9.3, 9.4]
        peers = [self.row(low, contender="nginx", workload=f"w{i}") for i in range(20)]

        code, text = self.run_compare([self.row(low), *peers], [self.row(high), *peers])   # twenty more rows that do not correct ours
        self.assertEqual(code, 1)
        code, text = self.run_compare([self.row(low, contender="nginx"), self.row(low)], [self.row(high, contender="nginx"), self.row(low)])
        self.assertEqual(code, 0)
        self.assertIn("dearer", text)

    def test_latencies_at_different_rates_are_not_compared(self):
        low, high = [8, 8.1, 8.2, 8.3, 8.4], [9, 9.1, 9.2, 9.3, 9.4]
        for rates, comparable in (((4000, 4300), True), ((4000, 4500), False), ((4500, 4000), False), ((None, 4000), False), ((None, None), True)):
            with self.subTest(rates):
                rows = [self.row(values, **({"rate_asked": rate} if rate else {})) for values, rate in zip((low, high), rates)]
                code, text = self.run_compare(rows[:1], rows[1:])

                self.assertEqual((code, "not comparable" in text), (1, False) if comparable else (0, True))

    def test_what_was_measured_in_turns_is_not_compared_with_what_was_not(self):
        low, high = self.row([8, 8.1, 8.2, 8.3, 8.4]), self.row([9, 9.1, 9.2, 9.3, 9.4])

        self.assertIn("not comparable", self.run_compare([low], [{**high, "judged_by": "ratio"}])[1])
        self.assertNotIn("not comparable", self.run_compare([{k: v for k, v in low.items() if k != "judged_by"}], [high])[1])

    def test_noise_that_is_not_known_is_not_called_none(self):
        text = self.run_compare([self.row([8, 8], noisy=None)], [self.row([8, 8])])[1]

        self.assertIn("noise unknown", text)

    def test_a_file_that_is_no_report_is_refused(self):
        self.assertEqual(self.run_compare([], [self.row([1])])[0], 2)


class ReportTest(unittest.TestCase):
    def test_rows_follow_the_contract_and_the_page_names_everyone(self):
        mine = [w for w in workloads.WORKLOADS if w.name == "p64"]
        who = [c for c in contenders.all_contenders("/nonexistent/fairleadd") if c.name in ("haproxy", "nginx")]
        cells = {("p64", "haproxy"): {1: result("us/request", 10.0)}, ("p64", "nginx"): {1: result("us/request", 9.0)}}

        rows = report.rows_of(cells, mine, who, {"haproxy": "2.6", "nginx": "<1.22>"})
        run = {"machine": {"cpu": "x", "cpus": 2, "kernel": "6"}, "network": "n", "rounds_done": 1, "finished": "now", "notes": ["a < b"],
               "configurations": {"nginx": "proxy_pass <bench>;"}, "versions": {"nginx": "<1.22>"}}
        page = report.html_report(rows, run, mine, who)

        for row in rows:
            self.assertLessEqual({"workload", "contender", "version", "unit", "median", "min", "max", "n", "ratio_to_haproxy"}, set(row))
        self.assertEqual([r["ratio_to_haproxy"] for r in rows], [1.0, 0.9])
        self.assertIn("proxy_pass &lt;bench&gt;;", page)
        self.assertIn("a &lt; b", page)
        self.assertNotIn("http", page.replace("<!doctype html>", ""))   # self-contained: nothing is fetched
        self.assertIn("0.90", report.text_table(rows, mine, who))

    def write_plots(self, directory):
        mine = [w for w in workloads.WORKLOADS if w.name in ("p64", "lat")]
        who = [c for c in contenders.all_contenders("/nonexistent/fairleadd") if c.name == "haproxy"]
        rows = report.rows_of({("p64", "haproxy"): {1: result("us/request", 10.0), 2: result("us/request", 12.0)}}, mine, who, {"haproxy": "2.6"})
        about = {"machine": {"cpu": "a < b", "cpus": 2, "kernel": "6"}, "network": "n", "rounds_done": 2, "finished": "now", "notes": [],
                 "configurations": {}, "versions": {"haproxy": "2.6"}}
        report.write_all(directory, rows, about, mine, who)
        return about["notes"]

    def test_each_chart_is_also_a_picture_that_stands_alone(self):
        with tempfile.TemporaryDirectory() as directory:
            os.makedirs(os.path.join(directory, "plots"))
            with open(os.path.join(directory, "plots", "old.png"), "wb"):
                pass
            notes = self.write_plots(directory)
            made = sorted(os.listdir(os.path.join(directory, "plots")))

            svg = xml.etree.ElementTree.parse(os.path.join(directory, "plots", "p64.svg")).getroot()
            self.assertEqual(svg.tag, "{http://www.w3.org/2000/svg}svg")
            if shutil.which(plots.CONVERTER):
                self.assertEqual((made, notes), (["p64.png", "p64.svg"], []))
                with open(os.path.join(directory, "plots", "p64.png"), "rb") as file:
                    self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")

    def test_a_missing_converter_is_named(self):
        with tempfile.TemporaryDirectory() as directory, unittest.mock.patch.object(plots, "CONVERTER", "no-such-converter"):
            self.assertEqual(self.write_plots(directory), ["PNG plots left out: no-such-converter is not there (apt-get install librsvg2-bin)"])
            self.assertEqual(os.listdir(os.path.join(directory, "plots")), ["p64.svg"])

    def test_cost_is_cpu_time_of_the_proxy_over_units(self):
        bulk = next(w for w in workloads.WORKLOADS if w.name == "d4")
        use = {"cpu_ns": 1_000_000_000, "voluntary": 6, "involuntary": 4, "threads_ended": 0}
        sample = {"seconds": 2.0, "received": 4_000_000_000, "sent": 64, "proxy": use, "load": use, "machine": {"busy_ns": 2_500_000_000, "steal_ns": 0}}

        metrics = Cell._metrics(bulk, sample, proxied=True)["metrics"]

        self.assertEqual(metrics["ms/GB"], 250.0)
        self.assertEqual(metrics["MB/s"], 2000.0)
        self.assertEqual((metrics["voluntary switches/GB"], metrics["involuntary switches/GB"]), (1.5, 1.0))
        self.assertEqual(metrics["% other CPU"], 25.0)


    def test_what_has_no_process_shows_what_it_adds_to_the_load_side(self):
        mine = [w for w in workloads.WORKLOADS if w.name == "p64"]
        who = [c for c in contenders.all_contenders("/nonexistent/fairleadd") if c.name in ("direct", "kernel")]
        cells = {("p64", "direct"): {1: result("load us/request", 15.0), 2: result("load us/request", 16.0)},
                 ("p64", "kernel"): {1: result("load us/request", 18.0), 2: result("load us/request", 20.0), 3: result("load us/request", 30.0)}}

        rows = report.rows_of(cells, mine, who, {"direct": "-", "kernel": "1"})

        self.assertEqual(report.find(rows, "p64", "kernel", "us/request over direct")["values"], [3.0, 4.0])
        self.assertIsNone(report.find(rows, "p64", "kernel", "us/request"))
        self.assertIsNone(report.find(rows, "p64", "direct", "us/request over direct"))

    def test_limits_stand_below_the_proxies_in_the_charts_and_look_otherwise(self):
        mine = next(w for w in workloads.WORKLOADS if w.name == "p64")
        who = [c for c in contenders.all_contenders("/nonexistent/fairleadd") if c.name in ("direct", "kernel", "haproxy")]
        facts = {"tcp_congestion_control": "reno"}
        cells = {("p64", "direct"): {1: {"metrics": {"requests/s": 50000.0, "load us/request": 15.0}, "facts": facts}},
                 ("p64", "kernel"): {1: {"metrics": {"requests/s": 40000.0, "load us/request": 18.0}, "facts": facts}},
                 ("p64", "haproxy"): {1: {"metrics": {"us/request": 10.0, "requests/s": 20000.0}, "facts": facts}}}

        drawn = report.chart(mine, report.rows_of(cells, [mine], who, {"direct": "-", "kernel": "1", "haproxy": "2.6"}), who)

        self.assertEqual([drawn.count(f'class="{kind}"') for kind in ("bar", "limit", "border")], [1, 1, 1])
        self.assertLess(drawn.index(">HAProxy<"), drawn.index("limits, no proxies"))
        self.assertLess(drawn.index("limits, no proxies"), drawn.index(">no proxy<"))
        self.assertIn("3.00 more than no proxy, on the load&#x27;s side, 40,000 requests/s", drawn)
        self.assertIn(">50,000 requests/s<", drawn)

    def test_a_latency_of_a_limit_is_drawn_as_one(self):
        lat = next(w for w in workloads.WORKLOADS if w.name == "lat")
        who = [c for c in contenders.all_contenders("/nonexistent/fairleadd") if c.name in ("direct", "haproxy")]
        rows = report.rows_of({("lat", "direct"): {1: result("p99 us", 200.0)}, ("lat", "haproxy"): {1: result("p99 us", 500.0)}}, [lat], who,
                              {"direct": "-", "haproxy": "2.6"})

        drawn = report.chart(lat, rows, who)

        self.assertEqual([drawn.count(f'class="{kind}"') for kind in ("bar", "limit")], [1, 1])

    def test_a_latency_row_leads_with_the_percentile_and_keeps_the_cost(self):
        lat = next(w for w in workloads.WORKLOADS if w.name == "lat")
        use = {"cpu_ns": 200_000_000, "voluntary": 6, "involuntary": 4, "threads_ended": 0}
        sample = {"seconds": 2.0, "replies": 20_000, "received": 1, "sent": 1, "proxy": use, "load": use, "machine": {"busy_ns": 0, "steal_ns": 0},
                  "latency": {"n": 20_000, "p50_ns": 100_000, "p99_ns": 900_000, "p999_ns": 2_000_000, "max_ns": 3_000_000}, "send_lag": {"p99_ns": 50_000}}

        metrics = Cell._metrics(lat, sample, proxied=True)["metrics"]

        self.assertEqual(next(iter(metrics)), "p99 us")
        self.assertEqual((metrics["p50 us"], metrics["p99 us"], metrics["p99.9 us"], metrics["us/request"]), (100.0, 900.0, 2000.0, 10.0))

    def test_the_rate_that_was_asked_for_stands_in_the_rows(self):
        mine = [w.at_rate(4200) if w.calibrated else w for w in workloads.WORKLOADS if w.name in ("p64", "lat")]
        who = [c for c in contenders.all_contenders("/nonexistent/fairleadd") if c.name == "haproxy"]

        rows = report.rows_of({("p64", "haproxy"): {1: result("us/request", 10.0)}, ("lat", "haproxy"): {1: result("p99 us", 500.0)}}, mine, who, {"haproxy": ""})

        self.assertEqual([row.get("rate_asked") for row in rows], [None, 4200])
        self.assertIn("4,200 requests/s", report.text_table(rows, mine, who))

    def test_a_report_without_the_main_figure_is_no_result(self):
        use = {"cpu_ns": 1, "voluntary": 0, "involuntary": 0, "threads_ended": 0}
        sample = {"seconds": 1.0, "replies": 10, "proxy": use, "load": use, "machine": {"busy_ns": 0, "steal_ns": 0}, "latency": {"n": 0}}
        lat = next(w for w in workloads.WORKLOADS if w.name == "lat")
        with self.assertRaisesRegex(CellError, "p99 us"):
            Cell._metrics(lat, sample, proxied=True)

    def test_a_report_that_lacks_a_figure_costs_the_cell_and_not_the_run(self):
        idle = next(w for w in workloads.WORKLOADS if w.name == "idle")
        mark = {"connections": 1000, "resident_bytes": 1}
        for error, report_ in ((KeyError, {"proxy": {"cpu_ns": 1}}), (ZeroDivisionError, {"marks": [mark, mark], "proxy": {"cpu_ns": 1}})):
            with self.subTest(error.__name__), self.assertRaisesRegex(CellError, error.__name__):
                no_result_on_errors()(Cell._metrics)(idle, report_, True)

    def test_lost_events_and_a_missed_rate_are_no_result(self):
        watch = next(w for w in workloads.WORKLOADS if w.name == "watch")
        Cell._check_counts(watch, {"events": 4000, "seconds": 2.0, "events_in_all": 5000}, {"events": 5000})

        for report_, sent in (({"events": 4000, "seconds": 2.0, "events_in_all": 4999}, 5000), ({"events": 3000, "seconds": 2.0, "events_in_all": 5000}, 5000)):
            with self.assertRaises(CellError):
                Cell._check_counts(watch, report_, {"events": sent})


class AimsTest(unittest.TestCase):
    NAMES = ("p64s", "p64", "p512s", "p512")
    REQUESTS, LATENCY = "CPU per keep-alive request", "99th percentile of latency"

    @staticmethod
    def rows(figures, rounds=10, drift=0.0):
        """figures: {(workload, contender): figure, in the unit of the workload's aim}."""
        units = {w: aim.unit for aim in aims.AIMS for w in aim.workloads}
        return [stats.row_of(w, c, "1", units[w], {r: v * (1 + r * drift) for r in range(rounds)}, {r: figures[w, "haproxy"] for r in range(rounds)}, noise=1)
                for (w, c), v in figures.items()]

    def verdict(self, figures, what, rounds=10):
        return next(v for v in aims.judged(self.rows(figures, rounds)) if v["what"] == what)

    def requests(self, *ours, nginx=20.0, peers=("nginx", "haproxy-3"), rounds=10):
        figures = {(w, "haproxy"): 10.0 for w in self.NAMES} | {(w, peer): nginx for w in self.NAMES for peer in peers}
        return self.verdict(figures | {(w, "fairlead-uring"): v for w, v in zip(self.NAMES, ours)}, self.REQUESTS, rounds)

    def test_each_workload_and_their_median_are_asked_for(self):
        self.assertEqual((self.requests(8, 8, 8.5, 9)["verdict"], self.requests(8, 8, 8.5, 9)["why"]), ("reached", []))
        self.assertEqual(self.requests(8, 8, 8, 9.1)["why"], ["p512 0.910 > 0.90"])
        self.assertEqual(self.requests(8, 8.9, 8.9, 9)["why"], ["median 0.89 > 0.85"])
        self.assertEqual(self.requests(8, 8, 8, 8, nginx=7.9)["verdict"], "missed")
        self.assertEqual((self.requests(7, 7, 7, 7.5)["stretch"], self.requests(7, 7, 7, 7.6)["stretch"]), (True, False))

    def test_what_a_run_cannot_show_is_not_called_reached(self):
        for verdict, why in ((self.requests(8, 8, 8), ["p512 not measured"]), (self.requests(8, 8, 8, 8, peers=("nginx",)), [f"{w} without haproxy-3" for w in self.NAMES]),
                             (self.requests(8, 8, 8, 8, rounds=4), [f"{w}: 4 rounds, 5 are needed" for w in self.NAMES])):
            self.assertEqual((verdict["verdict"], verdict["why"], verdict["stretch"]), ("not shown", why, False))

    def test_noise_counts_where_it_could_hide_a_miss(self):
        def of(ours, drift):
            figures = {("churn", "haproxy"): 100.0, ("churn", "nginx"): 100.0, ("churn", "fairlead-uring"): ours}
            return next(v for v in aims.judged(self.rows(figures, 8, drift)) if v["what"] == "CPU per connect, request, close")

        self.assertEqual(of(50.0, 0.05)["verdict"], "reached")
        self.assertEqual((of(75.0, 0.03)["verdict"], of(75.0, 0.03)["why"][0][:8]), ("not shown", "churn 0."))

    def test_memory_has_a_limit_beside_the_ratio_and_latency_a_test_instead_of_one(self):
        self.assertEqual(self.verdict({("idle", "haproxy"): 9000.0, ("idle", "fairlead-uring"): 600.0}, "memory of an idle connection")["why"],
                         ["idle 600 > 512 B/connection"])
        same, higher = ({("lat", "haproxy"): 100.0, ("lat", "fairlead-uring"): ours} for ours in (100.0, 101.0))
        self.assertEqual(self.verdict(same, self.LATENCY)["verdict"], "reached")
        self.assertEqual(self.verdict(higher, self.LATENCY)["why"], ["lat higher"])
        self.assertEqual(self.verdict(same, self.LATENCY, rounds=8)["why"], ["lat: 8 rounds, 10 are needed"])

    def test_what_was_not_measured_at_all_is_not_judged(self):
        self.assertEqual((aims.judged([]), aims.text([])), ([], []))


class TurnsTest(unittest.TestCase):
    def test_who_comes_behind_whom_is_shuffled_and_the_same_again(self):
        names = list("abcdefg")
        made = [name for seed in range(8) for order in orders(names, 13, str(seed)) for name in order]

        self.assertEqual(made[:91], [name for order in orders(names, 13, "0") for name in order])
        behind = {}
        for one, next_one in zip(made, made[1:]):
            behind.setdefault(next_one, []).append(one)
        for name, before in behind.items():
            self.assertLess(max(before.count(other) for other in names), len(before) / 3, name)


class EqualWorkTest(unittest.TestCase):
    """Every proxy logs each connection and counts each client's address."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.proxies = [c for c in contenders.all_contenders("/nonexistent/fairleadd", "/nonexistent/haproxy") if c.proxies]

    def write(self, name, text):
        with open(os.path.join(self.directory.name, name), "a", encoding="ascii") as file:
            file.write(text)

    def test_each_configuration_has_a_log_and_limits_for_each_source(self):
        place = contenders.Place(self.directory.name, port=1, admin_port=2, servers=[3, 4, 5], descriptors=65536)
        for contender in self.proxies:
            with self.subTest(contender.name):
                _, text = contender.configure(place)
                self.assertRegex(text, r"(?m)^\s*(log stdout|access_log /.*connections\.log|log: true)")
                self.assertIn(str(contenders.LIMITS["source_connections"]), text)
                self.assertTrue(contender.log_name and contender.log_mark)
        self.assertGreater(contenders.LIMITS["source_connections"], place.connections)   # never the limit that refuses

    def test_a_proxy_that_logged_nothing_or_too_little_is_no_result(self):
        lines = {"haproxy": "127.0.0.1:2000 [26/Nov/2026:17:00:00.000] bench bench/s1 0/0/1 200 -- 1/1/0/0/0 0/0\n",
                 "nginx": "CONNECTION client=127.0.0.1:2000\n", "fairlead-uring": "2026-11-26T17:00:00.000Z info CONNECTION listener=bench\n"}
        for contender in (c for c in self.proxies if c.name in lines):
            with self.subTest(contender.name):
                self.write(contender.log_name, "Server bench/s1 is UP\n")     # a line, but not of a connection
                with self.assertRaisesRegex(CellError, f"{contender.name} logged 0 connections of 1"):
                    check_log(contender, self.directory.name, 1, limit=0)
                self.write(contender.log_name, lines[contender.name] * 94)
                with self.assertRaises(CellError):
                    check_log(contender, self.directory.name, 100, limit=0)
                self.write(contender.log_name, lines[contender.name])

                self.assertEqual(check_log(contender, self.directory.name, 100, limit=0), 95)
            os.remove(os.path.join(self.directory.name, contender.log_name))

    def test_the_last_words_are_none_of_the_connections(self):
        fairlead = next(c for c in self.proxies if c.name == "fairlead-uring")
        self.write("output", "first\n")
        self.write(fairlead.log_name, "error OUT_OF_ROOM\n" + "info CONNECTION listener=bench\n" * 5)

        self.assertEqual(last_words(fairlead, self.directory.name), ": first | error OUT_OF_ROOM")


APT_GET = """#!/bin/sh
case "$*" in
  *indextargets*) printf '%s|http://mirror.invalid/%s/\\n' Debian-Security security 'Debian Backports' backports Debian debian ;;
  *update*) exit "$UPDATE_ENDS_WITH" ;;
  *install*)
    grep -q ' http://mirror.invalid/debian/ trixie main' "${2%/*}/sources.list" || exit 1
    : >"${2%/*}/cache/archives/haproxy.deb" ;;
esac
"""
DPKG_DEB = """#!/bin/sh
mkdir -p "$3/usr/lib/x86_64-linux-gnu"
printf '#!/bin/sh\\necho "HAProxy version 3.0.1 $$ $3 $4"\\n' >"$3/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
chmod +x "$3/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
"""


class NewerHaproxyTest(unittest.TestCase):
    """bench/haproxy3.sh, with an apt-get and a dpkg-deb that fetch nothing."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.programs, self.folder = os.path.join(directory.name, "bin"), os.path.join(directory.name, "haproxy 3")
        os.mkdir(self.programs)
        for name, text in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
            with open(os.path.join(self.programs, name), "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(file.name, 0o755)

    def fetch(self, *arguments, update=0):
        environment = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "UPDATE_ENDS_WITH": str(update)}
        return subprocess.run([os.path.join(BENCH, "haproxy3.sh"), *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30, check=False)

    def test_the_folders_program_becomes_haproxy_and_stays_one_process(self):
        done = self.fetch(self.folder)
        self.assertEqual(done.returncode, 0, done.stdout)

        with subprocess.Popen([os.path.join(self.folder, "haproxy"), "-v"], stdout=subprocess.PIPE, text=True) as process:
            said = process.communicate(timeout=10)[0]

        self.assertEqual(said, f"HAProxy version 3.0.1 {process.pid} {self.folder}/tree/usr/sbin/haproxy -v\n")
        newer = next(c for c in contenders.all_contenders("/nonexistent/fairleadd", os.path.join(self.folder, "haproxy")) if c.name == "haproxy-3")
        self.assertEqual((newer.missing(), newer.version()), (None, "3.0.1"))

    def test_what_cannot_be_fetched_leaves_nothing_and_what_is_there_is_left_alone(self):
        done = self.fetch(self.folder, update=100)
        self.assertEqual((done.returncode, os.listdir(os.path.dirname(self.folder))), (1, ["bin"]), done.stdout)
        self.assertIn("the mirror has no suite trixie", done.stdout)

        self.assertEqual(self.fetch(self.programs).returncode, 1)
        self.assertEqual(sorted(os.listdir(self.programs)), ["apt-get", "dpkg-deb"])
        self.assertEqual(self.fetch().returncode, 2)


class SyscallsTest(unittest.TestCase):
    def test_the_tools_words_are_understood(self):
        self.assertEqual(syscalls.Perf.parse("# started\n\n4711,,raw_syscalls:sys_enter,100,100.00,,\n"), 4711)
        self.assertEqual(syscalls.Strace.parse("calls syscall\n----- ----\n  10 read\n   5 epoll_wait\n----- ----\n  15 total\n"), 15)

    def test_words_without_a_count_are_no_count(self):
        for tool, text in ((syscalls.Perf, "<not supported>,,raw_syscalls:sys_enter,0\n"), (syscalls.Strace, "")):
            with self.assertRaises(sandbox.Unavailable):
                tool.parse(text)


WRK = """Running 1s test @ https://127.0.0.1:1104/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.58ms    1.02ms  12.11ms   77.77%
  20000 requests in 1.00s, 41.10MB read
Requests/sec:  20000.00
"""
H2LOAD = """starting benchmark...
finished in 2.00s, 10000.00 req/s, 19.50MB/s
requests: 20000 total, 20128 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 39.00MB (40900000) total, 300.00KB (307200) headers (space savings 90.00%), 38.15MB (40000000) data
"""


class ForeignToolsTest(unittest.TestCase):
    def test_a_clean_report_is_taken(self):
        self.assertEqual(tls.parse_wrk(WRK), tls.Said(20000, 1.0))
        self.assertEqual(tls.parse_h2load(H2LOAD), tls.Said(20000, 2.0))

    def test_errors_short_counts_and_silence_are_no_result(self):
        for parse, text in ((tls.parse_wrk, WRK + "  Socket errors: connect 0, read 3, write 0, timeout 0\n"),
                            (tls.parse_wrk, WRK + "  Non-2xx or 3xx responses: 5\n"),
                            (tls.parse_wrk, WRK.replace("41.10MB", "35.10MB")),
                            (tls.parse_wrk, ""),
                            (tls.parse_h2load, H2LOAD.replace("0 errored", "7 errored")),
                            (tls.parse_h2load, H2LOAD.replace("0 5xx", "9 5xx")),
                            (tls.parse_h2load, H2LOAD.replace("(40000000)", "(30000000)")),
                            (tls.parse_h2load, "finished in 1.00s")):
            with self.subTest(text=text[-80:]), self.assertRaises(tls.ToolError):
                parse(text)


    def test_both_bounds_are_asked_in_each_run_of_a_tool(self):
        processes = unittest.mock.Mock()
        processes.start.return_value.configure_mock(returncode=0, **{"communicate.return_value": (WRK.encode(), None)})
        for served, counts in ((20000, True), (19999, False), (20066, False)):
            backend = unittest.mock.Mock(**{"served.side_effect": [100, 100 + served]})
            with self.subTest(served), contextlib.nullcontext() if counts else self.assertRaises(tls.ToolError):
                self.assertEqual(tls.run_tool("wrk", processes, 0, 1, 1, backend)[0].requests, 20000)

    def test_what_the_server_served_may_be_neither_less_nor_more_than_the_tool_accounts_for(self):
        for tool, under_way in (("wrk", 64), ("h2load", 128)):
            tls.check_served(tool, 1000, 1000)
            tls.check_served(tool, 1000, 1001 + under_way)     # one: the question for the count
            for served in (999, 1002 + under_way):
                with self.subTest(tool=tool, served=served), self.assertRaises(tls.ToolError):
                    tls.check_served(tool, 1000, served)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] if os.path.isdir(sys.argv[-1]) else sys.argv)   # CTest names a directory, which is of no use here
