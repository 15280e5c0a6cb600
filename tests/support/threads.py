"""One thread of a program, made to stand as one that hangs does: ptrace(2)."""
import contextlib
import ctypes
import os
import unittest

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WAIT_ALL = 0x40000000   # __WALL
libc = ctypes.CDLL(None, use_errno=True)


def thread_named(pid, name):
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as file:
            if file.read().strip() == name:
                return int(tid)
    raise KeyError(name)


class HeldThread:
    def __init__(self, tid):
        self.tid = tid
        self._over = False

    def ended(self):
        """It was killed. Until this was asked, its process is not wholly gone: its last word is its tracer's to hear."""
        self._over = self._over or os.waitpid(self.tid, WAIT_ALL | os.WNOHANG) != (0, 0)
        return self._over


@contextlib.contextmanager
def held(tid):
    """The thread stands, the others go on. To be used by one thread only."""
    def ptrace(request):
        if libc.ptrace(request, tid, None, None) != 0:
            raise unittest.SkipTest(f"ptrace is not allowed here: {os.strerror(ctypes.get_errno())}")
    ptrace(PTRACE_SEIZE)
    ptrace(PTRACE_INTERRUPT)
    os.waitpid(tid, WAIT_ALL)
    thread = HeldThread(tid)
    try:
        yield thread
    finally:
        if not thread.ended():
            ptrace(PTRACE_DETACH)
