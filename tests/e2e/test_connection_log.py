"""`log: true`: a line per connection that tells how it ended; slow or moved log files never hold up a worker."""
import fcntl
import json
import os
import re
import signal

from harness import EndToEnd, main
from support import raw
from support.backends import Nginx
from support.waiting import wait_for

F_SETPIPE_SZ = 1031


def fields_of(line):
    """The key=value pairs of a text line."""
    return {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}


class ConnectionLogTest(EndToEnd):
    def _logging(self, handler=None, log=None, **options):
        self.log_path = os.path.join(self.gate.dir, f"{self._testMethodName}.log")
        server = self.raw_server("a", handler)
        options.setdefault("health", {"type": "none"})
        return self.gateway([server], listener={"log": True, **options.pop("listener", {})},
                            log={"target": "file", "path": self.log_path, **(log or {})}, **options)

    def _lines(self, path=None):
        with open(path or self.log_path, encoding="utf-8") as file:
            return [line for line in file.read().splitlines() if "listener" in line and "client" in line]

    def _await_line(self, number=1):
        return wait_for(lambda: len(self._lines()) >= number and self._lines()[number - 1], 10, f"line {number} of the connection log")

    def test_a_line_has_everything_the_contract_names(self):
        gate = self._logging()
        sock = self.connect()
        raw.read_line(sock)
        sock.sendall(b"12345")
        raw.read_exactly(sock, 5)
        address = "{}:{}".format(*sock.getsockname())
        local = wait_for(lambda: gate.connections(), 5, "it is listed")[0]["local"]
        sock.close()

        got = fields_of(self._await_line())

        self.assertEqual((got["listener"], got["client"]), ("front", address))
        self.assertEqual(got["server"], "masters/a")
        self.assertEqual(got["local"], local)
        self.assertEqual((got["bytes_in"], got["bytes_out"]), ("5", "7"))   # "a\n" and the echo
        self.assertGreaterEqual(float(got["total_ms"]), float(got["connect_ms"]))
        self.assertEqual(got["end"], "--")
        self.assertEqual((got["listener_connections"], got["server_connections"], got["retries"]), ("1", "1", "0"))

    def test_json_lines_say_the_same(self):
        self._logging(log={"format": "json"})
        with self.connect() as sock:
            raw.read_line(sock)

        got = json.loads(self._await_line())

        self.assertEqual((got["listener"], got["server"], got["end"]), ("front", "masters/a", "--"))
        self.assertRegex(got["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def _assert_letters(self, letters, number=1):
        line = self._await_line(number)
        self.assertEqual(fields_of(line)["end"], letters, line)

    def test_letters_of_a_clients_reset(self):
        self._logging()
        sock = self.connect()
        raw.read_line(sock)
        raw.reset(sock)

        self._assert_letters("CD")

    def test_letters_of_a_servers_reset(self):
        self._logging(lambda sock: (raw.read_exactly(sock, 1), raw.reset(sock)))
        sock = self.connect()
        sock.sendall(b"x")
        raw.how_it_ends(sock)

        self._assert_letters("SD")

    def test_letters_of_an_idle_client(self):
        self._logging(pool={"idle_timeout": "300ms"})
        raw.how_it_ends(self.connect())

        self._assert_letters("cD")

    def test_letters_of_a_refused_connect(self):
        gate = self._logging(pool={"passive": {"connect_failures": 0}, "retries": 0})
        port = self.lab.node("a").free_port()
        gate.pool()["servers"][0]["address"] = f"{self.lab.node('a').address}:{port}"
        gate.write()
        gate.reload()

        self.assertEqual(raw.how_connecting_ends(self.client, self.front), "reset")
        self._assert_letters("SC")
        got = fields_of(self._await_line())
        self.assertEqual((got["server"], got["retries"]), ("masters/a", "0"), "the one that refused")

    def test_without_a_server_none_is_named(self):
        gate = self._logging()
        gate.cli("server", "drain", "masters/a", "--force")
        self.assertEqual(raw.how_connecting_ends(self.client, self.front), "reset")

        self._assert_letters("SC")
        self.assertEqual(fields_of(self._await_line())["server"], "masters/-")

    def test_letters_of_a_connection_killed_by_an_operator(self):
        gate = self._logging()
        sock = self.connect()
        raw.read_line(sock)
        wait_for(lambda: gate.connections(), 5, "it is listed")
        gate.cli("connections", "kill", "--all")
        raw.how_it_ends(sock)

        self._assert_letters("KD")

    def test_a_listener_without_log_writes_none(self):
        gate = self._logging(listener={"log": False})
        self.ask()
        wait_for(lambda: gate.listener_status()["connections"]["total"] == 1 and gate.listener_status()["connections"]["current"] == 0, 5, "it is over")
        gate.stop()

        self.assertEqual([line for line in self._lines() if "client=" in line], [])

    def test_sigusr1_reopens_a_file_that_was_moved_away(self):
        gate = self._logging()
        self.ask()
        self._await_line()
        os.rename(self.log_path, self.log_path + ".1")

        gate.process.signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(self.log_path), 5, "a new file is there")
        self.ask()

        self._await_line()
        self.assertEqual(len(self._lines(self.log_path + ".1")), 1)

    def test_a_stderr_pipe_that_nobody_reads_does_not_hold_up_the_data_path(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
        server = Nginx(self.lab.node("plain")).start()
        gate = self.gateway([server], listener={"log": True}, log={"target": "stderr", "level": "info"}, health={"type": "none"}, start=False)
        gate.start(stderr=writer)
        os.close(writer)

        # More lines than the queue holds (4096) beside those in the pipe.
        for _ in range(6000):
            raw.reset(self.client.connect(self.front))
        wait_for(lambda: gate.status()["log_lines_dropped"] > 0, 20, "dropped lines are counted")

        with self.load(per_request=1, tls=False) as load:
            wait_for(lambda: load.count() >= 200, 20, "requests are answered")
        self.assertEqual(load.errors(), [])
        self.assertEqual(gate.get("/livez")[0], 200)
        gate.server_verb("weight", "plain", 50)   # Writes an event, too.
        gate.process.signal(signal.SIGTERM)
        self.assertEqual(gate.process.wait(10), 0, "it ends in spite of the pipe")


if __name__ == "__main__":
    main()
