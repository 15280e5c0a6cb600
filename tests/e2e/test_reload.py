"""Reload: nothing is rebound, nobody is dropped, and a file that is wrong changes nothing."""
import os

from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for


class ReloadTest(EndToEnd):
    def _pair(self, **options):
        self.a, self.b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([self.a, self.b], **options)
        gate.wait_all_up()
        return gate

    def _apply(self, gate):
        gate.write()
        return gate.reload()

    def _echoes(self, sock):
        sock.sendall(b"ping")
        return raw.read_exactly(sock, 4) == b"ping"

    def test_reloads_under_load_lose_nothing_and_keep_the_listening_sockets(self):
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2, 3)]
        gate = self.gateway(servers, health=self.https_health())
        gate.wait_all_up()
        sockets = gate.listening_inodes()
        self.assertTrue(sockets[self.front])

        keep_alive = 4
        with self.load(keep_alive=keep_alive, per_request=6) as load:
            for number in range(1, 11):
                count = load.count()
                wait_for(lambda: load.count() >= count + 60, 20, "requests between reloads")
                gate.pool()["servers"][0]["weight"] = 100 + number
                gate.pool()["idle_timeout"] = f"{number}h"
                gate.listener()["max_connections"] = 10000 + number
                if number % 2:
                    self._apply(gate)
                else:
                    gate.write()
                    gate.hang_up()
                wait_for(lambda: gate.server("mast-1")["weight"] == 100 + number, 5, "the reload took effect")

        self.assertEqual(load.errors(), [])
        again = [o for o in load.outcomes() if o.client < keep_alive and o.number > 1 and o.on_new_connection]
        self.assertEqual((again, load.reopened), ([], 0), "a kept connection was dropped")
        self.assertEqual(gate.listening_inodes(), sockets)

    def test_a_renamed_listener_keeps_its_sockets_and_its_clients(self):
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2)]
        gate = self.gateway(servers, health=self.https_health())
        gate.wait_all_up()
        sockets = gate.listening_inodes()
        with self.load(keep_alive=2, per_request=6) as load:
            for name in ("renamed", "front", "renamed"):
                count = load.count()
                wait_for(lambda: load.count() >= count + 60, 20, "requests between reloads")
                gate.listener()["name"] = name
                self._apply(gate)

        self.assertEqual((load.errors(), load.reopened), ([], 0))
        self.assertEqual(gate.listening_inodes(), sockets)
        self.assertTrue(gate.listener_status("renamed")["accepting"])

    def test_health_and_counters_survive(self):
        gate = self._pair()
        for _ in range(10):
            self.ask()
        wait_for(lambda: gate.listener_status()["connections"]["total"] == 10, 5, "ten are counted")
        changes = len(gate.events("SERVER_UP"))
        totals = {s: gate.server(s)["connections"]["total"] for s in "ab"}

        gate.pool()["idle_timeout"] = "2h"
        self._apply(gate)

        self.assertEqual(gate.server_states(), {"a": "up", "b": "up"})
        self.assertEqual({s: gate.server(s)["connections"]["total"] for s in "ab"}, totals)
        self.assertEqual(gate.listener_status()["connections"]["total"], 10)
        self.assertEqual(len(gate.events("SERVER_UP")), changes)

    def test_a_new_listener_accepts_and_a_removed_one_lets_its_connections_finish(self):
        gate = self._pair()
        kept = self.connect()
        raw.read_line(kept)
        old, port = self.port, self.gate.free_port()
        gate.config["listeners"] = [{"name": "second", "bind": [f"{self.gate.address}:{port}"], "pool": "masters"}]

        self._apply(gate)

        self.port = port
        wait_for(self.ask, 5, "the new listener accepts")
        wait_for(lambda: raw.how_connecting_ends(self.client, (self.gate.address, old)) == "refused", 5, "the old listener refuses")
        self.assertTrue(self._echoes(kept))

    def test_a_removed_server_drains(self):
        gate = self._pair()
        while True:
            kept = self.connect()
            if raw.read_line(kept) == "a":
                break
        gate.pool()["servers"] = gate.pool()["servers"][1:]

        self._apply(gate)

        self.assertEqual({self.ask() for _ in range(6)}, {"b"})
        self.assertTrue(self._echoes(kept))

    def test_what_an_operator_did_survives_unless_those_lines_changed(self):
        gate = self._pair()
        c = self.raw_server("c")
        gate.cli("server", "add", "masters/c", c.address)
        gate.wait_states(c="up")
        gate.server_verb("drain", "a")
        gate.server_verb("weight", "b", 70)

        gate.pool()["idle_timeout"] = "2h"
        self._apply(gate)

        self.assertEqual(gate.server_states(), {"a": "drain", "b": "up", "c": "up"})
        self.assertEqual(gate.server("b")["weight"], 70)

        gate.pool()["servers"][1]["weight"] = 90
        self._apply(gate)

        self.assertEqual(gate.server("b")["weight"], 90)
        self.assertEqual(gate.server("a")["state"], "drain")

    def test_an_invalid_file_changes_nothing_and_names_the_place(self):
        gate = self._pair()
        before = gate.status()["pools"]
        with open(gate.config_path, encoding="utf-8") as file:
            text = file.read()
        gate.write(text.replace("round_robin", "round_robbin"))
        line = next(number for number, content in enumerate(text.splitlines(), 1) if "round_robin" in content)

        done = gate.reload(check=False)

        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertRegex(done.stdout + done.stderr, rf"fairlead\.yaml:{line}:\d+: error: .*round_robin")
        self.assertEqual([p["balance"] for p in gate.status()["pools"]], [p["balance"] for p in before])
        self.assertEqual(len({self.ask() for _ in range(4)}), 2)

        gate.hang_up()
        event = wait_for(lambda: len(gate.events("CONFIG_REFUSED")) >= 2 and gate.events("CONFIG_REFUSED")[-1], 5, "SIGHUP is refused, too")
        self.assertEqual(str(dict(event["fields"])["line"]), str(line))

    def test_bad_files_of_many_kinds_are_refused_and_the_daemon_goes_on(self):
        gate = self._pair()
        aliases = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 8)}]\n" for i in range(9))
        texts = {"empty": "", "half a file": "apiVersion: fairlead/v1\nlisteners:\n  - name: \"x", "tabs": "apiVersion:\tx\n\t- y", "nul": "apiVersion: fair\0lead/v1\n",
                 "deep": "a: " + "[" * 5000, "aliases": aliases, "binary": "\x7fELF\x01\x02", "no map": "- 1\n- 2\n", "unknown key": "apiVersion: fairlead/v1\nlistener: []\n"}

        for what, text in texts.items():
            with self.subTest(what):
                gate.write(text)
                done = gate.reload(check=False)
                self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
                self.assertIn("fairlead.yaml:", done.stdout + done.stderr)
        self.assertEqual(len({self.ask() for _ in range(4)}), 2)

    def test_a_dry_run_shows_the_change_and_makes_none(self):
        gate = self._pair()
        gate.pool()["servers"][0]["weight"] = 55
        gate.write()

        done = gate.cli("reload", "--dry-run", as_json=False)

        self.assertRegex(done.stdout, r"weight.*55")
        self.assertEqual(gate.server("a")["weight"], 100)

    def test_restart_only_keys_are_accepted_and_named(self):
        gate = self._pair()
        gate.config["proxy"]["workers"] = 3
        gate.write()

        done = gate.cli("reload", as_json=False)

        self.assertRegex(done.stdout, r"needs restart.*proxy\.workers")

    def test_a_log_that_cannot_be_opened_is_an_error_and_is_tried_at_the_next_reload(self):
        gate = self._pair()
        folder = os.path.join(gate.dir, "logs")
        gate.config["log"] = {"target": "file", "path": os.path.join(folder, "fairlead.log")}
        gate.pool()["servers"][0]["weight"] = 55
        gate.write()

        done = gate.reload(check=False)
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn(folder, done.stdout + done.stderr)
        self.assertEqual(gate.server("a")["weight"], 100, "nothing was changed")

        os.mkdir(folder)
        gate.reload()
        self.assertEqual(gate.server("a")["weight"], 55)
        wait_for(lambda: os.path.getsize(gate.config["log"]["path"]) > 0, 5, "the log goes there")

    def test_a_listener_on_a_busy_port_is_named_and_the_others_go_on(self):
        gate = self._pair()
        with self.gate.listen() as taken:
            busy = taken.getsockname()[1]
            free = self.gate.free_port()
            gate.config["listeners"] += [{"name": "busy", "bind": [f"{self.gate.address}:{busy}"], "pool": "masters"},
                                         {"name": "third", "bind": [f"{self.gate.address}:{free}"], "pool": "masters"}]
            gate.write()

            gate.reload(check=False)

            event = wait_for(lambda: gate.events("LISTENER_FAILED"), 5, "the busy port is reported")[-1]
            self.assertEqual(dict(event["fields"])["listener"], "busy")
            self.assertIn(str(busy), dict(event["fields"])["bind"])
            self.assertIn(self.ask(), ("a", "b"))
            self.port = free
            self.assertIn(wait_for(self.ask, 5, "the third listener accepts"), ("a", "b"))


if __name__ == "__main__":
    main()
