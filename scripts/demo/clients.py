#!/usr/bin/env python3
"""Clients of the lab that never stop: each keeps a TLS connection, asks for its own next number, and accepts no other answer.

    clients.py RECORD HOST PORT COUNT

A kept connection that was cut, before or under a request, is opened anew and the same number asked for again, once: that is what clients of an
API server do (a GET on a connection used before). Any other failure loses the number. Times in ns of CLOCK_MONOTONIC:

    C CLIENT NUMBER BEGUN ENDED RESULT      ok, or why it was lost: reset, refused, timeout, closed, unreachable, wrong
    R CLIENT SEEN HOW                       a kept connection was cut: reset or closed
"""
import errno
import signal
import socket
import ssl
import sys
import threading
import time

PACE_S = 0.01
PATIENCE_S = 0.5


class Client(threading.Thread):
    def __init__(self, number, address, context, record, stop):
        super().__init__(daemon=True)
        self.number = number
        self.address = address
        self.context = context
        self.record = record
        self.stop = stop
        self.sock = None
        self.reader = None

    def run(self):
        sequence = 0
        while not self.stop.is_set():
            sequence += 1
            begun = time.monotonic_ns()
            path = f"/c/{self.number}/{sequence}"
            kept = self.sock is not None
            result = self.attempt(path)
            if kept and result in ("reset", "closed"):
                self.record.write(f"R {self.number} {time.monotonic_ns()} {result}\n")
                result = self.attempt(path)
            self.record.write(f"C {self.number} {sequence} {begun} {time.monotonic_ns()} {result}\n")
            self.stop.wait(PACE_S)
        self.close()

    def attempt(self, path):
        try:
            result = self.ask(path)
        except OSError as problem:
            result = kind(problem)
        if result != "ok":
            self.close()
        return result

    def ask(self, path):
        if self.sock is None:
            raw = socket.create_connection(self.address, timeout=PATIENCE_S)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = raw       # Closed also when the handshake fails.
            self.sock = self.context.wrap_socket(raw, server_hostname=self.address[0])
            self.reader = self.sock.makefile("rb")
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
        length = None
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length is None:
            return "closed"
        return "ok" if self.reader.read(length).endswith(f" {path}\n".encode()) else "wrong"

    def close(self):
        for thing in (self.reader, self.sock):
            if thing is not None:
                thing.close()
        self.sock = self.reader = None


def kind(problem):
    if isinstance(problem, (TimeoutError, socket.timeout)):
        return "timeout"
    if isinstance(problem, ConnectionRefusedError):
        return "refused"
    if isinstance(problem, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    return "unreachable" if problem.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH) else "closed"


def main():
    path, host, port, count = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    context = ssl.create_default_context(cafile="/etc/lab/ca.crt")
    with open(path, "w", buffering=1, encoding="ascii") as record:
        clients = [Client(i, (host, int(port)), context, record, stop) for i in range(1, int(count) + 1)]
        for client in clients:
            client.start()
        while not stop.wait(1):
            pass
        for client in clients:
            client.join()


if __name__ == "__main__":
    main()
