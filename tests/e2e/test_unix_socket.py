"""Rights on the unix socket: the kernel says who asks; root may change things, everybody may look."""
import json
import os
import socket

from harness import EndToEnd, main
from support.waiting import wait_for

NOBODY = 65534


class UnixSocketTest(EndToEnd):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root, to become somebody else")
        self.one = self.gateway([self.raw_server("a"), self.raw_server("b")])
        self.one.wait_all_up()

    def test_somebody_may_look(self):
        done = self.one.cli("status", user=NOBODY)

        self.assertEqual(json.loads(done.stdout)["node"], self.one.name)

    def test_somebody_may_not_change_anything(self):
        self.one.write()
        changes = [("server", "drain", "masters/a"), ("server", "maint", "masters/a"), ("server", "weight", "masters/a", "5"), ("reload",),
                   ("server", "add", "masters/x", "192.0.2.1:1"), ("server", "remove", "masters/a"), ("listener", "disable", "front"),
                   ("connections", "kill", "--all")]

        for change in changes:
            with self.subTest(" ".join(change)):
                done = self.one.cli(*change, user=NOBODY, check=False)
                self.assertEqual(done.returncode, 5, done.stdout + done.stderr)

        self.assertEqual(self.one.server_states(), {"a": "up", "b": "up"})
        self.assertEqual(self.one.server("a")["weight"], 100)
        self.assertTrue(self.one.listener_status()["accepting"])

    def test_root_may_change_things_and_the_event_names_root(self):
        self.one.server_verb("weight", "a", 5)

        self.assertEqual(self.one.server("a")["weight"], 5)
        event = wait_for(lambda: self.one.events("SERVER_ADMIN"), 5, "the event is there")[-1]
        self.assertIn("root", dict(event["fields"])["by"])

    def test_nonsense_on_the_socket_is_answered_and_survived(self):
        for text in (b"\x00" * 5000, b"GET / HTTP/9.9\r\n\r\n", b"POST /api/v1/reload HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 100_000):
            with self.subTest(text[:20]):
                self._say(text)

        self.assertEqual(self.one.get("/livez")[0], 200)
        self.assertEqual(self.one.request("PUT", "/api/v1/servers/masters/a/weight", {"weight": 10 ** 12})[0], 400)
        self.assertEqual(self.one.get("/api/v1/nothing")[0], 404)

    def _say(self, text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            sock.connect(self.one.socket_path)
            try:
                sock.sendall(text)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except ConnectionError:
                pass   # It hung up on us, as it should.


if __name__ == "__main__":
    main()
