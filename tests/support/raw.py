"""TCP peers without a protocol: servers in threads and clients that count and hash every byte."""
import hashlib
import random
import select
import socket
import struct
import threading


class TcpServer:
    """Accepts on a node and runs `handler(sock)` in a thread for each connection; closes the socket after it. Use as a context."""

    def __init__(self, node, handler, *, port=0, name=None):
        self.node = node
        self.name = name or node.name
        self._handler = handler
        self._listener = node.listen(port)
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self.problems = []
        self._open = set()
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return f"{self.node.address}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def stop_listening(self):
        """New connections are refused from now on; open ones go on."""
        self._closing = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass   # Not connected: what shutdown says of a listener that wakes accept(), or it is closed already.
        self._thread.join()
        self._listener.close()

    def close(self):
        """Stops listening and ends what is open."""
        self.stop_listening()
        with self._lock:
            left = list(self._open)
        for sock in left:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass   # Its peer was faster.

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closing:
                    sock.close()
                    return
                self.accepted += 1
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self._handler(sock)
        except OSError as problem:
            self.problems.append(problem)
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()


# ---- handlers ----
def echo(sock):
    """Sends everything back; ends its side when the peer has ended its own."""
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def named_echo(name):
    """Sends its name and a newline first."""
    def handler(sock):
        sock.sendall(f"{name}\n".encode())
        echo(sock)
    return handler


def digest_at_end(sock):
    """Reads to the end of the peer's side, then answers with the SHA-256 of it: the answer needs a working half-close."""
    total = hashlib.sha256()
    while data := sock.recv(65536):
        total.update(data)
    sock.sendall(total.hexdigest().encode())


def silent(sock):
    """Never reads and never writes, until the peer gives up."""
    poll_closed(sock, 60)


def banner(text):
    """Sends a text, then waits for the end."""
    def handler(sock):
        sock.sendall(text.encode() if isinstance(text, str) else text)
        while sock.recv(65536):
            pass
    return handler


def source_of(size, seed):
    """Sends `size` known bytes and ends."""
    def handler(sock):
        for block in known_bytes(size, seed):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    return handler


def forward_to(node, address):
    """Connects to `address` from another node and relays both ways."""
    def handler(sock):
        with node.connect(address) as upstream:
            upstream.settimeout(None)
            back = threading.Thread(target=_pump, args=(upstream, sock), daemon=True)
            back.start()
            _pump(sock, upstream)
            back.join()
    return handler


def _pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()   # One leg broke: so does the other.


# ---- clients ----
def known_bytes(size, seed, block=65536):
    """The same pseudo-random bytes for the same seed, in blocks."""
    generator = random.Random(seed)
    while size > 0:
        step = min(block, size)
        yield generator.randbytes(step)
        size -= step


def known_digest(size, seed):
    total = hashlib.sha256()
    for block in known_bytes(size, seed):
        total.update(block)
    return total.hexdigest()


def read_all(sock, limit=1 << 30):
    """Everything up to the end of the peer's side."""
    parts = []
    while limit > 0 and (data := sock.recv(65536)):
        parts.append(data)
        limit -= len(data)
    return b"".join(parts)


def read_line(sock):
    """Up to and without the next newline; byte by byte, so that nothing after it is taken."""
    line = b""
    while (byte := read_exactly(sock, 1)) != b"\n":
        line += byte
    return line.decode()


def read_exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionAbortedError(f"closed after {len(data)} of {size} bytes")
        data += more
    return data


def reset(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def poll_closed(sock, timeout):
    """Waits for the end of a connection without reading from it. Returns "reset", "closed" or "open" (after the timeout)."""
    poller = select.poll()
    poller.register(sock, select.POLLRDHUP)
    for _, events in poller.poll(timeout * 1000):
        if events & select.POLLERR:
            return "reset"
        if events & (select.POLLHUP | select.POLLRDHUP):
            return "closed"
    return "open"


def how_it_ends(sock, timeout=5.0):
    """What a client sees of a connection that the other side ends: "reset" or "closed"; "open" when it does not end in time."""
    sock.settimeout(timeout)
    try:
        while sock.recv(65536):
            pass
        return "closed"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "open"


def how_connecting_ends(node, address, timeout=5.0, source=None):
    """Connects and reports what becomes of it: "reset", "closed", "refused" or "open"."""
    try:
        with node.connect(address, timeout=timeout, source=source) as sock:
            return how_it_ends(sock, timeout)
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "reset"
