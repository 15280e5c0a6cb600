"""Memory of idle connections, descriptors after churn, processes after the end."""
import resource
import selectors

from harness import SANITIZER, EndToEnd, main
from support import raw
from support.backends import Nginx
from support.waiting import wait_for

IDLE_BYTES_MAX = 512   # design, section 9


class ResourcesTest(EndToEnd):
    def _open_idle(self, count, held):
        """Opens plain HTTP connections with one request each, a few hundred at a time."""
        request = b"GET /one HTTP/1.1\r\nHost: lab\r\n\r\n"
        while len(held) < count:
            group = min(250, count - len(held))
            selector = selectors.DefaultSelector()
            for _ in range(group):
                sock = self.client.connect(self.front, timeout=30)
                sock.sendall(request)
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ, b"")
                held.append(sock)
            while selector.get_map():
                ready = selector.select(30)
                self.assertTrue(ready, "no answer for 30 s")
                for key, _ in ready:
                    data = key.data + key.fileobj.recv(4096)
                    if b"/one\n" in data:
                        selector.unregister(key.fileobj)
                    else:
                        selector.modify(key.fileobj, selectors.EVENT_READ, data)
            selector.close()

    def test_an_idle_connection_costs_at_most_512_bytes(self):
        if SANITIZER:
            self.skipTest("memory under a sanitizer says nothing")
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        # Two descriptors per connection in the daemon, and its own reserve; one in nginx, one here.
        most = min(10_000, (limit - 1500) // 2)
        if most < 3000:
            self.skipTest(f"the descriptor limit of {limit} leaves room for {most} connections only")
        server = Nginx(self.lab.node("mast-1"), connections=20_000).start()
        gate = self.gateway([server], listener={"max_connections": 0, "log": True, "per_source_connections": 50_000}, health={"type": "http", "path": "/readyz"})
        gate.wait_all_up()
        held = []
        self.addCleanup(lambda: [sock.close() for sock in held])

        self._open_idle(1000, held)
        at_1000 = gate.process.rss_bytes()
        self._open_idle(most, held)
        at_most = gate.process.rss_bytes()

        wait_for(lambda: gate.listener_status()["connections"]["current"] == most, 5, f"all {most} are counted")
        self.assertEqual(len(gate.connections()), most)
        each = (at_most - at_1000) / (most - 1000)
        print(f"\n{gate.status()['engine']}: RSS {at_1000 / 1e6:.1f} MB at 1,000 and {at_most / 1e6:.1f} MB at {most:,} idle connections: {each:.0f} B each")
        self.assertLessEqual(each, IDLE_BYTES_MAX)

    def test_churn_leaves_no_descriptor_no_buffer_and_no_connection(self):
        servers = [self.raw_server("a"), self.raw_server("b", lambda sock: raw.reset(sock))]
        gate = self.gateway(servers, health={"type": "none"})
        self._churn(50)
        wait_for(lambda: gate.listener_status()["connections"]["current"] == 0, 10, "the first ones are over")
        wait_for(lambda: sum(w["buffers_in_use"] for w in gate.status()["workers"]) == 0, 5, "no buffer is in use")
        before = wait_for(gate.process.descriptors, 1, "a count")

        self._churn(600)

        wait_for(lambda: gate.listener_status()["connections"]["current"] == 0, 10, "all are over")
        wait_for(lambda: all(s["connections"]["current"] == 0 for s in gate.status()["pools"][0]["servers"]), 5, "no server has one")
        wait_for(lambda: sum(w["buffers_in_use"] for w in gate.status()["workers"]) == 0, 5, "no buffer is in use")
        wait_for(lambda: gate.process.descriptors() <= before, 10, f"no more than the {before} descriptors of the beginning")

    def _churn(self, count):
        """Connections that end in every way: politely, by reset, in the middle of bytes, before the server is reached."""
        for number in range(count):
            kind = number % 5
            sock = None
            try:
                sock = self.client.connect(self.front)
                if kind == 0:
                    raw.read_line(sock)
                elif kind == 1:
                    sock.sendall(b"x" * 50_000)
                    raw.reset(sock)
                elif kind == 2:
                    raw.reset(sock)
                elif kind == 3:
                    sock.sendall(b"some words")
                    sock.settimeout(5)
                    sock.recv(100)
            except ConnectionError:
                pass   # Server b resets everybody.
            if sock:
                sock.close()

    def test_memory_does_not_grow_with_churn(self):
        if SANITIZER:
            self.skipTest("memory under a sanitizer says nothing")
        gate = self.gateway([self.raw_server("a")], health={"type": "none"}, listener={"log": True})
        self._churn(1000)
        before = gate.process.rss_bytes()

        self._churn(2000)

        self.assertLess(gate.process.rss_bytes() - before, 2 << 20)


if __name__ == "__main__":
    main()
