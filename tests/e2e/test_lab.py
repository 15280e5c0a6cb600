"""The lab itself: what the other tests lean on, and that nothing of it stays behind."""
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from harness import EndToEnd, main
from support import netns, raw
from support.backends import Etcd
from support.lab import Lab, remove_stale_labs
from support.process import has_ended
from support.waiting import wait_for

_VICTIM = """
import os, sys
sys.path.insert(0, {tests!r})
from support.lab import Lab
lab = Lab({mode!r})
child = lab.node("one").spawn(["sleep", "600"], "sleep")
print(child.pid, lab.dir, flush=True)
sys.stdin.read()
"""


class LabTest(EndToEnd):
    def test_a_raw_server_sees_every_byte_and_the_half_close(self):
        with raw.TcpServer(self.gate, raw.digest_at_end) as server, self.client.connect((self.gate.address, server.port)) as sock:
            for block in raw.known_bytes(1 << 20, seed=1):
                sock.sendall(block)
            sock.shutdown(socket.SHUT_WR)

            self.assertEqual(raw.read_all(sock).decode(), raw.known_digest(1 << 20, seed=1))

    def test_a_client_tells_a_reset_from_a_close_and_a_refusal(self):
        with raw.TcpServer(self.gate, raw.reset) as server:
            self.assertEqual(raw.how_connecting_ends(self.client, (self.gate.address, server.port)), "reset")
        with raw.TcpServer(self.gate, lambda sock: None) as server:
            self.assertEqual(raw.how_connecting_ends(self.client, (self.gate.address, server.port)), "closed")
        self.assertEqual(raw.how_connecting_ends(self.client, (self.gate.address, self.gate.free_port())), "refused")

    def test_etcd_with_client_tls_answers_only_with_a_certificate(self):
        node = self.lab.node("etcd")
        etcd = Etcd(node, self.authority().issue("etcd", addresses=[node.address]), self.authority().cert).start()
        probe = self.authority().issue("probe", client=True)
        url = f"https://{etcd.address}/health"
        certificate = ["--cert", probe.cert, "--key", probe.key]

        answered = wait_for(lambda: (r := self.client.run(["curl", "-sS", "--cacert", self.authority().cert, *certificate, url])).stdout and r,
                            10, "etcd answers /health")
        refused = self.client.run(["curl", "-sS", "--cacert", self.authority().cert, url])

        self.assertEqual(answered.stdout, '{"health":"true"}')
        self.assertNotEqual(refused.returncode, 0)

    def test_load_counts_what_each_backend_answered(self):
        server = self.tls_server("mast-1").start()
        self.port = server.port
        self.gate, gate = server.node, self.gate
        try:
            with self.load(keep_alive=2, per_request=2) as load:
                wait_for(lambda: load.count() >= 200, 20, "200 requests are done")
        finally:
            self.gate = gate

        self.assertEqual(load.errors(), [])
        self.assertEqual(load.by_backend(), {"mast-1": load.count()})
        self.assertEqual(len({(o.client, o.number) for o in load.outcomes()}), load.count())

    def test_a_random_block_is_the_same_for_the_same_seed(self):
        self.assertEqual(hashlib.sha256(b"".join(raw.known_bytes(200_000, 7))).hexdigest(), raw.known_digest(200_000, 7))
        self.assertNotEqual(raw.known_digest(1000, 7), raw.known_digest(1000, 8))


class NothingStaysTest(unittest.TestCase):
    """However the owner of a lab ends, its children and namespaces end with it."""

    def _victim(self, mode):
        tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        victim = subprocess.Popen([sys.executable, "-c", _VICTIM.format(tests=tests, mode=mode)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        self.addCleanup(victim.stdin.close)
        self.addCleanup(victim.stdout.close)
        pid, folder = victim.stdout.readline().split()
        return victim, int(pid), folder

    def test_a_killed_owner_takes_its_children_along_and_the_next_lab_removes_its_folder(self):
        for mode in ("loopback",) if netns.why_unavailable() else ("loopback", "namespaces"):
            with self.subTest(mode=mode):
                victim, child, folder = self._victim(mode)
                self.assertTrue(os.path.isdir(folder))

                victim.send_signal(signal.SIGKILL)
                victim.wait()

                wait_for(lambda: has_ended(child), 5, "the child is gone")
                remove_stale_labs()
                self.assertFalse(os.path.exists(folder))

    def test_a_closed_lab_leaves_no_folder_and_no_child(self):
        lab = Lab()
        child = lab.node("one").spawn(["sleep", "600"], "sleep")
        folder = lab.dir

        lab.close()

        self.assertFalse(child.running)
        self.assertFalse(os.path.exists(folder))
        self.assertTrue(folder.startswith(tempfile.gettempdir()))


if __name__ == "__main__":
    main()
