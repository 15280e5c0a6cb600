"""The demonstration where no namespaces can be had: one gateway on loopback, without a virtual IP. What happens to servers is shown, nothing more."""
import os
import sys
import time

from support import raw
from support.backends import Nginx
from support.fairlead import BIN, Gateway
from support.lab import Lab
from support.load import Load
from support.pki import Authority

from demo.servers import ServerActs

KEEP_ALIVE = 9
PER_REQUEST = 7
PORT = 6443


class LoopbackDemo:
    def __init__(self, lab, reason):
        self.lab = lab
        self.reason = reason
        self.gate_node = lab.node("gate")
        self.client = lab.node("client")
        self.authority = Authority(lab.dir)
        nodes = [lab.node(f"mast-{i}") for i in (1, 2, 3)]
        self.servers = [Nginx(node, self.authority.issue(node.name, [node.address, self.gate_node.address], [node.name])) for node in nodes]
        self.admin = (self.gate_node.loopback, self.gate_node.free_port())
        self.gate = Gateway(self.gate_node, {
            "listeners": [{"name": "kube-api", "bind": [f"{self.gate_node.address}:{PORT}"], "pool": "masters", "max_connections": 1000}],
            "pools": [{"name": "masters", "balance": "least_connections",
                       "health": {"type": "https", "path": "/readyz", "ca": self.authority.cert},
                       "servers": [{"name": s.name, "address": s.address} for s in self.servers]}],
            "admin": {"socket": os.path.join(lab.dir, "fairlead.sock"), "listen": "{}:{}".format(*self.admin)},
        }, name="gate-1")
        self.gate.socket_path = self.gate.config["admin"]["socket"]

    def run(self):
        """What was not as promised."""
        for server in self.servers:
            server.start()
        self.gate.start()
        self.gate.wait_all_up()
        status = self.gate.status()
        print(f"fairleadd {status['version']} ({status['engine']}), 3 nginx servers with TLS checked by https, {KEEP_ALIVE + PER_REQUEST} clients; "
              f"on loopback addresses, without a virtual IP ({self.reason}).")
        print(f"{KEEP_ALIVE} clients keep their connection, {PER_REQUEST} open one for each request; every answer is checked.\n")
        with Load(self.client, (self.gate_node.address, PORT), keep_alive=KEEP_ALIVE, per_request=PER_REQUEST, ca=self.authority.cert) as load:
            acts = ServerActs(self.gate, self.servers, load, keep_alive=KEEP_ALIVE)
            acts.run()
        return acts.failures

    def stay(self):
        """Keeps it up until Ctrl-C."""
        with raw.TcpServer(self.lab.host(), raw.forward_to(self.gate_node, self.admin)) as forwarder:
            fairlead = os.path.join(os.path.relpath(BIN), "fairlead")
            print(f"\nStill up; admin API at http://127.0.0.1:{forwarder.port}/. Try, in another terminal:")
            for text in (f"export FAIRLEAD_SOCKET={self.gate.socket_path}", f"{fairlead} status", f"{fairlead} server drain masters/mast-1",
                         f"kill -9 {self.servers[2].process.pid}; {fairlead} server list; {fairlead} events",
                         f"curl --cacert {self.authority.cert} https://{self.gate_node.address}:{PORT}/",
                         f"curl http://127.0.0.1:{forwarder.port}/metrics"):
                print(f"  {text}")
            print("Ctrl-C ends everything.", flush=True)
            while self.gate.process.running:
                time.sleep(0.5)
        print(f"fairleadd ended with {self.gate.process.returncode}", file=sys.stderr)
        return 1


def run(reason, stay):
    """The exit code."""
    with Lab("loopback") as lab:
        demo = LoopbackDemo(lab, reason)
        try:
            failures = demo.run()
        except (AssertionError, RuntimeError) as problem:
            print(f"The demonstration failed: {problem}\nThe daemon's last words:\n{demo.gate.log_tail()}", file=sys.stderr)
            return 1
        for failure in failures:
            print(f"  NOT AS PROMISED: {failure}", file=sys.stderr)
        if failures:
            return 1
        if stay:
            return demo.stay()
        print("\nAll as promised, and nothing left behind. The first steps: docs/start.md")
        return 0
