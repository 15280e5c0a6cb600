"""A server that stops answering without a word: its machine leaves the network, or its process is frozen."""
import time

from harness import EndToEnd, main
from support import raw
from support.waiting import SCALE, elapsed_until, wait_for


class GoneServerTest(EndToEnd):
    def test_requests_to_a_vanished_machine_are_late_but_do_not_fail(self):
        if not self.lab.has_namespaces:
            self.skipTest(f"needs network namespaces: {self.lab.loopback_reason}")
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2, 3)]
        gate = self.gateway(servers, pool={"connect_timeout": "500ms"}, health=self.https_health(interval="1s"))
        gate.wait_all_up()

        with self.load(per_request=8, pause=0.01) as load:
            wait_for(lambda: load.count() >= 100, 30, "requests flow")
            load.pause()   # Nobody is in flight on the victim when it goes.
            servers[0].node.vanish()
            gone = time.monotonic()
            load.resume()
            gate.wait_states(mast_1="down", timeout=6)
            ejected_after = time.monotonic() - gone
            count = load.count()
            wait_for(lambda: load.count() >= count + 100, 30, "requests after the ejection")
            load.pause()
            last = time.monotonic()
            servers[0].node.come_back()
            load.resume()
            wait_for(lambda: load.by_backend(last)["mast-1"] > 0, 20, "the machine is back in rotation")

        self.assertEqual(load.errors(), [])
        late = max(o.end - o.start for o in load.outcomes(gone, last))
        self.assertLess(late, 0.5 + 0.5 * SCALE, "one connect_timeout late at the most")
        self.assertGreater(late, 0.4, "nobody was sent to the vanished server: the test shows nothing")
        self.assertLess(ejected_after, 3.5 * SCALE)

    def test_a_frozen_server_is_ejected_within_three_and_a_half_seconds(self):
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2)]
        gate = self.gateway(servers, health=self.https_health(interval="1s", fast_interval="200ms", down_interval="1s", timeout="1s"))
        gate.wait_all_up()

        servers[0].process.freeze()
        took = elapsed_until(lambda: gate.server("mast-1")["state"] == "down", 6, "the frozen server is out")
        self.assertLess(took, 3.5 * SCALE)
        with self.load(per_request=2) as load:
            wait_for(lambda: load.count() >= 50, 20, "requests while it is frozen")
        servers[0].process.thaw()
        gate.wait_all_up()

        self.assertEqual(load.errors(), [])
        self.assertEqual(set(load.by_backend()), {"mast-2"})

    def test_a_timeout_starts_fast_checks_instead_of_ejecting(self):
        if not self.lab.has_namespaces:
            self.skipTest(f"needs network namespaces: {self.lab.loopback_reason}")
        a, b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([a, b], pool={"connect_timeout": "200ms"},
                            health={"interval": "1h", "fast_interval": "100ms", "timeout": "300ms", "fall": 2})
        gate.wait_all_up()

        a.node.vanish()
        answers = [self.ask() for _ in range(4)]

        self.assertEqual(set(answers), {"b"})
        gate.wait_states(a="down", timeout=5)   # By checks, an hour before the regular one.
        a.node.come_back()

    def test_a_vanished_server_resets_the_connections_it_had(self):
        if not self.lab.has_namespaces:
            self.skipTest(f"needs network namespaces: {self.lab.loopback_reason}")
        a = self.raw_server("c")
        gate = self.gateway([a], health={"timeout": "300ms"})
        gate.wait_all_up()
        sock = self.connect()
        self.assertEqual(raw.read_line(sock), "c")

        a.node.vanish()

        self.assertEqual(raw.how_it_ends(sock, 5 * SCALE), "reset")
        a.node.come_back()


if __name__ == "__main__":
    main()
