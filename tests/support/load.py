"""Clients that keep count: what they sent, what came back, when, from which server. They, not the proxy's counters, decide what was lost."""
import select
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass

from support.waiting import wait_for


@dataclass(frozen=True)
class Outcome:
    """One request."""
    client: int
    number: int
    start: float             # time.monotonic()
    end: float
    connected_at: float      # When its connection was opened (>= start: for this request).
    backend: str             # "" when it failed.
    error: str               # "" when it succeeded, else a kind: refused, reset, closed, timeout, tls, http, mixed_up
    detail: str = ""
    previous_backend: str = ""   # Who answered on this connection before; "" on a new one.

    @property
    def ok(self):
        return not self.error

    @property
    def on_new_connection(self):
        return self.connected_at >= self.start


class Load:
    """Clients in threads. `keep_alive` of them hold one connection, `per_request` open one for each request. Use as a context."""

    def __init__(self, node, address, *, keep_alive=0, per_request=0, ca=None, server_name=None, pause=0.002, timeout=5.0, source=None):
        self._node = node
        self._address = address
        self._timeout = timeout
        self._keep_alive = keep_alive
        self._pause = pause
        self._source = source
        self._tls = None
        if ca:
            self._tls = ssl.create_default_context(cafile=ca)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._server_name = server_name or address[0]
        self._outcomes = [[] for _ in range(keep_alive + per_request)]
        self.reopened = 0            # Idle connections that the other side closed; found before a request was sent.
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._running = threading.Event()
        self._busy = [False] * len(self._outcomes)
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(len(self._outcomes))]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Connections that are kept are opened before the others, so that nothing but the balancing decides where they go."""
        self._running.set()
        kept, others = self._threads[:self._keep_alive], self._threads[self._keep_alive:]
        for thread in kept:
            thread.start()
        wait_for(lambda: all(self._outcomes[:self._keep_alive]), 2 * self._timeout, "every client with a connection of its own has done a request", 0.002)
        for thread in others:
            thread.start()
        return self

    def pause(self):
        """No client begins another request; returns when none is under way."""
        self._running.clear()
        wait_for(lambda: not any(self._busy), 2 * self._timeout, "no request is under way", 0.002)

    def resume(self):
        self._running.set()

    def stop(self):
        self._stop.set()
        self._running.set()
        for thread in self._threads:
            thread.join()

    # ---- answers ----
    def outcomes(self, since=0.0, until=float("inf")):
        """Finished requests that began in the given time, in the order of their beginning."""
        found = [o for mine in self._outcomes for o in list(mine) if since <= o.start <= until]
        return sorted(found, key=lambda o: o.start)

    def errors(self, since=0.0, until=float("inf")):
        return [o for o in self.outcomes(since, until) if not o.ok]

    def by_backend(self, since=0.0, until=float("inf")):
        return Counter(o.backend for o in self.outcomes(since, until) if o.ok)

    def longest_gap(self, since=0.0, until=float("inf")):
        """The longest time in which no request succeeded for anybody."""
        ends = sorted(o.end for o in self.outcomes(since, until) if o.ok)
        return max((b - a for a, b in zip(ends, ends[1:])), default=float("inf"))

    def count(self):
        return sum(len(mine) for mine in self._outcomes)

    def new_connections(self, since=0.0):
        return sum(1 for o in self.outcomes(since) if o.on_new_connection)

    # ---- the clients ----
    def _run(self, index):
        connection = None
        number = 0
        while True:
            self._busy[index] = False
            self._running.wait()
            if self._stop.is_set():
                break
            self._busy[index] = True
            if not self._running.is_set():
                continue
            if connection and connection.closed_by_peer():
                connection.close()
                connection = None
                with self._lock:
                    self.reopened += 1
            number += 1
            connection, outcome = self._one(index, number, connection)
            self._outcomes[index].append(outcome)
            if connection and (index >= self._keep_alive or not outcome.ok):
                connection.close()
                connection = None
            self._busy[index] = False
            if self._pause:
                self._stop.wait(self._pause)
        if connection:
            connection.close()

    def _one(self, index, number, connection):
        start = time.monotonic()
        previous = connection.backend if connection else ""
        connected_at = connection.opened_at if connection else start
        path = f"/r/{index}/{number}"
        try:
            if connection is None:
                connection = HttpConnection(self._node, self._address, self._tls, self._server_name, self._timeout, self._source)
            connected_at = connection.opened_at
            status, headers, body = connection.get(path)
            backend = headers.get("x-backend", "")
            error, detail = "", ""
            if status != 200:
                error, detail = "http", str(status)
            elif not body.endswith(f"{path}\n"):
                error, detail = "mixed_up", body[:100]
            connection.backend = backend
        except (OSError, ValueError) as problem:
            backend, error, detail = "", error_kind(problem), repr(problem)
        return connection, Outcome(index, number, start, time.monotonic(), connected_at, backend if not error else "", error, detail, previous)


def error_kind(problem):
    """One word for what a client saw."""
    if isinstance(problem, ConnectionRefusedError):
        return "refused"
    if isinstance(problem, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    if isinstance(problem, (socket.timeout, TimeoutError)):
        return "timeout"
    if isinstance(problem, (ssl.SSLEOFError, ssl.SSLZeroReturnError, EOFError, ConnectionAbortedError)):
        return "closed"
    if isinstance(problem, ssl.SSLError):
        return "tls"
    if isinstance(problem, OSError):
        return "closed" if "EOF" in str(problem) else f"os_{problem.errno}"
    return "http"


class HttpConnection:
    """A small HTTP/1.1 client over one TCP or TLS connection."""

    def __init__(self, node, address, tls=None, server_name=None, timeout=5.0, source=None):
        self.opened_at = time.monotonic()
        self.backend = ""
        self._buffer = b""
        raw = node.connect(address, timeout=timeout, source=source)
        self.local = raw.getsockname()
        try:
            self.sock = tls.wrap_socket(raw, server_hostname=server_name) if tls else raw
        except BaseException:
            raw.close()
            raise

    def get(self, path, host="lab"):
        """(status, headers in lower case, body as text)."""
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lab\r\n\r\n".encode())
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            self._receive()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(lines[0].split()[1]), headers, body.decode("utf-8", "replace")

    def closed_by_peer(self):
        """True when an idle connection has been closed: no request should be sent on it."""
        poller = select.poll()
        poller.register(self.sock, select.POLLIN | select.POLLRDHUP)
        return bool(poller.poll(0))

    def close(self):
        self.sock.close()

    def _receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionAbortedError("closed in the middle of an answer")
        self._buffer += data
