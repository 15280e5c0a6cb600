"""How many system calls a set of processes makes between two moments, counted by a tool of others: perf, else strace.

Never beside a timed measurement: perf's tracepoint costs some percent, strace makes each call many times dearer.
"""
import os
import re
import shutil
import subprocess
import tempfile

from .sandbox import Unavailable, read_line, wait_until

EVENT = "raw_syscalls:sys_enter"
ATTACH_LIMIT = 10.0


class _Counter:
    """A child of `_processes` that writes to `_path` what it counted when it is interrupted."""
    def total(self):
        """Ends the counting."""
        self._processes.interrupt(self._process)
        with open(self._path, encoding="ascii", errors="replace") as file:
            return self.parse(file.read())

    def close(self):
        """Gives back what the counting took besides its process."""


class Perf(_Counter):
    """`perf stat` on the tracepoint of every system call; enabled and ended at the wanted moments, over its control pipe."""
    name = "perf stat -e " + EVENT

    def __init__(self, processes, pids, cpu, directory):
        self._processes, self._path = processes, os.path.join(directory, "perf")
        control, self._control = os.pipe()
        self._answers, answers = os.pipe()
        try:
            argv = ["perf", "stat", "-x,", "-e", EVENT, "-p", ",".join(map(str, pids)), "-D", "-1", "--control", f"fd:{control},{answers}", "-o", self._path]
            self._process = processes.start(argv, cpu, subprocess.DEVNULL, pass_fds=(control, answers))
        finally:
            os.close(control)
            os.close(answers)
        os.write(self._control, b"enable\n")
        with os.fdopen(self._answers, "rb") as acknowledged:
            if b"ack" not in read_line(acknowledged, ATTACH_LIMIT):
                raise Unavailable("perf did not start counting")

    def close(self):
        os.close(self._control)

    @staticmethod
    def parse(text):
        for line in text.splitlines():
            fields = line.split(",")
            if EVENT in fields and fields[0].isdigit():
                return int(fields[0])
        raise Unavailable(f"perf said {text[-200:]!r}")


class Strace(_Counter):
    """`strace -c -f`: where there is no right to trace through perf."""
    name = "strace -c -f"

    def __init__(self, processes, pids, cpu, directory):
        self._processes, self._path = processes, os.path.join(directory, "strace")
        said = os.path.join(directory, "strace-said")
        argv = ["strace", "-c", "-f", "-U", "calls,name", "-o", self._path]
        for pid in pids:
            argv += ["-p", str(pid)]
        with open(said, "wb") as output:
            self._process = processes.start(argv, cpu, output)

        def attached():
            if self._process.poll() is not None:
                raise Unavailable("strace ended at once")
            with open(said, encoding="ascii", errors="replace") as file:
                text = file.read()
            return all(re.search(rf"Process {pid} attached", text) for pid in pids)

        wait_until(attached, ATTACH_LIMIT, "strace did not attach")

    @staticmethod
    def parse(text):
        for line in reversed(text.splitlines()):
            fields = line.split()
            if len(fields) == 2 and fields[1] == "total":
                return int(fields[0])
        raise Unavailable(f"strace said {text[-200:]!r}")


def _works(argv):
    if not shutil.which(argv[0]):
        return f"{argv[0]} is not there"
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{argv[0]}: {error}"
    return None if done.returncode == 0 else f"{argv[0]} is not permitted here ({(done.stdout.strip().splitlines() or ['no word'])[-1].strip()})"


def choose():
    """(the tool that works here, None), or (None, why none does)."""
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as directory:
        out = os.path.join(directory, "out")
        no_perf = _works(["perf", "stat", "-e", EVENT, "-o", out, "true"])
        if not no_perf:
            return Perf, None
        no_strace = _works(["strace", "-c", "-f", "-o", out, "true"])
    return (Strace, None) if not no_strace else (None, f"{no_perf}; {no_strace}")
