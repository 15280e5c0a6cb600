"""The flight recorder of real daemons: live, after crashes and kills, on bad ground; and what helps to find out why."""
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

from harness import SANITIZER, EndToEnd, main
from support.fairlead import BIN
from support.waiting import wait_for

QB_BLACKBOX = shutil.which("qb-blackbox", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class FlightRecorderTest(EndToEnd):
    def setUp(self):
        super().setUp()
        # The ring is a file only in memory.
        self.memory = tempfile.mkdtemp(prefix="fl-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, self.memory, ignore_errors=True)

    def _gate(self, start=True, **sections):
        socket = os.path.join(self.memory, "fl.sock")
        gate = self.gateway([self.raw_server("a")], start=False, admin={"socket": socket, "listen": ""}, **sections)
        gate.socket_path = socket
        if start:
            gate.start()
        return gate

    def _state(self, gate):
        return os.path.join(gate.dir, "state")

    def _files(self, gate):
        folder = os.path.join(self._state(gate), "blackbox")
        return [os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(".fdata")] if os.path.isdir(folder) else []

    def _entries(self, gate, *arguments, check=True):
        done = gate.cli("blackbox", "--config", gate.config_path, *arguments, check=check)
        return json.loads(done.stdout)["entries"] if done.returncode == 0 else done

    @staticmethod
    def _parts(archive):
        with tarfile.open(archive) as tar:
            return {m.name.partition("/")[2]: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}

    def _ids(self, entries):
        return [e["id"] for e in entries]

    # ---- alive ----
    def test_a_running_daemon_tells_what_happened_also_what_it_does_not_log(self):
        gate = self._gate(log={"level": "error", "target": "stderr"})
        gate.server_verb("drain", "a", "--force")

        entries = self._entries(gate)

        self.assertIn("COMMAND_DONE", self._ids(entries))
        self.assertIn("SERVER_CHECK", self._ids(entries))
        self.assertNotIn("COMMAND_DONE", gate.log())
        text = gate.cli("blackbox", "--last", "1", as_json=False).stdout
        self.assertRegex(text, r"^\d{4}-\d\d-\d\dT[\d:.]+Z \w+ +[A-Z_]+ ?.*\n$")

    @unittest.skipUnless(QB_BLACKBOX, "needs qb-blackbox (libqb-tools)")
    def test_corosyncs_own_tool_reads_the_files(self):
        gate = self._gate()
        path = os.path.join(self.memory, "out.fdata")
        entries = self._entries(gate, "--last", "100000", "--out", path)

        shown = subprocess.run([QB_BLACKBOX, path], capture_output=True, text=True, check=False, timeout=30).stdout

        self.assertNotIn("ERROR", shown)
        lines = re.findall(r"^(?:error|warning|notice|info|debug) +\w+ +\d+ [\d:.]+ ([A-Z_]+)\(", shown, re.M)
        self.assertEqual(lines, self._ids(entries))

    def test_somebody_else_may_not_read_it(self):
        gate = self._gate()
        os.chmod(self.memory, 0o755)
        if os.geteuid() != 0:
            self.skipTest("needs root, to become somebody else")

        self.assertEqual(gate.cli("blackbox", user=65534, check=False).returncode, 5)

    # ---- dead ----
    def _dies_by(self, number):
        gate = self._gate()
        gate.server_verb("weight", "a", 7)

        gate.process.signal(number)
        code = gate.process.wait(20)

        files = self._files(gate)
        self.assertEqual(len(files), 1, os.listdir(self._state(gate)))
        entries = self._entries(gate, files[0])
        self.assertEqual(self._ids(entries)[-1], "DAEMON_CRASHED")
        self.assertIn(f"signal={signal.Signals(number).name}", entries[-1]["text"])
        self.assertIn("COMMAND_DONE", self._ids(entries[-20:]))
        return gate, code

    def test_a_crash_leaves_its_last_events_in_a_file_and_ends_by_its_signal(self):
        for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
            with self.subTest(number.name):
                gate, code = self._dies_by(number)
                if not SANITIZER:
                    self.assertEqual(code, -number)
                shutil.rmtree(os.path.join(self._state(gate), "blackbox"))

    def test_the_next_start_names_the_file_once(self):
        gate, _ = self._dies_by(signal.SIGABRT)
        gate.start()

        event = gate.events("DAEMON_ENDED_BADLY")

        self.assertEqual([dict(e["fields"])["recorder"] for e in event], self._files(gate))
        self.assertEqual(gate.stop(), 0)
        gate.start()
        self.assertEqual(gate.events("DAEMON_ENDED_BADLY"), [])

    def test_a_killed_daemon_is_read_from_memory_and_kept_by_the_next_start(self):
        gate = self._gate()
        gate.server_verb("weight", "a", 7)
        gate.process.kill()
        self.assertEqual(self._files(gate), [], "nobody could write it")

        self.assertIn("COMMAND_DONE", self._ids(self._entries(gate)))

        gate.start()
        files = self._files(gate)
        self.assertEqual(len(files), 1)
        self.assertIn("COMMAND_DONE", self._ids(self._entries(gate, files[0])))
        self.assertEqual(len(gate.events("DAEMON_ENDED_BADLY")), 1)

    def test_release_vips_keeps_it_when_no_start_follows(self):
        gate = self._gate()
        gate.process.kill()

        done = self.gate.run([os.path.join(BIN, "fairleadd"), "--config", gate.config_path, "--release-vips"])

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self._files(gate)), 1)
        self.assertFalse(os.path.exists(gate.socket_path + ".flight"))

    def test_release_vips_keeps_it_also_when_the_file_is_not_valid(self):
        gate = self._gate()
        gate.process.kill()
        with open(gate.config_path, "a", encoding="utf-8") as file:
            file.write("nonsense: 1\n")

        done = self.gate.run([os.path.join(BIN, "fairleadd"), "--config", gate.config_path, "--release-vips"])

        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("nonsense", done.stderr)
        self.assertIn(f"going by state_dir {self._state(gate)} and admin.socket {gate.socket_path}", done.stderr)
        self.assertEqual(len(self._files(gate)), 1)
        self.assertFalse(os.path.exists(gate.socket_path + ".flight"))

    def test_a_stopped_daemon_is_read_from_memory_after_two_seconds(self):
        log = os.path.join(self.memory, "fairleadd.log")
        gate = self._gate(log={"level": "info", "target": "file", "path": log})
        gate.server_verb("weight", "a", 7)
        gate.process.signal(signal.SIGSTOP)
        self.addCleanup(gate.process.signal, signal.SIGCONT)
        begin = time.monotonic()

        done = gate.cli("blackbox", "--config", gate.config_path)
        self.assertIn("COMMAND_DONE", self._ids(json.loads(done.stdout)["entries"]))
        self.assertIn("did not answer in time", done.stderr)
        done = gate.cli("logs", "--config", gate.config_path, as_json=False)
        self.assertIn("DAEMON_STARTED", done.stdout)
        self.assertIn("did not answer in time", done.stderr)
        archive = os.path.join(self.memory, "bundle.tar.gz")
        done = gate.cli("support", "bundle", "--config", gate.config_path, "--out", archive, as_json=False)
        self.assertIn("did not answer in time", done.stderr)
        parts = self._parts(archive)
        for name in ("recorder/last.fdata", "recorder/newest.txt", "log.txt", "daemon/proc-status.txt"):
            self.assertIn(name, parts)
        self.assertIn(f"\nPid:\t{gate.process.pid}\n".encode(), parts["daemon/proc-status.txt"])
        self.assertLess(time.monotonic() - begin, 40, "the calls' own patience is 70 s")

    def test_an_end_in_order_leaves_nothing(self):
        gate = self._gate()

        self.assertEqual(gate.stop(), 0)

        self.assertEqual(self._files(gate), [])
        self.assertEqual(sorted(os.listdir(self.memory)), ["fl.sock.lock"])
        self.assertEqual(self._entries(gate, check=False).returncode, 4)

    def test_only_the_newest_files_are_kept(self):
        gate = self._gate(start=False)
        folder = os.path.join(self._state(gate), "blackbox")
        os.makedirs(folder)
        for day in range(10, 20):
            with open(os.path.join(folder, f"202001{day}T000000Z-1.fdata"), "w", encoding="ascii") as file:
                file.write("x")

        gate.start()

        self.assertEqual(len(self._files(gate)), 5)

    # ---- bad ground ----
    def test_a_state_dir_that_is_gone_or_full_changes_nothing_about_the_end(self):
        gate = self._gate()
        shutil.rmtree(self._state(gate))
        gate.process.signal(signal.SIGABRT)
        code = gate.process.wait(20)
        if not SANITIZER:
            self.assertEqual(code, -signal.SIGABRT)
        self.assertEqual(self._ids(self._entries(gate))[-1], "DAEMON_CRASHED", "it is in memory still")

        gate.start()

        self.assertEqual(len(gate.events("RECORDER_NOT_KEPT")), 1)
        self.assertTrue(os.path.exists(gate.socket_path + ".flight.old"))

    def test_a_full_disk_changes_nothing_about_the_end(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to mount")
        gate = self._gate(start=False)
        # Seen by this daemon alone, and gone with it. A little room is left: the file can be begun.
        full = 'mount -t tmpfs -o size=64k tmpfs "$0" && mkdir "$0/blackbox" && head -c 48k /dev/zero >"$0/filler" && exec "$@"'
        if self.gate.run(["unshare", "--mount", "sh", "-c", full, self._state(gate), "true"]).returncode != 0:
            self.skipTest("cannot mount here")
        gate.prefix = ["unshare", "--mount", "sh", "-c", full, self._state(gate)]
        gate.start()
        for weight in range(1, 121):   # More than fits.
            gate.request("PUT", "/api/v1/servers/masters/a/weight", {"weight": weight})
        folder = f"/proc/{gate.process.pid}/root{self._state(gate)}/blackbox"
        mounts = os.open(f"/proc/{gate.process.pid}/root{self._state(gate)}", os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, mounts)
        self.assertEqual(os.listdir(folder), [])
        gate.process.signal(signal.SIGSEGV)

        code = gate.process.wait(20)

        if not SANITIZER:
            self.assertEqual(code, -signal.SIGSEGV)
        self.assertEqual(os.listdir(f"/proc/self/fd/{mounts}/blackbox"), [], "no half file is left to take what room there is")
        self.assertEqual(self._ids(self._entries(gate))[-1], "DAEMON_CRASHED")
        gate.start()
        self.assertEqual(len(gate.events("RECORDER_NOT_KEPT")), 1)

    def test_a_flood_of_events_stays_within_its_memory(self):
        gate = self._gate()
        size = os.path.getsize(gate.socket_path + ".flight")

        for i in range(300):
            gate.request("PUT", "/api/v1/servers/masters/a/weight", {"weight": i})

        self.assertEqual(os.path.getsize(gate.socket_path + ".flight"), size)
        self.assertLess(size, 3 << 20)
        self.assertIn("weight=299", self._entries(gate, "--last", "3m")[-2]["text"] + self._entries(gate, "--last", "3m")[-1]["text"])

    # ---- the other verbs ----
    def test_logs_are_shown_where_the_daemon_writes_them(self):
        log = os.path.join(self.memory, "fairleadd.log")
        gate = self._gate(log={"level": "info", "target": "file", "path": log})

        self.assertIn("DAEMON_STARTED", gate.cli("logs", as_json=False).stdout)
        gate.process.kill()
        self.assertIn("DAEMON_STARTED", gate.cli("logs", "--config", gate.config_path, as_json=False).stdout)
        os.unlink(log)
        done = gate.cli("logs", "--config", gate.config_path, as_json=False, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(log, done.stderr)

    def test_logs_follow_a_standard_error_that_is_a_file(self):
        gate = self._gate()
        self.assertIn("DAEMON_STARTED", gate.cli("logs", as_json=False).stdout)
        follow = self.gate.spawn([os.path.join(BIN, "fairlead"), "--socket", gate.socket_path, "logs", "--follow"], "follow")
        self.addCleanup(follow.kill)
        wait_for(lambda: "DAEMON_STARTED" in self._read(follow.stdout_path), 10, "what there is")

        gate.server_verb("weight", "a", 7)

        wait_for(lambda: "SERVER_ADMIN" in self._read(follow.stdout_path), 10, "what comes")

    @staticmethod
    def _read(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def test_a_support_bundle_has_all_but_the_secrets(self):
        token_file = os.path.join(self.memory, "token")
        token = "bundle-must-not-have-this-4711"
        with open(token_file, "w", encoding="ascii") as file:
            file.write(token + "\n")
        gate = self._gate(start=False, health={"type": "https", "verify": False, "token_file": token_file})
        gate.start(ready=False)   # The server speaks no TLS.
        archive = os.path.join(self.memory, "bundle.tar.gz")

        done = gate.cli("support", "bundle", "--out", archive, as_json=False)

        parts = self._parts(archive)
        for name in ("MANIFEST.txt", "daemon/status.json", "daemon/proc-limits.txt", "recorder/newest.txt", "log.txt", "system/kernel.txt", "config/fairlead.yaml"):
            self.assertIn(name, parts)
        self.assertIn(b"token_file", parts["config/fairlead.yaml"])
        for name, content in parts.items():
            self.assertNotIn(token.encode(), content, name)
        self.assertIn("Not gathered", done.stdout)
        self.assertEqual(os.stat(archive).st_mode & 0o777, 0o600)


class GuardedTest(EndToEnd):
    """A VIP, and so a guard, which ends a daemon that hangs."""
    needs_namespaces = True

    def test_a_hung_daemon_killed_by_its_guard_leaves_its_last_events(self):
        memory = tempfile.mkdtemp(prefix="fl-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, memory, ignore_errors=True)
        socket = os.path.join(memory, "fl.sock")
        gate = self.gateway([self.raw_server("a")], start=False, admin={"socket": socket, "listen": ""},
                            vips=[{"name": "api", "address": "10.77.200.1/16", "interface": "eth0"}])
        gate.socket_path = socket
        gate.start()
        wait_for(lambda: gate.status()["vips"][0]["held_here"], 20, "the VIP is held")

        gate.process.signal(signal.SIGSTOP)
        code = gate.process.wait(20)

        self.assertEqual(code, -signal.SIGKILL)
        done = gate.cli("blackbox", "--config", gate.config_path)
        ids = [e["id"] for e in json.loads(done.stdout)["entries"]]
        for wanted in ("VIP_STEP", "VIP_ACQUIRED", "CLUSTER_SAID", "GUARD_UP"):
            self.assertIn(wanted, ids)


if __name__ == "__main__":
    main()
