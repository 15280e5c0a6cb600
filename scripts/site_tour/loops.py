"""What clients of the site do without a pause, each a program of its own; until SIGINT or until FILE.stop is there, then FILE has what it saw.

    python3 loops.py api FILE HOST:PORT      asks the API for /readyz over a new TLS connection every 40 ms
    python3 loops.py dhcp FILE DEVICE NAME   gets a lease and renews it four times a second by unicast
    python3 loops.py files FILE FOLDER       writes files and flushes each to the disks; FILE.sha256 has what they must be

FILE: {"asked", "failed": [[seconds, reason]], "gap_ms": the longest time without a success, "more": {...}}. A loop says "begins" once its first try
succeeded. Seconds are CLOCK_BOOTTIME, which all machines of the lab share.
"""
import concurrent.futures
import hashlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from support import dhcp   # noqa: E402

API_EVERY, API_PATIENCE = 0.040, 2.0
RENEW_EVERY = 0.25


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Record:
    """Thread-safe. Times of successes and failures."""

    def __init__(self, path):
        self._over = threading.Event()
        self._stop = path + ".stop"
        self._lock = threading.Lock()
        self._good, self._bad, self.more = [], [], {}
        signal.signal(signal.SIGINT, lambda *_: self._over.set())

    def goes_on(self, pause):
        """After `pause` seconds; False: it shall end."""
        return not self._over.wait(pause) and not os.path.exists(self._stop)

    def good(self):
        with self._lock:
            self._good.append(now())
            if len(self._good) == 1:
                print("begins", flush=True)

    def bad(self, began, reason):
        with self._lock:
            self._bad.append([round(began, 3), str(reason)])

    def write(self, path):
        good = sorted(self._good) + [now()]
        gaps = [(b - a, a) for a, b in zip(good, good[1:])]
        gap, at = max(gaps, default=(0.0, 0.0))
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({"asked": len(self._good) + len(self._bad), "failed": self._bad, "gap_ms": round(gap * 1000), "gap_from": round(at, 3), "more": self.more}, file)
        os.replace(path + ".new", path)


# ---- the API ----

def ask_api(record, host, port, context):
    began = now()
    try:
        with socket.create_connection((host, port), timeout=API_PATIENCE) as plain, context.wrap_socket(plain) as sock:
            sock.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            answer = sock.recv(4096)
        if b" 200 " not in answer.split(b"\r\n")[0]:
            raise OSError(answer[:60].decode(errors="replace"))
        record.good()
    except OSError as problem:
        record.bad(began, problem)


def api(record, target):
    """Tries overlap: one that waits for a lost packet keeps no other from being made."""
    host, port = target.rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        while record.goes_on(API_EVERY):
            pool.submit(ask_api, record, host, int(port), context)


# ---- DHCP ----

def _transact(device, mac, kind, to, timeout, **fields):
    """A message and its answer; None: there was none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for option in (socket.SO_REUSEADDR, socket.SO_BROADCAST):
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        sock.bind(("0.0.0.0", 68))
        xid = random.getrandbits(32)
        sock.sendto(dhcp.build(kind, mac, xid, **fields), (to, 67))
        until = now() + timeout
        while (left := until - now()) > 0:
            sock.settimeout(left)
            try:
                reply = dhcp.parse(sock.recv(4096))
            except TimeoutError:
                return None
            if reply and reply["xid"] == xid:
                return reply
    return None


def dhcp_renewals(record, device, name):
    mac = json.loads(subprocess.run(["ip", "-json", "link", "show", "dev", device], check=True, capture_output=True, text=True).stdout)[0]["address"]
    called = [(12, name.encode())]
    offer = _transact(device, mac, dhcp.DISCOVER, "255.255.255.255", 10, options=called)
    if offer is None:
        raise RuntimeError("nobody offers an address")
    server = dhcp.addresses(offer, 54)[0]
    ack = _transact(device, mac, dhcp.REQUEST, "255.255.255.255", 10, requested=offer["address"], server_id=server, options=called)
    if ack is None or ack["kind"] != dhcp.ACK:
        raise RuntimeError(f"{offer['address']} was offered and not given")
    address = ack["address"]
    subprocess.run(["ip", "address", "add", f"{address}/24", "dev", device], check=True)
    record.more = {"address": address, "server": server, "lease_s": dhcp.seconds(ack, 51)}
    while record.goes_on(RENEW_EVERY):
        began = now()
        try:
            reply = _transact(device, mac, dhcp.REQUEST, server, RENEW_EVERY, ciaddr=address, broadcast=False, options=called)
            if reply is None or reply["kind"] != dhcp.ACK or reply["address"] != address:
                raise OSError("no answer" if reply is None else f"kind {reply['kind']}, address {reply['address']}")
            record.good()
        except OSError as problem:   # TimeoutError is one; so is "no route to host" while nobody answers ARP.
            record.bad(began, problem)


# ---- files ----

def files(record, folder, sums):
    seed = random.Random(7)
    os.makedirs(folder, exist_ok=True)
    number, total = 0, 0
    with open(sums, "w", encoding="ascii") as log:
        while record.goes_on(0.01):
            data, began = seed.randbytes(seed.randrange(1, 60000)), now()
            try:
                with open(f"{folder}/{number}", "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                log.write(f"{hashlib.sha256(data).hexdigest()}  {number}\n")
                total += len(data)
                record.good()
            except OSError as problem:
                record.bad(began, problem)
            number += 1
    record.more = {"bytes": total}


def main(kind, path, *words):
    record = Record(path)
    loops = {"api": api, "dhcp": dhcp_renewals, "files": lambda r, folder: files(r, folder, path + ".sha256")}
    loops[kind](record, *words)
    record.write(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
