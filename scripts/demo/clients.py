#!/usr/bin/env python3
"""Clients of the lab that never stop: each keeps a TLS connection, asks for its own next number, and accepts no other answer.

    clients.py RECORD HOST PORT COUNT

A kept connection that was cut, before or under a request, is opened anew and the same number asked for again, once: that is what clients of an
API server do (a GET on a connection used before). Any other failure loses the number. Times in ns of CLOCK_MONOTONIC:

    C CLIENT NUMBER BEGUN ENDED RESULT      ok, or why it was lost: wrong, or a word of support.load.error_kind()
    R CLIENT SEEN HOW                       a kept connection was cut: reset or closed
"""
import os
import signal
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "tests"))

from support.load import HttpConnection, error_kind   # noqa: E402

PACE_S = 0.01
PATIENCE_S = 0.5


class Here:
    """A node for HttpConnection: where this process runs."""

    @staticmethod
    def connect(address, timeout, source=None):
        del source
        sock = socket.create_connection(address, timeout=timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


class Client(threading.Thread):
    def __init__(self, number, address, context, record, stop):
        super().__init__(daemon=True)
        self.number = number
        self.address = address
        self.context = context
        self.record = record
        self.stop = stop
        self.connection = None

    def run(self):
        sequence = 0
        while not self.stop.is_set():
            sequence += 1
            begun = time.monotonic_ns()
            path = f"/c/{self.number}/{sequence}"
            kept = self.connection is not None
            result = self.attempt(path)
            if kept and result in ("reset", "closed"):
                self.record.write(f"R {self.number} {time.monotonic_ns()} {result}\n")
                result = self.attempt(path)
            self.record.write(f"C {self.number} {sequence} {begun} {time.monotonic_ns()} {result}\n")
            self.stop.wait(PACE_S)
        self.close()

    def attempt(self, path):
        try:
            if self.connection is None:
                self.connection = HttpConnection(Here, self.address, self.context, self.address[0], PATIENCE_S)
            status, _, body = self.connection.get(path, host="api")
            result = "ok" if status == 200 and body.endswith(f" {path}\n") else "wrong"
        except (OSError, ValueError) as problem:
            result = error_kind(problem)
        if result != "ok":
            self.close()
        return result

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


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
