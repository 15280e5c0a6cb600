"""Frames of ARP as some station would send them, from a host of the lab."""
import json
import socket
import struct

_REQUEST, _REPLY = 1, 2
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def _send(host, kind, source, sender, target, to):
    packet = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, kind, _mac(source), socket.inet_aton(sender), b"\0" * 6, socket.inet_aton(target))
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind(("eth0", 0x0806))
        sock.send(_mac(to) + _mac(source) + struct.pack("!H", 0x0806) + packet)


def claim(host, address, mac):
    """To everybody: `address` is at `mac`."""
    _send(host, _REQUEST, mac, address, address, EVERYBODY)


def answer(host, address, mac, to):
    """To one station, as if it had asked."""
    _send(host, _REPLY, mac, address, "0.0.0.0", to)


def ask(host, address, own, mac):
    """To everybody, from `own` at `mac`: who has `address`?"""
    _send(host, _REQUEST, mac, own, address, EVERYBODY)


def mac_of(host, device="eth0"):
    """Of the host's interface."""
    return json.loads(host.run(["ip", "-j", "link", "show", "dev", device]).stdout)[0]["address"]
