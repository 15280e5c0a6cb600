"""Many DHCP clients with a MAC address each, all on one packet socket of one node (RFC 2131). They join, renew by unicast, come and go.

Each answers ARP for its address while it has it, as a machine does. Nobody looks whether an address is free before it takes it: what a server gives
twice is to be seen, not to be avoided.
"""
import collections
import random
import select
import threading
import time

from support import dhcp, ether

_ANSWER = 1.0            # Seconds until a question is asked again.
_REQUESTS_MAX = 4        # Then it begins anew.
_ARP_AGE = 3.0           # Seconds that a server's MAC is believed: a real neighbour cache asks again, too.


class Member:
    """One machine. `settled`: it never leaves."""

    def __init__(self, mac, settled, now):
        self.mac, self.settled = mac, settled
        self.bytes = ether.mac_bytes(mac)
        self.xid = random.getrandbits(32)
        self.state = "init"          # init, selecting, requesting, bound, renewing
        self.at = now                # When it does something next.
        self.tries = 0
        self.address = self.server = None
        self.offered = None
        self.until = self.leaves = self.acknowledged = 0.0
        self.had = []                # Addresses, one after the other.
        self.waiting = None          # A packet that waits for the server's MAC.


class Crowd:
    """`stay`, `renew`: seconds from, to: how long it stays, when it asks again for its address. `silent`: the share of those that go without a
    word; the address of such a one is nobody's until its lease ends."""

    def __init__(self, node, size, observer, *, seed, renew=(3, 9), stay=(4, 15), away=(0.5, 2), silent=0.1):
        self._random = random.Random(seed)
        self._renew, self._stay, self._away, self._silent = renew, stay, away, silent
        self._observer = observer
        self._made = 0
        self._servers = {}   # Address: (MAC, when it was heard)
        self.counts = collections.Counter()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        now = time.monotonic()
        self.members = [self._new(i % 2 == 0, now + self._random.uniform(0, 1.5)) for i in range(size)]
        self._socket = ether.packet_socket(node, "eth0")
        self.problem = None
        self._thread = threading.Thread(target=self._run, name="crowd")
        self._thread.start()

    def close(self):
        self._stop.set()
        self._thread.join()
        self._socket.close()

    # ---- for tests ----
    def newcomer(self):
        """One more machine, which stays; it asks now."""
        with self._lock:
            self.members.append(self._new(True, time.monotonic()))
            return self.members[-1]

    def bound(self):
        with self._lock:
            return [m for m in self.members if m.state in ("bound", "renewing")]

    def settled(self):
        with self._lock:
            return [m for m in self.members if m.settled]

    # ---- its life ----
    def _new(self, settled, at):
        self._made += 1
        return Member(f"02:c0:00:00:{self._made >> 8:02x}:{self._made & 0xFF:02x}", settled, at)

    def _run(self):
        try:
            while not self._stop.is_set():
                with self._lock:
                    wait = min(m.at for m in self.members) - time.monotonic()
                if select.select([self._socket], [], [], min(max(wait, 0), 0.05))[0]:
                    for frame in ether.frames(self._socket):
                        with self._lock:
                            self._heard(frame)
                now = time.monotonic()
                with self._lock:
                    for member in [m for m in self.members if m.at <= now]:
                        self._act(member, now)
        except Exception as problem:   # pylint: disable=broad-except; the test looks at it.
            self.problem = problem
            raise

    def _act(self, member, now):
        if member.state in ("bound", "renewing"):
            if now >= member.until:
                self.counts["expired"] += 1
                self._begin(member, now)
            elif not member.settled and now >= member.leaves and member.state == "bound":
                return self._leave(member, now)
            else:
                return self._ask_again(member, now)
        if member.state == "requesting" and member.tries < _REQUESTS_MAX:
            return self._request(member, now)
        member.state = "selecting"
        member.tries += 1
        member.at = now + _ANSWER
        self._broadcast(member, dhcp.DISCOVER)

    def _begin(self, member, now):
        member.state, member.address, member.server, member.waiting = "init", None, None, None
        member.xid, member.tries, member.at = self._random.getrandbits(32), 0, now

    def _request(self, member, now):
        member.state = "requesting"
        member.tries += 1
        member.at = now + _ANSWER / 2
        if member.tries >= _REQUESTS_MAX:
            member.xid = self._random.getrandbits(32)
            member.state = "init"
        self._broadcast(member, dhcp.REQUEST, requested=member.offered[0], server_id=member.offered[1])

    def _ask_again(self, member, now):
        """Unicast to the server that gave it (RFC 2131 4.3.2, RENEWING); from the fifth time on to everybody (REBINDING)."""
        if member.state != "renewing":
            member.state, member.tries, member.xid = "renewing", 0, self._random.getrandbits(32)
        member.tries += 1
        member.at = now + _ANSWER
        packet = dhcp.build(dhcp.REQUEST, member.mac, member.xid, ciaddr=member.address, broadcast=False)
        if member.tries > 4:
            self._socket.send(ether.udp_frame(member.bytes, ether.EVERYBODY, member.address, "255.255.255.255", (68, 67), packet))
        else:
            self._unicast(member, packet, now)

    def _leave(self, member, now):
        """Most say so. Who does not is another machine when it comes back. Nobody leaves while an answer may be on its way: it would cross the RELEASE."""
        if now < member.acknowledged + _ANSWER:
            member.at = member.acknowledged + _ANSWER
            return
        says = self._random.random() >= self._silent
        if says:
            mac = self._server_mac(member, now)
            if mac is None:
                member.at = now + 0.1
                return
            packet = dhcp.build(dhcp.RELEASE, member.mac, self._random.getrandbits(32), ciaddr=member.address, server_id=member.server, broadcast=False)
            self._socket.send(ether.udp_frame(member.bytes, mac, member.address, member.server, (68, 67), packet))
            self.counts["released"] += 1
        else:
            self._observer.gone(member.mac)
            self.counts["vanished"] += 1
        again = now + self._random.uniform(*self._away)
        if says and self._random.random() < 0.5:
            self._begin(member, again)
        else:
            self.members[self.members.index(member)] = self._new(False, again)

    # ---- packets ----
    def _broadcast(self, member, kind, **fields):
        packet = dhcp.build(kind, member.mac, member.xid, broadcast=member.bytes[5] % 2 == 0, **fields)
        self._socket.send(ether.udp_frame(member.bytes, ether.EVERYBODY, "0.0.0.0", "255.255.255.255", (68, 67), packet))

    def _server_mac(self, member, now):
        """None: it has been asked for."""
        mac, heard = self._servers.get(member.server, (None, 0))
        if now - heard <= _ARP_AGE:
            return mac
        self._socket.send(ether.arp_frame(ether.ARP_REQUEST, member.bytes, member.address, ether.NOBODY, member.server))
        return None

    def _unicast(self, member, packet, now):
        """Perhaps after the answer to an ARP question."""
        mac = self._server_mac(member, now)
        member.waiting = packet if mac is None else None
        if mac is not None:
            self._socket.send(ether.udp_frame(member.bytes, mac, member.address, member.server, (68, 67), packet))

    def _heard(self, frame):
        if ether.kind_of(frame) == ether.ARP:
            return self._heard_arp(frame)
        message = dhcp.parse_message(ether.parse_udp(frame)[4])
        if message and message["reply"]:
            for member in self.members:
                if member.mac == message["mac"]:
                    return self._answered(member, message, time.monotonic())
        return None

    def _heard_arp(self, frame):
        kind, mac, sender, target = ether.parse_arp(frame)
        self._servers[sender] = (mac, time.monotonic())
        for member in self.members:
            if kind == ether.ARP_REQUEST and member.address == target and sender != target:
                self._socket.send(ether.arp_frame(ether.ARP_REPLY, member.bytes, target, mac, sender))
            if member.waiting and member.server == sender:
                packet, member.waiting = member.waiting, None
                self._socket.send(ether.udp_frame(member.bytes, mac, member.address, sender, (68, 67), packet))

    def _answered(self, member, message, now):
        if message["kind"] == dhcp.OFFER and member.state == "selecting" and message["xid"] == member.xid:
            member.offered = (message["address"], dhcp.addresses(message, 54)[0])
            member.tries = 0
            self._request(member, now)
        elif message["kind"] == dhcp.NAK and member.state in ("requesting", "renewing"):
            self.counts["refused"] += 1
            self._begin(member, now)
        elif message["kind"] == dhcp.ACK:
            self._bind(member, message, now)

    def _bind(self, member, message, now):
        """Any ACK for it: one that comes late was given all the same."""
        if member.address is None:
            self.counts["joined"] += 1
            member.leaves = now + self._random.uniform(*self._stay)
        else:
            self.counts["renewed"] += 1
        member.acknowledged, member.waiting = now, None
        member.state, member.address, member.server = "bound", message["address"], dhcp.addresses(message, 54)[0]
        if member.had[-1:] != [member.address]:
            member.had.append(member.address)
        lease = dhcp.seconds(message, 51)
        member.until = now + lease
        member.at = now + min(self._random.uniform(*self._renew), lease / 2)
        if not member.settled:
            member.at = min(member.at, member.leaves)
