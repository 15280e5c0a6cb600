"""A Corosync cluster in a lab: each node has its own network and mount namespace, with its own /dev/shm, /run, /etc/corosync and
/var/lib/corosync. A node is cut off by closing its bridge port, which leaves its carrier up, as a switch fault does.

    with Cluster(3, profile="vm") as cluster:
        cluster.start()
        cluster.nodes[3].cut()
"""
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", ".."))

from support.lab import Lab, _ip            # noqa: E402
from support.promises import TIMING         # noqa: E402
from support.waiting import wait_for        # noqa: E402

Event = namedtuple("Event", "node at turn kind fields")

_CONFIG = """totem {{
  version: 2
  cluster_name: lab
  transport: knet
  token: {token}
  token_coefficient: 0
  consensus: {consensus}
{extra}  crypto_cipher: {cipher}
  crypto_hash: {hash}
  keyfile: /etc/corosync/authkey
  interface {{
    linknumber: 0
    knet_ping_interval: 200
    knet_ping_timeout: {ping_timeout}
  }}
}}
quorum {{
  provider: corosync_votequorum
  {two_node}
  wait_for_all: 0
}}
logging {{
  to_stderr: yes
  to_syslog: no
  timestamp: hires
  debug: {debug}
}}
nodelist {{
{nodes}}}
"""
_KEEPER = ("mount -t tmpfs none /dev/shm && mount -t tmpfs none /run && mount -t tmpfs none /etc/corosync && "
           "mount -t tmpfs none /var/lib/corosync && echo ready && exec tail -f /dev/null")


def build(name):
    """Compiles NAME.c beside this file; returns the program."""
    out = os.path.join(tempfile.gettempdir(), f"fairlead-experiment.{os.getuid()}")
    os.makedirs(out, exist_ok=True)
    program, source = os.path.join(out, name), os.path.join(HERE, f"{name}.c")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        new = f"{program}.{os.getpid()}"
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", new, source, "-lcpg", "-lquorum", "-lvotequorum", "-lcmap"], check=True)
        os.rename(new, program)
    return program


