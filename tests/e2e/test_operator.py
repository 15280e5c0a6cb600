"""What an operator does to servers and connections while clients are connected, by the `fairlead` command."""
import json
import os

from harness import EndToEnd, main
from support import raw
from support.fairlead import BIN
from support.waiting import wait_for


class OperatorTest(EndToEnd):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.raw_server("a"), self.raw_server("b")
        self.one = self.gateway([self.a, self.b])
        self.one.wait_all_up()

    def _open_to(self, name):
        for _ in range(4):
            sock = self.connect()
            if raw.read_line(sock) == name:
                return sock
        raise AssertionError(f"no connection went to {name}")

    def _echoes(self, sock):
        sock.sendall(b"ping")
        return raw.read_exactly(sock, 4) == b"ping"

    def test_drain_sends_no_new_connection_and_leaves_open_ones_alone(self):
        open_before = self._open_to("a")

        self.one.server_verb("drain", "a")

        self.assertEqual({self.ask() for _ in range(10)}, {"b"})
        self.assertTrue(self._echoes(open_before))
        self.assertEqual(self.one.server("a")["state"], "drain")

    def test_the_configuration_is_shown_as_short_as_it_was_written_or_with_every_default(self):
        short = self.one.cli("config", "show", as_json=False).stdout
        full = self.one.cli("config", "show", "--defaults", as_json=False).stdout

        self.assertIn("round_robin", short)
        self.assertNotIn("idle_timeout", short)
        self.assertIn("idle_timeout: 1h", full)
        self.assertEqual(json.loads(self.one.cli("config", "show").stdout)["pools"][0]["name"], "masters")
        self.assertEqual(json.loads(self.one.cli("config", "diff").stdout)["changes"], [])

    def test_what_another_node_runs_is_compared_over_a_pipe(self):
        command = f"{os.path.join(BIN, 'fairlead')} --socket {self.one.socket_path}"
        piped = "{ echo 'node: another'; %s config show | sed '/^node:/d; s/round_robin/random_two/'; } | %s config diff -" % (command, command)
        done = self.one.node.run(["bash", "-euo", "pipefail", "-c", piped])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("round_robin -> random_two", done.stdout)
        self.assertNotIn("another", done.stdout, "whose it is is no difference")

    def test_drain_loses_no_request_under_load(self):
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2, 3)]
        gate = self.gateway(servers, health=self.https_health())
        gate.wait_all_up()

        with self.load(keep_alive=3, per_request=6) as load:
            for server in servers[:2]:
                count = load.count()
                wait_for(lambda: load.count() >= count + 150, 20, "requests before the drain")
                gate.server_verb("drain", server.name)
                count = load.count()
                wait_for(lambda: load.count() >= count + 150, 20, "requests while it drains")
                gate.server_verb("ready", server.name)
                gate.wait_all_up()

        self.assertEqual(load.errors(), [])
        self.assertEqual(load.reopened, 0)

    def test_maint_closes_open_connections_and_ready_brings_the_server_back(self):
        open_before = self._open_to("a")

        self.one.server_verb("maint", "a")

        self.assertIn(raw.how_it_ends(open_before), ("reset", "closed"))
        self.assertEqual({self.ask() for _ in range(6)}, {"b"})
        self.assertEqual(self.one.server("a")["state"], "maint")
        self.one.server_verb("ready", "a")
        self.one.wait_states(a="up")
        self.assertEqual({self.ask() for _ in range(6)}, {"a", "b"})

    def test_a_weight_set_at_run_time_takes_effect_at_once(self):
        self.one.server_verb("weight", "a", 300)

        answers = [self.ask() for _ in range(40)]

        self.assertEqual(answers.count("a"), 30, answers)
        self.assertEqual(self.one.server("a")["weight"], 300)

    def test_a_server_added_at_run_time_serves_and_one_removed_stops(self):
        c = self.raw_server("c")
        self.one.cli("server", "add", "masters/c", c.address)
        self.one.wait_states(c="up")
        kept = self._open_to("c")

        self.one.cli("server", "remove", "masters/c")

        self.assertEqual({self.ask() for _ in range(10)}, {"a", "b"})
        self.assertTrue(self._echoes(kept), "a removed server's connections finish")

    def test_connections_are_listed_and_killed_by_server(self):
        to_a, to_b = self._open_to("a"), self._open_to("b")
        listed = wait_for(lambda: [c for c in self.one.connections() if c["server"] == "a"], 5, "the connection to a is listed")
        self.assertEqual(listed[0]["client"], "{}:{}".format(*to_a.getsockname()))
        self.assertEqual(listed[0]["listener"], "front")

        self.one.cli("connections", "kill", "--server", "a")

        self.assertIn(raw.how_it_ends(to_a), ("reset", "closed"))
        self.assertTrue(self._echoes(to_b))

    def test_a_disabled_listener_accepts_nobody_and_keeps_what_it_has(self):
        kept = self._open_to("a")

        self.one.cli("listener", "disable", "front")

        self.assertIn(raw.how_connecting_ends(self.client, self.front, timeout=2), ("reset", "refused"))
        self.assertTrue(self._echoes(kept))
        self.one.cli("listener", "enable", "front")
        self.assertIn(self.ask(), ("a", "b"))

    def test_status_shows_the_contracts_keys(self):
        self._open_to("a")
        wait_for(lambda: self.one.server("a")["connections"]["current"] >= 1, 5, "the connection is counted")

        status = json.loads(self.one.cli("status").stdout)

        self.assertEqual(status["node"], self.one.name)
        self.assertTrue(status["ready"])
        self.assertIn(status["engine"], ("io_uring", "epoll"))
        listener = status["listeners"][0]
        self.assertEqual((listener["name"], listener["pool"], listener["bind"]), ("front", "masters", ["{}:{}".format(*self.front)]))
        self.assertGreaterEqual(listener["connections"]["total"], 1)
        server = next(s for s in status["pools"][0]["servers"] if s["name"] == "a")
        self.assertEqual((server["address"], server["state"], server["weight"]), (self.a.address, "up", 100))
        self.assertEqual(server["check"]["result"], "ok")

    def test_events_tell_who_did_what(self):
        self.one.server_verb("drain", "a")

        events = wait_for(lambda: self.one.events("SERVER_ADMIN"), 5, "the event is there")

        fields = dict(events[-1]["fields"])
        self.assertEqual((fields["pool"], fields["server"], fields["state"]), ("masters", "a", "drain"))
        self.assertIn(f"uid {os.geteuid()}", fields["by"])

    def test_the_last_server_goes_only_by_force(self):
        self.one.server_verb("drain", "a")

        for refused in (("drain", "masters/b"), ("maint", "masters/b"), ("weight", "masters/b", "0"), ("remove", "masters/b")):
            done = self.one.cli("server", *refused, check=False)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn("--force", done.stderr)
        status, answer = self.one.request("POST", "/api/v1/servers/masters/b/state", {"state": "drain"})[:2]
        self.assertEqual(status, 409, answer)
        self.assertEqual(self.ask(), "b")

        self.one.cli("server", "drain", "masters/b", "--force")

        self.assertEqual(self.one.server("b")["state"], "drain")

    def test_killing_by_a_name_that_nobody_has_is_an_error(self):
        for option, name in (("--pool", "mastres"), ("--server", "masters/x"), ("--listener", "fornt")):
            for verb in ("kill", "list"):
                done = self.one.cli("connections", verb, option, name, check=False)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(name, done.stderr)

    def test_an_unknown_server_is_named_in_the_error(self):
        done = self.one.cli("server", "drain", "masters/nobody", check=False)

        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody", done.stderr + done.stdout)

    def test_the_engine_asked_for_is_the_one_that_runs(self):
        wanted = self.one.config["proxy"]["engine"]

        self.assertIn(self.one.status()["engine"], ("io_uring", "epoll") if wanted == "auto" else (wanted,))


if __name__ == "__main__":
    main()
