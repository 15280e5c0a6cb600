"""A server whose process dies: those in flight on it fail, nobody after; and what happens when nobody is left."""
import time

from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for

# A request that began this much after the kill on a connection to the dead server was on its way when the end of it reached the client.
NEWS_S = 0.25


class KilledServerTest(EndToEnd):
    def test_only_requests_in_flight_on_a_killed_server_fail(self):
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2, 3)]
        gate = self.gateway(servers, pool={"balance": "least_connections"}, health=self.https_health(interval="1s", down_interval="1s"))
        gate.wait_all_up()
        victim = servers[1]

        with self.load(keep_alive=6, per_request=6) as load:
            wait_for(lambda: load.by_backend()[victim.name] >= 50, 30, "the victim has served")
            before = time.monotonic()
            victim.kill()
            dead = time.monotonic()
            gate.wait_states(mast_2="down", mast_1="up", mast_3="up")
            count = load.count()
            wait_for(lambda: load.count() >= count + 600, 30, "600 requests after the ejection")

            errors = load.errors(before - 5)
            self.assertEqual([e for e in errors if e.connected_at > dead or e.start > dead + NEWS_S], [])
            self.assertLessEqual(len(errors), 12, "one request in flight per client at the most")
            self.assertNotIn(victim.name, load.by_backend(dead))

            victim.start()
            restarted = time.monotonic()
            wait_for(lambda: load.by_backend(restarted)[victim.name] >= 20, 20, "the restarted server serves again")
            self.assertEqual(load.errors(dead + NEWS_S), [])

    def test_a_refused_connect_is_tried_on_another_server_before_any_check_notices(self):
        a, b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([a, b], health={"interval": "1h", "fast_interval": "1h", "down_interval": "1h"}, pool={"passive": {"connect_failures": 0}})
        gate.wait_all_up()

        a.close()

        self.assertEqual([self.ask() for _ in range(20)], ["b"] * 20)
        wait_for(lambda: gate.server("a")["connect_failures"] > 0, 5, "the failed connects are counted")

    def test_one_refused_connect_ejects_a_server(self):
        a, b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([a, b], health={"interval": "1h", "fast_interval": "1h", "down_interval": "1h"})
        gate.wait_all_up()
        a.close()

        self.assertEqual({self.ask() for _ in range(2)}, {"b"})

        gate.wait_states(a="down", b="up", timeout=3)

    def test_the_last_server_its_check_calls_up_is_never_ejected_by_failed_connects(self):
        a = self.raw_server("a")
        gate = self.gateway([a], health={"interval": "1h", "fast_interval": "1h", "down_interval": "1h"}, pool={"retries": 0})
        gate.wait_all_up()
        port = a.port
        a.close()

        self.assertEqual(raw.how_connecting_ends(self.client, self.front), "reset")
        self.assertEqual(gate.server_states(), {"a": "up"})
        again = raw.TcpServer(a.node, raw.named_echo("a"), port=port)
        self.addCleanup(again.close)
        self.assertEqual(self.ask(), "a")

    def test_without_a_server_clients_are_reset_at_once_and_counted(self):
        a = self.raw_server("a")
        gate = self.gateway([a])
        gate.wait_all_up()
        a.close()
        gate.wait_states(a="down")
        shed = gate.listener_status()["connections"]["shed"]

        started = time.monotonic()
        ends = {raw.how_connecting_ends(self.client, self.front) for _ in range(10)}

        self.assertEqual(ends, {"reset"})
        self.assertLess(time.monotonic() - started, 2.0)
        wait_for(lambda: gate.listener_status()["connections"]["shed"] == shed + 10, 5, "ten are counted")
        self.assertEqual(gate.get("/readyz")[0], 503)
        self.assertEqual(gate.get("/livez")[0], 200)

    def test_no_server_is_assumed_up_before_its_first_check(self):
        # A server that accepts and never answers: the check stays without a result for its whole timeout.
        a = self.raw_server("a", raw.silent)
        gate = self.gateway([a], health={"type": "http", "timeout": "30s"}, start=False)
        gate.start(ready=False)

        self.assertEqual(gate.server_states(), {"a": "unknown"})
        self.assertEqual(raw.how_connecting_ends(self.client, self.front), "reset")


if __name__ == "__main__":
    main()
