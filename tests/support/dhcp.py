"""DHCP and DNS packets of tests: a client that asks one question and looks at the answer, for what no real client does on demand."""
import random
import select
import socket
import struct
import time

MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = 1, 2, 3, 4, 5, 6, 7
_ASKED_FOR = bytes([1, 3, 6, 15, 51, 54, 58, 59])


def _address(text):
    return socket.inet_aton(text or "0.0.0.0")


def build(kind, mac, xid, *, ciaddr=None, requested=None, server_id=None, broadcast=True, options=()):
    """`options`: more of them, (code, bytes)."""
    more = b"".join(bytes([code, len(value)]) + value for code, value in options)
    options = bytes([53, 1, kind]) + more
    if requested:
        options += bytes([50, 4]) + _address(requested)
    if server_id:
        options += bytes([54, 4]) + _address(server_id)
    options += bytes([55, len(_ASKED_FOR)]) + _ASKED_FOR + b"\xff"
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, 0, 0x8000 if broadcast else 0)
    hardware = bytes(int(part, 16) for part in mac.split(":")) + bytes(10)
    return head + _address(ciaddr) + bytes(12) + hardware + bytes(192) + MAGIC + options


def parse(data):
    """{kind, xid, address, 1: bytes, 3: bytes, ...} of a reply; None for anything else."""
    message = parse_message(data)
    return message if message and message["reply"] else None


def parse_message(data):
    """Of a client's message, too: "reply" says which, "ciaddr" and "mac" whose. "next_server" and "file" are siaddr and the header's file name."""
    if len(data) < 240 or data[0] not in (1, 2) or data[236:240] != MAGIC:
        return None
    reply = {"reply": data[0] == 2, "xid": struct.unpack("!I", data[4:8])[0], "ciaddr": socket.inet_ntoa(data[12:16]), "address": socket.inet_ntoa(data[16:20]),
             "next_server": socket.inet_ntoa(data[20:24]), "mac": ":".join(f"{byte:02x}" for byte in data[28:34]),
             "file": data[108:236].split(b"\0")[0].decode("ascii", "replace")}
    at = 240
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        reply[data[at]] = data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    reply["kind"] = reply.get(53, b"\0")[0]
    return reply


def addresses(reply, option):
    value = reply.get(option, b"")
    return [socket.inet_ntoa(value[i:i + 4]) for i in range(0, len(value), 4)]


def seconds(reply, option):
    return struct.unpack("!I", reply[option])[0]


class Client:
    """Port 68 of a node's eth0."""

    def __init__(self, node, mac):
        self.mac = mac
        self._socket = node.socket(socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        self._socket.bind(("0.0.0.0", 68))

    def close(self):
        self._socket.close()

    def send(self, kind, to="255.255.255.255", **fields):
        xid = random.getrandbits(32)
        self._socket.sendto(build(kind, self.mac, xid, **fields), (to, 67))
        return xid

    def receive(self, xids, timeout):
        """The first reply to one of them within `timeout` seconds; None: there was none."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return None
            reply = parse(self._socket.recv(4096))
            if reply and reply["xid"] in xids:
                return reply
        return None

    def ask(self, kind, to="255.255.255.255", timeout=5.0, **fields):
        return self.receive({self.send(kind, to, **fields)}, timeout)

    def until_answered(self, kind=DISCOVER, to="255.255.255.255", every=0.002, timeout=10.0, **fields):
        """Asks again and again; (seconds until the answer came, the reply)."""
        start = time.monotonic()
        xids = set()
        while time.monotonic() - start < timeout:
            try:
                xids.add(self.send(kind, to, **fields))
            except OSError:   # Nobody has the address (yet).
                pass
            reply = self.receive(xids, every)
            if reply:
                return time.monotonic() - start, reply
        return None, None

    def lease(self, timeout=5.0, **fields):
        """DISCOVER and REQUEST; the ACK."""
        offer = self.ask(DISCOVER, timeout=timeout, **fields)
        return offer and self.ask(REQUEST, timeout=timeout, requested=offer["address"], server_id=addresses(offer, 54)[0], **fields)


def dns_query(name, xid):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    return struct.pack("!HHHHHH", xid, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!HH", 1, 1)


def until_resolved(node, server, name, every=0.002, timeout=10.0):
    """Asks by UDP again and again; seconds until any answer came, or None."""
    start = time.monotonic()
    with node.socket(socket.SOCK_DGRAM) as sock:
        while time.monotonic() - start < timeout:
            try:
                sock.sendto(dns_query(name, random.getrandbits(16)), (server, 53))
                if select.select([sock], [], [], every)[0] and sock.recv(4096):
                    return time.monotonic() - start
            except OSError:   # Refused, unreachable: not there (yet).
                pass
    return None
