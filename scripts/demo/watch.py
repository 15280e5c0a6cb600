#!/usr/bin/env python3
"""Watches the VIP from a client of the lab: a new connection each 4 ms, and an ARP request each 4 ms. Judges nothing, writes down.

    watch.py RECORD VIP PORT DEVICE

A probe is a new TCP connection, a TLS ClientHello on it, and the first bytes of the server's answer: a gateway that accepts and cannot serve
does not pass. Probes are begun on schedule whether or not earlier ones were answered. One line each, times in ns of CLOCK_MONOTONIC:

    P BEGUN ENDED RESULT      ok, reset, refused, unreachable, closed, timeout
    A ASKED MAC,MAC           who answered an ARP request before the next was sent ("-": nobody)
    G SEEN MAC                an announcement of the VIP (gratuitous ARP)
    L SCHEDULED LATE          the watcher itself was late by so much (only above 2 ms)
"""
import errno
import select
import signal
import socket
import ssl
import struct
import sys
import time

PERIOD_NS = 4_000_000
PATIENCE_NS = 900_000_000     # Below the 1 s after which the kernel repeats a SYN: a probe is answered, or it is not.
LATE_NS = 2_000_000
RESULTS = {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable"}


def client_hello():
    """The bytes a TLS client begins with; made once, so that a probe costs next to nothing here."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Watcher:
    def __init__(self, record, address, device):
        self.record = record
        self.address = address
        self.hello = client_hello()
        self.poll = select.epoll()
        self.probes = {}          # descriptor -> [socket, begun, hello sent]
        self.arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self.arp.bind((device, 0x0806))
        self.arp.setblocking(False)
        self.poll.register(self.arp, select.EPOLLIN)
        self.vip = socket.inet_aton(address[0])
        self.request = self._request(device)
        self.asked = 0
        self.answered = []

    def _request(self, device):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(self.address)
            own = socket.inet_aton(sock.getsockname()[0])
        with open(f"/sys/class/net/{device}/address", encoding="ascii") as file:
            mac = bytes.fromhex(file.read().strip().replace(":", ""))
        return b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + own + b"\0" * 6 + self.vip

    def run(self, stop):
        due = time.monotonic_ns()
        while not stop:
            now = time.monotonic_ns()
            if now >= due:
                if now - due > LATE_NS:
                    self.record.write(f"L {due} {now - due}\n")
                self.tick(now)
                due = max(due + PERIOD_NS, now - now % 1000)
                continue
            for descriptor, _ in self.poll.poll((due - now) / 1e9):
                if descriptor == self.arp.fileno():
                    self.read_arp()
                else:
                    self.advance(descriptor)

    def tick(self, now):
        self.read_arp()           # After a pause of ours: what came meanwhile belongs to the round that ends.
        self.end_round(now)
        self.arp.send(self.request)
        self.begin(now)
        for descriptor, (_, begun, _) in list(self.probes.items()):
            if now - begun <= PATIENCE_NS:
                break             # Dicts keep their order: the others are younger.
            self.end(descriptor, "timeout")

    def end_round(self, now):
        if self.asked:
            self.record.write(f"A {self.asked} {','.join(sorted(set(self.answered))) or '-'}\n")
        self.asked = now
        self.answered = []

    def read_arp(self):
        try:
            while True:
                frame = self.arp.recv(128)
                operation, sender, target = struct.unpack("!H", frame[20:22])[0], frame[28:32], frame[38:42]
                mac = frame[22:28].hex(":")
                if sender != self.vip:
                    continue
                if target == self.vip:
                    self.record.write(f"G {time.monotonic_ns()} {mac}\n")
                elif operation == 2:
                    self.answered.append(mac)
        except BlockingIOError:
            pass

    def begin(self, now):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))   # Ends by a reset: no port waits in TIME_WAIT.
        descriptor = sock.fileno()
        self.probes[descriptor] = [sock, now, False]
        self.poll.register(descriptor, select.EPOLLOUT)
        code = sock.connect_ex(self.address)
        if code not in (0, errno.EINPROGRESS):
            self.end(descriptor, RESULTS.get(code, "unreachable"))

    def advance(self, descriptor):
        sock, _, greeted = self.probes[descriptor]
        try:
            if not greeted:
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, "connect")
                sock.send(self.hello)
                self.probes[descriptor][2] = True
                self.poll.modify(descriptor, select.EPOLLIN)
                return
            data = sock.recv(64)
            self.end(descriptor, "ok" if data[:1] == b"\x16" else "closed")   # 0x16: a handshake record, the ServerHello.
        except BlockingIOError:
            pass
        except OSError as problem:
            self.end(descriptor, RESULTS.get(problem.errno, "reset"))

    def end(self, descriptor, result):
        sock, begun, _ = self.probes.pop(descriptor)
        self.poll.unregister(descriptor)
        sock.close()
        self.record.write(f"P {begun} {time.monotonic_ns()} {result}\n")


def main():
    path, vip, port, device = sys.argv[1:]
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    with open(path, "w", buffering=1, encoding="ascii") as record:
        Watcher(record, (vip, int(port)), device).run(stop)


if __name__ == "__main__":
    main()
