"""What watch.py and clients.py, which run in the lab's client, have written so far."""
import contextlib
import os
import sys
import time

from support.waiting import Timeout, wait_for

from demo.figures import Record, client_line, is_quiet

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = 4
QUIET_MAX_S = 10   # A machine that is not quiet in this time is not going to be: the figure before an act shows it.


class Watch:
    """`name`: of its files in the lab's folder."""

    def __init__(self, lab, name=""):
        self.lab = lab
        self.record = Record()
        self._files = {}
        self.watcher = self._start("watch.py", f"watch{name}", [*map(str, lab.vip), "lan"])
        self.clients = self._start("clients.py", f"clients{name}", [*map(str, lab.vip), str(CLIENTS)])

    def _start(self, script, name, arguments):
        path = os.path.join(self.lab.folder, f"{name}.log")
        if os.path.exists(path):
            os.remove(path)
        self._files[path] = 0
        return self.lab.start("client", [sys.executable, os.path.join(HERE, script), path, *arguments], name)

    def close(self):
        for process in (self.watcher, self.clients):
            process.stop()

    def read(self):
        """Takes in whole lines that are new."""
        for path, offset in self._files.items():
            if not os.path.exists(path):
                continue
            with open(path, encoding="ascii") as file:
                file.seek(offset)
                text = file.read()
            end = text.rfind("\n") + 1
            self.record.read(text[:end].splitlines())
            self._files[path] = offset + end
        for process in (self.watcher, self.clients):
            if not process.running:
                raise RuntimeError(f"{process.name} ended: {process.stderr()[-1000:]}")
        return self.record

    def line(self):
        return client_line(self.read().requests)

    def is_quiet(self):
        return is_quiet(self.read(), time.monotonic_ns())

    def await_service(self):
        wait_for(lambda: sum(1 for p in self.read().probes[-100:] if p[2] == "ok") == 100 and len(self.record.requests) > 50, 20, "new connections are served")

    def await_quiet(self):
        """Served, and nothing else goes on: the watch has looked on for a second, and what an act left behind (a node that starts) is over. Without
        that second the longest time without an answer before an act was mostly the time before the watch began."""
        self.await_service()
        with contextlib.suppress(Timeout):
            wait_for(self.is_quiet, QUIET_MAX_S, "a quiet second")

    def await_back(self, since, *, least_s, most_s):
        """Until a second was quiet, some time after `since`; also when it never is. Returns when that was."""
        with contextlib.suppress(Timeout):
            wait_for(lambda: time.monotonic_ns() > since + least_s * 1_000_000_000 and self.is_quiet(), most_s, "service is back")
        return time.monotonic_ns()
