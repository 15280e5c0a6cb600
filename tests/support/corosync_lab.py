"""Real Corosync on every node of a lab. Each node has a network and a mount namespace of its own, and in it its own /dev/shm, /run,
/etc/corosync and /var/lib/corosync; nothing is written outside and nothing stays behind.

    with CorosyncLab(3) as cluster:
        cluster.start()
        probe = cluster.nodes[1].spawn([program, ...], "probe")
        cluster.nodes[3].corosync.kill()
"""
import os
import shutil

from support.lab import Lab
from support.promises import TIMING
from support.waiting import wait_for

_KEEPER = ("for at in /dev/shm /run /etc/corosync /var/lib/corosync; do mount -t tmpfs none $at || exit 1; done; "
           "echo ready; exec tail -f /dev/null")


def why_unavailable():
    """None when Corosync can be run here; else the reason."""
    from support import netns
    if shutil.which("corosync") is None:
        return "corosync is not installed"
    if not os.path.isdir("/etc/corosync"):
        return "there is no /etc/corosync to mount over"
    return netns.why_unavailable()


def config(hosts, name="lab", token=TIMING["vm"].token, consensus=TIMING["vm"].consensus):
    """A corosync.conf for these hosts, ids from 1."""
    nodes = "".join(f"  node {{\n    nodeid: {i}\n    name: node{i}\n    ring0_addr: {host.address}\n  }}\n" for i, host in enumerate(hosts, 1))
    two_node = "  two_node: 1\n" if len(hosts) == 2 else ""
    return (f"totem {{\n  version: 2\n  cluster_name: {name}\n  transport: knet\n  token: {token}\n  token_coefficient: 0\n"
            f"  consensus: {consensus}\n  crypto_cipher: aes256\n  crypto_hash: sha256\n"
            f"  interface {{\n    linknumber: 0\n    knet_ping_interval: 200\n    knet_ping_timeout: {max(400, token // 2)}\n  }}\n}}\n"
            f"quorum {{\n  provider: corosync_votequorum\n{two_node}  wait_for_all: 0\n}}\n"
            f"logging {{\n  to_stderr: yes\n  to_syslog: no\n}}\nnodelist {{\n{nodes}}}\n"
            # No real-time process: several on one machine would take every CPU, from their own network threads, too.
            "system {\n  sched_rr: no\n}\n")


class CorosyncLab:
    """`make_config(hosts)` returns the text of corosync.conf, or a list of one for each host."""

    def __init__(self, count, make_config=config):
        self.lab = Lab(mode="namespaces")
        self.nodes = {}
        try:
            hosts = [self.lab.node(f"node{i}") for i in range(1, count + 1)]
            texts = make_config(hosts)
            key = os.urandom(256)
            for i, host in enumerate(hosts, 1):
                self.nodes[i] = CorosyncNode(host, i, texts if isinstance(texts, str) else texts[i - 1], key)
        except BaseException:
            self.lab.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.lab.close()

    def start(self, ids=None):
        for i in ids or self.nodes:
            self.nodes[i].start_corosync()


class CorosyncNode:
    def __init__(self, host, number, text, key):
        self.host = host
        self.number = number
        self.corosync = None
        self._lives = 0
        self._keeper = host.spawn(["unshare", "--mount", "--propagation", "private", "sh", "-c", _KEEPER], "keeper")
        wait_for(lambda: "ready" in self._keeper.stdout(), 10, "the node's mounts are made")
        self.root = f"/proc/{self._keeper.pid}/root"
        for name, data in (("corosync.conf", text.encode()), ("authkey", key)):
            with open(f"{self.root}/etc/corosync/{name}", "wb") as file:
                file.write(data)

    def _inside(self, argv):
        return ["nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt", *argv]

    def spawn(self, argv, name, **options):
        """A child in both namespaces; nsenter becomes it, so its pid is the program's."""
        return self.host.spawn(self._inside(argv), name, **options)

    def run(self, argv, **options):
        return self.host.run(self._inside(argv), **options)

    def start_corosync(self):
        self._lives += 1
        self.corosync = self.spawn(["corosync", "-f"], f"corosync{self._lives}")

    def vanish(self):
        self.host.vanish()

    def come_back(self):
        self.host.come_back()
