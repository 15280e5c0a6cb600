"""Where a cell runs: a fresh network namespace per cell, and processes that never outlive the run.

The harness itself moves into a new namespace (unshare) before each cell, so that a namespace has no name and vanishes with its last
process: nothing can be left behind, not even by SIGKILL. A new one per cell also means that no cell inherits another's TIME_WAIT sockets.
Without the right to make namespaces the run happens on the machine's own loopback, and the report says so.
"""
import atexit
import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
PORT_RANGE = (2000, 65535)
FIRST_PORT = 1101  # below the port range: no outgoing connection can sit on a listener's port
DESCRIPTORS = 65536

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """Something the cell needs cannot be had here; the text says what and why."""


def _read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read().strip()


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class Sandbox:
    def __init__(self, want_namespace=True):
        self.namespace = False
        self.why_not = "asked for with --loopback"
        self._next_port = FIRST_PORT
        if want_namespace:
            self.namespace = _libc.unshare(CLONE_NEWNET) == 0
            self.why_not = "" if self.namespace else f"unshare(CLONE_NEWNET): {os.strerror(ctypes.get_errno())}; run as root for namespaces"
        self.descriptors = self._raise_descriptor_limit()

    @staticmethod
    def _raise_descriptor_limit():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for wanted in (DESCRIPTORS, hard):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
                return wanted
            except (ValueError, PermissionError):
                continue
        return soft

    def fresh(self, congestion_control, needed=True):
        """A clean network for the next cell. Returns what it really is, read back: wishes are not reported as facts.

        `needed`: without this congestion control the cell says nothing (bulk); else whatever the machine has is taken, and reported."""
        self._next_port = FIRST_PORT
        if self.namespace:
            if _libc.unshare(CLONE_NEWNET) != 0:
                raise Unavailable(f"unshare(CLONE_NEWNET): {os.strerror(ctypes.get_errno())}")
            self._loopback_up()
            _write("/proc/sys/net/ipv4/ip_local_port_range", f"{PORT_RANGE[0]} {PORT_RANGE[1]}")
            try:
                _write("/proc/sys/net/ipv4/tcp_congestion_control", congestion_control)
            except OSError as error:
                raise Unavailable(f"congestion control {congestion_control}: {error.strerror}") from error
        facts = {
            "network": "namespace of its own, over lo" if self.namespace else f"the machine's loopback ({self.why_not})",
            "tcp_congestion_control": _read("/proc/sys/net/ipv4/tcp_congestion_control"),
            "ip_local_port_range": " ".join(_read("/proc/sys/net/ipv4/ip_local_port_range").split()),
            "tcp_tw_reuse": _read("/proc/sys/net/ipv4/tcp_tw_reuse"),
        }
        if facts["tcp_congestion_control"] != congestion_control and (needed or self.namespace):
            raise Unavailable(f"congestion control is {facts['tcp_congestion_control']} here, {congestion_control} was asked for "
                              + ("(the kernel does not allow it in a namespace)" if self.namespace else "(only a namespace may change it)"))
        return facts

    @staticmethod
    def _loopback_up():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = struct.pack("16sh14x", b"lo", 0)
            flags = struct.unpack("16sh14x", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))

    def port(self):
        """A port for a listener that is started next."""
        if self.namespace:
            self._next_port += 1
            return self._next_port - 1
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return sock.getsockname()[1]


class Processes:
    """Everything the harness started. Ended at the end of a cell, on failure, on Ctrl-C, at exit; by the kernel should the harness be killed."""

    def __init__(self):
        self._running = []
        atexit.register(self.stop_all)

    def start(self, argv, cpu, output, stdin=subprocess.DEVNULL, pass_fds=()):
        parent = os.getpid()

        def prepare():
            os.sched_setaffinity(0, {cpu})
            # SIGTERM, not SIGKILL: a master process takes its workers with it.
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        process = subprocess.Popen(argv, stdin=stdin, stdout=output, stderr=subprocess.STDOUT if output is not subprocess.PIPE else None,
                                   pass_fds=pass_fds, preexec_fn=prepare, start_new_session=True)
        self._running.append(process)
        return process

    def stop(self, process, grace=2.0):
        """SIGTERM to its group, SIGKILL to what is left after `grace`."""
        if process.poll() is None:
            self._signal(process, signal.SIGTERM)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        self._signal(process, signal.SIGKILL)
        process.wait()
        if process in self._running:
            self._running.remove(process)

    def interrupt(self, process, limit=10.0):
        """Asks for its end by SIGINT and waits for it: for tools that then write what they found. Raises Unavailable."""
        self._signal(process, signal.SIGINT)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{process.args[0]} did not end within {limit:g} s") from None
        finally:
            self.stop(process)

    def stop_all(self):
        self.stop_all_but(())

    def running(self):
        return tuple(self._running)

    def stop_all_but(self, earlier):
        """Ends what was started after `earlier` was what ran, the last one first."""
        for process in reversed(self.running()):
            if process not in earlier:
                self.stop(process)

    @staticmethod
    def _signal(process, number):
        try:
            os.killpg(process.pid, number)  # a session of its own: the group is it and its children
        except ProcessLookupError:
            pass


def descendants(pid):
    """The process and all its children, theirs included, in no special order."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The command's name may hold anything: the fields that follow start after its last parenthesis.
                fields = _read(f"/proc/{entry}/stat").rpartition(")")[2].split()
            except OSError:
                continue  # ended while we looked
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        found.append(current)
        todo.extend(parents.get(current, []))
    return found


def read_line(stream, limit):
    """A line of a pipe that is read by lines only. Raises Unavailable when none comes in time."""
    if not select.select([stream], [], [], limit)[0]:
        raise Unavailable(f"no word within {limit:g} s")
    return stream.readline()


def wait_until(probe, limit, what):
    """Calls `probe` until it returns something true. Raises Unavailable after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise Unavailable(f"{what} within {limit:g} s")
        time.sleep(0.02)
