"""packaging/prometheus and packaging/grafana: the rules do what they say, every alarm has its paragraph, and nothing names a metric that there is not."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "packaging", "prometheus", "alerts.yml")
RULE_TESTS = os.path.join(ROOT, "packaging", "prometheus", "alerts_test.yml")
DASHBOARD = os.path.join(ROOT, "packaging", "grafana", "fairlead.json")
PAGE = os.path.join(ROOT, "docs", "operating", "alerts.md")
OTHERS = {"up", "ALERTS"}   # Prometheus' own.
FUNCTIONS_AND_LABELS = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|(?:by|on|group_left|ignoring) *\([^)]*\)')
NAME = re.compile(r"\b[a-zA-Z_]\w*\b(?! *\()")
WORDS = {"and", "or", "unless", "by", "on", "group_left", "ignoring", "bool"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def catalogue():
    """{metric: type} of the reference page, which a test compares with the code. A histogram gives its three series."""
    found = {}
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", read(os.path.join(ROOT, "docs", "reference", "metrics.md")), re.MULTILINE):
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            found[name + suffix] = kind
    return found


def metrics_in(expression):
    """Names in an expression that are metrics: what is left without strings, label matchers, ranges, functions and words of the language."""
    return {name for name in NAME.findall(FUNCTIONS_AND_LABELS.sub(" ", expression)) if name not in WORDS}


def alerts():
    """[(name, text of the rule)]"""
    parts = re.split(r"^ +- alert: (\w+)\n", read(RULES), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2]))


def expression_of(rule):
    return re.search(r"^ +expr: '(.*)'$", rule, re.MULTILINE).group(1).replace("''", "'")


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)


class CatalogueTest(unittest.TestCase):
    def test_the_parser_of_this_test_knows_metrics_from_the_rest(self):
        self.assertEqual(metrics_in('sum by (job, le) (rate(a_total{x="y z"}[5m])) > 0.1 and on (job) group_left () b_c == 1 or vector(0)'), {"a_total", "b_c"})
        self.assertEqual(metrics_in("time() - max by (drill) (x_seconds) > 90 * 86400"), {"x_seconds"})

    def test_the_catalogue_is_read(self):
        self.assertGreater(len(catalogue()), 100)
        self.assertIn("fairlead_server_connect_duration_seconds_bucket", catalogue())


class AlertsTest(unittest.TestCase):
    def test_every_alarm_has_what_an_on_call_person_needs(self):
        self.assertGreater(len(alerts()), 30)
        for name, rule in alerts():
            with self.subTest(name):
                self.assertRegex(rule, r"labels: \{severity: (critical|warning|info)\}")
                for annotation in ("summary", "description"):
                    self.assertRegex(rule, rf"(?m)^ +{annotation}: '.*\{{\{{ .*$", "it names what it is about")
                self.assertIn(f"runbook: docs/operating/alerts.md#{name.lower()}\n", rule)

    def test_every_alarm_has_its_paragraph_and_no_other_has(self):
        page = read(PAGE)
        self.assertEqual(sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE)), sorted(name for name, _ in alerts()))
        for name, rule in alerts():
            paragraph = page.split(f"### {name}\n")[1].split("\n###")[0]
            severity = re.search(r"severity: (\w+)", rule).group(1)
            self.assertTrue(paragraph.startswith(f"**{severity}**"), name)
            self.assertGreater(len(paragraph.split()), 25, f"{name}: what it means, what to look at, what to do")

    def test_rules_name_metrics_that_there_are(self):
        known = set(catalogue()) | OTHERS
        for name, rule in alerts():
            found = metrics_in(expression_of(rule))
            self.assertTrue(found, name)
            self.assertEqual(found - known, set(), name)

    def test_each_is_tested_firing_and_not_firing(self):
        groups = re.split(r"^  - name: (\w+)\n", read(RULE_TESTS), flags=re.MULTILINE)
        tested = dict(zip(groups[1::2], groups[2::2]))
        self.assertEqual(sorted(tested), sorted(name for name, _ in alerts()))
        for name, text in tested.items():
            self.assertIn("exp_samples: []", text, name)
            self.assertRegex(text, rf'labels: \'ALERTS\{{alertname="{name}", alertstate="firing"', name)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (Debian package prometheus)")
    def test_promtool_finds_nothing_wrong_and_the_rules_pass_their_tests(self):
        checked = promtool("check", "rules", RULES)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn(f"SUCCESS: {len(alerts())} rules found", checked.stdout)
        tested = promtool("test", "rules", RULE_TESTS)
        self.assertEqual(tested.returncode, 0, tested.stdout + tested.stderr)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (Debian package prometheus)")
    def test_a_rule_that_never_fires_fails_its_test(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "alerts.yml"), "w", encoding="utf-8") as file:
                file.write(read(RULES).replace("expr: 'fairlead_ready == 0'", "expr: 'fairlead_ready == 2'"))
            with open(os.path.join(folder, "alerts_test.yml"), "w", encoding="utf-8") as file:   # The head and that one's group.
                file.write(re.sub(r"(?ms)^  - name: (?!FairleadNotReady\n)\w+\n.*?(?=^  - name: |\Z)", "", read(RULE_TESTS)))
            tested = promtool("test", "rules", os.path.join(folder, "alerts_test.yml"))
        self.assertNotEqual(tested.returncode, 0)
        self.assertIn("FairleadNotReady", tested.stdout + tested.stderr)


class StorageAlertsTest(unittest.TestCase):
    """The rules for storage machines have files of their own: what they go by comes from a script, not from the daemon."""
    RULES = os.path.join(ROOT, "packaging", "prometheus", "storage_alerts.yml")
    RULE_TESTS = os.path.join(ROOT, "packaging", "prometheus", "storage_alerts_test.yml")
    PAGE = os.path.join(ROOT, "docs", "operating", "storage.md")
    SCRIPT = os.path.join(ROOT, "k8s-bootstrap", "storage", "metrics_text.h")

    def rules(self):
        parts = re.split(r"^ +- alert: (\w+)\n", read(self.RULES), flags=re.MULTILINE)
        return list(zip(parts[1::2], parts[2::2]))

    def test_each_has_its_paragraph_and_a_test(self):
        page = read(self.PAGE)
        names = sorted(name for name, _ in self.rules())
        self.assertEqual(sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE)), names)
        self.assertEqual(sorted(re.findall(r"^  - name: (\w+)$", read(self.RULE_TESTS), re.MULTILINE)), names)
        for name, rule in self.rules():
            severity = re.search(r"severity: (\w+)", rule).group(1)
            paragraph = page.split(f"### {name}\n")[1].split("\n###")[0]
            self.assertTrue(paragraph.startswith(f"**{severity}**"), name)
            self.assertGreater(len(paragraph.split()), 25, name)
            self.assertIn(f"runbook: docs/operating/storage.md#{name.lower()}\n", rule)

    def test_they_and_the_page_name_what_the_script_writes(self):
        written = set(re.findall(r"metric (fairlead_\w+)", read(self.SCRIPT)))
        self.assertEqual(set(re.findall(r"`(fairlead_gluster_\w+)`", read(self.PAGE))), written)
        for name, rule in self.rules():
            found = metrics_in(expression_of(rule))
            self.assertTrue(found, name)
            self.assertEqual(found - written, set() if "textfile" not in rule else {"node_textfile_mtime_seconds"}, name)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (Debian package prometheus)")
    def test_promtool_finds_nothing_wrong_and_the_rules_pass_their_tests(self):
        checked = promtool("check", "rules", self.RULES)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        tested = promtool("test", "rules", self.RULE_TESTS)
        self.assertEqual(tested.returncode, 0, tested.stdout + tested.stderr)


class DashboardTest(unittest.TestCase):
    def setUp(self):
        self.board = json.loads(read(DASHBOARD))
        self.panels = [p for p in self.board["panels"] if p["type"] != "row"]

    def expressions(self):
        found = [target["expr"] for panel in self.panels for target in panel["targets"]]
        found += [a["expr"] for a in self.board["annotations"]["list"]]
        for variable in self.board["templating"]["list"]:
            if variable["type"] == "query":
                found.append(re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"]).group(1))
        return found

    def test_every_panel_has_a_title_a_unit_and_queries(self):
        self.assertGreater(len(self.panels), 25)
        for panel in self.panels:
            self.assertTrue(panel["title"].strip())
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])
            self.assertTrue(panel["targets"], panel["title"])
            self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])
        ids = [p["id"] for p in self.board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_panels_lie_side_by_side(self):
        taken = set()
        for panel in self.board["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells

    def test_it_can_be_imported_anywhere(self):
        self.assertGreaterEqual(self.board["schemaVersion"], 38, "Grafana 10")
        names = [v["name"] for v in self.board["templating"]["list"]]
        self.assertEqual(names, ["datasource", "job", "node", "listener", "pool"])
        self.assertNotIn("__inputs", self.board)

    def test_queries_name_metrics_that_there_are(self):
        known = set(catalogue()) | OTHERS
        for expression in self.expressions():
            found = metrics_in(expression)
            self.assertTrue(found, expression)
            self.assertEqual(found - known, set(), expression)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (Debian package prometheus)")
    def test_queries_are_promql(self):
        rules = ["groups:", "  - name: dashboard", "    rules:"]
        for number, expression in enumerate(self.expressions()):
            plain = re.sub(r"\$\{?\w+\}?", "x", expression.replace("$__rate_interval", "1m")).replace("'", "''")
            rules += [f"      - record: a:{number}", f"        expr: '{plain}'"]
        with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
            file.write("\n".join(rules) + "\n")
            file.flush()
            checked = promtool("check", "rules", file.name)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


class MonitoringPageTest(unittest.TestCase):
    def test_it_names_metrics_that_there_are(self):
        known = set(catalogue())
        named = set(re.findall(r"`(?:\w+\()*((?:fairlead|process)_[a-z0-9_]*[a-z0-9])(?![a-z0-9_])", read(os.path.join(ROOT, "docs", "operating", "monitoring.md"))))
        self.assertGreater(len(named), 30)
        histograms = {re.sub("_bucket$", "", name) for name, kind in catalogue().items() if kind == "histogram"}
        self.assertEqual(named - known - histograms, set())

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (Debian package prometheus)")
    def test_the_scrape_configuration_is_one(self):
        page = read(os.path.join(ROOT, "docs", "operating", "monitoring.md"))
        blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "scrape_configs:" in block]   # Others are fairlead.yaml's.
        self.assertEqual(len(blocks), 1)
        with tempfile.TemporaryDirectory() as folder:
            for number, block in enumerate(blocks):
                path = os.path.join(folder, f"{number}.yml")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(re.sub(r"/etc/prometheus/[\w.-]+", "", block) if "tls_config" not in block else re.sub(r"_file: \S+", "_file: ''", block))
                checked = promtool("check", "config", "--syntax-only", path)
                self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


if __name__ == "__main__":
    unittest.main()
