"""Who was given which address and for how long, by what passed over a bridge: neither servers nor clients are asked.

A lease counts from the ACK on the bridge for the time that it says, also when nobody took it; it ends before when its client gives it back
(RELEASE, DECLINE), is refused (NAK), gets another address, or is gone by the word of the test. An ACK of an address that is another client's is an
overlap.
"""
import collections
import select
import struct
import threading
import time

from support import dhcp, ether

Ack = collections.namedtuple("Ack", "at address mac lease gateway")
Overlap = collections.namedtuple("Overlap", "at address given_to gateway held_by held_for")


class DhcpObserver:
    """`switch`: the namespace of the bridge. `gateways`: {MAC: name}, of those that may serve."""

    def __init__(self, switch, gateways, bridge="br0"):
        self._gateways = gateways
        self._socket = ether.packet_socket(switch, bridge, promiscuous=True)
        self._lock = threading.Lock()
        self._held = {}      # Address: (MAC, until)
        self._address = {}   # MAC: address
        self.acks, self.overlaps = [], []
        self.counts = collections.Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer")
        self._thread.start()

    def close(self):
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def gone(self, mac):
        """Without a word: the machine of that MAC does not use its address any more."""
        with self._lock:
            self._end(mac)

    def held_by(self, mac):
        with self._lock:
            return self._address.get(mac)

    def acks_since(self, count):
        with self._lock:
            return self.acks[count:]

    def held(self):
        """How many leases are in force."""
        now = time.monotonic()
        with self._lock:
            return sum(until > now for _, until in self._held.values())

    def _run(self):
        while not self._stop.is_set():
            if select.select([self._socket], [], [], 0.2)[0]:
                for frame in ether.frames(self._socket):
                    if ether.kind_of(frame) == ether.IPV4:
                        self._heard(frame)

    def _heard(self, frame):
        message = dhcp.parse_message(ether.parse_udp(frame)[4])
        if message is None:
            return
        mac, kind = message["mac"], message["kind"]
        with self._lock:
            self.counts[kind] += 1
            if kind in (dhcp.RELEASE, dhcp.DECLINE, dhcp.NAK):
                self._end(mac)
            elif kind == dhcp.ACK and message["address"] != "0.0.0.0":
                self._acknowledged(mac, message, frame)

    def _acknowledged(self, mac, message, frame):
        now, address = time.monotonic(), message["address"]
        lease = struct.unpack("!I", message[51])[0]
        gateway = self._gateways.get(ether.mac_text(frame[6:12]), ether.mac_text(frame[6:12]))
        self.acks.append(Ack(now, address, mac, lease, gateway))
        other, until = self._held.get(address, (None, 0))
        if other not in (None, mac) and until > now:
            self.overlaps.append(Overlap(now, address, mac, gateway, other, until - now))
            self._address.pop(other, None)
        if self._address.get(mac) != address:
            self._end(mac)
        self._held[address] = (mac, now + lease)
        self._address[mac] = address

    def _end(self, mac):
        address = self._address.pop(mac, None)
        if address is not None and self._held.get(address, (None, 0))[0] == mac:
            del self._held[address]
