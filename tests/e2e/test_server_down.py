"""`on_server_down`: what becomes of the connections a server has when it goes down."""
from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for


class ServerDownTest(EndToEnd):
    def _open(self, expected):
        sock = self.connect()
        self.assertEqual(raw.read_line(sock), expected)
        return sock

    def _echoes(self, sock, text=b"still there?"):
        sock.sendall(text)
        return raw.read_exactly(sock, len(text)) == text

    def test_reset_closes_a_dead_servers_connections_at_once_and_nobody_elses(self):
        a, b = self.raw_server("a"), self.raw_server("b")
        gate = self.gateway([a, b], pool={"on_server_down": "reset"})
        gate.wait_all_up()
        sockets = {}
        while len(sockets) < 2:
            sock = self.connect()
            sockets.setdefault(raw.read_line(sock), sock)

        # The server's process hangs on to the connection while nobody listens any more: only the proxy can end it.
        a.stop_listening()

        self.assertEqual(raw.how_it_ends(sockets["a"]), "reset")
        self.assertTrue(self._echoes(sockets["b"]))
        gate.wait_states(a="down", b="up")

    def test_keep_leaves_them_alone(self):
        a = self.raw_server("a")
        gate = self.gateway([a], pool={"on_server_down": "keep"})
        gate.wait_all_up()
        sock = self._open("a")

        a.stop_listening()
        gate.wait_states(a="down")

        self.assertTrue(self._echoes(sock))

    def test_a_server_that_only_says_it_is_not_ready_keeps_its_connections(self):
        server = self.tls_server("mast-1").start()
        other = self.tls_server("mast-2").start()
        gate = self.gateway([server, other], pool={"on_server_down": "reset"}, health=self.https_health(expect=[200]))
        gate.wait_all_up()
        connections = []
        while not any(c.backend == "mast-1" for c in connections):
            connection = self.http(tls=True)
            connection.backend = connection.get("/")[1]["x-backend"]
            connections.append(connection)
        kept = next(c for c in connections if c.backend == "mast-1")

        # The same process, another answer: nginx takes the file on SIGHUP only with a master; so the check's path changes instead.
        gate.pool()["health"]["expect"] = [204]
        gate.write()
        gate.reload()
        wait_for(lambda: set(gate.server_states().values()) == {"down"}, 10, "both servers fail their checks")

        self.assertEqual(gate.server("mast-1")["check"]["result"], "status")
        self.assertEqual(kept.get("/after")[0], 200)


if __name__ == "__main__":
    main()
