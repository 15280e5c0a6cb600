"""Runs the dashboard's tests in Debian's Chromium: the npm packages they need, and ways for a browser into a lab's nodes."""
import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support.fairlead import BIN, ROOT             # noqa: E402
from support.waiting import SCALE, wait_for        # noqa: E402

BUILD = os.path.dirname(os.path.abspath(BIN))
MODULES = os.path.join(BUILD, "browser")
PICTURES = os.path.join(BUILD, "dashboard")
MARK = "FL_BROWSER_RUN"    # In the environment of whatever we start: how its descendants are told from others.
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def why_unavailable():
    """None when the tests can be run; else the reason. Fetches the npm packages that package-lock.json names, once."""
    for program in ("node", "chromium"):
        if shutil.which(program) is None:
            return f"{program} is not installed (scripts/setup.sh browser)"
    os.makedirs(MODULES, exist_ok=True)
    with open(os.path.join(MODULES, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _fetch()


def _fetch():
    wanted = b"".join(_bytes(os.path.join(HERE, name)) for name in ("package.json", "package-lock.json"))
    done = os.path.join(MODULES, "fetched")
    if os.path.exists(done) and _bytes(done) == wanted:
        return None
    if shutil.which("npm") is None:
        return "npm is not installed (scripts/setup.sh browser)"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, name), MODULES)
    code, said = _carry_out(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], 240, cwd=MODULES, env={})
    if code != 0:
        why = "was not done after 240 s" if code is None else "failed"
        return f"npm ci {why}: {said.strip().splitlines()[-1:]}"
    with open(done, "wb") as file:
        file.write(wanted)
    return None


def _bytes(path):
    with open(path, "rb") as file:
        return file.read()


def run(script, timeout, **env):
    """Runs one file of node's test runner; (exit code, what it said). Exit code None: it took longer than `timeout` seconds and was ended.
    Its browser and the browser's files go with it."""
    with tempfile.TemporaryDirectory(prefix="fairlead-browser-") as folder:
        return _carry_out(["node", os.path.join(HERE, script)], timeout, cwd=ROOT,
                          env={"FL_BROWSER_MODULES": MODULES, "FL_PICTURES": PICTURES, "FL_CHROMIUM": shutil.which("chromium") or "", "TMPDIR": folder, **env})


def _carry_out(argv, timeout, cwd, env):
    mark = uuid.uuid4().hex
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=cwd,
                                 env={**os.environ, **env, MARK: mark})
        try:
            code = child.wait(timeout * SCALE)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            child.kill()
            child.wait()
            wait_for(lambda: not _end_marked(mark), 10, "what it started has ended")
        log.seek(0)
        return code, log.read()


def _end_marked(mark):
    """SIGKILL to what has our mark; the ids of these. A browser has a session of its own, so no group holds them all."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if wanted in _bytes(f"/proc/{pid}/environ").split(b"\0"):
                found.append(int(pid))
                os.kill(int(pid), 9)
        except OSError:
            pass   # It has ended meanwhile, or is another user's.
    return found


class Forwarder:
    """127.0.0.1:PORT -> what `connect()` returns, as `ssh -L` would. Runs until closed; its connections end with it."""

    def __init__(self, connect):
        self._connect = connect
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._guard = threading.Lock()
        self._open, self._carriers, self._closed = set(), [], False
        self._server = threading.Thread(target=self._serve)
        self._server.start()

    @property
    def url(self):
        return f"http://localhost:{self.port}/"

    def close(self):
        with self._guard:
            self._closed = True
            ends = [self._listener, *self._open]
            for end in ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._server.join()
        for carrier in self._carriers:
            carrier.join()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return   # Closed.
            self._carriers = [carrier for carrier in self._carriers if carrier.is_alive()]
            self._carriers.append(threading.Thread(target=self._carry, args=(client,)))
            self._carriers[-1].start()

    @contextlib.contextmanager
    def _kept(self, end):
        """Closed afterwards, and shut down when the forwarder is closed before."""
        with end:
            with self._guard:
                if self._closed:
                    end.shutdown(socket.SHUT_RDWR)
                self._open.add(end)
            try:
                yield end
            finally:
                with self._guard:
                    self._open.discard(end)

    def _carry(self, client):
        with contextlib.suppress(OSError), self._kept(client), self._kept(self._connect()) as node:   # As ssh does when the far end does not answer.
            back = threading.Thread(target=_pump, args=(client, node))
            back.start()
            _pump(node, client)
            back.join()


def _pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass             # The other direction sees it as well.
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def to_unix(path):
    def connect():
        out = socket.socket(socket.AF_UNIX)
        try:
            out.connect(path)
        except OSError:
            out.close()
            raise
        return out
    return connect


def to_tcp_of(pid, port):
    """127.0.0.1:port in the network namespace of this process. The calling thread stays there: it is the forwarder's own."""
    def connect():
        with open(f"/proc/{pid}/ns/net", "rb") as namespace:
            if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_connection(("127.0.0.1", port))
    return connect
