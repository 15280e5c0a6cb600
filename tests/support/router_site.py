"""Two gateways between a world and two networks, each with the router alone (tests/netns/router_probe.cc), and machines that talk through
them. Which gateway has the VIPs is the test's doing: neither knows of the other's connections."""
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from support.fairlead import BIN, to_yaml
from support.netns import NetworkNamespace
from support.process import Spawner
from support.waiting import wait_for

OUT = "203.0.113.9"
VIPS = {"eth0": f"{OUT}/24", "eth1": "192.168.1.254/24", "eth2": "192.168.2.254/24"}
VIPS6 = {"eth0": "2001:db8::9/64", "eth1": "fd00:1::254/64"}


def config(**router):
    """As all gateways have it."""
    return {
        "apiVersion": "fairlead/v1",
        "node": "g1",
        "vips": [{"name": "out", "address": f"{OUT}/24", "interface": "eth0", "group": "gateway"}],
        "listeners": [{"name": "api", "bind": [f"{OUT}:6443"], "pool": "one"}],
        "pools": [{"name": "one", "servers": [{"name": "one", "address": "192.168.1.10:6443"}]}],
        "dnsdhcp": {"follows": "gateway", "networks": [
            {"name": "mast", "interface": "eth1", "cidr": "192.168.1.0/24", "router": "192.168.1.254", "dns": "192.168.1.1"},
            {"name": "mast6", "interface": "eth1", "cidr": "fd00:1::/64", "router": "fd00:1::254"},
            {"name": "node", "interface": "eth2", "cidr": "192.168.2.0/24", "router": "192.168.2.254", "dns": "192.168.2.1"},
            {"name": "absent", "interface": "eth7", "cidr": "192.168.7.0/24", "dns": "192.168.7.1"}]},
        "router": {"uplink": "eth0", "forward": [{"from": "mast", "to": ["node", "uplink"]}, {"from": "mast6", "to": ["uplink"]},
                                                 {"from": "absent", "to": ["mast"]}], **router},
    }


class Box:
    """A machine: a network namespace, sockets and programs in it."""

    def __init__(self, site, name, ports):
        self.site, self.name = site, name
        self.dir = os.path.join(site.dir, name)
        os.mkdir(self.dir)
        self.namespace = NetworkNamespace()
        self.sockets = []
        self.run("ip link set lo up")
        self.run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
        for number, (bridge, *addresses) in enumerate(ports):
            port = f"{name}.{number}"
            with site.switch.entered():
                _run(f"ip link add name {port} type veth peer name eth{number} netns {self.namespace.path}")
                _run(f"ip link set {port} master br-{bridge} up")
            self.run(f"ip link set eth{number} up")
            for address in addresses:
                self.run(f"ip addr add {address} dev eth{number}" + (" nodad" if ":" in address else ""))

    def entered(self):
        return self.namespace.entered()

    def run(self, command, check=True):
        with self.entered():
            return _run(command, check)

    def read(self, key):
        with self.entered(), open(f"/proc/sys/{key}", encoding="ascii") as file:
            return file.read().strip()

    def socket(self, kind=socket.SOCK_STREAM, address="0.0.0.0", port=0):
        """Bound; closed at the end of the site."""
        with self.entered():
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        self.sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(10)
        sock.bind((address, port))
        return sock

    def listen(self, port, address="0.0.0.0"):
        sock = self.socket(address=address, port=port)
        sock.listen(16)
        return sock

    def connect(self, address, port, source=None):
        """The socket; errors as connect(2)."""
        sock = self.socket(address=source or ("::" if ":" in address else "0.0.0.0"))
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def pair(self, server, address, port=7000):
        """A connection to a service on `server`: both ends."""
        listener = server.listen(port, "::" if ":" in address else "0.0.0.0")
        try:
            client = self.connect(address, port)
            end, peer = listener.accept()
        finally:
            listener.close()
        end.settimeout(10)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.sockets.append(end)
        return client, end, peer[0]

    def close(self):
        for sock in self.sockets:
            sock.close()
        self.namespace.close()


