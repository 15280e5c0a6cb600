"""What every end-to-end test file starts with: a lab per class, gateways with a short configuration, help when something fails.

    from harness import EndToEnd, main
    class BalancingTest(EndToEnd):
        def test_...(self): gate = self.gateway([server, ...]); ...
    if __name__ == "__main__":
        main()
"""
import ctypes
import os
import platform
import signal
import ssl
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import raw                # noqa: E402
from support.backends import Nginx          # noqa: E402
from support.fairlead import Gateway        # noqa: E402
from support.lab import Lab                 # noqa: E402
from support.load import HttpConnection, Load   # noqa: E402
from support.pki import Authority           # noqa: E402

FAST_CHECKS = {"interval": "300ms", "fast_interval": "100ms", "down_interval": "300ms", "timeout": "1s"}
SANITIZER = os.environ.get("FL_SANITIZE", "")


class EndToEnd(unittest.TestCase):
    """A class of tests with one lab: node "gate", node "client", and those a test asks for."""

    _count = 0
    needs_namespaces = False   # True: skipped, with the reason, where there are none.

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        if cls.needs_namespaces and not cls.lab.has_namespaces:
            raise unittest.SkipTest(f"needs network namespaces: {cls.lab.loopback_reason}")
        cls.gate = cls.lab.node("gate")
        cls.client = cls.lab.node("client")
        cls._authority = None

    def setUp(self):
        self._gateways = []

    def tearDown(self):
        outcome = self._outcome.result
        failed = any(test is self for test, _ in outcome.failures + outcome.errors)
        for gate in self._gateways:
            if failed and gate.process:
                print(f"---- {self.id()}: last lines of {gate.name}'s log\n{gate.log_tail(40)}\n----", file=sys.stderr)

    @classmethod
    def authority(cls):
        """The class's own CA."""
        if cls._authority is None:
            cls._authority = Authority(cls.lab.dir)
        return cls._authority

    @classmethod
    def tls_server(cls, name, **options):
        """An nginx with a certificate for its own address and the gateway's, on a node of that name. Not started."""
        node = cls.lab.node(name)
        return Nginx(node, cls.authority().issue(name, addresses=[node.address, cls.gate.address], names=[name]), **options)

    def raw_server(self, name, handler=None, **options):
        """A TCP server without a protocol on a node of that name; says its name and echoes unless told otherwise. Closed after the test."""
        server = raw.TcpServer(self.lab.node(name), handler or raw.named_echo(name), name=name, **options)
        self.addCleanup(server.close)
        return server

    def ask(self, **options):
        """Connects to the newest gateway and returns the name of the raw server that answered."""
        with self.client.connect(self.front, **options) as sock:
            return raw.read_line(sock)

    def gateway(self, servers, *, pool=None, listener=None, health=None, start=True, name=None, **sections):
        """A fairleadd with one listener ("front") and one pool ("masters"). `servers`: objects with name and address, or dicts."""
        # Short, because the path of a unix socket may have 107 bytes.
        EndToEnd._count += 1
        name = name or f"gate-{EndToEnd._count}"
        self.port = self.gate.free_port()
        entries = [s if isinstance(s, dict) else {"name": s.name, "address": s.address} for s in servers]
        config = {
            "listeners": [{"name": "front", "bind": [f"{self.gate.address}:{self.port}"], "pool": "masters", **(listener or {})}],
            "pools": [{"name": "masters", "balance": "round_robin", **(pool or {}), "health": {"type": "tcp", **FAST_CHECKS, **(health or {})},
                       "servers": entries}],
            **sections}
        gate = Gateway(self.gate, config, name=name)
        self._gateways.append(gate)
        self.addCleanup(gate.end)
        return gate.start() if start else gate

    def https_health(self, **more):
        return {"type": "https", "path": "/readyz", "ca": self.authority().cert, **more}

    @property
    def front(self):
        """Address of the newest gateway's listener."""
        return (self.gate.address, self.port)

    def load(self, tls=True, **options):
        """Clients of the newest gateway."""
        return Load(self.client, self.front, ca=self.authority().cert if tls else None, **options)

    def connect(self, **options):
        """A raw connection to the newest gateway, closed at the end of the test."""
        sock = self.client.connect(self.front, **options)
        self.addCleanup(sock.close)
        return sock

    def http(self, tls=False, **options):
        context = ssl.create_default_context(cafile=self.authority().cert) if tls else None
        connection = HttpConnection(self.client, self.front, context, self.gate.address, **options)
        self.addCleanup(connection.close)
        return connection


def _io_uring_errno():
    """0 when the kernel gives io_uring to this process; else the errno it answers."""
    number = {"x86_64": 425, "aarch64": 425}.get(platform.machine())
    if number is None:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)
    descriptor = libc.syscall(number, 4, parameters)
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0


def main():
    """Runs the file's tests. Exit code 77 when all of them were skipped (CTest: skipped)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.environ.get("FL_ENGINE") == "io_uring" and (errno := _io_uring_errno()):
        print(f"skipped: io_uring is not available here: {os.strerror(errno)}")
        sys.exit(77)
    result = unittest.main(exit=False, verbosity=2).result
    for test, reason in result.skipped:
        print(f"skipped {test}: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) or result.testsRun == 0 else 0)