class Cluster:
    def __init__(self, count, profile="vm", crypto=False, debug=False, **totem):
        self.token, self.consensus = TIMING[profile].token, TIMING[profile].consensus
        self.lab = Lab(mode="namespaces")
        self.nodes = {}
        try:
            hosts = [self.lab.node(f"node{i}") for i in range(1, count + 1)]
            config = _CONFIG.format(
                token=self.token, consensus=self.consensus, ping_timeout=max(400, self.token // 2),
                extra="".join(f"  {key}: {value}\n" for key, value in totem.items()), cipher="aes256" if crypto else "none", hash="sha256" if crypto else "none",
                two_node="two_node: 1" if count == 2 else "", debug="on" if debug else "off",
                nodes="".join(f"  node {{\n    nodeid: {i}\n    name: node{i}\n    ring0_addr: {host.address}\n  }}\n"
                              for i, host in enumerate(hosts, 1)))
            with self.lab._switch.entered():
                self._switch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            key = os.urandom(256)
            for i, host in enumerate(hosts, 1):
                self.nodes[i] = Node(self, host, i, config, key)
        except BaseException:
            self.lab.close()
            raise

    @property
    def hold(self):
        """ms an idle ring may hold the token (corosync.conf(5): 0.8 x retransmit - 10)."""
        return 0.8 * self.token / 4.2 - 10

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._switch.close()
        self.lab.close()

    def start(self, ids=None):
        for i in ids or self.nodes:
            self.nodes[i].start_corosync()

    def probes(self, *options, ids=None):
        for i in ids or self.nodes:
            self.nodes[i].start_probe(*options)
        for i in ids or self.nodes:
            self.nodes[i].wait_probe()

    def wait_whole(self, ids=None, timeout=20):
        """Until the newest quorum view of all of `ids` is one ring with exactly these members, seen by CPG too."""
        ids = sorted(ids or self.nodes)
        members = ",".join(map(str, ids))

        def whole():
            rings = set()
            for i in ids:
                last = self.nodes[i].last()
                if sorted(m.split("/")[0] for m in last["CONF"]["members"].split(",")) != [str(j) for j in ids]:
                    return False
                for kind in ("QUORUM", "TOTEM"):
                    rings.add((last[kind]["ring"], ",".join(sorted(last[kind]["members"].split(",")))))
            return len(rings) == 1 and rings.pop()[1] == members
        wait_for(whole, timeout, f"nodes {members} in one ring", 0.02)

    def set_port(self, number, state):
        """Bridge port state: 3 forwarding, 0 disabled (nothing passes either way, the carrier stays)."""
        with self.lab._switch.entered():
            index = socket.if_nametoindex(f"port{number}")
        data = struct.pack("HHBxxx", 5, 1, state)                          # IFLA_BRPORT_STATE
        attribute = struct.pack("HH", 4 + len(data), 12 | 0x8000) + data   # IFLA_PROTINFO, nested
        body = struct.pack("BxHiII", 7, 0, index, 0, 0) + attribute        # AF_BRIDGE
        self._switch.send(struct.pack("IHHII", 16 + len(body), 19, 5, 1, 0) + body)   # RTM_SETLINK, REQUEST | ACK
        answer = self._switch.recv(4096)
        error = struct.unpack_from("i", answer, 16)[0]
        if error:
            raise OSError(-error, os.strerror(-error))


class Node:
    def __init__(self, cluster, host, number, config, key):
        self.cluster, self.host, self.number = cluster, host, number
        self.corosync = self.probe = None
        self._life = 0
        self._forget()
        self._keeper = host.spawn(["unshare", "--mount", "--propagation", "private", "sh", "-c", _KEEPER], "keeper")
        wait_for(lambda: "ready" in self._keeper.stdout(), 10, "mount namespace")
        root = f"/proc/{self._keeper.pid}/root/etc/corosync"
        self._write(f"{root}/corosync.conf", config.encode())
        self._write(f"{root}/authkey", key)

    @staticmethod
    def _write(path, data):
        with open(path, "wb") as file:
            file.write(data)

    def spawn(self, argv, name):
        return self.host.spawn(["nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt", *argv], name)

    def run(self, argv):
        return self.host.run(["nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt", *argv])

    def start_corosync(self):
        self._life += 1
        self.corosync = self.spawn(["corosync", "-f"], f"corosync{self._life}")

    def start_probe(self, *options):
        self._life += 1
        self._forget()
        self.probe = self.spawn([build("ring_probe"), "-R", *options], f"probe{self._life}")

    def _forget(self):
        self._lines, self._events, self._last, self._offset = [], [], {}, 0

    def wait_probe(self, timeout=20):
        wait_for(lambda: "READY" in self.last(), timeout, f"probe of node {self.number} joined")

    def _pull(self):
        if self.probe is None:
            return
        with open(self.probe.stdout_path, encoding="ascii") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text.rfind("\n") + 1
        self._offset += whole
        for line in text[:whole].splitlines():
            self._lines.append(line)
            if " MSG " not in line:
                _, _, kind, *rest = line.split()
                self._last[kind] = dict(x.split("=", 1) for x in rest)

    def last(self):
        """{kind: fields} of the newest event of each kind but MSG."""
        self._pull()
        return self._last

    def events(self):
        """All events of the probe of now."""
        self._pull()
        for line in self._lines[len(self._events):]:
            at, turn, kind, *rest = line.split()
            self._events.append(Event(self.number, int(at), int(turn), kind, dict(x.split("=", 1) for x in rest)))
        return self._events

    def cut(self):
        """Closes the port. Returns (before, after) on the clock of the probes, ns."""
        before = time.monotonic_ns()
        self.cluster.set_port(self.number, 0)
        return before, time.monotonic_ns()

    def join(self):
        before = time.monotonic_ns()
        self.cluster.set_port(self.number, 3)
        return before, time.monotonic_ns()


def pause(seconds):
    """A phase, not a wait for something: the experiments below say why each is there."""
    time.sleep(max(0.0, seconds))   # tidy: a random or fixed phase is what is measured


def random_phase(low, high):
    phase = random.uniform(low, high)
    pause(phase)
    return phase


def spread(values, unit="ms", digits=1):
    """n, min, p50, p99 (or the largest but one per cent), max."""
    if not values:
        return "n=0"
    values = sorted(values)
    def at(q):
        return values[min(len(values) - 1, int(q * len(values)))]
    return (f"n={len(values)} min={values[0]:.{digits}f} p50={at(0.5):.{digits}f} p90={at(0.9):.{digits}f} "
            f"p99={at(0.99):.{digits}f} max={values[-1]:.{digits}f} {unit}")


def load():
    return "load " + "/".join(f"{x:.1f}" for x in os.getloadavg())


def versions():
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "corosync", "libknet1", "libqb100"],
                         capture_output=True, text=True, check=False).stdout.split("\n")
    return ", ".join(x for x in out if x) + f", Linux {os.uname().release}, {os.cpu_count()} CPUs, {load()}"
