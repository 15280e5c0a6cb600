"""The command at a terminal: completion in the real shells, the status that is watched, progress that leaves nothing behind."""
import os
import shutil
import signal
import socket
import struct

from harness import EndToEnd, main

from support.fairlead import BIN, Gateway
from support.terminal import Terminal
from support.waiting import wait_for

CTRL_A, CTRL_C, CTRL_E = "\x01", "\x03", "\x05"
SHELL_ENV = {"PATH": f"{os.path.abspath(BIN)}:{os.environ['PATH']}", "TERM": "vt100", "PS1": "$ ", "LC_ALL": "C.UTF-8"}


def two_servers():
    return {"listeners": [{"name": "front", "bind": ["127.0.0.1:0"], "pool": "masters"}],
            "pools": [{"name": "masters", "health": {"type": "none"},
                       "servers": [{"name": "one", "address": "127.0.0.1:1"}, {"name": "two", "address": "127.0.0.1:2"}]}]}


class AtTerminal(EndToEnd):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon = Gateway(cls.gate, {**two_servers(), "listeners": [
            {"name": "front", "bind": [f"{cls.gate.address}:{cls.gate.free_port()}"], "pool": "masters"}]})
        cls.addClassCleanup(cls.daemon.end)
        cls.daemon.start(ready=False)
        cls.program = os.path.join(os.path.abspath(BIN), "fairlead")

    def terminal(self, argv, env=None, **size):
        out = Terminal(self.gate, argv, env=env, **size)
        self.addCleanup(out.close)
        return out


class CompletionTest(AtTerminal):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = os.path.join(cls.gate.dir, "home")
        os.makedirs(os.path.join(cls.home, "folder"))
        with open(os.path.join(cls.home, "some-file.yaml"), "w", encoding="ascii"):
            pass
        missing = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell) is None]
        if missing:
            raise AssertionError(f"not installed: {missing}; scripts/setup.sh test installs them")

    @property
    def ask(self):
        return f"fairlead --socket {self.daemon.socket_path}"

    def shell(self, argv, prepare):
        shell = self.terminal(argv, env={**SHELL_ENV, "HOME": self.home, "HISTFILE": ""})
        shell.send(f"cd {self.home}; {prepare}; echo rea''dy\n")
        shell.expect("ready\r\n")
        return shell

    def completes(self, shell, typed, wanted):
        """`wanted` is what a TAB adds to what was typed. The shell itself says what the line is then."""
        shell.send(f"{typed}\t{CTRL_A}echo LINE: {CTRL_E} END\n")
        shown = shell.expect(r"\nLINE: [^\r\n]* END\r\n")
        line = shown[shown.rindex("\nLINE: ") + len("\nLINE: "):].split(" END\r\n")[0]
        self.assertEqual(line.rstrip(" /"), typed + wanted, "zsh takes the slash of a folder back where the line goes on")
        return shown

    def all_in(self, shell):
        self.completes(shell, "fairlead serv", "er")
        self.completes(shell, "fairlead vip mo", "ve")
        self.completes(shell, "fairlead status --wat", "ch")
        self.completes(shell, f"{self.ask} server drain masters/o", "ne")
        self.completes(shell, f"{self.ask} connections kill --pool mas", "ters")
        self.completes(shell, f"{self.ask} connections kill --pool=mas", "ters")
        self.completes(shell, "fairlead check some-f", "ile.yaml")
        self.completes(shell, "fairlead bench --out fol", "der")
        self.completes(shell, "fairlead import k", "eepalived")
        self.completes(shell, "fairlead explain SERVER_DO", "WN")
        shown = self.completes(shell, "fairlead --socket /nonexistent/x server drain mas", "")
        self.assertNotIn("cannot reach", shown, "a daemon that is not there is silence")

    def test_bash(self):
        shell = self.shell(["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'; source <(fairlead completion bash)")
        self.all_in(shell)

    def test_zsh(self):
        prepare = "unsetopt zle_bracketed_paste 2>/dev/null; unset zle_bracketed_paste; autoload -U compinit; compinit -u -D; source <(fairlead completion zsh)"
        self.all_in(self.shell(["zsh", "-f", "-i"], prepare))

    def test_zsh_takes_the_script_as_a_file_of_its_completion_folder(self):
        folder = os.path.join(self.home, "functions")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "_fairlead"), "w", encoding="utf-8") as file:
            file.write(self.gate.run([self.program, "completion", "zsh"]).stdout)
        shell = self.shell(["zsh", "-f", "-i"], f"unset zle_bracketed_paste; fpath=({folder} $fpath); autoload -U compinit; compinit -u -D")
        self.completes(shell, "fairlead serv", "er")
        self.completes(shell, "fairlead vip mo", "ve")

    def fish(self, line):
        command = f"fairlead completion fish | source; complete -C '{line}'"
        done = self.gate.run(["fish", "--no-config", "-c", command], env={**os.environ, **SHELL_ENV, "HOME": self.home}, cwd=self.home)
        self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        return [found.split("\t")[0] for found in done.stdout.splitlines()]

    def test_fish(self):
        self.assertEqual(self.fish("fairlead serv"), ["server"])
        self.assertEqual(self.fish("fairlead vip mo"), ["move"])
        self.assertEqual(self.fish("fairlead status --wat"), ["--watch"])
        self.assertEqual(self.fish(f"{self.ask} server drain masters/"), ["masters/one", "masters/two"])
        self.assertEqual(self.fish(f"{self.ask} connections kill --pool="), ["--pool=masters"])
        self.assertEqual(self.fish("fairlead check some-f"), ["some-file.yaml"])
        self.assertEqual(self.fish("fairlead bench --out fol"), ["folder/"])
        self.assertEqual(self.fish("fairlead --socket /nonexistent/x server drain mas"), [])


