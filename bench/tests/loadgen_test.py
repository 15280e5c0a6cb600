"""Tests of the load generator, against servers that err: run by CTest (bench.loadgen) or `python3 bench/tests/loadgen_test.py [ITS DIRECTORY]`."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, BENCH)
from harness.cell import HEADER, REPLY_MAGIC  # noqa: E402

# Known before the classes below decide whether they can run.
BIN = sys.argv.pop(1) if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]) else os.path.join(os.path.dirname(BENCH), "build", "bin")


class FakeServer:
    """Answers the first connection's first request with the bytes it is given, then closes."""

    def __init__(self, answer):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._answer = answer
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):   # the client gives up after the first wrong byte: by design
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    connection.recv(200)
                    connection.sendall(self._answer)
                    connection.settimeout(2)
                    connection.recv(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()


class StallingServer(FakeServer):
    """Answers every request with a header, but the `at`-th only after `stall` seconds; those that came meanwhile wait behind it."""

    def __init__(self, at, stall):
        self._at, self._stall = at, stall
        super().__init__(b"")

    def _serve(self):
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as stream:
                for number, request in enumerate(iter(lambda: stream.read(200), b"")):
                    if number == self._at:
                        threading.Event().wait(self._stall)
                    connection.sendall(HEADER.pack(REPLY_MAGIC, 0, HEADER.size, 0, HEADER.unpack(request[:HEADER.size])[4]))


@unittest.skipUnless(os.access(os.path.join(BIN, "fairlead-loadgen"), os.X_OK), f"fairlead-loadgen is not built in {BIN}")
class LoadgenTest(unittest.TestCase):
    def setUp(self):
        self.loadgen = os.path.join(BIN, "fairlead-loadgen")

    @contextlib.contextmanager
    def backend(self, *more):
        process = subprocess.Popen([self.loadgen, "serve", "--listen", "127.0.0.1:0", "--lifetime", "60", *more], stdout=subprocess.PIPE, text=True)
        try:
            yield process, json.loads(process.stdout.readline())["ready"][0]
        finally:
            process.terminate()
            process.communicate()

    def load(self, *arguments):
        done = subprocess.run([self.loadgen, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else done.stderr

    def test_every_mode_measures_without_errors(self):
        with self.backend() as (_, target):
            for mode in (["requests", "--connections", "8", "--reply", "2000"], ["churn", "--connections", "4"], ["download", "--connections", "2"],
                         ["upload", "--connections", "2"], ["idle", "--marks", "10,50"]):
                with self.subTest(mode=mode[0]):
                    code, got = self.load(*mode, "--target", target, "--seconds", "0.2")

                    self.assertEqual((code, got["errors"]["total"]), (0, 0))
                    self.assertGreater(got["replies"] + got["received"] + got["sent"] + len(got.get("marks", [])), 0)

    def test_events_of_watches_arrive_and_are_counted_at_both_ends(self):
        with self.backend("--event-rate", "1000") as (process, target):
            code, got = self.load("paced", "--watches", "20", "--event", "300", "--rate", "200", "--burst", "4", "--connections", "8", "--bulk-connections", "1",
                                  "--bulk-rate", "10", "--bulk-reply", "100000", "--target", target, "--seconds", "0.3", "--warmup", "0.1")
            process.terminate()
            counts = json.loads(process.stdout.readline())

        self.assertEqual((code, got["errors"]["total"]), (0, 0))
        self.assertGreater(got["events_in_all"], 100)
        self.assertEqual(got["events_in_all"], counts["events"])
        self.assertTrue(56 <= got["latency"]["n"] <= 64, got["latency"])   # 200/s in 0.3 s, in fours

    def test_a_lost_event_is_damage(self):
        first_missing = HEADER.pack(REPLY_MAGIC, 0, HEADER.size, 0, 1 << 63 | 1)
        with FakeServer(first_missing) as server:
            code, got = self.load("paced", "--watches", "1", "--event", "32", "--target", f"127.0.0.1:{server.port}", "--seconds", "0.2", "--drain", "0.3")

        self.assertEqual(code, 1)
        self.assertIn("8000000000000001", got["errors"]["first"])

    def test_a_stall_is_charged_to_every_request_it_delayed(self):
        """Coordinated omission: a closed loop would have seen one slow request; a fixed rate sees a third of all of them."""
        with StallingServer(at=60, stall=0.4) as server:
            code, got = self.load("paced", "--connections", "1", "--rate", "200", "--reply", "32", "--target", f"127.0.0.1:{server.port}",
                                  "--seconds", "1", "--warmup", "0.1")

        self.assertEqual((code, got["errors"]["total"]), (0, 0))
        self.assertIn(got["latency"]["n"], range(199, 202))
        self.assertGreater(got["latency"]["p99_ns"], 300e6)
        self.assertGreater(got["latency"]["mean_ns"], 50e6)    # the 80 that were due in the stall waited 0.2 s on average
        self.assertLess(got["latency"]["p50_ns"], 100e6)

    def test_a_rate_that_is_not_served_is_no_result(self):
        with StallingServer(at=1, stall=3) as server:
            code, got = self.load("paced", "--connections", "1", "--rate", "500", "--reply", "32", "--target", f"127.0.0.1:{server.port}",
                                  "--seconds", "0.2", "--warmup", "0", "--drain", "0.3")

        self.assertEqual(code, 1)
        self.assertGreater(got["errors"]["unfinished"], 0)

    def turns(self, target, mode, turns, pause=0.0):
        client = subprocess.Popen([self.loadgen, *mode, "--target", target, "--seconds", "0.2", "--warmup", "0.1", "--turns", str(turns)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(turns + 1):
            self.assertEqual(json.loads(client.stdout.readline()), {"edge": "quiet"})
            time.sleep(pause)      # the time that others have their turns
            client.stdin.write("\n")
            client.stdin.flush()
        report_line, _ = client.communicate(timeout=30)
        self.assertEqual(client.returncode, 0)
        return json.loads(report_line)

    def test_turns_begin_and_end_at_rest_and_are_summed(self):
        """What is counted in the windows is all that was sent in them: an outside count needs no tolerance."""
        for mode in (["requests", "--connections", "8"], ["churn", "--connections", "4"], ["churn", "--connections", "1"],
                     ["upload", "--connections", "2"]):
            for turns in (1, 3):
                with self.subTest(mode=mode, turns=turns), self.backend() as (process, target):
                    report = self.turns(target, mode, turns)

                    self.assertGreater(report["replies"], 0)
                    self.assertEqual(report["connections"], report["replies"] if mode[0] == "churn" else 0)
                    self.assertTrue(0.2 * turns <= report["seconds"] < 0.2 * turns + 5 * turns)
                    process.terminate()
                    counts = json.loads(process.stdout.readline())
                    if mode[0] == "churn":     # none was opened and thrown away
                        self.assertEqual(counts["accepted"], counts["requests"])

    def test_what_lies_between_turns_is_in_none(self):
        with self.backend() as (process, target):
            began = time.monotonic()
            report = self.turns(target, ["requests", "--connections", "8"], 2, pause=1.0)

            self.assertLess(report["seconds"], time.monotonic() - began - 3.0)

    def test_events_and_requests_at_a_rate_stop_between_turns(self):
        with self.backend("--event-rate", "1000") as (process, target):
            report = self.turns(target, ["paced", "--watches", "20", "--event", "300", "--connections", "4", "--rate", "500"], 3, pause=0.5)
            process.terminate()
            counts = json.loads(process.stdout.readline())

        self.assertEqual(report["errors"]["total"], 0)
        self.assertEqual(report["events_in_all"], counts["events"])
        self.assertTrue(540 <= report["events"] <= 700, report["events"])                    # 1,000/s in 3 turns of 0.2 s, and what it takes to tell the backend
        self.assertLessEqual(report["events_in_all"] - report["events"], 200, "the warm-up's")   # 1.5 s of pauses would have been 1,500
        self.assertTrue(297 <= report["latency"]["n"] <= 303, report["latency"])
        self.assertTrue(0.6 <= report["seconds"] < 1.0, report["seconds"])

    def test_turns_without_attendant_end(self):
        with self.backend() as (_, target):
            done = subprocess.run([self.loadgen, "requests", "--target", target, "--seconds", "0.1", "--turns", "2"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30, check=False)

        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody answered", done.stderr)

    def test_the_backend_counted_what_the_client_asked(self):
        with self.backend() as (process, target):
            self.load("idle", "--marks", "20,40", "--target", target, "--seconds", "0.1", "--settle", "0.05")
            process.send_signal(signal.SIGTERM)
            counts = json.loads(process.stdout.readline())

        self.assertEqual((counts["accepted"], counts["requests"], counts["damaged"], counts["foreign"]), (40, 80, 0, 0))

    def failing(self, answer):
        with FakeServer(answer) as server:
            return self.load("requests", "--connections", "1", "--target", f"127.0.0.1:{server.port}", "--seconds", "0.3", "--warmup", "0", "--drain", "0.2")

    def test_wrong_bytes_are_damage(self):
        code, got = self.failing(HEADER.pack(REPLY_MAGIC, 0, 200, 0, 0) + bytes(168))

        self.assertEqual(code, 1)
        self.assertEqual(got["errors"]["first"], "wrong bytes in a reply")

    def test_a_wrong_length_is_damage(self):
        code, got = self.failing(HEADER.pack(REPLY_MAGIC, 0, HEADER.size, 0, 0))

        self.assertEqual(code, 1)
        self.assertIn("32 bytes instead of 0 of 200", got["errors"]["first"])

    def test_foreign_bytes_are_damage(self):
        code, got = self.failing(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(40))

        self.assertEqual(code, 1)
        self.assertGreater(got["errors"]["damaged"], 0)

    def test_a_reply_cut_short_is_unfinished_or_lost(self):
        code, got = self.failing(HEADER.pack(REPLY_MAGIC, 0, 200, 0, 0))

        self.assertEqual(code, 1)
        self.assertGreater(got["errors"]["lost"] + got["errors"]["unfinished"], 0)

    def test_a_refused_connection_is_counted_and_the_run_ends(self):
        with socket.create_server(("127.0.0.1", 0)) as once:
            port = once.getsockname()[1]
        started = time.monotonic()
        code, got = self.load("requests", "--connections", "2", "--target", f"127.0.0.1:{port}", "--seconds", "5")

        self.assertEqual(code, 1)
        self.assertGreater(got["errors"]["connect"], 0)
        self.assertLess(time.monotonic() - started, 5)

    def test_wrong_usage_is_named(self):
        self.assertEqual(self.load("requests")[0], 2)
        self.assertEqual(self.load("churn", "--target", "127.0.0.1:1", "--connections", "0")[0], 2)


if __name__ == "__main__":
    unittest.main()
