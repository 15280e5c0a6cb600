"""Checks that fail: each says in the status and in the event what is wrong, and names the remedy where it is ours."""
from harness import EndToEnd, main
from support import raw
from support.backends import Etcd, Nginx
from support.pki import Authority
from support.waiting import wait_for


class HealthFailuresTest(EndToEnd):
    def _assert_down(self, server, result, detail, **health):
        """The server is down, the check's word is `result`, its detail matches; a healthy neighbour is served."""
        neighbour = self.raw_server("neighbour")
        gate = self.gateway([server], health={"timeout": "500ms", **health}, start=False)
        port = self.gate.free_port()
        gate.config["listeners"].append({"name": "other", "bind": [f"{self.gate.address}:{port}"], "pool": "others"})
        gate.config["pools"].append({"name": "others", "health": {"type": "tcp"}, "servers": [{"name": "n", "address": neighbour.address}]})
        gate.write()
        gate.start()
        name = server["name"] if isinstance(server, dict) else server.name
        wait_for(lambda: gate.server(name)["state"] == "down", 10, "it is down")
        check = gate.server(name)["check"]
        self.assertEqual(check["result"], result, check)
        self.assertRegex(check["detail"].lower(), detail)
        gate.stop()
        return check["detail"]

    def test_an_expired_certificate(self):
        node = self.lab.node("expired")
        server = Nginx(node, self.authority().issue("expired", addresses=[node.address], expired=True)).start()

        self._assert_down(server, "tls", "expired", **self.https_health())

    def test_the_certificate_of_another_authority(self):
        server = self.tls_server("mast-1").start()
        stranger = Authority(self.lab.dir, "stranger")

        self._assert_down(server, "tls", "issuer|verif|signed", **self.https_health(ca=stranger.cert))

    def test_a_certificate_for_another_name(self):
        node = self.lab.node("wrong")
        server = Nginx(node, self.authority().issue("wrong", addresses=["192.0.2.1"], names=["other.example"])).start()

        self._assert_down(server, "tls", "mismatch|name|address", **self.https_health())

    def test_no_client_certificate_for_a_server_that_wants_one(self):
        node = self.lab.node("etcd")
        etcd = Etcd(node, self.authority().issue("etcd", addresses=[node.address]), self.authority().cert).start()

        self._assert_down(etcd, "tls", "certificate", **self.https_health(path="/health"))

    def test_a_server_without_tls(self):
        self._assert_down(Nginx(self.lab.node("plain")).start(), "tls", ".", **self.https_health())

    def test_an_unexpected_status(self):
        self._assert_down(Nginx(self.lab.node("plain3")).start(), "status", "200", type="http", path="/readyz", expect=[204])

    def test_nonsense_instead_of_http(self):
        def nonsense(sock):
            sock.recv(4096)
            sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        self._assert_down(self.raw_server("peer", nonsense), "protocol", ".", type="http")

    def test_an_endless_answer(self):
        def endless(sock):
            sock.recv(4096)
            sock.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100_000):
                sock.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")

        self._assert_down(self.raw_server("peer", endless), "protocol", ".", type="http")

    def test_a_server_that_accepts_and_is_silent(self):
        self._assert_down(self.raw_server("peer", raw.silent), "timeout", "500", type="http")

    def test_a_server_that_hangs_up(self):
        self._assert_down(self.raw_server("peer", lambda sock: sock.recv(4096) and None), "closed", ".", type="http")

    def test_nobody_listening(self):
        node = self.lab.node("nobody")

        self._assert_down({"name": "nobody", "address": f"{node.address}:{node.free_port()}"}, "refused", ".", type="tcp")

    def test_a_name_that_does_not_resolve(self):
        server = {"name": "lost", "address": "no-such-host.invalid:6443"}
        neighbour = self.raw_server("neighbour")
        gate = self.gateway([server, neighbour])

        self.assertEqual({self.ask() for _ in range(4)}, {"neighbour"})
        lost = wait_for(lambda: (s := gate.server("lost"))["check"]["result"] == "unresolved" and s, 15, "the name is reported as unresolved")
        self.assertIn(lost["state"], ("unknown", "down"))
        event = wait_for(lambda: gate.events("SERVER_RESOLVE_FAILED"), 15, "an event names it")[0]
        self.assertEqual(dict(event["fields"])["host"], "no-such-host.invalid")

    def test_a_ca_file_that_is_missing_is_our_own_fault_and_named(self):
        server = self.tls_server("mast-1").start()
        missing = f"{self.gate.dir}/no-such-ca.crt"
        gate = self.gateway([server], health=self.https_health(ca=missing), start=False)

        done = gate.check()
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout + done.stderr, r"fairlead\.yaml:\d+:\d+: error: health.ca .*no-such-ca\.crt")

        gate.launch()
        check = wait_for(lambda: (c := gate.server("mast-1")["check"])["result"] == "local" and c, 10, "the check says it is our fault")
        self.assertIn("no-such-ca.crt", check["detail"])

    def test_a_replaced_certificate_is_noticed(self):
        node = self.lab.node("renewed")
        bad = Nginx(node, self.authority().issue("renewed-old", addresses=[node.address], expired=True)).start()
        gate = self.gateway([bad], health=self.https_health(), start=False).start(ready=False)
        gate.wait_states(renewed="down")

        bad.kill()
        Nginx(node, self.authority().issue("renewed-new", addresses=[node.address]), port=bad.port).start()

        gate.wait_states(renewed="up")


if __name__ == "__main__":
    main()
