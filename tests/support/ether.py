"""Ethernet frames of tests: a packet socket that hears DHCP and ARP and nothing else, ARP and UDP over IPv4 as bytes."""
import ctypes
import socket
import struct

ARP, IPV4 = 0x0806, 0x0800
ARP_REQUEST, ARP_REPLY = 1, 2
EVERYBODY = b"\xff" * 6
NOBODY = b"\0" * 6
_ETH_P_ALL = 3
_OUTGOING = 4   # packet(7): PACKET_OUTGOING
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
# ARP, or UDP over IPv4 from or to the ports of DHCP (bpf(4): code, jump if true, jump if false, operand).
_DHCP_AND_ARP = [(0x28, 0, 0, 12), (0x15, 9, 0, ARP), (0x15, 0, 9, IPV4), (0x30, 0, 0, 23), (0x15, 0, 7, 17), (0x28, 0, 0, 20), (0x45, 5, 0, 0x1FFF),
                 (0xB1, 0, 0, 14), (0x48, 0, 0, 16), (0x15, 1, 0, 67), (0x15, 0, 1, 68), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]


def packet_socket(where, device, promiscuous=False):
    """A raw socket on `device` of `where` (a node, a namespace), non-blocking."""
    with where.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        index = socket.if_nametoindex(device)
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _DHCP_AND_ARP))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_DHCP_AND_ARP), ctypes.addressof(program)))
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
    if promiscuous:
        sock.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8s", index, _PROMISCUOUS, 0, b""))
    sock.bind((device, _ETH_P_ALL))
    sock.setblocking(False)
    return sock


def frames(sock):
    """What came in since the last call; own frames are not among it."""
    while True:
        try:
            data, sender = sock.recvfrom(4096)
        except BlockingIOError:
            return
        if sender[2] != _OUTGOING:
            yield data


def mac_text(mac):
    return ":".join(f"{byte:02x}" for byte in mac)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def kind_of(frame):
    return struct.unpack_from("!H", frame, 12)[0]


def arp_frame(kind, mac, sender, target_mac, target):
    """A reply goes to `target_mac`, a request to everybody."""
    to = target_mac if kind == ARP_REPLY else EVERYBODY
    return to + mac + struct.pack("!HHHBBH6s4s6s4s", ARP, 1, IPV4, 6, 4, kind, mac, socket.inet_aton(sender), target_mac, socket.inet_aton(target))


def parse_arp(frame):
    """(kind, sender's MAC, sender, target)"""
    kind, mac, sender, _, target = struct.unpack_from("!H6s4s6s4s", frame, 20)
    return kind, mac, socket.inet_ntoa(sender), socket.inet_ntoa(target)


def _sum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_frame(mac, to, source, target, ports, payload):
    """Without a checksum of UDP's own (RFC 768: zero)."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    head = head[:10] + struct.pack("!H", _sum(head)) + head[12:]
    return to + mac + struct.pack("!H", IPV4) + head + struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload


def parse_udp(frame):
    """(source, target, source port, target port, payload) of what packet_socket() hears as IPv4."""
    at = 14 + 4 * (frame[14] & 0xF)
    source_port, target_port, length = struct.unpack_from("!HHH", frame, at)
    return socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]), source_port, target_port, frame[at + 8:at + length]
