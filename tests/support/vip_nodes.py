"""fairleadd with a virtual IP on the nodes of a CorosyncLab; who has the address is asked of the kernels."""
import os
import signal
import sys

from support.cluster_probe import ClusterTest
from support.fairlead import BIN, Gateway
from support.waiting import wait_for

VIP = "10.77.99.1"


class _Inside:
    """What Gateway wants of a node: programs run in both namespaces of it."""

    def __init__(self, node):
        self.dir = node.host.dir
        self.spawn = node.spawn
        self.run = node.run


class VipNode(Gateway):
    """`hosts`: of all nodes, in the order of their ids; None: alone, without Corosync. `vip`: more keys of the VIP. `vips`: further ones."""

    def __init__(self, node, hosts, test, vip=None, vips=()):
        name = f"node{node.number}"
        config = {
            "vips": [{"name": "api", "address": f"{VIP}/16", "interface": "eth0", **(vip or {})}, *vips],
            "listeners": [{"name": "front", "bind": [f"{VIP}:6443"], "pool": "masters", "max_connections": 100}],
            "pools": [{"name": "masters", "health": {"type": "none"}, "servers": [{"name": "one", "address": "127.0.0.1:6443"}]}],
            "proxy": {"workers": 1},
        }
        if hosts:
            nodes = [{"name": f"node{i}", "id": i, "links": [host.address]} for i, host in enumerate(hosts, 1)]
            config["cluster"] = {"name": "lab", "nodes": nodes}
        super().__init__(_Inside(node), config, name=name)
        self.host = node.host
        self.cluster_node = node
        test.addCleanup(self.end)

    def kill(self):
        """SIGKILL to the daemon alone: its guard lives on."""
        self.process.signal(signal.SIGKILL)
        self.process.wait(5)

    def release_vips(self):
        return self.node.run([os.path.join(BIN, "fairleadd"), "--config", self.config_path, "--release-vips"])

    def has_vip(self):
        return f" {VIP}/" in self.host.run(["ip", "-o", "addr", "show", "dev", "eth0"]).stdout

    def processes(self):
        """The daemon and its guard, by their network namespace."""
        wanted = os.stat(self.host.namespace_path).st_ino
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    name = file.read().strip()
                if name in ("fairleadd", "exe", "guard") and os.stat(f"/proc/{pid}/ns/net").st_ino == wanted:
                    found.append(int(pid))
            except OSError:
                continue   # It has just ended.
        return found


def holders(gates):
    """Who has the address. The kernels are asked one after the other, so two may be found while it moves: both had it at one time only if
    they still have it when they are asked once more."""
    found = [gate for gate in gates if gate.has_vip()]
    return found if len(found) < 2 else [gate for gate in found if gate.has_vip()]


class GatesTest(ClusterTest):
    """Tests of several daemons that share a VIP."""

    def gates(self, count, prepare=None):
        """`prepare`: called with the cluster; answers what is to change in each gate's configuration, a function of the gate."""
        self.lab = cluster = self.cluster(count)
        gates = [VipNode(cluster.nodes[i], [n.host for n in cluster.nodes.values()], self) for i in sorted(cluster.nodes)]
        change = prepare(cluster) if prepare else None
        for gate in gates:
            if change:
                change(gate)
                gate.write()
            gate.start()
        wait_for(lambda: len(holders(gates)) == 1, 30, "one node holds the VIP")
        return gates

    def answering(self, gates):
        """Each gateway's pool has a server of its own, which answers at once."""
        for gate in gates:
            server = gate.cluster_node.spawn([sys.executable, "-c", _SERVER], "server")
            self.addCleanup(server.kill)
            wait_for(lambda server=server: "ready" in server.stdout(), 10, "the server listens")

    def other_holder(self, gates, old):
        """Waits for another holder; at no moment are there two."""
        def moved():
            now = holders(gates)
            self.assertLessEqual(len(now), 1, now)
            return len(now) == 1 and now[0] is not old
        wait_for(moved, 20, "another node holds the VIP")
        return holders(gates)[0]


_SERVER = """
import socket, threading
def answer(c):   # One that says nothing, as of a client whose gateway went, keeps nobody else waiting.
    try:
        c.recv(512)
        c.send(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    except OSError:
        pass
    c.close()
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 6443))
s.listen(512)
print("ready", flush=True)
while True:
    threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()
"""