class WatchTest(AtTerminal):
    def watch(self, **size):
        return self.terminal([self.program, "--socket", self.daemon.socket_path, "status", "--watch"], **size)

    def test_it_is_drawn_in_place_and_ctrl_c_leaves_the_last_state_on_the_terminal(self):
        screen = self.watch()
        screen.expect(r"\x1b\[\?1049h\x1b\[\?25l")
        first = screen.expect("masters")
        screen.expect(r"\x1b\[H")   # The next second.
        screen.expect("masters")
        self.assertNotIn("\x1b[2J", first, "no flicker")
        screen.send(CTRL_C)
        code, shown = screen.wait()
        self.assertEqual(code, 0, shown)
        end = shown[shown.index("\x1b[?25h\x1b[?1049l"):]
        self.assertIn("pool", end)
        self.assertIn("masters", end)

    def test_a_small_terminal_gets_what_fits(self):
        screen = self.watch(rows=5, columns=30)
        shown = screen.expect(r"more lines\)\x1b\[K\x1b\[J")
        lines = shown[shown.index("\x1b[H"):].split("\r\n")
        self.assertEqual(len(lines), 5)
        screen.resize(60, 200)
        screen.expect("masters")
        screen.signal(signal.SIGTERM)
        self.assertEqual(screen.wait()[0], 0)

    def test_a_daemon_that_goes_away_is_waited_for(self):
        daemon = Gateway(self.gate, two_servers() | {"listeners": []}, name="goes")
        self.addCleanup(daemon.end)
        daemon.start(ready=False)
        screen = self.terminal([self.program, "--socket", daemon.socket_path, "status", "--watch"])
        screen.expect("masters")
        daemon.stop()
        screen.expect("no answer")
        daemon.start(ready=False)
        screen.expect(r"\x1b\[H(?:(?!no answer)[^\x1b]|\x1b\[[^HJ])*\x1b\[J")
        screen.send(CTRL_C)
        self.assertEqual(screen.wait()[0], 0)

    def test_in_a_pipe_there_is_one_block_for_each_change(self):
        process = self.gate.spawn([self.program, "--socket", self.daemon.socket_path, "status", "--watch"], "piped")
        wait_for(lambda: "masters" in process.stdout(), 10, "the first block")
        self.assertNotIn("drain", process.stdout())
        self.daemon.server_verb("drain", "one")
        wait_for(lambda: "drain" in process.stdout(), 10, "the change")
        self.daemon.server_verb("ready", "one")
        wait_for(lambda: process.stdout().count("---") == 3, 10, "the change back")
        self.assertNotIn("\x1b", process.stdout())
        process.signal(signal.SIGINT)
        self.assertEqual(process.wait(5), 0)

    def test_in_a_pipe_checks_that_go_on_are_no_change(self):
        server = self.gate.listen()
        self.addCleanup(server.close)
        place = f"{self.gate.address}:{server.getsockname()[1]}"
        daemon = Gateway(self.gate, {
            "listeners": [{"name": "front", "bind": [f"{self.gate.address}:{self.gate.free_port()}"], "pool": "masters"}],
            "pools": [{"name": "masters", "health": {"type": "tcp", "interval": "100ms"}, "servers": [{"name": "one", "address": place}]}]}, name="checked")
        self.addCleanup(daemon.end)
        daemon.start()
        process = self.gate.spawn([self.program, "--socket", daemon.socket_path, "status", "--watch"], "quiet")
        wait_for(lambda: "masters" in process.stdout(), 10, "the first block")
        checks = 'fairlead_server_checks_total{pool="masters",server="one",result="ok"}'
        seen = daemon.metrics()[checks]
        wait_for(lambda: daemon.metrics()[checks] >= seen + 30, 20, "three seconds of checks")
        self.assertEqual(process.stdout().count("---"), 1, process.stdout())
        process.signal(signal.SIGINT)
        self.assertEqual(process.wait(5), 0)

    def test_events_are_followed_over_a_restart(self):
        daemon = Gateway(self.gate, two_servers() | {"listeners": []}, name="again")
        self.addCleanup(daemon.end)
        daemon.start(ready=False)
        process = self.gate.spawn([self.program, "--socket", daemon.socket_path, "events", "--follow"], "followed")
        wait_for(lambda: process.stdout().count("DAEMON_STARTED") == 1, 10, "the first start")
        daemon.stop()
        daemon.start(ready=False)
        wait_for(lambda: process.stdout().count("DAEMON_STARTED") == 2, 10, "the second one")
        process.signal(signal.SIGINT)
        process.wait(5)

    def test_a_dumb_terminal_is_sent_no_control_sequences(self):
        screen = self.terminal([self.program, "--socket", self.daemon.socket_path, "status", "--watch"], env={**os.environ, "TERM": "dumb"})
        screen.expect("masters")
        screen.send(CTRL_C)
        code, shown = screen.wait()
        self.assertEqual(code, 0, shown)
        self.assertNotIn("\x1b", shown)


