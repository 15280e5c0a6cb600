"""Clients and servers that misbehave: garbage, half-open connections, sudden ends. The daemon serves everybody else throughout."""
import os
import random
import socket

from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for


class BadClientsTest(EndToEnd):
    def setUp(self):
        super().setUp()
        self.servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2)]
        self.one = self.gateway(self.servers, health=self.https_health())
        self.one.wait_all_up()

    def _assert_served(self):
        status, headers, _ = self.http(tls=True).get("/fine")
        self.assertEqual(status, 200)
        self.assertIn(headers["x-backend"], ("mast-1", "mast-2"))

    def test_garbage_gets_the_servers_answer_and_hurts_nobody(self):
        generator = random.Random(11)

        for size in (1, 5, 100, 5000, 200_000):
            sock = self.connect()
            try:
                sock.sendall(generator.randbytes(size))
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass   # The server hung up in the middle of it.
            self.assertIn(raw.how_it_ends(sock), ("reset", "closed"))

        self._assert_served()

    def test_connections_that_say_nothing_do_not_hold_up_others(self):
        silent = [self.connect() for _ in range(200)]
        self._assert_served()

        for sock in silent:
            sock.close()
        wait_for(lambda: self.one.listener_status()["connections"]["current"] <= 1, 10, "the silent ones are gone")

    def test_connections_reset_right_after_their_beginning(self):
        for _ in range(200):
            raw.reset(self.client.connect(self.front))

        self._assert_served()
        wait_for(lambda: self.one.listener_status()["connections"]["current"] <= 1, 10, "none is left")

    def test_a_client_machine_that_vanishes_is_found_out(self):
        if not self.lab.has_namespaces:
            self.skipTest(f"needs network namespaces: {self.lab.loopback_reason}")
        self.one.pool()["keepalive"] = {"idle": "1s", "interval": "1s", "count": 2}
        self.one.pool()["tcp_user_timeout"] = "3s"
        self.one.write()
        self.one.reload()
        visitor = self.lab.node("visitor")
        with visitor.connect(self.front):
            wait_for(lambda: self.one.listener_status()["connections"]["current"] == 1, 5, "it is connected")

            visitor.vanish()

            wait_for(lambda: self.one.listener_status()["connections"]["current"] == 0, 15, "keepalive found it dead")
        visitor.come_back()

    def test_a_flood_of_connects_within_the_backlog_is_served(self):
        sockets = []
        for _ in range(500):
            sock = self.client.socket()
            self.addCleanup(sock.close)
            sock.setblocking(False)
            if not self.lab.has_namespaces:
                sock.bind((self.client.address, 0))
            sock.connect_ex(self.front)
            sockets.append(sock)

        wait_for(lambda: self.one.listener_status()["connections"]["total"] >= 500, 15, "all of them were accepted")
        self._assert_served()


class BadServersTest(EndToEnd):
    def test_a_server_that_resets_everybody_while_its_check_is_fine(self):
        # It resets whoever says something. A check says nothing: a reset at once could reach the check before it has looked.
        def reset_the_talkative(sock):
            if sock.recv(64):
                raw.reset(sock)

        good = self.raw_server("good")
        bad = self.raw_server("bad", reset_the_talkative)
        gate = self.gateway([good, bad])
        gate.wait_all_up()

        answers = []
        for _ in range(20):
            with self.client.connect(self.front) as sock:
                try:
                    sock.sendall(b"hello\n")
                    answers.append(raw.read_line(sock))
                except ConnectionError:
                    answers.append("reset")

        self.assertEqual(set(answers), {"good", "reset"})
        self.assertGreaterEqual(answers.count("good"), 10)

    def test_a_server_that_floods_and_one_that_answers_nonsense(self):
        noise = self.raw_server("noise", lambda sock: sock.sendall(os.urandom(300_000)))
        self.gateway([noise], health={"type": "none"})

        for _ in range(5):
            sock = self.connect(timeout=10)
            self.assertEqual(len(raw.read_all(sock)), 300_000)

    def test_a_full_backlog_is_a_late_connect_and_not_a_lost_one(self):
        # A server that never accepts: its kernel queues a few connects and drops the rest. The others take over after connect_timeout.
        stuck_node, good = self.lab.node("stuck"), self.raw_server("good")
        stuck = stuck_node.listen(backlog=0)
        self.addCleanup(stuck.close)
        for _ in range(4):
            probe = stuck_node.socket()
            probe.setblocking(False)
            probe.connect_ex(stuck.getsockname())
            self.addCleanup(probe.close)
        self.gateway([{"name": "stuck", "address": f"{stuck_node.address}:{stuck.getsockname()[1]}"}, good],
                     pool={"connect_timeout": "200ms"}, health={"type": "none"})

        self.assertEqual({self.ask(timeout=10) for _ in range(4)}, {"good"})


if __name__ == "__main__":
    main()
