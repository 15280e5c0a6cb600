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

    def test_nothing_is_told_where_nobody_watches(self):
        self.start({"NOTIFY_SOCKET": self.environment["NOTIFY_SOCKET"]})
        self.assertEqual(set(self.heard(0.6)), {"READY=1"})


if __name__ == "__main__":
    main()
