"""/metrics of a daemon at work: promtool's opinion of the page, and whether the numbers are what the test itself did."""
import json
import os
import re
import shutil
import subprocess

from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TLS_ONLY = "fairlead_api_certificate_expiry_timestamp_seconds"
CLUSTER_ONLY = ("fairlead_cluster_", "fairlead_node_", "fairlead_vip_", "fairlead_drill_")


def families():
    """Names of the reference page, which a test compares with the code."""
    with open(os.path.join(ROOT, "docs", "reference", "metrics.md"), encoding="utf-8") as page:
        return set(re.findall(r"^\| `(\w+)`", page.read(), re.MULTILINE))


def rendered(page):
    """Families that have a sample."""
    names = {line.split("{")[0].split(" ")[0] for line in page.splitlines() if line and not line.startswith("#")}
    return {re.sub(r"_(bucket|sum|count)$", "", n) if f"# TYPE {re.sub(r'_(bucket|sum|count)$', '', n)} histogram" in page else n for n in names}


class MetricsTest(EndToEnd):
    def server_metric(self, gate, name, server, more=""):
        return gate.metrics()[f'fairlead_server_{name}{{pool="masters",server="{server}"{more}}}']

    def test_every_metric_is_there_and_promtool_has_nothing_to_say(self):
        a = self.raw_server("a")
        gate = self.gateway([a])
        self.assertEqual(self.ask(), "a")
        gate.request("PUT", "/api/v1/drills/planned/result", {"passed": True, "outage_ms": 8.5, "bound_ms": 20, "vip": "api"})

        page = gate.get("/metrics")[1]

        self.assertEqual({f for f in families() - rendered(page) if not f.startswith((*CLUSTER_ONLY, "fairlead_dhcp_", "fairlead_dns_", TLS_ONLY))}, set())
        self.assertEqual({f for f in families() - rendered(page) if f.startswith("fairlead_drill_")}, set())
        self.assertEqual(rendered(page) - families(), set())
        if shutil.which("promtool"):
            checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))
        samples = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
        self.assertEqual(len(samples), len(set(samples)), "no series twice")

    def test_bytes_of_a_server_are_counted_while_its_connection_is_open(self):
        a = self.raw_server("a")
        gate = self.gateway([a])
        sock = self.connect()
        self.assertEqual(raw.read_line(sock), "a")
        sock.sendall(b"x" * 5000)
        raw.read_exactly(sock, 5000)

        wait_for(lambda: self.server_metric(gate, "received_bytes_total", "a") == 5000, 5, "what went to the server is counted")
        wait_for(lambda: self.server_metric(gate, "sent_bytes_total", "a") == 5002, 5, "its name's line and the echo are counted")
        self.assertEqual(self.server_metric(gate, "open_connections", "a"), 1)
        wait_for(lambda: gate.metrics()['fairlead_pool_sent_bytes_total{pool="masters"}'] == 5002, 5, "the pool's sum follows")
        self.assertEqual(gate.metrics()['fairlead_listener_sent_bytes_total{listener="front"}'], 5002)

    def test_connects_are_timed_and_failures_counted_by_cause(self):
        a, b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([a, b], pool={"passive": {"connect_failures": 0, "fast_check": False}}, health={"interval": "1h"})
        gate.wait_all_up()
        for _ in range(20):
            self.ask()
        for server in ("a", "b"):
            wait_for(lambda server=server: self.server_metric(gate, "connect_duration_seconds_count", server) == 10, 5, "each connect is timed once")
            self.assertEqual(self.server_metric(gate, "connect_duration_seconds_bucket", server, ',le="+Inf"'), 10)
            self.assertGreaterEqual(self.server_metric(gate, "connect_duration_seconds_sum", server), 0)
            self.assertGreaterEqual(self.server_metric(gate, "connect_duration_seconds_bucket", server, ',le="1"'), 9, "loopback is fast")

        b.stop_listening()
        for _ in range(4):
            self.assertEqual(self.ask(), "a")

        def counted():   # Of one look: no connection is under way any more.
            metrics = gate.metrics()
            return (metrics['fairlead_server_connect_failures_total{pool="masters",server="b",cause="refused"}'],
                    metrics['fairlead_pool_connect_failures_total{pool="masters"}'], metrics['fairlead_listener_retries_total{listener="front"}'])
        wait_for(lambda: len(set(counted())) == 1 and counted()[0] >= 2, 5, "at least every second one was tried at b, and each of them then at a")
        self.assertEqual(self.server_metric(gate, "connect_failures_total", "b", ',cause="timeout"'), 0)

    def test_a_server_that_goes_leaves_the_pools_counters_as_they_are(self):
        a, b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([a, b])
        gate.wait_all_up()
        for _ in range(6):
            self.ask()

        def total():
            return gate.metrics()['fairlead_pool_connections_total{pool="masters"}']
        wait_for(lambda: total() == 6, 5, "six are counted")
        gate.cli("server", "remove", "masters/b")
        self.assertEqual(total(), 6)
        gate.cli("server", "add", "masters/b", b.address)
        gate.wait_states(a="up", b="up")
        self.ask()
        wait_for(lambda: total() == 7, 5, "one more, and none twice")

    def test_checks_transitions_and_downtime(self):
        a, b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([a, b], health={"fall": 1, "rise": 1})
        gate.wait_all_up()
        wait_for(lambda: self.server_metric(gate, "checks_total", "a", ',result="ok"') >= 2, 10, "good checks are counted")
        self.assertEqual(self.server_metric(gate, "transitions_total", "a", ',to="up"'), 1)
        self.assertEqual(self.server_metric(gate, "downtime_seconds_total", "a"), 0)

        a.stop_listening()
        gate.wait_states(a="down")
        wait_for(lambda: self.server_metric(gate, "checks_total", "a", ',result="refused"') >= 1, 10, "bad ones by what was wrong")
        wait_for(lambda: self.server_metric(gate, "downtime_seconds_total", "a") > 0.2, 10, "time down grows while it is down")
        self.assertEqual(self.server_metric(gate, "transitions_total", "a", ',to="down"'), 1)
        self.assertEqual(self.server_metric(gate, "check_ok", "a"), 0)
        self.assertEqual(gate.metrics()['fairlead_pool_servers_usable{pool="masters"}'], 1)

    def test_limits_and_the_most_there_was(self):
        a = self.raw_server("a")
        gate = self.gateway([a], listener={"max_connections": 3})
        held = [self.connect() for _ in range(3)]
        for sock in held:
            self.assertEqual(raw.read_line(sock), "a")
        wait_for(lambda: gate.metrics()['fairlead_listener_open_connections_peak{listener="front"}'] == 3, 5, "it was seen")
        self.assertEqual(gate.metrics()['fairlead_listener_max_connections{listener="front"}'], 3)
        self.assertEqual(gate.metrics()['fairlead_listener_shed_connections_total{listener="front",cause="listener_full"}'], 0, "there before it happens")
        for sock in held:
            sock.close()
        wait_for(lambda: gate.metrics()["fairlead_open_connections"] == 0, 5, "they are gone")
        self.assertEqual(gate.metrics()['fairlead_listener_open_connections_peak{listener="front"}'], 3)
        self.assertEqual(gate.metrics()["fairlead_open_connections_peak"], 3)

    def test_a_reload_shows_when_and_whether(self):
        gate = self.gateway([self.raw_server("a")])
        before = gate.metrics()["fairlead_config_last_reload_success_timestamp_seconds"]
        self.assertGreater(before, 1.6e9)
        gate.reload()
        after = gate.metrics()["fairlead_config_last_reload_success_timestamp_seconds"]
        self.assertGreater(after, before)
        gate.write("nonsense: true\n")
        gate.reload(check=False)
        metrics = gate.metrics()
        self.assertEqual(metrics["fairlead_config_last_reload_success_timestamp_seconds"], after)
        self.assertEqual(metrics["fairlead_config_last_reload_successful"], 0)

    def test_the_last_result_of_a_drill_survives_a_restart(self):
        gate = self.gateway([self.raw_server("a")])
        path = os.path.join(gate.config["state_dir"], "drills.json")

        def record(case, **body):
            return gate.request("PUT", f"/api/v1/drills/{case}/result", body)
        self.assertEqual(record("planned", passed=False, outage_ms=31.5, bound_ms=20, vip="api", problem="outage 31.5 ms")[0], 200)
        self.assertEqual(record("planned", passed=True, outage_ms=9.5, bound_ms=20, vip="api")[0], 200)
        self.assertEqual(record("double-failure", passed=True, outage_ms=900)[0], 200)
        self.assertEqual(record("nope", passed=True, outage_ms=1)[0], 404)
        self.assertEqual(record("planned", passed=True, outage_ms=-1)[0], 400)

        def on_disk():
            with open(path, encoding="utf-8") as file:
                return len(json.load(file)["drills"])
        wait_for(lambda: on_disk() == 2, 5, "both are on disk")
        self.assertEqual(gate.stop(), 0)

        gate.start()

        metrics = gate.metrics()
        self.assertEqual(metrics['fairlead_drill_last_passed{drill="planned"}'], 1)
        self.assertEqual(metrics['fairlead_drill_last_outage_seconds{drill="planned"}'], 0.0095)
        self.assertNotIn('fairlead_drill_last_bound_seconds{drill="double-failure"}', metrics)
        listed = {d["name"]: d["last"] for d in json.loads(gate.get("/api/v1/drills")[1])["drills"]}
        self.assertEqual((listed["planned"]["passed"], listed["planned"]["vip"]), (True, "api"))
        self.assertIsNone(listed["kill-node"])
        self.assertIn("passed, 9.5 ms", gate.cli("drill", "list", as_json=False).stdout)
        if os.geteuid() == 0:
            refused = self.gate.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                     "--unix-socket", gate.socket_path, "-X", "PUT", "-H", "Content-Type: application/json", "-d",
                                     '{"passed":true,"outage_ms":1}', "http://localhost/api/v1/drills/planned/result"])
            self.assertEqual(refused.stdout, "403", "who may only look can keep no result")

    def test_a_file_of_results_that_is_none_is_said_and_ignored(self):
        gate = self.gateway([self.raw_server("a")], start=False)
        path = os.path.join(gate.config["state_dir"], "drills.json")
        for text in ("", "{", '{"drills":[{"name":"planned"}]}', '{"drills":' + "[" * 5000, "\0" * 4096, "x" * (2 << 20)):
            with self.subTest(text[:30]):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                gate.start()
                event = gate.events("DRILL_RESULTS_IGNORED")[0]
                self.assertEqual(dict(event["fields"])["file"], path)
                self.assertNotIn("fairlead_drill_last_passed", gate.get("/metrics")[1])
                self.assertEqual(gate.stop(), 0)
                with open(path, encoding="utf-8") as file:
                    self.assertEqual(file.read(), text, "it is left as it was")


if __name__ == "__main__":
    main()
