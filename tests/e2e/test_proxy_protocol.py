"""PROXY v1 and v2 towards servers and from balancers in front, and the source address of server legs."""
import socket
import struct

from harness import EndToEnd, main
from support import raw
from support.waiting import wait_for

V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source, destination, more=b"", command=1):
    body = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack("!HH", source[1], destination[1]) + more
    return V2_SIGNATURE + bytes([0x20 | command, 0x11]) + struct.pack("!H", len(body)) + body


def read_v2(sock):
    """(source, destination) of a v2 header over IPv4."""
    signature = raw.read_exactly(sock, 12)
    if signature != V2_SIGNATURE:
        raise ValueError(f"not a v2 header: {signature!r}")
    version, family, length = struct.unpack("!BBH", raw.read_exactly(sock, 4))
    body = raw.read_exactly(sock, length)
    if (version, family) != (0x21, 0x11):
        raise ValueError(f"version {version:#x}, family {family:#x}")
    ports = struct.unpack("!HH", body[8:12])
    return (socket.inet_ntoa(body[:4]), ports[0]), (socket.inet_ntoa(body[4:8]), ports[1])


class ProxyProtocolTest(EndToEnd):
    def _recorder(self, read):
        """A server that reads a header, notes it and echoes. Only real clients reach it: health is `none`."""
        seen = []

        def handler(sock):
            seen.append(read(sock))
            raw.echo(sock)

        return self.raw_server("peer", handler), seen

    def _start(self, read=None, *, listener=None, **pool):
        server, seen = self._recorder(read or (lambda sock: sock.getpeername()))
        return self.gateway([server], listener=listener, pool=pool, health={"type": "none"}), seen

    def _assert_echo(self, sock):
        sock.sendall(b"hello")
        self.assertEqual(raw.read_exactly(sock, 5), b"hello")

    # ---- out ----
    def test_v1_tells_the_server_who_the_client_is(self):
        _, seen = self._start(raw.read_line, send_proxy="v1")
        sock = self.connect()
        self._assert_echo(sock)

        client, front = sock.getsockname(), self.front
        self.assertEqual(seen, [f"PROXY TCP4 {client[0]} {front[0]} {client[1]} {front[1]}\r"])

    def test_v2_tells_the_server_who_the_client_is(self):
        _, seen = self._start(read_v2, send_proxy="v2")
        sock = self.connect()
        self._assert_echo(sock)

        self.assertEqual(seen, [(sock.getsockname(), self.front)])

    def test_the_header_goes_out_even_when_the_server_speaks_first(self):
        server = self.raw_server("peer", lambda sock: sock.sendall(raw.read_line(sock).encode()))
        self.gateway([server], pool={"send_proxy": "v1"}, health={"type": "none"})

        self.assertTrue(raw.read_all(self.connect()).startswith(b"PROXY TCP4 "))

    # ---- in ----
    def test_v1_and_v2_from_a_balancer_in_front_are_taken_off_and_passed_on(self):
        _, seen = self._start(read_v2, listener={"accept_proxy": True}, send_proxy="v2")
        headers = [b"PROXY TCP4 203.0.113.9 198.51.100.1 4321 443\r\n", v2(("203.0.113.9", 4321), ("198.51.100.1", 443)),
                   v2(("203.0.113.9", 4321), ("198.51.100.1", 443), more=b"\x04\x00\x02ab")]

        for header in headers:
            sock = self.connect()
            sock.sendall(header)
            self._assert_echo(sock)

        self.assertEqual({source for source, _ in seen}, {("203.0.113.9", 4321)})
        self.assertEqual(len(seen), 3)

    def test_a_header_in_pieces_and_data_in_the_same_packet(self):
        _, seen = self._start(read_v2, listener={"accept_proxy": True}, send_proxy="v2")
        header = b"PROXY TCP4 203.0.113.9 198.51.100.1 4321 443\r\n"
        sock = self.connect()
        for byte in header[:-1]:
            sock.sendall(bytes([byte]))
        sock.sendall(header[-1:] + b"first words")

        self.assertEqual(raw.read_exactly(sock, 11), b"first words")
        self.assertEqual(seen[0][0], ("203.0.113.9", 4321))

    def test_local_and_unknown_connections_of_the_balancer_are_served(self):
        self._start(listener={"accept_proxy": True})

        for header in (b"PROXY UNKNOWN\r\n", v2(("0.0.0.0", 0), ("0.0.0.0", 0), command=0)):
            sock = self.connect()
            sock.sendall(header)
            self._assert_echo(sock)

    def test_anything_else_is_closed_and_the_server_never_hears_of_it(self):
        gate, seen = self._start(listener={"accept_proxy": True})
        bad = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PROXY TCP4 nonsense\r\n", b"\x16\x03\x01" + b"x" * 200, b"PROXY TCP4 " + b"1" * 300,
               V2_SIGNATURE + b"\x31\x11\x00\x0c" + b"x" * 12, V2_SIGNATURE + b"\x21\x11\x00\x02ab"]

        for text in bad:
            with self.subTest(text[:30]):
                sock = self.connect()
                sock.sendall(text)
                self.assertIn(raw.how_it_ends(sock), ("reset", "closed"))

        self.assertEqual(seen, [])
        wait_for(lambda: gate.listener_status()["connections"]["current"] == 0, 5, "none is left")

    def test_allow_looks_at_the_client_in_the_header(self):
        gate, seen = self._start(listener={"accept_proxy": True, "allow": ["203.0.113.0/24"]})
        good, bad = self.connect(), self.connect()

        good.sendall(b"PROXY TCP4 203.0.113.9 198.51.100.1 4321 443\r\n")
        bad.sendall(b"PROXY TCP4 192.0.2.1 198.51.100.1 4321 443\r\n")

        self._assert_echo(good)
        self.assertIn(raw.how_it_ends(bad), ("reset", "closed"))
        self.assertEqual(len(seen), 1)
        wait_for(lambda: gate.listener_status()["connections"]["shed"] == 1, 5, "the refused one is counted")

    # ---- source ----
    def test_server_legs_come_from_the_address_of_source(self):
        address = self.gate.add_address()
        _, seen = self._start(source=address)
        self._assert_echo(self.connect())

        self.assertEqual(seen[0][0], address)


if __name__ == "__main__":
    main()
