"""A real Prometheus scrapes a real daemon, loads the alert rules of packaging/, and an alarm fires when a pool loses its servers."""
import json
import os
import re
import shutil
import unittest
import urllib.parse

from harness import EndToEnd, main
from support.waiting import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "packaging", "prometheus", "alerts.yml")
CONFIG = """\
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: [{rules}]
scrape_configs:
  - {{job_name: fairlead, static_configs: [{{targets: ["{target}"]}}]}}
"""


@unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed (Debian package prometheus)")
class PrometheusTest(EndToEnd):
    def prometheus(self, target):
        """On the gateway's node; its port is the kernel's choice."""
        folder = os.path.join(self.gate.dir, "prometheus")
        os.makedirs(folder, exist_ok=True)
        with open(RULES, encoding="utf-8") as file:
            rules = re.sub(r"^ +for: .*\n", "", file.read(), flags=re.MULTILINE)   # Nobody waits minutes here.
        for name, text in (("alerts.yml", rules), ("prometheus.yml", CONFIG.format(rules=os.path.join(folder, "alerts.yml"), target=target))):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.server = self.gate.spawn(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                       "--web.listen-address=127.0.0.1:0"], "prometheus")
        self.addCleanup(self.server.kill)
        listening = re.compile(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')
        self.port = wait_for(lambda: listening.search(self.server.stderr()), 30, "Prometheus listens").group(1)

    def ask_prometheus(self, path, **query):
        done = self.gate.run(["curl", "-s", "-m", "5", f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"])
        answer = json.loads(done.stdout)
        self.assertEqual(answer["status"], "success", done.stdout)
        return answer["data"]

    def firing(self):
        return {a["labels"]["alertname"]: a for a in self.ask_prometheus("alerts")["alerts"] if a["state"] == "firing"}

    def rules(self):
        return [rule for group in self.ask_prometheus("rules")["groups"] for rule in group["rules"]]

    def test_an_alarm_fires_when_a_pool_loses_its_servers_and_ends_when_they_are_back(self):
        a = self.raw_server("a")
        admin = f"127.0.0.1:{self.gate.free_port()}"
        gate = self.gateway([a], health={"fall": 1, "rise": 1}, admin={"listen": admin})
        gate.wait_all_up()
        self.assertEqual(self.ask(), "a")
        self.prometheus(admin)

        with self.subTest("it scrapes, and every rule is evaluated without an error"):
            wait_for(lambda: [s["value"][1] for s in self.ask_prometheus("query", query="fairlead_ready")["result"]] == ["1"], 30, "it was scraped")
            wait_for(lambda: all(rule["health"] == "ok" for rule in self.rules()), 30, "every rule was evaluated")
            self.assertGreater(len(self.rules()), 30)
            target = self.ask_prometheus("targets")["activeTargets"][0]
            self.assertEqual((target["health"], target["lastError"]), ("up", ""))
            scrapes = 'min(count_over_time(fairlead_ready[1m]))'   # Rates and increases need some.
            wait_for(lambda: float(self.ask_prometheus("query", query=scrapes)["result"][0]["value"][1]) >= 6, 30, "it was scraped six times")
            evaluated = {rule["name"]: rule["lastEvaluation"] for rule in self.rules()}
            wait_for(lambda: all(rule["lastEvaluation"] != evaluated[rule["name"]] for rule in self.rules()), 30, "every rule was evaluated since")
            self.assertEqual(self.firing(), {}, "nothing is wrong with this node")
            series = {s["metric"]["__name__"] for s in self.ask_prometheus("query", query='{job="fairlead"}')["result"]}
            self.assertGreater(len({n for n in series if n.startswith("fairlead_")}), 60)
            self.assertIn("process_resident_memory_bytes", series)

        with self.subTest("the pool is empty"):
            port = a.port
            a.close()
            fired = wait_for(lambda: self.firing().get("FairleadPoolEmpty"), 30, "the alarm fires")
            self.assertEqual((fired["labels"]["pool"], fired["labels"]["severity"]), ("masters", "critical"))
            self.assertEqual(fired["annotations"]["summary"], "Pool masters has no server")
            self.assertIn(admin, fired["annotations"]["description"])
            wait_for(lambda: {"FairleadNotReady", "FairleadServerDown"} <= set(self.firing()), 30, "so do those that follow from it")

        with self.subTest("it is back"):
            self.raw_server("a", port=port)
            gate.wait_all_up()
            ended = {"FairleadPoolEmpty", "FairleadNotReady", "FairleadServerDown"}
            wait_for(lambda: not ended & set(self.firing()), 30, "the alarms end")

        with self.subTest("the daemon is gone"):
            gate.process.kill()
            wait_for(lambda: "FairleadDown" in self.firing(), 30, "the alarm fires")


if __name__ == "__main__":
    main()