class Gate(Box):
    def __init__(self, site, name, number):
        super().__init__(site, name, [("world", f"203.0.113.{10 + number}/24", f"2001:db8::{10 + number}/64"),
                                      ("mast", f"192.168.1.{250 + number}/24", f"fd00:1::{250 + number}/64"),
                                      ("node", f"192.168.2.{250 + number}/24")])
        self.run("sysctl -qw net.ipv4.conf.all.rp_filter=1")   # As strict as an administrator may want it.
        self.config_path = os.path.join(self.dir, "fairlead.yaml")
        self.state = os.path.join(self.dir, "state")
        os.mkdir(self.state)
        self.fifo = os.path.join(self.dir, "commands")
        os.mkfifo(self.fifo)
        self.commands = os.open(self.fifo, os.O_RDWR)
        self.process, self.runs = None, 0

    def write(self, content):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(to_yaml(content))

    def start(self, trial_ms=60000, wait="NOTICE IN_FORCE"):
        self.runs += 1
        program = os.path.join(BIN, "router_probe")
        self.process = self.site.spawner.start(["sh", "-c", f"exec {program} {self.config_path} {self.state} {trial_ms} < {self.fifo}"], node=self,
                                               log_dir=self.dir, name=f"router{self.runs}")
        if wait:
            self.wait(wait)

    def lines(self):
        return self.process.stdout().splitlines()

    def wait(self, line, count=1, timeout=10):
        wait_for(lambda: sum(found.startswith(line) for found in self.lines()) >= count, timeout,
                 f"{line!r} x {count} of {self.name}: {self.process.stdout()} {self.process.stderr()}")

    def tell(self, command):
        """The answer's lines, without notices."""
        before = len(self.lines())
        os.write(self.commands, (command + "\n").encode())
        wait_for(lambda: "." in self.lines()[before:], 15, f"an answer to {command}: {self.process.stdout()[-2000:]} {self.process.stderr()}")
        answer = [line for line in self.lines()[before:] if not line.startswith("NOTICE ")]
        return answer[:answer.index(".")]

    def kill(self):
        self.process.kill()

    def table(self):
        """The router's table as nft lists it; empty: there is none."""
        return self.run("nft --stateless list table inet fairlead_router", check=False).stdout

    def take(self, *others):
        """The VIPs come here from the other gateways; everybody learns it, as from gratuitous ARP."""
        for gate in others:
            for device, address in [*VIPS.items(), *VIPS6.items()]:
                gate.run(f"ip addr del {address} dev {device}", check=False)
        for device, address in [*VIPS.items(), *VIPS6.items()]:
            self.run(f"ip addr add {address} dev {device}" + (" nodad" if ":" in address else ""))
        for box in self.site.boxes:
            box.run("ip neigh flush all")

    def close(self):
        os.close(self.commands)
        super().close()


class RouterSite:
    """gates g1 (has the VIPs) and g2, machines m1 in mast, n1 in node, w1 and w2 in the world."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="fairlead-router.")
        self.spawner = Spawner()
        self.boxes, self.gates = [], []
        self.switch = NetworkNamespace()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        with self.switch.entered():
            for bridge in ("world", "mast", "node"):
                _run(f"ip link add name br-{bridge} type bridge")
                _run(f"ip link set br-{bridge} up")
        self.m1 = self._box("m1", [("mast", "192.168.1.10/24", "fd00:1::10/64")], "192.168.1.254", "fd00:1::254")
        self.n1 = self._box("n1", [("node", "192.168.2.10/24")], "192.168.2.254")
        self.w1 = self._box("w1", [("world", "203.0.113.100/24", "2001:db8::100/64")])
        self.w2 = self._box("w2", [("world", "203.0.113.101/24")])
        self.w1.run(f"ip route add 192.168.0.0/16 via {OUT}")   # As an attacker next door would; answers to NAT do not need it.
        self.w1.run("ip route add fd00:1::/64 via 2001:db8::9")
        for number in (1, 2):
            self.gates.append(Gate(self, f"g{number}", number))
            self.boxes.append(self.gates[-1])
        self.g1, self.g2 = self.gates
        self.g1.take()

    def _box(self, name, ports, router=None, router6=None):
        box = Box(self, name, ports)
        for address in filter(None, (router, router6)):
            box.run(f"ip route add default via {address}")
        self.boxes.append(box)
        return box

    def start(self, content):
        for gate in self.gates:
            gate.write({**content, "node": gate.name})
            gate.start()

    def close(self):
        self.spawner.close()
        for box in self.boxes:
            box.close()
        self.switch.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Talk:
    """A busy connection: a number there and back, again and again. `gap`: the longest silence in seconds; `error`: what ended it."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.count, self.gap, self.error = 0, 0.0, None
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._answer), threading.Thread(target=self._ask)]
        for thread in self._threads:
            thread.start()

    def _answer(self):
        try:
            while data := self.server.recv(4096):
                self.server.sendall(data)
        except OSError:
            return   # The client sees it, or its own error.

    def _ask(self):
        last = time.monotonic()
        try:
            while not self._stop.wait(0.002):
                self.client.sendall(b"%08d" % self.count)
                if len(self.client.recv(8, socket.MSG_WAITALL)) != 8:
                    self.error = "closed"
                    return
                now = time.monotonic()
                self.gap, last, self.count = max(self.gap, now - last), now, self.count + 1
        except OSError as error:
            self.error, self.gap = error, max(self.gap, time.monotonic() - last)

    def goes_on(self, more=50):
        """Until `more` came back, or it ended."""
        wanted = self.count + more
        wait_for(lambda: self.error is not None or self.count >= wanted, 12, f"the connection goes on or ends (at {self.count})", 0.002)
        return self.error is None

    def end(self):
        self._stop.set()
        for sock in (self.client, self.server):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()


def _run(command, check=True):
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
    return done
