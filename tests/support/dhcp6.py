"""DHCPv6 packets of tests (RFC 8415): a client that asks one question and looks at the answer, for what no real client does on demand."""
import random
import select
import socket
import struct
import time

SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE = 1, 2, 3, 4, 5, 6, 7, 8
NO_BINDING, NOT_ON_LINK = 3, 4
_CLIENT_ID, _SERVER_ID, _IA_NA, _IA_ADDR, _ELAPSED, _STATUS = 1, 2, 3, 5, 8, 13
_SERVERS = "ff02::1:2"


def _option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def _options(data):
    found = []
    while len(data) >= 4:
        code, length = struct.unpack("!HH", data[:4])
        found.append((code, data[4:4 + length]))
        data = data[4 + length:]
    return found


def _status(data):
    return struct.unpack("!H", data[:2])[0]


def parse(data):
    """{kind, xid, server, status, addresses: {text: seconds valid}} of a reply; `status` of the whole or of the identity association, 0: none."""
    reply = {"kind": data[0], "xid": data[1:4], "server": None, "status": 0, "addresses": {}}
    for code, value in _options(data[4:]):
        if code == _SERVER_ID:
            reply["server"] = value
        elif code == _STATUS:
            reply["status"] = reply["status"] or _status(value)
        elif code == _IA_NA:
            for inner, text in _options(value[12:]):
                if inner == _IA_ADDR:
                    reply["addresses"][socket.inet_ntop(socket.AF_INET6, text[:16])] = struct.unpack("!I", text[20:24])[0]
                elif inner == _STATUS:
                    reply["status"] = reply["status"] or _status(text)
    return reply


class Client:
    """Port 546 of a node's eth0; its identity is that MAC (DUID-LL)."""

    def __init__(self, node, mac, iaid=7):
        self.duid = b"\0\3\0\1" + bytes(int(part, 16) for part in mac.split(":"))
        self.iaid = iaid
        self._socket = node.socket(socket.SOCK_DGRAM, socket.AF_INET6)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        self._socket.bind(("::", 546))
        with node.entered():
            self._interface = socket.if_nametoindex("eth0")

    def close(self):
        self._socket.close()

    @property
    def duid_text(self):
        return self.duid.hex(":")

    def ask(self, kind, address=None, server=None, timeout=1.0):
        """The reply within `timeout` seconds; None: there was none."""
        xid = random.randbytes(3)
        inner = _option(_IA_ADDR, socket.inet_pton(socket.AF_INET6, address) + bytes(8)) if address else b""
        message = bytes([kind]) + xid + _option(_CLIENT_ID, self.duid) + _option(_ELAPSED, bytes(2))
        message += _option(_SERVER_ID, server) if server else b""
        message += _option(_IA_NA, struct.pack("!III", self.iaid, 0, 0) + inner)
        self._socket.sendto(message, (_SERVERS, 547, 0, self._interface))
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return None
            reply = parse(self._socket.recv(4096))
            if reply["xid"] == xid:
                return reply
        return None

    def lease(self, timeout=1.0):
        """SOLICIT and REQUEST; (address, server's identity), or None."""
        offer = self.ask(SOLICIT, timeout=timeout)
        if not offer or not offer["addresses"]:
            return None
        reply = self.ask(REQUEST, next(iter(offer["addresses"])), offer["server"], timeout)
        return (next(iter(reply["addresses"])), reply["server"]) if reply and reply["addresses"] else None

    def until_leased(self, timeout=20.0):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            got = self.lease()
            if got:
                return got
        return None
