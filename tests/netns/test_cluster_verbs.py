"""fairlead cluster setup, join and advise on nodes with an /etc/corosync of their own: real Corosync forms a ring of what they write, and the
key is nowhere but in its file."""
import base64
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import ClusterTest, main, program    # noqa: E402
from support.corosync_lab import CorosyncLab                    # noqa: E402
from support.fairlead import to_yaml                            # noqa: E402
from support.waiting import wait_for                            # noqa: E402


class ClusterVerbsTest(ClusterTest):
    invitations = 0   # Each has an output of its own.

    def bare_nodes(self, count):
        """Nodes with nothing in /etc/corosync, and one fairlead.yaml outside of them."""
        cluster = CorosyncLab(count)
        self.addCleanup(cluster.close)
        for node in cluster.nodes.values():
            for name in ("authkey", "corosync.conf"):
                os.remove(f"{node.root}/etc/corosync/{name}")
        self.config = os.path.join(cluster.nodes[1].host.dir, "fairlead.yaml")
        nodes = [{"name": f"node{n.number}", "id": n.number, "links": [n.host.address]} for n in cluster.nodes.values()]
        self.text = to_yaml({"apiVersion": "fairlead/v1", "cluster": {"name": "lab", "profile": "fast", "nodes": nodes}})
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(self.text)
        return cluster

    def fairlead(self, node, *arguments):
        return node.run([program("fairlead"), *arguments])

    def etc(self, node, name):
        with open(f"{node.root}/etc/corosync/{name}", "rb") as file:
            return file.read()

    def invitation(self, node):
        """A waiting `cluster setup --invite` and its token."""
        host = node.spawn([program("fairlead"), "cluster", "setup", "--invite", self.config], f"invite{self.invitations}")
        self.invitations += 1
        token = wait_for(lambda: re.search(r"fairlead cluster join (\w+)", host.stdout()), 10, f"a token: {host.stderr()}")
        return host, token.group(1)

    def join(self, node, token, *options):
        return self.fairlead(node, "cluster", "join", token, *options, "--config", self.own_config(node))

    @staticmethod
    def own_config(node):
        """In place of /etc/fairlead/fairlead.yaml, which is the host's."""
        return os.path.join(node.host.dir, "etc", "fairlead.yaml")

    def assert_secret(self, key, *texts):
        for shown in (key.hex()[:24], base64.b64encode(key)[:24].decode(), base64.urlsafe_b64encode(key)[:24].decode()):
            for text in texts:
                self.assertNotIn(shown, text)

    def joins(self, cluster, number):
        """Node `number` joins by a token of node 1; everything that was said meanwhile."""
        host, token = self.invitation(cluster.nodes[1])
        with open(f"/proc/{host.pid}/cmdline", "rb") as file:
            command_line = file.read().decode()
        with open(f"/proc/{host.pid}/environ", "rb") as file:
            command_line += file.read().decode(errors="replace")
        joined = self.join(cluster.nodes[number], token)
        self.assertEqual(joined.returncode, 0, joined.stdout + joined.stderr)
        self.assertEqual(host.wait(10), 0, host.stderr())
        return command_line + joined.stdout + joined.stderr + host.stdout() + host.stderr()

    def test_two_bare_nodes_become_a_ring(self):
        cluster = self.bare_nodes(2)
        said = self.joins(cluster, 2)
        key = self.etc(cluster.nodes[1], "authkey")
        self.assertEqual(len(key), 256)
        for node in cluster.nodes.values():
            self.assertEqual(self.etc(node, "authkey"), key)
            self.assertEqual(os.stat(f"{node.root}/etc/corosync/authkey").st_mode & 0o7777, 0o400)
        self.assertEqual(self.etc(cluster.nodes[1], "corosync.conf"), self.etc(cluster.nodes[2], "corosync.conf"))
        with open(self.own_config(cluster.nodes[2]), encoding="utf-8") as file:
            self.assertIn("node: node2\n", file.read())
        self.assert_secret(key, said)
        self.no_other_file_has(key, cluster)

        cluster.start()
        probes = [self.probe(node, options=["--node", str(node.number)]) for node in cluster.nodes.values()]
        self.whole(probes)
        for probe in probes:
            probe.wait("FACTS", name="lab", token="400", consensus="480", two_node="true")

        again = self.fairlead(cluster.nodes[1], "cluster", "setup", self.config)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(again.stdout.count("unchanged"), 2, again.stdout)
        self.assertEqual(self.etc(cluster.nodes[1], "authkey"), key)

    def test_a_ring_gets_a_new_key(self):
        cluster = self.bare_nodes(3)
        for number in (2, 3):
            self.joins(cluster, number)
        old = self.etc(cluster.nodes[1], "authkey")

        os.remove(f"{cluster.nodes[1].root}/etc/corosync/authkey")
        for number in (2, 3):
            host, token = self.invitation(cluster.nodes[1])
            asked = self.join(cluster.nodes[number], token)
            self.assertEqual(asked.returncode, 5, asked.stderr)
            self.assertIn("the token is not used", asked.stderr)
            joined = self.join(cluster.nodes[number], token, "--force")
            self.assertEqual(joined.returncode, 0, joined.stderr)
            self.assertEqual(host.wait(10), 0, host.stderr())
            self.assertEqual(self.etc(cluster.nodes[number], "authkey.before-fairlead"), old)

        self.assertNotEqual(self.etc(cluster.nodes[1], "authkey"), old)
        cluster.start()
        self.whole([self.probe(node, options=["--node", str(node.number)]) for node in cluster.nodes.values()])

    def no_other_file_has(self, key, cluster):
        """No file of the nodes but authkey holds the key, as bytes or as hex."""
        for node in cluster.nodes.values():
            for top in (f"{node.root}/etc/corosync", f"{node.root}/run", f"{node.root}/dev/shm", node.host.dir):
                for folder, _, names in os.walk(top):
                    for name in names:
                        path = os.path.join(folder, name)
                        if name == "authkey" or not os.path.isfile(path):
                            continue
                        with open(path, "rb") as file:
                            data = file.read()
                        self.assertNotIn(key[:16], data, path)
                        self.assertNotIn(key.hex()[:32].encode(), data, path)

    def test_a_token_is_good_once_and_only_whole(self):
        cluster = self.bare_nodes(2)
        host, token = self.invitation(cluster.nodes[1])
        wrong = ("b" if token[0] != "b" else "c") + token[1:]
        refused = self.join(cluster.nodes[2], wrong)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("copy it whole", refused.stderr)
        self.assertEqual(os.listdir(f"{cluster.nodes[2].root}/etc/corosync"), [])
        self.assertTrue(host.running)
        self.assertEqual(self.join(cluster.nodes[2], token).returncode, 0)
        self.assertEqual(host.wait(10), 0)
        used = self.join(cluster.nodes[2], token, "--force")   # It has a key by now.
        self.assertEqual(used.returncode, 1)
        self.assertIn("nobody waits", used.stderr)

    def test_without_the_key_a_node_does_not_get_in(self):
        cluster = self.bare_nodes(2)
        for number in (1, 2):   # Each makes a key of its own.
            made = self.fairlead(cluster.nodes[number], "cluster", "setup", self.config)
            self.assertEqual(made.returncode, 0, made.stderr)
        self.assertNotEqual(self.etc(cluster.nodes[1], "authkey"), self.etc(cluster.nodes[2], "authkey"))
        cluster.start()
        probes = [self.probe(node) for node in cluster.nodes.values()]
        for probe, alone in zip(probes, ("1", "2")):
            probe.wait("VIEW", nodes=alone)

    def test_injected_pauses_change_the_advice(self):
        cluster = self.bare_nodes(1)

        def advice(freeze):
            run = cluster.nodes[1].spawn([program("fairlead"), "--json", "cluster", "advise", "--duration", "2s", self.config], f"advise{freeze}")
            if freeze:
                wait_for(lambda: sleeps(run.pid) > 50, 10, "it measures")
                run.freeze()
                started = os.times().elapsed
                wait_for(lambda: os.times().elapsed - started > 0.6, 10, "600 ms are over")
                run.thaw()
            self.assertEqual(run.wait(20), 0, run.stderr())
            return json.loads(run.stdout())

        quiet, paused = advice(False), advice(True)
        print(f"longest pause {quiet['longest_ms']} ms, with one of at least 600 ms injected {paused['longest_ms']} ms")
        self.assertGreaterEqual(paused["longest_ms"], 590)
        self.assertTrue(paused["configured"]["too_short"])
        self.assertIn("token", paused["advice"])
        if quiet["longest_ms"] > 190:
            self.skipTest(f"this machine pauses by itself: {quiet['longest_ms']} ms")
        self.assertFalse(quiet["configured"]["too_short"])
        self.assertNotEqual(quiet["advice"], paused["advice"])


def sleeps(pid):
    """How often the youngest thread went to sleep."""
    with open(f"/proc/{pid}/task/{max(map(int, os.listdir(f'/proc/{pid}/task')))}/status", encoding="ascii") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.MULTILINE).group(1))


if __name__ == "__main__":
    main()
