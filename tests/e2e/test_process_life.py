"""Starting, checking and ending fairleadd: exit codes, signals, readiness."""
import os
import signal
import socket
import subprocess
import time

from harness import EndToEnd, main
from support import raw
from support.fairlead import BIN
from support.waiting import wait_for


class ProcessLifeTest(EndToEnd):
    def _one(self, **options):
        gate = self.gateway([self.raw_server("a")], **options)
        gate.wait_all_up()
        return gate

    def _open(self):
        sock = self.connect()
        self.assertEqual(raw.read_line(sock), "a")
        return sock

    def _refuses(self):
        return raw.how_connecting_ends(self.client, self.front, timeout=1) in ("refused", "reset")

    # ---- ending ----
    def test_sigterm_without_connections_ends_at_once_with_0(self):
        gate = self._one(shutdown_grace="30s")
        started = time.monotonic()

        gate.process.signal(signal.SIGTERM)

        self.assertEqual(gate.process.wait(5), 0)
        self.assertLess(time.monotonic() - started, 5)
        self.assertFalse(os.path.exists(gate.socket_path), "the socket's file is removed")

    def test_sigterm_lets_open_connections_finish_and_takes_no_new_ones(self):
        gate = self._one(shutdown_grace="20s")
        sock = self._open()

        gate.process.signal(signal.SIGTERM)
        wait_for(self._refuses, 5, "new connections are refused")
        sock.sendall(b"still?")
        self.assertEqual(raw.read_exactly(sock, 6), b"still?")
        sock.close()

        self.assertEqual(gate.process.wait(5), 0)

    def test_shutdown_grace_ends_what_does_not_finish(self):
        gate = self._one(shutdown_grace="500ms")
        sock = self._open()
        started = time.monotonic()

        gate.process.signal(signal.SIGTERM)

        self.assertIn(raw.how_it_ends(sock, 10), ("reset", "closed"))
        self.assertEqual(gate.process.wait(5), 0)
        self.assertGreater(time.monotonic() - started, 0.4)

    def test_a_second_sigterm_ends_at_once(self):
        gate = self._one(shutdown_grace="60s")
        self._open()
        gate.process.signal(signal.SIGTERM)
        wait_for(self._refuses, 5, "it is draining")

        gate.process.signal(signal.SIGTERM)

        self.assertEqual(gate.process.wait(5), 0)

    def test_a_killed_daemon_starts_again_over_its_old_socket_file(self):
        gate = self._one()
        gate.process.kill()
        self.assertTrue(os.path.exists(gate.socket_path))

        gate.start()

        self.assertEqual(self.ask(), "a")

    # ---- readiness ----
    def test_readyz_follows_the_servers_and_livez_does_not(self):
        gate = self.gateway([{"name": "nobody", "address": f"{self.lab.node('nobody').address}:1"}], start=False).start(ready=False)
        gate.wait_states(nobody="down")

        self.assertEqual((gate.get("/livez")[0], gate.get("/readyz")[0]), (200, 503))
        self.assertIn("masters", gate.get("/readyz?verbose")[1])

    def test_systemd_is_told_when_it_is_ready_and_when_it_stops(self):
        path = os.path.join(self.gate.dir, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(10)
            gate = self.gateway([self.raw_server("a")], start=False)
            gate.start(env={"NOTIFY_SOCKET": path})

            self.assertIn("READY=1", self._notified(manager, "READY=1"))
            gate.process.signal(signal.SIGTERM)
            self.assertIn("STOPPING=1", self._notified(manager, "STOPPING=1"))
            gate.process.wait(10)
        os.unlink(path)

    def _notified(self, manager, wanted):
        while True:
            text = manager.recv(4096).decode()
            if wanted in text:
                return text

    def test_metrics_are_prometheus_text(self):
        gate = self._one()
        self.ask()

        metrics = wait_for(lambda: (m := gate.metrics()).get('fairlead_listener_accepted_connections_total{listener="front"}') and m, 5, "the connection is counted")

        self.assertTrue(all(name.startswith(("fairlead_", "process_")) for name in metrics), [n for n in metrics if not n.startswith("fairlead_")])

    # ---- exit codes ----
    def _fairleadd(self, *arguments):
        return self.gate.run([os.path.join(BIN, "fairleadd"), *arguments])

    def _fairlead(self, *arguments):
        return self.gate.run([os.path.join(BIN, "fairlead"), *arguments])

    def _file(self, **options):
        return self.gateway([self.raw_server("a")], start=False, **options)

    def test_check_answers_0_for_a_good_file_and_3_for_a_bad_one(self):
        gate = self._file()
        self.assertEqual(gate.check().returncode, 0)
        self.assertEqual(self._fairlead("check", gate.config_path).returncode, 0)

        gate.pool()["balence"] = "random"
        gate.listener()["max_connections"] = -1
        gate.write()

        for done in (gate.check(), self._fairlead("check", gate.config_path)):
            text = done.stdout + done.stderr
            self.assertEqual(done.returncode, 3, text)
            self.assertRegex(text, r"fairlead\.yaml:\d+:\d+: error: .*balence.*")
            self.assertRegex(text, r"fairlead\.yaml:\d+:\d+: error: .*max_connections.*")
            self.assertIn("did you mean 'balance'", text)

    def test_check_offers_the_nearest_name_for_a_dangling_one(self):
        gate = self._file()
        gate.listener()["pool"] = "mastres"
        gate.write()

        done = gate.check()

        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout + done.stderr, r"fairlead\.yaml:\d+:\d+: error: .*mastres.*masters")

    def test_an_invalid_file_at_start_ends_with_3_and_the_place(self):
        gate = self._file()
        gate.write("apiVersion: fairlead/v1\nlisteners: 7\n")

        gate.launch()

        self.assertEqual(gate.process.wait(10), 3)
        self.assertRegex(gate.log(), r"fairlead\.yaml.*2")

    def test_a_missing_file_and_wrong_usage(self):
        missing = self._fairleadd("--config", "/no/such/fairlead.yaml", "--check")

        self.assertEqual(missing.returncode, 3)
        self.assertIn("/no/such/fairlead.yaml", missing.stdout + missing.stderr)
        self.assertEqual(self._fairleadd("--no-such-option").returncode, 2)
        self.assertEqual(self._fairlead("no-such-verb").returncode, 2)

    def test_the_command_answers_4_when_no_daemon_is_there(self):
        done = self._fairlead("--socket", "/no/such/socket", "status")

        self.assertEqual(done.returncode, 4)
        self.assertIn("/no/such/socket", done.stderr)

    def test_verbs_of_later_versions_say_so(self):
        done = self._fairlead("storage", "expand")

        self.assertEqual(done.returncode, 1)
        self.assertIn("not in this version", done.stdout + done.stderr)

    def test_schema_and_explain_need_no_daemon(self):
        self.assertIn('"properties"', self._fairlead("schema").stdout)
        self.assertIn("connect_timeout", self._fairlead("explain", "pools.connect_timeout").stdout)

    def test_output_on_a_closed_pipe_is_no_crash(self):
        with self.gate.entered():
            done = subprocess.run(f"{BIN}/fairlead schema | head -n 1", shell=True, capture_output=True, text=True, timeout=20, check=False)

        self.assertNotIn("terminate", done.stderr)


if __name__ == "__main__":
    main()