class ProgressTest(AtTerminal):
    def test_a_waiting_verb_says_what_it_waits_for_and_leaves_the_line_empty(self):
        daemon = self.busy_daemon()
        held = self.gate.connect((self.gate.address, daemon.port))
        self.addCleanup(held.close)
        wait_for(lambda: daemon.connections(), 10, "a connection")
        waits = self.terminal([self.program, "--socket", daemon.socket_path, "server", "drain", "masters/one", "--wait", "--force"])
        waits.expect(r"until masters/one has no connections: 1 connection left  \d+s of 5m at most")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))   # A reset: the server would never say that it is over.
        held.close()
        waits.expect(r"\r\x1b\[2K[^\r]*no connections left after \d+s\r\n")
        self.assertEqual(waits.wait()[0], 0)

    def test_what_scripts_read_stays_clean(self):
        daemon = self.busy_daemon()
        done = daemon.cli("server", "drain", "masters/one", "--wait", "--force")
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertTrue(done.stdout.startswith("{"), done.stdout)

    def busy_daemon(self):
        server = self.gate.listen()
        self.addCleanup(server.close)
        port = self.gate.free_port()
        daemon = Gateway(self.gate, {
            "listeners": [{"name": "front", "bind": [f"{self.gate.address}:{port}"], "pool": "masters"}],
            "pools": [{"name": "masters", "health": {"type": "none"},
                       "servers": [{"name": "one", "address": f"{self.gate.address}:{server.getsockname()[1]}"}]}]}, name=f"busy{port}")
        self.addCleanup(daemon.end)
        daemon.port = port
        return daemon.start()


if __name__ == "__main__":
    main()
