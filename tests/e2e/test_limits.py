"""Limits of listeners, sources and the process: who is over one is reset at once and counted, everybody else is served."""
from collections import Counter

from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for


class LimitsTest(EndToEnd):
    def _with(self, listener=None, **sections):
        gate = self.gateway([self.raw_server("a")], listener=listener, **sections)
        gate.wait_all_up()
        return gate

    def _assert_shed(self, gate, count, cause):
        wait_for(lambda: gate.listener_status()["connections"]["shed"] == count, 5, f"{count} are counted as shed")
        self.assertEqual(gate.listener_status()["shed_by_cause"].get(cause), count, gate.listener_status()["shed_by_cause"])

    def _ends(self, count, **options):
        return Counter(raw.how_connecting_ends(self.client, self.front, timeout=1, **options) for _ in range(count))

    def _hold(self, count, **options):
        held = [self.connect(**options) for _ in range(count)]
        for sock in held:
            self.assertEqual(raw.read_line(sock), "a")
        return held

    def test_max_connections(self):
        gate = self._with({"max_connections": 5})
        held = self._hold(5)

        self.assertEqual(self._ends(3), {"reset": 3})
        self._assert_shed(gate, 3, "listener_full")
        held[0].close()
        wait_for(lambda: gate.listener_status()["connections"]["current"] == 4, 5, "a place is free")
        self._hold(1)

    def test_max_connection_rate(self):
        gate = self._with({"max_connection_rate": 5})

        ends = self._ends_of_quick_ones(40)

        self.assertGreater(ends["reset"], 20, ends)
        self.assertGreaterEqual(ends["served"], 5, ends)
        self._assert_shed(gate, ends["reset"], "listener_rate")
        wait_for(lambda: self._quick() == "served", 5, "the rate allows connections again", interval=0.3)

    def _quick(self, **options):
        try:
            return "served" if self.ask(**options) == "a" else "other"
        except ConnectionError:
            return "reset"

    def _ends_of_quick_ones(self, count, **options):
        return Counter(self._quick(**options) for _ in range(count))

    def test_per_source_connections(self):
        gate = self._with({"per_source_connections": 2})
        other = self.client.add_address()
        self._hold(2)

        self.assertEqual(self._ends(2), {"reset": 2})
        self._hold(2, source=other)
        self.assertEqual(self._ends(1, source=other), {"reset": 1})
        self._assert_shed(gate, 3, "source_connections")

    def test_per_source_rate(self):
        gate = self._with({"per_source_rate": 4})
        other = self.client.add_address()

        ends = self._ends_of_quick_ones(30)

        self.assertGreater(ends["reset"], 15, ends)
        self.assertEqual(self._quick(source=other), "served", "another source pays for the first")
        self._assert_shed(gate, ends["reset"], "source_rate")

    def test_allow_and_deny(self):
        friend, foe = self.client.add_address(), self.client.add_address()
        gate = self._with({"allow": [f"{friend}/32", f"{foe}/32"], "deny": [foe]})

        self.assertEqual(self._quick(source=friend), "served")
        self.assertEqual((self._quick(source=foe), self._quick()), ("reset", "reset"))
        self._assert_shed(gate, 2, "denied")

    def test_a_reload_changes_a_limit_for_those_who_come_next(self):
        gate = self._with({"max_connections": 2})
        held = self._hold(2)
        gate.listener()["max_connections"] = 3
        gate.write()
        gate.reload()

        self._hold(1)
        self.assertEqual(self._ends(1), {"reset": 1})
        held[0].sendall(b"ping")
        self.assertEqual(raw.read_exactly(held[0], 4), b"ping")

    def test_the_process_limit(self):
        gate = self._with(proxy={"max_connections": 10})
        self._hold(10)

        self.assertEqual(self._ends(4), {"reset": 4})
        self._assert_shed(gate, 4, "process_full")

    def test_at_the_descriptor_limit_new_connections_are_reset_and_the_daemon_goes_on(self):
        server = self.raw_server("a")
        gate = self.gateway([server], start=False)
        gate.start(nofile=256)
        gate.wait_all_up()
        held, turned_away = [], 0
        for _ in range(300):
            try:
                sock = self.connect(timeout=10)
                self.assertEqual(raw.read_line(sock), "a")
                held.append(sock)
            except ConnectionError:
                turned_away += 1

        self.assertGreater(len(held), 20)
        self.assertGreater(turned_away, 100)
        self._assert_shed(gate, turned_away, "process_full")
        self.assertEqual(gate.server_states(), {"a": "up"}, "checks have descriptors of their own")
        self.assertEqual(gate.get("/readyz")[0], 200)
        for sock in held:
            sock.close()
        wait_for(lambda: gate.listener_status()["connections"]["current"] == 0, 10, "all places are free")
        self.assertEqual(self._quick(), "served")


if __name__ == "__main__":
    main()
