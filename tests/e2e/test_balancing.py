"""Who gets a connection: the four ways of balancing, weights, backups and full servers, over real TLS servers and raw ones."""
import time
from collections import Counter

from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for


class BalancingTest(EndToEnd):
    def _raw_servers(self, *names):
        return [self.raw_server(name) for name in names]

    def _hold(self, count):
        """Opens connections that stay, one after the other; returns how many each server has."""
        held = Counter()
        for _ in range(count):
            held[raw.read_line(self.connect())] += 1
        return held

    def test_requests_flow_over_three_tls_servers(self):
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2, 3)]
        self.gateway(servers, health=self.https_health())

        with self.load(keep_alive=3, per_request=6) as load:
            wait_for(lambda: load.count() >= 600, 30, "600 requests are done")

        self.assertEqual(load.errors(), [])
        shares = load.by_backend()
        self.assertEqual(set(shares), {"mast-1", "mast-2", "mast-3"})
        # New connections go round exactly; those that are kept carry more requests, one each on every server.
        fresh = Counter(o.backend for o in load.outcomes() if o.on_new_connection)
        self.assertLessEqual(max(fresh.values()) - min(fresh.values()), 9, fresh)

    def test_round_robin_follows_the_weights_exactly(self):
        servers = self._raw_servers("a", "b", "c")
        weights = {"a": 100, "b": 200, "c": 100}
        self.gateway([{"name": s.name, "address": s.address, "weight": weights[s.name]} for s in servers]).wait_all_up()

        answers = Counter(self.ask() for _ in range(40))

        self.assertEqual(answers, {"a": 10, "b": 20, "c": 10})

    def test_least_connections_spreads_long_connections_evenly_over_all_workers(self):
        self.gateway(self._raw_servers("a", "b", "c"), pool={"balance": "least_connections"}, proxy={"workers": 4}).wait_all_up()

        held = self._hold(12)

        self.assertEqual(sum(held.values()), 12)
        self.assertTrue(all(3 <= count <= 5 for count in held.values()) and len(held) == 3, held)

    def test_least_connections_prefers_the_server_that_became_free(self):
        gate = self.gateway(self._raw_servers("a", "b"), pool={"balance": "least_connections"})
        gate.wait_all_up()
        busy = raw.read_line(self.connect())
        wait_for(lambda: gate.server(busy)["connections"]["total"] == 1, 5, "the long connection is counted")

        answers = {self._ask_until_released(gate) for _ in range(5)}

        self.assertEqual(answers, {"a", "b"} - {busy})

    def _ask_until_released(self, gate):
        """Asks, and waits until the gateway knows that the connection is over."""
        before = sum(gate.server(s)["connections"]["total"] for s in "ab")
        name = self.ask()
        wait_for(lambda: sum(gate.server(s)["connections"]["total"] for s in "ab") == before + 1
                 and sum(gate.server(s)["connections"]["current"] for s in "ab") == 1, 5, "only the long connection is left")
        return name

    def test_a_server_that_comes_back_gets_its_share_of_idle_connections(self):
        pool = {"balance": "least_connections", "rebalance": {"when": "server_up", "rate": "50/s"}}
        gate = self.gateway(self._raw_servers("a", "b", "c"), pool=pool, proxy={"workers": 2})
        gate.wait_all_up()
        gate.server_verb("drain", "c")
        clients = [self.connect() for _ in range(12)]
        self.assertEqual({raw.read_line(sock) for sock in clients}, {"a", "b"})

        gate.server_verb("ready", "c")
        closed = []

        def spread():
            for sock in [s for s in clients if s not in closed and raw.poll_closed(s, 0) != "open"]:
                closed.append(sock)
                raw.read_line(self.connect())   # A client that connects anew, as they do.
            return gate.server("c")["connections"]["current"] == 4
        wait_for(spread, 20, "the server that came back has a third")

        self.assertEqual([raw.how_it_ends(sock) for sock in closed], ["closed"] * 4, "no more than had to move, and in order")
        self.assertEqual([gate.server(s)["connections"]["current"] for s in "abc"], [4, 4, 4])

    def test_random_two_uses_every_server(self):
        self.gateway(self._raw_servers("a", "b", "c"), pool={"balance": "random_two"}).wait_all_up()

        held = self._hold(30)

        self.assertEqual(len(held), 3, held)
        self.assertLessEqual(max(held.values()), 16, held)

    def test_source_hash_keeps_a_client_on_its_server_and_spreads_clients(self):
        self.gateway(self._raw_servers("a", "b", "c"), pool={"balance": "source_hash"}).wait_all_up()
        sources = [self.client.add_address() for _ in range(12)]

        placed = {source: {self.ask(source=source) for _ in range(3)} for source in sources}

        self.assertTrue(all(len(servers) == 1 for servers in placed.values()), placed)
        self.assertGreater(len(set.union(*placed.values())), 1, placed)

    def test_a_server_of_weight_zero_gets_no_connection(self):
        a, b = self._raw_servers("a", "b")
        self.gateway([a, {"name": "b", "address": b.address, "weight": 0}]).wait_all_up()

        self.assertEqual({self.ask() for _ in range(10)}, {"a"})

    def test_a_backup_serves_only_while_no_regular_server_is_up(self):
        a, spare = self._raw_servers("a", "spare")
        gate = self.gateway([a, {"name": "spare", "address": spare.address, "backup": True}])
        gate.wait_all_up()
        self.assertEqual({self.ask() for _ in range(5)}, {"a"})

        a.close()
        gate.wait_states(a="down", spare="up")

        self.assertEqual({self.ask() for _ in range(5)}, {"spare"})

    def test_a_full_server_passes_to_the_next_and_full_servers_reset(self):
        a, b = self._raw_servers("a", "b")
        gate = self.gateway([{"name": s.name, "address": s.address, "max_connections": 2} for s in (a, b)])
        gate.wait_all_up()

        held = self._hold(4)
        started = time.monotonic()
        end = raw.how_connecting_ends(self.client, self.front)

        self.assertEqual(held, {"a": 2, "b": 2})
        self.assertEqual(end, "reset")
        self.assertLess(time.monotonic() - started, 2.0)
        wait_for(lambda: gate.listener_status()["connections"]["shed"] >= 1, 5, "the connection without a place is counted")

    def test_ipv6_clients_reach_ipv4_servers(self):
        if not self.lab.has_namespaces:
            self.skipTest(f"needs network namespaces: {self.lab.loopback_reason}")
        server = self.raw_server("a")
        gate = self.gateway([server], start=False)
        gate.listener()["bind"] = [f"[{self.gate.address6}]:{self.port}"]
        gate.write()
        gate.start()

        with self.client.connect((self.gate.address6, self.port)) as sock:
            self.assertEqual(raw.read_line(sock), "a")


if __name__ == "__main__":
    main()
