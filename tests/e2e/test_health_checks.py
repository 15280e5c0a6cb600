"""Checks that succeed: every type, against real servers, with the certificates of a real API."""
from harness import FAST_CHECKS, EndToEnd, main
from support import raw
from support.backends import Etcd, Nginx
from support.waiting import wait_for


class HealthChecksTest(EndToEnd):
    def _await_up(self, server, **health):
        gate = self.gateway([server], health=health)
        gate.wait_all_up()
        return gate

    def test_etcd_with_client_certificates(self):
        node = self.lab.node("etcd")
        etcd = Etcd(node, self.authority().issue("etcd", addresses=[node.address]), self.authority().cert).start()
        probe = self.authority().issue("probe", client=True)

        gate = self._await_up(etcd, type="https", path="/health", ca=self.authority().cert, cert=probe.cert, key=probe.key)

        self.assertEqual(gate.server("etcd")["check"]["detail"][:3], "200")

    def test_https_by_the_servers_address_as_alternative_name(self):
        server = self.tls_server("mast-1").start()

        self._await_up(server, **self.https_health())

    def test_https_by_a_name_given_as_server_name(self):
        node = self.lab.node("named")
        server = Nginx(node, self.authority().issue("named", names=["api.kube.demo"])).start()

        self._await_up(server, **self.https_health(server_name="api.kube.demo"))

    def test_https_without_verification(self):
        server = self.tls_server("mast-1").start()

        self._await_up(server, type="https", path="/readyz", verify=False)

    def test_tls_http_and_tcp(self):
        tls, plain = self.tls_server("mast-1").start(), Nginx(self.lab.node("plain")).start()

        self._await_up(tls, type="tls", ca=self.authority().cert)
        self._await_up(plain, type="http", path="/readyz")
        self._await_up(plain, type="tcp")

    def test_the_check_asks_for_path_host_and_expects_a_status(self):
        requests = []

        def answer(sock):
            requests.append(sock.recv(4096).decode())
            sock.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")

        self._await_up(self.raw_server("peer", answer), type="http", path="/livez?verbose", host="api.example", expect=[204])

        self.assertTrue(requests[0].startswith("GET /livez?verbose HTTP/1.1\r\n"), requests[0])
        self.assertIn("\r\nHost: api.example\r\n", requests[0])

    def test_the_token_of_a_file_is_sent(self):
        token = f"{self.gate.dir}/token"
        with open(token, "w", encoding="ascii") as file:
            file.write("abc.def\n")
        server = self.tls_server("guarded").start()

        self._await_up(server, **self.https_health(token_file=token))

        self.assertIn('"Bearer abc.def"', server.access_log()[0])

    def test_a_check_on_another_port(self):
        checked = Nginx(self.lab.node("plain2")).start()
        server = self.raw_server("plain2")

        self._await_up(server, type="http", path="/readyz", port=checked.port)

        self.assertEqual(self.ask(), "plain2")

    def test_a_check_leaves_no_noise_in_an_nginx_log(self):
        server = self.tls_server("quiet").start()
        gate = self._await_up(server, **self.https_health())
        wait_for(lambda: len(server.access_log()) >= 5, 10, "five checks were made")

        gate.stop()

        with open(f"{server.node.dir}/quiet.error.log", encoding="utf-8") as log:
            self.assertEqual(log.read(), "")
        self.assertTrue(all('"GET /readyz HTTP/1.1" 200' in line for line in server.access_log()))

    def test_fall_failures_eject_and_rise_successes_bring_back(self):
        healthy = [True]

        def answer(sock):
            sock.recv(4096)
            sock.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % (b"200 OK" if healthy[0] else b"500 No"))

        peer = self.raw_server("peer", answer)
        gate = self.gateway([peer], health={"type": "http", **FAST_CHECKS, "rise": 3, "fall": 3})
        gate.wait_all_up()

        healthy[0] = False
        gate.wait_states(peer="down")
        detail = gate.server("peer")["check"]
        healthy[0] = True
        gate.wait_states(peer="up")

        self.assertEqual(detail["result"], "status")
        self.assertIn("500", detail["detail"])

    def test_a_single_failure_below_fall_changes_nothing(self):
        failures = [0]

        def answer(sock):
            sock.recv(4096)
            bad = failures[0] == 1
            failures[0] += 1
            sock.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % (b"500 No" if bad else b"200 OK"))

        peer = self.raw_server("peer", answer)
        gate = self.gateway([peer], health={"type": "http", "fall": 2, "rise": 1})
        gate.wait_all_up()
        wait_for(lambda: failures[0] >= 4, 10, "checks after the failed one")

        self.assertEqual(gate.server_states(), {"peer": "up"})
        self.assertEqual(gate.events("SERVER_DOWN"), [])


if __name__ == "__main__":
    main()
