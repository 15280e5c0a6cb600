"""systemd's watchdog: what the daemon says over NOTIFY_SOCKET, and that it says nothing while a worker stands."""
import contextlib
import os
import socket
import time
import unittest

from harness import SANITIZER, EndToEnd, main
from support.threads import held, thread_named
from support.waiting import wait_for

LIMIT_US = 400_000


class WatchdogTest(EndToEnd):
    def setUp(self):
        super().setUp()
        path = os.path.join(self.lab.dir, "notify")
        self.words = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(os.unlink, path)
        self.addCleanup(self.words.close)
        self.words.bind(path)
        os.chmod(path, 0o666)
        self.words.settimeout(10)
        self.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(LIMIT_US)}

    def heard(self, seconds):
        """What comes within this time."""
        found, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.words.settimeout(left)
            with contextlib.suppress(TimeoutError):
                found.append(self.words.recv(4096).decode())
        return found

    def start(self, environment):
        gate = self.gateway([self.raw_server("a")], start=False)
        gate.start(env=environment)
        gate.wait_all_up()
        return gate

    def test_it_is_told_four_times_in_its_limit_after_the_start_and_until_the_end(self):
        gate = self.start(self.environment)
        self.assertEqual(self.words.recv(4096), b"WATCHDOG=1", "housekeeping begins before READY")
        wait_for(lambda: self.words.recv(4096) == b"READY=1", 10, "it is ready")
        told = self.heard(2 * LIMIT_US / 1e6)
        self.assertGreaterEqual(len(told), 4, told)
        self.assertEqual(set(told), {"WATCHDOG=1"})
        gate.stop()
        self.assertIn("STOPPING=1", self.heard(0.5))

    @unittest.skipIf(SANITIZER, "its threads are not stopped one by one")
    def test_it_is_not_told_while_a_worker_stands(self):
        gate = self.start(self.environment)
        with held(thread_named(gate.process.pid, "worker-0")):
            wait_for(lambda: gate.events("WORKER_STALLED"), 10, "the daemon notices")
            self.heard(0.05)   # What was said before.
            self.assertEqual(self.heard(2 * LIMIT_US / 1e6), [])
            late = gate.metrics()['fairlead_worker_loop_lateness_seconds{worker="0"}']
            self.assertGreater(late, LIMIT_US / 1e6, "as long as it stands, it is late; it cannot say so itself")
        self.words.settimeout(10)
        self.assertEqual(self.words.recv(4096), b"WATCHDOG=1", "it turns again")

    @unittest.skipIf(SANITIZER, "its threads are not stopped one by one")
    def test_a_node_whose_control_thread_stands_is_not_ready_and_says_since_when(self):
        gate = self.start({})
        self.assertEqual(gate.get("/readyz")[0], 200)
        with held(gate.process.pid):   # The control thread is the first one.
            wait_for(lambda: gate.get("/readyz")[0] == 503, 10, "it is not ready")
            self.assertRegex(gate.get("/readyz")[1], r"control thread: has not turned for \d")
            metrics = gate.metrics()
            self.assertEqual(metrics["fairlead_ready"], 0)
            self.assertGreater(metrics["fairlead_report_age_seconds"], 1)
            self.assertGreater(metrics["fairlead_control_loop_lateness_seconds"], 1)
            said = gate.cli("status", as_json=False).stdout
            self.assertIn("NOT READY", said)
            self.assertRegex(said, r"report +\d+\.\d s old")
        wait_for(lambda: gate.get("/readyz")[0] == 200, 10, "it turns again")

    @unittest.skipIf(SANITIZER, "its threads are not stopped one by one")
    def test_a_node_all_of_whose_workers_stand_is_not_ready(self):
        gate = self.gateway([self.raw_server("a")], proxy={"workers": 2})
        gate.wait_all_up()
        with held(thread_named(gate.process.pid, "worker-0")):
            wait_for(lambda: gate.events("WORKER_STALLED"), 10, "the daemon notices")
            wait_for(lambda: "worker 0: does not turn" in gate.cli("status", as_json=False).stdout, 10, "it is said")
            self.assertEqual(gate.get("/readyz")[0], 200, "the other one serves")
            with held(thread_named(gate.process.pid, "worker-1")):
                wait_for(lambda: gate.get("/readyz")[0] == 503, 10, "nobody is served")
                self.assertIn("worker 1: does not turn", gate.get("/readyz")[1])
        wait_for(lambda: gate.get("/readyz")[0] == 200, 10, "they turn again")

    @unittest.skipIf(SANITIZER, "its threads are not stopped one by one")
    def test_who_lists_connections_is_not_in_the_way_of_who_closes_them(self):
        gate = self.start({})
        with held(thread_named(gate.process.pid, "worker-0")), contextlib.ExitStack() as open_:
            for _ in range(52):   # The worker answers none of them.
                client = open_.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(gate.socket_path)
                client.sendall(b"GET /api/v1/connections HTTP/1.1\r\nHost: localhost\r\n\r\n")
            refused = gate.get("/api/v1/connections")
            self.assertIn("too many questions", refused[1])
            done = gate.cli("connections", "kill", "--pool", gate.pool()["name"], as_json=False, check=False)
            self.assertIn("did not answer", done.stdout + done.stderr, "it was put to the worker")

    def test_nothing_is_told_where_nobody_watches(self):
        self.start({"NOTIFY_SOCKET": self.environment["NOTIFY_SOCKET"]})
        self.assertEqual(set(self.heard(0.6)), {"READY=1"})


if __name__ == "__main__":
    main()
