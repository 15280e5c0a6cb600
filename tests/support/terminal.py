"""A program on a terminal of its own: what a person would type and see."""
import contextlib
import ctypes
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from support.waiting import SCALE

_libc = ctypes.CDLL(None)


class Terminal:
    """`node`: of a lab. The program gets SIGKILL when this one ends."""

    def __init__(self, node, argv, *, rows=40, columns=200, env=None):
        self._master, slave = pty.openpty()
        self.resize(rows, columns)
        self.seen = ""
        parent = os.getpid()

        def in_the_child():
            _libc.prctl(1, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        with node.entered():
            self._popen = subprocess.Popen([str(a) for a in argv], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                           env=dict(os.environ, **(env or {})), preexec_fn=in_the_child)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self._master, text.encode())

    def expect(self, pattern, timeout=10):
        """Waits until the pattern is in what was shown since the last one was found; returns everything up to its end."""
        deadline = time.monotonic() + timeout * SCALE
        while True:
            found = re.search(pattern, self.seen, re.DOTALL)
            if found:
                shown, self.seen = self.seen[:found.end()], self.seen[found.end():]
                return shown
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"not seen within {timeout} s: {pattern!r}; what was: {self.seen!r}")

    def wait(self, timeout=10):
        """(exit code, everything shown since the last expect())."""
        deadline = time.monotonic() + timeout * SCALE
        while self._read(deadline - time.monotonic()):
            pass
        shown, self.seen = self.seen, ""
        return self._popen.wait(timeout * SCALE), shown

    def signal(self, number):
        os.kill(self._popen.pid, number)

    def close(self):
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        os.close(self._master)

    def _read(self, timeout):
        """False: nothing more comes."""
        if timeout <= 0 or not select.select([self._master], [], [], timeout)[0]:
            return False
        data = b""
        with contextlib.suppress(OSError):   # EIO: the last one has closed the other side.
            data = os.read(self._master, 65536)
        self.seen += data.decode(errors="replace")
        return bool(data)
