"""Programs people use, through the proxy: curl, and etcdctl with its long watches over HTTP/2."""
import os

from harness import EndToEnd, main
from support.backends import Etcd
from support.waiting import wait_for


class CurlTest(EndToEnd):
    def test_curl_verifies_the_servers_certificate_through_the_gateway(self):
        servers = [self.tls_server(f"mast-{i}").start() for i in (1, 2, 3)]
        self.gateway(servers, health=self.https_health()).wait_all_up()
        url = "https://{}:{}/".format(*self.front)

        answers = [self.client.run(["curl", "-sS", "-m", "10", "--cacert", self.authority().cert, "-w", "%{http_code} %{ssl_verify_result}\n", f"{url}{i}"])
                   for i in range(6)]

        self.assertEqual([a.stdout.split("\n")[1] for a in answers], ["200 0"] * 6, answers)
        self.assertEqual({a.stdout.split()[0] for a in answers}, {"mast-1", "mast-2", "mast-3"})


class EtcdTest(EndToEnd):
    def setUp(self):
        super().setUp()
        node = self.lab.node("etcd")
        self.etcd = Etcd(node, self.authority().issue("etcd", addresses=[node.address, self.gate.address]), self.authority().cert).start()
        self.addCleanup(self.etcd.kill)
        self.probe = self.authority().issue("probe", client=True)
        self.one = self.gateway([self.etcd], health={"type": "https", "path": "/health", "ca": self.authority().cert,
                                                     "cert": self.probe.cert, "key": self.probe.key})
        self.one.wait_all_up()

    def _etcdctl(self, *arguments):
        return ["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", "https://{}:{}".format(*self.front), "--cacert", self.authority().cert,
                "--cert", self.probe.cert, "--key", self.probe.key, *arguments]

    def _run(self, *arguments):
        done = self.client.run(self._etcdctl(*arguments))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_a_key_written_through_the_gateway_is_read_back(self):
        self._run("put", "greeting", "hello " * 1000)

        self.assertEqual(self._run("get", "--print-value-only", "greeting").strip(), ("hello " * 1000).strip())

    def test_a_watch_outlives_reloads_and_a_drain(self):
        watch = self.client.spawn(self._etcdctl("watch", "key"), "watch")
        own = wait_for(lambda: [c["id"] for c in self.one.connections() if c["bytes"]["out"] > 0], 10, "the watch is connected")[0]
        self._put_until_seen(watch, "before")

        for number in range(1, 6):
            self.one.pool()["idle_timeout"] = f"{number}h"
            self.one.write()
            self.one.reload()
        self.one.cli("--force", "server", "drain", "masters/etcd")
        self.assertTrue(watch.running)
        self.one.server_verb("ready", "etcd")
        self.one.wait_all_up()
        self._put_until_seen(watch, "after")

        self.assertIn(own, [c["id"] for c in self.one.connections()], "the watch had to connect again")
        self.assertEqual(os.path.getsize(watch.stderr_path), 0, watch.stderr())

    def _put_until_seen(self, watch, value):
        def seen():
            self._run("put", "key", value)
            return value in watch.stdout()

        wait_for(seen, 10, f"the watch shows {value}", interval=0.1)


if __name__ == "__main__":
    main()
