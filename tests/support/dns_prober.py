"""Asks a DNS server for some names, each every 20 ms, and tells afterwards how long each was not answered.

    python3 dns_prober.py SERVER FILE NAME=ADDRESS ...     until SIGINT; then FILE has the gaps. Lines on its output: "asking" when every name has
                                                           been answered

One process and one socket for each name: nothing is started for a question. A gap runs from the first question that had no right answer to the
answer of the first one after it that had, as in drill/probe_log.h; when the prober itself stood still within it that time is taken out.
"""
import json
import os
import select
import signal
import socket
import struct
import sys
import time

EVERY = 0.020
SLOW = 1.0      # An answer that takes longer is none.
_OWN_PAUSE = 0.002


class Name:
    def __init__(self, server, name, address):
        self.name = name
        self._answer = socket.inet_aton(address)
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
        self._question = labels + struct.pack("!HH", 1, 1)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self._server = (server, 53)
        self.tries = []   # [asked, answered or None]

    def ask(self, now):
        number = len(self.tries)
        self.tries.append([now, None])
        try:
            self.sock.sendto(struct.pack("!HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + self._question, self._server)
        except OSError:
            pass   # Unreachable, refused: this question has no answer.

    def hear(self, now):
        while True:
            try:
                data = self.sock.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                continue   # An ICMP error, for a question before.
            number = self._number(data)
            if number is not None and self.tries[number][1] is None and now - self.tries[number][0] <= SLOW and data[-4:] == self._answer:
                self.tries[number][1] = now

    def _number(self, data):
        """Of the newest try with this id, when it is a positive answer."""
        if len(data) < 12 or data[3] & 0xF or not data[2] & 0x80 or struct.unpack_from("!H", data, 6)[0] == 0:
            return None
        number = (len(self.tries) - 1) & ~0xFFFF | struct.unpack_from("!H", data)[0]
        return number if number < len(self.tries) else number - 0x10000 if number >= 0x10000 else None


def gaps(tries, pauses):
    """[[from, length without own pauses, questions lost]]; one that has not ended is none: see "recovered"."""
    out, begun, lost = [], None, 0
    for asked, answered in tries:
        if answered is None:
            begun = asked if begun is None else begun
            lost += 1
        elif begun is not None:
            own = sum(max(0, min(end, answered) - max(start, begun)) for start, end in pauses)
            out.append([begun, answered - begun - own, lost])
            begun, lost = None, 0
    return out


def run(server, path, wanted):
    names = [Name(server, *word.split("=")) for word in wanted]
    pauses = []       # [from, to]: the loop did not turn
    over = []
    signal.signal(signal.SIGINT, lambda *_: over.append(True))
    said = False
    due = time.monotonic()
    while not over:
        now = time.monotonic()
        if now - due > _OWN_PAUSE:
            pauses.append([due, now])
        if now >= due:
            for name in names:
                name.ask(now)
            due += EVERY
            if now - due > EVERY:   # What was missed is not made up for.
                due = now + EVERY
        wake = min(due, now + EVERY)
        ready = select.select([name.sock for name in names], [], [], max(0, wake - time.monotonic()))[0]
        now = time.monotonic()
        for name in names:
            if name.sock in ready:
                name.hear(now)
        if not said and all(any(answered for _, answered in name.tries) for name in names):
            said = True
            print("asking", flush=True)
    found = {name.name: {"asked": len(name.tries), "gaps": gaps(name.tries, pauses),
                         "recovered": name.tries[-1][0] - max([t[0] for t in name.tries if t[1]], default=0) < SLOW} for name in names}
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump({"names": found, "late_ms_max": max([end - start for start, end in pauses], default=0) * 1000}, file)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
