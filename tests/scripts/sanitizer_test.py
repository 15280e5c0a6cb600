"""Under a sanitizer a daemon's end is part of every test: what it found, and how it ended, fail the test that ran it."""
import contextlib
import os
import signal
import stat
import sys
import tempfile
import unittest

os.environ["FL_SANITIZE"] = "thread"
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import fairlead            # noqa: E402
from support.process import Spawner           # noqa: E402

_DAEMON = """#!{python}
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit({code}))
print({says!r}, "ready", sep="\\n", file=sys.stderr, flush=True)
while True:
    signal.pause()
"""


class _Here:
    """What Gateway wants of a node, without one."""

    def __init__(self, folder):
        self.dir = folder
        self._spawner = Spawner()

    def entered(self):
        return contextlib.nullcontext()

    def spawn(self, argv, name, **options):
        return self._spawner.start(argv, node=self, log_dir=self.dir, name=name, **options)

    def close(self):
        self._spawner.close()


class SanitizerTest(unittest.TestCase):
    count = 0

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.node = _Here(folder.name)
        self.addCleanup(self.node.close)

    def daemon(self, code=0, says=""):
        """A stand-in for fairleadd that ends with this code after SIGTERM."""
        program = os.path.join(self.node.dir, "fairleadd")
        with open(program, "w", encoding="utf-8") as file:
            file.write(_DAEMON.format(python=sys.executable, code=code, says=says))
        os.chmod(program, stat.S_IRWXU)
        fairlead.BIN = self.node.dir
        SanitizerTest.count += 1
        gate = fairlead.Gateway(self.node, {}, name=f"gate-{SanitizerTest.count}")
        gate.launch()
        fairlead.wait_for(lambda: "ready" in gate.log(), 10, "it runs")
        return gate

    def test_an_end_in_order_without_a_word_is_fine(self):
        self.daemon().end()

    def test_another_exit_code_fails(self):
        gate = self.daemon(code=66)
        with self.assertRaisesRegex(AssertionError, "ended with 66"):
            gate.end()

    def test_a_report_fails_also_of_a_daemon_that_is_gone(self):
        for report in ("WARNING: ThreadSanitizer: data race", "==1==ERROR: LeakSanitizer: detected memory leaks", "a.cc:1:2: runtime error: shift"):
            gate = self.daemon(says=report)
            os.kill(gate.process.pid, signal.SIGKILL)
            gate.process.wait(5)
            with self.subTest(report), self.assertRaisesRegex(AssertionError, report[-12:]):
                gate.end()


if __name__ == "__main__":
    unittest.main()
