"""`fairleadd --check`: can the files that a configuration names be used, as whom, and what to do where not."""
import os
import re
import subprocess

from harness import EndToEnd, main
from support.fairlead import BIN

USER = "nobody"


class FileCheckTest(EndToEnd):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.configured = self.gateway([self.raw_server("a")], start=False, listener={"max_connections": 100})
        self.dir = self.configured.dir
        for path in (self.dir, self.gate.dir):   # Another user gets as far as here, whatever the umask.
            os.chmod(path, 0o755)

    def _file(self, name, text="x\n", mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def _check(self, *arguments, how="--check"):
        self.configured.write()
        os.chmod(self.configured.config_path, 0o644)
        done = self.gate.run([os.path.join(BIN, "fairleadd"), "--config", self.configured.config_path, how, *arguments])
        return done.returncode, done.stdout + done.stderr

    def _health(self, **health):
        self.configured.pool()["health"] = {"type": "https", **health}

    def _line_of(self, text):
        with open(self.configured.config_path, encoding="utf-8") as file:
            return 1 + next(number for number, line in enumerate(file) if text in line)

    def test_files_that_can_be_used_are_no_problem(self):
        issued = self.authority().issue("ours", addresses=["127.0.0.1"])
        token = self._file("token", "abcdef0123456789\n")
        self._health(ca=self.authority().cert, cert=issued.cert, key=issued.key)
        self.configured.config["pools"].append({"name": "more", "health": {"type": "https", "ca": self.authority().cert, "token_file": token},
                                                "servers": [{"name": "a", "address": "127.0.0.1:1"}]})
        self.configured.config["listeners"].append({**self.configured.listener(), "name": "more", "pool": "more", "bind": [f"{self.gate.address}:{self.gate.free_port()}"]})
        self.configured.config["admin"]["tls"] = {"cert": issued.cert, "key": issued.key, "client_ca": self.authority().cert}
        self.assertEqual(self._check(), (0, ""))

    def test_each_file_that_is_missing_is_named_with_its_line_and_remedy(self):
        self._health(ca="/no/such/ca.crt")
        self.configured.config["admin"]["tls"] = {"cert": "/no/such/cert", "key": "/no/such/key", "client_ca": "/no/such/client_ca"}
        code, said = self._check()
        self.assertEqual(code, 3)
        for key in ("health.ca", "admin.tls.cert", "admin.tls.key", "admin.tls.client_ca"):
            found = re.search(rf"^{re.escape(self.configured.config_path)}:(\d+):\d+: error: {key} (\S+): No such file or directory \(put it there", said, re.M)
            self.assertTrue(found, said)
            self.assertEqual(int(found[1]), self._line_of(found[2]))

    def test_a_file_that_is_none_of_its_kind_is_named(self):
        issued = self.authority().issue("ours", addresses=["127.0.0.1"])
        other = self.authority().issue("other", addresses=["127.0.0.1"])
        for health, wanted in (({"ca": self._file("no.pem")}, "health.ca .*no PEM certificate"),
                               ({"ca": self.dir}, "health.ca .*is no plain file"),
                               ({"cert": issued.cert, "key": other.key}, "health.key .*does not belong to"),
                               ({"token_file": self._file("empty", "")}, "health.token_file .*empty")):
            with self.subTest(wanted):
                self._health(**health)
                code, said = self._check()
                self.assertEqual(code, 3, said)
                self.assertRegex(said, wanted)

    def test_a_certificate_that_expired_or_will_soon_is_a_warning(self):
        old, older = (self.authority().issue(name, addresses=["127.0.0.1"], expired=True) for name in ("old", "older"))
        soon = self.authority().issue("soon", addresses=["127.0.0.1"], days=5)
        self._health(ca=older.cert, cert=soon.cert, key=soon.key)
        self.configured.config["admin"]["tls"] = {"cert": old.cert, "key": old.key, "client_ca": self.authority().cert}

        code, said = self._check()

        self.assertEqual(code, 0, "the daemon starts with it")
        for key, issued, wanted in (("admin.tls.cert", old, "expired on 2020-02-01 00:00 UTC"), ("health.ca", older, "expired on 2020-02-01 00:00 UTC"),
                                    ("health.cert", soon, r"expires on 20\d\d-\d\d-\d\d \d\d:\d\d UTC")):
            found = re.search(rf"^{re.escape(self.configured.config_path)}:(\d+):\d+: warning: {key} {re.escape(issued.cert)}: {wanted} \(renew it", said, re.M)
            self.assertTrue(found, (key, said))
            self.assertEqual(int(found[1]), self._line_of(issued.cert))
        self.assertEqual(said.count("warning"), 3, said)

    def test_a_hook_that_cannot_run_and_a_log_without_a_folder_are_warnings(self):
        self.configured.config["vips"] = [{"name": "api", "address": "10.77.99.9/16", "interface": "lo",
                                           "on_acquire": [{"command": [self._file("hook")]}], "on_release": [{"command": ["/no/such/hook"]}]}]
        code, said = self._check()
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r":\d+:\d+: warning: on_acquire \S+hook: cannot be run \(this hook will fail: chmod 755")
        self.assertRegex(said, r":\d+:\d+: warning: on_release /no/such/hook: No such file")
        self.configured.config["log"] = {"target": "file", "path": "/no/such/folder/x.log"}
        self.assertRegex(self._check("--user", "root")[1], r"warning: log.path /no/such/folder/x.log: .*No such file.*standard error instead")

    def test_as_another_user_what_that_one_cannot_read_is_a_problem(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        issued = self.authority().issue("ours", addresses=["127.0.0.1"])
        secret = self._file("own.key", self._read(issued.key), 0o600)
        public = self._file("own.crt", self._read(issued.cert))
        self._health(cert=public, key=secret, ca=public)
        self.assertEqual(self._check()[0], 0, "root may")

        code, said = self._check("--user", USER)

        self.assertEqual(code, 3, said)
        self.assertRegex(said, rf":\d+:\d+: error: health.key {secret}: Permission denied \(as user {USER}\) \(make it readable.* for {USER}: chgrp")
        self.assertNotIn("health.ca", said)

    def test_what_a_daemon_of_another_user_left_is_a_problem(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        entry = int(subprocess.run(["id", "-u", USER], capture_output=True, text=True, check=True).stdout)
        state = self.configured.config["state_dir"]
        os.chown(state, entry, -1)
        self.assertEqual(self._check("--user", USER), (0, ""))
        with open(os.path.join(state, "wishes"), "w", encoding="ascii"):
            pass
        os.chmod(os.path.join(state, "wishes"), 0o600)
        with open(self.configured.socket_path + ".lock", "w", encoding="ascii"):
            pass
        os.chmod(self.configured.socket_path + ".lock", 0o600)

        code, said = self._check("--user", USER)

        self.assertEqual(code, 3)
        self.assertRegex(said, rf"error: state_dir {state}/wishes: Permission denied \(as user {USER}\) \(a daemon of another user has left it: chown -R {USER}: {state}")
        self.assertRegex(said, rf"error: admin.socket {self.configured.socket_path}.lock: Permission denied")

    def test_what_somebody_else_keeps_in_state_dir_is_none_of_the_daemons(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        state = self.configured.config["state_dir"]
        os.chown(state, int(subprocess.run(["id", "-u", USER], capture_output=True, text=True, check=True).stdout), -1)
        os.mkdir(os.path.join(state, "lost+found"), 0o700)
        with open(os.path.join(state, "wishes.copy"), "w", encoding="ascii"):
            pass
        os.chmod(os.path.join(state, "wishes.copy"), 0o600)
        self.assertEqual(self._check("--user", USER), (0, ""))

    def test_what_a_restart_goes_on_without_is_a_warning_of_check_start(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        state = self.configured.config["state_dir"]
        os.chown(state, int(subprocess.run(["id", "-u", USER], capture_output=True, text=True, check=True).stdout), -1)
        self.configured.config["admin"]["tls"] = {"cert": "/no/such/cert", "key": "/no/such/key", "client_ca": self._file("no.pem")}
        os.mkdir(os.path.join(state, "blackbox"), 0o700)
        for how, code, word in (("--check", 3, "error"), ("--check-start", 0, "warning")):
            with self.subTest(how):
                got, said = self._check("--user", USER, how=how)
                self.assertEqual(got, code, said)
                for what in ("admin.tls.cert", "admin.tls.key", f"state_dir {state}/blackbox"):
                    self.assertIn(f": {word}: {what}", said)

        with self.subTest("without VIPs nothing of state_dir is needed"):
            with open(os.path.join(state, "lock"), "w", encoding="ascii"):
                pass
            os.chmod(os.path.join(state, "lock"), 0o600)
            self.assertEqual(self._check("--user", USER, how="--check-start")[0], 0)
        with self.subTest("with VIPs the start takes a lock there"):
            self.configured.config["vips"] = [{"name": "api", "address": "10.77.99.9/16", "interface": "lo"}]
            code, said = self._check("--user", USER, how="--check-start")
            self.assertEqual(code, 3, said)
            self.assertIn(f": error: state_dir {state}/lock: Permission denied", said)
            os.remove(os.path.join(state, "lock"))
            self.assertEqual(self._check("--user", USER, how="--check-start")[0], 0)
        with self.subTest("without its CA a new daemon calls no server up"):
            self._health(ca="/no/such/ca.crt")
            code, said = self._check("--user", USER, how="--check-start")
            self.assertEqual(code, 3, said)
            self.assertRegex(said, ": error: health.ca /no/such/ca.crt: No such file")

    def test_a_file_that_only_roots_rights_can_read_is_refused_at_the_start_and_not_at_a_reload(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.configured.write()
        os.chown(self.configured.config_path, 65534, 65534)
        os.chmod(self.configured.config_path, 0o600)

        self.configured.launch()

        self.assertEqual(self.configured.process.wait(10), 3)
        self.assertIn("CAP_DAC_OVERRIDE", self.configured.log())

    @staticmethod
    def _read(path):
        with open(path, encoding="ascii") as file:
            return file.read()


if __name__ == "__main__":
    main()
